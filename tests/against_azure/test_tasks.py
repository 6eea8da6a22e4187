"""Groups of tasks, retries and names: the same end as in Azure's library for Python."""

from datetime import timedelta

import azure.durable_functions as azure
import pytest

import durablenb as df
from tests.against_azure.host import Host


def SayHello(city):
    return f"Hello {city}!"


def first_of_none(context):
    winner = yield context.task_any([])
    return winner


def first_of_none_among_others(context):
    timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    winner = yield context.task_any([context.task_any([]), timer])
    return [winner is timer, winner.result]


def any_case(context):
    return (yield context.call_activity("sayhello", "Tokyo"))


def remembers_the_winner(context):
    one, other = context.call_activity("SayHello", "a"), context.call_activity("SayHello", "b")
    winner = yield context.task_any([one, other])
    rest = yield context.task_all([one, other])
    return [winner.result, rest]


@pytest.mark.parametrize(
    "orchestrator",
    [first_of_none, first_of_none_among_others, any_case, remembers_the_winner],
    ids=lambda one: one.__name__,
)
def test_it_ends_as_on_azure(here, orchestrator):
    on_azure = Host(orchestrator, [SayHello]).play()
    assert on_azure.status == "Completed"
    assert here.play(orchestrator, activities=[SayHello]) == on_azure


@pytest.mark.parametrize("given", [(1, 0), (1, 1), (5_000, 3)])
def test_retry_options_take_what_azures_take(given):
    ours, theirs = df.RetryOptions(*given), azure.RetryOptions(*given)
    assert ours.first_retry_interval_in_milliseconds == theirs.first_retry_interval_in_milliseconds
    assert ours.max_number_of_attempts == theirs.max_number_of_attempts
