"""``durablenb serve``: a hub in a process of its own, with functions from a file, until a signal ends it."""

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

import durablenb as df
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


def test_the_files_functions_and_its_app_are_served(serve):
    process = serve()
    asked = {"timeout": "20", "pollingInterval": "1"}
    assert process.ask("POST", "/orchestrators/hello", params=asked).json() == "Hello number 1"
    code, out, err = process.end()
    assert (code, err) == (0, "")
    assert "Waiting for running activities" in out
    assert "printed by an activity" not in out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_open_goes_on_when_it_is_served_again(serve, number):
    process = serve()
    assert process.ask("POST", "/orchestrators/approval/a", json={"amount": 7}).status_code == 202
    process.end(number)
    again = serve()
    assert again.ask("GET", "/instances/a").status_code == 202
    assert again.ask("POST", "/instances/a/raiseEvent/ApprovalEvent", json=True).status_code == 202
    assert again.ask("POST", "/orchestrators/hello?timeout=20&pollingInterval=1").status_code == 200
    assert again.ask("GET", "/instances/a").json()["output"] == [{"amount": 7}, True]
    assert again.end()[0] == 0


def test_it_says_where_its_page_is(serve):
    process = serve()
    assert f"Its page, for a browser: {process.url}/#code={process.key}\n" in process.said
    assert "<title>" in httpx.get(f"{process.url}/").text


def test_the_key_comes_from_the_environment_or_there_is_none(serve):
    given = serve(DURABLENB_KEY="a-key-of-mine")
    assert given.key is None
    assert "a-key-of-mine" not in given.said
    assert given.ask("GET", "/instances").status_code == 401
    given.key = "a-key-of-mine"
    assert given.ask("GET", "/instances").status_code == 200
    given.end()
    keyless = serve("--no-key")
    assert keyless.ask("GET", "/instances").status_code == 200


def test_past_generations_are_kept_as_the_command_says(serve):
    process = serve("--keep-generations", "1")
    asked = {"timeout": "20", "pollingInterval": "1"}
    assert process.ask("POST", "/orchestrators/rounds/r", json=0, params=asked).json() == 4
    process.end()
    with df.open_history(process.path) as history:
        assert history.sql("select generation from executions order by 1").fetchall() == [(3,), (4,)]


def run(folder, *arguments):
    command = [sys.executable, "-m", "durablenb", "serve", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_what_goes_wrong_is_said(tmp_path):
    missing = run(tmp_path, "flows.duckdb", "nowhere.py")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "There is no file or folder nowhere.py" in missing.stderr
    (tmp_path / "broken.py").write_text("hub.orchestrator(5)\n")
    broken = run(tmp_path, "flows.duckdb", "broken.py")
    assert broken.returncode == 1
    assert 'broken.py", line 1' in broken.stderr
    (tmp_path / "app.py").write_text(APP)
    with df.TaskHub(tmp_path / "flows.duckdb"):
        locked = run(tmp_path, "flows.duckdb", "app.py")
        assert locked.returncode == 1
        assert str(os.getpid()) in locked.stderr
