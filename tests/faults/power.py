"""Power cuts in checkpoints: `python -m tests.faults.power --cuts 3000` says how many of them open.

A checkpoint of DuckDB writes each block that is new to it once, syncs, and then points the header at them. So
all that a power cut can leave before that sync is known from the database before and after it: each block is
the old one, the new one, or some sectors of both. Both logs were synced before. In every third cut, DuckDB's
own log is damaged, too: the durable one has all that is in it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from unittest.mock import patch

from durablenb.model.errors import StoreError
from durablenb.model.events import EventRaised, ExecutionCompleted, OrchestratorStarted, TaskCompleted
from durablenb.model.logs import LogLine
from durablenb.model.payloads import Blob, Payload
from durablenb.store import durable_log
from durablenb.store.blocks import metadata_blocks, torn_blocks
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.lockfile import durable_log_path
from durablenb.store.salvage import scan
from tests.store.files import wal_of
from tests.store.scribe import EntityScribe, Scribe

BLOCKS_START, BLOCK, SECTOR = 12_288, 262_144, 512


@dataclass
class Checkpoint:
    """A database before and after a checkpoint, with the log that led there, and the contents.

    Its blocks of metadata are those before: DuckDB rewrites them in place.
    """

    before: bytes
    after: bytes
    wal: bytes
    log: bytes
    metadata: list[int]
    contents: dict[str, int]

    @property
    def changed(self) -> list[int]:
        """The blocks that were written."""
        count = (len(self.after) - BLOCKS_START) // BLOCK
        return [n for n in range(count) if _block(self.before, n) != _block(self.after, n)]

    def cut(self, torn: int, random: Random) -> bytes:
        """The database with one block torn, and each other one as it was or as it was to be."""
        image = bytearray(self.after + self.before[len(self.after) :])  # it is made shorter only later
        image[:BLOCKS_START] = self.before[:BLOCKS_START]
        for block in self.changed:
            old, new = _block(self.before, block), _block(self.after, block)
            content = _torn(old, new, random) if block == torn else random.choice((old, new))
            image[_place(block) : _place(block + 1)] = content
        return bytes(image)


def _place(block: int) -> int:
    return BLOCKS_START + block * BLOCK


def _block(database: bytes, block: int) -> bytes:
    return database[_place(block) : _place(block + 1)].ljust(BLOCK, b"\0")


def _torn(old: bytes, new: bytes, random: Random) -> bytes:
    """The first sectors of the new one have arrived, or the last ones, or any."""
    count = BLOCK // SECTOR
    edge = random.randrange(1, count)
    has_arrived = random.choice((lambda n: n < edge, lambda n: n >= edge, lambda _: random.random() < 0.5))
    return b"".join((new if has_arrived(n) else old)[n * SECTOR : (n + 1) * SECTOR] for n in range(count))


class Recorder:
    """Writes into a hub's file, and records the checkpoints that are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store, self.scribe = DuckStore(path), Scribe()
        self.entities = EntityScribe(self.store, self.scribe)
        self.checkpoints: list[Checkpoint] = []

    def write(self) -> None:
        """All that the scribe has written."""
        self.store.append(self.scribe.take())

    def checkpoint(self) -> None:
        """Write the present state into the database.

        Each third time a commit does it, which is a checkpoint: DuckDB's own log lacks its event.
        """
        with self.store.connection() as connection:  # by now the tables have all of it
            kept = self.path.with_name("kept.wal")
            os.link(wal_of(self.path), kept)  # DuckDB marks the log before it removes it
            before, metadata = self.path.read_bytes(), metadata_blocks(self.path)
            if len(self.checkpoints) % 3 < 2:
                connection.execute("checkpoint")
            else:
                self.scribe.start("large")
                with patch.object(durable_log, "LARGE_BYTES", 0):
                    self.write()
                    self.store.last_seq()  # by now the tables have it
            assert not wal_of(self.path).exists()
            contents, log = contents_of(connection), durable_log_path(self.path).read_bytes()
        after = self.path.read_bytes()
        self.checkpoints.append(Checkpoint(before, after, kept.read_bytes(), log, metadata, contents))
        kept.unlink()


def contents_of(connection) -> dict[str, int]:
    """A hash of each table."""
    rows, unreadable = scan(connection)
    assert not unreadable
    hashes = {
        name: connection.execute("select sum(hash(t)) from query_table(?) as t", [name]).fetchall()[0][0]
        for name in rows
        if name != "durablenb_log"  # changes when a log is applied
    }
    return {name: hash((rows[name], found)) for name, found in hashes.items()}


# -- workloads ----------------------------------------------------------------------------------------


def chains(recorder: Recorder, random: Random) -> None:
    """A few instances, a few events at a time."""
    recorder.scribe.start("a")
    for _ in range(random.randrange(1, 30)):
        recorder.scribe.run("a", OrchestratorStarted, TaskCompleted)
        recorder.write()


def crowds(recorder: Recorder, random: Random) -> None:
    """Thousands of instances, some of them purged."""
    ids = [f"i{random.random()}" for _ in range(2_000)]
    for instance_id in ids:
        recorder.scribe.start(instance_id, input=str(random.random()))
        recorder.scribe.run(instance_id, OrchestratorStarted, ExecutionCompleted)
    recorder.write()
    recorder.store.purge(random.sample(ids, 200))


def frames(recorder: Recorder, random: Random) -> None:
    """Large parts of values, some of them purged."""
    for number in range(3):
        content = random.randbytes(random.randrange(1_000, 600_000))
        one = Blob(hashlib.sha256(content).hexdigest(), "test", content)
        text = Payload(f'{{"@type": "x", "@payload": "{one.hash}"}}', (one,))
        recorder.scribe.start(f"f{number}")
        recorder.scribe.add(f"f{number}", EventRaised, input=text)
        recorder.write()
    recorder.store.purge(["f0"])


def counters(recorder: Recorder, random: Random) -> None:
    """Entities, and lines of logs."""
    for number in range(20):
        entity = f"@counter@{random.random()}"
        recorder.entities.open(entity)
        recorder.entities.do(entity, recorder.entities.ask(entity), str(number))
        recorder.entities.write()
        line = LogLine(entity, "e", None, "add", 1, recorder.scribe.now, "stdout", None, None, "x" * number)
        recorder.store.append_lines([line])


WORKLOADS: tuple[Callable[[Recorder, Random], None], ...] = (chains, crowds, frames, counters)


def record(workload: Callable[[Recorder, Random], None], random: Random, count: int = 3) -> list[Checkpoint]:
    """A workload, some times, with a checkpoint after each."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder) / "hub.duckdb")
        for _ in range(count):
            workload(recorder, random)
            recorder.checkpoint()
        recorder.store.close()
    return recorder.checkpoints


# -- a campaign ---------------------------------------------------------------------------------------


@dataclass
class Figures:
    """The results of the power cuts."""

    cuts: int = 0
    mended: int = 0
    """In which metadata was torn, so that DuckDB alone refuses the file."""
    refused: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def campaign(cuts: int, seed: int) -> Figures:
    """That many power cuts, over all workloads."""
    figures = Figures()
    for name, checkpoint, database in _cuts(cuts, seed):
        figures.cuts += 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hub.duckdb"
            path.write_bytes(database)
            durable_log_path(path).write_bytes(checkpoint.log)
            wal = bytearray(checkpoint.wal)
            if figures.cuts % 3 == 0:
                wal[len(wal) // 2 :] = bytes(len(wal) - len(wal) // 2)
            wal_of(path).write_bytes(wal)
            figures.mended += bool(torn_blocks(path))
            try:
                found = _opened(path)
            except StoreError as error:
                figures.refused.append(f"{name}: {error}")
                continue
            figures.lost += [
                f"{name}: {table}" for table in found if found[table] != checkpoint.contents[table]
            ]
    return figures


def _cuts(cuts: int, seed: int) -> Iterator[tuple[str, Checkpoint, bytes]]:
    """Every second one is aimed at a block of metadata."""
    random = Random(seed)
    rounds = 0
    while True:
        for workload in WORKLOADS:
            for checkpoint in record(workload, random):
                for number in range(2):
                    block = random.choice((number and checkpoint.metadata) or checkpoint.changed)
                    name = f"seed {seed}, cut {rounds}, {workload.__name__}, block {block}"
                    yield name, checkpoint, checkpoint.cut(block, random)
                    rounds += 1
                    if rounds == cuts:
                        return


def _opened(path: Path) -> dict[str, int]:
    """Open the files, and return their contents."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = DuckStore(path)
    try:
        return contents_of(store.cursor())
    finally:
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.power", description=__doc__)
    parser.add_argument("--cuts", type=int, default=300, metavar="N", help="how many (300)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="where chance begins (1)")
    asked = parser.parse_args()
    begin = time.monotonic()
    figures = campaign(asked.cuts, asked.seed)
    for failure in [*figures.refused, *figures.lost]:
        print(failure)
    print(
        f"{figures.cuts} power cuts in checkpoints: {figures.mended} mended, {len(figures.refused)} refused, "
        f"{len(figures.lost)} lost something ({time.monotonic() - begin:.1f} s)"
    )
    sys.exit(bool(figures.refused or figures.lost))


if __name__ == "__main__":
    main()
