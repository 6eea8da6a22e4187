"""Cancellation of an execution: when the request interrupts an await, and what becomes of the awaited task.

The request interrupts an await of a task that isn't settled: results that have arrived are never lost. If
sub-orchestrations are awaited, they are canceled first, and the await is interrupted once they have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from durablenb.core.locking import LockTask
from durablenb.core.loop_tasks import LoopCanceledError, LoopWait
from durablenb.core.routine import RetryTask, RoutineTask
from durablenb.core.tasks import ActivityTask, Parent, SubOrchestrationTask, TaskBase, single_tasks
from durablenb.model.actions import Action, CancelSubOrchestration
from durablenb.model.errors import OrchestrationCanceledError


class Cancellation:
    """The requests to cancel an execution, of which one at a time is pending.

    Parameters
    ----------
    request
        Records a request of the execution.
    waiter
        Is notified when a sub-orchestration has ended.
    """

    __slots__ = ("_children", "_request", "_waiter", "is_pending", "reason")

    def __init__(self, request: Callable[[Action], None], waiter: Parent) -> None:
        self._request = request
        self._waiter = waiter
        self._children: list[SubOrchestrationTask[Any]] = []
        self.is_pending = False
        """True until the request interrupts an await."""
        self.reason = ""
        """The reason of the last request that had an effect."""

    def deliver(self, reason: str) -> None:
        """Take a request. It has no effect while another one is pending."""
        if not self.is_pending:
            self.is_pending, self.reason = True, reason

    def waits(self, task: TaskBase[Any]) -> bool:
        """Tell whether the code waits at an await of this task; cancel its sub-orchestrations, if it must.

        The code doesn't wait if the task is settled, or if the await is interrupted.
        """
        if not self.is_pending:
            return not task._is_settled
        if isinstance(task, LoopWait):
            return task.stop()
        if self._children or not task._is_settled:
            for child in _children_in(task):
                if child not in self._children:
                    self._children.append(child)
                    self._request(CancelSubOrchestration(child.id or 0, child.instance_id, self.reason))
                    child._watch(self._waiter)
        return any(not child._is_settled for child in self._children)

    def interrupts(self, task: TaskBase[Any]) -> bool:
        """Tell whether the request interrupts an await of this task, at which the code doesn't wait."""
        if isinstance(task, LoopWait):
            return self.is_pending and task.is_stopped
        return self.is_pending and (bool(self._children) or not task._is_settled)

    def interrupt(self, task: TaskBase[Any]) -> OrchestrationCanceledError:
        """Return the error for the await of this task; cancel the calls and withdraw the locks in it."""
        self.is_pending = False
        self._children = []
        for member in _members(task):
            if isinstance(member, RetryTask):
                member.cancel()
            elif isinstance(member, RoutineTask):
                member._stop()
            elif isinstance(member, (ActivityTask, LockTask)):
                member._give_up()
        kind = LoopCanceledError if isinstance(task, LoopWait) else OrchestrationCanceledError
        return kind(f"The orchestration was canceled: {self.reason or 'no reason was given'}.")


def stop_open(task: TaskBase[Any], request: Callable[[Action], None], reason: str) -> None:
    """Cancel what is open in a task, except calls of entities, which can't be cancelled.

    Parameters
    ----------
    task
        A composite task, or a single one.
    request
        Records a request of the execution.
    reason
        The reason that sub-orchestrations get.
    """
    for child in list(_children_in(task)):
        request(CancelSubOrchestration(child.id or 0, child.instance_id, reason))
    for member in list(_members(task)):
        if isinstance(member, RoutineTask) and not isinstance(member, RetryTask):
            member._stop()
        else:
            member._give_up()


def _members(task: TaskBase[Any]) -> Iterator[TaskBase[Any]]:
    """Return the tasks of a composite that aren't settled, in order; or the task itself."""
    return (member for member in single_tasks(task) if not member._is_settled)


def _children_in(task: TaskBase[Any]) -> Iterator[SubOrchestrationTask[Any]]:
    """Yield the open calls of sub-orchestrations in a task, those with retries too."""
    for member in _members(task):
        call = member.current if isinstance(member, RoutineTask) else member
        if isinstance(call, SubOrchestrationTask) and not call._is_settled:
            yield call
