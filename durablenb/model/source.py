"""The source text of functions, as it is kept, and what follows a line of it."""

from __future__ import annotations

import ast
import inspect
from hashlib import sha256
from textwrap import dedent
from typing import Any, NamedTuple


class Source(NamedTuple):
    """A function's source text.

    Parameters
    ----------
    hash
        See `hash_of`.
    text
        As it stands in the cell or the file, decorators included.
    first_line
        The number of its first line there.
    """

    hash: str
    text: str
    first_line: int

    @property
    def lines(self) -> dict[int, str]:
        """Its lines, by their numbers."""
        return dict(enumerate(self.text.splitlines(), self.first_line))

    @property
    def returns(self) -> list[tuple[int, int, bool]]:
        """The first and the last line of each ``return`` of its own, and whether it awaits something."""
        try:
            waiting: list[ast.AST] = list(ast.iter_child_nodes(ast.parse(dedent(self.text)).body[0]))
        except (SyntaxError, IndexError):  # a lambda in the middle of something
            return []
        found = []
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Return):
                before = self.first_line - 1
                awaits = any(isinstance(one, ast.Yield | ast.YieldFrom | ast.Await) for one in ast.walk(node))
                found.append((node.lineno + before, (node.end_lineno or node.lineno) + before, awaits))
            elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
                waiting += ast.iter_child_nodes(node)
        return sorted(found)

    def after(self, line: int) -> str:
        """What follows a line, without blank lines and comments on lines of their own."""
        lines = (one.rstrip() for one in self.text.splitlines()[line + 1 - self.first_line :])
        return "\n".join(one for one in lines if one and not one.lstrip().startswith("#"))


def hash_of(text: str) -> str:
    """The first 16 hexadecimal digits of the text's SHA-256; of no text, none."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:16] if text else ""


def source_of(function: Any) -> Source | None:
    """The function's source, or None where it isn't at hand: typed at a prompt, compiled, built in."""
    try:
        lines, first = inspect.getsourcelines(inspect.unwrap(function))
    except (OSError, TypeError, ValueError, SyntaxError):  # the last ones: a file that was edited badly since
        return None
    text = "".join(lines)
    return Source(hash_of(text), text, first)
