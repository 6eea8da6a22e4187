"""Checks one orchestrator, on request and when it is registered."""

from __future__ import annotations

import ast
import logging
import os
from typing import Any, Literal

from durablenb.checks.abstract_values import Body, ContextValue, Function
from durablenb.checks.findings import Finding
from durablenb.checks.function_reader import FunctionReader
from durablenb.checks.live_scope import LiveScope, user_function_value
from durablenb.checks.registered_names import RegisteredNames
from durablenb.checks.rules import RULES, is_silenced
from durablenb.core.short_repr import plural
from durablenb.model.source import Source

log = logging.getLogger("durablenb")

_SHOWN = 5
"""The findings about one orchestrator that a warning lists."""

_reported: set[str] = set()
"""Hashes of sources that a warning was logged for."""

Ends = set[tuple[int, int]]
"""Ends of expressions: lines, and columns from 0."""


def check_body(body: Body, path: str, names: RegisteredNames | None = None) -> list[Finding]:
    """Return the findings in an orchestrator; the parameters are those of `read`."""
    return read(body, path, names)[0]


def read(body: Body, path: str, names: RegisteredNames | None = None) -> tuple[list[Finding], Ends]:
    """Return the findings in an orchestrator, and the ends of expressions whose values do no harm.

    Parameters
    ----------
    body
        The orchestrator's source.
    path
        The path in the findings.
    names
        The registered names; without them names aren't checked.
    """
    findings: dict[tuple[str, int, int], Finding] = {}

    def sink(code: str, node: ast.AST, text: str, instead: str | None) -> None:
        if is_silenced(body.lines, code, node):
            return
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        source = body.lines[line - 1].rstrip() if line <= len(body.lines) else ""
        advice = advice_for(code, instead, is_async=isinstance(body.node, ast.AsyncFunctionDef))
        finding = Finding(path, line + body.shift, column, code, text, source, advice)
        findings.setdefault((code, line, column), finding)

    reader = FunctionReader(body, sink, names, arguments=(ContextValue(),))
    reader.read()
    return list(findings.values()), {(line + body.shift, column) for line, column in reader.spared}


def advice_for(code: str, instead: str | None, *, is_async: bool) -> str:
    """Return the advice of a finding: its own, or the rule's."""
    advice = instead or RULES[code].instead
    return advice.replace("yield context", "await context") if is_async else advice


def display_path(function: Function, body: Body) -> str:
    """Return the relative path of a function's file, or its name if it is in a notebook."""
    if not body.file or body.file.startswith("<") or "ipykernel_" in body.file:
        return function.called
    try:
        return os.path.relpath(body.file)
    except ValueError:  # on another drive
        return body.file


def check_registered(function: Any, name: str, source: Source | None) -> Literal["now", "later"]:
    """Log a warning for an orchestrator's findings, once for each source; errors while checking are ignored.

    Parameters
    ----------
    function
        The orchestrator.
    name
        The name of its registration.
    source
        Its source, if it is known.

    Returns
    -------
    str
        ``"later"`` if there are no findings, but some names in the source aren't defined yet.
    """
    if source is None or source.hash in _reported:
        return "now"
    try:
        value = user_function_value(function)
        body = None if value is None else value.load()
        if value is None or body is None:
            return "now"
        path = display_path(value, body)
        findings = sorted(check_body(body, path))
    except Exception:
        log.debug("%s could not be checked", name, exc_info=True)
        return "now"
    if not findings:
        return "later" if isinstance(body.scope, LiveScope) and body.scope.is_incomplete else "now"
    _reported.add(source.hash)
    _log_findings(name, value.name, "" if path == value.called else f" ({path})", findings)
    return "now"


def _log_findings(name: str, function: str, where: str, findings: list[Finding]) -> None:
    count = plural(len(findings), "problem")
    more = f"; durablenb.check({function}) has the details" if function.isidentifier() else ""
    lines = [f"A check found {count} in {name}{where}{more}."]
    lines += [
        f"  line {finding.line}: {finding.code} {finding.text} {finding.instead}"
        for finding in findings[:_SHOWN]
    ]
    if len(findings) > _SHOWN:
        lines.append(f"  and {len(findings) - _SHOWN} more")

    log.warning("%s", "\n".join(lines))
