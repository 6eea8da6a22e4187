"""The messages of an orchestration: who takes part, and what they say to each other, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from durablenb.analysis.calls import MOST_ENTITIES
from durablenb.analysis.text import lasting
from durablenb.analysis.timeline import Span, any_key, entity_ids_in, read_spans
from durablenb.analysis.value_text import original_failure
from durablenb.core.generations import GenerationCounter, purged_text
from durablenb.model.events import (
    CodeAwaited,
    ContinueAsNew,
    Ending,
    EntityUnlockSent,
    Event,
    EventRaised,
    ExecutionCanceled,
    ExecutionCancelRequested,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorStarted,
    SubOrchestrationCancelRequested,
    SubOrchestrationInstanceCreated,
    TaskKind,
    TimerCreated,
)
from durablenb.model.failures import FailureDetails

Role = Literal["client", "parent", "orchestrator", "activity", "child", "entity"]

CLIENT_REQUESTS: dict[type[Event], str] = {
    ExecutionSuspended: "suspend",
    ExecutionResumed: "resume",
    ExecutionRewound: "rewind",
    ExecutionCancelRequested: "cancel",
    ExecutionTerminated: "terminate",
}
"""The requests of clients other than raising events."""

CLIENT_EVENTS: tuple[type[Event], ...] = (EventRaised, *CLIENT_REQUESTS)

MOST_PARTNERS = 6
"""The number of lifelines besides the orchestrator's and its client's. More are merged by role."""

_ROLES: dict[TaskKind, Role] = {
    "activity": "activity",
    "sub-orchestration": "child",
    "entity call": "entity",
    "signal": "entity",
    "lock": "entity",
}
_PLURALS = {"activity": "activities", "child": "children", "entity": "entities"}
OWN_KINDS: tuple[TaskKind, ...] = ("timer", "external event")


@dataclass(frozen=True, slots=True)
class Lifeline:
    """A participant; or all participants of one role, if there are many."""

    name: str
    role: Role
    is_shared: bool = False


class Participants:
    """All participants: the orchestrator's callers, itself, and its callees, in order of appearance."""

    def __init__(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        started = next((event for event in events if isinstance(event, ExecutionStarted)), None)
        parent = started.parent if started is not None else None
        above: list[Lifeline] = []
        if parent is not None:
            is_entity = parent.instance_id.startswith("@")
            above.append(Lifeline(parent.instance_id if is_entity else parent.name, "parent"))
        if parent is None or any(isinstance(event, CLIENT_EVENTS) for event in events):
            above.append(Lifeline("client", "client"))
        self.orchestrator = len(above)
        self.client = len(above) - 1
        """The client's position; the parent's if no client sent anything."""
        partners = _limited(list(dict.fromkeys(self._named(spans))))
        self.lifelines = (*above, Lifeline(started.name if started else "", "orchestrator"), *partners)
        self._positions = {(line.role, line.name): position for position, line in enumerate(self.lifelines)}
        self._shared = {line.role: position for position, line in enumerate(self.lifelines) if line.is_shared}

    def partners(self, span: Span) -> list[int]:
        """Return the positions of the task's lifelines; the orchestrator's own for timers and waits."""
        if span.kind in OWN_KINDS:
            return [self.orchestrator]
        role = _ROLES[span.kind]
        if role in self._shared:
            return [self._shared[role]]
        return [self._positions[role, name] for name in self._names(span)]

    def _named(self, spans: Iterable[Span]) -> Iterator[Lifeline]:
        spans = [span for span in spans if span.kind not in OWN_KINDS]
        entity_ids = dict.fromkeys(entity for span in spans for entity in entity_ids_in(span.request))
        self._crowds = Counter(map(any_key, entity_ids))
        for span in spans:
            for name in self._names(span):
                yield Lifeline(name, _ROLES[span.kind])

    def _names(self, span: Span) -> list[str]:
        entity_ids = entity_ids_in(span.request)
        if not entity_ids:
            return [span.name]
        crowds = self._crowds
        names = (
            any_key(entity_id) if crowds[any_key(entity_id)] > MOST_ENTITIES else entity_id
            for entity_id in entity_ids
        )
        return list(dict.fromkeys(names))


def _limited(partners: list[Lifeline]) -> list[Lifeline]:
    """Return the lifelines, merged by role until `MOST_PARTNERS` are left."""
    while len(partners) > MOST_PARTNERS:
        counts = Counter(line.role for line in partners if not line.is_shared)
        role, count = counts.most_common(1)[0]
        shared = Lifeline(f"{count:,} {_PLURALS[role]}", role, is_shared=True)
        position = next(position for position, line in enumerate(partners) if line.role == role)
        partners = [line for line in partners if line.role != role]
        partners.insert(min(position, len(partners)), shared)
    return partners


_Key = tuple[type[Event], datetime, int | None, str | None]


def first_positions(events: Sequence[Event], asked: set[int]) -> tuple[dict[int, int], set[int]]:
    """Return the position of each event in the history, and the copies, both by `id(event)`.

    A rewind writes the events that it keeps again, and continue-as-new the external events without a wait.
    Such copies have the position of the original. A request that a rewind makes again is no copy.
    """
    positions: dict[int, int] = {}
    copies: set[int] = set()
    own: dict[_Key, list[int]] = {}
    before: dict[_Key, list[int]] = {}
    for position, event in enumerate(events):
        if isinstance(event, ExecutionRewound):
            own, before = {}, own
        elif isinstance(event, ExecutionStarted) and event.generation and not before:
            before = {key: same for key, same in own.items() if key[0] is EventRaised}
            own = {}
        key = (type(event), event.timestamp, getattr(event, "task_id", None), getattr(event, "name", None))
        own.setdefault(key, []).append(position)
        earlier = before.get(key)
        first = earlier.pop(0) if earlier else position
        is_copy = first != position and id(events[first]) not in asked
        positions[id(event)] = first if is_copy else position
        if is_copy:
            copies.add(id(event))
    return positions, copies


Form = Literal[
    "call", "signal", "lock", "granted", "unlock", "answer", "failure", "event", "timer", "wait", "again"
]
"""The kind of a message. An orchestrator sends the last three kinds to itself."""

_ANSWERS: tuple[Form, ...] = ("granted", "answer", "failure", "event")


@dataclass(frozen=True, slots=True)
class Message:
    """A message from one lifeline to another, or to itself; `count` messages that were sent together.

    `source` and `target` are positions among the lifelines; `at` is the time of the first message.
    """

    source: int
    target: int
    text: str
    form: Form
    at: datetime
    count: int = 1

    @property
    def is_par(self) -> bool:
        """True if the message represents several requests that were made together."""
        return self.count > 1 and self.form not in _ANSWERS

    @property
    def words(self) -> str:
        """The text, with the number of messages."""
        if self.count == 1:
            return self.text
        return f"{self.count:,} \N{MULTIPLICATION SIGN} {self.text}"


@dataclass(frozen=True, slots=True)
class Dialogue:
    """All lifelines and messages. `unanswered` has the number of open calls to each lifeline."""

    lifelines: tuple[Lifeline, ...]
    messages: tuple[Message, ...]
    unanswered: dict[int, int]
    is_open: bool


def read_dialogue(events: Sequence[Event]) -> Dialogue:
    """Return the messages of all executions of an instance.

    Parameters
    ----------
    events
        Its history. Events that a rewind wrote again count once.
    """
    spans = read_spans(events)
    cast = Participants(events, spans)
    lines = sorted(_MessageReader(events, spans, cast).lines(), key=lambda line: line.place)
    is_over = bool(events) and isinstance(events[-1], Ending)
    unanswered = Counter(
        lifeline for span in spans if span.state == "open" for lifeline in cast.partners(span)
    )
    return Dialogue(
        cast.lifelines,
        tuple(_grouped(lines, cast.orchestrator)),
        {} if is_over else dict(unanswered),
        not is_over,
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """A message with its position in the history."""

    place: int
    message: Message


def _grouped(lines: Iterable[_Line], orchestrator: int) -> Iterator[Message]:
    """Yield the messages. Equal ones are merged until the orchestrator turns from asking to listening."""
    heap: dict[tuple[int, int, str, Form], Message] = {}
    is_asking: bool | None = None
    for line in lines:
        message = line.message
        asks = message.source == orchestrator and message.form not in _ANSWERS
        if asks is not is_asking:
            yield from heap.values()
            heap, is_asking = {}, asks
        key = (message.source, message.target, message.text, message.form)
        known = heap.get(key)
        heap[key] = message if known is None else replace(known, count=known.count + 1)
    yield from heap.values()


class _MessageReader:
    """Turns the events of a history into messages."""

    def __init__(self, events: Sequence[Event], spans: Sequence[Span], cast: Participants) -> None:
        self._events = events
        self._spans = spans
        self._cast = cast
        asked = {id(span.request) for span in spans}
        self._positions, self._copies = first_positions(events, asked)
        self._unlocks = {
            (event.task_id, event.timestamp): event for event in events if isinstance(event, EntityUnlockSent)
        }
        self._children = {
            span.request.instance_id: span
            for span in spans
            if isinstance(span.request, SubOrchestrationInstanceCreated)
        }
        self._clock: dict[int, datetime] = {}  # the orchestrator's time at each event, by `id(event)`
        now = events[0].timestamp if events else datetime.min
        for event in events:
            now = event.timestamp if isinstance(event, OrchestratorStarted) else now
            self._clock[id(event)] = now
        counter = GenerationCounter()
        self._purged = {id(event): gone for event in events if (gone := counter.read(event))}

    def lines(self) -> Iterator[_Line]:
        """Yield all messages, in no order."""
        for event in self._events:
            if id(event) not in self._copies:
                yield from self._of_event(event)
        for span in self._spans:
            yield from self._of_wait(span) if span.kind in OWN_KINDS else self._of_call(span)

    def _line(self, event: Event, source: int, target: int, text: str, form: Form) -> _Line:
        return _Line(self._positions[id(event)], Message(source, target, text, form, event.timestamp))

    def _of_event(self, event: Event) -> Iterator[_Line]:
        me, client = self._cast.orchestrator, self._cast.client
        if (gone := self._purged.get(id(event))) is not None:
            yield self._line(event, me, me, purged_text(gone), "again")
        elif isinstance(event, ExecutionStarted) and event.generation == 0:
            yield self._line(event, 0, me, "start", "call")
        elif isinstance(event, EventRaised):
            yield self._line(event, client, me, event.name, "event")
        elif (text := CLIENT_REQUESTS.get(type(event))) is not None:
            yield self._line(event, client, me, text, "call")
        elif isinstance(event, ContinueAsNew):
            yield self._line(event, me, me, "continue as new", "again")
        elif isinstance(event, CodeAwaited):
            yield self._line(event, me, me, "wait for more code", "wait")
        elif isinstance(event, ExecutionCompleted):
            yield self._line(event, me, 0, "Completed", "answer")
        elif isinstance(event, ExecutionCanceled):
            yield self._line(event, me, 0, "Canceled", "failure")
        elif isinstance(event, SubOrchestrationCancelRequested):
            partner = self._cast.partners(self._children[event.instance_id])[-1]
            yield self._line(event, me, partner, "cancel", "signal")
        elif isinstance(event, ExecutionFailed):
            yield self._line(event, me, 0, _failure_text("Failed", event.failure), "failure")

    def _of_wait(self, span: Span) -> Iterator[_Line]:
        """Yield the messages of a timer or of a wait for an external event."""
        me, request, answer = self._cast.orchestrator, span.request, span.answer
        assert request is not None
        if isinstance(request, TimerCreated):
            length = lasting(max(request.fire_at - self._clock[id(request)], timedelta()))
            is_pause = request.retry_of is not None
            text = f"retry in {length}" if is_pause else f"timer {length}"
            yield self._line(request, me, me, text, "timer")
            if answer is not None and not is_pause:
                end = "fired" if span.state == "completed" else "canceled"
                yield self._line(answer, me, me, f"{text} {end}", "timer")
            return
        is_there = span.state == "completed" and answer is None
        yield self._line(request, me, me, f"{'take' if is_there else 'wait for'} {span.name}", "wait")
        if span.state == "canceled" and answer is not None:
            yield self._line(answer, me, me, f"wait for {span.name} canceled", "wait")

    def _of_call(self, span: Span) -> Iterator[_Line]:
        me, request, answer = self._cast.orchestrator, span.request, span.answer
        assert request is not None
        partners, what = self._cast.partners(span), self._what(span)
        form: Form = "signal" if span.kind == "signal" else "lock" if span.kind == "lock" else "call"
        for partner in partners:
            yield self._line(request, me, partner, what, form)
        if answer is None:
            return
        failure: FailureDetails | None = getattr(answer, "failure", None)
        if span.state == "canceled":
            yield self._line(answer, me, partners[-1], "cancel", "signal")
        elif failure is not None:
            yield self._line(answer, partners[-1], me, _failure_text("failed", failure), "failure")
        elif span.kind == "lock":
            yield self._line(answer, partners[-1], me, "locked", "granted")
        else:
            yield self._line(answer, partners[-1], me, "result", "answer")
        if span.released is not None:
            end = self._unlocks.get((getattr(request, "task_id", -1), span.released))
            if end is not None:  # else the end of the orchestration released it
                yield from (self._line(end, me, partner, "unlock", "unlock") for partner in partners)

    def _what(self, span: Span) -> str:
        """Return the request as text, with the name if the lifeline doesn't show it."""
        is_shared = any(self._cast.lifelines[position].is_shared for position in self._cast.partners(span))
        if span.kind in ("entity call", "signal"):
            what = span.name if is_shared else str(getattr(span.request, "name", ""))
        elif span.kind == "lock":
            what = f"lock {span.name}" if is_shared else "lock"
        else:
            what = span.name if is_shared else "start" if span.kind == "sub-orchestration" else "call"
        if span.attempt == 1:
            return what
        return f"{what}, attempt {span.attempt}" if is_shared else f"attempt {span.attempt}"


def _failure_text(word: str, failure: FailureDetails) -> str:
    return f"{word} ({original_failure(failure).error_type.rpartition('.')[2]})"
