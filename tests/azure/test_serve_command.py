"""``durablenb serve FILE FOLDER``: a function app in a process of its own."""

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

from durablenb import cli
from tests.azure.conftest import APPS, PATIENCE


@pytest.fixture
def process(tmp_path):
    app = str(APPS / "decorated")
    command = [sys.executable, "-m", "durablenb", "serve", "flows.duckdb", app, "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "DURABLENB_KEY": "a-key"}, **pipes
    ) as begun:
        yield begun
        begun.kill()


def test_its_functions_are_listed_and_answer_with_the_settings_that_are_kept_beside_them(process):
    said = ""
    while "Ctrl+C" not in said:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        said += line
    url = re.search(r"served at (\S+)", said)[1]
    assert f"http_start: POST {url}/api/orchestrators/{{functionName}}" in said
    headers = {"x-functions-key": "a-key"}
    assert httpx.get(f"{url}/api/setting", headers=headers).text == "Hello durablenb.model.entities"
    started = httpx.post(f"{url}/api/orchestrators/greet", headers=headers, json="Oslo")
    waited = httpx.get(started.json()["statusQueryGetUri"], timeout=PATIENCE)
    assert waited.status_code in (200, 202)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert (
        err.strip()
        == "The function 'on_order' has a queueTrigger, which durablenb doesn't have: nothing calls it."
    )


def test_an_app_that_fails_to_load_is_said_in_a_line(written, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    app = written({"function_app.py": "import os\n1 / 0\n"})
    assert cli.main(["serve", str(tmp_path / "flows.duckdb"), str(app), "--port", "0"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"durablenb: .* function_app\.py, line 2: ZeroDivisionError: division by zero\.\n", err
    )
