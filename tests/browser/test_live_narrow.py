"""Live views are readable in narrow places."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser

import durablenb as df
from durablenb.notebook.live.entity import LiveEntity
from durablenb.notebook.live.hub import HubList
from durablenb.notebook.live.instance import LiveInstance
from durablenb.notebook.live.widget import LiveView
from tests.browser.mounted import mounted
from tests.notebook.reading import bundle_of, scene
from tests.notebook.scenes import A

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CUT = """pane => [...pane.querySelectorAll("pre")].filter(line => {
    const [inner, outer] = [line, pane].map(one => one.getBoundingClientRect());
    return line.scrollWidth > line.clientWidth || inner.right > outer.right;
}).length"""


def long_lines(context: Any) -> Any:
    order = yield context.call_activity("find", {"customer": context.get_input(), "with_history": True})
    if order:
        for part in order:
            yield context.call_activity("reserve", {"part": part, "from": "the_shelf_with_a_long_name"})
    return order


def test_the_lines_of_the_code_are_whole_at_any_width(browser: Browser) -> None:
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_activity(lambda given: [1], name="find")
        hub.add_activity(lambda given: None, name="reserve")
        hub.add_orchestrator(long_lines)
        handle = hub.start(long_lines, "ada")
        handle.result()
        view = handle.explore()
        drawn = "".join(f"<section>{getattr(view, name).decode()}</section>" for name in view.REGIONS)
        view.close()
    page = browser.new_page()
    page.set_content(f'<!doctype html><style>{LiveView._css}</style><div class="dnb-live">{drawn}</div>')
    code = page.locator(".dnb-code")
    assert code.locator("pre").count() == 6
    for width in (1_300, 950, 420):
        page.set_viewport_size({"width": width, "height": 800})
        assert code.evaluate(CUT) == 0, width
    page.close()


OUTSIDE = """() => {
    const cut = [...document.querySelectorAll(".dnb-live *")].filter((one) => {
        const box = one.getBoundingClientRect();
        return box.width && box.right > innerWidth && !one.closest("[data-scroll], .dnb-wide, .dnb-said");
    });
    const small = [...document.querySelectorAll(".dnb-live text")].filter((one) => {
        const scale = one.getScreenCTM().a;
        return parseFloat(getComputedStyle(one).fontSize) * scale < 9.9;
    });
    const past = [...document.querySelectorAll(".dnb-live text")].filter((one) =>
        one.getBoundingClientRect().right > one.ownerSVGElement.getBoundingClientRect().right);
    return [cut, small, past].map((several) => several.map((one) => one.textContent.slice(0, 40)));
}"""
NOTHING: list[list[str]] = [[], [], []]


@pytest.mark.parametrize("name", ["waiting", "fanned", "continued"])
def test_a_narrow_view_has_all_in_it_in_letters_that_can_be_read(browser: Browser, name: str) -> None:
    handle = scene(name)
    with mounted(browser, partial(LiveInstance, handle, freeze=False), width=480) as shown:
        assert shown.page.evaluate(OUTSIDE) == NOTHING
    with mounted(browser, partial(HubList, handle.hub), width=480) as shown:
        assert shown.page.evaluate(OUTSIDE) == NOTHING


def test_a_narrow_entity_has_all_in_it_in_letters_that_can_be_read(browser: Browser) -> None:
    with mounted(browser, partial(LiveEntity, scene("transferred").hub.entity(A)), width=480) as shown:
        assert shown.page.evaluate(OUTSIDE) == NOTHING


@pytest.mark.parametrize("width", [480, 700])
def test_a_comparison_fits_into_a_narrow_page(browser: Browser, width: int) -> None:
    """Neither its picture nor its open tables are wider than the page, in letters that can be read."""
    html = bundle_of(df.compare(scene("waiting"), scene("transferred")))["text/html"]
    page = browser.new_page(viewport={"width": width, "height": 800})
    try:
        page.set_content(f'<body style="margin: 8px">{html}</body>')
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        picture = page.locator("picture img")
        assert picture.evaluate("(one) => one.naturalWidth") == (440 if width == 480 else 560)
        assert picture.evaluate("(one) => one.clientWidth >= one.naturalWidth")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        heads = page.locator("table").first.locator("th").all_text_contents()
        assert heads == ["", "a: race", "b: transfer"]
    finally:
        page.close()
