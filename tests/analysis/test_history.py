"""A history as a list and as text."""

from datetime import timedelta

import pytest

import durablenb as df
from durablenb.analysis.history import History
from durablenb.model.events import ExecutionStarted


@pytest.fixture
def hub():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        yield hub


def line(event_id, second, what, value=""):
    return f"{event_id:>5}  2026-01-01 00:00:0{second}.000  {what:<32}  {value}".rstrip()


def test_a_history_is_printed_a_line_for_each_event(hub):
    @hub.activity
    def charge(amount):
        raise ValueError(f"{amount} is too much")

    @hub.orchestrator
    def order(context):
        context.set_custom_status("charging")
        approved = context.wait_for_external_event("Approval")
        yield context.call_activity_with_retry(charge, df.RetryOptions(1_000, 2), 7)
        return (yield approved)

    handle = hub.start(order, {"café": "東京"}, instance_id="order-7")
    handle.raise_event("approval", "yes")
    with pytest.raises(ValueError, match="too much"):
        handle.result()
    assert str(handle.history()).splitlines() == [
        line(1, 0, "ExecutionStarted 'order'", '{"café": "東京"}'),
        line(2, 0, "EventRaised 'approval'", '"yes"'),
        line(3, 0, "OrchestratorStarted"),
        line(4, 0, "CustomStatusSet", '"charging"'),
        line(5, 0, "EventSubscribed 'Approval' #0"),
        line(6, 0, "TaskScheduled 'charge' #1", "7"),
        line(7, 0, "TaskFailed #1", "ValueError: 7 is too much"),
        line(8, 0, "OrchestratorStarted"),
        line(9, 0, "TimerCreated #2", "2026-01-01 00:00:01+00:00"),
        line(10, 1, "TimerFired #2"),
        line(11, 1, "OrchestratorStarted"),
        line(12, 1, "TaskScheduled 'charge' #3 (attempt 2)", "7"),
        line(13, 1, "TaskFailed #3", "ValueError: 7 is too much"),
        line(14, 1, "OrchestratorStarted"),
        line(15, 1, "ExecutionFailed", "ValueError: 7 is too much"),
    ]


def test_a_history_is_a_sequence_of_its_events(hub):
    hub.add_orchestrator(lambda context: None, name="nothing")
    handle = hub.start("nothing", instance_id="a")
    handle.result()
    history = handle.history()
    assert len(history) == 3
    assert isinstance(history[0], ExecutionStarted)
    assert [event.event_id for event in history] == [1, 2, 3]
    assert list(history[1:]) == list(history)[1:]
    assert history[:2] == history[:-1]
    assert history == handle.history()
    assert hash(history) == hash(handle.history())
    assert history != list(history)
    assert repr(history) == "<History of a: 3 events, the last one ExecutionCompleted>"
    assert repr(history[:1]) == "<History of a: 1 event, the last one ExecutionStarted 'nothing'>"


def test_a_history_without_events_says_so():
    nothing = History("a", [])
    assert (repr(nothing), str(nothing)) == ("<History of a: 0 events>", "")
    assert nothing.timeline() == "(nothing is scheduled yet)"


def test_a_long_value_is_cut_and_cannot_move_the_cursor(hub):
    hub.add_orchestrator(lambda context: "\x1b[2J" + "x" * 1_000, name="nothing")
    handle = hub.start("nothing")
    handle.result()
    line = str(handle.history()).splitlines()[-1]
    assert len(line) < 130
    assert line.isprintable()


def test_a_history_draws_its_timeline(hub):
    @hub.orchestrator
    def waiting(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=10))

    handle = hub.start(waiting)
    handle.result()
    assert handle.history().timeline(20).splitlines() == [
        f"{'timer':24} {'░' * 20}      10.000 s",
        f"{'':24} └{'─' * 18}┘      10.000 s in all",
    ]
