"""Azure's client methods over a hub that another process serves, by its management API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from durablenb.core.registry import name_of
from durablenb.hub.remote.link import Link
from durablenb.model.entities import EntityId, EntityMetadata, EntityStateResponse, checked_entity_id
from durablenb.model.errors import InstanceNotFoundError, NotSerializableError
from durablenb.model.ids import (
    IfExists,
    asked_instance_id,
    checked_event_name,
    checked_if_exists,
    checked_instance_id,
)
from durablenb.model.status import (
    DurableOrchestrationStatus,
    OrchestrationRuntimeStatus,
    PurgeHistoryResult,
    Statuses,
    statuses_of,
)
from durablenb.model.times import aware

PAGE = 1_000
"""Items that a list is asked for at a time."""

_TOKEN = "x-ms-continuation-token"


class RemoteClient:
    """What can be asked of a remote hub's orchestrations and entities, by Azure's names.

    Each method returns once what it did is on the server's disk. Values go as JSON, and what isn't JSON is
    refused. Times of a status are in whole seconds, and values in it plain JSON, as in Azure;
    `RemoteHandle.status` has them as they are.

    Parameters
    ----------
    link
        The way to the server.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    # -- starting and steering -------------------------------------------------------------------

    def start_new(
        self,
        orchestration_function_name: Any,
        instance_id: str | None = None,
        client_input: Any = None,
        version: str | None = None,
        *,
        if_exists: IfExists = "error",
    ) -> str:
        """Start an orchestration that is registered at the server, and return its id.

        Parameters
        ----------
        orchestration_function_name, instance_id, client_input, version, if_exists
            As for `SyncDurableOrchestrationClient.start_new`.

        Raises
        ------
        InstanceExistsError
            If an instance of that id exists, and `if_exists` doesn't allow for it.
        FunctionNotFoundError
            If no such orchestrator is registered there.
        NotSerializableError
            If the input isn't JSON.
        """
        path = ["orchestrators", name_of(orchestration_function_name)]
        if instance_id is not None:
            path.append(checked_instance_id(instance_id))
        checked = checked_if_exists(if_exists, instance_id)
        query = {"version": version, "ifExists": None if checked == "error" else checked}
        answer = self._link.send("POST", *path, query=query, body=_posted(client_input))
        return str(answer.json()["id"])

    def raise_event(self, instance_id: str, event_name: str, event_data: Any = None) -> None:
        """Send an external event; it is kept until the orchestration waits for it."""
        body = _posted(event_data)
        self._command(instance_id, "raiseEvent", checked_event_name(event_name), body=body)

    def terminate(self, instance_id: str, reason: str = "") -> None:
        """End an orchestration and its sub-orchestrations."""
        self._command(instance_id, "terminate", query={"reason": str(reason)})

    def suspend(self, instance_id: str, reason: str = "") -> None:
        """Let an orchestration rest until `resume`."""
        self._command(instance_id, "suspend", query={"reason": str(reason)})

    def resume(self, instance_id: str, reason: str = "") -> None:
        """Let a suspended orchestration go on."""
        self._command(instance_id, "resume", query={"reason": str(reason)})

    def rewind(self, instance_id: str, reason: str = "") -> None:
        """Do the failed tasks and children of a failed orchestration again."""
        self._command(instance_id, "rewind", query={"reason": str(reason)})

    def restart(self, instance_id: str, restart_with_new_instance_id: bool = True) -> str:
        """Start an orchestration again with its input, and return its id."""
        asked = {"restartWithNewInstanceId": str(restart_with_new_instance_id).lower()}
        return str(self._command(instance_id, "restart", query=asked).json()["id"])

    def purge_instance_history(self, instance_id: str) -> PurgeHistoryResult:
        """Delete all that is kept of an instance that has ended; there need not be one."""
        try:
            found = self._link.send("DELETE", "instances", known(instance_id)).json()
        except InstanceNotFoundError:
            return PurgeHistoryResult(0)
        return PurgeHistoryResult(found["instancesDeleted"])

    def _command(
        self, instance_id: str, *words: str, query: dict[str, str] | None = None, body: Any = None
    ) -> Any:
        path = ("instances", known(instance_id), *words)
        return self._link.send("POST", *path, query=query or {}, body=body)

    # -- looking ---------------------------------------------------------------------------------

    def get_status(
        self,
        instance_id: str,
        show_history: bool = False,
        show_history_output: bool = False,
        show_input: bool = True,
    ) -> DurableOrchestrationStatus:
        """Return where an instance stands; a false status if there is none."""
        asked = {
            "showHistory": show_history,
            "showHistoryOutput": show_history_output,
            "showInput": show_input,
        }
        words = {name: str(value).lower() for name, value in asked.items()}
        try:
            found = self._link.get("instances", known(instance_id), query=words).json()
        except InstanceNotFoundError:
            return DurableOrchestrationStatus()
        return _status(found)

    def get_status_all(self) -> list[DurableOrchestrationStatus]:
        """Return where all instances stand, oldest first."""
        return self.get_status_by()

    def get_status_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Statuses = None,
        instance_id_prefix: str | None = None,
        *,
        name: str | None = None,
        top: int | None = None,
    ) -> list[DurableOrchestrationStatus]:
        """Return where the instances stand that meet every condition given, oldest first."""
        statuses = statuses_of(runtime_status)
        asked = {
            "createdTimeFrom": _iso(created_time_from),
            "createdTimeTo": _iso(created_time_to),
            "runtimeStatus": None if statuses is None else ",".join(statuses),
            "instanceIdPrefix": instance_id_prefix,
        }
        if statuses == ():
            return []
        found: list[DurableOrchestrationStatus] = []
        for item in self._listed("instances", asked=asked, top=top if name is None else None):
            if top is not None and len(found) >= top:
                break
            if name is None or item["name"] == name:
                found.append(_status(item))
        return found

    def _listed(self, *path: str, asked: dict[str, Any], top: int | None) -> Iterator[dict[str, Any]]:
        """The items of a list, page by page."""
        token = ""
        size = PAGE if top is None else max(min(top, PAGE), 1)
        while True:
            answer = self._link.get(*path, query={**asked, "top": size}, headers={_TOKEN: token})
            yield from answer.json()
            token = answer.headers.get(_TOKEN, "")
            if not token:
                return

    # -- entities --------------------------------------------------------------------------------

    def signal_entity(self, entityId: EntityId, operation_name: str, operation_input: Any = None) -> None:
        """Ask an entity for an operation; the call returns once that is on disk, and has no result."""
        one, body = checked_entity_id(entityId), _posted(operation_input)
        self._link.send("POST", "entities", one.name, one.key, query={"op": operation_name}, body=body)

    def read_entity_state(self, entityId: EntityId) -> EntityStateResponse:
        """Return whether an entity exists, and the state that it has on disk now, as plain JSON."""
        one = checked_entity_id(entityId)
        try:
            return EntityStateResponse(True, self._link.get("entities", one.name, one.key).json())
        except InstanceNotFoundError:
            return EntityStateResponse(False)

    def list_entities(
        self, name: str | None = None, fetch_state: bool = True, since: datetime | None = None
    ) -> list[EntityMetadata]:
        """Return the entities that exist, by their ids, with their states as plain JSON."""
        asked = {"fetchState": str(fetch_state).lower(), "lastOperationTimeFrom": _iso(since)}
        path = ("entities",) if name is None else ("entities", name)
        return [
            EntityMetadata(
                EntityId(item["entityId"]["name"], item["entityId"]["key"]),
                datetime.fromisoformat(item["lastOperationTime"]),
                state=item["state"],
            )
            for item in self._listed(*path, asked=asked, top=None)
        ]


def known(instance_id: str) -> str:
    """Return the id itself, if there can be an instance of it.

    Raises
    ------
    InstanceNotFoundError
        If it would lead to another path.
    """
    if not asked_instance_id(instance_id) or "/" in instance_id:
        raise InstanceNotFoundError(f"No instance with ID {instance_id!r} found: there can be none.")
    return instance_id


def _posted(value: Any) -> Any:
    """The value, if it arrives as the same one."""
    try:
        same = json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError, RecursionError):
        same = False
    if not same:
        raise NotSerializableError(
            f"To a remote hub values go as JSON, and this {type(value).__name__} would arrive as another, "
            "or not at all. Send numbers, texts, lists, and dictionaries whose keys are texts."
        )
    return value


def _status(found: dict[str, Any]) -> DurableOrchestrationStatus:
    return DurableOrchestrationStatus(
        name=found["name"],
        instance_id=found["instanceId"],
        created_time=datetime.fromisoformat(found["createdTime"]),
        last_updated_time=datetime.fromisoformat(found["lastUpdatedTime"]),
        input_=found["input"],
        output=found["output"],
        runtime_status=OrchestrationRuntimeStatus(found["runtimeStatus"]),
        custom_status=found["customStatus"],
        history=found.get("historyEvents"),
    )


def _iso(moment: datetime | None) -> str | None:
    found = aware(moment)
    return None if found is None else found.astimezone(UTC).isoformat()
