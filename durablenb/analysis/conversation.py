"""The conversation of agents in an instance: requests, answers, calls of tools, and approvals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from durablenb.analysis.text import plural
from durablenb.model.budgets import Budget, Usage
from durablenb.model.conversations import (
    APPROVAL,
    OUTCOMES,
    REQUEST,
    RESULT,
    Decision,
    is_model_request,
    json_object,
    json_value,
    outcome_kind,
    tool_arguments,
    tool_call_id,
)
from durablenb.model.events import (
    Ending,
    Event,
    EventRaised,
    EventSubscribed,
    ExecutionRewound,
    ExecutionStarted,
    Raised,
    Returned,
    TaskCanceled,
    TaskScheduled,
)

ToolState = Literal["open", "waiting", "deferred", "approved", "denied", "running", "completed", "failed"]
"""The state of a tool's call: "waiting" for an approval, "deferred" until a result comes from elsewhere."""

WAITS: dict[str, ToolState] = {APPROVAL: "waiting", RESULT: "deferred"}
"""The states of calls that wait, by the beginning of the event's name."""


@dataclass
class ToolCall:
    """A call of a tool: `args` and `result` are JSON values; `task_id` is that of its activity.

    If an approval has other arguments, `original` is the call as the model made it.
    """

    call_id: str
    name: str
    args: Any
    state: ToolState = "open"
    result: Any = None
    task_id: int | None = None
    original: ToolCall | None = None


@dataclass(frozen=True)
class Said:
    """A text in a conversation: its `role` is user, system, thinking, retry, tool, or answer."""

    role: str
    text: str


@dataclass
class Turn:
    """A request to a model, with what is new in it, and the answer.

    Parameters
    ----------
    agent
        The agent's name.
    number
        The number of the agent's request in the execution, from 1.
    execution, task_id
        The number of the execution, from 1, and the task of the last attempt.
    said
        What is new in the request.
    scheduled
        When it was requested.
    attempt
        The number of the last attempt, from 1.
    ended
        When it ended; None while it runs.
    answer, calls
        What the answer says, and the tools that it calls.
    usage, cost
        What it has used, and its price in US dollars if the budget has prices.
    failure
        The message of the error with which the last attempt failed.
    streamed
        The end of what a running request streams.
    """

    agent: str
    number: int
    execution: int
    task_id: int
    said: list[Said]
    scheduled: datetime
    attempt: int = 1
    ended: datetime | None = None
    answer: list[Said] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    usage: Usage | None = None
    cost: float | None = None
    failure: str | None = None
    is_over: bool = False
    streamed: str = ""

    @property
    def state(self) -> str:
        """The state: running, completed, failed, or left open."""
        if self.failure is not None:
            return "failed"
        return "completed" if self.ended is not None else "left open" if self.is_over else "running"


class ConversationReader:
    """Reads the conversation of an instance from its events, one by one.

    Other events cost next to nothing, so each live view has a reader.
    """

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._execution = 0
        self._budget: Budget | None = None
        self._before_rewind: dict[int, Turn] = {}
        """The requests that a rewind repeats from the history, by the task of each attempt."""
        self._begin()

    def _begin(self) -> None:
        self._is_rewound = False
        self._open: dict[int, Turn] = {}
        """The requests of this execution, by the task of each attempt."""
        self._tools: dict[int, ToolCall] = {}
        self._calls: dict[str, ToolCall] = {}
        self._early: dict[str, list[EventRaised]] = {}
        """External events that have come before their wait, by name."""
        self._counts: dict[str, int] = {}
        self._instructed: dict[str, str] = {}
        self._heard: dict[str, int] = {}
        """How many messages of each agent are known, if its requests have all of them."""

    def read(self, events: Iterable[Event]) -> None:
        """Read the next events."""
        for event in events:
            if isinstance(event, TaskScheduled):
                self._scheduled(event)
            elif isinstance(event, (Returned, Raised, TaskCanceled)):
                self._settled(event)
            elif isinstance(event, (EventSubscribed, EventRaised)):
                self._awaited(event)
            elif isinstance(event, ExecutionStarted):
                self._execution += 1
                self._budget = Budget.from_tags(event.tags)
                self._before_rewind = self._open if self._is_rewound else {}
                self._begin()
            elif isinstance(event, ExecutionRewound):
                self._is_rewound = True
            elif isinstance(event, Ending):
                for turn in self._open.values():
                    turn.is_over = True
                for call in self._calls.values():
                    if call.state in WAITS.values():  # nobody waits any more
                        call.state = "open"

    def waiting(self) -> dict[str, ToolCall]:
        """Return the calls that wait for an approval or a result, by the name of the external event."""
        prefixes = {state: prefix for prefix, state in WAITS.items()}
        return {
            prefixes[call.state] + call_id: call
            for call_id, call in self._calls.items()
            if call.state in prefixes
        }

    def _scheduled(self, event: TaskScheduled) -> None:
        if is_model_request(event.name, event.input):
            turn = self._open.get(event.call_id)
            if turn is None:
                self._ask(event, json_object(event.input))
            else:
                turn.task_id, turn.attempt, turn.failure, turn.ended = (
                    event.task_id,
                    event.attempt,
                    None,
                    None,
                )
                self._open[event.task_id] = turn
        elif (call_id := tool_call_id(event.input)) in self._calls:
            call = self._tools[event.task_id] = self._calls[call_id]
            call.state, call.task_id = "running", event.task_id
            call.args = json_object(event.input).get("args", call.args)

    def _ask(self, event: TaskScheduled, given: Mapping[str, Any]) -> None:
        agent = event.name.removesuffix(REQUEST)
        messages = given["messages"]
        if given.get("after") is None:
            known = self._heard.get(agent, 0)
            known = known if known < len(messages) else 0
            self._heard[agent] = len(messages)
            messages = messages[known:]
        said: list[Said] = []
        for message in messages:
            if isinstance(message, dict) and message.get("kind") != "response":
                said += self._instructions(agent, message)
                said += self._said(message)
        number = self._counts[agent] = self._counts.get(agent, 0) + 1
        turn = Turn(agent, number, self._execution, event.task_id, said, event.timestamp, event.attempt)
        if (former := self._before_rewind.get(event.task_id)) is not None:
            self.turns = [known for known in self.turns if known is not former]
        self.turns.append(turn)
        self._open[event.task_id] = turn

    def _instructions(self, agent: str, message: Mapping[str, Any]) -> list[Said]:
        """Return the instructions in a message, unless the agent had the same ones before."""
        text = _text(message.get("instructions"))
        if not text or self._instructed.get(agent) == text:
            return []
        self._instructed[agent] = text
        return [Said("system", text)]

    def _said(self, message: Mapping[str, Any]) -> Iterable[Said]:
        """Yield what a message of a request says; a tool's result goes to its call, if that is known."""
        for part in _parts(message):
            kind = str(part.get("part_kind", ""))
            call = self._calls.get(str(part.get("tool_call_id")))
            if call is not None and kind in ("tool-return", "retry-prompt"):
                call.result = part.get("content")
                is_bad = kind == "retry-prompt" or part.get("outcome") in ("failed", "denied")
                call.state = (
                    "denied" if part.get("outcome") == "denied" else "failed" if is_bad else "completed"
                )
            else:
                roles = {"system-prompt": "system", "user-prompt": "user", "retry-prompt": "retry"}
                yield Said(roles.get(kind, "tool"), _text(part.get("content")))

    def _settled(self, event: Returned | Raised | TaskCanceled) -> None:
        failure = None
        if not isinstance(event, Returned):
            failure = event.failure.message if isinstance(event, Raised) else "It was canceled."
        if (turn := self._open.get(event.task_id)) is not None:
            turn.ended, turn.failure = event.timestamp, failure
            if isinstance(event, Returned):
                self._answered(turn, event.result)
        elif (call := self._tools.get(event.task_id)) is not None:
            if isinstance(event, Returned):
                call.state, call.result = _outcome(json_value(event.result))
            else:
                call.state, call.result = "failed", failure

    def _answered(self, turn: Turn, text: str) -> None:
        answer = json_object(text)
        turn.usage = Usage.of_answer(text)
        if turn.usage is not None and self._budget is not None:
            turn.cost = self._budget.cost(turn.usage)
        for part in _parts(answer):
            kind = str(part.get("part_kind", ""))
            if kind == "tool-call":
                call_id = str(part.get("tool_call_id"))
                call = ToolCall(call_id, str(part.get("tool_name", "")), tool_arguments(part.get("args")))
                turn.calls.append(call)
                self._calls[call_id] = call
            elif part.get("content"):
                role = "thinking" if kind == "thinking" else "answer"
                turn.answer.append(Said(role, _text(part.get("content"))))
        if turn.agent in self._heard:
            self._heard[turn.agent] += 1

    def _awaited(self, event: EventSubscribed | EventRaised) -> None:
        prefix = next((prefix for prefix in WAITS if event.name.startswith(prefix)), None)
        if prefix is None:
            return
        call = self._calls.get(event.name[len(prefix) :])
        if isinstance(event, EventSubscribed):
            if call is not None and call.state in ("open", "approved", "denied"):  # again: it decided nothing
                call.state = WAITS[prefix]
                if early := self._early.get(event.name):
                    _decide(call, prefix, early.pop(0))
        elif call is None or call.state == "open":
            self._early.setdefault(event.name, []).append(event)
        elif call.state == WAITS[prefix]:  # later events decide nothing
            _decide(call, prefix, event)


def _outcome(recorded: Any) -> tuple[ToolState, Any]:
    """Return the state of a tool's call, and its result, or the message of its failure."""
    kind = outcome_kind(recorded)
    if kind is None:
        return "completed", recorded
    return OUTCOMES[kind], recorded.get("result", recorded.get("message"))


def _decide(call: ToolCall, prefix: str, event: EventRaised) -> None:
    """Note in a call what an external event says about it."""
    payload = json_value(event.input)
    if prefix == RESULT:
        call.state, call.result = "completed", payload
        return
    decision = Decision.of(payload)
    if decision is None:  # the code waits for another one
        call.state = "open"
        return
    call.state, call.result = "approved" if decision.approve else "denied", decision.message
    if decision.args is not None and decision.args != call.args:
        call.original, call.args = ToolCall(call.call_id, call.name, call.args), decision.args


def read_conversation(events: Iterable[Event]) -> list[Turn]:
    """Return the turns of the agents in a history; empty if it has no request to a model."""
    reader = ConversationReader()
    reader.read(events)
    return reader.turns


def with_streams(turns: Sequence[Turn], streamed: Mapping[tuple[int, int], str]) -> list[Turn]:
    """Return turns with what running requests stream, by the execution's number and the task."""
    return [
        replace(turn, streamed=text) if turn.ended is None and text else turn
        for turn in turns
        for text in (streamed.get((turn.execution, turn.task_id), ""),)
    ]


def spent_text(turns: Sequence[Turn]) -> str:
    """Return the tokens and US dollars that turns have used, as text; empty if no model has answered."""
    used = [turn.usage for turn in turns if turn.usage is not None]
    if not used:
        return ""
    tokens_in, tokens_out = sum(u.input_tokens for u in used), sum(u.output_tokens for u in used)
    words = f"{tokens_in:,} tokens in, {tokens_out:,} out"
    costs = [turn.cost for turn in turns if turn.cost is not None]
    if costs:
        without = sum(turn.usage is not None and turn.cost is None for turn in turns)
        words += f" · {dollars(sum(costs))}"
        words += f" and {plural(without, 'turn')} without a price" if without else ""
    return words


def dollars(cost: float) -> str:
    """Return an amount of US dollars, to three significant digits at least."""
    return f"${cost:,.2f}" if cost >= 1 else f"${cost:.3g}"


def _parts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = message.get("parts")
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _text(content: Any) -> str:
    """Return the content of a part as text; of an image or another file, its type."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_text(one) for one in content)
    if isinstance(content, dict) and isinstance(content.get("content"), str) and len(content) < 4:
        return str(content["content"])
    if isinstance(content, dict) and isinstance(content.get("data"), str):
        return f"({content.get('media_type') or content.get('kind')})"
    return "" if content is None else json.dumps(content, ensure_ascii=False)
