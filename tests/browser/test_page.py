"""The page of a served hub in Chromium: from the list to an instance and back, live."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

import durablenb as df
from durablenb.server.server import Server
from tests.browser.live_views import open_tab, region

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

BEAT = "[]"
STREAM = '{"place":"instances/season","said":[]}'
HOSTILE = "<img src=x onerror=alert(1)> & \"%41\" 'ä'"


@pytest.fixture(scope="module")
def hub() -> Iterator[df.TaskHub]:
    """A hub with an instance of each kind, and two entities."""
    with df.TaskHub(":memory:") as made:
        register(made)
        for number in range(105):
            made.start("echo", number, instance_id=f"echo-{number:03}")
        made.start("echo", instance_id=HOSTILE)
        for name in ("season", "broken"):
            made.handle(made.start(name, instance_id=name).id).wait(20)
        counter = df.EntityId("Counter", "clicks")
        for amount in (1, 2, 3):
            made.client.signal_entity(counter, "add", amount)
        yield made


def register(hub: df.TaskHub) -> None:
    @hub.activity
    def crunch(part):
        if part == 17:
            raise ValueError("part 17 is empty")
        return part * part

    @hub.orchestrator
    def season(context):
        with contextlib.suppress(ValueError):
            yield context.task_all([context.call_activity("crunch", part) for part in range(60)])
        return (yield context.call_sub_orchestrator("echo", "rest", "season-rest"))

    @hub.orchestrator
    def broken(context):
        yield context.call_activity("crunch", 17)

    @hub.orchestrator
    def approval(context):
        return {"approved": (yield context.wait_for_external_event("Approval"))}

    @hub.orchestrator
    def echo(context):
        return context.get_input()

    @hub.entity
    class Counter:
        def __init__(self):
            self.value = 0

        def add(self, amount: int):
            self.value += amount
            return self.value


@pytest.fixture(scope="module")
def server(hub: df.TaskHub) -> Server:
    return hub.serve(port=0)


@contextlib.contextmanager
def looking(browser: Browser, url: str, *expected: str, **options: object) -> Iterator[Page]:
    """Open a page; fail if it asks another server, or logs anything without one of the expected texts."""
    settings = {"reduced_motion": "reduce", "viewport": {"width": 1100, "height": 900}, **options}
    context = browser.new_context(**settings)  # type: ignore[arg-type]
    page = context.new_page()
    own, trouble = url.partition("/#")[0].partition("/?")[0], list[str]()
    page.on("request", lambda one: one.url.startswith(own) or trouble.append(one.url))
    page.on("console", lambda one: one.type in ("error", "warning") and trouble.append(one.text))
    page.on("pageerror", lambda one: trouble.append(str(one)))
    page.goto(url)
    try:
        yield page
    except BaseException as error:
        error.add_note(f"The page has logged: {trouble}")
        raise
    finally:
        context.close()
    assert [one for one in trouble if not any(text in one for text in expected)] == []


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with looking(browser, server.page_url) as opened:
        yield opened


def view(page: Page) -> Locator:
    return page.locator(".dnb-live")


def go_to(page: Page, place: str) -> None:
    page.evaluate("place => { location.hash = `#/${place}` }", place)


def test_the_pointer_on_a_cell_and_the_focus_on_a_box_tell_what_they_are(page: Page) -> None:
    go_to(page, "instances/season")
    tip = page.locator(".dnb-tip")
    page.locator("[data-cells]").hover(position={"x": 17 * 11 + 4, "y": 4})
    expect(tip).to_contain_text("crunch #17: failed")
    expect(tip).to_contain_text("ValueError: part 17 is empty")
    page.locator("svg [data-key='step 1']").hover()
    expect(tip).to_contain_text("crunch, activity: ")
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()
    page.get_by_role("tab", name="Graph").focus()
    page.keyboard.press("Tab")
    expect(tip).to_contain_text("crunch")


# -- the key -------------------------------------------------------------------------------------


def test_the_key_is_typed_in_once(browser: Browser, server: Server) -> None:
    with looking(browser, f"{server.url}/", "401 (Unauthorized)") as page:
        field = page.get_by_label("The key of this server")
        expect(field).to_be_focused()
        field.fill("wrong")
        field.press("Enter")
        expect(page.locator("#said")).to_contain_text("That isn't the key")
        field.fill(server.key)
        field.press("Enter")
        expect(view(page)).to_be_visible()
        expect(field).to_be_hidden()
        page.reload()
        expect(view(page)).to_be_visible()
        assert server.key not in page.content()
        page.evaluate("key => sessionStorage.clear()", None)
        page.reload()
        expect(field).to_be_visible()


@pytest.mark.parametrize(
    ("link", "left"),
    [("/#code={}", "/#/"), ("/?code={}", "/#/"), ("/?code={}#/instances/season", "/#/instances/season")],
)
def test_a_key_in_the_address_is_taken_out_of_it_at_once(
    browser: Browser, server: Server, link: str, left: str
) -> None:
    with looking(browser, server.url + link.format(server.key)) as page:
        expect(view(page)).to_be_visible()
        assert page.url == server.url + left
        page.reload()
        expect(view(page)).to_be_visible()


# -- from place to place -------------------------------------------------------------------------


def test_the_list_leads_to_an_instance_with_graph_timeline_and_history_and_back(page: Page) -> None:
    expect(page).to_have_title("memory · durablenb")
    instances = region(view(page), "instances")
    expect(instances).to_contain_text("1 to 100 of 108")
    instances.get_by_role("button", name="Next", exact=True).click()
    expect(instances).to_contain_text("101 to 108 of 108")
    instances.get_by_role("textbox").fill("season")
    expect(instances.locator("tbody tr")).to_have_count(2)
    instances.get_by_role("button", name="season", exact=True).click()
    expect(page).to_have_title("season · memory")
    expect(page.get_by_role("heading", level=1)).to_have_text("season")
    assert page.url.endswith("/#/instances/season")
    graph = region(view(page), "graph")
    graph.locator('[data-key="step 1"]').click()
    expect(region(view(page), "detail")).to_contain_text("part 17 is empty")
    canvas = open_tab(view(page), "Timeline").locator(".dnb-canvas")
    expect(canvas).to_have_attribute("aria-label", re.compile("timeline of 61 calls"))
    history = open_tab(view(page), "History")
    history.get_by_role("textbox").fill("crunch TaskFailed")
    expect(history.locator("tbody tr")).to_have_count(1)
    page.go_back()
    expect(page).to_have_title("memory · durablenb")
    expect(instances.locator("tbody tr")).to_have_count(2)  # as it was left
    expect(instances.get_by_role("textbox")).to_have_value("season")
    page.go_forward()
    expect(history.locator("tbody tr")).to_have_count(1)
    expect(view(page)).to_have_count(1)


def test_a_child_is_a_page_of_its_own(page: Page) -> None:
    go_to(page, "instances/season-rest")
    view(page).get_by_role("button", name="season", exact=True).click()
    expect(page).to_have_title("season · memory")
    page.go_back()
    expect(page).to_have_title("season-rest · memory")


def test_what_a_restart_made_is_at_its_own_address(page: Page) -> None:
    go_to(page, "instances/echo-104")
    view(page).get_by_role("button", name="Restart").click()
    view(page).get_by_role("button", name="Really restart").click()
    expect(page).not_to_have_url(re.compile("echo-104"))
    expect(page.get_by_role("heading", level=1)).to_have_text(page.url.rpartition("/")[2])
    page.go_back()
    expect(page).to_have_title("echo-104 · memory")
    expect(region(view(page), "head")).to_contain_text("echo-104")


def test_an_entitys_address_is_understood_in_any_case_and_back_leads_away_from_it(page: Page) -> None:
    go_to(page, "entities/COUNTER/clicks")
    expect(page).to_have_url(re.compile("#/entities/counter/clicks$"))
    expect(page).to_have_title("counter/clicks · memory")
    page.go_back()
    expect(page).to_have_title("memory · durablenb")


def test_a_hostile_id_is_text_in_the_list_the_title_and_the_address(page: Page) -> None:
    instances = region(view(page), "instances")
    instances.get_by_role("textbox").fill("onerror")
    instances.get_by_role("button", name=HOSTILE).click()
    expect(page).to_have_title(f"{HOSTILE} · memory")
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(region(view(page), "head")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0


def test_a_place_that_is_none_says_so(browser: Browser, server: Server) -> None:
    with looking(browser, server.page_url, "400 (Bad Request)", "404 (Not Found)") as page:
        for place in ("instances/nobody", "nowhere", "instances/%E0%A4%A"):
            go_to(page, place)
            expect(page.locator("#said")).to_have_text(re.compile("No instance|There is no page"))
        page.locator("#home").click()
        expect(region(view(page), "instances")).to_be_visible()


# -- what happens --------------------------------------------------------------------------------


def test_an_instance_is_followed_and_what_is_done_on_the_page_is_done(hub: df.TaskHub, page: Page) -> None:
    instances = region(view(page), "instances")
    instances.get_by_role("textbox").fill("order")
    expect(instances).to_contain_text("0 instances")
    handle = hub.start("approval", instance_id="order-1")
    expect(instances.locator("tbody tr")).to_have_count(1)
    instances.get_by_role("button", name="order-1").click()
    waits = region(view(page), "waits")
    waits.get_by_role("textbox").fill('"by the page"')
    waits.get_by_role("button", name="Raise").click()
    expect(region(view(page), "head").get_by_role("img", name="Completed").first).to_be_visible()
    assert handle.result(20) == {"approved": "by the page"}


def test_an_entity_is_followed_and_signalled(hub: df.TaskHub, page: Page) -> None:
    view(page).get_by_role("tab", name="Entities").click()
    region(view(page), "entities").get_by_role("button", name="@counter@clicks").click()
    expect(page).to_have_title("counter/clicks · memory")
    head = region(view(page), "head")
    head.get_by_label("operation").fill("add")
    head.get_by_label("input: JSON or text").fill("36")
    head.get_by_role("button", name="Signal").click()
    expect(region(view(page), "operations")).to_contain_text("42")
    page.go_back()
    expect(region(view(page), "entities")).to_be_visible()


def test_keys_do_what_they_do_in_a_notebook(page: Page) -> None:
    instances = region(view(page), "instances")
    expect(instances).to_contain_text("echo")
    page.keyboard.press("/")
    expect(instances.get_by_role("textbox")).to_be_focused()
    page.keyboard.type("broken")
    expect(instances.locator("tbody tr")).to_have_count(1)
    expect(instances.get_by_role("textbox")).to_be_focused()
    for _ in range(2 + 6):  # the statuses, and the titles that order the rows
        page.keyboard.press("Tab")
    expect(instances.get_by_role("button", name="broken")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_title("broken · memory")
    expect(page.get_by_role("heading", level=1)).to_be_focused()  # it is read out
    region(view(page), "graph").locator('[data-key="step 1"]').focus()
    page.keyboard.press("Enter")
    expect(region(view(page), "detail")).to_contain_text("part 17 is empty")
    page.keyboard.press("Escape")
    expect(region(view(page), "detail")).to_be_hidden()


def test_a_view_is_saved_and_copied_by_its_menu(page: Page, tmp_path: Path) -> None:
    go_to(page, "instances/season")
    opener = page.get_by_label("save or copy").first
    opener.focus()
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "season.html"
    download.value.save_as(tmp_path / "season.html")
    with df.open_history(tmp_path / "season.html") as file:
        assert file.status("season").name == "season"
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Copy as Mermaid").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Copy as Mermaid")).to_be_hidden()


def test_a_server_that_comes_back_is_found_again(browser: Browser) -> None:
    with df.TaskHub(":memory:") as hub:
        register(hub)
        hub.start("approval", instance_id="order")
        first = hub.serve(port=0, key="same")
        # A closing server answers 404 to a message that the page sends before it learns of the closing.
        with looking(browser, first.page_url, "ERR_CONNECTION_REFUSED", "404 (Not Found)") as page:
            go_to(page, "instances/order")
            open_tab(view(page), "History")
            first.close()
            expect(page.locator("#said")).to_contain_text("The server doesn't answer")
            expect(view(page)).to_be_visible()
            hub.serve(port=first.port, key="same")
            expect(page.locator("#said")).to_have_text("")
            hub.client.raise_event("order", "Approval", True)
            expect(region(view(page), "history")).to_contain_text("ExecutionCompleted")


def test_what_is_typed_while_the_page_opens_its_view_again_is_not_lost(
    browser: Browser, server: Server
) -> None:
    with looking(browser, server.page_url, "ERR_FAILED") as page:
        instances = region(view(page), "instances")
        expect(instances).to_contain_text("echo-104")
        lines = held_back(page, lambda _: True, "**/page/views")
        page.route("**/page/views/*", lambda route: route.abort())
        instances.get_by_role("textbox").fill("echo-10")  # this message fails
        until(page, lambda: len(lines) == 1)
        page.unroute("**/page/views/*")
        page.clock.install()
        instances.get_by_role("textbox").fill("echo-104")
        page.clock.fast_forward(1_000)
        lines[0].continue_()
        expect(instances.locator("tbody tr")).to_have_count(1)


def test_a_message_that_fails_late_does_not_cut_off_a_view_that_was_opened_again(
    browser: Browser, server: Server
) -> None:
    with looking(browser, server.page_url, "ERR_FAILED") as page:
        history_on_a_clock(page)
        held = held_back(page, lambda body: body == BEAT or "timeline" in body)
        view(page).get_by_role("tab", name="Timeline").click()
        until(page, lambda: len(held) == 1)
        page.clock.fast_forward(61_000)
        until(page, lambda: len(held) == 2)
        with page.expect_response("**/page/views"):
            held[1].abort()  # the heartbeat, so the page opens its view again
            page.clock.fast_forward(1_000)
        expect(page.locator("#said")).to_have_text("")
        held[0].abort()
        page.unroute("**/page/views/*")
        expect(open_tab(view(page), "History")).to_contain_text("ExecutionStarted")


def test_a_page_that_is_not_seen_lets_go_of_its_view_until_it_is_seen(
    browser: Browser, server: Server
) -> None:
    with looking(browser, server.page_url) as page:
        history = history_on_a_clock(page)
        streams = list[str]()
        page.on("request", lambda one: one.url.endswith("/page/views") and streams.append(one.url))
        with page.expect_event("requestfailed", lambda one: one.url.endswith("/page/views")):
            show(page, is_hidden=True)
            page.clock.fast_forward(61_000)
        page.clock.fast_forward(61_000)
        assert streams == []
        with page.expect_request(f"{server.url}/page/views"):
            show(page, is_hidden=False)
            page.clock.fast_forward(1_000)
        expect(history).to_contain_text("ExecutionStarted")
        expect(page.locator("#said")).to_have_text("")


def test_a_hidden_page_gives_up_its_heartbeat_with_its_view(browser: Browser, server: Server) -> None:
    with looking(browser, server.page_url) as page:
        history_on_a_clock(page)
        held = held_back(page, lambda body: body == BEAT)
        failed = failures(page)
        page.clock.fast_forward(30_000)
        show(page, is_hidden=True)
        page.clock.fast_forward(31_000)
        until(page, lambda: len(held) == 1)  # a heartbeat; 30 s later the server would refuse it
        page.clock.fast_forward(30_000)
        until(page, lambda: {BEAT, STREAM} <= set(failed), failed)


def test_a_hidden_page_keeps_its_view_until_what_it_said_is_answered(
    browser: Browser, server: Server
) -> None:
    """Else the server refuses what still is on its way."""
    with looking(browser, server.page_url) as page:
        history_on_a_clock(page)
        held = held_back(page, lambda body: body == BEAT or "timeline" in body)
        failed = failures(page)
        view(page).get_by_role("tab", name="Timeline").click()
        until(page, lambda: len(held) == 1)
        show(page, is_hidden=True)
        page.clock.fast_forward(61_000)
        until(page, lambda: len(held) == 2)  # its heartbeat
        assert not {BEAT, STREAM} & set(failed)
        held[0].continue_()
        until(page, lambda: {BEAT, STREAM} <= set(failed), failed)


def test_it_says_after_three_seconds_that_no_server_answers(browser: Browser, server: Server) -> None:
    with looking(browser, server.page_url) as page:
        history_on_a_clock(page)
        names, alert = cycle(("Timeline", "History")), view(page).get_by_role("alert")

        def is_said() -> bool:
            """Ask once more: the answer to an earlier message may come at any time, and clears the alert."""
            view(page).get_by_role("tab", name=next(names)).click()
            page.clock.fast_forward(3_000)
            return "The server does not answer: it is busy, or gone." in "".join(alert.all_inner_texts())

        held = held_back(page, lambda _: not held)
        until(page, is_said)
        until(page, lambda: len(held) == 1)
        held[0].continue_()
        expect(alert).to_have_count(0)


def test_a_click_is_carried_out_although_the_page_goes_elsewhere_at_once(
    browser: Browser, server: Server, hub: df.TaskHub
) -> None:
    handle = hub.start("approval", instance_id="left at once")
    with looking(browser, server.page_url) as page:
        go_to(page, "instances/left at once")
        view(page).get_by_role("button", name="Suspend").click()
        held = held_back(page, lambda body: "suspend" in body)
        view(page).get_by_role("button", name="Really suspend").click()
        until(page, lambda: len(held) == 1)
        go_to(page, "instances/season")
        expect(view(page)).to_contain_text("season")
        held[0].continue_()
        until(page, lambda: str(handle.status().runtime_status) == "Suspended")
        page.unroute("**/page/views/*")
    handle.terminate()


def history_on_a_clock(page: Page) -> Locator:
    """The history of an instance, in a page whose clock the test moves; so there is a session."""
    page.clock.install()
    page.reload()
    go_to(page, "instances/season")
    history = open_tab(view(page), "History")
    expect(history).to_contain_text("ExecutionStarted")
    return history


def held_back(page: Page, is_held: Callable[[str], bool], path: str = "**/page/views/*") -> list[Route]:
    """Collect the messages that the page sends from now on and that are to be held back, by their body.

    All others get through: at any time the page may send its width, or request a tooltip.
    """
    held = list[Route]()

    def hold(route: Route) -> None:
        if is_held(route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route(path, hold)
    return held


def failures(page: Page) -> list[str]:
    """Collect the bodies of the requests that fail from now on, also of views that the page has left."""
    failed = list[str]()
    page.on("requestfailed", lambda one: failed.append(one.post_data or one.url))
    return failed


def until(page: Page, is_so: Callable[[], bool], seen: object = "") -> None:
    """Wait until something is so, while the page's events are handled; else fail, and show what was seen."""
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end, f"it did not come about: {seen}"
        page.wait_for_timeout(20)


def show(page: Page, *, is_hidden: bool) -> None:
    """Have the page believe that its tab is behind another one, or isn't."""
    page.evaluate(
        "is => { Object.defineProperty(document, 'hidden', { value: is, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        is_hidden,
    )


def test_a_server_without_a_key_asks_for_none(browser: Browser) -> None:
    with df.TaskHub(":memory:") as hub, looking(browser, f"{hub.serve(port=0, key='').url}/") as page:
        expect(region(view(page), "instances")).to_contain_text("None yet.")
        expect(page.get_by_label("The key of this server")).to_be_hidden()


# -- how it looks --------------------------------------------------------------------------------


def test_it_has_the_systems_theme_or_the_one_that_is_chosen(browser: Browser, server: Server) -> None:
    theme, other = "light", "dark"
    with looking(browser, server.page_url, color_scheme=theme) as page:
        for place in ("", "instances/season", "instances/broken", "entities/counter/clicks"):
            go_to(page, place)
            expect(view(page)).to_be_visible()
            expect_theme(page, theme)
        page.get_by_label("theme").select_option(other)
        expect_theme(page, other)
        page.reload()
        expect_theme(page, other)
        page.get_by_label("theme").select_option("as the system")
        expect_theme(page, theme)
        page.emulate_media(color_scheme=other)  # type: ignore[arg-type]
        expect_theme(page, other)


def expect_theme(page: Page, theme: str) -> None:
    is_dark = re.compile("dnb-dark")
    if theme == "dark":
        expect(view(page)).to_have_class(is_dark)
    else:
        expect(view(page)).not_to_have_class(is_dark)
    grounds = page.evaluate(
        "[document.body, document.querySelector('.dnb-live')].map(one =>"
        " Number(getComputedStyle(one).backgroundColor.match(/\\d+/)[0]))"
    )
    assert all((ground < 60) == (theme == "dark") for ground in grounds), grounds


def test_on_a_narrow_screen_only_pictures_and_tables_are_wider(browser: Browser, server: Server) -> None:
    with looking(browser, server.page_url, viewport={"width": 390, "height": 800}) as page:
        for place in ("", "instances/season", "instances/broken", "entities/counter/clicks"):
            go_to(page, place)
            expect(view(page)).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, place


# -- the timeline --------------------------------------------------------------------------------


def test_a_timeline_is_zoomed_and_walked_through_by_mouse_and_keys(page: Page) -> None:
    go_to(page, "instances/season")
    timeline = open_tab(view(page), "Timeline")
    canvas, tip = timeline.locator(".dnb-canvas"), timeline.get_by_role("status")

    def shows(words: str) -> None:
        expect(canvas).to_have_attribute("aria-label", re.compile(words))

    shows("timeline of 61 calls, .* in all")
    canvas.focus()
    for zoom_in, zoom_out in (("w", "s"), ("+", "-")):
        page.keyboard.press(zoom_in)
        shows(" of .* s$| of .* ms$")
        page.keyboard.press(zoom_out)
        shows("in all")
    page.keyboard.press("w")
    shows(" of .* s$| of .* ms$")
    before = canvas.get_attribute("aria-label")
    legend = timeline.locator(".dnb-legend")
    began = legend.inner_text()
    page.keyboard.press("d")
    expect(legend).not_to_have_text(began)
    assert canvas.get_attribute("aria-label") == before  # it moved, and is as wide as before
    page.keyboard.press("b")
    shows("in all")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(tip).to_contain_text("crunch #1: activity, completed")
    expect(tip).to_contain_text(re.compile(r"waited .*, ran .* on thread-\d"))
    page.keyboard.press("Enter")
    shows("; selected: crunch #1$")
    expect(region(view(page), "detail")).to_contain_text("crunch")
    page.keyboard.press("f")
    page.keyboard.press("?")
    expect(view(page).locator(".dnb-keys")).to_contain_text("Ctrl and the wheel")
    page.keyboard.press("0")
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -240)
    page.keyboard.up("Control")
    shows(" of ")
    timeline.get_by_label("view", exact=True).select_option("workers")
    expect(legend).to_contain_text("crunch")
    timeline.get_by_role("button", name="Back to the zoom before").click()
    page.keyboard.press("Escape")
