"""Repair: each verdict, what it saves, what it says, and that the files as they were are kept."""

import duckdb
import pytest

from durablenb.core.ports.store import InstanceQuery
from durablenb.model.errors import HubLockedError, StoreError
from durablenb.model.events import OrchestratorStarted, TaskScheduled
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.repair import repair
from tests.store.files import (
    assert_kept,
    contents,
    damage,
    flip,
    seal,
    wal_of,
    write_commits,
)
from tests.store.scribe import Scribe

BLOCK = 262_144
BLOCKS_START = 12_288
ROWS = 150_000


def write_table(path, rows=ROWS):
    """A table `t` of some blocks, checkpointed."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT range::INTEGER AS i, md5(range::VARCHAR) AS s FROM range(?)", [rows]
        )


def rows_of(path):
    with duckdb.connect(str(path)) as connection:
        return connection.execute("SELECT count(*) FROM t").fetchall()[0][0]


def blocks_of(path):
    return range((path.stat().st_size - BLOCKS_START) // BLOCK)


def test_a_sound_hub_is_ok_and_not_touched(hub):
    write_commits(hub, 3)
    before = contents(hub.parent)
    report = repair(hub)
    assert (report.verdict, report.found, report.done, report.kept) == ("ok", (), (), ())
    assert report.rows == {"t": 3}
    assert str(report) == f"{hub}: ok\n  t: 3 rows"
    assert contents(hub.parent) == before


def test_a_log_of_another_database_is_set_aside(hub, tmp_path):
    write_table(hub, 10)
    other = tmp_path / "other.duckdb"
    write_commits(other, 3)
    wal_of(other).replace(wal_of(hub))
    before = contents(tmp_path)
    report = repair(hub)
    assert report.verdict == "log set aside"
    assert "does not match" in report.found[0]
    assert report.done == ("opened without DuckDB's log; what was in it alone is not in the hub",)
    assert report.rows == {"t": 10}
    assert not wal_of(hub).exists()
    assert_kept(before, tmp_path)
    assert rows_of(hub) == 10


@pytest.mark.parametrize("place", [0, 0.5])
def test_a_database_with_a_damaged_block_is_rebuilt_with_all_rows_but_those_of_that_block(hub, place):
    write_table(hub)
    flip(hub, BLOCKS_START + int(place * len(blocks_of(hub))) * BLOCK + 5_000)
    before = contents(hub.parent)
    report = repair(hub)
    assert report.verdict == "rebuilt"
    assert report.found == ("table t can't be read in full", "the database has damaged blocks: 1")
    saved, lost = report.rows["t"], report.lost["t"]
    assert saved == rows_of(hub) == ROWS - lost
    assert 0 < lost < 20_000
    assert report.done == (f"saved {saved:,} rows into a new database",)
    assert str(report).startswith(f"{hub}: rebuilt\n  found: table t can't be read in full\n")
    assert f"\n  kept: {report.kept[0]}\n  t: {saved:,} rows, {lost:,} lost" in str(report)
    assert_kept(before, hub.parent)
    assert repair(hub).verdict == "ok"


def test_a_rebuilt_hub_works_on(opened, hub):
    scribe = Scribe()
    scribe.start("a")
    scribe.run("a", OrchestratorStarted, TaskScheduled)
    store = DuckStore(hub)
    store.append(scribe.take())
    store.close()
    with hub.open("ab") as file:  # A block of which nobody knows.
        file.write(b"\1" * (BLOCK - (hub.stat().st_size - BLOCKS_START) % BLOCK))
    report = repair(hub)
    assert report.verdict == "rebuilt"
    assert report.lost == {}
    store = opened(hub)
    assert store.load(["a"]) == scribe.history
    scribe.start_in(store, "b")
    assert len(store.states(InstanceQuery())) == 2


def test_a_database_that_cannot_be_opened_at_all_is_unreadable_and_not_touched(hub):
    write_table(hub)
    for header in (4096, 8192):  # DuckDB uses the newer one of the two.
        damage(hub, header + 16, (10**6).to_bytes(8, "little"))
        seal(hub, header, header + 4096)
    before = contents(hub.parent)
    report = repair(hub)
    assert report.verdict == "unreadable"
    assert report.found
    assert (report.rows, report.done) == ({}, ())
    assert contents(hub.parent) == before


def test_an_unreadable_database_keeps_its_log_in_its_place(hub):
    write_commits(hub, 3)
    for header in (4096, 8192):
        flip(hub, header + 16)
    before = contents(hub.parent)
    report = repair(hub)
    assert report.verdict == "unreadable"
    assert contents(hub.parent).items() >= before.items()


def test_a_hub_that_is_open_is_not_repaired(hub):
    store = DuckStore(hub)
    with pytest.raises(HubLockedError, match="already open in this process"):
        repair(hub)
    store.close()
    assert repair(hub).verdict == "ok"


def test_what_is_no_database_is_not_repaired(hub):
    for content in (None, b"", b"no database at all, but long enough" * 500):
        if content is not None:
            hub.write_bytes(content)
        with pytest.raises(StoreError):
            repair(hub)
        assert contents(hub.parent) == ({} if content is None else {hub.name: content})
