"""The conversation of agents as HTML: turns, calls of tools, and what waits for approval."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from durablenb.analysis.conversation import WAITS, Said, ToolCall, Turn, dollars, spent_text
from durablenb.model.conversations import RESULT
from durablenb.notebook.html import Markup, block, code, fold, line, markup, prose, unbroken
from durablenb.notebook.palette import AMBER, BLUE, GREEN, GREY, RED, SOLIDS, VIOLET
from durablenb.notebook.words import lasting, plural

MOST_TURNS = 200
"""The largest number of turns that are shown: the last ones."""

_LIMIT = 4_000
_SHORT = 200

_ROLES = {
    "user": GREY,
    "system": GREY,
    "tool": GREY,
    "retry": AMBER,
    "thinking": VIOLET,
    "answer": BLUE,
}
_STATES = {
    "open": ("requested", GREY),
    "waiting": ("waits for approval", AMBER),
    "deferred": ("waits for its result", AMBER),
    "approved": ("approved", GREEN),
    "denied": ("denied", RED),
    "running": ("running", BLUE),
    "completed": ("", GREEN),
    "failed": ("failed", RED),
}
_FOLDED = ("system", "thinking")


def conversation_html(turns: Sequence[Turn], *, has_forms: bool = False) -> Markup:
    """Return the turns, oldest first; with more than 200, the last ones.

    Parameters
    ----------
    turns
        The turns.
    has_forms
        Whether there are forms above that decide on the calls that wait; if not, the methods are named.
    """
    agents = {turn.agent for turn in turns}
    left_out = len(turns) - MOST_TURNS
    note = markup("<p>", line(f"{left_out:,} earlier turns"), "</p>") if left_out > 0 else Markup("")
    shown = turns[-MOST_TURNS:]
    return markup(
        total_line(turns),
        note,
        *(_turn(turn, has_many=len(agents) > 1, has_forms=has_forms) for turn in shown),
    )


def total_line(turns: Sequence[Turn]) -> Markup:
    """Return the number of turns, tokens and US dollars in a line."""
    parts = [plural(len(turns), "turn"), plural(sum(len(turn.calls) for turn in turns), "tool call")]
    parts += [spent] if (spent := spent_text(turns)) else []
    waiting = sum(call.state in WAITS.values() for turn in turns for call in turn.calls)
    if waiting:
        parts.append(f"{waiting:,} waiting")
    return markup("<p>", line(" · ".join(parts), 400), "</p>")


def _turn(turn: Turn, *, has_many: bool, has_forms: bool) -> Markup:
    parts = [f"turn {turn.number}"]
    if has_many:
        parts.append(turn.agent)
    if turn.attempt > 1:
        parts.append(f"attempt {turn.attempt}")
    if turn.usage is not None:
        parts += [turn.usage.model] if turn.usage.model else []
        cached = f" ({turn.usage.cached_tokens:,} cached)" if turn.usage.cached_tokens else ""
        parts.append(f"{turn.usage.input_tokens:,} tokens in{cached}, {turn.usage.output_tokens:,} out")
    if turn.cost is not None:
        parts.append(dollars(turn.cost))
    if turn.ended is not None:
        parts.append(lasting(turn.ended - turn.scheduled))
    return markup(
        *(_said(said) for said in turn.said),
        '<div style="font-size:12px;opacity:.8;margin:10px 0 2px">',
        " · ".join(map(unbroken, parts)),
        "</div>",
        *(_said(said, turn.agent) for said in turn.answer),
        _bubble(BLUE, turn.agent, prose(turn.streamed, _LIMIT)) if turn.streamed else "",
        *(_call(call, has_forms=has_forms) for call in turn.calls),
        _end(turn),
    )


def _end(turn: Turn) -> Markup:
    if turn.failure is not None:
        return _bubble(RED, "failed", prose(turn.failure, _LIMIT))
    if turn.ended is None and not turn.streamed:
        return _bubble(GREY if turn.is_over else BLUE, turn.agent, unbroken(f"{turn.state} …"))
    return Markup("")


def _said(said: Said, agent: str = "") -> Markup:
    colour = _ROLES.get(said.role, GREY)
    label = agent if said.role == "answer" and agent else said.role
    if said.role in _FOLDED:
        return _bubble(colour, "", fold(label, prose(said.text, _LIMIT)))
    return _bubble(colour, label, prose(said.text, _LIMIT))


def tool_call_line(call: ToolCall) -> str:
    """Return a call as it would be written in Python."""
    if isinstance(call.args, dict):
        given = ", ".join(f"{name}={_json(value)}" for name, value in call.args.items())
    else:
        given = "" if call.args is None else _json(call.args)
    return f"{call.name}({given})"


def _call(call: ToolCall, *, has_forms: bool) -> Markup:
    word, colour = _STATES[call.state]
    task = "" if call.task_id is None else f"#{call.task_id}"
    short = tool_call_line(call)
    inside = markup(code(short, _SHORT), *(_muted(words) for words in (task, word) if words))
    if len(short) > _SHORT:
        inside = markup(
            inside, fold("arguments", block(json.dumps(call.args, ensure_ascii=False, indent=1), _LIMIT))
        )
    if call.original is not None:
        before = code(tool_call_line(call.original), _SHORT)
        inside = markup(
            inside, '<div style="font-size:12px;opacity:.8">the model asked for ', before, "</div>"
        )
    if call.state in WAITS.values():
        inside = markup(inside, "<div>", _way_to_decide(call, has_forms=has_forms), "</div>")
    if call.result is not None:
        text = call.result if isinstance(call.result, str) else _json(call.result)
        arrow = markup("<div>→ ", code(text), "</div>")
        inside = markup(
            inside, arrow if len(text) <= _SHORT and "\n" not in text else fold("result", block(text, _LIMIT))
        )
    return _bubble(colour, "", markup("<div>", inside, "</div>"))


def _way_to_decide(call: ToolCall, *, has_forms: bool) -> Markup:
    """Return how to end the wait of a call."""
    if has_forms:
        what = "decide" if call.state == "waiting" else "send its result"
        return line(f"{what} in its form above the tabs")
    if call.state == "waiting":
        return markup("decide with ", code("handle.approvals()"))
    return markup("send it with ", code(f"handle.raise_event({RESULT + call.call_id!r}, ...)"))


def _muted(words: str) -> Markup:
    return markup(' <span style="font-size:12px;opacity:.8;white-space:nowrap">', line(words), "</span>")


def _bubble(colour: str, label: str, inside: str) -> Markup:
    title = markup('<div style="font-size:12px;opacity:.8">', line(label), "</div>") if label else Markup("")
    return markup(
        f'<div style="border-left:3px solid {SOLIDS[colour]};margin:4px 0;padding:1px 0 1px 10px;'
        'overflow-wrap:anywhere">',
        title,
        inside,
        "</div>",
    )


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)
