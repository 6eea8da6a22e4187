"""Entities are signalled, read, listed, and asked to delete themselves."""

from __future__ import annotations

import base64
import json
from typing import Any

from starlette.responses import Response

from durablenb.model.entities import EntityId, EntityMetadata
from durablenb.server.answers import Answer, Refused, refusal, told
from durablenb.server.asked import NOTHING, Asked
from durablenb.server.instances import CONTINUATION


async def signal(asked: Asked) -> Response:
    """Ask an entity for an operation."""
    operation, value = asked.text("op") or "", await _input(asked)
    await asked.client.signal_entity(_entity_id(asked), operation, value, at=asked.moment("at"))
    return Response(status_code=202)


async def delete(asked: Asked) -> Response:
    """Ask an entity for its operation ``delete``."""
    await asked.client.signal_entity(_entity_id(asked), "delete")
    return Response(status_code=202)


async def read(asked: Asked) -> Response:
    """Tell the state of an entity."""
    entity_id = _entity_id(asked)
    texts = await asked.client.entity_texts([entity_id])
    if entity_id not in texts:
        raise Refused(told(404, f"No entity {entity_id} found. GET /entities lists those that exist."))
    return Answer(json.loads(texts[entity_id]))


async def list_entities(asked: Asked) -> Response:
    """List the entities that exist, by their ids."""
    found = await asked.client.list_entities(
        asked.request.path_params.get("name"), False, asked.moment("lastOperationTimeFrom")
    )
    until, after = asked.moment("lastOperationTimeTo"), _after(asked)
    wanted = [
        one
        for one in found
        if (until is None or one.last_modified_time <= until) and str(one.entity_id) > after
    ]
    page = wanted[: asked.top]
    is_fetched = asked.flag("fetchState", False)
    texts = await asked.client.entity_texts([one.entity_id for one in page]) if is_fetched else {}
    token = _token(page[-1]) if len(wanted) > len(page) else ""
    return Answer([_shown(one, texts) for one in page], headers={CONTINUATION: token})


async def clean(asked: Asked) -> Response:
    """Delete what is left of entities that don't exist any more."""
    done = await asked.client.clean_entity_storage(
        asked.flag("removeEmptyEntities", True), asked.flag("releaseOrphanedLocks", True)
    )
    return Answer(
        {
            "emptyEntitiesRemoved": done.empty_entities_removed,
            "orphanedLocksReleased": done.orphaned_locks_released,
        }
    )


def _shown(one: EntityMetadata, texts: dict[EntityId, str]) -> dict[str, Any]:
    text = texts.get(one.entity_id)
    return {
        "entityId": {"name": one.entity_id.name, "key": one.entity_id.key},
        "lastOperationTime": f"{one.last_modified_time:%Y-%m-%dT%H:%M:%S.%fZ}",
        "state": None if text is None else json.loads(text),
    }


async def _input(asked: Asked) -> Any:
    """JSON is a value; anything else is a text."""
    if asked.is_json:
        value = await asked.value()
        return None if value is NOTHING else value
    body = await asked.body()
    try:
        return body.decode() if body else None
    except UnicodeDecodeError as error:
        raise refusal(400, "Invalid content", f"The body isn't text in UTF-8: {error}.") from None


def _entity_id(asked: Asked) -> EntityId:
    return EntityId(asked.part("name"), asked.part("key"))


def _token(last: EntityMetadata) -> str:
    return base64.urlsafe_b64encode(str(last.entity_id).encode()).decode()


def _after(asked: Asked) -> str:
    """The id after which the list goes on."""
    token = asked.request.headers.get(CONTINUATION, "")
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise Refused(
            told(400, f"The header {CONTINUATION} isn't one that this server gave. Leave it out.")
        ) from None
