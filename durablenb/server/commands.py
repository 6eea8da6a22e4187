"""Commands to one instance: raise an event, terminate, suspend, resume, rewind, fork."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.responses import Response

from durablenb.model.errors import InstanceStateError
from durablenb.model.failures import FailureDetails
from durablenb.server.answers import Refused, check_status_answer, refusal, told
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
    """Terminate an orchestration, and its sub-orchestrations unless ``recursive`` is false."""
    recursive = asked.flag("recursive", True)
    return await _done(asked, partial(asked.client.terminate, recursive=recursive))


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


async def fork(asked: Asked) -> Response:
    """Start an instance that shares the past of another one."""
    given = await asked.value()
    if not asked.is_json or not isinstance(given, dict) or given.keys() - _FORK_KEYS:
        raise refusal(400, "Invalid fork", _FORK_FORM)
    at, results, fork_id = given.get("at"), given.get("results") or {}, given.get("instanceId")
    is_right = isinstance(results, dict) and all(
        isinstance(value, dict) and value.keys() in ({"value"}, {"failure"}) for value in results.values()
    )
    if not (is_right and isinstance(at, int | None) and isinstance(fork_id, str | None)):
        raise refusal(400, "Invalid fork", _FORK_FORM)
    options = {"input_": given["input"]} if "input" in given else {}
    instance_id = await asked.client.fork(
        asked.part("instance_id"),
        at,
        results={_result_key(key): _result(value) for key, value in results.items()},
        fork_id=fork_id,
        **options,
    )
    return check_status_answer(asked.address, instance_id)


_FORK_KEYS = {"at", "results", "input", "instanceId"}
_FORK_FORM = (
    "The body is an object: at, the id of the last shared event; results, by the ids of events or as #3 by "
    "task, each an object with a value or a failure; input; instanceId. All of them may be left out."
)


def _result_key(key: str) -> int | str:
    return int(key) if key.isascii() and key.isdigit() and len(key) < 19 else key


def _result(given: dict[str, Any]) -> Any:
    if "value" in given:
        return given["value"]
    try:
        return FailureDetails.from_json(given["failure"])
    except (KeyError, TypeError, AttributeError, ValueError):
        raise refusal(400, "Invalid fork", "A failure has a type and a message.") from None


async def _done(asked: Asked, command: Callable[[str, str], Awaitable[None]]) -> Response:
    instance_id = asked.part("instance_id")
    status = await asked.standing.of(instance_id)
    if status.runtime_status is not None and status.runtime_status.is_terminal:
        raise Refused(
            told(410, f"The instance {instance_id!r} has ended: it is {status.runtime_status}. Restart it.")
        )
    await command(instance_id, asked.reason)
    return Response(status_code=ACCEPTED)
