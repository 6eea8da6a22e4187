"""Conversations in the journal: each message once, however many requests it is part of.

The input of a model request has the messages that are new since an earlier request of the same execution,
whose task id it gives as ``after``. Those before are the messages and the answer of that request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property
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
    """The conversations of one execution of an orchestration, in the memory of its process.

    A conversation is as long as its requests are many, so what costs time is done once for each message: its
    JSON and its hash in the orchestrator, its object in activities.
    """

    def __init__(self) -> None:
        self._tips: dict[str, int] = {}
        """Requests by the hash of the conversation up to their answer."""
        self._asked: dict[int, str] = {}
        """The hashes of the conversations up to a request without an answer."""
        self._requests: dict[int, Plain] = {}
        """The inputs of requests, with messages that are kept."""
        self._answers: dict[int, _KeptMessage] = {}
        self._constants: dict[int, Plain] = {}
        self._next: dict[str, dict[str, _KeptMessage]] = {}
        """By the hash of a conversation: its next messages, by the hash of the conversation with them."""

    def shortened(self, messages: Sequence[ModelMessage], request: Plain, now: str) -> tuple[Plain, str]:
        """Return a request without what an earlier one has, and the hash of its conversation.

        Parameters
        ----------
        messages
            All messages of the request.
        request
            The rest of it, with its settings and parameters.
        now
            The orchestration's time, which requests get in place of the wall clock's.
        """
        after, known, tip = None, 0, ""
        plain = []
        for count, message in enumerate(messages, 1):
            tip, as_json = self._followed(tip, message)
            plain.append(as_json)
            if tip in self._tips:
                after, known = self._tips[tip], count
        before = {} if after is None else self._constants[after]
        new = [_at(now, message) for message in plain[known:]]
        changed = {name: value for name, value in request.items() if before.get(name, ...) != value}
        return {**({} if after is None else {"after": after}), "messages": new, **changed}, tip

    def _followed(self, tip: str, message: ModelMessage) -> tuple[str, Plain]:
        """Return the hash of a conversation with its next message, and that message as JSON."""
        known = self._next.setdefault(tip, {})
        for following, kept in known.items():
            if kept.is_equal(message):
                return following, kept.plain
        plain = _message.dump_python(message, mode="json")
        following = _hash(tip, plain)
        known[following] = _KeptMessage(plain)
        return following, plain

    def requested(self, task_id: int, request: Plain, short: Plain, tip: str) -> None:
        """Note the task id of a request, as it is and as it was shortened, and its conversation's hash."""
        self._asked[task_id] = tip
        self._requests[task_id] = {**short, "messages": [_KeptMessage(each) for each in short["messages"]]}
        self._constants[task_id] = {name: request[name] for name in CONSTANTS}

    def answered(self, task_id: int, answer: ModelResponse) -> None:
        """Note the answer to a request."""
        message = compact(_message.dump_python(answer, mode="json"))
        self._answers[task_id] = _KeptMessage(message)
        self._tips[_hash(self._asked.pop(task_id), message)] = task_id

    def find(self, task_id: int) -> tuple[Plain, ModelMessage]:
        """Return the input of a request and its answer, with messages as objects.

        Raises
        ------
        KeyError
            If the request isn't known, or has no answer yet.
        """
        request, answer = self._requests[task_id], self._answers[task_id]
        return {**request, "messages": [each.message for each in request["messages"]]}, answer.message


class _KeptMessage:
    """A message as JSON, and as objects that are made when they are first needed."""

    def __init__(self, plain: Plain) -> None:
        self.plain = plain
        self._given: ModelMessage | None = None

    @cached_property
    def _own(self) -> ModelMessage:
        """The message, which is never given away."""
        own: ModelMessage = _message.validate_python(self.plain)
        return own

    def is_equal(self, message: ModelMessage) -> bool:
        """Return True if a message is equal to this one, which it may not be any more if it was changed."""
        try:
            return bool(self._own == message)
        except Exception:  # of a user's type, which compares as it likes
            return False

    @property
    def message(self) -> ModelMessage:
        """The message for a model, which may change what it gets: the next one gets it as it was."""
        if self._given is None or not self.is_equal(self._given):
            self._given = _message.validate_python(self.plain)
        return self._given


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

    def of_execution(self, execution_id: str) -> Conversations | None:
        """Return the conversations of an execution; None if they aren't known."""
        return self._by_execution.get(execution_id)


def completed(request: Plain, find: Callable[[int], tuple[Plain, Any]]) -> Plain:
    """Return a request with all of its messages, its settings and parameters.

    Parameters
    ----------
    request
        The request's input, as it was shortened.
    find
        Returns the input of the request of a task id, and its answer.
    """
    parts: list[list[Any]] = [request["messages"]]
    constants = dict(request)
    after = constants.pop("after", None)
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
