"""Hubs, workers and schedulers that die: a result is recorded once, and what still ran isn't run again."""

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from distributed import Client, LocalCluster, SchedulerPlugin
from distributed.scheduler import KilledWorker

import durablenb as df
from durablenb.cluster.dask_scheduler import TOPIC
from tests.cluster.conftest import kept_tasks
from tests.cluster.hub_process import open_hub
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture
def wide():
    """A cluster with forty places."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=20, dashboard_address=":0", silence_logs=50, memory_limit=0
        ) as made,
        Client(made, set_as_default=False) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield client


def started_hub(path, address, folder, count, seconds):
    """Return a process with a hub that has started its orchestration, or goes on with it."""
    program = [sys.executable, "-m", "tests.cluster.hub_process", path, address, folder, count, seconds]
    process = subprocess.Popen([str(part) for part in program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "started\n"
    return process


def killed(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def processes(folder):
    """Return the processes in which each call has begun, in order."""
    return {int(path.name.split("-")[1]): path.read_text().split() for path in folder.glob("runs-*")}


def runs(folder):
    """Return how often each call has begun."""
    return Counter({n: len(began) for n, began in processes(folder).items()})


def ends(handle):
    """Return how many outcomes the journal has of each task."""
    outcomes = [
        event for event in handle.history() if type(event).__name__ in ("TaskCompleted", "TaskFailed")
    ]
    return Counter(event.task_id for event in outcomes)


def test_a_hub_that_was_killed_joins_the_forty_calls_that_still_run(wide, tmp_path):
    path = tmp_path / "hub.duckdb"
    address = wide.scheduler.address
    process = started_hub(path, address, tmp_path, 40, 60)
    until(lambda: len(runs(tmp_path)) == 40)
    time.sleep(0.5)
    killed(process)
    with open_hub(path, address) as hub:
        handle = hub.handle("one")
        until(lambda: handle.status().runtime_status == "Running")
        (tmp_path / "go on").touch()
        assert handle.result(timeout=60) == list(range(40))
        assert set(runs(tmp_path).values()) == {1}
        assert set(ends(handle).values()) == {1}
        completed = [event for event in handle.history() if type(event).__name__ == "TaskCompleted"]
        assert all((event.timestamp - event.started_at).total_seconds() > 0.4 for event in completed)
        tries = hub.sql("select attempt, task_id from activity_attempts").fetchall()
        assert {attempt for attempt, _ in tries} == {1}
        assert len(set(tries)) == len(tries)
        assert {event.worker for event in completed} == set(wide.scheduler_info()["workers"])
        lines = Counter(line.message for line in handle.logs() if line.name == "nap")
        assert set(lines) == {f"{word} {n}" for word in ("begins", "ends") for n in range(40)}
        until(lambda: kept_tasks(wide) == 0)


def test_what_ended_while_the_hub_was_away_is_taken_when_it_comes_back(wide, tmp_path):
    path = tmp_path / "hub.duckdb"
    address = wide.scheduler.address
    process = started_hub(path, address, tmp_path, 10, 60)
    until(lambda: len(runs(tmp_path)) == 10)
    killed(process)
    (tmp_path / "go on").touch()
    time.sleep(1)
    with open_hub(path, address) as hub:
        handle = hub.handle("one")
        assert handle.result(timeout=60) == list(range(10))
        assert set(runs(tmp_path).values()) == {1}
        ended = [event.timestamp for event in handle.history() if type(event).__name__ == "TaskCompleted"]
        begun = next(event for event in handle.history() if type(event).__name__ == "ExecutionCompleted")
        assert all((begun.timestamp - moment).total_seconds() > 0.3 for moment in ended)
        until(lambda: kept_tasks(wide) == 0)


def test_an_activity_that_ends_its_worker_fails_with_worker_lost_error(client, tmp_path):
    def poison(n):
        import os

        if n == 3:
            os._exit(1)
        return n

    with df.TaskHub(":memory:", executor=df.DaskExecutor(client)) as hub:
        hub.add_activity(poison, "work")

        @hub.orchestrator
        def main(context):
            calls = [context.call_activity("work", n) for n in range(6)]
            found = []
            for call in calls:
                try:
                    found.append((yield call))
                except df.WorkerLostError as error:
                    found.append(str(error))
            return found

        found = hub.run(main)
        assert "'work'" in found[3]
        assert "3 workers were lost" in found[3]
        assert "tcp://" in found[3]
        assert found[:3] + found[4:] == [0, 1, 2, 4, 5]


def test_a_call_that_lost_its_worker_knows_its_attempt_and_its_checkpoint(client):
    def twice(_):
        import os
        import time

        activity = df.current_activity()
        if activity.attempt == 1:
            activity.checkpoint("half")
            print("the first one")
            time.sleep(1)
            os._exit(1)
        print("the second one")
        return activity.attempt, activity.last_checkpoint

    with df.TaskHub(":memory:", executor=df.DaskExecutor(client)) as hub:
        hub.add_activity(twice)
        hub.add_orchestrator(lambda context: (yield context.call_activity("twice", 1)), "main")
        assert hub.run("main", instance_id="one") == (2, "half")
        assert hub.sql("select attempt from activities where instance_id = 'one'").fetchall() == [(2,)]
        lines = [(line.attempt, line.message) for line in hub.handle("one").logs()]
        assert lines == [(1, "the first one"), (2, "the second one")]


def test_an_error_of_an_earlier_run_that_comes_late_runs_nothing_again(client, tmp_path):
    with open_hub(tmp_path / "hub.duckdb", client) as hub:
        handle = hub.start("fan", [[str(tmp_path), 0, 60]])
        until(lambda: runs(tmp_path) == {0: 1})
        (key,) = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))

        async def fail():
            client._handle_task_erred(key, pickle.dumps(KilledWorker(key, None, 0)), None)
            assert client.futures[key].status == "error"

        client.sync(fail)
        until(lambda: key in client.futures and client.futures[key].status == "pending")
        (tmp_path / "go on").touch()
        assert handle.result(timeout=60) == [0]
        assert runs(tmp_path) == {0: 1}


def test_hubs_and_workers_are_killed_at_random(tmp_path):
    chance = random.Random(4)
    path = tmp_path / "hub.duckdb"
    with (
        LocalCluster(n_workers=2, threads_per_worker=4, dashboard_address=":0", silence_logs=50) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        dead = set()
        process = started_hub(path, cluster.scheduler_address, tmp_path, 40, 0.3)
        for _ in range(6):
            time.sleep(chance.uniform(0.3, 1.0))
            if process.poll() is not None:
                break
            if chance.random() < 0.5:
                killed(process)
                process = started_hub(path, cluster.scheduler_address, tmp_path, 40, 0.3)
            else:
                pids = list(client.run(os.getpid, on_error="ignore").values())
                if pids:
                    os.kill(pid := chance.choice(pids), signal.SIGKILL)
                    dead.add(str(pid))
        if process.poll() is None:
            process.wait(100)
        assert process.stdout.read().strip() == str(list(range(40)))
        process.stdout.close()
    with open_hub(path, cluster.scheduler_address) as hub:
        handle = hub.handle("one")
        assert handle.result(timeout=60) == list(range(40))
        assert set(ends(handle).values()) == {1}
    # A worker that dies takes with it what ran there, and results that had not been fetched from it. However
    # long no hub fetched any, nothing else is run again.
    again = {n: began for n, began in processes(tmp_path).items() if not set(began[:-1]) <= dead}
    assert not again, f"{again} began in several processes; {dead} were killed"


def test_calls_run_on_while_the_connection_is_broken(wide, tmp_path):
    with open_hub(tmp_path / "hub.duckdb", wide) as hub:
        handle = hub.start("fan", [[str(tmp_path), n, 60] for n in range(3)])
        until(lambda: len(runs(tmp_path)) == 3)
        broken = wide.scheduler_comm.comm
        wide.loop.add_callback(broken.abort)
        until(lambda: broken.closed() and wide.status == "running")
        (tmp_path / "go on").touch()
        assert handle.result(timeout=60) == [0, 1, 2]
    assert set(runs(tmp_path).values()) == {1}


class Chatter(SchedulerPlugin):
    """Says something to a hub in the very moment in which a client connects."""

    name = "chatter"

    def __init__(self, hub_id):
        self._topic = TOPIC + hub_id

    def add_client(self, scheduler, client):
        scheduler.loop.add_callback(scheduler.log_event, self._topic, {"ended": []})


def test_a_message_while_the_client_connects_again_does_not_cut_it_off(wide, tmp_path):
    """Dask's client reads the first message of a connection alone; two of them would end its attempts."""
    with open_hub(tmp_path / "hub.duckdb", wide) as hub:
        handle = hub.start("fan", [[str(tmp_path), n, 60] for n in range(3)])
        until(lambda: len(runs(tmp_path)) == 3)
        wide.register_plugin(Chatter(hub._store.hub_id))
        broken = wide.scheduler_comm.comm
        wide.loop.add_callback(broken.abort)
        until(lambda: broken.closed() and wide.status == "running")
        (tmp_path / "go on").touch()
        assert handle.result(timeout=60) == [0, 1, 2]
        assert hub.start("fan", [[str(tmp_path), 3, 0]]).result(timeout=60) == [3]
    assert set(runs(tmp_path).values()) == {1}


def test_a_scheduler_that_is_started_again_gets_the_calls_again(tmp_path):
    from distributed.utils import open_port

    port = open_port("127.0.0.1")
    options = {"n_workers": 1, "threads_per_worker": 4, "dashboard_address": ":0", "silence_logs": 50}
    first = LocalCluster(scheduler_port=port, **options)
    with open_hub(tmp_path / "hub.duckdb", first.scheduler_address) as hub:
        handle = hub.start("fan", [[str(tmp_path), n, 60] for n in range(3)], instance_id="one")
        until(lambda: len(runs(tmp_path)) == 3)
        first.close()
        with LocalCluster(scheduler_port=port, **options):
            (tmp_path / "go on").touch()
            assert handle.result(timeout=60) == [0, 1, 2]
            assert set(ends(handle).values()) == {1}


def test_a_scheduler_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("durablenb.cluster.dask_executor.CONNECT_SECONDS", 0.5)
    with open_hub(tmp_path / "hub.duckdb", "tcp://127.0.0.1:9") as hub:
        handle = hub.start("fan", [[str(tmp_path), 0, 0]])
        with pytest.raises(df.ExecutorUnavailableError, match=r"Dask cluster can't be reached.*127.0.0.1:9"):
            handle.result(timeout=30)
