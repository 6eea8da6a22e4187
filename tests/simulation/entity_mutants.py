"""Planted bugs of entities; see `mutants`."""

from __future__ import annotations

from dataclasses import replace

from durablenb.engine.effects import Effects
from durablenb.engine.entities import Entities
from durablenb.engine.entity_batch import _BatchRun
from durablenb.model import events as ev
from tests.simulation.planting import planted

# -- operations ----------------------------------------------------------------------------------


@planted(_BatchRun, "fail")
def a_failed_operation_leaves_its_state(original, run, error):
    run._state = "-1"
    original(run, error)


@planted(_BatchRun, "begin")
def every_operation_of_a_batch_begins_with_the_same_state(original, run, asked):
    run._state = run._batch.state
    return original(run, asked)


@planted(Entities, "finished")
def what_a_batch_had_no_time_for_goes_to_the_end_of_the_queue(original, entities, job, message):
    original(entities, job, message)
    if isinstance(message.outcome, list):
        job.entity.queue.rotate(len(message.outcome) - len(job.batch.requests))


@planted(Entities, "finished")
def an_outcome_counts_as_often_as_it_is_told(original, entities, job, message):
    entity = job.entity
    if message.outcome and entity.batch is None:
        entity.running = tuple(entity.running or _operations(job))
        entity.batch = job.batch
        entities._busy.setdefault(entity.id, entity)
    original(entities, job, message)


def _operations(job):
    from durablenb.engine.entity import Operation

    return (Operation(one.number, one.name, one.input, None, True) for one in job.batch.requests)


@planted(Entities, "_write")
def a_state_is_written_in_another_transaction(original, entities, entity, kind, at, *fields):
    if kind is ev.StateChanged:
        entities._buffer.flush()
    original(entities, entity, kind, at, *fields)


@planted(Entities, "_answer")
def an_answer_is_lost_if_its_caller_was_evicted(original, entities, caller, outcome):
    instance = entities._caller(caller)
    if instance is None or instance.execution is not None:
        original(entities, caller, outcome)


@planted(Entities, "_send")
def a_signal_is_enqueued_in_another_transaction(original, entities, entity, number, sent):
    original(entities, entity, number, sent)
    entities._buffer.flush()


@planted(Entities, "enqueue")
def signals_for_later_come_at_once(original, entities, *args, **kwargs):
    entities._timers, timers = _Impatient(entities), entities._timers
    try:
        original(entities, *args, **kwargs)
    finally:
        entities._timers = timers


class _Impatient:
    def __init__(self, entities):
        self._entities = entities

    def add(self, _due, entity, number):
        self._entities.due(entity, number)


@planted(Entities, "offer_batches")
def who_has_its_turn_when_the_disk_is_full_loses_it(original, entities):
    for entity in [one for one in entities.queue if one.state is None]:
        entities.queue.remove(entity)
        entities._read_states([entity])
        entities.queue.append(entity)
    original(entities)


# -- recovery ------------------------------------------------------------------------------------


@planted(Entities, "adopt")
def locks_are_forgotten_on_recovery(original, entities, found):
    original(entities, replace(found, granted=set()))


@planted(Entities, "adopt")
def operations_are_forgotten_on_recovery(original, entities, found):
    locks = [event for event in found.pending if isinstance(event, ev.LockEnqueued)]
    original(entities, replace(found, pending=locks))


# -- critical sections ---------------------------------------------------------------------------


@planted(Effects, "_close")
def a_lock_outlives_its_owner(_original, effects, instance):
    effects._instances.close(instance)


@planted(Entities, "unlock")
def only_the_first_lock_is_released(original, entities, owner):
    last = entities._sections.get(owner)
    if last is not None and last.position == len(last.entity_ids) - 1:
        entities._sections[owner] = replace(last, position=0)
    original(entities, owner)


@planted(Entities, "_is_owned")
def a_locked_entity_serves_everybody(_original, _entities, entity, _operation):
    return entity.lock is not None


@planted(Entities, "_grant")
def a_lock_is_given_to_who_came_last(original, entities, entity, request):
    later = [one for one in entity.queue if type(one) is type(request)]
    if later:
        entity.queue.remove(later[-1])
        entity.queue.appendleft(request)
        request = later[-1]
    original(entities, entity, request)


@planted(Entities, "_give_owner")
def who_asks_before_it_has_the_lock_waits_for_itself(_original, _entities, _entity):
    pass


@planted(Entities, "lock")
def each_locks_in_an_order_of_its_own(original, entities, owner, entity_ids):
    original(entities, owner, entity_ids[::-1] if int(owner.execution_id, 16) % 2 else entity_ids)


@planted(Entities, "is_busy")
def an_entity_is_purged_while_it_has_something_to_do(_original, _entities, _entity_id):
    return False
