"""The form of an agent's conversation in the journal, which any orchestration can write.

*Watch what an agent does* describes it: the names of activities and external events, their inputs, and the
decisions on calls of tools.
"""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple

REQUEST = ".model"
"""The end of the name of an activity that requests an answer of a model; the rest is the agent's name."""

APPROVAL = "approval."
"""The beginning of the name of the external event that decides a call of a tool; the rest is its id."""

RESULT = "result."
"""The beginning of the name of the external event with the result of a call that runs elsewhere."""

OUTCOMES: dict[str, Literal["completed", "open", "failed"]] = {
    "tool_return": "completed",
    "tool_content_result": "completed",
    "approval_required": "open",
    "call_deferred": "open",
    "model_retry": "failed",
    "validation_error": "failed",
    "tool_failed": "failed",
    "run_cancelled": "failed",
}
"""The states of a tool's call by the ``kind`` of its recorded outcome."""

_MESSAGES = ("request", "response")


def is_model_request(name: str, text: str) -> bool:
    """Return True if a call of an activity is a request to a model, by its name and its input.

    The view `llm_calls` applies the same rule.

    Examples
    --------
    >>> is_model_request("bot.model", '{"messages": [{"kind": "request", "parts": []}]}')
    True
    >>> is_model_request("spam.model", '{"messages": ["Win a prize!"]}')
    False
    """
    if not name.endswith(REQUEST) or '"messages"' not in text:
        return False
    given = json_object(text)
    match given.get("messages"):
        case [first, *_]:
            return isinstance(first, dict) and first.get("kind") in _MESSAGES
        case []:
            return given.get("after") is not None
    return False


def tool_call_id(text: str) -> str | None:
    """Return the id of the call of a tool that an activity's input is; None if it is none."""
    call_id = json_object(text).get("call_id") if '"call_id"' in text else None
    return call_id if isinstance(call_id, str) else None


def tool_arguments(args: Any) -> Any:
    """Return the arguments of a call, which a model gives as an object, or as the text of one."""
    return json_value(args or "{}") if isinstance(args, str) else args


def outcome_kind(result: Any) -> str | None:
    """Return the kind of a tool's recorded outcome; None if the tool's own result was recorded."""
    kind = result.get("kind") if isinstance(result, dict) else None
    return kind if isinstance(kind, str) and kind in OUTCOMES else None


class Decision(NamedTuple):
    """A decision on a call of a tool, as the payload of an external event has it.

    Examples
    --------
    >>> Decision.of(True)
    Decision(approve=True, args=None, message=None)
    >>> Decision(False, message="too dear").payload
    {'approve': False, 'message': 'too dear'}
    """

    approve: bool
    args: Any = None
    """All arguments of the tool, in place of the model's."""
    message: str | None = None
    """The reason of a denial, which the model reads."""

    @staticmethod
    def of(payload: Any) -> Decision | None:
        """Return the decision of a payload; None if it decides nothing."""
        fields = {"approve": payload} if isinstance(payload, bool) else payload
        if not isinstance(fields, dict) or not isinstance(fields.get("approve"), bool):
            return None
        return Decision(fields["approve"], fields.get("args"), fields.get("message") or None)

    @property
    def payload(self) -> dict[str, Any]:
        """The payload of the event."""
        return {name: value for name, value in self._asdict().items() if value is not None}


def json_object(text: str) -> dict[str, Any]:
    """Return the object of a JSON text; an empty one if it is something else."""
    value = json_value(text)
    return value if isinstance(value, dict) else {}


def json_value(text: str) -> Any:
    """Return the value of a JSON text, or a text that isn't JSON as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
