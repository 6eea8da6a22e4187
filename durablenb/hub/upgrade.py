"""Code that changes under instances that are open: whether it fits them, and what becomes of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from durablenb.analysis.replays.fit_checker import FitChecker, ReplayCase, ReplayTargets
from durablenb.analysis.replays.fit_report import Fit, FitReport, UpgradeReport
from durablenb.analysis.replays.replay import Replay
from durablenb.core.registry import Code
from durablenb.engine.messages import Upgrade
from durablenb.engine.upgrades import Upgraded
from durablenb.hub.client import SyncDurableOrchestrationClient
from durablenb.hub.instance import Handle
from durablenb.hub.replay import replay_over
from durablenb.model.status import Statuses

log = logging.getLogger("durablenb")

LOOKED_AT = 3_000
"""Events that code goes through when its cell runs: some 50 ms on a slow machine."""


def report_of(
    client: SyncDurableOrchestrationClient,
    target: Any,
    orchestrator: Callable[..., Any] | None = None,
    status: Statuses = None,
) -> FitReport:
    """Return whether code fits instances: the given one, or that which is registered.

    Parameters
    ----------
    client
        The hub's.
    target, status
        As of `Targets.cases`.
    orchestrator
        The code; None for what is registered.
    """
    return _fitting(client).report(target, orchestrator, status)


def _fitting(client: SyncDurableOrchestrationClient) -> FitChecker:
    engine = client.engine

    def own_id(target: object) -> str | None:
        return target.id if isinstance(target, Handle) and target._client is client else None

    return FitChecker(
        ReplayTargets(engine.store, engine.registry.orchestrator_names, own_id),
        engine.options.codec,
        partial(_code_of, client),
        partial(_replay_of, client),
        engine.running.looking,
    )


def _code_of(client: SyncDurableOrchestrationClient, name: str, version: str | None) -> Code:
    registry = client.engine.registry
    code = registry.code(name, version)
    if code is None:
        raise registry.no_code(name, version)
    return code


def _replay_of(client: SyncDurableOrchestrationClient, case: ReplayCase, history: Any, code: Code) -> Replay:
    ids = (case.instance_id, case.execution_id)
    return replay_over(client, ids, case.name, history, code.function, Handle)


def upgrade(client: SyncDurableOrchestrationClient, target: Any, *, holds: bool) -> UpgradeReport:
    """Let open instances go on with the code that is registered, if that fits; return what became of each.

    Parameters
    ----------
    client
        The hub's.
    target
        As of `Targets.cases`.
    holds
        Whether those that it doesn't fit are held, in place of going on with the code that they have.
    """
    fitting = _fitting(client)
    _, cases = fitting.targets.cases(target)
    by_id = {case.instance_id: case for case in cases if case.history is None}
    done: list[Upgraded] = client.engine.request(Upgrade(list(by_id), holds))
    found = []
    for one in done:
        case = by_id[one.instance_id]
        code = client.engine.registry.code(case.name, case.version)
        source = None if code is None else code.source
        replay = None if code is None else partial(fitting.replay, case, code)
        found.append(Fit(one.instance_id, case.name, case.version, one.events, one.misfit, source, replay))
    return UpgradeReport(found, {one.instance_id: one.outcome for one in done})


def tell_of_change(client: SyncDurableOrchestrationClient, name: str, version: str | None) -> None:
    """Log whether code that was just registered fits the instances that go on with older code in memory.

    Parameters
    ----------
    client
        The hub's.
    name, version
        What was registered.

    Notes
    -----
    Their histories are in memory, and only so many of them are gone through that a cell doesn't notice. Those
    that aren't in memory are replayed by the engine, which says of each whether it is held.
    """
    engine = client.engine
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
        report = FitReport("open instance", _fitting(client).fits(cases))
    except Exception:  # looking is no reason not to register
        log.debug("%s could not be gone through", name, exc_info=True)
        return
    log.warning("%s", _words_of(name, report, len(running)))


def _words_of(name: str, report: FitReport, count: int) -> str:
    """What is said under a cell whose code has changed."""
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
