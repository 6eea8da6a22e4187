"""Row 27: the children of what is rewound."""

import pytest

import durablenb as df
from tests.traps.corpus import Switch, fail
from tests.traps.lab import counted


@pytest.fixture
def switch(lab):
    return Switch(lab)


def test_row_27_a_failed_child_is_rewound_not_begun_anew(lab, switch):
    @lab.orchestrator
    def child(context):
        return [(yield context.call_activity("do", "early")), (yield context.call_activity("do", "late"))]

    def parent(context):
        return (yield context.call_sub_orchestrator(child, None, "child"))

    switch.broken = {"late"}
    handle = fail(lab.start(parent))
    switch.broken = set()
    handle.rewind("again")
    assert handle.result(10) == ["EARLY", "LATE"]
    assert switch.calls == {"early": 1, "late": 2}
    assert counted(lab.hub.handle("child").history(), "ExecutionRewound") == 1


def test_row_27_nested_children_are_rewound_down_to_the_failed_activity(lab, switch):
    def level(context):
        depth = context.get_input()
        before = yield context.call_activity("do", f"before {depth}")
        if depth:
            inside = yield context.call_sub_orchestrator(level, depth - 1, f"level-{depth - 1}")
        else:
            inside = yield context.call_activity("do", "core")
        return [before, inside]

    switch.broken = {"core"}
    handle = fail(lab.start(level, 3, instance_id="level-3"))
    switch.broken = set()
    handle.rewind()
    assert handle.result(10) == ["BEFORE 3", ["BEFORE 2", ["BEFORE 1", ["BEFORE 0", "CORE"]]]]
    assert switch.calls == {"core": 2, **{f"before {depth}": 1 for depth in range(4)}}
    assert {str(status.runtime_status) for status in lab.hub.instances()} == {"Completed"}


def test_row_27_children_that_succeeded_are_left_alone(lab, switch):
    @lab.orchestrator
    def child(context):
        return (yield context.call_activity("do", context.get_input()))

    def parent(context):
        return (yield context.task_all([context.call_sub_orchestrator(child, w, w) for w in "abc"]))

    switch.broken = {"b"}
    handle = fail(lab.start(parent))
    switch.broken = set()
    before = lab.hub.handle("a").history()
    handle.rewind()
    assert handle.result(10) == ["A", "B", "C"]
    assert switch.calls == {"a": 1, "b": 2, "c": 1}
    assert lab.hub.handle("a").history() == before


def test_row_27_a_purged_child_is_begun_anew(lab, switch):
    @lab.orchestrator
    def child(context):
        return [(yield context.call_activity("do", "early")), (yield context.call_activity("do", "late"))]

    def parent(context):
        return (yield context.call_sub_orchestrator(child, None, "child"))

    switch.broken = {"late"}
    handle = fail(lab.start(parent))
    switch.broken = set()
    lab.client.purge_instance_history("child")
    handle.rewind()
    assert handle.result(10) == ["EARLY", "LATE"]
    assert switch.calls == {"early": 2, "late": 2}


def test_row_27_a_terminated_child_is_begun_anew(lab, switch):
    @lab.orchestrator
    def child(context):
        return (yield context.wait_for_external_event("go"))

    def parent(context):
        return (yield context.call_sub_orchestrator(child, None, "child"))

    handle = lab.begin(parent)
    lab.client.terminate("child", "mistake")
    fail(handle)
    handle.rewind()
    lab.settle()
    lab.client.raise_event("child", "go", "well")
    assert handle.result(10) == "well"


def test_row_27_a_retried_child_with_an_id_of_its_own_answers_its_parent(lab, switch):
    """Its last attempt was another task of the parent than the one that is asked for again."""

    @lab.orchestrator
    def child(context):
        return [(yield context.call_activity("do", "early")), (yield context.call_activity("do", "late"))]

    def parent(context):
        options = df.RetryOptions(1_000, 3)
        return (yield context.call_sub_orchestrator_with_retry(child, options, None, "kid"))

    switch.broken = {"late"}
    handle = fail(lab.start(parent))
    switch.broken = set()
    handle.rewind()
    assert handle.result(10) == ["EARLY", "LATE"]
    assert switch.calls["late"] == 4


def test_row_27_a_child_that_completed_after_its_parent_had_failed_is_not_done_again(lab, switch):
    @lab.orchestrator
    def child(context):
        yield context.wait_for_external_event("go")
        return (yield context.call_activity("do", "child's"))

    def parent(context):
        kid = context.call_sub_orchestrator(child, None, "child")
        mine = yield context.call_activity("do", "mine")
        return [mine, (yield kid)]

    switch.broken = {"mine"}
    handle = fail(lab.start(parent))
    lab.client.raise_event("child", "go")
    lab.client.wait_for_completion("child", 10)
    switch.broken = set()
    handle.rewind()
    assert handle.result(10) == ["MINE", "CHILD'S"]
    assert switch.calls == {"mine": 2, "child's": 1}


def test_row_27_a_child_that_is_still_open_answers_the_rewound_parent(lab, switch):
    @lab.orchestrator
    def child(context):
        return (yield context.wait_for_external_event("go"))

    def parent(context):
        kid = context.call_sub_orchestrator(child, None, "child")
        mine = yield context.call_activity("do", "mine")
        return [mine, (yield kid)]

    switch.broken = {"mine"}
    handle = fail(lab.start(parent))
    switch.broken = set()
    handle.rewind()
    lab.settle()
    lab.client.raise_event("child", "go", "well")
    assert handle.result(10) == ["MINE", "well"]


def test_row_27_an_id_that_belongs_to_somebody_else_by_now_is_not_rewound(lab, switch):
    @lab.orchestrator
    def child(context):
        return (yield context.call_activity("do", context.get_input()))

    def parent(context):
        return (yield context.call_sub_orchestrator(child, "asked for", "child"))

    switch.broken = {"asked for", "somebody else's"}
    handle = fail(lab.start(parent))
    fail(lab.start(child, "somebody else's", instance_id="child"))
    switch.broken = set()
    handle.rewind()
    assert handle.result(10) == "ASKED FOR"


def test_row_27_an_id_that_somebody_else_uses_just_now_fails_the_call_and_does_not_hang(lab, switch):
    @lab.orchestrator
    def child(context):
        return (yield context.call_activity("do", "child's"))

    def waits(context):
        yield context.wait_for_external_event("go")

    def parent(context):
        return (yield context.call_sub_orchestrator(child, None, "child"))

    switch.broken = {"child's"}
    handle = fail(lab.start(parent))
    lab.start(waits, instance_id="child")
    handle.rewind()
    with pytest.raises(df.InstanceExistsError, match="'child' is that of an open instance"):
        handle.result(10)
