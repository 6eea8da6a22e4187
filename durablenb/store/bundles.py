"""Bundles in DuckDB: whole histories, with their blobs, sources and lines, read and written as one piece."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from operator import itemgetter

import duckdb

from durablenb.core.ports.store import HistoryBundle, blob_is_gone
from durablenb.model.imports import Import, KeptBlob
from durablenb.store import blobs, log_lines, outputs, statements
from durablenb.store.connections import append_rows
from durablenb.store.row_codec import from_row, to_row
from durablenb.store.states import Ask

_BLOBS = """
select distinct b.hash
from blobs b join (
    select hash, instance_id from blob_uses union all select hash, instance_id from output_parts
) u using (hash)
where list_contains(?, u.instance_id)
order by b.hash
"""
_BLOB = "select kind, created from blobs where hash = ?"
_SOURCES = """
select distinct s.hash, s.text
from sources s join (
    select try_cast(attributes as json) ->> 'source' as hash from journal
    where event_type = 'ExecutionStarted' and list_contains(?, instance_id)
) using (hash)
order by s.hash
"""


def read(ask: Ask, instance_ids: Sequence[str]) -> HistoryBundle:
    """Return all that the journal has of these instances and entities; the events are numbered from 1.

    Parameters
    ----------
    ask
        Runs a statement, each time on the same state of the database.
    instance_ids
        Their ids; ids that don't exist are left out.
    """
    ids = list(instance_ids)
    hashes = [blob_hash for (blob_hash,) in ask(_BLOBS, [ids])]
    return read_without_blobs(ask, ids)._replace(blobs=[read_blob(ask, blob_hash) for blob_hash in hashes])


def read_without_blobs(ask: Ask, instance_ids: Sequence[str]) -> HistoryBundle:
    """Return the same without the blobs to which values and outputs refer."""
    ids = list(instance_ids)
    rows = sorted(ask(statements.LOAD_MANY, [ids]), key=itemgetter(0))
    return HistoryBundle(
        [from_row((number, *row[1:])) for number, row in enumerate(rows, 1)],
        (),
        [(source_hash, text) for source_hash, text in ask(_SOURCES, [ids])],
        log_lines.load(ask, ids),
        outputs.load(ask, ids),
    )


def read_blob(ask: Ask, blob_hash: str) -> KeptBlob:
    """Return a blob with its kind.

    Raises
    ------
    StoreError
        If the journal hasn't got it.
    """
    found = ask(_BLOB, [blob_hash])
    if not found:
        raise blob_is_gone(blob_hash)
    kind, created = found[0]
    return KeptBlob(blob_hash, kind, blobs.fetch(ask, blob_hash) or b"", created.replace(tzinfo=UTC))


def write(
    connection: duckdb.DuckDBPyConnection,
    bundle: HistoryBundle,
    imports: Sequence[Import],
    after: int,
    last_line: int | None,
) -> int:
    """Write a bundle, unless it was written before; return the number of the last line in the journal.

    Parameters
    ----------
    connection
        A connection, in a transaction.
    bundle, imports
        The histories, and where each comes from.
    after
        The place in the journal after which to write the events.
    last_line
        The number of the last line of all logs, if known.
    """
    last = connection.execute(log_lines.LAST).fetchall()[0][0] if last_line is None else last_line
    instance_ids = [imported.instance_id for imported in imports]
    if connection.execute(statements.ARE_IMPORTED, [instance_ids]).fetchall()[0][0]:
        return int(last)
    blobs.keep(connection, bundle.blobs)
    for source_hash, text in bundle.sources:
        connection.execute(statements.KEEP, [source_hash, text])
    rows = [to_row(record._replace(seq=after + record.seq)) for record in bundle.records]
    uses = blobs.uses_in(rows)
    if uses:
        blobs.write(connection, rows, uses)
    append_rows(connection, "journal", rows)
    if bundle.lines:
        log_lines.append(connection, bundle.lines, last)
    if bundle.outputs:
        outputs.write(connection, bundle.outputs, [])
    origins = [(*imported[:3], imported.imported.replace(tzinfo=None)) for imported in imports]
    append_rows(connection, "imported", origins)
    return int(last) + len(bundle.lines)
