"""The rules: what each code stands for, why it matters, and what to write in its place."""

from __future__ import annotations

from typing import NamedTuple

PAGE = "docs/reference/checks.md"


class Rule(NamedTuple):
    """One rule.

    Parameters
    ----------
    title
        What it is about, in a few words.
    why
        Why it matters.
    instead
        What to write instead.
    """

    title: str
    why: str
    instead: str


_OTHER_VALUE = "A replay gets another value than the first run, and the code may take another way."
_TWICE = "It is done again in every replay, and what it gives may differ."
_BLOCKS = "It is done again in every replay, and holds up all other orchestrations meanwhile."
_ACTIVITY = "Do it in an activity: context.call_activity(...)."

RULES: dict[str, Rule] = {
    "DNB101": Rule("the wall clock", _OTHER_VALUE, "Take context.current_utc_datetime."),
    "DNB102": Rule(
        "chance",
        _OTHER_VALUE,
        "Draw in an activity, or from random.Random(context.new_uuid()), made in the orchestrator.",
    ),
    "DNB103": Rule("a new UUID", _OTHER_VALUE, "Take context.new_uuid()."),
    "DNB104": Rule(
        "the order of a set",
        "A set of texts has another order in every process, and so has what is asked for in that order.",
        "Go through sorted(...), or use a list or a dict.",
    ),
    "DNB105": Rule(
        "hashes and ids",
        "They differ from process to process: hash() of texts, and id() of everything.",
        "Take hashlib, or compare the values themselves.",
    ),
    "DNB106": Rule(
        "the machine or the process",
        "The replay may run elsewhere, or after a change.",
        "Read it in an activity, or hand it in as the input.",
    ),
    "DNB201": Rule("files and databases", _TWICE, _ACTIVITY),
    "DNB202": Rule(
        "the network", _TWICE, "Do it in an activity, or ask for it by context.call_http(method, uri)."
    ),
    "DNB203": Rule(
        "sleeping",
        _BLOCKS,
        "Wait for a timer: yield context.create_timer(context.current_utc_datetime + timedelta(...)).",
    ),
    "DNB204": Rule(
        "threads and processes",
        "What they do isn't recorded, and comes in another order in a replay.",
        "Call several activities, and wait for context.task_all([...]).",
    ),
    "DNB205": Rule(
        "asyncio's own tasks",
        "An orchestrator has no event loop; it can only wait for the context's tasks.",
        "Wait for the context's tasks: context.task_all([...]), context.task_any([...]).",
    ),
    "DNB206": Rule(
        "the hub, from inside",
        "It is done again in every replay, and waiting for the hub in the hub may never end.",
        "Ask the context: context.call_sub_orchestrator(...), context.signal_entity(...).",
    ),
    "DNB207": Rule(
        "asking at the keyboard",
        "It holds up all other orchestrations, and asks again in every replay.",
        'Wait for an external event: yield context.wait_for_external_event("...").',
    ),
    "DNB208": Rule(
        "an activity, called directly",
        "It runs in the orchestrator, its result isn't recorded, and it is done again in every replay.",
        "Write yield context.call_activity(...). If it is meant as a plain function, say so: "
        "# durable: ignore[DNB208].",
    ),
    "DNB301": Rule(
        "a variable outside is set",
        "A replay sets it again, and every instance shares it.",
        "Keep it in a variable of the orchestrator, or in an entity.",
    ),
    "DNB302": Rule(
        "an object outside is changed",
        "A replay changes it again, and every instance shares it.",
        "Make the object in the orchestrator, or keep it in an entity.",
    ),
    "DNB401": Rule(
        "a task that nobody waits for",
        "Its result and its failure go unnoticed, and the orchestration may end before it does.",
        "Yield it (in an async def: await it). If that is meant, say so: _ = context.call_activity(...).",
    ),
    "DNB402": Rule(
        "waiting for what is no task",
        "The orchestration fails with a TypeError there.",
        "Yield what the context gives, such as context.call_activity(...) or context.task_all([...]).",
    ),
    "DNB403": Rule(
        "a loop without an end",
        "The history grows without end, and with it the time of a replay.",
        "End the loop, or begin afresh: context.continue_as_new(...).",
    ),
    "DNB404": Rule(
        "arguments that don't fit",
        "The call fails with a TypeError.",
        "An activity gets one argument; hand over a list or a dict.",
    ),
    "DNB405": Rule(
        "an activity that doesn't fit the call",
        "An activity is called with one argument, or with none if it takes none.",
        "Give it one parameter; hand over a list or a dict.",
    ),
    "DNB406": Rule(
        "a wait that is made anew in each round",
        "Where another task wins, the wait stays, one more in each round. Here a later wait gets the event; "
        "in Azure's library 2.x and in .NET the oldest one gets it, and the code never sees it.",
        "Make the wait once, before the loop: a task may be in several task_any.",
    ),
    "DNB407": Rule(
        "an event's data, text or value",
        "Azure's Python client (1.x) sends an event's data as JSON text; all others send the value.",
        "Take both: json.loads(data) if isinstance(data, str) else data.",
    ),
    "DNB501": Rule(
        "an unknown activity", "The orchestration fails with a FunctionNotFoundError.", "Register it."
    ),
    "DNB502": Rule(
        "an unknown orchestrator", "The orchestration fails with a FunctionNotFoundError.", "Register it."
    ),
    "DNB503": Rule("an unknown entity", "The operation fails, or is never done.", "Register it."),
    "DNB504": Rule(
        "an unknown name of the context",
        "The orchestration fails with an AttributeError.",
        "The names are those of DurableOrchestrationContext.",
    ),
}
"""By code. The hundreds: 1 non-determinism, 2 blocking and I/O, 3 state, 4 tasks, 5 names."""
