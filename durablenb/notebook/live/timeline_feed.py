"""The calls of an instance as rows for the timeline in the browser: each message has only what is new."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

from durablenb.analysis.calls import CALL_STATES, IN_FLIGHT, Call, lane_name, shared_name
from durablenb.analysis.generations import read_generations
from durablenb.analysis.run_time import PauseReader, read_run_time
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.analysis.timeline import ENTITY_KINDS, Span
from durablenb.model.events import Ending, Event, TaskKind
from durablenb.model.runtime import RunningCall
from durablenb.notebook.palette import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    LOOKS,
    RED,
    SOLIDS,
    STATE_LOOKS,
    TINTS,
    VIOLET,
    Look,
)
from durablenb.notebook.still.time_scale import folded_pieces
from durablenb.notebook.still.timeline import AREA, BUSY, MOST_LANES
from durablenb.notebook.still.timeline_lanes import ASKED, BAND, make_lanes
from durablenb.notebook.svg import HAIR, INK, MUTED, PLATE, RIM
from durablenb.notebook.words import operation_and_entity, states_text

Row = list[Any]

_MICROSECOND = timedelta(microseconds=1)
_OPEN = (*IN_FLIGHT, "retrying", "not loaded")

_COLOURS = {
    "ink": INK,
    "muted": MUTED,
    "hair": HAIR,
    "rim": RIM,
    "plate": PLATE,
    "band": BAND,
    "asked": ASKED,
    "failed": RED,
    "bad": SOLIDS[RED],
    "path": SOLIDS[VIOLET],
    "retry": SOLIDS[AMBER],
    "focus": BLUE,
    "window": TINTS[BLUE],
}


def _pair(look: Look) -> tuple[str, str]:
    return look.solid, look.tint


_WORDED: tuple[TaskKind, ...] = ("activity", "timer", "external event", "lock", "signal")

_STYLE = {
    "states": CALL_STATES,
    "colours": _COLOURS,
    "looks": [_pair(STATE_LOOKS[state]) for state in CALL_STATES],
    "waiting": _pair(LOOKS["Waiting"]),
    "endings": {word: _pair(LOOKS[word]) for word in ("Completed", "Failed", "Running", "ContinuedAsNew")},
    "series": [SOLIDS[colour] for colour in (BLUE, AMBER, GREEN, VIOLET, GREY)],
    "words": {
        kind: {state: states_text({state: 1}, kind).removeprefix("1 ") for state in CALL_STATES}
        for kind in _WORDED
    },
}
"""The states, and their colours on a light page, which are names for the browser."""


class TimelineFeed:
    """Packs the calls of an instance for the browser, which draws them and zooms by itself.

    Times are microseconds since the first event. A call is a list: what it calls, its state, its execution,
    its number, when it was scheduled, how long it waited, how long it ran (-1: it is open), and its worker.
    Of the number and the next two, there is the difference from the call before it. A call with several
    attempts, pauses, a critical section or a remembered result has a dictionary as well.
    """

    def __init__(self) -> None:
        self.id = uuid4().hex[:12]
        """Identifies the feed: another instance has another one."""
        self.restart()

    def restart(self) -> None:
        """Send everything again: a page has none of it."""
        self._version = 0
        self._begin: datetime | None = None
        self._end: datetime | None = None
        self._read = 0  # events whose times are in the two above
        self._episodes = 0  # those that were sent
        self._idle = PauseReader()
        self._calls: list[Call] = []
        self._busy: list[list[tuple[float, float]]] = []
        self._open: dict[tuple[int, int], int] = {}  # positions of open calls, by execution and open task
        self._whats: dict[tuple[TaskKind, str, str], tuple[int, Call]] = {}
        self._workers: dict[str, int] = {}
        self._sent: dict[str, Any] = {}
        self._told: tuple[int, Event | None] = (0, None)  # the executions, and the end, of these generations
        self._spoken: list[tuple[int, int, int, int, str]] = []

    def news(
        self,
        shown: InstanceSnapshot,
        running: Iterable[tuple[int, RunningCall]] = (),
        path: Container[tuple[int, int]] = (),
    ) -> dict[str, Any]:
        """Return what has changed since the last message; empty if nothing has.

        Parameters
        ----------
        shown
            The instance.
        running
            Calls that run, each with the number of its execution.
        path
            Tasks to highlight, each by its execution and its id.
        """
        if len(shown.calls) < len(self._calls):  # a rewind has replaced some
            self.restart()
        self._measure(shown)
        if self._begin is None:
            return {}  # nothing has happened yet
        runs = self._changed(shown.calls)
        end = self._at(self._last(shown))
        fields: dict[str, Any] = {
            "style": _STYLE,
            "begin": self._begin.timestamp(),
            "end": end,
            "took": self._took(shown),
            "open": shown.now is not None,
            "whats": self._named(shown.now),
            "workers": list(self._workers),
            "pieces": self._pieces(end / 1e6),
            "generations": self._generations(shown),
            "running": self._running(running),
            "path": self._positions(path),
        }
        changed = {name: value for name, value in fields.items() if self._sent.get(name, self) != value}
        self._sent = fields
        episodes = [self._at(moment) for moment in shown.episodes[self._episodes :]]
        if not changed and not runs and not episodes:
            return {}
        self._episodes += len(episodes)
        changed |= {"episodes": episodes}
        base, self._version = self._version, self._version + 1
        return {"feed": self.id, "base": base, "version": self._version, "runs": runs, **changed}

    # -- inside ----------------------------------------------------------------------------------

    def _at(self, moment: datetime) -> int:
        assert self._begin is not None
        return (moment - self._begin) // _MICROSECOND

    def _measure(self, shown: InstanceSnapshot) -> None:
        times = []
        for event in islice(shown.events, self._read, None):
            times.append(event.timestamp)
            self._idle.read_event(event)
        self._read = len(shown.events)
        if not times:
            return
        self._begin = min(times) if self._begin is None else self._begin
        self._end = max(times) if self._end is None else max(self._end, *times)

    def _last(self, shown: InstanceSnapshot) -> datetime:
        assert self._end is not None
        return self._end if shown.now is None else max(self._end, shown.now)

    def _took(self, shown: InstanceSnapshot) -> str:
        """Return how long it ran, in words, if that isn't all of the time from the first event to the end."""
        last = self._last(shown)
        pauses = self._idle.until(last)
        return read_run_time(shown.events, last, pauses).text(" in all") if pauses else ""

    def _changed(self, calls: Sequence[Call]) -> list[list[Any]]:
        """Return the changed calls: for each run of neighbours the position of the first, and rows."""
        before, self._calls = self._calls, list(calls)
        runs: list[list[Any]] = []
        last = -2
        for position, call in enumerate(calls):
            if position < len(before) and (before[position] is call or before[position] == call):
                continue
            if position != last + 1:
                runs.append([position])
                number = scheduled = waited = 0
            row = self._row(call)
            before_it, number, scheduled, waited = (number, scheduled, waited), *row[3:6]
            row[3:6] = [value - of for value, of in zip(row[3:6], before_it, strict=True)]
            runs[-1].append(row)
            last = position
            self._note(position, call)
        return runs

    def _note(self, position: int, call: Call) -> None:
        """Remember when a call was busy, and whether it is open."""
        while len(self._busy) <= position:
            self._busy.append([])
        self._busy[position] = [
            (self._at(span.scheduled) / 1e6, _end(call, span, self._at(span.ended)) / 1e6)
            for span in (call.attempts if call.kind in BUSY else ())
        ]
        keys = [(call.execution, getattr(span.request, "task_id", -1)) for span in call.attempts]
        for key in keys:
            self._open.pop(key, None)
        if call.state in _OPEN:
            self._open[keys[-1]] = position

    def _row(self, call: Call) -> Row:
        first, last = call.attempts[0], call.attempts[-1]
        row: Row = [self._what(call), CALL_STATES.index(call.state), call.execution, call.number]
        row += [self._at(call.scheduled), *self._span(call, first)]
        more: dict[str, Any] = {}
        if len(call.attempts) > 1:
            more["tries"] = [
                [self._at(span.scheduled) - self._at(call.scheduled), *self._span(call, span),
                 CALL_STATES.index(span.state)]
                for span in call.attempts
            ]  # fmt: skip
        if call.pauses:
            at = self._at(call.scheduled)
            more["pauses"] = [
                [self._at(span.scheduled) - at, _end(call, span, self._at(span.ended) - at)]
                for span in call.pauses
            ]
        if last.kind == "lock" and last.state == "completed":
            more["left"] = -1 if last.released is None else self._at(last.released)
        if last.is_cached:
            more["cached"] = 1
        return [*row, more] if more else row

    def _span(self, call: Call, span: Span) -> tuple[int, int, int]:
        """Return how long an attempt waited and ran, and its worker."""
        started = span.scheduled if span.state == "open" else span.started
        waited = (started - span.scheduled) // _MICROSECOND
        ran = _end(call, span, (span.ended - started) // _MICROSECOND)
        worker = getattr(span.answer, "worker", None)
        place = -1 if worker is None else self._workers.setdefault(worker, len(self._workers))
        return waited, ran, place

    def _what(self, call: Call) -> int:
        key = (call.kind, call.name, call.cluster_worker)
        known = self._whats.get(key)
        if known is None:
            known = self._whats[key] = (len(self._whats), call)
        return known[0]

    def _named(self, now: datetime | None) -> list[tuple[str, TaskKind, int, str, str]]:
        """Return the name, the kind and the lane of each call, as in the still picture."""
        if "whats" in self._sent and len(self._sent["whats"]) == len(self._whats):
            return list(self._sent["whats"])
        calls = [call for _, call in self._whats.values()]
        lanes = make_lanes(calls, now, MOST_LANES, lane_name(calls, MOST_LANES, shared_name(calls)))
        lane_of = {id(call): (number, lane) for number, lane in enumerate(lanes) for call in lane.calls}
        named = []
        for call in calls:
            number, lane = lane_of[id(call)]
            is_entity = lane.kind in ENTITY_KINDS
            label, entity = operation_and_entity(lane.name, lane.calls[0]) if is_entity else (lane.name, "")
            named.append((call.name, call.kind, number, label, entity))
        return named

    def _pieces(self, total: float) -> list[tuple[float, float, float, float, bool]]:
        """Return the parts of the time axis, with their places as fractions of its width."""
        busy = ((begin, total if end < 0 else end) for several in self._busy for begin, end in several)
        width = AREA[1] - AREA[0]
        pieces = folded_pieces(total, busy, 0, width)
        return [
            (piece.begin * 1e6, piece.end * 1e6, piece.left / width, piece.right / width, piece.is_fold)
            for piece in pieces
        ]

    def _generations(self, shown: InstanceSnapshot) -> list[tuple[int, int, int, int, str]]:
        """Return the execution of each generation, its number, its begin, its end, and how it ended."""
        if not shown.flow.generation:
            return []
        ending = shown.events[-1] if isinstance(shown.events[-1], Ending) else None
        if self._told != (shown.executions, ending):  # else only the current one has new events
            self._told = (shown.executions, ending)
            self._spoken = [
                (one.execution, one.number, self._at(one.began), self._at(one.ended) if one.ending else -1,
                 one.word)
                for one in read_generations(shown.events)
            ]  # fmt: skip
        return self._spoken

    def _running(self, running: Iterable[tuple[int, RunningCall]]) -> list[tuple[int, int, str]]:
        """Return the calls that run: the position of each, when it began, and its worker."""
        found = []
        for execution, call in running:
            position = self._open.get((execution, call.task_id))
            if position is not None:
                found.append((position, self._at(call.started_at), call.worker or ""))
        return found

    def _positions(self, path: Container[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the spans of a path: the position of the call, and that of the span within the call."""
        if not path:
            return []
        return [
            (position, number)
            for position, call in enumerate(self._calls)
            for number, span in enumerate((*call.attempts, *call.pauses))
            if (call.execution, getattr(span.request, "task_id", -1)) in path
        ]


def _end(call: Call, span: Span, ended: int) -> int:
    """Return the end of a span; -1 if it is open, and lasts until now."""
    return -1 if span.state == "open" and call.state in _OPEN else ended
