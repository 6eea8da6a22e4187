"""The replay explorer in JupyterLab: keys and clicks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Lab, expect_run, run_all
from tests.browser.live_views import cells_in, execute, region, save

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CELLS = [
    '''from datetime import timedelta
import durablenb as df

hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())

@hub.activity
def find(order):
    return {"id": order, "total": 42, "items": ["pen", "ink", "pad"]}

@hub.activity
def charge(total):
    return f"paid {total}"

@hub.activity
def pack(item):
    return f"box of {item}"''',
    """@hub.orchestrator
def fulfil(context):
    order = yield context.call_activity(find, context.get_input())
    print("found", order["id"])
    receipt = yield context.call_activity(charge, order["total"])
    boxes = yield context.task_all([context.call_activity(pack, item) for item in order["items"]])
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=72))
    approval = yield context.wait_for_external_event("Approval")
    return [receipt, boxes, approval]""",
    """handle = hub.start(fulfil, "order-17", instance_id="order-17")
handle.raise_event("Approval", "yes")
handle.result()""",
    "handle.explore()",
    """running = hub.start(fulfil, "order-18", instance_id="order-18")
while hub.step() and "charge" not in str(running.history()):
    pass
running.explore()""",
    "handle.replay()",
]
DONE, RUNNING = 3, 4
END = 6
"""The number of the last step, the end of the code."""
PLACES = """view => {
  const found = [view, view.querySelector(".dnb-code"), view.querySelector("[aria-current=step] pre")];
  const [top, code, line] = found.map((one) => one.getBoundingClientRect());
  return [code.top - top.top, code.height, line.left - code.left].map(Math.round);
}"""
"""Where the code is in the view, how high it is, and where its current line begins."""


@pytest.fixture(scope="module")
def opened(lab: Lab) -> Iterator[tuple[Page, list[str]]]:
    """The notebook, run once."""
    lab.write("explorer.ipynb", CELLS)
    with lab.opened("explorer.ipynb") as (page, trouble):
        page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
        run_all(page)
        expect_run(page, len(CELLS))
        expect(page.locator(".dnb-live")).to_have_count(2)
        yield page, trouble
        page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")


@pytest.fixture
def page(opened: tuple[Page, list[str]]) -> Iterator[Page]:
    """The notebook; nothing goes wrong in it, no other host is asked, and the cells stay as they are."""
    page, trouble = opened
    before = cells_in(page)[:-1]
    yield page
    assert trouble == []
    assert cells_in(page)[:-1] == before


def explorer(page: Page, place: int = DONE) -> Locator:
    """An explorer, with the focus in it."""
    found = page.locator(".jp-CodeCell").nth(place).locator(".dnb-live")
    found.scroll_into_view_if_needed()
    found.evaluate("one => one.focus()")
    return found


def expect_at(view: Locator, replay: int, step: int, of: int) -> None:
    """Waits until the explorer stands there."""
    place = "the end" if step == END else f"await {step} of {min(of, END - 1)}"
    expect(region(view, "controls")).to_contain_text(place)
    expect(view.locator(".dnb-tab[aria-current=true]")).to_contain_text(f"#{replay}")


def line_of(view: Locator) -> Locator:
    return view.locator('.dnb-code [aria-current="step"]')


def test_the_keys_go_through_steps_and_replays(page: Page) -> None:
    view = explorer(page)
    expect(view.locator(".dnb-events tr[data-here]")).to_be_in_viewport()  # it was opened there
    for key, replay, step, of in (
        ("Home", 1, 1, 1),
        ("ArrowRight", 2, 1, 2),
        ("ArrowRight", 2, 2, 2),
        ("PageDown", 3, 3, 3),
        ("ArrowLeft", 3, 2, 3),
        ("PageUp", 2, 2, 2),
        ("End", 5, 6, 6),
        ("ArrowRight", 5, 6, 6),
        ("ArrowLeft", 5, 5, 6),
    ):
        page.keyboard.press(key)
        expect_at(view, replay, step, of)
    expect(line_of(view)).to_contain_text("wait_for_external_event")
    expect(region(view, "says")).to_contain_text("there is nothing to wait for")
    expect(view.locator(".dnb-events tr[data-here]")).to_be_in_viewport()


def test_a_step_shows_line_command_events_variables_prints_and_ledger(page: Page) -> None:
    view = explorer(page)
    page.keyboard.press("End")
    view.get_by_role("button", name="replay 5:").click()
    expect_at(view, 5, 5, 6)
    explorer(page)
    for number in (4, 3, 2):
        page.keyboard.press("ArrowLeft")
        expect_at(view, 5, number, 6)
    expect(line_of(view)).to_contain_text("call_activity(charge")
    expect(region(view, "says")).to_contain_text("waits for activity charge #1")
    expect(region(view, "says")).to_contain_text("charge is not run again")
    hits = view.locator(".dnb-events .dnb-hit")
    expect(hits).to_have_count(2)
    expect(hits.first).to_contain_text("TaskScheduled charge #1")
    expect(hits.last).to_contain_text("TaskCompleted #1")
    expect(view.locator(".dnb-changed")).to_contain_text("order")
    expect(view.locator(".dnb-printed s")).to_have_text("found order-17")
    expect(view.locator(".dnb-ledger")).to_contain_text("once each")
    expect(view.locator(".dnb-said")).to_contain_text("charge is not run again")  # spoken, too


def test_code_breaks_between_words_and_only_the_keyboard_has_a_ring(page: Page) -> None:
    view = explorer(page)
    page.keyboard.press("Home")
    expect(line_of(view).locator("pre, code").first).to_have_css("word-break", "normal")
    button = view.locator(".dnb-events").get_by_role("button").first
    button.click()
    expect(view.locator(":focus")).to_have_css("outline-style", "none")
    expect(view.locator(".dnb-trial")).to_be_visible()
    page.keyboard.press("Tab")
    expect(view.locator(":focus")).to_have_css("outline-style", "solid")


def test_a_line_is_run_to_and_an_event_leads_to_its_step(page: Page) -> None:
    view = explorer(page)
    page.keyboard.press("End")
    view.locator(".dnb-code tr", has_text="create_timer").click()
    expect_at(view, 5, 4, 6)
    view.get_by_role("button", name=re.compile(r"^event \d+, TaskCompleted #0")).click()
    expect_at(view, 5, 1, 6)
    view.locator(".dnb-code tr", has_text="task_all").get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect_at(view, 5, 3, 6)


def test_it_plays_to_a_breakpoint_and_then_to_the_end(page: Page) -> None:
    view = explorer(page)
    view.get_by_label("speed").select_option("fast")
    view.locator(".dnb-code tr", has_text="task_all").click(modifiers=["Shift"])
    expect(view.locator(".dnb-code .dnb-stop")).to_have_count(1)
    explorer(page)
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    expect_at(view, 3, 3, 3)
    expect(line_of(view)).to_contain_text("task_all")
    view.get_by_role("button", name="Clear 1 stop").click()
    expect(view.locator(".dnb-stop")).to_have_count(0)
    explorer(page)
    page.keyboard.press("Space")
    expect_at(view, 5, 6, 6)


def test_nothing_moves_from_step_to_step_and_the_keys_are_listed_in_sight(page: Page) -> None:
    view = explorer(page)
    page.keyboard.press("Home")
    expect_at(view, 1, 1, 1)
    places = set()
    for replay, step in ((1, 1), (2, 1), (2, 2), (3, 1), (3, 2)):
        expect_at(view, replay, step, replay)
        places.add(tuple(view.evaluate(PLACES)))
        page.keyboard.press("ArrowRight")
    assert len(places) == 1
    page.keyboard.press("?")
    keys = view.locator(".dnb-keys")
    expect(keys).to_be_in_viewport()
    expect(keys).to_contain_text("previous and next await")
    view.get_by_role("button", name="Keys").click()
    expect(keys).to_be_hidden()


def test_the_slider_can_be_dragged(page: Page) -> None:
    view = explorer(page)
    page.keyboard.press("End")
    expect_at(view, 5, 6, 6)
    slider = view.locator("input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    for part in (0.8, 0.5, 0.3, 0.05):
        page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] / 2)
    expect(line_of(view)).to_contain_text("call_activity(find")  # while the button is held down
    page.mouse.up()
    expect_at(view, 1, 1, 1)


def test_what_happens_is_guessed_before_it_is_told(page: Page) -> None:
    view = explorer(page)
    page.keyboard.press("Home")
    view.get_by_role("button", name="Predict").click()
    says = region(view, "says")
    expect(says).to_contain_text("Will find be run now?")
    expect(region(view, "controls")).not_to_contain_text("await 1 of")
    says.get_by_role("button", name="No", exact=True).click()
    expect(says).to_contain_text("Not quite: Yes.")
    expect(says).to_contain_text("0 right, 1 wrong")
    explorer(page)
    page.keyboard.press("ArrowRight")
    expect(says).to_contain_text("Which event does the code write next?")
    expect(says).not_to_contain_text("is not run again")
    expect(view.locator(".dnb-events tr").last).to_contain_text("OrchestratorStarted")
    places = says.get_by_role("button").all_text_contents()
    page.keyboard.press(str(places.index("none: all of it is in the history") + 1))
    expect(says).to_contain_text("find is not run again")
    expect(says).to_contain_text("1 right, 1 wrong")
    view.get_by_role("button", name="Predict").click()


def test_a_change_is_tried_on_a_copy_and_taken_back(page: Page) -> None:
    view = explorer(page)
    page.keyboard.press("End")
    view.get_by_role("button", name=re.compile(r"^event \d+, TaskCompleted #1")).click()
    trials, banner = view.locator(".dnb-trial"), region(view, "banner")
    expect(trials).to_contain_text("TaskCompleted #1")
    trials.get_by_label("another result").fill('"unpaid"')
    page.keyboard.press("Enter")
    expect(banner).to_contain_text("This is a copy with 1 change; the journal is as it was.")
    expect(region(view, "says")).to_contain_text("Does not fit")
    expect(region(view, "says").locator("table")).to_contain_text("result")
    banner.get_by_role("button", name="Undo").click()
    expect(banner).to_be_hidden()
    view.get_by_role("button", name=re.compile(r"^event \d+, TaskCompleted #1")).click()
    trials.get_by_role("button", name="Crash here").click()
    expect(banner).to_contain_text("it ends with event")
    banner.get_by_role("button", name="Resume the copy").click()
    banner.get_by_role("button", name="Really run what is missing").click()
    expect(view.locator(".dnb-note")).to_contain_text("The copy was resumed", timeout=20_000)
    banner.get_by_role("button", name="Reset").click()
    expect(banner).to_be_hidden()


def test_who_stepped_back_is_told_what_is_newer(page: Page) -> None:
    view = explorer(page, RUNNING)
    page.keyboard.press("Home")
    expect_at(view, 1, 1, 1)
    execute(page, "running.raise_event('Approval', 'yes'); running.result()")
    chip = view.get_by_role("button", name=re.compile(r"^\d newer$"))
    expect(chip).to_be_visible()
    expect_at(view, 1, 1, 1)
    chip.click()
    expect_at(view, 5, 6, 6)
    expect(chip).to_have_count(0)
    expect(region(view, "head")).to_contain_text("fulfil")


def test_keys_of_the_notebook_do_nothing_to_its_cells(page: Page) -> None:
    view = explorer(page)
    for one in view.locator("button, select, input, [tabindex]").all()[:40]:
        if one.is_visible():
            one.evaluate("one => one.focus()")
            for key in ("d", "d", "j", "x"):
                page.keyboard.press(key)
    view.evaluate("one => one.focus()")
    for key in ("d", "d", "x"):
        page.keyboard.press(key)


def test_without_a_kernel_the_storyboard_stands_there(lab: Lab, page: Page, tmp_path: Path) -> None:
    path = lab.folder / "explorer.ipynb"
    save(page, path)
    written = nbformat.read(path, 4)
    nbformat.write(written, lab.folder / "read.ipynb")
    with lab.opened("read.ipynb") as (other, _):
        still = other.locator(".jp-CodeCell").nth(DONE).locator("img[alt*='order-17']")
        expect(still).to_be_visible()
        other.locator(".jp-CodeCell").nth(len(CELLS) - 1).screenshot(path=tmp_path / "storyboard.png")
