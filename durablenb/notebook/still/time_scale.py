"""A time scale with idle periods folded, so that milliseconds and days fit into one picture."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from durablenb.notebook.words import lasting

_FOLD = 120.0
_MOST_FOLDS = 16
_APART = 84.0
_ALIKE = 0.5
"""If a gap is folded, so is the next shorter one, unless the ratio of their lengths is below this."""

NICE = (
    *(number * 10**power for power in range(-6, 0) for number in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200),
    *(86_400 * days for days in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)),
)
"""Intervals in seconds that are round in their unit."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A period and its position, in seconds from the beginning and pixels from the left."""

    begin: float
    end: float
    left: float
    right: float
    is_fold: bool

    def position(self, seconds: float) -> float:
        """Return the position of a time."""
        if self.end <= self.begin:
            return self.left
        return self.left + (seconds - self.begin) / (self.end - self.begin) * (self.right - self.left)


class Scale:
    """A scale from times to pixels.

    Parameters
    ----------
    begin, end
        The first moment and the last one.
    busy
        Periods in which something ran; the time between them may be folded.
    left, width
        Left edge and width of the scale, in pixels.
    """

    def __init__(
        self,
        begin: datetime,
        end: datetime,
        busy: Iterable[tuple[datetime, datetime]],
        left: float,
        width: float,
    ) -> None:
        self.begin = begin
        self.total = max((end - begin).total_seconds(), 0.0)
        second = timedelta(seconds=1)
        seconds = (((a - begin) / second, (b - begin) / second) for a, b in busy)
        self.pieces = folded_pieces(self.total, seconds, left, width)
        self._begins = [piece.begin for piece in self.pieces]

    def position(self, moment: datetime) -> float:
        """Return the position of a time."""
        seconds = min(max((moment - self.begin) / timedelta(seconds=1), 0.0), self.total)
        return self.pieces[bisect_right(self._begins, seconds) - 1].position(seconds)

    def moment(self, x: float) -> datetime:
        """Return the time at a position, or the nearest one."""
        piece = next((piece for piece in self.pieces if x <= piece.right), self.pieces[-1])
        share = (x - piece.left) / (piece.right - piece.left) if piece.right > piece.left else 0.0
        seconds = piece.begin + min(max(share, 0.0), 1.0) * (piece.end - piece.begin)
        return self.begin + timedelta(seconds=seconds)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the positions and labels of ticks: the time since the beginning.

        After a fold, the first tick has the time, later ones the difference from it.
        """
        if not self.total:
            return [(self.pieces[0].left, "0")]
        ticks: list[tuple[float, str]] = []
        for number, piece in enumerate(self.pieces):
            if piece.is_fold:
                continue
            base = 0.0 if number == 0 else piece.begin
            ticks.append((piece.left, "0" if number == 0 else lasting(piece.begin)))
            length = piece.end - base
            per_second = (piece.right - piece.left) / (piece.end - piece.begin)
            step = next((nice for nice in NICE if nice * per_second >= _APART), length + 1)
            sign = "" if number == 0 else "+"
            for count in range(1, int(length / step + 1e-9) + 1):
                ticks.append((piece.position(base + count * step), sign + lasting(count * step)))
        return ticks


def folded_pieces(
    total: float, busy: Iterable[tuple[float, float]], left: float, width: float
) -> list[Piece]:
    """Return the periods of a scale from left to right, with idle ones folded.

    Parameters
    ----------
    total
        The length of the scale in seconds.
    busy
        Periods in which something ran, in seconds from the beginning.
    left, width
        Left edge and width of the scale, in pixels.
    """
    return _pieces(total or 1e-6, _folded(_gaps(busy, total), total), left, width)


def _gaps(busy: Iterable[tuple[float, float]], total: float) -> list[tuple[float, float]]:
    """Return the idle periods, longest first."""
    gaps: list[tuple[float, float]] = []
    reached = 0.0
    for begin, end in sorted(busy):
        if begin > reached:
            gaps.append((reached, begin))
        reached = max(reached, end)
    if total > reached:
        gaps.append((reached, total))
    return sorted(gaps, key=lambda gap: gap[0] - gap[1])


def _folded(gaps: Sequence[tuple[float, float]], total: float) -> list[tuple[float, float]]:
    """Return the gaps to fold, in order: if more than 80 % is idle, until at most half is.

    Gaps of about the same length, such as the timers of a loop, are all folded.
    """
    idle = sum(end - begin for begin, end in gaps)
    work = total - idle
    if work <= 0 or idle <= 0.8 * total:
        return []
    folds: list[tuple[float, float]] = []
    shortest = total
    for begin, end in gaps:
        if idle <= work and end - begin < _ALIKE * shortest:
            break
        folds.append((begin, end))
        shortest = end - begin
        idle -= shortest
    return sorted(folds) if len(folds) <= _MOST_FOLDS else []


def _pieces(total: float, folds: Sequence[tuple[float, float]], left: float, width: float) -> list[Piece]:
    """Return the periods from left to right; each fold has the same width."""
    shown = total - sum(end - begin for begin, end in folds)
    fold = min(_FOLD, 0.45 * width / max(1, len(folds)))
    per_second = (width - fold * len(folds)) / shown
    pieces: list[Piece] = []
    at, x = 0.0, left
    for begin, end in folds:
        if begin > at:
            right = x + (begin - at) * per_second
            pieces.append(Piece(at, begin, x, right, is_fold=False))
            x = right
        pieces.append(Piece(begin, end, x, x + fold, is_fold=True))
        at, x = end, x + fold
    if total > at or not pieces:
        pieces.append(Piece(at, total, x, left + width, is_fold=False))
    return pieces
