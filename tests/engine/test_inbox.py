"""The inbox: no message is lost from sight."""

import threading
import time
from queue import SimpleQueue

import pytest

import durablenb as df
from durablenb.engine import locks
from durablenb.engine.inbox import Inbox
from durablenb.engine.messages import Wake
from tests.waiting import until

PATIENCE = 30.0


def test_a_reason_is_not_given_while_a_message_may_remove_it(tmp_path):
    def waits(context):
        yield context.wait_for_external_event("go")

    with df.TaskHub(tmp_path / "hub.duckdb") as hub:
        hub.add_orchestrator(waits)
        hub.start("waits", instance_id="a")
    with df.TaskHub(tmp_path / "hub.duckdb") as hub:
        engine = hub._engine
        hub.handle("a").raise_event("go")
        assert "waits" in str(until(lambda: engine.obstacle("a")))
        engine._inbox._messages.append(Wake())  # as when the engine's thread isn't awake yet
        assert engine.obstacle("a") is None
        engine.post(Wake())
        assert until(lambda: engine.obstacle("a"))


def test_an_instance_that_runs_before_its_registration_is_read_lacks_nothing(tmp_path, monkeypatch):
    def waits(context):
        for _ in range(3):
            yield context.wait_for_external_event("go")

    with df.TaskHub(tmp_path / "hub.duckdb") as hub:
        hub.add_orchestrator(waits)
        hub.start("waits", instance_id="a")
    with df.TaskHub(tmp_path / "hub.duckdb") as hub:
        engine, handle = hub._engine, hub.handle("a")
        handle.raise_event("go")
        assert until(lambda: engine.obstacle("a"))
        with monkeypatch.context() as patched:
            patched.setattr(engine, "post", lambda message: None)  # as if it were still on its way
            hub.add_orchestrator(waits)
        handle.raise_event("go")
        with pytest.raises(df.WaitTimeoutError):  # it waits for an event, and not for code
            handle.result(1)
        handle.raise_event("go")
        assert handle.result(20) is None


def test_a_message_is_in_sight_at_the_moment_at_which_it_ends_a_wait(monkeypatch):
    seen = []

    class WatchedQueue(SimpleQueue):
        def get(self, *args, **kwargs):
            inbox.put(message)  # as another thread does, just now
            item = super().get(*args, **kwargs)
            seen.append(inbox.is_empty)
            return item

    monkeypatch.setattr(locks, "Queue", WatchedQueue)
    inbox, message = Inbox(), Wake()
    inbox.wait(PATIENCE)
    assert seen == [False]
    assert list(inbox.take(9)) == [message]
    assert inbox.is_empty


def test_a_wait_ends_with_a_message_of_another_thread_also_after_many_that_came_together():
    inbox, taken = Inbox(), []

    def take():
        while len(taken) < 2_000:
            inbox.wait(None)
            taken.extend(inbox.take(7))

    taker = threading.Thread(target=take, daemon=True)
    taker.start()
    for burst in range(1, 21):
        for _ in range(100):
            inbox.put(Wake())
        end = time.monotonic() + PATIENCE
        while len(taken) < 100 * burst and time.monotonic() < end:
            time.sleep(0)
        assert len(taken) == 100 * burst
    taker.join(PATIENCE)
    assert not taker.is_alive()


def test_a_wait_without_a_message_ends_in_time():
    inbox = Inbox()
    inbox.wait(0.001)
    assert inbox.is_empty
    inbox.put(Wake())
    inbox.wait(None)
    assert not inbox.is_empty
