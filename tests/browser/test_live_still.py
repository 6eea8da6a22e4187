"""The still picture of a live view: after the end, in a saved notebook, without a kernel."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import UNANSWERED, Lab, dismiss_the_dialog, wait_for_kernel
from tests.browser.live_views import cell, execute, region, save, shown, view, with_setup

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

WIDE = """@hub.activity
def tenth(part):
    if part % 1_000 == 17:
        raise ValueError(f"part {part} is empty")
    return part

@hub.orchestrator
def wide(context):
    yield context.wait_for_external_event("Go")
    try:
        yield context.task_all([context.call_activity(tenth, part) for part in range(10_000)])
    except ValueError:
        pass

big = hub.start(wide, instance_id="big")"""
PID = """import os
from pathlib import Path
Path("{name}.pid").write_text(str(os.getpid()));"""
STILL = ".jp-OutputArea-output[data-mime-type='text/html'] img"
GONE = "model not found"


def saved(lab: Lab, page: Page, name: str) -> tuple[int, list[dict[str, Any]]]:
    """How large the saved notebook is, and the data of its outputs."""
    path = lab.folder / f"{name}.ipynb"
    save(page, path)
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    cells = nbformat.read(path, 4).cells
    outputs = [output.data for one in cells for output in one.outputs if "data" in output]
    return path.stat().st_size, outputs


def shoot_reopened(
    lab: Lab, name: str, path: Path, *, is_trusted: bool, has_widget: bool = False
) -> list[str]:
    """Opens a saved notebook whose kernel is gone; gives the alternative texts of its pictures."""
    file = f"{name}.ipynb"
    if not is_trusted:
        foreign = nbformat.read(lab.folder / file, 4)
        foreign.cells.append(nbformat.v4.new_markdown_cell("From somewhere else."))
        file = f"{name}-foreign.ipynb"
        nbformat.write(foreign, lab.folder / file)
    with lab.opened(file) as (page, trouble):
        pictures = page.locator(STILL)
        expect(pictures.first).to_be_visible()
        page.locator(".jp-OutputArea-output summary", has_text="Steps").first.click()
        expect(page.locator(".jp-OutputArea-output details[open] table").first).to_be_visible()
        words = [str(one.get_attribute("alt")) for one in pictures.all()]
        error = page.get_by_text(GONE)
        if is_trusted:
            if has_widget:
                error.first.wait_for(state="attached")
            expect(error).to_be_hidden()
        elif error.count():  # JupyterLab lets no style through here; it is below the picture
            above, below = pictures.first.bounding_box(), error.first.bounding_box()
            assert above is not None
            assert below is not None
            assert above["y"] < below["y"]
        page.screenshot(path=path)
        assert [one for one in trouble if GONE not in one and "idget" not in one] == []
    return words


def keep(page: Page, index: int) -> None:
    """Clicks what makes a view that has stayed live at the end a picture."""
    head = region(view(page, index), "head")
    expect(head.get_by_role("img", name="Completed")).to_be_visible(timeout=30_000)
    head.get_by_role("button", name="Keep as picture").click()


def test_a_view_that_is_kept_is_a_small_still_picture(lab: Lab, tmp_path: Path) -> None:
    with shown(lab, "frozen", WIDE, "big.watch()") as (page, trouble):
        expect(region(view(page, 1), "waits")).to_contain_text("the external event 'Go'")
        execute(page, "big.raise_event('Go'); big.wait()")
        keep(page, 1)
        expect(cell(page, 1).locator(STILL).first).to_be_visible(timeout=30_000)
        expect(page.locator(".dnb-live")).to_have_count(0)
        size, outputs = saved(lab, page, "frozen")
        assert size < 500_000
        assert [one for one in outputs if any("widget" in mime for mime in one)] == []
        page.screenshot(path=tmp_path / "frozen.png")
        page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
        assert trouble == []
    for is_trusted in (True, False):
        words = shoot_reopened(lab, "frozen", tmp_path / f"reopened-{is_trusted}.png", is_trusted=is_trusted)
        assert "Completed" in words
        assert any("9,991 completed, 10 failed" in one for one in words)


def test_a_view_whose_kernel_was_killed_says_so_and_leaves_a_still_picture(lab: Lab, tmp_path: Path) -> None:
    start = "order = hub.start(fulfil, 'order', instance_id='order'); order.watch()"
    with shown(lab, "killed", PID.replace("{name}", "killed"), start) as (page, trouble):
        order = view(page, 1)
        expect(region(order, "waits")).to_contain_text("the external event 'Approval'")
        assert order.get_by_role("alert").count() == 0
        saved(lab, page, "killed")
        os.kill(int((lab.folder / "killed.pid").read_text()), signal.SIGKILL)
        dismiss_the_dialog(page)
        note = order.get_by_role("alert")
        expect(note).to_have_text(re.compile(r"The kernel is gone\. Its last news came at \d\d:\d\d:\d\d;"))
        expect(note).to_contain_text("open the hub on the same file (killed.duckdb)")
        expect(order.locator("> :first-child")).to_have_text(note.inner_text())
        expect(region(order, "head").get_by_role("img", name="was Running")).to_be_visible()
        expect(order.locator("button:enabled, input:enabled")).to_have_count(0)
        order.screenshot(path=tmp_path / "killed.png")
        region(order, "graph").locator("[data-key]").first.click()
        expect(note).to_be_visible()
        _, outputs = saved(lab, page, "killed")
        assert "order" in json.dumps(outputs)
        page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
        assert [one for one in trouble if not re.search(f"kernel|comm|{UNANSWERED}", one)] == []
    for is_trusted in (True, False):
        words = shoot_reopened(
            lab, "killed", tmp_path / f"killed-{is_trusted}.png", is_trusted=is_trusted, has_widget=True
        )
        assert "Running" in words


def test_a_busy_kernel_is_told_from_one_that_answers(lab: Lab) -> None:
    start = "order = hub.start(fulfil, 'order', instance_id='order'); order.watch()"
    busy = """import time
from pathlib import Path
while not Path("free").exists():
    time.sleep(0.05)"""
    lab.write("busy.ipynb", with_setup("busy", start, busy))
    with lab.opened("busy.ipynb") as (page, trouble):
        page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        order = view(page, 0)
        expect(region(order, "graph").locator("[data-key='step 2']")).to_be_visible()
        region(order, "graph").locator("[data-key='step 1']").click()
        expect(order.get_by_role("alert")).to_contain_text("it is busy, or gone", timeout=8_000)
        (lab.folder / "free").touch()
        expect(region(order, "detail")).to_contain_text("reserving order")
        expect(order.get_by_role("alert")).to_be_hidden()
        assert trouble == []


def test_a_page_that_is_loaded_anew_has_its_views_again(lab: Lab) -> None:
    start = "order = hub.start(fulfil, 'order', instance_id='order'); order.watch()"
    with shown(lab, "reloaded", start, is_fresh=True) as (page, trouble):
        expect(region(view(page, 0), "waits")).to_contain_text("the external event 'Approval'")
        saved(lab, page, "reloaded")
        page.reload(wait_until="domcontentloaded")
        page.wait_for_selector(".jp-NotebookPanel")
        wait_for_kernel(page)
        expect(region(view(page, 0), "waits")).to_contain_text(
            "the external event 'Approval'", timeout=30_000
        )
        assert not cell(page, 0).locator(STILL).first.is_visible()
        execute(page, "order.raise_event('Approval', 'yes')")
        keep(page, 0)
        expect(cell(page, 0).locator(STILL).first).to_be_visible()
        expect(page.locator(".dnb-live")).to_have_count(0)
        assert trouble == []


def test_a_click_is_answered_while_a_cell_awaits(lab: Lab) -> None:
    start = "order = hub.start(fulfil, 'order', instance_id='order'); order.watch()"
    lab.write("awaiting.ipynb", with_setup("awaiting", start, "await order"))
    with lab.opened("awaiting.ipynb") as (page, trouble):
        page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        order = view(page, 0)
        expect(region(order, "graph").locator("[data-key='step 2']")).to_be_visible()
        expect(page.locator(".jp-CodeCell .jp-InputArea-prompt").last).to_have_text("[*]:")
        took = order.evaluate(
            """async view => {
                const times = [];
                for (let turn = 0; turn < 6; turn++) {
                    const detail = view.querySelector('[data-region=detail]'), begin = performance.now();
                    const changed = new Promise(done => new MutationObserver((_, watch) => {
                        watch.disconnect();
                        done();
                    }).observe(detail, {childList: true, attributes: true}));
                    const click = new MouseEvent('click', {bubbles: true});
                    view.querySelector("[data-key='step 1']").dispatchEvent(click);
                    await changed;
                    times.push(performance.now() - begin);
                }
                return times;
            }"""
        )
        print("answers in ms:", [round(one) for one in took])
        assert min(took) < 300  # on a busy machine, most answers may be late
        region(order, "waits").get_by_role("textbox").fill("yes")
        region(order, "waits").get_by_role("button", name="Raise").click()
        expect(page.locator(".jp-OutputArea-output").filter(has_text="'yes'")).to_be_visible()
        assert trouble == []
