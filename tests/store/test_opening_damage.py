"""A database with a damaged log of DuckDB's: it is refused, and the files are kept.

What a hub makes of it, which has a durable log, is in `test_durable_log`.
"""

import pytest

from durablenb.store.duckdb_store import DuckStore
from durablenb.store.opening import open_database
from durablenb.store.repair import repair
from durablenb.store.salvage import DamagedHubError
from tests.store.files import assert_kept, contents, flip, numbers, wal_of, write_commits

COMMITS = 20


@pytest.fixture
def sizes(hub):
    """The size of the log of a database `hub` after each commit."""
    return write_commits(hub, COMMITS)


def test_sound_database_opens_without_a_word_and_without_copies(hub, sizes):
    for _ in range(2):
        with open_database(hub) as connection:
            assert numbers(connection) == list(range(COMMITS))
    assert list(contents(hub.parent)) == [hub.name]


TAILS = [*(b"\0" * count for count in (1, 8, 4096, 70_000)), 1, 5, 20, 100]


@pytest.mark.parametrize("tail", TAILS, ids=lambda tail: len(tail) if isinstance(tail, bytes) else -tail)
def test_zeros_at_the_end_and_an_end_that_is_missing_are_what_a_killed_process_leaves(hub, sizes, tail):
    log = wal_of(hub).read_bytes()
    assert len(log) == sizes[-1]
    wal_of(hub).write_bytes(log + tail if isinstance(tail, bytes) else log[:-tail])
    kept = COMMITS if isinstance(tail, bytes) else sum(size <= sizes[-1] - tail for size in sizes)
    with open_database(hub) as connection:
        assert numbers(connection) == list(range(kept))


def test_damaged_log_without_a_durable_one_is_refused_and_repair_goes_on_without_it(hub, sizes):
    flip(wal_of(hub), sizes[10] + 16)
    before = contents(hub.parent)
    for options in ({}, {"read_only": True}):
        with pytest.raises(
            DamagedHubError, match=r"DuckDB's log hub\.duckdb\.wal.*Nothing was changed.*repair"
        ):
            open_database(hub, **options)
    assert contents(hub.parent) == before
    assert repair(hub).verdict == "log set aside"
    assert_kept(before, hub.parent)
    with open_database(hub) as connection:
        assert numbers(connection) == []


def test_log_of_another_database_is_refused_and_kept(hub, sizes, tmp_path):
    other = tmp_path / "other.duckdb"
    write_commits(other, 3)
    wal_of(other).replace(wal_of(hub))
    before = contents(tmp_path)
    with pytest.raises(
        DamagedHubError, match=r"log hub\.duckdb\.wal.*does not match.*bring the right two together"
    ):
        DuckStore(hub)
    assert_kept(before, tmp_path)
    assert wal_of(hub).read_bytes() == before["hub.duckdb.wal"]


def test_older_log_of_the_same_database_is_refused_and_kept(hub, sizes):
    old = wal_of(hub).read_bytes()
    open_database(hub).close()
    wal_of(hub).write_bytes(old)
    with pytest.raises(DamagedHubError, match="does not match"):
        open_database(hub)
    assert wal_of(hub).read_bytes() == old
