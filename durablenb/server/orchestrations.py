"""Orchestrations are started, once more too, and waited for."""

from __future__ import annotations

import asyncio
import json

from starlette.responses import Response

from durablenb.model.errors import DurableError, FunctionNotFoundError, InstanceNotFoundError
from durablenb.model.status import OrchestrationRuntimeStatus as Status
from durablenb.server.answers import (
    Answer,
    Refused,
    check_status_answer,
    error_answer,
    refusal,
    status_answer,
)
from durablenb.server.asked import NOTHING, Asked

LONGEST_WAIT = 230.0
"""Seconds after which a request that waits is answered, as in Azure."""


async def start(asked: Asked) -> Response:
    """Start an orchestration."""
    value = await asked.value()
    name = asked.part("name")
    chosen = asked.request.path_params.get("instance_id") or None
    try:
        instance_id = await asked.client.start_new(
            name,
            chosen,
            None if value is NOTHING else value,
            asked.text("version"),
            start_at=asked.moment("startAt"),
            tags=_tags(asked),
            dedupe_statuses=asked.statuses_in("dedupeStatuses"),
            if_exists=(asked.text("ifExists") or "error").strip().lower(),
        )
    except FunctionNotFoundError as error:
        detail = f"The function '{name}' doesn't exist, is disabled, or is not an orchestrator function. "
        raise Refused(
            error_answer(
                400,
                "One or more of the arguments submitted is incorrect",
                f"{detail}Additional info: {error}",
                type(error).__name__,
            )
        ) from None
    return await _started(asked, instance_id)


def _tags(asked: Asked) -> dict[str, str] | None:
    text = asked.text("tags")
    if text is None:
        return None
    try:
        tags = json.loads(text)
    except (ValueError, RecursionError):
        tags = None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise refusal(400, "Invalid tags", 'tags is a JSON object of texts, such as {"team": "a"}.')
    return tags


async def restart(asked: Asked) -> Response:
    """Start an orchestration again with its input."""
    try:
        instance_id = await asked.client.restart(
            asked.part("instance_id"), asked.flag("restartWithNewInstanceId", True)
        )
    except InstanceNotFoundError as error:
        raise refusal(
            400,
            "InstanceId does not match a valid orchestration instance.",
            f"InstanceId does not match a valid orchestration instance. {error}",
        ) from None
    return await _started(asked, instance_id)


async def _started(asked: Asked, instance_id: str) -> Response:
    """The URLs to manage it with; or, if both times are given, how it ended within the time."""
    timeout, interval = asked.seconds("timeout"), asked.seconds("pollingInterval")
    if timeout is None or interval is None or not await _has_ended(asked, instance_id, timeout):
        return check_status_answer(asked.address, instance_id)
    status = await asked.standing.of(instance_id)
    if not status:  # purged meanwhile
        return check_status_answer(asked.address, instance_id)
    if status.runtime_status is Status.Completed:
        return Answer(status.to_json()["output"])
    is_error = asked.flag("returnInternalServerErrorOnFailure", False)
    return status_answer(status, asked.url, shows_input=True, is_error_on_failure=is_error)


async def _has_ended(asked: Asked, instance_id: str, timeout: float) -> bool:
    """Whether it ends in time; not if something stands in its way, or the server is closed meanwhile."""
    wait = asyncio.create_task(asked.client.wait_for_completion(instance_id, min(timeout, LONGEST_WAIT)))
    closing = asyncio.create_task(asked.closing.wait())
    try:
        await asyncio.wait({wait, closing}, return_when=asyncio.FIRST_COMPLETED)
        return wait.done() and bool(wait.result())
    except DurableError:
        return False
    finally:
        wait.cancel()
        closing.cancel()
