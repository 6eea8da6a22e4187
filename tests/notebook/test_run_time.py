"""The time that an instance ran leaves out the time before a fork was made, or before a rewind."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import durablenb as df
from durablenb.analysis.generations import read_generations
from durablenb.analysis.run_time import PauseReader, RunTime, read_run_time, running_time
from durablenb.notebook.live.timeline_feed import TimelineFeed
from tests.notebook.reading import page_of

HOURS = timedelta(hours=3)


@pytest.fixture
def made() -> Any:
    """A hub with an orchestration that waited for 10 s, asked and was answered, with a clock to move."""
    clock = df.VirtualClock()
    hub = df.TaskHub(":memory:", mode="kernel", clock=clock)
    answers: list[Any] = [ValueError("not now")]

    def ask(text: str) -> str:
        if isinstance(answers[0], Exception):
            raise answers[0]
        clock.advance(seconds=2)
        return text

    hub.add_activity(ask, name="ask")

    @hub.orchestrator
    def asking(context: Any) -> Any:
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=10))
        yield context.call_activity("ask", "how")

    hub.handle_of = lambda: hub.start(asking, instance_id="origin")
    hub.answers = answers
    yield hub
    hub.close()


@pytest.fixture
def fork(made: Any) -> Any:
    """A fork that was made three hours after its origin had asked."""
    made.answers[0] = "well"
    origin = made.handle_of()
    origin.result()
    made.clock.advance(HOURS)
    asked = next(event.event_id for event in origin.history() if type(event).__name__ == "TaskScheduled")
    forked = origin.fork(at=asked, instance_id="fork")
    forked.result()
    return forked


def duration_of(hub: Any, instance_id: str) -> timedelta:
    query = "select duration from instances where instance_id = ?"
    return hub.sql(query, params=[instance_id]).fetchall()[0][0]


def test_a_fork_has_its_own_time_and_names_the_past_that_it_shares(made: Any, fork: Any) -> None:
    expected = "2 s after 10 s shared with origin"
    comparison = df.compare(made.handle("origin"), fork)
    assert f"b: fork, {expected}, Completed" in str(comparison)
    assert expected in page_of(comparison).text
    assert comparison.b.duration == timedelta(seconds=12) == comparison.a.duration
    assert "2 s in all after 10 s shared with origin" in " ".join(page_of(fork).picture(-1).texts)
    assert expected in page_of(fork.card()).text
    assert TimelineFeed().news(fork._shown())["took"] == "2 s in all after 10 s shared with origin"
    assert TimelineFeed().news(made.handle("origin")._shown())["took"] == ""
    assert fork.progress()._shown().took == timedelta(seconds=2)
    assert duration_of(made, "fork") == timedelta(seconds=2)


def test_a_call_that_a_fork_requests_again_is_scheduled_when_it_is_made(made: Any, fork: Any) -> None:
    timer, asked = df.compare(made.handle("origin"), fork)
    assert timer.durations == (timedelta(seconds=10), timedelta(seconds=10))
    assert asked.durations == (timedelta(seconds=2), timedelta(seconds=2))


def test_a_fork_without_events_of_its_own_has_run_since_it_was_made(fork: Any) -> None:
    shared = fork.history()[: fork.status().forked_at]
    (origin,) = shared[0].forked_from
    ran = read_run_time(shared, origin.time + timedelta(seconds=3))
    assert str(ran) == "3 s after 10 s shared with origin"


def test_a_fork_of_a_fork_leaves_out_both_pauses(made: Any, fork: Any) -> None:
    made.clock.advance(HOURS)
    again = fork.fork(instance_id="again")
    again.result()
    assert str(df.compare(fork, again).b.run_time) == "0 s after 12 s shared with fork"


def test_a_rewound_instance_leaves_out_the_time_between_the_failure_and_the_rewind(made: Any) -> None:
    handle = made.handle_of()
    with pytest.raises(df.TaskFailedError):
        handle.result()
    made.clock.advance(HOURS)
    made.answers[0] = "well"
    handle.rewind("it is there again")
    handle.result()
    assert duration_of(made, "origin") == timedelta(seconds=12)
    assert handle.progress()._shown().took == timedelta(seconds=12)
    assert "12 s in all, without 3 h before a rewind" in " ".join(page_of(handle).picture(-1).texts)
    fork = handle.fork(instance_id="fork")
    assert df.compare(handle, fork).a.duration == timedelta(seconds=12)


def test_histories_of_earlier_versions_have_no_time_of_the_fork(fork: Any) -> None:
    started, *rest = fork.history()
    (origin,) = started.forked_from
    started = replace(started, forked_from=(replace(origin, time=None),))
    ran = read_run_time([started, *rest], rest[-1].timestamp)
    assert ran == RunTime(HOURS + timedelta(seconds=14))


def test_pauses_count_as_far_as_they_lie_within_the_time() -> None:
    clock = df.VirtualClock()
    at = [clock.now() + timedelta(seconds=second) for second in range(5)]
    assert running_time(at[0], at[4], [(at[1], at[2])]) == timedelta(seconds=3)
    assert running_time(at[2], at[4], [(at[1], at[3])]) == timedelta(seconds=1)
    assert running_time(at[0], at[1], [(at[1], at[3])]) == timedelta(seconds=1)
    assert PauseReader().until(at[0]) == []


def test_a_generation_leaves_out_the_time_before_a_fork() -> None:
    clock = df.VirtualClock()
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:

        @hub.orchestrator
        def polling(context: Any) -> Any:
            yield context.create_timer(context.current_utc_datetime + timedelta(seconds=10))
            if context.get_input() == 0:
                context.continue_as_new(1)

        origin = hub.start(polling, 0, instance_id="origin")
        origin.result()
        last = origin.history()[-1].event_id
        clock.advance(HOURS)
        fork = origin.fork(at=last - 2, instance_id="fork")
        fork.result()
        assert [one.took for one in read_generations(fork.history())] == [timedelta(seconds=10)]
        assert [one.took for one in read_generations(origin.history())] == 2 * [timedelta(seconds=10)]
