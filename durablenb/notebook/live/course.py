"""What the explorer follows: an execution of an instance, its code, and the copies that are made of it."""

from __future__ import annotations

from durablenb.analysis.replays.executions import Executions, text_at_start
from durablenb.analysis.replays.explorer import ExplorerSource
from durablenb.analysis.waits import Obstacle
from durablenb.model.errors import FunctionNotFoundError, TypeNotRegisteredError
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.live.place import Place
from durablenb.notebook.live.trials import Trials

_NONE = object()


class Course:
    """The replays of an execution as far as it has come, and where one stands in them.

    Parameters
    ----------
    sight
        The instance.
    execution
        Which execution, from 1; without it, the newest one, and those that come after it.

    Raises
    ------
    ValueError
        If there is no such execution.
    """

    def __init__(self, sight: ExplorerSource, execution: int | None = None) -> None:
        self._sight = sight
        self._code: object = _NONE
        self._seen = self._shown = 0
        self._chosen: int | None = None
        self.executions = Executions(sight.records(0))
        self.status = DurableOrchestrationStatus()
        self.obstacle = Obstacle()
        self.missing: FunctionNotFoundError | TypeNotRegisteredError | None = None
        """Why there is nothing to be shown, if the code isn't registered, or a type that it needs."""
        self.trials: Trials | None = None
        self.place: Place | None = None
        if execution is not None:
            self._choose(execution)

    @property
    def number(self) -> int:
        """Which execution is shown, from 1."""
        return self._chosen or len(self.executions)

    @property
    def is_newest(self) -> bool:
        """Whether there is no execution after it."""
        return self.number == len(self.executions)

    def count_newer(self) -> int:
        """Return how many replays there were since one was last found at the end; none if one is there."""
        if self.trials is None or self.place is None or self.trials.is_copy:
            return 0
        if self.place.is_last:
            self._seen = len(self.trials.original)
        return len(self.trials.original) - self._seen

    @property
    def began_with(self) -> str | None:
        """The source text with which the execution began, if it is kept."""
        return text_at_start(self.executions[self.number][1], self._sight.source)

    def choose(self, number: int) -> None:
        """Show another execution, at its end; copies of this one are dropped.

        Raises
        ------
        ValueError
            If there is no such execution.
        """
        self._choose(number)
        self.trials = self.place = None
        self._go_through()

    def read(self) -> bool:
        """Take note of what is new; answers whether anything is."""
        count, number = len(self.executions), self.number
        is_longer = self.executions.add(self._sight.records(self.executions.seq))
        if 0 < count < len(self.executions) and self._is_looking_back:
            self._choose(number)
        code, obstacle = self._sight.code(), self._sight.obstacle()
        has_code = code is not self._code or isinstance(self.missing, TypeNotRegisteredError)
        if not (is_longer or has_code or obstacle != self.obstacle):
            return False
        self._code, self.obstacle = code, obstacle
        self.status = self._sight.instance.status()
        if has_code or (is_longer and self.is_newest):
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

    @property
    def _is_looking_back(self) -> bool:
        is_at_end = self.place is None or self.place.is_last
        return not is_at_end or (self.trials is not None and self.trials.is_copy)

    def _choose(self, number: int) -> None:
        _ = self.executions[number]
        self._chosen = None if number == len(self.executions) else number

    def _go_through(self) -> None:
        try:
            replay = self._sight.replay(*self.executions[self.number])
        except (FunctionNotFoundError, TypeNotRegisteredError) as error:
            self.missing = error
            return
        self.missing = None
        if not len(replay):
            return
        if self._shown != self.number or self.trials is None or self.place is None:
            self._shown = self.number
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
