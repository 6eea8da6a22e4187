"""In a real kernel: what a check finds stands under the cell that registers the orchestrator."""

from __future__ import annotations

import pytest

from tests.kernels.conftest import Kernel

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::RuntimeWarning")

REGISTER = """
from datetime import datetime

import durablenb as df

hub = df.TaskHub("hub.duckdb")


@hub.orchestrator
def evening(context):
    print("registered cells run all the same")
    return datetime.now().hour >= 0
"""

TOLD = """\
A check found 1 problem in evening; durablenb.check(evening) has the details.
  line 11: DNB101 datetime.datetime.now() is called. Use context.current_utc_datetime instead.
"""


def test_a_warning_stands_under_the_cell_once_and_nothing_is_in_the_way(kernel: Kernel) -> None:
    assert kernel.tried(REGISTER).printed == TOLD
    assert kernel.tried(REGISTER).printed == ""
    assert kernel.run("hub.run(evening)") == "True"
    shown = kernel.tried("df.check(evening)")
    assert "DNB101" in shown.value
    assert "return datetime.now().hour &gt;= 0" in shown.shown["text/html"]
    assert kernel.run("df.check(evening)[0].path, hub.close()") == "('evening', None)"


def test_a_helper_of_a_later_cell_is_seen_when_the_orchestrator_first_runs(kernel: Kernel) -> None:
    assert kernel.tried(REGISTER.replace("datetime.now().hour >= 0", "stamp()")).printed == ""
    kernel.run("def stamp():\n    return str(datetime.now())")
    assert (
        "In stamp(), line 2: datetime.datetime.now() is called."
        in kernel.tried("_ = hub.run(evening)").printed
    )
    kernel.run("hub.close()")


def test_what_only_a_run_shows_stands_under_the_cell_that_waits_for_it_once(kernel: Kernel) -> None:
    hidden = REGISTER.replace(
        "datetime.now().hour", 'vars(datetime)["utcnow"].__get__(None, datetime)().hour'
    )
    assert kernel.tried(hidden).printed == ""
    told = """\
A run found 1 problem in evening.
  line 11: DNB101 datetime.datetime.utcnow() is called. Use context.current_utc_datetime instead.
"""
    assert kernel.tried("handle = hub.start(evening)\n_ = handle.result()").printed == told
    assert kernel.tried(hidden).printed == ""
    assert kernel.tried("_ = hub.run(evening)").printed == ""
    assert "line 11: DNB101" in kernel.run("str(handle.logs(level='WARNING'))")
    kernel.run("hub.close()")
