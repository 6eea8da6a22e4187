"""The blobs of histories: to which of them values and outputs refer, and how they are loaded one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import overload

from durablenb.core.ports.store import HistoryBundle
from durablenb.model.events import VALUES, Event
from durablenb.model.imports import KeptBlob
from durablenb.model.payloads import references


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
