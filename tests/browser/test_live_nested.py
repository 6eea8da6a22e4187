"""Sub-orchestrations opened within the graph, by clicks and keys; and views whose cell is run again."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab, wait_for_kernel
from tests.browser.live_views import box_of, cell, cells_in, execute, open_tab, region, shown, view
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

FAMILY = """from durablenb.notebook.live.refresh_loop import refresh_loop
from pathlib import Path

@hub.orchestrator
def member(context):
    yield context.call_activity(reserve, context.get_input())
    return (yield context.call_activity(crunch, context.get_input()))

@hub.orchestrator
def deep(context):
    left = context.get_input()
    yield context.call_activity(reserve, left)
    if left:
        yield context.call_sub_orchestrator(deep, left - 1, f"deep-{left - 1}")

@hub.orchestrator
def family(context):
    yield context.call_sub_orchestrator(deep, 2, "deep-2")
    parts = [context.call_sub_orchestrator(member, part, f"member-{part}") for part in range(60)]
    try:
        yield context.task_all(parts)
    except Exception:
        pass

kin = hub.start(family, instance_id="kin")
kin.wait()"""
KIN, AGAIN, OTHER = 1, 2, 3
IS_SCROLLED_TO = """row => {
    const [inner, outer] = [row, row.closest("[data-scroll]")].map(one => one.getBoundingClientRect());
    return inner.top >= outer.top && inner.bottom <= outer.bottom;
}"""


def test_sub_orchestrations_are_opened_and_folded_by_clicks_and_keys(lab: Lab) -> None:
    cells = (
        FAMILY,
        "kin.watch(freeze=False)",
        "hub.handle('kin').watch(freeze=False)",
        "kin.watch(freeze=False)",
    )
    with shown(lab, "nested", *cells, is_fresh=True) as (page, trouble):
        before = cells_in(page)[:-1]
        look_inside(page)
        run_again(page, lab)
        assert trouble == []
        assert cells_in(page)[:-1] == before


def look_inside(page: Page) -> None:
    kin = view(page, KIN)
    graph = region(kin, "graph")

    def control(name: str):
        return graph.get_by_role("button", name=name, exact=True)

    control("open member in the graph").click()
    expect(graph).to_contain_text("#18: member-17")  # the one that failed
    control("the next member").click()
    expect(graph).to_contain_text("#19: member-18")
    control("open deep in the graph").press("Enter")
    expect(graph).to_contain_text("deep-2")
    expect(control("fold deep")).to_be_focused()
    # A step within: "+" opens it, "-" folds it.
    inner = graph.locator('[data-key="step 2 of deep-2"]')
    inner.focus()
    page.keyboard.press("+")
    expect(graph).to_contain_text("deep-1")
    inner.press("Enter")
    expect(region(kin, "detail")).to_contain_text("open deep-1")
    inner.press("-")
    expect(graph).not_to_contain_text("deep-1")
    # A cell is selected: it has a ring, its sub-orchestration is the one that is open, and all views know.
    cells = graph.locator("[data-cells]")
    box = box_of(cells)
    page.mouse.click(box["x"] + box["width"] * 30.5 / 60, box["y"] + 4)
    expect(graph).to_contain_text("#31: member-30")
    expect(graph.locator("rect", has=page.get_by_text("selected"))).to_have_count(1)
    history = open_tab(view(page, OTHER), "History")
    expect(history.locator("tr:has(.dnb-marked)")).not_to_have_count(0)
    assert history.locator("tr:has(.dnb-marked)").first.evaluate(IS_SCROLLED_TO)
    timeline = open_tab(view(page, OTHER), "Timeline")
    expect(timeline.locator(".dnb-canvas")).to_have_attribute("aria-label", re.compile("; selected: "))
    for name in ("fold deep", "fold member"):
        control(name).click()
    kin.evaluate("one => one.focus()")
    page.keyboard.press("Escape")
    expect(graph).not_to_contain_text("member-30")
    expect(page.locator(".dnb-marked")).to_have_count(0)


def drawn(page: Page, lab: Lab) -> int:
    """How many views are drawn in the kernel."""
    execute(page, "Path('drawn.txt').write_text(str(len(refresh_loop)))")
    return int(json.loads((lab.folder / "drawn.txt").read_text()))


def run_again(page: Page, lab: Lab) -> None:
    def are_three_drawn() -> bool:  # a report that a view is gone may wait in a subshell
        return drawn(page, lab) == 3

    assert are_three_drawn()
    for _ in range(2):
        run_cell(page)
    until(are_three_drawn)
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.reload(wait_until="domcontentloaded")
    wait_for_kernel(page)
    expect(page.locator(".dnb-live")).to_have_count(3)
    run_cell(page)
    until(are_three_drawn)


def run_cell(page: Page) -> None:
    """Runs the cell of a view once more."""
    old = view(page, AGAIN).element_handle()
    cell(page, AGAIN).locator(".jp-InputArea-editor").click()
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell')")
    page.wait_for_function("old => !old.isConnected", arg=old)
    expect(region(view(page, AGAIN), "graph")).to_contain_text("member")
