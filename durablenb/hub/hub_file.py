"""A hub's file that is only read: no engine runs, nothing is locked and nothing is changed."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import duckdb

from durablenb.analysis.history import History
from durablenb.analysis.logs import Log
from durablenb.analysis.sql import Parameters, query
from durablenb.core.short_repr import plural
from durablenb.hub.control import ReadOnly
from durablenb.hub.entity import EntityHandle
from durablenb.hub.hub import Hub, parse_entity_id
from durablenb.journal.file import FileJournal
from durablenb.model.entities import EntityId, checked_entity_id
from durablenb.model.errors import DurableError, InstanceNotFoundError
from durablenb.model.status import DurableOrchestrationStatus

if TYPE_CHECKING:
    from durablenb.analysis.fleet import Fleet

_COUNTS = """
select count(distinct instance_id) filter (not starts_with(instance_id, '@')),
       count(distinct instance_id) filter (starts_with(instance_id, '@'))
from journal
"""


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


class HubFile(Hub):
    """The histories in a hub's file, which is only read; `durablenb.open_history` gives it.

    All that can be looked at is called as in a `TaskHub`. What would start or change something raises a
    `DurableError`.

    Parameters
    ----------
    path
        The file.
    connect
        Gives a connection to its database, if a hub of this process has it open. Without it, the file is
        opened read-only.

    Raises
    ------
    HubLockedError
        If another process has it open; the message names the process.
    StoreError
        If it can't be opened, or isn't a hub's.
    """

    def __init__(self, path: Path, connect: Callable[[], duckdb.DuckDBPyConnection] | None = None) -> None:
        self._file = FileJournal(path, connect)
        super().__init__(self._file, ReadOnly(self._file, str(path)))

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def last_written(self) -> datetime | None:
        """Return the time of the last event of all; None if there is none."""
        return self._file.last_written()

    def status(self, instance_id: str) -> DurableOrchestrationStatus:
        """Return the status of an instance; a false one if there is none."""
        return self.client.get_status(instance_id)

    def history(self, instance_id: str) -> History:
        """Return the events of all executions of an instance or an entity, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        return History(instance_id, self.client.history(instance_id))

    def logs(self, instance_id: str) -> Log:
        """Return the lines that an instance and its sub-orchestrations printed and logged, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        return Log(instance_id, self.client.logs(instance_id))

    @overload
    def entity(self, function: EntityId) -> EntityHandle: ...
    @overload
    def entity(self, function: Any, key: str) -> EntityHandle: ...
    def entity(self, function: Any, key: str | None = None) -> Any:
        """Return an entity, to look at its state and its picture; see `TaskHub.entity`.

        Raises
        ------
        InstanceNotFoundError
            If no operation of such an entity was ever requested.
        """
        instance_id = str(checked_entity_id(parse_entity_id(function, key)))
        if not self._file.of().records(instance_id):
            raise InstanceNotFoundError(
                f"{self.path} has no entity {instance_id}. entities() lists the existing ones."
            )
        return super().entity(parse_entity_id(function, key))

    # -- queries ---------------------------------------------------------------------------------

    def sql(self, query_text: str, params: Parameters = None) -> duckdb.DuckDBPyRelation:
        """Return the answer to a query over the file's tables and views, and your data frames.

        It reads no other files: a view in a file that you were given could read any of yours.

        Parameters
        ----------
        query_text, params
            As for `TaskHub.sql`.

        Raises
        ------
        ValueError
            If it isn't one query.
        duckdb.Error
            If the query is wrong.
        """
        return self._query(query_text, params, sys._getframe(1))

    def answer(self, query_text: str, params: Parameters = None) -> Answer:
        """Return the answer to one query, with its rows.

        Raises
        ------
        ValueError
            If it isn't one query, or DuckDB doesn't understand it.
        """
        try:
            relation = query(self.connection(), query_text, params, {})
            rows = tuple(relation.fetchall())
        except duckdb.Error as error:
            raise ValueError(str(error).partition("\n")[0]) from None
        return Answer(tuple(relation.columns), tuple(map(str, relation.types)), rows)

    def fleet(self, latest: int = 10) -> Fleet:
        """Return the numbers of instances and entities, and the instances that were updated last.

        Parameters
        ----------
        latest
            The number of instances to name.
        """
        from durablenb.analysis.fleet import read_fleet  # only needed for pictures

        with self._file.connection() as connection:
            return read_fleet(connection, latest)

    def __repr__(self) -> str:
        try:
            count, entities = self._file.of().query(_COUNTS)[0]
        except DurableError:
            return f"<HubFile {self.path.name}: closed>"
        found = plural(count, "instance")
        if entities:
            found += f", {plural(entities, 'entity', 'entities')}"
        return f"<HubFile {self.path.name}: {found}, read-only>"


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
