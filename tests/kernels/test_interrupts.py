"""The stop button of a real kernel, at any moment: the next cell works, and nothing is lost or repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import pytest

from tests.kernels.conftest import Kernel

SEED = 2026
TIMES = 30
"""`python -m tests.campaign interrupts` repeats the test."""

LONGEST = 0.12
"""Seconds after which a cell is interrupted, at the most: it has opened its hub by then, and uses it."""

STOPPED = ("KeyboardInterrupt", "RuntimeError: Query interrupted")
"""What a cell ends with; the second is what DuckDB says of a query of the user's own."""

SETUP = """
from itertools import count
from time import sleep

import durablenb as df

numbers = count()
started, raised, results = set(), set(), {}  # what calls of the hub have returned
ended = set()  # keys of activities whose completion is on disk
again = []  # those of them that were run once more


def work(key):
    if key in ended:
        again.append(key)
    sleep(0.002)
    return key


def child(context):
    return (yield context.call_activity("work", f"{context.instance_id}/only"))


def parent(context):
    mine = context.instance_id
    yield context.call_activity("work", f"{mine}/first")
    yield context.call_sub_orchestrator("child", None, f"{mine}.child")
    yield context.task_all([context.call_activity("work", f"{mine}/{part}") for part in range(3)])
    return (yield context.wait_for_external_event("go on"))


def opened():
    hub = df.TaskHub("hub.duckdb", mode=MODE)
    hub.add_activity(work)
    hub.add_orchestrator(child)
    hub.add_orchestrator(parent)
    return hub
"""

INTERRUPTED = """
print("it runs", flush=True)
hub = opened()
while True:
    for name in (f"order-{next(numbers)}" for _ in range(4)):
        handle = hub.start("parent", instance_id=name)
        started.add(name)
        handle.raise_event("go on", name)
        raised.add(name)
        results[name] = handle.result()
        ended |= {f"{name}/{part}" for part in ("first", 0, 1, 2)} | {f"{name}.child/only"}
        assert len(hub.instances("Completed", top=5)) > 0
        assert hub.sql("select count(*) from history").fetchall()[0][0] > 20
    hub.close()
    hub = opened()
"""

NEXT = """
hub = opened()
hub.run("child", instance_id=f"after-{next(numbers)}.child")  # a start that was interrupted is on disk now
for status in hub.instances(["Pending", "Running"], name="parent"):
    handle = hub.handle(status.instance_id)
    came = [event for event in handle.history() if type(event).__name__ == "EventRaised"]
    assert len(came) <= 1, handle.history()
    if not came:
        assert handle.id not in raised, f"the event of {handle.id} is lost"
        handle.raise_event("go on", handle.id)
    assert handle.result(timeout=20) == handle.id
"""

CHECK = """
outputs = {status.instance_id: status.output for status in hub.instances(name="parent")}
assert started <= set(outputs), f"lost: {started - set(outputs)}"
assert results.items() <= outputs.items()
assert all(output == name for name, output in outputs.items())
per_instance = hub.sql(
    "select instance_id, count(*) filter (event_type = 'TaskCompleted'), count(distinct event_id), count(*) "
    "from history group by 1"
).fetchall()
for name, tasks, places, events in per_instance:
    assert tasks == (1 if name.endswith("child") else 4), (name, tasks)
    assert places == events, name
rows = hub.sql("select result ->> '$' from activities where status = 'Completed'").fetchall()
ended.update(key for (key,) in rows)
assert not again, again
"""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", ["threads", "kernel"])
def test_the_stop_button_at_any_moment_loses_nothing(new_kernel: Callable[[], Kernel], mode: str) -> None:
    kernel = new_kernel()
    dice = Random(f"{SEED} {mode}")
    kernel.run("%xmode Minimal")  # a traceback in colours takes longer than all else here
    kernel.run(f"MODE = {mode!r}{SETUP}")
    for number in range(TIMES):
        seconds = dice.uniform(0, LONGEST)
        try:
            asked = kernel.begin_and_print(INTERRUPTED)
            time.sleep(seconds)
            assert kernel.stop(asked).error.startswith(STOPPED)
            kernel.run(NEXT)
            kernel.run(CHECK)
        except BaseException as error:
            error.add_note(f"seed {SEED}, mode {mode}: interrupt {number} came after {seconds * 1000:.1f} ms")
            raise
