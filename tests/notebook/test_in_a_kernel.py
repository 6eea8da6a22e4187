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


def executed(cells: list[str], folder: Path) -> Any:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(
        notebook, config=kernel_config(), allow_errors=True, timeout=60, resources=resources
    ).execute()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    notebook = executed(CELLS, tmp_path_factory.mktemp("kernel"))
    return [cell.outputs[0] if cell.outputs else None for cell in notebook.cells]


def test_an_error_is_short_and_knows_the_cells(outputs: list[Any]) -> None:
    text = "\n".join(outputs[1].traceback)
    assert outputs[1].ename == "ValueError"
    assert "card declined" in text
    assert "line 8 of cell In[1]" in text
    assert "line 1 of cell In[2]" in text
    assert "durablenb/" not in text
    assert len(text.splitlines()) < 25


def test_tb_shows_the_whole_traceback(outputs: list[Any]) -> None:
    text = "\n".join(outputs[2].traceback)
    assert "Traceback (most recent call last)" in text
    assert "outcome_value" in text


def test_objects_give_a_picture_and_text(outputs: list[Any]) -> None:
    for output in outputs[3:8]:
        assert set(output.data) == {"text/html", "text/plain"}
        assert "data:image/svg+xml;base64," in output.data["text/html"]
        assert "object at 0x" not in output.data["text/plain"]


def test_the_option_text_gives_text_alone(outputs: list[Any]) -> None:
    assert set(outputs[8].data) == {"text/plain"}


def test_nbval_finds_the_same_pictures_and_texts_again(tmp_path: Path) -> None:
    cells = [SETUP, *CELLS[3:]]
    path = tmp_path / "pictures.ipynb"
    nbformat.write(executed(cells, tmp_path), path)
    nbval = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*nbval, str(path)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert f"{len(cells)} passed" in done.stdout
