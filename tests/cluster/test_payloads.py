"""Large results stay on the cluster, in files that the hub only reads when somebody looks."""

import shutil

import numpy as np
import pytest

import durablenb as df
from durablenb.values.payload_files import PayloadFolder
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("alone")


def make(n):
    import numpy as np

    return np.full(1_250_000, float(n))


def double(array):
    return array * 2


def chain(context):
    """Three steps with an array of 10 MB; the orchestrator only hands it on."""
    first = yield context.call_activity("make", context.get_input(), df.RawValue)
    second = yield context.call_activity("double", first, df.RawValue)
    return (yield context.call_activity("double", second, df.RawValue))


def hub_with(client, folder, path=":memory:"):
    hub = df.TaskHub(path, executor=df.DaskExecutor(client, payloads=folder))
    hub.add_activity(make)
    hub.add_activity(double)
    hub.add_orchestrator(chain)
    return hub


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "hub"]


@pytest.fixture
def reads(monkeypatch):
    """The hashes that this process reads."""
    seen = []
    read = PayloadFolder.read
    monkeypatch.setattr(PayloadFolder, "read", lambda self, hash: seen.append(hash) or read(self, hash))
    return seen


def test_no_array_passes_through_the_hub(client, tmp_path, reads):
    path = tmp_path / "hub.duckdb"
    with hub_with(client, tmp_path / "payloads", path) as hub:
        handles = [hub.start("chain", n) for n in range(4)]
        for handle in handles:
            handle.wait(timeout=60)
        assert not reads
        assert len(files(tmp_path / "payloads")) == 8  # of 0, 1, 2, 3, 4, 6, 8, 12
        assert hub.sql("select coalesce(sum(size), 0) from blobs").fetchall() == [(0,)]
        assert (handles[3].result() == 12).all()
        assert len(reads) == 1
    assert path.stat().st_size < 5_000_000
    with df.TaskHub(path) as hub:  # without the cluster
        assert (hub.handle(handles[2].id).result() == 8).all()


def test_a_purge_removes_the_files_to_which_nothing_refers(client, tmp_path):
    with hub_with(client, tmp_path / "payloads", tmp_path / "hub.duckdb") as hub:
        one, other = hub.start("chain", 1), hub.start("chain", 2)
        for handle in (one, other):
            handle.wait(timeout=60)
        assert len(files(tmp_path / "payloads")) == 4  # 1, 2, 4, 8
        one.purge()
        until(lambda: len(files(tmp_path / "payloads")) == 3)
        assert (other.result() == 8).all()
        other.purge()
        until(lambda: not files(tmp_path / "payloads"))


def test_an_export_has_references_to_the_files_and_not_their_bytes(client, tmp_path):
    with hub_with(client, tmp_path / "payloads", tmp_path / "hub.duckdb") as hub:
        handle = hub.start("chain", 1)
        handle.wait(timeout=60)
        hub.export([handle.id], tmp_path / "one.json")
    exported = (tmp_path / "one.json").read_text()
    assert len(exported) < 100_000
    assert all(file.name in exported for file in files(tmp_path / "payloads"))


def test_a_small_result_is_in_the_journal(client, tmp_path):
    with hub_with(client, tmp_path / "payloads") as hub:
        hub.add_activity(lambda n: np.zeros(10), "make")
        hub.add_orchestrator(lambda context: (yield context.call_activity("make", 1)), "small")
        assert (hub.run("small") == 0).all()
        assert not files(tmp_path / "payloads")


def test_a_damaged_or_missing_file_is_named(client, tmp_path):
    with hub_with(client, tmp_path / "payloads") as hub:
        handles = [hub.start("chain", n) for n in (1, 5)]
        for handle in handles:
            handle.wait(timeout=60)
        for file in files(tmp_path / "payloads"):
            file.write_bytes(b"something else")
        with pytest.raises(df.StoreError, match="is damaged"):
            handles[0].result()
        shutil.rmtree(tmp_path / "payloads")
        with pytest.raises(df.StoreError, match="Could not read payloads in"):
            handles[1].result()


def test_a_folder_that_a_worker_does_not_see_is_named(client, tmp_path, monkeypatch):
    monkeypatch.setattr(PayloadFolder, "create", lambda self: None)  # as if it were another machine's
    with hub_with(client, tmp_path / "payloads") as hub:
        handle = hub.start("chain", 1)
        with pytest.raises(
            df.ExecutorUnavailableError, match=r"worker tcp://.* doesn't see the payload folder"
        ):
            handle.result(timeout=30)


def test_a_url_is_read_only_where_it_is_used(client, tmp_path):
    with hub_with(client, f"file://{tmp_path}/payloads", tmp_path / "hub.duckdb") as hub:
        handle = hub.start("chain", 1)
        handle.wait(timeout=60)
        assert len(files(tmp_path / "payloads")) == 3
        assert (handle.result() == 4).all()
    with pytest.raises(df.StoreError, match="which this process doesn't use"):
        PayloadFolder("s3://bucket/folder").read("0" * 64)


def test_what_is_no_folder_is_refused():
    with pytest.raises(TypeError, match="expected the path of a folder, or a URL"):
        df.DaskExecutor("tcp://nowhere:1", payloads=3)
