"""Requests that poll at once share one query, and no response is older than its request."""

import asyncio

import pytest

import durablenb as df
from durablenb.server.status_batcher import BATCH_SIZE, StatusBatcher
from tests.server.conftest import PATIENCE


class Counting:
    """A client that counts its queries, and fails on demand."""

    def __init__(self, client):
        self._client = client
        self.looks = []
        self.error = None

    async def get_statuses(self, instance_ids):
        ids = list(instance_ids)
        self.looks.append(len(ids))
        if self.error is not None:
            raise self.error
        return await self._client.get_statuses(ids)


@pytest.fixture
def client(served):
    return Counting(df.DurableOrchestrationClient(served.hub))


def test_what_gathers_during_a_look_is_asked_for_with_the_next_one(served, client):
    ids = [served.hub.client.start_new("approval") for _ in range(BATCH_SIZE + 5)]

    async def poll():
        batcher = StatusBatcher(client)
        return await asyncio.gather(*map(batcher.get, [*ids, ids[0], "nobody"]))

    found = asyncio.run(asyncio.wait_for(poll(), PATIENCE))
    assert [one.instance_id for one in found] == [*ids, ids[0], None]
    assert client.looks == [BATCH_SIZE, 6]


def test_who_asks_later_gets_a_later_answer(served, client):
    instance_id = served.hub.client.start_new("approval")

    async def poll():
        batcher = StatusBatcher(client)
        first = asyncio.create_task(batcher.get(instance_id))
        await asyncio.sleep(0)
        await asyncio.to_thread(served.hub.client.terminate, instance_id, "enough")
        second = await batcher.get(instance_id)
        await first
        return second

    assert asyncio.run(asyncio.wait_for(poll(), PATIENCE)).runtime_status == "Terminated"


def test_an_error_reaches_everybody_and_the_next_ones_are_answered(served, client):
    async def poll():
        batcher = StatusBatcher(client)
        client.error = df.StoreError("the disk is gone")
        failed = await asyncio.gather(batcher.get("a"), batcher.get("b"), return_exceptions=True)
        client.error = None
        return [*failed, await batcher.get("a")]

    *failed, last = asyncio.run(asyncio.wait_for(poll(), PATIENCE))
    assert [str(one) for one in failed] == ["the disk is gone"] * 2
    assert not last


def test_who_gives_up_takes_nobodys_answer(served, client):
    async def poll():
        batcher = StatusBatcher(client)
        impatient, patient = (asyncio.create_task(batcher.get("a")) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        return await patient

    assert not asyncio.run(asyncio.wait_for(poll(), PATIENCE))
