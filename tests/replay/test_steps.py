"""The steps of replays agree with what the engine recorded, over every history that is kept."""

from __future__ import annotations

import re
from functools import cache

import pytest

import durablenb as df
from durablenb.model.events import (
    Ending,
    ExecutionCompleted,
    ExecutionFailed,
    OrchestratorStarted,
    TaskScheduled,
)
from tests.histories import edits
from tests.histories.corpus import ORCHESTRATORS, SCENES
from tests.histories.golden import read
from tests.histories.replaying import executions
from tests.replay.counting import awaits_of, episode_of, replay_of, until_episode

FUNCTIONS = {function.__name__: function for function in ORCHESTRATORS}


@cache
def replays(scene):
    """A scene's code, its owner, the events, and their replay."""
    found = []
    for key, history in executions(read(scene)).items():
        function = FUNCTIONS[history[0].name]
        found.append((function, key, history, replay_of(function, key, history)))
    return found


def all_steps(replay):
    """The steps of all replays of an execution."""
    return [step for number in range(1, len(replay) + 1) for step in replay.steps(number)]


@pytest.mark.parametrize("scene", SCENES)
def test_a_replay_has_a_step_for_each_await_and_one_for_the_end_and_counts_them(scene):
    for function, key, history, replay in replays(scene):
        assert len(replay) == sum(isinstance(event, OrchestratorStarted) for event in history)
        reached = 0
        for number in range(1, len(replay) + 1):
            awaits = awaits_of(function, key, until_episode(history, number))
            reached += awaits
            steps = replay.steps(number)
            assert sum(step.reached is not None for step in steps) == awaits
            has_end = number == len(replay) and isinstance(history[-1], Ending)
            assert len(steps) == replay.count(number) == awaits + has_end
        totals = [replay.counts_at(step) for step in all_steps(replay)]
        assert totals == sorted(totals)
        assert totals[-1] == (replay.executed, replay.reached)
        assert replay.executed == sum(isinstance(event, TaskScheduled) for event in history)
        assert replay.reached == reached


@pytest.mark.parametrize("scene", SCENES)
def test_an_activity_is_run_in_that_replay_alone_whose_episode_scheduled_it(scene):
    for _, _, history, replay in replays(scene):
        steps = all_steps(replay)
        for event in history:
            if isinstance(event, TaskScheduled):
                written_in = [step.replay for step in steps if event.event_id in step.written]
                assert written_in == [episode_of(history, event.event_id)]
                asked_in = {step.replay for step in steps if event.event_id in step.requests}
                assert asked_in == set(range(written_in[0], len(replay) + 1))


@pytest.mark.parametrize("scene", SCENES)
def test_what_is_said_of_a_step_is_what_the_history_holds_by_then(scene):
    for _, _, history, replay in replays(scene):
        for number in range(1, len(replay) + 1):
            begun = replay.trace.episodes[number - 1].event_id
            steps = replay.steps(number)
            for step, after in zip(steps, [*steps[1:], None], strict=True):
                assert all(event < begun for event in step.answers)
                goes_on = after is not None and after.verdict != "terminated"
                assert (step.verdict == "answered") is goes_on
                if step.verdict == "answered":
                    named = {int(one) for one in re.findall(r"\d+", _places(step.sentence))}
                    assert named <= set(step.answers) or not step.answers
                    assert not re.search(r"New in|No answer", step.sentence)
                elif step.verdict == "waits":
                    assert step.sentence.endswith("the orchestrator waits here.")
                    assert ("New in the history" in step.sentence) is bool(step.written)
            known = [replay.events_at(step) for step in steps]
            assert known == sorted(known)
            assert known[0] >= begun - history[0].event_id + 1
        last = steps[-1]
        if isinstance(history[-1], Ending):
            assert known[-1] == len(history) or last.verdict == "terminated"
        if isinstance(history[-1], ExecutionCompleted):
            assert last.verdict == "returned"
        elif isinstance(history[-1], ExecutionFailed):
            assert last.verdict == "raised"
            assert history[-1].failure.error_type.rpartition(".")[2] in last.sentence


@pytest.mark.parametrize("name", edits.PARTING)
def test_edited_code_parts_from_its_history_where_it_was_edited(name):
    scene, function = edits.PARTING[name]
    for key, history in executions(read(scene)).items():
        if history[0].name == FUNCTIONS[history[0].name].__name__:
            replay = replay_of(function, key, history)
            if replay.fits:
                continue
            last = replay.steps()[-1]
            assert last.verdict == "mismatch"
            assert replay.source is not None
            assert replay.source.lines[last.line].rstrip().endswith(edits.MARK)
            assert last.sentence.startswith(f"The code at line {last.line} no longer fits its history")
            return
    pytest.fail("it fits every history of its scene")


@pytest.mark.parametrize("answer", [1, 2, 3])
def test_the_end_is_on_the_return_that_was_executed(answer):
    def several(context):
        answer = yield context.wait_for_external_event("Go")
        if answer == 1:
            return "one"
        if answer == 2:
            return "two"
        return "three"

    hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    hub.add_orchestrator(several)
    handle = hub.start(several, instance_id="one")
    handle.raise_event("Go", answer)
    words = handle.result()
    replay = handle.replay()
    last = replay.steps()[-1]
    assert last.verdict == "returned"
    assert words in replay.source.lines[last.line]
    hub.close()


def test_a_step_that_is_not_there_is_named():
    replay = replays("chain")[0][-1]
    with pytest.raises(IndexError, match=r"There is no replay 5; the last one is 4\."):
        replay.steps(5)
    with pytest.raises(IndexError, match=r"There is no step 3 in replay 2; the last one is 2\."):
        replay.step(2, 3)


def test_an_open_await_names_the_answers_that_are_missing():
    def wide(context):
        yield context.task_all(
            [
                context.call_activity("quick"),
                context.call_activity_with_retry("flaky", df.RetryOptions(1_000, 3)),
                context.wait_for_external_event("Go"),
            ]
        )

    tries = []

    def flaky(_):
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("again")

    hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    hub.add_orchestrator(wide)
    hub.add_activity(lambda _: 1, "quick")
    hub.add_activity(flaky)
    handle = hub.start(wide, instance_id="one")
    while hub.step():
        pass
    hub.clock.advance(hours=1)
    while hub.step():
        pass
    waiting = [step.sentence for step in all_steps(handle.replay())]
    assert "activity quick #0, activity flaky #1 and external event Go #2 (0 of 3 have arrived)" in waiting[0]
    assert "No answer yet from external event Go #2 (2 of 3 have arrived)" in waiting[-1]
    handle.raise_event("Go")
    handle.result()
    later = handle.replay()
    assert [later.step(number, 1).sentence for number in range(1, len(waiting) + 1)] == waiting
    hub.close()


def _places(sentence):
    """The part of a sentence in which the events are named."""
    return sentence.partition("(event")[2].partition(")")[0]
