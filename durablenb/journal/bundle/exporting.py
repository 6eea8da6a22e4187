"""Histories leave a hub: which ones, and into which file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from durablenb.core.ports.store import Parcel
from durablenb.journal.bundle import documents
from durablenb.model.entities import EntityId
from durablenb.model.errors import InstanceNotFoundError
from durablenb.model.version import VERSION
from durablenb.store import parcels, parquet
from durablenb.store.statements import DESCENDANTS, TAKEN_IDS
from durablenb.store.states import Ask

_ALL = "select distinct instance_id from journal order by all"


def export(connection: Any, what: Any, path: str | os.PathLike[str], answer: Callable[[str], Any]) -> int:
    """Write what is meant into a file, whole or not at all; return how many instances and entities it has.

    Parameters
    ----------
    connection
        To the hub's database, for this alone.
    what, answer
        As of `ids_of`.
    path
        Where to: its suffix says how.

    Raises
    ------
    ValueError
        If the suffix is neither ``.json`` nor ``.parquet``, or a query gives no ids.
    InstanceNotFoundError
        If there is none of one of the ids.
    OSError
        If the file can't be written.
    """
    target = checked_path(path)
    with snapshot(connection) as ask:
        return write(ids_of(what, ask, answer), target, ask)


@contextmanager
def snapshot(connection: Any) -> Iterator[Ask]:
    """Answers statements, all of them from what was on disk at one moment."""
    connection.execute("begin transaction read only")
    try:
        yield lambda sql, parameters: connection.execute(sql, list(parameters)).fetchall()
    finally:
        connection.execute("rollback")


def ids_of(what: Any, ask: Ask, answer: Callable[[str], Any]) -> list[str]:
    """The ids of what is to be exported, with those of all sub-orchestrations.

    Parameters
    ----------
    what
        An id, a handle or a status, several of these, a query that gives ids, or its answer; None for all.
    ask
        Answers a statement with its parameters.
    answer
        Answers a user's query.

    Raises
    ------
    InstanceNotFoundError
        If there is none of one of the ids.
    ValueError
        If a query gives no ids.
    TypeError
        If it is none of these.
    """
    if what is None:
        return [one for (one,) in ask(_ALL, [])]
    if isinstance(what, str) and not ask(TAKEN_IDS, [[what]]) and _is_query(what):
        what = answer(what)
    wanted = list(dict.fromkeys(_ids_in(what)))
    there = {one for (one,) in ask(TAKEN_IDS, [wanted])}
    missing = next((one for one in wanted if one not in there), None)
    if missing is not None:
        raise InstanceNotFoundError(
            f"No instance with ID {missing!r} found. Nothing was exported. hub.instances() lists those that "
            "there are."
        )
    return list(dict.fromkeys([*wanted, *(row[0] for row in ask(DESCENDANTS, [wanted]))]))


def write(ids: Sequence[str], target: Path, ask: Ask) -> int:
    """Write an export into a file, whole or not at all; return how many instances and entities it has."""
    parcel = parcels.read(ask, ids)
    new = target.with_name(f"{target.name}.new-{os.getpid()}")
    try:
        if target.suffix.lower() == ".json":
            with new.open("w", encoding="ascii", newline="\n") as file:
                file.writelines(documents.pieces_of(parcel, VERSION))
        else:
            parquet.write(parcel, new, documents.header_of(VERSION))
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
    return len({record.instance_id for record in parcel.records})


def checked_path(path: str | os.PathLike[str]) -> Path:
    """The path itself, if it says what is to be written.

    Raises
    ------
    ValueError
        If its suffix is neither ``.json`` nor ``.parquet``.
    """
    target = Path(path).expanduser()
    if target.suffix.lower() not in (".json", ".parquet"):
        raise ValueError(f"{target.name!r} ends with neither .json nor .parquet, which says how to export.")
    return target


def everything(ask: Ask) -> Parcel:
    """All that is in a hub."""
    return parcels.read(ask, ids_of(None, ask, lambda _: None))


def _is_query(text: str) -> bool:
    return len(text.split()) > 1 and text.split()[0].lower() in ("select", "from", "with")


def _ids_in(what: Any) -> Iterable[str]:
    if isinstance(what, str):
        return [what]
    if isinstance(what, EntityId):
        return [str(what)]
    for name in ("id", "instance_id", "entity_id"):
        if isinstance(found := getattr(what, name, None), (str, EntityId)):
            return [str(found)]
    if isinstance(getattr(what, "columns", None), Iterable):
        return _column_of(what)
    if isinstance(what, Iterable):
        return [one for several in what for one in _ids_in(several)]
    raise TypeError(
        f"Expected an id, a handle, several of these, or a query that gives ids, not a {type(what).__name__}."
    )


def _column_of(relation: Any) -> list[str]:
    names = list(relation.columns)
    if "instance_id" not in names and len(names) != 1:
        raise ValueError(
            f"The query gives {', '.join(names)}; expected one column, or one called instance_id."
        )
    name = "instance_id" if "instance_id" in names else names[0]
    is_frame = not hasattr(relation, "fetchall")
    found = list(relation[name]) if is_frame else [row[names.index(name)] for row in relation.fetchall()]
    wrong = next((one for one in found if not isinstance(one, str)), None)
    if wrong is not None:
        raise ValueError(f"The query gives {wrong!r} for an id; expected text.")
    return found
