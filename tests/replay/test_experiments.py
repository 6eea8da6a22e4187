"""Experiments on copies of a history: what the code does, and that nothing else happens."""

from __future__ import annotations

import gc
import hashlib
import queue
import subprocess
import sys
import threading

import pytest

import durablenb as df
from durablenb.engine.messages import Watch
from durablenb.hub import replay as replaying
from durablenb.model.events import EntityUnlockSent, TaskScheduled
from tests.notebook.scenes import SCENES, stage


def fingerprint(hub: df.TaskHub) -> str:
    """A hash of all that is kept: events and lines of logs."""
    kept = hub.sql("select * from history order by seq").fetchall(), hub.sql("select * from logs").fetchall()
    return hashlib.sha256(repr(kept).encode()).hexdigest()


def shop(calls=None):
    """A hub in which an order is paid and shipped; what is called is noted."""
    hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    calls = [] if calls is None else calls

    @hub.activity
    def charge(amount):
        calls.append(("charge", amount))
        return {"paid": amount}

    @hub.activity
    def ship(order):
        calls.append(("ship", order))
        return f"{order} is shipped"

    @hub.orchestrator
    def order(context):
        receipt = yield context.call_activity(charge, 42)
        if receipt["paid"] < 42:
            return "not enough"
        return (yield context.call_activity(ship, "order-1"))

    handle = hub.start(order, instance_id="order-1")
    handle.result()
    return hub, handle, calls


def ends(replay):
    return [type(event).__name__ for event in replay.trace.events]


def test_an_event_that_is_missing_leaves_the_code_waiting_where_the_history_goes_on():
    _, handle, _ = shop()
    copy = handle.replay().without(4)
    assert not copy.fits
    assert copy.steps()[-1].verdict == "mismatch"
    assert "requested is nothing more" in copy.steps()[-1].sentence
    assert copy.changes == ("event 4 (TaskCompleted #0) is left out",)
    with pytest.raises(df.NonDeterminismError, match="no longer fits its history"):
        copy.resumed()


def test_an_answer_that_comes_twice_changes_nothing():
    _, handle, _ = shop()
    replay = handle.replay()
    copy = replay.twice(4)
    assert copy.fits
    assert [step.line for step in copy.steps()] == [step.line for step in replay.steps()]
    assert copy.reached == replay.reached


def test_answers_that_come_in_another_order_give_the_same_results():
    made = stage()
    handle = SCENES["fanned"](made)
    replay = handle.replay()
    answers = replay.steps()[0].answers
    copy = replay.swapped(answers[0], answers[5])
    assert copy.fits
    assert copy.steps()[-1].sentence == replay.steps()[-1].sentence


def test_another_result_shows_where_the_code_would_have_gone():
    _, handle, _ = shop()
    copy = handle.replay().edited(4, result={"paid": 1})
    last = copy.steps()[-1]
    assert last.verdict == "mismatch"
    recorded = copy.event(last.requests[-1])
    assert isinstance(recorded, TaskScheduled)
    assert recorded.name == "ship"
    assert "requested is ExecutionCompleted" in last.sentence


def test_a_result_may_become_a_failure_and_a_failure_a_result():
    _, handle, _ = shop()
    failed = handle.replay().edited(4, error=ValueError("no money")).until(4)
    assert ends(failed)[-1] == "TaskFailed"
    with pytest.raises(ValueError, match="no money"):
        failed.resumed().result()
    mended = failed.edited(4, result={"paid": 42})
    assert ends(mended)[-1] == "TaskCompleted"
    assert mended.resumed().result() == "order-1 is shipped"


def test_changes_add_up_and_copies_are_numbered_anew():
    _, handle, _ = shop()
    replay = handle.replay()
    copy = replay.twice(4).without(4).edited(4, result={"paid": 43})
    assert len(copy.changes) == 3
    assert [event.event_id for event in copy.trace.events] == list(range(1, len(replay.trace.events) + 1))
    assert replay.changes == ()
    assert replay.event(4).result == '{"paid": 42}'
    assert repr(copy).endswith("a copy with 3 changes>")
    assert "This is a copy: event 4 (TaskCompleted #0) is there twice;" in str(copy)
    assert str(replay.without(4)).splitlines()[1].endswith("The journal is as it was.")


@pytest.mark.parametrize(("event_id", "given", "message"), [
    (4, {}, "Expected one change"),
    (4, {"result": 1, "error": "no"}, "Expected one change"),
    (2, {"result": 1}, r"event 2 \(OrchestratorStarted\) has no result. There is nothing to change in it"),
    (4, {"input": 1}, "It has result and error"),
    (3, {"result": 1}, "It has input and name"),
])  # fmt: skip
def test_what_cannot_be_edited_is_said_with_what_can(event_id, given, message):
    _, handle, _ = shop()
    with pytest.raises(ValueError, match=message):
        handle.replay().edited(event_id, **given)


def test_an_execution_has_to_begin_and_an_event_has_to_be_there():
    _, handle, _ = shop()
    replay = handle.replay()
    for change in (replay.without, replay.twice, lambda one: replay.swapped(one, 4)):
        with pytest.raises(ValueError, match="what the execution begins with"):
            change(1)
        with pytest.raises(LookupError, match="There is no event 99 in this history of 9 events"):
            change(99)


# -- going on ------------------------------------------------------------------------------------


def test_a_copy_that_goes_on_runs_what_is_missing_and_nothing_else():
    _, handle, calls = shop()
    calls.clear()
    again = handle.replay().until(4).resumed()
    assert calls == []
    assert again.result() == "order-1 is shipped"
    assert calls == [("ship", "order-1")]


def test_a_crash_in_the_middle_of_an_episode_is_one_after_it():
    _, handle, _ = shop()
    replay = handle.replay()
    assert ends(replay.until(5)) == ends(replay.until(6))
    assert replay.until(5).changes == ("it ends with event 6 (TaskScheduled 'ship' #1)",)


@pytest.mark.parametrize("name", ["approved", "failed", "fanned", "retried", "refused", "looped"])
def test_a_copy_can_go_on_from_every_event(name):
    made = stage()
    handle = SCENES[name](made)
    wanted = str(handle.status().runtime_status)
    replay = handle.replay()
    before = fingerprint(made.hub)
    for event in replay.trace.events[:: max(len(replay.trace.events) // 5, 1)]:
        again = replay.until(event.event_id).resumed()
        assert str(again.wait().runtime_status) == wanted
    assert fingerprint(made.hub) == before


def test_a_copy_that_goes_on_asks_children_and_entities_again():
    made = stage()
    handle = SCENES["failed"](made)
    again = handle.replay().until(5).resumed()
    again.wait()
    assert [type(event).__name__ for event in again.history()] == ends(handle.replay())
    called = SCENES["refused"](made).replay().until(3).resumed()
    with pytest.raises(df.TaskFailedError, match="300 is more than 100"):
        called.result()


def test_a_copy_does_not_go_on_in_a_critical_section():
    made = stage()
    replay = SCENES["transferred"](made).replay()
    unlocked = next(event.event_id for event in replay.trace.events if isinstance(event, EntityUnlockSent))
    with pytest.raises(ValueError, match="ends in a critical section"):
        replay.until(unlocked - 4).resumed()
    assert replay.until(unlocked).resumed().result() is not None


def test_a_copy_that_waits_can_be_sent_events_and_its_clock_jumps():
    made = stage()
    handle = SCENES["waiting"](made)
    assert handle.replay().resumed().result() == "too late"
    again = handle.replay().resumed()
    again.raise_event("Approval", 17)
    assert again.result() == 17
    assert str(handle.status().runtime_status) == "Running"


def test_large_values_of_the_journal_are_there_for_a_copy():
    hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())

    @hub.activity
    def make(size):
        return b"x" * size

    @hub.activity
    def measure(value):
        return len(value)

    @hub.orchestrator
    def work(context):
        large = yield context.call_activity(make, 300_000)
        other = yield context.call_activity(make, 400_000)
        return (yield context.call_activity(measure, large + other))

    handle = hub.start(work, instance_id="w")
    handle.result()
    assert handle.replay().until(4).resumed().result() == 700_000


def test_the_hub_of_a_copy_is_closed_when_nobody_holds_it_by_a_thread_that_holds_nothing(monkeypatch):
    """The collector finds that out in the middle of anything: closing there would wait for itself."""
    _, handle, _ = shop()
    close, closed = replaying._close, queue.SimpleQueue()

    def noted(engine):
        close(engine)
        closed.put((engine, threading.current_thread()))

    monkeypatch.setattr(replaying, "_close", noted)
    again = handle.replay().until(4).resumed()
    again.result()
    engine = again.hub._control.engine
    assert engine.committer.is_running
    del again
    gc.collect()
    while (found := closed.get(timeout=20))[0] is not engine:
        pass  # an earlier test's
    assert found[1] is not threading.current_thread()
    assert not engine.committer.is_running
    with pytest.raises(df.StoreError, match="closed"):
        engine.ask(Watch("order")).result()


@pytest.mark.parametrize(
    "name", ["pending", "approved", "retried", "failed", "transferred", "continued", "fanned"]
)
def test_looking_and_trying_leave_the_journal_as_it_is(name):
    made = stage()
    handle = SCENES[name](made)
    before = fingerprint(made.hub)
    replay = handle.replay()
    str(replay)
    for event in replay.trace.events[1:6]:
        replay.without(event.event_id)
        replay.twice(event.event_id)
        replay.until(event.event_id)
    assert fingerprint(made.hub) == before


ENDS_WHILE_A_COPY_IS_CLOSED = """
import atexit, gc, threading
import durablenb as df
from durablenb.hub import replay

begun, ends, close = threading.Event(), threading.Event(), replay._close

def late(engine):
    begun.set()
    ends.wait()
    close(engine)
    print("closed", flush=True)

replay._close = late
hub = df.TaskHub(":memory:")

@hub.orchestrator
def one(context):
    return (yield context.task_all([])) or 1

handle = hub.start(one)
handle.result()
copy = handle.replay().resumed()
copy.result()
del copy
gc.collect()
begun.wait()
atexit.register(ends.set)
"""


def test_a_process_ends_after_the_copy_that_is_being_closed():
    """Python would stop the thread in the middle of DuckDB, and abort."""
    done = subprocess.run(
        [sys.executable, "-c", ENDS_WHILE_A_COPY_IS_CLOSED],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "closed\n"), done.stderr
