"""An entity as a user holds it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from durablenb.client import SyncDurableOrchestrationClient
from durablenb.core.proxies import EntityProxy
from durablenb.model.entities import EntityId


class EntityHandle(EntityProxy):
    """An entity of a hub: each method signals the operation of its name.

    A call returns once the signal is on disk; the operation is done after that. Operations whose names are
    taken here are asked for with `signal`.

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
