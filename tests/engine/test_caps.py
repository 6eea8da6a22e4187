"""How many activities run at a time: caps of the hub and of an activity."""

import asyncio
import threading

import pytest

import durablenb as df
from tests.engine.fanned import Gauge, fan, run_all


def call_all(context):
    """Call the activities that the input names, at once."""
    calls = [context.call_activity(name, number) for number, name in enumerate(context.get_input())]
    return (yield context.task_all(calls))


def test_a_hubs_cap_is_never_exceeded():
    gauge, three = Gauge(), threading.Barrier(3)
    with df.TaskHub(":memory:", max_concurrency=3) as hub:

        def work(number):
            with gauge:
                three.wait(20)
            return number

        assert run_all(hub, work, range(60)) == list(range(60))
    assert gauge.most == 3


def test_an_activitys_cap_is_never_exceeded_and_holds_up_no_other_one():
    few, many = Gauge(), Gauge()
    with df.TaskHub(":memory:", executor=8) as hub:
        free_ran, two = threading.Event(), threading.Barrier(2)

        @hub.activity(max_concurrency=2)
        def capped(number):
            with few:
                two.wait(20)
                assert free_ran.wait(20)
            return number

        @hub.activity
        def free(number):
            with many:
                free_ran.set()
            return number

        hub.add_orchestrator(call_all)
        assert hub.run(call_all, ["capped"] * 20 + ["free"]) == list(range(21))
    assert (few.most, many.most) == (2, 1)


def test_a_failure_frees_its_place():
    with df.TaskHub(":memory:", max_concurrency=1) as hub:

        @hub.activity(max_concurrency=1)
        def fail(number):
            raise ValueError(number)

        @hub.orchestrator
        def count_failures(context):
            failures = 0
            for number in range(5):
                try:
                    yield context.call_activity(fail, number)
                except ValueError:
                    failures += 1
            return failures

        assert hub.run(count_failures) == 5


def test_a_cap_can_be_raised_by_registering_again():
    with df.TaskHub(":memory:") as hub:
        together = threading.Barrier(2, timeout=20)
        is_waiting = threading.Event()

        def meet(number):
            is_waiting.set()
            together.wait()
            return number

        hub.add_activity(meet, "work", max_concurrency=1)
        hub.add_orchestrator(fan)
        handle = hub.start(fan, [0, 1])
        assert is_waiting.wait(20)
        hub.add_activity(meet, "work", max_concurrency=2)
        assert handle.result(timeout=20) == [0, 1]


@pytest.mark.parametrize("cap", [0, -1])
def test_a_cap_below_one_is_refused(cap):
    with pytest.raises(ValueError, match="at least 1"):
        df.TaskHub(":memory:", max_concurrency=cap)
    with df.TaskHub(":memory:") as hub, pytest.raises(ValueError, match="at least 1"):
        hub.add_activity(len, "length", max_concurrency=cap)


def test_a_place_that_a_terminated_orchestration_waited_for_goes_to_the_next_one():
    with df.TaskHub(":memory:") as hub:
        may_end, has_begun = threading.Event(), threading.Event()

        @hub.activity(max_concurrency=1)
        def work(number):
            has_begun.set()
            assert may_end.wait(20)
            return number

        hub.add_orchestrator(fan)
        handles = []
        for number in range(5):
            handles.append(hub.start(fan, [number]))
            assert has_begun.wait(20)
            while "TaskScheduled" not in str(handles[-1].history()):
                threading.Event().wait(0.001)
        for handle in handles[1:4]:
            handle.terminate()
        may_end.set()
        assert handles[0].result(timeout=20) == [0]
        assert handles[4].result(timeout=20) == [4]


def test_caps_of_several_kinds_hold_together():
    gauges = {name: Gauge() for name in ("all", "a", "b")}
    with df.TaskHub(":memory:", executor=8, max_concurrency=4) as hub:
        for name, cap in (("a", 1), ("b", 3)):

            def work(number, name=name):
                with gauges["all"], gauges[name]:
                    threading.Event().wait(0.001)
                return number

            hub.add_activity(work, name, max_concurrency=cap)
        hub.add_orchestrator(call_all)
        assert hub.run(call_all, ["a", "b"] * 25) == list(range(50))
    assert [gauges[name].most for name in ("all", "a", "b")] == [4, 1, 3]


def test_async_activities_have_caps_too():
    gauge, five = Gauge(), asyncio.Barrier(5)

    async def work(number):
        with gauge:
            await five.wait()
        return number

    with df.TaskHub(":memory:") as hub:
        assert run_all(hub, work, range(50), max_concurrency=5) == list(range(50))
    assert gauge.most == 5
