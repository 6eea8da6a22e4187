"""Outputs in JupyterLab: what an activity displayed is in the views and on the card."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab, expect_run, run_all

SETUP = """
import durablenb as df
import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, display
from tqdm.notebook import tqdm

hub = df.TaskHub("outputs.duckdb")


@hub.activity
def report(city):
    temperatures = pd.DataFrame({"month": ["January", "April", "July"], city: [-4.3, 4.5, 16.4]})
    for month in tqdm(temperatures["month"], desc=city):
        pass
    display(temperatures)
    display(HTML("<script>document.title = 'broken in'</script><b onclick='x()'>bold</b>"))
    temperatures.plot("month", city, figsize=(6, 2.5))


@hub.orchestrator
def year(context):
    for city in context.get_input():
        yield context.call_activity(report, city)
    return "two reports"


handle = hub.start(year, ["Oslo", "Bergen"], instance_id="2026")
handle.result()
"""
LOOK = ["handle.outputs()", "handle.card()", "view = handle.watch()\nview.tab = 'outputs'\nview"]
SAVE = "handle.card().save('card.html')"


@pytest.fixture(scope="module")
def opened(lab: Lab) -> Iterator[tuple[Page, list[str]]]:
    """The notebook, run once; its last cell writes a card."""
    lab.write("outputs.ipynb", [SETUP, *LOOK, SAVE])
    with lab.opened("outputs.ipynb", is_fresh=True) as (page, trouble):
        page.set_viewport_size({"width": 1300, "height": 5_200})
        run_all(page)
        expect_run(page, 5)
        yield page, trouble


def test_a_figure_and_a_table_are_seen_wherever_an_instance_is_shown(opened: tuple[Page, list[str]]) -> None:
    page, trouble = opened
    cells = page.locator(".jp-CodeCell")
    assert cells.nth(0).locator("img, table").count() == 0
    for number in (1, 2, 3):
        shown = cells.nth(number).locator(".jp-OutputArea-output").last
        expect(shown.locator("img[src^='data:image/png']")).to_have_count(2)
        expect(shown).to_contain_text("January")
        expect(shown).to_contain_text("Bergen: 100%")
        expect(shown.locator("script, [onclick]")).to_have_count(0)
    assert page.title() != "broken in"
    assert [one for one in trouble if "404" not in one] == []


@pytest.mark.usefixtures("opened")
def test_a_card_is_a_page_of_its_own(lab: Lab) -> None:
    context = lab.browser.new_context(color_scheme="dark", viewport={"width": 1000, "height": 900})
    try:
        page, trouble = context.new_page(), list[str]()
        page.on("console", lambda message: trouble.append(message.text))
        page.on("request", lambda request: trouble.append(request.url) if "http" in request.url[:5] else None)
        page.goto((lab.folder / "card.html").as_uri())
        assert page.locator("img[src^='data:image/png']").count() == 2
        widths = page.evaluate("[...document.images].map(one => one.naturalWidth)")
        assert all(width > 0 for width in widths)
        assert page.title() != "broken in"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert trouble == []
    finally:
        context.close()
