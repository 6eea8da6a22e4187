"""Imports: histories from elsewhere are written, and protected from changes."""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.core.ports.store import HistoryBundle, Record
from durablenb.engine.entities import Entities
from durablenb.engine.instances import Instances
from durablenb.engine.locks import Promise
from durablenb.engine.messages import ImportHistory, Reply
from durablenb.engine.services import EngineServices
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model.errors import InstanceExistsError, InstanceStateError, StoreError
from durablenb.model.imports import Import
from durablenb.model.status import OrchestrationRuntimeStatus


class Imports:
    """The instances and entities that were imported.

    Parameters
    ----------
    services
        The services of the engine.
    buffer
        Takes the histories.
    instances, entities
        Those of the hub's own.
    """

    def __init__(
        self, services: EngineServices, buffer: WriteBuffer, instances: Instances, entities: Entities
    ) -> None:
        self._store = services.store
        self._clock = services.clock
        self._buffer = buffer
        self._instances = instances
        self._entities = entities
        self._imported = instances.imported

    def check(self, instance_id: str) -> None:
        """Raise `InstanceStateError` for an imported instance or entity: it can't be changed."""
        if instance_id in self._imported:
            raise InstanceStateError(self._imported[instance_id].refusal)

    def check_wait(self, instance_id: str, status: OrchestrationRuntimeStatus | None) -> None:
        """Raise `InstanceStateError` for an imported instance that had not ended: here it never will."""
        if instance_id in self._imported and status is not None and not status.is_terminal:
            raise InstanceStateError(
                f"{self._imported[instance_id].refusal} It was {status} there, and doesn't run here."
            )

    def check_free(self, instance_id: str) -> None:
        """Raise `InstanceExistsError` if an imported instance has that id."""
        if instance_id in self._imported:
            raise InstanceExistsError(
                f"{self._imported[instance_id].refusal} Give another instance_id, or purge it."
            )

    def forget(self, instance_ids: Sequence[str]) -> None:
        """Remove instances that are purged."""
        for instance_id in instance_ids:
            self._imported.pop(instance_id, None)

    def carry_out(self, message: ImportHistory) -> list[str]:
        """Write the histories that aren't there already; return the ids of all of them.

        Raises
        ------
        InstanceExistsError
            If something else has one of the ids.
        StoreError
            If they can't be written now: then none of them is.
        """
        self._buffer.drain()
        by_id: dict[str, list[Record]] = {}
        for record in message.bundle.records:
            by_id.setdefault(record.instance_id, []).append(record)
        executions = {record.execution_id: record.instance_id for record in message.bundle.records}
        taken_ids, taken_executions = self._store.existing_ids(by_id, executions)
        for instance_id, records in by_id.items():
            if instance_id in taken_ids:
                self._check_same(instance_id, records)
        new_ids = by_id.keys() - taken_ids
        for execution_id in sorted(taken_executions):
            if executions[execution_id] in new_ids:
                raise InstanceExistsError(
                    f"The hub has an execution {execution_id!r} already, of another instance. Nothing was "
                    "imported. Import it under other ids: prefix='...'."
                )
        if new_ids:
            bundle = _selected(message.bundle, new_ids)
            self._write(bundle, message.origin, message.made_by, sorted(new_ids))
        return list(by_id)

    def _check_same(self, instance_id: str, records: list[Record]) -> None:
        if instance_id not in self._imported:
            raise InstanceExistsError(
                f"The hub has {_kind(instance_id)} {instance_id!r} of its own. Nothing was imported. "
                "Import it under another id: prefix='...'."
            )
        written = self._store.records(instance_id)
        if [record[2:] for record in written] != [record[2:] for record in records]:
            raise InstanceExistsError(
                f"{instance_id!r} was imported from {self._imported[instance_id].origin} already, with "
                "another history. Nothing was imported. Purge that one, or import this one under another id: "
                "prefix='...'."
            )

    def _write(self, bundle: HistoryBundle, origin: str, made_by: str, instance_ids: list[str]) -> None:
        now = self._clock.now()
        imports = [Import(instance_id, origin, made_by, now) for instance_id in instance_ids]
        written: Reply = Promise()
        self._buffer.import_histories(bundle, imports, written)
        try:
            self._buffer.drain()
            written.result()
        except StoreError:
            self._imported.update((imported.instance_id, imported) for imported in self._store.imports())
            if instance_ids[0] not in self._imported:  # else it is on disk despite the error
                raise
        self._imported.update((imported.instance_id, imported) for imported in imports)
        self._instances.forget(instance_ids)
        self._entities.forget(instance_ids)


def _kind(instance_id: str) -> str:
    return "an entity" if instance_id.startswith("@") else "an instance"


def _selected(bundle: HistoryBundle, instance_ids: set[str]) -> HistoryBundle:
    """Return the part of a bundle that belongs to these instances, numbered from 1."""
    records = [record for record in bundle.records if record.instance_id in instance_ids]
    return bundle._replace(
        records=[record._replace(seq=number) for number, record in enumerate(records, 1)],
        lines=[line for line in bundle.lines if line.instance_id in instance_ids],
        outputs=[state for state in bundle.outputs if state.instance_id in instance_ids],
    )
