"""Conversations in the journal: each message once, however many requests it is part of.

The input of a model request has the messages that are new since an earlier request of the same execution,
whose task id it gives as ``after``. Those before are the messages and the answer of that request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from pydantic import TypeAdapter
from pydantic_ai.messages import ModelMessage, ModelResponse

from durablenb.core.context import DurableOrchestrationContext

Plain = dict[str, Any]
"""A message, or another object, as JSON."""

_message: TypeAdapter[Any] = TypeAdapter(ModelMessage)

_COMPARED = ("kind", "parts", "instructions")
"""Fields of a message that make it what it is; a run sets others after it was journaled."""

CONSTANTS = ("settings", "parameters")
"""Parts of a request that are left out of the journal if they are those of the request before."""


class Conversations:
    """The conversations of one execution of an orchestration, in the memory of its process."""

    def __init__(self) -> None:
        self._tips: dict[str, int] = {}
        """Requests by the hash of the conversation up to their answer."""
        self._asked: dict[int, str] = {}
        """The hashes of the conversations up to a request without an answer."""
        self._messages: dict[int, list[Plain]] = {}
        self._constants: dict[int, Plain] = {}

    def shortened(self, request: Plain, now: str) -> tuple[Plain, str]:
        """Return a request without what an earlier one has, and the hash of its conversation.

        Parameters
        ----------
        request
            The request with all of its messages, its settings and parameters.
        now
            The orchestration's time, which requests get in place of the wall clock's.
        """
        after, known, tip = None, 0, ""
        for count, message in enumerate(request["messages"], 1):
            tip = _hash(tip, message)
            if tip in self._tips:
                after, known = self._tips[tip], count
        before = {} if after is None else self._constants[after]
        new = [_at(now, message) for message in request["messages"][known:]]
        changed = {
            name: value
            for name, value in request.items()
            if before.get(name, ...) != value and name != "messages"
        }
        return {**({} if after is None else {"after": after}), "messages": new, **changed}, tip

    def requested(self, task_id: int, request: Plain, short: Plain, tip: str) -> None:
        """Note the task id of a request, as it is and as it was shortened, and its conversation's hash."""
        self._asked[task_id] = tip
        self._messages[task_id] = [*self._messages.get(short.get("after", -1), ()), *short["messages"]]
        self._constants[task_id] = {name: request[name] for name in CONSTANTS}

    def answered(self, task_id: int, answer: ModelResponse) -> None:
        """Note the answer to a request."""
        message = compact(_message.dump_python(answer, mode="json"))
        self._messages[task_id].append(message)
        self._tips[_hash(self._asked.pop(task_id), message)] = task_id

    def through(self, task_id: int) -> tuple[list[Plain], Plain] | None:
        """Return the messages up to the answer to a request, and its constants; None if they aren't known."""
        known = self._messages.get(task_id)
        return None if known is None else (known, self._constants[task_id])


class OpenConversations:
    """The conversations of the executions that are open in this process."""

    def __init__(self) -> None:
        self._by_context: WeakKeyDictionary[DurableOrchestrationContext, Conversations] = WeakKeyDictionary()
        self._by_execution: WeakValueDictionary[str, Conversations] = WeakValueDictionary()

    def of(self, context: DurableOrchestrationContext) -> Conversations:
        """Return the conversations of an orchestration."""
        found = self._by_context.get(context)
        if found is None:
            found = self._by_context[context] = Conversations()
            self._by_execution[context._execution.execution_id] = found
        return found

    def through(self, execution_id: str, task_id: int) -> tuple[list[Plain], Plain] | None:
        """Return the messages up to the answer to a request, and its constants; None if they aren't known."""
        found = self._by_execution.get(execution_id)
        return None if found is None else found.through(task_id)


def completed(
    request: Plain, find: Callable[[int], tuple[Plain, Plain]], known: tuple[list[Plain], Plain] | None = None
) -> Plain:
    """Return a request with all of its messages, its settings and parameters.

    Parameters
    ----------
    request
        The request's input, as it was shortened.
    find
        Returns the input of the request of a task id, and its answer.
    known
        The messages and constants up to the answer before this request, if they are at hand.
    """
    parts: list[list[Plain]] = [request["messages"]]
    constants = dict(request)
    after = constants.pop("after", None)
    if after is not None and known is not None:
        parts.append(known[0])
        constants, after = {**known[1], **constants}, None
    while after is not None:
        before, answer = find(after)
        parts.append([*before["messages"], answer])
        constants = {**{name: before[name] for name in CONSTANTS if name in before}, **constants}
        after = before.get("after")
    return {**constants, "messages": [message for part in reversed(parts) for message in part]}


def compact(message: Plain) -> Plain:
    """Return a message without its empty fields, which mean the same; a tool may have returned None."""
    fields = _without_empty(message)
    fields["parts"] = [_without_empty(part) for part in message["parts"]]
    if "usage" in fields:
        fields["usage"] = {name: value for name, value in message["usage"].items() if value or name in _USAGE}
    return fields


_USAGE = ("input_tokens", "output_tokens")
"""Fields of the usage that an answer always has."""


def _without_empty(fields: Plain) -> Plain:
    return {name: value for name, value in fields.items() if value is not None or name == "content"}


def _hash(before: str, message: Plain) -> str:
    """Return the hash of a conversation that ends with a message."""
    compared = {name: message[name] for name in _COMPARED if message.get(name) is not None}
    compared["parts"] = [
        {name: value for name, value in _without_empty(_timeless(part)).items() if name != "timestamp"}
        for part in message["parts"]
    ]
    text = before + json.dumps(compared, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _at(now: str, message: Plain) -> Plain:
    """Return a message as a replay gives it again: a request has the orchestration's time."""
    message = compact(message)
    if message["kind"] != "request":
        return message
    parts = [
        {**part, "timestamp": now} if "timestamp" in part else part
        for part in map(_timeless, message["parts"])
    ]
    return {**message, "parts": parts, **({"timestamp": now} if "timestamp" in message else {})}


def _timeless(part: Plain) -> Plain:
    """Return a part without an id that differs in a replay: one of a retry that belongs to no call."""
    if part["part_kind"] == "retry-prompt" and not part.get("tool_name"):
        return {name: value for name, value in part.items() if name != "tool_call_id"}
    return part
