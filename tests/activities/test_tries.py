"""Tries of a call: what the next one knows of those before it, after failures, interrupts and crashes."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import durablenb as df
from tests.calls import start_call

WORKER = """
import asyncio, sys, time
import durablenb as df

ON_DISK = '''select count(*) from activity_attempts
    where attempt = ? and done = checkpoint::double and done % 10 = 0'''

hub = df.TaskHub(sys.argv[1])

def tens(limit, activity):
    begin = activity.last_checkpoint or 0
    print(activity.attempt, begin, activity.key, flush=True)
    for n in range(begin + 1, limit + 1):
        activity.checkpoint(n)
        activity.progress(n, limit)
        if n % 10 == 0 and n < limit:
            yield n

@hub.activity
def thread(limit: int, activity: df.ActivityContext):
    begin = activity.last_checkpoint
    for _ in tens(limit, activity):
        time.sleep(600)
    return [activity.attempt, begin]

@hub.activity(executor="processes")
def process(limit: int, activity: df.ActivityContext):
    begin = activity.last_checkpoint
    for _ in tens(limit, activity):
        time.sleep(600)
    return [activity.attempt, begin]

@hub.activity
async def coroutine(limit: int, activity: df.ActivityContext):
    begin = activity.last_checkpoint
    for _ in tens(limit, activity):
        await asyncio.sleep(600)
    return [activity.attempt, begin]

@hub.orchestrator
def main(context):
    calls = [context.call_activity(name, 25) for name in ("thread", "process", "coroutine")]
    return (yield context.task_all(calls))

handle = hub.start(main, instance_id="one", if_exists="attach")
if sys.argv[2] != "end":
    while hub.sql(ON_DISK, params=[int(sys.argv[2])]).fetchall() != [(3,)]:
        time.sleep(0.01)
    print("on disk", flush=True)
    time.sleep(600)
print(handle.result())
"""


def begun(path, name):
    """The number, the checkpoint and the key that each try of an activity printed when it began."""
    with df.open_history(path) as file:
        return [line.message.split() for line in file.handle("one").logs(name=name)]


@pytest.mark.timeout(300)
def test_after_a_kill_the_next_try_has_the_next_number_the_checkpoint_and_the_same_key(tmp_path):
    path, script = tmp_path / "hub.duckdb", tmp_path / "worker.py"
    script.write_text(WORKER)
    program = [sys.executable, str(script), str(path)]
    for attempt in ("1", "2"):  # is killed once the tries have a checkpoint at a multiple of ten
        with subprocess.Popen([*program, attempt], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert "on disk\n" in process.stdout
            os.kill(process.pid, signal.SIGKILL)
    with df.open_history(path) as file:
        query = "select distinct attempt, retry, done, total, checkpoint from activity_attempts order by all"
        assert file.sql(query).fetchall() == [(1, 1, 10.0, 25.0, "10"), (2, 1, 20.0, 25.0, "20")]
    last = subprocess.run([*program, "end"], capture_output=True, text=True, check=True)
    assert last.stdout.strip() == "[[3, 20], [3, 20], [3, 20]]"
    for name in ("thread", "process", "coroutine"):
        tries = begun(path, name)
        assert [line[:2] for line in tries] == [["1", "0"], ["2", "10"], ["3", "20"]]
        assert len({key for _, _, key in tries}) == 1


def test_a_retry_gets_the_checkpoint_of_the_last_try_that_made_one(called):
    def work(x):
        activity = df.current_activity()
        seen = activity.last_checkpoint or []
        if activity.attempt != 2:
            activity.checkpoint([*seen, activity.attempt])
        if activity.attempt < 4:
            raise ValueError(x)
        return seen

    assert called(work, 1, df.RetryOptions(1, 5)) == [1, 3]


def test_a_checkpoint_may_be_an_array(called):
    def work(x):
        activity = df.current_activity()
        if activity.attempt == 1:
            activity.checkpoint({"weights": np.arange(100_000)})
            raise ValueError(x)
        return activity.last_checkpoint["weights"]

    assert np.array_equal(called(work, 1, df.RetryOptions(1, 5)), np.arange(100_000))


def test_a_checkpoint_that_cannot_be_kept_fails_where_it_is_made(called):
    def work(x):
        df.current_activity().checkpoint(object())

    with pytest.raises(df.NotSerializableError, match="object"):
        called(work)


def test_a_rewind_goes_on_from_the_checkpoint_with_the_next_number():
    with df.TaskHub(":memory:") as hub:

        @hub.activity
        def work(activity: df.ActivityContext):
            activity.checkpoint(activity.attempt)
            if activity.attempt < 3:
                raise ValueError("not yet")
            return activity.attempt, activity.last_checkpoint

        handle = start_call(hub, work)
        for _ in range(2):
            handle.wait()
            hub._engine.attempt_writer.flush(lambda: True)
            handle.rewind()
        assert handle.result() == (3, 2)


def test_an_interrupt_ends_a_try_and_the_same_cell_makes_the_next():
    with df.TaskHub(":memory:", mode="kernel") as hub:

        @hub.activity
        def work(activity: df.ActivityContext):
            if activity.attempt == 1:
                activity.checkpoint("before the stop button")
                raise KeyboardInterrupt
            return activity.attempt, activity.last_checkpoint

        handle = start_call(hub, work)
        with pytest.raises(KeyboardInterrupt):
            handle.result()
        assert handle.result() == (2, "before the stop button")
        assert hub.sql("select attempt from activities").fetchall() == [(2,)]  # however short it was


def test_the_thread_that_sends_reports_ends_when_there_are_none():
    from durablenb.engine import running_activity

    sender = running_activity._Sender()
    assert sender._thread is None
    with df.TaskHub(":memory:") as hub:
        hub.add_activity(lambda x: df.current_activity().progress(1), name="work")
        start_call(hub, "work").result()
    thread = running_activity._sender._thread
    if thread is not None:
        thread.join(30)
    assert not [one for one in threading.enumerate() if one.name == "durablenb-reports"]
