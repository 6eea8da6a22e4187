"""Many orchestrations are started at once, waited for, and looked at together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import durablenb as df
from durablenb.hub.hub import Hub
from durablenb.store.reader import JournalReader
from tests.notebook.reading import page_of


def register(hub: df.TaskHub) -> None:
    @hub.activity
    def divide(number: int) -> float:
        return 100 / number

    @hub.orchestrator
    def share(context: Any) -> Any:
        return (yield context.call_activity("divide", context.get_input()))

    @hub.orchestrator
    def echo(context: Any) -> Any:
        return context.get_input()

    @hub.orchestrator
    def approval(context: Any) -> Any:
        return (yield context.wait_for_external_event("Approval"))

    @hub.orchestrator
    def rest(context: Any) -> Any:
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=context.get_input()))
        return context.get_input()


@pytest.fixture(params=["threads", "kernel", "served"])
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    """A hub with threads, one that works in the caller's thread, and a served one as seen from elsewhere."""
    mode = "kernel" if request.param == "kernel" else "threads"
    with df.TaskHub(":memory:", mode=mode) as opened:
        register(opened)
        if request.param != "served":
            yield opened
            return
        with opened.serve(port=0) as server, df.TaskHub.connect(server.url, key=server.key) as remote:
            yield remote


def test_results_are_in_the_order_of_the_inputs(hub: Hub) -> None:
    handles = hub.map("share", [1, 2, 4, 5])
    assert handles.results(20) == [100, 50, 25, 20]
    assert len(handles) == 4
    assert handles[2].result(20) == 25
    assert [handle.id for handle in handles] == list(handles.ids)
    assert handles[1:3].results() == [50, 25]
    assert handles[1:3] == df.Handles(hub, handles.ids[1:3]) != handles
    assert repr(handles) == "<4 instances: 4 Completed>"
    assert handles.wait(20).counts() == {"Completed": 4}
    assert all(len(instance_id) == 32 for instance_id in handles.ids)


def test_an_instance_that_is_not_there_is_named_at_once(hub: Hub) -> None:
    known = hub.map("share", [1], instance_ids=["there"])
    known.wait(20)
    handles = df.Handles(hub, ["there", "nobody", "nobody else"])
    with pytest.raises(df.InstanceNotFoundError, match="nobody"):
        handles.results(5)


def test_a_handle_and_its_log_are_there_without_reading_any_value(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = hub.start("echo", "x" * 10_000, instance_id="large")
    assert known.result(20) == "x" * 10_000
    read: list[int] = []
    readers = [JournalReader, *JournalReader.__subclasses__()]
    for reader in [one for one in readers if "_ask" in vars(one)]:
        ask = reader._ask

        def counted(self: Any, *query: Any, ask: Any = ask) -> list[tuple[Any, ...]]:
            rows: list[tuple[Any, ...]] = ask(self, *query)
            read.append(sum(len(str(row)) for row in rows))
            return rows

        monkeypatch.setattr(reader, "_ask", counted)
    assert hub.handle("large") == known
    assert len(known.logs()) == 0
    assert read
    assert sum(read) < 1_000
    with pytest.raises(df.InstanceNotFoundError, match="nobody"):
        hub.handle("nobody")


def test_an_empty_list_of_inputs_starts_nothing(hub: Hub) -> None:
    handles = hub.map("share", [])
    assert handles.results() == list(handles.as_completed()) == list(handles.wait()) == []
    assert len(hub.instances()) == 0
    assert repr(handles) == "<0 instances>"


def test_a_failure_is_raised_after_all_have_ended_or_collected(hub: Hub) -> None:
    handles = hub.map("share", [0, 1, 0, 2], instance_ids=["a", "b", "c", "d"])
    with pytest.raises(ZeroDivisionError) as error:
        handles.results(20)
    assert isinstance(error.value, df.TaskFailedError)
    assert handles.wait().counts() == {"Failed": 2, "Completed": 2}
    results = handles.results(20, return_exceptions=True)
    assert results[1::2] == [100, 50]
    assert all(isinstance(result, ZeroDivisionError) for result in results[::2])


def test_handles_come_as_their_instances_end(hub: Hub) -> None:
    handles = hub.map("approval", range(3), instance_ids=["one", "two", "three"])
    for instance_id in ("two", "three", "one"):
        hub.handle(instance_id).raise_event("Approval", instance_id)
    ended = list(handles.as_completed(20))
    assert sorted(handle.id for handle in ended) == ["one", "three", "two"]
    assert all(handle.result(0.5) == handle.id for handle in ended)


def test_one_that_ends_early_comes_before_those_that_are_open(hub: Hub) -> None:
    handles = hub.map("approval", range(3), instance_ids=["one", "two", "three"])
    hub.handle("two").raise_event("Approval", 2)
    coming = handles.as_completed(20)
    if not hub._control.does_work_in_caller:  # there, the first one is waited for first
        assert next(coming).result() == 2
    for instance_id in ("one", "three"):
        hub.handle(instance_id).raise_event("Approval", 0)
    assert {handle.id for handle in coming} >= {"one", "three"}


def test_the_time_for_all_of_them_is_limited(hub: Hub) -> None:
    handles = hub.map("approval", range(3))
    with pytest.raises(df.WaitTimeoutError):
        handles.results(0.1)
    with pytest.raises(df.WaitTimeoutError):
        list(handles.as_completed(0.1))
    for handle in handles:
        handle.raise_event("Approval", 1)
    assert handles.results(20) == [1, 1, 1]


def test_they_can_be_awaited(hub: Hub) -> None:
    async def main() -> Any:
        return await hub.map("share", [1, 2])

    assert asyncio.run(main()) == [100, 50]

    async def azures() -> Any:
        return await df.DurableOrchestrationClient(hub).start_many("share", [1, 2], ["x", "y"])

    assert asyncio.run(azures()) == ["x", "y"]
    assert df.Handles(hub, ["x", "y"]).results(20) == [100, 50]


def test_all_are_started_or_none(hub: Hub) -> None:
    hub.start("approval", instance_id="taken")
    with pytest.raises(df.InstanceExistsError, match="taken"):
        hub.map("approval", range(3), instance_ids=["a", "taken", "b"])
    with pytest.raises(df.FunctionNotFoundError):
        hub.map("nothing", range(3))
    with pytest.raises(df.NotSerializableError):
        hub.map("approval", [1, threading.Lock(), 2])
    with pytest.raises(ValueError, match=r"3 inputs and 2 instance_ids\. Give one id for each input"):
        hub.map("approval", range(3), instance_ids=["a", "b"])
    with pytest.raises(ValueError, match="'a' is given twice"):
        hub.map("approval", range(3), instance_ids=["a", "b", "a"])
    with pytest.raises(ValueError, match="leave out"):
        hub.map("approval", range(2), instance_ids=["a", "b/c"])
    with pytest.raises(TypeError, match="expected an id for each input"):
        hub.map("approval", range(2), instance_ids="ab")
    assert [status.instance_id for status in hub.instances()] == ["taken"]


def test_with_attach_only_what_does_not_exist_is_started(hub: Hub) -> None:
    ids = [f"share-{number}" for number in range(1, 4)]
    assert hub.map("share", [1, 2], instance_ids=ids[:2], if_exists="attach").results(20) == [100, 50]
    handles = hub.map("share", [1, 2, 4], instance_ids=ids, if_exists="attach")
    assert handles.results(20) == [100, 50, 25]
    started = [
        [type(event).__name__ for event in handle.history()].count("ExecutionStarted") for handle in handles
    ]
    assert started == [1, 1, 1]
    with pytest.raises(df.InstanceExistsError, match="another input"):
        hub.map("share", [1, 3, 4], instance_ids=[*ids[:2], "new"], if_exists="attach")
    assert not df.Handle(hub, "new").status()
    again = hub.map("share", [5, 10], instance_ids=ids[:2], if_exists="restart")
    assert again.results(20) == [20, 10]


def test_tags_and_starts_later_are_those_of_all(hub: Hub) -> None:
    now = hub._journal.now()
    handles = hub.map("share", [1, 2], tags={"sweep": "a"}, start_at=now + timedelta(days=1))
    statuses = [handle.status() for handle in handles]
    assert [status.tags for status in statuses] == [{"sweep": "a"}] * 2
    assert {str(status.runtime_status) for status in statuses} == {"Pending"}
    for handle in handles:
        handle.terminate("not today")
    results = handles.results(20, return_exceptions=True)
    assert [str(result).split(": ")[1] for result in results] == ["not today.", "not today."]


def test_they_are_a_table_and_a_picture(hub: Hub) -> None:
    handles = hub.map("share", [1, 0, 4], instance_ids=["a", "b", "c"])
    handles.wait(20)
    table = handles.df()
    assert list(table.instance_id) == ["a", "b", "c"]
    assert list(table.status) == ["Completed", "Failed", "Completed"]
    assert list(table.input) == [1, 0, 4]
    assert [table.output[0], table.output[2]] == [100, 25]
    assert "division by zero" in table.failure[1]
    assert (table.duration >= pd.Timedelta(0)).all()
    page = page_of(handles)
    assert page.picture().alt == "3 instances: 1 Failed, 2 Completed"
    assert "b" in page.text


def test_progress_counts_those_that_have_ended(hub: Hub) -> None:
    handles = hub.map("share", [1, 0, 4, 5])
    assert repr(handles.progress()).startswith("<share 4 instances: ")
    with pytest.raises(ZeroDivisionError):
        handles.progress().result(20)
    assert repr(handles.progress()) == "<share 4 instances: Failed, share 4/4>"
    assert "1 failed" in page_of(handles.progress()).text
    assert hub.map("share", [1]).progress().result(20) == [100]

    async def main() -> Any:
        return await hub.map("share", [1, 2]).progress()

    assert asyncio.run(main()) == [100, 50]


def test_what_was_purged_is_named() -> None:
    with df.TaskHub(":memory:") as hub:
        register(hub)
        handles = hub.map("share", [1, 2], instance_ids=["a", "b"])
        handles.wait(20)
        handles[0].purge()
        assert [status.instance_id for status in handles.statuses()] == ["b"]
        with pytest.raises(df.InstanceNotFoundError, match="'a'"):
            handles.results(20)
    assert repr(handles) == "<2 instances of a closed hub>"


def test_blocked_ones_end_the_wait_when_nothing_else_runs(tmp_path: Path) -> None:
    with df.TaskHub(tmp_path / "flows.duckdb") as hub:
        register(hub)
        ids = hub.map("approval", [1, 2]).ids
    with df.TaskHub(tmp_path / "flows.duckdb") as hub:
        for instance_id in ids:
            hub.handle(instance_id).raise_event("Approval", instance_id)
        hub.add_orchestrator(lambda context: 7, name="seven")
        handles = df.Handles(hub, [*ids, *hub.map("seven", [1]).ids])
        coming = handles.as_completed(60)
        assert next(coming).result() == 7
        with pytest.raises(df.FunctionNotFoundError, match="approval"):
            next(coming)
        register(hub)
        assert handles.results(20) == [*ids, 7]


def test_a_virtual_clock_jumps_for_all_of_them() -> None:
    for mode in ("threads", "kernel"):
        with df.TaskHub(":memory:", mode=mode, clock=df.VirtualClock()) as hub:
            register(hub)
            handles = hub.map("rest", [72, 1, 24])
            assert handles.results(20) == [72, 1, 24]


def test_a_file_has_those_that_have_ended(tmp_path: Path) -> None:
    with df.TaskHub(tmp_path / "flows.duckdb") as hub:
        register(hub)
        hub.map("share", [1, 2], instance_ids=["a", "b"]).wait(20)
        hub.start("approval", instance_id="open")
    with df.open_history(tmp_path / "flows.duckdb") as file:
        assert df.Handles(file, ["b", "a"]).results() == [50, 100]
        coming = df.Handles(file, ["open", "a"]).as_completed()
        assert next(coming).id == "a"
        with pytest.raises(df.DurableError, match="nothing happens in"):
            next(coming)


def test_all_starts_are_one_commit(tmp_path: Path) -> None:
    with df.TaskHub(tmp_path / "flows.duckdb") as hub:
        register(hub)
        sizes: list[int] = []
        append = hub._store.append

        def counted(records: Any) -> None:
            sizes.append(sum(type(record.event).__name__ == "ExecutionStarted" for record in records))
            append(records)

        hub._store.append = counted  # type: ignore[method-assign]
        hub.map("approval", range(500))
        assert [size for size in sizes if size] == [500]


def test_what_reads_while_the_hub_is_closed_is_told_so():
    hub = df.TaskHub(":memory:", mode="kernel")

    def read():
        with hub._journal.connection() as connection:
            hub.close()
            connection.execute("select 1")

    with pytest.raises(df.StoreError, match="The hub is closed"):
        read()
