"""Row 2: executions of one instance don't disturb each other, and hand on what belongs to the instance."""

from datetime import timedelta

import pytest

import durablenb as df
from tests.traps.corpus import after
from tests.traps.lab import counted, kinds


def leaves_a_timer(context):
    now = context.current_utc_datetime
    if context.get_input() is None:
        context.create_timer(now + timedelta(hours=1))  # task 0, never awaited
        context.continue_as_new("second")
        return None
    yield context.create_timer(now + timedelta(hours=5))  # task 0 again
    return (context.current_utc_datetime - now) / timedelta(hours=1)


def test_row_02_a_timer_of_the_last_execution_does_not_fire_into_the_next(lab):
    handle = lab.start(leaves_a_timer)
    assert handle.result(10) == 5
    assert counted(handle.history(), "TimerFired") == 1


def test_row_02_nor_does_it_after_a_restart(disk):
    disk.begin(leaves_a_timer, instance_id="i")
    handle = disk.restart("i")
    assert handle.result(10) == 5
    assert counted(handle.history(), "TimerFired") == 1


def test_row_02_an_activity_of_the_last_execution_does_not_answer_in_the_next(lab):
    @lab.activity
    def name(text):
        return text

    def again(context):
        asked = context.call_activity(name, context.get_input() or "old")
        if context.get_input() is None:
            context.continue_as_new("new")
            return None
        return (yield asked)

    handle = lab.start(again)
    assert handle.result(10) == "new"
    assert counted(handle.history(), "TaskCompleted") == 1


def test_row_02_a_result_from_before_a_recovery_does_not_answer_in_the_next(kernel):
    kernel.activity(lambda text: text, "echo")

    def again(context):
        answer = yield context.call_activity("echo", context.get_input() or "old")
        if context.get_input() is None:
            context.continue_as_new("new")
            return None
        return answer

    handle = kernel.start(again)
    engine, late = kernel.client._control.engine, []
    engine._state.dispatcher.scope.apply_inline = late.append
    kernel.until(lambda: late)
    engine._is_damaged = True  # as after an interrupt in the middle of a turn: it begins with the journal
    kernel.until(lambda: counted(handle.history(), "TaskScheduled") == 2)
    engine.post(late[0])
    assert handle.result(10) == "new"


def test_row_02_a_child_of_the_last_execution_does_not_answer_in_the_next(lab):
    @lab.orchestrator
    def child(context):
        return (yield context.wait_for_external_event("answer"))

    def again(context):
        generation = context.get_input() or 0
        asked = context.call_sub_orchestrator(child, None, f"child-{generation}")
        if generation == 0:
            context.continue_as_new(1)
            return None
        return (yield asked)

    handle = lab.begin(again)
    lab.client.raise_event("child-0", "answer", "old")
    lab.client.wait_for_completion("child-0", 10)
    assert handle.status().runtime_status == "Running"
    lab.client.raise_event("child-1", "answer", "new")
    assert handle.result(10) == "new"


def test_row_02_a_thousand_executions_in_a_tight_loop_come_to_their_end(kernel):
    def loop(context):
        if context.get_input() == 1_000:
            return "done"
        context.continue_as_new(context.get_input() + 1)

    handle = kernel.start(loop, 0)
    assert handle.result(30) == "done"
    assert counted(handle.history(), "ContinueAsNew") == 1_000


def test_row_02_an_endless_loop_leaves_others_their_turn_and_can_be_terminated(lab):
    def endless(context):
        context.continue_as_new(None)

    def short(context):
        return (yield context.call_sub_orchestrator(shorter))

    @lab.orchestrator
    def shorter(context):
        return "through"

    handle = lab.start(endless)
    assert lab.run(short) == "through"
    handle.terminate("enough")
    assert handle.status().runtime_status == "Terminated"


def test_row_02_a_child_that_continues_as_new_answers_its_parent_at_its_end(lab):
    @lab.orchestrator
    def child(context):
        seen = [*context.get_input(), context.parent_instance_id]
        if len(seen) == 4:
            return seen
        context.continue_as_new(seen)

    def parent(context):
        return (yield context.call_sub_orchestrator(child, []))

    assert lab.run(parent, instance_id="p") == ["p"] * 4


def test_row_02_what_belongs_to_the_instance_is_kept(lab):
    def again(context):
        if context.get_input() < 2:
            yield after(context, hours=1)
            context.continue_as_new(context.get_input() + 1)
            return None
        return [context.instance_id, context.version]

    handle = lab.start(again, 0, instance_id="i", tags={"team": "blue"}, version="2.1")
    created = handle.status().created_time
    assert handle.result(10) == ["i", "2.1"]
    status = handle.status()
    assert (status.tags, status.version, status.created_time) == ({"team": "blue"}, "2.1", created)
    assert status.input_ == 2
    started = [event for event in handle.history() if type(event).__name__ == "ExecutionStarted"]
    assert [event.generation for event in started] == [0, 1, 2]
    rows = lab.hub.sql("select count(distinct execution_id) from history where instance_id = 'i'")
    assert rows.fetchall() == [(3,)]


def test_row_02_the_history_of_each_execution_begins_at_one(lab):
    def again(context):
        if context.get_input() is None:
            context.continue_as_new(1)

    handle = lab.start(again)
    handle.result(10)
    events = handle.history()
    assert kinds(events) == [
        *("ExecutionStarted", "OrchestratorStarted", "ContinueAsNew"),
        *("ExecutionStarted", "OrchestratorStarted", "ExecutionCompleted"),
    ]
    assert [event.event_id for event in events] == [1, 2, 3, 1, 2, 3]


def test_row_02_what_is_asked_for_after_continue_as_new_is_ignored(lab):
    def again(context):
        if context.get_input() == 1:
            return "second"
        assert not context.will_continue_as_new
        try:
            context.continue_as_new(1)
            assert context.will_continue_as_new
            context.set_custom_status("ignored")
            yield context.call_activity("ignored")
            raise AssertionError("the code behind the yield runs")
        finally:
            context.call_activity("ignored")

    handle = lab.start(again)
    assert handle.result(10) == "second"
    assert counted(handle.history(), "TaskScheduled") == 0
    assert handle.status().custom_status is None


def test_row_02_the_last_of_several_calls_counts(lab):
    def again(context):
        if context.get_input():
            return context.get_input()
        context.continue_as_new("one")
        context.continue_as_new("two")

    assert lab.run(again) == "two"


def test_row_02_an_exception_after_continue_as_new_fails_the_orchestration(lab):
    def again(context):
        context.continue_as_new(1)
        raise ValueError("after all not")

    with pytest.raises(ValueError, match="after all not"):
        lab.run(again)


def test_row_02_waiting_spans_all_executions(threads):
    def again(context):
        if context.get_input() < 20:
            yield after(context, seconds=1)
            context.continue_as_new(context.get_input() + 1)
            return None
        return "end"

    handle = threads.start(again, 0)
    assert handle.wait(10).output == "end"
    assert handle.status().runtime_status is df.OrchestrationRuntimeStatus.Completed
