"""Many orchestrations in JupyterLab: the kernel dies while they run, and the cell is run again."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import (
    UNANSWERED,
    Lab,
    dismiss_the_dialog,
    expect_run,
    run_all,
    wait_for_kernel,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

CELLS = [
    """import os, time
from pathlib import Path
import durablenb as df

hub = df.TaskHub("many.duckdb")
Path("many.pid").write_text(str(os.getpid()))""",
    """@hub.activity
def fit(depth):
    with open("fits.txt", "a") as fits:
        fits.write(f"{depth}\\n")
    while depth == 7 and not Path("go on").exists():
        if len(hub.instances(["Completed", "Failed"])) == 11:
            Path("others are over").touch()
        time.sleep(0.02)
    if depth == 3:
        raise ValueError("no split found")
    return 1 / depth

@hub.orchestrator
def sweep(context):
    return (yield context.call_activity("fit", context.get_input()))""",
    """ids = [f"fit-{depth}" for depth in range(1, 13)]
handles = hub.map(sweep, range(1, 13), instance_ids=ids, if_exists="attach")
results = await df.Handles(hub, [one for one in ids if one != "fit-3"]).progress()""",
    "handles",
    "handles.df()[['instance_id', 'status', 'output', 'failure']].head(4)",
    "df.open_history('many.duckdb').handle('fit-3').watch()",
]


def test_a_sweep_survives_its_kernel_and_is_seen_as_a_whole(lab: Lab) -> None:
    lab.write("many.ipynb", CELLS)
    fits = lab.folder / "fits.txt"
    with lab.opened("many.ipynb") as (page, trouble):
        run_all(page)
        end = time.monotonic() + 60
        while not (lab.folder / "others are over").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        os.kill(int((lab.folder / "many.pid").read_text()), signal.SIGKILL)
        dismiss_the_dialog(page)
        wait_for_kernel(page)
        (lab.folder / "go on").touch()
        run_all(page)
        expect_run(page, len(CELLS))
        counts = Counter(fits.read_text().split())
        assert len(counts) == 12
        assert [depth for depth, count in counts.items() if count > 1] == ["7"]
        outputs = page.locator(".jp-OutputArea-output")
        expect(outputs.filter(has_text="11 of 11").first).to_be_visible()
        expect(outputs.locator("img[alt='12 instances: 1 Failed, 11 Completed']")).to_be_visible()
        expect(outputs.filter(has_text="no split found").first).to_be_visible()
        expect(page.get_by_text("from a file that is only read")).to_be_visible()
        expect(page.get_by_role("button", name="Rewind")).to_have_count(0)
        expect(page.locator('[data-mime-type="application/vnd.jupyter.stderr"]')).to_have_count(0)
        assert [text for text in trouble if "404" not in text and UNANSWERED not in text] == []
