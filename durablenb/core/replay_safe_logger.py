"""The logger of an orchestrator, which is silent during replays."""

from __future__ import annotations

import logging
from collections.abc import Callable

PARENT = logging.getLogger("durablenb.orchestrator")
"""The parent of all orchestrators' loggers."""

if PARENT.level == logging.NOTSET:
    PARENT.setLevel(logging.INFO)


class ReplaySafeLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger that is silent during replays.

    Parameters
    ----------
    name
        The orchestrator's name.
    is_replaying
        Tells whether the orchestrator is being replayed.
    """

    def __init__(self, name: str, is_replaying: Callable[[], bool]) -> None:
        super().__init__(PARENT.getChild(name), {})
        self._is_replaying = is_replaying

    def isEnabledFor(self, level: int) -> bool:
        """Tell whether a record of this level would be logged now."""
        return not self._is_replaying() and super().isEnabledFor(level)
