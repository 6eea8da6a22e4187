"""The process that answers queries of others: what it holds, what it can't, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import durablenb as df
from durablenb.analysis.sandbox import feed, fence, frames, limits, process, program
from durablenb.analysis.sandbox.queries import Queries
from durablenb.store.schema import in_memory
from tests.remote.conftest import PATIENCE, Served
from tests.waiting import until

ENDLESS = "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n"
DEAF = "select length(lpad('x', 2000000000, 'y'))"
"""It is folded into one value while it is planned, and no interrupt is heard meanwhile."""

NAMES = ("journal", "log_lines", "sources", "blob_uses", "imported", "instances", "entities", "payloads")


@pytest.fixture
def asked() -> Iterator[Served]:
    """A hub whose server answers queries, with none answered yet."""
    made = Served(sql=True)
    yield made
    made.close()


def queries_of(served: Served) -> Queries:
    queries = served.server._queries
    assert queries is not None
    return queries


def pid_of(served: Served) -> int:
    found: int = until(lambda: queries_of(served).pid)
    return found


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# -- limits ------------------------------------------------------------------------------------------


def test_a_query_that_takes_too_much_memory_is_ended_and_the_next_one_is_answered(
    asked: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fence, "MEMORY", 128 << 20)
    for number, bomb in enumerate(
        (
            "select max(length(repeat('x', 100000000) || a)) from range(1000) t(a)",
            "select list(repeat('x', 1000000) || a) from range(1000) t(a)",
            "select length(repeat('x', 2000000000))",
            "select repeat('x', 90000000) || repeat('y', 90000000)",
        )
    ):
        assert asked.remote.sql("select ?", [number]).fetchall() == [(number,)]
        ended = pid_of(asked)
        with pytest.raises(ValueError, match="needed more than 128 MB of memory and was ended"):
            asked.remote.sql(bomb)
        assert not is_alive(ended)
    assert asked.remote.sql("select 2").fetchall() == [(2,)]
    assert asked.remote.run("echo", 1) == 1


def test_a_query_that_takes_too_long_is_ended_and_the_next_one_is_answered(
    asked: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.remote.run("echo", "kept")
    kept = "select output ->> '$' from instances"
    assert asked.remote.sql(kept).fetchall() == [("kept",)]
    for query in (ENDLESS, DEAF, "select count(*) from range(1000000000000) a, range(9) b"):
        ended = pid_of(asked)
        with monkeypatch.context() as patch:
            patch.setattr(fence, "SECONDS", 0.2)
            with pytest.raises(ValueError, match=r"longer than 0\.2 seconds"):
                asked.remote.sql(query)
        assert not is_alive(ended)
        assert asked.remote.sql(kept).fetchall() == [("kept",)]
        assert pid_of(asked) != ended


def test_other_requests_are_answered_while_a_query_runs_and_its_death_is_told(
    asked: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[BaseException] = []
    is_asked = threading.Event()
    send = process.QueryProcess.ask

    def noted(self: process.QueryProcess, kind: bytes, body: Any, seconds: float) -> tuple[bytes, bytes]:
        if kind == frames.ASK:
            is_asked.set()
        return send(self, kind, body, seconds)

    def ask() -> None:
        with pytest.raises(ValueError, match=r"died: it was ended by SIGKILL\.") as error:
            asked.remote.sql(ENDLESS)
        refused.append(error.value)

    assert asked.remote.sql("select 1").fetchall() == [(1,)]
    monkeypatch.setattr(process.QueryProcess, "ask", noted)
    asking = threading.Thread(target=ask)
    asking.start()
    assert is_asked.wait(PATIENCE)  # before that, the process would be replaced, and the query answered
    assert asked.connect().run("echo", 1) == 1
    assert asking.is_alive()
    os.kill(pid_of(asked), signal.SIGKILL)
    asking.join(PATIENCE)
    assert isinstance(refused[0], fence.QueryRefusedError)
    assert asked.remote.sql("select 2").fetchall() == [(2,)]


def test_a_process_that_takes_too_much_where_the_system_has_no_limit_ends_itself() -> None:
    code = """if True:
        from durablenb.analysis.sandbox import limits
        kept = []
        limits.watch_memory(lambda: sum(map(len, kept)), 1_000)
        while True:
            kept.append(bytes(100))
    """
    done = subprocess.run([sys.executable, "-c", code], timeout=PATIENCE, check=False)
    assert done.returncode == limits.TOO_MUCH


def test_where_there_are_no_limits_none_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    limits.limit_memory(1)
    assert len(bytes(1 << 20)) == 1 << 20


# -- fences ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "from read_text('{file}')",
        "from '{file}'",
        "copy (select 1) to '{file}.csv'",
        "attach '{file}.duckdb'",
        "install httpfs",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "set memory_limit = '100GB'",
        "set temp_directory = '{folder}'",
        "from variable",
    ],
)
def test_a_query_that_the_first_fence_overlooked_meets_the_second(tmp_path: Path, statement: str) -> None:
    folder, file = tmp_path / "own", tmp_path / "secret.csv"
    folder.mkdir()
    file.write_text("a\nsecret\n")
    variable = {"a": np.array([1])}
    with program._opened(folder, 1 << 30, 1 << 30) as connection, pytest.raises(duckdb.Error):
        connection.execute(statement.format(file=file, folder=tmp_path)).fetchall()
    assert variable
    assert sorted(tmp_path.iterdir()) == [folder, file]


# -- the copy ----------------------------------------------------------------------------------------


def test_the_copy_is_the_journal_whatever_is_written_and_purged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BYTES", 2_000)  # so that there are many pieces
    served = Served(sql=True)
    try:
        served.hub.add_orchestrator(lambda context: np.arange(5_000), "large")
        open_operations = "select count(*) from entity_operations where ended is null"
        ids = []

        def same() -> None:
            query = " union all ".join(f"(select t::varchar from {name} t order by all)" for name in NAMES)
            assert served.remote.sql(query).fetchall() == served.hub.sql(query).fetchall()

        same()
        for number in range(4):
            ids.append(served.remote.start("doubles", [number] * number).id)
            served.remote.handle(ids[-1]).result(PATIENCE)
            ids.append(served.hub.start("large").id)
            served.hub.handle(ids[-1]).wait(PATIENCE)
            served.remote.entity("Counter", str(number)).add(1)
            until(lambda: served.hub.sql(open_operations).fetchall() == [(0,)])
            served.hub.handle(ids[-1]).logs()
            if number % 2:
                served.hub.handle(ids.pop(0)).purge()  # from the middle
            same()
        served.hub.handle(ids.pop()).purge()
        same()
        os.kill(pid_of(served), signal.SIGKILL)
        same()
        for one in ids:
            served.hub.handle(one).purge()
        same()
        assert served.remote.sql("select count(*) from instances").fetchall() == [(0,)]
    finally:
        served.close()


def row(seq: int, execution_id: str) -> list[Any]:
    at = datetime(2026, 1, 1) + timedelta(seconds=seq)
    return [seq, "i", execution_id, seq, "OrchestratorStarted", at, *[None] * 5]


def test_places_that_are_given_again_after_a_purge_are_copied_again() -> None:
    with in_memory({}) as database:
        insert = f"insert into journal values ({', '.join('?' * 11)})"
        queries = Queries(database.cursor)
        ask = "select seq, execution_id from journal order by seq"
        try:
            for kept, added in ((3, [4, 5]), (3, [4, 5, 6]), (0, [1, 2]), (2, [3]), (5, []), (0, [])):
                database.execute("delete from journal")
                database.executemany(insert, [row(seq, f"before {kept}, {added}") for seq in range(1, 6)])
                queries.submit(ask, None).result(PATIENCE)
                database.execute("delete from journal where seq > ?", [kept])
                for seq in added:
                    database.execute(insert, row(seq, "after"))
                rows = queries.submit(ask, None).result(PATIENCE)
                there = [[str(seq), name] for seq, name in database.execute(ask).fetchall()]
                assert json.loads(rows)["rows"] == there, (kept, added)
        finally:
            queries.close()


def test_a_value_that_is_larger_than_a_piece_is_copied(asked: Served) -> None:
    assert feed.BYTES < 40_000_000
    asked.hub.add_orchestrator(lambda context: "x" * 40_000_000, "huge")
    asked.hub.start("huge").wait(PATIENCE)
    query = "select max(strlen(payload)) from journal"
    assert asked.remote.sql(query).fetchall() == [(40_000_002,)]


# -- the process -------------------------------------------------------------------------------------


def test_the_process_begins_with_the_first_query_and_ends_with_the_server(asked: Served) -> None:
    assert queries_of(asked).pid is None
    for number in range(3):
        assert asked.remote.sql("select ?", [number]).fetchall() == [(number,)]
    queries, pid = queries_of(asked), pid_of(asked)
    folder = queries._folder
    assert folder is not None
    assert folder.parent == Path(tempfile.gettempdir())
    if os.name == "posix":  # nobody else may read the copy
        assert folder.stat().st_mode & 0o077 == 0
    assert is_alive(pid)
    asked.restart(sql=True)
    assert not is_alive(pid)
    assert not folder.exists()
    with pytest.raises(df.DurableError, match="being closed"):
        queries.submit("select 1", None)
    assert asked.remote.sql("select 1").fetchall() == [(1,)]


def test_closing_the_hub_ends_a_query_that_runs(tmp_path: Path) -> None:
    served = Served(tmp_path / "hub.duckdb", sql=True)
    queries = queries_of(served)
    assert queries.submit("select 1", None).result(PATIENCE)
    asked = queries.submit(ENDLESS, None)
    until(asked.running)
    served.close()
    with pytest.raises(df.DurableError, match="being closed"):
        asked.result(PATIENCE)


@pytest.mark.parametrize("query", ["select 1", ENDLESS], ids=["idle", "busy"])
def test_the_process_of_a_killed_hub_ends_and_removes_its_copy(tmp_path: Path, query: str) -> None:
    code = """if True:
        import sys, threading
        import durablenb as df
        hub = df.TaskHub(":memory:")
        queries = hub.serve(port=0, sql=True)._queries
        queries.submit("select 1", None).result(30)
        print(queries.pid, queries._folder, flush=True)
        queries.submit(sys.argv[1], None)
        threading.Event().wait()
    """
    with subprocess.Popen(
        [sys.executable, "-c", code, query], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as hub:
        assert hub.stdout is not None
        pid, folder = hub.stdout.readline().split()
        assert Path(folder).is_dir()
        hub.kill()
    until(lambda: not is_alive(int(pid)))
    assert not Path(folder).exists()


def test_a_process_whose_answer_nobody_can_take_ends_and_removes_its_copy(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    settings = {"path": sys.path, "folder": str(folder), "memory": 1 << 30, "spill": 1 << 30}
    with subprocess.Popen(
        [sys.executable, "-c", process.PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(json.dumps(settings).encode() + b"\n")
        program.stdin.flush()
        assert frames.receive(program.stdout)[0] == frames.READY
        assert folder.exists()
        program.stdout.close()
        frames.send(program.stdin, frames.GREET, b"null")  # its standard input stays open
        program.wait(PATIENCE)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("module", "name", "value", "said"),
    [
        (sys, "executable", "/nowhere/python", "did not get ready: /nowhere/python can't be started"),
        (tempfile, "tempdir", "/nowhere", r"nowhere.*TMPDIR says where"),
    ],
)
def test_without_a_process_or_room_for_the_copy_it_is_told_and_works_once_there_is_one(
    asked: Served, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, value: str, said: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, name, value)
        with pytest.raises(df.DurableError, match=said):
            asked.remote.sql("select 1")
    assert asked.remote.sql("select 1").fetchall() == [(1,)]
