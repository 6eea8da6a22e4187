"""A second process that opens the file of a hub that is served is told how to reach it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import durablenb as df
from tests.remote.conftest import register

OPEN = """
import sys, durablenb as df
for call in (df.TaskHub, df.open_history):
    try:
        call(sys.argv[1])
    except df.HubLockedError as error:
        print(error)
"""


def told(path: Path) -> list[str]:
    """The message for a second process that opens the file, as a hub and as a history."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


def test_it_is_told_the_url_and_what_to_type_and_never_the_key(tmp_path: Path) -> None:
    path = tmp_path / "flows.duckdb"
    with df.TaskHub(path) as hub:
        server = hub.serve(port=0)
        texts = told(path)
        assert len(texts) == 2
        for text in texts:
            assert f"df.TaskHub.connect('{server.url}', key=...) with server.key from there" in text
            assert server.key not in text + path.with_name("flows.duckdb.lock").read_text()
        server.close()
        assert "TaskHub.connect" not in "".join(told(path))


def test_another_process_starts_and_looks_by_what_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / "flows.duckdb"
    code = """
import sys, durablenb as df
with df.TaskHub.connect(sys.argv[1], key=sys.argv[2]) as remote:
    handle = remote.start("doubles", [1, 2], instance_id="from-elsewhere")
    print(handle.result(20), handle.watch(), len(handle._repr_mimebundle_()["text/html"]) > 1_000)
print({"starlette", "uvicorn", "matplotlib"} & set(sys.modules))
"""
    with df.TaskHub(path) as hub:
        register(hub)
        server = hub.serve(port=0)
        done = subprocess.run(
            [sys.executable, "-c", code, server.url, server.key],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stderr == ""
        assert done.stdout.startswith("[2, 4] <live view: doubles from-elsewhere: Completed")
        assert done.stdout.endswith("True\nset()\n")
        assert hub.handle("from-elsewhere").result() == [2, 4]
