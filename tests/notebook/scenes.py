"""Instances in every state, on the virtual clock: the same history in every run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import durablenb as df
from durablenb.model.events import (
    Event,
    ExecutionCompleted,
    ExecutionStarted,
    OrchestratorStarted,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
)
from durablenb.model.failures import FailureDetails

RETRY = df.RetryOptions(1_000, 4, backoff_coefficient=2.0)


class Stage:
    """A hub in this thread, whose activities take their time by moving the clock."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self.path = path
        self.clock = df.VirtualClock()
        self.open()

    def open(self) -> None:
        self.hub = df.TaskHub(self.path, mode="kernel", clock=self.clock)

    def reopen(self) -> None:
        self.hub.close()
        self.open()

    def activity(
        self, name: str, seconds: float = 0, fails: Callable[[Any, int], bool] | None = None
    ) -> None:
        calls = 0

        def run(value: Any) -> Any:
            nonlocal calls
            calls += 1
            self.clock.advance(seconds=seconds)
            if fails is not None and fails(value, calls):
                raise ValueError(f"{name} can't do {value}")
            return value

        self.hub.add_activity(run, name=name)

    def orchestrator(self, function: Any, name: str | None = None) -> None:
        self.hub.add_orchestrator(function, name)

    def begin(self, name: str, input_: Any = None, steps: int = 0) -> df.Handle:
        """Starts an instance of that name and id, and does so many units of work."""
        handle = self.hub.start(name, input_, instance_id=name)
        for _ in range(steps):
            self.hub.step()
        return handle

    def settle(self) -> None:
        """Does all that can be done now."""
        while self.hub.step():
            pass

    def done(self, name: str, input_: Any = None) -> df.Handle:
        """Starts an instance and waits until it has ended, well or not."""
        handle = self.begin(name, input_)
        handle.wait()
        return handle


# -- orchestrators -------------------------------------------------------------------------------


def chain(context):
    for name in ("reserve", "charge", "ship"):
        yield context.call_activity(name, context.get_input())
    return "shipped"


def fan_out(context):
    parts = [context.call_activity("crunch", part) for part in range(context.get_input())]
    try:
        yield context.task_all(parts)
    except ValueError:
        context.set_custom_status("some parts were lost")
    return (yield context.call_activity("merge", len(parts)))


def loop(context):
    for round_ in range(context.get_input()):
        yield context.call_activity("poll", round_)
        if round_ == context.get_input() - 1:
            break
        yield context.create_timer(context.current_utc_datetime + timedelta(minutes=10))
    return (yield context.call_activity("ship", 1))


def race(context):
    approval = context.wait_for_external_event("Approval")
    deadline = context.create_timer(context.current_utc_datetime + timedelta(hours=72))
    winner = yield context.task_any([approval, deadline])
    if winner is approval:
        deadline.cancel()
        return (yield context.call_activity("charge", approval.result))
    return "too late"


def retrying(context):
    return (yield context.call_activity_with_retry("flaky", RETRY, context.get_input()))


def family(context):
    yield context.task_all([context.call_sub_orchestrator("chain", part) for part in range(3)])
    return (yield context.call_sub_orchestrator("doomed", 1))


def doomed(context):
    return (yield context.call_activity("broken", context.get_input()))


def eternal(context):
    round_ = context.get_input()
    yield context.call_activity("poll", round_)
    yield context.create_timer(context.current_utc_datetime + timedelta(minutes=1))
    if round_ < 4:
        context.continue_as_new(round_ + 1)
    return round_


def overlapping(context):
    slow = context.call_activity("ship", 1)
    deadline = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    yield context.call_activity("reserve", 1)
    yield context.call_activity("charge", 1)
    yield context.task_any([slow, deadline])
    return (yield context.call_activity("merge", 1))


def any_order(context):
    dice = Random(1)
    for place in range(context.get_input()):
        yield context.call_activity(dice.choice(("poll", "merge", "crunch")), place)


def idle(context):
    return context.get_input()


A, B, AUDIT = df.EntityId("Account", "a"), df.EntityId("Account", "b"), df.EntityId("Audit", "all")


def transfer(context):
    with (yield context.lock([A, B])):
        yield context.call_entity(A, "withdraw", context.get_input())
        yield context.call_activity("charge", 1)
        yield context.call_entity(B, "deposit", context.get_input())
    context.signal_entity(AUDIT, "note", context.get_input())
    return (yield context.call_entity(A, "get"))


def keeper(context):
    with (yield context.lock([B])):
        yield context.wait_for_external_event("Done")


def tally(context):
    shops = [df.EntityId("Shop", f"no {place}") for place in range(context.get_input())]
    for shop in shops:
        context.signal_entity(shop, "open")
    return sum((yield context.task_all([context.call_entity(shop, "count", 2) for shop in shops])))


def asking(context):
    return (yield context.call_entity(A, "withdraw", context.get_input()))


ALL = (
    *(chain, fan_out, loop, race, retrying, family, doomed, eternal, overlapping, any_order, idle),
    *(transfer, keeper, tally, asking),
)


# -- entities ------------------------------------------------------------------------------------


def account_of(made: Stage) -> type:
    """An entity of money, which takes its time."""

    class Account:
        def __init__(self) -> None:
            self.balance = 100
            self.owner = "Ada"

        def deposit(self, amount: int) -> int:
            made.clock.advance(seconds=0.5)
            self.balance += amount
            return self.balance

        def withdraw(self, amount: int) -> int:
            made.clock.advance(seconds=0.5)
            if amount > self.balance:
                raise ValueError(f"{amount} is more than {self.balance}")
            self.balance -= amount
            return self.balance

        def get(self) -> int:
            return self.balance

        def delete(self) -> None: ...

    return Account


def audit(context):
    context.set_state([*context.get_state(list), context.get_input()])


def shop(context):
    if context.operation_name == "close":
        context.destruct_on_exit()
    else:
        context.set_state(context.get_state(lambda: 0) + (context.get_input() or 0))
    return context.get_state()


def stage(path: Path | str = ":memory:") -> Stage:
    """A stage with all orchestrators and activities of this file."""
    made = Stage(path)
    furnish(made)
    return made


def wide_history(calls: int, at_a_time: int = 64) -> list[Event]:
    """A history of as many calls, so many of them at a time, that no hub has written."""
    dice, begin = Random(1), datetime(2026, 1, 1, tzinfo=UTC)
    free = [0.0] * at_a_time
    spans: list[tuple[float, float, int]] = []
    for number in range(calls):
        started = free[number % at_a_time]
        free[number % at_a_time] += dice.uniform(0.5, 3)
        spans.append((free[number % at_a_time], started, number))
    events: list[Event] = [ExecutionStarted(1, begin, "wide", None), OrchestratorStarted(2, begin)]
    events += [TaskScheduled(3 + number, begin, number, "crunch", None) for number in range(calls)]
    for place, (ended, started, number) in enumerate(sorted(spans), calls + 3):
        times = begin + timedelta(seconds=ended), begin + timedelta(seconds=started)
        if number % 290 == 17:
            failure = FailureDetails("ValueError", "no", "", None)
            events.append(TaskFailed(place, times[0], number, failure, started_at=times[1]))
        else:
            events.append(TaskCompleted(place, times[0], number, "1", started_at=times[1]))
    last = begin + timedelta(seconds=max(free))
    return [*events, ExecutionCompleted(2 * calls + 3, last, "1")]


def furnish(made: Stage, *, without: tuple[str, ...] = ()) -> None:
    """Registers all orchestrators and activities but some."""
    for function in ALL:
        if function.__name__ not in without:
            made.orchestrator(function)
    for function, name in ((account_of(made), "Account"), (audit, "Audit"), (shop, "Shop")):
        if name not in without:
            made.hub.add_entity(function, name)
    activities: dict[str, tuple[float, Callable[[Any, int], bool] | None]] = {
        "reserve": (0.4, None),
        "charge": (1.3, None),
        "ship": (2.1, None),
        "poll": (0.05, None),
        "merge": (0.3, None),
        "crunch": (0.004, lambda part, _: part % 290 == 17),
        "flaky": (0.2, lambda _, call: call < 3),
        "broken": (0.1, lambda *_: True),
    }
    for name, (seconds, fails) in activities.items():
        if name not in without:
            made.activity(name, seconds, fails)


# -- scenes --------------------------------------------------------------------------------------


def pending(made: Stage) -> df.Handle:
    return made.begin("chain", "order")


def running(made: Stage) -> df.Handle:
    return made.begin("chain", "order", steps=3)


def waiting(made: Stage) -> df.Handle:
    handle = made.begin("race", steps=1)
    made.clock.advance(hours=2)
    return handle


def between_attempts(made: Stage) -> df.Handle:
    return made.begin("retrying", steps=3)


def completed(made: Stage) -> df.Handle:
    return made.done("chain", "order")


def retried(made: Stage) -> df.Handle:
    return made.done("retrying")


def failed(made: Stage) -> df.Handle:
    return made.done("family")


def terminated(made: Stage) -> df.Handle:
    handle = made.begin("race", steps=1)
    handle.terminate("no longer wanted")
    return handle


def suspended(made: Stage) -> df.Handle:
    handle = made.begin("race", steps=1)
    handle.suspend("for the night")
    return handle


def scheduled(made: Stage) -> df.Handle:
    start_at = made.clock.now() + timedelta(hours=5)
    return made.hub.start("chain", 1, instance_id="later", start_at=start_at)


def too_late(made: Stage) -> df.Handle:
    return made.done("race")


def approved(made: Stage) -> df.Handle:
    handle = made.begin("race", steps=1)
    handle.raise_event("approval", 17)
    handle.wait()
    return handle


def looped(made: Stage) -> df.Handle:
    return made.done("loop", 14)


def continued(made: Stage) -> df.Handle:
    return made.done("eternal", 0)


def rewound(made: Stage) -> df.Handle:
    handle = made.done("doomed", 3)
    made.activity("broken", 0.1)
    handle.rewind("mended")
    handle.wait()
    return handle


def crossing(made: Stage) -> df.Handle:
    return made.done("overlapping")


def immediate(made: Stage) -> df.Handle:
    return made.done("idle", {"a": [1, None]})


def transferred(made: Stage) -> df.Handle:
    return made.done("transfer", 30)


def locked_out(made: Stage) -> df.Handle:
    made.begin("keeper", steps=3)
    handle = made.begin("transfer", 30)
    made.settle()
    made.clock.advance(minutes=5)
    return handle


def in_a_section(made: Stage) -> df.Handle:
    return made.begin("transfer", 30, steps=6)


def queued(made: Stage) -> df.Handle:
    for amount in (5, 10, 15):
        made.hub.client.signal_entity(A, "deposit", amount)
    return made.begin("asking", 3, steps=1)


def refused(made: Stage) -> df.Handle:
    return made.done("asking", 300)


def tallied(made: Stage) -> df.Handle:
    return made.done("tally", 40)


def fanned(made: Stage) -> df.Handle:
    return made.done("fan_out", 20)


def fanned_wide(made: Stage) -> df.Handle:
    return made.done("fan_out", 1_000)


SCENES: dict[str, Callable[[Stage], df.Handle]] = {
    scene.__name__: scene
    for scene in (
        *(pending, running, waiting, between_attempts, completed, retried, failed, terminated, suspended),
        *(
            scheduled,
            too_late,
            approved,
            looped,
            continued,
            rewound,
            crossing,
            immediate,
            fanned,
            fanned_wide,
        ),
        *(transferred, locked_out, in_a_section, queued, refused, tallied),
    )
}
"""By name; each is given a stage, and gives a handle."""


def held(path: Path) -> tuple[Stage, df.Handle]:
    """An instance whose code no longer fits its history."""
    made = stage(path)
    made.begin("chain", "order", steps=3)
    made.reopen()
    furnish(made, without=("chain",))

    def changed(context):
        yield context.call_activity("ship", context.get_input())

    made.orchestrator(changed, "chain")
    while made.hub.step():
        pass
    return made, made.hub.handle("chain")


def without_code(path: Path) -> tuple[Stage, df.Handle]:
    """An instance whose orchestrator's cell has not been run yet."""
    made = stage(path)
    made.begin("chain", "order", steps=2)
    made.reopen()
    while made.hub.step():
        pass
    return made, made.hub.handle("chain")


def without_activity(path: Path) -> tuple[Stage, df.Handle]:
    """An instance whose activity's cell has not been run yet."""
    made = stage(path)
    made.begin("chain", "order", steps=1)
    made.reopen()
    furnish(made, without=("reserve",))
    while made.hub.step():
        pass
    return made, made.hub.handle("chain")


def with_held_child(path: Path) -> tuple[Stage, df.Handle]:
    """An instance one of whose sub-orchestrations can't go on."""
    made = stage(path)
    made.begin("family", steps=5)
    made.reopen()
    furnish(made, without=("chain",))
    while made.hub.step():
        pass
    return made, made.hub.handle("family")


STUCK: dict[str, Callable[[Path], tuple[Stage, df.Handle]]] = {
    "held": held,
    "without_code": without_code,
    "without_activity": without_activity,
    "with_held_child": with_held_child,
}
"""What can't go on, in a hub's file."""
