"""Row 35: what grows without end fails cleanly."""

from dataclasses import replace
from itertools import product

import pytest

import durablenb as df
from tests.traps.corpus import quick


@pytest.fixture
def limited(kernel):
    """At most twenty requests an execution, instead of a hundred thousand."""
    executions = kernel.client._control.engine._state.instances.executions
    before = executions._options
    executions._options = replace(before, max_orchestration_actions=20)
    yield kernel
    executions._options = before


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


ENDLESS = [endless_activities, endless_timers, endless_waits, endless_statuses, endless_calls]


@pytest.mark.parametrize(
    ("endless", "input_"), [*product([*ENDLESS, swallows_its_end], [None]), (swallows_its_end, "and returns")]
)
def test_row_35_an_execution_that_asks_for_too_much_fails_and_says_what_to_do(limited, endless, input_):
    limited.activity(lambda: None, "nothing")
    handle = limited.start(endless, input_)
    with pytest.raises(df.OrchestrationLimitError, match=r"more than 20 things.*use continue_as_new"):
        handle.result(10)
    assert len(handle.history()) < 100
    assert limited.run(quick, "well") == "well"


def test_row_35_the_limit_is_azures_hundred_thousand():
    from durablenb.core.replay_checker import MAX_ORCHESTRATION_ACTIONS
    from durablenb.engine.options import EpisodeOptions

    assert MAX_ORCHESTRATION_ACTIONS == EpisodeOptions().max_orchestration_actions == 100_000


def test_row_35_exactly_as_many_as_allowed_are_allowed(limited):
    limited.activity(lambda: None, "nothing")

    def asks(context):
        yield context.task_all([context.call_activity("nothing") for _ in range(context.get_input())])
        return "well"

    assert limited.run(asks, 20) == "well"
    with pytest.raises(df.OrchestrationLimitError):
        limited.run(asks, 21)


def test_row_35_continue_as_new_begins_to_count_anew(limited):
    limited.activity(lambda: None, "nothing")

    def loops(context):
        yield context.task_all([context.call_activity("nothing") for _ in range(15)])
        if context.get_input() == 3:
            return "well"
        context.continue_as_new(context.get_input() + 1)

    assert limited.run(loops, 0) == "well"


def test_row_35_a_parent_can_catch_a_child_that_asked_for_too_much(limited):
    limited.orchestrator(endless_activities)

    def parent(context):
        try:
            yield context.call_sub_orchestrator(endless_activities)
        except df.OrchestrationLimitError:
            return "caught"

    assert limited.run(parent) == "caught"
