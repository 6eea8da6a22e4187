"""The outputs of a kernel stay in the notebook: on a page made of it, on GitHub, the same in every run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import bleach
import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from tests.kernel_sockets import kernel_config
from tests.notebook.reading import Page

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::RuntimeWarning")

LIMIT = 100_000
"""Characters that a still picture may take in a notebook."""

SETUP = """
import time

import durablenb as df

hub = df.TaskHub("flows.duckdb", executor=1)


@hub.activity
def crunch(part):
    time.sleep(0.001)
    if part % 97 == 13:
        raise ValueError(f"part {part} is empty, <b>really</b>")
    return part


@hub.orchestrator
def once(context):
    return (yield context.call_activity(crunch, context.get_input()))


@hub.orchestrator
def season(context):
    try:
        yield context.task_all([context.call_activity(crunch, part) for part in range(300)])
    except ValueError:
        pass
    yield context.call_sub_orchestrator(once, 1, "season.once")
    return (yield context.call_sub_orchestrator(once, 13, "season.again"))


@hub.orchestrator
def approval(context):
    return (yield context.wait_for_external_event("Approval"))


failed = hub.start(season, instance_id="season")
failed.wait()
waiting = hub.start(approval, instance_id="order-7")
while len(waiting.history()) < 2:
    time.sleep(0.01)
"""
SHOWN = [
    "hub",
    "failed",
    "waiting",
    "failed.history()",
    "hub.instances()",
    "failed.status()",
    "failed.status().failure_details",
]
FAILING = "failed.result()"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The notebook after two runs, each in a kernel and a folder of its own."""
    return [_executed(tmp_path_factory.mktemp("run")) for _ in range(2)]


def _executed(folder: Path) -> Any:
    cells = [nbformat.v4.new_code_cell(cell) for cell in (SETUP, *SHOWN, FAILING, "hub.close()")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebook.cells[-2].metadata["tags"] = ["raises-exception"]
    return NotebookClient(
        notebook, config=kernel_config(), timeout=60, resources={"metadata": {"path": str(folder)}}
    ).execute()


def bundles(notebook: Any) -> dict[str, dict[str, str]]:
    """The stored outputs of each object."""
    return {name: notebook.cells[place].outputs[0].data for place, name in enumerate(SHOWN, start=1)}


@pytest.mark.parametrize("name", SHOWN)
def test_the_text_is_the_same_in_every_run(runs: list[Any], name: str) -> None:
    first, second = (bundles(run)[name]["text/plain"] for run in runs)
    assert first == second
    assert "0x" not in first
    assert not re.search(r"\d\d:\d\d", first)


@pytest.mark.parametrize("name", SHOWN)
def test_it_is_small_and_asks_nothing_of_the_network(runs: list[Any], name: str) -> None:
    bundle = bundles(runs[0])[name]
    assert set(bundle) == {"text/html", "text/plain"}  # no live view that is empty without its kernel
    html = bundle["text/html"]
    assert 500 < len(html) < LIMIT
    assert len(bundle["text/plain"]) < 5_000
    for picture in Page(html).pictures:
        own = picture.svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "//" not in own
        assert "url(" not in own
    assert "http" not in re.sub(r"data:image/svg\+xml;base64,[A-Za-z0-9+/=]+", "", html)


# What GitHub leaves of HTML: no style, no class, no id; an image may carry its own data.
_TAGS = {
    *("h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8", "br", "b", "i", "strong", "em", "a", "pre", "code"),
    *("img", "tt", "div", "ins", "del", "sup", "sub", "p", "picture", "ol", "ul", "table", "thead", "tbody"),
    *("tfoot", "blockquote", "dl", "dt", "dd", "kbd", "q", "samp", "var", "hr", "ruby", "rt", "rp", "li"),
    *("tr", "td", "th", "s", "strike", "summary", "details", "caption", "figure", "figcaption", "span"),
}
_ATTRIBUTES = {"*": ["align", "alt", "height", "open", "title", "width"], "img": ["src"]}


@pytest.mark.parametrize("name", SHOWN)
def test_github_s_rules_leave_every_picture_table_and_word(runs: list[Any], name: str) -> None:
    html = bundles(runs[0])[name]["text/html"]
    cleaned = bleach.clean(html, _TAGS, _ATTRIBUTES, protocols={"data", "https"}, strip=True)
    before, after = Page(html), Page(cleaned)
    assert "style=" not in cleaned
    assert after.texts == before.texts
    kept = [tag for tag, _ in before.tags if tag not in ("picture", "source")]  # variants for narrow pages
    assert [tag for tag, _ in after.tags if tag != "picture"] == kept
    assert [one.svg for one in after.pictures] == [one.svg for one in before.pictures]
    assert after.pictures
    assert all(picture.alt for picture in after.pictures)
    assert any(tag == "table" for tag, _ in after.tags)
    for picture in after.pictures:
        assert picture.width > 10
        assert len(list(picture.root.iter())) > 3  # more than its plate


def test_a_page_that_nbconvert_makes_has_all_of_it(runs: list[Any]) -> None:
    exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="")
    html, _ = exporter.from_notebook_node(runs[0])
    outputs = BeautifulSoup(html, "html.parser").select(".jp-OutputArea-output")
    kept = [Page(bundle["text/html"]) for bundle in bundles(runs[0]).values()]
    assert len(outputs) == len(SHOWN) + 1
    for output, page in zip(outputs, kept, strict=False):
        assert len(output.find_all("img")) == len(page.pictures)
        assert len(output.find_all("table")) == sum(tag == "table" for tag, _ in page.tags)
        addresses = [str(found.get("src") or found.get("href")) for found in output.select("[src], [href]")]
        assert all(address.startswith("data:image/svg+xml;base64,") for address in addresses)
        assert not output.select("script, link, [id]")
    account = outputs[-1].get_text()
    assert "part 13 is empty, <b>really</b>" in account
    assert "you asked for it at" in account


def test_the_account_of_an_error_is_short_and_the_same_in_every_run(runs: list[Any]) -> None:
    accounts = ["\n".join(run.cells[-2].outputs[0].traceback) for run in runs]
    assert accounts[0] == accounts[1]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", accounts[0])
    assert "ValueError (also a TaskFailedError): part 13 is empty, <b>really</b>" in plain
    assert "crunch, line 12 of cell In[1]" in plain
    assert len(plain.splitlines()) < 40
    assert "/" not in plain.replace("</b>", "")  # no place of this machine
