"""Jobs for executors: calls of activities, and the messages about them to the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from durablenb.core.ports.clock import Clock
from durablenb.core.ports.executor import ActivityOutcome
from durablenb.core.registry import Activity, Registry
from durablenb.engine.attempt_writer import AttemptWriter
from durablenb.engine.call_queue import Place
from durablenb.engine.capture.log_writer import LogSource, LogWriter, encodable
from durablenb.engine.capture.output import CapturedOutput
from durablenb.engine.entity import Entity
from durablenb.engine.instance import Instance
from durablenb.engine.keys.call_keys import CallKeys
from durablenb.engine.streams import Streams
from durablenb.engine.time_limits import TimeLimits
from durablenb.model.activities import (
    ActivityAttempt,
    ActivityInfo,
    Checkpoint,
    EarlierTries,
    Progress,
    Report,
    Streamed,
    call_key,
)
from durablenb.model.address import Address
from durablenb.model.caching import CacheKey, CallReason
from durablenb.model.errors import ActivityCancelledError
from durablenb.model.events import Event
from durablenb.model.logs import OutputLine
from durablenb.model.outputs import Shown
from durablenb.model.payloads import Codec, enclosed

NO_TRIES = EarlierTries()

TaskKey = tuple[Instance | Entity, int]
"""An instance or entity, and the id of a task."""

LOGGER = "durablenb"
"""The name of the logger in lines that durablenb adds to the log of an instance."""

NOTE_CHARACTERS = 1_000
"""Characters of a note on a call's progress that are kept, and of its stream that views show."""


class JobScope:
    """Services for the jobs of one engine state, and whether these jobs may still begin.

    Parameters
    ----------
    apply_inline
        Takes the message of a job that has ended, or that has begun and has a limit.
    clock, registry, codec
        The time, the registered functions, and the codec of their values.
    log_writer, attempt_writer, streams
        Take what jobs print, what else they report, and what they stream.
    hub_id
        The id of the hub.
    keys
        Computes the keys of calls whose results are remembered.
    address
        Returns the address at which the hub is served, or None.
    load
        Returns the histories of instances; from any thread.
    """

    __slots__ = (
        "address",
        "apply_inline",
        "attempt_writer",
        "codec",
        "hub_id",
        "is_closing",
        "keys",
        "load",
        "log_writer",
        "now",
        "registry",
        "stopwatch",
        "streams",
    )

    def __init__(
        self,
        apply_inline: Callable[[ActivityBegun | ActivityFinished], None],
        clock: Clock,
        registry: Registry,
        codec: Codec,
        log_writer: LogWriter,
        attempt_writer: AttemptWriter,
        streams: Streams,
        hub_id: str,
        keys: CallKeys,
        address: Callable[[], Address | None],
        load: Callable[[Sequence[str]], dict[str, list[Event]]],
    ) -> None:
        self.address = address
        self.load = load
        self.apply_inline = apply_inline
        self.keys = keys
        self.now = clock.now
        self.stopwatch = clock.stopwatch
        self.registry = registry
        self.codec = codec
        self.log_writer = log_writer
        self.attempt_writer = attempt_writer
        self.streams = streams
        self.hub_id = hub_id
        self.is_closing = False

    def close(self) -> None:
        """Let no further job begin; from any thread."""
        self.is_closing = True


class ActivityJob:
    """One call of an activity; its outcome goes to the engine as an `ActivityFinished`.

    Parameters
    ----------
    scope
        What the jobs of one engine state share.
    instance, task_id
        The task that the call belongs to.
    name, text
        The activity's name, and its input as text.
    codec
        Turns text into values, and values into text.
    retry
        The number of the try as the retry policy counts, from 1.
    call_id
        The task id of the call's first try.
    scheduled_at
        When the call was scheduled; it can't have started earlier.
    timeout, heartbeat_timeout
        The seconds that the call may run, and those that it may be silent; None for the limits of the
        activity's registration.
    priority
        Among calls that wait for a place, those with a higher priority begin first.
    """

    __slots__ = (
        "_activity",
        "_key",
        "_output",
        "_reported",
        "cache_key",
        "call_id",
        "codec",
        "earlier",
        "execution_id",
        "heartbeat_timeout",
        "instance",
        "is_muted",
        "limits",
        "name",
        "place",
        "priority",
        "reason",
        "retry",
        "scheduled_at",
        "scope",
        "started_at",
        "task_id",
        "text",
        "timeout",
        "worker",
    )

    def __init__(
        self,
        scope: JobScope,
        instance: Instance | Entity,
        task_id: int,
        name: str,
        text: str,
        codec: Codec,
        retry: int = 1,
        call_id: int | None = None,
        scheduled_at: datetime | None = None,
        timeout: float | None = None,
        priority: int = 0,
        heartbeat_timeout: float | None = None,
    ) -> None:
        self.scope = scope
        self.instance = instance
        self.execution_id = instance.execution_id
        self.task_id = task_id
        self.name = name
        self.text = text
        self.codec = codec
        self.retry = retry
        self.call_id = task_id if call_id is None else call_id
        self.scheduled_at = scheduled_at
        self.timeout = timeout
        self.heartbeat_timeout = heartbeat_timeout
        self.limits: TimeLimits | None = None
        """The limits of the running call and of the activity's registration; None if there are none."""
        self.earlier = NO_TRIES
        """The state that the attempts before this one leave to it."""
        self.priority = priority
        self.place: Place | None = None
        """The place that the call holds in a queue."""
        self.started_at: datetime | None = None
        self.worker: str | None = None
        self.is_muted = False
        self.cache_key: CacheKey | None = None
        """The key under which the result is to be remembered, of before the job was submitted; or None."""
        self.reason: CallReason | None = None
        """Why the call is made although a result of its key is remembered."""
        self._activity: Activity | None = None
        self._output: CapturedOutput | None = None
        self._reported: _Reported | None = None
        self._key = ""

    @property
    def task(self) -> TaskKey:
        """The task that the job belongs to."""
        return self.instance, self.task_id

    @property
    def is_wanted(self) -> bool:
        """False once the call is cancelled, or the hub closes."""
        return not (self.scope.is_closing or self.is_cancelled)

    @property
    def instance_id(self) -> str:
        """The id of the instance that requested the call."""
        return self.instance.id

    @property
    def activity(self) -> Activity:
        """The activity, as it was registered when the job began, or else as it is registered now."""
        return self._activity or self.scope.registry.activities[self.name]

    @property
    def deadline(self) -> datetime | None:
        """When the call times out; None before it has begun, and if it has no limit."""
        if self.limits is None or self.started_at is None:
            return None
        return self.limits.deadline(self.started_at)

    @property
    def must_report(self) -> bool:
        """True if the call counts as lost unless its reports come while it runs."""
        return (self.heartbeat_timeout or self.activity.heartbeat_timeout) is not None

    @property
    def function(self) -> Callable[..., Any]:
        """The activity's function."""
        return self.activity.function

    @property
    def takes_input(self) -> bool:
        """True if the function has a parameter."""
        return self.activity.takes_input

    @property
    def attempt(self) -> int:
        """The number of this try of the call, from 1."""
        return self.earlier.number(self.retry)

    @property
    def tries(self) -> EarlierTries:
        """The state that this attempt and those before leave to the next one."""
        attempt = self.attempt
        return EarlierTries(attempt, attempt - self.retry, self.checkpoint)

    @property
    def hub_id(self) -> str:
        """The id of the hub."""
        return self.scope.hub_id

    @property
    def key(self) -> str:
        """The key of the call, which all its tries have."""
        if not self._key:
            ids = self.scope.hub_id, self.execution_id, self.call_id
            self._key = call_key(*ids, self.name, self.text)
        return self._key

    @property
    def info(self) -> ActivityInfo:
        """The context of the call."""
        return ActivityInfo(
            self.instance.id,
            self.execution_id,
            self.name,
            self.task_id,
            self.attempt,
            self.key,
            self.deadline,
            self.earlier.checkpoint,
            self.scope.address(),
        )

    @property
    def is_cancelled(self) -> bool:
        """True once the task has its outcome, or the instance was terminated."""
        instance: Instance = self.instance  # type: ignore[assignment]  # a `BatchJob` has an entity
        return instance.is_dropped or self.task_id not in instance.pending

    def report(self, report: Report) -> None:
        """Receive what the running call reports; from any thread."""
        if isinstance(report, OutputLine | Shown):
            self.output.take(report)
            return
        if isinstance(report, Streamed):
            self._take_piece(report.text)
            return
        reported = self._reported
        if reported is None:
            reported = self._reported = _Reported()
        if isinstance(report, Checkpoint):
            reported.checkpoint = report.text
        else:
            reported.progress = report._replace(note=self._kept_note(report.note))
        reported.at = self.scope.now()
        if self.limits is not None:
            self.limits.heard()
        self.scope.attempt_writer.reported(self)

    def _take_piece(self, text: str) -> None:
        self.scope.streams.add(self, text)
        if self.limits is not None:
            self.limits.heard()
        if self._reported is None:  # views list the call from now on
            self._reported = _Reported()
            self.scope.attempt_writer.reported(self)

    @property
    def streamed(self) -> str | None:
        """The last characters of what the call has streamed; None if it has streamed nothing."""
        text = self.scope.streams.text(self)
        return None if text is None else self._kept_note(text[-NOTE_CHARACTERS:])

    def history(self) -> list[Event]:
        """Return the events of the instance's last execution that are in the journal; from any thread."""
        return self.scope.load([self.instance.id])[self.instance.id]

    def _kept_note(self, note: str | None) -> str | None:
        if not note:
            return None
        try:
            return encodable(self.codec.redact_log(note[:NOTE_CHARACTERS]))
        except Exception as error:  # of the user's function
            return f"redact failed on a note: {type(error).__name__}"

    def row(self) -> ActivityAttempt:
        """Return the try as the store keeps it."""
        reported = self._reported or _Reported()
        checkpoint = self.checkpoint
        done, total, note = reported.progress or (None, None, None)
        return ActivityAttempt(
            self.instance.id,
            self.execution_id,
            self.task_id,
            self.key,
            self.attempt,
            self.retry,
            self.started_at or self.scope.now(),
            self.worker,
            done,
            total,
            note,
            None if checkpoint is None else enclosed(checkpoint),
            reported.at,
        )

    @property
    def has_tries(self) -> bool:
        """True if this try leaves something to the next one, or one before has."""
        return self.earlier is not NO_TRIES or self._reported is not None

    @property
    def checkpoint(self) -> str | None:
        """The last checkpoint of this try, or else of the tries before."""
        own = None if self._reported is None else self._reported.checkpoint
        return self.earlier.checkpoint if own is None else own

    @property
    def output(self) -> CapturedOutput:
        """Takes what the call prints."""
        if self._output is None:
            self._output = self.scope.log_writer.open(self._log_source)
        return self._output

    @property
    def _log_source(self) -> LogSource:
        return LogSource(self.instance.id, self.execution_id, self.task_id, self.name, self.attempt)

    def begin(self, worker: str | None = None, *, ago: float = 0.0, attempt: int | None = None) -> bool:
        """Record the start; return False, and free the job's place, if it isn't wanted any more."""
        now = self.scope.now()
        if not self.is_wanted:
            self.scope.apply_inline(ActivityFinished(self, None, None, now))
            return False
        self._choose_activity()
        if attempt is None and self.started_at is not None:  # an interrupt ended the last try
            attempt = self.attempt + 1
        if attempt is not None and attempt != self.attempt:
            self._close_output()
            self.earlier = EarlierTries(attempt - 1, attempt - self.retry, self.checkpoint)
            self._reported = None
            self.scope.streams.ended(self)
        self.started_at = now if not ago else self._not_before_scheduled(now - timedelta(seconds=ago))
        self.worker = worker
        self._watch()
        if self.limits is not None:
            self.scope.apply_inline(ActivityBegun(self))
        if self.place is not None:
            self.place.begin(self.started_at)
        return True

    def _choose_activity(self) -> None:
        """Use the activity as it is registered now: its cell may have run again since the call was made."""
        activity = self._activity = self.scope.registry.activities[self.name]
        limits = self.timeout or activity.timeout, self.heartbeat_timeout or activity.heartbeat_timeout
        self.limits = None if limits == (None, None) else TimeLimits(*limits, self.scope.stopwatch)

    def _watch(self) -> None:
        self.scope.attempt_writer.begun(self)

    def _unwatch(self) -> None:
        self.scope.attempt_writer.ended(self)
        self.scope.streams.ended(self)

    def joined(self) -> None:
        """Note that another process has submitted the call: its result isn't remembered."""
        self.cache_key = None

    def finish(
        self,
        outcome: ActivityOutcome | None,
        worker: str | None = None,
        *,
        took: float | None = None,
        ago: float = 0.0,
        on_disk: Callable[[], None] | None = None,
    ) -> None:
        """Hand the engine the outcome, None for a call that was not made, and where and when it ran."""
        started, ended = self.started_at, self.scope.now()
        if took is not None:
            if self._activity is None:  # the executor didn't say that the job began
                self._choose_activity()
            ended = self._not_before_scheduled(ended - timedelta(seconds=max(ago, 0.0)))
            started = self.started_at = self._not_before_scheduled(ended - timedelta(seconds=max(took, 0.0)))
            place = self.place
            if place is not None and not place.has_begun and outcome is not None:  # nobody has called `begin`
                place.begin(started)
        try:
            self._close_output()  # may draw figures, for so long that an interrupt comes
        finally:
            if self.cache_key is not None:
                self.cache_key = self.scope.keys.unchanged(self.cache_key, self, self.activity)
            self._unwatch()
            self.scope.apply_inline(ActivityFinished(self, outcome, started, ended, worker, on_disk=on_disk))

    def _not_before_scheduled(self, moment: datetime) -> datetime:
        """Return a time that another machine has measured, corrected if it can't be."""
        return moment if self.scheduled_at is None else max(moment, self.scheduled_at)

    def decline(self, why: str) -> None:
        """Tell the engine that the executor can't run the job, and why."""
        self._close_output()
        self._unwatch()
        self.started_at = None  # it has not run
        self.scope.apply_inline(ActivityFinished(self, None, None, self.scope.now(), declined=why))

    def note_late(self, outcome: ActivityOutcome) -> None:
        """Note in the instance's log that an outcome came after the call was cancelled."""
        if self.is_muted:  # the instance was purged
            return
        stopped = f"{ActivityCancelledError.__module__}.{ActivityCancelledError.__qualname__}"
        if isinstance(outcome, str):
            self.output.tell("WARNING", LOGGER, "The call was stopped, but ran on. Its result was dropped.")
        elif outcome.error_type != stopped:
            ended = f"The call was stopped, and then ended with {outcome.error_type}: {outcome.message}"
            self.output.tell("INFO", LOGGER, ended)
        self._close_output()

    def _close_output(self) -> None:
        if self._output is not None:
            self._output = None
            self.scope.log_writer.close(self._log_source)


@dataclass(slots=True)
class _Reported:
    """The last report of an attempt, and its time."""

    progress: Progress | None = None
    checkpoint: str | None = None
    at: datetime | None = None


@dataclass(slots=True, eq=False, repr=False)
class ActivityBegun:
    """Message: a job began that may only run for some time."""

    job: ActivityJob


@dataclass(slots=True, eq=False, repr=False)
class ActivityFinished:
    """Message: a job ended. Without an outcome, it was not run; `declined` says why if it couldn't be.

    `on_disk` is called once the outcome is in the journal, or at once if it isn't needed.
    """

    job: ActivityJob
    outcome: ActivityOutcome | None
    started_at: datetime | None
    ended_at: datetime
    worker: str | None = None
    declined: str | None = None
    cached_from: str | None = None
    on_disk: Callable[[], None] | None = None


@dataclass(slots=True, eq=False, repr=False)
class Committed:
    """Message: the events that scheduled these jobs are on disk, so the jobs may begin."""

    jobs: Sequence[ActivityJob]
