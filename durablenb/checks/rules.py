"""The rules for orchestrators by code, and the comments that silence them."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import NamedTuple

PAGE = "docs/reference/checks.md"


class Rule(NamedTuple):
    """One rule, and the texts that explain it.

    Parameters
    ----------
    title
        Its subject, in a few words.
    why
        The consequence of breaking it.
    instead
        The advice: code that keeps the rule.
    """

    title: str
    why: str
    instead: str


_OTHER_VALUE = "A replay gets a different value than the first run, so the code may take a different path."
_TWICE = "Every replay does it again, and may get a different result."
_BLOCKS = "Every replay does it again, and it blocks all other orchestrations meanwhile."
_ACTIVITY = "Do it in an activity: context.call_activity(...)."

RULES: dict[str, Rule] = {
    "DNB101": Rule(
        "the wall clock",
        _OTHER_VALUE,
        "Use context.current_utc_datetime instead.",
    ),
    "DNB102": Rule(
        "random numbers",
        _OTHER_VALUE,
        "Use an activity, or create random.Random(context.new_uuid()) in the orchestrator.",
    ),
    "DNB103": Rule(
        "a new UUID",
        _OTHER_VALUE,
        "Use context.new_uuid() instead.",
    ),
    "DNB104": Rule(
        "the order of a set",
        "Set iteration order varies between processes, so a replay may schedule tasks in a different order.",
        "Iterate over sorted(...), or use a list or a dict.",
    ),
    "DNB105": Rule(
        "hashes and ids",
        "hash() of text and id() of any object differ between processes.",
        "Use hashlib, or compare the values themselves.",
    ),
    "DNB106": Rule(
        "the machine or the process",
        "The replay may run on another machine, or after a change.",
        "Read it in an activity, or pass it in as the input.",
    ),
    "DNB201": Rule(
        "files and databases",
        _TWICE,
        _ACTIVITY,
    ),
    "DNB202": Rule(
        "the network",
        _TWICE,
        "Do it in an activity, or request it with context.call_http(method, uri).",
    ),
    "DNB203": Rule(
        "sleeping",
        _BLOCKS,
        "Wait for a timer: yield context.create_timer(context.current_utc_datetime + timedelta(...)).",
    ),
    "DNB204": Rule(
        "threads and processes",
        "Their work isn't recorded, and finishes in a different order in a replay.",
        "Call several activities, and wait for context.task_all([...]).",
    ),
    "DNB205": Rule(
        "asyncio without the orchestration's event loop",
        "A generator has no event loop, and an async def has that of its orchestration only.",
        "Use it in an async def; or wait for context.task_all([...]) or context.task_any([...]).",
    ),
    "DNB206": Rule(
        "the hub, from inside",
        "Every replay does it again, and waiting for the hub inside the hub can deadlock.",
        "Use the context: context.call_sub_orchestrator(...), context.signal_entity(...).",
    ),
    "DNB207": Rule(
        "keyboard input",
        "It blocks all other orchestrations, and every replay asks again.",
        'Wait for an external event: yield context.wait_for_external_event("...").',
    ),
    "DNB208": Rule(
        "an activity, called directly",
        "It runs inside the orchestrator: its result isn't recorded, and every replay runs it again.",
        "Write yield context.call_activity(...). If you mean the plain function, say so: # "
        "durable: ignore[DNB208].",
    ),
    "DNB301": Rule(
        "a variable outside is set",
        "A replay sets it again, and all instances share it.",
        "Keep it in a variable of the orchestrator, or in an entity.",
    ),
    "DNB302": Rule(
        "an object outside is changed",
        "A replay changes it again, and all instances share it.",
        "Create the object in the orchestrator, or keep it in an entity.",
    ),
    "DNB401": Rule(
        "a task that is never awaited",
        "Its result and its failure go unnoticed, and the orchestration may end before the task does.",
        "Yield it (in an async def: await it). If that is intended, say so: _ = context.call_activity(...).",
    ),
    "DNB402": Rule(
        "awaiting something that is not a task",
        "The orchestration fails there with a TypeError.",
        "Yield a task of the context, such as context.call_activity(...) or context.task_all([...]).",
    ),
    "DNB403": Rule(
        "an endless loop",
        "The history grows without limit, and every replay takes longer.",
        "End the loop, or start over: context.continue_as_new(...).",
    ),
    "DNB404": Rule(
        "arguments that don't fit",
        "The call fails with a TypeError.",
        "Give the method the arguments that its reference lists.",
    ),
    "DNB405": Rule(
        "an activity that doesn't fit the call",
        "The activity fails with a TypeError, or an argument is dropped.",
        "Give the call what the function takes: context.call_activity(charge, customer, amount=100).",
    ),
    "DNB406": Rule(
        "a new wait in each iteration",
        "If another task wins, the wait stays open, one more in each iteration. Here a later wait "
        "gets the event; in Azure's library 2.x and in .NET the oldest one gets it, and the code "
        "never sees it.",
        "Create the wait once, before the loop: a task may be in several task_any.",
    ),
    "DNB407": Rule(
        "an event's data, text or value",
        "Azure's Python client (1.x) sends an event's data as JSON text; all others send the value.",
        "Accept both: json.loads(data) if isinstance(data, str) else data.",
    ),
    "DNB408": Rule(
        "a request that depends on is_replaying",
        "A replay skips it, and no longer fits the history.",
        "Make the request in any case; guard with is_replaying only what leaves no trace, such as a line "
        "of a log.",
    ),
    "DNB501": Rule(
        "an unknown activity",
        "The orchestration fails with a FunctionNotFoundError.",
        "Register it.",
    ),
    "DNB502": Rule(
        "an unknown orchestrator",
        "The orchestration fails with a FunctionNotFoundError.",
        "Register it.",
    ),
    "DNB503": Rule(
        "an unknown entity",
        "The operation fails, or never runs.",
        "Register it.",
    ),
    "DNB504": Rule(
        "an unknown name of the context",
        "The orchestration fails with an AttributeError.",
        "The names are those of DurableOrchestrationContext.",
    ),
}
"""The rules by code. The hundreds: 1 non-determinism, 2 blocking and I/O, 3 state, 4 tasks, 5 names."""

_COMMENT = re.compile(r"#\s*durable:\s*ignore\[([A-Z0-9, ]+)\]")


def is_silenced(lines: Sequence[str], code: str, node: ast.AST) -> bool:
    """Tell whether a comment on one of a node's lines silences a code: ``# durable: ignore[DNB101]``."""
    first: int = getattr(node, "lineno", 1)
    last: int = first if hasattr(node, "body") else getattr(node, "end_lineno", None) or first
    return any(silences(line, code) for line in lines[first - 1 : last])


def silences(line: str, code: str) -> bool:
    """Tell whether a comment on a line silences a code."""
    return any(code in {name.strip() for name in codes.split(",")} for codes in _COMMENT.findall(line))
