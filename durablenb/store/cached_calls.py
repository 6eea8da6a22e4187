"""Cached calls in DuckDB: the keys of calls whose results are remembered, and the results."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import duckdb

from durablenb.model.caching import CachedCall, CachedResult, CodePart
from durablenb.store import blobs
from durablenb.store.connections import append_rows
from durablenb.store.states import Ask

# The result is in the journal as long as the event is there.
_COMPLETED = """
from cached_calls c left join journal j
    on c.result is null and j.seq = c.seq and j.execution_id = c.execution_id and j.task_id = c.task_id
where c.is_completed
"""
_RESULTS = f"""
select c.seq, c.key, c.name, c.instance_id, c.execution_id, c.task_id, c.timestamp,
       case when length(coalesce(c.result, j.payload)) <= ? then coalesce(c.result, j.payload) end
{_COMPLETED}
order by c.result is null, c.seq
"""
_TEXT = f"""
select coalesce(c.result, j.payload)
{_COMPLETED} and c.key = ?
order by c.result is null desc, c.seq desc limit 1
"""
_HAS_CALLS = "select 1 from cached_calls limit 1"
_KNOWN_CODES = "select distinct code from code_parts where list_contains(?, code)"
_FORGET_CODES = "delete from code_parts where code not in (select code from cached_calls)"

# Places in the journal are taken again once the last ones were purged. So a place names the event only while
# the journal has the result. Of the other calls there is at most one for a key.
_ORPHANS = "select key from cached_calls where result is not null"

# Of a purged call that nobody can be given any more, nothing is left.
_USELESS = """
delete from cached_calls c
where c.result is null and c.seq in (select seq from journal where {events})
    and (not c.is_completed or exists (
        select 1 from cached_calls later
        where later.key = c.key and later.is_completed and later.result is null and later.seq > c.seq
    ))
"""
_TAKE_RESULTS = """
update cached_calls set result = j.payload
from (select * from journal where {events}) j
where cached_calls.result is null and j.seq = cached_calls.seq
    and j.execution_id = cached_calls.execution_id and j.task_id = cached_calls.task_id
"""

# Uses by the cache itself: of an instance that can't exist, at a place that no event has.
_TAKE_BLOBS = """
insert into blob_uses
select -u.seq, '#' || c.key, u.hash
from (select seq, hash from blob_uses where {uses}) u
join cached_calls c on c.seq = u.seq and c.result is null
"""
_OF_CALLS = "($name is null or lower(name) = $name)"


def append(
    connection: duckdb.DuckDBPyConnection, calls: Sequence[CachedCall], code_parts: Sequence[CodePart]
) -> list[str]:
    """Write these calls, and those of these parts that aren't there yet; in a transaction of the caller's.

    Returns the files of replaced results to which nothing refers any more.
    """
    unused: list[str] = []
    keys = [call.key for call in calls if call.is_completed]
    if connection.execute(f"{_ORPHANS} and list_contains(?, key)", [keys]).fetchall():
        unused = _delete(connection, "result is not null and list_contains($keys, key)", {"keys": keys})
    rows = [(*call._replace(timestamp=call.timestamp.replace(tzinfo=None)), None) for call in calls]
    append_rows(connection, "cached_calls", rows)
    if not code_parts:
        return unused
    codes = list({part.code for part in code_parts})
    known = {code for (code,) in connection.execute(_KNOWN_CODES, [codes]).fetchall()}
    new = [tuple(part) for part in code_parts if part.code not in known]
    if new:
        append_rows(connection, "code_parts", list(dict.fromkeys(new)))
    return unused


def before_purge(
    connection: duckdb.DuckDBPyConnection, purged: blobs.Purged, parameters: dict[str, list[Any]]
) -> None:
    """Take over the results of calls whose events are about to be deleted."""
    if not connection.execute(_HAS_CALLS).fetchall():
        return
    connection.execute(_USELESS.format(events=purged.events), parameters).fetchall()
    connection.execute(_TAKE_BLOBS.format(uses=purged.uses), parameters).fetchall()
    connection.execute(_TAKE_RESULTS.format(events=purged.events), parameters).fetchall()


def forget(connection: duckdb.DuckDBPyConnection, name: str | None) -> list[str]:
    """Delete the calls of an activity, or all, with the blobs of them alone; return the files of these."""
    unused = _delete(connection, _OF_CALLS, {"name": name})
    connection.execute(_FORGET_CODES).fetchall()
    return unused


def _delete(connection: duckdb.DuckDBPyConnection, calls: str, parameters: dict[str, Any]) -> list[str]:
    """Delete the calls that meet a condition, with the blobs of them alone; return the files of these."""
    uses = f"starts_with(instance_id, '#') and substr(instance_id, 2) in ({_ORPHANS} and {calls})"
    unused = blobs.free(connection, blobs.Purged("false", uses, "false"), parameters)
    connection.execute(f"delete from cached_calls where {calls}", parameters).fetchall()
    return unused


def load(ask: Ask, longest: int) -> list[CachedResult]:
    """Return the remembered results, oldest first; without texts of more than `longest` characters."""
    results = map(CachedResult._make, ask(_RESULTS, [longest]))
    return [result._replace(timestamp=result.timestamp.replace(tzinfo=UTC)) for result in results]


def text(ask: Ask, key: str) -> str | None:
    """Return the last remembered result of a key, or None."""
    rows = ask(_TEXT, [key])
    return None if not rows or rows[0][0] is None else str(rows[0][0])
