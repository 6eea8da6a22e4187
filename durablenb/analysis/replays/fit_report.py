"""Results of replaying code against histories: whether it fits, and where it doesn't."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.text import shortened, table_text
from durablenb.core.mismatch import Mismatch
from durablenb.model.display import SavedSequence
from durablenb.model.errors import FunctionNotFoundError, NonDeterminismError
from durablenb.model.source import Source

_NUMBER = re.compile(r" #\d+$")
_NAMED = 3
"""The number of instances of a group that are named."""


@dataclass(frozen=True)
class Fit:
    """The result of replaying an orchestrator's code against one instance.

    Parameters
    ----------
    instance_id, name, version
        The instance's id, its orchestrator and the orchestrator's version.
    events
        The number of events in its history.
    misfit
        The first mismatch of code and history, or why it can't be found; None if the code fits.
    source
        The code's text, if it is known.
    """

    instance_id: str
    name: str
    version: str | None
    events: int
    misfit: Mismatch | None
    source: Source | None = field(default=None, repr=False, compare=False)
    _replay: Callable[[], Replay] | None = field(default=None, repr=False, compare=False)

    @property
    def fits(self) -> bool:
        """True if the code makes the recorded requests."""
        return self.misfit is None

    @property
    def line(self) -> int | None:
        """The line of the code at the first mismatch."""
        return self.misfit.line if isinstance(self.misfit, NonDeterminismError) else None

    @property
    def code(self) -> str:
        """The text of that line, if it is known."""
        lines = {} if self.source is None else self.source.lines
        return lines.get(self.line or 0, "").strip()

    @property
    def recorded(self) -> str | None:
        """The request that is recorded there; "nothing more" if there is none."""
        return self.misfit.recorded if isinstance(self.misfit, NonDeterminismError) else None

    @property
    def requested(self) -> str | None:
        """The request that the code makes there; "nothing more" if there is none."""
        return self.misfit.requested if isinstance(self.misfit, NonDeterminismError) else None

    @property
    def fields(self) -> tuple[tuple[str, object, object], ...]:
        """For each field that differs: its name, the recorded value and the requested one."""
        return self.misfit.differences if isinstance(self.misfit, NonDeterminismError) else ()

    def replay(self) -> Replay:
        """Replay the code against the history, and return what it did at each await."""
        assert self._replay is not None
        return self._replay()


class Parting(NamedTuple):
    """Instances whose histories differ from the code at one line in the same way.

    Parameters
    ----------
    line, code
        The line; None and empty if it isn't known.
    recorded, requested
        The recorded request, and the one that the code makes.
    fits
        The instances, in order.
    """

    line: int | None
    code: str
    recorded: str
    requested: str
    fits: tuple[Fit, ...]

    @property
    def where(self) -> str:
        """The line as text."""
        return "somewhere" if self.line is None else f"line {self.line}"

    @property
    def told(self) -> str:
        """The line and the mismatch as text."""
        if self.line is None and not self.recorded:
            return self.requested
        requested = "the same call with another input" if self.recorded == self.requested else self.requested
        return f"{self.where}: recorded {self.recorded}, requested {requested}"

    @property
    def named(self) -> str:
        """The first of the instances, and the number of others, as text."""
        names = ", ".join(fit.instance_id for fit in self.fits[:_NAMED])
        more = len(self.fits) - _NAMED
        return f"{names} and {more:,} more" if more > 0 else names


class FitReport(SavedSequence[Fit]):
    """The results of replaying an orchestrator's code against instances; `TaskHub.replay` gives it.

    Parameters
    ----------
    about
        A noun for the instances.
    results
        The result for each instance.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> hub.add_activity(lambda order: order, name="charge")
    >>> @hub.orchestrator
    ... def fulfil(context):
    ...     yield context.call_activity("charge", context.get_input())
    ...     yield context.wait_for_external_event("Shipped")
    >>> for number in range(3):
    ...     handle = hub.start(fulfil, number, instance_id=f"order-{number}")
    >>> while hub.step():
    ...     pass
    >>> def edited(context):
    ...     yield context.call_activity("charge", min(context.get_input(), 1))
    ...     yield context.wait_for_external_event("Shipped")
    >>> hub.replay("fulfil").fits
    True
    >>> report = hub.replay("fulfil", edited)
    >>> print(report.summary)
    2 of 3 open instances fit
    >>> report.misfits[0].fields
    (('input', '2', '1'),)
    >>> hub.close()
    """

    def __init__(self, about: str, results: Sequence[Fit]) -> None:
        super().__init__(results)
        self.about = about

    @property
    def fits(self) -> bool:
        """True if the code fits all instances. If it doesn't, ``assert report.fits`` shows a test where."""
        return not self.misfits

    @property
    def misfits(self) -> list[Fit]:
        """The results of the instances that the code doesn't fit."""
        return [fit for fit in self if not fit.fits]

    @property
    def partings(self) -> list[Parting]:
        """The mismatches, each with all instances that have it at the same line, the most frequent first."""
        groups: dict[tuple[int | None, str, str], list[Fit]] = {}
        for fit in self.misfits:
            groups.setdefault(_mismatch_key(fit), []).append(fit)
        partings = [Parting(key[0], fits[0].code, *key[1:], tuple(fits)) for key, fits in groups.items()]
        return sorted(partings, key=lambda parting: -len(parting.fits))

    @property
    def summary(self) -> str:
        """The number of instances that the code fits, as text."""
        count, misfits = len(self), len(self.misfits)
        noun = f"{self.about}{'' if count == 1 else 's'}"
        if not count:
            return f"no {noun}"
        if not misfits:
            return f"{count:,} {noun}, {'it fits' if count == 1 else 'all fit'}"
        return f"{count - misfits:,} of {count:,} {noun} fit"

    def __repr__(self) -> str:
        partings = self.partings
        first = f"; {partings[0].told}: {partings[0].named}" if partings else ""
        more = f"; {len(partings) - 1} more" if len(partings) > 1 else ""
        names = ", ".join(dict.fromkeys(fit.name for fit in self)) or "nothing"
        return f"<{shortened(f'{names}: {self.summary}{first}', 220)}{more}>"

    def __str__(self) -> str:
        lines = [f"{self.summary}."]
        for parting in self.partings:
            lines += ["", f"{parting.told}: {parting.named}"]
            if parting.code:
                lines.append(f"    {parting.code}")
            fields = parting.fits[0].fields
            if fields and fields[0][0] != "event_type":
                rows = [(name, repr(was), repr(now)) for name, was, now in fields]
                lines.append(table_text((parting.fits[0].instance_id, "recorded", "requested"), rows, 60))
            elif parting.line is None:
                lines.append(f"    {parting.fits[0].misfit}")
        return "\n".join(lines)


def _mismatch_key(fit: Fit) -> tuple[int | None, str, str]:
    """Return the line and the mismatch without the task's number, which differs in each round of a loop."""
    if isinstance(fit.misfit, FunctionNotFoundError):
        return None, "", "its code isn't registered yet"
    if not isinstance(fit.misfit, NonDeterminismError):
        return None, "", "a value can't be read yet"
    return fit.line, _NUMBER.sub("", fit.recorded or ""), _NUMBER.sub("", fit.requested or "")


UpgradeOutcome = Literal["moved", "current", "kept", "held"]

OUTCOME_TEXTS: dict[UpgradeOutcome, str] = {
    "moved": "continuing with the new code",
    "current": "with the new code already",
    "kept": "continuing with the code in memory",
    "held": "held",
}


class UpgradeReport(FitReport):
    """The outcomes of moving open instances to other code; `TaskHub.upgrade` gives it.

    Parameters
    ----------
    results
        The result of replaying the code against each instance.
    outcomes
        The outcome for each instance by its id. ``"moved"``: it continues with the new code; ``"current"``:
        it had the new code already; ``"kept"``: it continues with the code that it has in memory; ``"held"``:
        it waits for code that fits.
    """

    def __init__(self, results: Sequence[Fit], outcomes: Mapping[str, UpgradeOutcome]) -> None:
        super().__init__("open instance", results)
        self.outcomes = dict(outcomes)

    @property
    def counts(self) -> dict[UpgradeOutcome, int]:
        """The number of instances with each outcome."""
        counts = Counter(self.outcomes[fit.instance_id] for fit in self)
        return {outcome: counts[outcome] for outcome in OUTCOME_TEXTS if counts[outcome]}

    @property
    def summary(self) -> str:
        """The number of instances with each outcome, as text."""
        if not self:
            return "no open instances"
        return ", ".join(f"{count:,} {OUTCOME_TEXTS[outcome]}" for outcome, count in self.counts.items())
