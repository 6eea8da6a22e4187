"""The attempts of an instance's activities by the worker that ran them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from durablenb.analysis.calls import Call

OWN_THREAD = "hub's own thread"
"""The worker of calls that a hub runs itself, with ``mode="kernel"``."""


@dataclass(frozen=True, slots=True)
class Run:
    """An attempt of an activity that has ended, from its start."""

    name: str
    started: datetime
    ended: datetime
    is_failed: bool

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return (self.ended - self.started).total_seconds()


@dataclass
class Worker:
    """A thread, a process or a cluster's worker, with what it ran, in the order of time."""

    name: str
    runs: list[Run] = field(default_factory=list)

    def busy(self, begin: datetime, end: datetime) -> float:
        """Return the share of a period in which it was busy, from 0 to 1."""
        if end <= begin:
            return 0.0
        parts = (min(run.ended, end) - max(run.started, begin) for run in self.runs)
        ran = sum((part for part in parts if part > timedelta()), timedelta())
        return min(ran / (end - begin), 1.0)


def read_workers(calls: Iterable[Call]) -> list[Worker]:
    """Return the workers that ran activities, in the order of their names and numbers."""
    workers: dict[str, Worker] = {}
    for call in calls:
        if call.kind != "activity":
            continue
        for span in call.attempts:
            if span.answer is None or span.is_cached or getattr(span.answer, "started_at", None) is None:
                continue
            name = getattr(span.answer, "worker", None) or OWN_THREAD
            run = Run(call.name, span.started, span.ended, span.state == "failed")
            workers.setdefault(name, Worker(name)).runs.append(run)
    for worker in workers.values():
        worker.runs.sort(key=lambda run: run.started)
    return sorted(workers.values(), key=lambda worker: _parts(worker.name))


def _parts(name: str) -> list[tuple[bool, int, str]]:
    """Return a key that sorts numbers in a name by their size."""
    return [
        (part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)
    ]
