"""The ledger of an episode: writes what the orchestrator asks for, or checks it against what is recorded."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from types import CodeType, FrameType
from typing import NoReturn

from durablenb.core.requests import described, differences, fits, record
from durablenb.model.actions import Action, SetCustomStatus
from durablenb.model.errors import NonDeterminismError, OrchestrationLimitError
from durablenb.model.events import CodeAwaited, CustomStatusSet, Event

MAX_ORCHESTRATION_ACTIONS = 100_000
"""What one execution may ask for, as in Azure's host."""


ROUNDS_FOR_AN_ACTION = 10
"""How often an episode may wait for what is settled already, for each action of the limit."""


class Halted(GeneratorExit):
    """Ends an orchestrator that must not go on; no ``except Exception`` of the user's catches it.

    Where Python lets go of a generator whose ``finally`` blocks or critical sections still ask for
    something, it says nothing of this one.
    """


class Ledger:
    """What an execution asked for, episode by episode.

    Parameters
    ----------
    code
        The orchestrator's code object, to name the line of a mismatch.
    limit
        How many requests an execution may make.
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
        """A new episode: with what is recorded of it, or with None where it happens now."""
        self._rounds = 0
        self.facts = []
        self.go_on(now, next_id, recorded)

    def go_on(self, now: datetime, next_id: int, recorded: Sequence[Event] | None) -> None:
        """The code has passed a ``yield ...``: what it asks for now belongs to another episode."""
        self._now = now
        self._next_id = next_id
        self._position = 0
        self._recorded = (
            None if recorded is None else [event for event in recorded if type(event) is not CustomStatusSet]
        )

    @property
    def is_replaying(self) -> bool:
        """Whether the episode is a recorded one."""
        return self._recorded is not None

    @property
    def position(self) -> int:
        """How much of a recorded episode was asked for again."""
        return self._position

    @property
    def next_recorded(self) -> int | None:
        """The id of the event that the next request is checked against, if there is one."""
        recorded = self._recorded or []
        return recorded[self._position].event_id if self._position < len(recorded) else None

    @property
    def is_at_pause(self) -> bool:
        """Whether it is recorded that the code came to ``yield ...`` here."""
        recorded, position = self._recorded, self._position
        return recorded is not None and position < len(recorded) and type(recorded[position]) is CodeAwaited

    def stay(self) -> None:
        """The code waits at the ``yield ...`` that is recorded here."""
        self._position += 1

    def request(self, action: Action, *, is_outcome: bool = False) -> None:
        """Records the request, or checks that the same one is recorded here.

        Raises
        ------
        Halted
            If something else is recorded here (`mismatch` says what), or if the execution asked for
            too much (`breach`).
        """
        if self.is_halted and not is_outcome:
            return
        if self.mismatch is not None:
            raise Halted
        self.requested += 1
        if self.requested > self._limit and not is_outcome:
            self.breach = OrchestrationLimitError(
                f"The execution asked for more than {self._limit:,} things. "
                "Split the work over sub-orchestrations, or use continue_as_new."
            )
            self.halt()
        if self._recorded is None:
            self.facts.append(record(action, self._next_id, self._now))
            self._next_id += 1
        elif isinstance(action, SetCustomStatus):
            return  # what is shown may be changed
        elif self._position >= len(self._recorded):
            self._part(None, record(action, 0, self._now))
            self.halt()
        else:
            recorded = self._recorded[self._position]
            requested = record(action, recorded.event_id, recorded.timestamp)
            if not fits(recorded, requested):
                self._part(recorded, requested)
                self.halt()
            self._position += 1

    def count_round(self) -> None:
        """Counts a wait for what was settled already: an orchestrator that only does that never ends.

        Raises
        ------
        Halted
            If there were too many in one episode.
        """
        self._rounds += 1
        if self._rounds > ROUNDS_FOR_AN_ACTION * self._limit:
            self.breach = OrchestrationLimitError(
                f"The orchestrator waited more than {ROUNDS_FOR_AN_ACTION * self._limit:,} times in a row "
                "for tasks that were settled already. Let its loop end, or wait for something new in it."
            )
            self.halt()

    def follow(self, line: int | None) -> None:
        """Notes where a replay is, for a mismatch that has no line of its own: an end too early."""
        self.last_line = line or self.last_line

    def follow_to(self, error: BaseException) -> None:
        """Notes where the orchestrator's own code raised."""
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code is self._code:
                self.last_line = trace.tb_lineno
            trace = trace.tb_next

    def halt(self) -> NoReturn:
        """Ends the orchestrator; if it swallows that, what it asks for from then on is ignored."""
        self.is_halted = True
        raise Halted

    def end(self, line: int | None) -> None:
        """The episode is over: nothing that is recorded of it may be left.

        Raises
        ------
        NonDeterminismError
            If the orchestrator did not ask for all that is recorded.
        """
        if self.mismatch is None and self._recorded is not None and self._position < len(self._recorded):
            self._part(self._recorded[self._position], None, line)
        if self.mismatch is not None:
            raise self.mismatch

    def _part(self, recorded: Event | None, requested: Event | None, line: int | None = None) -> None:
        line = line or self._line() or self.last_line
        was = described(recorded) if recorded else "nothing more"
        now = described(requested) if requested else "nothing more"
        fields = differences(recorded, requested) if recorded and requested else ()
        detail = "".join(f"\n  {name}: recorded {a!r}, requested {b!r}" for name, a, b in fields)
        where = f"at line {line}" if line else "in the orchestrator"
        event = f" (event {recorded.event_id})" if recorded else ""
        self.mismatch = NonDeterminismError(
            f"The code {where} no longer fits its history: recorded is {was}{event}, "
            f"requested is {now}.{detail}\nNothing was written. Change the code back so that it asks "
            "for what is recorded, in the same order, or start a new instance.",
            line=line,
            file=self._code and self._code.co_filename,
            function=self._code and self._code.co_name,
            differences=fields or (("event_type", was, now),),
            recorded=was,
            requested=now,
            event_id=recorded.event_id if recorded else None,
        )

    def _line(self) -> int | None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code is self._code:
                return frame.f_lineno
            frame = frame.f_back
        return None
