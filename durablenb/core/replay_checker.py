"""The replay checker: records an orchestrator's requests, or checks them against recorded ones."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from types import CodeType, FrameType
from typing import NoReturn

from durablenb.core.requests import (
    SHOWN_FIELDS,
    describe_event,
    difference_text,
    differences,
    event_for,
    is_same_request,
)
from durablenb.model.actions import Action, SetCustomStatus
from durablenb.model.conversations import is_model_request
from durablenb.model.errors import NonDeterminismError, OrchestrationLimitError
from durablenb.model.events import CodeAwaited, CustomStatusSet, Event, TaskScheduled

_ADVICE = (
    "Change the code back so that it asks for what is recorded, in the same order, or start a new instance."
)
_ADVICE_FOR_AGENTS = (
    "Give the agent its former instructions, tools and settings back until its open runs have ended, and "
    "register the changed agent under another name, hub.agent(agent, name=...). Or run this instance from "
    "the beginning with the changed one: handle.restart()."
)

MAX_ORCHESTRATION_ACTIONS = 100_000
"""The limit of an execution's requests, as in Azure's host."""


ROUNDS_FOR_AN_ACTION = 10
"""The limit of awaits of settled tasks in an episode, for each action of the other limit."""


class OrchestratorUnwind(GeneratorExit):
    """Unwinds an orchestrator that must not continue; no ``except Exception`` of the user's catches it.

    As a `GeneratorExit`, it isn't reported if a generator is collected whose ``finally`` blocks or critical
    sections still make requests.
    """


class ReplayChecker:
    """Records and checks the requests of an execution, episode by episode.

    Parameters
    ----------
    code
        The orchestrator's code object, to name the line of a mismatch.
    limit
        The number of requests that an execution may make.
    """

    def __init__(self, code: CodeType | None, limit: int = MAX_ORCHESTRATION_ACTIONS) -> None:
        self._code = code
        self._limit = limit
        self._now = datetime.min
        self._next_id = 1
        self._recorded: list[Event] | None = None
        self._position = 0
        self._rounds = 0
        self.requested = 0
        self.is_halted = False
        self.last_line = None if code is None else code.co_firstlineno
        self.facts: list[Event] = []
        self.mismatch: NonDeterminismError | None = None
        self.breach: OrchestrationLimitError | None = None

    def begin(self, now: datetime, next_id: int, recorded: Sequence[Event] | None) -> None:
        """Begin an episode: with its recorded requests, or with None if it isn't a replay."""
        self._rounds = 0
        self.facts = []
        self.go_on(now, next_id, recorded)

    def go_on(self, now: datetime, next_id: int, recorded: Sequence[Event] | None) -> None:
        """Begin another episode because the code has passed a ``yield ...``."""
        self._now = now
        self._next_id = next_id
        self._position = 0
        self._recorded = (
            None if recorded is None else [event for event in recorded if type(event) is not CustomStatusSet]
        )

    @property
    def is_replaying(self) -> bool:
        """True if the episode is a recorded one."""
        return self._recorded is not None

    @property
    def position(self) -> int:
        """The number of requests of a recorded episode that were repeated."""
        return self._position

    @property
    def next_recorded(self) -> int | None:
        """The id of the event against which the next request is checked, or None."""
        recorded = self._recorded or []
        return recorded[self._position].event_id if self._position < len(recorded) else None

    @property
    def is_at_pause(self) -> bool:
        """True if the recorded code reached a ``yield ...`` here."""
        recorded, position = self._recorded, self._position
        return recorded is not None and position < len(recorded) and type(recorded[position]) is CodeAwaited

    def stay(self) -> None:
        """Accept the recorded ``yield ...`` at which the code waits."""
        self._position += 1

    def request(self, action: Action, *, is_outcome: bool = False) -> None:
        """Record a request, or check that the same one is recorded here.

        Raises
        ------
        OrchestratorUnwind
            If another request is recorded here (see `mismatch`), or if the execution exceeds its limit
            (see `breach`).
        """
        if self.is_halted and not is_outcome:
            return
        if self.mismatch is not None:
            raise OrchestratorUnwind
        self.requested += 1
        if self.requested > self._limit and not is_outcome:
            self.breach = OrchestrationLimitError(
                f"The execution asked for more than {self._limit:,} things. "
                "Split the work over sub-orchestrations, or use continue_as_new."
            )
            self.halt()
        if self._recorded is None:
            self.facts.append(event_for(action, self._next_id, self._now))
            self._next_id += 1
        elif isinstance(action, SetCustomStatus):
            return  # a status is only displayed, so a change of it is no mismatch
        elif self._position >= len(self._recorded):
            self._part(None, event_for(action, 0, self._now))
            self.halt()
        else:
            recorded = self._recorded[self._position]
            requested = event_for(action, recorded.event_id, recorded.timestamp)
            if not is_same_request(recorded, requested):
                self._part(recorded, requested)
                self.halt()
            self._position += 1

    def count_round(self) -> None:
        """Count an await of a settled task, since an orchestrator that does nothing else never ends.

        Raises
        ------
        OrchestratorUnwind
            If there were too many in the episode.
        """
        self._rounds += 1
        if self._rounds > ROUNDS_FOR_AN_ACTION * self._limit:
            self.breach = OrchestrationLimitError(
                f"The orchestrator waited more than {ROUNDS_FOR_AN_ACTION * self._limit:,} times in a row "
                "for tasks that were settled already. Let its loop end, or wait for something new in it."
            )
            self.halt()

    def follow(self, line: int | None) -> None:
        """Remember the position of a replay, for a mismatch without a line of its own: an early end."""
        self.last_line = line or self.last_line

    def follow_to(self, error: BaseException) -> None:
        """Remember where the orchestrator's code raised."""
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code is self._code:
                self.last_line = trace.tb_lineno
            trace = trace.tb_next

    def halt(self) -> NoReturn:
        """Unwind the orchestrator; if it swallows the exception, its later requests are ignored."""
        self.is_halted = True
        raise OrchestratorUnwind

    def end(self, line: int | None) -> None:
        """End the episode, of which no recorded request may be left.

        Raises
        ------
        NonDeterminismError
            If the orchestrator did not make all recorded requests.
        """
        if self.mismatch is None and self._recorded is not None and self._position < len(self._recorded):
            self._part(self._recorded[self._position], None, line)
        if self.mismatch is not None:
            raise self.mismatch

    def _part(self, recorded: Event | None, requested: Event | None, line: int | None = None) -> None:
        line = line or self._line() or self.last_line
        was = describe_event(recorded) if recorded else "nothing more"
        now = describe_event(requested) if requested else "nothing more"
        fields = differences(recorded, requested) if recorded and requested else ()
        detail = "".join(f"; {difference_text(*each)}" for each in fields if each[0] not in SHOWN_FIELDS)
        where = f"at line {line}" if line else "in the orchestrator"
        event = f" (event {recorded.event_id})" if recorded else ""
        self.mismatch = NonDeterminismError(
            f"The code {where} no longer fits its history: recorded is {was}{event}, "
            f"requested is {now}{detail}.\nNothing was written. {_advice(recorded, requested)}",
            line=line,
            file=self._code and self._code.co_filename,
            function=self._code and self._code.co_name,
            differences=fields or (("event_type", was, now),),
            recorded=was,
            requested=now,
            event_id=recorded.event_id if recorded else None,
        )

    def _line(self) -> int | None:
        """Return the line of the orchestrator's code, or of a function inside it, that makes the request."""
        codes = [] if self._code is None else [self._code]
        for code in codes:  # grows while it is read
            codes += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code in codes:
                return frame.f_lineno
            frame = frame.f_back
        return None


def _advice(recorded: Event | None, requested: Event | None) -> str:
    """Return what to do: with requests to a model that differ, an agent was changed."""
    both = (recorded, requested)
    if all(isinstance(one, TaskScheduled) and is_model_request(one.name, one.input) for one in both):
        return _ADVICE_FOR_AGENTS
    return _ADVICE
