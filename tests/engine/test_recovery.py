"""A hub that is opened replays what is needed, when it is needed; what is asked for comes first."""

from __future__ import annotations

import logging
import shutil
import threading
from datetime import timedelta

import pytest

import durablenb as df
from durablenb.engine.backlog_pace import BACKLOG_SHARE, REST_SECONDS, BacklogPace
from tests.engine.fanned import finish

ran: list[str] = []
"""The instances whose code ran from its top, in order."""


def patient(context):
    ran.append(context.instance_id)
    return (yield context.wait_for_external_event("go"))


def impatient(context):
    ran.append(context.instance_id)
    yield context.create_timer(context.current_utc_datetime + timedelta(days=1))
    return "late"


def edited(context):
    ran.append(context.instance_id)
    said = yield context.wait_for_external_event("go")
    return f"{said}, with other code"


def other(context):
    ran.append(context.instance_id)
    yield context.call_activity("another")


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A hub with five instances that wait for an event, and two that wait for a timer."""
    path = tmp_path_factory.mktemp("closed") / "flows.duckdb"
    with df.TaskHub(path, mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_orchestrator(patient)
        hub.add_orchestrator(impatient)
        for number in range(5):
            hub.start(patient, instance_id=f"patient-{number}")
        for number in range(2):
            hub.start(impatient, instance_id=f"impatient-{number}")
        for _ in range(7):
            hub.step()
    return path


@pytest.fixture
def path(closed, tmp_path):
    """A copy of it."""
    ran.clear()
    return shutil.copy(closed, tmp_path)


def opened(path, **options):
    return df.TaskHub(path, mode="kernel", clock=df.VirtualClock(), **options)


def test_what_only_waits_is_replayed_when_something_comes_for_it(path):
    with opened(path) as hub:
        hub.add_orchestrator(patient)
        assert hub.start(patient, instance_id="new").status().runtime_status == "Pending"
        assert hub.step() == "episode of new"
        assert ran == ["new"]
        for one in ("patient-3", "new"):
            hub.handle(one).raise_event("go", "gone")
            assert hub.handle(one).result() == "gone"
        assert ran == ["new", "patient-3"]


def test_who_is_asked_about_is_replayed_and_says_what_is_in_the_way(path):
    with opened(path) as hub:
        hub.add_orchestrator(patient)
        with pytest.raises(df.WaitTimeoutError, match="patient-1 waits, and nothing is left to happen"):
            hub.handle("patient-1").result()
        assert ran == ["patient-1"]
        with pytest.raises(df.FunctionNotFoundError, match=r"impatient-0 .* waits for 'impatient'"):
            hub.handle("impatient-0").result()


def test_a_start_and_an_event_come_before_what_has_to_be_replayed_because_its_code_was_edited(path):
    with opened(path) as hub:
        hub.add_orchestrator(edited, name="patient")
        hub.start("patient", instance_id="new")
        hub.handle("patient-4").raise_event("go", "gone")
        assert [hub.step() for _ in range(2)] == ["episode of new", "episode of patient-4"]
        assert hub.handle("patient-4").status().output == "gone, with other code"
        finish(hub)  # nobody asks for the others, and yet they are looked at
        assert ran == ["new", *(f"patient-{number}" for number in (4, 0, 1, 2, 3))]


def test_code_that_does_not_fit_is_told_without_anybodys_asking(path, caplog):
    told = [threading.Event() for _ in range(2)]

    class Listener(logging.Handler):
        def emit(self, record):
            for number, event in enumerate(told):
                if f"impatient-{number} (impatient) is held" in record.getMessage():
                    event.set()

    listener = Listener()
    logging.getLogger("durablenb").addHandler(listener)
    try:
        with df.TaskHub(path, clock=df.VirtualClock()) as hub:
            hub.add_orchestrator(other, name="impatient")
            assert all(event.wait(20) for event in told)
            with pytest.raises(df.NonDeterminismError):
                hub.handle("impatient-1").result()
    finally:
        logging.getLogger("durablenb").removeHandler(listener)


def test_timers_that_came_due_meanwhile_do_not_hold_up_a_start(path):
    with opened(path) as hub:
        hub.add_orchestrator(impatient)
        hub.add_orchestrator(patient)
        hub._engine.clock.advance(days=2)
        assert hub.step() == "timer of impatient-1"
        hub.start(patient, instance_id="new")
        assert [hub.step() for _ in range(3)] == [
            "episode of new",
            "episode of impatient-0",
            "episode of impatient-1",
        ]
        assert hub.handle("impatient-0").result() == "late"


def test_what_was_asked_for_twice_before_its_replay_is_replayed_once(path):
    with opened(path) as hub:
        hub.add_orchestrator(edited, name="patient")  # all five are in the backlog by this
        for _ in range(3):
            hub.handle("patient-2").raise_event("go", "gone")
        assert hub.handle("patient-2").result() == "gone, with other code"
        finish(hub)
        assert sorted(ran) == [f"patient-{number}" for number in range(5)]


def test_a_hub_tells_how_many_are_open_and_whose_code_is_not_there(path, caplog):
    with caplog.at_level(logging.INFO, logger="durablenb"), opened(path) as hub:
        said = "7 open instances, all waiting for the code of 'impatient', 'patient'"
        assert f"Opened <TaskHub flows.duckdb: {said}, mode 'kernel'>" in caplog.text
        hub.add_orchestrator(patient)
        assert repr(hub) == (
            "<TaskHub flows.duckdb: 7 open instances, 2 of them waiting for the code of 'impatient', "
            "mode 'kernel'>"
        )
        hub.handle("impatient-0").terminate()
        assert "6 open instances, 1 of them waiting for the code of 'impatient'," in repr(hub)
        hub.add_orchestrator(impatient)
        assert repr(hub) == "<TaskHub flows.duckdb: 6 open instances, mode 'kernel'>"
        assert ran == []


def test_an_interrupt_of_a_replay_leaves_the_others_in_their_turn(path):
    def stops(context):
        ran.append(context.instance_id)
        if len(ran) == 2:
            raise KeyboardInterrupt
        return (yield context.wait_for_external_event("go"))

    with opened(path) as hub:
        hub.add_orchestrator(stops, name="patient")
        hub.step()
        with pytest.raises(KeyboardInterrupt):
            hub.step()
        finish(hub)
        assert sorted(set(ran)) == [f"patient-{number}" for number in range(5)]
        hub.handle("patient-1").raise_event("go", "gone")
        assert hub.handle("patient-1").result() == "gone"


def test_beside_what_is_waited_for_the_backlog_gets_a_part_of_the_time():
    now = [100.0]
    pace = BacklogPace(lambda: now[0])
    assert pace.pause == 0
    with pace.portion():
        now[0] += 0.02
    assert pace.pause == 0  # nobody waits: at once again
    pace.note_work()
    assert pace.pause == pytest.approx((BACKLOG_SHARE - 1) * 0.02)
    now[0] += pace.pause
    assert pace.pause == pytest.approx(0)
    with pace.portion():
        now[0] += 60
    assert pace.pause == 0  # whatever was asked for is long over
    pace.note_work()
    assert pace.pause == pytest.approx(REST_SECONDS)
