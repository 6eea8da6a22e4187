"""Sentences about the awaits of a replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from durablenb.analysis.text import short_message, shortened
from durablenb.core.requests import describe_event, subject_name
from durablenb.core.task_places import TaskPlace
from durablenb.core.trace import MORE_CODE, Await, Trace
from durablenb.model.events import (
    ContinueAsNew,
    EntityLockRequested,
    EntityOperationCalled,
    Event,
    EventSubscribed,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionTerminated,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
)

_AGAIN: dict[type[Event], str] = {
    TaskScheduled: "{} is not run again",
    SubOrchestrationInstanceCreated: "{} is not started again",
    EntityOperationCalled: "{} is not requested again",
    EntityLockRequested: "{} is not locked again",
}
_KINDS: dict[type[Event], str] = {
    TaskScheduled: "activity",
    SubOrchestrationInstanceCreated: "sub-orchestration",
    TimerCreated: "timer",
    EventSubscribed: "external event",
    EntityOperationCalled: "operation",
    EntityLockRequested: "lock of",
}
_MOST = 6
NAMED = 3


def awaited_text(reached: Await, requests: Mapping[int, Event]) -> str:
    """Return as text what an await waits for, with the ids of its tasks."""
    if reached.awaited == MORE_CODE or not reached.task_ids:
        return reached.awaited or "nothing"
    words = [_task_words(requests.get(task), task) for task in reached.task_ids[:_MOST]]
    more = f" and {len(reached.task_ids) - _MOST:,} more" if len(reached.task_ids) > _MOST else ""
    listed = ", ".join(words) + more
    return f"{reached.awaited}: {listed}" if reached.awaited else listed


def place_texts(places: Sequence[TaskPlace], requests: Mapping[int, Event]) -> tuple[str, ...]:
    """Return where tasks of asyncio wait, each as a text: its name, function, line, and what it awaits."""
    return tuple(_place_text(place, requests) for place in places)


def _place_text(place: TaskPlace, requests: Mapping[int, Event]) -> str:
    where = f" in {place.function}(), line {place.line}," if place.function else ""
    listed = ", ".join(_task_words(requests.get(task), task) for task in place.task_ids[:_MOST])
    awaited = ": ".join(text for text in (place.awaited, listed) if text)
    return f"{place.name}{where} awaits {awaited}"


def _task_words(request: Event | None, task: int) -> str:
    kind = "task" if request is None else _KINDS.get(type(request), "task")
    name = "" if request is None else subject_name(request)
    return " ".join(part for part in (kind, name, f"#{task}") if part)


def answered_sentence(reached: Await, requests: Mapping[int, Event]) -> str:
    """Return the sentence about an await whose answer is in the history.

    Parameters
    ----------
    reached
        The await.
    requests
        The requests by task id.
    """
    ids = sorted(reached.answers.values())
    if reached.awaited == MORE_CODE:
        return "There is more code by now: the orchestrator resumes here."
    if reached.is_canceled:
        return "The cancellation of the orchestration is raised here: nothing is waited for any more."
    if not ids and reached.has_failed:
        return "It fails at once: the code has cancelled what it waits for."
    if not ids:
        return "It is answered at once: nothing is waited for."
    where, all_ = _event_list(ids), len(reached.task_ids)
    if all_ > 1:
        if len(ids) < all_:
            return f"The history holds {len(ids):,} of {all_:,} answers ({where}), and that is enough."
        return f"The history already holds all {len(ids):,} answers ({where}); nothing is run again."
    request = requests.get(next(iter(reached.answers)))
    if isinstance(request, TimerCreated):
        return f"The timer has fired already ({where}); there is nothing to wait for."
    if isinstance(request, EventSubscribed):
        return (
            f"The external event {request.name!r} has come already ({where}); there is nothing to wait for."
        )
    what = "failure" if reached.has_failed else "result"
    if request is None:
        return f"The history already holds the {what} ({where})."
    again = _AGAIN.get(type(request), "{} is not requested again").format(subject_name(request) or "it")
    return f"The history already holds the {what} ({where}); {again}."


def waiting_sentence(
    reached: Await,
    new: Sequence[Event],
    missing: tuple[Sequence[int], int],
    requests: Mapping[int, Event],
    places: int = 0,
) -> str:
    """Return the sentence about an await at which a replay ended.

    Parameters
    ----------
    reached
        The await.
    new
        Its new requests, which are written to the history.
    missing
        The ids of the first of its tasks whose answers have not arrived, and the number of all of these.
    requests
        The requests by task id.
    places
        The number of asyncio's tasks that wait.
    """
    if reached.awaited == MORE_CODE:
        return "The code ends here for now: it waits to be registered with more."
    written = _written_text(new) if new else ""
    all_ = len(reached.task_ids)
    if places:
        tasks = "task of asyncio waits" if places == 1 else "tasks of asyncio wait"
        return f"{written}{places:,} {tasks} here until something arrives."
    first, count = missing
    named = [_task_words(requests.get(task), task) for task in first[:NAMED]]
    listed = [*named, f"{count - NAMED:,} more"] if count > NAMED else named
    of = f" from {' and '.join(filter(None, (', '.join(listed[:-1]), listed[-1])))}" if listed else ""
    arrived = f" ({all_ - count:,} of {all_:,} have arrived)" if all_ > 1 else ""
    return f"{written}No answer yet{of}{arrived}: the orchestrator waits here."


def end_sentence(trace: Trace) -> str:
    """Return the sentence about the end of the code."""
    end = trace.end
    where = "" if end is None else f" (event {end.event_id:,})"
    if trace.mismatch is not None:
        return str(trace.mismatch).partition("\n")[0]
    if isinstance(end, ExecutionFailed):
        raised = shortened(
            f"{end.failure.error_type.rpartition('.')[2]}: {short_message(end.failure.message)}", 120
        )
        return f"It raised {raised}: the orchestration has failed{where}."
    if isinstance(end, ContinueAsNew):
        return "It continues as new: a fresh execution begins, with a history of its own."
    if isinstance(end, ExecutionCompleted):
        return f"It returned {shortened(end.result, 60)}: the orchestration is completed{where}."
    if isinstance(end, ExecutionCanceled):
        return f"The cancellation passed: the orchestration is canceled{where}."
    if isinstance(end, ExecutionTerminated):
        return f"It was terminated here{where}; the code never heard of it."
    return "It was ended."


def _written_text(asked: Sequence[Event]) -> str:
    kinds = Counter(f"{type(event).__name__} {subject_name(event)}".strip() for event in asked)
    first, count = next(iter(kinds.items()))
    if len(asked) == 1:
        return f"New in the history: {describe_event(asked[0])} (event {asked[0].event_id:,}). "
    times = f" \N{MULTIPLICATION SIGN} {count:,}" if count > 1 else ""
    more = f" and {len(asked) - count:,} more" if len(asked) > count else ""
    return f"New in the history: {first}{times}{more} (from event {asked[0].event_id:,} on). "


def _event_list(ids: Sequence[int]) -> str:
    shown = ", ".join(f"{event_id:,}" for event_id in ids[:_MOST]) + (", …" if len(ids) > _MOST else "")
    return f"event{'' if len(ids) == 1 else 's'} {shown}"
