"""Helpers: functions that an orchestrator calls, looked into one level deep."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from durablenb.checks.silence import is_silenced
from durablenb.checks.values import Context, Function, Value

if TYPE_CHECKING:
    from durablenb.checks.expressions import Expressions

_OF_HELPERS = "123"
"""The hundreds of the rules that hold for a helper that doesn't wait."""


def follow(
    reader: Expressions, node: ast.Call, function: Function, given: Sequence[Value], *, is_waited: bool
) -> None:
    """Reports at the call what is wrong in the function.

    Parameters
    ----------
    given
        What its arguments are, by position.
    is_waited
        Whether the orchestrator waits for what it gives, so that its ``yield`` is the orchestrator's.
    """
    if reader.depth or reader.muted or (function.is_async and not is_waited):
        return
    body = function.load()
    if body is None:
        return
    asks = Context() in given
    is_part = asks and is_waited and (function.is_generator or function.is_async)
    found: list[tuple[str, ast.AST, str, str | None]] = []

    def sink(code: str, at: ast.AST, text: str, instead: str | None) -> None:
        is_meant = is_part or code[3] in _OF_HELPERS or (asks and code[3] == "5")
        if is_meant and not is_silenced(body.lines, code, at):
            found.append((code, at, text, instead))

    reader.read_helper(body, sink, given, waits=is_part)
    for code, at, text, instead in found:
        line = getattr(at, "lineno", 1) + body.shift
        where = f"In {function.name}(), line {line}: "
        reader.report(code, node, where + text, instead)
