"""The waits of an open instance, with their times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from durablenb.analysis.calls import IN_FLIGHT, Call, shared_name
from durablenb.analysis.entities import queue_text
from durablenb.analysis.timeline import entity_ids_in
from durablenb.core.requests import same_name
from durablenb.journal.related import EntityQueue
from durablenb.model.events import (
    CodeAwaited,
    Ending,
    Event,
    EventUnsubscribed,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    OrchestratorStarted,
    TaskKind,
    TimerCreated,
)
from durablenb.model.runtime import Obstacle

_OtherKind = Literal[
    "mending",
    "code",
    "executor",
    "continuation",
    "child",
    "resuming",
    "start",
    "turn",
    "retry",
    "place",
    "queued",
]
WaitKind = _OtherKind | TaskKind


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that an instance waits for.

    Parameters
    ----------
    kind
        A kind of task; or fixing, registering or continuing the code, an executor, a resume, the start, a
        place in a queue. "queued" is an activity whose calls have not begun.
    name
        The name of the activity, the external event, the function, the queue, ...
    since, due
        The times at which the wait began and will end, as far as they are known.
    count
        The number of calls.
    attempts
        The lowest and the highest number of their attempts.
    detail
        The child's id, the reason of a suspension, the mismatch, the executor's message, the line of
        ``yield ...``, the owner of an entity's lock, the length of its queue, or the activity whose
        calls wait for a place.
    is_left
        For external events: whether the code has abandoned the wait because another task won.
    """

    kind: WaitKind
    name: str
    since: datetime | None = None
    due: datetime | None = None
    count: int = 1
    attempts: tuple[int, int] = (1, 1)
    detail: str = ""
    is_left: bool = False


def find_waits(
    events: Sequence[Event],
    calls: Iterable[Call],
    obstacle: Obstacle | None = None,
    queues: Mapping[str, EntityQueue] | None = None,
    instance_id: str = "",
) -> tuple[Wait, ...]:
    """Return all that an instance waits for; nothing if it has ended.

    Parameters
    ----------
    events
        Its history. Only the last execution counts.
    calls
        The calls of the last execution.
    obstacle
        The reasons that the engine knows.
    queues
        The queues of the entities that it waits for, by their ids.
    instance_id
        The instance's id.
    """
    if not events or isinstance(events[-1], Ending):
        return ()
    waits = _blocking_waits(events, obstacle or Obstacle())
    alike: dict[tuple[str, str, str], list[Call]] = {}  # few groups, even if there are many calls
    left: dict[str, list[Call]] = {}
    calls, in_queues = _without_queued(calls, obstacle or Obstacle())
    waits += in_queues
    for call in calls:
        if is_left(call):
            left.setdefault(call.name, []).append(call)
        elif call.state in (*IN_FLIGHT, "retrying"):
            alike.setdefault((call.state, call.kind, call.name), []).append(call)
    call_name = shared_name(alike_calls[0] for alike_calls in alike.values())
    groups: dict[tuple[str, str], list[Call]] = {}
    for (state, kind, _), alike_calls in alike.items():
        key = state if state in ("retrying", "queued") else kind, call_name(alike_calls[0])
        groups.setdefault(key, []).extend(alike_calls)
    several = [
        _wait(name, alike_calls, queues or {}, instance_id) for (_, name), alike_calls in groups.items()
    ]
    waits += sorted(several, key=lambda wait: wait.kind == "queued")  # below what runs
    waits = waits or [Wait("turn", "", events[-1].timestamp)]
    return tuple(waits + [_abandoned_wait(name, alike_calls) for name, alike_calls in left.items()])


def _without_queued(calls: Iterable[Call], obstacle: Obstacle) -> tuple[Iterable[Call], list[Wait]]:
    """Return the calls without those that wait for a place in a queue, and the waits of these.

    The engine knows how many calls of an activity wait: the calls that were requested last.
    """
    if not obstacle.in_queues:
        return calls, []
    calls = list(calls)
    waits: list[Wait] = []
    queued: set[int] = set()
    for queue, name, count in obstacle.in_queues:
        waiting = [
            call
            for call in calls
            if call.kind == "activity" and call.state in ("queued", "open") and same_name(call.name, name)
        ][-count:]
        if waiting:
            queued.update(map(id, waiting))
            since = min(call.attempts[-1].scheduled for call in waiting)
            detail = f"for the activity {name!r}"
            waits.append(Wait("place", queue, since, count=len(waiting), detail=detail))
    return [call for call in calls if id(call) not in queued], waits


def is_left(call: Call) -> bool:
    """Return whether a call is an abandoned wait for an event: another task won the ``task_any``."""
    answer = call.attempts[-1].answer
    return isinstance(answer, EventUnsubscribed) and answer.is_left


def _abandoned_wait(name: str, calls: Sequence[Call]) -> Wait:
    since = min([call.scheduled for call in calls])
    detail = "Another task won the task_any. An event goes to the waits that are awaited."
    return Wait("external event", name, since, count=len(calls), detail=detail, is_left=True)


def _blocking_waits(events: Sequence[Event], obstacle: Obstacle) -> list[Wait]:
    waits: list[Wait] = []
    if obstacle.held is not None:
        waits.append(Wait("mending", "", detail=obstacle.held))
    waits += [Wait("code", name) for name in obstacle.missing]
    waits += [Wait("executor", name, detail=why) for name, why in obstacle.without_executor]
    if obstacle.below is not None:
        name = "entity" if obstacle.below.startswith("@") else "sub-orchestration"
        waits.append(Wait("child", name, detail=obstacle.below))
    suspended: ExecutionSuspended | None = None
    started: ExecutionStarted | None = None
    awaited: CodeAwaited | None = None
    for event in events:
        if isinstance(event, ExecutionStarted):
            started, suspended, awaited = event, None, None
        elif isinstance(event, OrchestratorStarted):
            started = awaited = None
        elif isinstance(event, CodeAwaited):
            awaited = event
        elif isinstance(event, ExecutionSuspended):
            suspended = event
        elif isinstance(event, ExecutionResumed):
            suspended = None
    if awaited is not None:
        where = f"It is in line {awaited.line}." if awaited.line else ""
        waits.append(Wait("continuation", "", awaited.timestamp, detail=where))
    if suspended is not None:
        waits.append(Wait("resuming", "", suspended.timestamp, detail=suspended.reason))
    if started is not None and started.scheduled_start_time is not None:
        waits.append(Wait("start", "", started.timestamp, started.scheduled_start_time))
    return waits


def entities_waited_for(calls: Iterable[Call]) -> list[str]:
    """Return the ids of the entities that open calls wait for."""
    entity_ids: dict[str, None] = {}
    for call in calls:
        if call.kind in ("entity call", "lock") and call.state == "open":
            entity_ids.update(dict.fromkeys(entity_ids_in(call.attempts[-1].request)))
    return list(entity_ids)


def _wait(name: str, calls: Sequence[Call], queues: Mapping[str, EntityQueue], instance_id: str) -> Wait:
    first = calls[0]
    if first.state == "retrying":
        lasts = [call.pauses[-1] for call in calls]
        kind: WaitKind = "retry"
        attempts = [len(call.attempts) + 1 for call in calls]
    else:
        lasts = [call.attempts[-1] for call in calls]
        kind = "queued" if first.state == "queued" else first.kind
        attempts = [span.attempt for span in lasts]
    requests = (span.request for span in lasts) if kind in ("timer", "retry") else ()
    dues = [request.fire_at for request in requests if isinstance(request, TimerCreated)]
    detail = getattr(lasts[0].request, "instance_id", "") if len(calls) == 1 else ""
    if kind in ("entity call", "lock"):
        asked = Counter(entity for call in calls for entity in entity_ids_in(call.attempts[-1].request))
        own = asked if kind == "entity call" else Counter()
        entity_queues = [
            replace(queues[entity_id], length=queues[entity_id].length - own[entity_id])
            for entity_id in asked
            if entity_id in queues
        ]
        detail = queue_text(entity_queues, instance_id)
    since = min([span.scheduled for span in lasts])
    due = min(dues, default=None)
    return Wait(kind, name, since, due, len(calls), (min(attempts), max(attempts)), detail)
