"""Row 27: rewind does again what had failed, and nothing that had succeeded."""

from datetime import timedelta

import durablenb as df
from tests.traps.corpus import Switch, fail
from tests.traps.lab import counted, kinds


def chain(context):
    results = []
    for what in "abc":
        results.append((yield context.call_activity("do", what)))
    return results


def test_row_27_a_single_failed_activity_is_done_again_and_what_came_before_is_not(lab, switch):
    handle = switch.rewound("b", chain)
    assert handle.result(10) == ["A", "B", "C"]
    assert switch.calls == {"a": 1, "b": 2, "c": 1}
    assert handle.status().failure_details is None


def test_row_27_twice_and_a_third_time_and_something_else_may_fail_then(lab, switch):
    handle = switch.failed("b", chain)
    for broken in ("b", "c"):
        switch.broken = {broken}
        handle.rewind("still broken")
        fail(handle)
    switch.broken = set()
    handle.rewind("mended")
    assert handle.result(10) == ["A", "B", "C"]
    assert switch.calls == {"a": 1, "b": 3, "c": 2}
    assert counted(handle.history(), "ExecutionRewound") == 3


def test_row_27_in_a_fan_out_only_the_failed_ones_are_done_again(lab, switch):
    def fan_out(context):
        return (yield context.task_all([context.call_activity("do", what) for what in "abcdef"]))

    handle = switch.rewound({"b", "e"}, fan_out)
    assert handle.result(10) == list("ABCDEF")
    assert switch.calls == {"a": 1, "b": 2, "c": 1, "d": 1, "e": 2, "f": 1}


def test_row_27_several_failures_on_the_way_are_all_done_again(lab, switch):
    """One was caught and compensated for; with the failure the compensation is gone, too."""

    def careful(context):
        try:
            first = yield context.call_activity("do", "first")
        except ValueError:
            first = yield context.call_activity("do", "compensation")
        second = yield context.call_activity("do", "second")
        return [first, second]

    handle = switch.rewound({"first", "second"}, careful)
    assert handle.result(10) == ["FIRST", "SECOND"]
    assert switch.calls == {"first": 2, "compensation": 1, "second": 2}


def test_row_27_a_retried_call_begins_with_its_first_attempt_and_no_old_timer_fires(lab, switch):
    def retries(context):
        options = df.RetryOptions(60_000, 3)
        began = context.current_utc_datetime
        result = yield context.call_activity_with_retry("do", options, "a")
        return [result, (context.current_utc_datetime - began) / timedelta(minutes=1)]

    switch.broken = {"a"}
    handle = fail(lab.start(retries))
    assert switch.calls == {"a": 3}
    handle.rewind("still broken")
    fail(handle)
    assert switch.calls == {"a": 6}
    switch.broken = set()
    handle.rewind("mended")
    assert handle.result(10)[0] == "A"
    assert switch.calls == {"a": 7}


def test_row_27_events_timers_and_ids_are_as_they_were(lab, switch):
    def mixed(context):
        began = context.current_utc_datetime
        context.set_custom_status(context.new_uuid())
        event = yield context.wait_for_external_event("go")
        yield context.create_timer(began + timedelta(hours=1))
        yield context.call_activity("do", "a")
        return [event, (context.current_utc_datetime - began) / timedelta(hours=1)]

    switch.broken = {"a"}
    handle = lab.start(mixed)
    handle.raise_event("go", {"x": 1})
    made = fail(handle).status().custom_status
    lab.clock.advance(hours=5)
    switch.broken = set()
    handle.rewind()
    assert handle.result(10) == [{"x": 1}, 6]  # the activity's result came five hours later
    assert handle.status().custom_status == made
    asked = [e for e in handle.history() if kinds([e]) in (["TimerCreated"], ["TaskScheduled"])]
    assert len({(event.task_id, event.timestamp) for event in asked}) == 2  # each stands there twice


def test_row_27_a_mistake_in_the_orchestrator_itself_is_mended_and_rewound(lab, switch):
    def broken(context):
        value = yield context.call_activity("do", "a")
        raise TypeError(value)

    def mended(context):
        return 2 * (yield context.call_activity("do", "a"))

    lab.orchestrator(broken, "code")
    handle = fail(lab.start("code"))
    lab.orchestrator(mended, "code")
    handle.rewind()
    assert handle.result(10) == "AA"
    assert switch.calls == {"a": 1}


def test_row_27_after_continue_as_new_the_last_execution_is_rewound(lab, switch):
    def again(context):
        yield context.call_activity("do", f"round {context.get_input()}")
        if context.get_input() == 3:
            return (yield context.call_activity("do", "end"))
        context.continue_as_new(context.get_input() + 1)

    handle = switch.rewound({"end"}, again, 1)
    assert handle.result(10) == "END"
    assert switch.calls == {"round 1": 1, "round 2": 1, "round 3": 1, "end": 2}


def test_row_27_its_custom_status_from_before_continue_as_new_is_kept(lab, switch):
    def again(context):
        if context.get_input() is None:
            context.set_custom_status("set before")
            context.continue_as_new(1)
            return None
        yield context.call_activity("do", "a")
        return context.custom_status

    handle = switch.rewound({"a"}, again)
    assert handle.result(10) == "set before"
    assert handle.status().custom_status == "set before"


def test_row_27_what_failed_for_changed_code_goes_on_with_the_old_code(failing):
    switch = Switch(failing)

    def code(context):
        value = yield context.call_activity("do", "a")
        return [value, (yield context.wait_for_external_event("go"))]

    def changed(context):
        return (yield context.call_activity("do", "another"))

    failing.begin(code, instance_id="i")
    handle = failing.restart("i", code=changed)
    handle.raise_event("go", "kept")
    fail(handle)
    failing.orchestrator(code)
    handle.rewind()
    assert handle.result(10) == ["A", "kept"]
    assert switch.calls == {"a": 1}


def test_row_27_a_rewound_instance_goes_on_after_a_restart(disk):
    switch = Switch(disk)
    disk.orchestrator(chain)

    def parent(context):
        return (yield context.call_sub_orchestrator(chain, None, "child"))

    switch.rewound("c", parent, instance_id="p")
    assert disk.restart("p").result() == ["A", "B", "C"]
    assert switch.calls == {"a": 1, "b": 1, "c": 2}
