"""A hub's file, looked into without an engine: nothing is locked, nothing is changed."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import duckdb

from durablenb.analysis.figures import HubFigures
from durablenb.analysis.history import History
from durablenb.analysis.instances import InstanceList
from durablenb.analysis.logs import Log
from durablenb.analysis.sql import Parameters, frame_variables, query
from durablenb.core.ports.store import InstanceQuery, Record
from durablenb.hub.recorded.entity import EntityReader
from durablenb.hub.recorded.instance import RecordedInstance
from durablenb.model.display import HubView
from durablenb.model.errors import DurableError, InstanceNotFoundError
from durablenb.model.ids import asked_instance_id
from durablenb.model.status import DurableOrchestrationStatus, Statuses, status_of, statuses_of
from durablenb.model.times import aware
from durablenb.store.lines import lines_of
from durablenb.store.statements import LOAD_SINCE, SOURCE
from durablenb.store.states import states_of
from durablenb.store.wire import from_row

if TYPE_CHECKING:
    from durablenb.analysis.fleet import Fleet
    from durablenb.analysis.replays.fit_report import FitReport

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


class HubFile(EntityReader, HubFigures):
    """The histories in a hub's file, for reading alone; `durablenb.open_history` gives it.

    Parameters
    ----------
    path
        The file.
    connect
        Gives a connection to its database, where a hub of this process has it open. Without that, the file
        is opened read-only.

    Raises
    ------
    HubLockedError
        If another process has it open; the message names the process.
    StoreError
        If it can't be opened, or isn't a hub's.
    """

    # -- instances -------------------------------------------------------------------------------

    def instances(
        self,
        status: Statuses = None,
        *,
        name: str | None = None,
        since: datetime | None = None,
        top: int | None = None,
    ) -> InstanceList:
        """Return where the instances stand that meet every condition given, oldest first.

        Parameters
        ----------
        status
            One or several, such as ``"Failed"``.
        name
            Their orchestrator.
        since
            Started at this moment or later; a naive one is UTC.
        top
            How many at the most.
        """
        asked = InstanceQuery(name=name, statuses=statuses_of(status), created_from=aware(since), limit=top)
        return InstanceList(self._statuses(asked), partial(RecordedInstance, self))

    def handle(self, instance_id: str) -> RecordedInstance:
        """Return an instance, to look at its status, history, graph and picture.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        if not self.status(instance_id):
            raise self._unknown(instance_id)
        return RecordedInstance(self, instance_id)

    def status(self, instance_id: str) -> DurableOrchestrationStatus:
        """Return where an instance stands; a false status if there is none."""
        found = self._statuses(InstanceQuery(instance_ids=(asked_instance_id(instance_id),)))
        return found[0] if found else DurableOrchestrationStatus()

    def history(self, instance_id: str) -> History:
        """Return the events of all executions of an instance, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        records = self._records(instance_id)
        if not records:
            raise self._unknown(instance_id)
        return History(instance_id, [record.event for record in records])

    def logs(self, instance_id: str) -> Log:
        """Return what an instance and its sub-orchestrations printed and logged, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        return Log(self.handle(instance_id).id, lines_of(self._ask, instance_id))

    def replay(self, target: Any, orchestrator: Callable[..., Any], *, status: Statuses = None) -> FitReport:
        """Return whether code fits instances of the file; see `TaskHub.replay`.

        Parameters
        ----------
        target, status
            As for `TaskHub.replay`.
        orchestrator
            The code: a file has none.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance and no such orchestrator.
        """
        from durablenb.hub.recorded.fits import fitting_of  # what only those need who replay

        return fitting_of(self, orchestrator).report(target, orchestrator, status)

    def export(self, what: Any, path: str | os.PathLike[str]) -> int:
        """Write instances and entities into a JSON or Parquet file; see `TaskHub.export`.

        Parameters
        ----------
        what, path
            As for `TaskHub.export`.
        """
        from durablenb.journal.bundle.exporting import export  # what only those need who export

        with self.connection() as connection:
            return export(connection, what, path, partial(query, connection, parameters=None, variables={}))

    def _records(self, instance_id: str, after: int = 0) -> list[Record]:
        """Return the events of an instance after a place in the journal."""
        return [
            from_row(row) for row in sorted(self._ask(LOAD_SINCE, [instance_id, after]), key=itemgetter(0))
        ]

    def _source(self, source_hash: str) -> str | None:
        """Return the source text with this hash, if the file has it."""
        found = self._ask(SOURCE, [source_hash])
        return str(found[0][0]) if found else None

    def _statuses(self, asked: InstanceQuery) -> list[DurableOrchestrationStatus]:
        origins = self._origins()
        return [
            status_of(state, self._codec.shown, imported_from=origins.get(state.instance_id))
            for state in states_of(self._ask, asked)
        ]

    def _origins(self) -> dict[str, str]:
        """Return where what was imported came from, by ids."""
        with self.connection() as connection:
            try:
                return dict(connection.execute("select instance_id, origin from imported").fetchall())
            except duckdb.CatalogException:  # a file in which nothing could be imported yet
                return {}

    def _unknown(self, instance_id: object) -> InstanceNotFoundError:
        return InstanceNotFoundError(
            f"{self.path} has no instance {instance_id!r}. instances() lists those that there are."
        )

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
        return query(self.connection(), query_text, params, frame_variables(sys._getframe(1)))

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

    # -- how it shows ----------------------------------------------------------------------------

    def _reader(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return self.connection()

    def _shown(self) -> HubView:
        return HubView(repr(self), self.fleet())

    def fleet(self, latest: int = 10) -> Fleet:
        """Return how many instances and entities there are, and those instances that were last heard of.

        Parameters
        ----------
        latest
            How many instances to name.
        """
        from durablenb.analysis.fleet import read_fleet  # what only pictures need

        with self._reading() as connection:
            return read_fleet(connection, latest)

    def __repr__(self) -> str:
        try:
            count, entities = self._ask(_COUNTS)[0]
        except DurableError:
            return f"<HubFile {self.path.name}: closed>"
        found = f"{count:,} instance{'' if count == 1 else 's'}"
        if entities:
            found += f", {entities:,} entit{'y' if entities == 1 else 'ies'}"
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
