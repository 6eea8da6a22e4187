"""What is done to one instance: raise an event, terminate, suspend, resume, rewind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from durablenb.model.errors import InstanceStateError
from durablenb.server.answers import Refused, told
from durablenb.server.asked import NOTHING, Asked, json_only

ACCEPTED = 202


async def raise_event(asked: Asked) -> Response:
    """Raise an external event."""
    if not asked.is_json:
        raise json_only()
    value = await asked.value()
    event_data = None if value is NOTHING else value
    await asked.client.raise_event(asked.part("instance_id"), asked.part("event_name"), event_data)
    return Response(status_code=ACCEPTED)


async def terminate(asked: Asked) -> Response:
    """Terminate an orchestration."""
    return await _done(asked, asked.client.terminate)


async def suspend(asked: Asked) -> Response:
    """Suspend an orchestration."""
    return await _done(asked, asked.client.suspend)


async def resume(asked: Asked) -> Response:
    """Resume an orchestration."""
    return await _done(asked, asked.client.resume)


async def rewind(asked: Asked) -> Response:
    """Rewind a failed orchestration."""
    try:
        await asked.client.rewind(asked.part("instance_id"), asked.reason)
    except InstanceStateError as error:
        raise Refused(told(412, str(error))) from None
    return Response(status_code=ACCEPTED)


async def _done(asked: Asked, command: Callable[[str, str], Awaitable[None]]) -> Response:
    instance_id = asked.part("instance_id")
    status = await asked.standing.of(instance_id)
    if status.runtime_status is not None and status.runtime_status.is_terminal:
        raise Refused(
            told(410, f"The instance {instance_id!r} has ended: it is {status.runtime_status}. Restart it.")
        )
    await command(instance_id, asked.reason)
    return Response(status_code=ACCEPTED)
