"""``durablenb serve``: a hub in a process of its own, with functions from a file, until a signal ends it."""

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

import durablenb as df
from durablenb import cli
from durablenb.model.address import MANAGEMENT
from tests.server.conftest import PATIENCE

APP = """
import durablenb as df

@hub.orchestrator
def approval(context):
    return [context.get_input(), (yield context.wait_for_external_event("ApprovalEvent"))]

@hub.orchestrator
def rounds(context):
    number = context.get_input()
    if number == 4:
        return number
    context.continue_as_new(number + 1)

app = df.DFApp()

@app.orchestration_trigger(context_name="context")
def hello(context):
    return "Hello " + (yield context.call_activity("name", 1))

@app.activity_trigger(input_name="number")
def name(number):
    print("printed by an activity")
    return "number " + str(number)
"""


class Process:
    """The running command, with the URL and the key that it printed."""

    def __init__(self, folder, *arguments, **variables):
        self.path = folder / "flows.duckdb"
        (folder / "app.py").write_text(APP)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "durablenb", "serve", "flows.duckdb", "app.py", "--port", "0", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )
        self.said = ""
        while "Ctrl+C" not in self.said:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            self.said += line
        self.url = re.search(r"served at (\S+)", self.said)[1]
        found = re.search(r"The key is (\S+)", self.said)
        self.key = found and found[1]

    def ask(self, method, path, **options):
        headers = {"x-functions-key": self.key or ""}
        return httpx.request(
            method, self.url + MANAGEMENT + path, headers=headers, timeout=PATIENCE, **options
        )

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@pytest.fixture
def serve(tmp_path):
    begun = []

    def begin(*arguments, **variables):
        begun.append(Process(tmp_path, *arguments, **variables))
        return begun[-1]

    yield begin
    for one in begun:
        one.process.kill()
        one.process.communicate()


WAIT = {"timeout": "20", "pollingInterval": "1"}


def test_the_functions_of_the_file_and_of_its_app_are_served_with_a_page(serve):
    process = serve("--keep-generations", "1")
    assert f"Its page, for a browser: {process.url}/#code={process.key}\n" in process.said
    assert "<title>" in httpx.get(f"{process.url}/").text
    assert process.ask("POST", "/orchestrators/hello", params=WAIT).json() == "Hello number 1"
    assert process.ask("POST", "/orchestrators/rounds/r", json=0, params=WAIT).json() == 4
    code, out, err = process.end()
    assert (code, err) == (0, "")
    assert "Waiting for running activities" in out
    assert "printed by an activity" not in out
    with df.open_history(process.path) as history:
        generations = history.sql("select generation from executions where instance_id = 'r' order by 1")
        assert generations.fetchall() == [(3,), (4,)]


def test_what_is_open_goes_on_when_it_is_served_again_with_another_key_or_none(serve):
    process = serve()
    assert process.ask("POST", "/orchestrators/approval/a", json={"amount": 7}).status_code == 202
    process.end(signal.SIGTERM)

    keyed = serve(DURABLENB_KEY="a-key-of-mine")
    assert keyed.key is None
    assert "a-key-of-mine" not in keyed.said
    assert keyed.ask("GET", "/instances/a").status_code == 401
    keyed.key = "a-key-of-mine"
    assert keyed.ask("GET", "/instances/a").status_code == 202
    keyed.end(signal.SIGKILL)

    keyless = serve("--no-key")
    assert keyless.ask("GET", "/instances/a").status_code == 202
    assert keyless.ask("POST", "/instances/a/raiseEvent/ApprovalEvent", json=True).status_code == 202
    assert keyless.ask("POST", "/orchestrators/hello", params=WAIT).status_code == 200
    assert keyless.ask("GET", "/instances/a").json()["output"] == [{"amount": 7}, True]
    assert keyless.end()[0] == 0


def test_a_file_that_is_missing_or_fails_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "broken.py").write_text("hub.orchestrator(5)\n")
    for name, said in (("nowhere.py", "There is no file or folder"), ("broken.py", 'broken.py", line 1')):
        assert cli.main(["serve", str(tmp_path / "flows.duckdb"), str(tmp_path / name)]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert said in err
    del sys.modules["broken"]
