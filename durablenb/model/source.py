"""The source text of functions, as it is kept, and what follows a line of it."""

from __future__ import annotations

import inspect
from hashlib import sha256
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
