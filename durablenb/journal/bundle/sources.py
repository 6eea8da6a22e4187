"""What can be imported: exports, other hubs' files, Azure's answers, from files, as values, from a server."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from durablenb.core.ports.store import Parcel, Record
from durablenb.core.renaming import prefixed, with_prefix
from durablenb.journal.bundle import azure_history as azure
from durablenb.journal.bundle import documents
from durablenb.journal.bundle.azure_answers import answered, is_entity, lack_of
from durablenb.journal.bundle.checking import checked
from durablenb.journal.bundle.fetching import Api
from durablenb.model.errors import DurableError
from durablenb.model.imports import AZURE
from durablenb.store import parquet

_DATABASE = b"DUCK"
_DATABASE_AT = 8
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Delivery:
    """What is to be imported, from where, and who made it."""

    parcel: Parcel
    origin: str
    made_by: str

    def with_prefix(self, prefix: str) -> Delivery:
        """The same with a prefix before all ids.

        Raises
        ------
        ValueError
            If ids can't have it.
        """
        if not prefix:
            return self
        if not isinstance(prefix, str):
            raise TypeError(f"A prefix is text, not {type(prefix).__name__}.")
        parcel = self.parcel
        renamed = [
            Record(
                one.seq,
                prefixed(one.instance_id, prefix),
                prefixed(one.execution_id, prefix),
                with_prefix(one.event, prefix),
            )
            for one in parcel.records
        ]
        lines = [
            one._replace(
                instance_id=prefixed(one.instance_id, prefix), execution_id=prefixed(one.execution_id, prefix)
            )
            for one in parcel.lines
        ]
        try:
            whole = checked(parcel._replace(records=renamed, lines=lines))
        except ValueError as error:
            raise ValueError(f"The prefix {prefix!r} doesn't do: {error}") from None
        return Delivery(whole, self.origin, self.made_by)


def delivery_of(
    source: Any, encode: azure.Encode, read_hub: Callable[[Path], Parcel], key: str | None = None
) -> Delivery:
    """What a source delivers.

    Parameters
    ----------
    source
        A path, a URL, an object of JSON, or a list of objects.
    encode
        Makes texts of Azure's values.
    read_hub
        Gives all that is in another hub's file.
    key
        What lets a request in, for a URL.

    Raises
    ------
    ValueError
        If it isn't what can be imported.
    DurableError
        If a server can't be reached, or refuses.
    OSError
        If a file can't be read.
    TypeError
        If it is none of these.
    """
    if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
        api = Api(source, key)
        answers = [answer for answer in api.answers() if answer is not None]
        return _delivery(api.origin, lambda: _of_azure(answers, encode), AZURE)
    if key is not None:
        raise ValueError("A key goes with a URL.")
    if isinstance(source, (str, os.PathLike)):
        return _of_file(Path(source).expanduser(), encode, read_hub)
    if isinstance(source, (Mapping, list, tuple)):
        return _of_value(source, "a value in Python", encode)
    raise TypeError(f"Expected a path, a URL, a dict or a list of dicts, not a {type(source).__name__}.")


def _of_file(path: Path, encode: azure.Encode, read_hub: Callable[[Path], Parcel]) -> Delivery:
    if path.exists() and not path.is_file():  # a pipe or a device may never end
        raise ValueError(f"{path} can't be imported: it is no file. Nothing was imported.")
    with path.open("rb") as file:
        start = file.read(_DATABASE_AT + len(_DATABASE))
    origin = str(path.resolve())
    if start[_DATABASE_AT:] == _DATABASE:
        return Delivery(read_hub(path), origin, documents.MARK)
    if start.startswith(_PARQUET):
        return _parquet(path, origin)
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} can't be imported: it is no hub, no Parquet file, and no JSON ({error})."
        ) from None
    return _of_value(value, origin, encode)


def _parquet(path: Path, origin: str) -> Delivery:
    header, parcel = _told(origin, lambda: parquet.read(path))
    made_by = _told(origin, lambda: documents.made_by(header))
    return _delivery(origin, lambda: parcel, made_by)


def _of_value(value: Any, origin: str, encode: azure.Encode) -> Delivery:
    if documents.is_document(value):
        made_by = _told(origin, lambda: documents.made_by(value[documents.MARK]))
        return _delivery(origin, lambda: documents.parcel_in(value), made_by)
    is_list = isinstance(value, (list, tuple))
    answers = [answered(one) for one in (value if is_list else [value])]
    return _delivery(origin, lambda: _of_azure(answers, encode, is_list=is_list), AZURE)


def _of_azure(answers: Iterable[Any], encode: azure.Encode, *, is_list: bool = True) -> Parcel:
    """Those of the answers that are instances': a list has entities among them."""
    records: list[Record] = []
    lines = []
    seen: dict[str, Any] = {}
    for number, answer in enumerate(answers, 1):
        if is_list and is_entity(answer):
            continue
        lack = lack_of(answer)
        if lack:
            raise ValueError(
                f"number {number} is no export of durablenb's, and no answer of Azure's status endpoint: "
                f"{lack}"
            )
        instance_id = answer["instanceId"]
        if isinstance(instance_id, str) and instance_id in seen:
            if seen[instance_id] != answer:
                raise ValueError(f"{instance_id!r} is there twice, with different histories")
            continue
        told = azure.told(answer, encode)
        seen[instance_id] = answer
        records += told.records
        lines += told.lines
    by_time = sorted(records, key=lambda one: one.event.timestamp) if len(seen) > 1 else records
    return Parcel(
        [one._replace(seq=number) for number, one in enumerate(_kept_apart(by_time), 1)], lines=lines
    )


def _kept_apart(records: list[Record]) -> list[Record]:
    """As they are; but each instance's own events in their order, whatever their times are."""
    own: dict[str, list[Record]] = {}
    for one in sorted(records, key=lambda one: one.event.event_id):
        own.setdefault(one.instance_id, []).append(one)
    turns = {instance_id: iter(events) for instance_id, events in own.items()}
    return [next(turns[one.instance_id]) for one in records]


def _delivery(origin: str, read: Callable[[], Parcel], made_by: str) -> Delivery:
    return Delivery(_told(origin, lambda: checked(read())), origin, made_by)


def _told(origin: str, read: Callable[[], Any]) -> Any:
    """What is read; a mistake in it is told with its place."""
    try:
        return read()
    except DurableError:
        raise
    except ValueError as error:
        text = str(error).rstrip(".")
        raise ValueError(f"{origin} can't be imported: {text}. Nothing was imported.") from None
