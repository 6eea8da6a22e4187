"""Critical sections: an orchestration has some entities to itself, by rules that keep out every deadlock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from durablenb.core.tasks import AtomicTask, TaskBase
from durablenb.model.entities import EntityId, checked_entity_id
from durablenb.model.errors import LockingRulesViolationError


class LockTask(AtomicTask["CriticalSection"]):
    """A wait until entities are locked; its value is the `CriticalSection`, for ``with``."""

    __slots__ = ("_section",)

    def __init__(self, task_id: int, section: CriticalSection) -> None:
        super().__init__(task_id, _no_text)
        self._section = section

    def _value(self) -> CriticalSection:
        return self._section

    async def __aenter__(self) -> CriticalSection:
        return await self

    async def __aexit__(self, *_: object) -> None:
        self._section.release()


class CriticalSection:
    """While it lasts, the locked entities do what this orchestration asks, and nothing for others.

    Attributes
    ----------
    entities
        The locked entities, in the order in which they were locked.
    """

    def __init__(self, entities: tuple[EntityId, ...], release: Callable[[], None]) -> None:
        self.entities = entities
        self._release = release

    def release(self) -> None:
        """Ends it; twice does nothing."""
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
        return f"<CriticalSection of {', '.join(str(one) for one in self.entities)}>"


class Locking:
    """What an execution has locked, and the rules that follow from it.

    Notes
    -----
    The rules are those of .NET's ``LockAsync``: no critical section in another one; in it no
    sub-orchestration, calls of locked entities only, of each one at a time, and signals to others only.
    """

    def __init__(self) -> None:
        self._task: LockTask | None = None
        self._calls: dict[str, TaskBase[Any]] = {}

    @property
    def held(self) -> tuple[EntityId, ...]:
        """The entities that are locked now."""
        task = self._task
        return task._section.entities if task is not None and task.is_completed else ()

    def begin(self, task: LockTask) -> None:
        """A critical section was asked for."""
        self._task = task
        self._calls = {}

    def end(self, task: LockTask) -> bool:
        """Whether that one was open; it isn't any more."""
        if self._task is not task:
            return False
        self._task = None
        return True

    def check_lock(self) -> None:
        """Raises if there is a critical section already."""
        if self._task is not None:
            raise LockingRulesViolationError(
                "A critical section can't be entered inside of another one, or while another one is waited "
                f"for: {_listed(self._task._section.entities)} are. Lock all that you need with one "
                "context.lock([...]), or leave the first one before."
            )

    def check_sub_orchestration(self) -> None:
        """Raises in a critical section."""
        if self.held:
            raise LockingRulesViolationError(
                "A sub-orchestration can't be called in a critical section: it might wait for the entities "
                f"that are locked here, {_listed(self.held)}. Call it before or afterwards."
            )

    def check_signal(self, entity_id: EntityId) -> None:
        """Raises for an entity that is locked here."""
        if entity_id in self.held:
            raise LockingRulesViolationError(
                f"{entity_id} is locked here, and can't be signaled: the signal would wait until the "
                "critical section is over. Call it with call_entity."
            )

    def check_call(self, entity_id: EntityId) -> None:
        """Raises in a critical section for an entity that isn't locked, or that is called already."""
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
        """Notes a call."""
        if self.held:
            self._calls[str(entity_id)] = task


def in_order(entities: Iterable[EntityId]) -> tuple[EntityId, ...]:
    """The entities in the one order in which everybody locks, each once.

    Raises
    ------
    TypeError
        If something is no `EntityId`.
    ValueError
        If there is none.
    """
    if isinstance(entities, EntityId):
        entities = (entities,)
    found = tuple(sorted({checked_entity_id(one) for one in entities}))
    if not found:
        raise ValueError("lock needs at least one entity: context.lock([EntityId('Account', 'a')]).")
    return found


def _listed(entities: Iterable[EntityId]) -> str:
    return ", ".join(str(one) for one in entities)


def _no_text(text: str) -> None:
    """A lock has no text."""
