"""The context of a call: `df.current_activity()`, and an annotated parameter."""

import asyncio
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

import durablenb as df
from tests.calls import fan_out, start_call


def facts(activity):
    return [activity.name, activity.task_id, activity.attempt, activity.is_cancelled, activity.deadline]


def of_a_thread(x):
    return facts(df.current_activity()), x


async def of_an_event_loop(x):
    await asyncio.sleep(0)
    return facts(df.current_activity()), x


def by_parameter(activity: df.ActivityContext, x: int):
    return facts(activity), x


@pytest.mark.parametrize("activity", [of_a_thread, of_an_event_loop, by_parameter])
def test_a_call_knows_its_name_its_task_and_its_try(called, activity):
    assert called(activity, 5) == ([activity.__name__, 0, 1, False, None], 5)


def after(x: int, activity: df.ActivityContext):
    return activity.name, x


def last(x: int, /, other: int = 2, activity: df.ActivityContext | None = None):
    return activity.name, x * other // 2


def by_name(x: int, *, activity: "df.ActivityContext"):
    return activity.name, x


def unresolved(x: "Nowhere", activity: "df.ActivityContext"):  # type: ignore[name-defined]  # noqa: F821
    return activity.name, x


async def awaited(x: int, activity: df.ActivityContext):
    await asyncio.sleep(0)
    return activity.name, x


@pytest.mark.parametrize("activity", [after, last, by_name, unresolved, awaited])
def test_an_annotated_parameter_gets_the_context_wherever_it_is(kernel, activity):
    assert start_call(kernel, kernel.activity(activity), 7).result() == (activity.__name__, 7)


def test_an_activity_whose_only_parameter_is_the_context_takes_no_input(kernel):
    def alone(activity: df.ActivityContext):
        return activity.name

    assert start_call(kernel, kernel.activity(alone), "dropped").result() == "alone"


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_in_a_pool_of_your_own_as_well(pool):
    with pool(1) as executor, df.TaskHub(":memory:", executor=executor) as hub:
        handle = start_call(hub, hub.activity(by_parameter), 5)
        assert handle.result() == (["by_parameter", 0, 1, False, None], 5)


def test_the_key_is_the_same_for_all_tries_of_a_retried_call_and_differs_between_calls():
    tries: list[tuple[str, int]] = []

    def flaky(x):
        activity = df.current_activity()
        tries.append((activity.key, activity.attempt))
        if activity.attempt < 3:
            raise ValueError(x)

    def main(context):
        retry = df.RetryOptions(1000, 3)
        yield context.task_all([context.call_activity_with_retry("flaky", retry, n) for n in range(2)])

    for _ in range(2):
        with df.TaskHub(":memory:", clock=df.VirtualClock()) as hub:
            hub.add_activity(flaky)
            hub.add_orchestrator(main)
            hub.map(main, [None, None], instance_ids=["a", "b"]).results()
    keys = {key for key, _ in tries}
    assert len(keys) == 8
    assert all([n for key, n in tries if key == one] == [1, 2, 3] for one in keys)


def test_two_instances_at_once_each_have_their_own():
    both = threading.Barrier(2)
    with df.TaskHub(":memory:") as hub:

        @hub.activity
        def work(_):
            both.wait(30)
            return df.current_activity().instance_id

        handles = [start_call(hub, work, instance_id=name) for name in "ab"]
        assert [handle.result() for handle in handles] == ["a", "b"]


def test_its_logger_writes_into_the_log_of_its_call(hub):
    @hub.activity
    def work(n, activity: df.ActivityContext):
        activity.logger.warning("n is %d", n)

    handle = fan_out(hub, work, range(2))
    handle.result()
    lines = {(line.name, line.task_id, line.level, line.message) for line in handle.logs()}
    assert lines == {("work", n, "WARNING", f"n is {n}") for n in range(2)}


def test_outside_an_activity_it_does_nothing():
    activity = df.current_activity()
    activity.progress(1, 2, "half")
    activity.checkpoint(object())
    activity.raise_if_cancelled()
    assert (activity.attempt, activity.last_checkpoint, activity.is_cancelled) == (1, None, False)
    assert repr(activity) == "<no activity>"


def test_neither_orchestrators_nor_entities_are_activities(kernel):
    @kernel.entity
    def counter(context):
        context.set_result(repr(df.current_activity()))

    @kernel.orchestrator
    def main(context):
        operation = context.call_entity(df.EntityId("counter", "a"), "look")
        return repr(df.current_activity()), (yield operation)

    assert kernel.run(main) == ("<no activity>", "<no activity>")


def test_a_context_of_your_own_is_enough_for_a_test():
    made = df.ActivityContext(attempt=2, key="k", last_checkpoint={"row": 7}, name="load", is_cancelled=True)
    assert (made.attempt, made.key, made.last_checkpoint["row"]) == (2, "k", 7)
    with pytest.raises(df.ActivityCancelledError, match="'load' was cancelled"):
        made.raise_if_cancelled()


@pytest.mark.parametrize("arguments", [("half",), (1, "two"), (1, 2, 3), (None,)])
def test_progress_that_is_no_number_is_an_error_that_shows_it(called, arguments):
    def work(arguments):
        df.current_activity().progress(*arguments)

    with pytest.raises(TypeError, match="expected numbers, and text or None"):
        df.current_activity().progress(*arguments)
    with pytest.raises(TypeError, match="expected numbers, and text or None"):
        called(work, list(arguments))


def test_the_instance_that_is_terminated_cancels_its_activities():
    begun, done = threading.Event(), threading.Event()
    seen: list[str] = []
    with df.TaskHub(":memory:") as hub:

        @hub.activity
        def work():
            begun.set()
            try:
                while True:
                    df.current_activity().raise_if_cancelled()
            except df.ActivityCancelledError as error:
                seen.append(str(error))
                done.set()
                raise

        handle = start_call(hub, work)
        assert begun.wait(30)
        handle.terminate("enough")
        assert done.wait(30)
    assert seen == ["The call of 'work' was cancelled: its result isn't needed any more."]
