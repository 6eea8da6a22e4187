"""The command line: what it prints, what it refuses, and that looking changes nothing."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

import durablenb as df
from durablenb.cli import main

KILLED = """
import os, sys
import durablenb as df

hub = df.TaskHub(sys.argv[1])

@hub.orchestrator
def approval(context):
    return (yield context.wait_for_external_event("Approval"))

hub.start(approval, {"amount": 7}, instance_id="order-7")
while hub.handle("order-7").status().runtime_status != "Running":
    pass
if len(sys.argv) > 2:
    print("open", flush=True)
    sys.stdin.read()
os._exit(9)  # the hub is not closed: its log stays
"""

LOOKS = [
    ["ls", "{file}"],
    ["ls", "{file}", "--json"],
    ["show", "{file}", "order-7"],
    ["show", "{file}", "order-7", "--json"],
    ["logs", "{file}", "order-7"],
    ["logs", "{file}", "order-7", "--json"],
    ["sql", "{file}", "select count(*) from history"],
]


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A hub with an orchestration that is over, and one that waits."""
    file = tmp_path_factory.mktemp("closed") / "flows.duckdb"
    with df.TaskHub(file, mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.activity
        def fetch(city):
            print("fetching", city)
            return {"city": city, "rides": 100}

        @hub.orchestrator
        def season(context):
            tables = yield context.task_all([context.call_activity(fetch, c) for c in context.get_input()])
            yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
            context.set_custom_status("ranked")
            context.logger.info("ranked\n\x1b[2Jthem")
            return [table["city"] for table in tables]

        @hub.orchestrator
        def approval(context):
            return (yield context.wait_for_external_event("Approval"))

        hub.run(season, ["Tokyo", "東京"], instance_id="season-2026")
        hub.start(approval, instance_id="order-7")
        while hub.step():
            pass
    return file


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """A hub whose process died, with its log beside it."""
    file = tmp_path_factory.mktemp("left") / "flows.duckdb"
    done = subprocess.run([sys.executable, "-c", KILLED, file], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (9, "")
    assert file.with_name("flows.duckdb.wal").stat().st_size
    return file


@pytest.fixture
def run(capsys):
    """The command line, called; what it returned, printed and complained of."""

    def run(*words):
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# -- looking -----------------------------------------------------------------------------------------


def test_ls_lists_the_instances(run, closed):
    code, out, err = run("ls", closed)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "instance     orchestrator  status     last event (UTC)",
        "───────────  ────────────  ─────────  ───────────────────",
        "season-2026  season        Completed  2026-01-01 01:00:00",
        "order-7      approval      Running    2026-01-01 01:00:00",
        "",
        "2 instances: 1 Completed, 1 Running",
    ]


def test_ls_of_an_empty_hub_says_so(run, tmp_path):
    df.TaskHub(tmp_path / "empty.duckdb").close()
    assert run("ls", tmp_path / "empty.duckdb") == (0, "0 instances\n", "")


def test_ls_prints_json(run, closed):
    code, out, _ = run("ls", "--json", closed)
    assert code == 0
    assert json.loads(out)[0] == {
        "instance_id": "season-2026",
        "name": "season",
        "status": "Completed",
        "last_updated_time": "2026-01-01T01:00:00",
    }


def test_ls_lists_as_many_as_are_wanted_those_with_the_latest_events(run, tmp_path):
    clock = df.VirtualClock()
    with df.TaskHub(tmp_path / "many.duckdb", mode="kernel", clock=clock) as hub:
        hub.add_orchestrator(lambda context: (yield context.wait_for_external_event("go")), name="patient")
        for number in range(60):
            hub.start("patient", instance_id=f"order-{number:02}")
            clock.advance(seconds=1)
        while hub.step():
            pass
        clock.advance(seconds=1)
        hub.handle("order-05").raise_event("go")
        hub.handle("order-05").result()
    file = tmp_path / "many.duckdb"

    def listed(*words):
        code, out, err = run("ls", file, *words)
        assert (code, err) == (0, "")
        return [line.split()[0] for line in out.splitlines()[2:] if line.startswith("order-")], out

    some, out = listed()
    assert some == ["order-05", *(f"order-{number:02}" for number in range(11, 60))]
    assert out.splitlines()[-2:] == [
        "60 instances: 59 Running, 1 Completed",
        "Listed are the 50 with the latest events. --top 60 lists all.",
    ]
    assert listed("--top", 2)[0] == ["order-05", "order-59"]
    everything, out = listed("--top", 60)
    assert everything == [f"order-{number:02}" for number in range(60)]
    assert out.splitlines()[-1] == "60 instances: 59 Running, 1 Completed"
    assert len(json.loads(run("ls", file, "--json")[1])) == 60
    assert [one["instance_id"] for one in json.loads(run("ls", file, "--json", "--top", 2)[1])] == [
        "order-05",
        "order-59",
    ]
    assert json.loads(run("ls", file, "--json", "--top", 60)[1]) == json.loads(run("ls", file, "--json")[1])


@pytest.mark.parametrize("number", ["-1", "all"])
def test_ls_of_a_number_that_is_none_is_refused(run, capsys, closed, number):
    with pytest.raises(SystemExit):
        run("ls", closed, f"--top={number}")
    assert "argument --top" in capsys.readouterr().err


def test_show_prints_status_values_timeline_and_history(run, closed):
    code, out, err = run("show", closed, "season-2026")
    assert (code, err) == (0, "")
    assert out.startswith("season  season-2026  Completed\n")
    assert '  output              ["Tokyo", "東京"]\n' in out
    assert "  custom_status       ranked\n" in out
    assert "fetch                    █ " in out
    assert "01:00:00 in all" in out
    assert "    1  2026-01-01 00:00:00.000  ExecutionStarted 'season'" in out
    last = ["12", "2026-01-01", "01:00:00.000", "ExecutionCompleted", '["Tokyo",', '"東京"]']
    assert out.splitlines()[-1].split() == last


def test_show_prints_the_instance_and_its_history_as_json(run, closed):
    code, out, _ = run("show", closed, "season-2026", "--json")
    assert code == 0
    shown = json.loads(out)
    assert shown["instance"]["input"] == ["Tokyo", "東京"]
    assert [event["event_id"] for event in shown["history"]] == list(range(1, 13))
    assert shown["history"][0]["event_type"] == "ExecutionStarted"


def test_show_of_an_entity_prints_its_state_and_its_history(run, tmp_path):
    file = tmp_path / "flows.duckdb"
    with df.TaskHub(file, mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.entity
        class Counter:
            def __init__(self):
                self.value = 0

            def add(self, amount):
                self.value += amount

        hub.entity(Counter, "a").add(7)
        while hub.step():
            pass
    code, out, err = run("show", file, "@counter@a")
    assert (code, err) == (0, "")
    assert out.startswith("counter  @counter@a\n")
    assert '  state               {"value": 7}\n' in out
    assert out.splitlines()[-1].split()[3:] == ["StateChanged", "#1", '{"value":', "7}"]
    code, out, _ = run("show", file, "@counter@a", "--json")
    assert code == 0
    assert json.loads(out)["instance"]["state"] == {"value": 7}


def test_logs_prints_what_was_printed(run, closed):
    assert run("logs", closed, "season-2026") == (
        0,
        "fetch #0  fetching Tokyo\nfetch #1  fetching 東京\nseason    INFO: ranked\n          �[2Jthem\n",
        "",
    )
    assert run("logs", closed, "order-7") == (0, "0 lines\n", "")


def test_logs_prints_json(run, closed):
    code, out, _ = run("logs", "--json", closed, "season-2026")
    first, second, third = json.loads(out)
    assert code == 0
    assert len(first.pop("execution_id")) == 16
    assert first == {
        "instance_id": "season-2026",
        "task_id": 0,
        "name": "fetch",
        "attempt": 1,
        "timestamp": "2026-01-01T00:00:00",
        "stream": "stdout",
        "level": None,
        "logger": None,
        "message": "fetching Tokyo",
    }
    assert second["message"] == "fetching 東京"
    assert (third["timestamp"], third["level"]) == ("2026-01-01T01:00:00", "INFO")


def test_sql_prints_a_table(run, closed):
    query = "select name, count(*) as n, 0.5::double as half, null as x from activities group by 1"
    code, out, _ = run("sql", closed, query)
    assert code == 0
    assert out.splitlines() == ["name   n  half  x", "─────  ─  ────  ─", "fetch  2   0.5"]


def test_sql_prints_json_that_any_parser_takes(run, closed):
    query = """select 'nan'::double as a, {'b': [1.5::double, null]} as b, timestamp '2026-01-01' as c,
        input, interval 1 day as d, 1.50::decimal(4, 2) as e from activities where task_id = 0"""
    code, out, _ = run("sql", "--json", closed, query)
    assert code == 0
    row = {"a": None, "b": {"b": [1.5, None]}, "c": "2026-01-01T00:00:00", "input": "Tokyo"}
    assert json.loads(out, parse_constant=pytest.fail) == [row | {"d": "1 day, 0:00:00", "e": "1.50"}]


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_looking_changes_nothing_where_a_process_died(run, left, look):
    before = contents(left.parent)
    code, out, err = run(*(word.format(file=left) for word in look))
    assert (code, err) == (0, "")
    assert out
    assert contents(left.parent) == before


def test_looking_leaves_no_lock_file(run, left, tmp_path):
    names = ["flows.duckdb", "flows.duckdb.log", "flows.duckdb.wal"]
    for name in names:
        (tmp_path / name).write_bytes(left.with_name(name).read_bytes())
    assert run("ls", tmp_path / "flows.duckdb")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == names


# -- refusals ----------------------------------------------------------------------------------------


def refused(result):
    """The one line of complaint."""
    code, out, err = result
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("durablenb: ")
    return line


def test_a_file_that_is_not_there_is_not_made(run, tmp_path):
    assert "doesn't exist" in refused(run("ls", tmp_path / "nothing.duckdb"))
    assert "doesn't exist" in refused(run("repair", tmp_path / "nothing.duckdb"))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_hub_is_refused(run, tmp_path):
    (tmp_path / "notes.txt").write_text("Buy milk. " * 9)
    assert "not a DuckDB database" in refused(run("ls", tmp_path / "notes.txt"))
    with duckdb.connect(
        str(tmp_path / "mine.duckdb"), config={"storage_compatibility_version": "latest"}
    ) as c:
        c.execute("create table mine (a int)")
    assert "not a hub" in refused(run("ls", tmp_path / "mine.duckdb"))


def test_a_hub_of_a_newer_durablenb_is_refused(run, tmp_path):
    df.TaskHub(tmp_path / "flows.duckdb").close()
    with duckdb.connect(str(tmp_path / "flows.duckdb")) as connection:
        connection.execute("update durablenb_format set version = 99")
    assert "Install a newer durablenb" in refused(run("ls", tmp_path / "flows.duckdb"))


def test_an_unknown_instance_is_refused(run, closed):
    assert "no instance 'season-2025'" in refused(run("show", closed, "season-2025"))


def test_sql_that_is_no_query_is_refused_in_one_line(run, closed):
    for query, complaint in {
        "selec 1": 'syntax error at or near "selec"',
        "select nothing from instances": '"nothing" not found',
        "delete from journal": "one query, not DELETE",
        "": "one query, not nothing",
    }.items():
        assert complaint in refused(run("sql", closed, query))


def test_a_hub_that_a_kernel_has_open_is_refused_with_the_kernels_name(run, tmp_path):
    command = [sys.executable, "-c", KILLED, tmp_path / "flows.duckdb", "stay"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as kernel:
        assert kernel.stdout.readline() == "open\n"
        for words in (["ls"], ["sql"], ["show"], ["logs"], ["repair"]):
            more = {"sql": ["select 1"], "show": ["order-7"], "logs": ["order-7"]}.get(words[0], [])
            assert str(kernel.pid) in refused(run(*words, tmp_path / "flows.duckdb", *more))
        kernel.communicate("")


def test_a_hub_that_this_process_has_open_is_looked_at_through_it(run, tmp_path):
    with df.TaskHub(tmp_path / "flows.duckdb", mode="kernel") as hub:
        hub.add_orchestrator(lambda context: 1, "one")
        hub.start("one", instance_id="a")
        assert run("ls", tmp_path / "flows.duckdb")[1].endswith("1 instance: 1 Pending\n")
        assert hub.run("one") == 1


def test_an_interrupt_ends_it_without_a_traceback(run, closed, monkeypatch):
    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("durablenb.cli.commands.open_history", interrupted)
    assert refused(run("ls", closed)) == "durablenb: interrupted"


@pytest.mark.parametrize("words", [[], ["lss", "x"], ["show", "x"], ["ls", "x", "--jsn"]], ids=" ".join)
def test_a_command_line_that_is_not_understood_has_exit_code_2(words, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2
    assert "usage: durablenb" in capsys.readouterr().err


# -- repair ------------------------------------------------------------------------------------------


def test_repair_of_a_sound_hub_changes_nothing(run, closed):
    before = closed.read_bytes()
    code, out, _ = run("repair", closed)
    assert code == 0
    assert out.startswith(f"{closed}: ok\n")
    assert closed.read_bytes() == before


def test_repair_without_a_usable_log_keeps_the_log_and_opens_the_hub(run, left, tmp_path):
    file, log = tmp_path / "flows.duckdb", tmp_path / "flows.duckdb.log"
    file.write_bytes(left.read_bytes())
    log.write_bytes(b"\xff" * 8_192 + left.with_name(log.name).read_bytes()[8_192:])
    assert "the beginning of its log flows.duckdb.log is damaged" in refused(run("ls", file))
    code, out, _ = run("repair", "--json", file)
    assert code == 0
    report = json.loads(out)
    assert report["verdict"] == "log set aside"
    assert [Path(kept).exists() for kept in report["kept"]] == [True, True]
    assert run("repair", file)[1].startswith(f"{file}: ok")


def test_repair_that_saves_nothing_has_exit_code_1(run, tmp_path):
    file = tmp_path / "flows.duckdb"
    df.TaskHub(file).close()
    damaged = bytearray(file.read_bytes())
    damaged[4096:12288] = b"\xff" * 8192  # both headers of the database
    file.write_bytes(damaged)
    code, out, _ = run("repair", file)
    assert code == 1
    assert out.startswith(f"{file}: unreadable\n")
    assert file.read_bytes() == damaged


# -- the process -------------------------------------------------------------------------------------


def python(*words, **options):
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, **options)


def test_it_says_its_version(run, capsys):
    with pytest.raises(SystemExit) as ended:
        run("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"durablenb {df.__version__}\n"


def test_python_m_durablenb_is_the_command_line_and_its_exit_code_is_the_process(tmp_path):
    done = python("-m", "durablenb", "ls", tmp_path / "nothing.duckdb")
    assert (done.returncode, done.stdout) == (1, "")
    assert "doesn't exist" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_who_goes_away_is_no_error(closed):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "durablenb", "show", closed, "season-2026"]
    with os.fdopen(writing, "w") as nobody:
        done = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "")


def test_importing_durablenb_imports_nothing_heavy():
    heavy = (
        *("pandas", "numpy", "matplotlib", "networkx", "ipywidgets", "anywidget", "cloudpickle", "IPython"),
        *("durablenb.notebook.magics", "durablenb.server", "starlette", "uvicorn", "durabletask"),
    )
    code = f"import sys, durablenb, durablenb.cli; print(set({heavy!r}) & set(sys.modules) or '')"
    done = python("-c", code)
    assert (done.stdout.strip(), done.stderr) == ("", "")


# -- export and import ------------------------------------------------------------------------------


def test_what_one_hub_exports_another_one_imports(closed, tmp_path, capsys):
    export, target = tmp_path / "some.parquet", tmp_path / "other.duckdb"
    assert main(["export", str(closed), "-o", str(export)]) == 0
    with df.open_history(closed) as file:
        ids = [one.instance_id for one in file.instances()]
    assert capsys.readouterr().out == f"{export}: {len(ids)} instances exported\n"
    assert main(["import", str(target), str(export)]) == 0
    assert sorted(capsys.readouterr().out.split()) == sorted(ids)
    assert main(["import", str(target), str(closed), "--prefix", "again-"]) == 0
    assert sorted(capsys.readouterr().out.split()) == sorted(f"again-{one}" for one in ids)
    assert main(["sql", str(target), "select distinct origin from instances order by all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"origin": str(closed)}, {"origin": str(export)}]


def test_an_export_may_be_of_some_instances(closed, tmp_path, capsys):
    export = tmp_path / "some.json"
    with df.open_history(closed) as file:
        some = file.instances()[0].instance_id
    for words in ([some], ["--sql", f"select instance_id from instances where instance_id = '{some}'"]):
        assert main(["export", str(closed), *words, "-o", str(export)]) == 0
        assert capsys.readouterr().out.endswith(": 1 instance exported\n")
        assert {row["instance_id"] for row in json.loads(export.read_text())["events"]} == {some}


def test_what_can_t_be_exported_or_imported_is_one_sentence(closed, tmp_path, capsys):
    export = str(tmp_path / "some.json")
    assert main(["export", str(closed), "nobody", "-o", export]) == 1
    assert "No instance with ID 'nobody' found" in capsys.readouterr().err
    assert main(["export", str(closed), "a", "--sql", "select 'a'", "-o", export]) == 1
    assert "Give ids or a query, not both" in capsys.readouterr().err
    assert main(["import", str(tmp_path / "new.duckdb"), export]) == 1
    assert "some.json" in capsys.readouterr().err


def test_a_url_is_imported_with_the_key_of_the_environment(tmp_path, capsys, monkeypatch):
    with df.TaskHub(":memory:") as hub:
        hub.add_orchestrator(lambda context: 1, "one")
        hub.run("one", instance_id="a")
        with hub.serve(port=0) as server:
            monkeypatch.setenv("DURABLENB_KEY", server.key)
            assert main(["import", str(tmp_path / "new.duckdb"), server.url]) == 0
    assert capsys.readouterr().out == "a\n"
