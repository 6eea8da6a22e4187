"""In a real kernel: what an activity prints is in its instance's log, and in no cell's output."""

from __future__ import annotations

import pytest

from tests.kernels.conftest import Kernel

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::RuntimeWarning")

SETUP = """
import logging, sys, threading, warnings

import durablenb as df

logging.basicConfig(level=logging.INFO)
before = sys.stdout, sys.stderr
hub = df.TaskHub("hub.duckdb")
go_on, has_said = threading.Event(), threading.Event()


@hub.activity
def talk(word):
    print("first", word)
    go_on.wait(60)
    print("second", word)
    print("third", word, file=sys.stderr, flush=True)
    print("fourth", end="")
    logging.getLogger("mine").warning("fifth")
    warnings.warn("sixth")
    has_said.set()


@hub.orchestrator
def main(context):
    print("zeroth")
    context.logger.info("zeroth, too")
    yield context.call_activity(talk, context.get_input())


handle = hub.start(main, "word")
"""


def test_an_activity_of_one_cell_prints_while_another_one_runs(kernel: Kernel) -> None:
    assert kernel.tried(SETUP).printed == ""
    during = kernel.tried("print('mine')\ngo_on.set()\nassert has_said.wait(60)\nprint('mine, too')")
    assert (during.printed, during.error) == ("mine\nmine, too\n", "")
    assert kernel.run("handle.result()") == ""
    shown = kernel.run("print(handle.logs())").splitlines()
    assert [line.split("  ", 1)[1].strip() for line in shown[:6]] == [
        "zeroth",
        "INFO: zeroth, too",
        "first word",
        "second word",
        "third word",
        "WARNING: fifth",
    ]
    assert "UserWarning: sixth" in shown[6]
    assert shown[-1].endswith("fourth")
    assert kernel.run("(sys.stdout, sys.stderr) == before") == "True"
    assert kernel.run("hub.close()\ntype(sys.stdout).__mro__[1].__name__") == "'TextIOBase'"


def test_a_cell_that_captures_its_output_captures_no_activitys_which_its_log_shows(kernel: Kernel) -> None:
    kernel.run(SETUP)
    kernel.run("go_on.set()\nhandle.result()")
    kernel.run("%%capture captured\nprint('mine')\nlater = hub.start(main, 'captured')\nlater.result()")
    assert kernel.run("print(captured.stdout, end='')") == "mine\n"
    assert kernel.run("[line.message for line in later.logs(name='talk')][0]") == "'first captured'"
    shown = kernel.tried("handle.logs(name='talk')").shown
    assert set(shown) == {"text/html", "text/plain"}
    assert shown["text/plain"].splitlines()[0].startswith("<Log of ")
    assert "<td" in shown["text/html"]


def test_in_mode_kernel_the_cell_shows_it_as_well(kernel: Kernel) -> None:
    kernel.run(SETUP.replace('"hub.duckdb"', '":memory:", mode="kernel"'))
    ran = kernel.tried("go_on.set()\nhandle.result()")
    for word in ("zeroth\n", "first word\n", "second word\n", "third word\n", "fourth", "WARNING:mine:fifth"):
        assert ran.printed.count(word) == 1
    assert kernel.run("len(handle.logs())") == "8"
