"""After a restart, what needs a name whose cell has not run yet waits for that cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import __main__
import durablenb as df
from durablenb.core.undefined_names import undefined_name

NAMES = ("work", "plan", "FACTOR", "helper", "spare", "lock")


@pytest.fixture
def cell() -> Iterator[Callable[[str], dict[str, Any]]]:
    """Runs code as a cell of a notebook: in the module `__main__`."""
    names = vars(__main__)

    def run(code: str) -> dict[str, Any]:
        exec(code, names)
        return names

    yield run
    for name in NAMES:
        names.pop(name, None)


WORK = "def work(n):\n    return n * FACTOR\n"
PLAN = "def plan(context):\n    return (yield context.call_activity(work, context.get_input()))\n"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("def work(): return 1", None),
        ("def work(): return len([])", None),
        ("def work(): return FACTOR", "FACTOR"),
        ("def work(): return [FACTOR for one in range(2)]", "FACTOR"),
        ("def work(): return lambda: FACTOR", "FACTOR"),
        ("def helper(): return FACTOR\ndef work(): return helper()", "FACTOR"),
        ("def helper(): return work()\ndef work(): return helper()", None),
        ("def work():\n    global FACTOR\n    FACTOR = 1\n    return FACTOR", None),
        ("FACTOR = 1\ndef work(): return FACTOR", None),
        ("import functools\n@functools.cache\ndef work(): return FACTOR", "FACTOR"),
        ("import functools\ndef helper(n): return FACTOR\nwork = functools.partial(helper, 1)", "FACTOR"),
        ("work = print", None),
    ],
)
def test_it_knows_what_a_function_of_the_notebook_needs(cell, code: str, name: str | None) -> None:
    assert undefined_name(cell(code)["work"]) == name


def test_a_module_s_function_needs_no_cell() -> None:
    def broken() -> object:
        return not_to_be_found  # type: ignore[name-defined]  # noqa: F821

    assert undefined_name(broken) is None


def begun(path: Path, cell: Callable[[str], dict[str, Any]]) -> None:
    """A hub's file with an instance whose activity was asked for, and has not run."""
    with df.TaskHub(path, mode="kernel") as hub:
        hub.add_orchestrator(cell("def work(n): ...\n" + PLAN)["plan"])
        hub.add_activity(lambda n: n, "work")
        hub.start("plan", 6, instance_id="p")
        hub.step()
    for name in NAMES:
        vars(__main__).pop(name, None)


def test_in_the_kernel_s_own_thread_each_wait_names_the_next_cell(tmp_path: Path, cell) -> None:
    begun(tmp_path / "hub.duckdb", cell)
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel") as hub:
        handle = hub.handle("p")
        hub.add_orchestrator(cell(PLAN)["plan"])
        with pytest.raises(df.FunctionNotFoundError, match="waits for 'work'"):
            handle.result()
        hub.add_activity(cell(WORK)["work"])
        with pytest.raises(df.FunctionNotFoundError, match="waits for 'FACTOR': run the cell"):
            handle.result()
        cell("FACTOR = 7")
        assert handle.result() == 42
        assert [type(event).__name__ for event in handle.history()].count("TaskFailed") == 0


def test_other_code_may_need_other_names(tmp_path: Path, cell) -> None:
    begun(tmp_path / "hub.duckdb", cell)
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel") as hub:
        handle = hub.handle("p")
        hub.add_activity(cell(WORK)["work"])
        with pytest.raises(df.FunctionNotFoundError, match="waits for 'FACTOR'"):
            handle.result()
        hub.add_activity(cell("def work(n):\n    return n\n")["work"])
        hub.add_orchestrator(cell("def plan(context):\n    return spare\n")["plan"])
        with pytest.raises(df.FunctionNotFoundError, match="waits for 'spare'"):
            handle.result()
        hub.add_orchestrator(cell(PLAN)["plan"])
        assert handle.result() == 6


def test_code_that_is_new_fails_at_once_as_python_does(cell) -> None:
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_orchestrator(cell(PLAN)["plan"])
        with pytest.raises(NameError, match="work"):
            hub.run("plan", 1)


GROWING = "def plan(context):\n    n = yield context.call_activity('load')\n    yield ...\n"
GROWN = (
    "def plan(context):\n"
    "    n = yield context.call_activity('load')\n"
    "    return (yield context.call_activity(work, n))\n"
)


@pytest.fixture(params=["kernel", "threads"])
def growing(request, cell) -> Iterator[tuple[df.TaskHub, df.Handle]]:
    """An orchestration that has come to its dots, in the kernel in which it was started."""
    with df.TaskHub(":memory:", mode=request.param) as hub:
        hub.add_activity(lambda: 6, "load")
        hub.add_orchestrator(cell(GROWING)["plan"])
        handle = hub.start("plan", instance_id="p")
        with pytest.raises(df.WaitTimeoutError, match="more code"):
            handle.result(20)
        yield hub, handle


def test_code_that_grew_waits_for_the_cell_of_an_activity_that_it_names(growing, cell) -> None:
    hub, handle = growing
    hub.add_orchestrator(cell(GROWN)["plan"])
    with pytest.raises(df.FunctionNotFoundError, match="waits for 'work': run the cell that defines it"):
        handle.result(20)
    hub.add_activity(cell(WORK)["work"])
    with pytest.raises(df.FunctionNotFoundError, match="waits for 'FACTOR'"):
        handle.result(20)
    cell("FACTOR = 7")
    assert handle.result(20) == 42


def test_code_that_grew_waits_for_an_activity_that_it_calls_by_name(growing, cell) -> None:
    hub, handle = growing
    hub.add_orchestrator(cell(GROWN.replace("(work, n)", "('work', n)"))["plan"])
    with pytest.raises(df.FunctionNotFoundError, match="waits for 'work'"):
        handle.result(20)
    hub.add_activity(lambda n: 2 * n, "work")
    assert handle.result(20) == 12


def test_code_that_grew_waits_for_a_sub_orchestrator_and_for_a_plain_function(growing, cell) -> None:
    hub, handle = growing
    hub.add_orchestrator(
        cell(
            "def plan(context):\n"
            "    n = yield context.call_activity('load')\n"
            "    return helper((yield context.call_sub_orchestrator('spare', n)))\n"
        )["plan"]
    )
    with pytest.raises(df.FunctionNotFoundError, match="waits for 'helper'"):
        handle.result(20)
    cell("def helper(n): return n + 1")
    with pytest.raises(df.FunctionNotFoundError, match="waits for 'spare'"):
        handle.result(20)
    hub.add_orchestrator(lambda context: 10 * context.get_input(), "spare")
    assert handle.result(20) == 61


def test_a_misspelt_name_in_code_that_grew_is_mended_in_the_cell(growing, cell) -> None:
    hub, handle = growing
    hub.add_activity(lambda n: 2 * n, "work")
    cell("def work(n): return 2 * n")
    hub.add_orchestrator(cell(GROWN.replace("(work, n)", "(wrok, n)"))["plan"])
    with pytest.raises(df.FunctionNotFoundError, match="waits for 'wrok'"):
        handle.result(20)
    hub.add_orchestrator(cell(GROWN)["plan"])
    assert handle.result(20) == 12
    assert handle.status().runtime_status == "Completed"
