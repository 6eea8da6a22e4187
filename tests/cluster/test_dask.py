"""Activities on a Dask cluster: results, failures, times, output, and who ran them."""

import asyncio
import base64
import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from distributed import Client, Nanny

import durablenb as df
from durablenb.cluster.dask_scheduler import ANNOTATION, TOPIC, CallKeeper
from tests.cluster.conftest import kept_tasks
from tests.notebook.reading import text_of
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("alone")


def fan(context):
    return (yield context.task_all([context.call_activity("work", n) for n in context.get_input()]))


def hub_with(cluster, function, path=":memory:", executor=None, **options):
    hub = df.TaskHub(path, executor=executor or df.DaskExecutor(cluster), **options)
    hub.add_activity(function, "work")
    hub.add_orchestrator(fan)
    return hub


def chance(_):
    import random

    return random.random()


def test_equal_calls_are_different_calls(client):
    with hub_with(client, chance) as hub:
        assert len(set(hub.run("fan", [0] * 10))) == 10


@pytest.mark.parametrize("given", ["client", "cluster", "address"])
def test_the_cluster_may_be_given_as_a_client_a_cluster_or_an_address(cluster, client, given):
    where = {"client": client, "cluster": cluster, "address": cluster.scheduler_address}[given]
    with hub_with(where, lambda n: n + 1) as hub:
        assert hub.run("fan", [1, 2]) == [2, 3]
    assert client.status == "running"


def test_the_cluster_forgets_a_call_once_it_is_recorded(client):
    with hub_with(client, lambda n: n) as hub:
        hub.run("fan", list(range(50)))
        until(lambda: kept_tasks(client) == 0)


def test_the_scheduler_tells_of_several_ends_at_once():
    said, waiting = [], []
    scheduler = SimpleNamespace(
        tasks={key: SimpleNamespace(suspicious=0) for key in "abc"},
        allowed_failures=3,
        clients={},
        client_desires_keys=lambda **_: None,
        loop=SimpleNamespace(call_later=lambda seconds, function, *given: waiting.append((function, given))),
        log_event=lambda topic, message: said.append((topic, message)),
    )
    keeper = CallKeeper()
    asyncio.run(keeper.start(scheduler))
    keeper.update_graph(scheduler, annotations={ANNOTATION: dict.fromkeys("abc", "hub")})
    for key, state in [("a", "processing"), ("a", "memory"), ("b", "erred"), ("x", "memory")]:
        keeper.transition(key, "waiting", state)
    keeper.release(scheduler, "hub", ["c"])
    keeper.transition("c", "memory", "forgotten")
    ((function, given),) = waiting
    assert said == []
    function(*given)
    assert said == [(f"{TOPIC}hub", {"ended": ["a", "b"]})]


def test_an_end_of_which_the_scheduler_tells_nothing_is_noticed(client, monkeypatch):
    monkeypatch.setattr(CallKeeper, "transition", lambda *_, **__: None)
    monkeypatch.setattr("durablenb.cluster.cluster_session.LOOK_SECONDS", 0.05)
    with hub_with(client, lambda n: n + 1) as hub:
        assert hub.run("fan", [1, 2, 3]) == [2, 3, 4]


def test_a_failure_keeps_its_type(client):
    def fail(n):
        raise KeyError(f"no {n}")

    with hub_with(client, fail) as hub, pytest.raises(KeyError, match="no 1"):
        hub.run("fan", [1])


def test_a_value_of_any_size_and_kind_goes_there_and_back(client):

    def double(array):
        return array * 2

    with hub_with(client, double) as hub:

        @hub.orchestrator
        def twice(context):
            array = np.arange(300_000.0)
            once = yield context.task_all([context.call_activity("work", array) for _ in range(3)])
            return float((yield context.call_activity("work", once[2])).sum())

        assert hub.run(twice) == float(np.arange(300_000.0).sum() * 4)
        assert hub.run("fan", ["x" * 1_200_000]) == ["x" * 2_400_000]


def test_a_large_input_is_sent_once(client, monkeypatch):
    sent = []
    scatter = Client.scatter
    monkeypatch.setattr(
        Client, "scatter", lambda self, data, **more: sent.append(data) or scatter(self, data)
    )

    with hub_with(client, lambda array: array.size) as hub:

        @hub.orchestrator
        def several(context):
            array = np.arange(300_000.0)
            return (yield context.task_all([context.call_activity("work", array) for _ in range(10)]))

        assert hub.run(several) == [300_000] * 10
    assert len(sent) == 1


def nap(seconds):
    import time

    began = time.time()
    time.sleep(seconds)
    return began, time.time()


def test_calls_that_the_cluster_has_not_begun_are_queued(client, tmp_path):
    gate = tmp_path / "gate"

    def wait(path):
        while not Path(path).exists():
            time.sleep(0.01)

    with hub_with(client, wait) as hub:
        handle = hub.start("fan", [str(gate)] * 12)
        try:
            until(lambda: "4 running, 8 queued" in text_of(handle))
        finally:
            gate.touch()
        handle.wait(30)


def test_times_and_workers_are_those_of_the_cluster(client):
    with hub_with(client, nap) as hub:
        handle = hub.start("fan", [0.3] * 12)  # on four threads: three one after another
        told = handle.result(timeout=60)
        ends = [event for event in handle.history() if type(event).__name__ == "TaskCompleted"]
        rows = hub.sql("select worker, started from activities").fetchall()
        pictures = re.findall(r"base64,([\w+/=]+)", handle._repr_mimebundle_()["text/html"])
        drawn = "".join(base64.b64decode(picture).decode(errors="replace") for picture in pictures)
        lanes = set(re.findall(r"work on :[0-9]+", drawn))
    assert {event.worker for event in ends} == set(client.scheduler_info()["workers"])
    assert lanes == {
        f"work on :{address.rpartition(':')[2]}" for address in client.scheduler_info()["workers"]
    }
    assert {worker for worker, *_ in rows} == set(client.scheduler_info()["workers"])
    for event, (began, ended) in zip(sorted(ends, key=lambda event: event.task_id), told, strict=True):
        assert event.started_at.timestamp() == pytest.approx(began, abs=1)
        assert event.timestamp.timestamp() == pytest.approx(ended, abs=1)
    starts = [event.started_at for event in ends]
    assert max(starts) - min(starts) >= timedelta(seconds=0.5)


def chatter(n):
    import time

    activity = df.current_activity()
    for step in range(4):
        print(f"step {step} of {n}")
        activity.progress(step + 1, 4)
        time.sleep(0.1)
    return activity.key


def test_what_a_call_prints_is_in_its_log_once_and_in_order(client):
    with hub_with(client, chatter) as hub:
        handle = hub.start("fan", [1, 2])
        assert len(set(handle.result(timeout=60))) == 2
        lines = [line.message for line in handle.logs() if line.name == "work"]
    for n in (1, 2):
        assert [line for line in lines if line.endswith(f"of {n}")] == [
            f"step {step} of {n}" for step in range(4)
        ]


def test_a_line_is_in_the_log_while_its_call_runs(client, tmp_path):
    def wait(path):
        import time
        from pathlib import Path

        print("I wait")
        while not Path(path).exists():
            time.sleep(0.02)

    with hub_with(client, wait) as hub:
        handle = hub.start("fan", [str(tmp_path / "go on")])
        until(lambda: [line.message for line in handle.logs()] == ["I wait"])
        (tmp_path / "go on").touch()
        handle.result(timeout=60)
        assert [line.message for line in handle.logs()] == ["I wait"]


def test_what_a_call_displays_is_kept_in_its_last_state(client, tmp_path):
    def work(n):
        import time

        from IPython.display import HTML, display

        bar = display({"text/plain": "0 %"}, raw=True, display_id=True)
        display(HTML(f"<b>{n}</b>"))
        display({"image/png": b"x" * 1_000_000}, raw=True)
        (tmp_path / f"{n}").touch()
        while not (tmp_path / "go").exists():
            time.sleep(0.01)
        print("a lone surrogate: \udc80")
        df.current_activity().progress(1, 2, "half")
        df.current_activity().stream(f"{n}|")
        bar.update({"text/plain": "100 % \udc80"}, raw=True)

    with hub_with(client, work) as hub:
        handle = hub.start("fan", [1, 2])
        pieces = handle.stream()
        until(lambda: len(handle.outputs()) >= 4)  # the small ones, while the calls run
        assert "100 %" not in str([output.data for output in handle.outputs()])
        (tmp_path / "go").touch()
        assert sorted("".join(pieces)) == ["1", "2", "|", "|"]
        handle.result()
        for task_id in (0, 1):
            data = [output.data for output in handle.outputs(task_id=task_id)]
            assert data[0]["text/plain"] == "100 % \\udc80"
            assert data[1]["text/html"] == f"<b>{task_id + 1}</b>"
            assert data[2]["image/png"] == b"x" * 1_000_000
            assert len(data) == 3
        assert [line.message for line in handle.logs()] == ["a lone surrogate: \\udc80"] * 2
        query = "select done, total, note from activities"
        until(lambda: hub.sql(query).fetchall() == [(1, 2, "half")] * 2)


def test_short_calls_count_for_the_rate_of_their_queue(client):
    with df.TaskHub(":memory:", executor=df.DaskExecutor(client)) as hub:
        queue = df.Queue("slow", rate=(2, timedelta(seconds=1)))
        hub.add_activity(lambda n: n, "work", queue=queue)
        hub.add_orchestrator(fan)
        assert hub.run("fan", [1, 2, 3, 4, 5]) == [1, 2, 3, 4, 5]
        starts = [row[0] for row in hub.sql("select started from activities order by 1").fetchall()]
        for first, third in zip(starts, starts[2:], strict=False):
            assert third - first >= timedelta(seconds=0.95)  # clocks of two processes are compared


def test_two_hubs_and_two_executors_share_a_client(client):
    with hub_with(client, lambda n: n + 1) as one, hub_with(client, lambda n: n + 2) as two:
        one.add_activity(lambda n: n + 3, "other", executor=df.DaskExecutor(client))
        one.add_orchestrator(lambda context: (yield context.call_activity("other", 1)), "another")
        handles = [one.start("fan", [1]), two.start("fan", [1]), one.start("another")]
        assert [handle.result(timeout=60) for handle in handles] == [[2], [3], 4]


def test_an_executor_can_be_used_again_after_its_hub_was_closed(cluster):
    executor = df.DaskExecutor(cluster.scheduler_address)
    for _ in range(2):
        with hub_with(None, lambda n: n + 1, executor=executor) as hub:
            assert hub.run("fan", [1]) == [2]


def test_an_entity_may_work_on_the_cluster(client):
    with df.TaskHub(":memory:", executor=df.DaskExecutor(client)) as hub:

        @hub.entity
        def counter(context):
            context.set_state(context.get_state(lambda: 0) + 1)
            context.set_result(context.get_state())

        hub.add_orchestrator(lambda c: (yield c.call_entity(df.EntityId("counter", "a"), "add")), "count")
        assert sorted(hub.start("count").result(timeout=30) for _ in range(3)) == [1, 2, 3]


def test_the_guide_s_example_runs(tmp_path):
    guide = Path(__file__).parents[2] / "docs/how-to/run-activities-on-a-cluster.md"
    example = re.search(r"```python\n(.*?)```", guide.read_text(), re.DOTALL)[1]
    (tmp_path / "example.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stdout.startswith("(49")
    assert "tcp://127.0.0.1" in done.stdout


# -- calls that nobody needs any more -----------------------------------------------------------------


def wait_for_file(given):
    import time
    from pathlib import Path

    folder, n = given
    (Path(folder) / f"begun-{n}").touch()
    while not (Path(folder) / "go on").exists():
        time.sleep(0.02)
        if df.current_activity().is_cancelled:
            (Path(folder) / f"stopped-{n}").touch()
            return None
    return n


def test_what_a_terminated_orchestration_has_queued_does_not_run(client, tmp_path):
    with hub_with(client, wait_for_file) as hub:
        handle = hub.start("fan", [[str(tmp_path), n] for n in range(40)])
        until(lambda: len(list(tmp_path.glob("begun-*"))) == 4)
        handle.terminate("enough")
        handle.wait(timeout=10)
        until(lambda: kept_tasks(client) <= 8)  # the queued ones are taken back first
        other = hub.start("fan", [[str(tmp_path), n] for n in range(100, 104)])
        (tmp_path / "go on").touch()
        assert other.result(timeout=30) == [100, 101, 102, 103]
        until(lambda: kept_tasks(client) == 0)
    begun = {int(path.name.removeprefix("begun-")) for path in tmp_path.glob("begun-*")}
    assert len(begun - {100, 101, 102, 103}) <= 8


def test_closing_waits_for_what_runs_and_leaves_the_rest_for_the_next_opening(client, tmp_path):
    path = tmp_path / "hub.duckdb"
    hub = hub_with(client, wait_for_file, path)
    hub.start("fan", [[str(tmp_path), n] for n in range(20)], instance_id="one")
    until(lambda: len(list(tmp_path.glob("begun-*"))) == 4)
    time.sleep(0.3)  # so that the workers have said so
    hub._engine._state.dispatcher.scope.close()
    hub._engine.executors.drop_unwanted()
    until(lambda: kept_tasks(client) <= 8)  # those that the workers have; the scheduler gave back the others
    (tmp_path / "go on").touch()
    hub.close()
    for begun in tmp_path.glob("begun-*"):
        begun.rename(begun.with_name(begun.name.replace("begun", "first")))
    assert len(list(tmp_path.glob("first-*"))) <= 8
    with hub_with(client, wait_for_file, path) as hub:
        assert hub.handle("one").result(timeout=60) == list(range(20))
    ran_again = {path.name.split("-")[1] for path in tmp_path.glob("begun-*")}
    first = {path.name.split("-")[1] for path in tmp_path.glob("first-*")}
    assert not ran_again & first, (ran_again, first)


# -- bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((3,), {}, TypeError, "3 isn't a Dask cluster; expected a Client"),
        (("tcp://nowhere:1",), {"resources": {"GPU": 0}}, ValueError, "'GPU' is 0; expected more than 0"),
        (("tcp://nowhere:1",), {"resources": {"GPU": "1"}}, TypeError, "expected a number"),
        (("tcp://nowhere:1",), {"resources": "GPU"}, TypeError, "expected names and amounts"),
        (("tcp://nowhere:1",), {"workers": 3}, TypeError, "expected the names or addresses of workers"),
        (("tcp://nowhere:1",), {"workers": [3]}, TypeError, "expected the names or addresses of workers"),
        (("tcp://nowhere:1",), {"allowed_losses": -1}, ValueError, "expected at least 0"),
        (("tcp://nowhere:1",), {"allowed_losses": 1.5}, TypeError, "expected a whole number"),
    ],
)
def test_a_bad_argument_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        df.DaskExecutor(*arguments, **options)


def test_without_a_client_in_the_process_an_address_is_asked_for():
    with pytest.raises(ValueError, match="no Dask client is open in this process"):
        df.DaskExecutor()


def test_a_function_that_can_not_be_sent_fails_and_says_why(client):
    import threading

    lock = threading.Lock()
    with hub_with(client, lambda n: lock) as hub, pytest.raises(TypeError, match="the variable 'lock'"):
        hub.run("fan", [1])


def test_a_call_that_takes_a_resource_runs_on_a_worker_that_has_it(client):
    executor = df.DaskExecutor(client, resources={"GPU": 1})
    with hub_with(None, lambda n: os.getpid(), executor=executor) as hub:
        handle = hub.start("fan", [1])
        with pytest.raises(df.WaitTimeoutError):
            handle.result(timeout=0.5)
        handle.terminate("no worker has one")
        handle.wait(timeout=10)
        until(lambda: kept_tasks(client) == 0)


def test_tasks_have_the_names_of_their_activities(client):
    with df.TaskHub(":memory:", executor=df.DaskExecutor(client)) as hub:
        hub.add_activity(lambda n: n, "load-all")
        hub.add_orchestrator(lambda context: (yield context.call_activity("load-all", 1)), "main")
        hub.run("main")
        assert "load_all" in client.run_on_scheduler(lambda dask_scheduler: set(dask_scheduler.task_prefixes))


def test_calls_run_on_the_workers_that_may_run_them(client):
    address = sorted(client.scheduler_info()["workers"])[0]
    with hub_with(None, lambda n: n, executor=df.DaskExecutor(client, workers=[address])) as hub:
        hub.run("fan", list(range(20)))
        assert hub.sql("select distinct worker from activities").fetchall() == [(address,)]


def test_a_worker_that_joins_the_cluster_is_used_at_once(cluster, client):
    executor = df.DaskExecutor(client, resources={"GPU": 1})
    with hub_with(None, lambda n: n, executor=executor) as hub:
        handle = hub.start("fan", [1, 2])
        until(lambda: kept_tasks(client) == 2)

        async def join():
            return await Nanny(cluster.scheduler_address, nthreads=1, resources={"GPU": 1})

        late = client.sync(join)
        try:
            assert handle.result(timeout=60) == [1, 2]
            workers = hub.sql("select distinct worker from activities").fetchall()
            assert workers == [(late.worker_address,)]
        finally:
            client.sync(late.close)


def test_an_async_activity_runs_on_the_cluster_if_it_is_given_the_executor(client):
    async def where(n):
        import os

        return os.getpid()

    with df.TaskHub(":memory:") as hub:
        hub.add_activity(where, "work", executor=df.DaskExecutor(client))
        hub.add_orchestrator(fan)
        assert hub.run("fan", [1])[0] in client.run(os.getpid).values()


def test_calls_on_a_client_that_was_closed_wait_for_another_executor(cluster, tmp_path):
    path = tmp_path / "hub.duckdb"
    client = Client(cluster, set_as_default=False)
    with hub_with(client, wait_for_file, path) as hub:
        handle = hub.start("fan", [[str(tmp_path), n] for n in range(3)], instance_id="one")
        until(lambda: len(list(tmp_path.glob("begun-*"))) == 3)
        client.close()
        with pytest.raises(df.ExecutorUnavailableError, match="the client is clos"):
            handle.result(timeout=30)
    (tmp_path / "go on").touch()
    with Client(cluster, set_as_default=False) as other, hub_with(other, wait_for_file, path) as hub:
        assert hub.handle("one").result(timeout=30) == [0, 1, 2]


def test_another_version_is_refused_at_the_first_call(client, monkeypatch):
    monkeypatch.setattr("durablenb.cluster.packing.own_versions", lambda: ("2.7", "0.0.1", "1.0"))
    with hub_with(client, lambda n: n) as hub:
        handle = hub.start("fan", [1, 2])
        with pytest.raises(
            df.ExecutorUnavailableError, match=r"has Python 3\..* and the hub has Python 2\.7"
        ):
            handle.result(timeout=30)


@pytest.mark.parametrize("limit", ["timeout", "heartbeat_timeout"])
def test_a_call_that_takes_too_long_fails_and_its_function_is_asked_to_stop(client, tmp_path, limit):
    with df.TaskHub(":memory:", executor=df.DaskExecutor(client)) as hub:
        hub.add_activity(wait_for_file, "work", **{limit: 0.5})
        hub.add_orchestrator(fan)
        with pytest.raises(TimeoutError, match=f"{limit}|limit of"):
            hub.run("fan", [[str(tmp_path), 1]])
        until(lambda: (tmp_path / "stopped-1").exists())
        until(lambda: kept_tasks(client) == 0)


def test_all_that_a_long_call_displays_is_kept(client):
    def work(n):
        import time

        from IPython.display import display

        activity = df.current_activity()
        display({"text/plain": f"first {n}"}, raw=True)
        activity.progress(1, 2)
        time.sleep(0.5)  # longer than the pause between two messages
        display({"text/plain": f"second {n}"}, raw=True)
        return n

    with hub_with(client, work) as hub:
        handle = hub.start("fan", [1])
        assert handle.result(timeout=30) == [1]
        assert [output.data["text/plain"] for output in handle.outputs()] == ["first 1", "second 1"]
