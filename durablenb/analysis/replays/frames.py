"""The replays of an instance as plain data, from which a page without a kernel can show each step.

An execution with ``n`` awaits and ``r`` replays may have ``n * r / 2`` steps. They are made of ``n + r``
frames: at an await a replay either continues, which looks the same in all replays, or ends.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from math import inf
from operator import attrgetter
from typing import Any, TypedDict

from durablenb.analysis.replays import sentences
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import MissingAnswers
from durablenb.core.trace import Await

AWAITS = 20_000
"""Maximum awaits of all executions of a page; the oldest executions are left out."""

EXECUTIONS = 100
"""Maximum executions of a page; the oldest ones are left out."""

NAMES = 40
"""Maximum variables of a step."""

CHARACTERS = 20_000_000
"""Maximum characters of the variables of an execution; later ones are shown as an ellipsis."""

_id = attrgetter("event_id")

Hide = Callable[[str], str]
"""Returns a text as it may be shown."""


class ExecutionFrames(TypedDict):
    """The frames of one execution, as JSON values.

    Parameters
    ----------
    number
        The execution's number, from 1.
    execution_id
        Its id in the history.
    is_changed
        Whether its code has changed since it began.
    code
        The numbers and texts of the code's lines; None if the source isn't at hand.
    awaits, replays, end
        The frames.
    """

    number: int
    execution_id: str
    is_changed: bool
    code: list[tuple[int, str]] | None
    awaits: list[dict[str, Any]]
    replays: list[dict[str, Any]]
    end: dict[str, Any] | None


class Frames:
    """The frames of the newest executions of an instance.

    Parameters
    ----------
    executions
        The frames of each execution, oldest first.
    left_out
        The number of older executions that are left out.
    missing
        The reason why there are none, or not all; empty otherwise.
    """

    def __init__(self, executions: list[ExecutionFrames], left_out: int = 0, missing: str = "") -> None:
        self.executions = executions
        self.left_out = left_out
        self.missing = missing


def collect_frames(replays: Iterable[tuple[int, str, Replay]], hide: Hide, *, values: bool) -> Frames:
    """Return the frames of executions, newest first, as far as there is room for them.

    Parameters
    ----------
    replays
        The number and the id of each execution, and its replays; the newest one first. Those for which there
        is no room aren't asked for.
    hide
        Redacts variables and printed lines.
    values
        Whether variables, printed lines and results are included.
    """
    kept: list[ExecutionFrames] = []
    room = AWAITS
    for number, execution_id, replay in replays:
        awaits = len(replay.trace.awaits)
        room -= awaits
        if room < 0 or len(kept) == EXECUTIONS:
            why = f"Execution {number:,} has {awaits:,} awaits; a page holds {AWAITS:,}." if not kept else ""
            return Frames(kept[::-1], number, why)
        if len(replay):
            kept.append(_execution(number, execution_id, replay, hide, values=values))
    return Frames(kept[::-1])


def _execution(
    number: int, execution_id: str, replay: Replay, hide: Hide, *, values: bool
) -> ExecutionFrames:
    names = _Names(hide) if values else None
    code = None if replay.source is None else sorted(replay.source.lines.items())
    return {
        "number": number,
        "execution_id": execution_id,
        "is_changed": replay.began_with is not None,
        "code": code,
        "awaits": [_await(reached, replay, hide, names) for reached in replay.trace.awaits],
        "replays": [*_replays(replay)],
        "end": _end(replay, hide, names),
    }


def _await(reached: Await, replay: Replay, hide: Hide, names: _Names | None) -> dict[str, Any]:
    frame: dict[str, Any] = {
        "episode": reached.episode,
        "line": reached.line,
        "now": _time(reached.now),
        "awaits": sentences.awaited_text(reached, replay.requests),
    }
    if reached.answered_in is not None:
        frame["answered"] = reached.answered_in
        frame["says"] = sentences.answered_sentence(reached, replay.requests)
        frame["answers"] = sorted(reached.answers.values())
    if reached.requests:
        frame["requests"] = [event.event_id for event in reached.requests]
    if reached.calls:
        frame["within"] = list(reached.calls[-1])
    return frame | _shown(reached.names, reached.printed, hide, names)


def _replays(replay: Replay) -> Iterator[dict[str, Any]]:
    """Yield when each replay began, and the sentence about the await at which it ended, if it waits."""
    trace, waits, missing = replay.trace, None, None
    ends = [*map(_id, trace.episodes[1:]), inf]
    for chosen, begun in enumerate(trace.episodes, 1):
        frame: dict[str, Any] = {"event": begun.event_id}
        count = replay.count(chosen)
        last = trace.awaits[count - 1] if 0 < count <= len(trace.awaits) else None
        if last is not None and (last.answered_in is None or last.answered_in > chosen):
            if last is not waits or missing is None:
                waits, missing = last, MissingAnswers(last)
            first = bisect_right(last.requests, begun.event_id, key=_id)
            new = last.requests[first : bisect_left(last.requests, ends[chosen - 1], key=_id)]
            frame["says"] = sentences.waiting_sentence(
                last,
                new,
                missing.at(begun.event_id),
                replay.requests,
                len(last.places.get(chosen, ())),
            )
        yield frame


def _end(replay: Replay, hide: Hide, names: _Names | None) -> dict[str, Any] | None:
    last = len(replay)
    if replay.count(last) <= len(replay.trace.awaits):
        return None
    step = replay.step(last, replay.count(last))
    frame: dict[str, Any] = {
        "verdict": step.verdict,
        "line": step.line,
        "now": _time(step.now),
        "requests": list(step.requests),
        "is_replaying": step.is_replaying,
    }
    error = replay.trace.mismatch
    if names is not None:
        frame["says"] = hide(step.sentence)
        if error is not None:
            frame["differences"] = [[hide(str(part)) for part in row] for row in error.differences]
    else:
        frame["says"] = "The values were left out of this page."
    return frame | _shown(step.names, step.printed, hide, names)


class _Names:
    """Variables as the changes since the await before, with a limit on their texts."""

    def __init__(self, hide: Hide) -> None:
        self._hide = hide
        self._last: dict[str, str] = {}
        self._room = CHARACTERS

    def changes(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Return the new and changed variables, and the names of those that are gone."""
        shown = dict([*names.items()][:NAMES])
        new = {name: value for name, value in shown.items() if self._last.get(name) != value}
        gone = [name for name in self._last if name not in shown]
        self._last = shown
        kept = {}
        for name, value in new.items():
            self._room -= len(value)
            kept[name] = self._hide(value) if self._room > 0 else "…"
        return ({"names": kept} if kept else {}) | ({"gone": gone} if gone else {})


def _shown(
    variables: Mapping[str, str], printed: tuple[str, ...], hide: Hide, names: _Names | None
) -> dict[str, Any]:
    if names is None:
        return {}
    return names.changes(variables) | ({"printed": list(map(hide, printed))} if printed else {})


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"
