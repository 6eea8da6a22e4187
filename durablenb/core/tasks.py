"""Tasks, which an orchestrator awaits. Settling a task settles its composites, without recursion."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from enum import Enum
from typing import Any, Generic, TypeVar

from durablenb.model.failures import FailureDetails, exception_of, operation_note

T = TypeVar("T")

ALREADY_SEEN = "Cannot cancel a completed task."
"""Azure's message for a task that the orchestrator has seen complete."""


class TaskState(Enum):
    """The state of a task: running, or how it ended."""

    RUNNING = 0
    SUCCEEDED = 1
    FAILED = 2


class TaskBase(Generic[T]):
    """A task that an orchestrator can await with ``yield`` or ``await``.

    Notes
    -----
    The attributes are those of both of Azure's Python libraries: `is_completed` and `is_complete`,
    `result` and `get_result`.
    """

    __slots__ = ("_failed_as", "_failure", "_parents", "_state", "id")

    def __init__(self, task_id: int | None = None) -> None:
        self.id = task_id
        self._state = TaskState.RUNNING
        self._failure: FailureDetails | None = None
        self._failed_as = ""
        self._parents: list[Parent] = []

    @property
    def state(self) -> TaskState:
        """Running, succeeded or failed."""
        return self._state

    @property
    def is_completed(self) -> bool:
        """True if the task has a result or a failure."""
        return self.state is not TaskState.RUNNING

    @property
    def is_complete(self) -> bool:
        """The same as `is_completed`, under the name of Azure's newer library."""
        return self.state is not TaskState.RUNNING

    @property
    def is_failed(self) -> bool:
        """True if the task failed."""
        return self._state is TaskState.FAILED

    @property
    def result(self) -> T | None:
        """The task's value, or None while it is running.

        Raises
        ------
        TaskFailedError
            If it failed; also of the original exception's type, where that is known.
        """
        return None if self.state is TaskState.RUNNING else self.get_result()

    def get_result(self) -> T:
        """Return the task's value.

        Raises
        ------
        ValueError
            If the task is still running.
        TaskFailedError
            If the task failed; also of the original exception's type, if that is known.
        """
        if self.state is TaskState.RUNNING:
            raise ValueError("The task is still running; yield it (or await it) first.")
        if self._state is TaskState.FAILED:
            raise self._exception()
        return self._value()

    def get_exception(self) -> Exception | None:
        """Return the failure as an exception, or None."""
        return self._exception() if self._state is TaskState.FAILED else None

    def __await__(self) -> Generator[TaskBase[T], Any, T]:
        yield self
        return self.get_result()

    @property
    def _is_settled(self) -> bool:
        """The same as `is_completed`, for durablenb's own code."""
        return self._state is not TaskState.RUNNING

    def __repr__(self) -> str:
        number = "" if self.id is None else f" #{self.id}"
        return f"<{type(self).__name__}{number} {self._state.name.lower()}>"

    def _value(self) -> T:
        raise NotImplementedError(f"{type(self).__name__} has no value")  # pragma: no cover

    def _exception(self) -> Exception:
        assert self._failure is not None
        return exception_of(self._failure, self._failed_as)

    def _give_up(self) -> None:
        """Cancel the task if it can be cancelled: it has lost a ``task_any``."""

    def _observe(self) -> None:
        """Note that the code sees the task complete."""

    def _watch(self, parent: Parent) -> None:
        """Notify a parent when this task settles."""
        self._parents.append(parent)

    def _settle(self, state: TaskState) -> None:
        """Settle the task, then its parents, and so on."""
        self._state = state
        settled: list[TaskBase[Any]] = [self]
        for task in settled:  # grows while it is read: parents are notified in order
            parents, task._parents = task._parents, []
            for parent in parents:
                if parent._child_settled(task) and isinstance(parent, TaskBase):
                    settled.append(parent)

    def _fail(self, failure: FailureDetails, failed_as: str) -> None:
        if self._state is TaskState.RUNNING:
            self._failure, self._failed_as = failure, failed_as
            self._settle(TaskState.FAILED)


class Parent:
    """A composite that is notified when a task settles, and returns whether it has settled itself."""

    __slots__ = ()

    def _child_settled(self, child: TaskBase[Any]) -> bool:
        raise NotImplementedError  # pragma: no cover


class AtomicTask(TaskBase[T]):
    """A task that one event of the history settles; its value is decoded when it is first read."""

    __slots__ = ("_decode", "_decoded", "_text")

    def __init__(self, task_id: int, decode: Callable[[str], Any]) -> None:
        super().__init__(task_id)
        self._decode: Callable[[str], Any] | None = decode
        self._text = "null"
        self._decoded: Any = None

    def _complete(self, text: str) -> None:
        if self._state is TaskState.RUNNING:
            self._text = text
            self._settle(TaskState.SUCCEEDED)

    def _value(self) -> T:
        if self._decode is not None:
            self._decoded = self._decode(self._text)
            self._decode = None
            self._text = ""
        value: T = self._decoded
        return value


class SubOrchestrationTask(AtomicTask[T]):
    """A call of a sub-orchestration; `instance_id` is the child's id."""

    __slots__ = ("instance_id",)

    def __init__(self, task_id: int, decode: Callable[[str], Any], instance_id: str) -> None:
        super().__init__(task_id, decode)
        self.instance_id = instance_id


class EntityTask(AtomicTask[T]):
    """A call of an entity's operation; `entity_id` is the entity's id, `operation` the operation's name."""

    __slots__ = ("entity_id", "operation")

    def __init__(self, task_id: int, decode: Callable[[str], Any], entity_id: str, operation: str) -> None:
        super().__init__(task_id, decode)
        self.entity_id = entity_id
        self.operation = operation

    def _exception(self) -> Exception:
        error = super()._exception()
        error.add_note(operation_note(self.operation, self.entity_id))
        return error


class CancelableTask(AtomicTask[T]):
    """An atomic task that the orchestrator can cancel."""

    __slots__ = ("_cancel", "_is_canceled", "_is_observed")

    def __init__(
        self,
        task_id: int,
        decode: Callable[[str], Any],
        cancel: Callable[[CancelableTask[T]], None],
    ) -> None:
        super().__init__(task_id, decode)
        self._cancel = cancel
        self._is_canceled = False
        self._is_observed = False

    @property
    def is_cancelled(self) -> bool:
        """True if `cancel` was called."""
        return self._is_canceled

    def is_canceled(self) -> bool:
        """Tell whether `cancel` was called, as the method of Azure's long timers."""
        return self._is_canceled

    def cancel(self) -> None:
        """Stop the task. Cancelling twice has no effect.

        A timer and a wait for an external event stay incomplete. The call of an activity is stopped, and
        fails at once with a `TaskCanceledError`.

        This also works if the task has completed unseen: a timer that has fired is forgotten, an external
        event goes to the next wait, and a call keeps its result.

        Raises
        ------
        ValueError
            If the orchestrator has seen the task complete.
        """
        if self._is_canceled:
            return
        if self._is_observed:
            raise ValueError(ALREADY_SEEN)
        self._is_canceled = True
        self._cancel(self)

    def _give_up(self) -> None:
        self.cancel()

    def _observe(self) -> None:
        self._is_observed = True

    def _value(self) -> T:
        self._is_observed = True
        return super()._value()

    def _exception(self) -> Exception:
        self._is_observed = True
        return super()._exception()


class ActivityTask(CancelableTask[T]):
    """A call of an activity."""

    __slots__ = ()


class TimerTask(CancelableTask[None]):
    """A wait until a point in time."""

    __slots__ = ()


class ExternalEventTask(CancelableTask[T]):
    """A wait for an external event."""

    __slots__ = ("_event", "_is_left", "_look", "name")

    def __init__(
        self,
        task_id: int,
        decode: Callable[[str], Any],
        cancel: Callable[[CancelableTask[T]], None],
        name: str,
        look: Callable[[ExternalEventTask[T]], None],
    ) -> None:
        super().__init__(task_id, decode, cancel)
        self.name = name
        self._look = look
        self._event: Any = None
        self._is_left = False

    @property
    def state(self) -> TaskState:
        """Running, or succeeded."""
        if self._state is TaskState.RUNNING:
            self._look(self)
        return self._state

    def _give_back(self) -> Any:
        """Take back and return the event that this task got; the task waits again."""
        event, self._event = self._event, None
        self._state = TaskState.RUNNING
        return event


class CompoundTask(TaskBase[T], Parent):
    """A task that is composed of others."""

    __slots__ = ("children",)

    def __init__(self, children: Sequence[TaskBase[Any]]) -> None:
        super().__init__()
        self.children = list(children)


class WhenAllTask(CompoundTask[list[T]]):
    """A task for the values of all children, in their order; it waits for all of them even if one fails.

    Parameters
    ----------
    children
        The tasks.
    return_exceptions
        Put a failed child's exception among the values, instead of failing.
    """

    __slots__ = ("_missing", "_returns_exceptions")

    def __init__(self, children: Sequence[TaskBase[T]], *, return_exceptions: bool = False) -> None:
        super().__init__(children)
        self._returns_exceptions = return_exceptions
        self._missing = 0
        for child in self.children:
            if not child._is_settled:
                self._missing += 1
                child._watch(self)
        if not self._missing:
            self._state = self._outcome()

    def _child_settled(self, child: TaskBase[Any]) -> bool:
        self._missing -= 1
        if self._missing or self._state is not TaskState.RUNNING:
            return False
        self._state = self._outcome()
        return True

    def _outcome(self) -> TaskState:
        failed = not self._returns_exceptions and any(child.is_failed for child in self.children)
        return TaskState.FAILED if failed else TaskState.SUCCEEDED

    def _value(self) -> list[T]:
        if self._returns_exceptions:
            return [child._exception() if child.is_failed else child.get_result() for child in self.children]  # type: ignore[misc]
        return [child.get_result() for child in self.children]

    def _exception(self) -> Exception:
        return next(child._exception() for child in self.children if child.is_failed)


class WhenAnyTask(CompoundTask[TaskBase[Any] | None]):
    """A task for the child that settles first; without children, None, as in Azure's library 1.x.

    A child that fails can be first as well; its failure is raised when its result is read. With
    `cancels_losers`, the others are cancelled when the winner is read, which is when the code resumes.
    """

    __slots__ = ("_cancels_losers", "_decided", "_winner")

    def __init__(
        self,
        children: Sequence[TaskBase[Any]],
        decided: Callable[[WhenAnyTask], None] | None = None,
        *,
        cancels_losers: bool = False,
    ) -> None:
        super().__init__(children)
        self._decided = decided
        self._cancels_losers = cancels_losers
        self._winner: TaskBase[Any] | None = None
        for child in self.children:
            if not child._is_settled:
                child._watch(self)
            elif self._winner is None:
                self._win(child)
        if not self.children:
            self._state = TaskState.SUCCEEDED

    def _child_settled(self, child: TaskBase[Any]) -> bool:
        if self._winner is not None:
            return False
        self._win(child)
        return True

    def _win(self, child: TaskBase[Any]) -> None:
        self._winner = child
        self._state = TaskState.SUCCEEDED
        if self._decided is not None:
            self._decided(self)

    def _value(self) -> TaskBase[Any] | None:
        if self._winner is not None:
            self._winner._observe()
        if self._cancels_losers:
            self._cancels_losers = False
            for child in self.children:
                cancel_open(child)
        return self._winner


def cancel_open(task: TaskBase[Any]) -> None:
    """Cancel a task that isn't settled, or those of the tasks in it."""
    for member in single_tasks(task):
        if not member._is_settled:
            member._give_up()


def single_tasks(task: TaskBase[Any]) -> Iterator[TaskBase[Any]]:
    """Yield the tasks of a composite, in order; or the task itself."""
    inside = [task]  # a stack
    while inside:
        member = inside.pop()
        if isinstance(member, CompoundTask):
            inside += reversed(member.children)
        else:
            yield member
