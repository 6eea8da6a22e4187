"""Comments that silence a rule on a line: ``# durable: ignore[DNB101]``."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

_COMMENT = re.compile(r"#\s*durable:\s*ignore\[([A-Z0-9, ]+)\]")


def is_silenced(lines: Sequence[str], code: str, node: ast.AST) -> bool:
    """Whether a comment on one of the node's lines names the code."""
    first: int = getattr(node, "lineno", 1)
    last: int = first if hasattr(node, "body") else getattr(node, "end_lineno", None) or first
    return any(silences(line, code) for line in lines[first - 1 : last])


def silences(line: str, code: str) -> bool:
    """Whether a comment on a line names the code."""
    return any(code in {one.strip() for one in codes.split(",")} for codes in _COMMENT.findall(line))
