"""The orchestrators and activities that the simulator runs, and what each may end with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from durablenb.core.registry import Activity, Registry
from durablenb.engine.engine import EngineOptions
from durablenb.model.errors import TaskFailedError
from durablenb.model.retries import RetryOptions


class Crash(BaseException):
    """The process dies here."""


class Fate:
    """What the seed decides inside activities and orchestrators."""

    def __init__(self) -> None:
        self.random = Random(0)
        self.is_broken = False
        self.deaths_left = 0
        self.interrupt_in = 0
        self.die: Callable[[], None] = lambda: None

    def glance(self) -> None:
        """Interrupts the code that calls it, as the stop button does, if that is to be."""
        if self.interrupt_in:
            self.interrupt_in -= 1
            if not self.interrupt_in:
                raise KeyboardInterrupt


codec = EngineOptions().codec

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


def flaky(n: int) -> int:
    if fate.random.random() < 0.5:
        raise ConnectionError(f"no answer for {n}")
    return n


def broken(n: int) -> int:
    if fate.is_broken and fate.random.random() < 0.5:
        raise RuntimeError(f"{n} is broken")
    return n


def nobody(n: int) -> int:
    """Registered only when all else has come to rest."""
    raise LookupError(f"there is still no one for {n}")


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
    both = context.task_all([a, b])
    either = context.task_any([c, timer])
    winner = yield context.task_any([both, either])
    assert winner.is_completed
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


def parent(context):
    children = context.get_input()
    tasks = [
        context.call_sub_orchestrator(name, input_, instance_id=own and f"{context.instance_id}.{own}")
        for name, input_, own in children
    ]
    try:
        return (yield context.task_all(tasks))
    except TaskFailedError as error:
        return f"a child failed: {type(error).__name__}"


def strict_parent(context):
    children = context.get_input()
    tasks = [
        context.call_sub_orchestrator(name, input_, instance_id=own and f"{context.instance_id}.{own}")
        for name, input_, own in children
    ]
    fate.glance()
    one = yield context.call_activity("inc", 0)
    return [one, (yield context.task_all(tasks))]


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


def faulty(context):
    """Fails while things are broken; a rewind does it again."""
    first = yield context.call_activity("inc", 0)
    calls = [context.call_activity(name, n) for n, name in enumerate(("inc", "broken", "double", "broken"))]
    if context.get_input():
        yield calls[1]  # the others may still be running when it fails
    return [first, (yield context.task_all(calls))]


def detour(context):
    """After a failure the same task ids mean something else than after a rewind."""
    try:
        yield context.call_activity("broken", 1)
    except RuntimeError:
        for n in (10, 20, 30):
            context.call_activity("double", n)
        raise
    return (yield context.task_all([context.call_activity("crawl", n) for n in (10, 20, 30)]))


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
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=5))
    calls = [context.call_activity("double", n), context.call_activity("double", n + 1)]
    await context.task_any([timer, calls[0]])
    return await context.task_all(calls)


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


# -- what the simulator makes of them ------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """An orchestrator, inputs for it, and what it may complete with."""

    function: Callable[..., Any]
    inputs: Callable[[Random], Any] = lambda random: random.randrange(10)
    fits: Callable[[Any, Any], bool] = lambda given, result: True
    versions: tuple[Callable[..., Any], ...] = field(default=())


_CHILDREN = ("chain", "failing", "approval", "counter", "faulty", "deadline", "sleeper", "one_flaky")


def _children(random: Random) -> list[list[Any]]:
    return [_child(random, number, depth=1) for number in range(random.randint(1, 2))]


def _child(random: Random, number: int, depth: int) -> list[Any]:
    own = f"c{number}" if random.random() < 0.6 else None
    if depth and random.random() < 0.3:
        return [random.choice(("parent", "strict_parent")), [_child(random, 0, 0)], own]
    name = random.choice(_CHILDREN)
    return [name, PIECES[name].inputs(random), own]


PIECES: dict[str, Piece] = {
    "chain": Piece(chain, fits=lambda n, result: result == n + 3),
    "fan_out": Piece(
        fan_out,
        lambda random: [random.randrange(9) for _ in range(random.randrange(6))],
        lambda given, result: result == [2 * n for n in given],
    ),
    "narrow_fan_out": Piece(narrow_fan_out, lambda random: [1, 2, 3], lambda given, result: result == given),
    "race": Piece(race, fits=lambda _, result: result == [2, 4, 6]),
    "deadline": Piece(deadline, fits=lambda n, result: result in (n + 1, "late")),
    "sleeper": Piece(
        sleeper,
        lambda random: [random.choice((-5, 0, 1, 1, 60, 3_000)) for _ in range(2)],
        lambda given, result: result >= max(given),
    ),
    "approval": Piece(approval, fits=lambda _, result: len(result) in (0, 2)),
    "waiters": Piece(waiters, fits=lambda _, result: len(result) == 2),
    "counter": Piece(
        counter, lambda random: [[], random.randint(2, 3)], lambda given, seen: len(seen) == given[1]
    ),
    "ticker": Piece(ticker, lambda random: [[], 3]),
    "parent": Piece(parent, _children),
    "strict_parent": Piece(strict_parent, _children, lambda _, result: result[0] == 1),
    "launcher": Piece(launcher, lambda random: _child(random, 0, 0), lambda _, result: result == 3),
    "retrying": Piece(retrying, fits=lambda n, result: result in (n, "gave up")),
    "retrying_child": Piece(retrying_child, fits=lambda _, result: result in (5, "gave up")),
    "one_flaky": Piece(one_flaky, fits=lambda n, result: result == n),
    "reporting": Piece(reporting, fits=lambda _, result: result == "reported"),
    "saga": Piece(saga, fits=lambda _, result: result in ("done", "undone")),
    "faulty": Piece(
        faulty, lambda random: random.random() < 0.5, lambda _, result: result == [1, [1, 1, 4, 3]]
    ),
    "detour": Piece(detour, fits=lambda _, result: result == [11, 21, 31]),
    "failing": Piece(failing, fits=lambda _, result: False),
    "named": Piece(named, fits=lambda _, result: result == "named"),
    "unknown": Piece(unknown, fits=lambda _, result: result == "not found"),
    "misuse": Piece(misuse, fits=lambda _, result: False),
    "coroutine": Piece(coroutine, fits=lambda n, result: result == [2 * n, 2 * n + 2]),
    "poison": Piece(poison, fits=lambda _, result: result == 3),
    "recoded": Piece(recoded_1, fits=lambda _, result: result == 3, versions=(recoded_1, recoded_2)),
}

ACTIVITIES = {
    name: Activity(name, function, cap)
    for name, function, cap in (
        ("inc", inc, None),
        ("crawl", inc, None),
        ("double", double, 3),
        ("narrow", narrow, 1),
        ("flaky", flaky, None),
        ("broken", broken, None),
        ("echo", lambda value: value, None),
    )
}

EVENT_NAMES = ("Go", "gO", "Tick", "tick", "TICK")


def full_registry() -> Registry:
    """All of it, by name."""
    registry = Registry()
    registry.activities.update(ACTIVITIES)
    registry.orchestrators.update({name: piece.function for name, piece in PIECES.items()})
    return registry
