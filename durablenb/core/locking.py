"""Critical sections: an orchestration locks entities, by rules that make deadlock impossible."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from durablenb.core.tasks import AtomicTask, TaskBase
from durablenb.model.entities import EntityId, checked_entity_id
from durablenb.model.errors import LockingRulesViolationError


class LockTask(AtomicTask["CriticalSection"]):
    """A task that waits until entities are locked; its value is the `CriticalSection`, for ``with``."""

    __slots__ = ("_section", "_withdraw")

    def __init__(self, task_id: int, section: CriticalSection, withdraw: Callable[[LockTask], None]) -> None:
        super().__init__(task_id, _no_text)
        self._section = section
        self._withdraw = withdraw

    def _value(self) -> CriticalSection:
        return self._section

    def _give_up(self) -> None:
        """Withdraw the request."""
        self._withdraw(self)

    async def __aenter__(self) -> CriticalSection:
        return await self

    async def __aexit__(self, *_: object) -> None:
        self._section.release()


class CriticalSection:
    """A context in which the locked entities run operations of this orchestration only.

    Attributes
    ----------
    entities
        The locked entities, in the order in which they were locked.
    """

    def __init__(self, entities: tuple[EntityId, ...], release: Callable[[], None]) -> None:
        self.entities = entities
        self._release = release

    def release(self) -> None:
        """End the critical section; again has no effect."""
        self._release()

    def __enter__(self) -> CriticalSection:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    async def __aenter__(self) -> CriticalSection:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<CriticalSection of {', '.join(str(entity) for entity in self.entities)}>"


class Locking:
    """The entities that an execution has locked, and the rules that follow.

    Notes
    -----
    The rules are those of .NET's ``LockAsync``: critical sections can't be nested; inside one there are no
    sub-orchestrations, calls only of locked entities, one at a time for each, and signals only to others.
    """

    def __init__(self) -> None:
        self._task: LockTask | None = None
        self._calls: dict[str, TaskBase[Any]] = {}

    @property
    def held(self) -> tuple[EntityId, ...]:
        """The locked entities."""
        task = self._task
        return task._section.entities if task is not None and task.is_completed else ()

    def begin(self, task: LockTask) -> None:
        """Note the request of a critical section."""
        self._task = task
        self._calls = {}

    def end(self, task: LockTask) -> bool:
        """End a critical section; return whether it was open."""
        if self._task is not task:
            return False
        self._task = None
        return True

    def check_lock(self) -> None:
        """Raise inside of a critical section."""
        if self._task is not None:
            raise LockingRulesViolationError(
                "A critical section can't be entered inside of another one, or while another one is waited "
                f"for: {_listed(self._task._section.entities)} are. Lock all that you need with one "
                "context.lock([...]), or leave the first one before."
            )

    def check_sub_orchestration(self) -> None:
        """Raise inside of a critical section."""
        if self.held:
            raise LockingRulesViolationError(
                "A sub-orchestration can't be called in a critical section: it might wait for the entities "
                f"that are locked here, {_listed(self.held)}. Call it before or afterwards."
            )

    def check_signal(self, entity_id: EntityId) -> None:
        """Raise for an entity that is locked by this orchestration."""
        if entity_id in self.held:
            raise LockingRulesViolationError(
                f"{entity_id} is locked here, and can't be signaled: the signal would wait until the "
                "critical section is over. Call it with call_entity."
            )

    def check_call(self, entity_id: EntityId) -> None:
        """Raise in a critical section for an entity that isn't locked, or is being called."""
        if not self.held:
            return
        if entity_id not in self.held:
            raise LockingRulesViolationError(
                f"{entity_id} isn't locked here, and can't be called in this critical section, of "
                f"{_listed(self.held)}: others could lock it, and wait for these. Lock it, too."
            )
        under_way = self._calls.get(str(entity_id))
        if under_way is not None and not under_way.is_completed:
            raise LockingRulesViolationError(
                f"{entity_id} is locked here and called already; in a critical section an entity is "
                "called once at a time. Wait for the first call."
            )

    def called(self, entity_id: EntityId, task: TaskBase[Any]) -> None:
        """Note a call of a locked entity."""
        if self.held:
            self._calls[str(entity_id)] = task


def in_order(entities: Iterable[EntityId]) -> tuple[EntityId, ...]:
    """Return the entities in the global lock order, each once.

    Raises
    ------
    TypeError
        If one of them is no `EntityId`.
    ValueError
        If there are none.
    """
    if isinstance(entities, EntityId):
        entities = (entities,)
    ordered = tuple(sorted({checked_entity_id(entity) for entity in entities}))
    if not ordered:
        raise ValueError("lock needs at least one entity: context.lock([EntityId('Account', 'a')]).")
    return ordered


def _listed(entities: Iterable[EntityId]) -> str:
    return ", ".join(str(entity) for entity in entities)


def _no_text(text: str) -> None:
    """Decode nothing: a lock has no value in the journal."""
