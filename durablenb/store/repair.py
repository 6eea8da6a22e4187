"""Repair of a damaged hub: saves what can be read, keeps the old files, and counts losses."""

from __future__ import annotations

import re
import shutil
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import duckdb
from duckdb import ColumnExpression, ConstantExpression

from durablenb.model.errors import StoreError
from durablenb.store.blocks import bad_blocks
from durablenb.store.connections import Connections
from durablenb.store.lockfile import (
    HubLock,
    aside_name,
    check_files,
    durable_log_path,
    log_files,
    resolve_place,
)
from durablenb.store.log_recovery import DamagedLogError, check_log, recover
from durablenb.store.opening import open_database
from durablenb.store.salvage import (
    DamagedHubError,
    SalvageWarning,
    list_tables,
    scan,
    seal_torn_blocks,
    set_aside,
)
from durablenb.store.tables import JournalTables

Verdict = Literal["ok", "salvaged", "log set aside", "rebuilt", "unreadable"]

_VECTOR = 2048  # rows that DuckDB reads at once: the smallest piece that is lost
_BAD_READ = re.compile("Corrupt database file|read enough bytes")


@dataclass(frozen=True)
class RepairReport:
    """Report of what `repair` found and did; its text is for people.

    Parameters
    ----------
    verdict
        ``ok``: nothing was wrong; ``salvaged``: the damaged end of the log was cut off, DuckDB's own log was
        damaged and not needed, or what a checkpoint had left half-written was made whole;
        ``log set aside``: a log could not be used, and the hub opens without it; ``rebuilt``:
        what could be read is in a new database; ``unreadable``: nothing was changed.
    found, done
        A sentence each.
    kept
        Files with what was there before.
    rows, lost
        For each table, how many rows can be read now, and how many could not be saved. What was
        in a log that was cut or set aside is not counted here: `done` says it.
    """

    path: Path
    verdict: Verdict
    found: tuple[str, ...]
    done: tuple[str, ...]
    kept: tuple[Path, ...]
    rows: dict[str, int]
    lost: dict[str, int]

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.verdict}"]
        lines += [f"  found: {text}" for text in self.found]
        lines += [f"  done: {text}" for text in self.done]
        lines += [f"  kept: {kept}" for kept in self.kept]
        for table, count in self.rows.items():
            lost = self.lost.get(table)
            lines.append(f"  {table}: {count:,} rows" + (f", {lost:,} lost" if lost else ""))
        return "\n".join(lines)


@dataclass
class _Case:
    """The notes of a repair while it runs."""

    path: Path
    verdict: Verdict = "ok"
    found: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)

    def keep(self, files: tuple[Path, ...] | list[Path]) -> None:
        self.kept += [file for file in files if file not in self.kept]

    def report(self) -> RepairReport:
        notes = tuple(self.found), tuple(self.done), tuple(self.kept)
        return RepairReport(self.path, self.verdict, *notes, self.rows, self.lost)


def repair(path: Path) -> RepairReport:
    """Repair the hub at `path` as far as possible; return a report.

    Nothing is ever deleted: the old files stay beside it, under names with ``damaged``.

    Raises
    ------
    HubLockedError
        If the hub is open somewhere.
    StoreError
        If there is no hub of this version of DuckDB at `path`, or its log is a newer durablenb's.
    """
    path = resolve_place(path)
    check_files(path, must_exist=True)
    with HubLock(path):
        case = _Case(path)
        connection = _open(case)
        if connection is None:
            case.verdict = "unreadable"
            return case.report()
        try:
            _take_log(case, connection)
        except StoreError:
            connection.execute("PRAGMA disable_checkpoint_on_shutdown")
            connection.close()
            raise
        case.rows, unreadable = scan(connection)
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")  # so far, change nothing
        connection.close()
        case.found += [f"table {table} can't be read in full" for table in unreadable]
        bad = bad_blocks(path)  # those of indexes are read by no scan
        if bad:
            case.found.append(f"the database has damaged blocks: {len(bad)}")
        if bad or unreadable:
            _rebuild(case)
        return case.report()


def _take_log(case: _Case, connection: duckdb.DuckDBPyConnection) -> None:
    """Apply what is whole in the durable log; set it aside if it doesn't fit the database."""
    log, tables = (
        durable_log_path(case.path),
        JournalTables(Connections(lambda: connection), lambda _: nullcontext()),
    )
    try:
        check_log(case.path, tables.log_state())
    except DamagedLogError as error:
        case.found.append(error.reason)
        case.keep(set_aside(case.path))
        count = recover(case.path, tables)
        case.verdict = "salvaged"
        case.done.append(
            f"applied what is before the damage: {count:,} entries; lost: {error.lost:,} entries or more"
        )
    except DamagedHubError as error:
        case.found.append(error.reason)
        case.keep(set_aside(case.path))
        log.unlink(missing_ok=True)
        case.verdict = "log set aside"
        case.done.append("opened without the log; what was in it alone is not in the hub")
        tables.set_log_state(tables.log_state()._replace(has_log=False))
    else:
        recover(case.path, tables)


def _open(case: _Case) -> duckdb.DuckDBPyConnection | None:
    """Open the database, without its log if that is the only way."""
    try:
        return _open_noting(case)
    except DamagedHubError as error:
        case.found.append(error.reason)
        case.keep(error.copies)
        moved = _move_logs(case.path, error.copies)
    if not moved:
        return None
    try:
        connection = _open_noting(case)
    except DamagedHubError as error:
        case.found.append(error.reason)
        for log, aside in moved.items():
            shutil.copy2(aside, log)
        case.keep(list(moved.values()))
        return None
    case.verdict = "log set aside"
    case.done.append("opened without DuckDB's log; what was in it alone is not in the hub")
    case.keep(list(moved.values()))
    return connection


def _open_noting(case: _Case) -> duckdb.DuckDBPyConnection:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            seal_torn_blocks(case.path)
            return open_database(case.path)
        finally:
            for warning in caught:
                if isinstance(warning.message, SalvageWarning):
                    case.verdict = "salvaged"
                    case.done.append(str(warning.message))
                    case.keep(warning.message.copies)


def _move_logs(path: Path, copies: tuple[Path, ...]) -> dict[Path, Path]:
    """Rename each log to its copy's name, or to a new one, and return where they went."""
    target = copies[0] if copies else aside_name(path)
    moved = {}
    for log in log_files(path):
        aside = target.with_name(target.name + log.name.removeprefix(path.name))
        moved[log] = log.replace(aside)
    return moved


def _rebuild(case: _Case) -> None:
    """Put what can be read into a new database, which replaces the old one."""
    aside = aside_name(case.path)
    new = aside.with_name(aside.name + ".rebuilt")
    try:
        case.lost = _copy_readable(case.path, new)
        connection = open_database(new)
        case.rows, unreadable = scan(connection)
        connection.close()
        if unreadable:
            raise duckdb.IOException(f"the new database can't be read: {unreadable}")
    except duckdb.Error as error:
        new.unlink(missing_ok=True)  # a half-made copy
        case.verdict = "unreadable"
        case.found.append(str(error).partition("\n")[0])
        return
    shutil.copymode(case.path, new)
    for log, moved in _move_logs(case.path, (aside,)).items():
        case.done.append(f"moved {log.name} away, having read it")
        case.keep([moved])
    case.path.replace(aside)
    new.replace(case.path)
    case.keep([aside])
    case.verdict = "rebuilt"
    case.done.append(f"saved {sum(case.rows.values()):,} rows into a new database")


def _copy_readable(old: Path, new: Path) -> dict[str, int]:
    """Copy the schema and all readable rows; return how many rows of each table are lost."""
    lost = {}
    with duckdb.connect(config={"memory_limit": "1GB", "threads": 2}) as connection:
        connection.execute("ATTACH ? AS damaged (READ_ONLY)", [str(old)])
        connection.execute("ATTACH ? AS rebuilt", [str(new)])
        connection.execute("COPY FROM DATABASE damaged TO rebuilt (SCHEMA)")
        for table, name in list_tables(connection, "damaged").items():
            source = connection.table(f"damaged.{name}")
            _copy_rows(source, f"rebuilt.{name}")
            before, after = source.count("*"), connection.table(f"rebuilt.{name}").count("*")
            lost[table] = before.fetchall()[0][0] - after.fetchall()[0][0]
    return {table: count for table, count in lost.items() if count}


def _copy_rows(source: duckdb.DuckDBPyRelation, target: str) -> None:
    """Copy the rows in order; split what can't be read into halves, down to single vectors."""
    rowid = ColumnExpression("rowid")
    (last,) = source.max("rowid").fetchall()[0]
    spans = [(0, (last or 0) + 1)]
    while spans:
        start, stop = spans.pop()
        part = source.filter((rowid >= ConstantExpression(start)) & (rowid < ConstantExpression(stop)))
        try:
            part.insert_into(target)
        except duckdb.Error as error:
            if not _BAD_READ.search(str(error)):
                raise
            if stop - start > _VECTOR:
                vectors = -(-(stop - start) // _VECTOR)
                middle = start + vectors // 2 * _VECTOR
                spans += [(middle, stop), (start, middle)]
