"""Real kernels: processes that execute cells, are interrupted, restarted and killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.kernel_sockets import kernel_config

SECONDS = 60
"""The longest that a cell of these tests may take."""


@dataclass
class Ran:
    """The outputs of a cell."""

    printed: str = ""
    shown: dict[str, str] = field(default_factory=dict)
    error: str = ""
    account: str = ""

    @property
    def value(self) -> str:
        """The text of its last expression."""
        return self.shown.get("text/plain", "")


class Kernel:
    """A kernel in a process of its own.

    Parameters
    ----------
    folder
        Where it works, and where what it keeps for itself goes, too.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.displayed: list[tuple[str, dict[str, Any]]] = []
        """The kinds and the data of all messages that display something, whichever cell they are for."""
        self._manager = KernelManager(kernel_name="python3", config=kernel_config())
        self._manager.start_kernel(cwd=str(folder))
        self._client: BlockingKernelClient = self._connected()

    def _connected(self) -> BlockingKernelClient:
        client: BlockingKernelClient = self._manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=SECONDS)
        return client

    def run(self, code: str) -> str:
        """Executes a cell that has to come to its end; returns the text of its last value, or its output."""
        ran = self.tried(code)
        assert not ran.error, f"{ran.error}\n{ran.account}\n{ran.printed}"
        return ran.value or ran.printed

    def tried(self, code: str) -> Ran:
        """Executes a cell, whatever becomes of it."""
        return self.ended(self.begin(code))

    def begin(self, code: str) -> str:
        """Begins to execute a cell."""
        asked: str = self._client.execute(code, store_history=True)
        return asked

    def begin_and_print(self, code: str) -> str:
        """Begins to execute a cell; returns when it has printed something, so that its code runs."""
        asked = self.begin(code)
        while True:
            message = self._client.get_iopub_msg(timeout=SECONDS)
            if _answers(message, asked):
                kind = message["header"]["msg_type"]
                assert kind != "error", message["content"]
                if kind == "stream":
                    return asked

    def stop(self, asked: str) -> Ran:
        """Presses the stop button, and waits for the end of the cell.

        Python loses an interrupt that comes in a finalizer or a callback of a weak reference, and says so in
        the cell. Then the button is pressed again, as a user would: when nothing has happened for a second,
        since Python also loses an interrupt that comes while it prints that message.
        """
        ran = Ran()
        self.interrupt()
        while True:
            is_lost = "Exception ignored in" in ran.printed and "KeyboardInterrupt" in ran.printed
            try:
                if self._takes_end(ran, asked, 1 if is_lost else SECONDS):
                    return ran
            except Empty:
                if not is_lost:
                    raise
                self.interrupt()

    def ended(self, asked: str) -> Ran:
        """Waits for the end of a cell that was begun."""
        ran = Ran()
        while not self._takes_end(ran, asked, SECONDS):
            pass
        return ran

    def _takes_end(self, ran: Ran, asked: str, seconds: float) -> bool:
        """Takes the next message of the kernel, at most so late; returns whether the cell has ended."""
        message = self._client.get_iopub_msg(timeout=seconds)
        kind, content = message["header"]["msg_type"], message["content"]
        if kind in ("display_data", "update_display_data", "clear_output"):
            self.displayed.append((kind, content.get("data", {})))
        if not _answers(message, asked):
            return False
        if kind == "stream":
            ran.printed += content["text"]
        elif kind in ("execute_result", "display_data"):
            ran.shown = content["data"]
        elif kind == "error":
            ran.error = f"{content['ename']}: {content['evalue']}"
            ran.account = "\n".join(content["traceback"])
        return bool(kind == "status" and content["execution_state"] == "idle")

    def interrupt(self) -> None:
        """Presses the stop button."""
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """Kills the kernel, without a goodbye, and starts another one."""
        self._client.stop_channels()
        self._manager.restart_kernel(now=True)
        self._client = self._connected()

    def shut_down(self, *, is_killed: bool = False) -> None:
        """Lets the kernel end, or kills it; twice does nothing."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=is_killed)


def _answers(message: dict[str, Any], asked: str) -> bool:
    return bool(message["parent_header"].get("msg_id") == asked)


CLEAN = """
from durablenb.hub.open_hubs import all_open
for hub in all_open():
    hub.close()
%reset -f
"""


@pytest.fixture(scope="module", autouse=True)
def _quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Kernels have settings and histories of their own."""
    folder = tmp_path_factory.mktemp("settings")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR"):
            patch.setenv(name, str(folder / name.lower()))
        yield


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    yield kernel
    kernel.shut_down(is_killed=True)


@pytest.fixture
def kernel(_shared: Kernel) -> Iterator[Kernel]:
    """A kernel without open hubs and names, in an empty folder; other tests of the module have it as well."""
    yield _shared
    try:
        _shared.run(CLEAN)
    except Exception:  # the test has left it busy
        _shared.restart()
    for path in _shared.folder.iterdir():
        path.unlink()
    _shared.displayed.clear()


@pytest.fixture
def new_kernel(tmp_path: Path) -> Iterator[Callable[[], Kernel]]:
    """Makes kernels that work in the test's folder, and ends them."""
    made: list[Kernel] = []

    def make() -> Kernel:
        made.append(Kernel(tmp_path))
        return made[-1]

    yield make
    for kernel in made:
        kernel.shut_down(is_killed=True)


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Waits for something that another process does."""
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end, f"it did not happen: {what}"
        time.sleep(0.01)
