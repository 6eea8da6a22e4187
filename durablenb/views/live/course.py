"""What the explorer follows: an instance's newest execution, its code, and the copies that are made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from durablenb.model.errors import FunctionNotFoundError, TypeNotRegisteredError
from durablenb.model.events import Event, ExecutionStarted
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.ports.store import Record
from durablenb.queries.replays.replay import Replay
from durablenb.views.live.place import Place
from durablenb.views.live.sight import Instance
from durablenb.views.live.trials import Trials

_NONE = object()


@dataclass(frozen=True)
class ExplorerSight:
    """An instance, as the explorer has it.

    Parameters
    ----------
    instance
        What its user holds.
    records
        Its events after a place in the journal.
    replay
        Lets the code go through an execution's events; the execution's id comes first.
    code
        The function that `replay` runs; None while it is missing.
    source
        The text of the source with this hash, if the journal has it.
    now
        The time.
    """

    instance: Instance
    records: Callable[[int], Sequence[Record]]
    replay: Callable[[str, Sequence[Event]], Replay]
    code: Callable[[], object]
    source: Callable[[str], str | None]
    now: Callable[[], datetime]


class Course:
    """The replays of an instance as far as it has come, and where one stands in them.

    Parameters
    ----------
    sight
        The instance.
    """

    def __init__(self, sight: ExplorerSight) -> None:
        self._sight = sight
        self._seq = 0
        self._execution_id = ""
        self._events: list[Event] = []
        self._code: object = _NONE
        self._seen = 0
        self.executions = 0
        """How many executions there were; the last one is followed."""
        self.status = DurableOrchestrationStatus()
        self.missing: FunctionNotFoundError | TypeNotRegisteredError | None = None
        """Why there is nothing to be shown, if the code isn't registered, or a type that it needs."""
        self.trials: Trials | None = None
        self.place: Place | None = None

    @property
    def newer(self) -> int:
        """How many replays there were since one stood at the end."""
        if self.trials is None or self.place is None or self.trials.is_copy:
            return 0
        if self.place.is_last:
            self._seen = len(self.trials.original)
        return len(self.trials.original) - self._seen

    @property
    def began_with(self) -> str | None:
        """The source text with which the execution began, if it is kept."""
        started = next((event for event in self._events if isinstance(event, ExecutionStarted)), None)
        return None if started is None or started.source is None else self._sight.source(started.source)

    def read(self) -> bool:
        """Take note of what is new; answers whether anything is."""
        records = self._sight.records(self._seq)
        for record in records:
            self._seq = record.seq
            if isinstance(record.event, ExecutionStarted):
                self.executions += 1
                self._execution_id = record.execution_id
                self._events = []
            self._events.append(record.event)
        code, before = self._sight.code(), self._code
        if not records and code is before and not isinstance(self.missing, TypeNotRegisteredError):
            return False
        self._code = code
        self.status = self._sight.instance.status()
        self._go_through()
        return True

    def show_copy(self) -> None:
        """Stand at the end of the newest copy; without one, of what has happened.

        Raises
        ------
        ValueError
            If there is nothing to stand on; the copy is dropped.
        """
        if self.trials is None:
            return
        if not len(self.trials.shown):
            self.trials.undo()
            raise ValueError("In this copy the code has not run yet: there is nothing to be seen.")
        self.place = Place(self.trials.shown)

    def _go_through(self) -> None:
        try:
            replay = self._sight.replay(self._execution_id, self._events)
        except (FunctionNotFoundError, TypeNotRegisteredError) as error:
            self.missing = error
            return
        self.missing = None
        if not len(replay):
            return
        if self.trials is None or self.place is None:
            self.trials, self.place, self._seen = Trials(replay), Place(replay), len(replay)
            return
        has_parted = self.trials.original.fits and not replay.fits
        self.trials.original = replay
        if self.trials.is_copy:
            return
        stays, before = not (self.place.is_last or has_parted), self.place
        self.place = Place(replay)
        if stays:
            self.place.go_to(before.chosen, before.number)
