"""The sources of an import: exports, hub files and Azure's statuses, from files, values or servers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from durablenb.core.id_prefixes import prefixed, with_prefix
from durablenb.core.ports.store import HistoryBundle, Record
from durablenb.journal.bundle import azure_history, azure_status, html_page, json_export
from durablenb.journal.bundle.management_api import ManagementApi
from durablenb.journal.bundle.validation import check_bundle
from durablenb.model.errors import DurableError
from durablenb.model.imports import AZURE
from durablenb.model.logs import LogLine
from durablenb.model.outputs import OutputState
from durablenb.store import parquet

T = TypeVar("T", Record, LogLine, OutputState)

_DUCKDB_MAGIC = b"DUCK"
_DUCKDB_MAGIC_AT = 8
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class LoadedBundle:
    """A bundle that is ready to be imported, its origin, and the program that wrote it."""

    bundle: HistoryBundle
    origin: str
    made_by: str

    def with_prefix(self, prefix: str) -> LoadedBundle:
        """Return the same histories with a prefix before all ids.

        Raises
        ------
        ValueError
            If an id would be invalid.
        """
        if not prefix:
            return self
        if not isinstance(prefix, str):
            raise TypeError(f"A prefix is text, not {type(prefix).__name__}.")

        def renamed(items: Iterable[T]) -> list[T]:
            return [
                item._replace(
                    instance_id=prefixed(item.instance_id, prefix),
                    execution_id=prefixed(item.execution_id, prefix),
                )
                for item in items
            ]

        bundle = self.bundle._replace(
            records=[
                record._replace(event=with_prefix(record.event, prefix))
                for record in renamed(self.bundle.records)
            ],
            lines=renamed(self.bundle.lines),
            outputs=renamed(self.bundle.outputs),
        )
        try:
            bundle = check_bundle(bundle)
        except ValueError as error:
            raise ValueError(f"The prefix {prefix!r} doesn't do: {error}") from None
        return LoadedBundle(bundle, self.origin, self.made_by)


def load_bundle(
    source: Any,
    encode: azure_history.Encode,
    read_hub: Callable[[Path], HistoryBundle],
    key: str | None = None,
) -> LoadedBundle:
    """Return the histories of a source.

    Parameters
    ----------
    source
        A path, a URL, a JSON object, or a list of objects.
    encode
        Encodes Azure's values.
    read_hub
        Returns all histories of another hub's file.
    key
        The key of the server, for a URL.

    Raises
    ------
    ValueError
        If the source isn't in a known format, or is inconsistent.
    DurableError
        If a server can't be reached, or refuses.
    OSError
        If a file can't be read.
    TypeError
        If the source is of another type.
    """
    if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
        api = ManagementApi(source, key)
        statuses = [status for status in api.statuses() if status is not None]
        return _load(api.origin, lambda: _from_azure(statuses, encode), AZURE)
    if key is not None:
        raise ValueError("A key goes with a URL.")
    if isinstance(source, (str, os.PathLike)):
        return _load_file(Path(source).expanduser(), encode, read_hub)
    if isinstance(source, (Mapping, list, tuple)):
        return _load_value(source, "a value in Python", encode)
    raise TypeError(f"Expected a path, a URL, a dict or a list of dicts, not a {type(source).__name__}.")


def _load_file(
    path: Path, encode: azure_history.Encode, read_hub: Callable[[Path], HistoryBundle]
) -> LoadedBundle:
    if path.exists() and not path.is_file():  # a pipe or a device may never end
        raise ValueError(f"{path} can't be imported: it is no file. Nothing was imported.")
    with path.open("rb") as file:
        start = file.read(_DUCKDB_MAGIC_AT + len(_DUCKDB_MAGIC))
    origin = str(path.resolve())
    if start[_DUCKDB_MAGIC_AT:] == _DUCKDB_MAGIC:
        return LoadedBundle(read_hub(path), origin, json_export.MARK)
    if start.startswith(_PARQUET_MAGIC):
        return _load_parquet(path, origin)
    if html_page.is_page(start):
        return load_page(path)
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} can't be imported: it is no hub, no Parquet file, no page, and no JSON ({error})."
        ) from None
    return _load_value(value, origin, encode)


def load_page(path: Path) -> LoadedBundle:
    """Return the histories in a saved page.

    Raises
    ------
    ValueError
        If it has none, was truncated or changed, or is inconsistent.
    """
    value = html_page.read_history(path)
    made_by = _read(str(path), lambda: json_export.check_header(value[json_export.MARK]))
    return _load(str(path), lambda: json_export.from_json(value), made_by)


def _load_parquet(path: Path, origin: str) -> LoadedBundle:
    header, bundle = _read(origin, lambda: parquet.read(path))
    made_by = _read(origin, lambda: json_export.check_header(header))
    return _load(origin, lambda: bundle, made_by)


def _load_value(value: Any, origin: str, encode: azure_history.Encode) -> LoadedBundle:
    if json_export.is_export(value):
        made_by = _read(origin, lambda: json_export.check_header(value[json_export.MARK]))
        return _load(origin, lambda: json_export.from_json(value), made_by)
    is_list = isinstance(value, (list, tuple))
    statuses = [azure_status.normalize(status) for status in (value if is_list else [value])]
    return _load(origin, lambda: _from_azure(statuses, encode, is_list=is_list), AZURE)


def _from_azure(
    statuses: Iterable[Any], encode: azure_history.Encode, *, is_list: bool = True
) -> HistoryBundle:
    """Return the histories of the statuses that are instances'; a list may contain entities as well."""
    records: list[Record] = []
    lines = []
    seen: dict[str, Any] = {}
    for number, status in enumerate(statuses, 1):
        if is_list and azure_status.is_entity(status):
            continue
        defect = azure_status.find_defect(status)
        if defect:
            raise ValueError(
                f"number {number} is no export of durablenb's, and no answer of Azure's status endpoint: "
                f"{defect}"
            )
        instance_id = status["instanceId"]
        if isinstance(instance_id, str) and instance_id in seen:
            if seen[instance_id] != status:
                raise ValueError(f"{instance_id!r} is there twice, with different histories")
            continue
        history = azure_history.convert(status, encode)
        seen[instance_id] = status
        records += history.records
        lines += history.lines
    by_time = sorted(records, key=lambda record: record.event.timestamp) if len(seen) > 1 else records
    ordered = enumerate(_restore_order(by_time), 1)
    return HistoryBundle([record._replace(seq=number) for number, record in ordered], lines=lines)


def _restore_order(records: list[Record]) -> list[Record]:
    """Return the records with each instance's events in their own order, whatever their times are."""
    by_instance: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.event.event_id):
        by_instance.setdefault(record.instance_id, []).append(record)
    remaining = {instance_id: iter(own) for instance_id, own in by_instance.items()}
    return [next(remaining[record.instance_id]) for record in records]


def _load(origin: str, read: Callable[[], HistoryBundle], made_by: str) -> LoadedBundle:
    return LoadedBundle(_read(origin, lambda: check_bundle(read())), origin, made_by)


def _read(origin: str, read: Callable[[], Any]) -> Any:
    """Return the result of a function; add the origin to the text of an error."""
    try:
        return read()
    except DurableError:
        raise
    except ValueError as error:
        text = str(error).rstrip(".")
        raise ValueError(f"{origin} can't be imported: {text}. Nothing was imported.") from None
