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


def findings_in(body: Body, path: str, names: Names | None = None) -> list[Finding]:
    """What is found in an orchestrator.

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
        chosen = instead or RULES[code].instead
        if isinstance(body.node, ast.AsyncFunctionDef):
            chosen = chosen.replace("yield context", "await context")
        finding = Finding(path, line + body.shift, column, code, text, source, chosen)
        found.setdefault((code, line, column), finding)

    Reader(body, sink, names, given=(Context(),)).read()
    return list(found.values())


def place_of(function: Function, body: Body) -> str:
    """The file of a function, as it is seen from here; of one in a notebook its name."""
    if not body.file or body.file.startswith("<") or "ipykernel_" in body.file:
        return function.called
    try:
        return os.path.relpath(body.file)
    except ValueError:  # on another drive
        return body.file
