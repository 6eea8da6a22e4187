"""Everybody can use the views: axe-core finds no serious fault in names, focus or contrast, in any theme."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

import durablenb as df
from durablenb.notebook.live.entity import LiveEntity
from durablenb.notebook.live.explorer import LiveExplorer
from durablenb.notebook.live.hub import HubList
from durablenb.notebook.live.instance import LiveInstance
from tests.browser.mounted import GROUNDS, mounted
from tests.notebook.reading import scene
from tests.notebook.scenes import A

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

RUN = """async (root) => {
    const options = { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa"] };
    const { violations } = await axe.run(root, options);
    const text = ({ html, failureSummary }) => `${html.slice(0, 200)}: ${failureSummary}`;
    return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
        .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${text(node)}`));
}"""


def faults(page: Page, root: str = ".dnb-live") -> Iterator[str]:
    """The faults of a page, in light and in dark."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    for theme, ground in GROUNDS.items():
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        if root != "html":
            page.evaluate("ground => { document.body.style.background = ground }", ground)
            page.wait_for_selector(f".dnb-live{'.dnb-dark' if theme == 'dark' else ':not(.dnb-dark)'}")
        yield from (f"{theme}: {fault}" for fault in page.evaluate(RUN, root))


def test_the_tabs_of_an_instance(browser: Browser) -> None:
    with mounted(browser, partial(LiveInstance, scene("failed"), freeze=False)) as shown:
        for tab in ("Timeline", "History", "Code", "Graph"):
            shown.choose(tab)
            assert [*faults(shown.page)] == []
        shown.page.locator("[data-key]").first.click()
        shown.settle()
        assert shown.page.locator("[data-region=detail] table").count()
        assert [*faults(shown.page, "[data-region=detail]")] == []


@pytest.mark.parametrize("view", ["explorer", "hub", "entity", "waits"])
def test_the_other_views(browser: Browser, view: str) -> None:
    handle: df.Handle = scene("waiting" if view == "waits" else "transferred")
    make: dict[str, Any] = {
        "explorer": partial(LiveExplorer, handle),
        "hub": partial(HubList, handle.hub),
        "entity": partial(LiveEntity, handle.hub.entity(A)),
        "waits": partial(LiveInstance, handle, freeze=False),
    }
    with mounted(browser, make[view]) as shown:
        assert [*faults(shown.page)] == []


def test_a_view_whose_kernel_is_gone(browser: Browser) -> None:
    with mounted(browser, partial(LiveInstance, scene("failed"), freeze=False)) as shown:
        shown.choose("History")
        shown.page.evaluate("document.querySelector('.dnb-live').classList.add('dnb-gone')")
        assert [*faults(shown.page)] == []


def test_a_saved_page(browser: Browser, tmp_path: Path) -> None:
    scene("failed").save(tmp_path / "page.html")
    page = browser.new_page(viewport={"width": 700, "height": 900}, reduced_motion="reduce")
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector("#history tbody tr")
    assert [*faults(page, "html")] == []
    page.close()
