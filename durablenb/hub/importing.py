"""Histories come into a hub: from wherever, as one piece."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from durablenb.core.ports.store import Parcel
from durablenb.engine.engine import Engine
from durablenb.engine.messages import TakeIn
from durablenb.journal.bundle.exporting import everything, snapshot
from durablenb.journal.bundle.sources import delivery_of

Connect = Callable[[Path], AbstractContextManager[Any]]
"""Gives a connection to the database of a hub's file, for a while."""


def import_into(engine: Engine, source: Any, connect: Connect, *, prefix: str, key: str | None) -> list[str]:
    """Take in what a source has; return the ids of its instances and entities.

    Parameters
    ----------
    engine
        The hub's.
    source, prefix, key
        As of `TaskHub.import_history`.
    connect
        Gives a connection to another hub's file.
    """
    path = getattr(source, "path", None)
    chosen = path if isinstance(path, Path) else source

    def read_hub(path: Path) -> Parcel:
        with connect(path) as connection, snapshot(connection) as ask:
            return everything(ask)

    refusal = engine.refusal()
    if refusal is not None:
        raise refusal
    found = delivery_of(chosen, engine.options.codec.encode, read_hub, key).with_prefix(prefix)
    if not found.parcel.records:
        return []
    ids: list[str] = engine.request(TakeIn(found.parcel, found.origin, found.made_by))
    return ids
