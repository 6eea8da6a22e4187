"""Row 26: the custom status is what was set last, until the end and after it."""

import json
from datetime import timedelta

import pytest

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


def test_row_26_it_is_kept_by_episodes_that_do_not_set_it(lab):
    lab.activity(lambda: None, "nothing")

    def once(context):
        context.set_custom_status("set once")
        for _ in range(3):
            yield context.call_activity("nothing")
        return context.custom_status

    handle = lab.start(once)
    assert handle.result(10) == "set once"
    assert handle.status().custom_status == "set once"


def test_row_26_it_is_kept_over_a_restart_and_recorded_once(disk):
    disk.begin(stages, instance_id="s")
    for _ in range(3):
        disk.restart()
        disk.settle()
        assert disk.client.get_status("s").custom_status == {"stage": 1}
    handle = disk.hub.handle("s")
    for _ in range(3):
        handle.raise_event("next")
    assert handle.result() == {"stage": 3}
    assert counted(handle.history(), "CustomStatusSet") == 3


@pytest.mark.parametrize("value", [None, 0, False, "", [], {}], ids=repr)
def test_row_26_false_values_are_values_and_replace_what_was_there(kernel, value):
    def clears(context):
        context.set_custom_status("something")
        yield context.wait_for_external_event("go")
        context.set_custom_status(value)
        return [context.custom_status]

    handle = kernel.start(clears)
    handle.raise_event("go")
    assert handle.result(10) == [value]
    assert handle.status().custom_status == value
    assert kernel.hub.sql("select custom_status from instances").fetchall() == [(json.dumps(value),)]


def test_row_26_it_can_be_set_before_the_first_wait_and_without_any(lab):
    @lab.orchestrator
    def plain(context):
        context.set_custom_status("right away")

    @lab.orchestrator
    def fails(context):
        context.set_custom_status("about to fail")
        raise ValueError

    lab.run(plain, instance_id="plain")
    lab.start(fails, instance_id="fails").wait(10)
    assert lab.client.get_status("plain").custom_status == "right away"
    assert lab.client.get_status("fails").custom_status == "about to fail"


def test_row_26_without_one_it_is_none(lab):
    lab.orchestrator(lambda context: context.custom_status, "none")
    handle = lab.start("none")
    assert handle.result(10) is None
    assert handle.status().custom_status is None


def test_row_26_it_is_kept_when_suspended_and_terminated(lab):
    handle = lab.begin(stages)
    handle.suspend()
    assert handle.status().custom_status == {"stage": 1}
    handle.terminate()
    assert handle.status().custom_status == {"stage": 1}


def test_row_26_the_next_execution_keeps_it_until_it_sets_another(lab):
    def monitor(context):
        seen = [*(context.get_input() or []), context.custom_status]
        if len(seen) == 1:
            context.set_custom_status("first")
        elif len(seen) == 3:
            context.set_custom_status("third")
        if len(seen) == 4:
            return seen
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
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


def test_row_26_setting_the_same_again_writes_nothing(lab):
    def repeats(context):
        for _ in range(3):
            context.set_custom_status({"a": 1})
            yield context.create_timer(context.current_utc_datetime)

    handle = lab.start(repeats)
    handle.result(10)
    assert counted(handle.history(), "CustomStatusSet") == 1


def test_row_26_another_text_in_changed_code_is_no_non_determinism(disk):
    """What is shown may be changed under a running instance."""
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
