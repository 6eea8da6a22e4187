"""An entity as a user holds it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any

from durablenb.analysis.figures import EntityFigures
from durablenb.core.proxies import EntityProxy
from durablenb.hub.client import SyncDurableOrchestrationClient
from durablenb.model.entities import EntityId
from durablenb.model.errors import DurableError

if TYPE_CHECKING:
    from durablenb.analysis.entities import EntitySnapshot
    from durablenb.notebook.live.entity import EntitySight, LiveEntity


class EntityHandle(EntityProxy, EntityFigures):
    """An entity of a hub: each method signals the operation of its name.

    A call returns once the signal is on disk; the operation is done after that. Operations whose names are
    taken here are asked for with `signal`. A notebook shows the entity with its state, its last operations,
    and those that failed.

    Parameters
    ----------
    client
        The hub's.
    entity_id
        Which entity.

    Examples
    --------
    >>> import durablenb as df
    >>> with df.TaskHub(":memory:", mode="kernel") as hub:
    ...     @hub.entity
    ...     class Counter:
    ...         def __init__(self):
    ...             self.value = 0
    ...         def add(self, amount: int):
    ...             self.value += amount
    ...     counter = hub.entity(Counter, "a")
    ...     counter.add(5)
    ...     while hub.step():
    ...         pass
    ...     counter.state()
    {'value': 5}
    """

    __slots__ = ("_client",)

    def __init__(self, client: SyncDurableOrchestrationClient, entity_id: EntityId) -> None:
        super().__init__(entity_id, client.signal_entity)
        self._client = client

    def signal(self, operation_name: str, operation_input: Any = None, *, at: datetime | None = None) -> None:
        """Ask for an operation, by its name; `at`: not before that."""
        self._client.signal_entity(self.entity_id, operation_name, operation_input, at=at)

    def state(self, expected_type: Any = None, *, as_of: datetime | None = None) -> Any:
        """Return the state, None if there is none; see `TaskHub.entity_state`."""
        return self._client.entity_state(self.entity_id, expected_type, as_of=as_of)

    def watch(self) -> LiveEntity:
        """Return a live view: the state, how it came about operation by operation, and what is to be done.

        `watch().sql` is the query for the operations that are shown, and `watch().df()` gives them as a data
        frame.
        """
        from durablenb.notebook.live.entity import LiveEntity

        return LiveEntity(self._sight())

    def _sight(self) -> EntitySight:
        from durablenb.analysis.entities import read_last_seq
        from durablenb.analysis.sql import query, reader_of
        from durablenb.notebook.live.entity import EntitySight

        store, instance_id = self._client.engine.store, str(self.entity_id)
        return EntitySight(
            self,
            instance_id,
            last_seq=lambda: read_last_seq(reader_of(store), instance_id),
            shown=self._shown,
            ask=lambda sql: query(reader_of(store), sql, None, {}),
        )

    def _reader(self) -> AbstractContextManager[Any]:
        from durablenb.analysis.sql import reader_of  # what only pictures need

        return nullcontext(reader_of(self._client.engine.store))

    def _shown(self) -> EntitySnapshot:
        from durablenb.analysis.entities import entity_snapshot  # what only pictures need
        from durablenb.analysis.sql import reader_of

        engine = self._client.engine
        return entity_snapshot(
            reader_of(engine.store),
            self.entity_id,
            engine.options.codec.shown,
            is_missing=self._is_missing,
            now=engine.clock.now(),
        )

    @property
    def _is_missing(self) -> bool:
        return not self._client.engine.registry.has_entity(self.entity_id.name)

    def __repr__(self) -> str:
        from durablenb.analysis.entities import entity_summary
        from durablenb.analysis.sql import reader_of

        engine = self._client.engine
        try:
            reader, now = reader_of(engine.store), engine.clock.now()
            return entity_summary(reader, self.entity_id, is_missing=self._is_missing, now=now).line
        except DurableError:
            return f"<entity {self.entity_id} of a closed hub>"
