"""``durablenb serve FILE FOLDER``: a function app in a process of its own."""

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

from tests.azure.conftest import APPS, PATIENCE


@pytest.fixture
def serve(tmp_path):
    begun = []

    def begin(app):
        command = [sys.executable, "-m", "durablenb", "serve", "flows.duckdb", str(app), "--port", "0"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environment = {**os.environ, "DURABLENB_KEY": "a-key"}
        begun.append(subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes))
        return begun[-1]

    yield begin
    for one in begun:
        one.kill()
        one.communicate()


def test_its_functions_are_listed_and_answer_with_the_settings_that_are_kept_beside_them(serve):
    process, said = serve(APPS / "decorated"), ""
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


def test_an_app_that_fails_to_load_is_said_in_a_line(serve, tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "function_app.py").write_text("import os\n1 / 0\n")
    process = serve(tmp_path / "app")
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (1, "")
    assert re.fullmatch(
        r"durablenb: .* function_app\.py, line 2: ZeroDivisionError: division by zero\.\n", err
    )
