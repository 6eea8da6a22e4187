"""Orchestrations whose histories are kept: each is played on a virtual clock, with fixed ids."""

from collections.abc import Callable
from datetime import timedelta

import durablenb as df

RETRIES = df.RetryOptions(1_000, 3, backoff_coefficient=2.0)


# -- activities ----------------------------------------------------------------------------------

broken = {"pay": True, "ship": True}
"""Activities that fail."""


def say_hello(city):
    return f"Hello {city}!"


def add_one(n):
    return n + 1


def pay(order):
    if broken["pay"]:
        raise ValueError(f"order {order} is not paid")
    return f"{order} is paid"


def ship(order):
    if broken["ship"]:
        raise ConnectionError(f"order {order} is stuck")
    return f"{order} is shipped"


def refund(order):
    return f"{order} is refunded"


def remember(values):
    return len(values)


ACTIVITIES = (say_hello, add_one, pay, ship, refund, remember)


# -- orchestrators -------------------------------------------------------------------------------


def chain(context):
    one = yield context.call_activity("add_one", context.get_input())
    two = yield context.call_activity("add_one", one)
    return (yield context.call_activity("add_one", two))


def fan_out(context):
    tasks = [context.call_activity("say_hello", city) for city in context.get_input()]
    return (yield context.task_all(tasks))


def first_of_many(context):
    slow = context.task_all([context.call_activity("add_one", n) for n in (1, 2)])
    winner = yield context.task_any([context.create_timer(in_(context, hours=1)), slow])
    return [winner is slow, (yield slow)]


def deadline(context):
    answer = context.wait_for_external_event("Answer")
    timer = context.create_timer(in_(context, hours=72))
    winner = yield context.task_any([answer, timer])
    if winner is timer:
        answer.cancel()
        return "nobody answered"
    timer.cancel()
    return answer.result


def in_order(context):
    first = yield context.wait_for_external_event("Item")
    second, third = yield context.task_all(
        [context.wait_for_external_event(name) for name in ("item", "ITEM")]
    )
    return [first, second, third]


def family(context):
    return (
        yield context.task_all(
            [
                context.call_sub_orchestrator("chain", 1),
                context.call_sub_orchestrator("chain", 10, instance_id="second child"),
            ]
        )
    )


def trip(context):
    try:
        flight = yield context.call_activity("add_one", 7)
        yield context.task_all(
            [
                context.call_sub_orchestrator("hotel", flight, instance_id="hotel"),
                context.wait_for_external_event("Paid"),
            ]
        )
    except df.OrchestrationCanceledError:
        yield context.call_activity("refund", flight)
        raise


def hotel(context):
    try:
        with (yield context.lock([df.EntityId("Room", "1")])):
            yield context.wait_for_external_event("Slept")
    except df.OrchestrationCanceledError:
        yield context.call_activity("refund", "hotel")
        raise


def careful_parent(context):
    try:
        yield context.call_sub_orchestrator("unpaid", 7, instance_id="unpaid child")
    except ValueError:
        return (yield context.call_activity("refund", 7))


def unpaid(context):
    return (yield context.call_activity("pay", context.get_input()))


def retrying(context):
    try:
        yield context.call_activity_with_retry("ship", RETRIES, 3)
    except ConnectionError:
        return "gave up"


def counter(context):
    total = context.get_input()
    amount = yield context.wait_for_external_event("Add")
    if amount is None:
        return total
    context.continue_as_new(total + amount)


def reporting(context):
    for step in ("packing", "sending"):
        context.set_custom_status({"step": step})
        yield context.call_activity("add_one", 0)
    context.set_custom_status(None)


def saga(context):
    order = context.get_input()
    try:
        yield context.call_activity("ship", order)
    except ConnectionError:
        yield context.call_activity("refund", order)
        raise
    finally:
        context.set_custom_status("left")


def launcher(context):
    context.call_sub_orchestrator("chain", 5, instance_id="let go")
    return "launched"


async def coroutine(context):
    values = [await context.call_activity("add_one", n) for n in (1, 2)]
    await context.create_timer(in_(context, seconds=30))
    return values


def identities(context):
    yield context.call_activity("remember", [context.new_uuid(), context.new_uuid(), str(context.new_guid())])
    yield context.create_timer(in_(context, minutes=1))
    yield context.call_activity("remember", [context.new_uuid(), context.current_utc_datetime.isoformat()])


def in_(context, **duration):
    return context.current_utc_datetime + timedelta(**duration)


ORCHESTRATORS = (
    chain,
    fan_out,
    first_of_many,
    deadline,
    in_order,
    family,
    trip,
    hotel,
    careful_parent,
    unpaid,
    retrying,
    counter,
    reporting,
    saga,
    launcher,
    coroutine,
    identities,
)


# -- how they are played -------------------------------------------------------------------------

Play = Callable[[df.TaskHub, df.VirtualClock], None]


def plain(orchestrator, given=None) -> Play:
    """Starts it and waits for its end, whatever that is."""

    def play(hub, clock):
        hub.start(orchestrator, given, instance_id=orchestrator).wait()

    return play


def answered_late(hub, clock):
    handle = hub.start("deadline", instance_id="deadline")
    hub.step()
    clock.advance(hours=48)
    handle.raise_event("answer", "yes")
    handle.wait()


def raised_early(hub, clock):
    handle = hub.start("in_order", instance_id="in_order")
    for number in range(3):
        handle.raise_event("Item", number)
        clock.advance(seconds=1)
    handle.wait()


def counted(hub, clock):
    handle = hub.start("counter", 0, instance_id="counter")
    for amount in (5, 6):
        handle.raise_event("Add", amount)
    while hub.step() is not None:
        pass
    clock.advance(minutes=1)
    handle.raise_event("Add", None)
    handle.wait()


def launched(hub, clock):
    plain("launcher")(hub, clock)
    hub.handle("let go").wait()


def suspended_and_terminated(hub, clock):
    handle = hub.start("deadline", instance_id="deadline", tags={"team": "a"}, version="2")
    hub.step()
    handle.suspend("lunch")
    clock.advance(hours=1)
    handle.raise_event("Answer", "yes")
    handle.terminate("no longer needed")
    hub.start("deadline", instance_id="deadline", start_at=clock.now() + timedelta(hours=1))
    hub.handle("deadline").wait()


def canceled(hub, clock):
    guest = hub.start("hotel", instance_id="guest")
    hub.step()
    handle = hub.start("trip", instance_id="trip")
    while "SubOrchestrationInstanceCreated" not in str(handle.history()):
        hub.step()
    clock.advance(minutes=1)
    handle.cancel("the customer changed their mind")
    handle.wait()
    guest.cancel("the hotel closes")
    guest.wait()


def rewound(hub, clock):
    handle = hub.start("saga", 4, instance_id="saga")
    handle.wait()
    broken["ship"] = False
    clock.advance(hours=1)
    handle.rewind("the road is free")
    handle.wait()


SCENES: dict[str, Play] = {
    "chain": plain("chain", 1),
    "fan_out": plain("fan_out", ["Tokyo", "London", "Séoul"]),
    "fan_out_of_none": plain("fan_out", []),
    "first_of_many": plain("first_of_many"),
    "deadline_missed": plain("deadline"),
    "deadline_met": answered_late,
    "events_in_order": raised_early,
    "family": plain("family"),
    "child_fails": plain("careful_parent"),
    "activity_fails": plain("unpaid", 1),
    "retries": plain("retrying"),
    "continue_as_new": counted,
    "custom_status": plain("reporting"),
    "compensation": plain("saga", 9),
    "fire_and_forget": launched,
    "coroutine": plain("coroutine"),
    "ids_and_times": plain("identities"),
    "suspend_terminate_start_later": suspended_and_terminated,
    "canceled": canceled,
    "rewind": rewound,
}
