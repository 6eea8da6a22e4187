"""Exports in JSON: one object with a line for each event, so that exports can be compared line by line."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from durablenb.core.ports.store import HistoryBundle
from durablenb.journal.bundle.fields import Fields, check_list, check_object, get_text, get_time, preview
from durablenb.model.imports import KeptBlob
from durablenb.store.json_rows import (
    log_line_from_json,
    log_line_to_json,
    output_from_json,
    output_to_json,
    record_from_json,
    record_to_json,
)

FORMAT = 1
"""The version of the format; newer versions are refused."""

MARK = "durablenb"
"""The key that identifies an export; its value has the versions of the format and of the program."""

T = TypeVar("T")


def header(version: str) -> dict[str, Any]:
    """Return the header of an export."""
    return {"format": FORMAT, "version": version}


def check_header(header: object) -> str:
    """Return the name and the version of the program that wrote an export.

    Raises
    ------
    ValueError
        If its format is newer than this durablenb.
    """
    fields = check_object(header, MARK)
    number = fields.get("format")
    if type(number) is not int or number < 1:
        raise ValueError(f"its format is {preview(number)}; expected a number")
    if number > FORMAT:
        raise ValueError(f"it has format {number} of exports; this durablenb knows up to {FORMAT}")
    return f"{MARK} {get_text(fields, 'version')}"


def is_export(value: object) -> bool:
    """Return whether a value looks like an export."""
    return isinstance(value, Mapping) and MARK in value


def to_json(bundle: HistoryBundle, version: str) -> Iterator[str]:
    """Return the text of an export, piece by piece."""
    yield f'{{"{MARK}": {json.dumps(header(version))}'
    yield from _list("events", map(record_to_json, bundle.records))
    yield from _list("lines", map(log_line_to_json, bundle.lines))
    if bundle.outputs:  # durablenb 0.1.0 reads exports without any
        yield from _list("outputs", map(output_to_json, bundle.outputs))
    yield from _list("sources", ({"hash": hash_, "text": text} for hash_, text in bundle.sources))
    yield from _list("blobs", map(_blob_row, bundle.blobs))
    yield "\n}\n"


def _blob_row(blob: KeptBlob) -> dict[str, Any]:
    content = base64.b64encode(blob.content).decode("ascii")
    created = blob.created.replace(tzinfo=None).isoformat()
    return {"hash": blob.hash, "kind": blob.kind, "created": created, "content": content}


def from_json(export: Fields) -> HistoryBundle:
    """Return the bundle in an export.

    Raises
    ------
    ValueError
        If a part of it is invalid.
    """
    unknown = export.keys() - {MARK, "events", "lines", "outputs", "sources", "blobs"}
    if unknown:
        raise ValueError(f"there is nothing called {min(map(str, unknown))!r} in an export")
    return HistoryBundle(
        list(_read(export, "events", record_from_json)),
        list(_read(export, "blobs", _parse_blob)),
        list(_read(export, "sources", lambda row: (get_text(row, "hash"), get_text(row, "text")))),
        list(_read(export, "lines", log_line_from_json)),
        list(_read(export, "outputs", output_from_json)) if "outputs" in export else [],
    )


def _list(name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield f',\n"{name}": ['
    separator = "\n"
    for row in rows:
        yield separator + json.dumps(row)
        separator = ",\n"
    yield "\n]"


def _read(export: Fields, name: str, parse: Callable[[Fields], T]) -> Iterator[T]:
    for number, row in enumerate(check_list(export.get(name), name), 1):
        what = f"{name}, number {number}"
        try:
            yield parse(check_object(row, what))
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from None


def _parse_blob(row: Fields) -> KeptBlob:
    try:
        content = base64.b64decode(get_text(row, "content"), validate=True)
    except binascii.Error:
        raise ValueError("content isn't in base64") from None
    return KeptBlob(get_text(row, "hash"), get_text(row, "kind"), content, get_time(row, "created"))
