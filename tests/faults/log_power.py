"""A power cut at every write to the durable log: the hub opens, and has all that was acknowledged.

Writes to the log and its syncs are recorded. Of what was written since the last sync, any sectors may be on
disk, in any order. The database is as it was when it was last written, and DuckDB's own log may lack its end.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from durablenb.core.ports.store import HistoryBundle
from durablenb.model.events import EventRaised, ExecutionCompleted, OrchestratorStarted
from durablenb.model.imports import Import, KeptBlob
from durablenb.model.logs import LogLine
from durablenb.model.payloads import references
from durablenb.model.source import Source
from durablenb.store import durable_log, log_file
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.lockfile import durable_log_path
from durablenb.store.log_file import LogFile
from durablenb.store.tables import JournalTables
from tests.store.files import wal_of
from tests.store.scribe import Scribe
from tests.store.test_blobs import hash_of, text_of

SECTOR = 512
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Disk:
    """The log on a disk: what is there for sure, and what was written since the last sync."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes]] = field(default_factory=list)

    def write(self, offset: int, content: bytes) -> None:
        self.pending.append((offset, content))

    def sync(self) -> None:
        for offset, content in self.pending:
            _put(self.synced, offset, content)
        self.pending.clear()

    def after_a_cut(self, random: Random) -> bytes:
        """Each sector that was being written is the old one, the new one or neither."""
        image = bytearray(self.synced)
        for offset, content in self.pending:
            fate = random.choice(("all", "none", "some", "first", "garbage"))
            edge = random.randrange(1 + len(content) // SECTOR)
            for start in range(0, len(content), SECTOR):
                sector = content[start : start + SECTOR]
                if (
                    fate == "all"
                    or (fate == "some" and random.random() < 0.5)
                    or (fate == "first" and start < edge * SECTOR)
                ):
                    _put(image, offset + start, sector)
                elif fate == "garbage" and random.random() < 0.3:
                    _put(image, offset + start, random.randbytes(len(sector)))
        return bytes(image)


def _put(image: bytearray, offset: int, content: bytes) -> None:
    image.extend(bytes(max(0, offset + len(content) - len(image))))
    image[offset : offset + len(content)] = content


@dataclass
class Moment:
    """The permitted states after a power cut at one moment."""

    name: str
    log: bytes
    database: bytes
    wal: bytes
    acknowledged: int
    """Records that were acknowledged by then."""
    written: int
    """Records that were handed to the log by then."""


class Recorder:
    """Records the moments of a store's life."""

    def __init__(self, path: Path, random: Random, patch: pytest.MonkeyPatch) -> None:
        self.moments: list[Moment] = []
        self.acknowledged = self.written = 0
        self._path, self._random = path, random
        self._disk: Disk | None = None
        self._database = path.read_bytes(), b""
        write, sync, init = LogFile._write, log_file.sync, LogFile.__init__
        apply, checkpoint = JournalTables.apply, JournalTables.checkpoint

        def created(log: LogFile, *given: Any) -> None:
            before, self._disk = self._disk, None
            self._new = Disk()
            init(log, *given)
            assert not self._new.pending
            self._disk = self._new  # it was renamed
            assert before is None

        def written(log: LogFile, offset: int, parts: Any) -> None:
            for part in parts:
                (self._disk or self._new).write(offset, bytes(part))
                self._note("write")
                offset += len(part)
            write(log, offset - sum(map(len, parts)), parts)

        def synced(fd: int) -> None:
            sync(fd)
            self._note("sync")
            (self._disk or self._new).sync()

        def applied(tables: JournalTables, *given: Any, **options: Any) -> None:
            apply(tables, *given, **options)
            self._note_database()

        def checkpointed(tables: JournalTables) -> None:
            checkpoint(tables)
            self._note_database()

        patch.setattr(LogFile, "__init__", created)
        patch.setattr(LogFile, "_write", written)
        patch.setattr(log_file, "sync", synced)
        patch.setattr(JournalTables, "apply", applied)
        patch.setattr(JournalTables, "checkpoint", checkpointed)

    def _note(self, name: str) -> None:
        if self._disk is not None:
            image = self._disk.after_a_cut(self._random)
            database, wal = self._database
            if self._random.random() < 0.5:  # the durable log has all that is in DuckDB's
                wal = wal[: self._random.randrange(1 + len(wal))]
            self.moments.append(Moment(name, image, database, wal, self.acknowledged, self.written))

    def _note_database(self) -> None:
        wal = wal_of(self._path)
        self._database = self._path.read_bytes(), wal.read_bytes() if wal.exists() else b""
        self._note("database")


def work(store: DuckStore, recorder: Recorder, random: Random) -> None:
    """Events, blobs, lines, sources, purges, reads and imports, with checkpoints in between."""
    scribe = Scribe()

    def write() -> None:
        records = scribe.take()
        recorder.written = records[-1].seq
        store.append(records)
        recorder.acknowledged = recorder.written

    for number in range(12):
        name = f"i{number}"
        scribe.start(name, input=text_of(random.randbytes(random.randrange(1, 9_000))))
        write()
        scribe.run(name, OrchestratorStarted)
        scribe.add(name, EventRaised, input='"' + "x" * random.randrange(2_000) + '"')
        write()
        store.append_lines([LogLine(name, "e", None, "o", 1, NOW, "stdout", None, None, f"line {number}")])
        store.keep([Source(f"{number:016x}", "def o(context): pass", 1)])
        scribe.run(name, ExecutionCompleted)
        write()
        if number % 4 == 3:
            store.purge([f"i{number - 1}"])
        if number % 2 == 0:
            store.query("select 1")  # brings the tables up to date, however slow the log's thread is
    elsewhere = Scribe()
    elsewhere.start("imported", input=text_of(b"two", is_bare=True))
    bundle = HistoryBundle(elsewhere.take(), [KeptBlob(hash_of(b"two"), "test", b"two", NOW)], [], [])
    store.import_histories(bundle, [Import("imported", "elsewhere", "azure", NOW)], recorder.acknowledged)


def moments(path: Path, seed: int) -> Iterator[Moment]:
    random = Random(seed)
    DuckStore(path).close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable_log, "CHECKPOINT_BYTES", 40_000)
        patch.setattr(durable_log, "REST_SECONDS", 3600.0)
        patch.setattr(durable_log, "ROWS_AT_ONCE", 7)
        patch.setattr(durable_log, "LARGE_BYTES", 5_000)  # some applications are checkpoints, others aren't
        recorder = Recorder(path, random, patch)
        store = DuckStore(path)
        work(store, recorder, random)
        store.close()
    yield from recorder.moments


def check(moment: Moment, folder: Path) -> None:
    """A hub opens after a power cut at this moment, with all that was acknowledged, and nothing in part."""
    hub = folder / "hub.duckdb"
    hub.write_bytes(moment.database)
    durable_log_path(hub).write_bytes(moment.log)
    if moment.wal:
        wal_of(hub).write_bytes(moment.wal)
    store = DuckStore(hub)
    sql = "select seq, payload from journal where instance_id != 'imported' order by seq"
    found = dict(store.query(sql))
    last = max(found, default=0)
    assert moment.acknowledged <= last <= moment.written, f"{last}: {moment.acknowledged} to {moment.written}"
    purged = set(range(1, last + 1)) - found.keys()
    assert len(purged) % 4 == 0, "an instance was purged in part"
    for payload in filter(None, found.values()):
        for blob_hash in references(payload):
            assert hash_of(store.blob(blob_hash)) == blob_hash
    store.close()
    assert [path.name for path in folder.iterdir() if path.suffix != ".lock"] == ["hub.duckdb"]
    shutil.rmtree(folder)
