"""Rich outputs in DuckDB: a row for each representation of an output's last state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from itertools import groupby
from operator import itemgetter
from typing import Any

import duckdb

from durablenb.model.imports import KeptBlob
from durablenb.model.outputs import OutputPart, OutputState
from durablenb.model.payloads import Blob
from durablenb.store import blobs
from durablenb.store.connections import append_rows
from durablenb.store.log_lines import family
from durablenb.store.states import Ask

_TABLE = "output_parts"

_COLUMNS = (
    "seq, instance_id, execution_id, task_id, name, attempt, timestamp, output_id, "
    "mime_type, size, text, hash, metadata"
)
_LOAD = f"select {_COLUMNS} from output_parts where list_contains(?, instance_id)"
_KEY = "execution_id || '/' || output_id"
_FORMER = f"select distinct {_KEY}, seq, hash from output_parts where list_contains(?, {_KEY})"
_DELETE = f"delete from output_parts where list_contains(?, {_KEY})"
_LAST = "select coalesce(max(seq), 0) from output_parts"
_STILL_USED = """
select hash from output_parts where list_contains($hashes, hash)
union select hash from blob_uses where list_contains($hashes, hash)
"""


def write(
    connection: duckdb.DuckDBPyConnection, states: Sequence[OutputState], carried: Sequence[Blob]
) -> None:
    """Write the states of outputs, in a transaction of the caller's; former states of theirs are deleted.

    Parameters
    ----------
    connection
        A connection, in a transaction.
    states
        The states, oldest first; of several states of one output the last one counts.
    carried
        The blobs that they refer to, unless the journal has them.
    """
    last_states = {state.key: state for state in states}
    times = {part.hash: state.timestamp for state in last_states.values() for part in state.parts}
    new = {blob.hash: KeptBlob(*blob, times[blob.hash]) for blob in carried if blob.hash in times}
    blobs.keep(connection, list(new.values()))
    keys = ["/".join(key) for key in last_states]
    former = connection.execute(_FORMER, [keys]).fetchall()
    places = {key: seq for key, seq, _ in former}
    last = connection.execute(_LAST).fetchall()[0][0]
    if former:
        connection.execute(_DELETE, [keys]).fetchall()
    rows: list[tuple[Any, ...]] = []
    for key, state in zip(keys, last_states.values(), strict=True):
        if key not in places and state.parts:
            last += 1
        rows += _rows(places.get(key, last), state)
    if rows:
        append_rows(connection, _TABLE, rows)
    hashes = {blob_hash for _, _, blob_hash in former if blob_hash is not None}
    if hashes:
        used = connection.execute(_STILL_USED, {"hashes": [*hashes]}).fetchall()
        blobs.drop(connection, [*hashes - {blob_hash for (blob_hash,) in used}])


def load(ask: Ask, instance_ids: Sequence[str]) -> list[OutputState]:
    """Return the outputs of these instances, oldest first."""
    rows = sorted(ask(_LOAD, [list(instance_ids)]), key=itemgetter(0, 8))
    return [_state(list(group)) for _, group in groupby(rows, itemgetter(0))]


def load_family(ask: Ask, instance_id: str) -> list[OutputState]:
    """Return the outputs of an instance and of its sub-orchestrations, oldest first."""
    return load(ask, family(ask, instance_id))


def _rows(seq: int, state: OutputState) -> list[tuple[Any, ...]]:
    *call, timestamp, output_id, parts = state
    return [(seq, *call, timestamp.replace(tzinfo=None), output_id, *part) for part in parts]


def _state(rows: Sequence[tuple[Any, ...]]) -> OutputState:
    parts = tuple(OutputPart(*row[8:]) for row in rows)
    state = OutputState._make((*rows[0][1:8], parts))
    return state._replace(timestamp=state.timestamp.replace(tzinfo=UTC))
