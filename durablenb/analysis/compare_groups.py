"""The steps and differences of a comparison, grouped: a fan-out is one group, and so are its differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from durablenb.analysis.calls import Call
from durablenb.analysis.compare import Difference, Pair
from durablenb.analysis.text import shortened
from durablenb.analysis.value_text import value_text

FEWEST = 4
"""The fewest steps or differences that are grouped."""


@dataclass(frozen=True)
class PairGroup:
    """Steps of one name that follow each other, or a single step."""

    pairs: tuple[Pair, ...]

    @property
    def first(self) -> Pair:
        """The first step."""
        return self.pairs[0]

    @property
    def numbers(self) -> str:
        """The numbers of the steps."""
        first, last = self.first.number, self.pairs[-1].number
        return f"{first:,}" if first == last else f"{first:,}\N{EN DASH}{last:,}"

    @property
    def name(self) -> str:
        """The name of the steps, with their count."""
        times = f" \N{MULTIPLICATION SIGN} {len(self.pairs):,}" if len(self.pairs) > 1 else ""
        return f"{self.first.name}{times}"

    @cached_property
    def differing(self) -> int:
        """The number of steps that differ."""
        return sum(bool(pair.differences) for pair in self.pairs)

    @property
    def sides(self) -> tuple[list[Call], list[Call]]:
        """The calls of either history."""
        a = [pair.a for pair in self.pairs if pair.a is not None]
        return a, [pair.b for pair in self.pairs if pair.b is not None]

    @property
    def verdict(self) -> str:
        """The differences, in words."""
        if len(self.pairs) == 1:
            return _verdict(self.first)
        return ", ".join([self._differences, *self._cached])

    @property
    def _cached(self) -> list[str]:
        counts = [sum(call.is_cached for call in calls) for calls in self.sides]
        return [f"{count:,} from cache in {side}" for side, count in zip("ab", counts, strict=True) if count]

    @property
    def _differences(self) -> str:
        if not self.differing:
            return "shared history" if self.first.is_shared else "the same"
        kinds = Counter(_kind(pair) for pair in self.pairs if pair.differences)
        words = [f"{count:,} {kind}" for kind, count in kinds.most_common()]
        equal = len(self.pairs) - self.differing
        return ", ".join([f"{equal:,} equal"] * (equal > 0) + words)


def _kind(pair: Pair) -> str:
    """Return in words how a step differs, without its values."""
    if pair.a is None or pair.b is None:
        return "only in b" if pair.a is None else "only in a"
    failed = [side for side, call in (("a", pair.a), ("b", pair.b)) if call.state == "failed"]
    if len(failed) == 1:
        return f"failed in {failed[0]}"
    return "with another " + " and ".join(dict.fromkeys(one.what for one in pair.differences))


def _verdict(pair: Pair) -> str:
    if pair.a is None or pair.b is None:
        return _kind(pair)
    words = ", ".join(
        f"{one.what}: {side_text(one.a, 40)} | {side_text(one.b, 40)}" for one in pair.differences
    )
    return words or ("shared history" if pair.is_shared else "the same")


def side_text(value: str, width: int) -> str:
    """Return the value of one side of a difference as a short text."""
    return shortened(value_text(value), width)


def group_pairs(pairs: Sequence[Pair]) -> list[PairGroup]:
    """Return the steps, with runs of steps of one name as a group."""
    groups: list[PairGroup] = []
    for _, run in groupby(pairs, key=lambda pair: (pair.name, pair.is_shared)):
        several = tuple(run)
        if len(several) >= FEWEST:
            groups.append(PairGroup(several))
        else:
            groups += [PairGroup((pair,)) for pair in several]
    return groups


def group_differences(differences: Sequence[Difference]) -> list[tuple[Difference, ...]]:
    """Return the differences, with those of one kind in steps of one name as a group, adjacent or not."""
    groups: list[tuple[Difference, ...]] = []
    alike: dict[tuple[str, str, bool, bool], list[Difference]] = {}
    for one in differences:
        key = one.what, one.name, one.a == "nothing", one.b == "nothing"
        alike.setdefault(key, []).append(one)
    for several in alike.values():
        groups += [tuple(several)] if len(several) >= FEWEST else [(one,) for one in several]
    return sorted(groups, key=lambda group: (group[0].step is not None, group[0].step or 0))
