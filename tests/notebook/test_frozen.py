"""A notebook's file holds a still picture of each live view, also when all cells are run in one go."""

from __future__ import annotations

from typing import Any

import pytest

import durablenb as df
from tests.notebook.test_in_a_kernel import executed

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


CELLS = {
    "closed at once": ["handle = hub.start(sums)\nhandle.watch()", "print(handle.result())\nhub.close()"],
    "closed while open": ["handle = hub.start(sums)\nhandle.watch()", "hub.step()\nhub.close()\n"],
    "ended before": ["handle = hub.start(sums)\nhandle.wait()\nhandle.watch()", "hub.close()"],
    "frozen": [
        "handle = hub.start(sums)\nview = handle.watch()\nview",
        "handle.wait()\nview.freeze()",
        "handle",
    ],
    "selected": [
        "handle = hub.start(sums)\nview = handle.watch()\nview",
        "view.selected = 'step 1'",
        "handle.wait()\nview.refresh()\nview.is_frozen",
    ],
    "live instance": [
        "handle = hub.start(sums)\nhub.step()\nview = handle.watch(freeze=False)\nview",
        "handle.wait()\nview.refresh()\nhub.close()",
    ],
    "live hub": [
        "handle = hub.start(sums)\nhub.step()\nview = hub.watch()\nview",
        "handle.wait()\nview.list.refresh()\nhub.close()",
    ],
}
"""By name, the cells behind those of a setup: each begins with a hub of its own."""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The outputs of these cells, after all have been run in one go, in one kernel."""
    cells = [cell for behind in CELLS.values() for cell in (SETUP, *behind)]
    ran = iter(executed(cells, tmp_path_factory.mktemp("kernel"), store_widget_state=False).cells)
    return {name: [next(ran).outputs for _ in range(1 + len(cells))][1:] for name, cells in CELLS.items()}


def still_in(watched: list[Any]) -> Any:
    """The one output that is no widget."""
    (still,) = (output.data for output in watched if WIDGET not in output.data and output.data["text/html"])
    return still


@pytest.mark.parametrize(
    ("name", "word", "printed"),
    [
        ("closed at once", "Completed", ["stdout"]),
        ("closed while open", "Running", []),
        ("ended before", "Completed", []),
    ],
)
def test_a_hub_that_is_closed_leaves_a_still_picture_of_where_it_stood(
    outputs: dict[str, list[Any]], name: str, word: str, printed: list[str]
) -> None:
    watched, closed = outputs[name]
    still = still_in(watched)
    assert still["text/plain"].startswith("<sums ")
    assert word in still["text/plain"]
    assert "data:image/svg+xml" in still["text/html"]
    assert f'alt="{word}"' in still["text/html"]
    assert [output.name for output in closed] == printed
    assert word == "Running" or not any(WIDGET in output.data for output in watched)


def test_a_view_that_is_frozen_is_the_picture_of_its_instance_at_that_moment(
    outputs: dict[str, list[Any]],
) -> None:
    watched, _, (shown,) = outputs["frozen"]
    assert still_in(watched) == shown.data


def test_a_view_in_which_something_is_selected_leaves_the_picture_of_the_end(
    outputs: dict[str, list[Any]],
) -> None:
    watched, _, (is_frozen,) = outputs["selected"]
    assert is_frozen.data["text/plain"] == "False"
    assert 'alt="Completed"' in still_in(watched)["text/html"]


@pytest.mark.parametrize("name", ["live instance", "live hub"])
def test_the_text_of_a_view_that_is_not_frozen_tells_the_end(
    outputs: dict[str, list[Any]], name: str
) -> None:
    texts = [output.data["text/plain"] for output in outputs[name][0]]
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
