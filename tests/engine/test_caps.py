"""How many activities run at a time: caps of the hub and of an activity."""

from __future__ import annotations

import threading

import pytest

import durablenb as df


class Gauge:
    """Counts how many are inside at once, and the most there ever were."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.inside -= 1


def _fan_out(hub: df.TaskHub, names: list[str]) -> list[object]:
    @hub.orchestrator
    def fan_out(context):
        calls = [context.call_activity(name, number) for number, name in enumerate(context.get_input())]
        return (yield context.task_all(calls))

    return hub.run(fan_out, names)


def test_a_hubs_cap_is_never_exceeded():
    gauge, three = Gauge(), threading.Barrier(3)
    with df.TaskHub(":memory:", max_concurrency=3) as hub:

        @hub.activity
        def work(number):
            with gauge:
                three.wait(20)
            return number

        assert _fan_out(hub, ["work"] * 60) == list(range(60))
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

        assert _fan_out(hub, ["capped"] * 20 + ["free"]) == list(range(21))
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


def test_calls_of_one_activity_start_in_the_order_in_which_they_were_asked_for():
    begun: list[int] = []
    with df.TaskHub(":memory:", max_concurrency=1) as hub:

        @hub.activity(max_concurrency=1)
        def work(number):
            begun.append(number)

        _fan_out(hub, ["work"] * 30)
    assert begun == list(range(30))


def test_a_cap_can_be_raised_by_registering_again():
    with df.TaskHub(":memory:") as hub:
        together = threading.Barrier(2, timeout=20)
        is_waiting = threading.Event()

        def meet(number):
            is_waiting.set()
            together.wait()
            return number

        hub.add_activity(meet, max_concurrency=1)

        @hub.orchestrator
        def two(context):
            return (yield context.task_all([context.call_activity("meet", number) for number in range(2)]))

        handle = hub.start(two)
        assert is_waiting.wait(20)
        hub.add_activity(meet, max_concurrency=2)
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

        @hub.orchestrator
        def one(context):
            return (yield context.call_activity("work", context.get_input()))

        handles = []
        for number in range(5):
            handles.append(hub.start(one, number))
            assert has_begun.wait(20)
            while "TaskScheduled" not in str(handles[-1].history()):
                threading.Event().wait(0.001)
        for handle in handles[1:4]:
            handle.terminate()
        may_end.set()
        assert handles[0].result(timeout=20) == 0
        assert handles[4].result(timeout=20) == 4


def test_caps_of_several_kinds_hold_together():
    gauges = {name: Gauge() for name in ("all", "a", "b")}
    with df.TaskHub(":memory:", executor=8, max_concurrency=4) as hub:
        for name, cap in (("a", 1), ("b", 3)):

            def work(number, name=name):
                with gauges["all"], gauges[name]:
                    threading.Event().wait(0.001)
                return number

            hub.add_activity(work, name, max_concurrency=cap)
        assert _fan_out(hub, ["a", "b"] * 25) == list(range(50))
    assert [gauges[name].most for name in ("all", "a", "b")] == [4, 1, 3]


def test_async_activities_have_caps_too():
    import asyncio

    inside = most = 0
    with df.TaskHub(":memory:") as hub:

        @hub.activity(max_concurrency=5)
        async def work(number):
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1
            return number

        assert _fan_out(hub, ["work"] * 50) == list(range(50))
    assert most == 5
