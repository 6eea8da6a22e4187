"""A hub on a full disk says so, loses nothing that it had acknowledged, and goes on by itself."""

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

import durablenb as df
from durablenb.store.duckdb_store import DuckStore
from tests.waiting import until


class Disk:
    """Stands for the disk below DuckStore: full when it is told so."""

    def __init__(self, monkeypatch):
        self.is_full = False
        self.refused = 0
        append, purge = DuckStore.append, DuckStore.purge
        monkeypatch.setattr(DuckStore, "append", self._unless_full(append))
        monkeypatch.setattr(DuckStore, "purge", self._unless_full(purge))

    def _unless_full(self, method):
        def guarded(store, records):
            if self.is_full:
                self.refused += 1
                raise df.StoreError("Could not write to the file: No space left on device.")
            return method(store, records)

        return guarded


@pytest.fixture
def disk(monkeypatch):
    monkeypatch.setattr("durablenb.engine.committer.RETRY_SECONDS", 0.02)
    monkeypatch.setattr("durablenb.engine.committer.Committer.__init__.__defaults__", (0.02,))
    return Disk(monkeypatch)


def register(hub, runs):
    @hub.activity
    def work(n):
        runs.append(n)
        return n

    @hub.orchestrator
    def chain(context):
        done = []
        for n in range(5):
            done.append((yield context.call_activity("work", n)))
        return done

    @hub.orchestrator
    def waits(context):
        return (yield context.wait_for_external_event("go on"))


@pytest.mark.parametrize("mode", ["kernel", "threads"])
def test_every_call_that_would_write_says_that_it_could_not(tmp_path, disk, mode):
    with df.TaskHub(tmp_path / "hub.duckdb", mode=mode) as hub:
        register(hub, [])
        done, waiting = hub.start("chain", instance_id="done"), hub.start("waits", instance_id="waiting")
        assert done.result() == list(range(5))
        disk.is_full = True
        for call in (
            lambda: hub.start("chain"),
            lambda: hub.run("chain"),
            lambda: waiting.raise_event("go on", 1),
            waiting.suspend,
            waiting.resume,
            waiting.terminate,
            done.purge,
            done.restart,
            lambda: waiting.result(timeout=20),
        ):
            with pytest.raises(df.StoreError, match="No space left"):
                call()
        assert done.status().runtime_status == "Completed"  # reading works
        assert done.result() == list(range(5))
        assert hub.sql("select count(*) from instances").fetchall()[0][0] == 2
        disk.is_full = False
        until(lambda: hub._engine.committer.failure is None)
        assert hub.run("chain") == list(range(5))


@pytest.mark.parametrize("mode", ["kernel", "threads"])
def test_a_call_that_got_the_error_is_done_once_or_not_at_all(tmp_path, disk, mode):
    """Unknown, as the guarantees say; but whole, and not doubled by asking again."""
    with df.TaskHub(tmp_path / "hub.duckdb", mode=mode) as hub:
        register(hub, [])
        disk.is_full = True
        with pytest.raises(df.StoreError):
            hub.start("chain", instance_id="one")
        disk.is_full = False
        until(lambda: hub._engine.committer.failure is None)
        if not hub.client.get_status("one"):
            hub.start("chain", instance_id="one")
        handle = hub.handle("one")
        assert handle.result() == list(range(5))
        history = handle.history()
        assert [event.event_id for event in history] == list(range(1, len(history) + 1))
        assert sum(type(event).__name__ == "ExecutionStarted" for event in history) == 1


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_a_wait_in_the_middle_says_so_and_the_work_goes_on_by_itself(tmp_path, disk, executor):
    runs = []
    with df.TaskHub(tmp_path / "hub.duckdb", executor=executor) as hub:
        register(hub, runs)

        @hub.activity
        def fills_the_disk(n):
            disk.is_full = True
            return n

        @hub.orchestrator
        def fatal(context):
            first = yield context.call_activity("work", 1)
            second = yield context.call_activity("fills_the_disk", 2)
            return [first, second, (yield context.call_activity("work", 3))]

        handle = hub.start(fatal)
        with pytest.raises(df.StoreError, match="No space left"):
            handle.result(timeout=20)
        assert runs == [1]  # strict: the third was not begun, since its being asked for isn't on disk
        with pytest.raises(df.StoreError, match="No space left"):
            handle.result(timeout=20)
        disk.is_full = False
        until(lambda: hub._engine.committer.failure is None)
        assert handle.result(timeout=20) == [1, 2, 3]
        assert runs == [1, 3]


def test_the_kernel_goes_on_in_the_next_cell(tmp_path, disk):
    runs = []
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel", clock=df.VirtualClock()) as hub:
        register(hub, runs)
        handle = hub.start("chain")
        hub.step()
        hub.step()
        disk.is_full = True
        with pytest.raises(df.StoreError, match="No space left"):
            handle.result()
        with pytest.raises(df.StoreError, match="No space left"):
            handle.result()
        disk.is_full = False
        until(lambda: hub._engine.committer.failure is None)
        assert handle.result() == list(range(5))
        assert runs == list(range(5))


def test_nobody_learns_of_what_is_not_on_disk(tmp_path, disk):
    with df.TaskHub(tmp_path / "hub.duckdb") as hub:
        register(hub, [])
        handle = hub.start("waits")
        until(lambda: len(handle.history()) == 3)
        disk.is_full = True
        with pytest.raises(df.StoreError):
            handle.raise_event("go on", 1)
        until(lambda: disk.refused)
        assert handle.status().runtime_status == "Running"
        assert len(handle.history()) == 3
        disk.is_full = False
        committer = hub._engine.committer
        until(lambda: committer.failure is None and committer.is_idle)
        # What was refused was kept, and is written now; or it is gone, and can be raised again.
        if "EventRaised" not in {type(event).__name__ for event in handle.history()}:
            handle.raise_event("go on", 1)
        assert handle.result(timeout=20) == 1


@pytest.mark.parametrize("mode", ["kernel", "threads"])
def test_the_results_of_many_that_have_ended_can_be_read_on_a_full_disk(tmp_path, disk, mode):
    hub = df.TaskHub(tmp_path / "hub.duckdb", mode=mode)
    register(hub, [])
    handles = hub.map("chain", [None, None])
    assert handles.results(20) == [list(range(5))] * 2
    waiting = hub.start("waits", instance_id="waiting")
    disk.is_full = True
    with pytest.raises(df.StoreError):
        waiting.raise_event("go on", 1)
    assert handles.results(20) == [list(range(5))] * 2
    with pytest.raises(df.StoreError):
        df.Handles(hub, [*handles.ids, "waiting"]).results(20)
    disk.is_full = False
    until(lambda: hub._engine.committer.failure is None)
    assert df.Handles(hub, ["waiting", handles.ids[0]]).results(20) == [1, list(range(5))]
    hub.close()


@pytest.mark.parametrize("mode", ["kernel", "threads"])
def test_a_hub_that_is_closed_on_a_full_disk_says_so_and_goes_on_when_it_is_opened_again(
    tmp_path, disk, mode
):
    runs = []
    hub = df.TaskHub(tmp_path / "hub.duckdb", mode=mode)
    register(hub, runs)
    assert hub.start("chain", instance_id="done").result() == list(range(5))
    hub.start("waits", instance_id="waiting")
    disk.is_full = True
    with pytest.raises(df.StoreError):
        hub.client.raise_event("waiting", "go on", 1)
    with pytest.raises(df.StoreError, match="No space left"):
        hub.close()
    hub.close()
    disk.is_full = False
    before = list(runs)
    with df.TaskHub(tmp_path / "hub.duckdb", mode=mode) as again:
        register(again, runs)
        assert again.handle("done").result() == list(range(5))
        assert again.handle("waiting").status().runtime_status in ("Pending", "Running")
        again.client.raise_event("waiting", "go on", 2)
        assert again.handle("waiting").result(timeout=20) == 2
    assert runs == before


def test_threads_end_when_a_hub_is_closed_on_a_full_disk(tmp_path, disk):
    before = set(threading.enumerate())
    hub = df.TaskHub(tmp_path / "hub.duckdb")
    register(hub, [])
    disk.is_full = True
    with pytest.raises(df.StoreError):
        hub.run("chain")
    with pytest.raises(df.StoreError):
        hub.close()
    assert set(threading.enumerate()) <= before


# -- a limit of the system's, below a whole process ---------------------------------------------------

LIMITED = """
    import resource, signal, sys, time
    import durablenb as df

    path = sys.argv[1]
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hub = df.TaskHub(path)
    runs = []

    @hub.activity
    def work(n):
        runs.append(n)
        return "x" * 2_000

    @hub.orchestrator
    def chain(context):
        for n in range(5):
            yield context.call_activity("work", n)
        return "done"

    acknowledged = []
    handle = hub.start(chain, instance_id="before")
    assert handle.result() == "done"
    acknowledged.append("before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    for n in range(500):
        try:
            hub.run(chain, instance_id=f"i{n}")
            acknowledged.append(f"i{n}")
        except df.StoreError as error:
            refusal = str(error)
            break
    else:
        raise SystemExit("the limit was never reached")
    assert "ould not write" in refusal, refusal
    assert hub.handle("before").result() == "done"
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    deadline = time.monotonic() + 20
    while True:
        try:
            assert hub.run(chain, instance_id="after") == "done"
            break
        except df.StoreError as error:
            assert time.monotonic() < deadline, error
            time.sleep(0.05)
        except df.InstanceExistsError:
            assert hub.handle("after").result(timeout=20) == "done"
            break
    for one in acknowledged:
        assert hub.handle(one).result() == "done", one
    hub.close()
    with df.TaskHub(path, mode="kernel") as hub:
        hub.add_activity(work)
        hub.add_orchestrator(chain)
        for one in [*acknowledged, "after"]:
            assert hub.handle(one).result() == "done", one
        for status in hub.instances():
            history = hub.handle(status.instance_id).history()
            assert [event.event_id for event in history] == list(range(1, len(history) + 1))
    print(len(acknowledged) > 2)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_a_process_that_may_write_no_more_goes_on_once_it_may(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIMITED), tmp_path / "hub.duckdb"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n"
