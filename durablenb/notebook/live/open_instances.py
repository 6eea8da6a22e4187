"""The open instances on a page of a hub's list: what each does now, in a few words."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from durablenb.analysis.instances import LastEvent
from durablenb.analysis.snapshot import InstanceSnapshot, SnapshotBuilder
from durablenb.journal.port import Journal
from durablenb.model.runtime import RuntimeInfo
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.still.waits import wait_text
from durablenb.notebook.words import lasting

_SECONDS = 0.2
"""Seconds that one look may take to read histories; the others follow with the next one."""

_QUICK = 0.01
"""Seconds of work for which a look needs no pause."""

_PAUSE, _LONGEST = 20, 5.0
"""How many times as long as its work the pause after a longer look is, and the most seconds that it takes."""

_SOLE = ("activity", "queued", "sub-orchestration")


class OpenInstances:
    """Follows the histories of the open instances on a page.

    Parameters
    ----------
    journal
        The journal.
    ticks
        A clock for the pauses, in seconds.
    work
        The time that the calling thread has worked, in seconds.
    """

    def __init__(
        self,
        journal: Journal,
        ticks: Callable[[], float] = time.monotonic,
        work: Callable[[], float] = time.thread_time,
    ) -> None:
        self._journal = journal
        self._ticks = ticks
        self._work = work
        self._due = 0.0
        self._following: dict[str, _Followed] = {}

    def words(self, events: dict[str, LastEvent]) -> dict[str, str]:
        """Return what each of these instances does now. During a pause, histories aren't read.

        Parameters
        ----------
        events
            The open instances on the page, each with its last event.
        """
        self._following = {key: one for key, one in self._following.items() if key in events}
        now = self._journal.now()
        if self._ticks() >= self._due:
            began = self._work()
            self._read(events, now)
            took = self._work() - began
            self._due = self._ticks() + min(_PAUSE * took, _LONGEST) if took > _QUICK else 0.0
        return {
            instance_id: now_words(followed.shown, now)
            for instance_id, followed in self._following.items()
            if followed.shown is not None
        }

    def _read(self, events: dict[str, LastEvent], now: datetime) -> None:
        until = self._ticks() + _SECONDS
        for instance_id, last in events.items():
            if self._ticks() > until:
                break
            followed = self._following.setdefault(instance_id, _Followed())
            followed.look(self._journal, instance_id, last.seq, now)


class _Followed:
    """An instance, as far as its history was read."""

    def __init__(self) -> None:
        self.shown: InstanceSnapshot | None = None
        self._seq = 0
        self._info: RuntimeInfo | None = None
        self._builder = SnapshotBuilder()

    def look(self, journal: Journal, instance_id: str, last_seq: int, now: datetime) -> None:
        """Read what is new up to an event; take another snapshot if there is anything."""
        records = journal.of().records(instance_id, self._seq) if self._seq < last_seq else []
        info = journal.noted_info(instance_id)
        if not records and (info == self._info or not self._seq):
            return
        if records:
            self._seq = records[-1].seq
            self._builder.read(record.event for record in records)
        self._info = info
        status = DurableOrchestrationStatus("", instance_id)
        self.shown = self._builder.snapshot(status, info, now, lambda _: {})


def now_words(shown: InstanceSnapshot, now: datetime) -> str:
    """Return what an instance does now in a few words: its share done, or what it waits for.

    Examples are ``crunch 41%``, ``waits for Approval, 3 min`` and ``attempt 2 of 'fetch' in 4 s``.
    """
    if not shown.waits:
        return ""
    wait, more = shown.waits[0], len(shown.waits) - 1
    since = "" if wait.since is None else lasting(max(round((now - wait.since).total_seconds()), 0))
    due = None if wait.due is None else lasting(max(round((wait.due - now).total_seconds()), 0))
    if wait.kind in _SOLE:
        states = [
            call.state
            for step in shown.flow.steps
            if step.name == wait.name and step.kind in _SOLE
            for call in step.calls
        ]
        if len(states) > 1:
            share = sum(state in ("completed", "failed", "canceled") for state in states) / len(states)
            return _and_more(f"{wait.name} {int(100 * share)}%", _others(shown, wait.name))
        return _and_more(f"{wait.name}{', queued' if wait.kind == 'queued' else ''}, {since}", more)
    if wait.kind == "code":
        return f"not loaded: {wait.name}"
    if wait.kind == "external event":
        return _and_more(f"waits for {wait.name}, {since}", more)
    if wait.kind == "retry":
        return _and_more(f"{wait_text(wait)} in {due}" if due else wait_text(wait), more)
    words = f"waits for {wait_text(wait)}"
    return _and_more(f"{words}, {due} left" if due else f"{words}, {since}" if since else words, more)


def _others(shown: InstanceSnapshot, name: str) -> int:
    return len({wait.name for wait in shown.waits} - {name})


def _and_more(words: str, more: int) -> str:
    return f"{words}, and {more} more" if more > 0 else words


def ago(when: datetime, now: datetime) -> str:
    """Return how long ago something was, in words; seconds aren't counted one by one."""
    seconds = round(max((now - when).total_seconds(), 0.0))
    if seconds < 5:
        return "now"
    return f"{lasting(seconds if seconds >= 60 else round(seconds / 5) * 5)} ago"
