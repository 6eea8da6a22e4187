"""Routes that show, list and purge instances."""

from __future__ import annotations

import base64
import json
from datetime import datetime

from starlette.responses import Response

from durablenb.model.errors import InstanceStateError
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.server.requests import ApiRequest
from durablenb.server.responses import (
    HttpError,
    JsonResponse,
    status_json,
    status_response,
    text_error,
)

CONTINUATION = "x-ms-continuation-token"
"""The header with the position at which a list continues."""

Position = tuple[datetime, str]
"""The start time and the id of an instance: its position in the list."""


async def status(request: ApiRequest) -> Response:
    """Return the status of an instance."""
    instance_id = request.instance_id
    shows_input = request.flag("showInput", True)
    if request.flag("showHistory", False):
        shows_output = request.flag("showHistoryOutput", False)
        status = await request.client.get_status(instance_id, True, shows_output, shows_input)
    else:
        status = await request.services.statuses.get(instance_id)
    if not status:
        raise _not_found(instance_id)
    is_error = request.flag("returnInternalServerErrorOnFailure", False)
    return status_response(status, request.url, shows_input=shows_input, is_error_on_failure=is_error)


def _not_found(instance_id: str) -> HttpError:
    return text_error(404, f"No instance with ID '{instance_id}' found. GET /instances lists them.")


async def list_instances(request: ApiRequest) -> Response:
    """List instances, oldest first."""
    size = request.page_size
    statuses = await _list_after(request, _decode(request.http.headers.get(CONTINUATION, "")), size + 1)
    page = statuses[:size]
    shows_input = request.flag("showInput", True)
    body = [status_json(status, shows_input=shows_input) for status in page]
    return JsonResponse(body, headers={CONTINUATION: _encode(page[-1]) if len(statuses) > size else ""})


async def _list_after(
    request: ApiRequest, start: Position | None, count: int
) -> list[DurableOrchestrationStatus]:
    """Return the first instances after a position that meet the conditions.

    The position is a time and an id, and not a number, because a number would be wrong after a purge.
    """
    since = request.time("createdTimeFrom") if start is None else start[0]
    statuses: list[DurableOrchestrationStatus] = []
    skip = 0
    while True:
        page = await request.client.get_status_by(
            since,
            request.time("createdTimeTo"),
            request.status_filter(),
            request.text("instanceIdPrefix"),
            top=count,
            skip=skip,
        )
        statuses += [status for status in page if start is None or _position(status) > start]
        if len(page) < count or len(statuses) >= count:
            return statuses[:count]
        skip += count  # many were started in the same microsecond


async def purge(request: ApiRequest) -> Response:
    """Purge an instance that has ended."""
    instance_id = request.instance_id
    recursive = request.flag("recursive", True)
    try:
        result = await request.client.purge_instance_history(instance_id, recursive=recursive)
    except InstanceStateError as error:
        raise text_error(412, str(error)) from None
    if not result.instances_deleted:
        raise _not_found(instance_id)
    return JsonResponse({"instancesDeleted": result.instances_deleted})


async def purge_many(request: ApiRequest) -> Response:
    """Purge the ended instances that meet the conditions."""
    since = request.time("createdTimeFrom")
    if since is None:
        raise text_error(400, "Please provide value for 'createdTimeFrom' parameter.")
    result = await request.client.purge_instance_history_by(
        since,
        request.time("createdTimeTo"),
        request.status_filter(),
        recursive=request.flag("recursive", True),
    )
    deleted = result.instances_deleted
    return JsonResponse({"instancesDeleted": deleted}, 200 if deleted else 404)


async def purge_past(request: ApiRequest) -> Response:
    """Purge the past generations of an instance or an entity."""
    keep = request.number("keep") or 0
    deleted = await request.client.purge_past_generations(request.instance_id, keep)
    return JsonResponse({"generationsDeleted": deleted})


def _position(status: DurableOrchestrationStatus) -> Position:
    assert status.created_time is not None
    assert status.instance_id is not None
    return status.created_time, status.instance_id


def _encode(last: DurableOrchestrationStatus) -> str:
    """Return the continuation token of a page with this last item."""
    time, instance_id = _position(last)
    return base64.urlsafe_b64encode(json.dumps([time.isoformat(), instance_id]).encode()).decode()


def _decode(token: str) -> Position | None:
    """Return the position in a continuation token; None for an empty token.

    Raises
    ------
    HttpError
        If the token isn't this server's.
    """
    if not token:
        return None
    try:
        since, instance_id = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        time = datetime.fromisoformat(since)
        if isinstance(instance_id, str) and time.tzinfo is not None:
            return time, instance_id
    except (ValueError, TypeError, RecursionError):
        pass
    raise bad_token()


def bad_token() -> HttpError:
    """Return the error for a continuation token of another server."""
    return text_error(400, f"The header {CONTINUATION} isn't one that this server gave. Leave it out.")
