"""Azure's client, with awaitable methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, ParamSpec, Protocol, TypeVar

from durablenb.hub.client import SyncDurableOrchestrationClient
from durablenb.hub.responses import check_status_response, http_response, moved
from durablenb.model.address import Address
from durablenb.model.entities import CleanEntityStorageResult, EntityId, EntityMetadata, EntityStateResponse
from durablenb.model.errors import DurableError
from durablenb.model.ids import IfExists, asked_instance_id
from durablenb.model.status import (
    DurableOrchestrationStatus,
    OrchestrationRuntimeStatus,
    PurgeHistoryResult,
    Statuses,
)

P = ParamSpec("P")
T = TypeVar("T")


class HasClient(Protocol):
    """A hub, as far as the client uses it."""

    @property
    def client(self) -> SyncDurableOrchestrationClient:
        """The synchronous client."""
        ...


class DurableOrchestrationClient:
    """Azure's client, with awaitable methods; `hub.client` has the same ones without ``await``.

    Parameters
    ----------
    hub
        A `TaskHub`, or a remote hub.

    Examples
    --------
    >>> import asyncio, durablenb as df
    >>> hub = df.TaskHub(":memory:")
    >>> @hub.orchestrator
    ... def approval(context):
    ...     return (yield context.wait_for_external_event("ApprovalEvent"))
    >>> async def main(client):
    ...     durable_client = df.DurableOrchestrationClient(client)
    ...     instance_id = await durable_client.start_new("approval")
    ...     await durable_client.raise_event(instance_id, "ApprovalEvent", True)
    ...     return (await durable_client.wait_for_completion(instance_id)).output
    >>> asyncio.run(main(hub))
    True
    >>> hub.close()

    Notes
    -----
    Most methods run the synchronous one in a thread, so that the event loop isn't blocked while it waits for
    the disk.
    """

    def __init__(self, hub: HasClient) -> None:
        if not isinstance(getattr(hub, "client", None), SyncDurableOrchestrationClient):
            raise TypeError(f"DurableOrchestrationClient takes a TaskHub, not a {type(hub).__name__}.")
        self._client = hub.client
        self.if_exists: IfExists = getattr(hub, "if_exists", "error")
        """The default of a start under an id; an app's ``host.json`` may set it."""

    async def start_new(
        self,
        orchestration_function_name: str | Callable[..., Any],
        instance_id: str | None = None,
        client_input: Any = None,
        version: str | None = None,
        **options: Any,
    ) -> str:
        """Start an orchestration and return its id; `options` are those of the synchronous method."""
        if instance_id is not None and options.get("dedupe_statuses") is None:
            options.setdefault("if_exists", self.if_exists)
        message = self._client.start_message(
            orchestration_function_name, instance_id, client_input, version, **options
        )
        return str(await self._client._control.request_async(message))

    async def start_many(
        self,
        orchestration_function_name: str | Callable[..., Any],
        inputs: Iterable[Any],
        instance_ids: Iterable[str] | None = None,
        version: str | None = None,
        **options: Any,
    ) -> list[str]:
        """Start an orchestration for each input, and return their ids; see the synchronous method."""
        message = self._client.start_many_message(
            orchestration_function_name, inputs, instance_ids, version, **options
        )
        return list(await self._client._control.request_async(message))

    async def get_status(
        self,
        instance_id: str,
        show_history: bool = False,
        show_history_output: bool = False,
        show_input: bool = True,
    ) -> DurableOrchestrationStatus:
        """Return the status of an instance; a false status if it doesn't exist."""
        return await _in_thread(
            self._client.get_status, instance_id, show_history, show_history_output, show_input
        )

    async def get_statuses(self, instance_ids: Iterable[str]) -> dict[str, DurableOrchestrationStatus]:
        """Return the statuses of these instances by their ids, without those that don't exist."""
        return await _in_thread(self._client.get_statuses, tuple(instance_ids))

    async def get_status_all(self) -> list[DurableOrchestrationStatus]:
        """Return the statuses of all instances, oldest first."""
        return await _in_thread(self._client.get_status_all)

    async def get_status_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Statuses = None,
        instance_id_prefix: str | None = None,
        *,
        name: str | None = None,
        top: int | None = None,
        skip: int = 0,
    ) -> list[DurableOrchestrationStatus]:
        """Return the statuses of the instances that meet all conditions, oldest first."""
        return await _in_thread(
            self._client.get_status_by,
            created_time_from,
            created_time_to,
            runtime_status,
            instance_id_prefix,
            name=name,
            top=top,
            skip=skip,
        )

    async def raise_event(
        self,
        instance_id: str,
        event_name: str,
        event_data: Any = None,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
    ) -> None:
        """Send an external event; the name and the connection of a hub are ignored."""
        await _in_thread(self._client.raise_event, instance_id, event_name, event_data)

    async def signal_entity(
        self,
        entityId: EntityId,
        operation_name: str,
        operation_input: Any = None,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
        *,
        at: datetime | None = None,
    ) -> None:
        """Signal an entity: request an operation without a result. It returns when the signal is on disk."""
        message = self._client.signal_message(entityId, operation_name, operation_input, at=at)
        await self._client._control.request_async(message)

    async def read_entity_state(
        self,
        entityId: EntityId,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
        *,
        expected_type: Any = None,
    ) -> EntityStateResponse:
        """Return whether an entity exists, and its state on disk."""
        return await _in_thread(self._client.read_entity_state, entityId, expected_type=expected_type)

    async def entity_texts(self, entity_ids: Iterable[EntityId]) -> dict[EntityId, str]:
        """Return the states of these entities as JSON text, without those that don't exist."""
        return await _in_thread(self._client.entity_texts, entity_ids)

    async def list_entities(
        self, name: str | None = None, fetch_state: bool = True, since: datetime | None = None
    ) -> list[EntityMetadata]:
        """Return the entities that exist, by their ids."""
        return await _in_thread(self._client.list_entities, name, fetch_state, since)

    async def clean_entity_storage(
        self, remove_empty_entities: bool = True, release_orphaned_locks: bool = True
    ) -> CleanEntityStorageResult:
        """Delete the histories of entities that don't exist any more; return how many there were."""
        return await _in_thread(
            self._client.clean_entity_storage, remove_empty_entities, release_orphaned_locks
        )

    async def cancel(self, instance_id: str, reason: str | None = None) -> bool:
        """Request that an orchestration cancels itself; return False if it has ended, and nothing happens."""
        return await _in_thread(self._client.cancel, instance_id, reason)

    async def terminate(self, instance_id: str, reason: str = "", *, recursive: bool = True) -> None:
        """End an orchestration; with `recursive` its sub-orchestrations too, and theirs."""
        await _in_thread(self._client.terminate, instance_id, reason, recursive=recursive)

    async def suspend(self, instance_id: str, reason: str = "") -> None:
        """Suspend an orchestration until `resume`."""
        await _in_thread(self._client.suspend, instance_id, reason)

    async def resume(self, instance_id: str, reason: str = "") -> None:
        """Resume a suspended orchestration."""
        await _in_thread(self._client.resume, instance_id, reason)

    async def rewind(
        self,
        instance_id: str,
        reason: str = "",
        task_hub_name: str | None = None,
        connection_name: str | None = None,
    ) -> None:
        """Retry the failed tasks and sub-orchestrations of a failed orchestration; successes are kept."""
        await _in_thread(self._client.rewind, instance_id, reason)

    async def fork(self, instance_id: str, at: int | None = None, **options: Any) -> str:
        """Start an instance that shares another one's past, and return its id; see `Handle.fork`."""
        return await _in_thread(self._client.fork, instance_id, at, **options)

    async def restart(self, instance_id: str, restart_with_new_instance_id: bool = True) -> str:
        """Start an orchestration again with its input, and return its id."""
        return await _in_thread(self._client.restart, instance_id, restart_with_new_instance_id)

    async def purge_instance_history(self, instance_id: str, *, recursive: bool = True) -> PurgeHistoryResult:
        """Delete an ended instance; with `recursive` its ended sub-orchestrations, too."""
        return await _in_thread(self._client.purge_instance_history, instance_id, recursive=recursive)

    async def purge_instance_history_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Statuses = None,
        *,
        recursive: bool = True,
    ) -> PurgeHistoryResult:
        """Delete the ended instances that meet all conditions.

        Raises
        ------
        ValueError
            If no condition is given, which would delete all of them.
        """
        return await _in_thread(
            self._client.purge_instance_history_by,
            created_time_from,
            created_time_to,
            runtime_status,
            recursive=recursive,
        )

    async def purge_past_generations(self, instance_id: str | EntityId, keep: int = 0) -> int:
        """Delete the past generations of an orchestration that continues as new; return their number.

        See `Handle.purge_past_generations`.
        """
        return await _in_thread(self._client.purge_past_generations, instance_id, keep)

    async def wait_for_completion(
        self, instance_id: str, timeout: float | None = None
    ) -> DurableOrchestrationStatus:
        """Wait until an instance has ended, and return its status.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance. The synchronous method has the other errors.
        """
        await self._client._control.wait_async(asked_instance_id(instance_id), timeout)
        return await _in_thread(self._client.status, instance_id)

    @property
    def client(self) -> SyncDurableOrchestrationClient:
        """The synchronous client. Azure's functions create a client from a client by it."""
        return self._client

    # -- over HTTP -------------------------------------------------------------------------------

    @property
    def address(self) -> Address | None:
        """The address at which the hub is served; None if it isn't."""
        return self._client.address

    def publish_address(self, address: Address | None) -> None:
        """Note the address at which the hub is served; None if it isn't any more."""
        self._client.publish_address(address)

    def create_http_management_payload(self, instance_id: str) -> dict[str, str]:
        """Return the URLs by which an instance is managed, by Azure's names."""
        return self._client.create_http_management_payload(instance_id)

    def get_client_response_links(self, request: Any, instance_id: str) -> dict[str, str]:
        """Return the same URLs with the host of a request, by which its sender reaches the server."""
        return moved(self.create_http_management_payload(instance_id), request)

    def create_check_status_response(self, request: Any, instance_id: str) -> Any:
        """Return an ``azure.functions.HttpResponse`` with the URLs of an instance, and the status 202.

        Parameters
        ----------
        request
            The ``azure.functions.HttpRequest``, or None.
        instance_id
            The instance's id.

        Raises
        ------
        DurableError
            If the hub isn't served, or ``azure.functions`` isn't installed.
        """
        return check_status_response(self.get_client_response_links(request, instance_id))

    async def wait_for_completion_or_create_check_status_response(
        self,
        request: Any,
        instance_id: str,
        timeout_in_milliseconds: int = 10_000,
        retry_interval_in_milliseconds: int = 1_000,
    ) -> Any:
        """Return an ``azure.functions.HttpResponse`` with the output, if the instance ends in time.

        The response is 200 with the output, text unchanged and all else as JSON; 200 with the status of a
        terminated orchestration; 500 with that of a failed one; otherwise `create_check_status_response`.

        Parameters
        ----------
        request, instance_id
            As for `create_check_status_response`.
        timeout_in_milliseconds
            The time limit of the wait.
        retry_interval_in_milliseconds
            Accepted because Azure has it: the response is sent as soon as the orchestration has ended.

        Raises
        ------
        ValueError
            If the interval is longer than the time limit.
        DurableError
            As for `create_check_status_response`.
        """
        if retry_interval_in_milliseconds > timeout_in_milliseconds:
            raise ValueError(
                f"Total timeout {timeout_in_milliseconds} (ms) should be bigger than retry timeout "
                f"{retry_interval_in_milliseconds} (ms)"
            )
        try:
            status = await self.wait_for_completion(instance_id, timeout_in_milliseconds / 1_000)
        except DurableError:  # it didn't end in time, or is blocked
            return self.create_check_status_response(request, instance_id)
        shown = status.to_json()
        if status.runtime_status is OrchestrationRuntimeStatus.Completed:
            return http_response(200, shown["output"])
        has_failed = status.runtime_status is OrchestrationRuntimeStatus.Failed
        return http_response(500 if has_failed else 200, shown)


async def _in_thread(method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    import asyncio  # slow to import

    return await asyncio.to_thread(method, *args, **kwargs)
