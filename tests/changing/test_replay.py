"""`hub.replay`: does code still fit instances? It says where not, runs nothing, writes nothing."""

from dataclasses import dataclass

import pytest

import durablenb as df
from tests.changing.conftest import journal_of
from tests.changing.orders import filled, fulfil, line_in, with_check, with_limit, with_thanks
from tests.notebook.reading import bundle_of, page_of

# -- what is meant -------------------------------------------------------------------------------


def test_an_orchestrators_name_means_all_of_its_open_instances(hub):
    first, *_ = filled(hub)
    hub.add_orchestrator(lambda context: 1, name="another")
    hub.start("another", instance_id="other")
    first.terminate()
    report = hub.replay("fulfil")
    assert [one.instance_id for one in report] == ["order-1", "order-2", "order-3"]
    assert {one.name for one in report} == {"fulfil"}
    assert [one.instance_id for one in hub.replay(fulfil)] == ["order-1", "order-2", "order-3"]


def test_other_statuses_can_be_asked_for(hub):
    first, *_ = filled(hub)
    first.terminate()
    assert [one.instance_id for one in hub.replay("fulfil", status="Terminated")] == ["order-0"]
    assert len(hub.replay("fulfil", status=["Terminated", "Running"])) == 4
    with pytest.raises(ValueError, match="status goes with an orchestrator"):
        hub.replay("order-0", status="Terminated")


def test_suspended_and_pending_instances_are_open(hub):
    filled(hub, 1)[0].suspend()
    hub.start(fulfil, instance_id="not yet begun")
    found = {one.instance_id: one.fits for one in hub.replay("fulfil", with_check)}
    assert found == {"order-0": False, "not yet begun": True}


def test_a_handle_an_id_a_history_a_status_and_a_list_of_these_mean_themselves(hub):
    one, _, three, four = filled(hub)
    for target in (one, "order-0", one.history(), one.status()):
        assert [fit.instance_id for fit in hub.replay(target)] == ["order-0"]
    several = hub.replay([four, "order-1", three.history(), one.status()])
    assert [fit.instance_id for fit in several] == ["order-3", "order-1", "order-2", "order-0"]
    assert len(hub.replay(hub.instances(name="fulfil"))) == 4
    assert len(hub.replay([])) == 0


def test_a_text_that_is_an_id_and_a_name_is_refused(hub):
    filled(hub, 1)
    hub.start(fulfil, instance_id="fulfil")
    with pytest.raises(ValueError, match="'fulfil' is an orchestrator and an instance"):
        hub.replay("fulfil")
    assert len(hub.replay(hub.handle("fulfil"))) == 1
    assert len(hub.replay(fulfil)) == 2


def test_what_nobody_knows_is_an_error_and_not_an_empty_answer(hub):
    filled(hub)
    with pytest.raises(df.InstanceNotFoundError, match="no instance 'fulfill', and no orchestrator"):
        hub.replay("fulfill", with_check)
    with pytest.raises(TypeError, match="not a int"):
        hub.replay(7)
    with pytest.raises(ValueError, match="has no beginning"):
        hub.replay(hub.handle("order-0").history()[2:], fulfil)


def test_a_name_that_is_only_in_the_journal_needs_code(hub):
    filled(hub)
    hub._registry.orchestrators.clear()
    assert hub.replay("fulfil", fulfil).fits
    with pytest.raises(df.FunctionNotFoundError, match="'fulfil' isn't registered"):
        hub.replay("fulfil")


def test_no_open_instances_fit_anything_and_the_answer_says_that_there_are_none(hub):
    hub.add_orchestrator(fulfil)
    report = hub.replay(fulfil)
    assert report.fits
    assert str(report) == "no open instances."


# -- what is answered ----------------------------------------------------------------------------


def test_code_that_was_not_changed_fits(any_hub):
    filled(any_hub)
    report = any_hub.replay("fulfil")
    assert report.fits
    assert report.misfits == []
    assert report.partings == []
    assert [(one.fits, one.line, one.recorded, one.requested, one.fields) for one in report] == [
        (True, None, None, None, ())
    ] * 4
    assert {one.events for one in report} == {6}
    assert report.summary == "4 open instances, all fit"


def test_of_code_that_parts_the_line_and_both_sides_are_named(hub):
    filled(hub)
    report = hub.replay("fulfil", with_check)
    assert not report.fits
    assert len(report.misfits) == 4
    one = report[2]
    assert one.line == line_in(with_check, '"check"')
    assert one.code == 'yield context.call_activity("check", order)'
    assert (one.recorded, one.requested) == ("TaskScheduled 'charge' #0", "TaskScheduled 'check' #0")
    assert one.fields == (("name", "charge", "check"),)


def test_an_ending_that_came_too_early_parts_from_nothing_more(hub):
    filled(hub, 1)

    def hasty(context):
        yield context.call_activity("charge", context.get_input())
        return "done"

    (one,) = hub.replay("fulfil", hasty)
    assert (one.recorded, one.requested) == ("EventSubscribed 'Packed' #1", "ExecutionCompleted")


def test_those_that_part_at_one_place_in_one_way_are_one_group_most_first(hub):
    filled(hub, 8)

    def fussy(context):
        order = context.get_input()
        if order == 0:
            yield context.call_activity("check", order)
        yield context.call_activity("charge", min(order, 2))
        yield context.wait_for_external_event("Packed")

    many, single = hub.replay("fulfil", fussy).partings
    assert [one.instance_id for one in many.fits] == [f"order-{number}" for number in range(3, 8)]
    assert many.line == line_in(fussy, '"charge"')
    assert (many.recorded, many.requested) == ("TaskScheduled 'charge'", "TaskScheduled 'charge'")
    assert many.named == "order-3, order-4, order-5 and 2 more"
    told = "recorded TaskScheduled 'charge', requested the same call with another input"
    assert many.told == f"line {many.line}: {told}"
    assert [one.instance_id for one in single.fits] == ["order-0"]


def test_rounds_of_a_loop_are_one_place(hub):
    hub.add_activity(lambda n: n, name="work")

    @hub.orchestrator
    def looping(context):
        for n in range(context.get_input()):
            yield context.call_activity("work", n)
        yield context.wait_for_external_event("Go")

    for rounds in (2, 3, 4):
        hub.start(looping, rounds)
    hub.clock.advance()

    def longer(context):
        for n in range(context.get_input() + 1):
            yield context.call_activity("work", n)
        yield context.wait_for_external_event("Go")

    (parting,) = hub.replay("looping", longer).partings
    assert len(parting.fits) == 3
    assert parting.recorded == "EventSubscribed 'Go'"


def test_a_test_that_asserts_it_is_told_where(hub):
    filled(hub)
    with pytest.raises(AssertionError) as caught:
        assert hub.replay("fulfil", with_limit).fits
    said = str(caught.value)
    line = line_in(with_limit, "min(order, 2)")
    assert f"3 of 4 open instances fit; line {line}: recorded TaskScheduled 'charge'" in said
    assert "order-3" in said
    report = hub.replay("fulfil", with_limit)
    assert f"line {line}: recorded TaskScheduled 'charge'" in str(report)
    assert "input    '3'       '2'" in str(report)


def test_its_line_of_text_stays_short(hub):
    hub.add_orchestrator(fulfil)
    for number in range(3):
        hub.start(fulfil, 9, instance_id=f"{number}" * 200)
    hub.add_activity(lambda order: order, name="charge")
    hub.clock.advance()
    assert len(repr(hub.replay("fulfil", with_limit))) <= 240


def test_the_full_replay_is_there_on_demand(hub):
    filled(hub)
    one = hub.replay("fulfil", with_limit).misfits[0]
    replay = one.replay()
    assert not replay.fits
    assert replay.instance_id == one.instance_id
    assert replay.steps()[-1].line == one.line
    hub.add_activity(lambda order: order, name="charge")
    assert hub.replay("order-1", with_limit)[0].replay().until(4).resumed().status()


def test_code_that_waits_for_more_of_itself_is_gone_through_up_to_there(hub):
    hub.add_activity(lambda n: n, name="work")

    @hub.orchestrator
    def growing(context):
        yield context.call_activity("work", 1)
        context.call_activity("work", 2)
        yield ...

    hub.start(growing)
    hub.clock.advance()

    def grown(context):
        yield context.call_activity("work", 1)
        yield context.call_activity("work", 2)

    def changed(context):
        yield context.call_activity("work", 3)
        yield ...

    def changed_just_before(context):
        yield context.call_activity("work", 1)
        context.call_activity("work", 3)
        yield ...

    def changed_in_the_last_episode(context):
        yield context.call_activity("work", 1)
        context.call_activity("work", 2)
        context.call_activity("work", 3)
        yield ...

    for fits in (growing, grown, changed_in_the_last_episode):
        assert hub.replay("growing", fits).fits
    assert not hub.replay("growing", changed).fits
    assert hub.replay("growing", changed_just_before)[0].fields == (("input", "2", "3"),)


def test_a_fork_with_children_of_its_origins_fits_in_a_bare_history_too(hub):
    hub.add_orchestrator(lambda context: context.get_input(), name="child")

    @hub.orchestrator
    def parent(context):
        for n in range(4):
            yield context.call_sub_orchestrator("child", n)

    handle = hub.start(parent)
    handle.result()
    third = [event.event_id for event in handle.history() if "Completed" in type(event).__name__][2]
    fork = handle.fork(at=third)
    fork.result()
    with df.TaskHub(":memory:", mode="kernel") as other:
        assert other.replay(fork.history(), parent).fits
        assert other.replay(handle.history(), parent).fits


def test_a_child_without_an_id_of_its_own_fits_in_a_bare_history_too(hub, waiting):
    @hub.orchestrator
    def parent(context):
        yield context.call_sub_orchestrator("waiting")

    handle = hub.start(parent)
    hub.clock.advance()
    with df.TaskHub(":memory:", mode="kernel") as other:
        assert other.replay(handle.history(), parent).fits


@dataclass
class Order:
    number: int


def test_a_value_of_a_type_that_no_cell_has_registered_can_not_be_told(hub):
    hub.register_type(Order)

    @hub.orchestrator
    def typed(context):
        context.get_input()
        yield context.wait_for_external_event("Go")

    handle = hub.start(typed, Order(1))
    hub.clock.advance()
    with df.TaskHub(":memory:", mode="kernel") as other:
        report = other.replay(handle.history(), typed)
        assert not report.fits
        assert isinstance(report[0].misfit, df.TypeNotRegisteredError)
        assert "a value can't be read yet" in str(report)
        assert "Order" in str(report)


# -- what it leaves alone ------------------------------------------------------------------------


def test_nothing_is_written_printed_or_run(any_hub, capfd):
    handles = filled(any_hub)
    before = journal_of(any_hub)

    def loud(context):
        print("heard")
        try:
            yield context.call_activity("charge", context.get_input())
            yield context.wait_for_external_event("Packed")
        finally:
            print("heard, too")
            yield context.call_activity("ship", 0)

    capfd.readouterr()
    assert any_hub.replay("fulfil", loud).fits
    assert not any_hub.replay("fulfil", with_check).fits
    assert capfd.readouterr() == ("", "")
    assert journal_of(any_hub) == before
    assert [str(one.status().runtime_status) for one in handles] == ["Running"] * 4
    handles[0].raise_event("Packed")
    assert handles[0].result(20) == "0 shipped"


def test_code_that_uses_the_hub_itself_is_refused_and_starts_nothing(any_hub):
    filled(any_hub, 1)
    before = journal_of(any_hub)
    refused = []

    def meddling(context):
        try:
            any_hub.start("fulfil", instance_id="smuggled")
        except df.DurableError as error:
            refused.append(str(error))
        yield context.call_activity("charge", context.get_input())
        yield context.wait_for_external_event("Packed")

    assert any_hub.replay("fulfil", meddling).fits
    assert any_hub.replay("order-0", meddling)[0].replay().fits
    assert len(refused) == 3
    assert "An orchestrator can't use the hub" in refused[0]
    assert journal_of(any_hub) == before
    any_hub.start("fulfil", 3, instance_id="by hand")


def test_a_file_that_is_only_read_is_gone_through_with_code_that_is_given(opened, tmp_path):
    with opened() as hub:
        filled(hub)
    path = tmp_path / "hub.duckdb"
    content = path.read_bytes()
    with df.open_history(path) as file:
        assert file.replay("fulfil", fulfil).fits
        report = file.replay("fulfil", with_limit)
        assert [one.instance_id for one in report.misfits] == ["order-3"]
        assert not report.misfits[0].replay().fits
        with pytest.raises(df.DurableError, match="activities of a hub of this process"):
            file.replay("order-0", fulfil)[0].replay().until(3).resumed()
        assert file.replay(file.handle("order-1"), fulfil).fits
        assert file.replay(["order-1", file.history("order-2")], fulfil).fits
        with df.TaskHub(":memory:", mode="kernel") as other:
            assert other.replay(file.handle("order-3"), with_thanks).fits
            assert not other.replay([file.handle("order-3")], with_limit).fits
            report = other.replay(file.instances(), with_limit)
            assert [one.instance_id for one in report] == [f"order-{number}" for number in range(4)]
            assert [one.instance_id for one in report.misfits] == ["order-3"]
            assert other.replay(file.instances(name="fulfil")[:3], with_limit).fits
        assert not file.replay(file.instances("Running"), with_limit).fits
    assert path.read_bytes() == content


def test_instances_of_another_hub_are_gone_through_as_that_has_them(hub):
    filled(hub)
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as other:
        filled(other, 1)
        assert [one.instance_id for one in other.replay(hub.instances(), with_limit).misfits] == ["order-3"]
        assert len(other.replay(other.instances())) == 1
        with pytest.raises(
            df.InstanceNotFoundError, match=r"doesn't know whose .* file\.handle\('order-2'\)"
        ):
            other.replay(hub.instances()[2], fulfil)


def test_the_last_execution_of_several_is_gone_through(hub):
    @hub.orchestrator
    def eternal(context):
        round_ = context.get_input()
        yield context.wait_for_external_event(f"Go {round_}")
        context.continue_as_new(round_ + 1)

    handle = hub.start(eternal, 0, instance_id="e")
    hub.clock.advance()
    handle.raise_event("Go 0")
    hub.clock.advance()

    def second_only(context):
        yield context.wait_for_external_event("Go 1")

    assert hub.replay("eternal", second_only).fits
    assert hub.replay(handle.history(), second_only).fits


def test_a_rewound_instance_is_gone_through_since_its_rewind(hub):
    broken = [True]
    hub.add_activity(lambda: 1 / 0 if broken else "fine", name="work")

    @hub.orchestrator
    def fragile(context):
        yield context.call_activity("work")
        yield context.wait_for_external_event("Go")

    handle = hub.start(fragile, instance_id="f")
    handle.wait()
    broken.clear()
    handle.rewind()
    hub.clock.advance()
    assert hub.replay("fragile").fits
    assert hub.replay(handle.history(), fragile).fits


# -- how it shows --------------------------------------------------------------------------------


def test_a_notebook_shows_how_many_fit_and_where_others_part(hub):
    filled(hub)
    report = hub.replay("fulfil", with_limit)
    bundle = bundle_of(report)
    page = page_of(report)
    said = [picture.alt for picture in page.pictures]
    assert bundle["text/plain"] == str(report)
    assert "3 of 4 open instances fit" in page.text
    assert 'yield context.call_activity("charge", min(order, 2))' in page.text
    assert "order-3" in page.text
    assert said == ["Does not fit", "3 of 4 open instances fit"]
    assert page_of(hub.replay("fulfil")).pictures[0].alt == "Fits"


def test_a_report_of_very_many_stays_small(hub):
    filled(hub, 150)
    report = hub.replay("fulfil", with_check)
    html = bundle_of(report)["text/html"]
    assert len(html) < 100_000
    assert "50 more" in html
    assert "150" in bundle_of(report)["text/plain"]
