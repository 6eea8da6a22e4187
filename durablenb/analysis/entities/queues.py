"""What entities have to do, as far as somebody waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

MOST = 20
"""Entities that are looked at for one instance."""

_QUEUES = """
select instance_id, queue_length, locked_by from entities where list_contains(?, instance_id)
order by instance_id
"""


@dataclass(frozen=True, slots=True)
class Queue:
    """How many operations an entity has still to do, and which orchestration has locked it."""

    entity_id: str
    length: int
    locked_by: str | None = None


def queues_of(connection: duckdb.DuckDBPyConnection, entity_ids: Sequence[str]) -> dict[str, Queue]:
    """Return the queues of these entities, of a few of them where they are many.

    Parameters
    ----------
    connection
        A reader's.
    entity_ids
        As text.
    """
    if not entity_ids:
        return {}
    rows = connection.execute(_QUEUES, [list(entity_ids[:MOST])]).fetchall()
    return {entity_id: Queue(entity_id, length, owner) for entity_id, length, owner in rows}


def queue_text(queues: Iterable[Queue], own_id: str = "") -> str:
    """Return in words what an instance waits for: who holds the lock, or how much is to be done.

    Parameters
    ----------
    queues
        Of the entities that it waits for.
    own_id
        Its id; what it has locked itself keeps it from nothing.

    Examples
    --------
    >>> queue_text([Queue("@account@a", 2, "transfer-7"), Queue("@account@b", 1)], "transfer-8")
    '@account@a is locked by transfer-7. @account@b has 1 other operation to do.'
    """
    parts = []
    for queue in queues:
        if queue.locked_by is not None:
            if queue.locked_by != own_id:
                parts.append(f"{queue.entity_id} is locked by {queue.locked_by}.")
        elif queue.length:
            operations = f"{queue.length:,} other operation{'' if queue.length == 1 else 's'}"
            parts.append(f"{queue.entity_id} has {operations} to do.")
    return " ".join(parts)
