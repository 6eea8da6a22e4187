"""A notebook with live views, and how a test looks into them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Lab, expect_run, run_all

SETUP = [
    """import logging
import durablenb as df

hub = df.TaskHub("{name}.duckdb")""",
    """@hub.activity
def reserve(order):
    print("reserving", order)
    return {"order": order, "paid": False}

@hub.activity
def crunch(part):
    print("crunching", part)
    if part == 17:
        raise ValueError("part 17 is empty")
    return part * part

@hub.orchestrator
def fulfil(context):
    reserved = yield context.call_activity(reserve, context.get_input())
    approval = yield context.wait_for_external_event("Approval")
    return [reserved, approval]

@hub.orchestrator
def season(context):
    try:
        yield context.task_all([context.call_activity(crunch, part) for part in range(60)])
    except ValueError:
        pass
    return (yield context.call_activity(reserve, "rest"))

@hub.orchestrator
def both(context):
    names = ("First", "Second")
    yield context.task_all([context.wait_for_external_event(name) for name in names])

@hub.orchestrator
def quick(context):
    return context.get_input()

@hub.entity
class Counter:
    def __init__(self):
        self.value = 0
    def add(self, amount: int):
        self.value += amount
        return self.value""",
]
"""The hub and its functions; the hub's name is to be filled in."""


def with_setup(name: str, *cells: str) -> list[str]:
    """The cells of a notebook with a hub of its own."""
    return [SETUP[0].replace("{name}", name), *SETUP[1:], *cells]


@contextlib.contextmanager
def shown(lab: Lab, name: str, *cells: str, is_fresh: bool = False) -> Iterator[tuple[Page, list[str]]]:
    """A notebook with these cells behind those of the setup, all of them run."""
    lab.write(f"{name}.ipynb", with_setup(name, *cells))
    with lab.opened(f"{name}.ipynb", is_fresh=is_fresh) as (page, trouble):
        run_all(page)
        expect_run(page, len(SETUP) + len(cells))
        yield page, trouble


def cell(page: Page, place: int) -> Locator:
    """One of the cells behind the setup, from 0."""
    return page.locator(".jp-CodeCell").nth(len(SETUP) + place)


def view(page: Page, place: int) -> Locator:
    """The live view of one of the cells behind the setup, from 0."""
    return cell(page, place).locator(".dnb-live").first


def region(of: Locator, name: str) -> Locator:
    """A part of a live view."""
    return of.locator(f'[data-region="{name}"]')


def open_tab(of: Locator, name: str) -> Locator:
    """Shows a tab and gives its part of the view."""
    of.get_by_role("tab", name=name).click()
    part = region(of, name.lower())
    expect(part).to_be_visible()
    return part


def cells_in(page: Page) -> list[str]:
    """The code of all cells, and which one is the active one."""
    found: list[str] = page.evaluate(
        "() => { const shown = window.jupyterapp.shell.currentWidget.content;"
        " const codes = shown.widgets.map(cell => cell.model.sharedModel.getSource());"
        " return [...codes, `${shown.activeCellIndex}`]; }"
    )
    return found


def execute(page: Page, code: str) -> None:
    """Runs code in the kernel that isn't in the notebook."""
    page.evaluate(
        "code => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        ".requestExecute({code}).done.then(() => null)",
        code,
    )


def save(page: Page, path: Path) -> None:
    """Saves the notebook."""
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    assert path.exists()


def box_of(one: Locator) -> Any:
    """The position of an element in the page, which is scrolled to it first."""
    one.scroll_into_view_if_needed()
    box = one.bounding_box()
    assert box is not None
    return box
