"""Planted bugs: the simulator must find each of them. Some were durablenb's own once."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from durablenb.core import fold
from durablenb.core.execution import Execution
from durablenb.core.mailbox import Mailbox
from durablenb.engine.batch_jobs import BatchJob
from durablenb.engine.call_queue import CallQueue, Place, StartWindow
from durablenb.engine.call_queues import CallQueues
from durablenb.engine.commands import Commands
from durablenb.engine.committer import Committer
from durablenb.engine.dispatcher import Dispatcher
from durablenb.engine.effects import Effects
from durablenb.engine.engine_loop import EngineLoop
from durablenb.engine.entity import Entity
from durablenb.engine.instances import Instances
from durablenb.engine.jobs import JobScope
from durablenb.engine.messages import answer
from durablenb.engine.orchestration_executor import OrchestrationExecutor
from durablenb.engine.retention import Retention
from durablenb.engine.rewinds import Rewinds
from durablenb.engine.state import EngineState
from durablenb.engine.timers import Deadline, Timers
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model import actions
from durablenb.model import events as ev
from durablenb.model.errors import OrchestrationCanceledError
from tests.simulation import entity_mutants  # noqa: F401 - it plants those of entities
from tests.simulation.planting import MUTANTS, planted

# -- what arrives --------------------------------------------------------------------------------


@planted(EngineState, "_finish_job")
def a_completion_is_applied_twice(original, state, message):
    job = message.job
    if isinstance(job, BatchJob):
        original(state, message)
        return
    state.dispatcher.finished(job)
    instance = state.instances.open.get(job.instance.id)
    if message.outcome is None or instance is None or instance.execution_id != job.execution_id:
        return
    kind = ev.TaskCompleted if isinstance(message.outcome, str) else ev.TaskFailed
    state.instances.receive(instance, kind, job.task_id, message.outcome)
    instance.pending.discard(job.task_id)


@planted(EngineState, "_finish_job")
def a_result_from_before_the_rewind_is_taken(original, state, message):
    instance = message.job.instance
    was_closed, instance.is_closed = instance.is_closed, False
    original(state, message)
    instance.is_closed = was_closed


@planted(Instances, "drop_calls_of_closed")
def calls_from_before_the_rewind_still_start(_original, instances, instance_id):
    pass


@planted(Effects, "_notify_parent")
def a_childs_result_is_lost_if_its_parent_was_evicted(original, effects, instance, event):
    link = instance.started.parent
    parent = None if link is None else effects._instances.open.get(link.instance_id)
    if parent is not None and parent.execution is not None:
        original(effects, instance, event)


@planted(Mailbox, "unprocessed")
def continue_as_new_drops_events(_original, _mailbox):
    return []


@planted(Mailbox, "deliver")
def names_of_events_are_compared_with_case(original, mailbox, event):
    if event.name == event.name.capitalize():
        original(mailbox, event)


@planted(Mailbox, "unsubscribe")
def a_cancelled_waiter_swallows_an_event(_original, _mailbox, _task):
    pass


# -- time ----------------------------------------------------------------------------------------


@planted(Timers, "take_due")
def timers_fire_early(original, timers, now):
    return original(timers, now + timedelta(seconds=1))


def _fire_into_the_open_instance(state):
    fired = None
    for deadline in state.timers.take_due(state._clock.now()):
        instance = state.instances.open.get(deadline.instance.id)
        if isinstance(deadline.instance, Entity):
            state.entities.due(deadline.instance, deadline.task_id)
        elif instance is not None and deadline.task_id is None:
            instance.is_due = True
            state.instances.enqueue(instance)
        elif instance is not None and deadline.task_id in instance.pending:
            instance.pending.discard(deadline.task_id)
            state.instances.receive(instance, ev.TimerFired, deadline.task_id)
        fired = "a timer"
    return fired


@contextmanager
def a_timer_of_an_older_generation_fires():
    is_asked = property(
        lambda deadline: deadline.task_id is None or deadline.task_id in deadline.instance.pending
    )
    with (
        patch.object(Deadline, "is_wanted", is_asked),
        patch.object(EngineState, "fire_timers", _fire_into_the_open_instance),
    ):
        yield


MUTANTS["a_timer_of_an_older_generation_fires"] = a_timer_of_an_older_generation_fires


@planted(Deadline, "is_wanted")
def a_cancelled_timer_fires(_original, deadline):
    instance = deadline.instance
    return not instance.is_closed and instance.execution_id == deadline.execution_id


@planted(Execution, "resume")
def an_orchestrators_clock_goes_back(original, execution, now, next_id):
    execution.now = datetime.min.replace(tzinfo=UTC)
    return original(execution, now, next_id)


# -- commits -------------------------------------------------------------------------------------


@planted(WriteBuffer, "answer")
def answers_come_before_the_commit(_original, _journal, reply, value):
    answer(reply, value)


@planted(Dispatcher, "_schedule")
def activities_start_before_the_commit(_original, dispatcher, job):
    dispatcher._offer(job)


@planted(Effects, "begin_child")
def a_child_begins_in_another_transaction(original, effects, instance, event):
    effects._buffer.flush()
    original(effects, instance, event)


@planted(Committer, "_fail")
def what_finds_no_room_is_dropped(original, committer, error):
    original(committer, error)
    committer._committed += len(committer._unsaved)
    committer._unsaved.clear()


@planted(WriteBuffer, "write")
def a_purge_shares_its_batch(original, journal, instance, event):
    purge, journal._batch.pending_purge = journal._batch.pending_purge, None
    original(journal, instance, event)
    journal._batch.pending_purge = purge


# -- recovery ------------------------------------------------------------------------------------


@planted(EngineState, "_adopt")
def events_are_forgotten_on_recovery(original, state, found, crashes):
    original(state, replace(found, has_arrivals=False), crashes)


@planted(EngineState, "_adopt")
def timers_are_not_set_again_on_recovery(original, state, found, crashes):
    original(state, found, crashes)
    heap = state.timers._heap
    state.timers._heap = [deadline for deadline in heap if deadline.instance.id != found.instance_id]


@planted(EngineState, "_adopt")
def activities_are_not_started_again_on_recovery(original, state, found, crashes):
    original(state, found, crashes)
    ready = state.dispatcher._ready
    state.dispatcher._ready = deque(work for work in ready if work.instance.id != found.instance_id)


@planted(EngineState, "_adopt")
def a_suspension_is_forgotten_on_recovery(original, state, found, crashes):
    original(state, replace(found, is_suspended=False), crashes)


@planted(EngineLoop, "_rebuild_if_damaged")
def an_interrupt_is_not_mended(_original, engine):
    engine._is_damaged = False


@planted(JobScope, "close")
def calls_start_twice_after_an_interrupt(_original, _scope):
    pass


# -- memory and limits ---------------------------------------------------------------------------


@planted(OrchestrationExecutor, "run_queued")
def what_is_evicted_before_its_turn_loses_it(_original, orchestrations, limit=None):
    queue = orchestrations._instances.queue
    taken = [queue.popleft() for _ in range(min(len(queue), limit or len(queue)))]
    to_load = [instance for instance in taken if orchestrations._must_load(instance)]
    if to_load:
        orchestrations._load(to_load)
    for instance in taken:
        instance.is_queued = False
        orchestrations._run(instance)
    return taken


@planted(Place, "release")
def a_dropped_call_keeps_its_place(original, place):
    if place._has_begun:
        original(place)


@planted(CallQueue, "_has_place")
def a_queue_has_a_place_too_many(_original, queue):
    return queue.concurrency is None or queue.running <= queue.concurrency


@planted(StartWindow, "reserve")
def a_call_that_has_not_begun_does_not_count(_original, window):
    window._reserved = min(window._reserved, 0)  # `begin` and `give_back` take away what was reserved


@planted(CallQueues, "_recall")
def a_restart_forgets_what_a_rate_counts(_original, queues, key):
    queues._unread.discard(key)


@planted(Timers, "wake_at")
def nobody_wakes_up_for_the_next_free_place(_original, _timers, _moment):
    pass


# -- clients -------------------------------------------------------------------------------------


@planted(OrchestrationExecutor, "_run")
def a_suspended_orchestration_runs(original, orchestrations, instance):
    was_suspended, instance.is_suspended = instance.is_suspended, False
    original(orchestrations, instance)
    instance.is_suspended = was_suspended


@planted(fold, "_after")
def the_status_ignores_a_suspension(original, state, event, is_started):
    return state if isinstance(event, ev.ExecutionSuspended) else original(state, event, is_started)


@planted(fold, "_after")
def the_status_ignores_a_cancellation(original, state, event, is_started):
    return state if isinstance(event, ev.ExecutionCanceled) else original(state, event, is_started)


@planted(Execution, "_end_with")
def a_parent_is_canceled_where_only_its_child_was(original, execution, error):
    if isinstance(error, OrchestrationCanceledError):
        return actions.CancelExecution("")
    return original(execution, error)


@planted(Commands, "_purge")
def an_open_instance_is_purged(original, commands, message):
    instances = commands._instances
    was_open, instances.open = instances.open, {}
    try:
        return original(commands, message)
    finally:
        instances.open = was_open


@planted(Retention, "purge")
def the_current_generation_is_purged_with_the_past(original, retention, instance_ids, keep):
    return original(retention, instance_ids, keep - 1)


@planted(Commands, "_family")
def terminate_leaves_the_grandchildren(original, commands, instance_id):
    family = original(commands, instance_id)
    links = commands._store.links([instance_id])
    children = {child for child, parent in links if parent == instance_id}
    return [one for one in family if one == instance_id or one in children]


@planted(Commands, "_start")
def an_open_instance_is_started_again(original, commands, message):
    commands._instances.open.pop(message.instance_id, None)
    return original(commands, message)


MUTANTS["a_rewind_does_successes_again"] = lambda: patch.object(ev.Returned, "settlement", None)


@planted(Rewinds, "_last_event_of_child")
def a_rewind_takes_another_calls_child_for_its_own(_original, rewinds, parent, event):
    history = rewinds._store.load([event.instance_id]).get(event.instance_id, [None])
    return None if isinstance(history[-1], ev.ExecutionTerminated) else history[-1]


@planted(Instances, "begin")
def the_next_generation_forgets_its_parent(original, instances, *args, **kwargs):
    if kwargs.get("generation"):
        kwargs["parent"] = None
    return original(instances, *args, **kwargs)
