"""Calls of activities that have to report that they are alive."""

import asyncio
import concurrent.futures
import os
import time
from datetime import timedelta

import pytest

import durablenb as df
from durablenb.engine.time_limits import TimeLimits
from durablenb.model.events import TaskScheduled
from tests.calls import start_call
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("by_value")


@pytest.fixture
def clock():
    """Moved by hand while an activity runs."""
    return df.VirtualClock()


def reports(hub, column="reported_at"):
    """The number of calls that have reported something by now."""
    query = f"select count({column}) from activity_attempts where reported_at = ?"
    return hub.sql(query, [hub.clock.now().replace(tzinfo=None)]).fetchall()[0][0]


LOST = "counts as lost: it has reported nothing for its heartbeat_timeout of 60 s."


def test_progress_checkpoints_and_heartbeats_are_signs_of_life(clock):
    signs = {
        "progress": lambda activity: activity.progress(1, 3),
        "checkpoint": lambda activity: activity.checkpoint("here"),
        "heartbeat": lambda activity: activity.heartbeat(),
    }
    rounds = 0

    def live(sign, activity: df.ActivityContext):
        done = 0
        while not activity.is_cancelled:
            if done < rounds:
                done = rounds
                signs[sign](activity)
            time.sleep(0.002)

    with df.TaskHub(":memory:", clock=clock) as hub:
        hub.add_activity(live, heartbeat_timeout=timedelta(seconds=60))
        handles = [start_call(hub, "live", sign) for sign in signs]
        for rounds in (1, 2):  # noqa: B007  the activities look at it
            until(lambda: reports(hub) == len(signs))
            assert reports(hub, "done") == 1  # a heartbeat is no progress
            clock.advance(seconds=59)
        assert {handle.status().runtime_status.name for handle in handles} == {"Running"}
        clock.advance(seconds=1)
        assert [handle.result(20) for handle in handles] == [f"'live' {LOST}"] * 3


def test_a_call_that_was_silent_is_retried_from_its_checkpoint(clock):
    tries = []

    async def crawl(activity: df.ActivityContext):
        tries.append(activity.last_checkpoint)
        if activity.attempt == 3:
            return activity.last_checkpoint
        activity.checkpoint(activity.attempt)
        try:
            await asyncio.sleep(600)
        finally:
            tries.append("stopped")

    with df.TaskHub(":memory:", clock=clock, verify_replay=True) as hub:
        retry = df.RetryOptions(1_000, 3)
        handle = start_call(hub, hub.activity(crawl), retry=retry, heartbeat_timeout=60)
        for attempt in (1, 2):
            until(lambda: reports(hub, "checkpoint") == 1)
            clock.advance(seconds=60)
            until(lambda count=attempt: tries.count("stopped") == count)
            clock.advance(seconds=1)
        assert handle.result(20) == 2
        scheduled = [event for event in handle.history() if isinstance(event, TaskScheduled)]
        assert [event.heartbeat_timeout for event in scheduled] == [60, 60, 60]
    assert tries == [None, "stopped", 1, "stopped", 2]


def test_a_process_that_is_silent_is_killed(clock, tmp_path):
    def hang(path):
        (tmp_path / path).touch()
        time.sleep(600)

    with df.TaskHub(":memory:", clock=clock) as hub:
        hub.add_activity(hang, executor="processes", heartbeat_timeout=3_600)
        hub.add_activity(os.getpid, "pid", executor="processes")
        handle = start_call(hub, "hang", "begun", heartbeat_timeout=60)
        until((tmp_path / "begun").exists)
        clock.advance(seconds=60)
        assert handle.result(20) == f"'hang' {LOST}"
        assert start_call(hub, "pid").result(20)


def test_a_call_in_the_thread_that_drives_the_hub_is_not_lost(clock):
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:
        hub.add_activity(lambda: clock.advance(hours=1), "work", heartbeat_timeout=60)
        assert start_call(hub, "work").result() is None


def test_a_pool_that_passes_on_no_reports_does_not_get_the_call(caplog):
    with concurrent.futures.ProcessPoolExecutor(1) as pool, df.TaskHub(":memory:", executor=pool) as hub:
        hub.add_activity(lambda: "done", "work", heartbeat_timeout=60)
        handle = start_call(hub, "work")
        warning = "they have a heartbeat_timeout, and ProcessPoolExecutor passes on no reports"
        until(lambda: warning in caplog.text)
        hub.add_activity(lambda: "done", "work", heartbeat_timeout=60, executor="threads")
        assert handle.result(20) == "done"


@pytest.mark.parametrize("seconds", [0.1, 0.3, 1.1])
def test_silence_is_exceeded_when_its_check_is_due_whatever_floats_make_of_the_clock(seconds):
    for start in range(50):
        clock = df.VirtualClock()
        clock.advance(seconds=start / 7)
        began = clock.now()
        limits = TimeLimits(None, seconds, clock.stopwatch)
        assert limits.excess(began, clock.now()) is None
        clock.jump_to(limits.next_check(began, clock.now()))
        assert "counts as lost" in limits.excess(began, clock.now())
