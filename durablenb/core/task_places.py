"""The places at which the tasks of an orchestration's event loop wait, for views of a replay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from durablenb.core.loop_tasks import DurableTimer, LoopTask, TaskFuture, running_frame
from durablenb.core.routine import RoutineTask
from durablenb.core.tasks import AtomicTask, CompoundTask, TaskBase, single_tasks

if TYPE_CHECKING:
    from durablenb.core.event_loop import OrchestrationLoop


_SITE_FOLDERS = ("/site-packages/", "/dist-packages/")

A_FUTURE = "a future of asyncio"
"""The description of a future of unknown purpose."""


@dataclass(frozen=True)
class TaskPlace:
    """The place at which a task of the loop waits.

    Parameters
    ----------
    name
        The task's name.
    function, line
        The function that waits, and its line; empty and None if it isn't the user's.
    awaited
        A description of what it awaits; empty for a single durable task.
    task_ids
        The ids of the durable tasks that it awaits.
    """

    name: str
    function: str
    line: int | None
    awaited: str
    task_ids: tuple[int, ...]


def task_places(loop: OrchestrationLoop) -> tuple[TaskPlace, ...]:
    """Return where the unfinished tasks of a loop wait."""
    return tuple(_place(task, loop) for task in loop.pending())


def _place(task: LoopTask, loop: OrchestrationLoop) -> TaskPlace:
    frames = list(user_frames(task.coroutine))
    awaited: Any = getattr(task, "_fut_waiter", None)
    function, line = (frames[-1].f_code.co_name, frames[-1].f_lineno) if frames else ("", None)
    if isinstance(awaited, TaskFuture):
        text, ids = group_text(awaited.awaited), all_task_ids(awaited.awaited)
    else:
        ids = _timer_ids(awaited, loop)
        text = "" if ids else future_text(awaited)
    return TaskPlace(task.get_name(), function, line, text, ids)


def _timer_ids(future: object, loop: OrchestrationLoop) -> tuple[int, ...]:
    """Return the ids of the timers that set the result of a future, as those of `asyncio.sleep` do."""
    return tuple(
        number
        for number, timer in loop.execution.tasks.items()
        for handle in timer._parents
        if isinstance(handle, DurableTimer) and any(given is future for given in handle._args or ())
    )


def future_text(future: Any) -> str:
    """Return the description of a future that is awaited; None is the loop's next turn."""
    if future is None:
        return "the next turn of the event loop"
    if isinstance(future, LoopTask):
        return future.get_name()
    children = getattr(future, "_children", None)
    return A_FUTURE if children is None else f"asyncio.gather of {len(children):,}"


def user_frames(routine: Any) -> Iterator[FrameType]:
    """Yield the frame of a generator or coroutine, and those of the functions through which it waits.

    The frames of asyncio's own functions and of installed libraries are left out, with all that is inside of
    them. The package of the first frame isn't such a library.
    """
    own = None
    for frame in _awaiting_frames(routine):
        own = own or _package(frame)
        if _is_library(frame, own):
            return
        yield frame


def waits_in_library(routine: Any) -> bool:
    """Return whether a coroutine waits inside of an installed library, apart from asyncio."""
    frames = list(_awaiting_frames(routine))
    return any(_is_library(frame, _package(frames[0])) for frame in frames)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def _is_library(frame: FrameType, own: str) -> bool:
    package = _package(frame)
    file = frame.f_code.co_filename.replace("\\", "/")
    is_installed = any(folder in file for folder in _SITE_FOLDERS)
    return package != own and (is_installed or package == "durablenb")


def _awaiting_frames(routine: Any) -> Iterator[FrameType]:
    while routine is not None:
        frame = running_frame(routine)
        if frame is None or _package(frame) == "asyncio":
            return
        yield frame
        routine = getattr(routine, "gi_yieldfrom", None) or getattr(routine, "cr_await", None)
        if getattr(getattr(routine, "gi_code", None), "co_name", "") == "__await__":
            return  # the frame of the task itself


# -- durable tasks ---------------------------------------------------------------------------------


def atomic_tasks(task: TaskBase[Any]) -> Iterator[AtomicTask[Any]]:
    """Yield the atomic tasks of a task, in order."""
    for member in single_tasks(task):
        if isinstance(member, AtomicTask):
            yield member
        elif isinstance(member, RoutineTask) and member.current is not None:
            yield from atomic_tasks(member.current)


def all_task_ids(task: TaskBase[Any]) -> tuple[int, ...]:
    """Return the ids of all atomic tasks in a task."""
    if isinstance(task, AtomicTask):
        return () if task.id is None else (task.id,)
    return tuple(member.id for member in atomic_tasks(task) if member.id is not None)


def group_text(task: TaskBase[Any]) -> str:
    """Return the description of a composite task; empty for a single one."""
    if isinstance(task, CompoundTask):
        kind = {"WhenAllTask": "task_all", "WhenAnyTask": "task_any"}.get(type(task).__name__, "a group")
        return f"{kind} of {len(task.children):,}"
    return ""
