"""Row 16: is_replaying, the orchestration's clock and its ids."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

import durablenb as df
from tests.traps.corpus import after
from tests.traps.lab import kinds


def test_row_16_what_is_said_when_not_replaying_is_said_once_also_after_a_restart(disk):
    said = []
    disk.activity(lambda value: value, "echo")

    def talks(context):
        for number in range(3):
            if not context.is_replaying:
                said.append(number)
            yield context.call_activity("echo", number)
        yield context.wait_for_external_event("go")
        if not context.is_replaying:
            said.append("end")

    disk.begin(talks, instance_id="t")  # every episode is replayed and compared, too
    handle = disk.restart("t")
    handle.raise_event("go")
    handle.result()
    assert said == [0, 1, 2, "end"]


def test_row_16_what_arrived_before_a_crash_and_was_not_looked_at_is_the_present(unverified):
    """The batch mixes what was recorded long ago with what the orchestrator has not seen."""
    seen = []

    def two(context):
        for name in "ab":
            yield context.wait_for_external_event(name)
            seen.append((name, context.is_replaying))

    handle = unverified.start(two, instance_id="t")
    handle.raise_event("a")
    unverified.settle()
    handle.suspend()
    handle.raise_event("b")
    unverified.restart("t").resume()
    unverified.settle()
    assert seen == [("a", False), ("a", True), ("b", False)]


def test_row_16_several_arrivals_are_one_episode_at_one_time(lab):
    times = []

    def three(context):
        for _ in range(3):
            yield context.wait_for_external_event("tick")
            times.append(context.current_utc_datetime)

    handle = lab.begin(three)
    handle.suspend()
    for _ in range(3):
        handle.raise_event("tick")
        lab.clock.advance(minutes=1)
    handle.resume()
    handle.result(10)
    assert len(set(times)) == 1


def test_row_16_the_time_stands_still_within_an_episode_and_is_the_same_in_a_replay(disk):
    disk.activity(lambda: None, "tick")

    def notes(context):
        times = []
        for _ in range(3):
            before = context.current_utc_datetime
            disk.clock.advance(seconds=1)  # while the orchestrator's code runs
            assert context.current_utc_datetime == before
            times.append(before.isoformat())
            yield context.call_activity("tick")
        yield context.wait_for_external_event("go")
        return times

    disk.begin(notes, instance_id="n")
    began = [
        e.timestamp.isoformat()
        for e in disk.hub.handle("n").history()
        if kinds([e]) == ["OrchestratorStarted"]
    ]
    handle = disk.restart("n")
    handle.raise_event("go")
    assert handle.result() == began[:3]


def test_row_16_the_time_is_aware_and_utc_and_never_goes_back(lab):
    lab.activity(lambda: lab.clock.advance(days=-1), "set the clock back")

    def notes(context):
        before = context.current_utc_datetime
        yield context.call_activity("set the clock back")
        assert context.current_utc_datetime.tzinfo is UTC
        return context.current_utc_datetime >= before

    assert lab.run(notes) is True
    lab.clock.advance(days=1)


def test_row_16_new_uuid_is_distinct_and_the_same_in_every_replay(disk):
    """Also in each execution of a loop."""

    def makes(context):
        made = [*(context.get_input() or []), context.new_uuid(), context.new_uuid()]
        yield context.wait_for_external_event("go")
        if len(made) == 2:
            yield after(context, seconds=1)
            context.continue_as_new(made)
            return None
        return [*made, context.new_uuid(), str(context.new_guid())]

    results = []
    for instance_id in "mn":
        disk.begin(makes, instance_id=instance_id)
    disk.restart()
    for instance_id in "mn":
        handle = disk.hub.handle(instance_id)
        handle.raise_event("go")
        handle.raise_event("go")
        results += handle.result()
    assert len(set(results)) == len(results) == 12
    assert all(uuid.UUID(one).version == 5 for one in results)


def test_row_16_new_uuid_is_azures(kernel):
    start = datetime(2024, 1, 1, 0, 0, 1, tzinfo=UTC)
    kernel.clock.advance(seconds=(start - kernel.clock.now()).total_seconds())

    def makes(context):
        return [context.new_uuid(), str(context.new_guid())]

    assert kernel.run(makes, instance_id="abc") == [
        "c1c04be2-abea-59b2-9fdb-f3ab8fb86903",
        "d03928ab-c85a-51e9-93a6-2233afee6601",
    ]


def test_row_16_the_time_can_be_compared_with_text(kernel):
    kernel.clock.advance(seconds=(datetime(2026, 1, 1, tzinfo=UTC) - kernel.clock.now()).total_seconds())

    def compares(context):
        now, text = context.current_utc_datetime, context.get_input()
        later = now + timedelta(hours=1)
        return [now < text, now >= text, later == text, later + timedelta(seconds=1) > text]

    for zone in ("01:00:00Z", "01:00:00+00:00", "02:00:00+01:00"):
        assert kernel.run(compares, f"2026-01-01T{zone}") == [True, False, True, True]


def test_row_16_code_that_differs_in_is_replaying_alone_is_not_held_and_is_told_of(lab, caplog):
    lab.activity(lambda value: value, "echo")

    def remembers(context):
        before = context.is_replaying
        yield context.call_activity("echo", 1)
        return [before, context.is_replaying]

    def asks_otherwise(context):
        before = context.is_replaying
        yield context.call_activity("echo", 1)
        yield context.call_activity("echo", ["again" if before else "first"])
        return before

    with caplog.at_level("WARNING", "durablenb"):
        assert [lab.run(remembers), lab.run(remembers)] == [[False, False], [False, False]]
        assert lab.run(asks_otherwise) is False
    told = [text for text in caplog.messages if "but for context.is_replaying" in text]
    assert len(told) == 2
    assert told[0].startswith("remembers is deterministic but for context.is_replaying")
    assert "ExecutionCompleted" in told[0]


def test_row_16_code_that_asks_for_is_replaying_and_is_not_deterministic_is_held(lab):
    rounds = []
    lab.activity(lambda value: value, "echo")

    def wrong(context):
        rounds.append(context.is_replaying)
        yield context.call_activity("echo", len(rounds))

    handle = lab.start(wrong)
    with pytest.raises(df.NonDeterminismError, match="no longer fits"):
        handle.result(10)
    handle.terminate("")
