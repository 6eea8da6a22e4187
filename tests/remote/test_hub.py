"""A remote hub starts, steers, waits for and lists what runs in another process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import durablenb as df
from durablenb.journal.replica import link
from durablenb.server import requests
from tests.remote.conftest import PATIENCE, Served, register
from tests.waiting import until


def test_what_was_started_gives_its_result(served: Served) -> None:
    assert served.remote.run("doubles", [1, 2, "a"]) == [2, 4, "aa"]
    handle = served.remote.start("echo", {"a": [None, 1.5, "é"]}, instance_id="an id with ümlauts & =+%")
    assert handle.result(PATIENCE) == {"a": [None, 1.5, "é"]}
    assert served.hub.handle(handle.id).result() == {"a": [None, 1.5, "é"]}


def test_a_function_stands_for_its_name(served: Served) -> None:
    def echo(context):
        raise AssertionError("this code is not run: that of the server is")

    assert served.remote.run(echo, 3) == 3


def test_a_result_is_what_it_is_where_it_was_made(served: Served) -> None:
    handle = served.remote.start("odd")
    assert handle.result(PATIENCE) == served.hub.handle(handle.id).result()
    moment, numbers, data = handle.result()
    assert isinstance(moment, datetime)
    assert (numbers, data) == ({1, 2}, b"\x00")


def test_a_data_frame_is_fetched_when_it_is_looked_at(fresh: Served) -> None:
    frame = pd.DataFrame({"city": ["Oslo", "Rome"] * 5_000, "rides": range(10_000)})

    @fresh.hub.orchestrator
    def table(context):
        return frame

    pd.testing.assert_frame_equal(fresh.remote.run("table", instance_id="t"), frame)
    assert fresh.remote.table("t").to_pydict() == frame.to_dict("list")


def test_a_registered_type_comes_back_as_such(fresh: Served) -> None:
    @fresh.hub.register_type
    @dataclass
    class Order:
        number: int

    @fresh.hub.orchestrator
    def order(context):
        return Order(7)

    handle = fresh.remote.start("order")
    with pytest.raises(df.TypeNotRegisteredError, match="Order"):
        handle.result(PATIENCE)
    fresh.remote.register_type(Order)
    assert handle.result() == Order(7)


def test_what_failed_raises_what_it_failed_with(served: Served) -> None:
    handle = served.remote.start("mends", "x")
    with pytest.raises(ValueError, match="x is broken") as error:
        handle.result(PATIENCE)
    assert isinstance(error.value, df.TaskFailedError)
    handle.rewind("once more")
    assert handle.result(PATIENCE) == "x is whole"


def test_an_event_is_raised_and_waited_for(served: Served) -> None:
    handle = served.remote.start("approval")
    with pytest.raises(df.WaitTimeoutError, match=r"did not end within 0\.1 s\. It is unharmed"):
        handle.result(0.1)
    handle.raise_event("Approval", {"by": ["Ann"]})
    assert handle.result(PATIENCE) == {"approved": {"by": ["Ann"]}}
    with pytest.raises(df.InstanceStateError, match="takes no events any more"):
        handle.raise_event("Approval")


def test_an_event_with_a_slash_in_its_name_arrives(served: Served) -> None:
    handle = served.remote.start("approval")
    handle.raise_event("a/b?c#d", 1)
    handle.raise_event("Approval", 2)
    assert handle.result(PATIENCE) == {"approved": 2}
    raised = [event.name for event in handle.history() if type(event).__name__ == "EventRaised"]
    assert raised == ["a/b?c#d", "Approval"]


def test_an_instance_is_suspended_resumed_terminated_and_purged(served: Served) -> None:
    handle = served.remote.start("approval")
    handle.suspend("for a while")
    assert str(until(lambda: handle.status().runtime_status)) == "Suspended"
    handle.resume()
    assert str(handle.status().runtime_status) == "Running"
    handle.terminate("no more")
    with pytest.raises(df.OrchestrationTerminatedError, match="no more"):
        handle.result(PATIENCE)
    assert handle.purge() == 1
    assert not handle.status()
    assert repr(handle) == f"<instance {handle.id}: purged>"
    assert handle.purge() == 0
    with pytest.raises(df.InstanceNotFoundError, match=r"remote\.instances\(\) lists"):
        handle.result()


def test_an_instance_is_started_again_with_its_input(served: Served) -> None:
    handle = served.remote.start("echo", 5)
    handle.wait(PATIENCE)
    again = handle.restart()
    assert again.id != handle.id
    assert again.result(PATIENCE) == 5
    assert handle.restart(restart_with_new_instance_id=False) == handle


def test_a_version_is_chosen(served: Served) -> None:
    assert served.remote.run("versioned", version="2.0") == "2.0"


def test_a_wait_can_be_awaited(served: Served) -> None:
    async def main() -> object:
        handle = served.remote.start("approval")
        handle.raise_event("Approval", 1)
        return await handle

    assert asyncio.run(main()) == {"approved": 1}


def test_who_waits_for_an_instance_that_waits_for_code_is_told(tmp_path: Path) -> None:
    path = tmp_path / "flows.duckdb"
    with df.TaskHub(path) as hub:
        register(hub)
        hub.start("approval", instance_id="a")
        until(lambda: hub.handle("a").status().custom_status)
    with df.TaskHub(path) as hub, hub.serve(port=0) as server:
        hub.client.raise_event("a", "Approval", 1)
        with df.TaskHub.connect(server.url, server.key) as remote:
            with pytest.raises(df.FunctionNotFoundError, match="waits for 'approval': run the cell"):
                remote.handle("a").result(PATIENCE)
            register(hub)
            assert remote.handle("a").result(PATIENCE) == {"approved": 1}


def test_the_status_is_that_of_the_server_to_the_microsecond(served: Served) -> None:
    handle = served.remote.start("approval", instance_id="exact")
    until(lambda: handle.status().custom_status)
    there = served.hub.handle("exact")
    assert handle.status() == there.status()
    assert handle.history() == there.history()
    assert handle.status(show_history=True).history == there.status(show_history=True).history
    handle.terminate()


def test_the_log_is_what_was_printed(served: Served) -> None:
    handle = served.remote.start("doubles", [8, 9])
    handle.result(PATIENCE)
    assert handle.logs() == served.hub.handle(handle.id).logs()
    assert [line.message for line in handle.logs(task_id=1)] == ["doubling 9"]


def test_instances_are_listed_page_by_page(fresh: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durablenb.journal.replica.served.PAGE", 3)
    for number in range(10):
        fresh.remote.run("echo", number, instance_id=f"echo-{number}")
    fresh.remote.start("approval", instance_id="open")
    remote = fresh.remote
    assert [one.instance_id for one in remote.instances()] == [
        one.instance_id for one in fresh.hub.instances()
    ]
    assert remote.instances().counts() == {"Completed": 10, "Running": 1}
    assert [one.output for one in remote.instances(name="echo", top=4)] == [0, 1, 2, 3]
    assert [one.instance_id for one in remote.instances(["Running", "Failed"])] == ["open"]
    assert len(remote.instances(top=5)) == 5
    assert len(remote.instances(since=datetime.now(UTC) + timedelta(hours=1))) == 0
    assert [one.instance_id for one in remote.client.get_status_by(instance_id_prefix="op")] == ["open"]
    with pytest.raises(ValueError, match="The statuses are"):
        remote.instances("Lost")


def test_an_entity_is_signalled_read_and_listed(served: Served) -> None:
    counter = served.remote.entity("Counter", "a key/of its own".replace("/", " "))
    assert counter.state() is None
    counter.add(5)
    counter.signal("add", 2)
    assert until(lambda: (counter.state() or {}).get("value") == 7)
    assert served.remote.client.read_entity_state(counter.entity_id).entity_state == {"value": 7}
    (found,) = [one for one in served.remote.entities("counter") if one.entity_id == counter.entity_id]
    assert found.state == {"value": 7}
    assert repr(counter) == repr(served.hub.entity("Counter", counter.entity_id.key))
    with pytest.raises(df.DurableError, match="nothing"):
        served.remote.entity("nothing", "a").add(1)


@pytest.mark.parametrize("value", [(1,), {1: 2}, {1}, float("nan"), b"x", datetime.now(UTC), [(1, 2)]])
def test_what_json_does_not_have_is_refused_before_it_is_sent(served: Served, value: object) -> None:
    with pytest.raises(df.NotSerializableError, match="values go as JSON"):
        served.remote.start("echo", value)


def test_a_value_that_is_too_large_is_refused_before_it_is_sent(served: Served) -> None:
    assert link.BODY_LIMIT == requests.BODY_LIMIT
    with pytest.raises(ValueError, match="Write it to a file"):
        served.remote.start("echo", "x" * link.BODY_LIMIT)


def test_a_server_that_takes_more_is_sent_more() -> None:
    with df.TaskHub(":memory:") as hub:
        hub.orchestrator(size)
        with hub.serve(port=0, body_limit=3 * link.BODY_LIMIT) as server:
            remote = df.TaskHub.connect(server.url, key=server.key)
            assert remote.start(size, "x" * 2 * link.BODY_LIMIT).result(PATIENCE) == 2 * link.BODY_LIMIT
            with pytest.raises(ValueError, match=f"the server takes {3 * link.BODY_LIMIT:,}"):
                remote.start(size, "x" * 3 * link.BODY_LIMIT)


def size(context: df.DurableOrchestrationContext) -> int:
    return len(context.get_input())


def test_queues_are_registered_where_the_hub_is(served: Served) -> None:
    with pytest.raises(df.DurableError, match=r"Call hub\.add_queue\(queue\) in the process"):
        served.remote.add_queue(df.Queue("q", concurrency=1))


def test_refusals_are_those_of_the_hub(served: Served) -> None:
    remote = served.remote
    with pytest.raises(df.FunctionNotFoundError, match="Registered are"):
        remote.start("nothing")
    remote.start("approval", instance_id="taken")
    with pytest.raises(df.InstanceExistsError, match="taken"):
        remote.start("approval", instance_id="taken")
    with pytest.raises(df.InstanceStateError, match="only a failed one can be rewound"):
        remote.handle("taken").rewind()
    with pytest.raises(df.InstanceStateError):
        remote.handle("taken").purge()
    with pytest.raises(ValueError, match="leave out"):
        remote.start("echo", instance_id="a/b")
    remote.handle("taken").terminate()


def test_an_instance_is_canceled_once(served: Served) -> None:
    handle, other = served.remote.start("approval"), served.remote.start("approval")
    until(lambda: other.status().custom_status and handle.status().custom_status)
    assert handle.cancel("no more") is True
    with pytest.raises(df.OrchestrationCanceledError, match="no more"):
        handle.result(PATIENCE)
    assert served.remote.cancel(handle.id) is False
    assert str(handle.status().runtime_status) == "Canceled"
    with pytest.raises(df.InstanceNotFoundError):
        served.remote.cancel("nobody")
    assert str(other.status().runtime_status) == "Running"
    other.terminate()


@pytest.mark.parametrize(
    "odd", ["nobody", "", "a/b", "..", "../instances", "a?b", "a#b", "%2e%2e", "\n", "é" * 300]
)
def test_an_id_leads_to_no_other_path(served: Served, odd: str) -> None:
    with pytest.raises(df.InstanceNotFoundError):
        served.remote.handle(odd)
    assert not served.remote.client.get_status(odd)
    assert served.remote.client.purge_instance_history(odd).instances_deleted == 0
    with pytest.raises(df.InstanceNotFoundError):
        served.remote.client.terminate(odd)


def test_a_start_that_attaches_can_be_sent_again(served: Served) -> None:
    first = served.remote.start("doubles", [1, 2], instance_id="sent twice", if_exists="attach")
    assert first.result(PATIENCE) == [2, 4]
    again = served.remote.start("doubles", [1, 2], instance_id="sent twice", if_exists="attach")
    assert again.result(PATIENCE) == [2, 4]
    assert served.remote.run("doubles", [1, 2], instance_id="sent twice", if_exists="attach") == [2, 4]
    runs = "select count(*) from activities where instance_id = 'sent twice'"
    assert served.hub.sql(runs).fetchall() == [(2,)]
    with pytest.raises(df.InstanceExistsError, match="another input"):
        served.remote.start("doubles", [1, 3], instance_id="sent twice", if_exists="attach")
    with pytest.raises(df.InstanceExistsError, match="is of 'doubles', not of 'echo'"):
        served.remote.start("echo", [1, 2], instance_id="sent twice", if_exists="attach")


def test_a_start_that_restarts_replaces_what_is_open(served: Served) -> None:
    served.remote.start("approval", instance_id="replaced")
    again = served.remote.start("doubles", [3], instance_id="replaced", if_exists="restart")
    assert again.result(PATIENCE) == [6]
    with pytest.raises(ValueError, match="needs an instance_id of your own"):
        served.remote.start("doubles", [3], if_exists="attach")
