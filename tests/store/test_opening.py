"""Opening a hub's file: whatever stands in its place, it is refused with a remedy, and kept."""

from pathlib import Path

import duckdb
import pytest

from durablenb.model.errors import StoreError
from durablenb.store import opening
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.lockfile import resolve_place, sync_folder
from durablenb.store.opening import open_database
from tests.store.files import contents, damage, numbers, run, seal, write_commits


def test_log_without_its_database_is_refused_and_kept(hub):
    write_commits(hub)
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


def test_file_that_is_no_database_is_refused_and_kept(hub):
    for content in (b"once upon a time\n", b"\0" * 20_000, b"SQLite format 3\0" * 500):
        hub.write_bytes(content)
        with pytest.raises(StoreError, match="is not a DuckDB database"):
            DuckStore(hub)
        assert contents(hub.parent) == {hub.name: content}


def test_device_is_refused():
    with pytest.raises(StoreError, match="is not a regular file"):
        open_database(resolve_place(Path("/dev/null")))


def test_nothing_is_made_where_one_only_reads(hub):
    with pytest.raises(StoreError, match="doesn't exist"):
        open_database(hub, read_only=True)
    assert contents(hub.parent) == {}


def test_new_database_is_for_its_owner_only(hub):
    DuckStore(hub).close()
    assert hub.stat().st_mode & 0o777 == 0o600


def test_name_of_a_new_database_is_on_disk_once_it_is_made(hub, monkeypatch):
    synced = []
    monkeypatch.setattr(opening, "sync_folder", lambda folder: synced.append((folder, hub.exists())))
    DuckStore(hub).close()
    assert synced[0] == (hub.parent, True)
    monkeypatch.undo()
    sync_folder(hub.parent)  # and a system that can't do so doesn't mind
    sync_folder(hub)


NOBODY = """
import os, sys, tempfile
from pathlib import Path
from durablenb.model.errors import StoreError
from durablenb.store.duckdb_store import DuckStore
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
        DuckStore(Path("/proc/hub.duckdb"))


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


def test_storage_format_of_a_newer_duckdb_is_refused(hub):
    write_commits(hub)
    damage(hub, 12, (1_000_000).to_bytes(8, "little"))
    seal(hub, 0, 4096)
    before = contents(hub.parent)
    with pytest.raises(StoreError, match=r"can't be read by DuckDB .* Install a newer one"):
        DuckStore(hub)
    assert contents(hub.parent) == before
