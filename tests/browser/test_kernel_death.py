"""The main promise, in a real JupyterLab: a kernel is killed in the middle, and the work goes on."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Lab, dismiss_the_dialog, expect_run, run_all, wait_for_kernel

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

CELLS = [
    """import os, time
from pathlib import Path
import durablenb as df

hub = df.TaskHub("flows.duckdb")
Path("kernel.pid").write_text(str(os.getpid()))""",
    """@hub.activity
def crunch(part):
    with open("ran.txt", "a") as ran:
        ran.write(f"{part}\\n")
    while part == 3 and not Path("go").exists():
        time.sleep(0.02)
    return part * part""",
    """@hub.orchestrator
def season(context):
    squares = []
    for part in range(context.get_input()):
        squares.append((yield context.call_activity(crunch, part)))
    return squares""",
    """known = [status.instance_id for status in hub.instances()]
handle = hub.handle("season") if "season" in known else hub.start(season, 6, instance_id="season")
handle.result()""",
    "handle",
    "print(handle.history())",
    'hub.sql("select name, status, count(*) as calls from activities group by all").show()',
]


def test_a_killed_kernel_loses_nothing_and_repeats_nothing(lab: Lab) -> None:
    lab.write("season.ipynb", CELLS)
    with lab.opened("season.ipynb") as (page, _):
        run_all(page)
        _wait_for(lab.folder / "ran.txt", "0\n1\n2\n3\n")
        os.kill(int((lab.folder / "kernel.pid").read_text()), signal.SIGKILL)
        dismiss_the_dialog(page)
        wait_for_kernel(page)
        (lab.folder / "go").touch()
        run_all(page)
        expect_run(page, len(CELLS))
        ran = Counter((lab.folder / "ran.txt").read_text().split())
        assert ran == {"0": 1, "1": 1, "2": 1, "3": 2, "4": 1, "5": 1}
        outputs = page.locator(".jp-OutputArea-output")
        expect(outputs.filter(has_text="[0, 1, 4, 9, 16, 25]").first).to_be_visible()
        expect(outputs.locator("img[alt='Completed']")).to_be_visible()
        expect(page.locator('[data-mime-type="application/vnd.jupyter.stderr"]')).to_have_count(0)


def _wait_for(path: Path, text: str) -> None:
    end = time.monotonic() + 60
    while not (path.exists() and path.read_text() == text):
        assert time.monotonic() < end, f"{path.name} did not come to hold {text!r}"
        time.sleep(0.02)
