"""An execution as steps: what is one step, what leads to what, what is a loop."""

from __future__ import annotations

from datetime import timedelta

import pytest

from durablenb.analysis.calls import read_calls
from durablenb.analysis.graph import ExecutionGraph, Fold, execution_graph, fold_loops
from durablenb.analysis.waits import find_waits
from durablenb.model.runtime import Obstacle
from tests.notebook.reading import scene
from tests.notebook.scenes import stage


def flow(name: str) -> ExecutionGraph:
    return execution_graph(list(scene(name).history()))


def flow_from(orchestrator, input_=None) -> ExecutionGraph:
    made = stage()
    made.orchestrator(orchestrator)
    return execution_graph(list(made.done(orchestrator.__name__, input_).history()))


def steps(found: ExecutionGraph) -> list[tuple[str, str, int, int]]:
    return [(step.name, step.kind, step.stage, len(step.calls)) for step in found.steps]


def edges(found: ExecutionGraph) -> set[tuple[int | str, int | str]]:
    return {(edge.source, edge.target) for edge in found.edges}


def test_a_chain_is_a_step_for_each_call() -> None:
    found = flow("completed")
    assert steps(found) == [
        (name, "activity", place, 1) for place, name in enumerate(("reserve", "charge", "ship"))
    ]
    assert edges(found) == {("start", 1), (1, 2), (2, 3), (3, "end")}
    assert found.joins == ()
    assert found.loops == ()
    assert (found.name, found.generation, found.end) == ("chain", 0, "Completed")


def test_calls_made_at_once_are_one_step_and_a_join() -> None:
    found = flow("fanned")
    assert steps(found) == [("crunch", "activity", 0, 20), ("merge", "activity", 1, 1)]
    assert found.steps[0].states == {"failed": 1, "completed": 19}
    (join,) = found.joins
    assert (join.stage, join.came, join.of, join.is_all) == (1, 20, 20, True)


def test_a_race_says_that_one_of_two_came() -> None:
    found = flow("approved")
    assert [(step.kind, *step.states) for step in found.steps] == [
        ("external event", "completed"),
        ("timer", "canceled"),
        ("activity", "completed"),
    ]
    assert edges(found) == {("start", 1), ("start", 2), (1, 3), (3, "end")}
    (join,) = found.joins
    assert (join.came, join.of, join.is_all) == (1, 2, False)


def test_what_is_left_open_is_no_failure() -> None:
    assert [step.states for step in flow("too_late").steps] == [{"left open": 1}, {"completed": 1}]


def test_attempts_are_one_call() -> None:
    found = flow("retried")
    (step,) = found.steps
    (call,) = step.calls
    assert step.attempts == 3
    assert [span.state for span in call.attempts] == ["failed", "failed", "completed"]
    assert [pause.ended - pause.scheduled for pause in call.pauses] == [
        timedelta(seconds=1),
        timedelta(seconds=2),
    ]


def test_a_call_between_two_attempts_is_neither_failed_nor_running() -> None:
    (step,) = flow("between_attempts").steps
    assert step.states == {"retrying": 1}


def test_a_loop_is_folded_though_its_last_round_breaks_off() -> None:
    found = flow("looped")
    assert steps(found) == [
        ("poll", "activity", 0, 14),
        ("timer", "timer", 1, 13),
        ("ship", "activity", 2, 1),
    ]
    (loop,) = found.loops
    assert (loop.first, loop.last, loop.times, loop.is_mixed) == (0, 1, 14, False)
    assert edges(found) == {("start", 1), (1, 2), (2, 1), (1, 3), (3, "end")}


def test_three_calls_in_turn_are_not_a_loop() -> None:
    def hello(context):
        for city in ("Tokyo", "Seattle", "London"):
            yield context.call_activity("poll", city)

    assert steps(flow_from(hello)) == [("poll", "activity", place, 1) for place in range(3)]


def test_a_long_loop_that_does_something_else_each_time_is_one_stage() -> None:
    made = stage()
    found = execution_graph(list(made.done("any_order", 300).history()))
    assert {step.name: len(step.calls) for step in found.steps} == {"poll": 97, "crunch": 105, "merge": 98}
    (loop,) = found.loops
    assert (loop.first, loop.last, loop.times, loop.is_mixed) == (0, 0, 300, True)


def test_a_window_of_calls_is_a_loop_of_one_step() -> None:
    def window(context):
        open_ = [context.call_activity("poll", place) for place in range(3)]
        for place in range(3, 30):
            winner = yield context.task_any(open_)
            open_.remove(winner)
            open_.append(context.call_activity("poll", place))
        yield context.task_all(open_)

    (step,) = flow_from(window).steps
    assert len(step.calls) == 30


def test_an_event_that_came_before_it_was_waited_for_stands_beside_what_was_asked_for_then() -> None:
    made = stage()

    def patient(context):
        yield context.call_activity("reserve", 1)
        yield context.wait_for_external_event("Approval")
        yield context.call_activity("ship", 1)

    made.orchestrator(patient)
    handle = made.begin("patient")
    handle.raise_event("APPROVAL")
    handle.wait()
    found = execution_graph(list(handle.history()))
    assert edges(found) == {("start", 1), (1, 2), (1, 3), (2, "end"), (3, "end")}
    assert [*found.steps[1].states] == ["completed"]


def test_what_is_asked_for_while_something_else_runs_waits_for_what_came() -> None:
    def late(context):
        deadline = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        yield context.call_activity("reserve", 1)
        yield context.call_activity("charge", 1)
        yield deadline
        yield context.call_activity("ship", 1)

    found = flow_from(late)
    assert [step.name for step in found.steps] == ["timer", "reserve", "charge", "ship"]
    assert edges(found) == {("start", 1), ("start", 2), (2, 3), (3, 4), (1, 4), (4, "end")}
    assert [(join.stage, join.came, join.of) for join in found.joins] == [(1, 1, 2), (2, 2, 2)]


def test_sub_orchestrations_know_their_child() -> None:
    found = flow("failed")
    assert steps(found) == [("chain", "sub-orchestration", 0, 3), ("doomed", "sub-orchestration", 1, 1)]
    children = [call.attempts[0].request.instance_id for call in found.steps[0].calls]
    assert len(set(children)) == 3


def test_the_last_execution_is_the_one() -> None:
    events = list(scene("continued").history())
    assert execution_graph(events).generation == 4
    assert [call.execution for call in read_calls(events)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_after_a_rewind_what_was_kept_and_done_again_counts() -> None:
    found = flow("rewound")
    assert [(step.name, *step.states.items()) for step in found.steps] == [("broken", ("completed", 1))]
    assert found.end == "Completed"


def test_an_orchestrator_that_asks_for_nothing_has_no_steps() -> None:
    found = flow("immediate")
    assert found.steps == ()
    assert edges(found) == {("start", "end")}


def test_no_history_is_no_trouble() -> None:
    found = execution_graph([])
    assert (found.steps, found.end) == ((), None)
    assert find_waits([], []) == ()


# -- folding -------------------------------------------------------------------------------------


def folded(text: str) -> list[tuple[int, int, bool]]:
    return [
        (fold.period, fold.length, fold.is_mixed) for fold in fold_loops([frozenset(one) for one in text])
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("abc", [(1, 1, False)] * 3),
        ("aaa", [(1, 1, False)] * 3),
        ("aaaa", [(1, 4, False)]),
        ("abababab", [(2, 8, False)]),
        ("xababababay", [(1, 1, False), (2, 9, False), (1, 1, False)]),
        ("abcabcabcabc", [(3, 12, False)]),
    ],
)
def test_runs_of_a_pattern_are_folds(text: str, expected: list[tuple[int, int, bool]]) -> None:
    assert folded(text) == expected


def test_folds_cover_the_whole_sequence() -> None:
    for text in (
        "abcd" * 30 + "zyx",
        "ab" * 7 + "ba" * 9 + "c",
        "".join(chr(97 + n * n % 11) for n in range(200)),
    ):
        assert sum(fold.length for fold in fold_loops([frozenset(one) for one in text])) == len(text)


def test_many_different_things_stay_apart() -> None:
    assert fold_loops([frozenset([n]) for n in range(100)]) == [Fold(1, 1)] * 100


# -- waits ---------------------------------------------------------------------------------------


def waits(name: str, obstacle: Obstacle | None = None) -> list[tuple[str, str, int]]:
    events = list(scene(name).history())
    return [
        (wait.kind, wait.name, wait.attempts[1]) for wait in find_waits(events, read_calls(events), obstacle)
    ]


def test_waits_by_state() -> None:
    assert waits("pending") == [("turn", "", 1)]
    assert waits("scheduled") == [("start", "", 1)]
    assert waits("running") == [("activity", "charge", 1)]
    assert waits("waiting") == [("external event", "Approval", 1), ("timer", "timer", 1)]
    assert waits("between_attempts") == [("retry", "flaky", 2)]
    assert waits("suspended")[0] == ("resuming", "", 1)
    assert waits("completed") == []


def test_what_stands_in_the_way_comes_first() -> None:
    obstacle = Obstacle(("reserve",), "it does not fit", None)
    assert waits("running", obstacle) == [
        ("mending", "", 1),
        ("code", "reserve", 1),
        ("activity", "charge", 1),
    ]
    assert waits("completed", obstacle) == []


def test_calls_of_one_name_are_one_wait() -> None:
    made = stage()
    events = list(made.begin("fan_out", 40, steps=4).history())
    (wait,) = find_waits(events, read_calls(events))
    assert (wait.kind, wait.name, wait.count) == ("activity", "crunch", 38)
