"""Rows 35 and 36: what grows without end, and orchestrators that do what they must not, fail cleanly."""

import asyncio
import sys
import threading
import time
from dataclasses import replace

import pytest

import durablenb as df
from tests.traps.lab import counted, kinds

# -- row 35 --------------------------------------------------------------------------------------


@pytest.fixture
def limited(kernel):
    """At most twenty requests an execution, instead of a hundred thousand."""
    episodes = kernel.client.engine.episodes
    before = episodes._options
    episodes._options = replace(before, max_orchestration_actions=20)
    yield kernel
    episodes._options = before


def endless_activities(context):
    while True:
        context.call_activity("nothing")


def endless_timers(context):
    while True:
        yield context.create_timer(context.current_utc_datetime)


def endless_waits(context):
    while True:
        context.wait_for_external_event("never").cancel()


def endless_statuses(context):
    number = 0
    while True:
        number += 1
        context.set_custom_status(number)


async def endless_calls(context):
    while True:
        await context.call_activity("nothing")


def swallows_its_end(context):
    swallowed = 0
    while True:
        try:
            yield context.call_activity("nothing")
        except BaseException:
            swallowed += 1
            if context.get_input():
                return "pretends to be well"
            if swallowed == 2:
                raise


@pytest.mark.parametrize(
    "endless",
    [
        endless_activities,
        endless_timers,
        endless_waits,
        endless_statuses,
        endless_calls,
        swallows_its_end,
    ],
    ids=lambda function: function.__name__,
)
@pytest.mark.parametrize("input_", [None, 1])
def test_row_35_an_execution_that_asks_for_too_much_fails_and_says_what_to_do(limited, endless, input_):
    limited.activity(lambda: None, "nothing")
    limited.orchestrator(endless)
    handle = limited.start(endless, input_)
    with pytest.raises(df.OrchestrationLimitError, match=r"more than 20 things.*use continue_as_new"):
        handle.result(10)
    assert len(handle.history()) < 100
    limited.orchestrator(lambda context: "well", "other")
    assert limited.run("other") == "well"


def test_row_35_the_limit_is_azures_hundred_thousand():
    from durablenb.core.ledger import MAX_ORCHESTRATION_ACTIONS
    from durablenb.engine.episodes import EpisodeOptions

    assert MAX_ORCHESTRATION_ACTIONS == EpisodeOptions().max_orchestration_actions == 100_000


def test_row_35_exactly_as_many_as_allowed_are_allowed(limited):
    limited.activity(lambda: None, "nothing")

    @limited.orchestrator
    def asks(context):
        yield context.task_all([context.call_activity("nothing") for _ in range(context.get_input())])
        return "well"

    assert limited.run(asks, 20) == "well"
    with pytest.raises(df.OrchestrationLimitError):
        limited.run(asks, 21)


def test_row_35_continue_as_new_begins_to_count_anew(limited):
    limited.activity(lambda: None, "nothing")

    @limited.orchestrator
    def loops(context):
        for _ in range(15):
            yield context.call_activity("nothing")
        if context.get_input() == 5:
            return "well"
        context.continue_as_new(context.get_input() + 1)

    assert limited.run(loops, 0) == "well"


def test_row_35_a_parent_can_catch_a_child_that_asked_for_too_much(limited):
    limited.orchestrator(endless_activities)

    @limited.orchestrator
    def parent(context):
        try:
            yield context.call_sub_orchestrator(endless_activities)
        except df.OrchestrationLimitError:
            return "caught"

    assert limited.run(parent) == "caught"


# -- row 36 --------------------------------------------------------------------------------------


class Odd:
    """No task, whatever it says."""

    is_completed = True
    result = 5


@pytest.mark.parametrize("at", ["first", "second"])
@pytest.mark.parametrize(
    "wrong",
    [None, 5, "text", [], [1], (), Odd(), Odd, print, time.sleep],
    ids=lambda wrong: getattr(wrong, "__name__", type(wrong).__name__),
)
def test_row_36_waiting_for_what_is_no_task_fails_with_a_message(kernel, wrong, at):
    @kernel.orchestrator
    def mistaken(context):
        if at == "second":
            yield context.create_timer(context.current_utc_datetime)
        yield wrong

    handle = kernel.start(mistaken)
    with pytest.raises(TypeError, match=r"Line \d+: the orchestrator waits for an? .* which is no task"):
        handle.result(10)
    assert kinds(handle.history())[-1] == "ExecutionFailed"


def test_row_36_a_list_of_tasks_is_told_of_task_all(lab):
    @lab.orchestrator
    def mistaken(context):
        yield [context.call_activity("a"), context.call_activity("b")]

    with pytest.raises(TypeError, match=r"which is no task.*context.task_all"):
        lab.run(mistaken)


@pytest.mark.parametrize("many", ["task_all", "task_any"])
def test_row_36_what_is_no_list_of_tasks_is_refused(lab, many):
    @lab.orchestrator
    def one_task(context):
        yield getattr(context, many)(context.call_activity("a"))

    @lab.orchestrator
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
    "orchestrator",
    [exits, exits_later, recurses, closes, stops, cancels, runs_out_of_memory],
    ids=lambda function: function.__name__,
)
def test_row_36_nothing_that_an_orchestrator_raises_stops_the_hub(lab, orchestrator):
    lab.orchestrator(orchestrator)

    @lab.orchestrator
    def waits(context):
        return (yield context.wait_for_external_event("go"))

    other = lab.start(waits)
    handle = lab.start(orchestrator)
    assert handle.wait(10).runtime_status == "Failed"
    other.raise_event("go", "well")
    assert other.result(10) == "well"


def test_row_36_an_interrupt_raised_by_code_in_the_background_fails_it_and_nothing_else(threads):
    @threads.orchestrator
    def interrupts(context):
        raise KeyboardInterrupt

    handle = threads.start(interrupts)
    assert handle.wait(10).failure_details.error_type == "builtins.KeyboardInterrupt"
    threads.orchestrator(lambda context: "well", "other")
    assert threads.run("other") == "well"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, RecursionError, GeneratorExit])
def test_row_36_nothing_that_an_activity_raises_stops_the_hub(threads, error):
    @threads.activity
    def raises():
        raise error

    @threads.activity
    async def raises_in_the_event_loop():
        raise error

    @threads.orchestrator
    def asks(context):
        yield context.call_activity(context.get_input())

    for name in ("raises", "raises_in_the_event_loop"):
        handle = threads.start(asks, name)
        assert handle.wait(10).runtime_status == "Failed"
    threads.activity(lambda: "well", "raises")
    threads.orchestrator(lambda context: "well", "other")
    assert threads.run("other") == "well"


def test_row_36_async_def_orchestrators_work_like_generators(lab):
    lab.activity(lambda value: value + 1, "plus one")

    async def inner(context, value):
        return await context.call_activity("plus one", value)

    @lab.orchestrator
    async def outer(context):
        first = await inner(context, context.get_input())
        second = await context.task_all([context.call_activity("plus one", first) for _ in range(2)])
        try:
            await context.call_activity("missing")
        except LookupError:
            return [first, second]

    assert lab.run(outer, 1) == [2, [3, 3]]


def test_row_36_awaiting_something_else_than_a_task_fails_with_a_message(lab):
    @lab.orchestrator
    async def mistaken(context):
        await asyncio.sleep(0)

    @lab.orchestrator
    async def more_mistaken(context):
        await asyncio.sleep(1)

    with pytest.raises(TypeError, match="waits for a NoneType, which is no task"):
        lab.run(mistaken)
    with pytest.raises(RuntimeError, match="no running event loop"):
        lab.run(more_mistaken)


def test_row_36_yield_in_an_async_def_is_explained(lab):
    @lab.orchestrator
    async def confused(context):
        yield context.call_activity("a")

    with pytest.raises(TypeError, match="in an 'async def' use await, not yield"):
        lab.run(confused)


def test_row_36_lambdas_need_a_name_and_work_with_one(lab):
    for add in (lab.hub.add_orchestrator, lab.hub.add_activity):
        with pytest.raises(ValueError, match="A lambda has no name of its own"):
            add(lambda context: 5)
    lab.orchestrator(lambda context: 5, "named")
    assert lab.run("named") == 5


@pytest.mark.parametrize("name", ["", "@entity"])
def test_row_36_impossible_names_are_refused(lab, name):
    with pytest.raises(ValueError, match=r"cannot be empty|must not start with @"):
        lab.hub.add_orchestrator(lambda context: 5, name)


def test_row_36_what_is_no_function_is_refused(lab):
    for add in (lab.hub.add_orchestrator, lab.hub.add_activity):
        with pytest.raises(TypeError, match="Expected a function, not a int"):
            add(5)


def test_row_36_a_function_of_the_wrong_shape_fails_the_orchestration(lab):
    lab.orchestrator(lambda: 5, "no parameter")
    lab.orchestrator(lambda context, more: 5, "two parameters")
    for name in ("no parameter", "two parameters"):
        with pytest.raises(TypeError, match="argument"):
            lab.run(name)


def test_row_36_empty_names_in_calls_are_refused_in_azures_words(lab):
    @lab.orchestrator
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
    @lab.orchestrator
    def mistaken(context):
        try:
            yield 5
        finally:
            yield context.call_activity("clean up")

    handle = lab.start(mistaken)
    with pytest.raises(TypeError, match="which is no task"):
        handle.result(10)
    assert counted(handle.history(), "TaskScheduled") == 0


@pytest.mark.parametrize("what", ["raise", "start", "run", "result", "step", "terminate"])
def test_row_36_an_orchestrator_that_uses_the_hub_fails_and_does_not_hang(lab, what):
    """It is what an activity is for; waiting for oneself would last for ever."""
    lab.orchestrator(lambda context: "well", "other")

    @lab.orchestrator
    def mistaken(context):
        yield context.wait_for_external_event("go")
        if what == "raise":
            lab.client.raise_event(context.instance_id, "go")
        elif what == "start":
            lab.start("other")
        elif what == "run":
            lab.hub.run("other")
        elif what == "result":
            lab.hub.handle(context.instance_id).result()
        elif what == "step":
            lab.hub.step()
        else:
            lab.client.terminate(context.instance_id)

    handle = lab.start(mistaken)
    lab.settle()
    handle.raise_event("go")
    with pytest.raises(df.DurableError, match=r"An orchestrator can't use the hub|hub.step\(\) is for mode"):
        handle.result(10)
    assert kinds(handle.history())[-2:] == ["OrchestratorStarted", "ExecutionFailed"]
    assert lab.run("other") == "well"


def test_row_36_an_activity_may_use_the_hub(lab):
    lab.orchestrator(lambda context: context.get_input(), "other")
    lab.activity(lambda value: lab.start("other", value, instance_id="started").id, "starts")

    @lab.orchestrator
    def asks(context):
        return (yield context.call_activity("starts", 5))

    assert lab.run(asks) == "started"
    assert lab.client.wait_for_completion("started", 10).output == 5


def test_row_36_an_inline_activity_of_a_threaded_hub_may_use_the_hub(threads):
    threads.orchestrator(lambda context: context.get_input(), "other")

    @threads.orchestrator
    def asks(context):
        return (yield context.call_activity("starts inline", 5))

    threads._functions["activity", "starts inline"] = None
    threads.hub.add_activity(
        lambda value: threads.start("other", value, instance_id="started").id,
        "starts inline",
        executor="inline",
    )
    assert threads.run(asks) == "started"
    assert threads.client.wait_for_completion("started", 10).output == 5


def test_row_36_a_stuck_orchestrator_of_a_kernel_hub_can_be_interrupted(kernel):
    """The stop button: the instance has not failed, and goes on when its code is mended."""

    def stuck(context):
        while True:
            if threading.current_thread() is threading.main_thread():
                raise KeyboardInterrupt

    kernel.orchestrator(stuck, "code")
    handle = kernel.start("code")
    with pytest.raises(KeyboardInterrupt):
        handle.result()
    kernel.orchestrator(lambda context: "well", "code")
    assert handle.result() == "well"
