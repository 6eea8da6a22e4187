"""What the server answers: JSON, in Azure's forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from durablenb.model.address import Address
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.model.status import OrchestrationRuntimeStatus as Status

_KEYS = ("name", "instanceId", "runtimeStatus", "input", "customStatus", "output")


class Answer(Response):
    """JSON; only ASCII, so that half a surrogate pair is no trouble either."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The value as JSON."""
        return text_of(content).encode("ascii")


class Refused(Exception):
    """A request that can't be answered as it was asked.

    Parameters
    ----------
    answer
        What is answered instead.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def text_of(value: Any) -> str:
    """A tree of the journal as the JSON of other programs: what has a tag is shown by its value alone."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    if '"@type"' not in text:
        return text
    return json.dumps(json.loads(text, object_hook=_untagged), separators=(",", ":"))


def _untagged(fields: dict[str, Any]) -> Any:
    """What an object of the journal is to others; the inner ones are that already."""
    if "@type" not in fields or "@value" not in fields:
        return fields
    value = fields["@value"]
    if fields["@type"] == "dict":
        pairs = [(key, item) for key, item in value]
        return dict(pairs) if all(isinstance(key, str) for key, _ in pairs) else value
    return value


def error_answer(
    status: int, message: str, detail: str, kind: str = "", headers: Mapping[str, str] | None = None
) -> Answer:
    """An error in the form of Azure's ``CreateErrorResponse``; it never has a traceback in it."""
    body = {"Message": message, "ExceptionMessage": detail, "ExceptionType": kind, "StackTrace": ""}
    return Answer(body, status, headers)


def refusal(status: int, message: str, detail: str, headers: Mapping[str, str] | None = None) -> Refused:
    """What to raise for a request that is answered with an error."""
    return Refused(error_answer(status, message, detail, headers=headers))


def told(status: int, text: str) -> Answer:
    """A sentence: Azure's clients take it for the message of the exception that they raise."""
    return Answer(text, status)


def status_json(status: DurableOrchestrationStatus, *, shows_input: bool) -> dict[str, Any]:
    """Where an instance stands, as Azure has it: its times are in whole seconds."""
    shown = status.to_json() | ({} if shows_input else {"input": None})
    assert status.created_time is not None
    assert status.last_updated_time is not None
    answer = {key: shown[key] for key in _KEYS}
    answer["createdTime"] = f"{status.created_time:%Y-%m-%dT%H:%M:%SZ}"
    answer["lastUpdatedTime"] = f"{status.last_updated_time:%Y-%m-%dT%H:%M:%SZ}"
    if "historyEvents" in shown:
        answer["historyEvents"] = shown["historyEvents"]
    return answer


def status_answer(
    status: DurableOrchestrationStatus, url: str, *, shows_input: bool, is_error_on_failure: bool
) -> Answer:
    """Where an instance stands: 202 as long as it is open, with the URL to ask again."""
    assert status.runtime_status is not None
    shown = status_json(status, shows_input=shows_input)
    if not status.runtime_status.is_terminal:
        return Answer(shown, 202, {"Location": url, "Retry-After": "5"})
    has_failed = status.runtime_status is Status.Failed
    return Answer(shown, 500 if has_failed and is_error_on_failure else 200)


def check_status_answer(address: Address, instance_id: str) -> Answer:
    """What was started, and the URLs to manage it with."""
    urls = address.management_urls(instance_id)
    return Answer(urls, 202, {"Location": urls["statusQueryGetUri"], "Retry-After": "10"})
