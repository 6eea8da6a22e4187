"""Why a call ran, or didn't."""

import textwrap
import threading

import pytest

import durablenb as df
from durablenb.model.events import TaskScheduled
from tests.caching.squares import register
from tests.calls import start_call


@pytest.fixture
def cell(kernel):
    """Runs a cell that defines `train`, and registers it."""
    namespace = {"__name__": "__main__"}

    def run(source, **policy):
        exec(textwrap.dedent(source), namespace)
        kernel.add_activity(namespace["train"], cache=df.CachePolicy(**policy))

    return run


@pytest.fixture
def why(kernel):
    """Why a call of `train` ran, or didn't."""

    def run(value):
        handle = start_call(kernel, "train", value)
        handle.wait()
        return handle.why("#0")

    return run


TRAIN = """
RATE = 0.2
def clean(n):
    return n * RATE
def train(n, depth=3):
    return clean(n)
"""


def test_why_names_the_part_that_differs(cell, why):
    cell(TRAIN)
    first = why(1)
    assert (first.reason, first.nearest, first.has_run) == ("first", None, True)
    assert why(1).reason == "from cache"
    assert [str(one) for one in why(2).differences] == ["the input (1 then, 2 now)"]
    cell(TRAIN.replace("n * RATE", "n / RATE"))
    assert [one.part for one in why(2).differences] == ["code of clean"]
    for source, policy, difference in [
        (TRAIN.replace("0.2", "0.3"), {}, "global RATE (0.2 then, 0.3 now)"),
        (TRAIN.replace("depth=3", "depth=4"), {}, "default depth of train (3 then, 4 now)"),
        (TRAIN, {"version": "a"}, 'version (absent then, "a" now)'),
        (TRAIN, {"version": "b"}, 'version ("a" then, "b" now)'),
    ]:
        cell(source, **policy)
        assert [str(one) for one in why(2).differences] == [difference]
    assert "differs in the input (2 then, 1 now)" in repr(why(1))


def test_why_of_an_equal_call_that_failed(cell, why):
    cell("def train(n): return 1 // n")
    assert why(0).reason == "first"
    again = why(0)
    assert (again.reason, again.differences) == ("failed before", ())


def test_why_of_calls_that_arent_cached_or_dont_exist(kernel, why):
    kernel.add_activity(lambda n: n, "train")
    assert why(1).reason == "unknown"
    handle = kernel.handle(kernel.instances()[0].instance_id)
    for task, says in ((7, "no call #7"), ("train", "Expected a task"), (True, "Expected a task")):
        with pytest.raises(ValueError, match=says):
            handle.why(task)


def test_why_of_a_call_that_runs():
    with df.TaskHub(":memory:") as hub:
        began, may_end = threading.Event(), threading.Event()

        @hub.activity(cache=df.CachePolicy(ignore=("began", "may_end")))
        def slow(number):
            began.set()
            assert may_end.wait(10)

        may_end.set()
        start_call(hub, slow, 1).result()
        may_end.clear()
        began.clear()
        handle = start_call(hub, slow, 2)
        assert began.wait(10)
        assert [str(one) for one in handle.why(0).differences] == ["the input (1 then, 2 now)"]
        may_end.set()
        handle.result(10)


def test_a_call_that_was_cancelled_says_so(kernel, cell):
    cell(TRAIN)

    @kernel.orchestrator
    def gives_up(context):
        call = context.call_activity("train", 1)
        call.cancel()
        return (yield context.task_all([call], return_exceptions=True)) and None

    handle = kernel.start(gives_up)
    handle.result()
    assert handle.why(0).reason == "canceled"
    assert str(handle.why(0)) == "#0 train was cancelled by the orchestrator, so it has no result."


def test_a_file_that_is_only_read_tells_why_and_keeps_its_results(tmp_path, runs):
    path = tmp_path / "flows.duckdb"
    with df.TaskHub(path, mode="kernel") as hub:
        squares = register(hub, runs)
        hub.start(squares, [2], instance_id="a").result()
        hub.start(squares, [2], instance_id="b").result()
    with df.open_history(path) as file:
        assert repr(file.cache) == "<cache: 1 result, 1 hit>"
        assert file.cache.df().name.tolist() == ["square"]
        assert file.handle("b").why(0).nearest.instance_id == "a"
        with pytest.raises(df.DurableError, match="only read"):
            file.cache.clear()


def test_a_served_hub_says_where_its_cache_is(runs):
    with df.TaskHub(":memory:") as hub:
        squares = register(hub, runs)
        for name in "ab":
            hub.run(squares, [2], instance_id=name)
        with hub.serve(port=0, sql=True) as server, df.TaskHub.connect(server.url, key=server.key) as remote:
            assert remote.handle("b").why(0).reason == "from cache"
            with pytest.raises(df.DurableError, match="Ask the process that serves it"):
                remote.handle("a").why(0)
            with pytest.raises(df.DurableError, match="where the hub is"):
                len(remote.cache)
            assert remote.sql("select name, hits from cached_results").fetchall() == [("square", 1)]
            assert [type(event) for event in remote.handle("b").history()].count(TaskScheduled) == 1
