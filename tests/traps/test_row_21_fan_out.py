"""Row 21: fan-outs of thousands, twice over, with failures, and results in order."""

import random
import threading

import pytest

import durablenb as df
from durablenb.engine.messages import Raise
from tests.traps.corpus import after
from tests.traps.lab import Lab, counted, kinds

WIDE = 1_500


@pytest.fixture
def plain():
    """Without replaying every episode."""
    made = Lab("kernel", verify_replay=False)
    yield made
    made.close()


@pytest.mark.parametrize("how", ["yields", "awaits"])
def test_row_21_thousands_come_back_in_order_and_settled_ones_do_not_hit_the_recursion_limit(plain, how):
    plain.activity(lambda number: number * 2, "double")

    def double(context, numbers):
        return [context.call_activity("double", number) for number in numbers]

    def yields(context):
        tasks = double(context, range(WIDE))
        values = yield context.task_all(tasks)
        total = 0
        for task in tasks:
            total += yield task
        return [values, total]

    async def awaits(context):
        tasks = double(context, range(WIDE))
        return [await context.task_all(tasks), sum([await task for task in tasks])]

    handle = plain.start(yields if how == "yields" else awaits)
    assert handle.result(60) == [list(range(0, 2 * WIDE, 2)), WIDE * (WIDE - 1)]
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
        yield after(context, hours=context.get_input())
        raise ValueError(f"after {context.get_input()}")

    def fan_out(context):
        yield context.task_all([context.call_sub_orchestrator(child, hours) for hours in (3, 1, 2)])

    with pytest.raises(ValueError, match="after 3"):
        lab.run(fan_out)


def test_row_21_all_of_none_and_the_first_of_none_are_there_at_once(lab):
    def nothing(context):
        first = context.task_any([])
        both = context.task_all([first, context.task_any([context.task_any([])])])
        return [
            (yield context.task_all([])),
            first.is_completed,
            first.result,
            (yield first),
            (yield both)[0],
        ]

    assert lab.run(nothing) == [[], True, None, None, None]


def test_row_21_the_winner_of_a_race_is_the_task_itself_also_if_it_failed(lab):
    lab.activity(lambda: 1 / 0, "fails")

    def race(context):
        failing = context.call_activity("fails")
        timer = after(context, hours=1)
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


def test_row_21_one_task_may_be_waited_for_many_times_or_never(lab):
    calls = []
    lab.activity(lambda: calls.append(1) or len(calls), "count")

    def repeats(context):
        task = context.call_activity("count")
        values = [(yield task), (yield task), *(yield context.task_all([task, task]))]
        context.call_activity("count")
        yield after(context, seconds=1)
        return values

    assert lab.run(repeats) == [1, 1, 1, 1]
    assert len(calls) == 2


def test_row_21_all_that_waits_is_taken_at_once_and_replayed_without_recursion(unverified):
    """Many arrivals are one episode; the replay of it after a restart goes through all of them."""
    many = 1_100  # more than Python's limit of nested calls

    def counts(context):
        total = 0
        for _ in range(many):
            total += yield context.wait_for_external_event("tick")
        yield context.wait_for_external_event("go")
        return total

    handle = unverified.begin(counts, instance_id="c")
    handle.suspend()
    for _ in range(many):  # without waiting for each to be on disk
        unverified.client._control.engine.ask(Raise("c", "tick", "1"))
    handle.resume()
    unverified.settle()
    assert counted(handle.history(), "OrchestratorStarted") == 2
    handle = unverified.restart("c")
    handle.raise_event("go")
    assert handle.result() == many


def test_row_21_the_cost_of_an_arrival_does_not_grow_with_the_history(plain):
    """Counted, not timed: however long the history is, the code runs on from where it stood."""
    rounds = []

    def counts(context):
        for number in range(200):
            rounds.append(number)
            yield after(context, seconds=1)

    handle = plain.start(counts)
    handle.result()
    assert counted(handle.history(), "OrchestratorStarted") == 201
    assert rounds == list(range(200))


def test_row_21_wide_fan_outs_of_children_with_random_failures_lose_nobody(plain):
    chance = random.Random(21)
    fails = {number for number in range(200) if chance.random() < 0.3}

    @plain.orchestrator
    def child(context):
        number = context.get_input()
        yield after(context, seconds=number % 7)
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
        failures = [(type(results[0][place]).__name__, results[0][place].details.message) for place in (1, 3)]
        return failures, [results[0][place] for place in (0, 2, 4)], results[1]

    handle = lab.start(fan_out)
    handle.raise_event("Go", "went")
    (own, childs), given, four = handle.result(10)
    assert own == ("ValueError", "number 1")
    assert childs[0] == "ValueError"
    assert childs[1].startswith("Activity function 'some_fail' failed: number 5")
    assert (given, four) == ([0, 2, "went"], 4)


def test_row_21_only_failures_or_nothing_at_all(lab):
    @lab.activity
    def failing(number):
        raise ValueError(f"number {number}")

    def fan_out(context):
        calls = [context.call_activity(failing, number) for number in context.get_input()]
        results = yield context.task_all(calls, return_exceptions=True)
        return [error.details.message for error in results]

    for numbers in ([], [1], [1, 3]):
        assert lab.run(fan_out, numbers) == [f"number {number}" for number in numbers]
