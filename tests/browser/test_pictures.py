"""Every object shows as a picture and a table: trusted or not, with a dead kernel, in both themes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter
from PIL import Image
from playwright.sync_api import Page

from tests.browser.conftest import Lab, expect_run, run_all, use_theme

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

CELLS = [
    """from datetime import timedelta
import durablenb as df

clock = df.VirtualClock()
hub = df.TaskHub(":memory:", mode="kernel", clock=clock)""",
    '''@hub.activity
def reserve(order):
    clock.advance(seconds=0.4)
    return f"{order} reserved"

calls = 0

@hub.activity
def charge(order):
    """The card is refused twice."""
    global calls
    calls += 1
    clock.advance(seconds=1.3)
    if calls < 3:
        raise ConnectionError("no answer from the bank, $x$ and <b>$y$</b>")
    return calls

@hub.activity
def crunch(part):
    clock.advance(seconds=0.002)
    if part % 97 == 13:
        raise ValueError(f"part {part} is empty")
    return part''',
    """@hub.orchestrator
def fulfil(context):
    order = context.get_input()
    yield context.call_activity(reserve, order)
    yield context.call_activity_with_retry(charge, df.RetryOptions(1000, 5, 2.0), order)
    approval = context.wait_for_external_event("Approval")
    deadline = context.create_timer(context.current_utc_datetime + timedelta(hours=72))
    winner = yield context.task_any([approval, deadline])
    return "too late" if winner is deadline else approval.result

@hub.orchestrator
def season(context):
    parts = [context.call_activity(crunch, part) for part in range(context.get_input())]
    try:
        yield context.task_all(parts)
    except ValueError:
        pass
    yield context.call_sub_orchestrator(once, "again")

@hub.orchestrator
def once(context):
    return (yield context.call_activity(crunch, 13))""",
    """late = hub.start(fulfil, "order-16", instance_id="order-16")
late.result()""",
    "late",
    """waiting = hub.start(fulfil, "order-17", instance_id="order-17")
while hub.step() and not waiting.status().custom_status and clock.now().day < 5:
    if "Approval" in str(waiting.history()):
        break
waiting""",
    """failed = hub.start(season, 600, instance_id="season")
failed.result()""",
    "failed",
    """@hub.entity
class Account:
    def __init__(self):
        self.balance = 0
    def deposit(self, amount: int):
        self.balance += amount
    def withdraw(self, amount: int):
        if amount > self.balance:
            raise ValueError(f"{amount} is more than <b>$x$</b>")
        self.balance -= amount

account = hub.entity(Account, "Ada & $x$")
for amount in (50, 20, 70):
    account.deposit(amount)
    account.withdraw(60)
while hub.step():
    pass
account""",
    "hub",
    "hub.instances()",
    "failed.history()",
    "late.status()",
    "failed.status().failure_details",
    "df.RetryOptions(1000, 5, 2.0)",
    "clock",
    "df.SystemClock()",
]
SHOWN = 12
Drawn = list[dict[str, Any]]
"""What each output shows."""

Shown = dict[str, Drawn]
"""That, in each theme."""

FAILING = next(place for place, cell in enumerate(CELLS) if "failed.result()" in cell)


def drawn(page: Page, outputs: str) -> Drawn:
    """The pictures of each output."""
    assert page.get_by_text("model not found").count() == 0
    assert page.locator("mjx-container").count() == 0  # nobody's data is taken for mathematics
    found: Drawn = page.evaluate(
        """selector => [...document.querySelectorAll(selector)].map(output => ({
            images: [...output.querySelectorAll('img')].map(
                image => image.complete && image.naturalWidth && image.getBoundingClientRect().height > 10),
            tables: [...output.querySelectorAll('table')].filter(
                table => table.getBoundingClientRect().height > 10).length,
            script: output.querySelectorAll('script, style, svg, [id], a[href]').length,
        }))""",
        outputs,
    )
    return found


def check_pictures(found: Drawn) -> None:
    """Each output has at least one image that was drawn, and a table that is visible."""
    assert len(found) == SHOWN
    for output in found:
        assert output["images"], output
        assert all(output["images"]), output
        assert output["tables"], output
        assert output["script"] == 0, output


def brightness(page: Page, selector: str) -> float:
    """The brightness of the first picture, from 0 to 255: mostly that of its ground."""
    shown = page.locator(f"{selector} img[alt*='order-16']").first.screenshot()
    with Image.open(BytesIO(shown)) as picture:
        histogram = picture.convert("L").histogram()
    return histogram.index(max(histogram))


HTML = ".jp-OutputArea-output[data-mime-type='text/html']"

_FIT = """selector => [...document.querySelectorAll(selector)].every(image => {
    const place = image.closest('.jp-OutputArea-output').getBoundingClientRect();
    return place.width < 800 && image.getBoundingClientRect().right <= place.right;
})"""
"""True if a window with its sidebar leaves less than 800 pixels, and no picture runs out of them."""


@pytest.fixture(scope="module")
def pictures(lab: Lab) -> Shown:
    """The pictures of a notebook that was run and saved, in each theme; its kernel is gone."""
    lab.write("pictures.ipynb", CELLS)
    written = nbformat.read(lab.folder / "pictures.ipynb", 4)
    written.cells[FAILING].metadata["tags"] = ["raises-exception"]
    nbformat.write(written, lab.folder / "pictures.ipynb")
    found, grounds = {}, {}
    with lab.opened("pictures.ipynb") as (page, trouble):
        run_all(page)
        expect_run(page, len(CELLS))
        for theme in ("Light", "Dark"):
            use_theme(page, f"JupyterLab {theme}")
            found[theme] = drawn(page, HTML)
            grounds[theme] = brightness(page, HTML)
        page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        assert trouble == []
    assert grounds["Dark"] < 60
    assert grounds["Light"] > 240
    return found


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_every_object_is_a_picture_and_a_table_in_both_themes(pictures: Shown, theme: str) -> None:
    check_pictures(pictures[theme])


def test_errors_are_short_and_name_the_line(lab: Lab, pictures: Shown) -> None:
    saved = nbformat.read(lab.folder / "pictures.ipynb", 4)
    errors = [output for cell in saved.cells for output in cell.outputs if output.output_type == "error"]
    assert len(errors) == 1
    text = "\n".join(errors[0].traceback)
    assert "part 13 is empty" in text
    assert "execution.py" not in text


@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "untrusted"])
def test_a_reopened_notebook_shows_all_of_it_without_its_kernel(
    lab: Lab, pictures: Shown, is_trusted: bool
) -> None:
    name = "pictures.ipynb"
    if not is_trusted:
        foreign = nbformat.read(lab.folder / name, 4)
        foreign.cells.append(nbformat.v4.new_markdown_cell("From somewhere else."))
        name = "foreign.ipynb"
        nbformat.write(foreign, lab.folder / name)
    with lab.opened(name) as (page, trouble):
        trusted = page.evaluate(
            "[...window.jupyterapp.shell.currentWidget.content.model.cells]"
            ".filter(cell => cell.type === 'code').every(cell => cell.trusted)"
        )
        assert trusted is is_trusted
        check_pictures(drawn(page, HTML))
        page.set_viewport_size({"width": 700, "height": 900})
        graph = page.locator(f"{HTML} img[alt*='order-16']").first
        assert graph.evaluate("image => image.getBoundingClientRect().width") >= 560
        if is_trusted:  # only there the variants for narrow windows remain
            page.set_viewport_size({"width": 1100, "height": 900})
            page.wait_for_function(_FIT, arg=f"{HTML} img[alt*='order-16']")
        page.set_viewport_size({"width": 1300, "height": 1000})
        assert trouble == []


def test_a_page_made_of_the_notebook_shows_all_of_it(lab: Lab, pictures: Shown, tmp_path: Path) -> None:
    exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="")
    html, _ = exporter.from_filename(str(lab.folder / "pictures.ipynb"))
    target = tmp_path / "pictures.html"
    target.write_text(html, encoding="utf-8")
    with lab.watched(target.as_uri()) as (page, trouble):
        page.wait_for_load_state()
        outputs = ".jp-RenderedHTML.jp-OutputArea-output[data-mime-type='text/html']"
        check_pictures(drawn(page, outputs))
        assert brightness(page, outputs) > 240  # the page is light
        assert trouble == []
