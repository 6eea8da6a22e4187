"""Row 25: timers near and far."""

import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

import durablenb as df
from tests.traps.corpus import after, waits
from tests.traps.lab import PATIENCE, Lab, counted, kinds


def sleeper(context):
    """Sleeps until the time in its input, and says when it woke."""
    moment = datetime.fromisoformat(context.get_input())
    yield context.create_timer(moment)
    return context.current_utc_datetime.isoformat()


def test_row_25_timers_may_be_as_far_away_as_they_like(lab):
    for days in (7, 49, 366, 36_525, 2_000_000):
        moment = lab.clock.now() + timedelta(days=days)
        handle = lab.start(sleeper, moment.isoformat())
        assert handle.result(10) == moment.isoformat()
        assert counted(handle.history(), "TimerCreated") == 1  # in one piece
        lab.clock.advance(days=-days)


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_row_25_the_end_of_time_is_no_overflow_and_leaves_the_engine_alive(clock):
    with df.TaskHub(":memory:", clock=df.VirtualClock() if clock == "virtual" else None) as hub:
        hub.add_orchestrator(sleeper)
        hub.add_orchestrator(waits)
        other = hub.start(waits)
        far = hub.start(sleeper, datetime.max.replace(tzinfo=UTC).isoformat())
        other.raise_event("go", "well")
        assert other.result(10) == "well"
        assert far.status().runtime_status == "Running"


def test_row_25_zero_and_the_past_fire_at_once(lab):
    now = lab.clock.now()
    for seconds in (0, -1, -1e9):
        assert lab.run(sleeper, (now + timedelta(seconds=seconds)).isoformat()) == now.isoformat()


def test_row_25_naive_and_aware_times_of_any_zone_are_the_same_moment(lab):
    def sleeps(context):
        moment = datetime.fromisoformat(context.get_input())
        zone = timezone(timedelta(hours=5, minutes=45))
        for one in (moment, moment.replace(tzinfo=None), moment.astimezone(zone)):
            yield context.create_timer(one)
        return context.current_utc_datetime.isoformat()

    moment = lab.clock.now() + timedelta(hours=1)
    handle = lab.start(sleeps, moment.isoformat())
    assert handle.result(10) == moment.isoformat()
    assert {event.fire_at for event in handle.history() if kinds([event]) == ["TimerCreated"]} == {moment}


def test_row_25_many_at_one_moment_fire_together_in_the_order_in_which_they_were_set(lab):
    def many(context):
        yield context.task_all([after(context, hours=1) for _ in range(100)])

    handle = lab.start(many)
    handle.result(10)
    fired = [event.task_id for event in handle.history() if kinds([event]) == ["TimerFired"]]
    assert fired == list(range(100))
    assert counted(handle.history(), "OrchestratorStarted") == 2


def test_row_25_timers_fire_in_the_order_of_their_times(lab):
    def shuffled(context):
        now = context.current_utc_datetime
        timers = [context.create_timer(now + timedelta(minutes=minutes)) for minutes in (30, 10, 20)]
        order = []
        while len(order) < 3:
            winner = yield context.task_any([timer for timer in timers if timer not in order])
            order.append(winner)
        return [timers.index(timer) for timer in order]

    assert lab.run(shuffled) == [1, 2, 0]


def test_row_25_microseconds_are_kept_and_no_timer_fires_early(disk):
    moment = disk.clock.now() + timedelta(microseconds=1_000_001)
    disk.begin(sleeper, moment.isoformat(), instance_id="s")
    disk.restart()
    disk.advance(microseconds=1_000_000)
    assert counted(disk.hub.handle("s").history(), "TimerFired") == 0
    disk.advance(microseconds=1)
    assert counted(disk.hub.handle("s").history(), "TimerFired") == 1
    assert disk.hub.handle("s").result() == moment.isoformat()


def test_row_25_with_a_real_clock_no_timer_fires_early():
    with df.TaskHub(":memory:") as hub:

        @hub.orchestrator
        def short(context):
            moments = [context.current_utc_datetime + timedelta(milliseconds=ms) for ms in (1, 5, 20, 40)]
            for moment in moments:
                yield context.create_timer(moment)
                assert context.current_utc_datetime >= moment
            return "well"

        assert hub.run(short) == "well"


def test_row_25_a_timer_that_was_due_while_nothing_ran_fires_at_once_when_something_does(disk):
    disk.begin(sleeper, (disk.clock.now() + timedelta(hours=1)).isoformat(), instance_id="s")
    disk.hub.close()
    disk.clock.advance(hours=10)
    disk.open()
    assert disk.hub.handle("s").result() == disk.clock.now().isoformat()


def test_row_25_timers_do_not_drift_over_many_rounds(lab):
    def ticking(context):
        began = context.current_utc_datetime
        for number in range(1, 31):
            yield context.create_timer(began + timedelta(milliseconds=number * 100))
        return (context.current_utc_datetime - began) / timedelta(milliseconds=1)

    assert lab.run(ticking) == 3_000


def test_row_25_something_else_than_a_datetime_is_refused_in_azures_words(kernel):
    wrong = [None, 5, "2026-01-01", timedelta(hours=1)]

    def mistaken(context):
        yield context.create_timer(wrong[context.get_input()])

    for number in range(len(wrong)):
        with pytest.raises(ValueError, match="fireAt: Expected valid datetime object but got"):
            kernel.run(mistaken, number)


def test_row_25_a_virtual_clock_jumps_however_slowly_the_disk_writes(threads, monkeypatch):
    """The engine has long come to rest when the last commit ends, and nothing else would wake it."""
    append = threads.hub._store.append

    def slow_append(records):
        time.sleep(0.02)
        append(records)

    monkeypatch.setattr(threads.hub._store, "append", slow_append)
    moment = threads.clock.now() + timedelta(days=3)
    assert threads.run(sleeper, moment.isoformat()) == moment.isoformat()


def test_row_25_a_timer_of_the_past_doesnt_turn_time_back_on_a_clock_that_was_set_back(kernel):
    def looks(context):
        before = context.current_utc_datetime
        yield context.create_timer(before - timedelta(hours=2))
        return context.current_utc_datetime >= before

    handle = kernel.start(looks)
    kernel.hub.step()
    kernel.clock.advance(hours=-1)
    assert handle.result(10) is True
    kernel.clock.advance(hours=1)


def test_row_25_of_thousands_of_timers_none_is_late_when_many_were_cancelled():
    """From 1,024 on, those that nobody waits for are swept out now and then."""

    def crowd(context):
        now = context.current_utc_datetime
        first = [after(context, minutes=number * 7_919 % 1_000) for number in range(1_000)]
        for timer in first[::2]:
            timer.cancel()
        yield context.create_timer(now)  # the next ones come when half of these are cancelled
        second = [context.create_timer(now + timedelta(minutes=number * 31 % 500)) for number in range(500)]
        yield context.task_all(first[1::2] + second)

    lab = Lab("kernel", verify_replay=False)
    handle = lab.start(crowd)
    handle.result(60)
    history = handle.history()
    lab.close()
    due = {event.task_id: event.fire_at for event in history if kinds([event]) == ["TimerCreated"]}
    fired = {event.task_id: event.timestamp for event in history if kinds([event]) == ["TimerFired"]}
    assert len(fired) == 500 + 1 + 500
    assert fired == {task_id: due[task_id] for task_id in fired}


def test_row_25_a_timer_set_after_an_activity_fires_though_nobody_waits_for_the_result():
    """The activity's thread goes on and sets it; the engine's own thread, asleep by then, must be told."""
    rounds = 5
    begun, gate, is_done = threading.Semaphore(0), threading.Semaphore(0), threading.Event()

    def pass_gate():
        begun.release()
        assert gate.acquire(timeout=PATIENCE)

    def naps(context):
        for _ in range(rounds):
            yield context.call_activity("pass_gate")
            yield after(context, milliseconds=20)
        yield context.call_activity("tell")

    with df.TaskHub(":memory:") as hub:
        hub.add_activity(pass_gate)
        hub.add_activity(is_done.set, "tell")
        hub.add_orchestrator(naps)
        hub.start(naps)
        for _ in range(rounds):
            assert begun.acquire(timeout=PATIENCE), "the timer before it did not fire"
            gate.release()
        assert is_done.wait(PATIENCE)
