"""Errors: one tree under `DurableError`, each also of the nearest builtin kind.

Every message says what happened, what was expected and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from durablenb.model import display

if TYPE_CHECKING:
    from durablenb.model.failures import FailureDetails


class DurableError(display.ShortTraceback, Exception):
    """The base class of durablenb's errors."""


class StoreError(DurableError, OSError):
    """The journal could not be read or written (disk full, damaged file, closed hub).

    Results of calls that had returned are safe. A call that had not returned may have succeeded: check before
    retrying.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class HubLockedError(StoreError):
    """Another process holds the hub's file; the message names it.

    A problem of the file itself is a plain `StoreError`.
    """


class HubUnreachableError(DurableError, ConnectionError):
    """No server responds at a hub's address, or the connection broke.

    A server that responds with a refusal, such as for a wrong key, raises a plain `DurableError`.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NotSerializableError(DurableError, TypeError):
    """A value can't be kept in the journal; the message names the path inside the value."""


class FunctionNotFoundError(DurableError, LookupError):
    """No activity, orchestrator or entity of that name is registered in this process.

    For an instance's id it is an `InstanceNotFoundError`.
    """


class ExecutorUnavailableError(DurableError, RuntimeError):
    """The executor of an activity no longer runs anything: its pool broke, or its client was closed.

    No call has failed: the calls wait, and run when there is another executor, or when the hub is reopened.
    """


class WorkerLostError(DurableError, RuntimeError):
    """The worker of a cluster that ran an activity was lost: it died, or can't be reached any more.

    An activity fails with this error once it has lost more workers than its executor allows. Retries count
    it like any other failure.
    """


class NonRetriableError(DurableError, RuntimeError):
    """An activity or an orchestrator raises it to say that another attempt would fail as well.

    A retry policy makes no further attempt. Subclasses count, too. An orchestration that such an error ends
    isn't retried by its parent.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> @hub.activity
    ... def charge(card):
    ...     raise df.NonRetriableError(f"{card} has expired")
    >>> @hub.orchestrator
    ... def pay(context):
    ...     try:
    ...         yield context.call_activity_with_retry(charge, df.RetryOptions(1_000, 5), "card 7")
    ...     except df.NonRetriableError as error:
    ...         return error.details.message
    >>> hub.run(pay)
    'card 7 has expired'
    >>> hub.close()
    """


class BudgetExceededError(NonRetriableError):
    """A request to a language model wasn't made, since the `Budget` of the orchestration is used up.

    It is what the call failed with; an orchestrator can catch it. A retry policy makes no further attempt.
    """


class TypeNotRegisteredError(DurableError, LookupError):
    """A value is of a type that isn't registered in this process; the message names it.

    Writing a value that can't be kept raises a `NotSerializableError` instead.
    """

    def __init__(self, message: str, type_name: str = "") -> None:
        super().__init__(message)
        self.type_name = type_name


class InstanceNotFoundError(DurableError, LookupError):
    """The hub has no instance with that id."""


class InstanceExistsError(DurableError, ValueError):
    """An instance with that id is open (or in a status that `dedupe_statuses` rejects), or was imported."""


class InstanceStateError(DurableError, ValueError):
    """The instance's state doesn't allow the command, such as rewinding one that did not fail."""


class WaitTimeoutError(DurableError, TimeoutError):
    """A wait timed out, or nothing is left that could end it.

    The orchestration is unaffected: wait again, or continue without its result.
    """


class TaskCanceledError(DurableError, RuntimeError):
    """The orchestrator canceled the call of an activity, and then awaited it."""


class ActivityCancelledError(DurableError, RuntimeError):
    """Raised by `raise_if_cancelled` in an activity whose call was cancelled."""


class OrchestrationCanceledError(DurableError, RuntimeError):
    """The orchestration was canceled; the message has the reason.

    It is raised in the orchestrator, where it waits. It is also raised if the result of an orchestration that
    ended with it is requested.
    """


class OrchestrationTerminatedError(DurableError, RuntimeError):
    """The result of a terminated orchestration was requested; the message has the reason."""


class OrchestrationLimitError(DurableError, RuntimeError):
    """An execution exceeded a limit: of actions, or of bytes of custom status."""


class LockingRulesViolationError(DurableError, RuntimeError):
    """A rule of critical sections was broken; the message says which one, and what to do.

    Notes
    -----
    The name is Azure's, with Python's suffix for errors.
    """


class NonDeterminismError(DurableError, RuntimeError):
    """A replay's requests differ from those in the history.

    Parameters
    ----------
    message
        A description of the recorded and the requested action, and advice.
    line, file, function
        The place in the orchestrator's source at which they differ, if it is known.
    differences
        For each field that differs: its name, the recorded value and the requested one.
    recorded, requested
        Their descriptions; "nothing more" if there is none.
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

    It is also of the original exception's type if this process knows that, so that ``except ValueError:``
    works in an orchestrator. `details` has the type's name, the message, the traceback's text and the inner
    failure.
    """

    details: FailureDetails
