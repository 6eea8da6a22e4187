"""Replays for looking, over generated programs: they agree with the history, and copies leave it alone."""

import copy
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from durablenb.analysis.replays.questions import NOT_NEW, WAITS, questions_about
from durablenb.core.requests import describe_event
from durablenb.core.short_repr import short_repr
from durablenb.model.events import Arrival, EventRaised, ExecutionStarted, OrchestratorStarted, TaskScheduled
from tests.properties.drivers import ByHand
from tests.properties.programs import program, program_as_coroutine, programs
from tests.replay.counting import awaits_of, episode_of, replay_of, until_episode

KEY = ("instance", "execution")
seeds = st.integers(0, 2**32)
kinds = st.sampled_from((program, program_as_coroutine))


@given(programs, seeds, kinds)
@settings(max_examples=80)
def test_steps_are_the_awaits_of_the_code_and_each_activity_is_run_once(steps, seed, function):
    history = ByHand(steps, Random(seed), function=function).run().history
    replay = replay_of(function, KEY, history)
    assert replay.fits
    assert len(replay) == sum(isinstance(event, OrchestratorStarted) for event in history)
    every = []
    for number in range(1, len(replay) + 1):
        shown = replay.steps(number)
        awaits = awaits_of(function, KEY, until_episode(history, number))
        assert len(shown) == replay.count(number) == awaits + (number == len(replay))
        assert [step.verdict == "answered" for step in shown] == [True] * (len(shown) - 1) + [False]
        every += shown
    for event in history:
        if isinstance(event, TaskScheduled):
            written_in = [step.replay for step in every if event.event_id in step.written]
            assert written_in == [episode_of(history, event.event_id)]
    totals = [replay.counts_at(step) for step in every]
    assert totals == sorted(totals)
    assert totals[-1] == (replay.executed, replay.reached)


@given(programs, seeds, st.data())
@settings(max_examples=80)
def test_copies_leave_the_history_alone_and_a_crash_is_always_a_beginning_that_fits(steps, seed, data):
    history = ByHand(steps, Random(seed)).run().history
    before = copy.deepcopy(history)
    replay = replay_of(program, KEY, history)
    event = data.draw(st.sampled_from(history))
    cut = replay.until(event.event_id)
    assert cut.fits
    assert list(cut.trace.events) == history[: len(cut.trace.events)]
    assert event in cut.trace.events
    if isinstance(event, Arrival) and not isinstance(event, EventRaised):  # of these there are then two
        again = replay.twice(event.event_id)
        assert again.fits
        assert again.reached == replay.reached
    if not isinstance(event, ExecutionStarted):
        gone = replay.without(event.event_id)
        assert len(gone.trace.events) == len(history) - 1
        for number in range(1, len(gone) + 1):
            for step in gone.steps(number):
                gone.counts_at(step)
                gone.events_at(step)
    assert replay.trace.events == tuple(before)
    assert history == before


@given(programs, seeds)
@settings(max_examples=30)
def test_the_right_answers_are_what_a_run_did(steps, seed):
    passed = []

    def noted(context):
        routine, given = program(context), None
        step = routine.send
        while True:
            try:
                awaited = step(given)
            except StopIteration as stop:
                return stop.value
            try:
                given = yield awaited
                step = routine.send
                winner = awaited.children.index(given) if given in getattr(awaited, "children", ()) else None
                passed.append((winner, short_repr(given)))
            except GeneratorExit:
                routine.close()
                raise
            except BaseException as error:
                step, given = routine.throw, error
                passed.append((None, "an error is raised"))

    history = ByHand(steps, Random(seed), function=noted).run().history
    replay = replay_of(program, KEY, history)
    for number in range(1, len(replay) + 1):
        for step in replay.steps(number):
            told = {asked.words: asked.options[asked.right] for asked in questions_about(replay, step)}
            is_past = step.verdict == "answered"
            winner, value = passed[step.number - 1] if is_past else (None, WAITS)
            assert told.get("What comes out of it here?", value) == value
            if "Which task wins the task_any?" in told:
                won = WAITS if winner is None else f" #{step.reached.task_ids[winner]}"
                assert told["Which task wins the task_any?"].endswith(won)
            begun = replay.trace.episodes[number - 1].event_id
            new = [event for event in history if event.event_id in step.written]
            assert all(event.event_id > begun for event in new)
            told_new = told.get("Which event does the code write next?")
            assert told_new in (None, describe_event(new[0]) if new else NOT_NEW)
