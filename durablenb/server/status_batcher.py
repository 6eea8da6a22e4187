"""Statuses for many requests at once: one query for all that gathered while the last query ran."""

from __future__ import annotations

import asyncio

from durablenb.hub.async_client import DurableOrchestrationClient
from durablenb.model.status import DurableOrchestrationStatus

BATCH_SIZE = 200
"""The largest number of instances of one query."""


class StatusBatcher:
    """Reads statuses in batches; a status is never older than the call that requested it.

    Parameters
    ----------
    client
        The client that reads the journal. A query for two hundred instances takes hardly longer than a query
        for one.
    """

    def __init__(self, client: DurableOrchestrationClient) -> None:
        self._client = client
        self._pending: dict[str, asyncio.Future[DurableOrchestrationStatus]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def get(self, instance_id: str) -> DurableOrchestrationStatus:
        """Return the status of an instance; a false status if there is no such instance."""
        status = self._pending.get(instance_id)
        if status is None:
            status = self._pending[instance_id] = asyncio.get_running_loop().create_future()
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        return await asyncio.shield(status)  # other requests may await the same future

    async def _read(self) -> None:
        while self._pending:
            batch = {
                instance_id: self._pending.pop(instance_id)
                for instance_id in list(self._pending)[:BATCH_SIZE]
            }
            try:
                statuses = await self._client.get_statuses(batch)
            except Exception as error:
                for future in batch.values():
                    future.set_exception(error)
                    future.exception()  # marks it as retrieved: the request may be gone
                continue
            for instance_id, future in batch.items():
                future.set_result(statuses.get(instance_id) or DurableOrchestrationStatus())
