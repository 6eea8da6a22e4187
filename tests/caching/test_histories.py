"""Histories with hits: replays, forks, rewinds, exports."""

import pytest

import durablenb as df
from tests.caching.squares import cached_from, register, register_held
from tests.calls import start_call


def test_a_history_with_hits_replays(kernel, runs):
    squares = register(kernel, runs)
    kernel.run(squares, [2, 3])
    handle = kernel.start(squares, [2, 3])
    handle.result()
    assert kernel.replay(handle).fits


def test_forks_and_other_results_arent_remembered(kernel, runs):
    squares = register(kernel, runs)
    kernel.run(squares, [2])
    handle = kernel.start(squares, [2], instance_id="a")
    handle.result()
    same = handle.fork(instance_id="same")
    assert same.result() == [4]
    assert cached_from(same) == cached_from(handle)
    other = handle.fork(results={"#0": 99}, instance_id="other")
    assert other.result() == [99]
    assert cached_from(other) == {0: None}
    assert kernel.run(squares, [2]) == [4]
    assert runs.count == 1


def test_an_instance_goes_on_after_its_hits(tmp_path, runs):
    def opened():
        hub = df.TaskHub(tmp_path / "flows.duckdb", mode="kernel")
        register(hub, runs)

        @hub.orchestrator
        def flow(context):
            done = yield context.task_all([context.call_activity("square", n) for n in (2, 2)])
            yield context.wait_for_external_event("go")
            return done

        return hub

    with opened() as hub:
        hub.start("flow", instance_id="a")
        while hub.step():
            pass
    with opened() as hub:
        hub.handle("a").raise_event("go")
        assert hub.handle("a").result() == [4, 4]
    assert runs.count == 1


def test_a_rewind_keeps_hits(kernel, runs):
    squares = register(kernel, runs)
    kernel.run(squares, [2])
    broken = [True]

    @kernel.activity
    def fragile(_):
        if broken[0]:
            raise ValueError
        return "mended"

    @kernel.orchestrator
    def flow(context):
        yield context.call_activity("square", 2)
        return (yield context.call_activity(fragile, 0))

    handle = kernel.start(flow, instance_id="a")
    handle.wait()
    broken[0] = False
    handle.rewind()
    assert handle.result() == "mended"
    assert cached_from(handle)[0] is not None
    query = "select cached_from, started, run_time from activities where instance_id = 'a' and task_id = 0"
    assert kernel.sql(query).fetchall() == [(cached_from(handle)[0], None, None)]
    assert runs.count == 1


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_exports_have_hits_and_imports_arent_used(tmp_path, runs, suffix):
    path = tmp_path / f"export.{suffix}"
    with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel") as hub:
        squares = register(hub, runs)
        hub.run(squares, [2])
        handle = hub.start(squares, [2], instance_id="a")
        handle.result()
        origins = cached_from(handle)
        hub.export(None, path)
    with df.TaskHub(tmp_path / "other.duckdb", mode="kernel") as hub:
        hub.import_history(path)
        assert cached_from(hub.handle("a")) == origins
        assert hub.handle("a").why(0).reason == "from cache"
        assert hub.run(register(hub, runs), [2]) == [4]
    assert runs.count == 2


def test_terminated_callers_leave_the_others_alone():
    with df.TaskHub(":memory:") as hub:
        held = register_held(hub)
        first = start_call(hub, "slow", 1)
        assert held.began.wait(10)
        waiting, last = start_call(hub, "slow", 1), start_call(hub, "slow", 1)
        waiting.terminate()
        first.terminate()
        held.may_end.set()
        assert last.result(10) == 1
