"""The entries of the durable log: what one write of the journal does to its tables."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from dataclasses import fields as fields_of
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from durablenb.core.ports.store import HistoryBundle
from durablenb.model.activities import ActivityAttempt
from durablenb.model.caching import CachedCall, CodePart
from durablenb.model.imports import Import, KeptBlob
from durablenb.model.logs import LogLine
from durablenb.model.outputs import OutputPart, OutputState
from durablenb.model.payloads import Blob, Payload, references
from durablenb.model.queues import QueueMembers, QueueStart
from durablenb.model.source import Source
from durablenb.store.queue_rows import members_as_json, members_from_json
from durablenb.store.row_codec import COLUMNS, Row, from_row, to_row

_encode_json = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, separators=(",", ":"), default=datetime.isoformat
).encode
_LENGTH = struct.Struct("<I")
_PAYLOAD, _TIMESTAMP, _STARTED = map(COLUMNS.index, ("payload", "timestamp", "started_at"))


@dataclass(slots=True)
class Events:
    """Appends events to the journal, with the calls among them whose results are remembered."""

    rows: list[Row]
    calls: Sequence[CachedCall] = ()
    code_parts: Sequence[CodePart] = ()

    def blobs(self) -> list[Blob]:
        """Return the blobs that come with the events, each once."""
        found: dict[str, Blob] = {}
        for row in self.rows:
            if type(row[_PAYLOAD]) is Payload:
                found.update((blob.hash, blob) for blob in row[_PAYLOAD].blobs)
        return list(found.values())


@dataclass(slots=True)
class Lines:
    """Appends lines of logs."""

    lines: Sequence[LogLine]


@dataclass(slots=True)
class Attempts:
    """Puts tries of activities in place of what is there of the same tries."""

    attempts: Sequence[ActivityAttempt]


@dataclass(slots=True)
class Outputs:
    """Sets the states of outputs."""

    states: Sequence[OutputState]
    carried: Sequence[Blob] = ()

    def blobs(self) -> Sequence[Blob]:
        """Return the blobs that come with the outputs."""
        return self.carried


@dataclass(slots=True)
class Sources:
    """Adds the source texts that aren't there yet."""

    sources: Sequence[Source]


@dataclass(slots=True)
class Forget:
    """Forgets the cached calls of an activity, whose name is in lower case, or of all: None."""

    name: str | None


@dataclass(slots=True)
class Purge:
    """Deletes instances, entities and executions, and the blobs that no others refer to.

    Of the executions, the events at the places `needed` stay.
    """

    instance_ids: list[str]
    execution_ids: list[str] = field(default_factory=list)
    needed: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Bundle:
    """Writes histories from elsewhere, after a place in the journal."""

    bundle: HistoryBundle
    imports: Sequence[Import]
    after: int


@dataclass(slots=True)
class Queues:
    """Writes queues, in place of those of the same names, and starts of their calls."""

    queues: Sequence[QueueMembers]
    starts: Sequence[QueueStart]


Entry = Events | Lines | Attempts | Outputs | Sources | Forget | Purge | Bundle | Queues

_OF_LISTS = (Events, Lines, Attempts)
"""The kinds of entries of which several can be one: all their fields are lists."""


def size(entry: Entry) -> int:
    """Return the number of rows of an entry."""
    match entry:
        case Events(rows=items) | Lines(lines=items) | Attempts(attempts=items) | Outputs(states=items):
            return len(items)
        case Sources(sources=items):
            return len(items)
        case Forget():
            return 1
        case Purge(instance_ids=instance_ids, execution_ids=execution_ids):
            return len(instance_ids) + len(execution_ids)
        case Bundle(bundle=bundle):
            return len(bundle.records) + len(bundle.lines) + len(bundle.outputs)
        case Queues(queues, starts):
            return len(queues) + len(starts)


def merged(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the entries in order, neighbours of the same kind as one where they can be one."""
    for kind, group in groupby(entries, type):
        several = list(group)
        if len(several) > 1 and kind in _OF_LISTS:
            make: Any = kind
            yield make(*(_joined(several, field.name) for field in fields_of(kind)))
        else:
            yield from several


def _joined(several: Sequence[Entry], field: str) -> list[Any]:
    return [item for one in several for item in getattr(one, field)]


# -- content of a frame ---------------------------------------------------------------------------


def encode(entry: Entry, is_known: Callable[[list[str]], set[str]]) -> list[bytes]:
    """Return the content of an entry's frame, in parts.

    Parameters
    ----------
    entry
        The entry.
    is_known
        Returns which of these blobs are in the journal: their bytes are left out.

    Raises
    ------
    UnicodeEncodeError
        If a text has half of a surrogate pair, which no file can hold.
    """
    match entry:
        case Events(rows, calls, code_parts):
            more = {"calls": calls, "code_parts": code_parts} if calls else {}
            return _content_with_blobs({"events": rows} | more, entry.blobs(), is_known)
        case Outputs(states, carried):
            return _content_with_blobs({"outputs": states}, carried, is_known)
        case Lines(lines):
            return _content({"lines": lines})
        case Attempts(attempts):
            return _content({"attempts": attempts})
        case Sources(sources):
            return _content({"sources": [[source.hash, source.text] for source in sources]})
        case Forget(name):
            return _content({"forget": name})
        case Purge(instance_ids, execution_ids, needed):
            if not execution_ids:
                return _content({"purge": instance_ids})
            return _content({"purge": instance_ids, "executions": execution_ids, "needed": needed})
        case Queues(queues, starts):
            return _content({"queues": list(map(members_as_json, queues)), "starts": starts})
        case Bundle(bundle, imports, after):
            return _content(
                {
                    "after": after,
                    "imports": imports,
                    "events": [to_row(record) for record in bundle.records],
                    "blobs": [
                        [blob.hash, blob.kind, len(blob.content), blob.created] for blob in bundle.blobs
                    ],
                    "sources": bundle.sources,
                    "lines": bundle.lines,
                    "outputs": bundle.outputs,
                },
                [one.content for one in bundle.blobs],
            )


def decode(content: bytes) -> Entry:
    """Return the entry of a frame's content."""
    (length,) = _LENGTH.unpack_from(content)
    start = _LENGTH.size + length
    fields = json.loads(content[_LENGTH.size : start])
    contents = _blob_contents(memoryview(content)[start:], fields.get("blobs", ()))
    match fields:
        case {"imports": imports, "after": after}:
            origins = [
                Import(instance_id, origin, made_by, datetime.fromisoformat(imported))
                for instance_id, origin, made_by, imported in imports
            ]
            return Bundle(_read_bundle(fields, contents), origins, after)
        case {"events": rows}:
            return Events(
                [_read_row(row, contents) for row in rows],
                [_read_call(call) for call in fields.get("calls", ())],
                [CodePart(*part) for part in fields.get("code_parts", ())],
            )
        case {"lines": lines}:
            return Lines([_read_line(line) for line in lines])
        case {"attempts": attempts}:
            return Attempts([_read_attempt(attempt) for attempt in attempts])
        case {"outputs": states}:
            return Outputs([_read_output(state) for state in states], list(contents.values()))
        case {"sources": sources}:
            return Sources([Source(source_hash, text, 1) for source_hash, text in sources])
        case {"forget": name}:
            return Forget(name)
        case {"purge": instance_ids}:
            return Purge(instance_ids, fields.get("executions", []), fields.get("needed", []))
        case {"queues": queues, "starts": starts}:
            return Queues(list(map(members_from_json, queues)), list(map(_read_start, starts)))
    raise ValueError(f"an entry of an unknown kind: {', '.join(fields)}")


def _content(fields: dict[str, Any], contents: Sequence[bytes] = ()) -> list[bytes]:
    text = _encode_json(fields).encode()
    return [_LENGTH.pack(len(text)), text, *contents]


def _content_with_blobs(
    fields: dict[str, Any], carried: Sequence[Blob], is_known: Callable[[list[str]], set[str]]
) -> list[bytes]:
    known = is_known([blob.hash for blob in carried]) if carried else set()
    new = [blob for blob in carried if blob.hash not in known]
    if new:
        fields["blobs"] = [[blob.hash, blob.kind, len(blob.content)] for blob in new]
    return _content(fields, [blob.content for blob in new])


def _blob_contents(content: memoryview, found: Sequence[Sequence[Any]]) -> dict[str, Blob]:
    contents, start = {}, 0
    for blob_hash, kind, length, *_ in found:
        contents[blob_hash] = Blob(blob_hash, kind, bytes(content[start : start + length]))
        start += length
    return contents


def _read_row(written: list[Any], contents: dict[str, Blob]) -> Row:
    row = list(written)
    row[_TIMESTAMP] = datetime.fromisoformat(row[_TIMESTAMP])
    if row[_STARTED] is not None:
        row[_STARTED] = datetime.fromisoformat(row[_STARTED])
    if contents and row[_PAYLOAD] is not None:
        own = [contents[blob_hash] for blob_hash in references(row[_PAYLOAD]) if blob_hash in contents]
        if own:
            row[_PAYLOAD] = Payload(row[_PAYLOAD], tuple(own))
    return tuple(row)


def _read_bundle(fields: dict[str, Any], contents: dict[str, Blob]) -> HistoryBundle:
    return HistoryBundle(
        [from_row(_read_row(row, {})) for row in fields["events"]],
        [
            KeptBlob(blob_hash, kind, contents[blob_hash].content, datetime.fromisoformat(created))
            for blob_hash, kind, _, created in fields["blobs"]
        ],
        [(source_hash, text) for source_hash, text in fields["sources"]],
        [_read_line(line) for line in fields["lines"]],
        [_read_output(state) for state in fields.get("outputs", ())],
    )


def _read_attempt(written: list[Any]) -> ActivityAttempt:
    attempt = ActivityAttempt(*written)
    reported = attempt.reported_at
    return attempt._replace(started_at=_time(attempt.started_at), reported_at=reported and _time(reported))


def _read_call(written: list[Any]) -> CachedCall:
    call = CachedCall(*written)
    return call._replace(timestamp=_time(call.timestamp))


def _read_start(written: list[Any]) -> QueueStart:
    start = QueueStart(*written)
    began = start.started_at
    return start._replace(granted_at=_time(start.granted_at), started_at=began and _time(began))


def _read_line(written: list[Any]) -> LogLine:
    line = LogLine(*written)
    return line._replace(timestamp=_time(line.timestamp))


def _read_output(written: list[Any]) -> OutputState:
    state = OutputState(*written)
    parts = tuple(OutputPart(*part) for part in state.parts)
    return state._replace(timestamp=_time(state.timestamp), parts=parts)


def _time(written: Any) -> datetime:
    return datetime.fromisoformat(written).astimezone(UTC)
