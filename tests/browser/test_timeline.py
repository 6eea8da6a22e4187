"""Rules of the timeline that are written in Python and in JavaScript: both agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from durablenb.notebook.static_files import static_text
from durablenb.notebook.still.time_scale import Scale
from durablenb.notebook.still.timeline_lanes import assign_rows
from durablenb.notebook.words import lasting

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Interval:
    begin: datetime
    end: datetime


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    opened.add_script_tag(content=static_text("timeline_data.js"))
    yield opened
    opened.close()


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def test_durations_have_the_same_words(page: Page) -> None:
    times = [0.0, 1e-6, 4e-4, 0.012, 0.9996, 1.0, 3.21, 61, 113.9, 114, 290, 5_400, 6_839, 6_840]
    times += [7_199.7, 7_500, 345_599, 345_600, 363_600, 119 * 86_400 + 50_000, 120 * 86_400 + 50_000, 1e9]
    words = page.evaluate("times => times.map((time) => lasting(time))", [time * 1e6 for time in times])
    assert words == [lasting(time) for time in times]


def test_a_tick_has_the_units_that_its_step_needs(page: Page) -> None:
    ticks = [(150, 30), (150.25, 0.05), (7_530, 30), (7_500, 300), (360_000, 3_600), (0.25, 0.05)]
    words = page.evaluate("ticks => ticks.map(([time, step]) => lasting(time * 1e6, step))", ticks)
    assert words == ["2 min 30 s", "2 min 30.25 s", "2 h 5 min 30 s", "2 h 5 min", "4 d 4 h", "250 ms"]


@pytest.mark.parametrize("seed", range(4))
def test_calls_are_packed_into_the_same_rows(page: Page, seed: int) -> None:
    random = Random(seed)
    begins = [random.randrange(60) for _ in range(200)]  # several begin at once, some take no time
    spans = [(begin, begin + random.choice((0, 0, 3, 17))) for begin in begins]
    intervals: list[Any] = [Interval(at(begin), at(end)) for begin, end in spans]
    rows, count = assign_rows(intervals, lambda one: one.begin, lambda one: one.end)  # type: ignore[attr-defined]
    assert page.evaluate("spans => packed(spans, 1000)", spans) == {"rows": rows, "count": count}
    assert page.evaluate("([spans, most]) => packed(spans, most)", [spans, count - 1]) is None


def test_times_have_the_same_places_and_ticks(page: Page) -> None:
    busy = [(at(0), at(4)), (at(3_604), at(3_609)), (at(7_300), at(7_301))]
    scale = Scale(BEGIN, at(7_301), busy, 0, 670)
    assert sum(piece.is_fold for piece in scale.pieces) == 2
    pieces = [
        (one.begin * 1e6, one.end * 1e6, one.left / 670, one.right / 670, one.is_fold) for one in scale.pieces
    ]
    times = [0, 2, 4, 1_000, 3_604, 3_606.5, 5_000, 7_300.5, 7_301]
    shares, back, ticks = page.evaluate(
        "([pieces, times]) => { const axis = new TimelineAxis(pieces, 7301e6, 0);"
        " const shares = times.map((time) => axis.share(time * 1e6));"
        " const ticks = axis.ticks({left: 0, right: 1}, 670, false)"
        "     .map(([time, words]) => [axis.share(time), words]);"
        " return [shares, shares.map((share) => axis.time(share) / 1e6), ticks]; }",
        [pieces, times],
    )
    assert [670 * share for share in shares] == pytest.approx([scale.position(at(time)) for time in times])
    assert back == pytest.approx(times)
    assert [670 * share for share, _ in ticks] == pytest.approx([x for x, _ in scale.ticks()])
    first = [words for _, words in scale.ticks()][:3]
    assert [words for _, words in ticks][:3] == first
