"""An entity, as the engine holds it while it has something to do, and for a while afterwards."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from durablenb.core.entity import Asked
from durablenb.engine.operations import Batch
from durablenb.model.entities import EntityId
from durablenb.model.events import ParentInstance

Owner = tuple[str, str]
"""An execution that has locked entities, or asks for it: its instance's id and its own."""


@dataclass(slots=True)
class Operation:
    """An operation that isn't done yet."""

    number: int
    name: str
    input: str
    caller: ParentInstance | None
    is_signal: bool

    @property
    def asked(self) -> Asked:
        """What the entity's function has to know of it."""
        return Asked(self.number, self.name, self.input, self.is_signal)


@dataclass(slots=True)
class LockRequest:
    """A critical section that is asked for."""

    number: int
    owner: ParentInstance
    entity_ids: tuple[str, ...]
    position: int


class Entity:
    """What the engine must know of an entity to take messages for it.

    Parameters
    ----------
    instance_id
        The entity's id as text.
    execution_id
        Of its history since it was last taken into memory with nothing to do.
    """

    __slots__ = (
        "__weakref__",
        "batch",
        "execution_id",
        "id",
        "is_closed",
        "is_one_by_one",
        "is_queued",
        "is_recovered",
        "key",
        "lock",
        "missing",
        "next_event_id",
        "owned",
        "pending",
        "queue",
        "running",
        "state",
    )

    def __init__(self, instance_id: str, execution_id: str) -> None:
        self.id = instance_id
        self.key = EntityId.get_entity_id(instance_id)
        self.execution_id = execution_id
        self.next_event_id = 1
        self.state: str | None = None
        """As text; None while it hasn't been read."""
        self.queue: deque[Operation | LockRequest] = deque()
        self.owned: deque[Operation] = deque()
        """What the lock's owner asks for."""
        self.lock: LockRequest | None = None
        self.running: tuple[Operation, ...] = ()
        self.batch: Batch | None = None
        """What of it runs, as it was given to an executor."""
        self.pending: dict[int, Operation] = {}
        """By number, the operations that aren't to be done yet."""
        self.missing: set[str] = set()
        self.is_one_by_one = 0
        """How many operations are to be done one by one: one of them ended the process that it ran in."""
        self.is_queued = False
        self.is_recovered = False
        self.is_closed = False

    @property
    def name(self) -> str:
        """The name under which its function is registered among the activities."""
        return f"@{self.key.name}"

    @property
    def owner(self) -> Owner | None:
        """Who has locked it."""
        return None if self.lock is None else owner_of(self.lock.owner)

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing to do and waits for nothing."""
        return not (self.queue or self.owned or self.running or self.lock or self.pending)

    @property
    def callers(self) -> list[ParentInstance]:
        """Who waits for it."""
        waiting = [one.owner for one in self.queue if isinstance(one, LockRequest)]
        operations = (*self.queue, *self.owned, *self.running)
        calls = [one for one in operations if isinstance(one, Operation) and not one.is_signal]
        return waiting + [one.caller for one in calls if one.caller is not None]

    @property
    def size(self) -> int:
        """Characters that it holds in memory."""
        return len(self.state or "")


def owner_of(caller: ParentInstance) -> Owner:
    """The execution that asks."""
    return caller.instance_id, caller.execution_id
