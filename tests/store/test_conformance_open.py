"""Answers of every store about open instances, with which recovery begins."""

from datetime import timedelta

from durablenb.model.events import (
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EventRaised,
    ExecutionFailed,
    ExecutionResumed,
    ExecutionSuspended,
    OrchestratorStarted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCanceled,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    TimerFired,
)
from tests.store.scribe import BEGINNING, ENDS


def opened(store, scribe):
    """The open instances of what was written, by their ids."""
    store.append(scribe.take())
    return {found.instance_id: found for found in store.open_instances()}


def is_fresh(found):
    """Return True if nothing has happened in this execution."""
    return not (found.has_begun or found.is_suspended or found.has_arrivals or found.pending)


def test_a_new_instance_is_open_and_has_not_begun(store, scribe):
    started = scribe.start("a")
    found = opened(store, scribe)["a"]
    assert found.started == started
    assert found.execution_id == store.records("a")[0].execution_id
    assert found.next_event_id == 2
    assert is_fresh(found)


def test_ended_instances_are_not_open_unless_they_are_started_again(store, scribe):
    scribe.start("open")
    for end in ENDS:
        scribe.start("a")
        scribe.run("a", OrchestratorStarted, end)
        assert list(opened(store, scribe)) == ["open"]
        again = scribe.start("a", input="2")
        found = opened(store, scribe)
        assert list(found) == ["open", "a"]
        assert found["a"].started == again
        store.purge(["a"])


def test_open_instances_come_in_the_order_in_which_their_executions_began(store, scribe):
    for name in ("c", "a", "b"):
        scribe.start(name)
    scribe.run("c", OrchestratorStarted)
    scribe.continue_as_new("c")
    assert list(opened(store, scribe)) == ["a", "b", "c"]


def test_continued_as_new_an_instance_is_open_with_nothing_of_the_execution_before(store, scribe):
    scribe.start("a")
    scribe.run("a", OrchestratorStarted, TaskScheduled, ExecutionSuspended, EventRaised)
    scribe.continue_as_new("a", "5")
    found = opened(store, scribe)["a"]
    assert (found.started.input, found.started.generation, found.next_event_id) == ("5", 1, 2)
    assert is_fresh(found)


def test_a_rewound_instance_is_open_with_what_was_kept(store, scribe):
    scribe.start("a")
    scribe.run("a", OrchestratorStarted, TaskScheduled, TaskFailed, ExecutionFailed)
    scribe.rewind("a")
    found = opened(store, scribe)["a"]
    assert [type(event) for event in found.pending] == [TaskScheduled]
    assert found.next_event_id == scribe.history["a"][-1].event_id + 1 == 10
    assert found.has_begun


def test_pending_is_what_was_asked_for_and_has_not_ended(store, scribe):
    scribe.start("a")
    scribe.start("bystander")
    scribe.run("a", OrchestratorStarted)
    kept = []
    for task_id, (request, ending) in enumerate(
        [
            (TaskScheduled, TaskCompleted),
            (TaskScheduled, TaskFailed),
            (TaskScheduled, TaskCanceled),
            (TimerCreated, TimerFired),
            (TimerCreated, TimerCanceled),
            (SubOrchestrationInstanceCreated, SubOrchestrationInstanceCompleted),
            (SubOrchestrationInstanceCreated, SubOrchestrationInstanceFailed),
            (EntityOperationCalled, EntityOperationCompleted),
            (EntityOperationCalled, EntityOperationFailed),
            (EntityLockRequested, EntityLockGranted),
        ]
    ):
        scribe.add("a", request, task_id=task_id)
        kept.append(scribe.add("a", request, task_id=task_id + 100))
        scribe.add("a", ending, task_id=task_id)
        scribe.add("bystander", ending, task_id=task_id + 100)
    found = opened(store, scribe)
    assert found["a"].pending == kept
    assert found["bystander"].pending == []


def test_a_timer_keeps_its_moment_to_the_microsecond(store, scribe):
    moment = BEGINNING + timedelta(days=400, microseconds=1)
    scribe.start("a", scheduled_start_time=moment)
    scribe.add("a", TimerCreated, fire_at=moment)
    found = opened(store, scribe)["a"]
    assert found.started.scheduled_start_time == moment
    assert [timer.fire_at for timer in found.pending] == [moment]


def test_suspension_lasts_until_it_is_lifted(store, scribe):
    scribe.start("a")
    answers = []
    for kind in (ExecutionSuspended, ExecutionResumed, ExecutionSuspended):
        scribe.add("a", kind)
        answers.append(opened(store, scribe)["a"].is_suspended)
    assert answers == [True, False, True]


ARRIVALS = [
    TaskCompleted,
    TaskFailed,
    TimerFired,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityLockGranted,
    EventRaised,
]


def test_arrivals_are_news_until_the_orchestrator_looks(store, scribe):
    scribe.start("a")
    for arrival in ARRIVALS:
        scribe.run("a", OrchestratorStarted, TaskScheduled, ExecutionSuspended)
        assert not opened(store, scribe)["a"].has_arrivals
        scribe.run("a", arrival)
        assert opened(store, scribe)["a"].has_arrivals
