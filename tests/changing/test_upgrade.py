"""Code that is registered again under open instances: what is said, and what `hub.upgrade` does with them."""

import logging

import pytest

import durablenb as df
from tests.changing.conftest import journal_of
from tests.changing.orders import charge, filled, fulfil, line_in, ship, with_check, with_limit, with_thanks
from tests.notebook.reading import page_of


@pytest.fixture
def said(caplog):
    """The log lines under a cell about code that has changed."""
    caplog.set_level(logging.INFO, "durablenb")
    return lambda: [record.getMessage() for record in caplog.records if "has changed" in record.getMessage()]


# -- what the cell says --------------------------------------------------------------------------


def test_a_changed_cell_says_which_open_instances_the_new_code_does_not_fit_and_where(any_hub, said):
    filled(any_hub)
    any_hub.add_orchestrator(with_limit, "fulfil")
    (words,) = said()
    assert words.splitlines() == [
        "fulfil has changed. 4 open instances go on with the code from before, which is in memory.",
        "The new code does not fit 1 of 4:",
        f"  line {line_in(with_limit, 'min(order, 2)')}: recorded TaskScheduled 'charge', requested the "
        "same call with another input: order-3",
        "hub.replay('fulfil') shows more; hub.upgrade('fulfil') moves those that it fits.",
    ]


def test_it_says_so_too_if_the_new_code_fits_all(hub, said):
    filled(hub, 1)
    hub.add_orchestrator(with_thanks, "fulfil")
    (words,) = said()
    assert words.splitlines() == [
        "fulfil has changed. 1 open instance goes on with the code from before, which is in memory.",
        "The new code fits it. hub.upgrade('fulfil') lets it take over now.",
    ]


def test_a_cell_that_is_only_run_again_says_nothing(hub, said):
    filled(hub)
    hub.add_orchestrator(fulfil)
    namespace = dict(vars(__import__("tests.changing.orders", fromlist=["fulfil"])))
    hub.add_orchestrator(namespace["fulfil"], "fulfil")
    assert said() == []


def test_nothing_is_said_at_the_first_registration_after_a_restart(opened, said):
    with opened() as hub:
        filled(hub)
    with opened() as hub:
        hub.add_orchestrator(with_thanks, "fulfil")
    assert said() == []


def test_nothing_is_said_where_no_instance_is_open(hub, said):
    handles = filled(hub)
    hub.add_orchestrator(lambda context: 1, name="other")
    hub.add_orchestrator(lambda context: 2, name="other")
    for handle in handles:
        handle.terminate()
    hub.add_orchestrator(with_check, "fulfil")
    assert said() == []


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (20, "The new code fits all of the 3 that were looked at."),
        (1, "fits all of the 1 that were looked at."),
    ],
)
def test_only_so_much_is_gone_through_that_a_cell_does_not_notice(hub, said, monkeypatch, limit, words):
    monkeypatch.setattr("durablenb.hub.upgrade.LOOKED_AT", limit)
    filled(hub, 10)
    hub.add_orchestrator(with_thanks, "fulfil")
    assert words in said()[0]


def test_registering_changes_nothing_for_those_in_memory(any_hub):
    handles = filled(any_hub)
    any_hub.add_orchestrator(with_thanks, "fulfil")
    handles[0].raise_event("Packed")
    assert handles[0].result(20) == "0 shipped"


# -- what an upgrade does ------------------------------------------------------------------------


def test_an_upgrade_lets_those_go_on_with_the_new_code_that_it_fits(any_hub):
    handles = filled(any_hub)

    @any_hub.orchestrator(name="fulfil")
    def limited(context):
        order = context.get_input()
        yield context.call_activity("charge", min(order, 2))
        yield context.wait_for_external_event("Packed")
        shipped = yield context.call_activity("ship", order)
        return f"{shipped}, thank you"

    report = any_hub.upgrade("fulfil")
    assert report.outcomes == {
        "order-0": "moved",
        "order-1": "moved",
        "order-2": "moved",
        "order-3": "kept",
    }
    for handle in handles:
        handle.raise_event("Packed")
    assert [handle.result(20) for handle in handles] == [
        "0 shipped, thank you",
        "1 shipped, thank you",
        "2 shipped, thank you",
        "3 shipped",
    ]


def test_those_that_do_not_fit_are_held_if_that_is_asked_for_and_go_on_when_the_code_is_mended(any_hub):
    handles = filled(any_hub)
    any_hub.add_orchestrator(with_limit, "fulfil")
    report = any_hub.upgrade("fulfil", misfits="hold")
    assert report.counts == {"moved": 3, "held": 1}
    assert report[:2].counts == {"moved": 2}
    assert report[:0].summary == "no open instances"
    with pytest.raises(df.NonDeterminismError, match="no longer fits its history"):
        handles[3].result(20)
    handles[3].raise_event("Packed")
    any_hub.add_orchestrator(with_thanks, "fulfil")
    assert handles[3].result(20) == "3 shipped, thank you"


def test_nothing_is_written_by_an_upgrade(hub):
    filled(hub)
    hub.add_orchestrator(with_limit, "fulfil")
    before = journal_of(hub)
    hub.upgrade("fulfil", misfits="hold")
    assert journal_of(hub) == before


def test_activities_that_run_and_timers_that_are_set_are_not_begun_anew(hub):
    calls = []
    hub.add_activity(lambda n: calls.append(n), name="work")

    def patient(context):
        yield context.call_activity("work", 1)
        yield context.create_timer(context.current_utc_datetime.replace(hour=12))
        yield context.call_activity("work", 2)

    def more_patient(context):
        yield from patient(context)
        yield context.call_activity("work", 3)

    hub.add_orchestrator(patient)
    handle = hub.start(patient)
    hub.clock.advance()
    hub.add_orchestrator(more_patient, "patient")
    assert hub.upgrade("patient").counts == {"moved": 1}
    handle.result()
    assert calls == [1, 2, 3]
    assert sum(type(event).__name__ == "TimerFired" for event in handle.history()) == 1


def test_a_second_upgrade_finds_nothing_left_to_do(hub):
    filled(hub)
    hub.add_orchestrator(with_thanks, "fulfil")
    assert hub.upgrade("fulfil").counts == {"moved": 4}
    assert hub.upgrade("fulfil").counts == {"current": 4}


def test_single_instances_can_be_upgraded(hub):
    one, two, *_ = filled(hub)
    hub.add_orchestrator(with_thanks, "fulfil")
    assert hub.upgrade(one).outcomes == {"order-0": "moved"}
    assert hub.upgrade([two, "order-0"]).outcomes == {"order-0": "current", "order-1": "moved"}


def test_new_code_that_need_not_wait_any_longer_goes_on_at_once(hub):
    hub.add_activity(lambda n: n, name="work")

    def both(context):
        one = context.call_activity("work", 1)
        yield context.task_all([one, context.wait_for_external_event("Go")])
        return one.result

    def either(context):
        one = context.call_activity("work", 1)
        yield context.task_any([one, context.wait_for_external_event("Go")])
        return "went on"

    hub.add_orchestrator(both)
    handle = hub.start(both)
    hub.clock.advance()
    hub.add_orchestrator(either, "both")
    hub.upgrade("both")
    assert handle.result() == "went on"


def test_a_suspended_instance_moves_and_still_rests(hub):
    (handle,) = filled(hub, 1)
    handle.suspend()
    hub.add_orchestrator(with_thanks, "fulfil")
    handle.raise_event("Packed")
    assert hub.upgrade("fulfil").counts == {"moved": 1}
    hub.clock.advance()
    assert str(handle.status().runtime_status) == "Suspended"
    handle.resume()
    assert handle.result() == "0 shipped, thank you"


def test_one_that_waits_for_more_code_takes_it_up_by_itself(hub):
    hub.add_activity(charge)

    @hub.orchestrator
    def growing(context):
        yield context.call_activity("charge", 1)
        yield ...

    handle = hub.start(growing)
    hub.clock.advance()
    assert hub.upgrade("growing").counts == {"current": 1}
    with pytest.raises(df.WaitTimeoutError, match="waits for more code"):
        handle.result()


def test_an_instance_that_has_not_begun_runs_the_new_code_from_its_start(hub):
    hub.add_activity(charge)
    hub.add_activity(ship)
    hub.add_activity(charge, "check")
    hub.add_orchestrator(fulfil)
    handle = hub.start(fulfil, 1)
    hub.add_orchestrator(with_check, "fulfil")
    assert hub.upgrade("fulfil").counts == {"moved": 1}
    hub.clock.advance()
    assert "check" in str(handle.history())


def test_what_ended_is_left_alone(hub):
    first, *_ = filled(hub, 2)
    first.terminate()
    hub.add_orchestrator(with_thanks, "fulfil")
    assert hub.upgrade([first]).outcomes == {}
    assert hub.upgrade([first]).summary == "no open instances"


def test_what_can_not_be_is_refused(hub):
    filled(hub)
    with pytest.raises(ValueError, match="misfits"):
        hub.upgrade("fulfil", misfits="fail")
    with pytest.raises(df.InstanceNotFoundError):
        hub.upgrade("fulfill")


def test_the_report_tells_of_each_what_became_of_it(hub):
    filled(hub)
    hub.add_orchestrator(with_limit, "fulfil")
    report = hub.upgrade("fulfil")
    words = "3 continuing with the new code, 1 continuing with the code in memory"
    assert report.summary == words
    assert str(report).startswith(f"{words}.\n\nline {line_in(with_limit, 'min(order, 2)')}: ")
    assert [one.instance_id for one in report.misfits] == ["order-3"]
    assert not report.misfits[0].replay().fits
    text = page_of(report).text
    assert words in text
    assert "kept" in text


def test_one_whose_code_no_cell_has_registered_yet_is_not_said_to_fit(opened):
    with opened() as hub:
        filled(hub, 1)
    with opened() as hub:
        report = hub.upgrade("fulfil")
        assert report.outcomes == {"order-0": "held"}
        assert not report.fits
        assert "its code isn't registered yet" in str(report)
        hub.add_activity(charge)
        hub.add_activity(ship)
        hub.add_orchestrator(with_thanks, "fulfil")
        assert hub.upgrade("fulfil").fits
        handle = hub.handle("order-0")
        handle.raise_event("Packed")
        assert handle.result() == "0 shipped, thank you"


def test_an_interrupt_ends_a_replay_that_does_not_end_by_itself_and_is_no_misfit(hub):
    filled(hub)

    def endless(context):
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        hub.replay("fulfil", endless)
    assert hub.replay("fulfil").fits
