"""Files of somebody else's: they are read as data, reach no other file, and what isn't known is told."""

import duckdb
import pandas as pd
import pytest

import durablenb as df
from durablenb.model.errors import StoreError
from durablenb.store.duckdb_store import DuckStore


@pytest.fixture
def hub(hub, scribe):
    store = DuckStore(hub)
    scribe.start_in(store, "a")
    store.close()
    return hub


def tampered(hub, sql):
    with duckdb.connect(str(hub)) as connection:
        connection.execute(sql)
    return hub


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text("my secret")
    return path


def test_view_in_the_file_that_reads_other_files_is_refused(hub, secret):
    tampered(
        hub,
        f"create or replace view instance_states as select content as instance_id from read_text('{secret}')",
    )
    with df.open_history(hub) as file:
        for look in (file.instances, lambda: file.sql("from instance_states").fetchall()):
            with pytest.raises((StoreError, duckdb.Error), match="file system operations are disabled"):
                look()


def test_your_own_query_of_a_file_reaches_data_frames_and_no_files(hub, secret):
    labels = pd.DataFrame({"instance_id": ["a"], "label": ["mine"]})
    with df.open_history(hub) as file:
        query = "select label from instances join labels using (instance_id)"
        assert file.sql(query).fetchall() == [("mine",)]
        assert [*labels] == ["instance_id", "label"]
        with pytest.raises(duckdb.Error, match="file system operations are disabled"):
            file.sql(f"from read_text('{secret}')").fetchall()


def test_your_own_hub_reads_files(hub, secret):
    with df.TaskHub(hub) as opened:
        assert opened.sql(f"select content from read_text('{secret}')").fetchall() == [("my secret",)]


def test_event_of_an_unknown_type_is_told(opened, hub, tmp_path):
    tampered(hub, "update journal set event_type = 'Unheard' where event_type = 'ExecutionStarted'")
    tampered(hub, "insert into journal select * replace (seq + 1 as seq) from journal")
    store = opened(hub)
    with pytest.raises(
        StoreError, match="Event 1 of 'a' has the type 'Unheard', which this durablenb doesn't"
    ):
        store.records("a")
