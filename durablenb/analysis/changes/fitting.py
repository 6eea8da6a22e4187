"""Histories that code goes through, to see whether it fits, without running or writing anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from durablenb.analysis.changes.fits import Fit, FitReport
from durablenb.analysis.changes.targets import Case, Targets
from durablenb.analysis.replays.replay import Replay
from durablenb.core.fitting import misfit_of
from durablenb.core.registry import Code, name_of
from durablenb.model.events import Event
from durablenb.model.payloads import Codec
from durablenb.model.source import source_of
from durablenb.model.status import Statuses

ReplayOf = Callable[[Case, Sequence[Event], Code], Replay]
"""Gives the full replay of an execution."""


@dataclass(frozen=True)
class Fitting:
    """What is needed to see whether code fits.

    Parameters
    ----------
    targets
        Finds the executions.
    codec
        How values become text.
    code_of
        Gives the code for an orchestrator's name and version.
    replay_of
        Gives the full replay of one.
    quiet
        While the code runs: what it prints goes nowhere, and what it does to the hub is refused.
    """

    targets: Targets
    codec: Codec
    code_of: Callable[[str, str | None], Code]
    replay_of: ReplayOf
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext

    def report(self, target: Any, orchestrator: Callable[..., Any] | None, status: Statuses) -> FitReport:
        """Return whether the code fits the executions that are meant."""
        about, cases = self.targets.cases(target, status)
        return FitReport(about, self.fits(cases, orchestrator))

    def fits(self, cases: Sequence[Case], orchestrator: Callable[..., Any] | None = None) -> list[Fit]:
        """Return for each execution whether its code, or the given one, fits."""
        given = None if orchestrator is None else Code(orchestrator, source_of(orchestrator))
        codes = [self.code_of(case.name, case.version) if given is None else given for case in cases]
        by_case = {id(case): code for case, code in zip(cases, codes, strict=True)}
        return [self._fit(case, events, by_case[id(case)]) for case, events in self.targets.read(cases)]

    def _fit(self, case: Case, events: Sequence[Event], code: Code) -> Fit:
        ids = (case.instance_id, case.execution_id)
        with self.quiet():
            misfit = misfit_of(code.function, ids, events, self.codec, name_of, code.source)
        replay = partial(self.replay, case, code)
        return Fit(case.instance_id, case.name, case.version, len(events), misfit, code.source, replay)

    def replay(self, case: Case, code: Code) -> Replay:
        """The full replay; the history is read once more, so that a report of many instances stays small."""
        for one, events in self.targets.read([case]):
            return self.replay_of(one, events, code)
        raise LookupError(f"{case.instance_id} was purged since it was looked at.")
