"""The model of the explorer: an execution, its replays, the position in them, and copies with changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durablenb.analysis.replays.executions import RecordedExecutions, text_at_start
from durablenb.hub.instance import Handle
from durablenb.model.errors import FunctionNotFoundError, TypeNotRegisteredError
from durablenb.model.runtime import Obstacle
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.live.position import Position
from durablenb.notebook.live.what_if import WhatIf

_NONE = object()


class ExplorerModel:
    """The replays of an execution so far, and the position in them.

    Parameters
    ----------
    handle
        The instance.
    orchestrator
        The code that is replayed; None for the registered code.
    execution
        Number of the execution, from 1; by default the newest one, and each newer one that follows.

    Raises
    ------
    ValueError
        If there is no such execution.
    """

    def __init__(
        self,
        handle: Handle,
        orchestrator: Callable[..., Any] | None = None,
        execution: int | None = None,
    ) -> None:
        self._handle = handle
        self._journal = handle.hub._journal
        self._orchestrator = orchestrator
        self._code: object = _NONE
        self._seen = self._shown = 0
        self._chosen: int | None = None
        self._journal.refresh(handle.id)
        state = self._journal.existing(handle.id)
        self._name, self._version = state.name, state.version
        self.executions = RecordedExecutions(handle._records())
        self.status = DurableOrchestrationStatus()
        self.obstacle = Obstacle()
        self.missing: FunctionNotFoundError | TypeNotRegisteredError | None = None
        """The reason if the code, or a type that it needs, isn't registered."""
        self.what_if: WhatIf | None = None
        self.position: Position | None = None
        if execution is not None:
            self._choose(execution)

    @property
    def number(self) -> int:
        """Number of the execution that is shown, from 1."""
        return self._chosen or len(self.executions)

    @property
    def is_newest(self) -> bool:
        """True if the newest execution is shown."""
        return self.number == len(self.executions)

    @property
    def is_mended(self) -> bool:
        """True if the instance is held, and the code that is registered by now fits its history."""
        if self.obstacle.held is None or self._orchestrator is not None or self.what_if is None:
            return False
        return self.what_if.original.fits

    def count_newer(self) -> int:
        """Return how many replays were added since the position was last at the end."""
        if self.what_if is None or self.position is None or self.what_if.is_copy:
            return 0
        if self.position.is_last:
            self._seen = len(self.what_if.original)
        return len(self.what_if.original) - self._seen

    @property
    def began_with(self) -> str | None:
        """The source that the execution began with, if it was recorded."""
        return text_at_start(self.executions[self.number][1], self._journal.source)

    def choose(self, number: int) -> None:
        """Show another execution, at its end; discard copies of this one.

        Raises
        ------
        ValueError
            If there is no such execution.
        """
        self._choose(number)
        self.what_if = self.position = None
        self._replay()

    def read(self) -> bool:
        """Read what is new; return whether there was anything."""
        count, number = len(self.executions), self.number
        self._journal.follow(self._handle.id)
        is_longer = self.executions.add(self._handle._records(self.executions.seq))
        if 0 < count < len(self.executions) and self._is_looking_back:
            self._choose(number)
        code, obstacle = self._current_code(), self._journal.runtime_info(self._handle.id).obstacle
        has_code = code is not self._code or isinstance(self.missing, TypeNotRegisteredError)
        if not (is_longer or has_code or obstacle != self.obstacle):
            return False
        self._code, self.obstacle = code, obstacle
        self.status = self._handle._status()
        if has_code or (is_longer and self.is_newest):
            self._replay()
        return True

    def show_copy(self) -> None:
        """Go to the end of the newest copy, or of the recorded history if there is none.

        Raises
        ------
        ValueError
            If the code has not run in the copy, which is discarded.
        """
        if self.what_if is None:
            return
        if not len(self.what_if.shown):
            self.what_if.undo()
            raise ValueError("In this copy the code has not run yet: there is nothing to show.")
        self.position = Position(self.what_if.shown)

    @property
    def _is_looking_back(self) -> bool:
        is_at_end = self.position is None or self.position.is_last
        return not is_at_end or (self.what_if is not None and self.what_if.is_copy)

    def _current_code(self) -> object:
        """Return the function that is replayed; None while it isn't registered."""
        if self._orchestrator is not None:
            return self._orchestrator
        code = self._handle.hub._control.registered(self._name, self._version)
        return None if code is None else code.function

    def _choose(self, number: int) -> None:
        _ = self.executions[number]
        self._chosen = None if number == len(self.executions) else number

    def _replay(self) -> None:
        try:
            replay = self._handle._replay(*self.executions[self.number], self._orchestrator)
        except (FunctionNotFoundError, TypeNotRegisteredError) as error:
            self.missing = error
            return
        self.missing = None
        if not len(replay):
            return
        if self._shown != self.number or self.what_if is None or self.position is None:
            self._shown = self.number
            self.what_if, self.position, self._seen = WhatIf(replay), Position(replay), len(replay)
            return
        has_parted = self.what_if.original.fits and not replay.fits
        self.what_if.refresh(replay)
        if self.what_if.is_copy:
            return
        stays, before = not (self.position.is_last or has_parted), self.position
        self.position = Position(replay)
        if stays:
            self.position.go_to(before.chosen, before.number)
