"""The codec: values become the journal's text and blobs, and come back equal.

    value -> tree of what JSON has, tagged where it needs to be -> redacted -> text, with blobs beside it
    text  -> tree -> tags resolved, blobs fetched               -> rebuilt as an annotation says

Nothing is imported, looked up or called because its name stands in a text: tags are of a closed set, or are
the names of types that were registered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any

from durablenb.model.errors import NotSerializableError, StoreError
from durablenb.model.failures import FailureDetails, failure_of
from durablenb.model.payloads import SIZE_LIMIT, Blob, Kind, Payload, blobs_of, references
from durablenb.values.diagnosis import blamed, why_too_deep
from durablenb.values.envelopes import MARK
from durablenb.values.reader import Reader, not_registered
from durablenb.values.rebuild import rebuilt
from durablenb.values.refusal import Refusal
from durablenb.values.sealed import Sealed
from durablenb.values.shelf import Shelf
from durablenb.values.types import Types
from durablenb.values.writer import Writer, too_deep

Redact = Callable[[Kind, Any], Any]
"""Gets what a value is to the journal, and the value as JSON has it; returns what is to be kept."""

_dumps = json.JSONEncoder(allow_nan=False, check_circular=False).encode
_scan = json.JSONDecoder().raw_decode

_QUICK: dict[type[Any], Callable[[Any], str]] = {
    str: _dumps,
    int: int.__repr__,
    bool: lambda value: "true" if value else "false",
    type(None): lambda value: "null",
}
"""Values that are often handed around, and need no look inside."""


def _loads(text: str) -> Any:
    """The value of a JSON text; one without white space around it, as the codec writes it, is quicker."""
    if text[:1] > " ":
        value, end = _scan(text)
        if end == len(text):
            return value
    return json.loads(text)


class ValueCodec:
    """Values as text, and back.

    Parameters
    ----------
    fetch
        Gives a blob's bytes by its hash; None where there is no journal.
    redact
        Sees every value before it is kept, and returns what is kept in its place.
    allow_pickle
        Whether values may be kept by pickle where they are given as `Pickled`.
    """

    def __init__(
        self,
        fetch: Callable[[str], bytes] | None = None,
        *,
        redact: Redact | None = None,
        allow_pickle: bool = False,
    ) -> None:
        self._fetch = fetch
        self._redact = redact
        self._types = Types()
        self._shelf = Shelf()
        self._baggage: bytes | None = None
        self.allows_pickle = allow_pickle

    @property
    def redact(self) -> Redact | None:
        """What sees every value before it is kept."""
        return self._redact

    @redact.setter
    def redact(self, redact: Redact | None) -> None:
        self._redact, self._baggage = redact, None

    def reading(self, fetch: Callable[[str], bytes]) -> ValueCodec:
        """Return the same codec for another journal, whose blobs are found by this."""
        other = copy(self)
        other._fetch = fetch
        return other

    def register(self, kind: type[Any], name: str | None = None) -> str:
        """Registers a class: its values come back by themselves; gives its name."""
        self._baggage = None
        return self._types.register(kind, name)

    # -- writing ---------------------------------------------------------------------------------

    def encode(self, value: object, kind: Kind = "value") -> str:
        """The value as text.

        Raises
        ------
        NotSerializableError
            With the path to what can't be kept.
        """
        quick = _QUICK.get(type(value))
        try:
            if quick is not None and self._redact is None:
                return self._checked(quick(value))
            return self._encoded(value, kind)
        except Refusal as refusal:
            found = why_too_deep(value, self, refusal) if refusal.is_too_deep else refusal
            raise found.as_error() from refusal.__cause__
        except RecursionError:
            raise why_too_deep(value, self, too_deep()).as_error() from None
        except ValueError as error:
            raise blamed(value, error).as_error() from None

    def _encoded(self, value: object, kind: Kind) -> str:
        for checks_floats in (False, True):
            writer = Writer(self._types, self._shelf, self, checks_floats=checks_floats)
            tree = writer.tree(value)
            if self._redact is not None:
                tree = self._redacted(kind, deepcopy(tree))  # parts of it are the sender's own
            try:
                text = self._checked(_dumps(tree))
                break
            except (ValueError, TypeError) as error:
                if isinstance(error, NotSerializableError):
                    raise
                if checks_floats:
                    raise blamed(tree, error) from None
        if not writer.blobs:
            return text
        kept = [writer.blobs[one] for one in references(text) if one in writer.blobs]
        return Payload(text, tuple(kept)) if kept else text

    def failure(self, error: BaseException) -> FailureDetails:
        """What is kept of an exception."""
        details = failure_of(error)
        if self._redact is None:
            return details
        try:
            return FailureDetails.from_json(self._redact("failure", details.as_json()))
        except Exception as mistake:
            kept = failure_of(mistake)
            return FailureDetails(kept.error_type, f"redact failed on a failure: {kept.message}")

    def told(self, message: str) -> str:
        """What is kept of a line of a log."""
        return message if self._redact is None else str(self._redact("log", message))

    def write(self, value: Any) -> str:
        """An object inside a data frame as text.

        Raises
        ------
        Refusal
            If it can't be kept.
        """
        if type(value) is str:
            return _dumps(value)
        return _dumps(Writer(self._types, None, self, checks_floats=True).tree(value))

    def _redacted(self, kind: Kind, tree: Any) -> Any:
        assert self._redact is not None
        try:
            return self._redact(kind, tree)
        except Exception as error:
            raise NotSerializableError(
                f"redact failed on a value ({kind}): {type(error).__name__}: {error}. Nothing was recorded."
            ) from error

    def _checked(self, text: str) -> str:
        if len(text) > SIZE_LIMIT:
            raise NotSerializableError(
                f"The value has {len(text):,} characters as JSON; the journal keeps up to {SIZE_LIMIT:,}. "
                "Write it to a file and hand on its path. Nothing was recorded."
            )
        return text

    # -- reading ---------------------------------------------------------------------------------

    def decode(self, text: str, expected_type: Any = None) -> Any:
        """The value that the text stands for.

        Parameters
        ----------
        text
            What `encode` gave, or any JSON.
        expected_type
            What plain JSON is rebuilt as: a class, or an annotation such as ``list[Order]``.

        Raises
        ------
        TypeNotRegisteredError
            If it is of a type that isn't registered, and `expected_type` doesn't say which.
        TypeError
            If it can't be made what `expected_type` says.
        """
        if expected_type is Sealed:
            return Sealed(self, text)
        if '"@type"' not in text and MARK not in text:
            value = _loads(text)
            return value if expected_type is None else rebuilt(value, expected_type)
        reader = Reader(self, text)
        value = rebuilt(json.loads(text, object_hook=reader.resolved), expected_type)
        for one in reader.unregistered:
            if not one.is_known:
                raise not_registered(one.name)
        return value

    def shown(self, text: str) -> Any:
        """The value for a status: what can't be rebuilt now is shown as JSON has it."""
        try:
            return self.decode(text)
        except Exception:  # of users' from_json, too
            return _loads(text)

    def read(self, text: str) -> Any:
        """An object inside a data frame."""
        return self.decode(text)

    def gathered(self, text: str) -> str:
        """The text with all blobs that it refers to."""
        hashes = references(text)
        if not hashes:
            return text
        here = {blob.hash: blob for blob in blobs_of(text)}
        missing = [Blob(one, "", self.fetched(one)) for one in hashes if one not in here]
        return Payload(text, (*here.values(), *missing))

    def fetched(self, blob_hash: str) -> bytes:
        """The bytes of a blob.

        Raises
        ------
        StoreError
            If the journal doesn't have it.
        """
        if self._fetch is None:
            raise StoreError(f"The payload {blob_hash[:12]} isn't at hand in this process.")
        return self._fetch(blob_hash)

    @property
    def shelf(self) -> Shelf:
        """Blobs that were written or read lately."""
        return self._shelf

    @property
    def types(self) -> Types:
        """The registered types."""
        return self._types

    # -- other processes -------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process there is no journal; classes of a notebook travel by value."""
        if self._baggage is None:
            import cloudpickle

            self._baggage = cloudpickle.dumps((self._types.registered, self._redact, self.allows_pickle))
        return _arrived, (self._baggage,)


_arrivals: dict[bytes, ValueCodec] = {}


def _arrived(baggage: bytes) -> ValueCodec:
    """The codec in another process: the same for all jobs, so that what it has read is at hand."""
    codec = _arrivals.get(baggage)
    if codec is None:
        import pickle

        types, redact, allow_pickle = pickle.loads(baggage)
        codec = ValueCodec(redact=redact, allow_pickle=allow_pickle)
        for name, kind in types.items():
            codec.register(kind, name)
        _arrivals.clear()
        _arrivals[baggage] = codec
    return codec
