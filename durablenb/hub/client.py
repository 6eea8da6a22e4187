"""The client: everything that can be asked of a hub's orchestrations.

It is long because it is Azure's client in one place: most of it is the reference of its methods.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from durablenb.core.ports.store import InstanceQuery
from durablenb.core.registry import name_of
from durablenb.core.status_history import history_events
from durablenb.engine import messages
from durablenb.engine.instance import Outcome
from durablenb.hub.control import Control, ForkInstance, PurgeInstance, PurgeInstances, RestartInstance
from durablenb.hub.entity_client import SyncDurableEntityClient
from durablenb.journal.port import Journal
from durablenb.model.address import Address
from durablenb.model.errors import (
    DurableError,
    InstanceNotFoundError,
    InstanceStateError,
    OrchestrationTerminatedError,
)
from durablenb.model.events import Event
from durablenb.model.failures import FailureDetails, exception_of
from durablenb.model.ids import (
    IfExists,
    asked_instance_id,
    checked_event_name,
    checked_if_exists,
    checked_instance_id,
    checked_version,
)
from durablenb.model.logs import LogLine
from durablenb.model.status import (
    DurableOrchestrationStatus,
    InstanceState,
    OrchestrationRuntimeStatus,
    PurgeHistoryResult,
    Statuses,
    failed_text,
    statuses_of,
)
from durablenb.model.times import aware

NOTHING_GIVEN: Any = object()
"""An argument that was left out, where None is a value."""


class SyncDurableOrchestrationClient(SyncDurableEntityClient):
    """Azure's client methods, each returning once what it did is on disk; a hub's `client`.

    Notes
    -----
    Names and arguments are those of ``azure.durable_functions.DurableOrchestrationClient``; what comes
    after ``*`` is durablenb's. A call that was interrupted may have been done: look before you repeat it.
    """

    def __init__(self, journal: Journal, control: Control) -> None:
        super().__init__(journal, control)
        self.address: Address | None = None
        """Where the hub is served; None if it isn't."""

    # -- starting and steering -------------------------------------------------------------------

    def start_new(
        self,
        orchestration_function_name: Any,
        instance_id: str | None = None,
        client_input: Any = None,
        version: str | None = None,
        *,
        start_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        dedupe_statuses: Statuses = None,
        if_exists: IfExists = "error",
    ) -> str:
        r"""Start an orchestration and return its id.

        Parameters
        ----------
        orchestration_function_name
            The orchestrator's name, or the function.
        instance_id
            Up to 256 characters, none of them ``/``, ``\``, ``#``, ``?`` or a control character, and no
            ``@`` in front; without one, 32 hexadecimal digits. The id of an instance that has ended may
            be used again.
        client_input
            What ``context.get_input()`` gives.
        version
            What ``context.version`` gives, and whose code is run, where an orchestrator was registered with
            versions. Without one, that of the function, or the newest one registered under the name.
        start_at
            Not before this moment; a naive one is UTC.
        tags
            Names and values to find it by.
        dedupe_statuses
            Statuses in which an instance of that id that has ended is not to be replaced either.
        if_exists
            What happens if an instance of that id exists. ``"error"``, as in Azure: if it is open,
            `InstanceExistsError`; if it has ended, it is replaced, and the work is done again.
            ``"attach"``: nothing is started; the id is that of the instance that exists, whatever its
            status. It has to be of the same orchestrator, and started with the same input. ``"restart"``:
            one that is open is terminated, with its sub-orchestrations, and replaced in one step.

        Raises
        ------
        InstanceExistsError
            If an instance of that id is open, or of one of `dedupe_statuses`; with ``if_exists="attach"``,
            if it is another orchestrator's, or was started with another input; if it was imported.
        FunctionNotFoundError
            If no such orchestrator is registered.
        NotSerializableError
            If the input can't be kept.
        ValueError
            If the id breaks the rules; if `if_exists` is something else, or needs an id.
        """
        message = self.start_message(
            orchestration_function_name,
            instance_id,
            client_input,
            version,
            start_at=start_at,
            tags=tags,
            dedupe_statuses=dedupe_statuses,
            if_exists=if_exists,
        )
        return str(self._control.request(message))

    def start_message(
        self,
        orchestration_function_name: Any,
        instance_id: str | None,
        client_input: Any,
        version: str | None,
        *,
        start_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        dedupe_statuses: Statuses = None,
        if_exists: IfExists = "error",
    ) -> messages.Start:
        """Return the message that asks the engine for a start; see `start_new`."""
        checked = checked_if_exists(if_exists, instance_id)
        dedupe = statuses_of(dedupe_statuses) or ()
        if dedupe and checked != "error":
            raise ValueError(
                f"if_exists={checked!r} says what happens to an instance that has ended. Leave "
                "dedupe_statuses out."
            )
        target = orchestration_function_name
        name = name_of(target)
        chosen = self._control.new_id() if instance_id is None else checked_instance_id(instance_id)
        return messages.Start(
            chosen,
            name,
            self._control.encode(client_input, "input"),
            checked_version(version) if version is not None else self._control.version_of(target),
            _tags(tags),
            aware(start_at),
            dedupe,
            checked,
        )

    def raise_event(self, instance_id: str, event_name: str, event_data: Any = None) -> None:
        """Send an external event; it is kept until the orchestration waits for it.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        InstanceStateError
            If it has ended.
        """
        text = self._control.encode(event_data, "event")
        message = messages.Raise(asked_instance_id(instance_id), checked_event_name(event_name), text)
        if not self._control.request(message):
            state = self._journal.existing(instance_id)
            raise InstanceStateError(
                f"The instance {instance_id!r} is {state.status} and takes no events any more."
            )

    def terminate(self, instance_id: str, reason: str = "", *, recursive: bool = True) -> None:
        """End an orchestration; with `recursive` its sub-orchestrations too, and theirs.

        Activities that run are not stopped; those that wait for a place are not started. On an instance
        that has ended this does nothing to the instance itself.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        self.existing(instance_id)
        self._control.request(messages.Terminate(instance_id, str(reason), recursive))

    def suspend(self, instance_id: str, reason: str = "") -> None:
        """Let an orchestration rest: it takes what arrives, and does nothing until `resume`.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        if not self._control.request(messages.Suspend(asked_instance_id(instance_id), str(reason))):
            self.existing(instance_id)

    def resume(self, instance_id: str, reason: str = "") -> None:
        """Let a suspended orchestration go on.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        if not self._control.request(messages.Resume(asked_instance_id(instance_id), str(reason))):
            self.existing(instance_id)

    def rewind(self, instance_id: str, reason: str = "") -> None:
        """Do the failed tasks and children of a failed orchestration again; successes stay.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        InstanceStateError
            If it did not fail.
        """
        self._control.request(messages.Rewind(asked_instance_id(instance_id), str(reason)))

    def fork(
        self,
        instance_id: str,
        at: int | None = None,
        *,
        results: Mapping[int | str, Any] | None = None,
        input_: Any = NOTHING_GIVEN,
        fork_id: str | None = None,
    ) -> str:
        """Start an instance that shares another one's past, and return its id.

        Parameters
        ----------
        instance_id
            Whose past is shared.
        at, results, input_
            As for `Handle.fork`.
        fork_id
            The new instance's id; without one, 32 hexadecimal digits.
        """
        text = None if input_ is NOTHING_GIVEN else self._control.encode(input_, "input")
        chosen = None if fork_id is None else checked_instance_id(fork_id)
        outcomes = {key: self._outcome(value) for key, value in (results or {}).items()}
        return str(
            self._control.request(ForkInstance(asked_instance_id(instance_id), at, outcomes, text, chosen))
        )

    def _outcome(self, value: Any) -> str | FailureDetails:
        if isinstance(value, FailureDetails):
            return value
        if isinstance(value, BaseException):
            return self._control.failure(value)
        return self._control.encode(value, "result")

    def restart(self, instance_id: str, restart_with_new_instance_id: bool = True) -> str:
        """Start an orchestration again with its input, version and tags, and return its id.

        Parameters
        ----------
        instance_id
            The instance to take the input from.
        restart_with_new_instance_id
            Whether the new one has an id of its own; if not, the old one must have ended.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        InstanceExistsError
            If it is open and its id was to be used.
        """
        command = RestartInstance(asked_instance_id(instance_id), restart_with_new_instance_id)
        return str(self._control.request(command))

    # -- looking ---------------------------------------------------------------------------------

    def get_status(
        self,
        instance_id: str,
        show_history: bool = False,
        show_history_output: bool = False,
        show_input: bool = True,
    ) -> DurableOrchestrationStatus:
        """Return where an instance stands; a false status if there is none.

        Parameters
        ----------
        instance_id
            Which one.
        show_history
            Fill `history` with the events of the current execution, in the form of Azure's endpoint.
        show_history_output
            With the results in it.
        show_input
            Fill `input_`, and the inputs of the history.
        """
        try:
            self._journal.refresh(asked_instance_id(instance_id))
        except InstanceNotFoundError:  # there can't be an instance of that id
            return DurableOrchestrationStatus()
        status = self._journal.status(instance_id, show_input=show_input)
        if status and show_history:
            events = self._journal.of(instance_id).load([instance_id]).get(instance_id, [])
            status.history = history_events(events, show_output=show_history_output, show_input=show_input)
        return status

    def get_statuses(self, instance_ids: Iterable[str]) -> dict[str, DurableOrchestrationStatus]:
        """Return where those of these instances stand that there are, by their ids, from one look."""
        wanted = tuple(map(asked_instance_id, instance_ids))
        statuses = self._journal.statuses(InstanceQuery(instance_ids=wanted)) if wanted else []
        return {str(status.instance_id): status for status in statuses}

    def get_status_all(self) -> list[DurableOrchestrationStatus]:
        """Return where all instances stand, oldest first."""
        return self.get_status_by()

    def get_status_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Statuses = None,
        instance_id_prefix: str | None = None,
        *,
        name: str | None = None,
        top: int | None = None,
        skip: int = 0,
    ) -> list[DurableOrchestrationStatus]:
        """Return where the instances stand that meet every condition given, oldest first.

        Parameters
        ----------
        created_time_from, created_time_to
            When they were first started, both ends included; naive times are UTC.
        runtime_status
            One or several.
        instance_id_prefix
            What their ids begin with.
        name
            Their orchestrator.
        top, skip
            How many at the most, after how many that are left out.

        Raises
        ------
        ValueError
            If there is no such status, or a number is negative.
        """
        query = InstanceQuery(
            prefix=instance_id_prefix,
            name=name,
            statuses=statuses_of(runtime_status),
            created_from=aware(created_time_from),
            created_to=aware(created_time_to),
            limit=top,
            offset=skip,
        )
        return self._journal.statuses(query)

    def wait_for_completion(
        self, instance_id: str, timeout: float | None = None
    ) -> DurableOrchestrationStatus:
        """Wait until an instance has ended, and return where it stands then.

        Parameters
        ----------
        instance_id
            Which one.
        timeout
            Seconds; None for as long as it takes. Interrupting the wait harms nothing.

        Raises
        ------
        WaitTimeoutError
            If it did not end in time, or nothing is left that could end it.
        InstanceNotFoundError
            If there is no such instance.
        StoreError
            If the journal can't be written now.
        DurableError
            If it can't go on until somebody does something; the message says what.
        """
        self._control.wait(asked_instance_id(instance_id), timeout)
        return self.status_of(instance_id)

    def status_of(self, instance_id: str) -> DurableOrchestrationStatus:
        """Return where an instance stands, or raise `InstanceNotFoundError`."""
        status = self._journal.status(asked_instance_id(instance_id))
        if not status:
            raise self._journal.unknown(instance_id)
        return status

    def result_of(self, instance_id: str, timeout: float | None = None) -> Any:
        """Wait until an instance has ended, and return what its orchestrator returned.

        Raises
        ------
        TaskFailedError
            If it failed; also of the original exception's type, where that is known.
        OrchestrationTerminatedError
            If it was terminated.
        """
        return self.value_of(instance_id, self._control.wait(asked_instance_id(instance_id), timeout))

    def value_of(self, instance_id: str, outcome: Outcome | None) -> Any:
        """Return what an outcome stands for, or raise it; without one, that of an instance long ended."""
        if outcome is None:
            state = self._journal.existing(instance_id)
            name, status, text = state.name, state.status, state.output or "null"
            if status is OrchestrationRuntimeStatus.Terminated:
                text = state.output or ""
        else:
            name, status, text = outcome
        if status is OrchestrationRuntimeStatus.Completed:
            return self._codec.decode(text, self._control.result_type(instance_id, name))
        if status is OrchestrationRuntimeStatus.Failed:
            failure = FailureDetails.from_json(json.loads(text))
            raise exception_of(failure, failed_text(name, failure))
        raise OrchestrationTerminatedError(
            f"{instance_id} ({name}) was terminated: {text or 'no reason was given'}."
        )

    def history(self, instance_id: str) -> list[Event]:
        """Return the events of all executions of an instance, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        self._journal.refresh(instance_id)
        records = self._journal.of(instance_id).records(instance_id)
        if not records:
            raise self._journal.unknown(instance_id)
        return [record.event for record in records]

    def logs(self, instance_id: str) -> list[LogLine]:
        """Return what an instance and its sub-orchestrations have printed and logged, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        return self._journal.lines(asked_instance_id(instance_id))

    # -- deleting --------------------------------------------------------------------------------

    def purge_instance_history(self, instance_id: str, *, recursive: bool = True) -> PurgeHistoryResult:
        """Delete all that is kept of an instance that has ended; there need not be one.

        Parameters
        ----------
        instance_id
            Which one.
        recursive
            Whether its sub-orchestrations that have ended go too, and theirs.

        Raises
        ------
        InstanceStateError
            If it is open.
        """
        command = PurgeInstance(asked_instance_id(instance_id), recursive)
        try:
            return PurgeHistoryResult(self._control.request(command))
        except InstanceNotFoundError:  # there can't be an instance of that id
            return PurgeHistoryResult(0)

    def purge_instance_history_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Statuses = None,
        *,
        recursive: bool = True,
    ) -> PurgeHistoryResult:
        """Delete all that is kept of the ended instances that meet every condition given.

        They are deleted in portions, each on disk before the next one begins, so that nobody waits long
        beside it. If the process ends in the middle, some instances are left, and the same call again deletes
        them. An instance that is started again meanwhile is kept.

        Raises
        ------
        ValueError
            If no condition is given, which would be all of them.
        """
        if created_time_from is None and created_time_to is None and runtime_status is None:
            raise ValueError(
                "purge_instance_history_by needs a condition: without one it would delete every instance "
                "that has ended. If that is meant, give runtime_status=['Completed', 'Failed', 'Terminated']."
            )
        asked = statuses_of(runtime_status)
        wanted = tuple(OrchestrationRuntimeStatus) if asked is None else asked
        query = InstanceQuery(
            statuses=tuple(status for status in wanted if status.is_terminal),
            created_from=aware(created_time_from),
            created_to=aware(created_time_to),
        )
        return PurgeHistoryResult(self._control.request(PurgeInstances(query, recursive)))

    # -- over HTTP -------------------------------------------------------------------------------

    def create_http_management_payload(self, instance_id: str) -> dict[str, str]:
        """Return the URLs with which an instance can be managed, by Azure's names.

        Each of them has the server's key in it.

        Raises
        ------
        DurableError
            If the hub isn't served.
        """
        return self.served_at().management_urls(asked_instance_id(instance_id))

    def served_at(self) -> Address:
        """Return where the hub is served; raise `DurableError` if it isn't."""
        if self.address is None:
            raise DurableError("The hub has no URLs, since it isn't served. Serve it first: hub.serve().")
        return self.address

    # -- inside ----------------------------------------------------------------------------------

    def existing(self, instance_id: str) -> InstanceState:
        """Return the state of an instance that there is, or raise `InstanceNotFoundError`."""
        self._journal.refresh(asked_instance_id(instance_id))
        return self._journal.existing(instance_id)


def _tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    found = dict(tags or {})
    for key, value in found.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise TypeError(f"Tags are text by text; {key!r}: {value!r} isn't.")
    return found
