"""The replay explorer on the page of a served hub: from an instance, through its steps, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import durablenb as df
from durablenb.server.server import Server
from tests.browser.live_views import open_tab, region
from tests.browser.test_page import HOSTILE, expect_theme, go_to, looking, show, until, view

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

REPLAY = "instances/order-17/replay"


@pytest.fixture(scope="module")
def hub() -> Iterator[df.TaskHub]:
    """A hub with two instances that have ended; the code of each ran three times."""
    with df.TaskHub(":memory:") as made:
        register(made)
        for order in ("order-17", HOSTILE):
            made.start("fulfil", order, instance_id=order).wait(20)
        yield made


def register(hub: df.TaskHub) -> None:
    @hub.activity
    def find(order):
        return {"id": order, "total": 42, "items": ["pen", "ink", "pad"]}

    @hub.activity
    def charge(total):
        return f"paid {total}"

    @hub.orchestrator
    def fulfil(context):
        order = yield context.call_activity("find", context.get_input())
        print("found", order["id"], "<img src=x onerror=alert(2)>")
        receipt = yield context.call_activity("charge", order["total"])
        return [order["items"], receipt]


@pytest.fixture(scope="module")
def server(hub: df.TaskHub) -> Server:
    return hub.serve(port=0)


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with looking(browser, server.page_url) as opened:
        yield opened


def walk(page: Page, place: str = REPLAY) -> None:
    go_to(page, place)
    expect(region(view(page), "controls")).to_be_visible()


def expect_at(page: Page, replay: int, step: int) -> None:
    """Waits until the explorer is at a step, and the address, too; replay N has N steps."""
    place = "the end" if step == 3 else f"await {step} of {min(replay, 2)}"
    expect(region(view(page), "controls")).to_contain_text(place)
    expect(view(page).locator(".dnb-tab[aria-current=true]")).to_contain_text(f"#{replay}")
    is_end = (replay, step) == (3, 3)
    expect(page).to_have_url(re.compile("/replay$" if is_end else f"/replay/1/{replay}/{step}$"))


def test_from_an_instance_through_its_steps_by_keys_and_back(browser: Browser, server: Server) -> None:
    with looking(browser, server.page_url, color_scheme="dark") as page:
        go_to(page, "instances/order-17")
        open_tab(view(page), "History")
        page.get_by_role("link", name="Walk through its replay").click()
        expect(page).to_have_title("replay of order-17 · memory")
        expect(page.get_by_role("heading", level=1)).to_be_focused()  # it is read out, and the keys work
        expect_at(page, 3, 3)
        for key, replay, step in (
            ("Home", 1, 1),
            ("ArrowRight", 2, 1),
            ("PageDown", 3, 3),
            ("PageUp", 2, 2),
            ("End", 3, 3),
            ("ArrowLeft", 3, 2),
        ):
            page.keyboard.press(key)
            expect_at(page, replay, step)
        expect(view(page).locator('.dnb-code [aria-current="step"]')).to_contain_text("call_activity")
        expect(region(view(page), "says")).to_contain_text("charge is not run again")
        expect(view(page).locator(".dnb-changed")).to_contain_text("order")
        expect_theme(page, "dark")
        for width in (1100, 700, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.reload()
        expect_at(page, 3, 2)
        page.go_back()  # one step of the browser, however many there were of the explorer
        expect(page).to_have_title("order-17 · memory")
        expect(region(view(page), "graph")).to_be_visible()
        page.go_forward()
        expect_at(page, 3, 2)
        page.get_by_role("link", name="Back to the instance").click()
        expect(page).to_have_title("order-17 · memory")
        expect(page).to_have_url(re.compile("#/instances/order-17$"))
        expect(page.get_by_role("link", name="Walk through its replay")).to_be_visible()


def test_the_instance_is_as_it_was_left(page: Page) -> None:
    go_to(page, "instances/order-17")
    open_tab(view(page), "History")
    page.get_by_role("link", name="Walk through its replay").click()
    expect_at(page, 3, 3)
    page.get_by_role("link", name="Back to the instance").click()
    expect(region(view(page), "history")).to_contain_text("ExecutionStarted")


def test_keys_with_ctrl_or_alt_are_left_to_the_browser(page: Page) -> None:
    walk(page)
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowLeft")
    expect_at(page, 3, 2)


def test_clicks_lead_to_a_line_an_event_and_a_replay(page: Page) -> None:
    walk(page)
    view(page).get_by_role("button", name=re.compile(r"^event 4, TaskCompleted")).click()
    expect_at(page, 3, 1)
    view(page).locator(".dnb-code tr", has_text='"charge"').click()
    expect_at(page, 3, 2)
    view(page).get_by_role("button", name="replay 2:").click()
    expect_at(page, 2, 2)
    page.keyboard.press("ArrowLeft")  # while the button of the tab has the focus
    expect_at(page, 2, 1)


def test_it_plays_and_the_address_is_that_at_which_it_comes_to_rest(page: Page) -> None:
    walk(page, f"{REPLAY}/1/1/1")
    expect_at(page, 1, 1)
    before = page.evaluate("history.length")
    view(page).get_by_label("speed").select_option("fast")
    page.get_by_role("heading", level=1).focus()
    page.keyboard.press("Space")
    expect_at(page, 3, 3)
    assert page.evaluate("history.length") == before


def test_what_happens_is_predicted(page: Page) -> None:
    walk(page, f"{REPLAY}/1/2/1")
    view(page).get_by_role("button", name="Predict").click()
    says = region(view(page), "says")
    expect(says).to_contain_text("Which event does the code write next?")
    expect(page.locator("body")).not_to_contain_text("is not run again")
    says.get_by_role("button", name="none: all of it is in the history").click()
    expect(says).to_contain_text("1 right, 0 wrong")


def test_a_copy_is_tried_and_gone_when_the_page_is_loaded_again(page: Page) -> None:
    walk(page, f"{REPLAY}/1/3/2")
    view(page).get_by_role("button", name=re.compile(r"^event 4, TaskCompleted")).click()
    expect_at(page, 3, 1)
    trials, banner = view(page).locator(".dnb-trial"), region(view(page), "banner")
    trials.get_by_label("another result").fill('{"id": 7, "total": 50, "items": []}')
    page.keyboard.press("Enter")
    expect(banner).to_contain_text("This is a copy with 1 change; the journal is as it was.")
    expect(region(view(page), "says")).to_contain_text("Does not fit")
    page.reload()
    expect_at(page, 3, 1)
    expect(banner).to_be_hidden()


def test_a_page_that_was_not_seen_for_a_while_is_at_its_step(browser: Browser, server: Server) -> None:
    with looking(browser, server.page_url) as page:
        page.clock.install()
        page.reload()
        walk(page)
        page.keyboard.press("Home")
        controls = region(view(page), "controls")
        expect(controls).to_contain_text("await 1 of 1")
        with page.expect_event("requestfailed", lambda one: one.url.endswith("/page/views")):
            show(page, is_hidden=True)
            page.clock.fast_forward(61_000)
        beats = list[str]()
        page.on("request", lambda one: beats.append(one.url) if "/page/views/" in one.url else None)
        show(page, is_hidden=False)

        def has_session() -> bool:
            page.clock.fast_forward(60_000)  # a heartbeat is due, and needs a session
            return bool(beats)

        until(page, has_session)
        page.keyboard.press("ArrowRight")  # of the new view: the first one is gone
        page.clock.fast_forward(1_000)
        expect(controls).to_contain_text("await 1 of 2")


def test_a_step_has_an_address_for_all_who_have_the_key(browser: Browser, server: Server) -> None:
    with looking(browser, f"{server.url}/#/{REPLAY}/1/2/1", "401 (Unauthorized)") as page:
        field = page.get_by_label("The key of this server")
        expect(field).to_be_focused()
        assert "call_activity" not in page.content()
        expect(page.get_by_role("link", name="Back to the instance")).to_be_hidden()
        field.fill(server.key)
        field.press("Enter")
        expect_at(page, 2, 1)


def test_an_execution_that_is_none_says_so(browser: Browser, server: Server) -> None:
    with looking(browser, server.page_url, "400 (Bad Request)") as page:
        go_to(page, f"{REPLAY}/2/1/1")
        expect(page.locator("#said")).to_contain_text("There is no execution 2")
        expect(page.get_by_role("link", name="Back to the instance")).to_be_hidden()


def test_without_the_code_the_page_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    with df.TaskHub(path) as hub:
        register(hub)
        hub.start("fulfil", "order-18", instance_id="order-18").wait(20)
    with (
        df.TaskHub(path) as hub,
        looking(browser, hub.serve(port=0).page_url) as page,
    ):
        go_to(page, "instances/order-18")
        page.get_by_role("link", name="Walk through its replay").click()
        head = region(view(page), "head")
        expect(head).to_contain_text("The orchestrator 'fulfil' isn't registered.")
        expect(head).to_contain_text("Run the cell that defines it, with @hub.orchestrator.")
        expect(head.locator("pre")).to_contain_text('context.call_activity("find", context.get_input())')
        expect(region(view(page), "controls")).to_be_hidden()
        register(hub)
        expect_at(page, 3, 3)


def test_what_is_hostile_is_text_in_the_explorer_the_title_and_the_address(page: Page) -> None:
    go_to(page, f"instances/{HOSTILE.replace('%', '%25')}")
    page.get_by_role("link", name="Walk through its replay").click()
    expect(page).to_have_title(f"replay of {HOSTILE} · memory")
    expect_at(page, 3, 3)
    page.keyboard.press("ArrowLeft")
    expect_at(page, 3, 2)
    page.reload()
    expect_at(page, 3, 2)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"replay of {HOSTILE}")
    expect(region(view(page), "head")).to_contain_text(HOSTILE)
    expect(view(page).locator(".dnb-code")).to_contain_text("<img src=x onerror=alert(2)>")
    expect(view(page).locator(".dnb-printed")).to_contain_text("<img src=x onerror=alert(2)>")
    expect(view(page).locator(".dnb-values")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(view(page).locator(".dnb-events")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("img").count() == 0


def test_an_instance_that_runs_is_followed(hub: df.TaskHub, page: Page) -> None:
    @hub.orchestrator
    def approval(context):
        return (yield context.wait_for_external_event("Approval"))

    hub.start("approval", instance_id="order-19")
    walk(page, "instances/order-19/replay")
    says = region(view(page), "says")
    expect(says).to_contain_text("waits for")
    hub.client.raise_event("order-19", "Approval", True)
    expect(region(view(page), "head")).to_contain_text("2 episodes")
    expect(region(view(page), "controls")).to_contain_text("the end")
    expect(page).to_have_url(re.compile("/replay$"))


@pytest.fixture
def still(browser: Browser, server: Server) -> Iterator[Page]:
    """An explorer on a page whose timers stand still."""
    with looking(browser, server.page_url) as page:
        page.clock.install()
        page.reload()
        walk(page)
        page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 3600)
        yield page


def test_a_step_is_written_into_the_address_once_the_page_is_at_rest(still: Page) -> None:
    controls = region(view(still), "controls")
    for key, words in (
        ("Home", "await 1 of 1"),
        ("ArrowRight", "await 1 of 2"),
        ("ArrowRight", "await 2 of 2"),
    ):
        still.keyboard.press(key)
        expect(controls).to_contain_text(words)
        still.clock.fast_forward(100)
        assert still.url.endswith("/replay")
    still.clock.fast_forward(1_000)
    expect_at(still, 2, 2)


def test_a_step_is_not_written_over_the_address_that_is_gone_to(still: Page) -> None:
    still.keyboard.press("Home")
    expect(region(view(still), "controls")).to_contain_text("await 1 of 1")
    go_to(still, "instances/order-17")
    expect(region(view(still), "graph")).to_be_visible()
    still.clock.fast_forward(1_000)
    assert still.url.endswith("#/instances/order-17")


def test_a_slider_that_was_moved_is_not_moved_again_when_the_page_comes_back(page: Page) -> None:
    walk(page)
    view(page).locator("input[type=range]").evaluate(
        "one => { one.value = 2; one.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    expect_at(page, 1, 1)
    page.keyboard.press("End")
    expect_at(page, 3, 3)
    page.get_by_role("link", name="Back to the instance").click()
    expect(region(view(page), "graph")).to_be_visible()
    page.go_back()
    expect(region(view(page), "controls")).to_contain_text("the end")
    expect_at(page, 3, 3)
