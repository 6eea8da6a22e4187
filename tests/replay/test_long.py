"""The explorer over thousands of awaits: what it costs, measured against the plain replay in the same run."""

from __future__ import annotations

import time
from statistics import median

import pytest

import durablenb as df
from durablenb.core.execution import Execution
from durablenb.core.registry import target_name

AWAITS = 4_000
OPENING = 9.0
"""How many plain replays the opening may take; reading the journal is in it."""
STEP = 0.25
"""How many plain replays a step may take."""


@pytest.fixture(scope="module")
def long():
    hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock(), durability="pipelined")
    hub.add_activity(lambda n: n + 1, name="count")

    @hub.orchestrator
    def chain(context):
        total = 0
        for _ in range(AWAITS):
            total = yield context.call_activity("count", total)
        return total

    handle = hub.start(chain, instance_id="long")
    handle.result()
    return hub, handle


def spent(act):
    """Seconds of this process that something takes, the better of two."""
    times = []
    for _ in range(2):
        begin = time.process_time()
        act()
        times.append(time.process_time() - begin)
    return min(times)


def plain_replay(hub):
    events = hub._store.load(["long"])["long"]

    def act():
        execution = Execution(hub._registry.orchestrators["chain"], "long", "e", hub._codec, target_name)
        execution.replay(events)
        execution.unload()

    return spent(act)


@pytest.mark.timeout(300)
def test_it_opens_in_the_time_of_a_few_plain_replays_and_steps_in_a_part_of_one(long):
    hub, handle = long
    plain = plain_replay(hub)
    opening = spent(lambda: handle.explore().close())
    view = handle.explore()
    assert (view.step.replay, view.step.number) == (AWAITS + 1, AWAITS + 1)
    steps = []
    for way in ("previous", "back", "previous", "first", "on", "next", "last") * 3:
        begin = time.process_time()
        view._on_message(view, {"do": "go", "id": way}, [])
        steps.append(time.process_time() - begin)
    figures = f"plain {plain:.3f} s, opening {opening:.3f} s, a step {median(steps):.4f} s"
    print(figures)
    assert opening < OPENING * plain, figures
    assert median(steps) < STEP * plain, figures
    assert sum(len(getattr(view, region)) for region in view.REGIONS) < 60_000
    view.close()
