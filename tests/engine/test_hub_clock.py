"""`hub.clock`: moving it lets happen what becomes due, in its order, before the call returns."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

import durablenb as df


@pytest.fixture(params=["kernel", "threads"])
def hub(request):
    with df.TaskHub(":memory:", mode=request.param, clock=df.VirtualClock()) as made:
        yield made


@pytest.fixture
def reminder(hub):
    """Reminds every day, four times; then waits for an answer."""
    hub.seen = []
    hub.add_activity(lambda day: hub.seen.append((day, hub.clock.now())), name="remind")

    @hub.orchestrator
    def reminder(context):
        for day in range(4):
            yield context.create_timer(context.current_utc_datetime + timedelta(days=1))
            yield context.call_activity("remind", day)
        return (yield context.wait_for_external_event("Answer"))

    return hub.start(reminder, instance_id="r")


def day(number, **more):
    return datetime(2026, 1, number, tzinfo=UTC) + timedelta(**more)


def test_each_timer_fires_at_its_own_time_and_what_follows_has_happened(hub, reminder):
    hub.clock.advance(days=3, hours=1)
    assert hub.seen == [(0, day(2)), (1, day(3)), (2, day(4))]
    assert hub.clock.now() == day(4, hours=1)
    fired = [event.timestamp for event in reminder.history() if type(event).__name__ == "TimerFired"]
    assert fired == [day(2), day(3), day(4)]


def test_what_is_due_at_that_very_moment_has_happened(hub, reminder):
    hub.clock.advance(hours=24)
    assert hub.seen == [(0, day(2))]
    hub.clock.advance(hours=24, microseconds=-1)
    assert len(hub.seen) == 1


def test_no_time_at_all_lets_happen_what_needs_none(hub):
    hub.add_activity(lambda: "done", name="work")
    hub.add_orchestrator(lambda context: (yield context.call_activity("work")), name="quick")
    handle = hub.start("quick")
    hub.clock.advance()
    assert str(handle.status().runtime_status) == "Completed"
    assert hub.clock.now() == day(1)


def test_until_idle_goes_as_far_as_it_has_to_and_says_how_far(hub, reminder):
    assert hub.clock.run_until_idle() == timedelta(days=4)
    assert len(hub.seen) == 4
    assert str(reminder.status().runtime_status) == "Running"
    assert hub.clock.run_until_idle() == timedelta()
    reminder.raise_event("Answer", 42)
    hub.clock.run_until_idle()
    assert reminder.result(20) == 42


def test_a_jump_goes_to_what_is_due_next(hub, reminder):
    assert hub.clock.next_due() is None or hub.clock.next_due() == day(2)
    assert hub.clock.jump() == day(2)
    assert hub.clock.next_due() == day(3)
    assert hub.seen == [(0, day(2))]
    hub.clock.run_until_idle()
    assert hub.clock.next_due() is None
    assert hub.clock.jump() is None
    assert hub.clock.now() == day(5)


def test_scheduled_starts_and_signals_are_due_too(hub):
    @hub.entity
    class Counter:
        def __init__(self):
            self.value = 0

        def add(self, amount: int):
            self.value += amount

    counter = hub.entity(Counter, "a")
    counter.signal("add", 5, at=day(2))
    hub.add_orchestrator(lambda context: "started", name="later")
    handle = hub.start("later", start_at=day(3))
    hub.clock.advance(hours=23)
    assert hub.entity_state(df.EntityId("Counter", "a")) is None
    hub.clock.advance(hours=1)
    assert hub.entity_state(df.EntityId("Counter", "a")) == {"value": 5}
    assert str(handle.status().runtime_status) == "Pending"
    hub.clock.advance(days=1)
    assert handle.result(20) == "started"


def test_an_orchestration_that_goes_on_for_ever_does_not_keep_a_cell_for_ever(hub, monkeypatch):
    monkeypatch.setattr("durablenb.engine.hub_clock.MOST_DEADLINES", 5)

    @hub.orchestrator
    def monitor(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(minutes=1))
        context.continue_as_new(None)

    hub.start(monitor)
    with pytest.raises(df.WaitTimeoutError, match=r"After 5 deadlines .*an orchestration runs for ever"):
        hub.clock.run_until_idle()
    assert hub.clock.now() == day(1, minutes=5)


def test_activities_that_run_are_waited_for():
    may_end = threading.Event()
    with df.TaskHub(":memory:", clock=df.VirtualClock()) as hub:
        hub.add_activity(lambda: may_end.wait(20), name="slow")
        hub.add_orchestrator(lambda context: (yield context.call_activity("slow")), name="work")
        handle = hub.start("work")
        threading.Timer(0.1, may_end.set).start()
        hub.clock.advance(hours=1)
        assert handle.status().output is True


def test_activities_in_threads_of_a_hub_that_works_in_the_calling_thread_are_waited_for_too():
    with df.TaskHub(":memory:", mode="kernel", executor="threads", clock=df.VirtualClock()) as hub:
        hub.add_activity(lambda: "done", name="work")
        hub.add_orchestrator(lambda context: (yield context.call_activity("work")), name="quick")
        handle = hub.start("quick")
        hub.clock.advance(hours=1)
        assert handle.status().output == "done"


def test_the_machines_clock_can_not_be_moved_and_the_error_says_what_to_do():
    with df.TaskHub(":memory:", mode="kernel") as hub:
        before = datetime.now(UTC)
        assert before <= hub.clock.now() <= datetime.now(UTC)
        assert not hub.clock.can_be_moved
        assert hub.clock.next_due() is None
        for move in (hub.clock.run_until_idle, hub.clock.jump, lambda: hub.clock.advance(hours=1)):
            with pytest.raises(df.DurableError, match=r"clock=durablenb\.VirtualClock"):
                move()


def test_it_goes_forward_only(hub):
    with pytest.raises(ValueError, match="only goes forward"):
        hub.clock.advance(hours=-1)
    assert hub.clock.can_be_moved


def test_a_hub_that_is_closed_has_no_time_to_move():
    hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    hub.close()
    with pytest.raises(df.StoreError, match="closed"):
        hub.clock.advance(hours=1)


def test_a_notebook_shows_the_time_and_what_is_due_next(hub, reminder):
    hub.clock.advance(hours=1)
    html = hub.clock._repr_mimebundle_()["text/html"]
    assert "2026-01-01T01:00:00+00:00" in html
    assert "2026-01-02T00:00:00+00:00" in html
    assert repr(hub.clock) == "<clock of a hub: VirtualClock(2026-01-01T01:00:00+00:00)>"


def test_a_span_of_time_is_given_as_a_whole_or_in_its_parts(hub, reminder):
    hub.clock.advance(timedelta(days=1))
    hub.clock.advance(days=1)
    assert hub.seen == [(0, day(2)), (1, day(3))]
    clock = df.VirtualClock()
    clock.advance(timedelta(days=3))
    assert clock.now() == day(4)
    for move in (hub.clock.advance, clock.advance):
        with pytest.raises(TypeError, match=r"got 3\. Expected a timedelta, .* its parts, advance\(days=3\)"):
            move(3)
        with pytest.raises(TypeError, match="a timedelta and its parts"):
            move(timedelta(days=1), hours=1)
    assert clock.now() == day(4)


@pytest.mark.parametrize("mode", ["kernel", "threads"])
@pytest.mark.parametrize("move", ["advance", "jump", "run_until_idle"])
def test_an_activity_is_told_not_to_move_the_clock_of_its_hub(mode, move):
    with df.TaskHub(":memory:", mode=mode, clock=df.VirtualClock()) as hub:

        def works():
            getattr(hub.clock, move)(*[timedelta(1)] * (move == "advance"))

        hub.add_activity(works)
        hub.add_orchestrator(lambda context: (yield context.call_activity("works")), "main")
        with pytest.raises(df.TaskFailedError, match="'works' moves the clock of its own hub"):
            hub.run("main")
        hub.clock.advance(hours=1)  # outside of it, it can be moved
