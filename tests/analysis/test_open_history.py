"""A hub's file looked into without an engine: what can be read, when, and that nothing is written."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
import networkx
import pandas as pd
import pytest

import durablenb as df
from tests.cli.test_command_line import KILLED, contents
from tests.notebook.reading import bundle_of, page_of, text_of

FORKING = """
import os, sys, durablenb as df
file = df.open_history(sys.argv[1])
child = os.fork()
if child == 0:
    try:
        file.instances()
    except df.StoreError as error:
        print(error, flush=True)
    file.close()
    os._exit(0)
os.waitpid(child, 0)
print(len(file.instances()))
"""


def fill(hub):
    """An orchestration that is over, one that failed, and one that waits."""

    @hub.activity
    def fetch(city):
        return pd.DataFrame({"city": [city], "rides": [100]})

    @hub.activity
    def refuse():
        raise ValueError("card declined")

    @hub.orchestrator
    def season(context):
        frame = yield context.call_activity(fetch, context.get_input())
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        context.set_custom_status("ranked")
        return frame

    @hub.orchestrator
    def order(context):
        yield context.call_activity(refuse)

    @hub.orchestrator
    def approval(context):
        return (yield context.wait_for_external_event("Approval"))

    hub.start(approval, instance_id="approval")
    hub.start(season, "Tokyo", instance_id="season", tags={"year": "2026"}).wait()
    hub.start(order, instance_id="order").wait()


@pytest.fixture
def left(tmp_path):
    """A hub whose process died, with its log beside it."""
    file = tmp_path / "flows.duckdb"
    done = subprocess.run([sys.executable, "-c", KILLED, file], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (9, "")
    assert file.with_name("flows.duckdb.wal").stat().st_size
    return file


# -- reading -----------------------------------------------------------------------------------------


def test_instances_are_found_as_in_a_hub(file):
    def ids(**conditions):
        return [status.instance_id for status in file.instances(**conditions)]

    assert ids() == ["approval", "season", "order"]
    assert ids(status="Failed") == ["order"]
    assert ids(status=["Running", "Completed"], name="approval") == ["approval"]
    assert ids(since=datetime(2026, 1, 1, 0, 30)) == ["order"]
    assert ids(top=1) == ["approval"]
    assert repr(file.instances()) == "<3 instances: 1 Running, 1 Completed, 1 Failed>"
    with pytest.raises(ValueError, match="The statuses are: Running"):
        ids(status="Faild")
    with pytest.raises(ValueError, match="top is -1"):
        ids(top=-1)


def test_an_instance_has_status_history_graph_and_timeline(file):
    season = file.handle("season")
    status = season.status()
    assert (status.name, status.runtime_status, status.input_) == ("season", "Completed", "Tokyo")
    assert (status.custom_status, status.tags) == ("ranked", {"year": "2026"})
    assert status.output.to_dict("list") == {"city": ["Tokyo"], "rides": [100]}
    assert [type(event).__name__ for event in season.history()][:3] == [
        "ExecutionStarted",
        "OrchestratorStarted",
        "TaskScheduled",
    ]
    assert all(one.timestamp <= other.timestamp for one, other in pairwise(season.history()))
    assert "fetch" in season.history().timeline()
    assert isinstance(season.graph(), networkx.DiGraph)
    assert "fetch" in {step["name"] for _, step in season.graph().nodes(data=True) if "name" in step}
    assert file.handle("order").status().failure_details.message.endswith("card declined")


def test_an_unknown_instance_is_refused(file):
    with pytest.raises(df.InstanceNotFoundError, match=r"no instance 'seasons'\. instances\(\) lists"):
        file.handle("seasons")
    with pytest.raises(df.InstanceNotFoundError):
        file.history("seasons")
    assert not file.status("seasons")


def test_queries_see_the_file_and_the_askers_frames(file):
    labels = pd.DataFrame({"instance_id": ["season"], "label": ["s"]})
    query = "select label, status from instances join labels using (instance_id) where name = $name"
    assert file.sql(query, {"name": "season"}).fetchall() == [("s", "Completed")]
    assert len(labels) == 1
    with pytest.raises(ValueError, match="Expected one query, not DELETE"):
        file.sql("delete from journal")


def test_a_connection_is_for_other_tools(file):
    with file.connection() as connection:
        assert connection.execute("select count(*) from instances").fetchall() == [(3,)]


def test_the_file_and_its_instances_show_as_those_of_a_hub(file):
    assert repr(file) == "<HubFile flows.duckdb: 3 instances, read-only>"
    assert page_of(file).picture().alt == "3 instances: 1 Failed, 1 Running, 1 Completed"
    assert text_of(file).splitlines()[2:] == [
        "────────────  ─────────  ─────────",
        "approval      Running            1",
        "order         Failed             1",
        "season        Completed          1",
    ]
    approval = file.handle("approval")
    assert repr(approval) == "<approval approval: Running>"
    assert "waits for the external event 'Approval'" in text_of(approval)
    assert "2026-01-01 00:00:00, 60 min by 01:00:00" in page_of(approval).texts
    assert page_of(file.handle("season")).pictures
    assert file.last_written() == datetime(2026, 1, 1, 1, tzinfo=UTC)


def test_instances_are_equal_if_they_are_the_same_of_the_same_file(file):
    assert file.handle("season") == file.handle("season")
    assert len({file.handle("season"), file.handle("season"), file.handle("order")}) == 2
    assert file.handle("season") != "season"


# -- nothing is written ------------------------------------------------------------------------------


def look_at_all(file):
    file.sql("from history").fetchall()
    for status in file.instances():
        handle = file.handle(status.instance_id)
        bundle_of(handle)
        handle.graph()
    bundle_of(file)


def test_looking_changes_nothing(path):
    before = contents(path.parent)
    with df.open_history(path) as file:
        look_at_all(file)
        with file.connection() as connection, pytest.raises(duckdb.Error, match="read-only"):
            connection.execute("delete from journal")
    assert contents(path.parent) == before


def test_looking_changes_nothing_where_a_process_died(left):
    before = contents(left.parent)
    with df.open_history(left) as file:
        look_at_all(file)
        assert file.handle("order-7").status().runtime_status == "Running"
    assert contents(left.parent) == before
    with df.TaskHub(left) as hub:
        assert hub.handle("order-7").status().runtime_status == "Running"


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    for place in (tmp_path / "nothing.duckdb", str(tmp_path / "nothing.duckdb")):
        with pytest.raises(df.StoreError, match="doesn't exist"):
            df.open_history(place)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_hub_is_refused_and_let_go(tmp_path):
    place = tmp_path / "mine.duckdb"
    settings = {"storage_compatibility_version": "latest"}
    duckdb.connect(str(place), config=settings).close()
    with pytest.raises(df.StoreError, match="not a hub"):
        df.open_history(place)
    with duckdb.connect(str(place)) as connection:
        connection.execute("create table mine (a int)")


# -- who else has it open ----------------------------------------------------------------------------


def test_a_file_that_another_process_has_open_is_refused_with_its_name(tmp_path):
    command = [sys.executable, "-c", KILLED, tmp_path / "flows.duckdb", "stay"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as kernel:
        assert kernel.stdout.readline() == "open\n"
        with pytest.raises(df.HubLockedError, match=rf"PID {kernel.pid}\).* close it there, or look"):
            df.open_history(tmp_path / "flows.duckdb")
        kernel.communicate("")
    with df.open_history(tmp_path / "flows.duckdb") as file:
        assert len(file.instances()) == 1


def test_several_may_read_one_file(path):
    code = "import durablenb, sys; print(durablenb.open_history(sys.argv[1]))"
    with df.open_history(path) as one, df.open_history(path) as other:
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
        assert (done.stdout, done.stderr) == (f"{one!r}\n", "")
        assert len(other.instances()) == len(one.instances()) == 3


def test_a_hub_is_not_opened_while_its_file_is_read_here(path):
    with df.open_history(path), pytest.raises(df.HubLockedError, match=r"open_history.* close it there"):
        df.TaskHub(path)
    with df.TaskHub(path, mode="kernel", clock=df.VirtualClock()) as hub:
        assert len(hub.instances()) == 3


def test_through_an_open_hub_what_is_new_is_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with df.TaskHub("flows.duckdb", mode="kernel") as hub:
        hub.add_orchestrator(lambda context: 7, "seven")
        file = df.open_history(Path("flows.duckdb"))
        assert len(file.instances()) == 0
        hub.run("seven", instance_id="a")
        assert file.handle("a").status().output == 7
        file.close()
        assert hub.run("seven") == 7
        file = df.open_history("flows.duckdb")
    with pytest.raises(df.StoreError, match="closed"):
        file.instances()
    assert repr(file) == "<HubFile flows.duckdb: closed>"


# -- the end -----------------------------------------------------------------------------------------


def test_a_closed_file_says_so_and_is_free(path, tmp_path):
    copy = tmp_path / "flows.duckdb"
    copy.write_bytes(path.read_bytes())
    with df.open_history(copy) as file:
        handle, answer, connection = file.handle("season"), file.sql("from instances"), file.connection()
    file.close()
    assert repr(file) == "<HubFile flows.duckdb: closed>"
    assert repr(handle) == "<instance season of a closed file>"
    for use in (file.instances, file.connection, handle.status, handle.history, lambda: file.sql("select 1")):
        with pytest.raises(df.StoreError, match=r"was closed\. Open it again: durablenb\.open_history"):
            use()
    for use in (answer.fetchall, lambda: connection.execute("select 1")):
        with pytest.raises(duckdb.Error, match="closed"):
            use()
    code = "import durablenb, sys; durablenb.TaskHub(sys.argv[1]).close()"
    subprocess.run([sys.executable, "-c", code, copy], check=True)


if hasattr(os, "fork"):

    def test_a_forked_child_is_told_to_open_it_again(path):
        command = [sys.executable, "-c", FORKING, path]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        told, count = done.stdout.splitlines()
        assert told.endswith("Open it again in the child.")
        assert count == "3"
