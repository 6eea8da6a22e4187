"""Properties of one execution, for any requests and any order of arrival."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from durablenb.model.events import (
    ExecutionCanceled,
    ExecutionCancelRequested,
    ExecutionCompleted,
    OrchestratorStarted,
    Request,
)
from tests.properties.drivers import ByHand, answered, fresh
from tests.properties.programs import expected, program_as_coroutine, programs, tame_programs

seeds = st.integers(0, 2**32)
cancels = st.sampled_from((0, 0, 10, 40))
quick = settings(max_examples=80)


@quick
@given(programs, seeds, cancels, st.data())
def test_a_run_can_be_repeated_replayed_and_resumed_anywhere_and_is_the_same_as_a_coroutine(
    steps, seed, cancels, data
):
    lived = ByHand(steps, Random(seed), cancels=cancels).run()
    again = ByHand(steps, Random(seed), cancels=cancels).run()
    assert again.history == lived.history, "the same arrivals give the same facts"

    coroutine = ByHand(steps, Random(seed), cancels=cancels, function=program_as_coroutine).run()
    assert answered(coroutine.history) == answered(lived.history)
    assert coroutine.history == lived.history

    replayed = fresh()
    replayed.replay(lived.history)
    assert replayed.is_finished
    assert replayed.history == lived.history, "a replay asks for nothing new"
    assert replayed.next_task_id == lived.execution.next_task_id
    assert replayed.custom_status == lived.execution.custom_status

    stops = [place for place, event in enumerate(lived.history) if not isinstance(event, Request)]
    stop = data.draw(st.sampled_from(stops))
    resumed = resumed_from(lived.history, stop)
    assert resumed.history == lived.history, "it goes on from a replay as if it had never stopped"


def resumed_from(history, stop):
    """An execution that was replayed up to there, and then lived the rest."""
    execution = fresh()
    execution.replay(history[:stop])
    while len(execution.history) < len(history):
        event = history[len(execution.history)]
        if isinstance(event, OrchestratorStarted):
            assert execution.is_ready
            execution.resume(event.timestamp, event.event_id)
        else:
            execution.deliver(event)
    return execution


@quick
@given(programs, seeds)
def test_nothing_is_canceled_unless_it_was_requested_and_all_else_completes(steps, seed):
    lived = ByHand(steps, Random(seed), cancels=40).run()
    requests = sum(isinstance(event, ExecutionCancelRequested) for event in lived.history)
    ended = lived.history[-1]
    if isinstance(ended, ExecutionCanceled):
        reasons = [e.reason for e in lived.history if isinstance(e, ExecutionCancelRequested)]
        assert ended.reason in reasons
    else:
        assert isinstance(ended, ExecutionCompleted)
        assert len(lived.result) == len(steps)
    assert requests or not isinstance(ended, ExecutionCanceled)


@quick
@given(tame_programs, seeds)
def test_without_a_race_neither_the_order_of_arrivals_nor_repeated_ones_change_the_result(steps, seed):
    assert ByHand(steps, Random(seed)).run().result == expected(steps)
    lived = ByHand(steps, Random(seed), repeats=60).run()
    assert lived.result == expected(steps)
    replayed = fresh()
    replayed.replay(lived.history)
    assert replayed.is_finished
