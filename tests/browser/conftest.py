"""A Chromium, and a JupyterLab of its own that it looks into."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.chromium import chromium

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_KERNEL_IS_READY = """() => {
    const shown = window.jupyterapp?.shell.currentWidget?.sessionContext;
    return shown && shown.isReady && shown.kernelDisplayStatus === 'idle'
        && shown.session?.kernel?.connectionStatus === 'connected';
}"""
_KERNEL_STATE = """async () => {
    const shown = window.jupyterapp?.shell.currentWidget, session = shown?.sessionContext;
    const isDrawn = await Promise.race([
        new Promise(done => requestAnimationFrame(() => done(true))),  // on which Playwright's wait depends
        new Promise(done => setTimeout(() => done(false), 2000)),
    ]);
    return {
        shown: shown?.title.label, isReady: session?.isReady, status: session?.kernelDisplayStatus,
        connection: session?.session?.kernel?.connectionStatus, isDrawn,
    };
}"""


expect.set_options(timeout=20_000)  # a machine may be busy


UNANSWERED = "Canceled future"
"""What JupyterLab says of its own requests to a kernel that was killed, such as for the debugger's state."""

_OPEN = "name => void window.jupyterapp.commands.execute('docmanager:open', {path: name})"
_CLOSE_ALL = """async () => {
    for (const one of [...window.jupyterapp.shell.widgets('main')]) {
        await one.sessionContext?.shutdown().catch(() => null);
        if (one.context) one.context.model.dirty = false;  // nobody is asked whether to save it
        one.close();
    }
}"""


@dataclass
class Lab:
    """A running JupyterLab server and the folder that it shows."""

    url: str
    folder: Path
    browser: Browser
    _idle: list[tuple[Page, list[str]]] = field(default_factory=list)

    def write(self, name: str, cells: list[str]) -> None:
        """Puts a notebook of these code cells into the folder."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.folder / name)

    @contextlib.contextmanager
    def opened(self, name: str, *, is_fresh: bool = False) -> Iterator[tuple[Page, list[str]]]:
        """A page with the notebook open and its kernel ready, and what went wrong in it.

        Loading JupyterLab takes most of the time of many a test, so a page that is done with its notebook is
        used again, unless a fresh one is asked for or something went wrong.
        """
        if self._idle and not is_fresh:
            page, trouble = self._idle.pop()
            trouble.clear()
            page.evaluate(_OPEN, name)
        else:
            page, trouble = self._loaded(f"{self.url}/lab/tree/{name}?reset")
        is_whole = False
        try:
            page.wait_for_selector(".jp-NotebookPanel")
            wait_for_kernel(page)
            yield page, trouble
            is_whole = self._is_left(page) and not is_fresh
        finally:
            if is_whole:
                self._idle.append((page, trouble))
            else:
                page.context.close()

    @contextlib.contextmanager
    def watched(self, address: str) -> Iterator[tuple[Page, list[str]]]:
        """A page, and what goes wrong in it: errors on the console, requests to other hosts."""
        page, trouble = self._loaded(address)
        try:
            yield page, trouble
        finally:
            page.context.close()

    def _loaded(self, address: str) -> tuple[Page, list[str]]:
        context = self.browser.new_context(reduced_motion="reduce", viewport={"width": 1300, "height": 1000})
        page, trouble = context.new_page(), list[str]()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on(
            "request", lambda request: None if self._is_local(request.url) else trouble.append(request.url)
        )
        page.goto(address, wait_until="domcontentloaded")
        return page, trouble

    def _is_local(self, url: str) -> bool:
        own = (self.url, self.url.replace("http", "ws"))
        return url.startswith((*own, "data:", "blob:", "file:", "about:"))

    def _is_left(self, page: Page) -> bool:
        """Closes the page's notebooks and ends their kernels; whether all is as it was before them."""
        page.evaluate(_CLOSE_ALL)
        page.wait_for_selector(".jp-NotebookPanel", state="detached")
        return page.locator(".jp-Dialog").count() == 0


def wait_for_kernel(page: Page) -> None:
    """Waits until a cell could be run; says in which state the kernel is if it takes too long."""
    try:
        page.wait_for_function(_KERNEL_IS_READY)
    except PlaywrightTimeoutError as error:
        error.add_note(f"The kernel: {page.evaluate(_KERNEL_STATE)}")
        raise


def run_all(page: Page) -> None:
    """Begins to run all cells."""
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")


def dismiss_the_dialog(page: Page) -> None:
    """Agrees to what JupyterLab says when a kernel has died."""
    page.wait_for_selector(".jp-Dialog")
    page.locator(".jp-Dialog .jp-mod-accept").first.click()
    page.wait_for_selector(".jp-Dialog", state="detached")


def use_theme(page: Page, name: str) -> None:
    """Changes to 'JupyterLab Light' or 'JupyterLab Dark'."""
    page.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: {name!r}}})")
    is_light = json.dumps(name.endswith("Light"))
    page.wait_for_selector(f'body[data-jp-theme-light="{is_light}"]', state="attached")
    page.wait_for_selector("#jupyterlab-splash", state="detached")


def expect_run(page: Page, cells: int) -> None:
    """Waits until the last cell has a number: all have been run."""
    page.wait_for_function(
        "count => { const all = document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt');"
        " return all.length >= count && /\\[\\d+\\]/.test(all[count - 1].textContent); }",
        arg=cells,
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=list(_FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Lab]:
    """JupyterLab on a free port, with settings of its own and no news."""
    home = tmp_path_factory.mktemp("home")
    folder = tmp_path_factory.mktemp("notebooks")
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with serving(_command(port, folder), home, f"{url}/api/status"):
        yield Lab(url, folder, browser)


@contextlib.contextmanager
def serving(command: list[str], home: Path, url: str) -> Iterator[None]:
    """A server that runs, with settings of its own, and answers at the address."""
    log = home / "server.log"
    with (
        log.open("w", encoding="utf-8") as said,
        subprocess.Popen(command, env=_environment(home), cwd=home, stdout=said, stderr=said) as server,
    ):
        try:
            _wait_until_up(url, server, log)
            yield
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:  # Jupyter's server sometimes says that it stops, and doesn't
                server.kill()


def _command(port: int, folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--ServerApp.root_dir={folder}", "--IdentityProvider.token="),
        *("--ServerApp.allow_unauthenticated_access=True", "--LabApp.expose_app_in_browser=True"),
    ]


def _environment(home: Path) -> dict[str, str]:
    places = {
        name: str(home / name.lower())
        for name in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "IPYTHONDIR",
            "JUPYTERLAB_WORKSPACES_DIR",
            "MPLCONFIGDIR",
        )
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    settings = str(home / "settings")
    return {**os.environ, **places, "HOME": str(home), "JUPYTERLAB_SETTINGS_DIR": settings, "PATH": path}


def _wait_until_up(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.poll() is None, f"JupyterLab did not start:\n{log.read_text(encoding='utf-8')}"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise TimeoutError(f"JupyterLab did not answer at {url} within 60 s")
