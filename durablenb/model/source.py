"""The source text of functions, with hashes, line numbers and the code behind a line."""

from __future__ import annotations

import ast
import inspect
import re
from hashlib import sha256
from textwrap import dedent
from types import CodeType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

_LINE_END = re.compile("\r\n?|\n")


class Source(NamedTuple):
    """A function's source text.

    Parameters
    ----------
    hash
        See `source_hash`.
    text
        The text in the cell or file, including decorators.
    first_line
        The number of its first line there.
    """

    hash: str
    text: str
    first_line: int

    @property
    def lines(self) -> dict[int, str]:
        """The lines by number."""
        return dict(enumerate(code_lines(self.text), self.first_line))

    @property
    def returns(self) -> list[int]:
        """The line of each ``return`` of the function."""
        try:
            waiting: list[ast.AST] = list(ast.iter_child_nodes(ast.parse(dedent(self.text)).body[0]))
        except (SyntaxError, IndexError):  # a lambda inside of an expression
            return []
        returns = []
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Return):
                returns.append(node.lineno + self.first_line - 1)
            elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
                waiting += ast.iter_child_nodes(node)
        return sorted(returns)

    def after(self, line: int) -> str:
        """Return the code behind a line, without blank lines and comment lines."""
        lines = (text.rstrip() for text in code_lines(self.text)[line + 1 - self.first_line :])
        return "\n".join(text for text in lines if text and not text.lstrip().startswith("#"))


def code_lines(text: str) -> list[str]:
    """Return the lines of Python code as Python counts them: form feeds, U+2028 and the like end none."""
    lines = _LINE_END.split(text)
    return lines if lines[-1] else lines[:-1]


def source_hash(text: str) -> str:
    """Return the first 16 hexadecimal digits of a text's SHA-256, or an empty text for none."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:16] if text else ""


def read_source(function: Any) -> Source | None:
    """Return a function's source, or None if it isn't available: typed at a prompt, compiled, built in."""
    try:
        function = inspect.unwrap(function)
        code = getattr(function, "__code__", None)
        if not isinstance(code, CodeType):
            return _source(function)
        file, _ = inspect.findsource(function)
        read = _read.get(code)
        if read is None or read[0] is not file:
            read = _read[code] = (file, _source(function))
        return read[1]
    except (OSError, TypeError, ValueError, SyntaxError):  # the last ones: a file that was edited badly since
        return None


_read: WeakKeyDictionary[CodeType, tuple[list[str], Source]] = WeakKeyDictionary()
"""Sources by code, with the lines of the file: to find where a function ends takes long."""


def _source(function: Any) -> Source:
    lines, first = inspect.getsourcelines(function)
    text = "".join(lines)
    return Source(source_hash(text), text, first)
