"""Time: the virtual clock stands, is moved, and jumps only while somebody waits."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest

import durablenb as df
from durablenb.engine.messages import Wake
from tests.waiting import until


def _sleeper(hub: df.TaskHub):
    @hub.orchestrator
    def sleep(context):
        began = context.current_utc_datetime
        yield context.create_timer(began + timedelta(hours=72))
        return (context.current_utc_datetime - began) / timedelta(hours=1)

    return sleep


@pytest.mark.parametrize("mode", ["kernel", "threads"])
def test_three_days_pass_while_somebody_waits(mode):
    clock = df.VirtualClock()
    with df.TaskHub(":memory:", mode=mode, clock=clock) as hub:
        assert hub.run(_sleeper(hub)) == 72
    assert clock.now() == datetime(2026, 1, 4, tzinfo=UTC)


def test_nothing_passes_while_nobody_waits():
    clock = df.VirtualClock()
    with df.TaskHub(":memory:", clock=clock) as hub:
        handle = hub.start(_sleeper(hub))
        with pytest.raises(df.WaitTimeoutError):
            hub.client.wait_for_completion(hub.start(_waiting(hub)).id, timeout=0)
        assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
        assert handle.status().runtime_status in ("Pending", "Running")


def _waiting(hub: df.TaskHub):
    @hub.orchestrator
    def wait(context):
        yield context.wait_for_external_event("never")

    return wait


def test_the_clock_does_not_jump_while_an_activity_runs():
    clock = df.VirtualClock()
    with df.TaskHub(":memory:", clock=clock) as hub:
        may_end = threading.Event()

        @hub.activity
        def work():
            assert may_end.wait(20)
            return clock.now().isoformat()

        @hub.orchestrator
        def race(context):
            timer = context.create_timer(context.current_utc_datetime + timedelta(days=1))
            call = context.call_activity(work)
            winner = yield context.task_any([timer, call])
            return "timer" if winner is timer else winner.result

        handle = hub.start(race)
        threading.Timer(0.1, may_end.set).start()
        assert handle.result(timeout=20) == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize("mode", ["kernel", "threads"])
def test_a_clock_that_does_not_jump_is_moved_by_hand(mode):
    clock = df.VirtualClock(autojump=False)
    with df.TaskHub(":memory:", mode=mode, clock=clock) as hub:
        handle = hub.start(_sleeper(hub))
        while mode == "kernel" and hub.step():
            pass
        clock.advance(hours=71, minutes=59)
        with pytest.raises(df.WaitTimeoutError):
            handle.result(timeout=0.3)
        clock.advance(minutes=1)
        assert handle.result(timeout=20) == 72


def test_a_clock_that_is_set_back_fires_no_timer_early_and_none_twice():
    clock = df.VirtualClock(autojump=False)
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:
        handle = hub.start(_sleeper(hub))
        while hub.step():
            pass
        clock.advance(hours=-24)
        clock.advance(hours=72)
        with pytest.raises(df.WaitTimeoutError):
            handle.result()
        clock.advance(hours=24)
        assert handle.result() == 72
        fired = [event for event in handle.history() if type(event).__name__ == "TimerFired"]
        assert len(fired) == 1


class HeldSet(set):
    """Removes a member only when it may, as if the thread that does so were slow."""

    def __init__(self):
        super().__init__()
        self.is_asked, self.may_remove = threading.Event(), threading.Event()

    def discard(self, member):
        self.is_asked.set()
        assert self.may_remove.wait(20)
        super().discard(member)


@pytest.fixture
def hub():
    with df.TaskHub(":memory:", clock=df.VirtualClock()) as hub:

        @hub.orchestrator
        def go(context):
            return (yield context.wait_for_external_event("go"))

        @hub.orchestrator
        def sleep(context):
            yield context.create_timer(context.current_utc_datetime + timedelta(hours=context.get_input()))

        yield hub


def _turn(hub: df.TaskHub) -> None:
    """Return after a turn of the engine."""
    hub._engine.post(Wake())
    until(lambda: hub._engine.is_idle)


async def _awaited(handle: df.Handle) -> object:
    return await handle


WAITS = {
    "result": lambda handles: handles[0].result(),
    "as_completed": lambda handles: next(handles.as_completed()),
    "await": lambda handles: asyncio.run(_awaited(handles[0])),
    "stream": lambda handles: list(handles[0].stream()),
}


@pytest.mark.parametrize("wait", WAITS)
def test_the_clock_stands_once_the_awaited_result_is_there(hub, wait):
    hub._engine.waiters = waiters = HeldSet()
    began = hub.clock.now()
    far = hub.start("sleep", 72)
    others = hub.map("go", [None])
    thread = threading.Thread(target=WAITS[wait], args=[others])
    others[0].raise_event("go", 1)
    until(lambda: others[0].status().runtime_status == "Completed")
    thread.start()
    until(lambda: waiters)
    _turn(hub)  # the thread has not ended its wait
    assert hub.clock.now() == began
    assert far.status().runtime_status == "Running"
    waiters.may_remove.set()
    thread.join(20)
    assert not thread.is_alive()


def test_the_clock_stands_while_a_program_works_on_what_has_ended(hub):
    began = hub.clock.now()
    sleepers = hub.map("sleep", [1, 72])
    ended = sleepers.as_completed()
    assert next(ended) == sleepers[0]
    _turn(hub)
    assert hub.clock.now() == began + timedelta(hours=1)
    assert next(ended) == sleepers[1]
    assert hub.clock.now() == began + timedelta(hours=72)


def test_the_clock_stands_while_a_streamed_piece_is_taken(hub):
    hub._engine.waiters = waiters = HeldSet()
    began, is_read = hub.clock.now(), threading.Event()

    @hub.activity
    def talk():
        assert is_read.wait(20)
        df.current_activity().stream("a")

    @hub.orchestrator
    def speak(context):
        yield context.call_activity(talk)
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))

    pieces = hub.start(speak).stream()
    is_read.set()
    thread = threading.Thread(target=next, args=[pieces])
    thread.start()
    assert waiters.is_asked.wait(20)
    _turn(hub)  # the piece is taken, and the orchestration sleeps
    assert hub.clock.now() == began
    waiters.may_remove.set()
    thread.join(20)
    assert not thread.is_alive()
    assert not list(pieces)
    assert hub.clock.now() == began + timedelta(hours=1)


@contextmanager
def _before(engine, question, do):
    """Do something, once, just before the engine is asked this."""
    ask, left = getattr(type(engine), question), [do]

    def asked(self):
        if left:
            left.pop()()
        return ask.fget(self) if isinstance(ask, property) else ask(self)

    with patch.object(type(engine), question, property(asked) if isinstance(ask, property) else asked):
        yield


@pytest.mark.parametrize("question", ["jump_for_waiters", "can_continue"])
@pytest.mark.parametrize("wait", [lambda handle: handle.result(), lambda handle: list(handle.stream())])
def test_a_message_of_another_thread_ends_no_wait(question, wait):
    """In the mode "kernel", a thread that waits does the work, and so does one that asks something."""
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        handle = hub.start(_sleeper(hub))
        with _before(hub._engine, question, lambda: hub._engine.post(Wake())):
            wait(handle)
        assert handle.result() == 72


@pytest.mark.parametrize("question", ["jump_for_waiters", "can_continue"])
def test_a_wait_that_another_thread_ends_at_the_last_moment_has_its_result(question):
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        handle = hub.start(_waiting(hub))

        def end() -> None:
            handle.raise_event("never", 5)
            while hub.step():
                pass

        def end_elsewhere() -> None:
            thread = threading.Thread(target=end)
            thread.start()
            thread.join(20)

        with _before(hub._engine, question, end_elsewhere):
            assert handle.result() is None


def test_two_runs_on_virtual_clocks_have_the_same_ids_and_times():
    histories = []
    for _ in range(2):
        with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock(seed=7)) as hub:
            handle = hub.start(_sleeper(hub))
            handle.result()
            histories.append((handle.id, list(handle.history())))
    assert histories[0] == histories[1]


def test_a_naive_start_is_utc():
    assert df.VirtualClock(datetime(2030, 5, 1)).now() == datetime(2030, 5, 1, tzinfo=UTC)


def test_timers_fire_in_the_order_in_which_they_are_due_then_in_that_of_their_making():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.orchestrator
        def timers(context):
            began, fired = context.current_utc_datetime, []
            hours = [5, 1, 3, 1, 400 * 24, 3, 0, -5]
            waits = {context.create_timer(began + timedelta(hours=hour)): hour for hour in hours}
            while waits:
                winner = yield context.task_any(list(waits))
                fired.append([waits.pop(winner), (context.current_utc_datetime - began) / timedelta(hours=1)])
            return fired

        handle = hub.start(timers)
        fired = handle.result()
        assert [hour for hour, _ in fired] == sorted(hour for hour, _ in fired) or fired[0][0] in (0, -5)
        assert all(at >= hour for hour, at in fired)
        assert [at for hour, at in fired if hour > 0] == [1, 1, 3, 3, 5, 9600]


def test_timers_of_many_instances_fire_in_order():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        woken = []

        @hub.orchestrator
        def sleeper(context):
            seconds = context.get_input()
            yield context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))
            woken.append(seconds)

        delays = [(n * 7919) % 1000 for n in range(150)]
        handles = [hub.start(sleeper, seconds) for seconds in delays]
        for handle in handles:
            handle.result()
    assert woken == sorted(delays)


def test_a_cancelled_timer_neither_fires_nor_keeps_the_clock_going():
    clock = df.VirtualClock()
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:

        @hub.orchestrator
        def race(context):
            long = context.create_timer(context.current_utc_datetime + timedelta(days=365))
            short = context.create_timer(context.current_utc_datetime + timedelta(days=1))
            yield context.task_any([long, short])
            long.cancel()
            yield context.wait_for_external_event("go on")

        handle = hub.start(race)
        with pytest.raises(df.WaitTimeoutError):
            handle.result()
        assert clock.now() == datetime(2026, 1, 2, tzinfo=UTC)
        handle.raise_event("go on")
        handle.result()
        assert "TimerFired" not in [type(event).__name__ for event in handle.history()][8:]


def test_a_real_timer_fires_on_time_beside_a_busy_thread():
    with df.TaskHub(":memory:") as hub:

        @hub.orchestrator
        def nap(context):
            yield context.create_timer(context.current_utc_datetime + timedelta(seconds=0.2))

        handle = hub.start(nap)
        began = handle.status().created_time
        handle.result(timeout=20)
        took = (handle.history()[-1].timestamp - began).total_seconds()
        assert 0.2 <= took < 5  # a busy machine may take its time


def test_hundreds_of_waits_on_a_virtual_clock_are_never_forgotten():
    """Each wait ends: no wake-up gets lost between the engine, the committer and whoever waits."""
    with df.TaskHub(":memory:", clock=df.VirtualClock()) as hub:

        @hub.orchestrator
        def sleeper(context):
            for _ in range(2):
                yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))

        threads = [
            threading.Thread(target=lambda: [hub.start(sleeper).result(timeout=20) for _ in range(100)])
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(hub.instances(status="Completed")) == 300
