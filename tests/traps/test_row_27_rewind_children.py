"""Row 27: the children of what is rewound."""

import pytest

import durablenb as df
from tests.traps.corpus import fail, waits
from tests.traps.lab import counted


def child(context):
    return [(yield context.call_activity("do", "early")), (yield context.call_activity("do", "late"))]


def parent(context):
    return (yield context.call_sub_orchestrator(context.get_input() or "child", None, "child"))


def busy_parent(context):
    """Does something itself while its child waits for an event."""
    kid = context.call_sub_orchestrator("waits", None, "child")
    mine = yield context.call_activity("do", "mine")
    return [mine, (yield kid)]


@pytest.fixture(autouse=True)
def _children(lab):
    lab.orchestrator(child)
    lab.orchestrator(waits)


def test_row_27_a_failed_child_is_rewound_not_begun_anew(lab, switch):
    handle = switch.rewound({"late"}, parent)
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

    handle = switch.rewound({"core"}, level, 3, instance_id="level-3")
    assert handle.result(10) == ["BEFORE 3", ["BEFORE 2", ["BEFORE 1", ["BEFORE 0", "CORE"]]]]
    assert switch.calls == {"core": 2, **{f"before {depth}": 1 for depth in range(4)}}
    assert {str(status.runtime_status) for status in lab.hub.instances()} == {"Completed"}


def test_row_27_children_that_succeeded_are_left_alone(lab, switch):
    @lab.orchestrator
    def one(context):
        return (yield context.call_activity("do", context.get_input()))

    def several(context):
        return (yield context.task_all([context.call_sub_orchestrator(one, w, w) for w in "abc"]))

    handle = switch.failed({"b"}, several)
    before = lab.hub.handle("a").history()
    handle.rewind()
    assert handle.result(10) == ["A", "B", "C"]
    assert switch.calls == {"a": 1, "b": 2, "c": 1}
    assert lab.hub.handle("a").history() == before


def test_row_27_a_purged_child_is_begun_anew(lab, switch):
    handle = switch.failed({"late"}, parent)
    lab.client.purge_instance_history("child")
    handle.rewind()
    assert handle.result(10) == ["EARLY", "LATE"]
    assert switch.calls == {"early": 2, "late": 2}


def test_row_27_a_terminated_child_is_begun_anew(lab):
    handle = lab.begin(parent, "waits")
    lab.client.terminate("child", "mistake")
    fail(handle)
    handle.rewind()
    lab.settle()
    lab.client.raise_event("child", "go", "well")
    assert handle.result(10) == "well"


def test_row_27_a_retried_child_with_an_id_of_its_own_answers_its_parent(lab, switch):
    """Its last attempt was another task of the parent than the one that is asked for again."""

    def retries(context):
        options = df.RetryOptions(1_000, 3)
        return (yield context.call_sub_orchestrator_with_retry("child", options, None, "kid"))

    handle = switch.rewound({"late"}, retries)
    assert handle.result(10) == ["EARLY", "LATE"]
    assert switch.calls["late"] == 4


@pytest.mark.parametrize("when", ["before the rewind", "after it"])
def test_row_27_a_child_that_was_open_when_its_parent_failed_answers_the_rewound_one(lab, switch, when):
    handle = switch.failed({"mine"}, busy_parent)
    if when == "after it":
        handle.rewind()
        lab.settle()
    lab.client.raise_event("child", "go", "well")
    lab.client.wait_for_completion("child", 10)
    if when == "before the rewind":
        handle.rewind()
    assert handle.result(10) == ["MINE", "well"]
    assert switch.calls == {"mine": 2}
    assert counted(lab.hub.handle("child").history(), "OrchestratorStarted") == 2  # it isn't done again


def test_row_27_an_id_that_belongs_to_somebody_else_by_now_is_not_rewound(lab, switch):
    @lab.orchestrator
    def one(context):
        return (yield context.call_activity("do", context.get_input()))

    def asks(context):
        return (yield context.call_sub_orchestrator(one, "asked for", "child"))

    switch.broken = {"asked for", "somebody else's"}
    handle = fail(lab.start(asks))
    fail(lab.start(one, "somebody else's", instance_id="child"))
    switch.broken = set()
    handle.rewind()
    assert handle.result(10) == "ASKED FOR"


def test_row_27_an_id_that_somebody_else_uses_just_now_fails_the_call_and_does_not_hang(lab, switch):
    handle = switch.failed({"late"}, parent)
    lab.start(waits, instance_id="child")
    handle.rewind()
    with pytest.raises(df.InstanceExistsError, match="'child' is that of an open instance"):
        handle.result(10)
