"""A hub's file, looked into without an engine: nothing is locked, nothing is changed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Self

import duckdb

from durablenb.model.errors import InstanceNotFoundError, StoreError
from durablenb.queries.history import History
from durablenb.queries.sql import query
from durablenb.store.duck import FORMAT
from durablenb.store.opener import open_database
from durablenb.store.statements import LOAD_ONE
from durablenb.store.wire import from_row


@dataclass(frozen=True)
class Answer:
    """The rows that a query gave, with their columns' names and DuckDB's names of their types."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def as_json(self) -> list[dict[str, Any]]:
        """Return each row as JSON values; times are ISO 8601, what JSON can't hold is text."""
        return [
            {
                column: _plain(value, kind)
                for column, kind, value in zip(self.columns, self.types, row, strict=True)
            }
            for row in self.rows
        ]


class HubFile:
    """A hub's file, opened read-only.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    HubLockedError
        If a hub has it open; the message names the process.
    StoreError
        If it can't be opened, or isn't a hub's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_database(path, read_only=True)
        try:
            self._check_format()
        except BaseException:
            self.close()
            raise

    def _check_format(self) -> None:
        try:
            ((version,),) = self._connection.execute("select max(version) from durablenb_format").fetchall()
        except duckdb.CatalogException:
            version = None
        if version is None:
            raise StoreError(f"{self.path} is a DuckDB database, but not a hub. Give another path.")
        if version > FORMAT:
            raise StoreError(
                f"{self.path} has format {version} of the journal; this durablenb knows up to {FORMAT}. "
                "Install a newer durablenb."
            )

    def answer(self, sql: str, parameters: Sequence[object] | dict[str, object] | None = None) -> Answer:
        """Return the answer to one query.

        Raises
        ------
        ValueError
            If it isn't one query, or DuckDB doesn't understand it.
        """
        try:
            relation = query(self._connection, sql, parameters)
            rows = tuple(relation.fetchall())
        except duckdb.Error as error:
            raise ValueError(str(error).partition("\n")[0]) from None
        return Answer(tuple(relation.columns), tuple(map(str, relation.types)), rows)

    def history(self, instance_id: str) -> History:
        """Return the events of all executions of an instance, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        rows = self._connection.execute(LOAD_ONE, [instance_id]).fetchall()
        if not rows:
            raise InstanceNotFoundError(f"{self.path} has no instance {instance_id!r}.")
        return History(instance_id, [from_row(row).event for row in rows])

    def close(self) -> None:
        """Let go of the file; twice does nothing."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _plain(value: Any, kind: str = "") -> Any:
    if kind == "JSON" and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
