"""Loops that wait again and again get the same external events as with Azure's library for Python."""

from datetime import timedelta
from itertools import combinations

import pytest

from tests.against_azure.host import Host, Raised


def later(context, minutes):
    return context.create_timer(context.current_utc_datetime + timedelta(minutes=minutes))


def remind(_):
    return "reminded"


def anew_in_each_round(context):
    for number in range(4):
        event = context.wait_for_external_event("Go")
        timer = later(context, 60)
        winner = yield context.task_any([event, timer])
        if winner is event:
            timer.cancel()
            return ["came", number, event.result]
    return "gave up"


def timer_first(context):
    for number in range(4):
        winner = yield context.task_any([later(context, 60), context.wait_for_external_event("Go")])
        if winner.result is not None:
            return ["came", number, winner.result]
    return "gave up"


def once_for_all_rounds(context):
    event = context.wait_for_external_event("Go")
    for number in range(4):
        winner = yield context.task_any([event, later(context, 60)])
        if winner is event:
            return ["came", number, event.result]
    return "gave up"


def reminded_in_between(context):
    for number in range(4):
        event = context.wait_for_external_event("Go")
        winner = yield context.task_any([event, later(context, 60)])
        if winner is event:
            return ["came", number, event.result]
        yield context.call_activity("remind", number)
    return "gave up"


def waited_for_after_it_lost(context):
    event = context.wait_for_external_event("Go")
    yield context.task_any([event, later(context, 60)])
    if event.is_completed:
        return ["at once", event.result]
    return ["later", (yield event)]


def another_one_after_it_lost(context):
    event = context.wait_for_external_event("Go")
    winner = yield context.task_any([event, later(context, 60)])
    if winner is event:
        return ["at once", event.result]
    return ["later", (yield context.wait_for_external_event("Go"))]


def of_two_names(context):
    taken = []
    while len(taken) < 3:
        go, stop = context.wait_for_external_event("Go"), context.wait_for_external_event("Stop")
        timer = later(context, 60)
        winner = yield context.task_any([go, stop, timer])
        if winner is stop:
            timer.cancel()
            return ["stopped", taken]
        taken.append(go.result if winner is go else "time")
    return taken


def collecting(context):
    taken, end = [], later(context, 200)
    while True:
        event = context.wait_for_external_event("Go")
        winner = yield context.task_any([event, end])
        if winner is end:
            return taken
        taken.append(event.result)


def in_nested_groups(context):
    for number in range(3):
        both = context.task_all([context.wait_for_external_event(name) for name in ("Go", "Stop")])
        timer = later(context, 60)
        winner = yield context.task_any([both, timer])
        if winner is both:
            timer.cancel()
            return [number, both.result]
    return "gave up"


LOOPS = [
    anew_in_each_round,
    timer_first,
    once_for_all_rounds,
    reminded_in_between,
    waited_for_after_it_lost,
    another_one_after_it_lost,
    of_two_names,
    collecting,
    in_nested_groups,
]

TIMES = (10, 70, 130, 190)
RAISED = [
    *([Raised(at, "Go", at)] for at in TIMES),
    *([Raised(at, "Go", at), Raised(at + 5, "Go", at + 5)] for at in TIMES),
    *([Raised(one, "Go", one), Raised(two, "Go", two)] for one, two in combinations(TIMES, 2)),
    [Raised(10, "Go", 1), Raised(20, "Stop", 2)],
    [Raised(70, "Stop", 1)],
    [Raised(70, "Stop", 1), Raised(75, "Go", 2)],
    [],
]


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_a_loop_of_waits_ends_as_on_azure(here, loop):
    for raised in RAISED:
        on_azure = Host(loop, [remind]).play(raised)
        assert here.play(loop, raised, [remind]) == on_azure, raised
