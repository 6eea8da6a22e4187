"""Two histories side by side: calls, durations, results, and the first difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any, Literal, NamedTuple

from durablenb.analysis.calls import Call, read_calls
from durablenb.analysis.conversation import read_conversation, spent_text
from durablenb.analysis.figures import InstanceFigures
from durablenb.analysis.fit_checker import last_execution
from durablenb.analysis.history import History
from durablenb.analysis.run_time import RunTime, read_pauses, read_run_time, running_time
from durablenb.analysis.text import lasting, plural, shortened, table_text
from durablenb.analysis.value_text import failure_line, value_text
from durablenb.model.display import Saved
from durablenb.model.events import (
    Ending,
    Event,
    ExecutionFailed,
    ExecutionStarted,
    OrchestratorStarted,
    TimerCreated,
)
from durablenb.model.failures import FailureDetails

DifferenceKind = Literal["orchestrator", "version", "input", "request", "attempts", "result", "end"]
"""The kinds of differences. "request": the two requested different tasks."""

_MOST_ALIGNED = 4_000_000
"""The largest product of the two numbers of steps for which steps after a difference are aligned."""

_MOST_SHOWN = 200


class Difference(NamedTuple):
    """One difference between two histories.

    Parameters
    ----------
    what
        The kind of difference.
    step
        The step's number, from 1; None if the difference is one of the execution as a whole.
    name
        The name of the step, or of the orchestrator.
    a, b
        The text of either side.
    a_event, b_event
        The ids of the events that show it, if there are any.
    """

    what: DifferenceKind
    step: int | None
    name: str
    a: str
    b: str
    a_event: int | None = None
    b_event: int | None = None

    def __str__(self) -> str:
        where = "" if self.step is None else f"step {self.step:,}, {self.name}: "
        a, b = (shortened(value_text(side), 80) for side in (self.a, self.b))
        return f"{where}{self.what}: {a} | {b}"


@dataclass(frozen=True)
class Pair:
    """A step of one history and its counterpart in the other. A missing step is None.

    Parameters
    ----------
    number
        The pair's number, from 1.
    a, b
        The calls.
    differences
        The differences other than durations.
    is_shared
        Whether the step is in a common past: one was forked from the other, or both from a third.
    """

    number: int
    a: Call | None
    b: Call | None
    differences: tuple[Difference, ...] = ()
    is_shared: bool = False

    @property
    def name(self) -> str:
        """The name of the called function; both names if they differ."""
        names = dict.fromkeys(call.name for call in (self.a, self.b) if call is not None)
        return " | ".join(names)

    @property
    def durations(self) -> tuple[timedelta | None, timedelta | None]:
        """The durations of the two calls, from the request to the end."""
        took = [None if call is None else call.ended - call.scheduled for call in (self.a, self.b)]
        return took[0], took[1]


class Side:
    """The last execution of one of the two instances.

    Parameters
    ----------
    history
        The instance's whole history.
    """

    def __init__(self, history: History) -> None:
        self.instance_id = history.instance_id
        self.events = last_execution(history)
        if not self.events:
            raise ValueError(f"The history of {history.instance_id} has no beginning. Give the whole of it.")
        self.calls = read_calls(self.events)
        started = self.events[0]
        assert isinstance(started, ExecutionStarted)
        self.started = started
        self.end: Event | None = next((e for e in reversed(self.events) if isinstance(e, Ending)), None)
        self._pauses = read_pauses(history)

    @property
    def episodes(self) -> int:
        """The number of episodes."""
        return sum(type(event) is OrchestratorStarted for event in self.events)

    def since_start(self, moment: datetime) -> timedelta:
        """Return how long it had run at a moment, a shared past included."""
        return running_time(self.started.timestamp, moment, self._pauses)

    @property
    def duration(self) -> timedelta:
        """How long it had run at its last event, a shared past included."""
        return self.since_start(self._last)

    @cached_property
    def run_time(self) -> RunTime:
        """How long it ran itself, and how much of its past it shares."""
        return read_run_time(self.events, self._last, self._pauses)

    @cached_property
    def _last(self) -> datetime:
        return max(event.timestamp for event in self.events)

    @property
    def outcome(self) -> str:
        """The outcome as text."""
        return self._outcome(str)

    @property
    def outcome_text(self) -> str:
        """The outcome as text, with its value in words."""
        return self._outcome(value_text)

    def _outcome(self, write: Callable[[Any], str]) -> str:
        if self.end is None:
            return "open"
        word = type(self.end).__name__.removeprefix("Execution")
        if isinstance(self.end, ExecutionFailed):
            return f"{word}: {failure_line(self.end.failure)}"
        value = getattr(self.end, "result", getattr(self.end, "input", getattr(self.end, "reason", "")))
        return f"{word}: {write(value)}"

    @cached_property
    def spent(self) -> str:
        """The use of language models as text, the shared past included; empty without any."""
        return spent_text(read_conversation(self.events))

    @cached_property
    def origins(self) -> dict[str, int]:
        """The executions that this one was forked from, with the number of tasks taken from each."""
        return {origin.execution_id: origin.tasks for origin in self.started.forked_from}


class Comparison(Saved, Sequence[Pair]):
    """Two instances, step by step; `durablenb.compare` gives it.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> hub.add_activity(lambda text: len(text), name="judge")
    >>> hub.add_activity(lambda text: text, name="publish")
    >>> @hub.orchestrator
    ... def review(context):
    ...     if (yield context.call_activity("judge", "draft")) > 5:
    ...         yield context.call_activity("publish", "draft")
    >>> handle = hub.start(review, instance_id="r")
    >>> handle.result()
    >>> fork = handle.fork(at=4, results={4: 9}, instance_id="what-if")
    >>> fork.result()
    >>> comparison = df.compare(handle, fork)
    >>> comparison
    <r | what-if: 2 steps, the first difference at step 1, judge: result: 5 | 9>
    >>> print(comparison.first_decision)
    step 2, publish: request: nothing | activity publish
    >>> hub.close()
    """

    def __init__(self, a: Side, b: Side) -> None:
        self.a = a
        """The first instance."""
        self.b = b
        """The second instance."""
        self._pairs = tuple(_pairs(a, b))

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """All differences other than durations, in the order of the steps."""
        began = _start_differences(self.a, self.b)
        of_steps = [difference for pair in self._pairs for difference in pair.differences]
        ended = [] if self.a.outcome == self.b.outcome else [_end_difference(self.a, self.b)]
        return (*began, *of_steps, *ended)

    @property
    def first_difference(self) -> Difference | None:
        """The first difference; None if the two differ in durations alone."""
        return next(iter(self.differences), None)

    @property
    def first_decision(self) -> Difference | None:
        """The first step at which the two requested different tasks; None if all requests are the same."""
        return next((difference for difference in self.differences if difference.what == "request"), None)

    def __getitem__(self, index: Any) -> Any:
        return self._pairs[index]

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._pairs)

    @property
    def summary(self) -> str:
        """The number of steps and the first difference, as text."""
        count = f"{plural(len(self), 'step')}"
        first = self.first_difference
        return f"{count}, {'no difference' if first is None else f'the first difference at {first}'}"

    def __repr__(self) -> str:
        return f"<{self.a.instance_id} | {self.b.instance_id}: {shortened(self.summary, 200)}>"

    def __str__(self) -> str:
        header = ("step", "", "took", "took", "differs in")
        rows = [
            (pair.number, pair.name, took_text(pair.a), took_text(pair.b), _difference_text(pair))
            for pair in self._pairs[:_MOST_SHOWN]
        ]
        lines = [
            _side_line("a", self.a),
            _side_line("b", self.b),
            f"{self.summary}.",
        ]
        if rows:
            lines += ["", table_text(header, rows)]
        if len(self) > _MOST_SHOWN:
            lines.append(f"… {len(self) - _MOST_SHOWN:,} steps more")
        return "\n".join(lines)


def _side_line(label: str, side: Side) -> str:
    spent = f"{side.spent}, " if side.spent else ""
    return f"{label}: {side.instance_id}, {side.run_time}, {spent}{shortened(side.outcome_text, 80)}"


def compare_histories(a: Any, b: Any) -> Comparison:
    """Compare two instances, or histories; see `durablenb.compare`."""
    return Comparison(Side(_history(a)), Side(_history(b)))


def _history(target: Any) -> History:
    if isinstance(target, History):
        return target
    if isinstance(target, InstanceFigures):
        return target.history()
    raise TypeError(f"Expected a handle or a history, not a {type(target).__name__}.")


# -- steps ---------------------------------------------------------------------------------------


def _pairs(a: Side, b: Side) -> Iterator[Pair]:
    for number, (left, right) in enumerate(_aligned(a.calls, b.calls), 1):
        shared = left is not None and right is not None and _is_shared(a, b, left, right)
        yield Pair(number, left, right, tuple(_differences(number, left, right)), shared)


def _aligned(a: Sequence[Call], b: Sequence[Call]) -> Iterator[tuple[Call | None, Call | None]]:
    left_keys, right_keys = ([(call.kind, call.name) for call in calls] for calls in (a, b))
    same = next(
        (
            position
            for position, pair in enumerate(zip(left_keys, right_keys, strict=False))
            if pair[0] != pair[1]
        ),
        None,
    )
    same = min(len(left_keys), len(right_keys)) if same is None else same
    yield from zip(a[:same], b[:same], strict=True)
    rest, others = list(a[same:]), list(b[same:])
    if len(rest) * len(others) > _MOST_ALIGNED:
        yield from ((call, None) for call in rest)
        yield from ((None, call) for call in others)
        return
    matcher = SequenceMatcher(None, left_keys[same:], right_keys[same:], autojunk=False)
    for kind, first, last, other_first, other_last in matcher.get_opcodes():
        if kind == "equal":
            yield from zip(rest[first:last], others[other_first:other_last], strict=True)
        else:
            yield from ((call, None) for call in rest[first:last])
            yield from ((None, call) for call in others[other_first:other_last])


def _is_shared(a: Side, b: Side, left: Call, right: Call) -> bool:
    """Return whether a step was requested in a past that both instances share."""
    if left.number != right.number:
        return False
    if any(left.number < min(a.origins[key], b.origins[key]) for key in a.origins.keys() & b.origins.keys()):
        return True
    return _shares_past(b, a, left.number) or _shares_past(a, b, left.number)


def _shares_past(fork: Side, origin: Side, number: int) -> bool:
    return any(
        source.instance_id == origin.instance_id and number < source.tasks
        for source in fork.started.forked_from
    )


def _differences(number: int, a: Call | None, b: Call | None) -> Iterator[Difference]:
    if a is None or b is None:
        name = (a or b).name  # type: ignore[union-attr]
        yield Difference(
            "request", number, name, _request_text(a), _request_text(b), _request_id(a), _request_id(b)
        )
        return
    if _input(a) != _input(b):
        yield Difference("input", number, a.name, _input(a), _input(b), _request_id(a), _request_id(b))
    if len(a.attempts) != len(b.attempts):
        yield Difference("attempts", number, a.name, f"{len(a.attempts):,}", f"{len(b.attempts):,}")
    if _result(a) != _result(b):
        yield Difference("result", number, a.name, _result(a), _result(b), _answer_id(a), _answer_id(b))


def _request_text(call: Call | None) -> str:
    if call is None:
        return "nothing"
    return call.kind if call.kind == call.name else f"{call.kind} {call.name}"


def _input(call: Call) -> str:
    request: Any = call.attempts[0].request
    if isinstance(request, TimerCreated):
        return lasting(request.fire_at - request.timestamp)
    return str(getattr(request, "input", ""))


def _result(call: Call) -> str:
    answer: Any = call.attempts[-1].answer
    failure = getattr(answer, "failure", None)
    if isinstance(failure, FailureDetails):
        return failure_line(failure)
    value = getattr(answer, "result", getattr(answer, "input", None))
    return call.state if value is None else str(value)


def _request_id(call: Call | None) -> int | None:
    request = None if call is None else call.attempts[0].request
    return None if request is None else request.event_id


def _answer_id(call: Call) -> int | None:
    answer = call.attempts[-1].answer
    return None if answer is None else answer.event_id


def _start_differences(a: Side, b: Side) -> Iterator[Difference]:
    started, other = a.started, b.started
    began: list[tuple[DifferenceKind, str, str]] = [
        ("orchestrator", started.name, other.name),
        ("version", str(started.version), str(other.version)),
        ("input", started.input, other.input),
    ]
    for what, left, right in began:
        if left != right:
            yield Difference(what, None, started.name, left, right, started.event_id, other.event_id)


def _end_difference(a: Side, b: Side) -> Difference:
    events = (None if side.end is None else side.end.event_id for side in (a, b))
    return Difference("end", None, a.started.name, a.outcome, b.outcome, *events)


def took_text(call: Call | None) -> str:
    """Return how long a call took, as text; of one that got a remembered result, that it did."""
    if call is None:
        return ""
    return "from cache" if call.is_cached else lasting(call.ended - call.scheduled)


def _difference_text(pair: Pair) -> str:
    if pair.a is None or pair.b is None:
        return "only in b" if pair.a is None else "only in a"
    return ", ".join(difference.what for difference in pair.differences) or (
        "shared" if pair.is_shared else ""
    )
