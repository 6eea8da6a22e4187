"""Routines: tasks that run a generator over other tasks, such as a call with retries."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from durablenb.core.tasks import Parent, TaskBase, TaskState
from durablenb.model.failures import FailureDetails, failure_of

Wake = Callable[["RoutineTask"], None]


class RoutineTask(TaskBase[Any], Parent):
    """A task whose outcome a generator computes from other tasks, one after another.

    The generator yields the tasks that it awaits, gets each one back once it is settled, and returns the
    task whose outcome is its own. `wake` is called when it can continue; `proceed` continues it.
    """

    __slots__ = ("_adopted", "_awaited", "_generator", "_wake")

    def __init__(self, generator: Generator[TaskBase[Any], TaskBase[Any], Any], wake: Wake) -> None:
        super().__init__()
        self._generator = generator
        self._wake = wake
        self._awaited: TaskBase[Any] | None = None
        self._adopted: TaskBase[Any] | None = None
        self.proceed()

    def proceed(self) -> None:
        """Run the generator until it awaits a task that isn't settled."""
        try:
            while True:
                awaited = self._generator.send(self._awaited)  # type: ignore[arg-type]
                self._awaited = awaited
                if not awaited.is_completed:
                    awaited._watch(self)
                    return
        except StopIteration as stop:
            self._adopt(stop.value)
        except Exception as error:  # from the user's retry handler
            self._fail(failure_of(error), str(error))

    @property
    def current(self) -> TaskBase[Any] | None:
        """The awaited task, or the one with the outcome."""
        return self._adopted or self._awaited

    def _adopt(self, outcome: TaskBase[Any] | tuple[FailureDetails, str]) -> None:
        if isinstance(outcome, tuple):
            self._fail(*outcome)
            return
        self._adopted = outcome
        self._failure, self._failed_as = outcome._failure, outcome._failed_as
        self._settle(outcome.state)

    def _child_settled(self, child: TaskBase[Any]) -> bool:
        self._wake(self)
        return False

    def _value(self) -> Any:
        assert self._adopted is not None
        return self._adopted._value()

    def _exception(self) -> Exception:
        if self._adopted is not None and self._state is TaskState.FAILED:
            return self._adopted._exception()
        return super()._exception()
