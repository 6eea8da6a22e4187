"""Traces of replays: the orchestrator's line, variables and requests at each await.

One replay of the whole history covers all earlier ones: a replay is deterministic, so they are its
beginnings. Each await has the episode in which it was first reached, and the one in which it was answered.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import FrameType
from typing import Any

from durablenb.core.cancellation import Cancellation
from durablenb.core.context import DurableOrchestrationContext, ToBeContinued
from durablenb.core.execution import Execution, NameOf
from durablenb.core.id_prefixes import without_prefix
from durablenb.core.loop_tasks import LoopWait, can_be_awaited
from durablenb.core.orchestrator_code import Orchestrator
from durablenb.core.reconstruct import is_partial, reconstruct_history
from durablenb.core.short_repr import short_repr
from durablenb.core.task_places import (
    A_FUTURE,
    TaskPlace,
    all_task_ids,
    atomic_tasks,
    future_text,
    group_text,
    task_places,
    user_frames,
    waits_in_library,
)
from durablenb.core.tasks import AtomicTask, CompoundTask, ExternalEventTask, TaskBase, WhenAnyTask
from durablenb.model.errors import NonDeterminismError, OrchestrationCanceledError
from durablenb.model.events import CustomStatusSet, Ending, Event, OrchestratorStarted
from durablenb.model.payloads import Codec
from durablenb.model.source import Source

Hear = Callable[[], Sequence[str]]
"""Returns the lines that were printed since the last call."""

MORE_CODE = "more code"
"""The description of a ``yield ...`` that is awaited."""


@dataclass
class Await:
    """A point at which the orchestrator waited, or would have waited if the task had been open.

    Parameters
    ----------
    number
        Its number from 1, in execution order.
    episode
        The episode in which it was first reached, from 1.
    line
        The line in the orchestrator's source; None if there is no source.
    calls
        Helper functions through which the orchestrator waits: their names and lines, outermost first.
    names
        The local variables, each as a short text.
    awaited
        A description of the awaited task: ``task_all of 3``.
    task_ids
        The ids of all tasks in the awaited one.
    requests
        The requests since the previous await.
    printed
        The lines printed since the previous await.
    now
        The value of ``current_utc_datetime``.
    answered_in
        The episode in which the code continued; None if it still waits.
    answers
        The events that had settled its tasks by then, by task.
    arrivals
        For each of `task_ids`, the event that has settled it; None if none has.
    outcome
        The value that came out of it, as a short text; empty if it is open, raised, or waited for a group.
    winner
        The place of the child that settled first, of a ``task_any``.
    has_failed
        True if the await raised.
    is_canceled
        True if it raised because the orchestration was canceled.
    places
        Where the tasks of the event loop waited at the end of an episode, by the episodes in which the code
        waited here.
    """

    number: int
    episode: int
    line: int | None
    calls: tuple[tuple[str, int], ...]
    names: dict[str, str]
    awaited: str
    task_ids: tuple[int, ...]
    requests: tuple[Event, ...]
    printed: tuple[str, ...]
    now: datetime
    answered_in: int | None = None
    answers: dict[int, int] = field(default_factory=dict)
    arrivals: tuple[int | None, ...] = ()
    outcome: str = ""
    winner: int | None = None
    has_failed: bool = False
    is_canceled: bool = False
    places: dict[int, tuple[TaskPlace, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """All awaits of an execution, and its end.

    Parameters
    ----------
    events
        The history.
    episodes
        The time of each episode, and the id of its event.
    awaits
        The awaits, in execution order.
    requests, printed, line, names
        The requests and printed lines after the last await, the line at which the code ended, and its
        variables.
    end
        The event that ended the execution; None if it is open.
    mismatch
        The error if code and history don't match.
    parted_at
        The recorded event at the mismatch; None if no more events were recorded.
    """

    events: tuple[Event, ...]
    episodes: tuple[OrchestratorStarted, ...]
    awaits: tuple[Await, ...]
    requests: tuple[Event, ...]
    printed: tuple[str, ...]
    line: int | None
    names: dict[str, str]
    end: Event | None
    mismatch: NonDeterminismError | None
    parted_at: int | None = None


def trace_execution(
    function: Orchestrator,
    instance_id: str,
    execution_id: str,
    history: Sequence[Event],
    codec: Codec,
    target_name: NameOf,
    *,
    source: Source | None = None,
    hear: Hear = tuple,
) -> Trace:
    """Replay an execution, and return its trace.

    Parameters
    ----------
    function
        The orchestrator.
    instance_id, execution_id
        The ids of the instance and of the execution.
    history
        One execution's events.
    codec, target_name, source
        As of `Execution`.
    hear
        Returns the lines that the orchestrator printed since the last call.

    Raises
    ------
    TypeNotRegisteredError
        If a value is of a type that isn't registered yet.
    """
    ids, history = without_prefix((instance_id, execution_id), history)
    if is_partial(history):
        history = reconstruct_history(
            partial(Execution, function, *ids, codec, target_name, source=source), history
        )
        hear()  # drops lines that the replay prints again
    execution = TracedExecution(function, *ids, codec, target_name, source, hear)
    mismatch: NonDeterminismError | None = None
    try:
        execution.replay(history)
        execution.look_at_pause(history)
    except NonDeterminismError as error:
        mismatch = error
    finally:
        execution.unload()
    return execution.trace(tuple(history), mismatch)


class TracedExecution(Execution):
    """An execution that records each await."""

    def __init__(
        self,
        function: Orchestrator,
        instance_id: str,
        execution_id: str,
        codec: Codec,
        target_name: NameOf,
        source: Source | None,
        hear: Hear,
    ) -> None:
        super().__init__(function, instance_id, execution_id, codec, target_name, source=source)
        self._hear = hear
        self._awaits: list[Await] = []
        self._episodes: list[OrchestratorStarted] = []
        self._settled_by: dict[int, int] = {}
        self._asked_before = self._checked_before = 0
        self._awaiting: TaskBase[Any] | None = None
        self._is_in_library = False
        self._passed_over: tuple[tuple[Event, ...], tuple[str, ...]] = (), ()
        """The requests and lines before awaits of libraries, which the next await has."""
        self._end_line: int | None = None
        self._end_names: dict[str, str] = {}

    def deliver(self, event: Event) -> None:
        """Deliver an event."""
        task_id = getattr(event, "task_id", None)
        if task_id is not None:
            self._settled_by.setdefault(task_id, event.event_id)
        super().deliver(event)

    def trace(self, history: tuple[Event, ...], mismatch: NonDeterminismError | None) -> Trace:
        """Return the trace."""
        if self._awaiting is not None:
            self._note_arrivals(self._awaiting)
        end = next((event for event in reversed(self.history) if isinstance(event, Ending)), None)
        return Trace(
            history,
            tuple(self._episodes),
            tuple(self._awaits),
            self._passed_over[0] + self._requests(is_over=True),
            self._passed_over[1] + tuple(self._hear()),
            self._end_line if mismatch is None else mismatch.line,
            self._end_names,
            end,
            mismatch,
            None if mismatch is None else self.ledger.next_recorded,
        )

    # -- inside ----------------------------------------------------------------------------------

    def _replay_episode(self, begun: Event) -> list[Event]:
        assert isinstance(begun, OrchestratorStarted)
        self._episodes.append(begun)
        self._asked_before = self._checked_before = 0
        facts = super()._replay_episode(begun)
        if self._awaits and not self.is_finished:
            self._awaits[-1].requests += self._requests(is_over=True)  # such as requests of a routine
            self._note_places(self._awaits[-1])
        return facts

    def _step(self, task: TaskBase[Any] | None) -> object:
        self._note_answer(task)
        self._end_line, self._end_names, self._awaiting = None, {}, None
        frame = next(user_frames(self._routine), None)
        try:
            yielded = super()._step(task)
        except StopIteration:
            self._end_line = None if frame is None else frame.f_lineno  # the frame outlives its routine
            raise
        except BaseException as error:
            self._note_end(error)
            raise
        if isinstance(yielded, TaskBase) or yielded is ... or isinstance(yielded, ToBeContinued):
            self._note(yielded)
        elif self._loop is not None and can_be_awaited(yielded):
            self._note(LoopWait(yielded, self._loop))
        return yielded

    def _interrupted(self, task: TaskBase[Any], cancellation: Cancellation) -> OrchestrationCanceledError:
        self._awaits[-1].has_failed = self._awaits[-1].is_canceled = True
        return super()._interrupted(task, cancellation)

    def _pass(self) -> None:
        if self._awaits:
            self._awaits[-1].requests += self._requests()
        super()._pass()
        begun = self.history[-1] if self.ledger.is_replaying else self._passing
        assert isinstance(begun, OrchestratorStarted)
        self._episodes.append(begun)
        self._asked_before = self._checked_before = 0

    def _note(self, task: object) -> None:
        frames = list(user_frames(self._routine))
        inner = frames[-1] if frames else None
        self._is_in_library = isinstance(task, LoopWait) and waits_in_library(self._routine)
        (requests, printed), self._passed_over = self._passed_over, ((), ())
        self._awaits.append(
            Await(
                number=len(self._awaits) + 1,
                episode=len(self._episodes),
                line=frames[0].f_lineno if frames else None,
                calls=tuple((frame.f_code.co_name, frame.f_lineno) for frame in frames[1:]),
                names=local_variables(inner),
                awaited=_awaited_text(task),
                task_ids=all_task_ids(task) if isinstance(task, TaskBase) else (),
                requests=requests + self._requests(),
                printed=printed + tuple(self._hear()),
                now=self.now,
            )
        )
        self._awaiting = task if isinstance(task, TaskBase) else None

    def _note_places(self, reached: Await) -> None:
        """Note where the tasks of the event loop wait, and what the code awaits through them."""
        places = () if self._loop is None else task_places(self._loop)
        if places:
            reached.places[len(self._episodes)] = places
        if isinstance(self._awaited, LoopWait):
            known = dict.fromkeys(reached.task_ids)
            known.update(dict.fromkeys(number for place in places for number in place.task_ids))
            reached.task_ids = tuple(known)
            if places and reached.awaited == A_FUTURE:  # such as that of a TaskGroup
                reached.awaited = "tasks of asyncio"

    def _note_answer(self, task: TaskBase[Any] | None) -> None:
        if not self._awaits:
            return
        last = self._awaits[-1]
        is_over_at_once = last.episode == len(self._episodes) and not last.task_ids
        if is_over_at_once and self._is_in_library and self._cancellation is None:
            self._passed_over = last.requests, last.printed
            del self._awaits[-1]  # the library waited for nothing but the event loop
            self._is_in_library = False
            return
        last.answered_in = len(self._episodes)
        if task is None:
            return
        if isinstance(task, LoopWait):
            settled = {number: self._settled_by.get(number) for number in last.task_ids}
            last.answers.update((number, event) for number, event in settled.items() if event is not None)
        last.has_failed = task.is_failed
        self._note_arrivals(task)
        if isinstance(task, LoopWait):
            return
        last.answers = {
            atom.id: event
            for atom in atomic_tasks(task)
            if atom.id is not None and (event := self._settling_event(atom)) is not None
        }
        if self._cancellation is not None and self._cancellation.interrupts(task):
            return
        if isinstance(task, WhenAnyTask) and task._winner is not None:
            last.winner = task.children.index(task._winner)
        elif not task.is_failed and not isinstance(task, CompoundTask):
            with contextlib.suppress(Exception):  # a value that can't be decoded, which the step reports
                last.outcome = short_repr(task.get_result())

    def _note_arrivals(self, task: TaskBase[Any]) -> None:
        """Note which tasks of the last await are settled, in the order of its `task_ids`."""
        last = self._awaits[-1]
        if isinstance(task, LoopWait):
            last.arrivals = tuple(self._settled_by.get(number) for number in last.task_ids)
            return
        last.arrivals = tuple(
            self._settling_event(atom) for atom in atomic_tasks(task) if atom.id is not None
        )

    def _settling_event(self, atom: AtomicTask[Any]) -> int | None:
        if not atom._is_settled or atom.id is None:
            return None
        event = atom._event if isinstance(atom, ExternalEventTask) else None
        return self._settled_by.get(atom.id) if event is None else event.event_id

    def _note_end(self, error: BaseException) -> None:
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code is self.ledger._code:
                self._end_line = trace.tb_lineno
                self._end_names = local_variables(trace.tb_frame)
            trace = trace.tb_next

    def _requests(self, *, is_over: bool = False) -> tuple[Event, ...]:
        """Return the recorded requests since the last call; at the end, all that are left."""
        is_recorded = self.ledger.is_replaying
        recorded = self._episode if is_recorded else self.ledger.facts
        left = self.ledger.position - self._checked_before if is_recorded else len(recorded)
        self._checked_before = self.ledger.position
        requests = []
        for event in recorded[self._asked_before :]:
            is_unchecked = type(event) is CustomStatusSet  # which a replay may omit
            if left == 0 and not (is_unchecked and is_over):
                break
            left -= not is_unchecked
            requests.append(event)
        self._asked_before += len(requests)
        return tuple(requests)


# -- variables ------------------------------------------------------------------------------------


def local_variables(frame: FrameType | None) -> dict[str, str]:
    """Return the local variables of a frame, each as a short text."""
    variables = {} if frame is None else dict(frame.f_locals)
    return {
        name: short_repr(value)
        for name, value in variables.items()
        if not isinstance(value, DurableOrchestrationContext) and not name.startswith("__")
    }


def _awaited_text(task: object) -> str:
    if isinstance(task, LoopWait):
        return future_text(task.future)
    return group_text(task) if isinstance(task, TaskBase) else MORE_CODE
