"""The rows of a timeline, as the browser is sent them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from durablenb.analysis.calls import CallState
from durablenb.analysis.generations import Generation, read_generations
from durablenb.model.events import Event, ExecutionStarted
from durablenb.model.runtime import RunningCall
from durablenb.notebook.live import timeline_feed
from durablenb.notebook.live.timeline_feed import TimelineFeed
from tests.notebook.reading import scene


@pytest.mark.parametrize("state", ["running", "queued", "open"])
def test_a_call_without_an_outcome_lasts_until_now(state: CallState) -> None:
    shown = scene("running")._shown()
    *others, call = shown.calls
    request: Any = call.attempts[-1].request
    runs = call.execution, RunningCall(call.name, "", request.task_id, 1, shown.events[-1].timestamp)
    feed = TimelineFeed()
    news = feed.news(replace(shown, calls=(*others, call.in_state(state))), [runs])
    *_, row = news["runs"][0]
    assert row[6] == -1
    assert [position for position, *_ in news["running"]] == [len(others)]
    assert feed.news(replace(shown, calls=(*others, call.in_state("completed"))), [runs])["running"] == []


def test_an_instance_without_events_has_no_rows() -> None:
    assert TimelineFeed().news(replace(scene("pending")._shown(), events=(), calls=())) == {}


def test_the_generations_are_read_again_only_when_there_is_another_one(monkeypatch: Any) -> None:
    lengths: list[int] = []

    def read(events: Sequence[Event]) -> list[Generation]:
        lengths.append(len(events))
        return read_generations(events)

    monkeypatch.setattr(timeline_feed, "read_generations", read)
    shown = scene("continued")._shown()
    begun = [number for number, event in enumerate(shown.events) if isinstance(event, ExecutionStarted)]
    feed = TimelineFeed()
    for end in (begun[-1] + 1, begun[-1] + 2, len(shown.events) - 1, len(shown.events), len(shown.events)):
        feed.news(replace(shown, events=shown.events[:end]))
    assert lengths == [begun[-1] + 1, len(shown.events)]
    assert feed._sent["generations"] == TimelineFeed().news(shown)["generations"]
