"""Row 28: versions. One hub has one code base, so none is refused; code can tell them apart."""

import durablenb as df
from tests.traps.corpus import after


def version(context):
    return context.version


def test_row_28_any_version_given_at_the_start_is_what_the_code_and_the_status_show(lab):
    for given in (None, "", "2.0", "999.0", "not a number", "1.0-beta"):
        handle = lab.start(version, version=given)
        assert handle.result(10) == handle.status().version == given
        rows = lab.hub.sql("select version from instances where instance_id = ?", [handle.id])
        assert rows.fetchall() == [(given,)]


def test_row_28_children_have_their_parents_version_unless_they_are_given_their_own(lab):
    lab.orchestrator(version)

    def parent(context):
        options = df.RetryOptions(1, 1)
        return [
            (yield context.call_sub_orchestrator(version)),
            (yield context.call_sub_orchestrator(version, version="9")),
            (yield context.call_sub_orchestrator(version, version="")),
            (yield context.call_sub_orchestrator_with_retry(version, options)),
            (yield context.call_sub_orchestrator_with_retry(version, options, version="8")),
        ]

    assert lab.run(parent, version="3") == ["3", "9", "", "3", "8"]
    assert lab.run(parent) == [None, "9", "", None, "8"]


def test_row_28_grandchildren_inherit_it_too(lab):
    lab.orchestrator(version)

    @lab.orchestrator
    def child(context):
        return (yield context.call_sub_orchestrator(version))

    def parent(context):
        return (yield context.call_sub_orchestrator(child, None, None, "1.5"))

    assert lab.run(parent, version="1") == "1.5"


def test_row_28_it_is_kept_by_continue_as_new_restart_and_rewind(lab):
    broken = [True]
    lab.activity(lambda: 1 / 0 if broken else "well", "fragile")

    def again(context):
        if context.get_input() is None:
            context.continue_as_new("second")
            return None
        yield context.call_activity("fragile")
        return context.version

    handle = lab.start(again, version="4")
    handle.wait(10)
    broken.clear()
    handle.rewind()
    assert handle.result(10) == "4"
    assert handle.restart().result(10) == "4"


def test_row_28_running_instances_of_two_versions_go_their_own_ways_after_a_restart(disk):
    """How code is changed under instances that are open: the old path stays for the old version."""
    disk.activity(lambda: "old", "old step")
    disk.activity(lambda: "new", "new step")

    def code(context):
        yield after(context, hours=1)
        return (yield context.call_activity("old step"))

    def code_with_both(context):
        yield after(context, hours=1)
        if context.version == "2":
            return (yield context.call_activity("new step"))
        return (yield context.call_activity("old step"))

    disk.orchestrator(code, "code")
    disk.begin("code", instance_id="one", version="1")
    disk.restart(code=code_with_both)
    disk.start("code", instance_id="two", version="2")
    assert disk.hub.handle("one").result() == "old"
    assert disk.hub.handle("two").result() == "new"
