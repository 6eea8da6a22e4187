"""The logger of an orchestrator, which says nothing twice."""

from __future__ import annotations

import logging
from collections.abc import Callable

PARENT = logging.getLogger("durablenb.orchestrator")
"""Of all orchestrators' loggers; set its level, and theirs, as you like."""

if PARENT.level == logging.NOTSET:
    PARENT.setLevel(logging.INFO)


class ReplaySafeLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger that is silent in a replay.

    Parameters
    ----------
    name
        The orchestrator's name.
    is_replaying
        Whether it is replayed now.
    """

    def __init__(self, name: str, is_replaying: Callable[[], bool]) -> None:
        super().__init__(PARENT.getChild(name), {})
        self._is_replaying = is_replaying

    def isEnabledFor(self, level: int) -> bool:
        """Return whether a record of this level would go anywhere now."""
        return not self._is_replaying() and super().isEnabledFor(level)
