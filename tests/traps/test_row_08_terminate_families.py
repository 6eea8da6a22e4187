"""Row 8: terminate, down to the grandchildren."""

import durablenb as df
from tests.traps.corpus import waits


def family(lab, *, child_completes):
    """A grandparent, its child, and the child's child, which waits."""
    lab.orchestrator(waits)

    @lab.orchestrator
    def child(context):
        asked = context.call_sub_orchestrator(waits, None, "grandchild")
        if not child_completes:
            yield asked
        yield context.create_timer(context.current_utc_datetime)
        return "child"

    @lab.orchestrator
    def parent(context):
        yield context.call_sub_orchestrator(child, None, "child")
        yield context.wait_for_external_event("go")

    handle = lab.begin(parent, instance_id="parent")
    return handle


def statuses(lab):
    return {s.instance_id: str(s.runtime_status) for s in lab.hub.instances()}


def test_row_08_children_and_grandchildren_go_too(lab):
    family(lab, child_completes=False).terminate("all")
    assert set(statuses(lab).values()) == {"Terminated"}
    assert len(statuses(lab)) == 3
    assert lab.client.get_status("grandchild").output == "all"


def test_row_08_grandchildren_of_a_completed_child_go_too_and_the_child_stays_completed(lab):
    handle = family(lab, child_completes=True)
    assert statuses(lab) == {"parent": "Running", "child": "Completed", "grandchild": "Running"}
    handle.terminate("all")
    assert statuses(lab) == {"parent": "Terminated", "child": "Completed", "grandchild": "Terminated"}
    assert lab.client.get_status("child").output == "child"


def test_row_08_without_recursion_they_are_left_alone(lab):
    handle = family(lab, child_completes=False)
    handle.terminate("only you", recursive=False)
    assert statuses(lab) == {"parent": "Terminated", "child": "Running", "grandchild": "Running"}
    lab.client.raise_event("grandchild", "go", 1)
    assert lab.client.wait_for_completion("child", 10).output == "child"


def test_row_08_a_parent_that_has_ended_takes_its_children_along_and_stays_as_it_is(lab):
    lab.orchestrator(waits)

    def forgets(context):
        context.call_sub_orchestrator(waits, None, "orphan")
        return "done"

    handle = lab.start(forgets)
    assert handle.result(10) == "done"
    lab.settle()
    handle.terminate("children")
    assert handle.status().output == "done"
    assert lab.client.get_status("orphan").runtime_status == "Terminated"


def test_row_08_a_terminated_child_is_a_failure_that_its_parent_can_catch(lab):
    lab.orchestrator(waits)

    def parent(context):
        try:
            yield context.call_sub_orchestrator(waits, None, "child")
        except df.OrchestrationTerminatedError as error:
            return error.details.message

    handle = lab.begin(parent)
    lab.client.terminate("child", "not you")
    assert handle.result(10) == "child was terminated: not you"


def test_row_08_an_id_that_once_was_a_childs_is_not_taken_for_one(lab):
    """The child's id was used again for an instance that belongs to nobody."""
    handle = family(lab, child_completes=True)
    lab.client.terminate("grandchild", "free for others")
    lab.start(waits, instance_id="grandchild")
    handle.terminate("family only")
    assert lab.client.get_status("grandchild").runtime_status in ("Pending", "Running")


def test_row_08_a_wide_and_deep_family_goes_as_a_whole(kernel):
    def node(context):
        depth = context.get_input()
        if depth:
            yield context.task_all([context.call_sub_orchestrator(node, depth - 1) for _ in range(3)])
        yield context.wait_for_external_event("go")

    handle = kernel.begin(node, 3)
    handle.terminate("all")
    assert len(statuses(kernel)) == 1 + 3 + 9 + 27
    assert set(statuses(kernel).values()) == {"Terminated"}
