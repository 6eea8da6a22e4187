"""Routes that signal, read, list and clean up entities."""

from __future__ import annotations

import base64
import json
from typing import Any

from starlette.responses import Response

from durablenb.model.entities import EntityId, EntityMetadata
from durablenb.server.instances import CONTINUATION, bad_token
from durablenb.server.requests import NOTHING, ApiRequest
from durablenb.server.responses import JsonResponse, http_error, text_error


async def signal(request: ApiRequest) -> Response:
    """Signal an operation to an entity."""
    operation, value = request.text("op") or "", await _input(request)
    await request.client.signal_entity(_entity_id(request), operation, value, at=request.time("at"))
    return Response(status_code=202)


async def delete(request: ApiRequest) -> Response:
    """Signal the operation ``delete`` to an entity."""
    await request.client.signal_entity(_entity_id(request), "delete")
    return Response(status_code=202)


async def read(request: ApiRequest) -> Response:
    """Return the state of an entity."""
    entity_id = _entity_id(request)
    states = await request.client.entity_texts([entity_id])
    if entity_id not in states:
        raise text_error(404, f"No entity {entity_id} found. GET /entities lists those that exist.")
    return JsonResponse(json.loads(states[entity_id]))


async def list_entities(request: ApiRequest) -> Response:
    """List the entities that exist, ordered by id."""
    entities = await request.client.list_entities(
        request.http.path_params.get("name"), False, request.time("lastOperationTimeFrom")
    )
    until, last_id = request.time("lastOperationTimeTo"), _last_id(request)
    selected = [
        entity
        for entity in entities
        if (until is None or entity.last_modified_time <= until) and str(entity.entity_id) > last_id
    ]
    page = selected[: request.page_size]
    ids = [entity.entity_id for entity in page] if request.flag("fetchState", False) else []
    states = await request.client.entity_texts(ids) if ids else {}
    token = _token(page[-1]) if len(selected) > len(page) else ""
    return JsonResponse([_entity_json(entity, states) for entity in page], headers={CONTINUATION: token})


async def clean(request: ApiRequest) -> Response:
    """Remove empty entities and release orphaned locks."""
    result = await request.client.clean_entity_storage(
        request.flag("removeEmptyEntities", True), request.flag("releaseOrphanedLocks", True)
    )
    return JsonResponse(
        {
            "emptyEntitiesRemoved": result.empty_entities_removed,
            "orphanedLocksReleased": result.orphaned_locks_released,
        }
    )


def _entity_json(entity: EntityMetadata, states: dict[EntityId, str]) -> dict[str, Any]:
    state = states.get(entity.entity_id)
    return {
        "entityId": {"name": entity.entity_id.name, "key": entity.entity_id.key},
        "lastOperationTime": f"{entity.last_modified_time:%Y-%m-%dT%H:%M:%S.%fZ}",
        "state": None if state is None else json.loads(state),
    }


async def _input(request: ApiRequest) -> Any:
    """Return the posted value if it is JSON; else the body as text."""
    if request.is_json:
        value = await request.value()
        return None if value is NOTHING else value
    body = await request.body()
    try:
        return body.decode() if body else None
    except UnicodeDecodeError as error:
        raise http_error(400, "Invalid content", f"The body isn't text in UTF-8: {error}.") from None


def _entity_id(request: ApiRequest) -> EntityId:
    return EntityId(request.path_parameter("name"), request.path_parameter("key"))


def _token(last: EntityMetadata) -> str:
    """Return the continuation token of a page with this last item."""
    return base64.urlsafe_b64encode(str(last.entity_id).encode()).decode()


def _last_id(request: ApiRequest) -> str:
    """Return the last id of the page before; empty for the first page."""
    token = request.http.headers.get(CONTINUATION, "")
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise bad_token() from None
