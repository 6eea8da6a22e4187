"""The codec: encodes values as the journal's text and blobs, and decodes them to equal values.

    value -> JSON tree, tagged where JSON lacks the type -> redacted -> text, with blobs beside it
    text  -> JSON tree -> tags resolved, blobs fetched               -> rebuilt to the annotation

A name in a text never makes durablenb import, look up or call anything: tags are of a closed set, or are
the names of registered types.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any

from durablenb.model.errors import NotSerializableError, StoreError
from durablenb.model.failures import FailureDetails, describe_failure
from durablenb.model.payloads import SIZE_LIMIT, Blob, Kind, Payload, carried_blobs, references
from durablenb.values.azure_envelopes import MARK
from durablenb.values.blob_cache import BlobCache
from durablenb.values.encode_error import EncodeError
from durablenb.values.raw_value import RawValue
from durablenb.values.reader import Reader, not_registered
from durablenb.values.rebuild import rebuild
from durablenb.values.type_registry import TypeRegistry
from durablenb.values.writer import Writer, find_cycle, find_unencodable, too_deep

Redact = Callable[[Kind, Any], Any]
"""Takes the kind of a value and its JSON tree; returns the tree to keep."""

_dumps = json.JSONEncoder(allow_nan=False, check_circular=False).encode
_scan = json.JSONDecoder().raw_decode

_QUICK: dict[type[Any], Callable[[Any], str]] = {
    str: _dumps,
    int: int.__repr__,
    bool: lambda value: "true" if value else "false",
    type(None): lambda value: "null",
}
"""Encoders of common scalar types, which need no tree."""


def _loads(text: str) -> Any:
    """Return the value of a JSON text, faster if it begins without white space, as the codec's own do."""
    if text[:1] > " ":
        value, end = _scan(text)
        if end == len(text):
            return value
    return json.loads(text)


class ValueCodec:
    """Encodes values as text, and decodes them.

    Parameters
    ----------
    fetch
        Returns a blob's bytes by its hash; None where there is no journal.
    redact
        Called with every value before it is kept; its result is kept instead.
    allow_pickle
        Allow values that are wrapped in `Pickled`.
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
        self._types = TypeRegistry()
        self._blob_cache = BlobCache()
        self._pickled_settings: bytes | None = None
        self.allows_pickle = allow_pickle

    @property
    def redact(self) -> Redact | None:
        """The function that replaces every value before it is kept, or None."""
        return self._redact

    @redact.setter
    def redact(self, redact: Redact | None) -> None:
        self._redact, self._pickled_settings = redact, None

    def for_journal(self, fetch: Callable[[str], bytes]) -> ValueCodec:
        """Return this codec for another journal, whose blobs `fetch` returns."""
        codec = copy(self)
        codec._fetch = fetch
        return codec

    def register(self, kind: type[Any], name: str | None = None) -> str:
        """Register a class, so that its values are decoded without an annotation; return its name."""
        self._pickled_settings = None
        return self._types.register(kind, name)

    # -- writing ---------------------------------------------------------------------------------

    def encode(self, value: object, kind: Kind = "value") -> str:
        """Return a value as text.

        Raises
        ------
        NotSerializableError
            If a part of the value can't be kept; the message has the path to it.
        """
        quick = _QUICK.get(type(value))
        try:
            if quick is not None and self._redact is None:
                return _within_limit(quick(value))
            return self._encoded(value, kind)
        except EncodeError as error:
            reported = (self._find_cycle(value) or error) if error.is_too_deep else error
            raise reported.as_error() from error.__cause__
        except RecursionError:
            raise (self._find_cycle(value) or too_deep()).as_error() from None
        except ValueError as error:
            raise find_unencodable(value, error).as_error() from None

    def _find_cycle(self, value: object) -> EncodeError | None:
        return find_cycle(value, self._types, self._blob_cache, self)

    def _encoded(self, value: object, kind: Kind) -> str:
        for checks_floats in (False, True):
            writer = Writer(self._types, self._blob_cache, self, checks_floats=checks_floats)
            tree = writer.tree(value)
            if self._redact is not None:
                tree = self._redacted(kind, deepcopy(tree))  # parts of it are the sender's own objects
            try:
                text = _within_limit(_dumps(tree))
                break
            except (ValueError, TypeError) as error:
                if isinstance(error, NotSerializableError):
                    raise
                if checks_floats:
                    raise find_unencodable(tree, error) from None
        if not writer.blobs:
            return text
        kept = [writer.blobs[hash] for hash in references(text) if hash in writer.blobs]
        return Payload(text, tuple(kept)) if kept else text

    def failure(self, error: BaseException) -> FailureDetails:
        """Return the details of an exception that the journal keeps, redacted."""
        details = describe_failure(error)
        if self._redact is None:
            return details
        try:
            return FailureDetails.from_json(self._redact("failure", details.as_json()))
        except Exception as redact_error:
            cause = describe_failure(redact_error)
            return FailureDetails(cause.error_type, f"redact failed on a failure: {cause.message}")

    def redact_log(self, message: str) -> str:
        """Return the redacted text of a log line."""
        return message if self._redact is None else str(self._redact("log", message))

    def write(self, value: Any) -> str:
        """Return an object in a cell of a data frame as text.

        Raises
        ------
        EncodeError
            If the object can't be kept.
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

    # -- reading ---------------------------------------------------------------------------------

    def decode(self, text: str, expected_type: Any = None) -> Any:
        """Return the decoded value of a text.

        Parameters
        ----------
        text
            A text from `encode`, or any JSON.
        expected_type
            A class or an annotation such as ``list[Order]``, to which plain JSON is rebuilt.

        Raises
        ------
        TypeNotRegisteredError
            If the value's type isn't registered, and `expected_type` doesn't give its class.
        TypeError
            If the value can't be rebuilt as `expected_type`.
        """
        if expected_type is RawValue:
            return RawValue(self, text)
        if '"@type"' not in text and MARK not in text:
            value = _loads(text)
            return value if expected_type is None else rebuild(value, expected_type)
        reader = Reader(self, text)
        value = rebuild(json.loads(text, object_hook=reader.resolve), expected_type)
        for missing in reader.unregistered:
            if not missing.is_built:
                raise not_registered(missing.name)
        return value

    def shown(self, text: str) -> Any:
        """Return the value for display in a status, or its plain JSON if it can't be decoded now."""
        try:
            return self.decode(text)
        except Exception:  # users' from_json may raise anything
            return _loads(text)

    def read(self, text: str) -> Any:
        """Return the object of a data frame's cell."""
        return self.decode(text)

    def with_blobs(self, text: str) -> str:
        """Return a text together with all blobs that it refers to."""
        hashes = references(text)
        if not hashes:
            return text
        carried = {blob.hash: blob for blob in carried_blobs(text)}
        missing = [Blob(hash, "", self.fetch_blob(hash)) for hash in hashes if hash not in carried]
        return Payload(text, (*carried.values(), *missing))

    def fetch_blob(self, blob_hash: str) -> bytes:
        """Return the bytes of a blob.

        Raises
        ------
        StoreError
            If the journal doesn't have the blob.
        """
        if self._fetch is None:
            raise StoreError(f"The payload {blob_hash[:12]} isn't at hand in this process.")
        return self._fetch(blob_hash)

    @property
    def blob_cache(self) -> BlobCache:
        """The blobs that were used recently."""
        return self._blob_cache

    @property
    def types(self) -> TypeRegistry:
        """The registered types."""
        return self._types

    # -- other processes -------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the journal, which other processes don't have; a notebook's classes go by value."""
        if self._pickled_settings is None:
            import cloudpickle

            self._pickled_settings = cloudpickle.dumps(
                (self._types.registered, self._redact, self.allows_pickle)
            )
        return _unpickled, (self._pickled_settings,)


def _within_limit(text: str) -> str:
    if len(text) > SIZE_LIMIT:
        raise NotSerializableError(
            f"The value has {len(text):,} characters as JSON; the journal keeps up to {SIZE_LIMIT:,}. "
            "Write it to a file and pass its path. Nothing was recorded."
        )
    return text


_last_unpickled: dict[bytes, ValueCodec] = {}


def _unpickled(settings: bytes) -> ValueCodec:
    """Return the codec in another process: one object for all jobs, so that they share its cache."""
    codec = _last_unpickled.get(settings)
    if codec is None:
        import pickle

        types, redact, allow_pickle = pickle.loads(settings)
        codec = ValueCodec(redact=redact, allow_pickle=allow_pickle)
        for name, kind in types.items():
            codec.register(kind, name)
        _last_unpickled.clear()
        _last_unpickled[settings] = codec

    return codec
