"""The values of histories: the blobs to which they refer, loaded one by one; histories without values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, overload

from durablenb.core.ports.store import HistoryBundle
from durablenb.model.events import VALUES, Event
from durablenb.model.failures import FailureDetails
from durablenb.model.imports import KeptBlob
from durablenb.model.payloads import LEFT_OUT, references

_WORDS = "(left out)"


class Blobs(Sequence[KeptBlob]):
    """Blobs that are loaded one by one, each time that they are used.

    Parameters
    ----------
    hashes
        Their hashes.
    load
        Returns the blob with a hash.
    """

    def __init__(self, hashes: Sequence[str], load: Callable[[str], KeptBlob]) -> None:
        self._hashes = hashes
        self._load = load

    def __len__(self) -> int:
        return len(self._hashes)

    @overload
    def __getitem__(self, index: int) -> KeptBlob: ...
    @overload
    def __getitem__(self, index: slice) -> Blobs: ...
    def __getitem__(self, index: int | slice) -> KeptBlob | Blobs:
        if isinstance(index, slice):
            return Blobs(self._hashes[index], self._load)
        return self._load(self._hashes[index])


def blob_hashes(bundle: HistoryBundle) -> list[str]:
    """Return the hashes of the blobs to which values and outputs refer."""
    values = {hash_ for record in bundle.records for hash_ in blob_references(record.event)}
    parts = {part.hash for state in bundle.outputs for part in state.parts if part.hash is not None}
    return sorted(values | parts)


def blob_references(event: Event) -> Iterable[str]:
    """Yield the hashes of the blobs to which the value of an event refers."""
    for name in VALUES:
        text = getattr(event, name, None)
        if isinstance(text, str):
            yield from references(text)


def without_values(bundle: HistoryBundle) -> HistoryBundle:
    """Return a bundle without inputs, results, messages of errors, log lines and outputs.

    Reading a value that was left out raises a `DurableError` that says so. The code with which the instances
    began stays.
    """
    records = [record._replace(event=event_without_values(record.event)) for record in bundle.records]
    return bundle._replace(records=records, blobs=(), lines=(), outputs=())


def event_without_values(event: Event) -> Event:
    """Return an event without its value; of a failure, the type of the error stays."""
    changes: dict[str, Any] = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name in VALUES and isinstance(value, str):
            changes[field.name] = LEFT_OUT
        elif field.name == "reason" and value:
            changes[field.name] = _WORDS
        elif isinstance(value, FailureDetails):
            changes[field.name] = failure_without_values(value)
    return replace(event, **changes) if changes else event


def failure_without_values(failure: FailureDetails) -> FailureDetails:
    """Return a failure, and those that caused it, without their messages and tracebacks."""
    inner = None if failure.inner is None else failure_without_values(failure.inner)
    return replace(failure, message=_WORDS, stack_trace="", inner=inner)
