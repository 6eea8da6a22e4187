"""Activities on a Ray cluster: what is different from Dask, and that the shared parts work with Ray as well.

The module is collected on the Pythons for which Ray has wheels: conftest.py and the extra ``ray`` in
pyproject.toml have the same limit. There, a missing Ray is an error.
"""

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import ray

import durablenb as df
from durablenb.cluster.ray_keeper import CallKeeper
from durablenb.cluster.sent_parts import SentParts
from tests.waiting import until


@pytest.fixture(scope="module")
def cluster():
    """Ray on this machine, with two places; the process that a test kills connects to it as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # else workers wait for all other tests of the suite
        patch.setenv("RAY_raylet_start_wait_time_s", "100")  # of a busy machine
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray writes a token into the home folder
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        ray.init(
            "local", num_cpus=2, include_dashboard=False, object_store_memory=200_000_000, log_to_driver=False
        )
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()


def fan(context):
    name, inputs = context.get_input()
    return (yield context.task_all([context.call_activity(name, each) for each in inputs]))


@pytest.fixture(scope="module")
def hub(cluster):
    """One hub for most tests: Ray starts processes of its own for each hub, which takes seconds."""
    with hub_with() as made:
        yield made


def hub_with(path=":memory:", **options):
    hub = df.TaskHub(path, executor=df.RayExecutor(**options))
    hub.add_activity(wait_for_file)
    hub.add_orchestrator(fan)
    return hub


def keepers():
    """Return the names of the actors that keep calls."""
    return [actor["name"] for actor in ray.util.list_named_actors(all_namespaces=True)]


def completed(handle):
    ends = [event for event in handle.history() if type(event).__name__ == "TaskCompleted"]
    return sorted(ends, key=lambda event: event.task_id)


def wait_for_file(given):
    import time
    from pathlib import Path

    folder, n = given
    with (Path(folder) / f"begun-{n}").open("a") as file:
        file.write("x")
    print("begins", n)
    while not (Path(folder) / "go on").exists():
        time.sleep(0.02)
    print("ends", n)
    return n


def begun(folder):
    """Return how often each call has begun."""
    files = folder.glob("begun-*")
    return {int(path.name.removeprefix("begun-")): len(path.read_text()) for path in files}


def inputs(folder, numbers):
    return ["wait_for_file", [[str(folder), n] for n in numbers]]


def test_times_workers_and_output_are_those_of_the_cluster(hub):
    def nap(seconds):
        import time

        began = time.time()
        print("sleeps", seconds)
        df.current_activity().progress(1, 2)
        time.sleep(seconds)
        print("wakes", seconds)
        return began, time.time()

    hub.add_activity(nap)
    handle = hub.start("fan", ["nap", [0.3, 0.4, 0.5]])
    told = handle.result(timeout=60)
    for event, (began, ended) in zip(completed(handle), told, strict=True):
        assert re.fullmatch(r"ray://[\d.]+:\d+", event.worker)
        assert event.started_at.timestamp() == pytest.approx(began, abs=1)
        assert event.timestamp.timestamp() == pytest.approx(ended, abs=1)
    lines = Counter(line.message for line in handle.logs() if line.name == "nap")
    assert lines == {f"{word} 0.{n}": 1 for word in ("sleeps", "wakes") for n in (3, 4, 5)}
    progress = "select done, total from activity_attempts where instance_id = ?"
    until(lambda: hub.sql(progress, [handle.id]).fetchall() == [(1, 2)] * 3)


def test_a_large_input_is_sent_once_and_a_failure_keeps_its_type(hub, monkeypatch):
    sent, trim = [], SentParts.trim
    monkeypatch.setattr(SentParts, "trim", lambda self: sent.append(set(self._parts)) or trim(self))

    def double(array):
        if isinstance(array, str):
            raise KeyError(array)
        return array * 2

    hub.add_activity(double)

    @hub.orchestrator
    def twice(context):
        array = np.arange(300_000.0)
        once = yield context.task_all([context.call_activity("double", array) for _ in range(4)])
        return float(sum(each.sum() for each in once))

    assert hub.run(twice) == float(np.arange(300_000.0).sum() * 8)
    assert len(sent) == 4
    assert set.union(*sent) == sent[0]
    with pytest.raises(KeyError, match="no"):
        hub.run("fan", ["double", ["no"]])


def test_two_executors_of_a_hub_share_its_calls_keeper(hub, cluster):
    options = {"resources": {"CPU": 2}, "address": cluster}
    hub.add_activity(lambda n: n + 3, "other", executor=df.RayExecutor(**options))
    assert hub.run("fan", ["other", [1, 2]]) == [4, 5]
    assert len(keepers()) == 1


def test_what_a_terminated_orchestration_has_begun_is_ended_and_the_rest_does_not_run(hub, tmp_path):
    handle = hub.start("fan", inputs(tmp_path, range(10)))
    until(lambda: len(begun(tmp_path)) == 2)
    handle.terminate("enough")
    handle.wait(timeout=10)
    other = hub.start("fan", inputs(tmp_path, [100, 101]))
    until(lambda: {100, 101} <= begun(tmp_path).keys())
    (tmp_path / "go on").touch()
    assert other.result(timeout=30) == [100, 101]
    assert len(begun(tmp_path)) == 4


def test_a_call_that_ends_its_worker_runs_again_and_fails_at_last(hub):
    def poison(n):
        import os
        import time

        activity = df.current_activity()
        if n == "always" or (n == "once" and activity.attempt == 1):
            activity.checkpoint("half")
            time.sleep(0.5)
            os._exit(1)
        return activity.attempt, activity.last_checkpoint

    hub.add_activity(poison, executor=df.RayExecutor(allowed_losses=1))

    @hub.orchestrator
    def main(context):
        calls = [context.call_activity("poison", n) for n in ("never", "once", "always")]
        first = yield context.task_all(calls[:2])
        try:
            yield calls[2]
        except df.WorkerLostError as error:
            return [*first, str(error)]

    found = hub.run(main)
    assert found[:2] == [(1, None), (2, "half")]
    assert re.search(r"'poison'.*2 workers were lost.*ray://.*RayExecutor\(allowed_losses", found[2])


def test_large_results_stay_on_the_cluster(hub, tmp_path):
    executor = df.RayExecutor(payloads=tmp_path)
    hub.add_activity(lambda n: np.full(300_000, n), "fill", executor=executor)
    hub.add_orchestrator(lambda context: (yield context.call_activity("fill", 1.0, df.RawValue)), "one")
    handle = hub.start("one")
    handle.wait(timeout=60)
    assert len([path for path in tmp_path.rglob("*") if path.is_file() and path.name != "hub"]) == 1
    assert (handle.result() == 1).all()


def test_another_version_is_refused(hub, monkeypatch):
    monkeypatch.setattr("durablenb.cluster.packing.own_versions", lambda: ("2.7", "0.0.1", "1.0"))
    hub.add_activity(lambda n: n, "same")
    handle = hub.start("fan", ["same", [1]])
    with pytest.raises(df.ExecutorUnavailableError, match=r"worker ray://.* has Python 3\."):
        handle.result(timeout=30)
    handle.terminate("refused")


def test_a_call_that_takes_too_long_is_ended_and_a_lost_keeper_is_replaced(hub, tmp_path):
    hub.add_activity(wait_for_file, "short", timeout=0.5)
    with pytest.raises(TimeoutError):
        hub.run("fan", ["short", [[str(tmp_path), 0]]])
    handle = hub.start("fan", inputs(tmp_path, [1, 2]))
    until(lambda: begun(tmp_path) == {0: 1, 1: 1, 2: 1})
    [name] = keepers()
    ray.kill(ray.get_actor(name, namespace="durablenb"))
    (tmp_path / "go on").touch()
    assert handle.result(timeout=60) == [1, 2]


def test_a_call_counts_as_lost_without_heartbeats_and_runs_on_with_them(hub, tmp_path):
    def beats(times):
        import time

        for _ in range(times):
            df.current_activity().heartbeat()
            time.sleep(0.1)
        return times

    hub.add_activity(beats, heartbeat_timeout=2)
    hub.add_activity(wait_for_file, "silent", heartbeat_timeout=0.5)
    beating = hub.start("fan", ["beats", [25]])
    with pytest.raises(TimeoutError, match=r"heartbeat_timeout of 0\.5 s"):
        hub.run("fan", ["silent", [[str(tmp_path), 0]]])
    assert beating.result(timeout=60) == [25]


def test_a_hub_that_was_killed_joins_the_calls_that_still_run(cluster, tmp_path):
    path = tmp_path / "hub.duckdb"
    of_others = set(keepers())
    program = [sys.executable, "-m", "tests.cluster.test_ray", str(path), cluster, str(tmp_path)]
    with subprocess.Popen(program, stdout=subprocess.DEVNULL) as process:
        until(lambda: len(begun(tmp_path)) == 2)
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL)
    with hub_with(path) as hub:
        handle = hub.handle("one")
        until(lambda: handle.status().runtime_status == "Running")
        (tmp_path / "go on").touch()
        assert handle.result(timeout=60) == [0, 1, 2]
        assert begun(tmp_path) == {0: 1, 1: 1, 2: 1}
        times = [(event.timestamp - event.started_at).total_seconds() for event in completed(handle)]
        assert sum(seconds > 0.4 for seconds in times) >= 2
        lines = Counter(line.message for line in handle.logs() if line.name == "wait_for_file")
        assert lines == {f"{word} {n}": 1 for word in ("begins", "ends") for n in range(3)}
    until(lambda: set(keepers()) == of_others)


def test_requests_that_overtake_each_other_leave_no_keeper(cluster, monkeypatch):
    class Overtaken(CallKeeper):
        async def release(self, keys):
            await asyncio.sleep(0.5)  # Ray runs the requests to an actor in any order
            await super().release(keys)

    monkeypatch.setattr("durablenb.cluster.ray_connection.CallKeeper", Overtaken)
    of_others = set(keepers())
    with hub_with() as hub:
        hub.add_activity(abs)
        assert hub.run("fan", ["abs", [-1, 2]]) == [1, 2]
    until(lambda: set(keepers()) == of_others, seconds=10)


def test_messages_that_overtake_each_other_lose_no_line(hub):
    def print_fast(count):
        import time

        from durablenb.cluster import calls

        pause, calls.PAUSE_SECONDS = calls.PAUSE_SECONDS, 0.0002
        for n in range(count):
            print(n)
            time.sleep(0.0005)
        calls.PAUSE_SECONDS = pause
        time.sleep(calls.RECENT_SECONDS + 0.5)  # so that the answer has none of the lines

    hub.add_activity(print_fast)
    handle = hub.start("fan", ["print_fast", [2000]])
    handle.result(timeout=60)
    lines = [int(line.message) for line in handle.logs() if line.name == "print_fast"]
    assert lines == list(range(2000))


def test_another_cluster_than_the_connected_one_is_refused(cluster):
    with hub_with(address="127.0.0.1:9") as hub:
        handle = hub.start("fan", ["wait_for_file", [None]])
        with pytest.raises(df.ExecutorUnavailableError, match="is connected to the Ray cluster"):
            handle.result(timeout=30)


def test_the_loopback_address_is_this_machine_only(cluster, monkeypatch):
    port = cluster.rpartition(":")[2]
    df.RayExecutor(f"localhost:{port}")._connect()
    monkeypatch.setattr("ray.get_runtime_context", lambda: SimpleNamespace(gcs_address="192.0.2.7:6379"))
    with pytest.raises(ConnectionError, match="is connected to the Ray cluster 192"):
        df.RayExecutor("127.0.0.1:6379")._connect()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"address": 3}, TypeError, "3 isn't a Ray cluster; expected its address"),
        ({"address": "ray://head:10001"}, ValueError, "an address of Ray Client.*run the hub on a node"),
        ({"resources": {"GPU": 0}}, ValueError, "'GPU' is 0; expected more than 0"),
        ({"allowed_losses": -1}, ValueError, "expected at least 0"),
        ({"payloads": 3}, TypeError, "expected the path of a folder, or a URL"),
    ],
)
def test_a_bad_argument_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        df.RayExecutor(**arguments)


if __name__ == "__main__":  # the hub that a test kills
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules["__main__"])
    path, address, folder = sys.argv[1:]
    with hub_with(path, address=address) as hub:
        hub.start("fan", inputs(folder, range(3)), instance_id="one").result()
