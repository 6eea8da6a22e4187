"""Row 32: children that outlive their parents, hear events, and have ids of their own."""

import pytest

import durablenb as df
from tests.traps.corpus import after, quick, waits
from tests.traps.lab import counted


def leaves(context):
    """Leaves a child behind, and ends as it is told."""
    orphan = context.call_sub_orchestrator("waits", None, "orphan")
    if context.get_input() == "fails":
        raise ValueError
    if context.get_input() == "is terminated":
        yield context.wait_for_external_event("never")
    if context.get_input() == "is terminated as it waits for it":
        yield orphan
    return "gone ahead"


@pytest.mark.parametrize("how", ["ends", "fails", "is terminated", "is terminated as it waits for it"])
def test_row_32_a_child_outlives_its_parent_and_does_not_disturb_it(lab, how):
    lab.orchestrator(waits)
    handle = lab.begin(leaves, how)
    handle.terminate(recursive=False)
    assert handle.wait(10).output == "gone ahead" or how != "ends"
    before = handle.history()
    lab.client.raise_event("orphan", "go", "alone")
    assert lab.client.wait_for_completion("orphan", 10).output == "alone"
    lab.settle()
    assert handle.history() == before


def test_row_32_an_orphan_survives_restarts_and_the_purge_of_its_parent(disk):
    disk.orchestrator(waits)
    handle = disk.begin(leaves)
    assert disk.restart(handle.id).purge() == 1
    orphan = disk.restart("orphan")
    orphan.raise_event("go", "still there")
    assert orphan.result() == "still there"


def test_row_32_events_reach_children_by_their_ids(lab):
    lab.orchestrator(waits)

    def parent(context):
        named = context.call_sub_orchestrator(waits, None, "named")
        unnamed = context.call_sub_orchestrator(waits)
        context.set_custom_status(unnamed.instance_id)
        return (yield context.task_all([named, unnamed]))

    handle = lab.begin(parent)
    lab.client.raise_event("named", "go", 1)
    lab.client.raise_event(handle.status().custom_status, "go", 2)
    assert handle.result(10) == [1, 2]


def test_row_32_without_an_id_a_childs_is_made_of_the_executions_and_the_tasks(lab):
    lab.orchestrator(quick)

    def parent(context):
        children = [context.call_sub_orchestrator(quick) for _ in range(2)]
        yield context.task_all(children)
        return [child.instance_id for child in children]

    handle = lab.start(parent)
    children = handle.result(10)
    ((execution_id,),) = lab.hub.sql("select execution_id from instances where name = 'parent'").fetchall()
    assert children == [f"{execution_id}:0", f"{execution_id}:1"]


@pytest.mark.parametrize("whose", ["own", "parent's"])
def test_row_32_the_id_of_the_orchestration_itself_or_its_parent_is_refused(lab, whose):
    lab.orchestrator(quick)

    @lab.orchestrator
    def child(context):
        taken = context.instance_id if whose == "own" else context.parent_instance_id
        yield context.call_sub_orchestrator(quick, None, taken)

    @lab.orchestrator
    def parent(context):
        yield context.call_sub_orchestrator(child, None, "child")

    with pytest.raises(ValueError, match="is this orchestration's or its parent's own"):
        lab.run(parent, instance_id="parent")


def test_row_32_the_id_of_another_open_instance_is_a_failure_that_can_be_caught(lab):
    lab.orchestrator(waits)
    lab.start(waits, instance_id="taken")

    def parent(context):
        try:
            yield context.call_sub_orchestrator(waits, None, "taken")
        except df.InstanceExistsError as error:
            return "already open" if "'taken'" in error.details.message else None

    assert lab.run(parent) == "already open"
    assert lab.client.get_status("taken").parent_instance_id is None


def test_row_32_a_grandparents_id_is_a_failure_too_and_nobody_hangs(lab):
    def nested(context):
        depth = context.get_input()
        if depth == 2:
            return (yield context.call_sub_orchestrator(nested, 3, "top"))
        return (yield context.call_sub_orchestrator(nested, depth + 1))

    with pytest.raises(df.InstanceExistsError, match="'top'"):
        lab.run(nested, 0, instance_id="top")


def test_row_32_two_children_of_one_id_at_once_are_one_child_and_one_failure(lab):
    lab.orchestrator(waits)

    def parent(context):
        first = context.call_sub_orchestrator(waits, None, "twin")
        second = context.call_sub_orchestrator(waits, None, "twin")
        winner = yield context.task_any([first, second])
        return [winner is second, winner.is_failed, (yield first)]

    handle = lab.begin(parent)
    lab.client.raise_event("twin", "go", "first")
    assert handle.result(10) == [True, True, "first"]


def test_row_32_the_id_of_an_ended_child_can_be_used_for_the_next(lab):
    lab.orchestrator(quick)

    def parent(context):
        return [
            (yield context.call_sub_orchestrator(quick, 1, "same")),
            (yield context.call_sub_orchestrator(quick, 2, "same")),
        ]

    assert lab.run(parent) == [1, 2]
    assert lab.client.get_status("same").output == 2


def test_row_32_a_parent_may_wait_longer_than_any_inner_time_limit(lab):
    @lab.orchestrator
    def slow(context):
        yield after(context, days=3650)
        return "after ten years"

    def parent(context):
        return (yield context.call_sub_orchestrator(slow))

    handle = lab.start(parent)
    assert handle.result(10) == "after ten years"
    assert counted(handle.history(), "SubOrchestrationInstanceCompleted") == 1
