"""What an orchestrator waits for and what it knows there, read from its frames and its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import Any

from durablenb.core.context import DurableOrchestrationContext
from durablenb.core.routine import RoutineTask
from durablenb.core.short_repr import brief
from durablenb.core.tasks import AtomicTask, CompoundTask, TaskBase


def frames_of(routine: Any) -> Iterator[FrameType]:
    """The orchestrator's frame, and those of the functions through which it waits."""
    while routine is not None:
        frame = getattr(routine, "gi_frame", None) or getattr(routine, "cr_frame", None)
        if frame is None:
            return
        yield frame
        routine = getattr(routine, "gi_yieldfrom", None) or getattr(routine, "cr_await", None)
        if getattr(getattr(routine, "gi_code", None), "co_name", "") == "__await__":
            return  # the task's own


def names_in(frame: FrameType | None) -> dict[str, str]:
    """The local variables of a frame, each as a short text."""
    found = {} if frame is None else dict(frame.f_locals)
    return {
        name: brief(value)
        for name, value in found.items()
        if not isinstance(value, DurableOrchestrationContext) and not name.startswith("__")
    }


def atoms_of(task: TaskBase[Any]) -> Iterator[AtomicTask[Any]]:
    """The tasks that a task is made of, in their order."""
    waiting = [task]  # the next one is the last one
    while waiting:
        one = waiting.pop()
        if isinstance(one, AtomicTask):
            yield one
        elif isinstance(one, CompoundTask):
            waiting += reversed(one.children)
        elif isinstance(one, RoutineTask) and one.current is not None:
            waiting.append(one.current)


def ids_of(task: TaskBase[Any]) -> tuple[int, ...]:
    """The ids of all tasks in a task."""
    if isinstance(task, AtomicTask):
        return () if task.id is None else (task.id,)
    return tuple(one.id for one in atoms_of(task) if one.id is not None)


def words_of(task: TaskBase[Any]) -> str:
    """What a group of tasks is, in words; nothing for a single one."""
    if isinstance(task, CompoundTask):
        kind = {"WhenAllTask": "task_all", "WhenAnyTask": "task_any"}.get(type(task).__name__, "a group")
        return f"{kind} of {len(task.children):,}"
    return ""
