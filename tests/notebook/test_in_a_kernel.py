"""In a real kernel: what a notebook is given, what nbval compares, what `%tb` shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.kernel_sockets import kernel_config

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::RuntimeWarning")

SETUP = """import durablenb as df

clock = df.VirtualClock()
hub = df.TaskHub(":memory:", mode="kernel", clock=clock)

@hub.activity
def refuse(amount):
    raise ValueError("card declined")

@hub.activity
def double(n):
    clock.advance(seconds=0.1)
    return 2 * n

@hub.orchestrator
def order(context):
    yield context.call_activity(refuse, 170)

@hub.orchestrator
def sums(context):
    return sum((yield context.task_all([context.call_activity(double, n) for n in range(30)])))
"""
CELLS = [
    SETUP,
    "hub.run(order)",
    "%tb",
    "handle = hub.start(sums)\nhandle.result()\nhandle",
    "hub",
    "hub.instances()",
    "handle.history()",
    "df.RetryOptions(1000, 3)",
    'df.options.display = "text"\nhandle',
]


def executed(cells: list[str], folder: Path, **options: Any) -> Any:
    """A notebook with these cells, after all have been run in one go."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    resources = {"metadata": {"path": str(folder)}}
    options |= {"config": kernel_config(), "timeout": 60, "resources": resources}
    return NotebookClient(notebook, allow_errors=True, **options).execute()


def test_errors_are_short_objects_are_pictures_and_texts_and_nbval_finds_the_same_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "pictures.ipynb"
    notebook = executed(CELLS, tmp_path)
    outputs = [cell.outputs[0] if cell.outputs else None for cell in notebook.cells]
    short, whole = ("\n".join(output.traceback) for output in outputs[1:3])
    assert outputs[1].ename == "ValueError"
    for words in ("card declined", "line 8 of cell In[1]", "line 1 of cell In[2]"):
        assert words in short
    assert "durablenb/" not in short
    assert len(short.splitlines()) < 25
    for words in ("Traceback (most recent call last)", "outcome_value"):
        assert words in whole
    for output in outputs[3:8]:
        assert set(output.data) == {"text/html", "text/plain"}
        assert "data:image/svg+xml;base64," in output.data["text/html"]
        assert "object at 0x" not in output.data["text/plain"]
    assert set(outputs[8].data) == {"text/plain"}
    for cell in notebook.cells[1:3]:
        cell.metadata["tags"] = ["nbval-raises-exception", "nbval-ignore-output"]
    nbformat.write(notebook, path)
    nbval = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*nbval, str(path)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert f"{len(notebook.cells)} passed" in done.stdout
