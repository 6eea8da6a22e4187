"""Routines: tasks that run a generator over other tasks, such as a call with retries."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from durablenb.core.tasks import ALREADY_SEEN, Parent, TaskBase, TaskState, cancel_open
from durablenb.model.errors import TaskCanceledError
from durablenb.model.failures import FailureDetails, describe_failure

Wake = Callable[["RoutineTask"], None]


class RoutineTask(TaskBase[Any], Parent):
    """A task whose outcome a generator computes from other tasks, one after another.

    The generator yields the tasks that it awaits, gets each one back once it is settled, and returns the
    task whose outcome is its own. `wake` is called when it can continue; `proceed` continues it. `name` is
    that of the function that is called.
    """

    __slots__ = ("_adopted", "_awaited", "_generator", "_wake", "name")

    def __init__(
        self, generator: Generator[TaskBase[Any], TaskBase[Any], Any], wake: Wake, name: str
    ) -> None:
        super().__init__()
        self.name = name
        self._generator = generator
        self._wake = wake
        self._awaited: TaskBase[Any] | None = None
        self._adopted: TaskBase[Any] | None = None
        self.proceed()

    def proceed(self) -> None:
        """Run the generator until it awaits a task that isn't settled."""
        if self._is_settled:  # cancelled
            return
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
            self._fail(describe_failure(error), str(error))

    @property
    def current(self) -> TaskBase[Any] | None:
        """The awaited task, or the one with the outcome."""
        return self._adopted or self._awaited

    def _stop(self) -> None:
        """Fail at once, and cancel what is awaited if that can be cancelled."""
        if not self._is_settled:
            self._generator.close()
            self._fail(*canceled_call(self.name))
            if self._awaited is not None:
                cancel_open(self._awaited)

    def _adopt(self, outcome: TaskBase[Any] | tuple[FailureDetails, str]) -> None:
        if isinstance(outcome, tuple):
            self._fail(*outcome)
            return
        self._adopted = outcome
        self._failure, self._failed_as = outcome._failure, outcome._failed_as
        self._settle(outcome.state)

    def _child_settled(self, child: TaskBase[Any]) -> bool:
        if not self._is_settled:
            self._wake(self)
        return False

    def _value(self) -> Any:
        assert self._adopted is not None
        return self._adopted._value()

    def _exception(self) -> Exception:
        if self._adopted is not None and self._state is TaskState.FAILED:
            return self._adopted._exception()
        return super()._exception()


class RetryTask(RoutineTask):
    """A call of an activity with retries."""

    __slots__ = ("_is_canceled", "_is_observed")

    def __init__(
        self, generator: Generator[TaskBase[Any], TaskBase[Any], Any], wake: Wake, name: str
    ) -> None:
        self._is_canceled = False
        self._is_observed = False
        super().__init__(generator, wake, name)

    @property
    def is_cancelled(self) -> bool:
        """True if `cancel` was called."""
        return self._is_canceled

    def cancel(self) -> None:
        """Stop the attempt that runs, or the wait for the next one. Cancelling twice has no effect.

        The call fails at once with a `TaskCanceledError`; one that has completed unseen keeps its result.

        Raises
        ------
        ValueError
            If the orchestrator has seen the call complete.
        """
        if self._is_canceled:
            return
        if self._is_observed:
            raise ValueError(ALREADY_SEEN)
        self._is_canceled = True
        self._stop()

    def _give_up(self) -> None:
        self.cancel()

    def _observe(self) -> None:
        self._is_observed = True

    def _value(self) -> Any:
        self._is_observed = True
        return super()._value()

    def _exception(self) -> Exception:
        self._is_observed = True
        return super()._exception()


def canceled_call(name: str) -> tuple[FailureDetails, str]:
    """Return the failure of a cancelled call of an activity, and its text."""
    error = TaskCanceledError(f"The orchestrator cancelled this call of {name!r}.")
    return describe_failure(error), str(error)
