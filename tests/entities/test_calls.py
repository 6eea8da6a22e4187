"""Calls and signals of entities, and their outcomes."""

import asyncio
import threading
from datetime import timedelta

import pytest

import durablenb as df
from tests.entities.conftest import Kernel

A, B = df.EntityId("Counter", "a"), df.EntityId("Counter", "b")


def counter(context):
    """Counts, and does what its input says besides."""
    if context.operation_name == "fail":
        context.set_state(99)
        context.signal_entity(B, "add", 1)
        context.start_new("child", "started-by-a-failure")
        raise ValueError(context.get_input())
    if context.operation_name == "signal":
        context.signal_entity(B, "add", context.get_input())
    if context.operation_name == "start":
        return context.start_new("child", context.get_input(), "hello")
    if context.operation_name == "add":
        context.set_state(context.get_state(lambda: 0) + context.get_input())
    return context.get_state(lambda: 0)


def child(context):
    return context.get_input()


@pytest.fixture
def counting(hub):
    hub.add_entity(counter, "Counter")
    hub.add_orchestrator(child)
    return hub


def one(operation, given=None, entity=A):
    """An orchestrator that calls one operation."""

    def calling(context):
        return (yield context.call_entity(entity, operation, given))

    return calling


def call(hub, *operation):
    """Call one operation in an orchestration, and return its result."""
    return hub.run(hub.orchestrator(one(*operation)))


def failed(hub, *operation):
    """Call one operation that fails, and return the error."""
    with pytest.raises(ValueError, match="because") as raised:
        call(hub, *operation)
    return raised.value


def kinds(hub, instance_id):
    return [type(record.event).__name__ for record in hub._store.records(str(instance_id))]


def test_a_failure_reaches_the_caller_with_its_type_and_leaves_nothing_behind(counting):
    error = failed(counting, "fail", "because")
    assert isinstance(error, df.TaskFailedError)
    assert str(error) == "Orchestrator function 'calling' failed: because"
    counting.settle()
    assert counting.entity_state(A) is None
    assert kinds(counting, A) == ["OperationEnqueued", "OperationFailed"]
    assert kinds(counting, B) == []
    assert not counting.client.get_status("started-by-a-failure")


def test_a_failure_tells_the_lines_of_the_users_code_and_the_operation(counting):
    details = failed(counting, "fail", "because").details
    assert details.stack_trace.endswith("\nOperation 'fail' on entity '@counter@a' failed.\n")
    assert "raise ValueError(context.get_input())" in details.inner.stack_trace
    assert "operations.py" not in details.inner.stack_trace


@pytest.mark.parametrize("text", ["not enough money", "", "two\nlines", "'quoted'"])
def test_a_failure_reads_as_it_was_raised(counting, text):
    @counting.orchestrator
    def catching(context):
        try:
            yield context.call_entity(A, "fail", text)
        except ValueError as error:
            return [str(error), error.details.error_type, error.details.message]

    assert counting.run(catching) == [text, "builtins.ValueError", text]


@pytest.mark.parametrize("many", [False, True])
def test_a_note_on_a_failure_names_the_operation_and_the_entity(counting, many):
    def catching(context):
        calls = [context.call_entity(entity, "fail", "because") for entity in (B, A)]
        try:
            yield context.task_all(calls) if many else calls[1]
        except ValueError as error:
            return error.__notes__

    counting.add_orchestrator(catching, "catching")
    failed = "b" if many else "a"
    assert counting.run("catching") == [f"Operation 'fail' on entity '@counter@{failed}' failed."]


def test_it_names_the_operation_in_an_execution_that_began_when_it_did(counting, monkeypatch):
    def catching(context):
        try:
            yield context.call_entity(A, "fail", "because")
        except ValueError as error:
            return str(error).partition(" \n")[0]

    counting.add_orchestrator(catching, "catching")
    monkeypatch.setattr("durablenb.engine.instances.RULES", 1)
    handle = counting.start("catching")
    assert handle.result() == "Operation 'fail' on entity '@counter@a' failed: because"
    assert counting.replay(handle, catching).fits


def test_an_entity_signals_another_one_and_starts_orchestrations(counting):
    counting.client.signal_entity(A, "signal", 4)
    assert call(counting, "start", "by-name") == "by-name"
    assert counting.handle("by-name").result() == "hello"
    made = call(counting, "start")
    assert counting.handle(made).result() == "hello"
    assert counting.entity_state(B) == 4
    assert counting.client.get_status(made).name == "child"


def test_an_orchestration_that_is_open_is_not_started_again_by_an_entity(counting):
    @counting.orchestrator(name="child")
    def waiting(context):
        return (yield context.wait_for_external_event("go"))

    first = counting.start("child", instance_id="only")
    assert call(counting, "start", "only") == "only"
    first.raise_event("go", 1)
    assert first.result() == 1
    assert "OrchestrationStarted" not in kinds(counting, A)


def test_signals_that_are_sent_for_later_come_when_they_are_due(counting):
    clock = counting._engine.clock
    begin = clock.now()
    for hours in (3, 1, 2):
        counting.client.signal_entity(A, "add", hours, at=begin + timedelta(hours=hours))
    counting.client.signal_entity(A, "add", 10)
    counting.settle()
    later = [begin + timedelta(hours=hours) for hours in (0.5, 1.5, 2.5, 3.5)]
    assert [counting.entity_state(A, as_of=moment) for moment in later] == [10, 11, 13, 16]


def test_an_orchestration_signals_for_later_in_its_own_time(counting):
    @counting.orchestrator
    def remind(context):
        due = context.current_utc_datetime + timedelta(days=2)
        context.signal_entity(A, "add", 1, at=due)
        return due.isoformat()

    counting.run(remind)
    assert counting.entity_state(A) is None
    counting.settle()
    assert counting.entity_state(A) == 1


def test_a_fan_out_over_entities_and_over_one(counting):
    @counting.orchestrator
    def many(context):
        calls = [context.call_entity(df.EntityId("Counter", str(n)), "add", n) for n in range(20)]
        calls += [context.call_entity(A, "add", 1) for _ in range(50)]
        return (yield context.task_all(calls))

    assert counting.run(many) == [*range(20), *range(1, 51)]


def test_an_unknown_entity_is_a_mistake_at_once(counting):
    unknown = df.EntityId("Conter", "a")
    with pytest.raises(LookupError, match=r"The entity 'conter' isn't registered. Did you mean 'counter'\?"):
        call(counting, "add", 1, unknown)
    with pytest.raises(df.FunctionNotFoundError, match=r"Did you mean 'counter'\?"):
        counting.client.signal_entity(unknown, "add", 1)


@pytest.mark.parametrize("wrong", ["@counter@a", ("Counter", "a"), None])
def test_an_entity_is_addressed_by_its_id(counting, wrong):
    with pytest.raises(TypeError, match="Expected an EntityId"):
        counting.client.signal_entity(wrong, "add", 1)


def test_what_an_entity_prints_is_in_its_log(counting):
    @counting.entity
    def speaker(context):
        print("it was", context.get_input())

    counting.client.signal_entity(df.EntityId("speaker", "x"), "say", "said")
    counting.settle()
    rows = counting.sql("select message, name from logs where instance_id = '@speaker@x'").fetchall()
    assert rows == [("it was said", "speaker")]


def test_a_signal_that_fails_is_in_the_log_with_its_traceback_and_a_call_is_not(counting, capsys):
    counting.client.signal_entity(A, "fail", "why")
    failed(counting, "fail", "because")
    counting.settle()
    ((level, message),) = counting.sql("select level, message from logs").fetchall()
    assert level == "ERROR"
    assert message.startswith("The signal 'fail' failed.")
    assert "raise ValueError(context.get_input())" in message
    assert "ValueError: why" in message
    assert capsys.readouterr() == ("", "")


def test_a_slow_entity_holds_up_nobody():
    is_over, has_begun = threading.Event(), threading.Event()
    with df.TaskHub(":memory:") as hub:
        hub.add_entity(counter, "Counter")

        @hub.entity
        def slow(context):
            has_begun.set()
            is_over.wait(30)

        hub.client.signal_entity(df.EntityId("slow", "x"), "work")
        assert has_begun.wait(30)
        try:
            assert call(hub, "add", 1) == 1
        finally:
            is_over.set()


def test_one_operation_at_a_time_for_each_entity_and_many_at_once_for_several():
    running, most, both = {}, {}, threading.Barrier(2, timeout=30)
    with df.TaskHub(":memory:") as hub:

        @hub.entity
        def meeting(context):
            key = context.entity_key
            running[key] = running.get(key, 0) + 1
            most[key] = max(most.get(key, 0), running[key])
            both.wait()
            running[key] -= 1

        @hub.orchestrator
        def meet(context):
            calls = [context.call_entity(df.EntityId("meeting", key), "in") for key in "ab" * 5]
            yield context.task_all(calls)

        hub.run(meet)
    assert most == {"a": 1, "b": 1}


def test_clients_in_an_event_loop():
    async def main(hub):
        client = df.DurableOrchestrationClient(hub)
        await asyncio.gather(*(client.signal_entity(A, "add", n) for n in range(10)))

    with df.TaskHub(":memory:") as hub:
        hub.add_entity(counter, "Counter")
        asyncio.run(main(hub))
        assert call(hub, "get") == 45


def test_after_a_restart_what_was_asked_waits_for_the_entitys_cell(tmp_path):
    path = tmp_path / "hub.duckdb"
    with Kernel(path, mode="kernel") as hub:
        hub.add_entity(counter, "Counter")
        hub.client.signal_entity(A, "add", 1)
        hub.add_orchestrator(one("add", 1), "calling")
        handle = hub.start("calling")
        hub.step()
    with Kernel(path, mode="kernel") as hub:
        hub.add_orchestrator(one("add", 1), "calling")
        with pytest.raises(df.FunctionNotFoundError, match=r"waits for 'counter': run the cell"):
            hub.handle(handle.id).result()
        hub.add_entity(counter, "Counter")
        assert hub.handle(handle.id).result() == 2


def test_an_idle_entity_begins_a_new_part_of_its_history_when_it_is_opened_again(tmp_path):
    path = tmp_path / "hub.duckdb"
    for expected in (1, 2, 3):
        with Kernel(path, mode="kernel") as hub:
            hub.add_entity(counter, "Counter")
            hub.client.signal_entity(A, "add", 1)
            hub.settle()
            assert hub.entity_state(A) == expected
            parts = {record.execution_id for record in hub._store.records(str(A))}
            assert len(parts) == expected


def test_rewinding_asks_for_failed_operations_again_and_sends_no_signal_twice(counting):
    is_broken = [True]

    @counting.entity
    def fragile(context):
        if is_broken[0]:
            raise OSError("not now")
        return "mended"

    @counting.orchestrator
    def work(context):
        total = yield context.call_entity(A, "add", 5)
        context.signal_entity(B, "add", 1)
        return [total, (yield context.call_entity(df.EntityId("fragile", "x"), "go"))]

    handle = counting.start(work)
    with pytest.raises(OSError, match="not now"):
        handle.result()
    is_broken[0] = False
    handle.rewind()
    assert handle.result() == [5, "mended"]
    counting.settle()
    assert counting.entity_state(A) == 5
    assert counting.entity_state(B) == 1


@pytest.mark.parametrize("is_done_before", [True, False])
def test_what_an_entity_was_asked_for_before_the_failure_is_not_asked_for_again(is_done_before):
    is_broken, may_go, has_begun = [True], threading.Event(), threading.Event()
    with df.TaskHub(":memory:") as hub:

        @hub.entity(name="Counter")
        def slow(context):
            has_begun.set()
            may_go.wait(30)
            context.set_state(context.get_state(lambda: 0) + context.get_input())
            return context.get_state()

        @hub.activity
        def fragile():
            assert has_begun.wait(30)
            if is_broken[0]:
                raise OSError("not now")

        @hub.orchestrator
        def work(context):
            total = context.call_entity(A, "add", 5)
            yield context.call_activity(fragile)
            return (yield total)

        handle = hub.start(work)
        with pytest.raises(OSError, match="not now"):
            handle.result()
        is_broken[0] = False
        if is_done_before:
            may_go.set()
            while hub.entity_state(A) is None:
                threading.Event().wait(0.01)
        handle.rewind()
        may_go.set()
        assert handle.result() == 5
        assert hub.entity_state(A) == 5


def test_what_failed_in_a_critical_section_is_not_rewound(counting):
    @counting.orchestrator
    def work(context):
        with (yield context.lock([A])):
            yield context.call_entity(A, "add", 5)
            yield context.call_entity(A, "fail", "no")

    handle = counting.start(work)
    with pytest.raises(ValueError, match="no"):
        handle.result()
    with pytest.raises(df.InstanceStateError, match="failed in a critical section"):
        handle.rewind()
    assert handle.status().runtime_status == "Failed"


def test_what_failed_after_a_critical_section_is_rewound(counting):
    is_broken = [True]

    def fragile():
        if is_broken[0]:
            raise OSError("not now")
        return "mended"

    counting.add_activity(fragile)

    @counting.orchestrator
    def work(context):
        with (yield context.lock([A, B])):
            yield context.call_entity(A, "add", 5)
        return (yield context.call_activity(fragile))

    handle = counting.start(work)
    with pytest.raises(OSError, match="not now"):
        handle.result()
    is_broken[0] = False
    handle.rewind()
    assert handle.result() == "mended"
    assert counting.entity_state(A) == 5
    assert kinds(counting, A).count("LockTaken") == 1
