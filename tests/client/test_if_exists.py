"""Starting under an id of one's own, where an instance may have it already: refuse, attach, or restart."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import pytest

import durablenb as df
from durablenb.model.events import ExecutionStarted, ExecutionTerminated
from tests.client.corpus import fails, quick, waits
from tests.traps.lab import Lab, kinds


def started(lab, instance_id):
    """How often an instance of this id was begun, in whatever execution."""
    return [
        record.event
        for record in lab.hub._store.records(instance_id)
        if isinstance(record.event, ExecutionStarted)
    ]


# -- attach --------------------------------------------------------------------------------------


@pytest.mark.parametrize("if_exists", ["attach", "restart"])
def test_what_does_not_exist_yet_is_started(lab, if_exists):
    assert lab.hub.run(quick, 7, instance_id="order-7", if_exists=if_exists) == 7


def test_attach_gives_an_ended_instance_without_doing_anything_again(lab):
    paid = []
    lab.activity(paid.append, "pay")

    @lab.orchestrator
    def order(context):
        yield context.call_activity("pay", context.get_input())
        return "paid"

    for _ in range(3):
        assert lab.hub.start(order, 7, instance_id="order-7", if_exists="attach").result(10) == "paid"
        assert lab.hub.run(order, 7, instance_id="order-7", if_exists="attach") == "paid"
    assert paid == [7]
    assert len(started(lab, "order-7")) == 1


@pytest.mark.parametrize("state", ["pending", "scheduled", "suspended"])
def test_attach_gives_an_open_instance_as_it_is(lab, state):
    start_at = lab.clock.now() + timedelta(days=1) if state == "scheduled" else None
    first = lab.start(waits, 1, instance_id="only", start_at=start_at)
    if state == "suspended":
        first.suspend()
    again = lab.start(waits, 1, instance_id="only", if_exists="attach")
    assert again.id == first.id
    assert len(started(lab, "only")) == 1
    first.resume()
    again.raise_event("go", "went")
    assert first.result(10) == again.result(10) == "went"


def test_attach_gives_one_that_failed_with_its_failure(lab):
    lab.start(fails, instance_id="bad").wait(10)
    again = lab.start(fails, instance_id="bad", if_exists="attach")
    with pytest.raises(ValueError, match="broken"):
        again.result(10)
    assert len(started(lab, "bad")) == 1


def test_attach_needs_no_code_of_what_exists(lab):
    lab.start(quick, 1, instance_id="old").result(10)
    del lab.hub._registry.orchestrators["quick"]
    assert lab.hub.run("quick", 1, instance_id="old", if_exists="attach") == 1
    with pytest.raises(df.FunctionNotFoundError):
        lab.start("quick", 1, instance_id="new", if_exists="attach")


def test_attach_refuses_the_instance_of_another_orchestrator(lab):
    first = lab.start(waits, instance_id="only")
    with pytest.raises(
        df.InstanceExistsError, match=r"'only' is of 'waits', not of 'quick'.*hub\.handle\('only'\)"
    ):
        lab.start(quick, instance_id="only", if_exists="attach")
    assert first.status().runtime_status in ("Pending", "Running")


def test_attach_refuses_another_input_and_names_both(lab):
    lab.run(quick, ["Tokyo"], instance_id="season")
    with pytest.raises(df.InstanceExistsError) as refused:
        lab.start(quick, ["Tokyo", "Oslo"], instance_id="season", if_exists="attach")
    for said in ('["Tokyo"]', '["Tokyo", "Oslo"]', "hub.handle('season')", 'if_exists="restart"'):
        assert said in str(refused.value)
    assert lab.hub.run(quick, ["Tokyo"], instance_id="season", if_exists="attach") == ["Tokyo"]


def test_attach_takes_a_dict_in_another_order_for_the_same_input(lab):
    given = lab.run(quick, {"a": 1, "b": {2, 3}}, instance_id="dict")
    assert lab.hub.run(quick, {"b": {3, 2}, "a": 1}, instance_id="dict", if_exists="attach") == given


def test_attach_compares_a_large_array_by_what_is_in_it(tmp_path):
    numbers = np.arange(100_000.0)
    for _ in range(2):
        with df.TaskHub(tmp_path / "hub.duckdb") as hub:
            hub.add_orchestrator(lambda context: float(context.get_input().sum()), "total")
            assert hub.run("total", numbers.copy(), instance_id="one", if_exists="attach") == numbers.sum()
            with pytest.raises(df.InstanceExistsError, match="another input"):
                hub.run("total", numbers + 1, instance_id="one", if_exists="attach")
            assert hub.sql("select count(*) from instances").fetchall() == [(1,)]


def test_attach_compares_with_the_input_of_the_first_generation(lab):
    @lab.orchestrator
    def eternal(context):
        count = context.get_input()
        if count < 3:
            return context.continue_as_new(count + 1)
        return (yield context.wait_for_external_event("go"))

    first = lab.start(eternal, 0, instance_id="monitor")
    lab.settle()
    assert lab.start(eternal, 0, instance_id="monitor", if_exists="attach").status().input_ == 3
    with pytest.raises(df.InstanceExistsError, match="another input"):
        lab.start(eternal, 3, instance_id="monitor", if_exists="attach")
    first.raise_event("go", "on")
    assert lab.start(eternal, 0, instance_id="monitor", if_exists="attach").result(10) == "on"
    with pytest.raises(df.InstanceExistsError, match="another input"):
        lab.start(eternal, 3, instance_id="monitor", if_exists="attach")


def test_attach_compares_with_the_newest_start_of_the_id_and_starts_anew_what_was_purged(lab):
    lab.run(quick, 1, instance_id="twice")
    lab.run(quick, 2, instance_id="twice")
    assert lab.hub.run(quick, 2, instance_id="twice", if_exists="attach") == 2
    with pytest.raises(df.InstanceExistsError, match="another input"):
        lab.start(quick, 1, instance_id="twice", if_exists="attach")
    lab.hub.handle("twice").purge()
    assert lab.hub.run(quick, 1, instance_id="twice", if_exists="attach") == 1


def test_attach_after_the_file_was_closed_and_opened_again(tmp_path):
    ran = []
    for _ in range(2):
        with df.TaskHub(tmp_path / "hub.duckdb") as hub:
            hub.add_activity(ran.append, "run")

            @hub.orchestrator
            def script(context):
                return (yield context.call_activity("run", context.get_input()))

            hub.run(script, "work", instance_id="script", if_exists="attach")
            hub.start("script", "work", instance_id="script", if_exists="attach")
    assert ran == ["work"]


@pytest.fixture
def threaded():
    lab = Lab("threads")
    lab.orchestrator(waits)
    yield lab
    lab.close()


def test_of_many_who_attach_to_one_id_at_once_one_starts_it(threaded):
    barrier = threading.Barrier(8)

    def start(_):
        barrier.wait(10)
        return threaded.start(waits, 1, instance_id="only", if_exists="attach").id

    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(start, range(8))] == ["only"] * 8
    assert len(started(threaded, "only")) == 1


# -- restart -------------------------------------------------------------------------------------


def test_restart_replaces_one_that_has_ended(lab):
    lab.run(quick, 1, instance_id="again")
    assert lab.hub.run(quick, 2, instance_id="again", if_exists="restart") == 2


def test_restart_terminates_what_is_open_with_its_children(lab):
    @lab.orchestrator
    def parent(context):
        return (yield context.call_sub_orchestrator("waits", context.get_input(), "child"))

    first = lab.start(parent, "old", instance_id="only")
    lab.settle()
    again = lab.start(quick, "new", instance_id="only", if_exists="restart")
    assert again.result(10) == first.result(10) == "new"
    assert lab.hub.handle("child").status().runtime_status == "Terminated"
    events = [record.event for record in lab.hub._store.records("only")]
    (ended,) = [event for event in events if isinstance(event, ExecutionTerminated)]
    assert 'if_exists="restart"' in ended.reason
    assert len(started(lab, "only")) == 2


def test_whoever_waited_for_the_one_that_was_replaced_hears_that_it_was_terminated(threaded):
    first = threaded.start(waits, instance_id="only")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(first.result, 20)
        threaded.until(lambda: "only" in threaded.client._control.engine.completions._promises)
        threaded.start(waits, instance_id="only", if_exists="restart")
        with pytest.raises(df.OrchestrationTerminatedError, match="restart"):
            waiting.result(20)


def test_restart_without_code_leaves_what_is_open(lab):
    first = lab.start(waits, instance_id="only")
    with pytest.raises(df.FunctionNotFoundError):
        lab.start("nothing", instance_id="only", if_exists="restart")
    first.raise_event("go", "went")
    assert first.result(10) == "went"


def test_end_and_new_start_are_written_together(lab, monkeypatch):
    """So that no crash can come between them."""
    lab.start(waits, instance_id="only")
    lab.settle()
    store = lab.hub._store
    written = []
    append = store.append
    monkeypatch.setattr(store, "append", lambda records: (written.append(list(records)), append(records)))
    lab.start(waits, instance_id="only", if_exists="restart")
    (batch,) = [one for one in written if any(isinstance(r.event, ExecutionTerminated) for r in one)]
    assert kinds(record.event for record in batch)[:2] == ["ExecutionTerminated", "ExecutionStarted"]


# -- error, and what can't be --------------------------------------------------------------------


def test_without_if_exists_the_error_names_what_else_there_is(lab):
    lab.start(waits, instance_id="only")
    for options in ({}, {"if_exists": "error"}):
        with pytest.raises(df.InstanceExistsError) as refused:
            lab.start(waits, instance_id="only", **options)
        for said in ("'only' is open", "hub.handle('only')", 'if_exists="attach"', 'if_exists="restart"'):
            assert said in str(refused.value)


@pytest.mark.parametrize("if_exists", ["attach", "restart"])
def test_without_an_id_there_is_nothing_to_attach_to_or_to_restart(lab, if_exists):
    with pytest.raises(ValueError, match=f"if_exists={if_exists!r} needs an instance_id of your own"):
        lab.start(quick, if_exists=if_exists)
    assert lab.hub.instances() == []


def test_another_word_and_dedupe_statuses_beside_it_are_refused(lab):
    says = "if_exists is 'atach'; expected one of 'error', 'attach', 'restart'"
    with pytest.raises(ValueError, match=says):
        lab.start(quick, instance_id="only", if_exists="atach")
    with pytest.raises(ValueError, match="dedupe_statuses"):
        lab.client.start_new(quick, "only", if_exists="attach", dedupe_statuses=["Failed"])


@pytest.mark.parametrize("if_exists", ["attach", "restart"])
def test_an_imported_instance_is_neither_attached_to_nor_replaced(tmp_path, if_exists):
    with df.TaskHub(":memory:", mode="kernel") as other:
        other.add_orchestrator(quick)
        other.run(quick, 1, instance_id="taken")
        other.export("taken", tmp_path / "taken.json")
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_orchestrator(quick)
        hub.import_history(tmp_path / "taken.json")
        with pytest.raises(df.InstanceExistsError, match="imported"):
            hub.start(quick, 1, instance_id="taken", if_exists=if_exists)


def test_azures_clients_take_it_too(lab, client):
    assert client.start_new("quick", "order-7", 7, if_exists="attach") == "order-7"
    assert client.wait_for_completion("order-7", 10).output == 7
    awaitable = df.DurableOrchestrationClient(lab.hub)
    assert asyncio.run(awaitable.start_new("quick", "order-7", 7, if_exists="attach")) == "order-7"
    assert len(started(lab, "order-7")) == 1
