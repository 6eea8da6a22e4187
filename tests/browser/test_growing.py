"""An orchestration is grown in a real JupyterLab; between two of its stages the kernel dies."""

from __future__ import annotations

import os
import signal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab, dismiss_the_dialog, expect_run, run_all, wait_for_kernel

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

CELLS = [
    """import os
from pathlib import Path
import durablenb as df

hub = df.TaskHub("growing.duckdb")
Path("growing.pid").write_text(str(os.getpid()))""",
    """@hub.activity
def fetch(city):
    with open("fetched.txt", "a") as fetched:
        fetched.write(f"{city}\\n")
    print("fetching", city)
    return len(city)""",
    """@hub.orchestrator
def grow(context):
    rides = yield context.call_activity(fetch, "Tokyo")
    yield ...""",
    """known = [status.instance_id for status in hub.instances()]
handle = hub.handle("grown") if "grown" in known else hub.start(grow, instance_id="grown")
try:
    print("the result is", handle.result())
except df.WaitTimeoutError as error:
    print(error)""",
    "handle",
    "handle.logs()",
]
GROWN = """@hub.orchestrator
def grow(context):
    rides = yield context.call_activity(fetch, "Tokyo")
    more = yield context.call_activity(fetch, "Seattle")
    return rides + more"""


def test_an_orchestration_is_grown_though_the_kernel_dies_meanwhile(lab: Lab) -> None:
    lab.write("growing.ipynb", CELLS)
    with lab.opened("growing.ipynb") as (page, _):
        outputs = page.locator(".jp-OutputArea-output")
        run_all(page)
        expect_run(page, len(CELLS))
        expect(outputs.filter(has_text="grown (grow) waits for more code at line 4")).to_be_visible()
        os.kill(int((lab.folder / "growing.pid").read_text()), signal.SIGKILL)
        dismiss_the_dialog(page)
        wait_for_kernel(page)
        _edit(page, 2, GROWN)
        run_all(page)
        expect(outputs.filter(has_text="the result is 12")).to_be_visible()
        expect_run(page, len(CELLS))
        expect(outputs.locator("img[alt='Completed']")).to_be_visible()
        assert (lab.folder / "fetched.txt").read_text() == "Tokyo\nSeattle\n"
        expect(page.locator('[data-mime-type="application/vnd.jupyter.stdout"]')).to_have_count(1)
        expect(outputs.filter(has_text="fetching Tokyo").filter(has_text="fetching Seattle")).to_be_visible()


def _edit(page: Page, cell: int, source: str) -> None:
    """Writes other code into a cell."""
    page.evaluate(
        "([cell, source]) => window.jupyterapp.shell.currentWidget.content.widgets[cell]"
        ".model.sharedModel.setSource(source)",
        [cell, source],
    )
