"""The awaits at each line of an orchestrator: how many, for how long, and with what result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from durablenb.core.trace import Trace


@dataclass
class CodeLine:
    """The awaits on a line of the code.

    Parameters
    ----------
    times
        How many awaits were reached there.
    seconds
        How long they waited, all together.
    failed
        How many of them raised.
    is_waiting
        Whether the code waits there now.
    tasks
        The tasks that were awaited or requested there, in the order of the requests.
    """

    times: int = 0
    seconds: float = 0.0
    failed: int = 0
    is_waiting: bool = False
    tasks: tuple[int, ...] = ()


class CodeLines:
    """The lines of the code with awaits.

    Parameters
    ----------
    trace
        The replay of an execution.
    now
        The time until which an open await has waited.
    """

    def __init__(self, trace: Trace, now: datetime) -> None:
        self.lines: dict[int, CodeLine] = {}
        """The awaits of each line, by its number."""
        self._awaited_at: dict[int, set[int]] = {}
        self._requested_at: dict[int, int] = {}
        tasks: dict[int, dict[int, None]] = {}
        for reached in trace.awaits:
            if reached.line is None:
                continue
            begun = trace.episodes[reached.episode - 1].timestamp
            end = now if reached.answered_in is None else trace.episodes[reached.answered_in - 1].timestamp
            line = self.lines.setdefault(reached.line, CodeLine())
            line.times += 1
            line.failed += reached.has_failed
            line.is_waiting |= reached.answered_in is None and trace.end is None
            line.seconds += max((end - begun).total_seconds(), 0.0)
            requested = [getattr(event, "task_id", None) for event in reached.requests]
            known = [task for task in requested if task is not None]
            tasks.setdefault(reached.line, {}).update(dict.fromkeys((*reached.task_ids, *known)))
            for task in reached.task_ids:
                self._awaited_at.setdefault(task, set()).add(reached.line)
            for task in known:
                self._requested_at.setdefault(task, reached.line)
        for number, line in self.lines.items():
            line.tasks = tuple(tasks[number])

    def of_task(self, task: int) -> set[int]:
        """Return the lines that awaited a task; if none did, the line before which it was requested."""
        requested = self._requested_at.get(task)
        return self._awaited_at.get(task) or (set() if requested is None else {requested})
