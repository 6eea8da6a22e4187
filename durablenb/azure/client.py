"""The client that functions written for Azure get."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from durablenb.hub.async_client import DurableOrchestrationClient
from durablenb.model.status import PurgeHistoryResult, Statuses


class AzureClient(DurableOrchestrationClient):
    """The client of ``azure.durable_functions`` 1.x, with its behaviour where durablenb's own differs.

    The functions of an app get it that imports ``azure.durable_functions`` and is loaded from its folder.

    Notes
    -----
    Azure's client turns an event's data into JSON and posts the result as a JSON text, and nothing decodes it
    again. Code that was written for Azure relies on that, so this client does the same. Everywhere else an
    event's data arrives as the value that was raised.
    """

    async def raise_event(
        self,
        instance_id: str,
        event_name: str,
        event_data: Any = None,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
    ) -> None:
        """Send an external event with its data as JSON text, as Azure's client does.

        Raises
        ------
        TypeError
            If the data isn't plain JSON.
        """
        await super().raise_event(
            instance_id, event_name, json.dumps(event_data), task_hub_name, connection_name
        )

    async def purge_instance_history_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Statuses = None,
        *,
        recursive: bool = True,
    ) -> PurgeHistoryResult:
        """Delete the histories of ended instances that were started since then.

        Raises
        ------
        ValueError
            If `created_time_from` is missing.
        """
        if created_time_from is None:
            raise ValueError("created_time_from is required when purging instance history")
        return await super().purge_instance_history_by(
            created_time_from, created_time_to, runtime_status, recursive=recursive
        )
