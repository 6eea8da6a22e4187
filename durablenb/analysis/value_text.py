"""Stored values and failures as a line of text: a table by its shape and columns, an error by its message.

The text of a value says what it is; its blobs aren't read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from durablenb.analysis.text import lasting, short_message
from durablenb.model.errors import TaskFailedError
from durablenb.model.failures import FailureDetails

_LONGEST = 20_000
"""Characters up to which the text of a value is parsed; of a longer one, the beginning is shown as it is."""

_DEEPEST = 8
_MOST = 40
_TIMES = " \N{MULTIPLICATION SIGN} "
_WRAPPER = f"{TaskFailedError.__module__}.{TaskFailedError.__qualname__}"


def value_text(text: object) -> str:
    """Return a stored value as a line of text; plain JSON as it is.

    Examples
    --------
    >>> value_text('{"@type": "pandas.DataFrame", "@payload": "5f", "shape": [20, 2], "columns": ["t", "v"]}')
    'DataFrame 20 \N{MULTIPLICATION SIGN} 2: t, v'
    >>> value_text('[{"@type": "numpy.ndarray", "@payload": "5f", "shape": [3], "dtype": "int64"}, 1]')
    '[array 3 int64, 1]'
    >>> value_text('{"@type": "timedelta", "@value": 1500000}'), value_text('{"a": 1}')
    ('1.5 s', '{"a": 1}')
    """
    kept = str(text)
    if len(kept) > _LONGEST:
        return kept[:_LONGEST]
    is_tagged = '"@type"' in kept or '"__class__"' in kept
    if not is_tagged and "\\u" not in kept:
        return kept
    try:
        tree = json.loads(kept)
    except (ValueError, RecursionError):
        return kept
    if not is_tagged:
        return json.dumps(tree, ensure_ascii=False)
    try:
        return _words(tree, 0)
    except (ArithmeticError, LookupError, TypeError, ValueError):  # from a journal that was edited
        return kept


def blob_tree(text: object) -> dict[str, Any] | None:
    """Return the entries of a value that is a blob as a whole, such as a data frame; None for any other."""
    kept = str(text)
    if not kept.startswith('{"@type"') or len(kept) > _LONGEST:
        return None
    try:
        tree = json.loads(kept)
    except ValueError:
        return None
    return tree if isinstance(tree, dict) and "@payload" in tree else None


def short_type(failure: FailureDetails) -> str:
    """Return the name of an error's type, without the module if it is well known."""
    return failure.error_type.removeprefix("builtins.").removeprefix("durablenb.model.errors.")


def original_failure(failure: FailureDetails) -> FailureDetails:
    """Return the failure with which a chain of failed tasks began."""
    while failure.error_type == _WRAPPER and failure.inner is not None:
        failure = failure.inner
    return failure


def failure_line(failure: FailureDetails) -> str:
    """Return the error with which it began as a line: its type and message.

    Examples
    --------
    >>> failure_line(FailureDetails("builtins.ValueError", "window 7 is empty"))
    'ValueError: window 7 is empty'
    """
    failure = original_failure(failure)
    return f"{short_type(failure)}: {short_message(failure.message)}"


def payload_text(text: object) -> str:
    """Return the payload of an event in the journal as a line: a value or a failure."""
    kept = str(text)
    if kept.startswith('{"ErrorType"'):
        try:
            return failure_line(FailureDetails.from_json(json.loads(kept)))
        except (ValueError, KeyError):
            return kept
    return value_text(kept)


def _words(tree: Any, depth: int) -> str:
    if depth > _DEEPEST:
        return "…"
    if isinstance(tree, list):
        return f"[{_items(tree, depth)}]"
    if not isinstance(tree, dict):
        return json.dumps(tree, ensure_ascii=False)
    name = tree.get("@type")
    if isinstance(name, str) and "@payload" in tree:
        return _blob(name, tree)
    if isinstance(name, str) and "@value" in tree:
        return _tagged(name, tree["@value"], depth)
    if tree.keys() == {"__class__", "__module__", "__data__"}:
        return f"{tree['__class__']}({_fields(tree['__data__'], depth)})"
    return f"{{{_entries(tree, depth)}}}"


def _entries(tree: dict[str, Any], depth: int) -> str:
    return _listed([f"{json.dumps(key, ensure_ascii=False)}: {_words(tree[key], depth + 1)}" for key in tree])


def _listed(words: list[str]) -> str:
    more = [f"… {len(words) - _MOST:,} more"] if len(words) > _MOST else []
    return ", ".join(words[:_MOST] + more)


def _items(items: Any, depth: int) -> str:
    more = [f"… {len(items) - _MOST:,} more"] if len(items) > _MOST else []
    return ", ".join([_words(item, depth + 1) for item in items[:_MOST]] + more)


def _fields(value: Any, depth: int) -> str:
    """Return the fields of an object as its constructor would be given them."""
    if isinstance(value, dict) and "@type" not in value:
        return _listed([f"{name}={_words(item, depth + 1)}" for name, item in value.items()])
    return _words(value, depth + 1)


def _blob(name: str, tree: dict[str, Any]) -> str:
    kind = {"numpy.ndarray": "array", "scipy.sparse": tree.get("kind", "sparse")}.get(name)
    kind = str(kind or name.rpartition(".")[2])
    size = tree.get("shape", tree.get("size"))
    words = [kind]
    if isinstance(size, list):
        words.append(_TIMES.join(f"{length:,}" if isinstance(length, int) else "?" for length in size))
    words += [str(tree[key]) for key in ("dtype", "mode") if key in tree]
    text = " ".join(word for word in words if word)
    columns = tree.get("columns")
    if isinstance(columns, list) and columns:
        width = size[1] if isinstance(size, list) and len(size) == 2 else len(columns)
        more = ", …" if width > len(columns) else ""
        return f"{text}: {', '.join(map(str, columns))}{more}"
    if "stored" in tree:
        return f"{text}, {tree['stored']:,} stored"
    return text if size is not None else f"{text}, {tree.get('bytes', 0):,} bytes"


def _pairs(value: Any, depth: int) -> str:
    pairs = [f"{_words(key, depth + 1)}: {_words(item, depth + 1)}" for key, item in value[:_MOST]]
    return f"{{{', '.join(pairs)}{', …' if len(value) > _MOST else ''}}}"


def _arguments(value: Any, depth: int) -> str:
    positional, named = value
    words = [_words(item, depth + 1) for item in positional]
    return f"({', '.join([*words, *(f'{name}={_words(named[name], depth + 1)}' for name in named)])})"


_CONTAINERS: dict[str, Callable[[Any, int], str]] = {
    "tuple": lambda value, depth: f"({_items(value, depth)}{',' if len(value) == 1 else ''})",
    "set": lambda value, depth: f"{{{_items(value, depth)}}}" if value else "set()",
    "frozenset": lambda value, depth: f"frozenset({{{_items(value, depth)}}})",
    "dict": _pairs,
    "arguments": _arguments,
    "timedelta": lambda value, depth: lasting(timedelta(microseconds=value)) if value >= 0 else f"{value} µs",
    "bytes": lambda value, depth: f"{len(value) * 3 // 4 - value.count('='):,} bytes",
    "bytearray": lambda value, depth: f"{len(value) * 3 // 4 - value.count('='):,} bytes",
    "complex": lambda value, depth: "{}+{}j".format(*value).replace("+-", "-"),
}
_PLAIN = frozenset({"datetime", "date", "time", "uuid", "decimal", "path", "float"})


def _tagged(name: str, value: Any, depth: int) -> str:
    write = _CONTAINERS.get(name)
    try:
        if write is not None:
            return write(value, depth)
    except (TypeError, ValueError):  # from another tool
        return _words(value, depth + 1)
    if name in _PLAIN or name.startswith(("numpy.", "pandas.")):
        plain = value if isinstance(value, str) else _words(value, depth + 1)
        return name.rpartition(".")[2] if value is None else plain
    return f"{name}({_fields(value, depth)})"
