"""Values as text: what may be kept in the journal, and how."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Literal, NamedTuple, Protocol

from durablenb.model.errors import NotSerializableError
from durablenb.model.failures import FailureDetails

SIZE_LIMIT = 256 * 1024 * 1024
"""Characters that a value may have as JSON."""

DEPTH_LIMIT = 500
"""Levels of nesting that a value may have as JSON."""

REFERENCE = '"$payload"'
"""Stands in every text that refers to a blob."""

_REFERENCES = re.compile(r'"\$payload": "([0-9a-f]{64})"')

Kind = Literal["input", "result", "event", "status", "failure", "value"]
"""What a value is to the journal."""


class Blob(NamedTuple):
    """A large part of a value: its SHA-256, what it is, and its bytes."""

    hash: str
    kind: str
    content: bytes


class Payload(str):
    """A text that refers to blobs, with those of them that the journal may not have yet."""

    __slots__ = ("blobs",)

    blobs: tuple[Blob, ...]

    def __new__(cls, text: str, blobs: tuple[Blob, ...]) -> Payload:
        """The text, with these blobs."""
        payload = super().__new__(cls, text)
        payload.blobs = blobs
        return payload

    def __reduce__(self) -> tuple[Any, ...]:
        return Payload, (str(self), self.blobs)


def blobs_of(text: str) -> tuple[Blob, ...]:
    """The blobs that travel with a text."""
    return text.blobs if type(text) is Payload else ()


def references(text: str) -> list[str]:
    """The hashes of the blobs that a text refers to, each once."""
    return list(dict.fromkeys(_REFERENCES.findall(text))) if REFERENCE in text else []


class Codec(Protocol):
    """How values become text and text becomes values; `decode(encode(x))` is what everybody gets."""

    def encode(self, value: object, kind: Kind = "value") -> str:
        """The value as text; raises `NotSerializableError`."""
        ...

    def decode(self, text: str, expected_type: Any = None) -> Any:
        """The value that the text stands for, rebuilt as that type where the text doesn't say its own."""
        ...

    def failure(self, error: BaseException) -> FailureDetails:
        """What is kept of an exception."""
        ...

    def gathered(self, text: str) -> str:
        """The text with all blobs that it refers to, ready to go to another process."""
        ...


class JsonCodec:
    """JSON as in RFC 8259: no NaN; tuples come back as lists, and numbers as keys come back as text."""

    def __init__(self) -> None:
        self._encode = json.JSONEncoder(allow_nan=False, check_circular=True).encode

    def encode(self, value: object) -> str:
        """The value as JSON text.

        Raises
        ------
        NotSerializableError
            With the path to what JSON can't hold.
        """
        try:
            text = self._encode(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise _diagnosis(value, error) from None
        if len(text) > SIZE_LIMIT:
            raise NotSerializableError(
                f"The value has {len(text):,} characters as JSON; the journal keeps up to {SIZE_LIMIT:,}. "
                "Write it to a file and hand on its path. Nothing was recorded."
            )
        return text

    def decode(self, text: str, expected_type: type[Any] | None = None) -> Any:
        """The value that the text stands for; `expected_type` with a ``from_json`` is given it."""
        value = json.loads(text)
        rebuild = getattr(expected_type, "from_json", None)
        if rebuild is not None and not isinstance(value, expected_type):  # type: ignore[arg-type]
            return rebuild(value)
        return value


def _diagnosis(value: object, error: Exception) -> NotSerializableError:
    try:
        _check(value, "value", 0, set())
    except NotSerializableError as found:
        return found
    return NotSerializableError(f"The value can't be kept in the journal: {error}.")


def _check(value: object, path: str, depth: int, above: set[int]) -> None:
    """Raises for the first thing inside the value that JSON can't hold."""
    kind = type(value)
    if value is None or isinstance(value, (str, int)):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            _refuse(path, f"the number {value!r}", "Replace it by None or by text")
        return
    if not isinstance(value, (dict, list, tuple)):
        _refuse(
            path,
            f"a {kind.__module__}.{kind.__qualname__}",
            "Return str, int, float, bool, None, or lists and dicts of them",
        )
    if depth >= DEPTH_LIMIT:
        _refuse(path[:200], f"more than {DEPTH_LIMIT} levels", "Flatten the value")
    if id(value) in above:
        _refuse(path[:200], "a reference to itself", "Break the cycle")
    above.add(id(value))
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, (str, int, float, type(None))):
                _refuse(path, f"a dict with the key {key!r}", "Use text as keys")
            _check(item, f"{path}[{key!r}]", depth + 1, above)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]", depth + 1, above)
    above.discard(id(value))


def _refuse(path: str, found: str, remedy: str) -> None:
    raise NotSerializableError(
        f"{path} is {found}, which the journal can't keep. {remedy}. Nothing was recorded."
    )


def plain_json(value: object) -> str:
    """A value as JSON for other services: no tags, no NaN.

    Raises
    ------
    NotSerializableError
        If JSON can't hold it.
    """
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotSerializableError(f"The value can't be sent as JSON: {error}.") from None
