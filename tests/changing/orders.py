"""Orchestrators of one name, as they were written and as they were edited, and what they call."""


def charge(order):
    return f"{order} charged"


def ship(order):
    return f"{order} shipped"


def fulfil(context):
    order = context.get_input()
    yield context.call_activity("charge", order)
    yield context.wait_for_external_event("Packed")
    return (yield context.call_activity("ship", order))


def with_check(context):
    """Asks for something else, first thing."""
    order = context.get_input()
    yield context.call_activity("check", order)
    yield context.call_activity("charge", order)
    yield context.wait_for_external_event("Packed")
    return (yield context.call_activity("ship", order))


def with_limit(context):
    """Parts from large orders alone."""
    order = context.get_input()
    yield context.call_activity("charge", min(order, 2))
    yield context.wait_for_external_event("Packed")
    return (yield context.call_activity("ship", order))


def with_thanks(context):
    """Differs in what has not happened yet."""
    order = context.get_input()
    yield context.call_activity("charge", order)
    yield context.wait_for_external_event("Packed")
    shipped = yield context.call_activity("ship", order)
    return f"{shipped}, thank you"


def line_in(function, text):
    """The line of a function's file on which a text stands."""
    import inspect

    lines, first = inspect.getsourcelines(function)
    return next(first + offset for offset, line in enumerate(lines) if text in line)


def filled(hub, count=4):
    """Starts orders 0, 1, ..., which then wait to be packed."""
    hub.add_activity(charge)
    hub.add_activity(ship)
    hub.add_orchestrator(fulfil)
    handles = [hub.start(fulfil, number, instance_id=f"order-{number}") for number in range(count)]
    hub.clock.advance()
    return handles
