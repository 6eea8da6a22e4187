"""Orchestrators of a shop, which call, wait, fail, start children and count."""

from datetime import timedelta

import numpy as np

import durablenb as df

COUNTER = df.EntityId("Counter", "a")


def reserve(seat):
    print(f"reserving {seat}")
    return {"seat": seat}


def refuse(seat):
    raise ValueError(f"no seat {seat}")


def plan(seat):
    return np.arange(1_000 * seat)  # which is kept beside the journal


class Counter:
    def __init__(self):
        self.value = 0

    def add(self, amount: int):
        self.value += amount

    def get(self):
        return self.value


def ship(context):
    return (yield context.call_activity("reserve", context.get_input()))


def order(context):
    seats = yield context.task_all([context.call_activity("reserve", n) for n in range(context.get_input())])
    child = yield context.call_sub_orchestrator("ship", 5)
    context.set_custom_status({"seats": len(seats)})
    expiry = context.create_timer(context.current_utc_datetime + timedelta(hours=72))
    yield context.task_any([context.wait_for_external_event("Go"), expiry])
    try:
        yield context.call_activity_with_retry("refuse", df.RetryOptions(1_000, 2), 9)
    except ValueError:
        context.signal_entity(COUNTER, "add", 1)
    count = yield context.call_entity(COUNTER, "get")
    if context.get_input() > 2:
        count += len((yield context.call_activity("plan", 7)))
    return [len(seats), child, count, str(context.new_uuid())]


def waiting(context):
    yield context.call_activity("reserve", 1)
    return (yield context.wait_for_external_event("Go"))


def eternal(context):
    count = context.get_input()
    yield context.call_activity("reserve", count)
    if count < 2:
        context.continue_as_new(count + 1)
    return count


ORCHESTRATORS = (order, ship, waiting, eternal)


def register(hub):
    for activity in (reserve, refuse, plan):
        hub.add_activity(activity)
    for orchestrator in ORCHESTRATORS:
        hub.add_orchestrator(orchestrator)
    hub.add_entity(Counter)


def fill(hub):
    """Run an order with a child, start one that waits, run one that continues as new, and use an entity."""
    done = hub.start(order, 3, instance_id="done")
    done.raise_event("Go", {"by": "Zoë"})
    done.result()
    hub.start(waiting, instance_id="open")
    hub.run(eternal, 0, instance_id="again")
    while hub.step():
        pass
    hub.connection().close()  # what was printed is on disk now
    return done
