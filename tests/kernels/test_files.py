"""One file, several holders: cells run again, modules edited, a second kernel, the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.kernels.conftest import Kernel

HUB = """
import os

import durablenb as df

hub = df.TaskHub("flows.duckdb")
"""

WAITS = """
@hub.activity
def double(n):
    return 2 * n

@hub.orchestrator
def waits(context):
    doubled = yield context.call_activity(double, context.get_input())
    return doubled + (yield context.wait_for_external_event("go on"))
"""


def test_the_cell_that_opens_the_hub_gives_the_same_one_each_time(kernel: Kernel) -> None:
    kernel.run(HUB)
    kernel.run(WAITS)
    kernel.run("handle, first = hub.start(waits, 5, instance_id='w'), hub")
    kernel.run(HUB)
    assert kernel.run("hub is first") == "True"
    kernel.run("del hub, first")
    kernel.run(HUB)
    kernel.run("hub.handle('w').raise_event('go on', 1)")
    assert kernel.run("handle.result(timeout=10)") == "11"
    assert kernel.run("hub.handle('w').raise_event") != ""


def test_other_options_for_the_open_file_are_refused_and_harm_nothing(kernel: Kernel) -> None:
    kernel.run(HUB)
    kernel.run(WAITS)
    kernel.run("handle = hub.start(waits, 5)")
    refused = kernel.tried('hub = df.TaskHub("flows.duckdb", durability="pipelined")')
    assert "durability='strict', not 'pipelined'" in refused.error
    assert "hub.close()" in refused.error
    assert len(refused.account.splitlines()) < 15
    kernel.run("handle.raise_event('go on', 1)")
    assert kernel.run("handle.result(timeout=10)") == "11"
    kernel.run("hub.close()")
    kernel.run('hub = df.TaskHub("flows.duckdb", durability="pipelined")')
    assert kernel.run("hub.handle(handle.id).result()") == "11"


MODULE = """
def fetch(n):
    return n + {step}


def plan(context):
    got = yield context.call_activity(fetch, context.get_input())
    got += yield context.wait_for_external_event("go on")
    return {answer}
"""


def test_a_module_that_is_edited_between_cells_is_followed_by_autoreload(
    new_kernel: Callable[[], Kernel],
) -> None:
    kernel = new_kernel()
    module = kernel.folder / "flows.py"
    module.write_text(MODULE.format(step=1, answer="got"))
    kernel.run("%load_ext autoreload\n%autoreload 2")
    kernel.run(HUB)
    kernel.run("import flows\nhub.add_activity(flows.fetch)\nhub.add_orchestrator(flows.plan)")
    kernel.run("first = hub.start(flows.plan, 0, instance_id='first')")
    kernel.run("while len(first.history()) < 5: pass")

    edited = MODULE.format(step=10, answer='f"now {got}"')
    module.write_text(edited)
    kernel.run("second = hub.start(flows.plan, 0, instance_id='second')")
    kernel.run("[one.raise_event('go on', 100) for one in (first, second)]")
    assert kernel.run("first.result(timeout=10)") == "101"  # it keeps the code that it has in memory
    assert kernel.run("second.result(timeout=10)") == "'now 110'"


def test_a_module_s_edit_that_breaks_a_history_is_held_until_it_is_mended(
    new_kernel: Callable[[], Kernel],
) -> None:
    kernel = new_kernel()
    module = kernel.folder / "flows.py"
    register = "import flows\nhub.add_activity(flows.fetch)\nhub.add_orchestrator(flows.plan)"
    good = MODULE.format(step=1, answer="got")
    module.write_text(good)
    kernel.run(HUB)
    kernel.run(register)
    kernel.run("hub.start(flows.plan, 0, instance_id='one')")
    kernel.run("while len(hub.handle('one').history()) < 5: pass")
    kernel.restart()

    module.write_text(good.replace("context.call_activity(fetch", 'context.call_activity("fetched"'))
    kernel.run("%load_ext autoreload\n%autoreload 2")
    kernel.run(HUB)
    kernel.run(register)
    kernel.run("handle = hub.handle('one')\nhandle.raise_event('go on', 100)")
    told = kernel.tried("handle.result(timeout=10)")
    assert told.error.startswith("NonDeterminismError")
    assert "fetched" in told.account
    module.write_text(good + "\n# mended\n")
    kernel.run(register)
    assert kernel.run("handle.result(timeout=10)") == "101"


@pytest.mark.parametrize("end", ["shut down", "killed"])
def test_a_second_kernel_is_told_who_has_the_file_and_can_have_it_afterwards(
    new_kernel: Callable[[], Kernel], end: str
) -> None:
    first, second = new_kernel(), new_kernel()
    first.run(HUB)
    first.run(WAITS)
    first.run("hub.start(waits, 5, instance_id='w')")
    pid = first.run("os.getpid()")
    refused = second.tried(HUB)
    assert refused.error.startswith("HubLockedError")
    assert f"process {pid}" in refused.error
    assert "flows.duckdb" in refused.error
    assert "hub.close()" in refused.error
    assert "shut that kernel down" in refused.error
    assert len(refused.account.splitlines()) < 20
    assert first.run("hub.handle('w').status().instance_id") == "'w'"  # it was not disturbed
    first.shut_down(is_killed=end == "killed")
    second.run(HUB)
    second.run(WAITS)
    second.run("hub.handle('w').raise_event('go on', 1)")
    assert second.run("hub.handle('w').result(timeout=10)") == "11"


def test_a_kernel_s_hub_is_read_by_the_command_line_once_it_is_let_go(
    new_kernel: Callable[[], Kernel],
) -> None:
    kernel = new_kernel()

    def durablenb(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "durablenb", *words]
        return subprocess.run(command, cwd=kernel.folder, capture_output=True, text=True, timeout=60)

    kernel.run(HUB)
    kernel.run(WAITS)
    kernel.run("hub.start(waits, 5, instance_id='w').raise_event('go on', 1)")
    kernel.run("hub.handle('w').result()")
    pid = kernel.run("os.getpid()")
    refused = durablenb("ls", "flows.duckdb")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert pid in refused.stderr
    assert "Traceback" not in refused.stderr
    kernel.shut_down(is_killed=True)
    (listed,) = json.loads(durablenb("ls", "flows.duckdb", "--json").stdout)
    assert (listed["instance_id"], listed["status"]) == ("w", "Completed")
    shown = json.loads(durablenb("show", "flows.duckdb", "w", "--json").stdout)
    assert shown["history"][-1]["event_type"] == "ExecutionCompleted"
