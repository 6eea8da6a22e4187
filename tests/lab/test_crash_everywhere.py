"""A crash before every commit: what it changes, whom it blames, and what it leaves alone."""

import asyncio
import sqlite3
import threading
from datetime import timedelta

import pytest

import durablenb as df


@pytest.fixture
def hub():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        yield hub


def faults(report):
    return [(fault.kind, fault.where) for fault in report.faults]


def test_an_activity_that_cannot_run_twice_is_named_with_its_crash(hub):
    payments = ["before"]

    @hub.activity
    def charge(amount):
        payments.append(amount)

    @hub.orchestrator
    def order(context):
        yield context.call_activity("ship", 1)
        yield context.call_activity(charge, 40)
        yield context.call_activity("ship", 2)

    hub.add_activity(lambda _: None, name="ship")
    report = df.lab.crash_everywhere(order, hub=hub, world=payments)
    assert faults(report) == [("not idempotent", "charge")]
    (crash,) = [crash for crash in report.crashes if crash.differences]
    assert crash.ran_again == ("charge",)
    assert crash.differences == ("the world is ['before', 40, 40], not ['before', 40]",)
    assert [one.ran_again for one in report.crashes] == [(), ("ship",), ("charge",), ("ship",)]
    assert payments == ["before"]  # as it was
    assert not hub.instances()
    assert not report
    with pytest.raises(AssertionError, match=r"charge: not idempotent[\s\S]*current_activity\(\).key"):
        report.check()


def test_the_key_of_a_call_is_the_same_after_a_crash(hub):
    payments = {}

    @hub.activity
    def charge(amount):
        payments[df.current_activity().key] = amount

    @hub.orchestrator
    def order(context):
        yield context.task_all([context.call_activity(charge, n) for n in (1, 2, 3)])

    report = df.lab.crash_everywhere(order, hub=hub, world=payments)
    assert report
    assert report.faults == ()
    assert len(report.crashes) == 4
    report.check()


def test_an_effect_of_the_orchestrator_is_not_blamed_on_the_activity_that_was_lost_with_it(hub):
    seen = set()
    numbers = iter(range(1_000))
    hub.add_activity(lambda value: value, name="echo")

    @hub.orchestrator
    def wrong(context):
        seen.add(next(numbers))
        yield context.call_activity("echo", 1)

    with pytest.raises(ValueError, match="Two runs of wrong differ without any crash: the world is"):
        df.lab.crash_everywhere(wrong, hub=hub, world=seen)
    lines = []

    @hub.orchestrator
    def wrong_too(context):
        lines.append("x")
        yield context.call_activity("echo", 1)

    report = df.lab.crash_everywhere(wrong_too, hub=hub, world=lines)
    assert faults(report) == [("effect outside an activity", "wrong_too")]
    assert lines == []


def test_a_database_is_a_world_too(hub):
    bank = sqlite3.connect(":memory:", check_same_thread=False)
    bank.execute("create table payment (amount integer)")
    world = df.lab.World(
        observe=lambda: bank.execute("select amount from payment").fetchall(),
        reset=lambda: bank.execute("delete from payment"),
    )
    hub.add_activity(lambda n: bank.execute("insert into payment values (?)", [n]) and None, name="pay")

    @hub.orchestrator
    def order(context):
        yield context.call_activity("pay", 40)

    report = df.lab.crash_everywhere("order", hub=hub, world=world)
    assert report.faults[0].text == "After crash 3, the world is [(40,), (40,)], not [(40,)]."
    bank.close()


def test_timers_events_children_and_entities_are_the_same_after_every_crash(hub):
    hub.add_activity(lambda value: value, name="echo")

    @hub.entity
    def account(context):
        context.set_state(context.get_state(lambda: 0) + context.get_input())

    @hub.orchestrator
    def child(context):
        context.signal_entity(df.EntityId("account", "a"), "add", context.get_input())
        return (yield context.call_activity("echo", context.get_input()))

    @hub.orchestrator
    def parent(context):
        approval = context.wait_for_external_event("Approval")
        deadline = context.create_timer(context.current_utc_datetime + timedelta(days=3))
        winner = yield context.task_any([approval, deadline])
        if winner is approval:
            deadline.cancel()
        parts = yield context.task_all([context.call_sub_orchestrator("child", n) for n in (1, 2)])
        total = yield context.call_entity(df.EntityId("account", "a"), "add", 4)
        return [winner.result if winner is approval else "late", parts, total]

    early = df.lab.crash_everywhere(parent, hub=hub, events=[("Approval", "yes", timedelta(days=2))])
    late = df.lab.crash_everywhere(parent, hub=hub, events=[("Approval", "yes", timedelta(days=4))])
    assert early, str(early)
    assert late, str(late)
    assert len(early.crashes) > 5
    assert any("TimerFired" in crash.before for crash in late.crashes)
    waiting = df.lab.crash_everywhere(parent, hub=hub, events=[("Approval", "yes")])
    assert waiting, str(waiting)


def test_a_handle_gives_input_and_events(hub):
    received = []

    @hub.activity
    def keep(value):
        received.append(value)
        return len(received)

    @hub.orchestrator
    def approval(context):
        first = context.get_input()
        second = yield context.wait_for_external_event("Approval")
        yield context.call_activity(keep, [first, second])

    handle = hub.start(approval, "in")
    handle.raise_event("Approval", "yes")
    handle.result()
    before = list(received)
    report = df.lab.crash_everywhere(handle, world=received)
    assert faults(report) == [("not idempotent", "keep")]
    assert received == before == [["in", "yes"]]


def test_code_that_does_not_fit_its_own_history_is_named_with_the_line(hub):
    runs = []
    hub.add_activity(lambda value: None, name="echo")

    @hub.orchestrator
    def wrong(context):
        runs.append(1)
        yield context.call_activity("echo", len(runs))
        yield context.call_activity("echo", 0)

    report = df.lab.crash_everywhere(wrong, hub=hub, world=runs)
    assert faults(report)[0] == ("not deterministic", "wrong")
    assert "no longer fits its history" in report.faults[0].text
    assert report.faults[0].cure.startswith("Let the orchestrator depend")


def test_the_order_of_activities_and_open_waits_are_notes_and_no_faults(hub):
    hub.add_activity(lambda value: value, name="echo")

    @hub.orchestrator
    def race(context):
        winner = yield context.task_any([context.call_activity("echo", n) for n in (1, 2)])
        context.set_custom_status(winner.result)
        yield context.wait_for_external_event("Never")

    report = df.lab.crash_everywhere(race, hub=hub)
    assert report
    first, second = report.notes
    assert first.startswith("crashed still waits")
    assert "custom status '2'; undisturbed, it is Running, custom status '1'" in second


def test_what_cannot_be_crashed_is_refused(hub, monkeypatch):
    monkeypatch.setattr("durablenb.lab.runs.MOST_UNITS", 50)
    hub.add_activity(lambda value: None, name="echo")

    @hub.orchestrator
    def endless(context):
        yield context.call_activity("echo", 1)
        context.continue_as_new(None)

    with pytest.raises(TypeError, match=r"hub is None; expected the durablenb\.TaskHub"):
        df.lab.crash_everywhere(endless)
    with pytest.raises(df.FunctionNotFoundError, match="endles"):
        df.lab.crash_everywhere("endles", hub=hub)
    with pytest.raises(TypeError, match="world is 5; expected the list"):
        df.lab.crash_everywhere(endless, hub=hub, world=5)
    with pytest.raises(TypeError, match="observe is None"):
        df.lab.World(None, list)
    with pytest.raises(ValueError, match="endless still runs after"):
        df.lab.crash_everywhere(endless, hub=hub)


def test_a_run_that_cannot_go_on_leaves_no_thread_behind(hub):
    @hub.activity
    async def nap(seconds):
        return seconds

    @hub.orchestrator
    def approved(context):
        yield context.call_activity(nap, 1)
        yield context.wait_for_external_event("approval")

    before = set(threading.enumerate())
    with pytest.raises(df.NotSerializableError):
        df.lab.crash_everywhere(approved, hub=hub, events=[("approval", object())])
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert set(threading.enumerate()) == before


def test_two_hubs_do_not_meet(hub):
    payments = []

    def register(where, factor):
        @where.activity
        def charge(amount):
            payments.append(amount * factor)

        @where.orchestrator
        def order(context):
            yield context.call_activity("charge", 1)

    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as other:
        register(hub, 10)
        register(other, 20)
        reports = [df.lab.crash_everywhere("order", hub=each, world=payments) for each in (hub, other)]
    assert [report.faults[0].text for report in reports] == [
        "After crash 3, the world is [10, 10], not [10].",
        "After crash 3, the world is [20, 20], not [20].",
    ]


def test_coroutines_run_in_the_same_order_in_each_run():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.activity
        async def double(number):
            await asyncio.sleep(0)
            return 2 * number

        @hub.orchestrator
        def main(context):
            return (yield context.task_all([context.call_activity(double, n) for n in range(4)]))

        for _ in range(5):
            assert len(df.lab.crash_everywhere(main, hub=hub).crashes) == 5

        async def in_a_notebook():
            return df.lab.crash_everywhere(main, hub=hub)

        assert len(asyncio.run(in_a_notebook()).crashes) == 5
