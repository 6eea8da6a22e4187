"""What holds for one execution, whatever its orchestrator asks for and whatever arrives in which order."""

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
quick = settings(max_examples=200)


@quick
@given(programs, seeds, cancels)
def test_the_same_arrivals_give_the_same_facts(steps, seed, cancels):
    first, second = (ByHand(steps, Random(seed), cancels=cancels).run() for _ in range(2))
    assert first.history == second.history


@quick
@given(programs, seeds, cancels)
def test_replaying_a_history_asks_for_nothing_new(steps, seed, cancels):
    lived = ByHand(steps, Random(seed), cancels=cancels).run()
    replayed = fresh()
    replayed.replay(lived.history)
    assert replayed.is_finished
    assert replayed.history == lived.history
    assert replayed.next_task_id == lived.execution.next_task_id
    assert replayed.custom_status == lived.execution.custom_status


@quick
@given(programs, seeds, cancels, st.data())
def test_an_execution_goes_on_from_a_replay_as_if_it_had_never_stopped(steps, seed, cancels, data):
    history = ByHand(steps, Random(seed), cancels=cancels).run().history
    stops = [place for place, event in enumerate(history) if not isinstance(event, Request)]
    stop = data.draw(st.sampled_from(stops))
    execution = fresh()
    execution.replay(history[:stop])
    while len(execution.history) < len(history):
        event = history[len(execution.history)]
        if isinstance(event, OrchestratorStarted):
            assert execution.is_ready
            execution.resume(event.timestamp, event.event_id)
        else:
            execution.deliver(event)
    assert execution.history == history


@quick
@given(tame_programs, seeds)
def test_without_a_race_the_order_of_arrivals_does_not_matter(steps, seed):
    assert ByHand(steps, Random(seed)).run().result == expected(steps)


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
def test_what_comes_twice_or_for_nobody_changes_nothing(steps, seed):
    lived = ByHand(steps, Random(seed), repeats=60).run()
    assert lived.result == expected(steps)
    replayed = fresh()
    replayed.replay(lived.history)
    assert replayed.is_finished


@quick
@given(programs, seeds, cancels)
def test_a_coroutine_asks_for_the_same_as_a_generator(steps, seed, cancels):
    generator = ByHand(steps, Random(seed), cancels=cancels).run()
    coroutine = ByHand(steps, Random(seed), cancels=cancels, function=program_as_coroutine).run()
    assert answered(coroutine.history) == answered(generator.history)
    assert coroutine.history == generator.history
