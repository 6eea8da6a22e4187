"""Handles: one instance, as a user holds it."""

import asyncio

import pytest

import durablenb as df
from tests.client.corpus import fails, quick, waits
from tests.traps.lab import kinds


@pytest.fixture
def handle(lab):
    return lab.start(waits, 5, instance_id="w")


def test_a_handle_does_what_the_client_does(lab, handle):
    assert handle.id == "w"
    handle.suspend("rest")
    assert handle.status().runtime_status == "Suspended"
    handle.resume("go on")
    handle.raise_event("go", "well")
    assert handle.result(10) == "well"
    assert handle.wait(10).output == "well"
    assert handle.status(show_history=True).history[-1]["Result"] == "well"
    assert kinds(handle.history())[-1] == "ExecutionCompleted"
    again = handle.restart()
    assert isinstance(again, df.Handle)
    again.terminate("enough")
    assert again.status().output == "enough"
    assert handle.restart(restart_with_new_instance_id=False) == handle
    handle.raise_event("go", "again")
    assert handle.result(10) == "again"
    assert handle.purge() == 1
    assert not handle.status()


def test_a_handle_is_equal_to_another_of_the_same_instance(lab, handle):
    other = lab.hub.handle("w")
    assert other == handle
    assert hash(other) == hash(handle)
    assert other != lab.start(waits)
    assert handle != "w"
    assert len({handle, other}) == 1


def test_a_handle_says_what_it_is(lab, handle):
    lab.settle()
    assert repr(handle) == "<waits w: Running>"
    handle.terminate()
    assert repr(handle) == "<waits w: Terminated>"
    handle.purge()
    assert repr(handle) == "<instance w: purged>"


def test_a_handle_outlives_its_hub_and_says_that_it_is_closed():
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_orchestrator(waits)
        handle = hub.start(waits, instance_id="w")
    assert repr(handle) == "<instance w of a closed hub>"
    for method in (handle.result, handle.status, handle.terminate, handle.history, handle.suspend):
        with pytest.raises(df.StoreError, match=r"The hub is closed\. Open it again"):
            method()
    with pytest.raises(df.StoreError, match="The hub is closed"):
        handle.raise_event("go")


def test_handle_of_an_unknown_instance_is_refused(lab):
    with pytest.raises(df.InstanceNotFoundError, match=r"No instance with ID 'nobody' found. hub.instances"):
        lab.hub.handle("nobody")


def test_a_handle_can_be_awaited(lab, handle):
    handle.raise_event("go", "well")

    async def main():
        return await handle

    assert asyncio.run(main()) == "well"
    failed = lab.start(fails)

    async def fail():
        await failed

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(fail())


def test_a_handle_of_a_failed_instance_raises_the_same_each_time(lab):
    handle = lab.start(fails)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            handle.result(10)


def test_handles_of_instances_that_ended_long_ago_still_know_their_results(lab):
    handles = [lab.start(quick, number) for number in range(50)]
    assert [handle.result(10) for handle in handles] == list(range(50))
    with lab.client._control.engine._lock:
        lab.client._control.engine.completions._ended.clear()  # as if thousands had ended since
    assert [handle.result(10) for handle in handles] == list(range(50))
