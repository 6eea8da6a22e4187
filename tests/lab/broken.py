"""Broken orchestrators, each with the part of a grade that finds its fault."""

import datetime
import itertools
import random
import time
from datetime import timedelta

import durablenb as df
from tests.lab.shop import ledger, register

BROKEN = {}
"""The name of the part of the grade that has to fail, by the name of the orchestrator."""

hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
register(hub)


def broken(part):
    """Register an orchestrator with the part that has to find what is wrong."""

    def add(function):
        BROKEN[function.__name__] = part
        return hub.orchestrator(function)

    return add


# -- not deterministic ---------------------------------------------------------------------------------


@broken("replay")
def clock_as_input(context):
    yield context.call_activity("echo", datetime.datetime.now().isoformat())


@broken("replay")
def unseeded_generator(context):
    yield context.call_activity("echo", random.Random().getrandbits(60))


@broken("replay")
def random_timer(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=random.random() * 1e6))


@broken("replay")
def random_child(context):
    yield context.call_sub_orchestrator("child", random.getrandbits(60))


@broken("replay")
def address_of_an_object(context):
    kept.append(object())
    yield context.call_activity("echo", id(kept[-1]))


kept = []


@broken("replay")
def number_of_runs(context):
    runs.append(1)
    yield context.call_activity("echo", len(runs))


runs = []
numbers = itertools.count()


@broken("replay")
def iterator_of_the_module(context):
    yield context.call_activity("echo", next(numbers))


@broken("replay")
def helper_reads_the_clock(context):
    yield context.call_activity("echo", stamp())


def stamp():
    return time.monotonic_ns()


@broken("crashes")
def replaying_decides(context):
    if not context.is_replaying:
        yield context.call_activity("echo", "first")
    yield context.call_activity("echo", "second")


@broken("replay")
def number_of_calls_differs(context):
    runs.append(1)
    for n in range(len(runs)):
        yield context.call_activity("echo", n)


@broken("replay")
def random_order(context):
    names = list(range(12))
    random.shuffle(names)
    yield context.task_all([context.call_activity("echo", name) for name in names])


@broken("replay")
def random_signal(context):
    context.signal_entity(df.EntityId("account", "a"), "add", random.random())
    yield context.call_activity("echo", 1)


# -- effects that are not in an activity -----------------------------------------------------------------


@broken("crashes")
def charges_by_itself(context):
    ledger.append("charged")
    yield context.call_activity("echo", 1)


@broken("crashes")
def charges_between_two_steps(context):
    yield context.call_activity("echo", 1)
    ledger.append("between")
    yield context.call_activity("echo", 2)


@broken("crashes")
def charges_when_it_fails(context):
    try:
        yield context.call_activity("refuse")
    except df.TaskFailedError:
        ledger.append("refund")
    yield context.call_activity("echo", 1)


@broken("crashes")
def charges_after_a_timer(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(days=1))
    ledger.append("late fee")
    yield context.call_activity("echo", 1)


# -- activities that can't run twice -----------------------------------------------------------------


@broken("crashes")
def charges_twice(context):
    yield context.call_activity("charge", 40)


@broken("crashes")
def charges_in_a_fan_out(context):
    yield context.task_all([context.call_activity("charge", n) for n in (1, 2, 3)])


@broken("crashes")
def charges_in_a_child(context):
    yield context.call_sub_orchestrator("charging_child", 5)


@broken("crashes")
def charges_with_retries(context):
    yield context.call_activity_with_retry("charge", df.RetryOptions(1000, 3), 40)


@broken("crashes")
def draws_a_number(context):
    return (yield context.call_activity("next_number"))


@broken("crashes")
def adds_to_a_total(context):
    yield context.call_activity("add_to_total", 5)


@broken("crashes")
def takes_from_a_stack(context):
    yield context.call_activity("push", "a")
    return (yield context.call_activity("pop"))


@broken("crashes")
def charges_after_approval(context):
    yield context.wait_for_external_event("Approval")
    yield context.call_activity("charge", 40)


@broken("crashes")
def charges_then_continues_as_new(context):
    left = context.get_input() or 2
    yield context.call_activity("charge", left)
    if left > 1:
        context.continue_as_new(left - 1)


# -- what it returns ---------------------------------------------------------------------------------


@broken("result")
def returns_too_early(context):
    context.call_activity("echo", 1)
    return None
    yield


@broken("result")
def forgets_a_branch(context):
    first = yield context.call_activity("echo", 1)
    if first > 1:
        return "done"


@broken("result")
def waits_for_ever(context):
    yield context.wait_for_external_event("Nobody")
    return "done"
