"""Rows 3 to 5: external events that come early, names, and several waiters of one name."""

from datetime import timedelta

import pytest

import durablenb as df
from durablenb.analysis.calls import read_calls
from durablenb.analysis.timeline import read_spans
from durablenb.analysis.waits import find_waits
from durablenb.model.events import EventUnsubscribed
from tests.traps.corpus import after, waits
from tests.traps.lab import counted


def listener(context):
    """Waits for an event of each of these names, one after the other; the data that came."""
    taken = []
    for name in context.get_input():
        taken.append((yield context.wait_for_external_event(name)))
    return taken


def together(context):
    """Waits for three events of one name at a time, if it is told to after another event."""
    if context.get_input():
        yield context.wait_for_external_event(context.get_input())
    waiters = [context.wait_for_external_event(name) for name in ("item", "ITEM", "item")]
    return (yield context.task_all(waiters))


def late(context):
    yield after(context, hours=1)
    return (yield context.wait_for_external_event("go"))


# -- row 3: before the wait ----------------------------------------------------------------------
def test_row_03_an_event_that_comes_before_the_wait_is_kept(lab):
    handle = lab.begin(late)
    handle.raise_event("go", "early")
    assert handle.result(10) == "early"


def test_row_03_an_event_for_a_pending_instance_is_kept(kernel):
    handle = kernel.start(waits)
    assert handle.status().runtime_status == "Pending"
    handle.raise_event("go", "early")
    assert handle.status().runtime_status == "Pending"
    assert handle.result() == "early"


def test_row_03_an_event_for_a_scheduled_instance_is_kept_until_it_starts(lab):
    handle = lab.start(waits, start_at=lab.clock.now() + timedelta(days=1))
    handle.raise_event("go", "early")
    lab.settle()
    assert handle.status().runtime_status == "Pending"
    lab.advance(days=1)
    assert handle.result(10) == "early"


def test_row_03_an_early_event_outlives_a_restart(disk):
    disk.start(waits, instance_id="a").raise_event("go", "early")
    assert disk.restart("a").result() == "early"


def test_row_03_early_events_of_one_name_come_in_order_and_false_data_are_data(lab):
    handle = lab.start(listener, ["Approval"] * 8)
    handle.raise_event("Approval")
    for data in (1, 0, "", False, [], {}, 2):
        handle.raise_event("Approval", data)
    assert handle.result(10) == [None, 1, 0, "", False, [], {}, 2]


def test_row_03_an_event_for_nobody_is_refused_and_says_so(lab):
    with pytest.raises(df.InstanceNotFoundError, match="No instance with ID 'nobody' found"):
        lab.client.raise_event("nobody", "go")
    handle = lab.start(waits)
    handle.raise_event("go", 1)
    handle.result(10)
    with pytest.raises(df.InstanceStateError, match="is Completed and takes no events"):
        handle.raise_event("go", 2)


# -- row 4: names --------------------------------------------------------------------------------


def test_row_04_names_are_compared_without_case(lab):
    handle = lab.begin(listener, ["go", "Approval", "approval", "APPROVAL", "STRASSE"])
    for data, name in enumerate(("straße", "ApProVal", "APPROVAL", "approval", "GO")):
        handle.raise_event(name, data)
    assert handle.result(10) == [4, 1, 2, 3, 0]


def test_row_04_names_that_differ_in_more_than_case_differ(lab):
    handle = lab.start(listener, ["Approval"])
    for name in ("Approval ", "Approva", "Approvals", "Ápproval", "approval"):
        handle.raise_event(name, name)
    assert handle.result(10) == ["approval"]


# -- row 5: several waiters ----------------------------------------------------------------------


@pytest.mark.parametrize("before", [None, "go"])
def test_row_05_of_several_waiters_the_first_one_gets_the_first_event_early_or_not(lab, before):
    handle = lab.begin(together, before)
    for number in (1, 2, 3):
        handle.raise_event("Item", number)
    if before:
        handle.raise_event(before)
    assert handle.result(10) == [1, 2, 3]


def test_row_05_a_waiter_that_was_cancelled_swallows_no_event(lab):
    def changes_its_mind(context):
        first, second, third = (context.wait_for_external_event("item") for _ in range(3))
        second.cancel()
        assert second.is_cancelled
        assert not second.is_completed
        return (yield context.task_all([first, third]))

    handle = lab.begin(changes_its_mind)
    handle.raise_event("item", 1)
    handle.raise_event("item", 2)
    assert handle.result(10) == [1, 2]
    assert counted(handle.history(), "EventUnsubscribed") == 1


def test_row_05_a_waiter_that_lost_against_a_timer_and_was_cancelled_swallows_no_event(lab):
    def patient(context):
        rounds = []
        for _ in range(2):
            event = context.wait_for_external_event("item")
            timer = after(context, hours=1)
            winner = yield context.task_any([event, timer])
            if winner is event:
                timer.cancel()
                rounds.append(event.result)
            else:
                event.cancel()
                rounds.append("timeout")
        return rounds

    handle = lab.start(patient)
    lab.advance(hours=1)
    handle.raise_event("item", "late")
    assert handle.result(10) == ["timeout", "late"]


def test_row_05_an_event_that_its_waiter_never_saw_goes_to_who_has_waited_longest_after_it(lab):
    """The timer wins, the event is there as well, both before the orchestrator looks."""

    def patient(context):
        event, second = (context.wait_for_external_event("item") for _ in range(2))
        timer = after(context, hours=1)
        winner = yield context.task_any([event, timer])
        assert winner is timer
        event.cancel()
        assert event.is_cancelled
        return (yield context.task_all([context.wait_for_external_event("item"), second]))

    handle = lab.begin(patient)
    handle.suspend()
    lab.advance(hours=1)
    handle.raise_event("item", 1)
    handle.raise_event("item", 2)
    handle.resume()
    assert handle.result(10) == [2, 1]


def test_row_05_an_event_that_came_while_the_code_awaited_something_else_is_not_lost_with_its_wait(lab):
    def changes_its_mind(context):
        first, second = (context.wait_for_external_event("item") for _ in range(2))
        yield after(context, hours=1)
        first.cancel()
        return [(yield second), (yield context.wait_for_external_event("item"))]

    handle = lab.begin(changes_its_mind)
    handle.raise_event("item", 1)
    lab.advance(hours=1)
    handle.raise_event("item", 2)
    assert handle.result(10) == [1, 2]


def test_row_05_a_waiter_that_was_seen_to_be_done_cannot_be_cancelled(lab):
    def mistaken(context):
        event = context.wait_for_external_event("item")
        yield event
        event.cancel()

    handle = lab.start(mistaken)
    handle.raise_event("item")
    with pytest.raises(ValueError, match="Cannot cancel a completed task"):
        handle.result(10)


def test_row_05_an_event_is_delivered_to_one_waiter_only(lab):
    def two(context):
        first, second = (context.wait_for_external_event("item") for _ in range(2))
        yield first
        return second.is_completed

    handle = lab.start(two)
    handle.raise_event("item", 1)
    assert handle.result(10) is False


# -- row 5: a wait that lost a task_any ----------------------------------------------------------


def reminding(context):
    for number in range(3):
        event = context.wait_for_external_event("item")
        winner = yield context.task_any([event, after(context, hours=1)])
        if winner is event:
            return [number, event.result]
    return "gave up"


@pytest.mark.parametrize("looks_late", [False, True])
def test_row_05_a_wait_made_anew_in_each_round_gets_the_event_of_its_round(lab, looks_late):
    handle = lab.begin(reminding)
    if looks_late:
        handle.suspend()
    lab.advance(minutes=90)
    handle.raise_event("item", "in time")
    if looks_late:
        handle.resume()
    assert handle.result(10) == [1, "in time"]


def test_row_05_an_event_that_comes_between_two_rounds_is_kept_for_the_next(lab):
    def pausing(context):
        event = context.wait_for_external_event("item")
        yield context.task_any([event, after(context, hours=1)])
        yield after(context, hours=1)
        return (yield context.wait_for_external_event("item")), event.is_completed

    handle = lab.start(pausing)
    lab.advance(minutes=90)
    handle.raise_event("item", "between")
    lab.advance(hours=1)
    assert handle.result(10) == ("between", False)


@pytest.mark.parametrize("how", ["looks", "reads", "waits", "waits in a group"])
def test_row_05_a_wait_that_lost_gets_the_event_if_the_code_comes_back_to_it(lab, how):
    def coming_back(context):
        event = context.wait_for_external_event("item")
        yield context.task_any([event, after(context, hours=1)])
        yield after(context, hours=1)
        if how == "waits":
            return (yield event)
        if how == "waits in a group":
            return (yield context.task_all([event]))[0]
        return event.result if how == "reads" or event.is_completed else None

    handle = lab.start(coming_back)
    lab.advance(minutes=90)
    handle.raise_event("item", "late")
    lab.advance(hours=1)
    assert handle.result(10) == "late"


def test_row_05_a_wait_that_lost_and_is_awaited_again_keeps_its_place(lab):
    def pool(context):
        waits = {name: context.wait_for_external_event("item") for name in "abc"}
        taken = []
        while waits:
            winner = yield context.task_any(waits.values())
            name = next(name for name, wait in waits.items() if wait is winner)
            taken.append(name + str(waits.pop(name).result))
            if len(taken) == 1:
                waits["d"] = context.wait_for_external_event("item")
        return taken

    handle = lab.begin(pool)
    handle.suspend()
    for number in range(4):
        handle.raise_event("item", number)
    handle.resume()
    assert handle.result(10) == ["a0", "b1", "c2", "d3"]


def test_row_05_a_wait_that_lost_to_what_was_done_already_comes_last_too(lab):
    @lab.activity
    def quick(_):
        return None

    def hasty(context):
        done = context.call_activity(quick)
        yield done
        yield context.task_any([context.wait_for_external_event("item"), done])
        return (yield context.wait_for_external_event("item"))

    handle = lab.begin(hasty)
    handle.raise_event("item", 1)
    assert handle.result(10) == 1


def test_row_05_a_wait_that_lost_can_still_be_cancelled(lab):
    def tidy(context):
        event = context.wait_for_external_event("item")
        yield context.task_any([event, after(context, hours=1)])
        yield after(context, hours=1)
        event.cancel()
        return (yield context.wait_for_external_event("item"))

    handle = lab.start(tidy)
    lab.advance(hours=2)
    handle.raise_event("item", 1)
    assert handle.result(10) == 1


def test_row_05_an_event_that_only_a_lost_wait_could_take_goes_on_as_new(lab):
    def renewing(context):
        event = context.wait_for_external_event("item")
        winner = yield context.task_any([event, after(context, hours=1)])
        if winner is event:
            return event.result
        yield after(context, hours=1)
        context.continue_as_new(None)

    handle = lab.start(renewing)
    lab.advance(minutes=90)
    handle.raise_event("item", "carried")
    lab.advance(hours=1)
    assert handle.result(10) == "carried"


def test_row_05_a_wait_that_nothing_awaits_is_shown_as_such(lab):
    handle = lab.start(reminding)
    lab.advance(minutes=70)
    lab.advance(minutes=70)
    events = handle.history()
    waits = {(wait.name, wait.is_left): wait.count for wait in find_waits(events, read_calls(events))}
    assert waits == {("item", False): 1, ("timer", False): 1, ("item", True): 2}
    counts = "select status, count(*) from external_events where instance_id = ? group by all order by all"
    ids = [handle.id]
    assert lab.hub.sql(counts, ids).fetchall() == [("Left", 2), ("Pending", 1)]
    handle.raise_event("item", 1)
    assert handle.result(10) == [2, 1]
    assert lab.hub.sql(counts, ids).fetchall() == [("Left", 2), ("Taken", 1)]
    assert [call.state for call in read_calls(handle.history()) if call.name == "item"] == [
        "canceled",
        "canceled",
        "completed",
    ]


def test_row_05_a_wait_that_lost_and_was_then_cancelled_is_shown_as_cancelled(lab):
    def tidy(context):
        event = context.wait_for_external_event("item")
        yield context.task_any([event, after(context, hours=1)])
        yield after(context, hours=1)
        event.cancel()
        yield after(context, hours=1)

    handle = lab.start(tidy)
    lab.advance(hours=1)
    lab.advance(hours=1)
    events = handle.history()
    assert [wait.name for wait in find_waits(events, read_calls(events))] == ["timer"]
    (span,) = (span for span in read_spans(events) if span.name == "item")
    assert (span.state, span.ended - span.scheduled) == ("canceled", timedelta(hours=2))
    ended = "select status, ended - subscribed, ended_seq from external_events where instance_id = ?"
    (cancel,) = (event for event in events if isinstance(event, EventUnsubscribed) and not event.is_left)
    place = "select seq from history where instance_id = ? and event_id = ?"
    ((seq,),) = lab.hub.sql(place, [handle.id, cancel.event_id]).fetchall()
    assert lab.hub.sql(ended, [handle.id]).fetchall() == [("Canceled", timedelta(hours=2), seq)]
    step = next(step for step in handle.progress()._shown().steps if step.name == "item")
    assert (step.over, step.total, step.canceled) == (1, 1, 1)


def test_row_05_events_that_a_wait_that_lost_did_not_get_are_shown_with_the_waits_that_got_them(lab):
    def nested(context):
        lost = context.task_any([context.wait_for_external_event("item"), after(context, hours=1)])
        taken = context.wait_for_external_event("item")
        yield context.task_all([lost, taken, after(context, hours=2)])
        yield after(context, hours=1)
        return taken.result

    handle = lab.start(nested)
    lab.advance(hours=1)
    handle.raise_event("item", "one")
    lab.advance(minutes=30)
    handle.raise_event("item", "two")
    lab.advance(minutes=30)
    lost, taken = (span for span in read_spans(handle.history()) if span.name == "item")
    assert (lost.state, lost.answer.is_left) == ("canceled", True)
    assert (taken.answer.input, taken.ended - taken.scheduled) == ('"one"', timedelta(hours=1))
    rows = "select status, input ->> '$', ended - subscribed from external_events where instance_id = ?"
    assert sorted(lab.hub.sql(rows, [handle.id]).fetchall(), key=str) == [
        ("Buffered", "two", None),
        ("Left", None, timedelta(hours=2)),
        ("Taken", "one", timedelta(hours=1)),
    ]
    lab.advance(hours=1)
    assert handle.result(10) == "one"


def test_row_05_a_wait_that_is_taken_up_again_has_lasted_from_its_beginning(lab):
    def coming_back(context):
        event = context.wait_for_external_event("item")
        yield context.task_any([event, after(context, hours=1)])
        yield after(context, hours=2)
        return (yield event)

    handle = lab.start(coming_back)
    lab.advance(minutes=90)
    handle.raise_event("item", "early")
    lab.advance(hours=2)
    assert handle.result(10) == "early"
    (span,) = (span for span in read_spans(handle.history()) if span.name == "item")
    times = (span.started - span.scheduled, span.ended - span.scheduled)
    assert times == (timedelta(0), timedelta(hours=3.5))  # the clock came so far when the code got the event
    asked = "select status, ended - subscribed from external_events where instance_id = ?"
    assert lab.hub.sql(asked, [handle.id]).fetchall() == [("Taken", timedelta(hours=3.5))]


def test_row_05_an_execution_keeps_the_rule_that_it_began_with(disk, monkeypatch):
    """Recorded when the wait that was made first always got the event: so it was, and so it goes on."""
    monkeypatch.setattr("durablenb.engine.instances.RULES", 1)
    handle = disk.start(reminding, instance_id="old")
    disk.advance(minutes=90)
    handle.raise_event("item", "for the first wait")
    disk.settle()
    monkeypatch.undo()
    handle = disk.restart("old")
    disk.settle()
    handle.raise_event("item", "for the second one")
    assert handle.result() == [1, "for the second one"]
    assert disk.hub.replay("old", reminding).fits
    new = disk.start(reminding)
    disk.advance(minutes=90)
    new.raise_event("item", "in time")
    assert new.result() == [1, "in time"]
