"""The spans of an instance, and their times."""

from datetime import UTC, datetime, timedelta

import pytest

import durablenb as df
from durablenb.analysis.timeline import read_spans, timeline_text

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock():
    return df.VirtualClock()


@pytest.fixture
def hub(clock):
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:
        yield hub


def settle(hub):
    """Do all that can be done."""
    while hub.step():
        pass


def done(hub, orchestrator, *given):
    """An instance that has completed."""
    handle = hub.start(orchestrator, *given)
    handle.result()
    return handle


def seen(handle):
    """Each span: name, state, and the seconds at which it was asked for, started and ended."""
    return [
        (
            span.name,
            span.state,
            *((at - START).total_seconds() for at in (span.scheduled, span.started, span.ended)),
        )
        for span in read_spans(handle.history())
    ]


def later(context, seconds):
    return context.current_utc_datetime + timedelta(seconds=seconds)


def test_an_activity_lasts_from_its_start_to_its_end(hub, clock):
    @hub.activity
    def work(seconds):
        clock.advance(seconds=seconds)

    @hub.orchestrator
    def two(context):
        yield context.task_all([context.call_activity(work, 2), context.call_activity(work, 3)])

    assert seen(done(hub, two)) == [("work", "completed", 0, 0, 2), ("work", "completed", 0, 2, 5)]


def test_a_failure_and_its_attempts_are_spans_of_their_own(hub):
    @hub.activity
    def flaky():
        raise OSError("no")

    @hub.orchestrator
    def stubborn(context):
        yield context.call_activity_with_retry(flaky, df.RetryOptions(5_000, 3))

    handle = hub.start(stubborn)
    handle.wait()
    assert seen(handle) == [
        ("flaky", "failed", 0, 0, 0),
        ("timer (before a retry)", "completed", 0, 0, 5),
        ("flaky", "failed", 5, 5, 5),
        ("timer (before a retry)", "completed", 5, 5, 10),
        ("flaky", "failed", 10, 10, 10),
    ]
    assert [span.attempt for span in read_spans(handle.history()) if span.kind == "activity"] == [1, 2, 3]
    assert "flaky (attempt 3)" in timeline_text(handle.history())


def test_a_cancelled_timer_ends_when_it_is_cancelled(hub):
    @hub.orchestrator
    def race(context):
        deadline = context.create_timer(later(context, 100))
        yield context.create_timer(later(context, 10))
        deadline.cancel()
        yield context.create_timer(later(context, 10))

    assert seen(done(hub, race)) == [
        ("timer", "canceled", 0, 0, 10),
        ("timer", "completed", 0, 0, 10),
        ("timer", "completed", 10, 10, 20),
    ]


def test_what_is_open_lasts_until_the_last_event(hub):
    @hub.orchestrator
    def patient(context):
        waiting = context.wait_for_external_event("Approval")
        yield context.create_timer(later(context, 10))
        yield waiting

    handle = hub.start(patient)
    settle(hub)
    assert seen(handle) == [("Approval", "open", 0, 0, 10), ("timer", "completed", 0, 0, 10)]
    assert " …" in timeline_text(handle.history()).splitlines()[0]


def test_what_is_left_open_ends_with_the_execution(hub):
    @hub.orchestrator
    def leaving(context):
        context.create_timer(later(context, 1_000))
        yield context.create_timer(later(context, 10))
        if context.get_input():
            context.continue_as_new(context.get_input() - 1)

    assert seen(done(hub, leaving, 1)) == [
        ("timer", "open", 0, 0, 10),
        ("timer", "completed", 0, 0, 10),
        ("timer", "open", 10, 10, 20),
        ("timer", "completed", 10, 10, 20),
    ]


def test_a_wait_ends_with_its_event_whatever_the_case_of_the_name(hub, clock):
    @hub.orchestrator
    def twice(context):
        first = context.wait_for_external_event("Approval")
        second = context.wait_for_external_event("APPROVAL")
        yield context.task_all([first, second])

    handle = hub.start(twice)
    settle(hub)
    for seconds in (1, 2):
        clock.advance(seconds=1)
        handle.raise_event("approval", seconds)
    handle.result()
    assert seen(handle) == [("Approval", "completed", 0, 0, 1), ("APPROVAL", "completed", 0, 0, 2)]


def test_a_wait_for_an_event_that_came_before_takes_no_time(hub):
    @hub.orchestrator
    def late(context):
        yield context.create_timer(later(context, 10))
        yield context.wait_for_external_event("Approval")
        yield context.create_timer(later(context, 10))

    handle = hub.start(late)
    handle.raise_event("Approval")
    handle.result()
    assert seen(handle)[1] == ("Approval", "completed", 10, 10, 10)


def test_a_cancelled_wait_leaves_the_event_to_the_next_one(hub, clock):
    @hub.orchestrator
    def fickle(context):
        first = context.wait_for_external_event("Approval")
        yield context.create_timer(later(context, 5))
        first.cancel()
        yield context.wait_for_external_event("Approval")

    handle = hub.start(fickle)
    settle(hub)
    clock.advance(seconds=5)
    handle.raise_event("Approval")
    handle.result()
    assert seen(handle) == [
        ("Approval", "canceled", 0, 0, 5),
        ("timer", "completed", 0, 0, 5),
        ("Approval", "completed", 5, 5, 10),
    ]


def test_an_event_carried_over_by_continue_as_new_is_counted_once(hub):
    @hub.orchestrator
    def counter(context):
        if context.get_input() == 0:
            yield context.create_timer(later(context, 10))
            context.continue_as_new(1)
            return
        yield context.wait_for_external_event("Add")
        yield context.wait_for_external_event("Add")

    handle = hub.start(counter, 0)
    handle.raise_event("Add")
    settle(hub)
    assert seen(handle)[1:] == [("Add", "completed", 10, 10, 10), ("Add", "open", 10, 10, 10)]


def test_a_sub_orchestration_is_a_span_of_its_parent(hub):
    @hub.orchestrator
    def child(context):
        yield context.create_timer(later(context, 10))
        if context.get_input() == "fail":
            raise ValueError("as told")

    @hub.orchestrator
    def parent(context):
        yield context.call_sub_orchestrator(child)
        yield context.call_sub_orchestrator(child, "fail")

    handle = hub.start(parent)
    handle.wait()
    assert seen(handle) == [("child", "completed", 0, 0, 10), ("child", "failed", 10, 10, 20)]
    assert "▓" in timeline_text(handle.history())


def test_a_rewound_orchestration_shows_each_success_once_and_each_failure(hub, clock):
    is_broken = True

    @hub.activity
    def good():
        clock.advance(seconds=1)

    @hub.activity
    def bad():
        clock.advance(seconds=1)
        if is_broken:
            raise OSError("no")

    @hub.orchestrator
    def both(context):
        yield context.call_activity(good)
        yield context.call_activity(bad)

    handle = hub.start(both)
    handle.wait()
    is_broken = False
    handle.rewind()
    handle.result()
    assert seen(handle) == [
        ("bad", "failed", 1, 1, 2),
        ("good", "completed", 0, 0, 1),
        ("bad", "completed", 2, 2, 3),
    ]


def test_calls_signals_and_locks_of_entities_are_spans(hub, clock):
    account = df.EntityId("Account", "a")
    audit = df.EntityId("Audit", "all")

    @hub.entity(name="Account")
    def keep(context):
        clock.advance(seconds=2)
        if context.operation_name == "fail":
            raise OSError("no")

    hub.add_entity(lambda context: None, "Audit")

    @hub.orchestrator
    def use(context):
        with (yield context.lock([account, audit])):
            yield context.call_entity(account, "add")
            yield context.create_timer(later(context, 10))
        context.signal_entity(audit, "note")
        yield context.call_entity(account, "fail")

    handle = hub.start(use)
    handle.wait()
    assert seen(handle) == [
        ("@account@a, @audit@all", "completed", 0, 0, 0),
        ("@account@a.add", "completed", 0, 0, 2),
        ("timer", "completed", 2, 2, 12),
        ("@audit@all.note", "completed", 12, 12, 12),
        ("@account@a.fail", "failed", 12, 12, 14),
    ]
    lock, call, _, signal, _ = read_spans(handle.history())
    assert [lock.kind, call.kind, signal.kind] == ["lock", "entity call", "signal"]
    assert lock.released == START + timedelta(seconds=12)
    assert signal.answer is None


def test_a_lock_that_is_left_open_is_released_with_the_end(hub, clock):
    account = df.EntityId("Account", "a")

    @hub.entity(name="Account")
    def keep(context):
        clock.advance(seconds=2)

    @hub.orchestrator
    def leaving(context):
        yield context.lock([account])
        yield context.call_entity(account, "add")

    handle = done(hub, leaving)
    assert read_spans(handle.history())[0].released == START + timedelta(seconds=2)


def test_a_lock_that_another_one_has_is_open(hub):
    account = df.EntityId("Account", "a")
    hub.add_entity(lambda context: None, "Account")

    @hub.orchestrator
    def holding(context):
        with (yield context.lock([account])):
            yield context.wait_for_external_event("Done")

    hub.start(holding)
    settle(hub)
    second = hub.start(holding)
    settle(hub)
    assert seen(second) == [("@account@a", "open", 0, 0, 0)]


# -- the drawing -------------------------------------------------------------------------------------


def test_bars_lie_where_the_time_was_spent(hub, clock):
    @hub.activity
    def work(seconds):
        clock.advance(seconds=seconds)

    @hub.orchestrator
    def two(context):
        yield context.task_all([context.call_activity(work, 5), context.call_activity(work, 5)])

    handle = done(hub, two)
    assert timeline_text(
        handle.history(), 11, moments=[(START + timedelta(seconds=5), "half")]
    ).splitlines() == [
        f"{'work':24} ██████            5.000 s",
        f"{'work':24} ·····██████       5.000 s",
        f"{'':24} └─────────┘      10.000 s in all",
        f"{'':24}      ▲ half",
    ]


def test_many_calls_of_one_name_share_a_line(hub, clock):
    @hub.activity
    def work(number):
        clock.advance(seconds=1)
        if number % 10 == 9:
            raise ValueError(number)

    @hub.orchestrator
    def fan(context):
        calls = [context.call_activity(work, number) for number in range(20)]
        calls.append(context.create_timer(later(context, 39)))
        yield context.task_any([calls[-1]])

    handle = done(hub, fan)
    line, timer, _ = timeline_text(handle.history(), 40).splitlines()
    assert line.split()[::2][:2] == ["work", "20"]
    assert line.endswith(" ✗2")
    assert "20.000 s" in line
    assert timer.startswith("timer ")


def test_the_same_asked_of_many_entities_shares_a_line(hub):
    hub.add_entity(lambda context: None, "Shop")

    @hub.orchestrator
    def tell(context):
        for number in range(20):
            context.signal_entity(df.EntityId("Shop", str(number)), "open")
        yield context.create_timer(later(context, 10))

    handle = done(hub, tell)
    lines = handle.history().timeline(20).splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["@shop@*.open", "timer"]
    assert f"{chr(215)} 20" in lines[0]


def test_the_shared_line_is_higher_where_more_is_under_way(hub):
    @hub.orchestrator
    def fan(context):
        yield context.task_all([context.create_timer(later(context, 10 * (1 + n % 2))) for n in range(16)])

    handle = done(hub, fan)
    line = timeline_text(handle.history(), 20).splitlines()[0]
    assert line.split()[::2][:2] == ["timer", "16"]
    assert "█" * 10 + "▄" * 9 in line


def test_a_long_name_keeps_its_columns(hub):
    hub.add_activity(lambda: None, name="a_name_that_is_much_longer_than_its_place")

    @hub.orchestrator
    def one(context):
        yield context.call_activity("a_name_that_is_much_longer_than_its_place")

    handle = done(hub, one)
    line, axis = timeline_text(handle.history(), 10).splitlines()
    assert line.startswith("a_name_that_is_much_lon… █")
    assert axis.index("└") == 25


def test_long_times_are_told_in_days(hub):
    @hub.orchestrator
    def patient(context):
        for seconds in (3_599, 3_600, 400 * 86_400 + 7_322):
            yield context.create_timer(later(context, seconds))

    handle = done(hub, patient)
    lines = handle.history().timeline(10).splitlines()
    assert [line[36:] for line in lines] == [
        "  3,599.000 s",
        "     01:00:00",
        "400 d 02:02:02",
        "400 d 04:02:01 in all",
    ]


def test_what_a_rewind_asks_for_again_was_asked_for_when_it_was_rewound():
    clock, is_broken = df.VirtualClock(), [True]
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:

        @hub.activity
        def part(number):
            clock.advance(seconds=1)
            if number == 2 and is_broken[0]:
                raise ValueError("no")

        @hub.orchestrator
        def fan_out(context):
            yield context.task_all([context.call_activity(part, number) for number in range(4)])

        handle = hub.start(fan_out)
        handle.wait()
        clock.advance(hours=1)
        is_broken[0] = False
        handle.rewind("mended")
        handle.wait()
        spans = read_spans(handle.history())
    first, again = (span for span in spans if span.request.input == "2")
    assert (first.state, again.state) == ("failed", "completed")
    assert again.scheduled - first.scheduled == timedelta(hours=1, seconds=4)
    assert len(spans) == 5
