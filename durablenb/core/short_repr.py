"""Text for messages: a short `repr` of any value, which is always fast, and counts with their nouns."""

from __future__ import annotations

import reprlib
from itertools import islice
from typing import Any

LENGTH = 80
"""The limit of a value's text, in characters."""

_PLAIN = (bool, int, float, complex, type(None), str, bytes, list, tuple, dict, set, frozenset, range)
_SHORT = frozenset((float, bool, type(None), int))
_BRACKETS: dict[type[Any], tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")")}
_MEMBERS = 6


class _ShortRepr(reprlib.Repr):
    """A `reprlib.Repr` that shows a few members of large containers, and none of arrays and tables."""

    def repr1(self, value: Any, level: int) -> str:
        shape = getattr(value, "shape", None) if not isinstance(value, _PLAIN) else None
        if isinstance(shape, tuple):
            return _table_text(value, shape)
        return super().repr1(value, level)


def _table_text(value: Any, shape: tuple[Any, ...]) -> str:
    """Return an array by its shape and type, a table by its shape and first columns."""
    kind = type(value).__name__
    size = " \N{MULTIPLICATION SIGN} ".join(map(str, shape)) or "0-dimensional"
    words = f"{'array' if kind == 'ndarray' else kind} {size}"
    columns = getattr(value, "columns", None)
    if columns is None or len(shape) != 2:
        dtype = getattr(value, "dtype", None)
        return f"<{words}>" if dtype is None else f"<{words} {dtype}>"
    named = ", ".join(str(label) for label in islice(columns, _MEMBERS))
    return f"<{words}: {named}{', ...' if shape[1] > _MEMBERS else ''}>"


_repr = _ShortRepr()
_repr.maxlevel = 3
_repr.maxtuple = _repr.maxlist = _repr.maxset = _repr.maxfrozenset = _repr.maxdict = _MEMBERS
_repr.maxstring, _repr.maxlong, _repr.maxother = 60, 40, LENGTH


def short_repr(value: object) -> str:
    """Return a value as a short text.

    Examples
    --------
    >>> short_repr(list(range(1_000)))
    '[0, 1, 2, 3, 4, 5, ...]'
    """
    quick = _quick(value)
    if quick is not None:
        return quick
    try:
        text = _repr.repr(value)
    except Exception as error:  # from the user's __repr__
        return f"<{type(value).__name__}: its repr raised {type(error).__name__}>"
    line = " ".join(text.split())
    return line if len(line) <= LENGTH else line[: LENGTH - 1] + "…"


def _quick(value: Any) -> str | None:
    """Return the text of simple values, and of lists of them, as most variables of an orchestrator are."""
    kind = type(value)
    if kind in _SHORT:
        text = repr(value)
    elif kind in _BRACKETS and (kind is list or len(value) != 1):  # a one-tuple has a comma
        shown = [_quick(item) if type(item) in _SHORT else None for item in value[:_MEMBERS]]
        if None in shown:
            return None
        left, right = _BRACKETS[kind]
        text = left + ", ".join(map(str, shown)) + (", ..." if len(value) > _MEMBERS else "") + right
    else:
        return None
    return text if len(text) <= _repr.maxlong or (kind in _BRACKETS and len(text) <= LENGTH) else None


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> plural(1, "step"), plural(12_000, "step"), plural(2, "child", "children")
    ('1 step', '12,000 steps', '2 children')
    """
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"
