"""Histories from elsewhere are taken in, and kept from being changed."""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.core.ports.clock import Clock
from durablenb.core.ports.store import Parcel, Record, Store
from durablenb.engine.entities import Entities
from durablenb.engine.journal import Journal
from durablenb.engine.lifecycle import Lifecycle
from durablenb.engine.locks import Promise
from durablenb.engine.messages import Reply, TakeIn
from durablenb.model.errors import InstanceExistsError, InstanceStateError, StoreError
from durablenb.model.imports import Import
from durablenb.model.status import OrchestrationRuntimeStatus


class Imports:
    """What was taken in from elsewhere.

    Parameters
    ----------
    store, journal, clock
        The world.
    lifecycle, entities
        Who has ids of their own.
    """

    def __init__(
        self, store: Store, journal: Journal, clock: Clock, lifecycle: Lifecycle, entities: Entities
    ) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        self._lifecycle = lifecycle
        self._entities = entities
        self._known = lifecycle.imported

    def check(self, instance_id: str) -> None:
        """Raises `InstanceStateError` for what was imported: nothing is done to it."""
        if instance_id in self._known:
            raise InstanceStateError(self._known[instance_id].refusal)

    def check_wait(self, instance_id: str, status: OrchestrationRuntimeStatus | None) -> None:
        """Raises `InstanceStateError` for an imported instance that had not ended: here it never will."""
        if instance_id in self._known and status is not None and not status.is_terminal:
            raise InstanceStateError(
                f"{self._known[instance_id].refusal} It was {status} there, and doesn't go on here."
            )

    def check_free(self, instance_id: str) -> None:
        """Raises `InstanceExistsError` if an imported instance has that id."""
        if instance_id in self._known:
            raise InstanceExistsError(
                f"{self._known[instance_id].refusal} Give another instance_id, or purge it."
            )

    def forget(self, instance_ids: Sequence[str]) -> None:
        """They are purged."""
        for instance_id in instance_ids:
            self._known.pop(instance_id, None)

    def take_in(self, message: TakeIn) -> list[str]:
        """Takes in what isn't there already; answers the ids of all of it.

        Raises
        ------
        InstanceExistsError
            If something else has one of the ids.
        StoreError
            If it can't be written now: then nothing of it is.
        """
        self._journal.drain()
        by_id: dict[str, list[Record]] = {}
        for record in message.parcel.records:
            by_id.setdefault(record.instance_id, []).append(record)
        executions = {record.execution_id: record.instance_id for record in message.parcel.records}
        taken, at_work = self._store.taken(by_id, executions)
        for one, records in by_id.items():
            if one in taken:
                self._check_same(one, records)
        new = by_id.keys() - taken
        for execution_id in sorted(at_work):
            if executions[execution_id] in new:
                raise InstanceExistsError(
                    f"The hub has an execution {execution_id!r} already, of another instance. Nothing was "
                    "imported. Import it under other ids: prefix='...'."
                )
        if new:
            self._write(_only(message.parcel, new), message.origin, message.made_by, sorted(new))
        return list(by_id)

    def _check_same(self, instance_id: str, records: list[Record]) -> None:
        if instance_id not in self._known:
            raise InstanceExistsError(
                f"The hub has {_what(instance_id)} {instance_id!r} of its own. Nothing was imported. "
                "Import it under another id: prefix='...'."
            )
        if [one[2:] for one in self._store.records(instance_id)] != [one[2:] for one in records]:
            raise InstanceExistsError(
                f"{instance_id!r} was imported from {self._known[instance_id].origin} already, with another "
                "history. Nothing was imported. Purge that one, or import this one under another id: "
                "prefix='...'."
            )

    def _write(self, parcel: Parcel, origin: str, made_by: str, ids: list[str]) -> None:
        now = self._clock.now()
        imports = [Import(one, origin, made_by, now) for one in ids]
        written: Reply = Promise()
        self._journal.take_in(parcel, imports, written)
        try:
            self._journal.drain()
            written.result()
        except StoreError:
            self._known.update((one.instance_id, one) for one in self._store.imports())
            if ids[0] not in self._known:  # else it is on disk all the same
                raise
        self._known.update((one.instance_id, one) for one in imports)
        for one in ids:
            self._lifecycle.ended.pop(one, None)
        self._entities.forget(ids)


def _what(instance_id: str) -> str:
    return "an entity" if instance_id.startswith("@") else "an instance"


def _only(parcel: Parcel, ids: set[str]) -> Parcel:
    """What belongs to these alone, numbered from 1."""
    records = [one for one in parcel.records if one.instance_id in ids]
    return parcel._replace(
        records=[one._replace(seq=number) for number, one in enumerate(records, 1)],
        lines=[one for one in parcel.lines if one.instance_id in ids],
    )
