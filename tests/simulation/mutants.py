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
from durablenb.engine.commands import Commands
from durablenb.engine.committer import Committer
from durablenb.engine.dispatcher import Dispatcher
from durablenb.engine.engine import Engine
from durablenb.engine.entity import Entity
from durablenb.engine.episodes import Episodes
from durablenb.engine.inbox import Inbox
from durablenb.engine.journal import Journal
from durablenb.engine.lifecycle import Lifecycle
from durablenb.engine.machine import Machine
from durablenb.engine.messages import answer
from durablenb.engine.timers import Deadline, Timers
from durablenb.engine.work import EntityWork
from durablenb.model import events as ev
from tests.simulation import entity_mutants  # noqa: F401 - it plants those of entities
from tests.simulation.planting import MUTANTS, planted

# -- what arrives --------------------------------------------------------------------------------


@planted(Machine, "_finished")
def a_completion_is_applied_twice(original, machine, message):
    work = message.work
    if isinstance(work, EntityWork):
        original(machine, message)
        return
    machine.dispatcher.finished(work)
    instance = machine.lifecycle.open.get(work.instance.id)
    if message.outcome is None or instance is None or instance.execution_id != work.execution_id:
        return
    kind = ev.TaskCompleted if isinstance(message.outcome, str) else ev.TaskFailed
    machine.lifecycle.arrive(instance, kind, work.task_id, message.outcome)
    instance.pending.discard(work.task_id)


@planted(Machine, "_finished")
def a_result_from_before_the_rewind_is_taken(original, machine, message):
    was_closed, message.work.instance.is_closed = message.work.instance.is_closed, False
    original(machine, message)
    message.work.instance.is_closed = was_closed


@planted(Lifecycle, "drop_calls")
def calls_from_before_the_rewind_still_start(_original, lifecycle, instance_id):
    pass


@planted(Lifecycle, "_tell_parent")
def a_childs_result_is_lost_if_its_parent_was_evicted(original, lifecycle, instance, fact):
    link = instance.started.parent
    parent = None if link is None else lifecycle.open.get(link.instance_id)
    if parent is not None and parent.execution is not None:
        original(lifecycle, instance, fact)


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


def _fire_into_the_open_instance(machine):
    fired = None
    for deadline in machine.timers.take_due(machine._clock.now()):
        instance = machine.lifecycle.open.get(deadline.instance.id)
        if isinstance(deadline.instance, Entity):
            machine.entities.due(deadline.instance, deadline.task_id)
        elif instance is not None and deadline.task_id is None:
            instance.is_due = True
            machine.lifecycle.enqueue(instance)
        elif instance is not None and deadline.task_id in instance.pending:
            instance.pending.discard(deadline.task_id)
            machine.lifecycle.arrive(instance, ev.TimerFired, deadline.task_id)
        fired = "a timer"
    return fired


@contextmanager
def a_timer_of_an_older_generation_fires():
    is_asked = property(
        lambda deadline: deadline.task_id is None or deadline.task_id in deadline.instance.pending
    )
    with (
        patch.object(Deadline, "is_wanted", is_asked),
        patch.object(Machine, "fire_timers", _fire_into_the_open_instance),
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


@planted(Journal, "answer")
def answers_come_before_the_commit(_original, _journal, reply, value):
    answer(reply, value)


@planted(Machine, "_offer")
def activities_start_before_the_commit(_original, machine, work):
    machine.dispatcher.offer(work)


@planted(Episodes, "begin_child")
def a_child_begins_in_another_transaction(original, episodes, instance, fact):
    episodes._journal.flush()
    original(episodes, instance, fact)


@planted(Committer, "_fail")
def what_finds_no_room_is_dropped(original, committer, error):
    original(committer, error)
    committer._committed += len(committer._unsaved)
    committer._unsaved.clear()


@planted(Journal, "write")
def a_purge_shares_its_batch(original, journal, instance, event):
    purged, journal._batch.purged = journal._batch.purged, []
    original(journal, instance, event)
    journal._batch.purged = purged


# -- recovery ------------------------------------------------------------------------------------


@planted(Machine, "_adopt")
def events_are_forgotten_on_recovery(original, machine, found, crashes):
    original(machine, replace(found, has_arrivals=False), crashes)


@planted(Machine, "_adopt")
def timers_are_not_set_again_on_recovery(original, machine, found, crashes):
    original(machine, found, crashes)
    heap = machine.timers._heap
    machine.timers._heap = [deadline for deadline in heap if deadline.instance.id != found.instance_id]


@planted(Machine, "_adopt")
def activities_are_not_started_again_on_recovery(original, machine, found, crashes):
    original(machine, found, crashes)
    ready = machine.dispatcher._ready
    machine.dispatcher._ready = deque(work for work in ready if work.instance.id != found.instance_id)


@planted(Machine, "_adopt")
def a_suspension_is_forgotten_on_recovery(original, machine, found, crashes):
    original(machine, replace(found, is_suspended=False), crashes)


@planted(Engine, "_mend")
def an_interrupt_is_not_mended(_original, engine):
    engine._is_torn = False


@planted(Inbox, "drop")
def calls_start_twice_after_an_interrupt(_original, _inbox, _kind):
    pass


# -- memory and limits ---------------------------------------------------------------------------


@planted(Episodes, "run_queued")
def what_is_evicted_before_its_turn_loses_it(_original, episodes, limit=None):
    queue = episodes.lifecycle.queue
    taken = [queue.popleft() for _ in range(min(len(queue), limit or len(queue)))]
    to_load = [instance for instance in taken if episodes._is_to_load(instance)]
    if to_load:
        episodes._load(to_load)
    for instance in taken:
        instance.is_queued = False
        episodes._run(instance)
    return taken


@planted(Dispatcher, "_next_of")
def a_dropped_call_keeps_its_place(original, dispatcher, name):
    waiting = dispatcher._full.get(name)
    if waiting and waiting[0].is_wanted:
        original(dispatcher, name)
    elif waiting:
        waiting.popleft()


# -- clients -------------------------------------------------------------------------------------


@planted(Episodes, "_run")
def a_suspended_orchestration_runs(original, episodes, instance):
    was_suspended, instance.is_suspended = instance.is_suspended, False
    original(episodes, instance)
    instance.is_suspended = was_suspended


@planted(fold, "_after")
def the_status_ignores_a_suspension(original, state, event, is_started):
    return state if isinstance(event, ev.ExecutionSuspended) else original(state, event, is_started)


@planted(Commands, "_purge")
def an_open_instance_is_purged(original, commands, message):
    lifecycle = commands._lifecycle
    was_open, lifecycle.open = lifecycle.open, {}
    try:
        return original(commands, message)
    finally:
        lifecycle.open = was_open


@planted(Commands, "_family")
def terminate_leaves_the_grandchildren(original, commands, instance_id):
    family = original(commands, instance_id)
    links = commands._store.links([instance_id])
    children = {child for child, parent in links if parent == instance_id}
    return [one for one in family if one == instance_id or one in children]


@planted(Commands, "_start")
def an_open_instance_is_started_again(original, commands, message):
    commands._lifecycle.open.pop(message.instance_id, None)
    return original(commands, message)


MUTANTS["a_rewind_does_successes_again"] = lambda: patch.object(ev.Returned, "settlement", None)


@planted(Commands, "_last_of_child")
def a_rewind_takes_another_calls_child_for_its_own(_original, commands, parent, event):
    if not isinstance(event, ev.SubOrchestrationInstanceCreated):
        return None
    history = commands._store.load([event.instance_id]).get(event.instance_id, [None])
    return None if isinstance(history[-1], ev.ExecutionTerminated) else history[-1]


@planted(Lifecycle, "begin")
def the_next_generation_forgets_its_parent(original, lifecycle, *args, **kwargs):
    if kwargs.get("generation"):
        kwargs["parent"] = None
    return original(lifecycle, *args, **kwargs)
