"""What is said of an orchestrator when it is registered: once for each source text, and never in the way."""

from __future__ import annotations

import logging
from typing import Any, Literal

from durablenb.checks.checking import findings_in, place_of
from durablenb.checks.findings import Finding
from durablenb.checks.live import LiveScope, function_of
from durablenb.model.source import Source

log = logging.getLogger("durablenb")

_MOST = 5
"""Findings that are told of one orchestrator."""

_told: set[str] = set()


def tell(function: Any, name: str, source: Source | None) -> Literal["now", "later"]:
    """Log a warning for what a check finds; whatever goes wrong in checking, nothing is said.

    Parameters
    ----------
    function
        The orchestrator.
    name
        By which it is registered.
    source
        Its source, if it is known.

    Returns
    -------
    str
        ``"later"``, if it is sound as far as can be seen, but names what isn't defined yet.
    """
    if source is None or source.hash in _told:
        return "now"
    try:
        found = function_of(function)
        body = None if found is None else found.load()
        if found is None or body is None:
            return "now"
        place = place_of(found, body)
        findings = sorted(findings_in(body, place))
    except Exception:
        log.debug("%s could not be checked", name, exc_info=True)
        return "now"
    if not findings:
        return "later" if isinstance(body.scope, LiveScope) and body.scope.is_incomplete else "now"
    _told.add(source.hash)
    _say(name, found.name, "" if place == found.called else f" ({place})", findings)
    return "now"


def _say(name: str, function: str, where: str, findings: list[Finding]) -> None:
    count = f"{len(findings)} thing{'' if len(findings) == 1 else 's'}"
    more = f"; durablenb.check({function}) says more" if function.isidentifier() else ""
    lines = [f"A check found {count} in {name}{where}{more}."]
    lines += [f"  line {one.line}: {one.code} {one.text} {one.instead}" for one in findings[:_MOST]]
    if len(findings) > _MOST:
        lines.append(f"  and {len(findings) - _MOST} more")
    log.warning("%s", "\n".join(lines))
