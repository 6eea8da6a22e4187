"""Exports as JSON: one object, a line for each event, so that two of them can be compared."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from durablenb.core.ports.store import Parcel
from durablenb.journal.bundle.reading import Fields, fields_in, items_in, moment_in, shown, text_in
from durablenb.model.imports import KeptBlob
from durablenb.store.portable import line_of, line_row_of, record_of, row_of

FORMAT = 1
"""Version of the form; a newer one is refused."""

MARK = "durablenb"
"""The key by which an export is known: in it are the form's version and the program's."""

T = TypeVar("T")


def header_of(version: str) -> dict[str, Any]:
    """What is said of an export itself."""
    return {"format": FORMAT, "version": version}


def made_by(header: object) -> str:
    """Who made an export.

    Raises
    ------
    ValueError
        If a newer durablenb did, whose form isn't known here.
    """
    fields = fields_in(header, MARK)
    form = fields.get("format")
    if type(form) is not int or form < 1:
        raise ValueError(f"its format is {shown(form)}; expected a number")
    if form > FORMAT:
        raise ValueError(f"it has format {form} of exports; this durablenb knows up to {FORMAT}")
    return f"{MARK} {text_in(fields, 'version')}"


def is_document(value: object) -> bool:
    """Whether this looks like an export."""
    return isinstance(value, Mapping) and MARK in value


def pieces_of(parcel: Parcel, version: str) -> Iterator[str]:
    """The text of an export, piece by piece."""
    yield f'{{"{MARK}": {json.dumps(header_of(version))}'
    yield from _list("events", map(row_of, parcel.records))
    yield from _list("lines", map(line_row_of, parcel.lines))
    yield from _list("sources", ({"hash": one, "text": text} for one, text in parcel.sources))
    yield from _list("blobs", map(blob_row_of, parcel.blobs))
    yield "\n}\n"


def blob_row_of(blob: KeptBlob) -> dict[str, Any]:
    """A blob as JSON has it."""
    content = base64.b64encode(blob.content).decode("ascii")
    created = blob.created.replace(tzinfo=None).isoformat()
    return {"hash": blob.hash, "kind": blob.kind, "created": created, "content": content}


def parcel_in(document: Fields) -> Parcel:
    """The parcel that an export has in it.

    Raises
    ------
    ValueError
        If something in it isn't what it should be.
    """
    unknown = document.keys() - {MARK, "events", "lines", "sources", "blobs"}
    if unknown:
        raise ValueError(f"there is nothing called {min(map(str, unknown))!r} in an export")
    return Parcel(
        list(_read(document, "events", record_of)),
        list(_read(document, "blobs", _blob)),
        list(_read(document, "sources", lambda row: (text_in(row, "hash"), text_in(row, "text")))),
        list(_read(document, "lines", line_of)),
    )


def _list(name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield f',\n"{name}": ['
    before = "\n"
    for row in rows:
        yield before + json.dumps(row)
        before = ",\n"
    yield "\n]"


def _read(document: Fields, name: str, made: Callable[[Fields], T]) -> Iterator[T]:
    for number, row in enumerate(items_in(document.get(name), name), 1):
        what = f"{name}, number {number}"
        try:
            yield made(fields_in(row, what))
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from None


def _blob(row: Fields) -> KeptBlob:
    try:
        content = base64.b64decode(text_in(row, "content"), validate=True)
    except binascii.Error:
        raise ValueError("content isn't in base64") from None
    return KeptBlob(text_in(row, "hash"), text_in(row, "kind"), content, moment_in(row, "created"))
