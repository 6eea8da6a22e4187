"""Routes that act on orchestrations: start, restart and fork them, and send them commands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.responses import Response

from durablenb.model.errors import (
    DurableError,
    FunctionNotFoundError,
    InstanceNotFoundError,
    InstanceStateError,
)
from durablenb.model.failures import FailureDetails
from durablenb.model.ids import LARGEST_PRIORITY
from durablenb.model.status import OrchestrationRuntimeStatus as Status
from durablenb.server.requests import NOTHING, ApiRequest, json_only
from durablenb.server.responses import (
    JsonResponse,
    check_status_response,
    http_error,
    status_response,
    text_error,
)

LONGEST_WAIT = 230.0
"""The seconds after which a waiting request is answered, as in Azure."""

ACCEPTED = 202

# -- start, restart, fork ------------------------------------------------------------------------


async def start(request: ApiRequest) -> Response:
    """Start an orchestration."""
    value = await request.value()
    name = request.path_parameter("name")
    try:
        instance_id = await request.client.start_new(
            name,
            request.http.path_params.get("instance_id") or None,
            None if value is NOTHING else value,
            request.text("version"),
            start_at=request.time("startAt"),
            tags=_tags(request),
            priority=request.number("priority", -LARGEST_PRIORITY) or 0,
            dedupe_statuses=request.status_filter("dedupeStatuses"),
            if_exists=(request.text("ifExists") or "error").strip().lower(),
        )
    except FunctionNotFoundError as error:
        raise _no_orchestrator(name, error) from None
    return await _started(request, instance_id)


_MANY_FORM = (
    "The body is an object: inputs, a list with the input of each orchestration; instanceIds, a list with "
    "their ids, which may be left out."
)


async def start_many(request: ApiRequest) -> Response:
    """Start an orchestration for each input, or none of them."""
    fields = await request.value()
    if not request.is_json or not isinstance(fields, dict) or fields.keys() - {"inputs", "instanceIds"}:
        raise http_error(400, "Invalid list", _MANY_FORM)
    inputs, instance_ids = fields.get("inputs"), fields.get("instanceIds")
    if not (isinstance(inputs, list) and isinstance(instance_ids, list | None)):
        raise http_error(400, "Invalid list", _MANY_FORM)
    name = request.path_parameter("name")
    try:
        started = await request.client.start_many(
            name,
            inputs,
            instance_ids,
            request.text("version"),
            start_at=request.time("startAt"),
            tags=_tags(request),
            priority=request.number("priority", -LARGEST_PRIORITY) or 0,
            if_exists=(request.text("ifExists") or "error").strip().lower(),
        )
    except FunctionNotFoundError as error:
        raise _no_orchestrator(name, error) from None
    return JsonResponse({"ids": started}, ACCEPTED)


def _no_orchestrator(name: str, error: FunctionNotFoundError) -> Exception:
    detail = f"The function '{name}' doesn't exist, is disabled, or is not an orchestrator function. "
    return http_error(
        400,
        "One or more of the arguments submitted is incorrect",
        f"{detail}Additional info: {error}",
        type(error).__name__,
    )


def _tags(request: ApiRequest) -> dict[str, str] | None:
    text = request.text("tags")
    if text is None:
        return None
    try:
        tags = json.loads(text)
    except (ValueError, RecursionError):
        tags = None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise http_error(400, "Invalid tags", 'tags is a JSON object of texts, such as {"team": "a"}.')
    return tags


async def restart(request: ApiRequest) -> Response:
    """Start an orchestration again with its input."""
    try:
        instance_id = await request.client.restart(
            request.instance_id, request.flag("restartWithNewInstanceId", True)
        )
    except InstanceNotFoundError as error:
        raise http_error(
            400,
            "InstanceId does not match a valid orchestration instance.",
            f"InstanceId does not match a valid orchestration instance. {error}",
        ) from None
    return await _started(request, instance_id)


async def _started(request: ApiRequest, instance_id: str) -> Response:
    """Return the URLs that manage an instance; its outcome, if the request waits and it ends in time."""
    timeout, interval = request.seconds("timeout"), request.seconds("pollingInterval")
    if timeout is None or interval is None or not await _ends_within(request, instance_id, timeout):
        return check_status_response(request.address, instance_id)
    status = await request.services.statuses.get(instance_id)
    if not status:  # purged meanwhile
        return check_status_response(request.address, instance_id)
    if status.runtime_status is Status.Completed:
        return JsonResponse(status.to_json()["output"])
    is_error = request.flag("returnInternalServerErrorOnFailure", False)
    return status_response(status, request.url, shows_input=True, is_error_on_failure=is_error)


async def _ends_within(request: ApiRequest, instance_id: str, timeout: float) -> bool:
    """Wait for the end of an instance; return False if it is blocked, or the server closes first."""
    end = asyncio.create_task(request.client.wait_for_completion(instance_id, min(timeout, LONGEST_WAIT)))
    closing = asyncio.create_task(request.services.closing.wait())
    try:
        await asyncio.wait({end, closing}, return_when=asyncio.FIRST_COMPLETED)
        return end.done() and bool(end.result())
    except DurableError:
        return False
    finally:
        end.cancel()
        closing.cancel()


_FORK_KEYS = {"at", "results", "input", "instanceId"}
_FORK_FORM = (
    "The body is an object: at, the id of the last shared event; results, by the ids of events or as #3 by "
    "task, each an object with a value or a failure; input; instanceId. All of them may be left out."
)


async def fork(request: ApiRequest) -> Response:
    """Start an instance that shares the history of another one up to an event."""
    fields = await request.value()
    if not request.is_json or not isinstance(fields, dict) or fields.keys() - _FORK_KEYS:
        raise http_error(400, "Invalid fork", _FORK_FORM)
    at, results, fork_id = fields.get("at"), fields.get("results") or {}, fields.get("instanceId")
    is_valid = isinstance(results, dict) and all(
        isinstance(result, dict) and result.keys() in ({"value"}, {"failure"}) for result in results.values()
    )
    if not (is_valid and isinstance(at, int | None) and isinstance(fork_id, str | None)):
        raise http_error(400, "Invalid fork", _FORK_FORM)
    options = {"input_": fields["input"]} if "input" in fields else {}
    instance_id = await request.client.fork(
        request.instance_id,
        at,
        results={_result_key(key): _result(result) for key, result in results.items()},
        fork_id=fork_id,
        **options,
    )
    return check_status_response(request.address, instance_id)


def _result_key(key: str) -> int | str:
    return int(key) if key.isascii() and key.isdigit() and len(key) < 19 else key


def _result(fields: dict[str, Any]) -> Any:
    if "value" in fields:
        return fields["value"]
    try:
        return FailureDetails.from_json(fields["failure"])
    except (KeyError, TypeError, AttributeError, ValueError):
        raise http_error(400, "Invalid fork", "A failure has a type and a message.") from None


# -- commands ------------------------------------------------------------------------------------


async def raise_event(request: ApiRequest) -> Response:
    """Raise an external event."""
    if not request.is_json:
        raise json_only()
    value = await request.value()
    event_data = None if value is NOTHING else value
    await request.client.raise_event(request.instance_id, request.path_parameter("event_name"), event_data)
    return Response(status_code=ACCEPTED)


async def cancel(request: ApiRequest) -> Response:
    """Request that an orchestration cancels itself."""
    return await _send(request, request.client.cancel)


async def terminate(request: ApiRequest) -> Response:
    """Terminate an orchestration, and its sub-orchestrations unless ``recursive`` is false."""
    recursive = request.flag("recursive", True)
    return await _send(request, partial(request.client.terminate, recursive=recursive))


async def suspend(request: ApiRequest) -> Response:
    """Suspend an orchestration."""
    return await _send(request, request.client.suspend)


async def resume(request: ApiRequest) -> Response:
    """Resume an orchestration."""
    return await _send(request, request.client.resume)


async def rewind(request: ApiRequest) -> Response:
    """Rewind a failed orchestration."""
    try:
        await request.client.rewind(request.instance_id, request.reason)
    except InstanceStateError as error:
        raise text_error(412, str(error)) from None
    return Response(status_code=ACCEPTED)


async def _send(request: ApiRequest, command: Callable[[str, str], Awaitable[object]]) -> Response:
    """Send a command to an instance that is open."""
    instance_id = request.instance_id
    status = await request.services.statuses.get(instance_id)
    if status.runtime_status is not None and status.runtime_status.is_terminal:
        raise text_error(
            410, f"The instance {instance_id!r} has ended: it is {status.runtime_status}. Restart it."
        )
    await command(instance_id, request.reason)
    return Response(status_code=ACCEPTED)
