"""Loops in a sequence: runs of one pattern, and stretches in which the same few things come in any order."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

LONGEST_PERIOD = 12
"""Items that a pattern may have."""

FEWEST_ROUNDS = 4
"""Rounds from which on a run is folded; fewer are clearer one by one."""

MOST_STAGES = 40
"""Stages that are shown one by one; where there are more, stretches of varying order are folded, too."""

MOST_KINDS = 8
"""Different things that such a stretch may consist of."""


@dataclass(frozen=True, slots=True)
class Fold:
    """`length` items of a sequence, a pattern of `period` again and again; the last round may break off.

    `is_mixed`: there is no pattern, but only a few different items.
    """

    period: int
    length: int
    is_mixed: bool = False

    @property
    def stages(self) -> int:
        """How many stages it is drawn as."""
        return 1 if self.is_mixed else min(self.period, self.length)


def folds_of(items: Sequence[frozenset[Hashable]]) -> list[Fold]:
    """Return the sequence as folds, one of one item where nothing is repeated.

    Examples
    --------
    >>> folds = folds_of([frozenset(letter) for letter in "abxyxyxyxyxc"])
    >>> [(fold.period, fold.length) for fold in folds]
    [(1, 1), (1, 1), (2, 9), (1, 1)]
    """
    numbers: dict[Hashable, int] = {}
    codes = [numbers.setdefault(item, len(numbers)) for item in items]
    folds: list[Fold] = []
    place = 0
    while place < len(codes):
        fold = _longest(codes, place)
        folds.append(fold)
        place += fold.length
    return folds if sum(fold.stages for fold in folds) <= MOST_STAGES else _mixed(folds, items)


def _longest(codes: Sequence[int], place: int) -> Fold:
    best = Fold(1, 1)
    for period in range(1, LONGEST_PERIOD + 1):
        end = place + period
        while end < len(codes) and codes[end] == codes[end - period]:
            end += 1
        length = end - place
        if length >= FEWEST_ROUNDS * period and length > best.length:
            best = Fold(period, length)
    return best


def _mixed(folds: Sequence[Fold], items: Sequence[frozenset[Hashable]]) -> list[Fold]:
    """Return the folds with stretches of few different things folded into one."""
    mixed: list[Fold] = []
    stretch: list[Fold] = []
    kinds: set[Hashable] = set()
    place = 0
    for fold in folds:
        here = frozenset().union(*items[place : place + fold.stages])
        if len(kinds | here) > MOST_KINDS:
            mixed += _closed(stretch, kinds)
            stretch, kinds = [], set()
        stretch.append(fold)
        kinds |= here
        place += fold.length
    return mixed + _closed(stretch, kinds)


def _closed(stretch: list[Fold], kinds: set[Hashable]) -> list[Fold]:
    length = sum(fold.length for fold in stretch)
    if len(stretch) < 2 or length < FEWEST_ROUNDS * len(kinds):
        return stretch
    return [Fold(1, length, is_mixed=True)]
