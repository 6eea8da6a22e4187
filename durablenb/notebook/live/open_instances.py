"""The open instances on a page of a hub's list: what each does now, in a few words."""

from __future__ import annotations

import time
from datetime import datetime

from durablenb.analysis.instances import LastEvent
from durablenb.analysis.snapshot import InstanceSnapshot, SnapshotBuilder
from durablenb.journal.port import Journal
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.still.waits import wait_text
from durablenb.notebook.words import lasting

_SECONDS = 0.2
"""Seconds that one look may take to read histories; the others follow with the next one."""

_SOLE = ("activity", "queued", "sub-orchestration")


class OpenInstances:
    """Follows the histories of the open instances on a page.

    Parameters
    ----------
    journal
        The journal.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._following: dict[str, _Followed] = {}

    def words(self, events: dict[str, LastEvent]) -> dict[str, str]:
        """Return what each of these instances does now.

        Parameters
        ----------
        events
            The open instances on the page, each with its last event.
        """
        self._following = {key: one for key, one in self._following.items() if key in events}
        until = time.monotonic() + _SECONDS
        now = self._journal.now()
        for instance_id, last in events.items():
            if time.monotonic() > until:
                break
            followed = self._following.setdefault(instance_id, _Followed())
            if followed.seq < last.seq:
                followed.read(self._journal, instance_id)
        return {
            instance_id: now_words(followed.snapshot(self._journal, instance_id, now), now)
            for instance_id, followed in self._following.items()
            if followed.seq
        }


class _Followed:
    """An instance, as far as its history was read."""

    def __init__(self) -> None:
        self.seq = 0
        self._builder = SnapshotBuilder()

    def read(self, journal: Journal, instance_id: str) -> None:
        records = journal.of().records(instance_id, self.seq)
        if records:
            self.seq = records[-1].seq
            self._builder.read(record.event for record in records)

    def snapshot(self, journal: Journal, instance_id: str, now: datetime) -> InstanceSnapshot:
        status = DurableOrchestrationStatus("", instance_id)
        return self._builder.snapshot(status, journal.noted_info(instance_id), now, lambda _: {})


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
        return _and_more(f"{wait_text(wait)} in {due}", more)
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
