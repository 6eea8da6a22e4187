"""An execution as a graph: the steps of each episode, folded loops, and what led to what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from durablenb.analysis.calls import CALL_STATES, Call, CallState, read_calls, shared_name
from durablenb.core.generations import GenerationCounter
from durablenb.model.events import (
    ContinueAsNew,
    Event,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionTerminated,
    OrchestratorStarted,
    TaskKind,
)


class GraphView(NamedTuple):
    """The display data of a graph: its line of text, its nodes and its edges, with their attributes."""

    text: str
    nodes: Mapping[str, Mapping[str, Any]]
    edges: Sequence[tuple[str, str, Mapping[str, Any]]]


@dataclass(frozen=True)
class GraphStep:
    """Calls of one name that were requested at one point: all at once, or in the rounds of a loop."""

    number: int
    name: str
    kind: TaskKind
    stage: int
    calls: tuple[Call, ...]

    @cached_property
    def states(self) -> dict[CallState, int]:
        """The number of calls in each state, the most urgent state first."""
        counts = Counter([call.state for call in self.calls])
        return {state: counts[state] for state in CALL_STATES if counts[state]}

    @cached_property
    def attempts(self) -> int:
        """The number of attempts of all calls."""
        return sum([len(call.attempts) for call in self.calls])

    @cached_property
    def cached(self) -> int:
        """The number of calls that got the remembered result of an equal call."""
        return sum([call.is_cached for call in self.calls])


@dataclass(frozen=True, slots=True)
class Join:
    """The orchestrator resumed when `came` of `of` calls that were requested together had ended.

    `stage` is the stage that it requested then. `is_all` is true if no call was left open, each time.
    """

    stage: int
    came: int
    of: int
    is_all: bool


@dataclass(frozen=True, slots=True)
class Loop:
    """Stages that were repeated several times. The last round may be incomplete.

    `is_mixed`: there is one stage only, and its rounds differ.
    """

    first: int
    last: int
    times: int
    is_mixed: bool = False


NodeKey = int | Literal["start", "end"]
"""Identifies a node: the number of a step, or the execution's start or end."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The result of `source` let the orchestrator request `target`; `count` times."""

    source: NodeKey
    target: NodeKey
    count: int


@dataclass(frozen=True, slots=True)
class ExecutionGraph:
    """An execution as a graph of steps. `end` is its final status, None while it is open."""

    name: str
    generation: int
    steps: tuple[GraphStep, ...]
    edges: tuple[Edge, ...]
    joins: tuple[Join, ...]
    loops: tuple[Loop, ...]
    stages: int
    end: str | None


LONGEST_PERIOD = 12
"""The longest pattern, in items."""

FEWEST_ROUNDS = 4
"""The fewest rounds that are folded. Fewer rounds are clearer one by one."""

MOST_STAGES = 40
"""The number of stages that are shown one by one. If there are more, varying stretches are folded too."""

MOST_KINDS = 8
"""The number of different items that a stretch of varying order may have."""


@dataclass(frozen=True, slots=True)
class Fold:
    """`length` items of a sequence that repeat a pattern of `period` items. The last round may be incomplete.

    `is_mixed`: the items are few different ones without a pattern.
    """

    period: int
    length: int
    is_mixed: bool = False

    @property
    def stages(self) -> int:
        """The number of stages that the fold is drawn as."""
        return 1 if self.is_mixed else min(self.period, self.length)


def fold_loops(items: Sequence[frozenset[Hashable]]) -> list[Fold]:
    """Return the sequence as folds. An item that isn't repeated is a fold of its own.

    Examples
    --------
    >>> folds = fold_loops([frozenset(letter) for letter in "abxyxyxyxyxc"])
    >>> [(fold.period, fold.length) for fold in folds]
    [(1, 1), (1, 1), (2, 9), (1, 1)]
    """
    numbers: dict[Hashable, int] = {}
    codes = [numbers.setdefault(item, len(numbers)) for item in items]
    folds: list[Fold] = []
    position = 0
    while position < len(codes):
        fold = _longest(codes, position)
        folds.append(fold)
        position += fold.length
    return folds if sum(fold.stages for fold in folds) <= MOST_STAGES else _mixed(folds, items)


def _longest(codes: Sequence[int], start: int) -> Fold:
    best = Fold(1, 1)
    for period in range(1, LONGEST_PERIOD + 1):
        end = start + period
        while end < len(codes) and codes[end] == codes[end - period]:
            end += 1
        length = end - start
        if length >= FEWEST_ROUNDS * period and length > best.length:
            best = Fold(period, length)
    return best


def _mixed(folds: Sequence[Fold], items: Sequence[frozenset[Hashable]]) -> list[Fold]:
    """Return the folds, with stretches of few different items folded into one."""
    mixed: list[Fold] = []
    stretch: list[Fold] = []
    kinds: set[Hashable] = set()
    position = 0
    for fold in folds:
        here = frozenset().union(*items[position : position + fold.stages])
        if len(kinds | here) > MOST_KINDS:
            mixed += _closed(stretch, kinds)
            stretch, kinds = [], set()
        stretch.append(fold)
        kinds |= here
        position += fold.length
    return mixed + _closed(stretch, kinds)


def _closed(stretch: list[Fold], kinds: set[Hashable]) -> list[Fold]:
    length = sum(fold.length for fold in stretch)
    if len(stretch) < 2 or length < FEWEST_ROUNDS * len(kinds):
        return stretch
    return [Fold(1, length, is_mixed=True)]


END_STATUSES: dict[type[Event], str] = {
    ExecutionCompleted: "Completed",
    ExecutionFailed: "Failed",
    ExecutionCanceled: "Canceled",
    ExecutionTerminated: "Terminated",
    ContinueAsNew: "ContinuedAsNew",
}
"""The status of an execution after the event that ends it."""


def execution_graph(events: Sequence[Event], calls: Sequence[Call] | None = None) -> ExecutionGraph:
    """Return the last execution of an instance as a graph.

    Parameters
    ----------
    events
        The history of the instance. After a rewind, only the kept events count.
    calls
        The result of `read_calls` for these events, if it is known already.
    """
    calls = read_calls(events) if calls is None else calls
    first = max(
        (position for position, event in enumerate(events) if type(event) is ExecutionStarted), default=0
    )
    current = events[first:]
    started = current[0] if current else None
    end = next(
        (END_STATUSES[type(event)] for event in reversed(current) if type(event) in END_STATUSES), None
    )
    last = max((call.execution for call in calls), default=0)
    is_last = last == GenerationCounter(events).executions
    own = [call for call in calls if is_last and call.execution == last]
    episodes = _requesting_episodes(current, own)
    requesting = [episode for episode in episodes if episode.calls]
    builder = _GraphBuilder(requesting, shared_name(own), episodes[-1] if end else None)
    if not isinstance(started, ExecutionStarted):
        return builder.build("", 0, end)
    return builder.build(started.name, started.generation, end)


class _Episode:
    """The calls that had ended when the orchestrator requested something, and the calls that it requested."""

    def __init__(self) -> None:
        self.came: list[Call] = []
        self.of = 0
        self.calls: list[Call] = []


def _requesting_episodes(events: Sequence[Event], calls: Sequence[Call]) -> list[_Episode]:
    """Return the episodes in which the orchestrator requested something, and the last episode."""
    asked, settled = _calls_by_event(calls)
    episode = _Episode()
    episodes = [episode]
    home: dict[int, _Episode] = {}  # the episode that requested a call
    left: Counter[_Episode] = Counter()  # the number of open calls of an episode
    arrived: list[Call] = []
    for event in events:
        if type(event) is OrchestratorStarted:
            if episode.calls:
                episode = _Episode()
                episodes.append(episode)
            episode.came += arrived
            arrived = []
            episode.of = len(episode.came) + sum(
                left[origin] for origin in {home[call.number] for call in episode.came}
            )
        elif (call := asked.get(event.event_id)) is not None:
            episode.calls.append(call)
            home[call.number] = episode
            if call.kind == "signal":
                continue  # a signal is never awaited
            left[episode] += 1
            if call.attempts[0].state == "completed" and call.attempts[0].answer is None:
                left[episode] -= 1  # an external event that had arrived before
                arrived.append(call)
        elif (call := settled.get(event.event_id)) is not None and call.number in home:
            left[home[call.number]] -= 1
            if call.state != "canceled":
                arrived.append(call)
    return episodes


def _calls_by_event(calls: Iterable[Call]) -> tuple[dict[int, Call], dict[int, Call]]:
    """Return the calls by the ids of their requests, and by the ids of the events that settled them."""
    asked: dict[int, Call] = {}
    settled: dict[int, Call] = {}
    for call in calls:
        request, answer = call.attempts[0].request, call.attempts[-1].answer
        if request is not None:
            asked[request.event_id] = call
        if answer is not None:
            settled[answer.event_id] = call
    return asked, settled


class _GraphBuilder:
    """Builds the graph of episodes: folds them into stages, and finds steps, edges and joins."""

    def __init__(
        self, episodes: Sequence[_Episode], call_name: Callable[[Call], str], last: _Episode | None
    ) -> None:
        self._episodes = episodes
        self._call_name = call_name
        self._last = last if last is not None and not last.calls else None
        self._stage_of: list[int] = []
        self._loops: list[Loop] = []
        self._stages = 0
        for fold in fold_loops([self._requests(episode) for episode in episodes]):
            period = fold.stages
            self._stage_of += [self._stages + position % period for position in range(fold.length)]
            if fold.length > period:
                times = -(-fold.length // period)
                self._loops.append(Loop(self._stages, self._stages + period - 1, times, fold.is_mixed))
            self._stages += period
        self._numbers: dict[tuple[int, tuple[str, str]], int] = {}
        self._calls: list[list[Call]] = []
        self._home: dict[int, int] = {}  # the steps of calls
        self._edges: Counter[tuple[NodeKey, NodeKey]] = Counter()
        self._joins: dict[int, list[_Episode]] = {}

    def build(self, name: str, generation: int, end: str | None) -> ExecutionGraph:
        """Return the graph."""
        for stage, episode in zip(self._stage_of, self._episodes, strict=True):
            self._take(stage, episode)
        before: list[NodeKey] = ["start"]
        for stage, episode in zip(self._stage_of, self._episodes, strict=True):
            before = self._link(stage, episode, before, [self._home[call.number] for call in episode.calls])
        if end is not None:
            last = self._last or _Episode()
            self._link(self._stages, last, before if self._last else self._loose(), ["end"])
        steps = tuple(
            GraphStep(number, self._call_name(calls[0]), calls[0].kind, stage, tuple(calls))
            for ((stage, _), number), calls in zip(self._numbers.items(), self._calls, strict=True)
        )
        edges = tuple(Edge(source, target, count) for (source, target), count in self._edges.items())
        joins = tuple(joined for stage in self._joins if (joined := self._join(stage)) is not None)
        return ExecutionGraph(name, generation, steps, edges, joins, tuple(self._loops), self._stages, end)

    def _requests(self, episode: _Episode) -> frozenset[Hashable]:
        """Return the names of an episode's calls, and whether there were several: a fan-out is no round."""
        counts = Counter(map(self._key, episode.calls))
        return frozenset((key, count > 1) for key, count in counts.items())

    def _key(self, call: Call) -> tuple[str, str]:
        name = self._call_name(call)
        return call.kind, name.casefold() if call.kind == "external event" else name

    def _take(self, stage: int, episode: _Episode) -> None:
        for call in episode.calls:
            number = self._numbers.setdefault((stage, self._key(call)), len(self._numbers) + 1)
            if number > len(self._calls):
                self._calls.append([])
            self._calls[number - 1].append(call)
            self._home[call.number] = number

    def _link(
        self, stage: int, episode: _Episode, before: list[NodeKey], targets: Sequence[NodeKey]
    ) -> list[NodeKey]:
        """Add the edges to a stage, and return their sources."""
        came = dict.fromkeys(self._home[call.number] for call in episode.came)
        sources: list[NodeKey] = list(came) or before
        for source in sources:
            for target in dict.fromkeys(targets):
                self._edges[source, target] += 1
        self._joins.setdefault(stage, []).append(episode)
        return sources

    def _loose(self) -> list[NodeKey]:
        """Return the steps of the last stage. The orchestrator ended right after it requested them."""
        last = self._episodes[-1].calls if self._episodes else []
        return list(dict.fromkeys(self._home[call.number] for call in last)) or ["start"]

    def _join(self, stage: int) -> Join | None:
        episodes = [episode for episode in self._joins[stage] if episode.of > 1]
        if not episodes:
            return None
        widest = max(episodes, key=lambda episode: episode.of)
        is_all = all(len(episode.came) == episode.of for episode in episodes)
        return Join(stage, len(widest.came), widest.of, is_all)
