"""Responses of the server: JSON in Azure's forms, and the error that a handler raises to send one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from durablenb.model.address import Address
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.model.status import OrchestrationRuntimeStatus as Status

_KEYS = ("name", "instanceId", "runtimeStatus", "input", "customStatus", "output")


class JsonResponse(Response):
    """A response in JSON; only ASCII, because a value may contain half a surrogate pair."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the value as JSON."""
        return json_text(content).encode("ascii")


class HttpError(Exception):
    """A request that the server refuses; `http_error` and `text_error` make one.

    Parameters
    ----------
    response
        The response to send.
    """

    def __init__(self, response: JsonResponse) -> None:
        super().__init__(response.status_code)
        self.response = response


def json_text(value: Any) -> str:
    """Return a value of the journal as plain JSON: a tagged object is reduced to its value."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    if '"@type"' not in text:
        return text
    return json.dumps(json.loads(text, object_hook=_untagged), separators=(",", ":"))


def _untagged(fields: dict[str, Any]) -> Any:
    """Return an object without its tag; the objects inside are untagged already."""
    if "@type" not in fields or "@value" not in fields:
        return fields
    value = fields["@value"]
    if fields["@type"] == "dict":
        pairs = [(key, item) for key, item in value]
        return dict(pairs) if all(isinstance(key, str) for key, _ in pairs) else value
    return value


def error_response(
    status: int, message: str, detail: str, kind: str = "", headers: Mapping[str, str] | None = None
) -> JsonResponse:
    """Return an error in the form of Azure's ``CreateErrorResponse``; it never contains a traceback."""
    body = {"Message": message, "ExceptionMessage": detail, "ExceptionType": kind, "StackTrace": ""}
    return JsonResponse(body, status, headers)


def text_response(status: int, text: str) -> JsonResponse:
    """Return a sentence as JSON; Azure's clients raise an exception with it as the message."""
    return JsonResponse(text, status)


def http_error(
    status: int, message: str, detail: str, kind: str = "", headers: Mapping[str, str] | None = None
) -> HttpError:
    """Return the exception that sends an `error_response`."""
    return HttpError(error_response(status, message, detail, kind, headers))


def text_error(status: int, text: str) -> HttpError:
    """Return the exception that sends a `text_response`."""
    return HttpError(text_response(status, text))


def status_json(status: DurableOrchestrationStatus, *, shows_input: bool) -> dict[str, Any]:
    """Return an instance's status as Azure writes it, with times in whole seconds."""
    values = status.to_json() | ({} if shows_input else {"input": None})
    assert status.created_time is not None
    assert status.last_updated_time is not None
    body = {key: values[key] for key in _KEYS}
    body["createdTime"] = f"{status.created_time:%Y-%m-%dT%H:%M:%SZ}"
    body["lastUpdatedTime"] = f"{status.last_updated_time:%Y-%m-%dT%H:%M:%SZ}"
    if "historyEvents" in values:
        body["historyEvents"] = values["historyEvents"]
    return body


def status_response(
    status: DurableOrchestrationStatus, url: str, *, shows_input: bool, is_error_on_failure: bool
) -> JsonResponse:
    """Return an instance's status: 202 with the URL to poll while the instance is open, then 200 or 500."""
    assert status.runtime_status is not None
    body = status_json(status, shows_input=shows_input)
    if not status.runtime_status.is_terminal:
        return JsonResponse(body, 202, {"Location": url, "Retry-After": "5"})
    has_failed = status.runtime_status is Status.Failed
    return JsonResponse(body, 500 if has_failed and is_error_on_failure else 200)


def check_status_response(address: Address, instance_id: str) -> JsonResponse:
    """Return 202 with the URLs that manage a started instance."""
    urls = address.management_urls(instance_id)
    return JsonResponse(urls, 202, {"Location": urls["statusQueryGetUri"], "Retry-After": "10"})
