"""Each executor runs each call once, and reports its outcome."""

import asyncio
import concurrent.futures
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

import durablenb as df
from durablenb.engine.process_executor import THREAD_LIMITS
from tests.engine.fanned import Gauge, Here, run_all, spawned

pytestmark = pytest.mark.usefixtures("by_value")


# -- threads, inline ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "executor", "size"),
    [("threads", 1, 1), ("threads", 3, 3), ("threads", None, 16), ("kernel", 4, 4)],
)
def test_a_hub_has_as_many_threads_as_its_executor_says_and_sixteen_without_a_number(mode, executor, size):
    gauge, together = Gauge(), threading.Barrier(size)

    def meet(n):
        with gauge:
            together.wait(20)

    with df.TaskHub(":memory:", mode=mode, executor=executor) as hub:
        run_all(hub, meet, range(3 * size))
    assert gauge.most == len(gauge.threads) == size


@pytest.mark.parametrize("options", [{"executor": 1}, {"max_concurrency": 1}], ids=str)
def test_calls_that_run_one_at_a_time_begin_in_the_order_in_which_they_were_requested(options):
    order = []
    with df.TaskHub(":memory:", **options) as hub:
        run_all(hub, order.append, range(30))
    assert order == list(range(30))


def test_inline_activities_run_in_the_thread_that_drives_the_hub():
    seen = []

    def both(context):
        for number in range(5):
            yield context.call_activity("elsewhere", number)
            yield context.call_activity("here", number)

    for options in ({"mode": "kernel", "clock": df.VirtualClock()}, {"executor": 3}):
        with df.TaskHub(":memory:", **options) as hub:
            hub.add_activity(lambda n: n, "elsewhere")
            hub.add_activity(lambda n: seen.append(threading.current_thread()), "here", executor="inline")
            hub.add_orchestrator(both)
            hub.run(both)
    assert seen[:5] == [threading.current_thread()] * 5
    assert [thread.name for thread in seen[5:]] == ["durablenb-engine"] * 5


def test_each_activity_with_a_number_of_threads_has_threads_of_its_own():
    gauge, four = Gauge(), threading.Barrier(4)

    def meet(n):
        with gauge:
            four.wait(20)

    with df.TaskHub(":memory:", executor=1) as hub:
        for name in ("a", "b"):
            hub.add_activity(meet, name, executor=2)

        @hub.orchestrator
        def both(context):
            yield context.task_all([context.call_activity(name, n) for n in range(4) for name in ("a", "b")])

        hub.run(both)
    assert gauge.most == 4


def test_an_executor_that_cannot_take_a_call_keeps_that_call_waiting_and_no_other():
    class Broken(concurrent.futures.Executor):
        def submit(self, *args, **kwargs):
            raise RuntimeError("no more workers")

    class Odd:
        def submit(self, job):
            raise RuntimeError("not even begun.")

        def drop_unwanted(self):
            pass

        def close(self, *, wait):
            pass

    with df.TaskHub(":memory:") as hub:
        hub.add_activity(lambda: "fine", "fine")
        hub.add_orchestrator(lambda context: (yield context.call_activity("fine")), "good")
        for executor, message in ((Broken(), "no more workers"), (Odd(), r"not even begun\. Reg")):
            with pytest.raises(df.ExecutorUnavailableError, match=message):
                run_all(hub, abs, [-1], executor=executor)
            assert hub.run("good") == "fine"
        assert run_all(hub, abs, [-2], executor="threads") == [2]
        waiting = [hub.handle(one.instance_id) for one in hub.instances(name="fan")]
        assert [handle.result(timeout=20) for handle in waiting] == [[1], [1], [2]]


def test_a_dask_client_is_asked_for_its_executor():
    class Client:
        def submit(self, *args): ...

        def get_executor(self): ...

    with (
        df.TaskHub(":memory:") as hub,
        pytest.raises(TypeError, match=r"pass its \.get_executor\(\)"),
    ):
        hub.add_activity(len, executor=Client())


# -- asyncio ------------------------------------------------------------------------------------------


def test_hundreds_of_async_activities_wait_at_the_same_time():
    together = asyncio.Barrier(500)

    async def meet(n):
        await together.wait()
        return n

    with df.TaskHub(":memory:") as hub:
        assert run_all(hub, meet, range(500)) == list(range(500))


def test_async_activities_share_one_loop_and_one_thread():
    with df.TaskHub(":memory:", executor=3) as hub:
        seen = set()

        async def where(n):
            seen.add((id(asyncio.get_running_loop()), threading.current_thread().name))

        run_all(hub, where, range(10))
    assert len(seen) == 1


def test_an_async_activity_runs_elsewhere_if_it_says_so():
    async def where(n):
        await asyncio.sleep(0)
        return [os.getpid(), threading.current_thread().name]

    with df.TaskHub(":memory:") as hub:
        [[pid, name]] = run_all(hub, where, [1], executor="threads")
        assert pid == os.getpid()
        assert name.startswith("durablenb-thread")
        [[pid, _]] = run_all(hub, where, [1], executor="processes")
        assert pid != os.getpid()
        [[pid, name]] = run_all(hub, where, [1], executor="inline")  # a loop can't run in a loop
        assert name == "durablenb-asyncio"


def test_a_busy_async_activity_can_hand_work_to_a_thread():
    async def hand_over(n):
        return await asyncio.to_thread(lambda: n + 1)

    with df.TaskHub(":memory:") as hub:
        assert run_all(hub, hand_over, range(20)) == list(range(1, 21))


def test_what_async_activities_leave_behind_ends_with_the_hub():
    ended = []

    async def leave_behind(n):
        async def forever():
            try:
                await asyncio.sleep(1000)
            finally:
                ended.append(n)

        leave_behind.task = asyncio.get_running_loop().create_task(forever())
        await asyncio.sleep(0)

    with df.TaskHub(":memory:") as hub:
        run_all(hub, leave_behind, [1])
        assert not ended
    assert ended == [1]


# -- processes ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def processes():
    with df.TaskHub(":memory:", executor="processes") as hub:
        yield hub


def test_closures_lambdas_and_their_globals_travel(processes):
    factor = 3

    def helper(n):
        return n * factor

    assert run_all(processes, lambda n: helper(n) + 1, range(5)) == [1, 4, 7, 10, 13]


def test_a_global_that_was_changed_since_travels_as_it_is_now(processes):
    namespace = {"threshold": 1}
    exec("def above(n): return n > threshold", namespace)
    assert run_all(processes, namespace["above"], [0, 2, 4]) == [False, True, True]
    namespace["threshold"] = 3
    assert run_all(processes, namespace["above"], [0, 2, 4]) == [False, False, True]


def test_several_processes_work_at_the_same_time(processes, tmp_path):
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    folder = str(tmp_path)

    def pid(n):
        """Waits until as many of them as there are processors have begun."""
        import os
        import time
        from pathlib import Path

        Path(folder, str(n)).touch()
        end = time.monotonic() + 60
        while len(list(Path(folder).iterdir())) < count:
            assert time.monotonic() < end
            time.sleep(0.005)
        return os.getpid()

    pids = run_all(processes, pid, range(count))
    assert os.getpid() not in pids
    assert len(set(pids)) == count


def test_libraries_in_processes_start_no_more_threads_than_there_are_processors(monkeypatch):
    def limits():
        import os

        return {name: os.environ.get(name) for name in names}

    names = THREAD_LIMITS
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")  # the user knows better
    with df.TaskHub(":memory:", executor="processes") as hub:
        hub.add_activity(limits)
        hub.add_orchestrator(lambda context: (yield context.call_activity("limits")), "one")
        found = hub.run("one")
    assert found == dict.fromkeys(names, "1") | {"MKL_NUM_THREADS": "3"}
    assert "OMP_NUM_THREADS" not in os.environ


def test_a_process_that_dies_fails_its_own_call_and_no_other(processes):
    def die_of_three(n):
        import os
        import time

        time.sleep(0.02)
        if n == 3:
            os._exit(7)
        return n

    processes.add_activity(die_of_three, "work")

    @processes.orchestrator
    def fan(context):
        tasks = [context.call_activity("work", n) for n in range(8)]
        found = []
        for task in tasks:
            try:
                found.append((yield task))
            except ChildProcessError as error:
                found.append(str(error.details.message))
        return found

    found = processes.run(fan)
    assert "died: it ended with exit code 7" in found.pop(3)
    assert found == [0, 1, 2, 4, 5, 6, 7]
    assert run_all(processes, lambda n: n, range(4)) == list(range(4))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals like these")
def test_a_process_that_is_killed_says_by_what(processes):
    def kill():
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    processes.add_activity(kill, "kill")
    processes.add_orchestrator(lambda context: (yield context.call_activity("kill")), "kills")
    with pytest.raises(ChildProcessError, match="ended by SIGKILL"):
        processes.run("kills")


def test_a_process_that_died_while_it_had_nothing_to_do_is_replaced(processes):
    def pid(n):
        import os

        return os.getpid()

    [first] = run_all(processes, pid, [1])
    import signal

    os.kill(first, signal.SIGTERM)
    while psutil.pid_exists(first) and psutil.Process(first).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.005)
    assert first not in run_all(processes, pid, range(8))


def test_retries_get_over_a_process_that_died(processes, tmp_path):
    def die_once(path):
        from pathlib import Path

        if not Path(path).exists():
            Path(path).touch()
            import os

            os._exit(1)
        return "second time"

    processes.add_activity(die_once)

    @processes.orchestrator
    def retrying(context):
        options = df.RetryOptions(1, 3)
        return (yield context.call_activity_with_retry("die_once", options, str(tmp_path / "died")))

    assert processes.run(retrying) == "second time"


def test_what_activities_print_does_not_get_among_the_results(processes):
    def chatty(n):
        import os
        import subprocess
        import sys

        print("print", n, flush=True)
        os.write(1, b"write\n")
        subprocess.run([sys.executable, "-c", "print('child')"], check=True)
        return [n, sys.stdin.read()]

    assert run_all(processes, chatty, range(2)) == [[0, ""], [1, ""]]


def named(source, **names):
    """The function `work` of a notebook's cell, whose other cells have defined these names."""
    namespace = {"__name__": "__main__", **names}
    exec(textwrap.dedent(source), namespace)
    return namespace["work"]


UNSENDABLE = {
    "global": ("def work(n): return lock.acquire()", "it uses the global 'lock' (lock)"),
    "in a comprehension": ("def work(n): return [lock for _ in [1]]", "it uses the global 'lock' (lock)"),
    "of another function": (
        """
        def helper(n):
            return lock.acquire()

        def work(n):
            return abs(n) + helper(n)
        """,
        "it uses the global 'helper', which uses the global 'lock' (lock)",
    ),
    "of the function around it": (
        """
        def made(mutex):
            def work(n):
                return mutex.acquire()
            return work

        work = made(lock)
        """,
        "it uses the variable 'mutex' of the function around it (lock)",
    ),
    "default": ("def work(n, mutex=lock): return mutex.acquire()", "it uses the default"),
}


@pytest.mark.parametrize("source", UNSENDABLE)
def test_a_function_that_cannot_travel_fails_and_says_which_name_is_in_the_way(processes, source):
    code, told = UNSENDABLE[source]
    with pytest.raises(TypeError, match="executor='threads'") as caught:
        run_all(processes, named(code, lock=threading.Lock(), fine=[1, 2]), [1])
    assert f"'work' can't be sent to another process: {told}" in str(caught.value)
    assert "cannot pickle" in str(caught.value)


def test_an_activity_that_uses_the_hub_can_not_travel_and_says_so(processes):
    work = named("def work(n): return hub.start('other')", hub=processes)
    with pytest.raises(TypeError, match=r"it uses the global 'hub' \(TaskHub\)"):
        run_all(processes, work, [1])


SCRIPT = """
    import sys
    import durablenb as df

    class OutOfStock(Exception):
        pass

    def helper(n):
        return n + offset

    def work(n):
        if n < 0:
            raise OutOfStock(n)
        return helper(n)

    def chain(context):
        caught = None
        try:
            yield context.call_activity("work", -1)
        except OutOfStock:
            caught = "caught"
        return [caught, (yield context.call_activity("work", 1))]

    offset = 41
    hub = df.TaskHub(":memory:", executor="processes")
    hub.add_activity(work)
    hub.add_orchestrator(chain)
    print(hub.run("chain"))
    print("once")
    if "close" in sys.argv:
        hub.close()
"""


@pytest.mark.parametrize(("as_file", "farewell"), [(False, "leave"), (True, "close")])
def test_functions_of_a_script_travel_and_the_script_is_not_run_again(tmp_path, as_file, farewell):
    source = textwrap.dedent(SCRIPT)
    (tmp_path / "script.py").write_text(source)
    how = [str(tmp_path / "script.py")] if as_file else ["-c", source]
    done = subprocess.run(
        [sys.executable, *how, farewell],
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout.splitlines() == ["['caught', 42]", "once"], done.stderr
    assert done.stderr == ""


def test_the_end_of_a_script_does_not_wait_for_its_processes(tmp_path):
    script = """
        import pathlib, sys, time
        import durablenb as df

        def slow(path):
            import pathlib, time
            pathlib.Path(path).touch()
            time.sleep(600)

        hub = df.TaskHub(":memory:", executor="processes")
        hub.add_activity(slow)
        hub.add_orchestrator(lambda context: (yield context.call_activity("slow", sys.argv[1])), "one")
        hub.start("one")
        while not pathlib.Path(sys.argv[1]).exists():
            time.sleep(0.01)
    """
    begun = tmp_path / "begun"
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), begun], check=True, timeout=90)
    assert begun.exists()


# -- pools of the user's own --------------------------------------------------------------------------


@pytest.mark.parametrize("make", [concurrent.futures.ThreadPoolExecutor, spawned])
def test_a_pool_of_the_users_runs_the_calls_and_is_not_shut_down_by_the_hub(make):
    factor = 2

    def doubles(n):
        if n == 3:
            raise KeyError(n)
        return n * factor

    with make(1) as pool:
        with df.TaskHub(":memory:", executor=pool) as hub:
            assert run_all(hub, doubles, range(3)) == [0, 2, 4]
            with pytest.raises(KeyError):
                run_all(hub, doubles, [3])
        assert pool.submit(abs, -1).result() == 1


def test_where_a_call_ran_is_kept_as_its_worker_and_not_as_its_kind_of_executor():
    def where(_):
        return [os.getpid(), threading.current_thread().name]

    async def in_the_loop(_):
        return where(_)

    own = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine")
    with own, spawned(1) as pool, df.TaskHub(":memory:") as hub:
        executors = {"hub": None, "number": 2, "inline": "inline", "processes": "processes"}
        for name, executor in {**executors, "own": own, "pool": pool, "here": Here()}.items():
            hub.add_activity(where, name, executor=executor)
        hub.add_activity(in_the_loop)

        @hub.orchestrator
        def everywhere(context):
            names = [*executors, "own", "pool", "here", "in_the_loop"]
            ran = yield context.task_all([context.call_activity(name, 0) for name in names])
            return dict(zip(names, ran, strict=True))

        ran = hub.run(everywhere)
        workers = dict(hub.sql("select name, worker from activities").fetchall())
    others = {ran["processes"][0], ran["pool"][0]}
    assert len(others - {os.getpid()}) == 2
    assert {pid for pid, _ in ran.values()} == {os.getpid(), *others}
    assert ran["inline"][1] == "durablenb-engine"
    assert workers == {
        "hub": "thread-0",
        "number": "thread-0",
        "inline": None,
        "processes": f"process-{ran['processes'][0]}",
        "own": "mine_0",
        "pool": f"process-{ran['pool'][0]}",
        "here": ran["here"][1],
        "in_the_loop": "asyncio",
    }
