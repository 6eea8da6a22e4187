"""Code that changes while instances are open: whether it fits them, and their upgrade."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from durablenb.analysis.fit_checker import FitChecker, ReplayCase, ReplayTargets
from durablenb.analysis.replays.fit_report import Fit, FitReport, UpgradeReport
from durablenb.analysis.replays.replay import Replay
from durablenb.core.registry import Code
from durablenb.engine.engine import Engine
from durablenb.engine.messages import Upgrade
from durablenb.engine.upgrades import Upgraded
from durablenb.hub.hub import Hub
from durablenb.hub.instance import Handle
from durablenb.hub.replay import replay_execution
from durablenb.model.events import Event
from durablenb.model.status import Statuses

log = logging.getLogger("durablenb")

LOOKED_AT = 3_000
"""The number of events that are replayed when a cell runs: about 50 ms on a slow machine."""


def fit_report(
    hub: Hub, target: Any, orchestrator: Callable[..., Any] | None = None, status: Statuses = None
) -> FitReport:
    """Return whether code fits instances: the given code, or the registered one.

    Parameters
    ----------
    hub
        The hub that has the code.
    target, status
        As for `ReplayTargets.cases`.
    orchestrator
        The code; None for the registered one.
    """
    return _fit_checker(hub).report(target, orchestrator, status)


def _fit_checker(hub: Hub) -> FitChecker:
    def own_id(target: object) -> str | None:
        return target.id if isinstance(target, Handle) and target.hub == hub else None

    def replay(case: ReplayCase, history: Sequence[Event], code: Code) -> Replay:
        ids = (case.instance_id, case.execution_id)
        return replay_execution(hub, ids, case.name, history, code.function)

    journal, control = hub._journal, hub._control
    return FitChecker(
        ReplayTargets(journal, control.orchestrator_names, own_id),
        journal.codec,
        control.code,
        replay,
        control.looking,
    )


def upgrade(hub: Hub, target: Any, *, holds: bool) -> UpgradeReport:
    """Move open instances to the registered code, if it fits; report what happened to each.

    Parameters
    ----------
    hub
        The hub.
    target
        As for `ReplayTargets.cases`.
    holds
        Whether instances that it doesn't fit are held, instead of continuing with the code that they have.
    """
    checker = _fit_checker(hub)
    _, cases = checker.targets.cases(target)
    by_id = {case.instance_id: case for case in cases if case.history is None}
    done: list[Upgraded] = hub._control.request(Upgrade(list(by_id), holds))
    found = []
    for one in done:
        case = by_id[one.instance_id]
        code = hub._control.registered(case.name, case.version)
        source = None if code is None else code.source
        replay = None if code is None else partial(checker.replay, case, code)
        found.append(Fit(one.instance_id, case.name, case.version, one.events, one.misfit, source, replay))
    return UpgradeReport(found, {one.instance_id: one.outcome for one in done})


def warn_of_change(hub: Hub, engine: Engine, name: str, version: str | None) -> None:
    """Log whether newly registered code fits the instances that continue with older code in memory.

    Parameters
    ----------
    hub, engine
        The hub, and its engine.
    name, version
        The name and the version of the code.

    Notes
    -----
    Their histories are in memory, and only as many are replayed as a cell has time for. Instances that aren't
    in memory are replayed by the engine, which reports those that it holds.
    """
    code = engine.registry.registered(name, version)
    running = [
        (one, history)
        for one, history in engine.in_memory(name)
        if engine.registry.code(name, one.started.version) == code
    ]
    if code is None or not running:
        return
    cases: list[ReplayCase] = []
    events = 0
    for one, history in sorted(running, key=lambda pair: len(pair[1])):
        events += len(history)
        if cases and events > LOOKED_AT:
            break
        cases.append(ReplayCase(one.id, one.execution_id, name, one.started.version, tuple(history)))
    try:
        report = FitReport("open instance", _fit_checker(hub).fits(cases))
    except Exception:  # registration doesn't depend on it
        log.debug("%s could not be replayed", name, exc_info=True)
        return
    log.warning("%s", _change_text(name, report, len(running)))


def _change_text(name: str, report: FitReport, count: int) -> str:
    """Return the warning for a cell whose code has changed."""
    looked, misfits = len(report), len(report.misfits)
    ones = "1 open instance goes" if count == 1 else f"{count:,} open instances go"
    lines = [f"{name} has changed. {ones} on with the code from before, which is in memory."]
    among = "" if looked == count else f" of the {looked:,} that were looked at"
    if misfits:
        lines.append(f"The new code does not fit {misfits:,}{among or f' of {count:,}'}:")
        lines += [f"  {parting.told}: {parting.named}" for parting in report.partings]
        lines.append(f"hub.replay({name!r}) shows more; hub.upgrade({name!r}) moves those that it fits.")
    else:
        fits = "it" if count == 1 else f"all{among}"
        lines.append(f"The new code fits {fits}. hub.upgrade({name!r}) lets it take over now.")
    return "\n".join(lines)
