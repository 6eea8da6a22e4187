"""Reports of running activities are visible at once: in tables, in `handle.progress()`, and remotely."""

import threading
import time

import pytest

import durablenb as df
from durablenb.engine import running_activity
from durablenb.notebook.still.progress import progress_card, progress_line, progress_text
from tests.calls import start_call
from tests.waiting import until

SQL = "select name, attempt, done, total, note, worker, started is not null from activities order by task_id"


class Steps:
    """Lets an activity of a thread pass from one step to the next."""

    def __init__(self):
        self._steps = [threading.Event() for _ in range(9)]

    def reach(self, step):
        assert self._steps[step].wait(60)

    def allow(self, step):
        self._steps[step].set()


@pytest.fixture
def steps():
    made = Steps()
    yield made
    for step in range(9):
        made.allow(step)


@pytest.fixture
def running(hub_of_threads, steps):
    """An instance whose two activities run, and have reported how far they are."""
    hub = hub_of_threads

    @hub.activity
    def load(pages: int, activity: df.ActivityContext):
        activity.progress(3, pages, "page three")
        steps.reach(0)
        for page in range(4, pages + 1):
            activity.progress(page, pages)
        steps.reach(1)

    @hub.activity
    def silent(_):
        steps.reach(1)

    @hub.orchestrator
    def main(context):
        yield context.task_all([context.call_activity(load, 10), context.call_activity(silent)])

    return hub.start(main, instance_id="one")


@pytest.fixture
def hub_of_threads(tmp_path):
    with df.TaskHub(tmp_path / "hub.duckdb") as hub:
        yield hub


def rows(hub):
    return hub.sql(SQL).fetchall()


def test_the_bar_of_a_running_call_ends_no_earlier_than_it_begins(running):
    query = "select name, status, started <= ended from timeline('one') order by span_id"
    until(lambda: rows(running.hub)[0][-1])
    assert running.hub.sql(query).fetchall() == [("load", "Pending", True), ("silent", "Pending", True)]


def test_a_short_call_is_still_seen_when_its_report_was_written(monkeypatch, running):
    monkeypatch.setattr("durablenb.engine.attempt_writer.SHORT_SECONDS", 600.0)
    writer = running.hub._engine.attempt_writer
    until(lambda: writer.running("one"))
    writer.flush(lambda: True)
    assert "load" in [call.name for call in writer.running("one")]


def test_a_running_call_is_in_the_table_with_its_start_its_worker_and_its_progress(running, steps):
    hub = running.hub
    first = until(lambda: [row for row in rows(hub) if row[2] is not None])
    assert first == [("load", 1, 3.0, 10.0, "page three", first[0][5], True)]
    assert first[0][5].startswith("thread-")
    second = until(lambda: [row for row in rows(hub) if row[0] == "silent" and row[6]])
    assert second[0][2:5] == (None, None, None)
    steps.allow(0)
    until(lambda: [row for row in rows(hub) if row[2:5] == (10.0, 10.0, None)])
    steps.allow(1)
    running.wait()
    assert [row[2] for row in rows(hub)] == [10.0, None]


def test_the_progress_of_the_instance_has_it_and_loses_it_at_the_end(running, steps):
    progress = running.progress()
    until(lambda: progress._shown().running and progress._shown().running[0].done)

    shown = progress._shown()
    assert "load #0 3 of 10 (30%), page three" in progress_line(shown, 200)
    assert "3 of 10 (30%)" in progress_text(shown)
    assert "page three" in progress_card(shown)
    steps.allow(0)
    steps.allow(1)
    progress.result()
    assert progress._shown().running == ()


def test_a_remote_hub_sees_it_too(running, steps):
    with running.hub.serve() as server, df.TaskHub.connect(server.url, key=server.key) as remote:
        handle = remote.handle("one")
        shown = until(lambda: handle.progress()._shown().running)
        assert (shown[0].name, shown[0].done, shown[0].note) == ("load", 3.0, "page three")


def test_two_hubs_at_once_each_have_their_own(steps):
    def work(count: int, activity: df.ActivityContext):
        activity.progress(count)
        steps.reach(0)

    with df.TaskHub(":memory:") as one, df.TaskHub(":memory:") as other:
        for hub, count in ((one, 1), (other, 2)):
            start_call(hub, hub.activity(work), count)
        for hub, count in ((one, 1.0), (other, 2.0)):
            found = until(lambda hub=hub: [row[2:4] for row in rows(hub) if row[2] is not None])
            assert found == [(count, None)]
        steps.allow(0)


def test_from_processes_as_well(tmp_path):
    def work(activity: df.ActivityContext):
        activity.progress(5, 20, "in a process")
        while not (tmp_path / "go").exists():
            time.sleep(0.01)

    with df.TaskHub(":memory:", executor="processes") as hub:
        handle = start_call(hub, hub.activity(work))
        until(lambda: [row for row in rows(hub) if row[2:5] == (5.0, 20.0, "in a process")])
        (tmp_path / "go").touch()
        handle.wait()


def test_many_reports_are_few_writes(monkeypatch):
    def work(count: int, activity: df.ActivityContext):
        began = time.monotonic()
        for n in range(count):
            activity.progress(n + 1, count)
        return time.monotonic() - began

    with df.TaskHub(":memory:") as hub:
        written = []
        put = hub._engine.store.put_attempts
        monkeypatch.setattr(hub._engine.store, "put_attempts", lambda rows: (written.extend(rows), put(rows)))
        seconds = start_call(hub, hub.activity(work), 100_000).result()
        until(lambda: rows(hub)[0][2] == 100_000)
    assert len(written) <= 2 + seconds / running_activity.PAUSE_SECONDS


def test_a_short_call_that_reports_nothing_is_not_written():
    with df.TaskHub(":memory:") as hub:
        hub.add_activity(lambda x: x, name="short")
        for n in range(20):
            start_call(hub, "short", n).result()
        assert hub.sql("select count(*) from activity_attempts").fetchall() == [(0,)]


def test_a_purge_takes_the_tries_along_even_of_a_call_that_still_runs(running, steps):
    hub = running.hub
    until(lambda: [row for row in rows(hub) if row[2] is not None])
    running.terminate()
    running.purge()
    steps.allow(0)
    steps.allow(1)
    hub.run(hub.orchestrator(lambda context: 1, name="other"))
    hub._engine.attempt_writer.flush(lambda: True)
    assert hub.sql("select count(*) from activity_attempts").fetchall() == [(0,)]


def test_notes_are_redacted_and_checkpoints_too():
    def redact(kind, tree):
        return {"log": "…", "checkpoint": "hidden"}.get(kind, tree)

    with df.TaskHub(":memory:", redact=redact) as hub:

        @hub.activity
        def work(activity: df.ActivityContext):
            activity.progress(1, 2, "of the customer 4711")
            activity.checkpoint("4711")
            if activity.attempt == 1:
                raise ValueError
            return activity.last_checkpoint

        assert start_call(hub, work, retry=df.RetryOptions(1, 2)).result() == "hidden"
        hub._engine.attempt_writer.flush(lambda: True)
        assert {row[4] for row in rows(hub)} == {"…"}


def test_a_full_disk_harms_no_call(monkeypatch, caplog):
    def full(rows):
        raise df.StoreError("the disk is full")

    def work(activity: df.ActivityContext):
        for n in range(5):
            activity.progress(n)
            activity.checkpoint(n)
        return "done"

    with df.TaskHub(":memory:") as hub:
        monkeypatch.setattr(hub._engine.store, "put_attempts", full)
        hub.add_activity(work)
        assert [start_call(hub, "work").result() for _ in range(2)] == ["done", "done"]
        hub._engine.attempt_writer.flush(lambda: True)
    assert [one.message for one in caplog.records if "Progress" in one.message] == [
        "Progress and checkpoints of activities can't be written: the disk is full"
    ]
