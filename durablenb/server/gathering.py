"""Statuses for many who ask at once: one query for all that has gathered while the last one ran."""

from __future__ import annotations

import asyncio

from durablenb.hub.async_client import DurableOrchestrationClient
from durablenb.model.status import DurableOrchestrationStatus

AT_ONCE = 200
"""Instances that one query is about."""


class Statuses:
    """Where instances stand; what is answered is never older than the question.

    Parameters
    ----------
    client
        Asks the journal. A query about two hundred instances takes hardly longer than one about one.
    """

    def __init__(self, client: DurableOrchestrationClient) -> None:
        self._client = client
        self._asked: dict[str, asyncio.Future[DurableOrchestrationStatus]] = {}
        self._work: asyncio.Task[None] | None = None

    async def of(self, instance_id: str) -> DurableOrchestrationStatus:
        """Return where an instance stands; a false status if there is none."""
        answer = self._asked.get(instance_id)
        if answer is None:
            answer = self._asked[instance_id] = asyncio.get_running_loop().create_future()
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._answer())
        return await asyncio.shield(answer)  # others may wait for the same one

    async def _answer(self) -> None:
        while self._asked:
            taken = {one: self._asked.pop(one) for one in list(self._asked)[:AT_ONCE]}
            try:
                found = await self._client.get_statuses(taken)
            except Exception as error:
                for answer in taken.values():
                    answer.set_exception(error)
                    answer.exception()  # whoever asked may have gone away
                continue
            for instance_id, answer in taken.items():
                answer.set_result(found.get(instance_id) or DurableOrchestrationStatus())
