"""The rows of a timeline, as the browser is sent them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from durablenb.analysis.calls import CallState
from durablenb.model.runtime import RunningCall
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
