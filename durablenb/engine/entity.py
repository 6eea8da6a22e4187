"""An entity, as the engine keeps it in memory while it has requests, and for a while afterwards."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from durablenb.core.entity import OperationRequest
from durablenb.engine.entity_batch import OperationBatch
from durablenb.model.entities import EntityId
from durablenb.model.events import ParentInstance

Owner = tuple[str, str]
"""The ids of an instance and of its execution that has locked entities, or requests that."""


@dataclass(slots=True)
class Operation:
    """An operation that has not been done yet."""

    number: int
    name: str
    input: str
    caller: ParentInstance | None
    is_signal: bool

    @property
    def request(self) -> OperationRequest:
        """The part of it that goes to the process in which the entity's function runs."""
        return OperationRequest(self.number, self.name, self.input, self.is_signal)


@dataclass(slots=True)
class LockRequest:
    """A request for one of the locks of a critical section: that at `position`."""

    number: int
    owner: ParentInstance
    entity_ids: tuple[str, ...]
    position: int


class Entity:
    """State of an entity that the engine needs to take messages for it.

    Parameters
    ----------
    instance_id
        The entity's id as text.
    execution_id
        The id of the current part of its history.
    """

    __slots__ = (
        "__weakref__",
        "batch",
        "execution_id",
        "id",
        "is_closed",
        "is_queued",
        "is_recovered",
        "key",
        "lock",
        "missing",
        "next_event_id",
        "one_by_one",
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
        """The state as text; None while it has not been read."""
        self.queue: deque[Operation | LockRequest] = deque()
        self.owned: deque[Operation] = deque()
        """Operations that the lock's owner requested."""
        self.lock: LockRequest | None = None
        self.running: tuple[Operation, ...] = ()
        self.batch: OperationBatch | None = None
        """The running batch, as it was passed to an executor."""
        self.pending: dict[int, Operation] = {}
        """Operations that are to be done later, by number."""
        self.missing: set[str] = set()
        self.one_by_one = 0
        """How many of the next operations are to run alone: one of them made its batch fail as a whole."""
        self.is_queued = False
        self.is_recovered = False
        self.is_closed = False

    @property
    def name(self) -> str:
        """The name of its function in the registry's activities."""
        return f"@{self.key.name}"

    @property
    def owner(self) -> Owner | None:
        """The execution that has locked it."""
        return None if self.lock is None else owner_key(self.lock.owner)

    @property
    def is_idle(self) -> bool:
        """True if no request is left and it isn't locked."""
        return not (self.queue or self.owned or self.running or self.lock or self.pending)

    @property
    def callers(self) -> list[ParentInstance]:
        """The tasks that wait for it."""
        owners = [request.owner for request in self.queue if isinstance(request, LockRequest)]
        requests = (*self.queue, *self.owned, *self.running)
        calls = [call for call in requests if isinstance(call, Operation) and not call.is_signal]
        return owners + [call.caller for call in calls if call.caller is not None]

    @property
    def size(self) -> int:
        """The characters of its state in memory."""
        return len(self.state or "")


def owner_key(caller: ParentInstance) -> Owner:
    """Return the execution that a task belongs to."""
    return caller.instance_id, caller.execution_id
