"""The questions of predict mode: what they ask, and which option is right."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import durablenb as df
from durablenb.analysis.replays.questions import NOT_NEW, WAITS, questions_about
from tests.notebook.reading import scene


def right_answers(replay: Any) -> dict[tuple[int, int], dict[str, str]]:
    """The right answer to each question, by the words of the question, of each step."""
    return {
        (step.replay, step.number): {
            asked.words: asked.options[asked.right] for asked in questions_about(replay, step)
        }
        for number in range(1, len(replay) + 1)
        for step in replay.steps(number)
    }


def ran(code: Any, **activities: Any) -> Any:
    hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    for name, activity in activities.items():
        hub.add_activity(activity, name)
    hub.add_orchestrator(code, "code")
    handle = hub.start("code", instance_id="one")
    handle.raise_event("Go", 1)
    handle.result()
    return handle.replay()


def same(value: Any = None) -> Any:
    return value


def test_only_awaited_calls_count_as_run() -> None:
    def code(context):
        one, two = context.call_activity("a"), context.call_activity("b")
        yield two
        context.call_activity("log")
        yield one

    told = right_answers(ran(code, a=same, b=same, log=same))
    assert told[1, 1]["Will b be run now?"] == "Yes"
    last = max(told)
    assert told[last[0], 2]["Will a be run now?"] == "No"


def test_of_calls_that_are_awaited_together_only_new_ones_count_as_run() -> None:
    def code(context):
        old = context.call_activity("a")
        yield context.wait_for_external_event("Go")
        yield context.task_all([old, context.call_activity("b")])

    replay = ran(code, a=same, b=same)
    first = min(step.replay for number in range(1, len(replay) + 1) for step in replay.steps(number)[1:2])
    assert right_answers(replay)[first, 2]["How many of the 2 awaited activities are run now?"] == "1"


def test_a_retry_is_run_again_and_counted() -> None:
    told = right_answers(scene("retried").replay())
    runs = [answers[words] for answers in told.values() for words in answers if "be run now" in words]
    assert runs.count("Yes") == 3
    ended = [answers[words] for answers in told.values() for words in answers if "run to its end" in words]
    assert ended == sorted(ended)
    assert (ended[0], ended[-1]) == ("0", "3")


def test_values_writes_and_winners() -> None:
    def code(context):
        value = yield context.call_activity("double", 4)
        late = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        yield context.task_any([late, context.wait_for_external_event("Go")])
        return value

    told = right_answers(ran(code, double=lambda n: 2 * n))
    assert told[1, 1]["What comes out of it here?"] == WAITS
    assert told[1, 1]["Which event does the code write next?"] == "TaskScheduled 'double' #0"
    assert told[2, 1]["What comes out of it here?"] == "8"
    assert told[2, 1]["Which event does the code write next?"] == NOT_NEW
    last = max(told)
    assert told[last[0], 2]["Which task wins the task_any?"] == "Go #2"


@pytest.mark.parametrize(
    "name", ["approved", "retried", "completed", "looped", "failed", "fanned", "crossing"]
)
def test_every_question_has_several_options_and_its_kind_does_not_depend_on_the_answer(name: str) -> None:
    replay = scene(name).replay()
    asked: dict[int, list[set[str]]] = {}
    for number in range(1, len(replay) + 1):
        for step in replay.steps(number):
            questions = questions_about(replay, step)
            asked.setdefault(step.number, []).append({question.words for question in questions})
            for question in questions:
                assert len(set(question.options)) == len(question.options) > 1
                assert 0 <= question.right < len(question.options)
    assert all(words == every[0] for every in asked.values() for words in every if words)
