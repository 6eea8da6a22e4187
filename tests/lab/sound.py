"""Sound orchestrators that look like the broken ones; each has its input, its events and its result."""

import random
from datetime import timedelta

import durablenb as df
from tests.lab.shop import register

SOUND = {}
"""Input, events and result, by the name of the orchestrator."""

hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
register(hub)


def sound(expected=None, *, input_=None, events=()):
    """Register an orchestrator with what it gets and what it returns."""

    def add(function):
        SOUND[function.__name__] = (input_, events, expected)
        return hub.orchestrator(function)

    return add


ONCE = df.RetryOptions(1000, 3)


@sound(5)
def one_call(context):
    return (yield context.call_activity("echo", 5))


@sound([1, 2, 3])
def chain(context):
    found = []
    for n in (1, 2, 3):
        found.append((yield context.call_activity("echo", n)))
    return found


@sound([1, 2, 3])
def fan_out(context):
    return (yield context.task_all([context.call_activity("echo", n) for n in (1, 2, 3)]))


@sound("later")
def clock_of_the_context(context):
    now = context.current_utc_datetime
    yield context.call_activity("echo", now.isoformat())
    return "later" if context.current_utc_datetime >= now else "earlier"


@sound("ok")
def generator_seeded_by_the_context(context):
    yield context.call_activity("echo", random.Random(context.new_uuid()).random())
    return "ok"


@sound(40)
def pays_by_the_key_of_the_call(context):
    return (yield context.call_activity("pay_by_key", 40))


@sound(40)
def pays_by_an_id_of_its_own(context):
    return (yield context.call_activity("pay_once", [context.new_uuid(), 40]))


@sound([1, 2])
def pays_twice_on_purpose(context):
    return (yield context.task_all([context.call_activity("pay_by_key", n) for n in (1, 2)]))


@sound(None)
def sets_a_total(context):
    yield context.call_activity("set_total", 5)


@sound(None)
def pushes_once(context):
    yield context.call_activity("push", "a")


@sound("refused")
def catches_a_failure(context):
    try:
        yield context.call_activity("refuse")
    except df.TaskFailedError:
        return "refused"


@sound("refused")
def retries_a_failure(context):
    try:
        yield context.call_activity_with_retry("refuse", ONCE)
    except df.TaskFailedError:
        return "refused"


@sound(["paid", "refunded"])
def compensates_by_key(context):
    yield context.call_activity("pay_by_key", 40)
    try:
        yield context.call_activity("refuse")
    except df.TaskFailedError:
        yield context.call_activity("pay_by_key", -40)
        return ["paid", "refunded"]


@sound("cleaned")
def cleans_up_at_the_end(context):
    try:
        yield context.call_activity("echo", 1)
    finally:
        yield context.call_activity("push", "cleaned")
    return "cleaned"


@sound("timer")
def waits_for_a_timer(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(days=3))
    return "timer"


@sound("yes", events=[("Approval", "yes")])
def waits_for_approval(context):
    return (yield context.wait_for_external_event("Approval"))


def approval_or_deadline(context):
    approval = context.wait_for_external_event("Approval")
    deadline = context.create_timer(context.current_utc_datetime + timedelta(days=2))
    winner = yield context.task_any([approval, deadline])
    if winner is approval:
        deadline.cancel()
        return approval.result
    return "late"


@sound("yes", events=[("Approval", "yes", timedelta(days=1))])
def approval_in_time(context):
    return (yield from approval_or_deadline(context))


@sound("late", events=[("Approval", "yes", timedelta(days=5))])
def approval_too_late(context):
    return (yield from approval_or_deadline(context))


@sound(["a", "b"], events=[("Item", "a"), ("Item", "b")])
def two_events_of_one_name(context):
    first = yield context.wait_for_external_event("Item")
    second = yield context.wait_for_external_event("Item")
    return [first, second]


@sound(6, input_=6)
def child_returns(context):
    return (yield context.call_sub_orchestrator("child", context.get_input()))


@sound([0, 1, 2])
def children_side_by_side(context):
    return (yield context.task_all([context.call_sub_orchestrator("child", n) for n in range(3)]))


@sound(5)
def entity_is_called(context):
    account = df.EntityId("account", "called")
    yield context.call_entity(account, "add", 2)
    return (yield context.call_entity(account, "add", 3))


@sound(5)
def entity_is_signaled(context):
    account = df.EntityId("account", "signaled")
    context.signal_entity(account, "add", 2)
    return (yield context.call_entity(account, "add", 3))


@sound([-5, 5])
def entities_are_locked(context):
    left, right = df.EntityId("account", "left"), df.EntityId("account", "right")
    with (yield context.lock([left, right])):
        first = yield context.call_entity(left, "add", -5)
        second = yield context.call_entity(right, "add", 5)
    return [first, second]


@sound("done", input_=3)
def continues_as_new(context):
    left = context.get_input()
    yield context.call_activity("pay_by_key", left)
    if left > 1:
        context.continue_as_new(left - 1)
        return None
    return "done"


@sound("b")
def first_of_two(context):
    slow = context.create_timer(context.current_utc_datetime + timedelta(days=2))
    quick = context.create_timer(context.current_utc_datetime + timedelta(days=1))
    winner = yield context.task_any([slow, quick])
    slow.cancel()
    return "b" if winner is quick else "a"


@sound("ok")
def logs_while_it_does_not_replay(context):
    if not context.is_replaying:
        print("for the first time")
    yield context.call_activity("echo", 1)
    return "ok"


@sound("ok")
def sets_its_status(context):
    context.set_custom_status("half")
    yield context.call_activity("echo", 1)
    context.set_custom_status("whole")
    return "ok"


@sound(10)
def delegates(context):
    return (yield from part(context, 4)) + (yield from part(context, 6))


def part(context, n):
    return (yield context.call_activity("echo", n))


@sound("sent", input_="book")
async def coroutine(context):
    await context.call_activity("pay_by_key", 40)
    sent = await context.call_activity("ship", context.get_input())
    return sent.removeprefix("book ")


@sound("fired and forgotten")
def starts_without_waiting(context):
    _ = context.call_activity("push", "later")
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
    return "fired and forgotten"
