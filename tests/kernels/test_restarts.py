"""A kernel that is killed in the middle: cells run again, in this order or another, and the work goes on."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from itertools import permutations
from pathlib import Path
from random import Random

import pytest

from tests.kernels.conftest import Kernel, wait_until

SEED = 2026

HUB = """
import time
from pathlib import Path

import durablenb as df

hub = df.TaskHub("flows.duckdb")
"""

CELLS = {
    "factor": "FACTOR = 10",
    "crunch": """
@hub.activity
def crunch(given):
    with open("ran.txt", "a") as ran:
        ran.write(f"{given['id']}/{given['part']}\\n")
    while given["part"] == 2 and not Path(f"go-{given['id']}").exists():
        time.sleep(0.01)
    return given["part"] * FACTOR
""",
    "ship": """
@hub.activity
def ship(parts):
    return sum(parts)
""",
    "season": """
@hub.orchestrator
def season(context):
    parts = []
    for part in range(4):
        given = {"id": context.instance_id, "part": part}
        parts.append((yield context.call_activity(crunch, given)))
    try:
        return (yield context.call_activity(ship, parts))
    except Exception as error:
        return f"not shipped: {error}"
""",
}


OTHER = """
@hub.orchestrator
def other(context):
    return (yield context.call_activity(ship, [1, 2]))
"""


def ran(kernel: Kernel, instance_id: str) -> list[int]:
    """The parts that the activity began to crunch for this instance."""
    path = kernel.folder / "ran.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line.rpartition("/")[2]) for line in lines if line.startswith(f"{instance_id}/")]


def begin(kernel: Kernel, *instance_ids: str) -> None:
    """Runs all cells, and starts instances, each of which then waits in its third activity."""
    kernel.run(HUB)
    for cell in CELLS.values():
        kernel.run(cell)
    for instance_id in instance_ids:
        kernel.run(f"hub.start(season, instance_id={instance_id!r})")
        is_there = partial(_is_in_its_third_part, kernel, instance_id)
        wait_until(is_there, f"{instance_id} is in its third part")


def _is_in_its_third_part(kernel: Kernel, instance_id: str) -> bool:
    return ran(kernel, instance_id) == [0, 1, 2]


def test_cells_may_be_run_again_in_any_order(kernel: Kernel) -> None:
    orders = list(permutations(CELLS))
    tried = [list(CELLS), list(CELLS)[::-1], *Random(SEED).sample(orders, 3)]
    begin(kernel, *(f"s{number}" for number in range(len(tried))))
    for number, order in enumerate(tried):
        kernel.restart()
        kernel.run(HUB)
        (kernel.folder / f"go-s{number}").touch()
        for name in order:
            kernel.run(CELLS[name])
            kernel.run("time.sleep(0.05)")  # a mistake would show by now
        assert kernel.run(f"hub.handle('s{number}').result(timeout=30)") == "60", order
        assert Counter(ran(kernel, f"s{number}"))[0] == 1, order
        assert Counter(ran(kernel, f"s{number}"))[1] == 1, order


def test_it_says_which_cells_it_waits_for_and_goes_on_by_itself(kernel: Kernel) -> None:
    begin(kernel, "s")
    kernel.restart()
    (kernel.folder / "go-s").touch()
    kernel.run(HUB)
    kernel.run("handle = hub.handle('s')")
    for cell in ("crunch", "factor", "season", "ship"):
        missing = "FACTOR" if cell == "factor" else cell
        told = kernel.tried("handle.result(timeout=10)").error
        assert told.startswith("FunctionNotFoundError"), told
        named = told.partition("s (season) waits for ")[2].partition(": run the cell that defines it")[0]
        assert repr(missing) in named.split(", "), told
        assert "Nothing is lost meanwhile" in told
        shown = kernel.tried("handle").shown
        assert f"waits for the cell that defines {missing!r}" in shown["text/plain"]
        assert f"the cell that defines &#x27;{missing}&#x27;" in shown["text/html"]
        assert "mended" not in shown["text/plain"]
        kernel.run(CELLS[cell])
        if missing == "FACTOR":
            wait_until(lambda: ran(kernel, "s") == [0, 1, 2, 2], "the activity began anew by itself")
    wait_until(lambda: "Completed" in kernel.run("handle"), "it went on by itself")
    assert kernel.run("handle.result()") == "60"
    assert ran(kernel, "s") == [0, 1, 2, 2, 3]


def test_cells_that_are_never_run_hold_up_only_what_needs_them(kernel: Kernel) -> None:
    begin(kernel, "s")
    for _ in range(2):
        kernel.restart()
        (kernel.folder / "go-s").touch()
        kernel.run(HUB)
        kernel.run(CELLS["ship"])
        kernel.run(OTHER)
        assert kernel.run("hub.run(other)") == "3"
        assert kernel.run("str(hub.handle('s').status().runtime_status)") == "'Running'"
        kernel.run("hub.close()")
    kernel.restart()
    for cell in (HUB, *CELLS.values()):
        kernel.run(cell)
    assert kernel.run("hub.handle('s').result(timeout=30)") == "60"


def test_functions_may_be_defined_before_the_hub_is_opened(kernel: Kernel) -> None:
    begin(kernel, "s")
    kernel.restart()
    (kernel.folder / "go-s").touch()
    for cell in CELLS.values():
        kernel.run(cell.replace("@hub.activity\n", "").replace("@hub.orchestrator\n", ""))
    assert "name 'hub' is not defined" in kernel.tried(CELLS["season"]).error
    kernel.run(HUB)
    assert "waits for 'crunch'" in kernel.tried("hub.handle('s').result(timeout=10)").error
    kernel.run("hub.add_activity(crunch)\nhub.add_activity(ship)\nhub.add_orchestrator(season)")
    assert kernel.run("hub.handle('s').result(timeout=30)") == "60"


STARTED = """
wanted = ["a", "b", "c", "d"]
known = {status.instance_id for status in hub.instances()}
for one in wanted:
    if one not in known:
        hub.start(wide, instance_id=one)
print("it runs", flush=True)
[hub.handle(one).result() for one in wanted]
"""

COMPLETED = """hub.sql("select input ->> '$' from activities where status = 'Completed'").fetchall()"""

WIDE = """
@hub.activity
def slow(key):
    with open("ran.txt", "a") as ran:
        ran.write(key + "\\n")
    time.sleep(0.01)
    return key

@hub.orchestrator
def wide(context):
    mine = context.instance_id
    keys = []
    for step in range(5):
        calls = [context.call_activity(slow, f"{mine}/{step}.{part}") for part in range(8)]
        keys += yield context.task_all(calls)
    return keys
"""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", ["threads", "kernel"])
def test_killed_at_any_moment_it_repeats_nothing_that_was_done(kernel: Kernel, mode: str) -> None:
    dice = Random(f"{SEED} {mode}")
    opening = HUB.replace('"flows.duckdb"', f'"flows.duckdb", mode={mode!r}')
    kills, done = 0, Counter[str]()
    try:
        while True:
            kernel.run(opening)
            rows = kernel.run(COMPLETED)
            before = _begun(kernel.folder)
            assert all(before[key] == times for key, times in done.items()), "something was done again"
            done = Counter({key: before[key] for (key,) in eval(rows)})
            kernel.run(WIDE)
            asked = kernel.begin_and_print(STARTED)
            if kills == 4:
                break
            kills += 1
            time.sleep(dice.uniform(0, 0.2))
            kernel.restart()
        expected = [[f"{one}/{step}.{part}" for step in range(5) for part in range(8)] for one in "abcd"]
        assert eval(kernel.ended(asked).value) == expected
        after = _begun(kernel.folder)
        assert all(after[key] == times for key, times in done.items())
        assert set(after) == {key for keys in expected for key in keys}
    except BaseException as error:
        error.add_note(f"seed {SEED}, mode {mode}, after {kills} kills")
        raise


def _begun(folder: Path) -> Counter[str]:
    path = folder / "ran.txt"
    return Counter(path.read_text().split()) if path.exists() else Counter()
