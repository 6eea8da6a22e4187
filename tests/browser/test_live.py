"""Live views in JupyterLab: clicks, keys and drags reach the kernel, and what comes back is seen."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Lab, use_theme
from tests.browser.live_views import box_of, cells_in, execute, open_tab, region, shown, view

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CELLS = [
    """for place in range(110):
    hub.start(quick, place, instance_id=f"quick-{place:03}")
for name in ("order", "stopped"):
    hub.start(fulfil, name, instance_id=name)
hub.start(both, instance_id="both")
handle = hub.start(season, instance_id="season")
handle.wait()
counter = hub.entity(Counter, "a")
counter.signal("add", 2)""",
    "handle.watch(freeze=False)",
    "hub.handle('season').watch(freeze=False)",
    "hub.watch()",
    "counter.watch()",
]
SEASON, AGAIN, HUB, COUNTER = range(1, 5)


@pytest.fixture(scope="module")
def opened(lab: Lab) -> Iterator[tuple[Page, list[str]]]:
    """The notebook, run once."""
    with shown(lab, "live", *CELLS) as (page, trouble):
        expect(page.locator(".dnb-live")).to_have_count(4)
        yield page, trouble


@pytest.fixture
def page(opened: tuple[Page, list[str]]) -> Iterator[Page]:
    """The notebook with nothing selected; nothing goes wrong in it, and no other host is asked."""
    page, trouble = opened
    for place in (SEASON, HUB, COUNTER):
        view(page, place).evaluate("one => one.focus()")
        page.keyboard.press("Escape")
    expect(page.locator(".dnb-marked")).to_have_count(0)
    before = cells_in(page)[:-1]
    yield page
    assert trouble == []
    assert cells_in(page)[:-1] == before


def pick(of: Locator, place: int) -> None:
    """Clicks at a cell of a fan-out, from 0."""
    cells = of.locator("[data-cells]")
    box = box_of(cells)
    size, columns = (float(cells.get_attribute(f"data-{name}") or 0) for name in ("size", "columns"))
    scale = box["width"] / (min(60, columns) * size)
    of.page.mouse.click(
        box["x"] + (place % columns + 0.5) * size * scale, box["y"] + (place // columns + 0.5) * size * scale
    )


def test_views_have_the_theme_of_the_notebook(page: Page) -> None:
    for theme, words in (("Dark", "dnb-dark"), ("Light", "^dnb-live$")):
        use_theme(page, f"JupyterLab {theme}")
        expect(view(page, SEASON)).to_have_class(re.compile(words))


# -- an instance ---------------------------------------------------------------------------------


def test_a_step_leads_to_its_calls_and_a_call_to_all_there_is_to_know(page: Page) -> None:
    season, again = view(page, SEASON), view(page, AGAIN)
    graph, detail = open_tab(season, "Graph"), region(season, "detail")
    graph.locator('[data-key="step 1"]').click()
    expect(detail.locator("tbody tr").first).to_contain_text("part 17 is empty")
    expect(detail).to_contain_text("1 failed, 59 completed")
    detail.locator("tbody tr").first.get_by_role("button").click()
    for text in ("failed with", "ValueError", "part 17 is empty", "crunching 17", "input"):
        expect(detail).to_contain_text(text)
    expect(region(again, "detail")).to_contain_text("crunching 17")  # the other view of the instance
    pick(graph, 4)
    expect(detail).to_contain_text("#4")
    expect(detail.locator("tr", has_text="result").first).to_contain_text("16")
    page.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    expect(region(again, "detail")).to_be_hidden()


def test_a_timeline_shows_a_choice_of_calls_and_a_stretch_of_time(page: Page) -> None:
    season = view(page, SEASON)
    timeline = open_tab(season, "Timeline")
    picture, names = timeline.locator(".dnb-canvas"), timeline.get_by_role("textbox")
    expect(picture).to_have_attribute("aria-label", re.compile(r"timeline of 61 calls, .* in all"))
    names.fill("reser")
    expect(picture).to_have_attribute("aria-label", re.compile("timeline of 1 call,"))
    names.fill("")
    timeline.get_by_label("state").select_option("failed")
    expect(picture).to_have_attribute("aria-label", re.compile("timeline of 1 call,"))
    timeline.get_by_label("state").select_option("")
    expect(timeline.locator("summary")).to_have_text("View as table")
    timeline.get_by_role("button", name="Critical path").click()
    expect(timeline.get_by_role("button", name="Hide critical path")).to_be_visible()
    show_all = timeline.get_by_role("button", name="Show all")
    expect(show_all).to_have_attribute("aria-disabled", "true")
    choose_range(page, picture)
    expect(show_all).to_have_attribute("aria-disabled", "false")
    show_all.click()
    expect(picture).to_have_attribute("aria-label", re.compile("in all"))
    timeline.get_by_role("button", name="Hide critical path").click()
    expect(timeline.get_by_role("button", name="Critical path", exact=True)).to_be_visible()


def choose_range(page: Page, picture: Locator) -> None:
    """Zooms to the middle of a timeline."""
    box = box_of(picture)
    y = box["y"] + 12
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + box["width"] * 0.4, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, y, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")


def test_a_history_is_filtered_turned_over_and_asked_for_in_sql(page: Page) -> None:
    season = view(page, SEASON)
    history = open_tab(season, "History")
    expect(history).to_contain_text(re.compile(r"1 to 100 of 1\d\d"))
    history.get_by_role("button", name="Next", exact=True).click()
    expect(history).to_contain_text(re.compile(r"101 to 1(\d\d) of 1\1"))
    history.get_by_role("button", name="Previous", exact=True).click()
    expect(history.get_by_role("button", name="Next", exact=True)).to_be_visible()
    history.get_by_text("SQL", exact=True).click()
    history.get_by_role("textbox").fill("TASK")
    expect(history.locator("pre")).to_contain_text("contains(lower(cast(event_type as varchar)), 'task')")
    history.locator("tr", has_text="#7").get_by_role("button").first.hover()
    expect(history.locator("tr:has(.dnb-hovered)")).to_have_count(2)  # asked for, and done
    expect(history.locator("tr:has(.dnb-hovered)")).to_have_text(
        [re.compile("TaskScheduled.*#7"), re.compile("TaskCompleted.*#7")]
    )
    history.get_by_text("SQL", exact=True).click()
    history.get_by_role("textbox").fill("")
    expect(history.get_by_role("button", name="Next", exact=True)).to_be_visible()


# -- a hub ---------------------------------------------------------------------------------------


def test_a_hub_is_filtered_and_an_event_is_raised_with_the_keyboard_alone(page: Page) -> None:
    hub = view(page, HUB)
    instances = region(hub, "instances")
    expect(instances).to_contain_text("1 to 100 of 114")
    instances.get_by_role("button", name="Next", exact=True).click()
    expect(instances).to_contain_text("101 to 114 of 114")
    instances.get_by_role("combobox").select_option("Running")
    rows = instances.locator("tbody tr")
    expect(rows.filter(has_text="quick")).to_have_count(0)
    hub.evaluate("one => one.focus()")
    page.keyboard.press("/")
    page.keyboard.type("order")
    expect(rows).to_have_count(1)
    for _ in range(2 + 6):  # the statuses, and the titles that order the rows
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # on the instance
    order = view(page, HUB).page.locator(".dnb-live").nth(HUB)
    expect(region(order, "head")).to_contain_text("order")
    data = region(order, "waits").get_by_role("textbox")
    reach(page, data)
    page.keyboard.type('{"by": "Ada"}')
    page.keyboard.press("Enter")
    expect(region(order, "head").get_by_role("img", name="Completed")).to_be_visible()
    expect(order).to_have_attribute("aria-label", re.compile("Completed"))
    expect(region(order, "waits")).to_be_hidden()
    execute(
        page,
        """if hub.handle('order').result()[1] == {'by': 'Ada'}:
    hub.start(quick, instance_id='ok')""",
    )
    instances.get_by_role("combobox").select_option("")
    instances.get_by_role("textbox").fill("ok")
    expect(rows).to_have_count(1)
    execute(page, "hub.handle('ok').wait(); hub.handle('ok').purge()")
    instances.get_by_role("textbox").fill("")
    expect(instances).to_contain_text("1 to 100 of 114")


def reach(page: Page, one: Locator) -> None:
    """Goes there with the Tab key."""
    for _ in range(40):
        if one.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("The Tab key does not lead there.")


def test_an_action_needs_a_second_click(page: Page) -> None:
    hub = view(page, HUB)
    name = "stopped"
    region(hub, "instances").get_by_role("textbox").fill(name)
    region(hub, "instances").get_by_role("button", name=name).click()
    stopped = page.locator(".dnb-live").nth(HUB)
    head = region(stopped, "head")
    head.get_by_role("button", name="Suspend").click()
    expect(head.get_by_role("button", name="Really suspend")).to_be_visible()
    head.get_by_role("button", name="Terminate").click()  # another one: the first is as it was
    expect(head.get_by_role("button", name="Suspend", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(head.get_by_role("button", name="Terminate", exact=True)).to_be_visible()
    execute(page, f"assert hub.handle('{name}').status().runtime_status.name == 'Running'")
    head.get_by_role("button", name="Terminate").click()
    events = int(re.findall(r"(\d+) events", head.inner_text())[0])
    execute(page, f"hub.handle('{name}').raise_event('Nobody waits for it')")
    expect(head).not_to_contain_text(
        f"{events} events"
    )  # it is drawn anew, and the button is still the armed one
    head.get_by_role("button", name="Really terminate").click()
    expect(head.get_by_role("img", name="Terminated")).to_be_visible()
    region(hub, "instances").get_by_role("textbox").fill("")


def test_what_is_typed_for_one_event_stays_with_it_while_the_view_is_drawn_anew(page: Page) -> None:
    hub = view(page, HUB)
    region(hub, "instances").get_by_role("textbox").fill("both")
    region(hub, "instances").get_by_role("button", name="both").click()
    both = page.locator(".dnb-live").nth(HUB)
    waits = region(both, "waits")
    expect(waits.get_by_role("textbox")).to_have_count(2)
    waits.get_by_role("textbox").first.fill("for the first")
    waits.get_by_role("button", name="Raise").last.focus()
    since = waits.inner_text()
    expect(waits).not_to_have_text(since, use_inner_text=True)  # a second later
    expect(waits.get_by_role("textbox").first).to_have_value("for the first")
    expect(waits.get_by_role("textbox").last).to_have_value("")
    expect(waits.get_by_role("button", name="Raise").last).to_be_focused()
    region(hub, "instances").get_by_role("textbox").fill("")


# -- an entity -----------------------------------------------------------------------------------


def test_an_entity_is_signalled_by_its_form_and_shows_what_an_operation_changed(page: Page) -> None:
    counter = view(page, COUNTER)
    rows = region(counter, "operations").locator("tbody tr")
    before = rows.count()
    fields = region(counter, "head").get_by_role("textbox")
    fields.nth(0).fill("add")
    fields.nth(1).fill("40")
    region(counter, "head").get_by_role("button", name="Signal").click()
    expect(rows).to_have_count(before + 1)
    rows.first.get_by_role("button").click()
    detail = region(counter, "detail")
    expect(detail).to_contain_text(re.compile(r'- "value": \d+\s*\+ "value": \d+'))


# -- keys ----------------------------------------------------------------------------------------


def test_keys_lead_through_a_view_and_out_of_it(page: Page) -> None:
    season = view(page, SEASON)
    graph, detail = open_tab(season, "Graph"), region(season, "detail")
    tab = season.get_by_role("tab", name="Graph")
    tab.focus()
    page.keyboard.press("ArrowRight")
    expect(season.get_by_role("tab", name="Timeline")).to_be_focused()
    expect(region(season, "timeline")).to_be_visible()
    page.keyboard.press("/")
    expect(region(season, "timeline").get_by_role("textbox")).to_be_focused()
    season.get_by_role("tab", name="Timeline").focus()
    page.keyboard.press("ArrowLeft")
    expect(graph).to_be_visible()
    page.keyboard.press("Tab")
    expect(graph.locator('[data-key="step 1"]')).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(graph.locator('[data-key="step 2"]')).to_be_focused()
    page.keyboard.press("Enter")
    expect(detail).to_contain_text("reserving rest")
    expect(graph.locator('[data-key="step 2"]')).to_be_focused()
    expect(graph.locator('[data-key="step 2"]')).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    page.keyboard.press("?")
    expect(season.get_by_text("from mark to mark")).to_be_visible()
    page.keyboard.press("?")
    expect(season.get_by_text("from mark to mark")).to_be_hidden()
    page.keyboard.press("Shift+Tab")
    expect(tab).to_be_focused()


FOCUSABLE = """view => {
    const kinds = new Map();
    return [...view.querySelectorAll('*'), view].filter(one => {
        const isReached = one.tabIndex >= 0 || one === view || one.matches('[data-key]');
        if (!isReached || !one.getClientRects().length) return false;
        const kind = [one.tagName, one.closest('[data-region]')?.dataset.region, one.dataset.do].join();
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
        return kinds.get(kind) <= 3;
    });
}"""


def test_keys_pressed_in_a_view_are_no_commands_of_the_notebook(page: Page) -> None:
    view(page, SEASON).locator(".dnb-region svg [data-key='step 1']").first.click()
    expect(region(view(page, SEASON), "detail")).to_be_visible()
    before = cells_in(page)
    tried = 0
    for place in (SEASON, HUB, COUNTER):
        all_of_them = view(page, place).evaluate_handle(FOCUSABLE)
        for number in range(all_of_them.evaluate("all => all.length")):
            all_of_them.evaluate("(all, number) => all[number].focus()", number)
            for key in ("d", "d", "j", "x"):
                page.keyboard.press(key)
            assert cells_in(page)[:-1] == before[:-1], (place, number)
            tried += 1
    assert tried > 20
    region(view(page, HUB), "instances").get_by_role("textbox").fill("")
    expect(region(view(page, HUB), "instances")).to_contain_text("of 114")


# -- for everybody -------------------------------------------------------------------------------


def test_every_control_has_a_name_and_is_large_enough(page: Page) -> None:
    for place in (SEASON, HUB, COUNTER):
        of = view(page, place)
        for name in ("Graph", "Timeline", "History") if place == SEASON else ("",):
            if name:
                open_tab(of, name)
            controls = re.findall(r"- (?:button|textbox|combobox|tab|group)\b.*", of.aria_snapshot())
            assert len(controls) > 3
            assert [one for one in controls if not re.match(r'- \w+ "[^"]', one) and "group" not in one] == []
            small = of.evaluate(
                """view => [...view.querySelectorAll(
                        'button:not(.dnb-link), input, select, summary, [data-key^=step]')]
                    .map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
                    .filter(([, box]) => box.width && (box.width < 24 || box.height < 23.9))"""
            )
            assert small == []
