"""Calls that get a remembered result, and calls that wait for one."""

import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

import durablenb as df
from tests.caching.squares import cached_from, register, register_held, wait_until_scheduled
from tests.calls import run_call, start_call


def test_an_equal_call_gets_the_result_and_doesnt_run(hub, runs):
    squares = register(hub, runs)
    first = hub.start(squares, [2, 3])
    assert first.result() == [4, 9]
    second = hub.start(squares, [3, 4])
    assert second.result() == [9, 16]
    assert runs.count == 3
    query = f"select execution_id from history where instance_id = '{first.id}' limit 1"
    [(origin,)] = hub.sql(query).fetchall()
    assert cached_from(second) == {0: f"{first.id}:{origin}:1", 1: None}


def test_without_a_cache_each_call_runs(hub, runs):
    squares = register(hub, runs, cache=False)
    hub.run(squares, [2])
    hub.run(squares, [2])
    assert runs.count == 2
    assert len(hub.cache) == 0


def test_equal_calls_at_once_run_once(hub, runs):
    assert hub.run(register(hub, runs), [5] * 20) == [25] * 20
    assert runs.count == 1


def test_equal_calls_of_two_instances_at_once_run_once():
    with df.TaskHub(":memory:") as hub:
        held = register_held(hub)
        one = start_call(hub, "slow", 1)
        assert held.began.wait(10)
        other = start_call(hub, "slow", 1)
        held.may_end.set()
        assert (one.result(10), other.result(10)) == (1, 1)
        assert held.ran == [1]


def test_if_the_first_of_equal_calls_fails_the_next_one_runs(hub, tmp_path):
    file = tmp_path / "tried"

    @hub.activity(cache=True)
    def flaky(number):
        if not file.exists():
            file.touch()
            raise ValueError("first")
        return number

    @hub.orchestrator
    def flow(context):
        tasks = [context.call_activity(flaky, 1) for _ in range(3)]
        done = []
        for task in tasks:
            try:
                done.append((yield task))
            except ValueError:
                done.append("failed")
        return done

    assert sorted(map(str, hub.run(flow))) == ["1", "1", "failed"]


def test_a_cancelled_call_that_waits_for_an_equal_one_keeps_no_other_waiting():
    with df.TaskHub(":memory:") as hub:
        held = register_held(hub, max_concurrency=1)
        held.failure = ValueError("the first one fails")
        first = start_call(hub, "slow", 1)
        assert held.began.wait(10)
        second, third = start_call(hub, "slow", 1), start_call(hub, "slow", 1)
        wait_until_scheduled(third)
        second.terminate("nobody needs it")
        with pytest.raises(df.OrchestrationTerminatedError):
            second.result(10)
        held.may_end.set()
        with pytest.raises(ValueError, match="the first one fails"):
            first.result(10)
        assert third.result(10) == 1


def test_a_purged_call_in_a_queue_keeps_no_equal_one_waiting():
    with df.TaskHub(":memory:") as hub:
        held = register_held(hub, max_concurrency=1)

        @hub.orchestrator
        def careless(context):
            context.call_activity("slow", 2)
            yield context.create_timer(context.current_utc_datetime)

        first = start_call(hub, "slow", 1)
        assert held.began.wait(10)
        ended = hub.start(careless)
        ended.result(10)
        waiting = start_call(hub, "slow", 2)
        wait_until_scheduled(waiting)
        ended.purge()
        held.may_end.set()
        assert (first.result(10), waiting.result(10)) == (1, 2)


def test_names_of_activities_are_part_of_the_key(hub, runs):
    squares = register(hub, runs)
    hub.run(squares, [2])
    hub.add_activity(lambda number: -number, "negate", cache=True)
    assert run_call(hub, "negate", 2) == -2
    assert hub.run(squares, [2]) == [4]
    assert runs.count == 1


def test_an_edited_activity_runs_again_and_back_it_doesnt(hub, runs):
    runs_note = runs.note

    def one(number):
        runs_note()
        return number + 1

    def two(number):
        runs_note()
        return number + 2

    results = []
    for function in (one, two, one, two):
        hub.add_activity(function, "add", cache=df.CachePolicy(ignore="runs_note"))
        results.append(run_call(hub, "add", 1))
    assert results == [2, 3, 2, 3]
    assert runs.count == 2


def test_failures_arent_remembered(hub, runs):
    squares = register(hub, runs)
    for _ in range(2):
        with pytest.raises(ValueError, match="negative"):
            hub.run(squares, [-1])
    assert runs.count == 2
    assert len(hub.cache) == 0


def test_retries_of_a_cached_activity_run_until_one_succeeds(hub, runs):
    runs_file = runs.file

    @hub.activity(cache=True)
    def flaky(number):
        with runs_file.open("a") as file:
            file.write(".")
        if runs_file.stat().st_size < 3:
            raise ValueError("not yet")
        return number

    assert [run_call(hub, flaky, 7, retry=df.RetryOptions(1, 5)) for _ in range(2)] == [7, 7]
    assert runs.count == 3


def test_results_are_found_after_the_hub_was_closed(tmp_path, runs):
    for number in range(3):
        with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel" if number % 2 else "threads") as hub:
            assert hub.run(register(hub, runs), [2, 3]) == [4, 9]
    assert runs.count == 2


def test_a_result_that_is_too_long_for_memory_is_read_again(tmp_path, runs):
    def long(number):
        runs.note()
        return ["x" * 100] * number

    for _ in range(2):
        with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel") as hub:
            hub.add_activity(long, cache=df.CachePolicy(by="input"))
            for _ in range(2):
                assert run_call(hub, "long", 100) == ["x" * 100] * 100
    assert runs.count == 1


KILLED = """
import os, signal, sys
import durablenb as df

hub = df.TaskHub(sys.argv[1], mode="kernel")
file = sys.argv[2]

@hub.activity(cache=df.CachePolicy(ignore="file"))
def square(number):
    with open(file, "a") as opened:
        opened.write(".")
    return number ** 2

@hub.activity
def die(number):
    if sys.argv[3] == "die":
        os.kill(os.getpid(), signal.SIGKILL)

@hub.orchestrator
def flow(context):
    done = yield context.task_all([context.call_activity(square, n) for n in (2, 3)])
    yield context.call_activity(die, 0)
    return done

print(hub.run(flow))
hub.close()
"""


def test_results_are_found_after_the_process_was_killed(tmp_path, runs):
    program = tmp_path / "program.py"
    program.write_text(KILLED)
    command = [sys.executable, str(program), str(tmp_path / "flows.duckdb"), str(runs.file)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    died = subprocess.run([*command, "die"], capture_output=True, env=environment, check=False)
    assert died.returncode == -signal.SIGKILL
    done = subprocess.run([*command, "live"], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[4, 9]"
    assert runs.count == 2


@pytest.mark.parametrize("executor", ["processes", "threads", "inline", "pool", None])
def test_every_executor_remembers(runs, executor):
    with ThreadPoolExecutor(2) as pool, df.TaskHub(":memory:") as hub:
        squares = register(hub, runs, executor=pool if executor == "pool" else executor)
        assert hub.run(squares, [2, 3]) == [4, 9]
        assert hub.run(squares, [2, 3]) == [4, 9]
    assert runs.count == 2


def test_pipelined_durability_remembers(tmp_path, runs):
    with df.TaskHub(tmp_path / "flows.duckdb", durability="pipelined") as hub:
        squares = register(hub, runs)
        assert [hub.run(squares, [2]), hub.run(squares, [2])] == [[4], [4]]
    assert runs.count == 1


def test_async_activities_are_remembered(runs):
    file = runs.file

    async def double(number):
        with file.open("a") as opened:
            opened.write(".")
        await asyncio.sleep(0)
        return 2 * number

    with df.TaskHub(":memory:") as hub:
        hub.add_activity(double, cache=True)
        assert [run_call(hub, "double", 4) for _ in range(2)] == [8, 8]
    assert runs.count == 1


def test_frames_are_shared_by_their_hash(kernel, runs):
    @kernel.activity(cache=df.CachePolicy(by="input"))
    def doubled(frame):
        runs.note()
        return frame * 2

    frame = pd.DataFrame({"a": range(1_000)})
    changed = frame.copy()
    changed.loc[7, "a"] = 0
    for given in (frame.copy(), frame.copy(), changed):
        pd.testing.assert_frame_equal(run_call(kernel, doubled, given), given * 2)
    assert kernel.sql("select count(*) from payloads").fetchall() == [(4,)]
    assert runs.count == 2
