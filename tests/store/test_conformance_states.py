"""Answers of every store about the states of instances."""

import json
from datetime import timedelta, timezone

from durablenb.core.ports.store import InstanceQuery
from durablenb.model.events import (
    CustomStatusSet,
    ExecutionCanceled,
    ExecutionCancelRequested,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorStarted,
    TaskScheduled,
)
from durablenb.model.status import OrchestrationRuntimeStatus as Status
from tests.store.scribe import BEGINNING, USUAL

AMSTERDAM = timezone(timedelta(hours=1))


def state(store, scribe, instance_id="a"):
    store.append(scribe.take())
    (found,) = store.states(InstanceQuery(instance_ids=(instance_id,)))
    assert found in store.states(InstanceQuery())
    return found


def ids(store, **conditions):
    return [found.instance_id for found in store.states(InstanceQuery(**conditions))]


def test_a_new_instance_is_pending_and_tells_how_it_was_started(store, scribe):
    start_at = BEGINNING + timedelta(days=1, microseconds=5)
    scribe.start("p", name="Parent")
    scribe.start_child(
        "p",
        "a",
        name="Child",
        input='"in"',
        version="v1",
        tags={"b": "2", "a": "é😀\0"},
        scheduled_start_time=start_at,
    )
    found = state(store, scribe)
    assert (found.name, found.status, found.input, found.output) == ("Child", Status.Pending, '"in"', None)
    assert (found.version, found.parent_instance_id, found.custom_status) == ("v1", "p", None)
    assert list(found.tags.items()) == [("b", "2"), ("a", "é😀\0")]
    assert found.scheduled_start_time == start_at
    assert found.generation == 0
    assert found.created_time == found.last_updated_time == BEGINNING + timedelta(seconds=2)
    assert found.execution_id == store.records("a")[0].execution_id


WAYS = [
    ([OrchestratorStarted], Status.Running, None),
    ([OrchestratorStarted, ExecutionSuspended], Status.Suspended, None),
    ([OrchestratorStarted, ExecutionSuspended, ExecutionResumed], Status.Running, None),
    ([ExecutionSuspended], Status.Suspended, None),
    ([ExecutionSuspended, ExecutionResumed], Status.Pending, None),
    ([OrchestratorStarted, ExecutionCompleted], Status.Completed, "2"),
    ([ExecutionCancelRequested, ExecutionCanceled], Status.Canceled, "why not"),
    ([ExecutionSuspended, ExecutionCanceled], Status.Canceled, "why not"),
    ([ExecutionTerminated], Status.Terminated, "why not"),
    ([ExecutionSuspended, ExecutionTerminated], Status.Terminated, "why not"),
    ([OrchestratorStarted, ExecutionFailed], Status.Failed, json.dumps(USUAL["failure"].as_json())),
]


def test_status_and_output_follow_from_what_happened(store, scribe):
    for number, (kinds, status, output) in enumerate(WAYS):
        scribe.start(str(number))
        scribe.run(str(number), *kinds)
        found = state(store, scribe, str(number))
        assert (found.status, found.output, found.last_updated_time) == (status, output, scribe.now), kinds


def test_only_what_changes_a_status_counts_as_an_update(store, scribe):
    scribe.start("a")
    began = scribe.add("a", OrchestratorStarted)
    scribe.run("a", TaskScheduled)
    assert state(store, scribe).last_updated_time == began.timestamp


def test_custom_status_is_the_last_one_of_this_execution(store, scribe):
    scribe.start("a")
    scribe.run("a", OrchestratorStarted, CustomStatusSet)
    scribe.add("a", CustomStatusSet, status='{"done": 3}')
    assert state(store, scribe).custom_status == '{"done": 3}'
    scribe.continue_as_new("a")
    assert state(store, scribe).custom_status is None


def test_continued_as_new_an_instance_is_pending_again_but_as_old_as_before(store, scribe):
    created = scribe.start("a", tags={"k": "v"}).timestamp
    scribe.run("a", OrchestratorStarted)
    for _ in range(3):
        scribe.continue_as_new("a", "9")
    found = state(store, scribe)
    assert (found.status, found.input, found.generation, found.tags) == (Status.Pending, "9", 3, {"k": "v"})
    assert (found.created_time, found.last_updated_time) == (created, scribe.now)


def test_rewound_an_instance_runs_again_and_is_as_old_as_before(store, scribe):
    created = scribe.start("a").timestamp
    scribe.run("a", OrchestratorStarted, ExecutionFailed)
    scribe.rewind("a")
    found = state(store, scribe)
    assert (found.status, found.output) == (Status.Running, None)
    assert (found.created_time, found.last_updated_time) == (created, scribe.now)


def test_started_again_under_its_id_an_instance_is_new(store, scribe):
    scribe.start("a", name="Old")
    scribe.run("a", OrchestratorStarted, CustomStatusSet, ExecutionCompleted)
    started = scribe.start("a", name="New")
    found = state(store, scribe)
    assert (found.name, found.status, found.output, found.custom_status) == (
        "New",
        Status.Pending,
        None,
        None,
    )
    assert found.created_time == started.timestamp


def test_instances_come_oldest_first_and_in_pages(store, scribe):
    for name in ("d", "b", "a", "c"):
        scribe.start_in(store, name, timestamp=BEGINNING + timedelta(hours=name in "ab"))
    assert ids(store) == ["c", "d", "a", "b"]
    assert ids(store, limit=2) == ["c", "d"]
    assert ids(store, limit=2, offset=1) == ["d", "a"]
    assert ids(store, offset=3) == ["b"]
    assert ids(store, offset=9) == ids(store, limit=0) == []


def test_every_condition_given_must_be_met(store, scribe):
    for name in ("order_1", "order_2", "orderX1", "other"):
        scribe.start(name, name="Ship" if name == "order_2" else "Pay")
    scribe.run("order_1", OrchestratorStarted)
    store.append(scribe.take())
    assert ids(store, prefix="order_") == ["order_1", "order_2"]
    assert ids(store, prefix="order%") == []
    assert ids(store, prefix="") == ids(store)
    assert ids(store, name="Ship") == ["order_2"]
    assert ids(store, name="sHIP") == ["order_2"]
    assert ids(store, name="Shi") == ids(store, name="Ship%") == []
    assert ids(store, statuses=(Status.Running, Status.Failed)) == ["order_1"]
    assert ids(store, statuses=()) == ids(store, instance_ids=()) == []
    assert ids(store, instance_ids=("other", "order_2", "unknown")) == ["order_2", "other"]
    assert ids(store, prefix="order", name="Pay", statuses=(Status.Pending,)) == ["orderX1"]


def test_times_of_creation_include_both_ends_and_count_in_any_time_zone(store, scribe):
    for name in "abc":
        scribe.start_in(store, name)
    second = (BEGINNING + timedelta(seconds=2)).astimezone(AMSTERDAM)
    assert ids(store, created_from=second) == ["b", "c"]
    assert ids(store, created_to=second) == ["a", "b"]
    assert ids(store, created_from=second, created_to=second) == ["b"]
