"""The orchestrators and activities that the simulator runs, and what the seed decides inside them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random

from durablenb.model.errors import NonRetriableError, OrchestrationCanceledError, TaskFailedError
from durablenb.model.retries import RetryOptions


class Crash(BaseException):
    """The process dies here."""


class Fate:
    """The seed's decisions inside activities and orchestrators."""

    def __init__(self) -> None:
        self.random = Random(0)
        self.is_broken = False
        self.deaths_left = 0
        self.interrupt_in = 0
        self.seconds = 0.0
        self.die: Callable[[], None] = lambda: None

    def stopwatch(self) -> float:
        """The seconds that operations of entities take: now and then one takes too long for its batch."""
        self.seconds += 0.06 if self.random.random() < 0.1 else 0.001
        return self.seconds

    def glance(self) -> None:
        """Interrupts the code that calls it, as the stop button does, if that is to be."""
        if self.interrupt_in:
            self.interrupt_in -= 1
            if not self.interrupt_in:
                raise KeyboardInterrupt


fate = Fate()
"""Of the simulation that runs; there is one at a time."""


# -- activities ----------------------------------------------------------------------------------


def inc(n: int) -> int:
    fate.glance()
    return n + 1


def double(n: int) -> int:
    return 2 * n


def narrow(n: int) -> int:
    return n


class RefusedError(NonRetriableError, ConnectionError):
    """A server that will refuse each attempt."""


def flaky(n: int) -> int:
    chance = fate.random.random()
    if chance < 0.5:
        raise (RefusedError if chance < 0.05 else ConnectionError)(f"no answer for {n}")
    return n


def broken(n: int) -> int:
    if fate.is_broken and fate.random.random() < 0.5:
        raise RuntimeError(f"{n} is broken")
    return n


def nobody(n: int) -> int:
    raise LookupError(f"there is still no one for {n}")  # registered when all else has come to rest


# -- orchestrators -------------------------------------------------------------------------------


def chain(context):
    value = context.get_input()
    for _ in range(3):
        fate.glance()
        value = yield context.call_activity("inc", value)
    return value


def fan_out(context):
    numbers = context.get_input()
    return (yield context.task_all([context.call_activity("double", n) for n in numbers]))


def narrow_fan_out(context):
    numbers = context.get_input()
    return (yield context.task_all([context.call_activity("narrow", n) for n in numbers]))


def race(context):
    a, b, c = (context.call_activity("double", n) for n in (1, 2, 3))
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=30))
    yield context.task_any([context.task_all([a, b]), context.task_any([c, timer])])
    rest = yield context.task_all([a, b, c])
    if not timer.is_completed:
        timer.cancel()
    return rest


def deadline(context):
    call = context.call_activity("inc", context.get_input())
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=20))
    winner = yield context.task_any([call, timer])
    if winner is timer:
        return "late"
    timer.cancel()
    return call.result


def impatient(context):
    """Cancels calls: one at once, the losers of a race, and one with retries."""
    n = context.get_input()
    gone = context.call_activity("inc", n)
    slow, limited = context.call_activity("crawl", n), context.call_activity("double", n, timeout=30)
    gone.cancel()
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=20))
    yield context.task_any([slow, limited, timer], cancel_losers=True)
    again = context.call_activity_with_retry("flaky", _RETRY, n, timeout=10)
    yield context.task_any([again, context.create_timer(context.current_utc_datetime + timedelta(seconds=2))])
    if not again.is_completed:
        again.cancel()
    return [task.is_failed for task in (gone, slow, limited)].count(True)


def sleeper(context):
    now = context.current_utc_datetime
    timers = [context.create_timer(now + timedelta(seconds=s)) for s in context.get_input()]
    yield context.task_all(timers)
    yield context.create_timer(now)
    return (context.current_utc_datetime - now).total_seconds()


def approval(context):
    go = context.wait_for_external_event("Go")
    timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    if (yield context.task_any([go, timer])) is timer:
        if not go.is_completed:
            go.cancel()
        return []
    timer.cancel()
    return [go.result, (yield context.wait_for_external_event("GO"))]


def waiters(context):
    first, second = context.wait_for_external_event("Tick"), context.wait_for_external_event("tick")
    second.cancel()
    return (yield context.task_all([first, context.wait_for_external_event("TICK")]))


def counter(context):
    fate.glance()
    seen, goal = context.get_input()
    seen = [*seen, (yield context.wait_for_external_event("Tick"))]
    if len(seen) == goal:
        return seen
    context.continue_as_new([seen, goal])


def ticker(context):
    seen, rounds = context.get_input()
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=10))
    tick = context.wait_for_external_event("tick")
    if (yield context.task_any([timer, tick])) is tick:
        seen = [*seen, tick.result]  # the timer stays: it must not fire into the next execution
    if rounds == 1:
        return seen
    context.continue_as_new([seen, rounds - 1])


def _children(context):
    return [
        context.call_sub_orchestrator(name, input_, instance_id=own and f"{context.instance_id}.{own}")
        for name, input_, own in context.get_input()
    ]


def parent(context):
    try:
        return (yield context.task_all(_children(context)))
    except TaskFailedError as error:
        return f"a child failed: {type(error).__name__}"


def strict_parent(context):
    children = _children(context)
    fate.glance()
    one = yield context.call_activity("inc", 0)
    return [one, (yield context.task_all(children))]


def launcher(context):
    name, input_, own = context.get_input()
    context.call_sub_orchestrator(name, input_, instance_id=own and f"{context.instance_id}.{own}")
    context.call_activity("inc", 1)
    return (yield context.call_activity("inc", 2))


_RETRY = RetryOptions(1_000, 3, backoff_coefficient=2.0)


def retrying(context):
    try:
        return (yield context.call_activity_with_retry("flaky", _RETRY, context.get_input()))
    except ConnectionError:
        return "gave up"


def retrying_child(context):
    child = f"{context.instance_id}.again"
    try:
        return (yield context.call_sub_orchestrator_with_retry("one_flaky", _RETRY, 5, instance_id=child))
    except TaskFailedError:
        if context.get_input() % 2:
            raise
        return "gave up"


def one_flaky(context):
    return (yield context.call_activity("flaky", context.get_input()))


def reporting(context):
    context.set_custom_status("begun")
    for step in range(2):
        yield context.call_activity("inc", step)
        context.set_custom_status({"step": step})
        context.set_custom_status({"step": step})
    context.set_custom_status(None)
    return "reported"


def saga(context):
    n = context.get_input()
    yield context.call_activity("inc", n)
    try:
        yield context.call_activity("broken", n)
        return "done"
    except RuntimeError:
        yield context.call_activity("double", n)  # the compensation
        return "undone"
    finally:
        context.call_activity("inc", -1)


def undoing(context):
    """Undoes what it has done when it is canceled."""
    n = context.get_input()
    done = []
    try:
        for step in range(3):
            done.append((yield context.call_activity("inc", step)))
            waits = [context.create_timer(context.current_utc_datetime + timedelta(seconds=5 * step))]
            waits.append(context.wait_for_external_event("go"))
            yield context.task_any([*waits, context.call_activity("double", n)])
        return done
    except OrchestrationCanceledError:
        for value in reversed(done):
            yield context.call_activity("inc", -value)
        if n % 2:
            raise
        return "undone"


async def stubborn(context):
    """Awaits the same event again each time it is canceled."""
    wait = context.wait_for_external_event("go")
    child = context.call_sub_orchestrator("undoing", context.get_input())
    for _ in range(3):
        try:
            return [await wait, await child]
        except (OrchestrationCanceledError, TaskFailedError):
            await context.call_activity("inc", 1)
    return "gave up"


def faulty(context):
    """Fails while things are broken; a rewind does it again."""
    first = yield context.call_activity("inc", 0)
    calls = [context.call_activity(name, n) for n, name in enumerate(("inc", "broken", "double", "broken"))]
    if context.get_input():
        yield calls[1]  # the others may still be running when it fails
    return [first, (yield context.task_all(calls))]


def detour(context):
    """After a failure the same task ids mean something else than after a rewind."""
    numbers = (10, 20, 30)
    try:
        yield context.call_activity("broken", 1)
    except RuntimeError:
        [context.call_activity("double", n) for n in numbers]
        raise
    return (yield context.task_all([context.call_activity("crawl", n) for n in numbers]))


def failing(context):
    yield context.call_activity("inc", 0)
    raise KeyError("on purpose")


def named(context):
    """Its inputs are ids and times, which come out the same in every replay."""
    for _ in range(2):
        yield context.call_activity("echo", [context.new_uuid(), str(context.new_guid())])
        yield context.call_activity("echo", context.current_utc_datetime.isoformat())
    return "named"


def unknown(context):
    try:
        yield context.call_activity("nobody", 1)
    except LookupError:
        return "not found"


def misuse(context):
    yield "no task"


async def coroutine(context):
    n = context.get_input()
    if n % 2:
        return await _in_tasks(context, n)
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=5))
    calls = [context.call_activity("double", n), context.call_activity("double", n + 1)]
    await context.task_any([timer, calls[0]])
    return await context.task_all(calls)


async def _in_tasks(context, n):
    """The same in tasks of asyncio, and a wait that may be too long."""

    async def visit(number):
        await asyncio.sleep(number)
        return await context.call_activity("double", number)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(visit(n + number)) for number in range(2)]
        try:
            await asyncio.wait_for(context.wait_for_external_event("Go"), 4)
        except TimeoutError:
            group.create_task(visit(0))
    return await asyncio.gather(*tasks)


def poison(context):
    """Kills the process when it is replayed, as often as fate wants."""
    yield context.call_activity("inc", 1)
    yield context.create_timer(context.current_utc_datetime + timedelta(minutes=5))
    if fate.deaths_left and context.is_replaying:
        fate.deaths_left -= 1
        fate.die()
    return (yield context.call_activity("inc", 2))


def recoded_1(context):
    one = yield context.call_activity("inc", 1)
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=3))
    return (yield context.call_activity("inc", one))


def recoded_2(context):
    one = yield context.call_activity("inc", 1)
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=3))
    yield context.call_activity("double", one)
    return (yield context.call_activity("inc", one))
