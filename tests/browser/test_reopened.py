"""The pictures outlive a reload of the page and the death of their kernel."""

from __future__ import annotations

import os
import signal

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import (
    UNANSWERED,
    Lab,
    dismiss_the_dialog,
    expect_run,
    run_all,
    wait_for_kernel,
)
from tests.browser.test_pictures import CELLS, FAILING, HTML, SHOWN, check_pictures, drawn

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PID = 'import os\nfrom pathlib import Path\nPath("shown.pid").write_text(str(os.getpid()));'
ERROR = ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']"


def check_account(page: Page) -> None:
    """The account of the error is there, and readable on its background."""
    account = page.locator(ERROR).filter(has_text="part 13 is empty")  # not the log of a failed signal
    expect(account).to_have_count(1)
    expect(account).to_contain_text("ValueError (also a TaskFailedError): part 13 is empty")
    expect(account).to_contain_text("of cell In[")
    box = account.bounding_box()
    assert box is not None
    assert box["height"] > 100


def check_all(page: Page) -> None:
    expect(page.locator(HTML)).to_have_count(SHOWN, timeout=30_000)  # cells are drawn one after another
    check_pictures(drawn(page, HTML))
    check_account(page)


def test_they_stay_when_the_page_is_loaded_anew_and_when_the_kernel_is_killed(lab: Lab) -> None:
    lab.write("shown.ipynb", [*CELLS, PID])
    written = nbformat.read(lab.folder / "shown.ipynb", 4)
    written.cells[FAILING].metadata["tags"] = ["raises-exception"]
    nbformat.write(written, lab.folder / "shown.ipynb")
    with lab.opened("shown.ipynb", is_fresh=True) as (page, trouble):
        run_all(page)
        expect_run(page, len(CELLS) + 1)
        page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        page.reload(wait_until="domcontentloaded")  # its kernel is alive
        page.wait_for_selector(".jp-NotebookPanel")
        wait_for_kernel(page)
        check_all(page)
        assert trouble == []
        os.kill(int((lab.folder / "shown.pid").read_text()), signal.SIGKILL)
        dismiss_the_dialog(page)
        check_all(page)
        assert [one for one in trouble if "kernel" not in one.lower() and UNANSWERED not in one] == []
