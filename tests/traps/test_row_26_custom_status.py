"""Row 26: the custom status is what was set last, until the end and after it."""

import json

import pytest

from tests.traps.corpus import after
from tests.traps.lab import counted


def stages(context):
    for number in range(1, 4):
        context.set_custom_status({"stage": number})
        yield context.wait_for_external_event("next")
    return context.custom_status


def test_row_26_it_shows_while_running_and_stays_after_the_end(lab):
    handle = lab.start(stages)
    for number in (1, 2, 3):
        lab.settle()
        assert handle.status().custom_status == {"stage": number}
        handle.raise_event("next")
    assert handle.result(10) == {"stage": 3}
    assert handle.status().custom_status == {"stage": 3}


def test_row_26_episodes_that_do_not_set_it_keep_it_and_those_that_set_it_again_write_nothing(lab):
    def once(context):
        context.set_custom_status({"a": 1})
        for number in range(4):
            yield context.create_timer(context.current_utc_datetime)
            if number < 2:
                context.set_custom_status({"a": 1})
        return context.custom_status

    handle = lab.start(once)
    assert handle.result(10) == handle.status().custom_status == {"a": 1}
    assert counted(handle.history(), "CustomStatusSet") == 1


def test_row_26_it_is_kept_over_a_restart_and_recorded_once_also_when_terminated(disk):
    handle = disk.begin(stages, instance_id="s")
    for _ in range(2):
        handle = disk.restart("s")
        disk.settle()
        assert handle.status().custom_status == {"stage": 1}
    for _ in range(2):
        handle.raise_event("next")
    disk.settle()
    handle.suspend()
    assert handle.status().custom_status == {"stage": 3}
    handle.terminate()
    assert handle.status().custom_status == {"stage": 3}
    assert counted(handle.history(), "CustomStatusSet") == 3


def test_row_26_false_values_are_values_and_replace_what_was_there(kernel):
    def clears(context):
        context.set_custom_status("something")
        yield context.wait_for_external_event("go")
        context.set_custom_status(context.get_input())
        return [context.custom_status]

    for value in (None, 0, False, "", [], {}):
        handle = kernel.start(clears, value)
        handle.raise_event("go")
        assert repr(handle.result(10)) == repr([value])
        assert repr(handle.status().custom_status) == repr(value)
        rows = kernel.hub.sql("select custom_status from instances where instance_id = ?", [handle.id])
        assert rows.fetchall() == [(json.dumps(value),)]


def test_row_26_it_can_be_set_without_any_wait_and_is_none_if_it_is_never_set(lab):
    def sets(context):
        if context.get_input():
            context.set_custom_status("right away")
        if context.get_input() == "fail":
            raise ValueError
        return context.custom_status

    for input_, status in ((None, None), ("complete", "right away"), ("fail", "right away")):
        handle = lab.start(sets, input_)
        assert handle.wait(10).runtime_status == ("Failed" if input_ == "fail" else "Completed")
        assert handle.status().custom_status == status


def test_row_26_the_next_execution_keeps_it_until_it_sets_another(lab):
    def monitor(context):
        seen = [*(context.get_input() or []), context.custom_status]
        if len(seen) == 1:
            context.set_custom_status("first")
        elif len(seen) == 3:
            context.set_custom_status("third")
        if len(seen) == 4:
            return seen
        yield after(context, hours=1)
        context.continue_as_new(seen)

    handle = lab.start(monitor)
    lab.advance(hours=1)
    assert handle.status().custom_status == "first"
    assert handle.result(10) == [None, "first", "first", "third"]
    assert handle.status().custom_status == "third"


def test_row_26_the_next_executions_status_is_kept_over_a_restart(disk):
    def monitor(context):
        if context.get_input() is None:
            context.set_custom_status("set by the first")
            context.continue_as_new(2)
            return None
        yield context.wait_for_external_event("go")
        return context.custom_status

    disk.begin(monitor, instance_id="m")
    disk.restart()
    assert disk.client.get_status("m").custom_status == "set by the first"
    handle = disk.hub.handle("m")
    handle.raise_event("go")
    assert handle.result() == "set by the first"


def test_row_26_another_text_in_changed_code_is_no_non_determinism(disk):
    """The custom status may be changed under a running instance."""
    disk.begin(stages, instance_id="s")

    def reworded(context):
        for number in range(1, 4):
            context.set_custom_status(f"stage {number} of 3")
            yield context.wait_for_external_event("next")

    handle = disk.restart("s", stages=reworded)
    handle.raise_event("next")
    disk.settle()
    assert handle.status().custom_status == "stage 2 of 3"


def test_row_26_what_cannot_be_kept_is_refused(lab):
    def mistaken(context):
        context.set_custom_status(object())

    with pytest.raises(TypeError, match=r"value is a builtins\.object"):
        lab.run(mistaken)
