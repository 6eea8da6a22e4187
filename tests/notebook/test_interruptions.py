"""An attempt that a crash interrupted is shown as one, and not as time in a queue."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import durablenb as df
from durablenb.analysis.interruptions import tries_by_task, with_interruptions
from durablenb.analysis.snapshot import SnapshotBuilder, instance_snapshot
from durablenb.model.activities import ActivityAttempt
from durablenb.model.runtime import RuntimeInfo
from durablenb.notebook.live.details import call_detail
from durablenb.notebook.live.timeline_feed import TimelineFeed
from durablenb.notebook.still.timeline import timeline_svg
from tests.notebook.reading import Page, Picture

SECOND = timedelta(seconds=1)


class Made:
    """The history of a call that began at 2 s, last reported at 5 s, and was made again at 60 s for 3 s."""

    def __init__(self) -> None:
        clock = df.VirtualClock()
        hub = df.TaskHub(":memory:", mode="kernel", clock=clock)
        hub.add_activity(lambda text: text, name="work")

        @hub.orchestrator
        def working(context: Any) -> Any:
            return (yield context.call_activity("work", "it"))

        handle = hub.start(working, instance_id="w")
        handle.result()
        self.status = handle.status()
        self.begin = clock.now()
        self.events = [self._moved(event) for event in handle.history()]
        hub.close()

    def _moved(self, event: Any) -> Any:
        name = type(event).__name__
        if name == "TaskCompleted":
            return replace(event, timestamp=self.at(63), started_at=self.at(60), worker="thread 1")
        return replace(event, timestamp=self.at(63 if event.event_id > 4 else 0))

    def at(self, second: float) -> Any:
        return self.begin + second * SECOND

    def row(self, attempt: int, began: float, reported: float | None = None) -> ActivityAttempt:
        told = None if reported is None else self.at(reported)
        return ActivityAttempt("w", "e", 0, "key", attempt, 1, self.at(began), "thread 1", reported_at=told)


@pytest.fixture(scope="module")
def made() -> Made:
    return Made()


def spans_of(made: Made, call: Any) -> list[tuple[str, int, float, float, float]]:
    def seconds(moment: Any) -> float:
        return (moment - made.begin) / SECOND

    return [
        (span.state, span.attempt, *map(seconds, (span.scheduled, span.started, span.ended)))
        for span in call.attempts
    ]


def test_the_attempt_before_the_last_one_was_interrupted(made: Made) -> None:
    tries = [made.row(1, 2, 5), made.row(2, 60)]
    shown = instance_snapshot(made.status, made.events, tries=tries)
    (call,) = shown.calls
    assert spans_of(made, call) == [("interrupted", 1, 0, 2, 5), ("completed", 2, 5, 60, 63)]
    assert (call.state, call.scheduled, call.ended) == ("completed", made.at(0), made.at(63))


def test_the_still_timeline_has_it_and_its_legend(made: Made) -> None:
    shown = instance_snapshot(made.status, made.events, tries=[made.row(1, 2, 5), made.row(2, 60)])
    drawn = timeline_svg(shown)
    assert drawn is not None
    picture = Picture("", drawn[0])
    titles = picture.titles
    assert {"work, attempt 1: interrupted, 5 s", "queued for 2 s", "began again after 55 s"} <= set(titles)
    assert "work, attempt 2: completed, 58 s" in titles
    assert "interrupted" in picture.texts


def test_a_single_known_try_of_a_call_that_ended_is_its_own(made: Made) -> None:
    shown = instance_snapshot(made.status, made.events, tries=[made.row(1, 60, 61)])
    assert spans_of(made, shown.calls[0]) == [("completed", 1, 0, 60, 63)]


@pytest.mark.parametrize(
    ("running", "states"),
    [((), ["interrupted", "queued"]), ((0,), ["open"]), (None, ["open"])],
)
def test_of_an_open_call_only_an_engine_knows_that_it_no_longer_runs(
    made: Made, running: Any, states: list[str]
) -> None:
    info = RuntimeInfo(running_ids=None if running is None else frozenset(running))
    shown = instance_snapshot(made.status, made.events[:3], info, made.at(70), tries=[made.row(1, 2, 5)])
    (call,) = shown.calls
    assert [span.state for span in call.attempts] == [state.replace("queued", "open") for state in states]
    assert (call.state == "queued") == ("queued" in states)


def test_the_live_timeline_and_the_detail_of_the_call_have_it(made: Made) -> None:
    builder = SnapshotBuilder()
    builder.read(made.events)
    tries = tries_by_task([made.row(1, 2, 5), made.row(2, 60)])
    shown, again = (
        builder.snapshot(made.status, None, made.at(70), lambda _: {}, (), tries) for _ in range(2)
    )
    assert shown.calls[0] is again.calls[0]  # an unchanged call isn't sent again
    assert shown.flow.steps[0].calls[0] is shown.calls[0]
    news = TimelineFeed().news(shown)
    states = news["style"]["states"]
    ((_, row),) = news["runs"]
    first, second = row[-1]["tries"]
    assert (states[first[-1]], first[1] / 1e6, first[2] / 1e6) == ("interrupted", 2, 3)
    assert (states[second[-1]], second[0] / 1e6, second[1] / 1e6, second[2] / 1e6) == ("completed", 5, 55, 3)
    text = Page(call_detail(shown.calls[0], [])).text
    assert "interrupted" in text
    assert "3 s or longer" in text


def test_calls_without_known_tries_stay_the_same_objects(made: Made) -> None:
    (call,) = instance_snapshot(made.status, made.events).calls
    assert with_interruptions(call, {}) is call
    assert with_interruptions(call, tries_by_task([made.row(1, 60)])) is call
