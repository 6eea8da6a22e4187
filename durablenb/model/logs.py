"""Log lines: output, log records and warnings of activities and orchestrators."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import NamedTuple


class OutputLine(NamedTuple):
    """A printed line, or a record of `logging`, as it left the user's code."""

    stream: str
    message: str
    level: str | None = None
    logger: str | None = None


class LogLine(NamedTuple):
    """One line of an instance's log.

    Parameters
    ----------
    instance_id, execution_id
        The ids of the instance and of the execution.
    task_id
        The task of that execution that printed it; None for the orchestrator itself.
    name
        The activity's or the orchestrator's name.
    attempt
        The number of the attempt, from 1, if the call is retried.
    timestamp
        When it was printed, aware, UTC, by the hub's clock.
    stream
        ``"stdout"`` or ``"stderr"``; ``"logging"`` for a record of `logging`, and for a warning.
    level, logger
        The names of a record's level and logger.
    message
        The text, without the line break at its end.
    """

    instance_id: str
    execution_id: str
    task_id: int | None
    name: str
    attempt: int
    timestamp: datetime
    stream: str
    level: str | None
    logger: str | None
    message: str

    @property
    def author(self) -> str:
        """The author of the line: ``fetch #3`` for an activity's call, the bare name for an orchestrator."""
        return self.name if self.task_id is None else f"{self.name} #{self.task_id}"

    def reaches(self, level: int) -> bool:
        """Tell whether the line is a record of this level or a higher one; printed lines have no level."""
        return self.level is not None and _number(self.level) >= level


def level_number(level: int | str) -> int:
    """Return the number of a level of `logging`.

    Raises
    ------
    ValueError
        If there is no level of that name.
    """
    if isinstance(level, int):
        return level
    names = logging.getLevelNamesMapping()
    if level.upper() not in names:
        known = ", ".join(map(repr, sorted(names, key=lambda name: names[name])))
        raise ValueError(f"There is no level {level!r}; expected one of {known}, or a number.")
    return names[level.upper()]


def _number(name: str) -> int:
    """Return the number of a level by its name in `logging`, such as ``Level 25`` for one without a name."""
    last = name.rpartition(" ")[2]
    return int(last) if last.isdecimal() else logging.getLevelNamesMapping().get(name, logging.NOTSET)
