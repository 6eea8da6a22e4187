"""What stands where in a timeline: a lane for each name, in it as few rows as there are calls at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush

from durablenb.analysis.calls import Call
from durablenb.analysis.timeline import Span
from durablenb.notebook.lanes import Lane

MOST_LANES = 30
"""Names that have a lane of their own."""

_FEW = 40
"""Calls of a lane up to which it shows how long each was queued."""

_MOST_ROWS = 8
"""Rows that are as high as a line of text; more share the room of these."""

MOST_APART = 20_000
"""Marks of a kind that are drawn one by one; of more, those that no eye can tell apart are one."""

LEVELS = 40
"""Heights within a line of text that are told apart."""

_APART = 0.45


@dataclass(frozen=True, slots=True)
class Row:
    """A call and where it stands: `middle` and `height` in lines, from the top.

    Of rows that are too thin to be seen apart some are drawn, and stand for the others: `is_drawn`.
    """

    call: Call
    middle: float
    height: float
    is_drawn: bool


class Band:
    """A lane and its rows, from `top` downwards.

    Parameters
    ----------
    lane
        Its calls.
    top
        Where it begins.
    """

    def __init__(self, lane: Lane, top: float) -> None:
        self.lane = lane
        self.top = top
        self.is_queue_shown = len(lane.calls) <= _FEW
        """Whether a call's bar begins where it was asked for; else where it began to run."""
        self._places, rows = _packed(lane.calls, self._begin, lane.end)
        self.height = float(min(rows, _MOST_ROWS))
        self.row = self.height / rows
        """How high a row is."""
        thin = int(1 / (LEVELS * self.row)) if len(lane.calls) > MOST_APART else 1
        self._each = max(thin, 1)  # of so many rows one is drawn

    @property
    def bottom(self) -> float:
        """Where the next lane may begin."""
        return self.top + self.height + _APART

    @property
    def middle(self) -> float:
        """Where its name stands."""
        return self.top + self.height / 2

    @property
    def label(self) -> str:
        """Its name, and how many calls it has."""
        count = len(self.lane.calls)
        return self.lane.name if count == 1 else f"{self.lane.name} \N{MULTIPLICATION SIGN} {count:,}"

    def rows(self) -> Iterator[Row]:
        """Yield each call with its place."""
        height = self.row * self._each
        for call, place in zip(self.lane.calls, self._places, strict=True):
            level, left = divmod(place, self._each)
            yield Row(call, self.top + (level + 0.5) * height, height, left == 0)

    def end_of(self, call: Call, span: Span) -> datetime:
        """When a span ends, or how far it has come."""
        return self.lane.end_of(call, span)

    def _begin(self, call: Call) -> datetime:
        return call.asked if self.is_queue_shown else call.attempts[0].started


def bands_of(calls: Iterable[Call], now: datetime | None, top: float) -> list[Band]:
    """Return a lane for each kind and name, in the order of the first calls; what is too much shares one."""
    groups: dict[tuple[str, str], list[Call]] = {}
    for call in calls:
        groups.setdefault((call.kind, call.name), []).append(call)
    lanes = [Lane(several[0].name, several[0].kind, several, now) for several in groups.values()]
    if len(lanes) > MOST_LANES:
        rest = [call for lane in lanes[MOST_LANES - 1 :] for call in lane.calls]
        lanes = [
            *lanes[: MOST_LANES - 1],
            Lane(f"{len(lanes) - MOST_LANES + 1:,} more", "activity", rest, now),
        ]
    bands: list[Band] = []
    for lane in lanes:
        bands.append(Band(lane, bands[-1].bottom if bands else top))
    return bands


def _packed(
    calls: Iterable[Call], begin_of: Callable[[Call], datetime], end_of: Callable[[Call], datetime]
) -> tuple[list[int], int]:
    """Return the row of each call, the topmost one that is free, and how many rows there are."""
    found = [(begin_of(call), place, call) for place, call in enumerate(calls)]
    rows = [0] * len(found)
    taken: list[tuple[datetime, datetime, int]] = []  # until when, since when
    free: list[int] = []
    count = 0
    for begin, place, call in sorted(found, key=lambda one: one[:2]):
        while taken and taken[0][0] <= begin and taken[0][1] < begin:
            heappush(free, heappop(taken)[2])
        if not free:
            heappush(free, count)
            count += 1
        rows[place] = heappop(free)
        heappush(taken, (end_of(call), begin, rows[place]))
    return rows, count
