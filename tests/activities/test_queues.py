"""Queues of a hub: how many calls run, how many begin in a period, and which of them come first."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import durablenb as df
from durablenb.model.events import ExecutionStarted, TaskScheduled
from tests.calls import start_call

MINUTE = timedelta(minutes=1)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
WAYS = [(mode, durability) for mode in ("threads", "kernel") for durability in ("strict", "pipelined")]


def fan_out(hub: df.TaskHub) -> None:
    @hub.orchestrator
    def fan_out(context):
        words = context.get_input()
        return (yield context.task_all([context.call_activity("ask", word) for word in words]))


@pytest.fixture
def clock() -> df.VirtualClock:
    return df.VirtualClock()


@pytest.fixture(params=["threads", "kernel"])
def hub(request, clock):
    with df.TaskHub(":memory:", clock=clock, mode=request.param) as hub:
        fan_out(hub)
        yield hub


@pytest.fixture
def kernel(clock):
    with df.TaskHub(":memory:", clock=clock, mode="kernel") as hub:
        fan_out(hub)
        yield hub


@pytest.fixture
def still_clock() -> df.VirtualClock:
    """A clock that the test moves."""
    return df.VirtualClock(autojump=False)


@pytest.fixture
def still(still_clock):
    with df.TaskHub(":memory:", clock=still_clock) as hub:
        fan_out(hub)
        yield hub


class Diary:
    """An activity that notes when each call began."""

    def __init__(self, clock: df.VirtualClock) -> None:
        self._clock = clock
        self.begun: list[tuple[datetime, str]] = []

    def __call__(self, word: str) -> str:
        self.begun.append((self._clock.now(), word))
        return word

    @property
    def minutes(self) -> list[int]:
        """How many calls began in each minute since New Year."""
        counts = Counter((moment - NEW_YEAR) // MINUTE for moment, _ in self.begun)
        return [counts[minute] for minute in range(max(counts) + 1)]

    @property
    def words(self) -> list[str]:
        return [word for _, word in self.begun]


def add_diary(hub: df.TaskHub, clock: df.VirtualClock, **limits: Any) -> Diary:
    """Register a diary as the activity ``ask``, in a queue with these limits."""
    diary = Diary(clock)
    hub.add_activity(diary, "ask", queue=df.Queue("openai", **limits))
    return diary


@pytest.mark.parametrize(("mode", "durability"), WAYS)
def test_no_more_calls_begin_in_a_minute_than_the_rate_allows(clock, mode, durability):
    with df.TaskHub(":memory:", clock=clock, mode=mode, durability=durability) as hub:
        ask = add_diary(hub, clock, rate=(3, MINUTE))
        fan_out(hub)
        words = [str(number) for number in range(10)]
        assert hub.run("fan_out", words) == words
        # Three threads begin at once.
        minutes = [sorted(ask.words[first : first + 3]) for first in range(0, 10, 3)]
        assert minutes == [words[first : first + 3] for first in range(0, 10, 3)]
        assert ask.minutes == [3, 3, 3, 1]
        assert clock.now() == NEW_YEAR + 3 * MINUTE, "the clock jumps to the next free place"


@pytest.mark.parametrize(("mode", "durability"), WAYS)
def test_a_restart_does_not_forget_what_the_last_minute_used_up(tmp_path, mode, durability):
    clock = df.VirtualClock(autojump=False)
    ask = Diary(clock)

    def opened() -> df.TaskHub:
        hub = df.TaskHub(tmp_path / "h.duckdb", clock=clock, mode=mode, durability=durability)
        hub.add_activity(ask, "ask", queue=df.Queue("openai", rate=(3, MINUTE)))
        fan_out(hub)
        return hub

    with opened() as hub:
        handle = hub.start("fan_out", ["a", "b", "c", "d", "e"], instance_id="x")
        _until(lambda: len(ask.begun) == 3, hub)
    clock.advance(seconds=40)
    with opened() as hub:
        _settle(hub)
        assert ask.minutes == [3]
        assert hub.queues[0].next_free == NEW_YEAR + MINUTE
        clock.advance(seconds=19)
        _settle(hub)
        assert ask.minutes == [3]
        clock.advance(seconds=1)
        handle = hub.handle("x")
        assert handle.result(timeout=20) == ["a", "b", "c", "d", "e"]
        assert ask.minutes == [3, 2]


def test_a_purge_leaves_nothing_of_an_instance_and_the_rate_still_counts_its_calls(tmp_path):
    clock = df.VirtualClock(autojump=False)

    def opened(name: str) -> df.TaskHub:
        hub = df.TaskHub(tmp_path / name, clock=clock, mode="kernel")
        hub.add_activity(lambda word: word, "ask", queue=df.Queue("openai", rate=(9, MINUTE)))
        fan_out(hub)
        return hub

    def starts(hub: df.TaskHub) -> list[tuple[str, int]]:
        query = (
            "select instance_id, count(*) from queue_starts where instance_id <> '' group by all order by all"
        )
        return hub.sql(query).fetchall()

    with opened("one.duckdb") as one, opened("other.duckdb") as other:
        for hub in (one, other):
            hub.run("fan_out", ["a"], instance_id="single")
            hub.map("fan_out", [["b", "c"], ["d", "e"]], instance_ids=["first", "second"]).results()
        clock.advance(seconds=1)
        for hub in (one, other):
            hub.run("fan_out", ["f", "g"], instance_id="kept")
        assert starts(one) == starts(other) == [("first", 2), ("kept", 2), ("second", 2), ("single", 1)]
        one.handle("single").purge()
        assert starts(one) == [("first", 2), ("kept", 2), ("second", 2)]
        one.client.purge_instance_history_by(created_time_to=clock.now() - timedelta(seconds=1))
        assert starts(one) == [("kept", 2)]
        assert len(starts(other)) == 4
    with opened("one.duckdb") as one:
        one.start("fan_out", ["h", "i", "j"])
        _settle(one)
        assert one.queues[0].waiting == 1


def _until(holds, hub: df.TaskHub) -> None:
    for _ in range(2_000):
        if hub._engine.is_threaded or hub.step() is None:
            threading.Event().wait(0.005)
        if holds():
            return
    raise AssertionError("it has not come about")


def _settle(hub: df.TaskHub) -> None:
    """Let the hub do all that it can do now."""
    _until(hub._engine.is_settled, hub)


def test_several_activities_share_a_queue_and_two_hubs_do_not():
    inside, most = Counter(), Counter()
    lock = threading.Lock()

    def work(hub_name):
        with lock:
            inside[hub_name] += 1
            most[hub_name] = max(most[hub_name], inside[hub_name])
        both.wait(20)
        with lock:
            inside[hub_name] -= 1

    both = threading.Barrier(2)
    with df.TaskHub(":memory:") as one, df.TaskHub(":memory:") as other:
        for hub in (one, other):
            queue = df.Queue("gpu", concurrency=1)
            hub.add_activity(work, "a", queue=queue)
            hub.add_activity(work, "b", queue="GPU")

            @hub.orchestrator
            def fan_out(context):
                names = ["a", "b"] * 5
                yield context.task_all([context.call_activity(name, context.get_input()) for name in names])

        handles = [one.start("fan_out", "one"), other.start("fan_out", "other")]
        for handle in handles:
            handle.result(timeout=20)
    assert most == {"one": 1, "other": 1}


def test_an_instance_with_many_calls_does_not_starve_another_one(hub, clock):
    ask = add_diary(hub, clock, rate=(2, MINUTE))
    many, few = (
        hub.start("fan_out", words, start_at=NEW_YEAR + timedelta(seconds=1))
        for words in (["many"] * 50, ["few"] * 3)
    )
    few.result(timeout=20)
    many.terminate()
    last = len(ask.words) - 1 - ask.words[::-1].index("few")
    assert ask.words[:last].count("many") <= 3, "they take turns"


def test_priorities_of_calls_and_of_instances_are_respected(hub, clock):
    ask = add_diary(hub, clock, rate=(1, MINUTE))

    @hub.orchestrator
    def parent(context):
        word = context.get_input()
        yield context.task_all(
            [
                context.call_activity("ask", f"{word}: default"),
                context.call_activity("ask", f"{word}: low", priority=-1),
                context.call_sub_orchestrator("child", word),
            ]
        )

    @hub.orchestrator
    def child(context):
        retry = df.RetryOptions(1_000, 2)
        yield context.call_activity_with_retry("ask", retry, f"{context.get_input()}: child")

    @hub.orchestrator
    def blocker(context):
        yield context.call_activity("ask", "blocker", priority=100)

    hub.run(blocker)
    start_at = clock.now() + timedelta(seconds=1)
    usual = hub.start(parent, "usual", start_at=start_at)
    urgent = hub.start(parent, "urgent", start_at=start_at, priority=9)
    for handle in (usual, urgent):
        handle.result(timeout=20)
    assert ask.words == [
        "blocker",
        "urgent: default",
        "urgent: child",
        "usual: default",
        "usual: child",
        *["usual: low", "urgent: low"],
    ]
    history = urgent.history()
    assert [event.priority for event in history if isinstance(event, TaskScheduled)] == [9, -1]
    assert [event.priority for event in history if isinstance(event, ExecutionStarted)] == [9]


def test_an_instance_that_continues_as_new_or_is_restarted_keeps_its_priority(kernel):
    kernel.add_activity(lambda: None, "work")

    @kernel.orchestrator
    def twice(context):
        yield context.call_activity("work")
        if context.get_input() == 1:
            context.continue_as_new(2)

    handle = kernel.start(twice, 1, priority=4)
    handle.result()
    kernel.handle(kernel.client.restart(handle.id)).result()
    query = "select distinct attributes ->> 'priority' from history where event_type = 'TaskScheduled'"
    assert kernel.sql(query).fetchall() == [("4",)]


def test_every_way_to_start_takes_a_priority():
    async def with_await(client: df.DurableOrchestrationClient) -> None:
        await client.start_new("echo", "awaited", priority=5)

    with df.TaskHub(":memory:") as hub:
        hub.add_orchestrator(lambda context: context.get_input(), "echo")
        hub.map("echo", [1], instance_ids=["map"], priority=5).wait()
        hub.client.start_new("echo", "client", priority=5)
        hub.client.start_many("echo", [1], ["many"], priority=5)
        server = hub.serve(port=0)
        asyncio.run(with_await(df.DurableOrchestrationClient(hub)))
        with df.TaskHub.connect(server.url, key=server.key) as remote:
            remote.map("echo", [1], instance_ids=["remote"], priority=5).wait()
        query = "select instance_id from history where attributes ->> 'priority' = '5' order by all"
        started = [("awaited",), ("client",), ("many",), ("map",), ("remote",)]
        _until(lambda: hub.sql(query).fetchall() == started, hub)


def test_another_priority_in_the_code_fits_a_history(kernel):
    kernel.add_activity(lambda: None, "work")

    def with_priority(priority):
        def main(context):
            yield context.call_activity("work", priority=priority)

        return main

    kernel.run(kernel.orchestrator(with_priority(1)))
    assert kernel.replay("main", with_priority(2), status="Completed").fits


def test_each_attempt_of_a_retried_call_counts_for_the_rate(kernel, clock):
    @kernel.activity(queue=df.Queue("openai", rate=(1, MINUTE)))
    def flaky(activity: df.ActivityContext):
        if activity.attempt < 3:
            raise ValueError

    start_call(kernel, flaky, retry=df.RetryOptions(1_000, 3)).result()
    assert clock.now() == NEW_YEAR + 2 * MINUTE


def test_a_remembered_result_takes_no_place(kernel, clock):
    queue = df.Queue("openai", rate=(1, MINUTE))
    kernel.add_activity(lambda word: word, "ask", queue=queue, cache=True)
    kernel.run("fan_out", ["a"])
    assert kernel.run("fan_out", ["a", "b", "a"]) == ["a", "b", "a"]
    assert clock.now() == NEW_YEAR + MINUTE, "only b waited for a place"


def test_the_places_of_terminated_instances_are_free_again(hub, clock):
    add_diary(hub, clock, concurrency=1, rate=(1, MINUTE))
    first = hub.start("fan_out", ["first"] * 100, start_at=NEW_YEAR + MINUTE)
    second = hub.start("fan_out", ["second"] * 2, start_at=NEW_YEAR + MINUTE)
    second.result(timeout=20)
    first.terminate()
    assert hub.run("fan_out", ["third"]) == ["third"]
    assert hub.queues[0].waiting == 0
    before = clock.now()
    hub.clock.run_until_idle()
    assert clock.now() == before, "nobody wakes up for calls that are not wanted any more"


def test_a_call_that_runs_when_its_instance_is_terminated_frees_its_place():
    with df.TaskHub(":memory:") as hub:
        has_begun, may_end = threading.Event(), threading.Event()

        @hub.activity(queue=df.Queue("gpu", concurrency=1))
        def ask(word):
            if word == "long":
                has_begun.set()
                assert may_end.wait(20)
            return word

        fan_out(hub)
        long = hub.start("fan_out", ["long", "never"])
        assert has_begun.wait(20)
        long.terminate()
        short = hub.start("fan_out", ["short"])
        _until(lambda: hub.queues[0].waiting == 1, hub)
        may_end.set()
        assert short.result(timeout=20) == ["short"]


def test_other_limits_hold_at_once_for_calls_that_wait(still, still_clock):
    ask = add_diary(still, still_clock, rate=(1, MINUTE))
    handle = still.start("fan_out", ["a", "b", "c", "d"])
    _until(lambda: len(ask.begun) == 1, still)
    still.add_activity(ask, "ask", queue=df.Queue("openai", rate=(2, MINUTE)))
    _until(lambda: len(ask.begun) == 2, still)
    still.add_queue(df.Queue("OpenAI", rate=(3, MINUTE)))
    _until(lambda: len(ask.begun) == 3, still)
    still.add_activity(ask, "ask")
    assert handle.result(timeout=20) == ["a", "b", "c", "d"]


def test_an_activity_moves_to_another_queue_with_its_calls():
    with df.TaskHub(":memory:") as hub:
        first, may_end = threading.Event(), threading.Event()

        def ask(word):
            first.set()
            assert may_end.wait(20)
            return word

        hub.add_activity(ask, queue=df.Queue("one", concurrency=1))
        fan_out(hub)
        handle = hub.start("fan_out", ["a", "b", "c"])
        assert first.wait(20)
        _until(lambda: [(q.waiting, q.running) for q in hub.queues] == [(2, 1)], hub)
        hub.add_activity(ask, queue=df.Queue("two", concurrency=2))
        _until(lambda: [(q.waiting, q.running) for q in hub.queues] == [(0, 0), (1, 2)], hub)
        may_end.set()
        assert handle.result(timeout=20) == ["a", "b", "c"]
        assert [(q.waiting, q.running) for q in hub.queues] == [(0, 0), (0, 0)]


def test_the_hubs_own_limit_holds_together_with_queues_and_starves_nobody():
    with df.TaskHub(":memory:", max_concurrency=1) as hub:
        begun, may_go = [], threading.Event()

        def work(word):
            begun.append(word)
            assert may_go.wait(20)

        hub.add_activity(work, "free")
        hub.add_activity(work, "queued", queue=df.Queue("gpu", concurrency=5))

        @hub.orchestrator
        def fan_out(context):
            yield context.task_all(
                [context.call_activity(name, name) for name in [*["queued"] * 20, *["free"] * 20]]
            )

        handle = hub.start(fan_out)
        _until(lambda: begun, hub)
        assert len(begun) == 1
        may_go.set()
        handle.result(timeout=20)
        assert len(begun) == 40
        assert begun[:20].count("free") in (9, 10, 11)


def test_entities_are_not_queued(kernel):
    @kernel.entity
    class Counter:
        def __init__(self):
            self.value = 0

        def add(self, amount: int):
            self.value += amount
            return self.value

    kernel.add_activity(lambda: None, "counter", queue=df.Queue("none", rate=(1, MINUTE)))

    @kernel.orchestrator
    def count(context):
        for _ in range(3):
            total = yield context.entity(Counter, "a").add(1)
        return total

    assert kernel.run(count) == 3


# -- what is shown -------------------------------------------------------------------------------


def test_queues_are_seen_in_the_hub_in_sql_and_in_the_instance(tmp_path):
    clock = df.VirtualClock(autojump=False)
    with df.TaskHub(tmp_path / "h.duckdb", clock=clock) as hub:
        ask = add_diary(hub, clock, concurrency=4, rate=(2, MINUTE))
        fan_out(hub)
        assert repr(hub.queues) == "[<queue openai: 0 waiting, 0 of 4 running, 2 per minute>]"
        handle = hub.start("fan_out", ["a", "b", "c", "d", "e"], instance_id="x")
        _until(lambda: len(ask.begun) == 2 and hub.queues[0].running == 0, hub)
        (queue,) = hub.queues
        assert (queue.waiting, queue.next_free) == (3, NEW_YEAR + MINUTE)
        says = "<queue openai: 3 waiting, 0 of 4 running, 2 per minute, next start 2026-01-01 00:01:00 UTC>"
        assert repr(queue) == says
        query = "select name, waiting, rate_count, rate_seconds, activities, next_free from queues"
        rows = [("openai", 3, 2, 60.0, ["ask"], datetime(2026, 1, 1, 0, 1))]
        _until(lambda: hub.sql(query).fetchall() == rows, hub)  # the engine knows of an end before the disk
        shown = handle._repr_mimebundle_()
        assert "waits for a place in openai \N{MULTIPLICATION SIGN} 3" in shown["text/plain"]
        assert "a place in openai" in shown["text/html"]
        assert "2 per minute" in hub._repr_mimebundle_()["text/html"]
        assert "2026-01-01 00:01:00" in hub._repr_mimebundle_()["text/html"]
        assert "openai  3        0 of 4" in hub._repr_mimebundle_()["text/plain"]
        assert "openai" in hub.queues._repr_mimebundle_()["text/html"]
    with df.open_history(tmp_path / "h.duckdb") as file:
        assert file.queues == [queue]
        assert "openai" in file._repr_mimebundle_()["text/plain"]


def test_the_live_view_of_a_hub_shows_its_queues_as_they_change(still, still_clock):
    view = still.watch().list
    assert view.queues == b""
    ask = add_diary(still, still_clock, rate=(1, MINUTE))
    view.refresh()
    assert b"no calls" in view.queues
    handle = still.start("fan_out", ["a", "b"])
    _until(lambda: len(ask.begun) == 1 and still.queues[0].waiting == 1, still)
    view.refresh()
    assert b"1 waiting" in view.queues
    assert b"1 per minute, next at 00:01:00" in view.queues
    still.add_queue(df.Queue("openai", rate=(1, 2 * MINUTE)))  # no event says so
    _until(lambda: still.queues[0].next_free == NEW_YEAR + 2 * MINUTE, still)
    view.refresh()
    assert b"next at 00:02:00" in view.queues
    handle.terminate()
    view.close()


def test_a_served_hub_shows_its_queues(still, still_clock):
    ask = add_diary(still, still_clock, rate=(1, MINUTE))
    server = still.serve(port=0, sql=True)
    with df.TaskHub.connect(server.url, key=server.key) as remote:
        handle = remote.start("fan_out", ["a", "b"], priority=-3)
        query = "select name, waiting from queues"
        _until(lambda: ask.begun and still.sql(query).fetchall() == [("openai", 1)], still)
        assert remote.queues == still.queues
        assert "waits for a place in openai" in handle._repr_mimebundle_()["text/plain"]
        assert remote.sql(query).fetchall() == [("openai", 1)]
    scheduled = [event for event in still.handle(handle.id).history() if isinstance(event, TaskScheduled)]
    assert {event.priority for event in scheduled} == {-3}


# -- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        ({"concurrency": 0}, ValueError, "concurrency of the queue 'q' is 0; expected at least 1"),
        ({"concurrency": -1}, ValueError, "expected at least 1"),
        ({"concurrency": 1.5}, TypeError, "expected a whole number"),
        ({"concurrency": True}, TypeError, "expected a whole number"),
        ({"rate": (0, MINUTE)}, ValueError, "0 calls in 0:01:00; expected at least 1 call"),
        ({"rate": (1, timedelta())}, ValueError, "expected a positive duration"),
        ({"rate": (1, -MINUTE)}, ValueError, "expected a positive duration"),
        ({"rate": 60}, TypeError, r"such as \(60, timedelta\(minutes=1\)\)"),
        ({"rate": (60, 60)}, TypeError, r"such as \(60, timedelta\(minutes=1\)\)"),
        ({}, ValueError, "has no limit. Give it a concurrency, a rate, or both"),
    ],
)
def test_wrong_limits_are_refused(arguments, kind, says):
    with pytest.raises(kind, match=says):
        df.Queue("q", **arguments)


@pytest.mark.parametrize(
    ("name", "kind"), [("", ValueError), (" ", ValueError), (7, TypeError), (None, TypeError)]
)
def test_a_queue_needs_a_name(name, kind):
    with pytest.raises(kind, match="expected text, such as Queue"):
        df.Queue(name, concurrency=1)


def test_an_unknown_queue_is_refused(kernel):
    with pytest.raises(ValueError, match=r"no queue 'gpu'\. It has: none\. Add the queue first"):
        kernel.add_activity(len, "length", queue="gpu")
    kernel.add_queue(df.Queue("GPUs", concurrency=1))
    with pytest.raises(ValueError, match=r"no queue 'gpu'\. Did you mean 'GPUs'\?"):
        kernel.add_activity(len, "length", queue="gpu")
    with pytest.raises(TypeError, match="queue is a int; expected a Queue"):
        kernel.add_activity(len, "length", queue=3)
    with pytest.raises(TypeError, match="Expected a Queue"):
        kernel.add_queue("gpu")
    with pytest.raises(ValueError, match="Give the queue a concurrency"):
        kernel.add_activity(len, "a", max_concurrency=2, queue=df.Queue("gpu", concurrency=1))


def test_two_different_queues_of_one_name_are_refused(kernel):
    one, two = df.Queue("gpu", concurrency=1), df.Queue("gpu", concurrency=2)
    kernel.add_activity(len, "a", queue=one)
    kernel.add_activity(len, "b", queue=one)
    says = "that of 'a', 'b' has the limits 1 at a time, and that of 'c' 2 at a time"
    with pytest.raises(ValueError, match=says):
        kernel.add_activity(len, "c", queue=two)
    kernel.add_activity(len, "a", queue=two)  # its cell was run again
    kernel.add_activity(len, "c", queue=two)
    assert kernel.queues[0].concurrency == 2
    assert kernel.queues[0].activities == ("a", "b", "c")


@pytest.mark.parametrize("priority", ["high", 1.5, True])
def test_a_priority_is_a_whole_number(kernel, priority):
    @kernel.orchestrator
    def wrong(context):
        yield context.call_activity("work", priority=priority)

    with pytest.raises(TypeError, match="expected a whole number"):
        kernel.start(wrong, priority=priority)
    with pytest.raises(df.TaskFailedError, match="expected a whole number"):
        kernel.run(wrong)


def test_a_priority_has_63_bits(kernel):
    kernel.add_orchestrator(lambda context: 1, "one")
    assert kernel.start("one", priority=-(2**63 - 1)).result() == 1
    says = "priority is 9223372036854775808; expected a number from -9,223,372,036,854,775,807 to"
    with pytest.raises(ValueError, match=says):
        kernel.start("one", priority=2**63)
