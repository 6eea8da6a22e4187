"""Exports as Parquet, written by DuckDB: one table, whose `part` is event, line, output, source or blob."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from durablenb.core.ports.store import HistoryBundle
from durablenb.model.imports import KeptBlob
from durablenb.model.logs import LogLine
from durablenb.store.json_rows import log_line_from_json, output_from_json, output_to_json, record_from_json
from durablenb.store.row_codec import COLUMNS, to_row

LIMIT = 1 << 30
"""The largest uncompressed size of an export that is read, in bytes."""

MEMORY = "2GB"
"""The memory that DuckDB may use while it reads an export."""

_HEADER = "durablenb"

_ROW = 200
"""Bytes counted for each row, beside its values."""

_TABLE = """
create temp table bundle (
    part varchar not null, seq bigint, instance_id varchar, execution_id varchar, event_id integer,
    event_type varchar, timestamp timestamp, name varchar, task_id integer, payload varchar,
    started_at timestamp, attributes varchar,
    attempt integer, stream varchar, level varchar, logger varchar, message varchar,
    hash varchar, text varchar, kind varchar, content blob, created timestamp
)
"""
_NAMES = (
    "part",
    *COLUMNS,
    *("attempt", "stream", "level", "logger", "message"),
    *("hash", "text", "kind", "content", "created"),
)

_SIZES = " + ".join(
    f'coalesce(octet_length("{name}"::blob), 0)'
    if name == "content"
    else f'coalesce(strlen("{name}"::varchar), 0)'
    for name in _NAMES
)
_SIZE = f"select coalesce(sum({_ROW} + {_SIZES}), 0)::bigint from read_parquet(?)"


def write(bundle: HistoryBundle, path: Path, header: Mapping[str, Any]) -> None:
    """Write an export.

    Parameters
    ----------
    bundle
        The histories to export.
    path
        The file; an existing one is replaced.
    header
        The header of the export.

    Raises
    ------
    OSError
        If it can't be written.
    """
    with _database() as connection:
        connection.execute(_TABLE)
        appender = connection.appender("bundle")
        appender.append_rows([tuple(row.get(name) for name in _NAMES) for row in _rows(bundle)])
        appender.flush()
        noted = json.dumps(header).replace("'", "''")
        target = str(path).replace("'", "''")
        try:
            connection.execute(
                f"copy (from bundle order by rowid) to '{target}' "
                f"(format parquet, compression zstd, kv_metadata {{{_HEADER}: '{noted}'}})"
            )
        except duckdb.Error as error:
            raise OSError(f"{path} can't be written: {error}") from None


def read(path: Path) -> tuple[Any, HistoryBundle]:
    """Return the header of an export, and its histories.

    Raises
    ------
    ValueError
        If the file isn't an export, or something in it is wrong.
    """
    with _database() as connection:
        connection.execute(f"set memory_limit = '{MEMORY}'; set temp_directory = ''")
        try:
            asked = "select value from parquet_kv_metadata(?) where decode(key) = ?"
            found = connection.execute(asked, [str(path), _HEADER]).fetchall()
            if not found:
                raise ValueError("it is a Parquet file, but no export")
            size = connection.execute(_SIZE, [str(path)]).fetchall()[0][0]
            if size > LIMIT:  # a few kilobytes can expand to gigabytes
                raise ValueError(
                    f"it has {size:,} bytes once it is unpacked, and up to {LIMIT:,} are imported at a time. "
                    "Export fewer instances"
                )
            names = ", ".join(f'"{name}"' for name in _NAMES)
            rows = connection.execute(f"select {names} from read_parquet(?)", [str(path)]).fetchall()
        except duckdb.Error as error:
            raise ValueError(str(error).partition("\n")[0]) from None
    return json.loads(found[0][0]), _bundle([dict(zip(_NAMES, row, strict=True)) for row in rows])


def _database() -> duckdb.DuckDBPyConnection:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "threads": 2,
    }
    return duckdb.connect(":memory:", config=settings)


def _rows(bundle: HistoryBundle) -> Iterator[dict[str, Any]]:
    for record in bundle.records:
        yield {"part": "event", **dict(zip(COLUMNS, to_row(record), strict=True))}
    for line in bundle.lines:
        yield {"part": "line", **line._asdict(), "timestamp": line.timestamp.replace(tzinfo=None)}
    for state in bundle.outputs:
        yield {
            "part": "output",
            **{name: value for name, value in state._asdict().items() if name in _NAMES},
            "timestamp": state.timestamp.replace(tzinfo=None),
            "payload": json.dumps(output_to_json(state)),
        }
    for one, text in bundle.sources:
        yield {"part": "source", "hash": one, "text": text}
    for blob in bundle.blobs:
        yield {"part": "blob", **blob._asdict(), "created": blob.created.replace(tzinfo=None)}


def _bundle(rows: list[dict[str, Any]]) -> HistoryBundle:
    records, lines, outputs, sources, blobs = [], [], [], [], []
    for number, row in enumerate(rows, 1):
        try:
            if row["part"] == "event":
                records.append(record_from_json({name: _plain(row[name]) for name in COLUMNS}))
            elif row["part"] == "line":
                lines.append(log_line_from_json({name: _plain(row[name]) for name in LogLine._fields}))
            elif row["part"] == "output":
                outputs.append(output_from_json(json.loads(row["payload"])))
            elif row["part"] == "source":
                sources.append((row["hash"], row["text"]))
            elif row["part"] == "blob":
                made = row["created"].replace(tzinfo=UTC)
                blobs.append(KeptBlob(row["hash"], row["kind"], bytes(row["content"]), made))
            else:
                raise ValueError(f"there is no part {row['part']!r}")
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"row {number}: {error}") from None
    return HistoryBundle(records, blobs, sources, lines, outputs)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
