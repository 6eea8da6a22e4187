"""Forms in a live view that decide on calls of tools: approve, deny, or send the result."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from durablenb.analysis.conversation import ToolCall
from durablenb.model.conversations import APPROVAL, Decision
from durablenb.notebook.html import Markup, line, markup
from durablenb.notebook.live.interactive import attributes, button, field, text_area
from durablenb.notebook.still.conversation import tool_call_line

_MOST_EDITED = 4_000
"""The largest number of characters of arguments that a form shows."""


class Decisions:
    """The decisions that are made in one live view, with those that were sent and those that can't be.

    Parameters
    ----------
    raise_event
        Raises an external event: takes its name and its data.
    """

    def __init__(self, raise_event: Callable[[str, Any], None]) -> None:
        self._raise_event = raise_event
        self._sent: dict[str, str] = {}
        """The decisions that were sent, by the name of the event, which may not have arrived yet."""
        self._errors: dict[str, str] = {}
        """Why the field of a form can't be sent, by the name of the event."""

    def forget_arrived(self, waiting: Mapping[str, ToolCall]) -> None:
        """Forget what was decided on calls that no longer wait: a later call may have the same id."""
        self._sent = {name: word for name, word in self._sent.items() if name in waiting}

    def form(self, name: str, call: ToolCall) -> Markup:
        """Return the fields and buttons that decide on a call; after a decision they are off.

        Parameters
        ----------
        name
            The name of the external event for which the call waits.
        call
            The call.
        """
        named = attributes(aria_label=tool_call_line(call)[:200])
        sent = self._sent.get(name)
        if name.startswith(APPROVAL):
            parts = _approval(name, call, self._errors.get(name, ""))
        else:
            parts = markup(
                "<form>",
                text_area("result", "result (JSON)", "", self._errors.get(name, "")),
                button("Send", "answer", name=name),
                "</form>",
            )
        said = "" if sent is None else markup('<span role="status">', line(sent), "</span>")
        off = "" if sent is None else " disabled"
        return markup(f'<fieldset class="dnb-decision"{off}{named}>', parts, said, "</fieldset>")

    def approve(self, name: str, fields: Mapping[str, Any], waiting: Mapping[str, ToolCall]) -> None:
        """Let a tool run, with the arguments in the form."""
        call = self._open(name, waiting)
        edited = None
        if "args" in fields:
            args, error = _json(fields["args"])
            if not error and not isinstance(args, dict):
                error = 'The arguments are a JSON object such as {"city": "Oslo"}.'
            if error:
                self._errors[name] = f"{error} Nothing was sent."
                return
            edited = None if args == _given(call) else args
        self._send(name, Decision(True, args=edited).payload, "approved")

    def deny(self, name: str, fields: Mapping[str, Any], waiting: Mapping[str, ToolCall]) -> None:
        """Don't let a tool run; the model reads the reason in the form."""
        self._open(name, waiting)
        reason = str(fields.get("message", "")).strip()
        self._send(name, Decision(False, message=reason or None).payload, "denied")

    def answer(self, name: str, fields: Mapping[str, Any], waiting: Mapping[str, ToolCall]) -> None:
        """Send the result of a tool that runs elsewhere."""
        self._open(name, waiting)
        result, error = _json(fields.get("result", ""))
        if error:
            self._errors[name] = f'{error} A text has quotes: "rain". Nothing was sent.'
            return
        self._send(name, result, "result sent")

    def _open(self, name: str, waiting: Mapping[str, ToolCall]) -> ToolCall:
        self._errors.pop(name, None)
        if name not in waiting or name in self._sent:
            raise ValueError("This call was decided already; nothing was sent.")
        return waiting[name]

    def _send(self, name: str, data: Any, word: str) -> None:
        self._raise_event(name, data)
        self._sent[name] = word


def _approval(name: str, call: ToolCall, error: str) -> Markup:
    text = json.dumps(_given(call), ensure_ascii=False, indent=1)
    text = "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)
    if len(text) > _MOST_EDITED:
        edited = line(f"Long arguments ({len(text):,} characters) are changed with handle.approvals().", 200)
    else:
        edited = text_area("args", "arguments (JSON)", text, error)
    return markup(
        "<form>",
        edited,
        button("Approve", "approve", name=name),
        "</form><form>",
        field("message", "reason for the model"),
        button("Deny", "deny", name=name),
        "</form>",
    )


def _given(call: ToolCall) -> dict[str, Any]:
    return call.args if isinstance(call.args, dict) else {}


def _json(text: object) -> tuple[Any, str]:
    """Return a value and no error, or an error."""
    try:
        return json.loads(str(text)), ""
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        return None, f"This isn't JSON ({where}: {error.msg})."
