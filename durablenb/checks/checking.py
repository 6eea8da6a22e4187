"""One orchestrator, checked."""

from __future__ import annotations

import ast
import os

from durablenb.checks.findings import Finding
from durablenb.checks.names import Names
from durablenb.checks.reading import Reader
from durablenb.checks.rules import RULES
from durablenb.checks.silence import is_silenced
from durablenb.checks.values import Body, Context, Function

Ends = set[tuple[int, int]]
"""Where expressions end: lines, and columns from 0."""


def findings_in(body: Body, path: str, names: Names | None = None) -> list[Finding]:
    """What is found in an orchestrator; the parameters are those of `read`."""
    return read(body, path, names)[0]


def read(body: Body, path: str, names: Names | None = None) -> tuple[list[Finding], Ends]:
    """What is found in an orchestrator, and where it may have values that a replay doesn't repeat.

    Parameters
    ----------
    body
        Its source.
    path
        What the findings name as the place.
    names
        What is registered; without it names aren't checked.
    """
    found: dict[tuple[str, int, int], Finding] = {}

    def sink(code: str, node: ast.AST, text: str, instead: str | None) -> None:
        if is_silenced(body.lines, code, node):
            return
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        source = body.lines[line - 1].rstrip() if line <= len(body.lines) else ""
        chosen = advice(code, instead, is_async=isinstance(body.node, ast.AsyncFunctionDef))
        finding = Finding(path, line + body.shift, column, code, text, source, chosen)
        found.setdefault((code, line, column), finding)

    reader = Reader(body, sink, names, given=(Context(),))
    reader.read()
    return list(found.values()), {(line + body.shift, column) for line, column in reader.spared}


def advice(code: str, instead: str | None, *, is_async: bool) -> str:
    """What to write instead: what is given, or what the rule says."""
    chosen = instead or RULES[code].instead
    return chosen.replace("yield context", "await context") if is_async else chosen


def place_of(function: Function, body: Body) -> str:
    """The file of a function, as it is seen from here; of one in a notebook its name."""
    if not body.file or body.file.startswith("<") or "ipykernel_" in body.file:
        return function.called
    try:
        return os.path.relpath(body.file)
    except ValueError:  # on another drive
        return body.file
