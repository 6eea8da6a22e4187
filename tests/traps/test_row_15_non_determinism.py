"""Row 15: code that no longer fits its history is found out, whatever was changed; nothing is written."""

import itertools

import pytest

import durablenb as df
from tests.traps.corpus import after
from tests.traps.lab import kinds


def original(context):
    first = yield context.call_activity("first", 1)
    second = yield context.call_activity("second", first)
    yield context.wait_for_external_event("go")
    return second


def other_kind(context):
    yield context.create_timer(context.current_utc_datetime)
    yield context.call_activity("second", 1)


def other_name(context):
    first = yield context.call_activity("second", 1)
    yield context.call_activity("second", first)


def other_input(context):
    first = yield context.call_activity("first", 1)
    yield context.call_activity("second", first + 1)


def one_missing(context):
    yield context.call_activity("first", 1)
    yield context.wait_for_external_event("go")


def one_slipped_in(context):
    first = yield context.call_activity("first", 1)
    yield context.call_activity("first", 2)
    yield context.call_activity("second", first)


def one_more_beside(context):
    first = yield context.call_activity("first", 1)
    context.call_activity("first", 2)
    yield context.call_activity("second", first)


def swapped(context):
    second = yield context.call_activity("second", 1)
    yield context.call_activity("first", second)


def returns_earlier(context):
    return (yield context.call_activity("first", 1))


def returns_at_once(context):
    return 5


def raises_earlier(context):
    yield context.call_activity("first", 1)
    raise ValueError("changed my mind")


def continues_as_new(context):
    yield context.call_activity("first", 1)
    context.continue_as_new(1)


def waits_for_another_event(context):
    first = yield context.call_activity("first", 1)
    yield context.call_activity("second", first)
    yield context.wait_for_external_event("halt")


def a_child_instead(context):
    yield context.call_sub_orchestrator("first", 1)


def never_ends(context):
    first = yield context.call_activity("first", 1)
    while True:
        context.call_activity("first", first)


CHANGES = [
    (other_kind, "recorded is TaskScheduled 'first' #0", "requested is TimerCreated #0"),
    (other_name, "TaskScheduled 'first' #0", "requested is TaskScheduled 'second'"),
    (other_input, "TaskScheduled 'second' #1", "input: recorded '2', requested '3'"),
    (one_missing, "recorded is TaskScheduled 'second' #1", "requested is EventSubscribed 'go' #1"),
    (one_slipped_in, "TaskScheduled 'second' #1", "requested is TaskScheduled 'first'"),
    (one_more_beside, "TaskScheduled 'second' #1", "requested is TaskScheduled 'first'"),
    (swapped, "TaskScheduled 'first' #0", "requested is TaskScheduled 'second'"),
    (returns_earlier, "recorded is TaskScheduled 'second' #1", "requested is ExecutionCompleted"),
    (returns_at_once, "recorded is TaskScheduled 'first' #0", "requested is ExecutionCompleted"),
    (raises_earlier, "recorded is TaskScheduled 'second' #1", "requested is ExecutionFailed"),
    (continues_as_new, "recorded is TaskScheduled 'second' #1", "requested is ContinueAsNew"),
    (waits_for_another_event, "EventSubscribed 'go' #2", "requested is EventSubscribed 'halt'"),
    (a_child_instead, "recorded is TaskScheduled 'first' #0", "SubOrchestrationInstanceCreated 'first' #0"),
    (never_ends, "TaskScheduled 'second' #1", "requested is TaskScheduled 'first'"),
]


def prepared(lab):
    for name in ("first", "second"):
        lab.activity(lambda value: value + 1, name)
    lab.orchestrator(original)
    return lab


def started(lab):
    return prepared(lab).begin(original, instance_id="i")


@pytest.mark.parametrize(("changed", "recorded", "requested"), CHANGES, ids=[c[0].__name__ for c in CHANGES])
def test_row_15_a_change_is_reported_and_once_it_is_mended_the_instance_goes_on(
    disk, changed, recorded, requested
):
    before = started(disk).history()
    handle = disk.restart("i", original=changed)
    handle.raise_event("go")
    with pytest.raises(df.NonDeterminismError) as caught:
        handle.result()
    assert recorded in str(caught.value)
    assert requested in str(caught.value)
    code = changed.__code__
    assert code.co_firstlineno <= caught.value.line <= max(line for *_, line in code.co_lines() if line)
    assert list(handle.history())[: len(before)] == list(before)
    assert kinds(handle.history())[len(before) :] == ["EventRaised"]  # nothing else was written
    assert handle.status().runtime_status == "Running"
    disk.orchestrator(original)
    assert handle.result() == 3  # mended, it goes on


def test_row_15_code_that_stops_before_what_is_recorded_is_reported(disk):
    """It neither returns nor asks: it waits for something else that the history has."""
    disk.activity(lambda: 1, "a")

    def code(context):
        task = context.call_activity("a")
        event = context.wait_for_external_event("later")
        yield task
        yield context.call_activity("a")
        yield event

    def changed(context):
        context.call_activity("a")
        yield context.wait_for_external_event("later")

    disk.begin(code, instance_id="i")
    handle = disk.restart("i", code=changed)
    handle.raise_event("later")
    with pytest.raises(df.NonDeterminismError, match="requested is nothing more"):
        handle.result()


def test_row_15_on_request_the_instance_fails_instead_as_in_azure(failing):
    started(failing)
    handle = failing.restart("i", original=returns_earlier)
    handle.raise_event("go")
    with pytest.raises(df.NonDeterminismError):
        handle.result()
    assert handle.status().runtime_status == "Failed"
    assert handle.status().failure_details.error_type == "durablenb.model.errors.NonDeterminismError"


def test_row_15_inside_a_child_its_parent_can_catch_it(failing):
    def parent(context):
        try:
            yield context.call_sub_orchestrator("original", None, "child")
        except df.NonDeterminismError as error:
            return error.details.error_type

    prepared(failing).begin(parent, instance_id="top")
    failing.restart(original=other_name)
    failing.client.raise_event("child", "go")
    assert failing.hub.handle("top").result() == "durablenb.model.errors.NonDeterminismError"


def test_row_15_a_held_child_is_named_to_whoever_waits_for_its_parent(disk):
    def parent(context):
        return (yield context.call_sub_orchestrator("original", None, "child"))

    prepared(disk).begin(parent, instance_id="top")
    handle = disk.restart("top", original=other_name)
    disk.client.raise_event("child", "go")
    with pytest.raises(df.NonDeterminismError):
        handle.result()
    disk.orchestrator(original)
    assert handle.result() == 3


def test_row_15_a_held_instance_harms_no_other_and_can_be_terminated(disk):
    started(disk)
    disk.orchestrator(lambda context: "well", "other")
    handle = disk.restart("i", original=other_kind)
    handle.raise_event("go")
    disk.settle()
    assert disk.run("other") == "well"
    handle.terminate("give up")
    assert handle.status().runtime_status == "Terminated"


def test_row_15_swallowing_every_exception_does_not_hide_it(disk):
    started(disk)
    swallowed = []

    def stubborn(context):
        while True:
            try:
                return (yield context.call_activity("second", 1))
            except BaseException as error:
                swallowed.append(type(error).__name__)
                if len(swallowed) == 3:
                    raise

    handle = disk.restart("i", original=stubborn)
    handle.raise_event("go")
    with pytest.raises(df.NonDeterminismError):
        handle.result()
    assert swallowed == ["OrchestratorUnwind", "GeneratorExit"]  # and not for ever


def test_row_15_verification_finds_chance_and_clocks_at_once(lab):
    numbers = itertools.count()

    def by_chance(context):
        yield context.call_activity("anything", next(numbers))

    with pytest.raises(df.NonDeterminismError, match="input: recorded"):
        lab.run(by_chance)


def test_row_15_an_unchanged_orchestrator_is_never_reported(disk):
    """All kinds of tasks, and a restart after every third step."""
    disk.activity(lambda value: value, "echo")
    disk.activity(lambda: 1 / 0, "fail")

    @disk.orchestrator
    def child(context):
        yield after(context, seconds=1)
        return (yield context.call_activity("echo", context.new_uuid()))

    def everything(context):
        context.set_custom_status("began")
        tasks = [context.call_activity("echo", n) for n in range(3)]
        some = yield context.task_all(tasks)
        event = context.wait_for_external_event("go")
        timer = after(context, hours=1)
        yield context.task_any([event, timer])
        event.cancel()
        kid = yield context.call_sub_orchestrator(child, None, "kid")
        context.set_custom_status({"kid": kid})
        try:
            yield context.call_activity("fail")
        except ZeroDivisionError:
            some.append(context.new_uuid() == kid)
        return some

    disk.start(everything, instance_id="e")
    restarts = 0
    while all(disk.hub.step() is not None for _ in range(3)):
        disk.restart()
        restarts += 1
    assert restarts > 3
    assert disk.hub.handle("e").result() == [0, 1, 2, False]
