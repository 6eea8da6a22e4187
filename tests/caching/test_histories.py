"""Histories with hits: replays, forks, rewinds, exports."""

import pytest

import durablenb as df
from tests.caching.squares import cached_from, register, register_held


def test_a_history_with_hits_replays(tmp_path, runs):
    with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel", verify_replay=True) as hub:
        squares = register(hub, runs)
        hub.run(squares, [2, 3])
        handle = hub.start(squares, [2, 3])
        handle.result()
        assert hub.replay(handle).fits


def test_an_instance_goes_on_after_its_hits(tmp_path, runs):
    for is_last in (False, True):
        with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel") as hub:
            register(hub, runs)

            @hub.orchestrator
            def flow(context):
                done = yield context.task_all([context.call_activity("square", n) for n in (2, 2)])
                yield context.wait_for_external_event("go")
                return done

            if not is_last:
                hub.start(flow, instance_id="a")
                while hub.step():
                    pass
            else:
                handle = hub.handle("a")
                handle.raise_event("go")
                assert handle.result() == [4, 4]
    assert runs.count == 1


def test_forks_and_other_results_arent_remembered(tmp_path, runs):
    with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel") as hub:
        squares = register(hub, runs)
        hub.run(squares, [2])
        handle = hub.start(squares, [2], instance_id="a")
        handle.result()
        same = handle.fork(instance_id="same")
        assert same.result() == [4]
        assert cached_from(same) == cached_from(handle)
        other = handle.fork(results={"#0": 99}, instance_id="other")
        assert other.result() == [99]
        assert cached_from(other) == {0: None}
        assert hub.run(squares, [2]) == [4]
    assert runs.count == 1


def test_a_rewind_keeps_hits(tmp_path, runs):
    with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel") as hub:
        squares = register(hub, runs)
        hub.run(squares, [2])
        broken = [True]

        @hub.activity
        def fragile(_):
            if broken[0]:
                raise ValueError
            return "mended"

        @hub.orchestrator
        def flow(context):
            yield context.call_activity("square", 2)
            return (yield context.call_activity(fragile, 0))

        handle = hub.start(flow, instance_id="a")
        handle.wait()
        broken[0] = False
        handle.rewind()
        assert handle.result() == "mended"
        assert cached_from(handle)[0] is not None
        row = hub.sql(
            "select cached_from, started, run_time from activities where instance_id = 'a' and task_id = 0"
        )
        assert row.fetchall() == [(cached_from(handle)[0], None, None)]
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


def test_terminated_and_purged_callers_leave_the_others_alone(tmp_path):
    with df.TaskHub(tmp_path / "flows.duckdb") as hub:
        held, flow = register_held(hub)
        first = hub.start(flow, 1)
        assert held.began.wait(10)
        waiting, last = hub.start(flow, 1), hub.start(flow, 1)
        waiting.terminate()
        first.terminate()
        held.may_end.set()
        assert last.result(10) == 1
