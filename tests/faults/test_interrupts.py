"""The stop button, forks and second processes: the next cell goes on, nothing is lost, nothing is doubled."""

import _thread
import asyncio
import contextlib
import gc
import json
import linecache
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

import durablenb as df
from durablenb.core import event_loop, execution, running_loop
from durablenb.engine import (
    dispatcher,
    invocation,
    jobs,
    locks,
    orchestration_executor,
    running_activity,
    thread_executors,
)
from durablenb.engine import engine as engine_module
from durablenb.engine.capture import log_writer, output, streams
from durablenb.engine.committer import Committer
from durablenb.engine.messages import Watch
from tests.interrupts import interrupt_within
from tests.waiting import until

PACKAGE = str(Path(df.__file__).parent)
LENGTH = 4


class Ledger:
    """The calls and the effects of activities."""

    def __init__(self):
        self.calls = Counter()

    def work(self, key):
        self.calls[key] += 1
        return key


def register(hub, ledger):
    hub.add_activity(ledger.work, "work")

    @hub.orchestrator
    def child(context):
        return (yield context.call_activity("work", f"{context.instance_id}/only"))

    @hub.orchestrator
    def parent(context):
        mine = context.instance_id
        done = []
        for step in range(LENGTH):
            done.append((yield context.call_activity("work", f"{mine}/{step}")))
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        done.append((yield context.call_sub_orchestrator("child", None, f"{mine}.child")))
        calls = [context.call_activity("work", f"{mine}/fan{n}") for n in range(3)]
        done.extend((yield context.task_all(calls)))
        done.append((yield context.wait_for_external_event("go on")))
        return done


def expected(instance_id):
    chain = [f"{instance_id}/{step}" for step in range(LENGTH)]
    return [*chain, f"{instance_id}.child/only", *(f"{instance_id}/fan{n}" for n in range(3)), "event"]


def cell(hub, instance_id):
    """A notebook's cell as a user writes it: can be run again and again."""
    if not hub.client.get_status(instance_id):
        hub.start("parent", instance_id=instance_id)
    handle = hub.handle(instance_id)
    if not any(type(event).__name__ == "EventRaised" for event in handle.history()):
        handle.raise_event("go on", "event")
    return handle.result()


def run_until_done(cell, *args):
    """Runs the cell until it isn't interrupted; returns its value and the number of interrupts."""
    interrupts = 0
    while True:
        try:
            return cell(*args), interrupts
        except KeyboardInterrupt:
            interrupts += 1


def check_history(hub, instance_id, ledger, repeats):
    """One event an id, one end a task; and no activity ran again but for an interrupt."""
    for one in (instance_id, f"{instance_id}.child"):
        history = hub.handle(one).history()
        assert [event.event_id for event in history] == list(range(1, len(history) + 1))
        kinds = Counter(type(event).__name__ for event in history)
        assert kinds["TaskScheduled"] == kinds["TaskCompleted"]
        assert kinds["ExecutionStarted"] == kinds["ExecutionCompleted"] == 1
        assert kinds["EventRaised"] == (one == instance_id)
    calls = [times for key, times in ledger.calls.items() if key.startswith(f"{instance_id}/")]
    assert len(calls) == LENGTH + 3
    assert sum(calls) <= len(calls) + repeats


def leaves_a_block(frame):
    """Return True at a ``with`` line that is reached again at its block's end: interrupts skip it."""
    source = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    offsets = (first for first, _, line in frame.f_code.co_lines() if line == frame.f_lineno)
    return source.lstrip().startswith("with ") and frame.f_lasti > min(offsets)


class InterruptAt:
    """Raises KeyboardInterrupt once, before the n-th line that the package runs in this thread."""

    def __init__(self, number=None, modules=PACKAGE):
        self._number = number
        self._modules = modules
        self.lines = 0
        self.place = None

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_):
        sys.settrace(self._before)

    def _trace(self, frame, event, _argument):
        file = frame.f_code.co_filename
        if (
            not file.startswith(self._modules) or file == locks.__file__
        ):  # `test_locks` looks there more closely
            return None
        if event == "line":
            self.lines += 1
            if self._number is not None and self.lines >= self._number and not leaves_a_block(frame):
                self._number = None
                self.place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self._trace


@pytest.fixture(params=["inline", "threads"])
def kernel(request):
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock(), executor=request.param) as hub:
        yield hub


@pytest.mark.timeout(300)
def test_an_interrupt_anywhere_in_the_package_loses_nothing(kernel):
    ledger = Ledger()
    register(kernel, ledger)
    with InterruptAt() as nowhere:
        assert cell(kernel, "reference") == expected("reference")
    random, places = Random(2), set()
    points = sorted(random.sample(range(1, nowhere.lines), 45))
    for number in points:
        instance_id = f"at{number}"
        with InterruptAt(number) as interrupt:
            try:
                value, interrupts = run_until_done(cell, kernel, instance_id)
            except BaseException as error:
                error.add_note(f"interrupted before {interrupt.place}, line {number} of {nowhere.lines}")
                raise
        assert value == expected(instance_id), interrupt.place
        places.add(interrupt.place)
        try:
            check_history(kernel, instance_id, ledger, repeats=3 * interrupts)
        except BaseException as error:
            error.add_note(f"interrupted before {interrupt.place}, line {number} of {nowhere.lines}")
            raise
    assert len(places) > 30


@pytest.mark.parametrize("mode", ["kernel", "threads"])
def test_what_an_interrupted_call_asked_for_is_on_disk_or_not_done(mode):
    """The cell asks for it unless it sees it: never twice, and never not at all."""
    with df.TaskHub(":memory:", mode=mode, clock=df.VirtualClock()) as hub:
        register(hub, Ledger())
        tomorrow = hub.clock.now() + timedelta(days=1)

        def start(instance_id):
            if not hub.client.get_status(instance_id):
                hub.start("parent", instance_id=instance_id, start_at=tomorrow)

        start("the first one")
        with InterruptAt() as nowhere:
            start("reference")
        places = set()
        for number in range(nowhere.lines // 2, nowhere.lines, 4):
            with InterruptAt(number) as interrupt:
                run_until_done(start, f"at{number}")
            places.add(interrupt.place)
            assert len(hub.handle(f"at{number}").history()) == 1, interrupt.place
        assert len(places) > 10


def can_take_the_turn(hub):
    """Return True if another thread gets the turn."""
    taken = []

    def take():
        taken.append(hub._engine._lock.acquire(timeout=5))
        if taken[0]:
            hub._engine._lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return taken[0]


class StoppedReply:
    """The stop button is pressed as soon as somebody waits for it."""

    def result(self):
        raise KeyboardInterrupt

    def cancel(self):
        return True


def stopped_twice(engine):
    """A command whose wait is interrupted; a second interrupt comes while the engine handles the first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "ask", lambda message: StoppedReply())
        engine.request(Watch("a"))


READS = {
    "obstacle": lambda engine: engine.obstacle("a"),
    "state": lambda engine: engine.runtime_state("a"),
    "key": lambda engine: engine.running_key("a", 0),
    "queues": lambda engine: engine.queue_states(),
    "request": stopped_twice,
}


@pytest.mark.parametrize("read", READS)
def test_an_interrupt_leaves_the_turn_to_others(read):
    """The second press of an impatient user, too."""
    with df.TaskHub(":memory:") as hub:
        hub.add_activity(lambda: 1, name="work", queue=df.Queue("q", concurrency=1))
        hub.add_orchestrator(lambda context: context.wait_for_external_event("go"), name="waits")
        hub.start("waits", instance_id="a")
        places, number = {}, 1
        while True:
            with (
                InterruptAt(number, modules=engine_module.__file__) as interrupt,
                contextlib.suppress(KeyboardInterrupt),
            ):
                READS[read](hub._engine)
            if interrupt.place is None:
                break
            places[interrupt.place] = can_take_the_turn(hub)
            if not places[interrupt.place]:
                hub._engine._lock.release()
            number += 1
    assert len(places) > 2
    assert all(places.values()), places


def test_after_an_interrupt_anywhere_cells_print_as_before(capsys):
    """Prints are redirected only while an activity or an orchestrator runs."""
    modules = tuple(
        module.__file__ for module in (output, log_writer, jobs, invocation, orchestration_executor, streams)
    )
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock(), executor="inline") as hub:
        hub.add_activity(lambda: print("activity"), "say")

        @hub.orchestrator
        def two(context):
            yield context.call_activity("say")
            print("orchestrator")
            return (yield context.call_activity("say"))

        with InterruptAt(None, modules) as nowhere:
            hub.run(two)
        places = set()
        for number in Random(1).sample(range(1, nowhere.lines), 40):
            handle = hub.start(two)
            capsys.readouterr()
            with InterruptAt(number, modules) as interrupt, contextlib.suppress(KeyboardInterrupt):
                handle.result()
            print("cell")
            assert capsys.readouterr().out.endswith("cell\n"), interrupt.place
            places.add(interrupt.place)
        assert len(places) > 25


def test_after_an_interrupt_anywhere_cells_run_outside_of_an_activity():
    outside = repr(df.current_activity())
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock(), executor="inline") as hub:
        hub.add_activity(lambda: df.current_activity().progress(1, 2), "work")
        hub.add_orchestrator(lambda context: (yield context.call_activity("work")), "one")
        places, number = set(), 1
        while True:
            handle = hub.start("one")
            with InterruptAt(number, (running_activity.__file__, invocation.__file__)) as interrupt:
                run_until_done(handle.result)
            if interrupt.place is None:
                break
            places.add(interrupt.place)
            assert repr(df.current_activity()) == outside, interrupt.place
            number += 1
        assert len(places) > 20


def interrupted_in_a_kernel(number, work):
    """Interrupt a cell, in a task of the kernel's loop; return the place, and whether all is as before."""

    async def kernel():
        before = asyncio.current_task(), asyncio.get_running_loop(), sys.get_asyncgen_hooks()
        place = interrupted(number, work)
        return place, before == (asyncio.current_task(), asyncio.get_running_loop(), sys.get_asyncgen_hooks())

    return asyncio.run(kernel())


def interrupted_in_a_script(number, work):
    """Interrupt the work where no loop runs; return the place, and whether a loop can run after it."""
    before = sys.get_asyncgen_hooks()
    place = interrupted(number, work)
    asyncio.run(asyncio.sleep(0))
    return place, before == sys.get_asyncgen_hooks()


def interrupted(number, work):
    """Interrupt the work once, before the n-th line at which loops are replaced; return the place."""
    with InterruptAt(number, running_loop.__file__) as interrupt, contextlib.suppress(KeyboardInterrupt):
        work()
    return interrupt.place


@pytest.fixture(params=["kernel", "threads"])
def asynchronous(request):
    gc.disable()
    with df.TaskHub(":memory:", mode=request.param, clock=df.VirtualClock()) as hub:
        hub.add_activity(lambda: 1, "work")

        @hub.orchestrator
        async def one(context):
            async def call():
                return await context.call_activity("work")

            return await asyncio.create_task(call())

        yield hub
    gc.collect()  # coroutines that were not begun, because of the interrupt: Python warns of them
    gc.enable()


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("interrupted", [interrupted_in_a_kernel, interrupted_in_a_script])
@pytest.mark.parametrize("asynchronous", ["kernel"], indirect=True)
def test_an_interrupted_async_orchestrator_leaves_the_kernel_s_loop_running(asynchronous, interrupted):
    check_each_line(lambda number: interrupted(number, lambda: asynchronous.run("one")))
    assert asynchronous.run("one") == 1


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("interrupted", [interrupted_in_a_kernel, interrupted_in_a_script])
def test_an_interrupted_async_replay_leaves_the_kernel_s_loop_running(asynchronous, interrupted):
    asynchronous.run("one", instance_id="a")
    check_each_line(lambda number: interrupted(number, asynchronous.handle("a").replay))


def check_each_line(interrupted):
    """Check that an interrupt does no harm before the first line, before the second, and so on."""
    harmed, places, number = set(), set(), 1
    while True:
        place, is_unharmed = interrupted(number)
        if place is None:
            break
        places.add(place)
        if not is_unharmed:
            harmed.add(place)
        number += 1
    assert harmed == set()
    assert len(places) > 8


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("asynchronous", ["kernel"], indirect=True)
@pytest.mark.parametrize("name", ["one", "with a generator"])
def test_no_interrupt_of_a_running_orchestrator_is_lost(asynchronous, name):
    @asynchronous.orchestrator(name="with a generator")
    def generator(context):
        context.wait_for_external_event("never")
        return (yield context.call_activity("work"))

    lost, places, number, interrupt = set(), set(), 1, None
    while interrupt is None or interrupt.place is not None:
        handle = asynchronous.start(name)
        with InterruptAt(number, (execution.__file__, event_loop.__file__)) as interrupt:
            try:
                handle.result()
                lost.add(interrupt.place)
            except KeyboardInterrupt:
                places.add(interrupt.place)
        assert handle.result() == 1
        number += 1
    assert lost == {None}  # the last run, in which no interrupt came
    assert len(places) > 40


class StoppedSet(set):
    """The stop button is pressed while the first member is added."""

    is_pressed = False

    def add(self, member):
        super().add(member)
        if not self.is_pressed:
            self.is_pressed = True
            raise KeyboardInterrupt


class StoppedVariable:
    """A context variable; the stop button is pressed while it is set for the first time."""

    is_pressed = False

    def __init__(self, variable):
        self.get, self._set = variable.get, variable.set

    def set(self, value):
        self._set(value)
        if not self.is_pressed:
            self.is_pressed = True
            raise KeyboardInterrupt


@pytest.fixture
def replayable():
    with df.TaskHub(":memory:", clock=df.VirtualClock()) as hub:
        hub.add_activity(lambda: 1, "work")
        hub.add_orchestrator(lambda context: (yield context.call_activity("work")), "one")
        hub.run("one", instance_id="a")
        yield hub


def test_a_replay_that_is_stopped_as_it_begins_leaves_the_hub_usable(replayable):
    replayable._engine.orchestrator_scope._replaying_threads = StoppedSet()
    with pytest.raises(KeyboardInterrupt):
        replayable.handle("a").replay()
    assert replayable.run("one") == 1
    assert repr(replayable.handle("a").replay()) == "<Replay of a: 2 replays, 1 await>"


def test_a_replay_that_is_stopped_as_it_begins_leaves_the_output_of_cells_alone(replayable, monkeypatch):
    variable = StoppedVariable(output.current_owner)
    monkeypatch.setattr(output, "current_owner", variable)
    with pytest.raises(KeyboardInterrupt):
        replayable.handle("a").replay()
    assert variable.get() is None  # no owner takes what cells print


def test_a_wait_that_is_stopped_as_it_begins_moves_no_virtual_clock(replayable):
    replayable.add_orchestrator(lambda context: context.wait_for_external_event("go"), "waits")
    handle = replayable.start("waits")
    replayable._engine.waiters = StoppedSet()
    with pytest.raises(KeyboardInterrupt):
        handle.result()
    assert replayable._engine.waiters == set()  # a clock jumps while there are any


def test_a_hub_closes_after_an_interrupt_anywhere_between_the_engine_and_an_activity():
    modules = tuple(module.__file__ for module in (thread_executors, dispatcher, jobs, invocation))
    number, interrupt = 1, None
    while interrupt is None or interrupt.place is not None:
        with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock(), executor="inline") as hub:
            hub.add_activity(lambda: "said", "say")
            hub.add_orchestrator(lambda context: (yield context.call_activity("say")), "one")
            handle = hub.start("one")
            with InterruptAt(number, modules) as interrupt, contextlib.suppress(KeyboardInterrupt):
                handle.result()
        number += 3
    assert number > 40


@pytest.fixture
def stop_button():
    """Ctrl-C is an interrupt within a cell, wherever that is, and nothing in the test around it."""

    def pressed(number, frame):
        while frame is not None:
            if frame.f_code is cell.__code__:
                raise KeyboardInterrupt
            frame = frame.f_back

    # Hypothesis, which other tests use, leaves a callback there. An interrupt within it would be ignored.
    callbacks, gc.callbacks[:] = gc.callbacks[:], []
    before = signal.signal(signal.SIGINT, pressed)
    yield
    signal.signal(signal.SIGINT, before)
    gc.callbacks[:] = callbacks


@pytest.mark.usefixtures("stop_button")
@pytest.mark.parametrize(("mode", "enough"), [("kernel", 45), ("threads", 20)])
def test_interrupts_at_any_moment_lose_nothing(tmp_path, mode, enough):
    """Real ones, from outside, also in the middle of DuckDB, of the interpreter and of others' commits."""
    ledger, stop = Ledger(), threading.Event()
    random, patience = Random(2), [1.0]

    def pester():
        while not stop.wait((0.004 + random.random() * 0.03) * patience[0]):
            patience[0] *= 1.2  # on a busy machine, too, a cell must come to its end at some time
            _thread.interrupt_main()

    hub = df.TaskHub(tmp_path / "pestered.duckdb", mode=mode, clock=df.VirtualClock())
    register(hub, ledger)
    thread = threading.Thread(target=pester)
    total, number = 0, 0
    thread.start()
    try:
        while total < enough:
            _, interrupts = run_until_done(cell, hub, f"p{number}")
            number, total, patience[0] = number + 1, total + interrupts, 1.0
    finally:
        stop.set()
        thread.join()
    for one in range(number):
        assert cell(hub, f"p{one}") == expected(f"p{one}")
        check_history(hub, f"p{one}", ledger, repeats=100)
    hub.close()


def test_the_hub_begins_again_with_all_that_was_handed_to_the_disk_before_the_interrupt(
    tmp_path, monkeypatch
):
    """An interrupt came between the step that hands records over and the step that notes it."""
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel") as hub:
        hub.add_orchestrator(lambda context: context.instance_id, "name")
        hub.run("name", instance_id="first")
        committer, store = hub._engine.committer, hub._engine.store
        queue, append, is_asked_for = committer._queue, store.append, threading.Event()

        class Interrupting:
            def put(self, batch):
                queue.put(batch)
                monkeypatch.setattr(committer, "_queue", queue)
                raise KeyboardInterrupt

            def __getattr__(self, name):
                return getattr(queue, name)

        def append_late(records):
            is_asked_for.wait(20)
            append(records)

        def drain():
            is_asked_for.set()
            Committer.drain(committer)

        monkeypatch.setattr(committer, "_queue", Interrupting())
        monkeypatch.setattr(store, "append", append_late)
        monkeypatch.setattr(committer, "drain", drain)
        with pytest.raises(KeyboardInterrupt):
            hub.start("name", instance_id="second")
        assert hub.run("name", instance_id="third") == "third"
        assert hub.handle("second").result(timeout=20) == "second"
        places = hub.sql("select count(*), count(distinct seq) from history").fetchall()[0]
        assert places[0] == places[1]


def test_an_interrupted_activity_begins_anew_in_the_next_cell():
    calls = []
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.activity
        def slow(value):
            calls.append(value)
            if len(calls) < 4:
                raise KeyboardInterrupt
            return value

        @hub.orchestrator
        def one(context):
            return (yield context.call_activity(slow, context.get_input()))

        handle = hub.start(one, 7)
        value, interrupts = run_until_done(handle.result)
        assert (value, interrupts, calls) == (7, 3, [7] * 4)
        assert len(handle.history()) == 6


def test_an_interrupted_activity_can_be_mended_before_it_begins_anew():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.activity
        def slow():
            raise KeyboardInterrupt

        @hub.orchestrator
        def one(context):
            return (yield context.call_activity("slow"))

        handle = hub.start(one)
        with pytest.raises(KeyboardInterrupt) as interrupt:
            handle.result()
        assert "nothing is lost" in interrupt.value.__notes__[0]

        @hub.activity(name="slow")
        def quick():
            return "quick"

        assert handle.result() == "quick"


def test_an_interrupted_orchestrator_replays_in_the_next_cell():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        ledger, lives = Ledger(), Counter()
        hub.add_activity(ledger.work, "work")

        @hub.orchestrator
        def chain(context):
            for step in range(5):
                lives[step] += 1
                if not context.is_replaying and lives[step] == 1:
                    raise KeyboardInterrupt
                yield context.call_activity("work", step)
            return "done"

        handle = hub.start(chain)
        value, interrupts = run_until_done(handle.result)
        assert (value, interrupts) == ("done", 5)
        assert ledger.calls == dict.fromkeys(range(5), 1)


def test_an_orchestrator_that_swallows_the_interrupt_goes_on_by_itself():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.orchestrator
        def stubborn(context):
            try:
                raise KeyboardInterrupt
            except KeyboardInterrupt:
                yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
            return "done"

        assert hub.run(stubborn) == "done"


def interrupt_the_wait(handle):
    button = interrupt_within(type(handle).result)
    with pytest.raises(KeyboardInterrupt):
        handle.result()
    button.join()


@pytest.mark.parametrize("mode", ["kernel", "threads"])
def test_an_interrupted_wait_can_be_taken_up_again(mode):
    with df.TaskHub(":memory:", mode=mode) as hub:

        @hub.orchestrator
        def patient(context):
            context.create_timer(context.current_utc_datetime + timedelta(days=1))
            return (yield context.wait_for_external_event("go on"))

        handle = hub.start(patient)
        for _ in range(5):
            interrupt_the_wait(handle)
        handle.raise_event("go on", "came")
        assert handle.result() == "came"
        assert len(handle.history()) == 7


def test_an_interrupted_wait_for_an_activity_does_not_stop_the_activity():
    calls, go_on = [], threading.Event()
    with df.TaskHub(":memory:") as hub:

        @hub.activity
        def slow():
            calls.append(1)
            go_on.wait(20)
            return "slow"

        @hub.orchestrator
        def one(context):
            return (yield context.call_activity(slow))

        handle = hub.start(one)
        for _ in range(3):
            interrupt_the_wait(handle)
        go_on.set()
        assert handle.result() == "slow"
        assert calls == [1]


def test_a_close_that_is_interrupted_lets_go_of_the_file_and_the_work_goes_on_later(tmp_path):
    begun, go_on = threading.Event(), threading.Event()
    hub = df.TaskHub(tmp_path / "hub.duckdb")

    def slow():
        begun.set()
        go_on.wait(20)
        return "first"

    def one(context):
        return (yield context.call_activity("slow"))

    hub.add_activity(slow)
    hub.add_orchestrator(one)
    hub.start("one", instance_id="one")
    assert begun.wait(10)
    button = interrupt_within(df.TaskHub.close)
    with pytest.raises(KeyboardInterrupt):
        hub.close()
    button.join()
    with df.TaskHub(tmp_path / "hub.duckdb") as again:
        again.add_orchestrator(one)
        again.add_activity(lambda: "second", "slow")
        assert again.handle("one").result(timeout=20) == "second"
    go_on.set()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups like these")
def test_a_processes_activity_is_not_hit_by_the_interrupt_of_the_kernel(tmp_path):
    """A kernel's interrupt is sent to its whole process group."""
    script = """
        import os, signal, sys, time
        import durablenb as df
        from tests.interrupts import interrupt_within

        def slow(path):
            open(path, "w").close()
            while not os.path.exists(f"{path} to the end"):
                time.sleep(0.01)
            return "slow"

        def one(context):
            return (yield context.call_activity("slow", context.get_input()))

        hub = df.TaskHub(":memory:", executor="processes")
        hub.add_activity(slow)
        hub.add_orchestrator(one)
        handle = hub.start("one", sys.argv[1])
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.01)
        button = interrupt_within(df.Handle.result, lambda: os.killpg(0, signal.SIGINT))
        try:
            handle.result()
        except KeyboardInterrupt:
            print("interrupted")
        button.join()
        open(f"{sys.argv[1]} to the end", "w").close()
        print(handle.result())
        hub.close()
    """
    assert run_script(script, str(tmp_path / "begun")) == ["interrupted", "slow"]


def run_script(script, *args):
    """The lines that a script prints, run as a process and group of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        output, complaint = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its children, too, which hold the pipes
        raise
    assert process.returncode == 0, complaint
    return output.splitlines()


# -- other processes ----------------------------------------------------------------------------------

FORK = """
    import json, os, sys, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # that a process with threads forks
    import durablenb as df

    path, mode, farewell = sys.argv[1:]
    hub = df.TaskHub(path, mode=mode)

    @hub.activity
    def work(n):
        return n

    @hub.orchestrator
    def chain(context):
        return (yield context.task_all([context.call_activity(work, n) for n in range(3)]))

    @hub.orchestrator
    def waits(context):
        return (yield context.wait_for_external_event("go on"))

    done = hub.start(chain, instance_id="done")
    done.result()
    open_ = hub.start(waits, instance_id="open")
    while hub.step() if mode == "kernel" else len(open_.history()) < 3:
        time.sleep(0.01)  # what DuckDB is doing while a process forks, the child can't know
    connection = hub.connection()
    entries = {
        "start": lambda: hub.start(chain),
        "run": lambda: hub.run(chain),
        "step": lambda: hub.step(),
        "handle": lambda: hub.handle("done"),
        "result of an ended one": lambda: done.result(),
        "result": lambda: open_.result(timeout=2),
        "wait": lambda: open_.wait(timeout=2),
        "status": lambda: open_.status(),
        "history": lambda: open_.history(),
        "raise_event": lambda: open_.raise_event("go on"),
        "terminate": lambda: open_.terminate(),
        "suspend": lambda: open_.suspend(),
        "resume": lambda: open_.resume(),
        "rewind": lambda: done.rewind(),
        "restart": lambda: done.restart(),
        "purge": lambda: done.purge(),
        "purge_by": lambda: hub.client.purge_instance_history_by(runtime_status="Completed"),
        "get_status": lambda: hub.client.get_status("done"),
        "get_status_all": lambda: hub.client.get_status_all(),
        "instances": lambda: hub.instances(),
        "sql": lambda: hub.sql("select 1").fetchall(),
        "connection": lambda: hub.connection(),
    }
    if mode == "threads":
        del entries["step"]
    child = os.fork()
    if child == 0:
        found = {}
        for name, entry in entries.items():
            try:
                found[name] = f"no error: {entry()!r}"
            except Exception as error:
                found[name] = f"{type(error).__name__}: {error}"
        found["repr"] = repr(hub) + repr(open_)
        hub.add_activity(work)
        if path != ":memory:":
            try:
                found["open"] = repr(df.TaskHub(path))
            except Exception as error:
                found["open"] = f"{type(error).__name__}: {error}"
        hub.close()
        with df.TaskHub(":memory:", mode="kernel") as own:
            own.add_activity(work)
            own.add_orchestrator(chain)
            found["own"] = own.run("chain")
        print(json.dumps(found), flush=True)
        if farewell == "_exit":
            os._exit(0)
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    print(status)
    open_.raise_event("go on", "unharmed")
    print(open_.result(), hub.run(chain))
    hub.close()
    if path != ":memory:":
        with df.TaskHub(path) as again:
            print(again.handle("open").result(), again.handle("done").result())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize(
    ("place", "mode", "farewell"),
    [
        (":memory:", "threads", "exit"),
        (":memory:", "kernel", "_exit"),
        ("hub.duckdb", "threads", "_exit"),
        ("hub.duckdb", "kernel", "exit"),
    ],
)
def test_a_forked_child_is_told_so_and_harms_nobody(tmp_path, place, mode, farewell):
    path = place if place == ":memory:" else str(tmp_path / place)
    found, status, alive, *again = run_script(FORK, path, mode, farewell)
    found = json.loads(found)
    assert status == "0"
    assert alive == "unharmed [0, 1, 2]"
    assert again == ([] if place == ":memory:" else ["unharmed [0, 1, 2]"])
    assert found.pop("own") == [0, 1, 2]
    assert "TaskHub" in found.pop("repr")
    if place != ":memory:":
        assert found.pop("open").startswith("HubLockedError")
    for name, message in found.items():
        assert message.startswith("StoreError"), f"{name}: {message}"
        assert "fork" in message, f"{name}: {message}"


def test_a_second_process_is_told_who_holds_the_file(tmp_path):
    path = tmp_path / "hub.duckdb"
    script = """
        import sys
        import durablenb as df
        try:
            df.TaskHub(sys.argv[1])
        except df.HubLockedError as error:
            assert isinstance(error, df.StoreError)
            print(error)
    """
    with df.TaskHub(path) as hub:
        hub.add_orchestrator(lambda context: "fine", "fine")
        [message] = run_script(script, str(path))
        assert f"process {os.getpid()}" in message
        assert str(path) in message
        assert hub.run("fine") == "fine"
    assert run_script(script, str(path)) == []


def test_the_same_file_again_is_the_same_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.duckdb").symlink_to(tmp_path / "hub.duckdb")
    with df.TaskHub("hub.duckdb") as hub:
        for same in (
            "hub.duckdb",
            tmp_path / "hub.duckdb",
            "folder/../hub.duckdb",
            tmp_path / "link.duckdb",
            Path("hub.duckdb"),
        ):
            assert df.TaskHub(same) is hub
        assert df.TaskHub("hub.duckdb", mode="threads", durability="strict", executor=None) is hub
    with df.TaskHub("hub.duckdb") as another:
        assert another is not hub


def test_the_same_file_with_other_options_is_refused(tmp_path):
    other = {"mode": "kernel", "durability": "pipelined", "executor": 4, "clock": df.VirtualClock()}
    other |= {"max_concurrency": 1, "verify_replay": True, "on_nondeterminism": "fail"}
    with df.TaskHub(tmp_path / "hub.duckdb") as hub:
        hub.add_orchestrator(lambda context: "fine", "fine")
        for name, value in other.items():
            with pytest.raises(df.DurableError, match=f"other options.*{name}"):
                df.TaskHub(tmp_path / "hub.duckdb", **{name: value})
        assert hub.run("fine") == "fine"
    with df.TaskHub(tmp_path / "hub.duckdb", **other) as again:
        assert again is not hub


def test_a_wait_in_another_thread_ends_when_the_hub_is_closed():
    hub, told = df.TaskHub(":memory:"), []

    @hub.orchestrator
    def waits(context):
        yield context.wait_for_external_event("never")

    handle = hub.start(waits)

    def wait():
        try:
            handle.result()
        except df.StoreError as error:
            told.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: hub._engine.waiters)
    hub.close()
    thread.join(20)
    assert not thread.is_alive()
    assert "closed" in told[0]


def test_a_hub_whose_closing_was_cut_off_is_closed_when_it_is_asked_for_again(tmp_path, monkeypatch):
    """An interrupt may come just before the file is let go."""

    def cut_off(_):
        raise KeyboardInterrupt

    path = tmp_path / "cut.duckdb"
    first = df.TaskHub(path)
    first.add_activity(lambda value: value, "echo")
    with monkeypatch.context() as patch:
        patch.setattr("durablenb.hub.task_hub.uninterrupted", cut_off)
        with pytest.raises(KeyboardInterrupt):
            first.close()
    with df.TaskHub(path) as second:
        assert second is not first
        second.add_orchestrator(lambda context: "it runs", "again")
        assert second.run("again") == "it runs"
