"""Errors: one tree under `DurableError`, each also of the nearest builtin kind.

Every message says what happened, what was expected and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from durablenb.model import display

if TYPE_CHECKING:
    from durablenb.model.failures import FailureDetails


class DurableError(display.ShortTraceback, Exception):
    """Everything that durablenb raises on its own account is one of these."""


class StoreError(DurableError, OSError):
    """The journal could not be read or written (disk full, damaged file, closed hub).

    Nothing that a call had returned before is lost. What was asked for and not yet returned is
    unknown: look before you ask again.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class HubLockedError(StoreError):
    """Another process holds the hub's file; the message names it.

    You get a plain `StoreError` instead where the file itself is the trouble.
    """


class HubUnreachableError(DurableError, ConnectionError):
    """Nobody answers where a hub is said to be served, or the connection to it broke.

    You get a plain `DurableError` instead where somebody answers and refuses: the key is wrong.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NotSerializableError(DurableError, TypeError):
    """A value can't be kept in the journal; the message names the path inside the value."""


class FunctionNotFoundError(DurableError, LookupError):
    """No activity, orchestrator or entity of that name is registered in this process.

    You get an `InstanceNotFoundError` instead where the name is an instance's id.
    """


class ExecutorUnavailableError(DurableError, RuntimeError):
    """The executor of an activity runs nothing any more: a pool that broke, a client that was closed.

    Nothing has failed: the calls wait, and run when there is another executor, or when the hub is opened
    again.
    """


class TypeNotRegisteredError(DurableError, LookupError):
    """A value is of a type that isn't registered in this process; the message names it.

    You get a `NotSerializableError` instead where a value is written that can't be kept.
    """

    def __init__(self, message: str, type_name: str = "") -> None:
        super().__init__(message)
        self.type_name = type_name


class InstanceNotFoundError(DurableError, LookupError):
    """The hub has no instance with that id."""


class InstanceExistsError(DurableError, ValueError):
    """An instance with that id is open (or of a status that `dedupe_statuses` refuses), or was imported."""


class InstanceStateError(DurableError, ValueError):
    """The instance is in a state in which this can't be done: rewinding one that did not fail."""


class WaitTimeoutError(DurableError, TimeoutError):
    """The time-out of a wait ran out, or nothing is left that could end the wait.

    The orchestration is unharmed: wait again, or go on without.
    """


class OrchestrationTerminatedError(DurableError, RuntimeError):
    """`result()` of an orchestration that was terminated; the message gives the reason."""


class OrchestrationLimitError(DurableError, RuntimeError):
    """An execution asked for more than it may: actions, or bytes of custom status."""


class LockingRulesViolationError(DurableError, RuntimeError):
    """A rule of critical sections was broken; the message says which one, and what to do.

    Notes
    -----
    Azure's name, with the ending that errors have in Python.
    """


class NonDeterminismError(DurableError, RuntimeError):
    """A replay asked for something else than the history holds.

    Parameters
    ----------
    message
        What was recorded, what was requested, and what to do.
    line, file, function
        Where in the orchestrator's source the two part, if it is known.
    differences
        For each field that differs: its name, the recorded value and the requested one.
    recorded, requested
        What they are, in words; "nothing more" where there is nothing.
    event_id
        The recorded event, if there is one.

    Notes
    -----
    The Durable Task Framework's name is `NonDeterministicOrchestrationException`.
    """

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        file: str | None = None,
        function: str | None = None,
        differences: tuple[tuple[str, object, object], ...] = (),
        recorded: str = "",
        requested: str = "",
        event_id: int | None = None,
    ) -> None:
        super().__init__(message)
        self.recorded = recorded
        self.requested = requested
        self.event_id = event_id
        self.line = line
        self.file = file
        self.function = function
        self.differences = differences


class TaskFailedError(DurableError):
    """An activity, a sub-orchestration or an entity's operation failed.

    It is also of the original exception's type where that is known to this process, so that
    ``except ValueError:`` works in an orchestrator. `details` has the type's name, the message,
    the traceback's text and the inner failure.
    """

    details: FailureDetails
