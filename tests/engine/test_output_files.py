"""Lines in the hub's file: all once it is closed, those that were written when it dies; never in the way."""

import logging
import subprocess
import sys
import textwrap
import threading

import duckdb
import pytest

import durablenb as df
from durablenb.engine.capture import log_writer
from durablenb.model.errors import StoreError
from durablenb.store import log_lines as store_lines
from tests.engine.fanned import messages


def talks(context):
    for n in context.get_input():
        yield context.call_activity("say", n)


def opened(path, say=print, **options):
    hub = df.TaskHub(path, **options)
    hub.add_activity(say, "say")
    hub.add_orchestrator(talks)
    return hub


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hub.duckdb"


def test_a_hub_that_is_closed_has_its_lines_on_disk(path):
    with opened(path) as hub:
        handle = hub.start(talks, list(range(50)), instance_id="t")
        handle.result()
        lines = list(handle.logs())
    with df.open_history(path) as file:
        assert list(file.handle("t").logs()) == lines
        assert messages(lines) == [str(n) for n in range(50)]
        assert messages(file.handle("t").logs(task_id=7)) == ["7"]
    with opened(path) as hub:
        assert list(hub.handle("t").logs()) == lines
        hub.start(talks, [99], instance_id="u").result()
    with df.open_history(path) as file:
        rows = file.sql("select seq, message from logs order by seq").fetchall()
        assert rows == [(n + 1, str(n)) for n in range(50)] + [(51, "99")]


def test_closing_waits_for_no_time_to_write(path, monkeypatch):
    monkeypatch.setattr(log_writer, "PAUSE_SECONDS", 1_000)
    with opened(path, lambda n: print(n, end="")) as hub:
        hub.start(talks, list(range(50)), instance_id="t").result()
    with df.open_history(path) as file:
        assert messages(file.handle("t").logs()) == [str(n) for n in range(50)]


def test_sql_sees_what_was_printed_before_it_was_asked():
    with opened(":memory:") as hub:
        for n in range(20):
            hub.run(talks, [n])
            asked = hub.sql("select message from logs order by seq desc limit 1").fetchall()
            assert asked == [(str(n),)]


def test_a_purge_deletes_the_lines_and_what_a_call_that_still_runs_would_add(path):
    began, end, said = (threading.Event() for _ in range(3))

    def lasts(n):
        print("first")
        began.set()
        end.wait(20)
        print("second")
        said.set()

    with opened(path, lasts) as hub:
        hub.start(talks, [1], instance_id="t")
        began.wait(20)
        hub.handle("t").terminate()
        hub.start(talks, [], instance_id="u").result()
        assert hub.sql("select count(*) from logs").fetchall() == [(1,)]
        hub.handle("t").purge()
        end.set()
        said.wait(20)
        assert hub.sql("select count(*) from logs").fetchall() == [(0,)]


def test_a_file_of_before_there_were_logs_gets_them(path):
    with opened(path) as hub:
        hub.start(talks, [1], instance_id="t").result()
    with duckdb.connect(str(path)) as connection:
        connection.execute("drop view logs; drop table log_lines")
    with opened(path) as hub:
        assert list(hub.handle("t").logs()) == []
        hub.start(talks, [2], instance_id="u").result()
        assert messages(hub.handle("u").logs()) == ["2"]


def test_a_file_of_before_there_were_logs_outputs_attempts_and_imports_is_read_without_them(path):
    with opened(path) as hub:
        hub.start(talks, [1], instance_id="t").result()
    tables = ("activity_attempts", "imported", "log_lines", "output_parts")
    with duckdb.connect(str(path)) as connection:
        for table in tables:
            connection.execute(f"drop table {table}")
    with df.open_history(path) as history:
        handle = history.handle("t")
        assert (list(handle.logs()), list(handle.outputs())) == ([], [])
        assert "Completed" in handle._repr_mimebundle_()["text/plain"]
        assert handle._tries() == []


def test_lines_that_cannot_be_written_are_dropped_with_one_warning(path, monkeypatch, caplog):
    with opened(path) as hub:
        append = hub._store.append_lines

        def full(lines):
            raise StoreError("No space left on device")

        monkeypatch.setattr(hub._store, "append_lines", full)
        for _ in range(3):
            hub.run(talks, [1, 2])
            assert hub.sql("select * from logs").fetchall() == []
        monkeypatch.setattr(hub._store, "append_lines", append)
        handle = hub.start(talks, [3])
        handle.result()
        assert messages(handle.logs()) == ["3"]
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warned] == [
        "Lines or outputs of the log were dropped, and more may be: No space left on device"
    ]


def test_lines_that_the_tables_could_not_take_come_with_the_next_ones(path, monkeypatch):
    with opened(path) as hub:
        hub.run(talks, [1])
        hub.sql("from logs")
        row = store_lines._row
        monkeypatch.setattr(store_lines, "_row", lambda seq, line: (*row(seq, line), "one too many"))
        hub.run(talks, [2])
        with pytest.raises(df.StoreError, match="Could not write"):
            hub.sql("from logs")
        monkeypatch.setattr(store_lines, "_row", row)
        hub.run(talks, [3])
        rows = hub.sql("select seq, message from logs order by seq").fetchall()
        assert rows == [(1, "1"), (2, "2"), (3, "3")]


def test_after_an_error_of_which_nobody_knows_what_it_left_numbers_go_on_all_the_same(path, monkeypatch):
    append = store_lines.append

    def appends_and_fails(*arguments):
        append(*arguments)
        raise duckdb.IOException("interrupted")

    with opened(path) as hub:
        hub.run(talks, [0])
        hub.sql("from logs")
        monkeypatch.setattr(store_lines, "append", appends_and_fails)
        hub.run(talks, [1])
        with pytest.raises(df.StoreError, match="interrupted"):
            hub.sql("from logs")
        monkeypatch.setattr(store_lines, "append", append)
        hub.run(talks, [2])
        rows = hub.sql("select seq, message from logs order by seq").fetchall()
        assert rows == [(1, "0"), (2, "1"), (3, "2")]


def test_what_was_committed_survives_the_death_of_the_process(path):
    program = """
        import os, sys
        import durablenb as df

        hub = df.TaskHub(sys.argv[1])

        @hub.activity
        def say(n):
            print("line", n)
            if n == 3:
                while hub.sql("select count(*) from logs").fetchall() != [(3,)]:
                    pass
                os._exit(9)

        @hub.orchestrator
        def talks(context):
            for n in context.get_input():
                yield context.call_activity(say, n)

        hub.start(talks, [1, 2, 3], instance_id="t").result()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(path)], capture_output=True)
    assert (done.returncode, done.stdout) == (9, b"")
    with opened(path, lambda n: print("again", n)) as hub:
        handle = hub.handle("t")
        handle.result()
        lines = handle.logs()
        assert messages(lines) == ["line 1", "line 2", "line 3", "again 3"]
        assert len({line.task_id for line in lines[2:]}) == 1


def test_secrets_are_taken_out_of_the_log_too(path):
    def redact(kind, value):
        return value.replace("s3cret", "***") if kind == "log" else value

    with opened(path, lambda n: print("the key is s3cret"), redact=redact) as hub:
        handle = hub.start(talks, [1])
        handle.result()
        assert messages(handle.logs()) == ["the key is ***"]
    assert b"s3cret" not in path.read_bytes()


def test_a_redact_that_fails_hides_the_line_and_fails_nothing(path):
    def redact(kind, value):
        if kind == "log":
            print("while redacting")
            raise KeyError("key")
        return value

    with opened(path, lambda n: print("s3cret"), redact=redact) as hub:
        handle = hub.start(talks, [1])
        handle.result()
        assert messages(handle.logs()) == ["redact failed on a line of the log: KeyError"]


def test_more_lines_than_may_wait_for_the_disk_are_dropped(path, monkeypatch, caplog):
    monkeypatch.setattr(log_writer, "WAITING_CHARACTERS", 5_000)
    with opened(path, lambda n: [print("x" * 1_000) for _ in range(20)]) as hub:
        monkeypatch.setattr(hub._engine.log_writer, "visit", lambda: None)
        monkeypatch.setattr(hub._engine.committer, "_when_written", lambda: None)
        hub.run(talks, [1])
        hub._engine.log_writer._write()
        assert hub.sql("select count(*) from logs").fetchall() == [(6,)]
    assert "they came faster than the disk took them" in caplog.text
