"""Row 21: fan-outs of thousands, twice over, with failures, and results in order."""

import random
import threading
from datetime import timedelta

import pytest

import durablenb as df
from durablenb.engine.messages import Raise
from tests.traps.lab import Lab, counted, kinds

WIDE = 3_000


@pytest.fixture
def plain():
    """Without replaying every episode."""
    made = Lab("kernel", verify_replay=False)
    yield made
    made.close()


def test_row_21_thousands_come_back_in_order_in_two_episodes(plain):
    plain.activity(lambda number: number * 2, "double")

    def fan_out(context):
        tasks = [context.call_activity("double", number) for number in range(WIDE)]
        return (yield context.task_all(tasks))

    handle = plain.start(fan_out)
    assert handle.result(60) == [2 * number for number in range(WIDE)]
    assert counted(handle.history(), "OrchestratorStarted") == 2


def test_row_21_a_fan_out_of_what_a_fan_out_gave(lab):
    lab.activity(lambda number: number + 1, "plus one")

    def twice(context):
        first = yield context.task_all([context.call_activity("plus one", n) for n in range(100)])
        second = yield context.task_all([context.call_activity("plus one", n) for n in first])
        return sum(second)

    assert lab.run(twice) == sum(range(100)) + 200


def test_row_21_results_are_in_the_order_of_the_calls_not_of_the_ends(threads):
    """The later one is asked for, the sooner it ends."""
    ended = [threading.Event() for _ in range(5)]

    @threads.activity
    def backwards(number):
        if number < 4:
            assert ended[number + 1].wait(10)
        ended[number].set()
        return number

    def fan_out(context):
        return (yield context.task_all([context.call_activity(backwards, n) for n in range(5)]))

    handle = threads.start(fan_out)
    assert handle.result(10) == [0, 1, 2, 3, 4]
    completed = [event.task_id for event in handle.history() if kinds([event]) == ["TaskCompleted"]]
    assert completed == [4, 3, 2, 1, 0]


def test_row_21_one_failure_waits_for_all_the_others_and_is_raised_then(lab):
    ran = []

    @lab.activity
    def some_fail(number):
        ran.append(number)
        if number in (3, 7):
            raise ValueError(f"number {number}")

    def fan_out(context):
        tasks = [context.call_activity(some_fail, n) for n in range(10)]
        try:
            yield context.task_all(tasks)
        except ValueError as error:
            return [error.details.message, all(task.is_completed for task in tasks)]

    assert lab.run(fan_out) == ["number 3", True]
    assert sorted(ran) == list(range(10))


def test_row_21_the_first_failure_is_the_first_in_the_list_whichever_came_first(lab):
    @lab.orchestrator
    def child(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=context.get_input()))
        raise ValueError(f"after {context.get_input()}")

    def fan_out(context):
        yield context.task_all([context.call_sub_orchestrator(child, hours) for hours in (3, 1, 2)])

    with pytest.raises(ValueError, match="after 3"):
        lab.run(fan_out)


def test_row_21_an_empty_fan_out_gives_an_empty_list_at_once(lab):
    def nothing(context):
        return (yield context.task_all([]))

    assert lab.run(nothing) == []


def test_row_21_the_first_of_none_is_none_at_once(lab):
    def nothing(context):
        first = context.task_any([])
        both = context.task_all([first, context.task_any([context.task_any([])])])
        return [first.is_completed, first.result, (yield first), (yield both)[0]]

    assert lab.run(nothing) == [True, None, None, None]


def test_row_21_the_winner_of_a_race_is_the_task_itself_also_if_it_failed(lab):
    lab.activity(lambda: 1 / 0, "fails")

    def race(context):
        failing = context.call_activity("fails")
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        winner = yield context.task_any([timer, failing])
        assert winner is failing
        assert winner.is_failed
        try:
            winner.result
        except ZeroDivisionError:
            return "raised when asked"

    assert lab.run(race) == "raised when asked"


def test_row_21_races_inside_races_are_won_by_who_came_first(lab):
    def races(context):
        event = context.wait_for_external_event("a")
        first, second = context.task_any([event]), context.task_any([event])
        winner = yield context.task_any([second, first])
        order = [first, second]
        return order.index(winner)

    handle = lab.begin(races)
    handle.raise_event("a")
    assert handle.result(10) == 0


def test_row_21_all_of_any_of_all(lab):
    lab.activity(lambda value: value, "echo")

    def nested(context):
        def echo(value):
            return context.call_activity("echo", value)

        pairs = context.task_all([context.task_all([echo(1), echo(2)]), context.task_all([echo(3)])])
        never = context.wait_for_external_event("never")
        winner = yield context.task_any([never, pairs])
        return winner.result

    assert lab.run(nested) == [[1, 2], [3]]


def test_row_21_one_task_may_be_waited_for_many_times(lab):
    calls = []
    lab.activity(lambda: calls.append(1) or len(calls), "count")

    def repeats(context):
        task = context.call_activity("count")
        return [(yield task), (yield task), *(yield context.task_all([task, task]))]

    assert lab.run(repeats) == [1, 1, 1, 1]


def test_row_21_a_task_runs_also_if_nobody_ever_waits_for_it(lab):
    ran = []
    lab.activity(lambda: ran.append(1), "note")

    def careless(context):
        context.call_activity("note")
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))

    lab.run(careless)
    assert ran == [1]


def test_row_21_thousands_of_settled_tasks_do_not_hit_the_recursion_limit(plain):
    plain.activity(lambda number: number, "echo")

    def body(context):
        tasks = [context.call_activity("echo", number) for number in range(WIDE)]
        yield context.task_all(tasks)
        total = 0
        for task in tasks:
            total += yield task
        return total

    async def awaits(context):
        tasks = [context.call_activity("echo", number) for number in range(WIDE)]
        await context.task_all(tasks)
        return sum([await task for task in tasks])

    plain.orchestrator(body, "yields")
    assert plain.run("yields") == plain.run(awaits) == sum(range(WIDE))


def test_row_21_a_long_history_is_resumed_after_a_restart_without_recursion(tmp_path):
    lab = Lab("kernel", tmp_path / "hub.duckdb", verify_replay=False)

    def counts(context):
        total = 0
        for _ in range(1_500):
            total += yield context.wait_for_external_event("tick")
        yield context.wait_for_external_event("go")
        return total

    handle = lab.start(counts, instance_id="c")
    tick_often(lab, handle, 1_500)
    lab.settle()
    handle = lab.restart("c")
    handle.raise_event("go")
    assert handle.result() == 1_500
    lab.close()


def test_row_21_the_cost_of_an_arrival_does_not_grow_with_the_history(plain):
    """Counted, not timed: however long the history is, the code runs on from where it stood."""
    rounds = []

    def counts(context):
        for number in range(200):
            rounds.append(number)
            yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))

    handle = plain.start(counts)
    handle.result()
    assert counted(handle.history(), "OrchestratorStarted") == 201
    assert rounds == list(range(200))


def test_row_21_all_that_waits_is_taken_at_once(plain):
    def counts(context):
        total = 0
        for _ in range(1_000):
            total += yield context.wait_for_external_event("tick")
        return total

    handle = plain.begin(counts)
    handle.suspend()
    tick_often(plain, handle, 1_000)
    handle.resume()
    assert handle.result() == 1_000
    assert counted(handle.history(), "OrchestratorStarted") == 2


def tick_often(lab, handle, times):
    """Many events without waiting for each to be on disk."""
    for _ in range(times):
        lab.client._control.engine.ask(Raise(handle.id, "tick", "1"))


def test_row_21_wide_fan_outs_of_children_with_random_failures_lose_nobody(plain):
    chance = random.Random(21)
    fails = {number for number in range(200) if chance.random() < 0.3}

    @plain.orchestrator
    def child(context):
        number = context.get_input()
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=number % 7))
        if number in fails:
            raise ValueError(number)
        return number

    def fan_out(context):
        tasks = [context.call_sub_orchestrator(child, number) for number in range(200)]
        try:
            yield context.task_all(tasks)
        except df.TaskFailedError:
            return [task.is_failed for task in tasks]

    assert plain.run(fan_out) == [number in fails for number in range(200)]


def test_row_21_exceptions_among_the_values_if_they_are_asked_for(lab):
    """As `asyncio.gather` has it: each result in its place, and a failure as an exception of its type."""

    @lab.activity
    def some_fail(number):
        if number % 2:
            raise ValueError(f"number {number}")
        return number

    @lab.orchestrator
    def child(context):
        return (yield context.call_activity(some_fail, context.get_input()))

    async def fan_out(context):
        calls = [context.call_activity(some_fail, number) for number in range(3)]
        calls += [context.call_sub_orchestrator(child, 5), context.wait_for_external_event("Go")]
        group = context.task_all(calls, return_exceptions=True)
        results = await context.task_all([group, context.call_activity(some_fail, 4)])
        assert not group.is_failed
        assert group.get_exception() is None
        return [
            [type(value).__name__, value.details.message] if isinstance(value, Exception) else value
            for value in (*results[0], results[1])
        ]

    handle = lab.start(fan_out)
    handle.raise_event("Go", "went")
    number_5 = "Activity function 'some_fail' failed: number 5"
    *given, last, event, four = handle.result(10)
    assert given == [0, ["ValueError", "number 1"], 2]
    assert last[0] == "ValueError"
    assert last[1].startswith(number_5)
    assert (event, four) == ("went", 4)


@pytest.mark.parametrize("numbers", [[], [1], [1, 3]], ids=len)
def test_row_21_only_failures_or_nothing_at_all(lab, numbers):
    @lab.activity
    def fails(number):
        raise ValueError(f"number {number}")

    def fan_out(context):
        calls = [context.call_activity(fails, number) for number in numbers]
        results = yield context.task_all(calls, return_exceptions=True)
        return [error.details.message for error in results]

    assert lab.run(fan_out) == [f"number {number}" for number in numbers]
