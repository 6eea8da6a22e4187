"""Replays of an orchestration that grows: ``yield ...`` is an await, too."""

from __future__ import annotations

import durablenb as df


def grown(*versions):
    """An orchestration that was registered again and again, and did each time what it could."""
    hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    hub.add_activity(lambda n: n + 1, name="count")
    hub.add_orchestrator(versions[0], "growing")
    handle = hub.start("growing", instance_id="g")
    for version in versions:
        hub.add_orchestrator(version, "growing")
        while hub.step():
            pass
    return handle


def short(context):
    first = yield context.call_activity("count", 1)
    yield ...
    return first


def longer(context):
    first = yield context.call_activity("count", 1)
    second = yield context.call_activity("count", first)
    yield ...
    return second


def whole(context):
    first = yield context.call_activity("count", 1)
    second = yield context.call_activity("count", first)
    return second


def test_at_the_dots_it_waits_to_be_registered_with_more() -> None:
    replay = grown(short).replay()
    assert [step.verdict for step in replay.steps()] == ["answered", "waits"]
    last = replay.steps()[-1]
    assert last.line is not None
    assert replay.source is not None
    assert replay.source.lines[last.line].strip() == "yield ..."
    assert last.sentence == "The code ends here for now: it waits to be registered with more."
    assert last.names == {"first": "2"}


def test_code_that_was_grown_went_through_all_that_is_recorded() -> None:
    replay = grown(short, longer, whole).replay()
    assert replay.fits
    assert [[step.verdict for step in replay.steps(number)] for number in range(1, len(replay) + 1)] == [
        ["waits"],
        ["answered"],  # here it came to the dots, which are gone
        ["answered", "waits"],
        ["answered", "answered"],
        ["answered", "answered", "returned"],
    ]


def test_what_grown_code_would_ask_for_is_said_before_it_is_registered() -> None:
    handle = grown(short)
    before = len(handle.history())
    replay = handle.replay(longer)
    last = replay.steps()[-1]
    assert replay.fits
    assert last.sentence.startswith("New in the history: TaskScheduled 'count' #1 (event ")
    assert last.written == (before + 2,)
    assert len(handle.history()) == before
