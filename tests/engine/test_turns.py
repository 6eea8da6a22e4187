"""A thread that ends an activity goes on with its orchestration itself; all that follows still happens."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest

import durablenb as df
from durablenb.engine.orchestration_executor import OrchestrationExecutor
from durablenb.engine.state import EngineState
from durablenb.engine.thread_executors import Worker


@pytest.fixture
def hub():
    with df.TaskHub(":memory:") as hub:
        hub.add_activity(lambda value: value, "echo")
        yield hub


def test_the_thread_that_ended_an_activity_runs_what_comes_next(hub):
    seen = []

    def look(context):
        yield context.call_activity("echo", 1)
        seen.append(threading.current_thread())

    hub.add_orchestrator(look)
    for _ in range(20):
        hub.run(look)
    assert any(isinstance(thread, Worker) for thread in seen)


def test_a_chain_stays_in_one_thread_which_also_commits(hub):
    calling, committing = [], []
    append = hub._engine.store.append
    hub._engine.store.append = lambda records: (
        committing.append(threading.current_thread()),
        append(records),
    )
    hub.add_activity(lambda: calling.append(threading.current_thread()), "note")

    def chain(context):
        for _ in range(20):
            yield context.call_activity("note")

    hub.add_orchestrator(chain)
    hub.run(chain)
    assert len(calling) == 20
    moves = sum(before is not after for before, after in pairwise(calling))
    assert moves <= 3  # the first calls may end while another thread has the turn
    assert sum(isinstance(thread, Worker) for thread in committing) >= 15


def test_a_thread_that_is_free_keeps_one_call_and_leaves_the_others(hub):
    threads, together = [], threading.Barrier(3)

    def meet(number):
        threads.append(threading.current_thread())
        together.wait(20)

    hub.add_activity(meet)

    def fan_out(context):
        yield context.call_activity("echo", 1)
        yield context.task_all([context.call_activity("meet", number) for number in range(3)])
        return "met"

    hub.add_orchestrator(fan_out)
    assert hub.run(fan_out) == "met"
    assert len(set(threads)) == 3


def test_a_result_is_there_after_the_end_though_the_engine_is_busy(hub):
    hub.add_orchestrator(lambda context: context.get_input(), "same")
    ended = [hub.start("same", number) for number in range(2)]
    assert [handle.result() for handle in ended] == [0, 1]
    is_taken, may_go = threading.Event(), threading.Event()

    def hold_the_turn():
        with hub._engine._lock:
            is_taken.set()
            assert may_go.wait(20)

    holder = threading.Thread(target=hold_the_turn)
    holder.start()
    assert is_taken.wait(20)
    try:
        assert [handle.result(timeout=5) for handle in ended] == [0, 1]
    finally:
        may_go.set()
        holder.join()
    ended[0].purge()
    with pytest.raises(df.DurableError):
        ended[0].result(timeout=5)
    assert ended[1].result() == 1


def test_with_pipelined_durability_calls_begin_while_the_disk_is_busy():
    has_begun, is_committing, may_commit = threading.Event(), threading.Event(), threading.Event()
    with df.TaskHub(":memory:", durability="pipelined") as hub:
        hub.add_activity(has_begun.set, "begin")
        hub.add_orchestrator(lambda context: (yield context.call_activity("begin")), "calls")
        hub.add_orchestrator(lambda context: (yield context.wait_for_external_event("go")), "waits")
        waiting, append = hub.start("waits"), hub._store.append

        def append_late(records):
            is_committing.set()
            assert may_commit.wait(20)
            append(records)

        hub._store.append = append_late
        with ThreadPoolExecutor(2) as clients:
            try:
                clients.submit(waiting.raise_event, "go")
                assert is_committing.wait(20)
                clients.submit(hub.start, "calls")
                assert has_begun.wait(5)
            finally:
                may_commit.set()


def test_a_timer_that_is_set_there_fires(hub):
    def wait(context):
        yield context.call_activity("echo", 1)
        yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=30))
        return "fired"

    hub.add_orchestrator(wait)
    assert [hub.run(wait) for _ in range(5)] == ["fired"] * 5


def test_many_ends_are_taken_together(hub):
    """An episode for each end of a wide fan-out would be dear."""

    def fan_out(context):
        yield context.task_all([context.call_activity("echo", number) for number in range(500)])

    hub.add_orchestrator(fan_out)
    handle = hub.start(fan_out)
    handle.result()
    kinds = [type(event).__name__ for event in handle.history()]
    assert kinds.count("OrchestratorStarted") < 100


def plant(monkeypatch, is_due):
    """A mistake of the engine's own, each time that `is_due` says so."""
    run = EngineState.run_episodes

    def broken(state):
        if is_due(state):
            raise LookupError("planted")
        run(state)

    monkeypatch.setattr(EngineState, "run_episodes", broken)


def echoes(context):
    first = yield context.call_activity("echo", 1)
    second = yield context.call_activity("echo", 2)
    return [first, second]


def test_after_a_mistake_of_the_engine_the_hub_goes_on_from_its_journal(hub, monkeypatch):
    hub.add_orchestrator(echoes)
    mistakes = []

    def is_due(_):
        if isinstance(threading.current_thread(), Worker) and not mistakes:
            mistakes.append(threading.current_thread())
            return True
        return False

    plant(monkeypatch, is_due)
    handles = [hub.start(echoes) for _ in range(20)]
    assert [handle.result(60) for handle in handles] == [[1, 2]] * 20
    assert mistakes
    assert hub.run(echoes) == [1, 2]


def test_what_was_not_on_disk_when_a_mistake_came_is_refused_and_not_done(hub, monkeypatch):
    hub.add_orchestrator(echoes)
    mistakes = ["one"]
    plant(monkeypatch, lambda state: bool(state.buffer.has_records and mistakes and mistakes.pop()))
    with pytest.raises(df.DurableError, match=r"durablenb made a mistake: LookupError: planted.*ask again"):
        hub.start(echoes, instance_id="a")
    assert hub.instances() == []
    assert hub.start(echoes, instance_id="a").result(60) == [1, 2]


def test_a_second_mistake_at_once_stops_the_hub_and_leaves_nobody_waiting(hub, monkeypatch):
    hub.add_orchestrator(lambda context: (yield context.wait_for_external_event("never")), name="waits")
    hub.add_orchestrator(echoes)
    waits = hub.start("waits")
    waiter = ThreadPoolExecutor(1)
    with waiter:
        waiting = waiter.submit(waits.result)
        plant(monkeypatch, lambda state: state.buffer.has_records)
        for _ in range(2):
            with pytest.raises(df.DurableError, match="LookupError: planted"):
                hub.start(echoes)
        with pytest.raises(df.DurableError, match=r"mistake in durablenb itself: LookupError: planted"):
            waiting.result(60)
    with pytest.raises(df.DurableError, match=r"mistake in durablenb itself: LookupError: planted"):
        hub.start(echoes)


def test_in_the_callers_thread_too_the_hub_goes_on_from_its_journal_after_a_mistake(monkeypatch):
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_activity(lambda value: value, "echo")
        hub.add_orchestrator(echoes)
        handle = hub.start(echoes)
        mistakes = ["one"]
        go_on = OrchestrationExecutor.run_queued

        def broken(orchestrations, limit=None):
            if mistakes:
                raise LookupError(mistakes.pop())
            return go_on(orchestrations, limit)

        monkeypatch.setattr(OrchestrationExecutor, "run_queued", broken)
        with pytest.raises(LookupError):
            hub.step()
        assert handle.result() == [1, 2]


def test_a_journal_that_can_not_be_read_is_not_read_again_and_again_without_a_pause(hub, monkeypatch):
    tries = []
    load = hub._store.load

    def broken(instance_ids):
        tries.append(instance_ids)
        raise df.StoreError("planted: a bad sector")

    hub.add_orchestrator(lambda context: (yield context.wait_for_external_event("go")), name="waits")
    handle = hub.start("waits", instance_id="unread")
    hub._engine.settle_log()
    with hub._engine._lock:
        instances = hub._engine._state.instances
        instances.executions.drop(instances.open["unread"])
        instances.blocked.hold(instances.open["unread"], ValueError("put away"))
    monkeypatch.setattr(hub._store, "load", broken)
    handle.resume("")
    handle.raise_event("go", 7)
    began = time.monotonic()
    assert hub.start("waits", instance_id="beside").id == "beside"  # a client need not wait for that
    while len(tries) < 4:
        threading.Event().wait(0.01)
    assert len(tries) < 10 + 20 * (time.monotonic() - began)
    monkeypatch.setattr(hub._store, "load", load)
    assert handle.result(60) == 7


def test_closing_does_not_wait_for_ever_for_an_orchestrator_that_does_not_come_back():
    is_over, is_stuck = threading.Event(), threading.Event()

    def stuck(context):
        yield context.call_activity("echo", 1)
        is_stuck.set()
        is_over.wait()

    hub = df.TaskHub(":memory:")
    try:
        hub.add_activity(lambda value: value, "echo")
        hub.add_orchestrator(stuck)
        hub.start(stuck)
        assert is_stuck.wait(30)
        hub._close(wait=False)  # as the end of the process does
    finally:
        is_over.set()


def test_an_executor_that_ends_a_call_at_once_is_not_a_turn_in_a_turn(hub):
    class AtOnce:
        def submit(self, job):
            if job.begin():
                job.finish("7")

        def drop_unwanted(self):
            pass

        def close(self, *, wait):
            pass

    hub.add_activity(lambda: 0, "seven", executor=AtOnce())

    def mixed(context):
        values = []
        for number in range(10):
            values.append((yield context.call_activity("echo", number)))
            values.append((yield context.call_activity("seven")))
        return values

    hub.add_orchestrator(mixed)
    assert hub.run(mixed)[-4:] == [8, 7, 9, 7]
