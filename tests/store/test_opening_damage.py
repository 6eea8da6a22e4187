"""A hub with a damaged log: all that can be saved is there, and the files as they were are kept."""

import pytest

from durablenb.model.errors import StoreError
from durablenb.store import salvage
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.opening import open_database
from durablenb.store.salvage import DamagedHubError, SalvageWarning
from tests.store.files import assert_kept, contents, damage, flip, numbers, wal_of, write_commits

COMMITS = 20


@pytest.fixture
def sizes(hub):
    """The size of the log of a database `hub` after each commit."""
    return write_commits(hub, COMMITS)


def opened_with_a_warning(hub):
    """The numbers in the database, and the last warning at its opening."""
    with pytest.warns(SalvageWarning) as caught, open_database(hub) as connection:
        found = numbers(connection)
    return found, caught[-1].message


def test_sound_database_opens_without_a_word_and_without_copies(hub, sizes):
    for _ in range(2):
        with open_database(hub) as connection:
            assert numbers(connection) == list(range(COMMITS))
    assert list(contents(hub.parent)) == [hub.name]


@pytest.mark.parametrize("tail", [1, 8, 4096, 70_000])
def test_zeros_after_the_last_commit_are_cut_off(hub, sizes, tail):
    with wal_of(hub).open("ab") as log:
        log.write(b"\0" * tail)
    before = contents(hub.parent)
    found, warning = opened_with_a_warning(hub)
    assert found == list(range(COMMITS))
    assert "no complete transaction was there" in str(warning)
    assert [copy.read_bytes() for copy in warning.copies] == [before["hub.duckdb"], before["hub.duckdb.wal"]]


@pytest.mark.parametrize("kept", [1, COMMITS // 2, COMMITS - 1])
def test_zeros_in_place_of_the_last_commits_cost_those_only(hub, sizes, kept):
    damage(wal_of(hub), sizes[kept - 1], b"\0" * (sizes[-1] - sizes[kept - 1]))
    before = contents(hub.parent)
    found, warning = opened_with_a_warning(hub)
    assert found == list(range(kept))
    assert f"damaged at byte {sizes[kept - 1]}" in str(warning)
    assert_kept(before, hub.parent)


@pytest.mark.parametrize("kept", [1, COMMITS // 2, COMMITS - 1])
@pytest.mark.parametrize("place", [0, 3, 7, 8, 15, 16, 40, -1], ids="byte {}".format)
def test_flipped_byte_costs_nothing_that_was_committed_before_it(hub, sizes, kept, place):
    start, end = sizes[kept - 1], sizes[kept]
    flip(wal_of(hub), start + place if place >= 0 else end - 1)
    before = contents(hub.parent)
    found, warning = opened_with_a_warning(hub)
    assert found == list(range(kept))
    assert "were cut off" in str(warning)
    assert_kept(before, hub.parent)


@pytest.mark.parametrize("missing", [1, 5, 20, 100])
def test_truncated_log_is_what_a_killed_process_leaves_and_opens_quietly(hub, sizes, missing):
    with wal_of(hub).open("r+b") as log:
        log.truncate(sizes[-1] - missing)
    kept = sum(size <= sizes[-1] - missing for size in sizes)
    with open_database(hub) as connection:
        assert numbers(connection) == list(range(kept))


def test_damaged_log_is_left_alone_where_one_only_reads_or_asks_for_no_salvage(hub, sizes):
    flip(wal_of(hub), sizes[10] + 20)
    before = contents(hub.parent)
    for options in ({"read_only": True}, {"salvage": False}):
        with pytest.raises(DamagedHubError, match=r"Nothing was changed.*durablenb repair"):
            open_database(hub, **options)
    assert contents(hub.parent) == before


def test_opening_a_damaged_hub_again_and_again_fills_no_disk(hub, sizes):
    damage(wal_of(hub), 0, b"\xff" * 60)
    before = contents(hub.parent)
    for _ in range(3):
        with pytest.raises(DamagedHubError, match="Copies are kept"):
            open_database(hub)
    assert len(contents(hub.parent)) == 4
    assert_kept(before, hub.parent)


def test_without_room_for_copies_a_damaged_log_is_not_cut(hub, sizes, monkeypatch):
    def copy(*_):
        raise OSError(28, "No space left on device")

    flip(wal_of(hub), sizes[10] + 20)
    before = contents(hub.parent)
    monkeypatch.setattr(salvage.shutil, "copy2", copy)
    with pytest.raises(StoreError, match=r"No space left on device\. Nothing was changed"):
        open_database(hub)
    assert contents(hub.parent) == before


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
