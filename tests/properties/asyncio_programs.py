"""Generated orchestrators that use asyncio: a program is JSON, and one ``async def`` does what it says.

A program is a list of steps, awaited one after another. A step is a tree:

    ["call", n]            an activity that gives n + 1
    ["fail", n]            an activity that raises
    ["retry", n]           an activity that is retried: an even n comes through, an odd one never does
    ["wait", name]         an external event
    ["child", n]           a sub-orchestration
    ["all", n]             `task_all` of a call and a failing call, with the exceptions
    ["sleep", s]           `asyncio.sleep`; every sleep and every limit of time is another one
    ["turn"]               `asyncio.sleep(0)`
    ["raise"]              raises
    ["gather", b, steps]   `asyncio.gather`, with the exceptions or without
    ["group", steps]       a `TaskGroup`
    ["timeout", s, step]   `asyncio.timeout`
    ["wait_for", s, step]  `asyncio.wait_for`
    ["shield", s, step]    the same around a `shield`; then the step is awaited
    ["cancel", s, step]    a task that is cancelled after a while
    ["self", step]         cancels itself, and awaits the step
    ["first", steps]       `asyncio.wait` for the first; the others are cancelled
    ["each", steps]        `asyncio.as_completed`
    ["queue", steps]       tasks that hand their results over in a `Queue`
    ["lock", n, steps]     tasks of which n at a time hold a `Semaphore`
    ["event", a, b]        a task for b that begins once a has ended
    ["finally", a, b]      b follows a, whatever becomes of it
    ["behind", step]       a task that nothing awaits
"""

import asyncio
from functools import partial

from hypothesis import strategies as st

from durablenb.core.registry import Activity, Registry
from durablenb.model.errors import OrchestrationCanceledError
from durablenb.model.retries import RetryOptions
from tests.properties.programs import ACTIVITIES, EVENTS, _plain, program

_SECONDS = st.sampled_from((1, 2, 5))
_RETRY = RetryOptions(1_000, 3)

_pure_leaves = st.one_of(
    st.tuples(st.just("sleep"), _SECONDS), st.tuples(st.just("turn")), st.tuples(st.just("raise"))
)
_durable_leaves = st.one_of(
    st.tuples(st.sampled_from(("call", "fail", "retry", "child", "all")), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.sampled_from(EVENTS)),
    _pure_leaves,
)


def _grown(inner):
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.just("gather"), st.booleans(), several),
        st.tuples(st.sampled_from(("group", "first", "each", "queue")), several),
        st.tuples(st.sampled_from(("timeout", "wait_for", "shield", "cancel")), _SECONDS, inner),
        st.tuples(st.sampled_from(("self", "behind")), inner),
        st.tuples(st.just("lock"), st.integers(1, 2), several),
        st.tuples(st.sampled_from(("event", "finally")), inner, inner),
    )


def _programs(leaves):
    step = st.recursive(leaves, _grown, max_leaves=6)
    return st.lists(step, min_size=1, max_size=3).map(_plain).map(_without_ties)


def _without_ties(steps):
    """The steps with lengths of time of which no two sums are equal: then all orders are certain."""
    count = 0

    def different(value):
        nonlocal count
        if not isinstance(value, list):
            return value
        if value and value[0] in ("sleep", "timeout", "wait_for", "shield", "cancel"):
            value = [value[0], value[1] + 2**count / 1_000, *value[2:]]
            count += 1
        return [different(part) for part in value]

    return different(steps)


asyncio_programs = _programs(_durable_leaves)
"""Any program."""

pure_programs = _programs(_pure_leaves)
"""Programs without a durable task, which real asyncio can run as well."""


class Wrong(Exception):
    """A step raises."""


class Interpreter:
    """Does what a program says, and notes when each step begins and how it ends.

    Parameters
    ----------
    context
        The orchestrator's context; None outside of one.
    """

    def __init__(self, context=None):
        self.context = context
        self.notes = []
        self._background = []
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    async def run(self, steps):
        """The outcomes of the steps."""
        return [await self._outcome(step) for step in steps]

    async def _outcome(self, step):
        try:
            return await self._do(step)
        except OrchestrationCanceledError:
            if len(self.notes) % 2:
                raise
            return "canceled"
        except (Exception, asyncio.CancelledError) as error:
            return type(error).__name__

    async def _do(self, step):
        self._note(step[0])
        try:
            result = await getattr(self, f"_{step[0]}", partial(self._durable, step[0]))(*step[1:])
        except BaseException as error:
            self._note(step[0], type(error).__name__)
            raise
        self._note(step[0], result)
        return result

    def _note(self, *what):
        self.notes.append([*what, round(self._loop.time() - self._began, 3)])

    def _tasks(self, steps):
        return [asyncio.create_task(self._do(step)) for step in steps]

    async def _durable(self, kind, given):
        context = self.context
        if kind == "retry":
            return await context.call_activity_with_retry("retry", _RETRY, given)
        if kind == "wait":
            return await context.wait_for_external_event(given)
        if kind == "child":
            return await context.call_sub_orchestrator("child", [["call", given]])
        if kind == "all":
            tasks = [context.call_activity("call", given), context.call_activity("fail", given)]
            return len(await context.task_all(tasks, return_exceptions=True))
        return await context.call_activity(kind, given)

    async def _sleep(self, seconds):
        return await asyncio.sleep(seconds, "slept")

    async def _turn(self):
        return await asyncio.sleep(0)

    async def _raise(self):
        raise Wrong

    async def _gather(self, has_exceptions, steps):
        given = await asyncio.gather(*map(self._do, steps), return_exceptions=has_exceptions)
        return [type(one).__name__ if isinstance(one, BaseException) else one for one in given]

    async def _group(self, steps):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._do(step)) for step in steps]
        return [task.result() for task in tasks]

    async def _timeout(self, seconds, step):
        async with asyncio.timeout(seconds):
            return await self._do(step)

    async def _wait_for(self, seconds, step):
        task = asyncio.create_task(self._do(step))
        return await asyncio.wait_for(task, seconds)

    async def _shield(self, seconds, step):
        task = asyncio.create_task(self._do(step))
        try:
            return await asyncio.wait_for(asyncio.shield(task), seconds)
        except TimeoutError:
            return [await task]

    async def _cancel(self, seconds, step):
        task = asyncio.create_task(self._do(step))
        await asyncio.sleep(seconds)
        return [task.cancel(), *await asyncio.gather(self._swallowed(task))]

    async def _swallowed(self, task):
        try:
            return await task
        except asyncio.CancelledError:
            return "cancelled"

    async def _self(self, step):
        asyncio.current_task().cancel()
        try:
            return [await self._do(step), await asyncio.sleep(0)]
        finally:
            asyncio.current_task().uncancel()
            await self._swallowed(asyncio.sleep(0))  # if the step has awaited nothing

    async def _first(self, steps):
        tasks = self._tasks(steps)
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return sorted(tasks.index(task) for task in done)

    async def _each(self, steps):
        results = []
        for next_one in asyncio.as_completed(self._tasks(steps)):
            try:
                results.append(await next_one)
            except (Exception, asyncio.CancelledError) as error:
                results.append(type(error).__name__)
        return results

    async def _queue(self, steps):
        queue = asyncio.Queue()

        async def put(step):
            try:
                await queue.put(await self._do(step))
            except (Exception, asyncio.CancelledError) as error:
                await queue.put(type(error).__name__)

        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(put(step))
            return [await queue.get() for _ in steps if not await asyncio.sleep(0)]

    async def _lock(self, places, steps):
        semaphore = asyncio.Semaphore(places)

        async def held(step):
            async with semaphore:
                return await self._do(step)

        return await asyncio.gather(*map(held, steps))

    async def _event(self, first, second):
        event = asyncio.Event()

        async def later():
            await event.wait()
            return await self._do(second)

        task = asyncio.ensure_future(later())
        try:
            await self._do(first)
        finally:
            event.set()
        return await task

    async def _finally(self, first, second):
        try:
            return await self._do(first)
        finally:
            await self._do(second)

    async def _behind(self, step):
        self._background.append(asyncio.create_task(self._outcome(step)))


async def asyncio_program(context):
    """Does what its input says; returns the outcomes, and the notes."""
    interpreter = Interpreter(context)
    outcomes = await interpreter.run(context.get_input())
    return [outcomes, interpreter.notes]


def asyncio_registry() -> Registry:
    """The orchestrator, its activities and its children."""
    made = Registry()
    for name, function in ACTIVITIES.items():
        made.add_activity(Activity(name, function))
    made.add_orchestrator(asyncio_program, "program")
    made.add_orchestrator(program, "child")
    return made
