"""Opening a hub's file: whatever is wrong with it, nothing is lost without a word and nothing is deleted."""

import os
import warnings

import duckdb
import pytest

from durablenb.model.errors import HubLockedError, StoreError
from durablenb.store import opener
from durablenb.store.duck import DuckStore
from durablenb.store.lockfile import resolve_place
from durablenb.store.opener import DamagedHubError, SalvageWarning, open_database
from tests.store.files import assert_kept, contents, damage, flip, numbers, run, seal, wal_of, write_commits

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


# -- no database at all ------------------------------------------------------------------------------------------------


def test_log_without_its_database_is_refused_and_kept(hub, sizes):
    hub.unlink()
    before = contents(hub.parent)
    with pytest.raises(StoreError, match=r"is missing, but its log hub\.duckdb\.wal is there.*move the log"):
        DuckStore(hub)
    assert contents(hub.parent) == before


def test_empty_file_is_refused_and_kept(hub):
    hub.touch()
    with pytest.raises(StoreError, match="is an empty file"):
        DuckStore(hub)
    assert hub.read_bytes() == b""


def test_folder_is_refused(tmp_path):
    with pytest.raises(StoreError, match="is a folder"):
        DuckStore(tmp_path)


@pytest.mark.parametrize("content", [b"once upon a time\n", b"\0" * 20_000, b"SQLite format 3\0" * 500])
def test_file_that_is_no_database_is_refused_and_kept(hub, content):
    hub.write_bytes(content)
    with pytest.raises(StoreError, match="is not a DuckDB database"):
        DuckStore(hub)
    assert contents(hub.parent) == {hub.name: content}


def test_device_is_refused():
    with pytest.raises(StoreError, match="is not a regular file"):
        open_database(resolve_place(opener.Path("/dev/null")))


def test_nothing_is_made_where_one_only_reads(hub):
    with pytest.raises(StoreError, match="doesn't exist"):
        open_database(hub, read_only=True)
    assert contents(hub.parent) == {}


def test_new_database_is_for_its_owner_only(hub):
    DuckStore(hub).close()
    assert hub.stat().st_mode & 0o777 == 0o600


NOBODY = """
import os, sys, tempfile
from pathlib import Path
from durablenb.model.errors import StoreError
from durablenb.store.duck import DuckStore
if os.geteuid() == 0:
    os.setuid(65534)
with tempfile.TemporaryDirectory() as name:
    hub = Path(name) / "hub.duckdb"
    DuckStore(hub).close()
    for place, mode in ((hub, 0o400), (hub.parent, 0o500), (hub.with_name("hub.duckdb.lock"), 0)):
        was = place.stat().st_mode
        place.chmod(mode)
        try:
            DuckStore(hub if place != hub.parent else hub.with_name("other.duckdb"))
        except StoreError as error:
            print(error)
        place.chmod(was)
    DuckStore(hub).close()
"""


def test_file_or_folder_that_may_not_be_written_is_refused():
    file, folder, lock = run(NOBODY).splitlines()
    assert "can't be written. Make it writable, or work on a copy" in file
    assert "Permission denied. A hub needs a folder that you may write to" in folder
    assert "Permission denied" in lock


def test_folder_of_the_system_that_takes_no_files_is_refused_even_to_root():
    with pytest.raises(StoreError, match="choose another place"):
        DuckStore(opener.Path("/proc/hub.duckdb"))


# -- other formats -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1.0.0", "v1.5.0"])
def test_older_storage_format_is_refused_and_the_advice_in_the_message_works(hub, version):
    with duckdb.connect(config={"storage_compatibility_version": version}) as connection:
        connection.execute("ATTACH ? AS old", [str(hub)])
        connection.execute("CREATE TABLE old.t AS SELECT range AS i FROM range(5)")
    before = contents(hub.parent)
    with pytest.raises(StoreError, match=f"older storage format {version}.*Nothing was changed") as refused:
        DuckStore(hub)
    assert contents(hub.parent) == before
    advice = str(refused.value).partition("\n")[2]
    run(f"import duckdb\n{advice}")
    with open_database(hub.with_name("hub-v2.duckdb")) as connection:
        assert numbers(connection) == [0, 1, 2, 3, 4]


def test_storage_format_of_a_newer_duckdb_is_refused(hub, sizes):
    damage(hub, 12, (1_000_000).to_bytes(8, "little"))
    seal(hub, 0, 4096)
    before = contents(hub.parent)
    with pytest.raises(StoreError, match=r"can't be read by DuckDB .* Install a newer one"):
        DuckStore(hub)
    assert contents(hub.parent) == before


# -- damaged logs ------------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(opener.shutil, "copy2", copy)
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


# -- databases that are open already -----------------------------------------------------------------------------------

OPEN = """
import sys
from pathlib import Path
from durablenb.model.errors import HubLockedError
from durablenb.store.duck import DuckStore
try:
    DuckStore(Path(sys.argv[1])).close()
except HubLockedError as error:
    print(error)
"""

FORK = """
import os, sys
from pathlib import Path
from durablenb.model.errors import StoreError
from durablenb.store.duck import DuckStore
store = DuckStore(Path(sys.argv[1]))
store.last_seq()
if os.fork() == 0:
    for use in (store.last_seq, lambda: store.append([]), lambda: store.purge(["a"]), store.cursor):
        try:
            use()
        except StoreError as error:
            print(error, flush=True)
    store.close()
    os._exit(0)
os.wait()
print(store.last_seq())
store.close()
"""


def test_second_process_is_refused_and_told_who_holds_the_file(hub):
    store = DuckStore(hub)
    assert f"is held by process {os.getpid()}" in run(OPEN, hub)
    store.close()
    assert run(OPEN, hub) == ""


def test_second_hub_in_the_same_process_is_refused_also_through_a_link(hub, tmp_path):
    link = tmp_path / "link.duckdb"
    link.symlink_to(hub)
    store = DuckStore(hub)
    for name in (hub, link):
        with pytest.raises(HubLockedError, match="already open in this process"):
            DuckStore(name)
    store.close()
    DuckStore(link).close()
    assert not link.with_name("link.duckdb.lock").exists()


def test_connection_of_the_same_process_that_goes_past_the_hub_is_named(hub, sizes):
    with duckdb.connect(str(hub)), pytest.raises(HubLockedError, match="this very process"):
        DuckStore(hub)


def test_database_that_another_program_has_open_is_refused_with_its_pid(hub, sizes):
    with duckdb.connect(str(hub)):
        assert "(PID " in run(OPEN, hub)


def test_forked_child_is_refused_every_use_and_leaves_the_parent_alone(hub):
    *refusals, answer = run(FORK, hub).splitlines()
    assert len(refusals) == 4
    assert all("forked from it: whatever it wrote would be lost" in line for line in refusals)
    assert answer == "0"


def test_sound_database_opens_without_a_word_and_without_copies(hub, sizes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with open_database(hub) as connection:
                assert numbers(connection) == list(range(COMMITS))
    assert list(contents(hub.parent)) == [hub.name]
