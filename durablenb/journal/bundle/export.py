"""The export of histories: the choice of instances, and the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from durablenb.core.ports.store import HistoryBundle
from durablenb.journal.bundle import json_export
from durablenb.model.entities import EntityId
from durablenb.model.errors import InstanceNotFoundError
from durablenb.model.version import VERSION
from durablenb.store import bundles, parquet
from durablenb.store.statements import DESCENDANTS, TAKEN_IDS
from durablenb.store.states import Ask

_ALL = "select distinct instance_id from journal order by all"


def export(connection: Any, what: Any, path: str | os.PathLike[str], run_query: Callable[[str], Any]) -> int:
    """Write histories into a file, whole or not at all; return the number of instances and entities.

    Parameters
    ----------
    connection
        A connection to the hub's database that nothing else uses.
    what, run_query
        The choice of instances, as for `select_ids`.
    path
        The file; its suffix chooses the format.

    Raises
    ------
    ValueError
        If the suffix is neither ``.json`` nor ``.parquet``, or a query gives no ids.
    InstanceNotFoundError
        If there is no instance with one of the ids.
    OSError
        If the file can't be written.
    """
    target = _check_path(path)
    with snapshot(connection) as ask:
        return _write(select_ids(what, ask, run_query), target, ask)


@contextmanager
def snapshot(connection: Any) -> Iterator[Ask]:
    """Give a function that runs statements, all on the same state of the database."""
    connection.execute("begin transaction read only")
    try:
        yield lambda sql, parameters: connection.execute(sql, list(parameters)).fetchall()
    finally:
        connection.execute("rollback")


def select_ids(what: Any, ask: Ask, run_query: Callable[[str], Any]) -> list[str]:
    """Return the ids of the chosen instances and entities, and of all their sub-orchestrations.

    Parameters
    ----------
    what
        An id, a handle or a status, several of these, a query that returns ids, or its result; None for all.
    ask
        Runs a statement with its parameters.
    run_query
        Runs a user's query.

    Raises
    ------
    InstanceNotFoundError
        If there is no instance with one of the ids.
    ValueError
        If a query gives no ids.
    TypeError
        If it is none of these.
    """
    if what is None:
        return [instance_id for (instance_id,) in ask(_ALL, [])]
    if isinstance(what, str) and not ask(TAKEN_IDS, [[what]]) and _is_query(what):
        what = run_query(what)
    ids = list(dict.fromkeys(_collect_ids(what)))
    existing = {instance_id for (instance_id,) in ask(TAKEN_IDS, [ids])}
    missing = next((instance_id for instance_id in ids if instance_id not in existing), None)
    if missing is not None:
        raise InstanceNotFoundError(
            f"No instance with ID {missing!r} found. Nothing was exported. hub.instances() lists the "
            "existing ones."
        )
    return list(dict.fromkeys([*ids, *(row[0] for row in ask(DESCENDANTS, [ids]))]))


def _write(ids: Sequence[str], target: Path, ask: Ask) -> int:
    bundle = bundles.read(ask, ids)
    new = target.with_name(f"{target.name}.new-{os.getpid()}")
    try:
        if target.suffix.lower() == ".json":
            with new.open("w", encoding="ascii", newline="\n") as file:
                file.writelines(json_export.to_json(bundle, VERSION))
        else:
            parquet.write(bundle, new, json_export.header(VERSION))
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
    return len({record.instance_id for record in bundle.records})


def _check_path(path: str | os.PathLike[str]) -> Path:
    target = Path(path).expanduser()
    if target.suffix.lower() not in (".json", ".parquet"):
        raise ValueError(f"{target.name!r} ends with neither .json nor .parquet, which says how to export.")
    return target


def read_everything(ask: Ask) -> HistoryBundle:
    """Return a bundle of all histories of a hub."""
    return bundles.read(ask, select_ids(None, ask, lambda _: None))


def _is_query(text: str) -> bool:
    return len(text.split()) > 1 and text.split()[0].lower() in ("select", "from", "with")


def _collect_ids(what: Any) -> Iterable[str]:
    if isinstance(what, str):
        return [what]
    if isinstance(what, EntityId):
        return [str(what)]
    for name in ("id", "instance_id", "entity_id"):
        if isinstance(value := getattr(what, name, None), (str, EntityId)):
            return [str(value)]
    if isinstance(getattr(what, "columns", None), Iterable):
        return _id_column(what)
    if isinstance(what, Iterable):
        return [instance_id for item in what for instance_id in _collect_ids(item)]
    raise TypeError(
        f"Expected an id, a handle, several of these, or a query that gives ids, not a {type(what).__name__}."
    )


def _id_column(relation: Any) -> list[str]:
    names = list(relation.columns)
    if "instance_id" not in names and len(names) != 1:
        raise ValueError(
            f"The query gives {', '.join(names)}; expected one column, or one called instance_id."
        )
    name = "instance_id" if "instance_id" in names else names[0]
    is_frame = not hasattr(relation, "fetchall")
    ids = list(relation[name]) if is_frame else [row[names.index(name)] for row in relation.fetchall()]
    invalid = next((value for value in ids if not isinstance(value, str)), None)
    if invalid is not None:
        raise ValueError(f"The query gives {invalid!r} for an id; expected text.")
    return ids
