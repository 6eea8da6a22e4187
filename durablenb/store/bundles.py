"""Bundles in DuckDB: whole histories, with their blobs, sources and lines, read and written as one piece."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from operator import itemgetter

import duckdb

from durablenb.core.ports.store import HistoryBundle
from durablenb.model.imports import Import, KeptBlob
from durablenb.store import blobs, lines, statements
from durablenb.store.states import Ask
from durablenb.store.wire import from_row, to_row

_BLOBS = """
select distinct b.hash, b.kind, b.created
from blobs b join blob_uses u using (hash)
where list_contains(?, u.instance_id)
order by b.hash
"""
_SOURCES = """
select distinct s.hash, s.text
from sources s join (
    select try_cast(attributes as json) ->> 'source' as hash from journal
    where event_type = 'ExecutionStarted' and list_contains(?, instance_id)
) using (hash)
order by s.hash
"""


def read(ask: Ask, instance_ids: Sequence[str]) -> HistoryBundle:
    """All that is kept of these instances and entities; the events are numbered from 1.

    Parameters
    ----------
    ask
        Answers a statement; every time from the same state of the database.
    instance_ids
        Which ones; those that there aren't are left out.
    """
    ids = list(instance_ids)
    rows = sorted(ask(statements.LOAD_MANY, [ids]), key=itemgetter(0))
    return HistoryBundle(
        [from_row((number, *row[1:])) for number, row in enumerate(rows, 1)],
        [
            KeptBlob(one, kind, blobs.fetch(ask, one) or b"", created.replace(tzinfo=UTC))
            for one, kind, created in ask(_BLOBS, [ids])
        ],
        [(one, text) for one, text in ask(_SOURCES, [ids])],
        lines.of_these(ask, ids),
    )


def write(
    connection: duckdb.DuckDBPyConnection,
    bundle: HistoryBundle,
    imports: Sequence[Import],
    after: int,
    last_line: int | None,
) -> int:
    """Writes all of it, unless that was done before; answers the number of the last line there is.

    Parameters
    ----------
    connection
        In a transaction.
    bundle, imports
        What is written.
    after
        The place in the journal after which the events come.
    last_line
        The number of the last line of all logs, if it is known.
    """
    last = connection.execute(lines.LAST).fetchall()[0][0] if last_line is None else last_line
    asked = [one.instance_id for one in imports]
    if connection.execute(statements.ARE_IMPORTED, [asked]).fetchall()[0][0]:
        return int(last)
    blobs.keep(connection, bundle.blobs)
    for one, text in bundle.sources:
        connection.execute(statements.KEEP, [one, text])
    rows = [to_row(record._replace(seq=after + record.seq)) for record in bundle.records]
    uses = blobs.uses_of(rows)
    if uses:
        blobs.write(connection, rows, uses)
    appender = connection.appender("journal")
    appender.append_rows(rows)
    appender.flush()
    if bundle.lines:
        lines.append(connection, bundle.lines, last)
    noted = connection.appender("imported")
    noted.append_rows([(*one[:3], one.imported.replace(tzinfo=None)) for one in imports])
    noted.flush()
    return int(last) + len(bundle.lines)
