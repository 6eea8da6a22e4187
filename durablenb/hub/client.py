"""Azure's client, without ``await``.

The module is long because most of it is the reference of the methods.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from durablenb.core.fork import checked_outcomes
from durablenb.core.ports.store import InstanceQuery
from durablenb.core.registry import target_name
from durablenb.core.status_history import history_events
from durablenb.engine import messages
from durablenb.engine.instance import InstanceOutcome
from durablenb.engine.options import checked_keep
from durablenb.hub.control import (
    ForkInstance,
    PurgeInstance,
    PurgeInstances,
    PurgePastGenerations,
    RestartInstance,
)
from durablenb.hub.entity_client import SyncDurableEntityClient
from durablenb.model.address import Address, served_at
from durablenb.model.budgets import TAG as BUDGET_TAG
from durablenb.model.budgets import Budget
from durablenb.model.entities import EntityId
from durablenb.model.errors import (
    InstanceNotFoundError,
    InstanceStateError,
    OrchestrationCanceledError,
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
    checked_priority,
    checked_version,
)
from durablenb.model.logs import LogLine
from durablenb.model.outputs import OutputState
from durablenb.model.status import (
    REASONED,
    DurableOrchestrationStatus,
    InstanceState,
    OrchestrationRuntimeStatus,
    PurgeHistoryResult,
    Statuses,
    failed_text,
    parse_statuses,
)
from durablenb.model.times import aware

NOTHING_GIVEN: Any = object()
"""An argument that was left out, where None is a value."""


class SyncDurableOrchestrationClient(SyncDurableEntityClient):
    """Azure's client methods. Each returns when its effect is on disk. A hub has one as its `client`.

    Notes
    -----
    Names and arguments are those of ``azure.durable_functions.DurableOrchestrationClient``; keyword-only
    arguments are durablenb's. An interrupted call may have succeeded: check before you repeat it.
    """

    @property
    def address(self) -> Address | None:
        """The address at which the hub is served; None if it isn't."""
        return self._control.address

    def publish_address(self, address: Address | None) -> None:
        """Note the address at which the hub is served; None if it isn't any more."""
        self._control.publish_address(address)

    # -- starting and steering -------------------------------------------------------------------

    def start_new(
        self,
        orchestration_function_name: str | Callable[..., Any],
        instance_id: str | None = None,
        client_input: Any = None,
        version: str | None = None,
        *,
        start_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        budget: Budget | None = None,
        dedupe_statuses: Statuses = None,
        if_exists: IfExists = "error",
        priority: int = 0,
    ) -> str:
        r"""Start an orchestration and return its id.

        Parameters
        ----------
        orchestration_function_name
            The orchestrator's name, or the function.
        instance_id
            Up to 256 characters, without ``/``, ``\``, ``#``, ``?`` and control characters, and without ``@``
            at the beginning; by default 32 hexadecimal digits. The id of an ended instance may be used again.
        client_input
            What ``context.get_input()`` returns.
        version
            The version, which ``context.version`` returns, and which selects the code if the orchestrator is
            registered with versions. By default, that of the function, or the newest one of the name.
        start_at
            The instance doesn't start before this time; a naive time is UTC.
        tags
            Names and values, by which the instance can be found.
        budget
            The most that it and its sub-orchestrations may use of language models.
        dedupe_statuses
            Statuses in which an ended instance of that id isn't replaced either.
        if_exists
            What happens if an instance of that id exists. ``"error"``, as in Azure: an open instance raises
            `InstanceExistsError`; an ended one is replaced, and its work is done again. ``"attach"``: nothing
            is started, and the id is returned, whatever the status of the instance; it must have the same
            orchestrator and the same input. ``"restart"``: the instance is replaced; an open one is
            terminated, with its sub-orchestrations, in the same step.
        priority
            The default of its calls, and of those of its sub-orchestrations: among calls that wait for a
            place in a `Queue`, those with a higher priority begin first.

        Raises
        ------
        InstanceExistsError
            If an instance of that id is open, or has one of `dedupe_statuses`; with ``if_exists="attach"``,
            if it has another orchestrator or another input; if it was imported.
        FunctionNotFoundError
            If no such orchestrator is registered.
        NotSerializableError
            If the input can't be stored.
        ValueError
            If the id is invalid; if `if_exists` is none of these, or needs an id.
        """
        message = self.start_message(
            orchestration_function_name,
            instance_id,
            client_input,
            version,
            start_at=start_at,
            tags=tags,
            budget=budget,
            dedupe_statuses=dedupe_statuses,
            if_exists=if_exists,
            priority=priority,
        )
        return str(self._control.request(message))

    def start_many(
        self,
        orchestration_function_name: str | Callable[..., Any],
        inputs: Iterable[Any],
        instance_ids: Iterable[str] | None = None,
        version: str | None = None,
        *,
        start_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        budget: Budget | None = None,
        if_exists: IfExists = "error",
        priority: int = 0,
    ) -> list[str]:
        """Start an orchestration for each input, all in one commit, and return their ids.

        Parameters
        ----------
        orchestration_function_name, version, start_at, tags, budget, if_exists, priority
            As for `start_new`.
        inputs
            The inputs.
        instance_ids
            The instances' ids, one for each input; by default 32 hexadecimal digits each.

        Raises
        ------
        InstanceExistsError, FunctionNotFoundError, NotSerializableError
            As for `start_new`. No orchestration is started then.
        ValueError
            If the ids aren't as many as the inputs, or one of them is invalid or given twice.
        """
        return list(
            self._control.request(
                self.start_many_message(
                    orchestration_function_name,
                    inputs,
                    instance_ids,
                    version,
                    start_at=start_at,
                    tags=tags,
                    budget=budget,
                    if_exists=if_exists,
                    priority=priority,
                )
            )
        )

    def start_many_message(
        self,
        orchestration_function_name: str | Callable[..., Any],
        inputs: Iterable[Any],
        instance_ids: Iterable[str] | None = None,
        version: str | None = None,
        **options: Any,
    ) -> messages.StartMany:
        """Return the command that starts several orchestrations; see `start_many`."""
        values = list(inputs)
        ids = [None] * len(values) if instance_ids is None else _listed_ids(instance_ids)
        if len(ids) != len(values):
            raise ValueError(
                f"There are {len(values):,} inputs and {len(ids):,} instance_ids. Give one id for each input."
            )
        twice = [instance_id for instance_id, count in Counter(ids).items() if instance_id and count > 1]
        if twice:
            raise ValueError(f"The id {twice[0]!r} is given twice. Each instance needs an id of its own.")
        return messages.StartMany(
            [
                self.start_message(orchestration_function_name, instance_id, value, version, **options)
                for instance_id, value in zip(ids, values, strict=True)
            ]
        )

    def start_message(
        self,
        orchestration_function_name: str | Callable[..., Any],
        instance_id: str | None,
        client_input: Any,
        version: str | None,
        *,
        start_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        budget: Budget | None = None,
        dedupe_statuses: Statuses = None,
        if_exists: IfExists = "error",
        priority: int = 0,
    ) -> messages.Start:
        """Return the command that starts an orchestration; see `start_new`."""
        checked = checked_if_exists(if_exists, instance_id)
        dedupe = parse_statuses(dedupe_statuses) or ()
        if dedupe and checked != "error":
            raise ValueError(
                f"if_exists={checked!r} says what happens to an instance that has ended. Leave "
                "dedupe_statuses out."
            )
        target = orchestration_function_name
        name = target_name(target)
        chosen = self._control.new_id() if instance_id is None else checked_instance_id(instance_id)
        return messages.Start(
            chosen,
            name,
            self._control.encode(client_input, "input"),
            checked_version(version) if version is not None else self._control.default_version(target),
            _tags(tags, budget),
            aware(start_at),
            dedupe,
            checked,
            checked_priority(priority),
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
        instance_id = asked_instance_id(instance_id)
        text = self._control.encode(event_data, "event")
        message = messages.Raise(instance_id, checked_event_name(event_name), text)
        if not self._control.request(message):
            state = self._journal.existing(instance_id)
            raise InstanceStateError(
                f"The instance {instance_id!r} is {state.status} and takes no events any more."
            )

    def cancel(self, instance_id: str, reason: str | None = None) -> bool:
        """Request that an orchestration cancels itself; return False if it has ended, and nothing happens.

        `OrchestrationCanceledError` is raised in the orchestrator where it waits, so that its ``except`` and
        ``finally`` blocks run and may call further activities. Running calls of activities that it awaits are
        stopped, as by ``cancel()`` of their tasks. Sub-orchestrations that it awaits are canceled first; the
        error is raised once they have ended. If the code lets the error pass, the status is ``Canceled``.

        An orchestration whose code has not run yet ends at once. One that is suspended or held is canceled
        when it resumes. While one request is pending, another one has no effect.

        Parameters
        ----------
        instance_id
            The orchestration's id.
        reason
            The reason: it is in the error's message, and is the output of the canceled orchestration.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:")
        >>> @hub.orchestrator
        ... def order(context):
        ...     yield context.wait_for_external_event("paid")
        >>> handle = hub.start(order)
        >>> hub.client.cancel(handle.id, "the customer changed their mind")
        True
        >>> str(handle.wait().runtime_status)
        'Canceled'
        >>> hub.client.cancel(handle.id)
        False
        >>> hub.close()
        """
        asked = asked_instance_id(instance_id)
        if self._control.request(messages.Cancel(asked, "" if reason is None else str(reason))):
            return True
        self.existing_id(asked)
        return False

    def terminate(self, instance_id: str, reason: str = "", *, recursive: bool = True) -> None:
        """End an orchestration; with `recursive` its sub-orchestrations too, and theirs.

        Running activities aren't stopped; queued ones aren't started. An instance that has ended isn't
        changed, but with `recursive` its open sub-orchestrations are ended.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        asked = self.existing_id(instance_id)
        self._control.request(messages.Terminate(asked, str(reason), recursive))

    def suspend(self, instance_id: str, reason: str = "") -> None:
        """Suspend an orchestration until `resume`. What arrives meanwhile is kept.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        if not self._control.request(messages.Suspend(asked_instance_id(instance_id), str(reason))):
            self.existing_id(instance_id)

    def resume(self, instance_id: str, reason: str = "") -> None:
        """Resume a suspended orchestration.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        if not self._control.request(messages.Resume(asked_instance_id(instance_id), str(reason))):
            self.existing_id(instance_id)

    def rewind(self, instance_id: str, reason: str = "") -> None:
        """Retry the failed tasks and sub-orchestrations of a failed orchestration; successes are kept.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        InstanceStateError
            If it didn't fail.
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
            The instance whose past is shared.
        at, results, input_
            As for `Handle.fork`.
        fork_id
            The new instance's id; by default 32 hexadecimal digits.
        """
        text = None if input_ is NOTHING_GIVEN else self._control.encode(input_, "input")
        chosen = None if fork_id is None else checked_instance_id(fork_id)
        replaced = {} if results is None else checked_outcomes(results, "results")
        outcomes = {key: self._outcome(value) for key, value in replaced.items()}
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
            The instance whose input, version and tags are used.
        restart_with_new_instance_id
            Whether the new instance gets a new id; if not, the old one must have ended.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        InstanceExistsError
            If it is open, and its id is to be used again.
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
        """Return the status of an instance; a false status if it doesn't exist.

        Parameters
        ----------
        instance_id
            The instance's id.
        show_history
            Whether `history` has the events of the current execution, in the form of Azure's endpoint.
        show_history_output
            Whether the history has results.
        show_input
            Whether `input_` and the history have inputs.
        """
        instance_id = asked_instance_id(instance_id)
        try:
            self._journal.refresh(instance_id)
        except InstanceNotFoundError:  # there can't be an instance of that id
            return DurableOrchestrationStatus()
        status = self._journal.status(instance_id, show_input=show_input)
        if status and show_history:
            events = self._journal.of(instance_id).load([instance_id]).get(instance_id, [])
            status.history = history_events(events, show_output=show_history_output, show_input=show_input)
        return status

    def get_statuses(self, instance_ids: Iterable[str]) -> dict[str, DurableOrchestrationStatus]:
        """Return the statuses of these instances by their ids, without those that don't exist."""
        wanted = tuple(map(asked_instance_id, instance_ids))
        statuses = self._journal.statuses(InstanceQuery(instance_ids=wanted)) if wanted else []
        return {str(status.instance_id): status for status in statuses}

    def get_status_all(self) -> list[DurableOrchestrationStatus]:
        """Return the statuses of all instances, oldest first."""
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
        """Return the statuses of the instances that meet all conditions, oldest first.

        Parameters
        ----------
        created_time_from, created_time_to
            The range of times at which they were first started, both ends included; naive times are UTC.
        runtime_status
            A status, or several.
        instance_id_prefix
            The beginning of their ids.
        name
            The orchestrator's name.
        top, skip
            The largest number of instances, and the number of instances before them that are left out.

        Raises
        ------
        ValueError
            If there is no such status, or a number is negative.
        """
        query = InstanceQuery(
            prefix=instance_id_prefix,
            name=name,
            statuses=parse_statuses(runtime_status),
            created_from=aware(created_time_from),
            created_to=aware(created_time_to),
            limit=top,
            offset=skip,
        )
        return self._journal.statuses(query)

    def wait_for_completion(
        self, instance_id: str, timeout: float | None = None
    ) -> DurableOrchestrationStatus:
        """Wait until an instance has ended, and return its status.

        Parameters
        ----------
        instance_id
            The instance's id.
        timeout
            Seconds; None for no limit. Interrupting the wait harms nothing.

        Raises
        ------
        WaitTimeoutError
            If it doesn't end in time, or if nothing is left that could end it.
        InstanceNotFoundError
            If there is no such instance.
        StoreError
            If the journal can't be written now.
        DurableError
            If it is blocked until you act; the message says what to do.
        """
        self._control.wait(asked_instance_id(instance_id), timeout)
        return self.status(instance_id)

    def status(self, instance_id: str) -> DurableOrchestrationStatus:
        """Return the status of an instance; raise `InstanceNotFoundError` if it doesn't exist."""
        instance_id = asked_instance_id(instance_id)
        self._journal.refresh(instance_id)
        status = self._journal.status(instance_id)
        if not status:
            raise self._journal.unknown(instance_id)
        return status

    def result(self, instance_id: str, timeout: float | None = None) -> Any:
        """Wait until an instance has ended, and return what its orchestrator returned.

        Raises
        ------
        TaskFailedError
            If it failed; also of the original exception's type, if that is known.
        OrchestrationCanceledError
            If it was canceled.
        OrchestrationTerminatedError
            If it was terminated.
        """
        instance_id = asked_instance_id(instance_id)
        return self.outcome_value(instance_id, self._control.wait(instance_id, timeout))

    def status_of(self, instance_id: str) -> DurableOrchestrationStatus:
        """Return `status(instance_id)`. This is its former name."""
        _warn_of_former("status_of", "status")
        return self.status(instance_id)

    def result_of(self, instance_id: str, timeout: float | None = None) -> Any:
        """Return `result(instance_id, timeout)`. This is its former name."""
        _warn_of_former("result_of", "result")
        return self.result(instance_id, timeout)

    def outcome_value(self, instance_id: str, outcome: InstanceOutcome | None) -> Any:
        """Return the value of an outcome, or raise its error; without one, the journal is read for it."""
        if outcome is None:
            outcome = _outcome(self._journal.existing(instance_id))
        name, status, text = outcome
        if status is OrchestrationRuntimeStatus.Completed:
            return self._codec.decode(text, self._control.result_type(instance_id, name))
        if status is OrchestrationRuntimeStatus.Failed:
            failure = FailureDetails.from_json(json.loads(text))
            raise exception_of(failure, failed_text(name, failure))
        if status is OrchestrationRuntimeStatus.Canceled:
            raise OrchestrationCanceledError(
                f"{instance_id} ({name}) was canceled: {text or 'no reason was given'}."
            )
        raise OrchestrationTerminatedError(
            f"{instance_id} ({name}) was terminated: {text or 'no reason was given'}."
        )

    def outcomes(self, instance_ids: Sequence[str]) -> list[InstanceOutcome]:
        """Return the outcomes of instances that have ended, in order, from one read of the journal.

        Raises
        ------
        InstanceNotFoundError
            If one of them doesn't exist.
        """
        if not instance_ids:
            return []
        states = self._journal.states(InstanceQuery(instance_ids=tuple(dict.fromkeys(instance_ids))))
        outcomes = {state.instance_id: _outcome(state) for state in states}
        for instance_id in instance_ids:
            if instance_id not in outcomes:
                raise self._journal.unknown(instance_id)
        return [outcomes[instance_id] for instance_id in instance_ids]

    def history(self, instance_id: str) -> list[Event]:
        """Return the events of all executions of an instance, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        instance_id = asked_instance_id(instance_id)
        self._journal.refresh(instance_id)
        records = self._journal.of(instance_id).records(instance_id)
        if not records:
            raise self._journal.unknown(instance_id)
        return [record.event for record in records]

    def logs(self, instance_id: str) -> list[LogLine]:
        """Return the lines that an instance and its sub-orchestrations printed and logged, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        return self._journal.lines(asked_instance_id(instance_id))

    def outputs(self, instance_id: str) -> list[OutputState]:
        """Return the rich outputs of an instance and of its sub-orchestrations, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        return self._journal.outputs(asked_instance_id(instance_id))

    # -- deleting --------------------------------------------------------------------------------

    def purge_instance_history(self, instance_id: str, *, recursive: bool = True) -> PurgeHistoryResult:
        """Delete an ended instance; if it doesn't exist, nothing happens.

        Parameters
        ----------
        instance_id
            The instance's id.
        recursive
            Whether its ended sub-orchestrations are deleted too, at all levels.

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
        """Delete the ended instances that meet all conditions.

        They are deleted in portions, each of which is on disk before the next one begins, so that other calls
        aren't delayed for long. If the process ends in the middle, the same call deletes the rest. An
        instance that is started again meanwhile is kept.

        Raises
        ------
        ValueError
            If no condition is given, which would delete all of them.
        """
        if created_time_from is None and created_time_to is None and runtime_status is None:
            raise ValueError(
                "purge_instance_history_by needs a condition: without one it would delete every instance "
                "that has ended. If that is meant, give runtime_status=['Completed', 'Failed', 'Canceled', "
                "'Terminated']."
            )
        asked = parse_statuses(runtime_status)
        wanted = tuple(OrchestrationRuntimeStatus) if asked is None else asked
        query = InstanceQuery(
            statuses=tuple(status for status in wanted if status.is_terminal),
            created_from=aware(created_time_from),
            created_to=aware(created_time_to),
        )
        return PurgeHistoryResult(self._control.request(PurgeInstances(query, recursive)))

    def purge_past_generations(self, instance_id: str | EntityId, keep: int = 0) -> int:
        """Delete the past generations of an orchestration that continues as new; return their number.

        The instance may be open. The current generation stays as it is, and so do `created_time`,
        ``generation``, and the first event of the instance with its input. The ended sub-orchestrations that
        the deleted generations called are deleted with them, and the lines that they printed. What is still
        needed stays: open sub-orchestrations, and generations of which there are forks, each with all below
        it.

        Of an entity, earlier parts of its history are deleted; a part ends after 10,000 events, or when the
        hub is closed. The first operation stays, and the last one that changed the state.

        Parameters
        ----------
        instance_id
            The id of the instance or the entity.
        keep
            The number of past generations that are kept, beside the current one.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance or entity.
        InstanceStateError
            If it was imported: it can only be purged as a whole.
        ValueError
            If `keep` is negative.
        """
        asked = str(instance_id) if isinstance(instance_id, EntityId) else asked_instance_id(instance_id)
        deleted: int = self._control.request(PurgePastGenerations(asked, checked_keep(keep)))
        return deleted

    # -- over HTTP -------------------------------------------------------------------------------

    def create_http_management_payload(self, instance_id: str) -> dict[str, str]:
        """Return the URLs by which an instance is managed, by Azure's names.

        Each of them contains the server's key.

        Raises
        ------
        DurableError
            If the hub isn't served.
        """
        return self.served_at().management_urls(asked_instance_id(instance_id))

    def served_at(self) -> Address:
        """Return the address at which the hub is served; raise `DurableError` if it isn't."""
        return served_at(self.address)

    # -- inside ----------------------------------------------------------------------------------

    def existing_id(self, instance_id: str) -> str:
        """Return the id of an instance; raise `InstanceNotFoundError` if it doesn't exist."""
        instance_id = asked_instance_id(instance_id)
        self._journal.refresh(instance_id)
        self._journal.check_exists(instance_id)
        return instance_id


def _warn_of_former(old: str, new: str) -> None:
    text = f"client.{old} has a new name: use client.{new}."
    warnings.warn(text, DeprecationWarning, stacklevel=3)


def _outcome(state: InstanceState) -> InstanceOutcome:
    return InstanceOutcome(
        state.name, state.status, state.output or ("" if state.status in REASONED else "null")
    )


def _listed_ids(instance_ids: Iterable[str]) -> list[str | None]:
    if isinstance(instance_ids, str):
        raise TypeError("instance_ids is a text; expected an id for each input, such as [f'run-{n}' ...].")
    return list(instance_ids)


def _tags(tags: Mapping[str, str] | None, budget: Budget | None) -> dict[str, str]:
    checked = dict(tags or {})
    if budget is not None:
        if not isinstance(budget, Budget):
            raise TypeError(
                f"budget is {budget!r}; expected a Budget, such as durablenb.Budget(requests=100)."
            )
        checked[BUDGET_TAG] = budget.to_tag()
    for key, value in checked.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise TypeError(f"Tags are text by text; {key!r}: {value!r} isn't.")
    return checked
