"""Live views outside JupyterLab: in Notebook 7, and in Voila, which shows a notebook as a page."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab, expect_run, run_all, serving, wait_for_kernel
from tests.browser.live_views import SETUP, region, with_setup

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

START = "order = hub.start(fulfil, 'order', instance_id='order'); order.watch(freeze=False)"
HARMLESS = ("fontawesome", "font-awesome", "shared module", "reading 'schema'", "ERR_", "404")
"""What these pages say or ask for with any widget."""


@contextlib.contextmanager
def served(module: str, lab: Lab, home: Path, *options: str) -> Iterator[Lab]:
    """A server of its own; gives where it is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        module,
        "--no-browser",
        *(one.replace("{port}", str(port)) for one in options),
    ]
    url = f"http://127.0.0.1:{port}"
    with serving(command, home, url):
        yield Lab(url, home, lab.browser)


def use(page: Page) -> None:
    """Selects a call, raises the event, sees the end."""
    order = page.locator(".dnb-live")
    expect(region(order, "graph").locator("[data-key='step 2']")).to_be_visible(timeout=60_000)
    region(order, "graph").locator("[data-key='step 1']").click()
    expect(region(order, "detail")).to_contain_text("reserving order")
    region(order, "waits").get_by_role("textbox").fill("yes")
    region(order, "waits").get_by_role("button", name="Raise").click()
    expect(region(order, "head").get_by_role("img", name="Completed")).to_be_visible()
    assert not page.locator("[title=still] img").first.is_visible()


def test_in_notebook_7(lab: Lab, tmp_path: Path) -> None:
    options = (
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port={port}",
        f"--ServerApp.root_dir={tmp_path}",
    )
    more = (
        "--IdentityProvider.token=",
        "--ServerApp.allow_unauthenticated_access=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
    )
    with served("notebook", lab, tmp_path, *options, *more) as server:
        server.write("order.ipynb", with_setup("order", START))
        with server.watched(f"{server.url}/notebooks/order.ipynb") as (page, trouble):
            page.wait_for_selector(".jp-NotebookPanel")
            wait_for_kernel(page)
            run_all(page)
            expect_run(page, len(SETUP) + 1)
            use(page)
            assert [one for one in trouble if not any(known in one for known in HARMLESS)] == []


def test_in_voila(lab: Lab, tmp_path: Path) -> None:
    Lab("", tmp_path, lab.browser).write("order.ipynb", with_setup("order", START))
    options = ("--port={port}", "--Voila.ip=127.0.0.1", "--template=lab", str(tmp_path))
    with (
        served("voila", lab, tmp_path, *options) as server,
        server.watched(f"{server.url}/voila/render/order.ipynb") as (page, trouble),
    ):
        use(page)
        assert [one for one in trouble if not any(known in one for known in HARMLESS)] == []
