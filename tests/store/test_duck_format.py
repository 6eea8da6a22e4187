"""A hub's tables: made when the file is new, completed, or refused where they are others."""

from pathlib import Path

import duckdb
import pytest

from durablenb.core.ports.store import InstanceQuery
from durablenb.model.errors import StoreError
from durablenb.store import schema
from durablenb.store.duckdb_store import DuckStore
from tests.store.files import contents, run


def make(hub, *statements):
    """A database that wasn't made by a hub, or not in the usual way."""
    with duckdb.connect(str(hub)) as connection:
        for statement in statements:
            connection.execute(statement)


REFUSED = {
    "insert into durablenb_format values (99)": r"has format 99 .* knows up to 2\. Nothing was changed",
    "alter table journal drop payload": "because of a table of its own",
    "drop view history; create table history (i int)": "because of a table of its own",
}


def test_a_file_that_is_no_hub_of_this_version_is_refused_and_let_go(tmp_path):
    for number, (statement, message) in enumerate(REFUSED.items()):
        hub = tmp_path / f"{number}.duckdb"
        DuckStore(hub).close()
        make(hub, *statement.split(";"))
        before = contents(tmp_path)
        for _ in range(2):  # the second time it isn't locked
            with pytest.raises(StoreError, match=message):
                DuckStore(hub)
        assert contents(tmp_path) == before
    script = "import duckdb, sys\nfor path in sys.argv[1:]: duckdb.connect(path)"
    assert run(script, *tmp_path.glob("*.duckdb")) == ""


def test_a_newer_format_is_refused_before_anything_is_added_to_the_file(hub):
    make(
        hub,
        "create table durablenb_format (version int, extra int)",
        "insert into durablenb_format values (3, 3)",
    )
    with pytest.raises(StoreError, match="Open it with a newer durablenb"):
        DuckStore(hub)
    with duckdb.connect(str(hub)) as connection:
        assert connection.execute("select table_name from duckdb_tables()").fetchall() == [
            ("durablenb_format",)
        ]


def test_a_database_with_other_tables_can_become_a_hub(opened, hub, scribe):
    make(hub, "create table mine as select 42 as i")
    store = opened(hub)
    scribe.start_in(store, "a")
    assert store.query("select i from mine") == [(42,)]


@pytest.mark.parametrize(
    "left", ["delete from durablenb_format", "drop view activities", "drop table journal"]
)
def test_tables_that_were_only_half_made_are_completed(hub, left):
    DuckStore(hub).close()
    make(hub, "delete from durablenb_format", left)
    for _ in range(2):
        store = DuckStore(hub)
        assert store.states(InstanceQuery()) == store.query("from activities") == []
        assert store.query("from durablenb_format") == [(schema.FORMAT,)]
        store.close()


def test_views_and_macros_of_another_version_are_made_anew(opened, hub):
    DuckStore(hub).close()
    make(
        hub,
        "create or replace view activities as select 1 as was",
        "create or replace macro tree(id) as table select 1 as was",
        "comment on view instances is 'of another version'",
    )
    store = opened(hub)
    for source in ("activities", "tree('a')"):
        columns = store.query(f"select column_name from (describe from {source})")
        assert ("instance_id",) in columns
        assert ("was",) not in columns


def test_a_hub_stays_the_same_file_when_the_working_directory_changes(tmp_path, monkeypatch, scribe):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = DuckStore(Path("hub.duckdb"))
    scribe.start_in(store, "a")
    monkeypatch.chdir(tmp_path / "elsewhere")
    store._connections.close()  # As after a fatal error; the next call opens the file again.
    assert store.last_seq() == 1
    store.mark_replay("a")
    store.close()
    assert list((tmp_path / "elsewhere").iterdir()) == []
