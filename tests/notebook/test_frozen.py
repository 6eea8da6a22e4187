"""What a notebook's file holds of a live view: a still picture, also when all cells are run in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import durablenb as df
from tests.kernel_sockets import kernel_config

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::RuntimeWarning")

SETUP = """import durablenb as df

hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())

@hub.activity
def double(n):
    return 2 * n

@hub.orchestrator
def sums(context):
    return sum((yield context.task_all([context.call_activity(double, n) for n in range(30)])))
"""
WIDGET = "application/vnd.jupyter.widget-view+json"


def outputs_of(cells: list[str], folder: Path) -> list[list[Any]]:
    """The outputs of each cell, after all have been run in one go."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(
        notebook, config=kernel_config(), timeout=60, store_widget_state=False, resources=resources
    ).execute()
    return [cell.outputs for cell in notebook.cells]


def test_a_hub_that_is_closed_at_once_leaves_the_picture_of_the_end(tmp_path):
    cells = [SETUP, "handle = hub.start(sums)\nhandle.watch()", "print(handle.result())\nhub.close()"]
    _, watched, closed = outputs_of(cells, tmp_path)
    data = [output.data for output in watched]
    assert not any(WIDGET in one for one in data)
    (still,) = (one for one in data if one["text/html"])
    assert still["text/plain"].startswith("<sums ")
    assert "Completed" in still["text/plain"]
    assert "data:image/svg+xml" in still["text/html"]
    assert [output.name for output in closed] == ["stdout"]


def test_a_hub_that_is_closed_leaves_the_picture_of_what_is_open_where_it_stood(tmp_path):
    cells = [SETUP, "handle = hub.start(sums)\nhandle.watch()", "hub.step()\nhub.close()\n"]
    _, watched, closed = outputs_of(cells, tmp_path)
    (still,) = (output.data for output in watched if WIDGET not in output.data)
    assert 'alt="Running"' in still["text/html"]
    assert closed == []


def test_a_view_of_what_had_ended_is_a_still_picture_when_the_hub_is_closed(tmp_path):
    cells = [SETUP, "handle = hub.start(sums)\nhandle.wait()\nhandle.watch()", "hub.close()"]
    _, watched, _ = outputs_of(cells, tmp_path)
    (still,) = (output.data for output in watched if output.data.get("text/html"))
    assert 'alt="Completed"' in still["text/html"]
    assert not any(WIDGET in output.data for output in watched)


def test_a_view_that_is_frozen_is_the_picture_of_its_instance_at_that_moment(tmp_path):
    cells = [
        SETUP,
        "handle = hub.start(sums)\nview = handle.watch()\nview",
        "handle.wait()\nview.freeze()",
        "handle",
    ]
    _, watched, _, (shown,) = outputs_of(cells, tmp_path)
    (still,) = (output.data for output in watched if output.data["text/html"])
    assert still == shown.data


def test_a_view_in_which_something_is_selected_leaves_the_picture_of_the_end(tmp_path):
    cells = [
        SETUP,
        "handle = hub.start(sums)\nview = handle.watch()\nview",
        "view.selected = 'step 1'",
        "handle.wait()\nview.refresh()\nview.is_frozen",
    ]
    _, watched, _, (is_frozen,) = outputs_of(cells, tmp_path)
    assert is_frozen.data["text/plain"] == "False"
    (still,) = (output.data for output in watched if WIDGET not in output.data)
    assert 'alt="Completed"' in still["text/html"]


@pytest.mark.parametrize("view", ["handle.watch(freeze=False)", "hub.watch()"])
def test_the_text_of_a_view_that_is_not_frozen_tells_the_end(tmp_path, view):
    cells = [
        SETUP,
        f"handle = hub.start(sums)\nhub.step()\nview = {view}\nview",
        "handle.wait()\ngetattr(view, 'list', view).refresh()\nhub.close()",
    ]
    _, watched, _ = outputs_of(cells, tmp_path)
    texts = [output.data["text/plain"] for output in watched]
    assert any("Completed" in text or "1 instance" in text for text in texts)
    assert not any("Running" in text or "running" in text for text in texts)


def test_a_view_of_what_has_ended_is_live():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_activity(lambda: 17, name="measure")
        hub.add_orchestrator(lambda context: (yield context.call_activity("measure")), name="survey")
        handle = hub.start("survey")
        handle.wait()
        view = handle.watch()
        assert not view.is_frozen
        view.selected = "step 1"
        view.refresh()
        assert b"17" in view.detail
        view.tab = "history"
        view.refresh()
        assert b"TaskCompleted" in view.history
        view.close()
