"""Azure's awaitable client: the same methods, and an event loop that goes on."""

import asyncio
import inspect

import pytest

import durablenb as df
from durablenb.engine.async_waiting import _wakers
from tests.client.corpus import waits
from tests.traps.lab import PATIENCE

SAME = ["start_new", "get_status", "get_status_all", "get_status_by", "raise_event", "cancel", "suspend"]
SAME += ["terminate", "resume", "rewind", "restart", "purge_instance_history", "purge_instance_history_by"]
SAME += ["wait_for_completion"]


def parameters(method, kind):
    return [one for one in inspect.signature(method).parameters.values() if one.kind is kind]


@pytest.mark.parametrize("name", SAME)
def test_the_awaitable_client_has_each_method_with_the_same_arguments(name):
    awaitable = getattr(df.DurableOrchestrationClient, name)
    synchronous = getattr(df.SyncDurableOrchestrationClient, name)
    assert inspect.iscoroutinefunction(awaitable)
    given, same = (
        [(one.name, one.default) for one in parameters(method, inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        for method in (awaitable, synchronous)
    )
    assert [one for one in given if one[0] not in ("task_hub_name", "connection_name")] == same
    if name not in ("start_new", "wait_for_completion"):
        own = {one.name for one in parameters(synchronous, inspect.Parameter.KEYWORD_ONLY)}
        assert own <= set(inspect.signature(awaitable).parameters)


def test_waits_that_are_given_up_leave_nothing_behind():
    with df.TaskHub(":memory:") as hub:

        @hub.orchestrator
        def one(context):
            return (yield context.wait_for_external_event("Go"))

        handles = [hub.start(one) for _ in range(2)]

        async def main():
            async def poll(handle, patience):
                try:
                    async with asyncio.timeout(patience):
                        await handle
                except TimeoutError:
                    return
                raise AssertionError("it has ended")

            for n in range(60):
                await asyncio.gather(*(poll(handle, 0) for handle in handles))
                await asyncio.gather(*(poll(handle, 0.0005 * (n % 3)) for handle in handles))
            return asyncio.gather(*handles, return_exceptions=True)

        async def main_and_result():
            waiting = await main()
            await asyncio.sleep(0)
            for handle in handles:
                left = hub._engine.completions.watch(handle.id)._done_callbacks
                assert len(left) <= 1
                handle.raise_event("Go", handle.id)
            return await waiting

        assert asyncio.run(main_and_result()) == [handle.id for handle in handles]


def test_waits_that_end_in_a_result_or_an_error_leave_nothing_behind():
    with df.TaskHub(":memory:") as hub:

        @hub.orchestrator
        def whole(context):
            return (yield context.wait_for_external_event("Go"))

        @hub.orchestrator
        def begun(context):
            yield ...

        async def main():
            ending, resting = [hub.start(whole) for _ in range(2)], [hub.start(begun) for _ in range(2)]
            results = asyncio.gather(*ending)
            errors = await asyncio.gather(*resting, return_exceptions=True)
            for handle in ending:
                handle.raise_event("Go", handle.id)
            assert await results == [handle.id for handle in ending]
            assert [type(error) for error in errors] == [df.WaitTimeoutError] * 2
            assert not _wakers[asyncio.get_running_loop()]._checks
            for handle in resting:
                assert not hub._engine.completions.watch(handle.id)._done_callbacks

        asyncio.run(main())


def test_the_awaitable_client_does_all_of_it(lab):
    broken = [True]
    lab.activity(lambda: 1 / 0 if broken else "well", "fragile")

    @lab.orchestrator
    def fragile(context):
        return (yield context.call_activity("fragile"))

    async def main():
        client = df.DurableOrchestrationClient(lab.hub)
        now = lab.clock.now()
        assert await client.start_new("waits", "w", {"a": 1}, "1", tags={"t": "x"}) == "w"
        status = await client.get_status("w", show_history=True)
        assert (status.input_, status.version, status.tags) == ({"a": 1}, "1", {"t": "x"})
        await client.suspend("w", "rest")
        assert (await client.get_status("w")).runtime_status == "Suspended"
        await client.resume("w", "go on")
        await client.raise_event("w", "go", 5, task_hub_name="any", connection_name="any")
        assert (await client.wait_for_completion("w", 10)).output == 5
        await client.start_new("fragile", "f")
        assert (await client.wait_for_completion("f", 10)).runtime_status == "Failed"
        broken.clear()
        await client.rewind("f", "mended", task_hub_name="any", connection_name="any")
        assert (await client.wait_for_completion("f", 10)).output == "well"
        again = await client.restart("f")
        assert (await client.wait_for_completion(again, 10)).output == "well"
        await client.start_new("waits", "c")
        assert await client.cancel("c", "why") is True
        assert (await client.wait_for_completion("c", 10)).runtime_status == "Canceled"
        assert await client.cancel("c") is False
        assert (await client.purge_instance_history("c")).instances_deleted == 1
        await client.start_new("waits", "t")
        await client.terminate("t", "why", recursive=False)
        found = await client.get_status_by(now, None, ["Completed", "Terminated"], "t")
        assert [one.instance_id for one in found] == ["t"]
        assert len(await client.get_status_all()) == 4
        assert (await client.purge_instance_history("t", recursive=False)).instances_deleted == 1
        assert (await client.purge_instance_history_by(now, None, "Completed")).instances_deleted == 3
        return await client.get_status_all()

    assert asyncio.run(main()) == []


def test_the_awaitable_client_raises_what_the_synchronous_one_raises(lab):
    async def main():
        client = df.DurableOrchestrationClient(lab.hub)
        with pytest.raises(df.InstanceNotFoundError):
            await client.raise_event("nobody", "go")
        with pytest.raises(df.FunctionNotFoundError):
            await client.start_new("nobody")
        with pytest.raises(df.InstanceNotFoundError):
            await client.wait_for_completion("nobody")
        await client.start_new("waits", "w")
        with pytest.raises(df.WaitTimeoutError):
            await client.wait_for_completion("w", 0.02)

    asyncio.run(main())


def test_the_awaitable_client_takes_a_hub_and_nothing_else():
    with pytest.raises(TypeError, match="takes a TaskHub, not a str"):
        df.DurableOrchestrationClient("starter")


@pytest.fixture
def waiting():
    """An orchestration that waits for an event."""
    with df.TaskHub(":memory:") as hub:
        yield hub.start(hub.orchestrator(waits))


def test_the_event_loop_goes_on_and_a_wait_that_is_cancelled_harms_nothing(waiting):
    async def main():
        client = df.DurableOrchestrationClient(waiting.hub)
        cancelled, other = (
            asyncio.create_task(client.wait_for_completion(waiting.id, PATIENCE)) for _ in range(2)
        )
        await asyncio.sleep(0.01)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await client.raise_event(waiting.id, "go", 1)  # by the same loop
        return [(await wait).output for wait in (other, client.wait_for_completion(waiting.id, PATIENCE))]

    assert asyncio.run(main()) == [1, 1]


def test_two_event_loops_may_wait_for_one_instance_one_after_another(waiting):
    async def wait():
        return await waiting

    give_up = df.DurableOrchestrationClient(waiting.hub).wait_for_completion(waiting.id, 0.02)
    with pytest.raises(df.WaitTimeoutError):
        asyncio.run(give_up)
    waiting.raise_event("go", 1)
    assert asyncio.run(wait()) == 1
