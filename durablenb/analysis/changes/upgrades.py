"""What became of instances that were to go on with other code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from durablenb.analysis.changes.fits import Fit, FitReport

Outcome = Literal["moved", "current", "kept", "held"]

WORDS: dict[Outcome, str] = {
    "moved": "go on with the new code",
    "current": "did so already",
    "kept": "go on with the code that they have in memory",
    "held": "are held",
}


class UpgradeReport(FitReport):
    """What became of instances that were to go on with other code; `TaskHub.upgrade` gives it.

    Parameters
    ----------
    found
        Whether the code fits each of them.
    outcomes
        What became of each, by its id. ``"moved"``: it goes on with the new code; ``"current"``: it did
        already; ``"kept"``: it goes on with the code that it has in memory; ``"held"``: it waits for code
        that fits.
    """

    def __init__(self, found: Sequence[Fit], outcomes: Mapping[str, Outcome]) -> None:
        super().__init__("open instance", found)
        self.outcomes = dict(outcomes)

    @property
    def counts(self) -> dict[Outcome, int]:
        """How many there are of each outcome."""
        counts = Counter(self.outcomes.values())
        return {outcome: counts[outcome] for outcome in WORDS if counts[outcome]}

    @property
    def summary(self) -> str:
        """How many there are of each outcome, in words."""
        if not self.outcomes:
            return "no open instances"
        return ", ".join(f"{count:,} {WORDS[outcome]}" for outcome, count in self.counts.items())
