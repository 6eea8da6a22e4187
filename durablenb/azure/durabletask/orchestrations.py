"""Runs an orchestrator on a durabletask worker: the same `Execution` as in a hub, with durabletask below it.

The execution's new events are its requests, which the worker's context carries out; what that context's tasks
give is delivered to the execution. So tasks, retries, locks, external events and ids follow the same rules as
in a hub. durabletask keeps the history, and replays this generator.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from durabletask import task
from durabletask.entities import EntityInstanceId, EntityLock

from durablenb.azure.durabletask.failures import exception_from, failure_from
from durablenb.azure.durabletask.payloads import Packer, is_envelope, unpack
from durablenb.core.execution import Execution
from durablenb.core.registry import Code, target_name
from durablenb.core.requests import describe_event
from durablenb.model import events
from durablenb.model.failures import FailureDetails
from durablenb.model.times import naive
from durablenb.values.codec import ValueCodec

_OfEntities = (
    events.EntityOperationCalled
    | events.EntityOperationSignaled
    | events.EntityLockRequested
    | events.EntityUnlockSent
)

_Outcome = events.ExecutionCompleted | events.ContinueAsNew | events.ExecutionFailed

Spell = Callable[[str, str], str | None]
"""Takes ``"activity"`` or ``"orchestrator"`` and a name; returns the hub's spelling of it, or None."""


class WorkerExecution(Execution):
    """An execution whose history durabletask keeps.

    Parameters
    ----------
    context
        durabletask's context.
    code
        The orchestrator's code.
    execution_id
        The execution's id.
    codec
        Encodes and decodes values.
    """

    __slots__ = ("_worker_context", "error")

    def __init__(
        self, context: task.OrchestrationContext, code: Code, execution_id: str, codec: ValueCodec
    ) -> None:
        self._worker_context = context
        self.error: BaseException | None = None
        """The exception with which the orchestrator failed."""
        super().__init__(
            code.function, context.instance_id, execution_id, codec, target_name, source=code.source
        )

    @property
    def is_replaying(self) -> bool:
        """True while durabletask replays."""
        return self._worker_context.is_replaying

    def _finish_with(self, error: BaseException) -> None:
        self.error = error
        super()._finish_with(error)


class _Arrival(task.CompositeTask[None]):
    """Calls a function when a task of durabletask completes."""

    def __init__(self, awaited: task.Task[Any], arrived: Callable[[task.Task[Any]], None]) -> None:
        self._arrived = arrived
        super().__init__([awaited])

    def on_child_completed(self, task: task.Task[Any]) -> None:
        """Pass the completed task on."""
        self._arrived(task)


class OrchestrationRun:
    """One run of an orchestrator, as the generator that a durabletask worker drives.

    Parameters
    ----------
    context
        durabletask's context.
    tree
        The input's JSON.
    name
        The orchestrator's name.
    code
        Its code.
    codec
        Encodes and decodes values.
    pack
        Makes JSON trees of encoded values.
    spell
        Returns names as the hub has them, since durabletask compares them with case.
    """

    def __init__(
        self,
        context: task.OrchestrationContext,
        tree: Any,
        name: str,
        code: Code,
        codec: ValueCodec,
        pack: Packer,
        spell: Spell,
    ) -> None:
        self._context = context
        self._name = name
        self._codec = codec
        self._pack = pack
        self._spell = spell
        self._execution = WorkerExecution(context, code, _execution_id(context), codec)
        self._last_id = 0
        self._wake: task.CompletableTask[None] = task.CompletableTask()
        self._requests: dict[int, events.PendingRequest] = {}
        self._timers: dict[int, task.TimerTask] = {}
        self._locks: dict[int, EntityLock] = {}
        self._names: set[str] = set()
        self._outcome: Callable[[], Any] | None = None
        self._start(tree)

    def run(self) -> Generator[task.Task[Any], Any, Any]:
        """Run the orchestrator; yield a task of durabletask whenever it waits."""
        try:
            while True:
                while self._execution.is_ready:
                    requests = self._execution.resume(self._now(), self._new_id())
                    self._last_id = requests[-1].event_id
                    for event in requests:
                        self._carry_out(event)
                if self._outcome is not None:
                    break
                self._wake = task.CompletableTask()
                yield self._wake
        finally:
            self._execution.unload()
        return self._outcome()

    # -- arrivals --------------------------------------------------------------------------------

    def _start(self, tree: Any) -> None:
        context, execution = self._context, self._execution
        parent = context.parent_instance_id
        caller = None if parent is None else events.ParentInstance(parent, "", 0, "")
        now = self._now()
        execution.deliver(
            events.ExecutionStarted(
                self._new_id(), now, self._name, unpack(tree), context.version, caller, rules=events.RULES
            )
        )
        carried = tree if is_envelope(tree) else {}
        if "status" in carried:
            execution.deliver(events.CustomStatusSet(self._new_id(), now, unpack(carried["status"])))
            context.set_custom_status(carried["status"])
        for name, data in carried.get("events", ()):
            execution.deliver(events.EventRaised(self._new_id(), now, name, unpack(data)))

    def _await(self, request: events.PendingRequest, awaited: task.Task[Any]) -> None:
        self._requests[request.task_id] = request
        _Arrival(awaited, partial(self._arrived, request.task_id))

    def _arrived(self, task_id: int, awaited: task.Task[Any]) -> None:
        request = self._requests.pop(task_id, None)
        if request is None:  # it was canceled, or took too long
            return
        self._cancel_timer(task_id)
        if awaited.is_failed:
            failure = failure_from(awaited.get_exception().details)
            self._settle(request, "failed", failure)
        elif isinstance(request, events.TimerCreated):
            self._settle(request, "completed")
        elif isinstance(request, events.EntityLockRequested):
            self._locks[task_id] = awaited.get_result()
            self._settle(request, "completed")
        else:
            self._settle(request, "completed", unpack(awaited.get_result()))

    def _settle(self, request: events.PendingRequest, settlement: events.Settlement, *outcome: Any) -> None:
        kind = events.OUTCOMES[type(request), settlement]
        self._deliver(kind(self._new_id(), self._now(), request.task_id, *outcome))

    def _deliver(self, event: events.Event) -> None:
        self._execution.deliver(event)
        if not self._wake.is_complete:
            self._wake.complete(None)

    def _subscribe(self, name: str) -> None:
        """Listen to the events of a name, unless that has begun already."""
        if name.casefold() not in self._names:
            self._names.add(name.casefold())
            self._listen(name)

    def _listen(self, name: str) -> None:
        """Deliver the events of a name that are there, and those that come; the mailbox matches them."""
        while True:
            awaited = self._context.wait_for_external_event(name)
            if not awaited.is_complete:
                _Arrival(awaited, partial(self._raised, name))
                return
            self._deliver_raised(name, awaited)

    def _raised(self, name: str, awaited: task.Task[Any]) -> None:
        self._deliver_raised(name, awaited)
        self._listen(name)

    def _deliver_raised(self, name: str, awaited: task.Task[Any]) -> None:
        data = unpack(awaited.get_result())
        self._deliver(events.EventRaised(self._new_id(), self._now(), name, data))

    # -- requests --------------------------------------------------------------------------------

    def _carry_out(self, event: events.Event) -> None:
        """Do what an event of the execution requests.

        Raises
        ------
        NotImplementedError
            If durabletask has nothing that does it.
        """
        context = self._context
        match event:
            case events.OrchestratorStarted():
                pass
            case events.TaskScheduled(name=name):
                own = self._spell("activity", name)
                self._await(event, context.call_activity(own or name, input=self._input(event, own)))
                self._limit(event.task_id, event.timeout)
            case events.SubOrchestrationInstanceCreated():
                self._await(event, self._child_task(event))
            case events.TimerCreated():
                self._timers[event.task_id] = context.create_timer(event.fire_at)
                self._await(event, self._timers[event.task_id])
            case events.EventSubscribed(name=name):
                self._subscribe(name)
            case (
                events.EntityOperationCalled()
                | events.EntityOperationSignaled()
                | events.EntityLockRequested()
                | events.EntityUnlockSent()
            ):
                self._turn_to_entities(event)
            case events.CustomStatusSet(status=text):
                context.set_custom_status(self._pack(text))
            case events.ExecutionCompleted() | events.ContinueAsNew() | events.ExecutionFailed():
                self._end_with(event)
            case events.Request(settlement="canceled"):  # its outcome is dropped; timers are taken back
                self._withdraw(getattr(event, "task_id", -1))
            case events.CodeAwaited(line=line):
                raise NotImplementedError(
                    f"{self._name!r} waits for more code in line {line}, which no notebook brings to a "
                    "durabletask worker. Finish the orchestrator, and register it again."
                )
            case _:
                raise NotImplementedError(
                    f"{self._name!r} requests {describe_event(event)}, which durabletask doesn't have."
                )

    def _child_task(self, event: events.SubOrchestrationInstanceCreated) -> task.Task[Any]:
        child: task.Task[Any] = self._context.call_sub_orchestrator(
            self._spell("orchestrator", event.name) or event.name,
            input=self._pack(event.input),
            instance_id=event.instance_id,
            version=event.version,
        )
        return child

    def _turn_to_entities(self, event: _OfEntities) -> None:
        context = self._context
        match event:
            case events.EntityOperationCalled(name=name, input=text):
                entity_id = EntityInstanceId.parse(event.entity_id)
                self._await(event, context.call_entity(entity_id, name, self._pack(text)))
            case events.EntityOperationSignaled(name=name, input=text):
                entity_id = EntityInstanceId.parse(event.entity_id)
                context.signal_entity(
                    entity_id, name, self._pack(text), event.deliver_at and naive(event.deliver_at)
                )
            case events.EntityLockRequested():
                entities = [EntityInstanceId.parse(entity_id) for entity_id in event.entity_ids]
                self._await(event, context.lock_entities(entities))
            case events.EntityUnlockSent(task_id=task_id):
                lock = self._locks.pop(task_id, None)
                if lock is not None:
                    lock.__exit__(None, None, None)

    def _end_with(self, event: _Outcome) -> None:
        match event:
            case events.ExecutionCompleted(result=text):
                self._outcome = partial(self._pack, text)
            case events.ContinueAsNew(input=text):
                self._outcome = partial(self._continue_as_new, text)
            case events.ExecutionFailed():
                self._outcome = partial(self._fail, event)

    def _limit(self, task_id: int, seconds: float | None) -> None:
        """Let a call fail after so many seconds; the activity itself runs on."""
        if seconds is None:
            return
        text = f"The call took longer than {seconds:g} s."
        timer = self._timers[task_id] = self._context.create_timer(self._now() + timedelta(seconds=seconds))
        _Arrival(timer, lambda _: self._take_too_long(task_id, FailureDetails("builtins.TimeoutError", text)))

    def _take_too_long(self, task_id: int, failure: FailureDetails) -> None:
        request = self._requests.pop(task_id, None)
        if request is not None:
            del self._timers[task_id]
            self._settle(request, "failed", failure)

    def _withdraw(self, task_id: int) -> None:
        """Drop a request whose outcome isn't awaited any longer."""
        self._requests.pop(task_id, None)
        self._cancel_timer(task_id)

    def _cancel_timer(self, task_id: int) -> None:
        timer = self._timers.pop(task_id, None)
        if timer is not None:
            timer.cancel()

    def _input(self, event: events.TaskScheduled, own: str | None) -> Any:
        """Return an activity's input, for the hub's own activities with what the call knows of itself."""
        if own is None:
            return self._pack(event.input)
        call = [self._execution.execution_id, event.task_id, event.attempt, event.call_id]
        return self._pack(event.input, call=call)

    def _fail(self, event: events.ExecutionFailed) -> None:
        error = self._execution.error
        trace = None if error is None or self._codec.redact else error.__traceback__
        raise exception_from(event.failure, trace)

    def _continue_as_new(self, text: str) -> None:
        execution = self._execution
        carried: dict[str, Any] = {}
        if execution.custom_status is not None:
            carried["status"] = self._pack(execution.custom_status)
        unread = [[event.name, self._pack(event.input)] for event in execution.mailbox.unprocessed()]
        if unread:
            carried["events"] = unread
        self._context.continue_as_new(
            self._pack(text, **carried), save_events=True, new_version=self._context.version
        )

    # -- inside ----------------------------------------------------------------------------------

    def _now(self) -> datetime:
        return self._context.current_utc_datetime.replace(tzinfo=UTC)

    def _new_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _execution_id(context: task.OrchestrationContext) -> str:
    """Return an id that is the same in every replay, and another one in every execution of an instance."""
    began = context.current_utc_datetime.isoformat()
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{context.instance_id} {began}").hex
