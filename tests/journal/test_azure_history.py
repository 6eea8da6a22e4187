"""The code replays any history that was converted from a status."""

import json
from dataclasses import replace
from datetime import timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

import durablenb as df
from durablenb.core.mismatch import find_mismatch
from durablenb.core.registry import target_name
from durablenb.core.status_history import history_events
from durablenb.journal.bundle import azure_history
from durablenb.model.events import (
    ExecutionCompleted,
    OrchestratorStarted,
    Request,
    SubOrchestrationInstanceCreated,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from tests.journal.orders import COUNTER
from tests.properties.drivers import ByHand, codec
from tests.properties.programs import program, programs, tame_programs

SEEN = (TaskScheduled, SubOrchestrationInstanceCreated, TaskCompleted, TaskFailed, TimerCreated, TimerFired)


class OneByOne(Random):
    """A random source by which the code handles each arrival on its own."""

    def randint(self, a, b):
        return a


def spread(history):
    """Return the history with different times for requests of one episode, as Azure has them."""
    found, at, step = [], history[0].timestamp, timedelta(microseconds=1)
    for number, event in enumerate(history):
        at = at + step if isinstance(event, Request) else event.timestamp
        event = replace(event, timestamp=at)
        if isinstance(event, TimerCreated):
            event = replace(event, fire_at=event.fire_at + number * step)
        found.append(event)
    return found


def told_of(history, status):
    """Return the status of a history, after a round trip through JSON."""
    started = history[0]
    output = json.loads(history[-1].result) if isinstance(history[-1], ExecutionCompleted) else None
    answer = {
        "name": started.name,
        "instanceId": "instance",
        "runtimeStatus": status,
        "input": json.loads(started.input),
        "output": output,
        "createdTime": started.timestamp.isoformat(),
        "historyEvents": history_events(history, show_output=True, show_input=True),
    }
    return json.loads(json.dumps(answer))


def imported(history, status):
    return [
        one.event for one in azure_history.convert(told_of(spread(history), status), codec.encode).records
    ]


def misfit(events):
    return find_mismatch(program, ("instance", "execution"), events, codec, target_name)


@settings(max_examples=60)
@given(steps=programs, seed=st.integers(0, 2**32))
def test_the_code_finds_its_way_through_what_is_told_of_its_end(steps, seed):
    history = ByHand(steps, OneByOne(seed)).run().history
    assert misfit(imported(history, "Completed")) is None


@settings(max_examples=60)
@given(steps=programs, seed=st.integers(0, 2**32), stop=st.floats(0, 1))
def test_the_code_finds_its_way_through_what_is_told_half_way(steps, seed, stop):
    whole = ByHand(steps, OneByOne(seed)).run().history
    history = whole[: 1 + int(stop * (len(whole) - 1))]
    while isinstance(history[-1], (OrchestratorStarted, Request)) and history != whole:
        history = history[:-1]  # an episode is told whole or not at all
    has_run = any(isinstance(event, OrchestratorStarted) for event in history)
    status = "Completed" if history == whole else "Running" if has_run else "Pending"
    assert misfit(imported(history, status)) is None


@settings(max_examples=40)
@given(steps=tame_programs, seed=st.integers(0, 2**32))
def test_without_races_it_is_no_matter_how_much_came_before_the_code_looked(steps, seed):
    history = ByHand(steps, Random(seed)).run().history
    assert misfit(imported(history, "Completed")) is None


@settings(max_examples=40)
@given(steps=programs, seed=st.integers(0, 2**32))
def test_all_that_is_told_is_there_and_nothing_else(steps, seed):
    history = ByHand(steps, Random(seed)).run().history
    assert seen(imported(history, "Completed")) == seen(spread(history))


def seen(events):
    return sorted((type(one).__name__, one.timestamp) for one in events if isinstance(one, SEEN))


def test_what_is_said_to_entities_is_told_as_azure_tells_it(shop, other):
    def counting(context):
        with (yield context.lock([COUNTER])):
            yield context.call_entity(COUNTER, "add", 5)
            count = yield context.call_entity(COUNTER, "get")
        context.signal_entity(COUNTER, "add", 1)
        try:
            yield context.call_entity(COUNTER, "vanish")
        except df.TaskFailedError:
            return count

    shop.add_orchestrator(counting)
    handle = shop.start(counting, instance_id="counts")
    assert handle.result() == 5
    told = handle.status(show_history=True).to_json()
    kinds = [event["EventType"] for event in told["historyEvents"]]
    assert (kinds.count("EventSent"), kinds.count("EventRaised")) == (5, 4)
    (copy,) = other.import_history(told)
    assert copy.replay(counting).fits
    query = "select operation, status, input, result from entity_calls order by seq"
    assert other.sql(query).fetchall() == shop.sql(query).fetchall()
