"""Instances are looked at, listed and purged."""

from __future__ import annotations

import base64
import json
from datetime import datetime

from starlette.responses import Response

from durablenb.model.errors import InstanceStateError
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.server.answers import Answer, Refused, status_answer, status_json, told
from durablenb.server.asked import Asked

CONTINUATION = "x-ms-continuation-token"
"""The header that says where a list goes on."""

Place = tuple[datetime, str]
"""Of an instance in the list: when it was started, and its id."""


async def status(asked: Asked) -> Response:
    """Tell where an instance stands."""
    instance_id = asked.part("instance_id")
    if asked.flag("showHistory", False):
        shows = asked.flag("showHistoryOutput", False), asked.flag("showInput", True)
        found = await asked.client.get_status(instance_id, True, *shows)
    else:
        found = await asked.standing.of(instance_id)
    if not found:
        raise Refused(told(404, f"No instance with ID '{instance_id}' found. GET /instances lists them."))
    is_error = asked.flag("returnInternalServerErrorOnFailure", False)
    shows_input = asked.flag("showInput", True)
    return status_answer(found, asked.url, shows_input=shows_input, is_error_on_failure=is_error)


async def list_instances(asked: Asked) -> Response:
    """List instances, oldest first."""
    top = asked.top
    found = await _after(asked, _place_of(asked.request.headers.get(CONTINUATION, "")), top + 1)
    page = found[:top]
    shows_input = asked.flag("showInput", True)
    shown = [status_json(one, shows_input=shows_input) for one in page]
    return Answer(shown, headers={CONTINUATION: _token(page[-1]) if len(found) > top else ""})


async def _after(asked: Asked, place: Place | None, count: int) -> list[DurableOrchestrationStatus]:
    """So many instances that meet the conditions, from a place in the list on.

    The place is a time and an id, and no number: it stays right when what was listed is purged meanwhile.
    """
    since, wanted = asked.moment("createdTimeFrom"), []
    if place is not None:
        since = place[0]
    skip = 0
    while True:
        found = await asked.client.get_status_by(
            since,
            asked.moment("createdTimeTo"),
            asked.statuses,
            asked.text("instanceIdPrefix"),
            top=count,
            skip=skip,
        )
        wanted += [one for one in found if place is None or _place(one) > place]
        if len(found) < count or len(wanted) >= count:
            return wanted[:count]
        skip += count  # many were started in the same microsecond


async def purge(asked: Asked) -> Response:
    """Delete all that is kept of an instance that has ended."""
    instance_id = asked.part("instance_id")
    try:
        done = await asked.client.purge_instance_history(instance_id, recursive=asked.flag("recursive", True))
    except InstanceStateError as error:
        raise Refused(told(412, str(error))) from None
    if not done.instances_deleted:
        raise Refused(told(404, f"No instance with ID '{instance_id}' found. GET /instances lists them."))
    return Answer({"instancesDeleted": done.instances_deleted})


async def purge_many(asked: Asked) -> Response:
    """Delete all that is kept of the instances that have ended and meet the conditions."""
    since = asked.moment("createdTimeFrom")
    if since is None:
        raise Refused(told(400, "Please provide value for 'createdTimeFrom' parameter."))
    done = await asked.client.purge_instance_history_by(
        since, asked.moment("createdTimeTo"), asked.statuses, recursive=asked.flag("recursive", True)
    )
    return Answer({"instancesDeleted": done.instances_deleted}, 200 if done.instances_deleted else 404)


def _place(one: DurableOrchestrationStatus) -> Place:
    assert one.created_time is not None
    assert one.instance_id is not None
    return one.created_time, one.instance_id


def _token(last: DurableOrchestrationStatus) -> str:
    moment, instance_id = _place(last)
    return base64.urlsafe_b64encode(json.dumps([moment.isoformat(), instance_id]).encode()).decode()


def _place_of(token: str) -> Place | None:
    """What `_token` was made of; None for an empty one.

    Raises
    ------
    Refused
        If it is none of this server's.
    """
    if not token:
        return None
    try:
        since, instance_id = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        moment = datetime.fromisoformat(since)
        if isinstance(instance_id, str) and moment.tzinfo is not None:
            return moment, instance_id
    except (ValueError, TypeError, RecursionError):
        pass
    raise Refused(told(400, f"The header {CONTINUATION} isn't one that this server gave. Leave it out."))
