"""Histories as a notebook shows them: an execution under each heading, the events of a step as one row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.notebook.reading import page_of, text_of
from tests.notebook.scenes import stage

X = "\N{MULTIPLICATION SIGN}"


def study(context: Any) -> Any:
    tasks = [context.call_activity("one_file", n) for n in range(20)]
    yield context.task_all(tasks, return_exceptions=True)
    for n in range(6):
        yield context.call_activity("train", n)


def fail_some(n: int) -> None:
    if n % 7 == 3:
        raise ValueError(f"window {n} is empty")


def again(context: Any) -> Any:
    number = context.get_input()
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
    if number < 2:
        context.continue_as_new(number + 1)


def rows_of(history: Any) -> list[str]:
    return [" ".join(line.split()) for line in text_of(history).splitlines()[3:]]


def test_answers_are_one_row_with_the_name_of_their_step_and_the_failures_in_it() -> None:
    made = stage()
    made.hub.add_activity(fail_some, "one_file")
    made.activity("train")
    made.orchestrator(study)
    history = made.done("study").history()
    assert rows_of(history)[2:5] == [
        "3\N{EN DASH}22 TaskScheduled one_file \N{MULTIPLICATION SIGN} 20",
        f"23\N{EN DASH}42 one_file: TaskCompleted {X} 17, TaskFailed {X} 3",
        "43 OrchestratorStarted",
    ]
    page = page_of(history)
    assert "failed: #3, #10, #17 ValueError: window 3 is empty" in page.text


def test_rounds_of_a_loop_are_one_row_though_an_episode_begins_in_each() -> None:
    made = stage()
    made.hub.add_activity(fail_some, "one_file")
    made.activity("train")
    made.orchestrator(study)
    rows = rows_of(made.done("study").history())
    assert f"train: TaskScheduled {X} 6, TaskCompleted {X} 6" in rows[5]
    assert len(rows) < 10


def test_each_execution_has_a_heading_and_numbers_its_own_events() -> None:
    made = stage()
    made.orchestrator(again)
    history = made.done("again", 0).history()
    rows = rows_of(history)
    assert [row for row in rows if row.startswith("Generation")] == [f"Generation {n}:" for n in range(3)]
    assert sum(row.startswith("1 ExecutionStarted again") for row in rows) == 3
    assert "Generation 2: 6 events" in page_of(history).text
