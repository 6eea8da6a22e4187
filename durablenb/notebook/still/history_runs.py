"""A history folded: its executions, and runs of events of one step as one row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from durablenb.analysis.timeline import family_name
from durablenb.core.generations import GenerationCounter, purged_text
from durablenb.core.requests import subject_name
from durablenb.model.events import Event, ExecutionStarted, OrchestratorStarted, PendingRequest

FEWEST = 4
"""The fewest events of a step that are folded."""

_MOST_PHASES = 4
"""Up to so many turns from requests to answers, each is a run; a loop has more, and is one run."""


@dataclass(frozen=True, slots=True)
class ExecutionEvents:
    """The events of one execution, and the generations that were purged before it."""

    events: tuple[Event, ...]
    gone: str
    is_again: bool

    @property
    def title(self) -> str:
        """The execution in words."""
        started = self.events[0]
        number = started.generation if isinstance(started, ExecutionStarted) else 0
        return f"Generation {number:,}" + (", after a rewind" if self.is_again else "")


def split_executions(events: Sequence[Event]) -> list[ExecutionEvents]:
    """Return the executions of an instance, the oldest first."""
    counter = GenerationCounter()
    found: list[tuple[list[Event], str, bool]] = []
    generation = -1
    for event in events:
        gone = counter.read(event)
        if isinstance(event, ExecutionStarted) or not found:
            number = event.generation if isinstance(event, ExecutionStarted) else 0
            found.append(([], purged_text(gone) if gone else "", number == generation))
            generation = number
        found[-1][0].append(event)
    return [ExecutionEvents(tuple(own), gone, is_again) for own, gone, is_again in found]


@dataclass(frozen=True, slots=True)
class EventRun:
    """Events of one step that follow each other, or a single event.

    `name` is that of the step: answers have the name of the request that they answer.
    """

    events: tuple[Event, ...]
    name: str

    @property
    def first(self) -> Event:
        """The first event."""
        return self.events[0]

    @property
    def count(self) -> int:
        """The number of events, without those that only say that an episode began."""
        return sum(not _begins_episode(event) for event in self.events) or 1

    @property
    def failed(self) -> list[Event]:
        """The failures in it."""
        return [event for event in self.events if getattr(event, "failure", None) is not None]

    @property
    def ids(self) -> str:
        """The ids of the events."""
        first, last = self.first.event_id, self.events[-1].event_id
        return f"{first:,}" if first == last else f"{first:,}\N{EN DASH}{last:,}"

    @property
    def text(self) -> str:
        """The types, the name and the counts."""
        counts = Counter(
            type(event).__name__ for event in self.events if not _begins_episode(event)
        ) or Counter([type(self.first).__name__])
        name = f" {self.name}" if self.name else ""
        if len(counts) == 1:
            ((kind, count),) = counts.items()
            return f"{kind}{name}" + (f" \N{MULTIPLICATION SIGN} {count:,}" if count > 1 else "")
        kinds = ", ".join(f"{kind} \N{MULTIPLICATION SIGN} {count:,}" for kind, count in counts.items())
        return f"{name.strip() or 'timer'}: {kinds}"


def event_runs(events: Sequence[Event]) -> list[EventRun]:
    """Return the events of an execution as runs; short runs stay single events."""
    names = {event.task_id: event for event in events if isinstance(event, PendingRequest)}
    runs: list[EventRun] = []
    for segment in _segments(events, names):
        runs += _folded(segment, names)
    return runs


def _segments(events: Sequence[Event], requests: dict[int, PendingRequest]) -> Iterator[list[Event]]:
    """Yield runs of events of one step; beginnings of episodes between them don't end a run."""
    segment: list[Event] = []
    begun: list[Event] = []
    family = ""
    for event in events:
        if _begins_episode(event):
            begun.append(event)
            continue
        name = _family(event, requests)
        if segment and name != family:
            yield segment
            segment = []
        if segment:
            segment += begun
        elif begun:
            yield from ([one] for one in begun)
        begun, family = [], name
        segment.append(event)
    if segment:
        yield segment
    yield from ([one] for one in begun)


def _family(event: Event, requests: dict[int, PendingRequest]) -> str:
    """Return the name of the step that an event is about, or of an event of its own kind."""
    about = _named(event, requests)
    name = family_name(about)
    return name if name and isinstance(about, PendingRequest) else f"{type(about).__name__} {name}"


def _named(event: Event, requests: dict[int, PendingRequest]) -> Event:
    """Return the event that has the name of what an event is about."""
    if isinstance(event, PendingRequest):
        return event
    return requests.get(getattr(event, "task_id", -1), event)


def _folded(segment: list[Event], requests: dict[int, PendingRequest]) -> Iterator[EventRun]:
    """Yield the events of a step as runs: its requests, then its answers; those of a loop as one run."""

    def run(*events: Event) -> EventRun:
        about = [_named(one, requests) for one in events if not _begins_episode(one)]
        names = set(map(subject_name, about))
        return EventRun(events, names.pop() if len(names) == 1 else family_name(about[0]) if about else "")

    phases = [[event for _, event in phase] for _, phase in groupby(_with_phases(segment), itemgetter(0))]
    if len(phases) > _MOST_PHASES:
        phases = [segment]
    for phase in phases:
        told = len(phase)
        while told and _begins_episode(phase[told - 1]):
            told -= 1  # an episode that begins after them is a row of its own
        is_run = sum(not _begins_episode(event) for event in phase) >= FEWEST
        yield from [run(*phase[:told])] if is_run else map(run, phase[:told])
        yield from map(run, phase[told:])


def _begins_episode(event: Event) -> bool:
    return type(event) is OrchestratorStarted


def _with_phases(segment: Sequence[Event]) -> Iterator[tuple[bool, Event]]:
    """Yield each event with whether it is a request; the beginning of an episode is as what was before."""
    is_request = True
    for event in segment:
        if not _begins_episode(event):
            is_request = isinstance(event, PendingRequest)
        yield is_request, event
