"""Row 36: orchestrators that do what they must not fail cleanly, and stop nobody else."""

import asyncio
import sys
import time

import pytest

from tests.traps.corpus import quick, waits
from tests.traps.lab import counted, kinds


class Odd:
    """No task, whatever it says."""

    is_completed = True
    result = 5


class Five:
    """Something to await that is no task."""

    def __await__(self):
        yield 5


@pytest.mark.parametrize("at", ["first", "second"])
def test_row_36_waiting_for_what_is_no_task_fails_with_a_message(kernel, at):
    def mistaken(context):
        if at == "second":
            yield context.create_timer(context.current_utc_datetime)
        yield wrong[context.get_input()]

    wrong = [None, 5, "text", [], [1], (), Odd(), Odd, print, time.sleep]
    for number in range(len(wrong)):
        handle = kernel.start(mistaken, number)
        with pytest.raises(TypeError, match=r"Line \d+: the orchestrator waits for .* which isn't a task"):
            handle.result(10)
        assert kinds(handle.history())[-1] == "ExecutionFailed"


def test_row_36_the_message_says_what_may_have_been_meant(lab):
    def a_list(context):
        yield [context.call_activity("a"), context.call_activity("b")]

    async def something_else(context):
        await Five()

    async def confused(context):
        yield context.call_activity("a")

    for mistaken, text in (
        (a_list, r"which isn't a task.*context.task_all"),
        (something_else, "waits for a int, which isn't a task"),
        (confused, "in an 'async def' use await, not yield"),
    ):
        with pytest.raises(TypeError, match=text):
            lab.run(mistaken)


@pytest.mark.parametrize("many", ["task_all", "task_any"])
def test_row_36_what_is_no_list_of_tasks_is_refused(lab, many):
    def one_task(context):
        yield getattr(context, many)(context.call_activity("a"))

    def not_all_tasks(context):
        yield getattr(context, many)([context.wait_for_external_event("a"), 5])

    with pytest.raises(TypeError, match=f"{many} takes a list of tasks, not one task"):
        lab.run(one_task)
    with pytest.raises(TypeError, match=f"{many} takes tasks; item 1 is a int"):
        lab.run(not_all_tasks)


def exits(context):
    sys.exit(3)


def exits_later(context):
    yield context.create_timer(context.current_utc_datetime)
    raise SystemExit


def recurses(context):
    return recurses(context)


def closes(context):
    yield context.create_timer(context.current_utc_datetime)
    raise GeneratorExit


def stops(context):
    yield context.create_timer(context.current_utc_datetime)
    raise StopIteration


async def cancels(context):
    raise asyncio.CancelledError


def runs_out_of_memory(context):
    raise MemoryError


@pytest.mark.parametrize(
    "orchestrator", [exits, exits_later, recurses, closes, stops, cancels, runs_out_of_memory]
)
def test_row_36_nothing_that_an_orchestrator_raises_stops_the_hub(lab, orchestrator):
    other = lab.start(waits)
    assert lab.start(orchestrator).wait(10).runtime_status == "Failed"
    other.raise_event("go", "well")
    assert other.result(10) == "well"


def test_row_36_an_interrupt_raised_by_code_in_the_background_fails_it_and_nothing_else(threads):
    def interrupts(context):
        raise KeyboardInterrupt

    handle = threads.start(interrupts)
    assert handle.wait(10).failure_details.error_type == "builtins.KeyboardInterrupt"
    assert threads.run(quick, "well") == "well"


def test_row_36_nothing_that_an_activity_raises_stops_the_hub(threads):
    errors = [SystemExit, KeyboardInterrupt, RecursionError, GeneratorExit]

    @threads.activity
    def raises(number):
        raise errors[number]

    @threads.activity
    async def raises_in_the_event_loop(number):
        raise errors[number]

    def asks(context):
        yield context.call_activity(*context.get_input())

    for name in ("raises", "raises_in_the_event_loop"):
        for number in range(len(errors)):
            assert threads.start(asks, [name, number]).wait(10).runtime_status == "Failed"
    assert threads.run(quick, "well") == "well"


def test_row_36_async_def_orchestrators_work_like_generators(lab):
    lab.activity(lambda value: value + 1, "plus one")

    async def inner(context, value):
        return await context.call_activity("plus one", value)

    async def outer(context):
        first = await inner(context, context.get_input())
        second = await context.task_all([context.call_activity("plus one", first) for _ in range(2)])
        try:
            await context.call_activity("missing")
        except LookupError:
            return [first, second]

    assert lab.run(outer, 1) == [2, [3, 3]]


def test_row_36_what_has_no_name_or_an_impossible_one_or_is_no_function_is_refused(lab):
    for add in (lab.hub.add_orchestrator, lab.hub.add_activity):
        for error, text, *arguments in (
            (ValueError, "A lambda has no name of its own", lambda context: 5),
            (ValueError, "cannot be empty", lambda context: 5, ""),
            (ValueError, "must not start with @", lambda context: 5, "@entity"),
            (TypeError, "Expected a function, not a int", 5),
        ):
            with pytest.raises(error, match=text):
                add(*arguments)
    lab.orchestrator(lambda context: 5, "named")
    assert lab.run("named") == 5


def test_row_36_a_function_of_the_wrong_shape_fails_the_orchestration(lab):
    lab.orchestrator(lambda: 5, "no parameter")
    lab.orchestrator(lambda context, more: 5, "two parameters")
    for name in ("no parameter", "two parameters"):
        with pytest.raises(TypeError, match="argument"):
            lab.run(name)


def test_row_36_empty_names_in_calls_are_refused_in_azures_words(lab):
    def mistaken(context):
        yield getattr(context, context.get_input())("")

    for method, text in (
        ("call_activity", "function_name cannot be empty"),
        ("call_sub_orchestrator", "function_name cannot be empty"),
        ("wait_for_external_event", "external_event_name cannot be empty"),
    ):
        with pytest.raises(ValueError, match=text):
            lab.run(mistaken, method)


def test_row_36_a_finally_block_of_a_failed_orchestrator_gets_nothing_done(lab):
    def mistaken(context):
        try:
            yield 5
        finally:
            yield context.call_activity("clean up")

    handle = lab.start(mistaken)
    with pytest.raises(TypeError, match="which isn't a task"):
        handle.result(10)
    assert counted(handle.history(), "TaskScheduled") == 0
