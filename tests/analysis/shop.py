"""A shop's hub, as the cookbook asks about it: three weeks on a virtual clock, the same in every run."""

from datetime import timedelta

import durablenb as df

RETRY = df.RetryOptions(10_000, 4, backoff_coefficient=2.0)


def order(context):
    """Reserve, charge, pack all items at once; large orders are approved by a person."""
    wanted = context.get_input()
    yield context.call_activity("reserve", wanted["items"])
    if wanted["amount"] > 1_000:
        approval = context.wait_for_external_event("Approval")
        deadline = context.create_timer(context.current_utc_datetime + timedelta(days=3))
        if (yield context.task_any([approval, deadline])) is deadline:
            return "not approved"
        deadline.cancel()
    yield context.call_activity_with_retry("charge", RETRY, wanted)
    yield context.task_all([context.call_activity("pack", item) for item in range(wanted["items"])])
    return "shipped"


def nightly(context):
    """A report for each shop, all at once."""
    shops = [context.call_sub_orchestrator("report", shop, f"report-{shop}") for shop in context.get_input()]
    yield context.task_all(shops)


def report(context):
    """Waits for the shop to close; that of Rome never says so."""
    shop = context.get_input()
    yield context.call_activity("collect", shop)
    if shop == "Rome":
        yield context.wait_for_external_event("Closed")
    return shop


def monitor(context):
    """Looks three times, an hour apart, each time as a new execution."""
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    if context.get_input() < 2:
        context.continue_as_new(context.get_input() + 1)


def points(context):
    """The points that a customer has."""
    if context.get_input() < 0 and context.get_state(lambda: 0) + context.get_input() < 0:
        raise ValueError(f"{-context.get_input()} points are more than there are")
    context.set_state(context.get_state(lambda: 0) + context.get_input())


def gift(context):
    """Points from one customer to another, if that one accepts them."""
    giver, taker, count = context.get_input()
    giver, taker = df.EntityId("points", giver), df.EntityId("points", taker)
    with (yield context.lock([giver, taker])):
        if (yield context.wait_for_external_event("Accepted")):
            yield context.call_entity(giver, "give", -count)
            yield context.call_entity(taker, "take", count)


def shop() -> df.TaskHub:
    """All of it; the last thing that happened was on the 19th of January 2026."""
    clock = df.VirtualClock()
    hub = df.TaskHub(":memory:", mode="kernel", clock=clock)
    refusals = {"order-2": 1, "order-4": 2, "order-5": 9}

    def taking(seconds):
        return lambda value: clock.advance(seconds=seconds(value))

    def charge(wanted):
        clock.advance(seconds=2)
        if refusals.get(wanted["id"], 0) > 0:
            refusals[wanted["id"]] -= 1
            raise ConnectionError(f"card {wanted['amount']} was refused")

    hub.add_activity(taking(lambda items: 0.5 * items), name="reserve")
    hub.add_activity(taking(lambda item: 4 + item), name="pack")
    hub.add_activity(taking(lambda shop: len(shop)), name="collect")
    hub.add_activity(charge, name="charge")
    for orchestrator in (order, nightly, report, monitor, gift):
        hub.add_orchestrator(orchestrator)
    hub.add_entity(points)

    def earn(customer, count):
        hub.client.signal_entity(df.EntityId("points", customer), "earn", count)

    def begin(number, customer, amount, items, note=""):
        instance_id = f"order-{number}"
        wanted = {"id": instance_id, "customer": customer, "amount": amount, "items": items, "note": note}
        return hub.start("order", wanted, instance_id=instance_id)

    # Thursday, the 1st.
    begin(1, "Ada", 20, 3, note="x" * 30_000).wait()
    begin(2, "Bob", 30, 1, note="x" * 20_000).wait()
    large = begin(3, "Ada", 5_000, 2)
    for _ in range(3):  # until it waits for the approval
        hub.step()
    clock.advance(minutes=30)
    large.raise_event("approval", "yes")
    large.raise_event("approval", "yes, really")
    large.raise_event("aproval", "typo")
    large.wait()

    # A week later.
    clock.advance(days=7)
    begin(4, "Cy", 40, 1).wait()
    begin(5, "Ada", 50, 1).wait()
    monitored = hub.start("monitor", 0, instance_id="monitor")
    hub.step()
    clock.advance(hours=1, seconds=9)
    monitored.wait()
    hub.start("nightly", ["Oslo", "Paris", "Rome"], instance_id="nightly")
    while hub.step():
        pass

    # Points: earned, given away, and held by a gift that nobody has accepted yet.
    earn("Ada", 50)
    earn("Bob", 3)
    earn("Bob", -5)
    accepted = hub.start("gift", ["Ada", "Bob", 20], instance_id="gift-1")
    for _ in range(5):
        hub.step()
    clock.advance(seconds=30)
    accepted.raise_event("Accepted", True)
    accepted.wait()
    clock.advance(hours=1)
    hub.start("gift", ["Ada", "Cy", 5], instance_id="gift-2")
    hub.start("gift", ["Bob", "Cy", 1], instance_id="gift-3")
    while hub.step():
        pass
    earn("Ada", 10)

    # Another week later an order waits for its approval longer than it may, and nobody has looked yet.
    clock.advance(days=7)
    begin(6, "Bob", 2_000, 1)
    for _ in range(3):
        hub.step()
    clock.advance(days=4)
    begin(7, "Cy", 10, 1)
    return hub
