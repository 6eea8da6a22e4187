"""The report of a lab's crashes: what differed after them, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from durablenb.core.short_repr import plural
from durablenb.model.display import Card, Displayed

FaultKind = Literal["not deterministic", "not idempotent", "effect outside an activity", "different outcome"]

CURES: dict[FaultKind, str] = {
    "not deterministic": (
        "Let the orchestrator depend on its input, on what its tasks return and on its context alone: "
        "context.current_utc_datetime, context.new_uuid(), an activity for everything else."
    ),
    "not idempotent": (
        "A crash between an activity's work and the record of it runs the activity again. Make the second "
        "run harmless: hand the call's key, durablenb.current_activity().key, to whatever does the work, or "
        "check there first whether it has been done."
    ),
    "effect outside an activity": (
        "Each replay runs the orchestrator's code again. Do the work in an activity, and await it."
    ),
    "different outcome": (
        "Something that the orchestration reads isn't in its history. Read it in an activity, so that it is "
        "recorded once."
    ),
}
"""The cure of each kind of fault."""


class Fault(NamedTuple):
    """A fault that crashes have shown.

    Parameters
    ----------
    kind
        The kind of the fault.
    where
        The activities or the orchestrator that have it.
    text
        What happened, in a sentence.
    """

    kind: FaultKind
    where: str
    text: str

    @property
    def cure(self) -> str:
        """The cure."""
        return CURES[self.kind]

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}. {self.text}"


class Crash(NamedTuple):
    """A crash, and what it changed.

    Parameters
    ----------
    number
        The commit before which the process died, counted from 1.
    before
        The event that was about to be written, and its instance.
    ran_again
        The activities and operations that had run, and ran again since that was not on disk.
    differences
        What differs from the run without a crash, a line each.
    """

    number: int
    before: str
    ran_again: tuple[str, ...]
    differences: tuple[str, ...]

    def __str__(self) -> str:
        again = f"; {', '.join(self.ran_again)} ran again" if self.ran_again else ""
        rest = "".join(f"\n    {line}" for line in self.differences) or " Nothing differs."
        return f"{self.number}. before {self.before}{again}.{rest}"


class LabReport(Displayed):
    """A report of the lab, with its `verdict` in a sentence; true if all is as it should be."""

    name: str

    @property
    def verdict(self) -> str:
        """The report in one sentence."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise if something isn't as it should be, for a test.

        Raises
        ------
        AssertionError
            With the report as text.
        """
        if not self:
            raise AssertionError(str(self))

    def __repr__(self) -> str:
        return f"<{self.name}: {self.verdict}>"


class CrashReport(LabReport):
    """The crashes of `crash_everywhere`; true if none of them changed anything.

    Parameters
    ----------
    name
        The orchestrator's name.
    crashes
        The crashes.
    faults
        The faults that they have shown, the worst first.
    notes
        What isn't a fault, but is good to know.
    """

    def __init__(
        self, name: str, crashes: Sequence[Crash], faults: Sequence[Fault], notes: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.crashes = tuple(crashes)
        self.faults = tuple(faults)
        self.notes = tuple(notes)

    def __bool__(self) -> bool:
        return not self.faults

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.verdict}"]
        for fault in self.faults:
            lines += [f"  {fault}", f"    {fault.cure}"]
        lines += [f"  {crash}" for crash in self.crashes if crash.differences]
        lines += [f"  Note: {note}" for note in self.notes]
        return "\n".join(lines)

    @property
    def verdict(self) -> str:
        """The number of crashes, and how many of them changed something."""
        crashes = plural(len(self.crashes), "crash", "crashes")
        if not self.faults:
            return f"{crashes}, and nothing differs."
        differing = sum(bool(crash.differences) for crash in self.crashes)
        return f"{crashes}, {differing} of them changed something."

    def _shown(self) -> Card:
        rows: list[tuple[str, str]] = [
            (fault.kind, f"{fault.where}: {fault.text} {fault.cure}") for fault in self.faults
        ]
        rows += [
            (f"crash {crash.number}", f"before {crash.before}: {'; '.join(crash.differences)}")
            for crash in self.crashes
            if crash.differences
        ]
        rows += [("note", note) for note in self.notes]
        return Card(repr(self), f"{self.name}, crashed everywhere", (("verdict", self.verdict), *rows))
