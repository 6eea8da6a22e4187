"""Results outlive their instances, until they are cleared."""

import pandas as pd
import pytest

import durablenb as df
from tests.caching.squares import register
from tests.calls import start_call


def blobs(hub):
    return hub.sql("select count(*) from blobs").fetchall()[0][0]


@pytest.mark.parametrize("reopens", [False, True])
def test_results_outlive_their_instance(tmp_path, runs, reopens):
    def frame(number):
        runs.note()
        return pd.DataFrame({"a": range(number)})

    def opened():
        hub = df.TaskHub(tmp_path / "flows.duckdb", mode="kernel")
        hub.add_activity(frame, cache=df.CachePolicy(by="input"))
        return hub

    hub = opened()
    handle = start_call(hub, "frame", 7)
    expected = handle.result()
    failing = start_call(hub, "frame", "x")
    failing.wait()
    failing.purge()
    handle.purge()
    assert hub.sql("select count(*) from journal").fetchall() == [(0,)]
    assert blobs(hub) == 1
    cached = hub.sql("select count(*) from cached_calls").fetchall()
    assert cached == [(1,)], "failures go with their instances"
    if reopens:
        hub.close()
        hub = opened()
    again = start_call(hub, "frame", 7)
    pd.testing.assert_frame_equal(again.result(), expected)
    assert runs.count == 2
    assert hub.cache.clear() == 1
    assert blobs(hub) == 1, "the history has it"
    again.purge()
    assert blobs(hub) == 0
    hub.close()


def test_what_the_cache_alone_refers_to_goes_when_it_is_cleared(kernel):
    for name in ("one", "two"):
        kernel.add_activity(lambda number: pd.DataFrame({"a": range(number)}), name, cache=True)
        handle = start_call(kernel, name, len(name) + blobs(kernel))
        handle.result()
        handle.purge()
    assert blobs(kernel) == 2
    assert kernel.cache.clear("ONE") == 1
    assert blobs(kernel) == 1
    assert [entry.name for entry in kernel.cache] == ["two"]
    assert kernel.cache.clear() == 1
    assert blobs(kernel) == 0
    assert kernel.sql("select count(*) from code_parts").fetchall() == [(0,)]
    assert kernel.cache.clear("unknown") == 0


def test_a_cleared_result_is_computed_again(hub, runs):
    squares = register(hub, runs)
    hub.run(squares, [2, 3])
    assert hub.cache.clear("square") == 2
    assert hub.run(squares, [2]) == [4]
    assert runs.count == 3
    assert len(hub.cache) == 1


def test_generations_that_are_deleted_leave_their_results(tmp_path, runs):
    with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel", keep_generations=0) as hub:
        register(hub, runs)

        @hub.orchestrator
        def eternal(context):
            number = context.get_input()
            yield context.call_activity("square", number % 3)
            if number < 12:
                context.continue_as_new(number + 1)

        handle = hub.start(eternal, 0)
        handle.result()
        handle.purge_past_generations(keep=0)
        assert runs.count == 3
        assert len(hub.cache) == 3


def framed(hub, runs, **names):
    """Register an activity for each name, which returns a frame with a value, and return what calls one."""
    for name, (value, policy) in names.items():

        def frame(number, value=value):
            runs.note()
            return pd.DataFrame({"a": [value] * number})

        hub.add_activity(frame, name, cache=policy)

    def run(name, purges):
        handle = start_call(hub, name, 3)
        values = handle.result().a.tolist()
        if purges:
            handle.purge()
        return values

    return run


def test_places_in_the_journal_that_are_taken_again_mix_no_results_up(tmp_path, runs):
    """After a purge of all, a hub that is opened again numbers its events from 1."""
    path, policy = tmp_path / "flows.duckdb", df.CachePolicy(by="input")
    for name in ("one", "two"):
        with df.TaskHub(path, mode="kernel") as hub:
            run = framed(hub, runs, one=(1, policy), two=(2, policy))
            run(name, purges=True)
    with df.TaskHub(path, mode="kernel") as hub:
        assert hub.sql("select distinct seq from cached_calls").fetchall() == [(4,)]
        run = framed(hub, runs, one=(1, policy), two=(2, policy))
        assert hub.cache.clear("one") == 1
        assert run("two", purges=True) == [2, 2, 2]
        assert run("one", purges=False) == [1, 1, 1]
    assert runs.count == 3


def test_a_newer_result_counts_although_its_place_in_the_journal_is_lower(tmp_path, runs):
    path, policy = tmp_path / "flows.duckdb", df.CachePolicy(by="input")
    refreshing = df.CachePolicy(by="input", refresh=True)
    with df.TaskHub(path, mode="kernel") as hub:
        run = framed(hub, runs, other=(0, None), one=(1, policy))
        others = [run("other", purges=False) for _ in range(3)]
        assert len(others) == 3
        assert run("one", purges=True) == [1, 1, 1]
        hub.client.purge_instance_history_by(runtime_status="Completed")
    with df.TaskHub(path, mode="kernel") as hub:
        assert framed(hub, runs, one=(2, refreshing))("one", purges=False) == [2, 2, 2]
        assert framed(hub, runs, one=(3, policy))("one", purges=False) == [2, 2, 2]
    with df.TaskHub(path, mode="kernel") as hub:
        assert framed(hub, runs, one=(3, policy))("one", purges=False) == [2, 2, 2]
        assert len(hub.cache) == 1
    assert runs.count == 5
