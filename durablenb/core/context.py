"""The orchestrator's context: Azure's `DurableOrchestrationContext`.

The module is long because most of it is the reference of the context's methods.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from durablenb.core.annotations import result_type
from durablenb.core.calls import DurableHttpResponse, poll_routine, retry_routine
from durablenb.core.fork import child_id, origin_at
from durablenb.core.locking import CriticalSection, Locking, LockTask, in_order
from durablenb.core.moment import Moment
from durablenb.core.proxies import EntityProxy
from durablenb.core.registry import target_name
from durablenb.core.replay_safe_logger import ReplaySafeLogger
from durablenb.core.routine import RetryTask, RoutineTask, canceled_call
from durablenb.core.tasks import (
    ActivityTask,
    AtomicTask,
    CancelableTask,
    EntityTask,
    ExternalEventTask,
    SubOrchestrationTask,
    TaskBase,
    TimerTask,
    WhenAllTask,
    WhenAnyTask,
)
from durablenb.model import actions
from durablenb.model.arguments import NO_INPUT, input_and_type
from durablenb.model.azure_objects import is_azure_object
from durablenb.model.entities import EntityId, checked_entity_id, checked_operation
from durablenb.model.errors import OrchestrationLimitError
from durablenb.model.events import Event
from durablenb.model.ids import (
    checked_event_name,
    checked_instance_id,
    checked_priority,
    checked_version,
    new_guid,
    new_uuid,
)
from durablenb.model.payloads import plain_json
from durablenb.model.retries import RetryOptions
from durablenb.model.times import aware, checked_timeout

if TYPE_CHECKING:
    from durablenb.core.execution import Execution

HTTP_ACTIVITY = "BuiltIn::HttpActivity"
"""The built-in activity behind `call_http`, by the Durable extension's name."""

CUSTOM_STATUS_LIMIT = 16 * 1024
"""The limit of a custom status, in bytes of its JSON as UTF-16, as in Azure's host."""


class ToBeContinued:
    """The awaitable of ``context.to_be_continued()``, which waits for more code."""

    def __await__(self) -> Generator[Any, None, None]:
        yield ...


class DurableOrchestrationContext:
    """The orchestrator's interface to the engine: it schedules tasks and tells the time.

    Every call is deterministic: a replay gets the same results. Tasks are scheduled at the call, not when
    they are first awaited; ``yield`` a task (in an ``async def``: ``await`` it) to wait for it.

    Notes
    -----
    Names and arguments are those of ``azure.durable_functions``.
    The reference shows the ``hub`` of the examples under *The examples*.
    """

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._names: dict[int | None, str] = {}
        self._ids_given = 0
        self._logger: ReplaySafeLogger | None = None
        self._locking = Locking()

    def __repr__(self) -> str:
        return f"<DurableOrchestrationContext of {self.instance_id}>"

    # -- calls -----------------------------------------------------------------------------------

    def call_activity(
        self,
        name: str | Callable[..., Any],
        input_: Any = NO_INPUT,
        expected_type: Any = None,
        *more: Any,
        timeout: float | timedelta | None = None,
        heartbeat_timeout: float | timedelta | None = None,
        priority: int | None = None,
        **named: Any,
    ) -> ActivityTask[Any]:
        """Return a task for a call of an activity. `cancel()` on the task stops the call.

        Parameters
        ----------
        name
            The activity's name, or the function itself.
        input_
            Its argument.
        expected_type
            What the result is rebuilt as: a class, or an annotation such as ``list[Order]``. Without one,
            what the function itself says that it returns.
        *more, **named
            Further arguments of the function. By position, they follow `input_`, unless the only one is a
            type, which is the `expected_type`. An argument whose name is a parameter of this method must be
            given by position. With one argument, call and journal are as in Azure.
        timeout
            The longest time that the call may run, in seconds or as a `timedelta`; without one, the limit
            that the activity is registered with. It counts from when the activity begins to run, and once
            more after a restart of the hub. A call that takes longer fails with a `TimeoutError`.
        heartbeat_timeout
            The longest time that the running call may report nothing; without one, the limit that the
            activity is registered with. A call that is silent for longer counts as lost, and fails with a
            `TimeoutError`. See `ActivityContext.heartbeat`.
        priority
            Among calls that wait for a place in a `Queue`, those with a higher priority begin first. Without
            one, that of the instance.

        Raises
        ------
        NotSerializableError
            If an argument can't be kept in the journal.
        ValueError, TypeError
            If a time-out isn't a duration of more than 0, or the priority isn't a whole number.

        Notes
        -----
        If the arguments don't fit the function, the call fails with a `TypeError` that says why. `check`
        finds such a call before it runs.

        Examples
        --------
        >>> import durablenb as df
        >>> clock = df.VirtualClock()
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=clock)
        >>> @hub.activity
        ... def scale(numbers, factor, *, digits=0):
        ...     return [round(number * factor, digits) for number in numbers]
        >>> @hub.orchestrator
        ... def main(context):
        ...     return (yield context.call_activity(scale, [1, 2], 1.5, digits=1))
        >>> hub.run(main)
        [1.5, 3.0]
        >>> hub.add_activity(lambda: clock.advance(seconds=60), name="crawl")
        >>> @hub.orchestrator
        ... def impatient(context):
        ...     try:
        ...         yield context.call_activity("crawl", timeout=5)
        ...     except TimeoutError:
        ...         return "too slow"
        >>> hub.run(impatient)
        'too slow'
        >>> hub.close()
        """
        given, expected_type = input_and_type(input_, expected_type, more, named)
        called = self._execution.target_name(name)
        text = self._execution.codec.encode(given, "input")
        limits = self._limits(timeout, heartbeat_timeout, priority)
        return self._schedule(called, text, _wanted(expected_type, name), limits, 1, None)

    def call_activity_with_retry(
        self,
        name: str | Callable[..., Any],
        retry_options: RetryOptions,
        input_: Any = NO_INPUT,
        expected_type: Any = None,
        *more: Any,
        timeout: float | timedelta | None = None,
        heartbeat_timeout: float | timedelta | None = None,
        priority: int | None = None,
        **named: Any,
    ) -> RetryTask:
        """Return a task for a call of an activity that is retried if it fails; see `RetryOptions`.

        The other arguments are those of `call_activity`; the time-outs are those of each attempt.
        `cancel()` on the task stops the attempt that runs, or the wait for the next one.

        Examples
        --------
        >>> attempts = []
        >>> @hub.activity
        ... def unreliable():
        ...     attempts.append(hub.clock.now())
        ...     if len(attempts) < 3:
        ...         raise ConnectionError("busy")
        ...     return "done"
        >>> @hub.orchestrator
        ... def patient(context):
        ...     return (yield context.call_activity_with_retry(unreliable, df.RetryOptions(5_000, 4)))
        >>> hub.run(patient), len(attempts)
        ('done', 3)
        """
        given, expected_type = input_and_type(input_, expected_type, more, named)
        called = self._execution.target_name(name)
        text = self._execution.codec.encode(given, "input")
        limits = self._limits(timeout, heartbeat_timeout, priority)
        schedule = partial(self._schedule, called, text, _wanted(expected_type, name), limits)
        routine = retry_routine(self, schedule, _options(retry_options))
        return RetryTask(routine, self._execution.wake, called)

    def call_sub_orchestrator(
        self,
        name: str | Callable[..., Any],
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: Any = None,
    ) -> TaskBase[Any]:
        """Return a task for a sub-orchestration.

        Parameters
        ----------
        name
            The orchestrator's name, or the function itself.
        input_
            Its input.
        instance_id
            The child's id; without one, ``<this execution's id>:<task id>``.
        version
            The child's version; without one, this orchestration's own.
        expected_type
            What the result is rebuilt as: a class, or an annotation such as ``list[Order]``. Without one,
            what the function itself says that it returns.

        Raises
        ------
        ValueError
            If the id breaks Azure's rules, or is this orchestration's or its parent's own.

        Examples
        --------
        >>> @hub.orchestrator
        ... def parent(context):
        ...     children = [context.call_sub_orchestrator("doubled", number) for number in (1, 2)]
        ...     return (yield context.task_all(children))
        >>> hub.run(parent)
        [2, 4]
        """
        create = self._creator(name, input_, instance_id, version, expected_type)
        return create(1, None)

    def call_sub_orchestrator_with_retry(
        self,
        name: str | Callable[..., Any],
        retry_options: RetryOptions,
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: Any = None,
    ) -> TaskBase[Any]:
        """Return a task for a sub-orchestration that is retried if it fails, under a given id each time.

        Examples
        --------
        >>> @hub.orchestrator
        ... def parent(context):
        ...     options = df.RetryOptions(5_000, max_number_of_attempts=3)
        ...     return (yield context.call_sub_orchestrator_with_retry("doubled", options, 21))
        >>> hub.run(parent)
        42
        """
        create = self._creator(name, input_, instance_id, version, expected_type)
        return self._routine(
            retry_routine(self, create, _options(retry_options)), self._execution.target_name(name)
        )

    def call_http(
        self,
        method: str,
        uri: str,
        content: Any = None,
        headers: dict[str, str] | None = None,
        token_source: Any = None,
        is_raw_str: bool = False,
        *,
        timeout: float | None = None,
        retry_options: RetryOptions | None = None,
        asynchronous_pattern_enabled: bool = True,
    ) -> TaskBase[DurableHttpResponse]:
        """Return a task for an HTTP request, which a built-in activity makes.

        Parameters
        ----------
        method, uri
            The request's method and address; ``http`` or ``https`` only.
        content
            The body; anything but text is sent as JSON, and text too unless `is_raw_str` is set.
        headers
            Names and values.
        token_source
            Not supported; put a token into `headers`.
        is_raw_str
            Send `content`, which must be text, as it is.
        timeout
            Seconds for the whole call, polling included, by the orchestration's clock; a single request
            has 100 seconds at most.
        retry_options
            Retries of requests without a response. A response of any status counts as one.
        asynchronous_pattern_enabled
            After a response 202 with a ``Location``, poll that address until the status changes, every
            ``Retry-After`` or 30 seconds.

        Raises
        ------
        TypeError
            If `is_raw_str` is set and `content` isn't text.
        NotImplementedError
            If there is a `token_source`.

        Examples
        --------
        In a test, replace the built-in activity:

        >>> @hub.activity(name="BuiltIn::HttpActivity")
        ... def respond(request):
        ...     return {"statusCode": 200, "headers": {}, "content": f"asked for {request['uri']}"}
        >>> @hub.orchestrator
        ... def fetch(context):
        ...     response = yield context.call_http("GET", "https://example.org/rates")
        ...     return [response.status_code, response.content]
        >>> hub.run(fetch)
        [200, 'asked for https://example.org/rates']
        """
        if token_source is not None:
            raise NotImplementedError(
                "call_http can't fetch tokens here. Pass one in headers: {'Authorization': 'Bearer ...'}."
            )
        if is_raw_str and not isinstance(content, str):
            raise TypeError("With is_raw_str the content must be text.")
        body = content if is_raw_str or content is None else plain_json(content)
        request = {"method": method.upper(), "uri": uri, "headers": headers or {}, "content": body}
        options = None if retry_options is None else _options(retry_options)
        return self._routine(
            poll_routine(self, request, timeout, options, is_polling=asynchronous_pattern_enabled),
            HTTP_ACTIVITY,
        )

    # -- entities --------------------------------------------------------------------------------

    def call_entity(
        self,
        entityId: EntityId,
        operationName: str,
        operationInput: Any = None,
        expected_type: Any = None,
    ) -> TaskBase[Any]:
        """Return a task for an operation of an entity.

        Parameters
        ----------
        entityId, operationName, operationInput
            Which entity, what it is to do, and with what.
        expected_type
            What the result is rebuilt as: a class, or an annotation such as ``list[Order]``.

        Raises
        ------
        LockingRulesViolationError
            In a critical section, if the entity isn't locked, or is called already.

        Examples
        --------
        >>> @hub.orchestrator
        ... def count(context):
        ...     counter = df.EntityId("Counter", "a")
        ...     yield context.call_entity(counter, "add", 5)
        ...     return (yield context.call_entity(counter, "get"))
        >>> hub.run(count)
        5
        """
        execution = self._execution
        entity_id = checked_entity_id(entityId)
        name = checked_operation(operationName)
        text = execution.codec.encode(operationInput, "input")
        self._locking.check_call(entity_id)
        task_id = execution.new_task_id()
        execution.request(actions.CallEntity(task_id, name, str(entity_id), text))
        task: EntityTask[Any] = EntityTask(task_id, self._decoder(expected_type), str(entity_id), name)
        execution.tasks[task_id] = task
        self._locking.called(entity_id, task)
        return task

    def signal_entity(
        self,
        entityId: EntityId,
        operationName: str,
        operationInput: Any = None,
        *,
        at: datetime | None = None,
    ) -> None:
        """Send an entity an operation, without waiting for it.

        Parameters
        ----------
        entityId, operationName, operationInput
            Which entity, what it is to do, and with what.
        at
            The earliest time of the operation; a naive time is UTC.

        Raises
        ------
        LockingRulesViolationError
            In a critical section, if the entity is locked.

        Examples
        --------
        >>> @hub.orchestrator
        ... def count(context):
        ...     context.signal_entity(df.EntityId("Counter", "a"), "add", 5)
        >>> hub.run(count)
        >>> while hub.step():
        ...     pass
        >>> hub.entity("Counter", "a").state()
        {'value': 5}
        """
        execution = self._execution
        entity_id = checked_entity_id(entityId)
        name = checked_operation(operationName)
        text = execution.codec.encode(operationInput, "input")
        self._locking.check_signal(entity_id)
        due = aware(at)
        execution.request(
            actions.SignalEntity(
                execution.new_task_id(), name, str(entity_id), text, due and Moment.plain(due)
            )
        )

    def entity(self, kind: str | Callable[..., Any], key: str) -> EntityProxy:
        """Return an entity as an object, whose methods call its operations as `call_entity` does.

        Parameters
        ----------
        kind
            The entity's class or function, or its name.
        key
            The entity's key.

        Examples
        --------
        >>> @hub.orchestrator
        ... def count(context):
        ...     counter = context.entity("Counter", "a")
        ...     yield counter.add(5)
        ...     return (yield counter.get())
        >>> hub.run(count)
        5
        """
        return EntityProxy(EntityId(target_name(kind), key), self.call_entity)

    def lock(self, entities: Iterable[EntityId]) -> LockTask:
        """Return a task for a critical section: ``with (yield context.lock([a, b])):``.

        In an ``async def``, ``async with context.lock([a, b]):``. Inside, the entities run operations of this
        orchestration only; those of others wait. The section ends with the block, and with the orchestration,
        normally or not.

        Parameters
        ----------
        entities
            The entities to lock. All orchestrations lock in the same global order, which rules out deadlock.

        Raises
        ------
        LockingRulesViolationError
            Inside of another critical section.

        Examples
        --------
        >>> @hub.orchestrator
        ... def move(context):
        ...     left, right = df.EntityId("Counter", "left"), df.EntityId("Counter", "right")
        ...     with (yield context.lock([left, right])):
        ...         yield context.call_entity(left, "add", -5)
        ...         yield context.call_entity(right, "add", 5)
        >>> hub.run(move)
        >>> hub.entity("Counter", "right").state()
        {'value': 5}
        """
        self._locking.check_lock()
        chosen = in_order(entities)
        execution = self._execution
        task_id = execution.new_task_id()
        execution.request(actions.RequestLock(task_id, tuple(str(entity) for entity in chosen)))
        task = LockTask(task_id, CriticalSection(chosen, lambda: self._unlock(task)), self._cancel_lock)
        execution.tasks[task_id] = task
        self._locking.begin(task)
        return task

    @property
    def is_locked(self) -> bool:
        """True in a critical section.

        Examples
        --------
        >>> @hub.orchestrator
        ... def look(context):
        ...     before = context.is_locked
        ...     with (yield context.lock([df.EntityId("Counter", "a")])):
        ...         return [before, context.is_locked]
        >>> hub.run(look)
        [False, True]
        """
        return bool(self._locking.held)

    @property
    def locked_entities(self) -> tuple[EntityId, ...]:
        """The entities that this orchestration has locked, in order.

        Examples
        --------
        >>> @hub.orchestrator
        ... def look(context):
        ...     with (yield context.lock([df.EntityId("Counter", "a")])):
        ...         return [str(entity) for entity in context.locked_entities]
        >>> hub.run(look)
        ['@counter@a']
        """
        return self._locking.held

    # -- waits -----------------------------------------------------------------------------------

    def create_timer(self, fire_at: datetime) -> TimerTask:
        """Return a task that completes at `fire_at` or soon after; at once if that is in the past.

        Parameters
        ----------
        fire_at
            The due time, at any distance. A naive time is UTC.

        Raises
        ------
        ValueError
            If it isn't a datetime.

        Examples
        --------
        >>> from datetime import timedelta
        >>> @hub.orchestrator
        ... def wait(context):
        ...     yield context.create_timer(context.current_utc_datetime + timedelta(days=3))
        ...     return str(context.current_utc_datetime)
        >>> hub.run(wait)
        '2026-01-04 00:00:00+00:00'
        """
        return self._timer(fire_at, None)

    def wait_for_external_event(self, name: str, expected_type: Any = None) -> ExternalEventTask[Any]:
        """Return a task for the next external event of a name.

        Names are compared without case. Events are kept until a wait receives them. Of several waits, the
        oldest gets the first event; but a wait that has lost a `task_any` comes last: it gets an event only
        if the code reads it or awaits it again. `cancel()` on the task stops waiting.

        Examples
        --------
        >>> @hub.orchestrator
        ... def payment(context):
        ...     euros = yield context.wait_for_external_event("Paid")
        ...     return f"got {euros} euros"
        >>> handle = hub.start(payment)
        >>> handle.raise_event("Paid", 40)
        >>> handle.result()
        'got 40 euros'
        """
        task_id = self._execution.new_task_id()
        self._execution.request(actions.SubscribeEvent(task_id, checked_event_name(name)))
        mailbox = self._execution.mailbox
        task: ExternalEventTask[Any] = ExternalEventTask(
            task_id, self._decoder(expected_type), self._cancel_wait, name, mailbox.look
        )
        mailbox.subscribe(task)
        return task

    def task_all(
        self, activities: Iterable[TaskBase[Any]], *, return_exceptions: bool = False
    ) -> WhenAllTask[Any]:
        """Return a task for the values of all tasks, in order; it waits until all of them have ended.

        Parameters
        ----------
        activities
            The tasks.
        return_exceptions
            Return a failed task's exception in its place among the values, as ``asyncio.gather`` does. By
            default the first failure, in the order of the tasks, is raised, as in Azure.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
        >>> @hub.activity
        ... def invert(number):
        ...     return 1 / number
        >>> @hub.orchestrator
        ... def main(context):
        ...     calls = [context.call_activity(invert, number) for number in (2, 0, 4)]
        ...     results = yield context.task_all(calls, return_exceptions=True)
        ...     return [result for result in results if not isinstance(result, Exception)]
        >>> hub.run(main)
        [0.5, 0.25]
        >>> hub.close()
        """
        return WhenAllTask(_tasks(activities, "task_all"), return_exceptions=return_exceptions)

    def task_any(self, activities: Iterable[TaskBase[Any]], *, cancel_losers: bool = False) -> WhenAnyTask:
        """Return a task for the first of these tasks that completes, failed or not; None without tasks.

        Parameters
        ----------
        activities
            The tasks.
        cancel_losers
            Cancel the other tasks when the code gets the first one: calls of activities, timers, waits for
            external events, and those inside of a `task_all` or `task_any`. Sub-orchestrations and calls of
            entities run on. By default all of them run on, as in Azure.

        Examples
        --------
        >>> from datetime import timedelta
        >>> @hub.orchestrator
        ... def in_time(context):
        ...     approved = context.wait_for_external_event("Approval")
        ...     deadline = context.create_timer(context.current_utc_datetime + timedelta(days=3))
        ...     winner = yield context.task_any([approved, deadline], cancel_losers=True)
        ...     return "too late" if winner is deadline else approved.result
        >>> hub.run(in_time)
        'too late'
        """
        tasks = _tasks(activities, "task_any")
        return WhenAnyTask(tasks, self._execution.mailbox.decided, cancels_losers=cancel_losers)

    def to_be_continued(self) -> ToBeContinued:
        """Return an awaitable for more code, in place of ``yield ...`` in an ``async def``.

        The orchestration waits there until its function is registered again with more code: other code at
        this point, or more behind it. Use it to grow an orchestration cell by cell.

        Examples
        --------
        >>> @hub.orchestrator
        ... async def growing(context):
        ...     number = await context.call_activity("double", 3)
        ...     await context.to_be_continued()
        >>> handle = hub.start(growing)
        >>> while hub.step():
        ...     pass
        >>> @hub.orchestrator
        ... async def growing(context):
        ...     number = await context.call_activity("double", 3)
        ...     return await context.call_activity("double", number)
        >>> handle.result()
        12
        """
        return ToBeContinued()

    # -- the orchestration itself ----------------------------------------------------------------

    def continue_as_new(self, input_: Any) -> None:
        """Start a new execution with this input when the orchestrator next yields or returns.

        Unread external events move to the new execution, in order. Tasks that are scheduled after this call
        are ignored, and so is the return value.

        Examples
        --------
        >>> from datetime import timedelta
        >>> @hub.orchestrator
        ... def countdown(context):
        ...     left = context.get_input()
        ...     if left == 0:
        ...         return "lift-off"
        ...     yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
        ...     context.continue_as_new(left - 1)
        >>> hub.run(countdown, 3)
        'lift-off'
        """
        self._execution.continue_as_new(self._execution.codec.encode(input_, "input"))

    def get_input(self, expected_type: Any = None) -> Any:
        """Return the orchestration's input; each call decodes it again.

        Examples
        --------
        >>> from datetime import date
        >>> @hub.orchestrator
        ... def weekday(context):
        ...     return context.get_input(date).strftime("%A")
        >>> hub.run(weekday, "2026-01-01")
        'Thursday'
        """
        started = self._execution.started
        assert started is not None
        return self._execution.decode(started.input, expected_type)

    def set_custom_status(self, status: Any) -> None:
        """Set the orchestration's custom status, to any value including None.

        It remains until another one is set, even after `continue_as_new`.

        Raises
        ------
        OrchestrationLimitError
            If the value is larger than 16 KB as JSON in UTF-16, Azure's limit.

        Examples
        --------
        >>> @hub.orchestrator
        ... def order(context):
        ...     context.set_custom_status("waits for the payment")
        ...     yield context.wait_for_external_event("Paid")
        >>> handle = hub.start(order)
        >>> while hub.step():
        ...     pass
        >>> handle.status().custom_status
        'waits for the payment'
        """
        text = self._execution.codec.encode(status, "status")
        if 2 * len(text) > CUSTOM_STATUS_LIMIT:
            raise OrchestrationLimitError(
                "The UTF-16 size of the JSON-serialized payload must not exceed 16 KB. "
                f"The current payload size is {2 * len(text) // 1024} KB."
            )
        if text == self._execution.custom_status or self.will_continue_as_new:
            return
        self._execution.set_custom_status(text)

    @property
    def custom_status(self) -> Any:
        """The custom status, or None.

        Examples
        --------
        >>> @hub.orchestrator
        ... def order(context):
        ...     context.set_custom_status({"done": 0})
        ...     return context.custom_status
        >>> hub.run(order)
        {'done': 0}
        """
        text = self._execution.custom_status
        return None if text is None else self._execution.decode(text)

    def new_uuid(self) -> str:
        """Return a UUID that is the same in every replay, by Azure's algorithm.

        Examples
        --------
        >>> @hub.orchestrator
        ... def pay(context):
        ...     return context.new_uuid()
        >>> hub.run(pay, instance_id="a")
        'ee5aa4e8-4e5b-5317-abb3-e7a6682733ee'
        """
        return new_uuid(self.instance_id, self.current_utc_datetime, self._next_count())

    def new_guid(self) -> uuid.UUID:
        """Return a `uuid.UUID` that is the same in every replay, by Azure's other algorithm.

        Examples
        --------
        >>> @hub.orchestrator
        ... def pay(context):
        ...     return str(context.new_guid())
        >>> hub.run(pay, instance_id="a")
        '2c2c66da-78d2-5b25-bdfc-0d8a24291fa8'
        """
        return new_guid(self.instance_id, self.current_utc_datetime, self._next_count())

    @property
    def current_utc_datetime(self) -> Moment:
        """The time at which this episode began: aware, UTC, the same in every replay.

        It can be compared with ISO 8601 text, so that a time from JSON needs no parsing.

        Examples
        --------
        >>> @hub.orchestrator
        ... def greet(context):
        ...     return "Good morning" if context.current_utc_datetime.hour < 12 else "Hello"
        >>> hub.run(greet)
        'Good morning'
        """
        return Moment.of(self._execution.now)

    @property
    def logger(self) -> ReplaySafeLogger:
        """A `logging.LoggerAdapter` whose records appear once, however often the orchestrator is replayed.

        Its name is ``durablenb.orchestrator.<name>``, and its level ``INFO``.

        Examples
        --------
        >>> @hub.orchestrator
        ... def order(context):
        ...     price = yield context.call_activity("double", 6)
        ...     context.logger.info("the price is %d", price)
        >>> handle = hub.start(order)
        >>> handle.result()
        >>> [line.message for line in handle.logs()]
        ['the price is 12']
        """
        if self._logger is None:
            started = self._execution.started
            assert started is not None
            self._logger = ReplaySafeLogger(started.name, lambda: self._execution.is_replaying)
        return self._logger

    @property
    def is_replaying(self) -> bool:
        """True while the code runs through recorded history.

        Read it where you use it, and only guard code without effects on the orchestration. A value from
        before an await is True on Azure, where the code runs from its beginning each time; here only if the
        instance was replayed since.

        Examples
        --------
        >>> @hub.orchestrator
        ... def order(context):
        ...     price = yield context.call_activity("double", 6)
        ...     if not context.is_replaying:
        ...         print("the price is", price)
        >>> hub.run(order)
        the price is 12
        """
        return self._execution.says_replaying()

    @property
    def instance_id(self) -> str:
        """The instance's id; in the shared past of a fork, its origin's.

        Examples
        --------
        >>> @hub.orchestrator
        ... def who(context):
        ...     return context.instance_id
        >>> hub.run(who, instance_id="order-7")
        'order-7'
        """
        execution = self._execution
        origin = origin_at(execution.started, execution.next_task_id)
        return execution.instance_id if origin is None else origin.instance_id

    @property
    def parent_instance_id(self) -> str | None:
        """The id of the orchestration that started this one, or None.

        Examples
        --------
        >>> @hub.orchestrator
        ... def child(context):
        ...     return context.parent_instance_id
        >>> @hub.orchestrator
        ... def parent(context):
        ...     return (yield context.call_sub_orchestrator(child))
        >>> hub.run(parent, instance_id="order-7")
        'order-7'
        """
        started = self._execution.started
        origin = origin_at(started, self._execution.next_task_id)
        if origin is not None:
            return origin.parent_instance_id
        return None if started is None or started.parent is None else started.parent.instance_id

    @property
    def version(self) -> str | None:
        """The version the instance was started with, or None.

        Examples
        --------
        >>> @hub.orchestrator
        ... def order(context):
        ...     return context.version
        >>> hub.run(order, version="2.0")
        '2.0'
        """
        return None if self._execution.started is None else self._execution.started.version

    @property
    def histories(self) -> Sequence[Event]:
        """The execution's events so far.

        Examples
        --------
        >>> @hub.orchestrator
        ... def order(context):
        ...     yield context.call_activity("double", 6)
        ...     return [type(event).__name__ for event in context.histories]
        >>> hub.run(order)[:3]
        ['ExecutionStarted', 'OrchestratorStarted', 'TaskScheduled']
        """
        return tuple(self._execution.history)

    @property
    def will_continue_as_new(self) -> bool:
        """True once `continue_as_new` was called.

        Examples
        --------
        >>> @hub.orchestrator
        ... def rounds(context):
        ...     if context.get_input() < 2:
        ...         context.continue_as_new(context.get_input() + 1)
        ...     return context.will_continue_as_new
        >>> hub.run(rounds, 0)
        False
        """
        return self._execution.continue_with is not None

    @property
    def function_context(self) -> dict[str, Any]:
        """Azure's function context; empty here.

        Examples
        --------
        >>> @hub.orchestrator
        ... def order(context):
        ...     return context.function_context
        >>> hub.run(order)
        {}
        """
        return {}

    # -- inside ----------------------------------------------------------------------------------

    def _schedule(
        self,
        name: str,
        text: str,
        expected_type: Any,
        limits: tuple[float | None, int, float | None],
        attempt: int,
        retry_of: int | None,
    ) -> ActivityTask[Any]:
        execution = self._execution
        task_id = execution.new_task_id()
        execution.request(actions.ScheduleTask(task_id, name, text, attempt, retry_of, *limits))
        task: ActivityTask[Any] = ActivityTask(task_id, self._decoder(expected_type), self._cancel_call)
        execution.tasks[task_id] = task
        self._names[task_id] = name
        return task

    def _limits(
        self, timeout: object, heartbeat_timeout: object, priority: int | None
    ) -> tuple[float | None, int, float | None]:
        """Return the last fields of `ScheduleTask`; a call without a priority has that of the instance."""
        if priority is not None:
            chosen = checked_priority(priority)
        else:
            started = self._execution.started
            chosen = 0 if started is None else started.priority
        if timeout is None and heartbeat_timeout is None:
            return None, chosen, None
        return checked_timeout(timeout), chosen, checked_timeout(heartbeat_timeout, "heartbeat_timeout")

    def _creator(
        self,
        name: str | Callable[..., Any],
        input_: Any,
        instance_id: str | None,
        version: str | None,
        expected_type: Any,
    ) -> Callable[[int, int | None], AtomicTask[Any]]:
        execution = self._execution
        called = execution.target_name(name)
        text = execution.codec.encode(input_, "input")
        wanted = _wanted(expected_type, name)
        checked_version(version)
        if instance_id is not None and checked_instance_id(instance_id) in (
            self.instance_id,
            self.parent_instance_id,
        ):
            raise ValueError(f"The child's id {instance_id!r} is this orchestration's or its parent's own.")

        def create(attempt: int, retry_of: int | None) -> AtomicTask[Any]:
            self._locking.check_sub_orchestration()
            task_id = execution.new_task_id()
            child = instance_id or child_id(execution.execution_id, execution.started, task_id)
            chosen = self.version if version is None else version
            execution.request(
                actions.CreateSubOrchestration(task_id, called, text, child, chosen, attempt, retry_of)
            )
            task: SubOrchestrationTask[Any] = SubOrchestrationTask(task_id, self._decoder(wanted), child)
            execution.tasks[task_id] = task
            self._names[task_id] = called
            return task

        return create

    def _timer(self, fire_at: datetime, retry_of: int | None) -> TimerTask:
        if not isinstance(fire_at, datetime):
            raise ValueError(f"fireAt: Expected valid datetime object but got {fire_at!r}")
        aware = fire_at if fire_at.tzinfo else fire_at.replace(tzinfo=UTC)
        plain = Moment.plain(aware.astimezone(UTC))
        task_id = self._execution.new_task_id()
        self._execution.request(actions.CreateTimer(task_id, plain, retry_of))
        task = TimerTask(task_id, self._decoder(None), self._cancel_timer)
        self._execution.tasks[task_id] = task
        return task

    def _cancel_call(self, task: CancelableTask[Any]) -> None:
        assert task.id is not None
        if not task.is_completed:
            self._execution.request(actions.CancelTask(task.id))
            self._execution.tasks.pop(task.id, None)
            failure, text = canceled_call(self._names.pop(task.id, "?"))
            task._fail(failure, text)

    def _cancel_timer(self, task: CancelableTask[Any]) -> None:
        assert task.id is not None
        if not task.is_completed:
            self._execution.request(actions.CancelTimer(task.id))
            self._execution.tasks.pop(task.id, None)

    def _cancel_wait(self, task: CancelableTask[Any]) -> None:
        assert task.id is not None
        assert isinstance(task, ExternalEventTask)
        self._execution.request(actions.UnsubscribeEvent(task.id))
        self._execution.mailbox.unsubscribe(task)

    def _cancel_lock(self, task: LockTask) -> None:
        assert task.id is not None
        if self._locking.end(task):
            self._execution.request(actions.CancelLock(task.id))
            self._execution.tasks.pop(task.id, None)

    def _unlock(self, task: LockTask) -> None:
        assert task.id is not None
        if self._locking.end(task):
            self._execution.request(actions.SendUnlock(task.id))

    def _routine(self, generator: Any, name: str) -> RoutineTask:
        return RoutineTask(generator, self._execution.wake, name)

    def _decoder(self, expected_type: Any) -> Any:
        decode = self._execution.decode
        return decode if expected_type is None else partial(decode, expected_type=expected_type)

    def _next_count(self) -> int:
        count = self._ids_given
        self._ids_given += 1
        return count


def _wanted(expected_type: Any, name: object) -> Any:
    """Return the type to which a result is rebuilt: the requested one, else the function's annotation."""
    return result_type(name) if expected_type is None and callable(name) else expected_type


def _options(given: Any) -> RetryOptions:
    if isinstance(given, RetryOptions):
        return given
    if is_azure_object(given, "RetryOptions"):
        return RetryOptions(given.first_retry_interval_in_milliseconds, given.max_number_of_attempts)
    raise TypeError(f"retry_options is a {type(given).__name__}; expected RetryOptions(...).")


def _tasks(activities: Iterable[TaskBase[Any]], called: str) -> list[TaskBase[Any]]:
    if isinstance(activities, TaskBase):
        raise TypeError(f"{called} takes a list of tasks, not one task.")
    tasks = list(activities)
    for index, task in enumerate(tasks):
        if not isinstance(task, TaskBase):
            raise TypeError(f"{called} takes tasks; item {index} is a {type(task).__name__}.")
    return tasks
