"""Row 1: continue-as-new takes along, in order, what the orchestrator has not seen."""

import threading
import time

from tests.traps.corpus import after
from tests.traps.lab import kinds


def collector(context):
    """Takes one item in each execution."""
    taken = context.get_input() or []
    item = yield context.wait_for_external_event("item")
    taken.append(item)
    if item == "last":
        return taken
    context.continue_as_new(taken)


def test_row_01_fifty_events_outlive_fifty_executions_in_order(lab):
    handle = lab.start(collector)
    items = [*range(49), "last"]
    for item in items:
        handle.raise_event("item", item)
    assert handle.result(10) == items
    assert kinds(handle.history()).count("ExecutionStarted") == 50


def test_row_01_events_behind_the_awaited_one_are_carried_over(lab):
    def gate(context):
        if context.get_input() is None:
            yield context.wait_for_external_event("go")
            context.continue_as_new("second")
            return None
        return (yield context.task_all([context.wait_for_external_event("item") for _ in range(3)]))

    handle = lab.begin(gate)
    handle.suspend()  # so that all four are in one batch
    for name, data in (("item", 1), ("go", None), ("item", 2), ("item", 3)):
        handle.raise_event(name, data)
    handle.resume()
    assert handle.result(10) == [1, 2, 3]


def test_row_01_an_event_that_arrives_in_the_middle_of_the_transition_is_carried_over(lab):
    def busy(context):
        if context.get_input() == "second":
            return (yield context.wait_for_external_event("item"))
        if not context.is_replaying:
            ask = lab.client.raise_event
            raiser = threading.Thread(target=ask, args=(context.instance_id, "item", "mid"))
            raiser.start()
            while lab.client._control.engine._inbox.is_empty:  # it has been sent, and this episode still runs
                time.sleep(0.001)
            raisers.append(raiser)
        context.continue_as_new("second")

    raisers: list[threading.Thread] = []
    assert lab.run(busy) == "mid"
    for raiser in raisers:
        raiser.join(5)


def test_row_01_an_event_that_was_handed_over_but_not_looked_at_is_carried_over(lab):
    def racer(context):
        if context.get_input() is None:
            first, second = (context.wait_for_external_event(name) for name in ("a", "b"))
            winner = yield context.task_any([first, second])
            context.continue_as_new(winner.result)
            return None
        return [context.get_input(), (yield context.wait_for_external_event("b"))]

    handle = lab.begin(racer)
    handle.suspend()
    handle.raise_event("a", 1)
    handle.raise_event("b", 2)
    handle.resume()
    assert handle.result(10) == [1, 2]


def test_row_01_the_loser_of_a_race_with_a_timer_is_carried_over(lab):
    def racer(context):
        if context.get_input() is None:
            timer = after(context, hours=1)
            winner = yield context.task_any([timer, context.wait_for_external_event("item")])
            context.continue_as_new("timer" if winner is timer else "event")
            return None
        return [context.get_input(), (yield context.wait_for_external_event("item"))]

    handle = lab.begin(racer)
    handle.suspend()
    lab.advance(hours=2)
    handle.raise_event("item", "late")
    handle.resume()
    assert handle.result(10) == ["timer", "late"]


def test_row_01_events_of_several_names_keep_the_order_in_which_they_were_raised(lab):
    def sorter(context):
        if context.get_input() is None:
            yield context.wait_for_external_event("go")
            context.continue_as_new(1)
            return None
        order = [event.name for event in context.histories if type(event).__name__ == "EventRaised"]
        for name in "abab":
            yield context.wait_for_external_event(name)
        return order

    handle = lab.start(sorter)
    for name in ("b", "a", "b", "a", "go"):
        handle.raise_event(name, None)
    assert handle.result(10) == ["b", "a", "b", "a"]


def test_row_01_an_event_that_was_seen_is_not_delivered_again(lab):
    def once(context):
        if context.get_input() is None:
            yield context.wait_for_external_event("item")
            context.continue_as_new("second")
            return None
        return (yield context.wait_for_external_event("item"))

    handle = lab.start(once)
    handle.raise_event("item", "first")
    lab.settle()
    assert handle.status().runtime_status == "Running"
    handle.raise_event("item", "second")
    assert handle.result(10) == "second"


def test_row_01_events_are_carried_over_by_an_execution_that_never_waits(lab):
    def hasty(context):
        if context.get_input() < 3:
            context.continue_as_new(context.get_input() + 1)
            return None
        return (yield context.wait_for_external_event("item"))

    handle = lab.start(hasty, 0)
    handle.raise_event("item", "kept")
    assert handle.result(10) == "kept"


def test_row_01_an_unseen_event_survives_a_restart_between_executions(disk):
    def gate(context):
        if context.get_input() is None:
            yield context.wait_for_external_event("go")
            context.continue_as_new("second")
            return None
        return (yield context.wait_for_external_event("item"))

    handle = disk.begin(gate, instance_id="g")
    handle.suspend()
    handle.raise_event("item", "kept")
    handle.raise_event("go")
    handle = disk.restart("g")
    handle.resume()
    disk.hub.step()  # the episode that continues as new
    assert disk.restart("g").result(10) == "kept"
