"""Row 9: purge deletes what has ended, with its children, and nothing else."""

from datetime import timedelta

import pytest

import durablenb as df
from tests.traps.corpus import fails, quick, waits


def ids(lab):
    return {status.instance_id for status in lab.hub.instances()}


def test_row_09_an_ended_instance_is_gone_with_its_history(lab):
    handle = lab.start(quick, 1)
    handle.result(10)
    assert lab.client.purge_instance_history(handle.id).instances_deleted == 1
    assert not handle.status()
    with pytest.raises(df.InstanceNotFoundError):
        handle.history()
    assert lab.hub.sql("select count(*) from history").fetchall() == [(0,)]


@pytest.mark.parametrize("state", ["running", "suspended", "scheduled"])
def test_row_09_an_open_instance_is_refused_and_unharmed(lab, state):
    start_at = lab.clock.now() + timedelta(days=1) if state == "scheduled" else None
    handle = lab.start(waits, start_at=start_at)
    if state == "suspended":
        handle.suspend()
    with pytest.raises(df.InstanceStateError, match="Terminate it before you purge it"):
        handle.purge()
    assert handle.status()


@pytest.mark.parametrize("how", ["completed", "failed", "terminated"])
def test_row_09_every_way_to_end_will_do(lab, how):
    handle = lab.start(fails if how == "failed" else waits)
    if how == "completed":
        handle.raise_event("go")
    elif how == "terminated":
        handle.terminate()
    handle.wait(10)
    assert [handle.purge(), handle.purge()] == [1, 0]


def test_row_09_purging_nobody_deletes_none(lab):
    assert lab.client.purge_instance_history("nobody").instances_deleted == 0


def parent_and_grandchild(lab):
    lab.orchestrator(quick)

    @lab.orchestrator
    def child(context):
        return (yield context.call_sub_orchestrator(quick, None, "grandchild"))

    @lab.orchestrator
    def parent(context):
        return (yield context.call_sub_orchestrator(child, None, "child"))

    handle = lab.start(parent, instance_id="parent")
    handle.result(10)
    return handle


def test_row_09_children_and_grandchildren_go_too(lab):
    parent_and_grandchild(lab)
    lab.run(quick, instance_id="stranger")
    assert lab.client.purge_instance_history("parent").instances_deleted == 3
    assert ids(lab) == {"stranger"}


def test_row_09_without_recursion_they_stay(lab):
    parent_and_grandchild(lab)
    assert lab.client.purge_instance_history("parent", recursive=False).instances_deleted == 1
    assert ids(lab) == {"child", "grandchild"}


def test_row_09_a_child_that_is_still_open_stays_and_goes_on(lab):
    lab.orchestrator(waits)

    def forgets(context):
        context.call_sub_orchestrator(waits, None, "orphan")

    handle = lab.start(forgets)
    handle.result(10)
    assert handle.purge() == 1
    lab.client.raise_event("orphan", "go", 5)
    assert lab.client.wait_for_completion("orphan", 10).output == 5


def test_row_09_an_id_that_once_was_a_childs_is_not_taken_for_one(lab):
    parent_and_grandchild(lab)
    lab.run(quick, "mine", instance_id="child")
    lab.client.purge_instance_history("parent")
    assert lab.client.get_status("child").output == "mine"


def test_row_09_by_filter_only_what_has_ended_and_meets_it_goes(lab):
    began = lab.clock.now()
    for day in range(4):
        lab.run(quick, instance_id=f"day-{day}")
        lab.start(waits, instance_id=f"open-{day}")
        lab.advance(days=1)
    lab.client.terminate("open-1")
    purged = lab.client.purge_instance_history_by(
        began + timedelta(hours=12), began + timedelta(days=2, hours=12)
    )
    assert purged.instances_deleted == 3
    assert ids(lab) == {"day-0", "day-3", "open-0", "open-2", "open-3"}
    only = lab.client.purge_instance_history_by(runtime_status=["Completed", "Running"])
    assert only.instances_deleted == 2
    assert ids(lab) == {"open-0", "open-2", "open-3"}
    assert lab.client.purge_instance_history_by(began - timedelta(days=9)).instances_deleted == 0


def test_row_09_the_ends_of_the_filter_are_included_and_naive_times_are_utc(lab):
    lab.run(quick)
    moment = lab.clock.now().replace(tzinfo=None)
    assert lab.client.purge_instance_history_by(moment, moment).instances_deleted == 1


def test_row_09_odd_ids_are_purged_and_nothing_else(kernel):
    kernel.run(quick, instance_id="x")
    for odd in ("it's", 'say "hi"', "x'; drop table journal; --", "%", "_", "지속성 🦆", " ", "(1,2)"):
        kernel.run(quick, instance_id=odd)
        assert kernel.client.purge_instance_history(odd).instances_deleted == 1
        assert ids(kernel) == {"x"}


def test_row_09_it_is_gone_after_a_restart_too_and_its_id_can_be_used_again(disk):
    disk.run(quick, instance_id="a")
    disk.run(quick, instance_id="b")
    disk.client.purge_instance_history("b")
    disk.restart()
    assert ids(disk) == {"a"}
    assert disk.run(quick, 3, instance_id="b") == 3
    assert len(disk.hub.handle("b").history()) == 3
