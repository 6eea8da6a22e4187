"""A replay that takes notes: where the orchestrator stood at each await, what it knew, what it asked for.

One replay of the whole history is enough for all that there were: a replay is deterministic, so the earlier
ones are its beginnings. Each await knows in which episode it was first reached and in which it was answered.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from durablenb.core.context import ToBeContinued
from durablenb.core.execution import Execution, NameOf, Orchestrator
from durablenb.core.reconstruct import filled_in, is_partial
from durablenb.core.renaming import as_it_was
from durablenb.core.tasks import ExternalEventTask, TaskBase
from durablenb.core.waiting import atoms_of, frames_of, ids_of, names_in, words_of
from durablenb.model.errors import NonDeterminismError
from durablenb.model.events import CustomStatusSet, Ending, Event, OrchestratorStarted
from durablenb.model.payloads import Codec
from durablenb.model.source import Source

Hear = Callable[[], Sequence[str]]
"""Gives what was printed since it was last asked."""

MORE_CODE = "more code"
"""What is awaited at a ``yield ...``."""


@dataclass
class Await:
    """One place at which the orchestrator waited, or would have waited had it not been answered at once.

    Parameters
    ----------
    number
        From 1, in the order of the code.
    episode
        In which episode it was first reached, from 1.
    line
        Of the orchestrator's source; None if there is none.
    calls
        Where the orchestrator waits through functions of its own: their names and lines, outermost first.
    names
        The local variables, each as a short text.
    awaited
        What it waits for, in words: ``task_all of 3``.
    task_ids
        All tasks in it.
    asked
        What was asked for since the await before.
    said
        What was printed since the await before.
    now
        ``current_utc_datetime`` there.
    answered_in
        The episode in which it went on; None if it still waits.
    answers
        The events that settled its tasks by then, by task.
    has_failed
        Whether it then raised.
    """

    number: int
    episode: int
    line: int | None
    calls: tuple[tuple[str, int], ...]
    names: dict[str, str]
    awaited: str
    task_ids: tuple[int, ...]
    asked: tuple[Event, ...]
    said: tuple[str, ...]
    now: datetime
    answered_in: int | None = None
    answers: dict[int, int] = field(default_factory=dict)
    has_failed: bool = False


@dataclass(frozen=True)
class Trace:
    """All awaits of an execution, and how it ended.

    Parameters
    ----------
    events
        The history.
    episodes
        When each episode was, and the id of its event.
    awaits
        In the order of the code.
    asked, said, line, names
        What was asked for and printed after the last await, where the code ended, and its variables there.
    end
        The event that ended the execution; None if it is open.
    mismatch
        What does not fit the history, if something doesn't.
    parted_at
        The event that was recorded where something else was asked for; None if nothing more was recorded.
    """

    events: tuple[Event, ...]
    episodes: tuple[OrchestratorStarted, ...]
    awaits: tuple[Await, ...]
    asked: tuple[Event, ...]
    said: tuple[str, ...]
    line: int | None
    names: dict[str, str]
    end: Event | None
    mismatch: NonDeterminismError | None
    parted_at: int | None = None


def trace_of(
    function: Orchestrator,
    instance_id: str,
    execution_id: str,
    history: Sequence[Event],
    codec: Codec,
    name_of: NameOf,
    *,
    source: Source | None = None,
    hear: Hear = tuple,
) -> Trace:
    """Replay an execution, and return the notes.

    Parameters
    ----------
    function
        The orchestrator.
    instance_id, execution_id
        Whose history it is.
    history
        One execution's events.
    codec, name_of, source
        As of `Execution`.
    hear
        Gives what the orchestrator printed since it was last asked.

    Raises
    ------
    TypeNotRegisteredError
        If a value is of a type that isn't registered yet.
    """
    ids, history = as_it_was((instance_id, execution_id), history)
    if is_partial(history):
        history = filled_in(partial(Execution, function, *ids, codec, name_of, source=source), history)
        hear()  # what it printed on the way is printed once more
    execution = TracedExecution(function, *ids, codec, name_of, source, hear)
    mismatch: NonDeterminismError | None = None
    try:
        execution.replay(history)
        execution.look_at_pause(history)
    except NonDeterminismError as error:
        mismatch = error
    finally:
        with contextlib.suppress(BaseException):  # what the user's finally blocks raise
            execution.unload()
    return execution.trace(tuple(history), mismatch)


class TracedExecution(Execution):
    """An execution that notes each await."""

    def __init__(
        self,
        function: Orchestrator,
        instance_id: str,
        execution_id: str,
        codec: Codec,
        name_of: NameOf,
        source: Source | None,
        hear: Hear,
    ) -> None:
        super().__init__(function, instance_id, execution_id, codec, name_of, source=source)
        self._hear = hear
        self._awaits: list[Await] = []
        self._episodes: list[OrchestratorStarted] = []
        self._settled_by: dict[int, int] = {}
        self._asked_before = self._checked_before = 0
        self._end_line: int | None = None
        self._end_names: dict[str, str] = {}

    def deliver(self, event: Event) -> None:
        """Take what arrived."""
        task_id = getattr(event, "task_id", None)
        if task_id is not None:
            self._settled_by.setdefault(task_id, event.event_id)
        super().deliver(event)

    def trace(self, history: tuple[Event, ...], mismatch: NonDeterminismError | None) -> Trace:
        """Return the notes."""
        end = next((event for event in reversed(self.history) if isinstance(event, Ending)), None)
        return Trace(
            history,
            tuple(self._episodes),
            tuple(self._awaits),
            self._asked(is_over=True),
            tuple(self._hear()),
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
            self._awaits[-1].asked += self._asked(is_over=True)  # such as what a routine asked for meanwhile
        return facts

    def _step(self, task: TaskBase[Any] | None) -> object:
        self._note_answer(task)
        self._end_line, self._end_names = None, {}
        try:
            yielded = super()._step(task)
        except BaseException as error:
            self._note_end(error)
            raise
        if isinstance(yielded, TaskBase) or yielded is ... or isinstance(yielded, ToBeContinued):
            self._note(yielded)
        return yielded

    def _pass(self) -> None:
        if self._awaits:
            self._awaits[-1].asked += self._asked()
        super()._pass()
        begun = self.history[-1] if self.ledger.is_replaying else self._passing
        assert isinstance(begun, OrchestratorStarted)
        self._episodes.append(begun)
        self._asked_before = self._checked_before = 0

    def _note(self, task: object) -> None:
        frames = list(frames_of(self._routine))
        inner = frames[-1] if frames else None
        self._awaits.append(
            Await(
                number=len(self._awaits) + 1,
                episode=len(self._episodes),
                line=frames[0].f_lineno if frames else None,
                calls=tuple((frame.f_code.co_name, frame.f_lineno) for frame in frames[1:]),
                names=names_in(inner),
                awaited=words_of(task) if isinstance(task, TaskBase) else MORE_CODE,
                task_ids=ids_of(task) if isinstance(task, TaskBase) else (),
                asked=self._asked(),
                said=tuple(self._hear()),
                now=self.now,
            )
        )

    def _note_answer(self, task: TaskBase[Any] | None) -> None:
        if not self._awaits:
            return
        last = self._awaits[-1]
        last.answered_in = len(self._episodes)
        if task is None:
            return
        last.has_failed = task.is_failed
        for one in atoms_of(task):
            if one._is_settled and one.id is not None:
                event = one._event if isinstance(one, ExternalEventTask) else None
                number = self._settled_by.get(one.id) if event is None else event.event_id
                if number is not None:
                    last.answers[one.id] = number

    def _note_end(self, error: BaseException) -> None:
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code is self.ledger._code:
                self._end_line = trace.tb_lineno
                self._end_names = names_in(trace.tb_frame)
            trace = trace.tb_next

    def _asked(self, *, is_over: bool = False) -> tuple[Event, ...]:
        """What was asked for since this was last called, as it is recorded; all that is left at the end."""
        is_recorded = self.ledger.is_replaying
        recorded = self._episode if is_recorded else self.ledger.facts
        left = self.ledger.position - self._checked_before if is_recorded else len(recorded)
        self._checked_before = self.ledger.position
        asked = []
        for event in recorded[self._asked_before :]:
            is_unchecked = type(event) is CustomStatusSet  # which a replay may do without
            if left == 0 and not (is_unchecked and is_over):
                break
            left -= not is_unchecked
            asked.append(event)
        self._asked_before += len(asked)
        return tuple(asked)
