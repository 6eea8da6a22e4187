"""Why a call ran, or didn't."""

import textwrap
import threading

import pytest

import durablenb as df
from durablenb.model.events import TaskScheduled
from tests.caching.squares import register


def why_hub(tmp_path):
    namespace = {"__name__": "__main__"}
    hub = df.TaskHub(tmp_path / "flows.duckdb", mode="kernel")

    @hub.orchestrator
    def flow(context):
        return (yield context.call_activity("train", context.get_input()))

    def cell(source, **policy):
        exec(textwrap.dedent(source), namespace)
        hub.add_activity(namespace["train"], cache=df.CachePolicy(**policy))

    def run(value):
        handle = hub.start(flow, value)
        handle.wait()
        return handle.why("#0")

    return hub, cell, run


TRAIN = """
RATE = 0.2
def clean(n):
    return n * RATE
def train(n, depth=3):
    return clean(n)
"""


def test_why_names_the_part_that_differs(tmp_path):
    hub, cell, run = why_hub(tmp_path)
    cell(TRAIN)
    first = run(1)
    assert (first.reason, first.nearest, first.has_run) == ("first", None, True)
    assert run(1).reason == "from cache"
    assert [str(one) for one in run(2).differences] == ["the input (1 then, 2 now)"]
    cell(TRAIN.replace("0.2", "0.3"))
    assert [str(one) for one in run(2).differences] == ["global RATE (0.2 then, 0.3 now)"]
    cell(TRAIN.replace("n * RATE", "n / RATE"))
    assert [one.part for one in run(2).differences] == ["code of clean"]
    cell(TRAIN.replace("depth=3", "depth=4"))
    assert [str(one) for one in run(2).differences] == ["default depth of train (3 then, 4 now)"]
    cell(TRAIN, version="a")
    assert [str(one) for one in run(2).differences] == ['version (absent then, "a" now)']
    cell(TRAIN, version="b")
    assert [str(one) for one in run(2).differences] == ['version ("a" then, "b" now)']
    assert "differs in version" in repr(run(1)) or run(1).reason == "from cache"
    hub.close()


def test_why_of_an_equal_call_that_failed(tmp_path):
    hub, cell, run = why_hub(tmp_path)
    cell("def train(n): return 1 // n")
    assert run(0).reason == "first"
    again = run(0)
    assert (again.reason, again.differences) == ("failed before", ())
    hub.close()


def test_why_of_calls_that_arent_cached_or_dont_exist(tmp_path):
    hub, _, run = why_hub(tmp_path)
    hub.add_activity(lambda n: n, "train")
    assert run(1).reason == "unknown"
    handle = hub.handle(hub.instances()[0].instance_id)
    with pytest.raises(ValueError, match="no call #7"):
        handle.why(7)
    with pytest.raises(ValueError, match="Expected a task"):
        handle.why("train")
    with pytest.raises(ValueError, match="Expected a task"):
        handle.why(True)
    hub.close()


def test_why_of_a_call_that_runs(tmp_path):
    with df.TaskHub(tmp_path / "flows.duckdb") as hub:
        began, may_end = threading.Event(), threading.Event()

        @hub.activity(cache=df.CachePolicy(ignore=("began", "may_end")))
        def slow(number):
            began.set()
            assert may_end.wait(10)

        @hub.orchestrator
        def flow(context):
            yield context.call_activity(slow, context.get_input())

        may_end.set()
        hub.run(flow, 1)
        may_end.clear()
        began.clear()
        handle = hub.start(flow, 2)
        assert began.wait(10)
        assert [str(one) for one in handle.why(0).differences] == ["the input (1 then, 2 now)"]
        may_end.set()
        handle.result(10)


def test_a_call_that_was_cancelled_says_so(tmp_path):
    hub, cell, _ = why_hub(tmp_path)
    cell(TRAIN)

    @hub.orchestrator
    def gives_up(context):
        call = context.call_activity("train", 1)
        call.cancel()
        return (yield context.task_all([call], return_exceptions=True)) and None

    handle = hub.start(gives_up)
    handle.result()
    assert handle.why(0).reason == "canceled"
    assert str(handle.why(0)) == "#0 train was cancelled by the orchestrator, so it has no result."
    hub.close()


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


def test_a_served_hub_says_where_its_cache_is(tmp_path, runs):
    with df.TaskHub(tmp_path / "flows.duckdb") as hub:
        squares = register(hub, runs)
        for name in "ab":
            hub.start(squares, [2], instance_id=name).result()
        with hub.serve(port=0, sql=True) as server, df.TaskHub.connect(server.url, key=server.key) as remote:
            assert remote.handle("b").why(0).reason == "from cache"
            with pytest.raises(df.DurableError, match="Ask the process that serves it"):
                remote.handle("a").why(0)
            with pytest.raises(df.DurableError, match="where the hub is"):
                len(remote.cache)
            assert remote.sql("select name, hits from cached_results").fetchall() == [("square", 1)]
            assert [type(event) for event in remote.handle("b").history()].count(TaskScheduled) == 1
