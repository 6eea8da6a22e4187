"""A picture that is kept up event by event is the picture that is made of the whole history."""

from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from durablenb.analysis.snapshot import SnapshotBuilder, instance_snapshot
from durablenb.model.status import DurableOrchestrationStatus
from tests.notebook import scenes
from tests.properties.drivers import ByHand
from tests.properties.programs import programs

STATUS = DurableOrchestrationStatus("program", "one")


def told(picture):
    """The visible parts of a picture; bars of open calls end at `now`."""
    calls = [
        (call.number, call.name, call.state, len(call.attempts), len(call.pauses)) for call in picture.calls
    ]
    flow = picture.flow
    steps = [(step.number, step.name, step.stage, dict(step.states)) for step in flow.steps]
    drawn = (flow.name, flow.edges, flow.joins, flow.loops, flow.stages, flow.end)
    return calls, steps, drawn, picture.waits, picture.executions, picture.episodes, picture.now


def followed(events, cuts, now):
    following = SnapshotBuilder()
    place = 0
    for cut in [*sorted(cuts), len(events)]:
        following.read(events[place:cut])
        place = max(place, cut)
        picture = following.snapshot(STATUS, None, now, lambda entity_ids: {})
    return picture


@settings(max_examples=30)
@given(steps=programs, seed=st.integers(0, 2**32), stop=st.floats(0, 1), cuts=st.lists(st.integers(0, 60)))
@example(
    steps=[["any", [["wait", "A"], ["timer", 0]]], ["retry", 1]], seed=0, stop=0.5, cuts=[]
)  # a left wait
def test_in_whatever_pieces_a_history_comes_the_picture_is_the_same(steps, seed, stop, cuts):
    events = ByHand(steps, Random(seed)).run().history
    events = events[: 1 + int(stop * len(events))]
    now = events[-1].timestamp
    cuts = [min(cut, len(events)) for cut in cuts]
    assert told(followed(events, cuts, now)) == told(instance_snapshot(STATUS, events, None, now))


@pytest.mark.parametrize("name", scenes.SCENES)
def test_each_scene_is_the_same_event_by_event(name):
    made = scenes.stage()
    events = list(scenes.SCENES[name](made).history())
    made.hub.close()
    now = events[-1].timestamp
    cuts = range(0, len(events), 1 + len(events) // 100)
    assert told(followed(events, cuts, now)) == told(instance_snapshot(STATUS, events, None, now))
