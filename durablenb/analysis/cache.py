"""Remembered results of activities, and why a call ran although others had run before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import duckdb

from durablenb.analysis.text import shortened
from durablenb.model.caching import CachedCall, CachedFrom, CacheKey, cached_from

WhyReason = Literal[
    "from cache",
    "first",
    "differs",
    "expired",
    "refreshed",
    "failed before",
    "same time",
    "canceled",
    "unknown",
]
"""The reasons why a call ran or didn't run."""

_RESULTS = """
select name, instance_id, execution_id, task_id, remembered, hits from cached_results order by seq
"""
_HAS_CALLS = "select 1 from duckdb_tables() where table_name = 'cached_calls'"
"""A file that was last written before results were remembered has no such table."""

_CALL = """
select s.execution_id, s.name, e.event_type, try_cast(e.attributes as json) ->> 'cached_from'
from journal s left join journal e
    on e.execution_id = s.execution_id and e.task_id = s.task_id and e.seq > s.seq
    and e.event_type in ('TaskCompleted', 'TaskFailed', 'TaskCanceled')
where s.instance_id = ? and s.task_id = ? and s.event_type = 'TaskScheduled'
order by s.seq desc, e.seq desc limit 1
"""
_COLUMNS = ", ".join(CachedCall._fields)
_OWN = f"select {_COLUMNS} from cached_calls where execution_id = ? and task_id = ? order by seq desc limit 1"

# Of each state of the code the last call, and the last one with the same input.
_FORMER = f"""
select {_COLUMNS} from cached_calls
where lower(name) = lower($name) and (seq < $seq or result is not null)
qualify row_number() over (partition by code, input = $input order by timestamp desc) = 1
order by timestamp desc
"""
_PARTS = "select code, part, digest from code_parts where list_contains(?, code)"
_INPUT = """
select payload from journal
where execution_id = ? and task_id = ? and event_type = 'TaskScheduled' order by seq desc limit 1
"""
_SHOWN = 60
_NOWHERE = 1 << 62


class CacheEntry(NamedTuple):
    """A remembered result.

    Parameters
    ----------
    name
        The activity's name.
    instance_id, execution_id, task_id
        The call that the result is of. The result outlives it.
    remembered
        The time at which it was stored.
    hits
        The number of calls that got it, without those that were purged.
    """

    name: str
    instance_id: str
    execution_id: str
    task_id: int
    remembered: datetime
    hits: int


class Difference(NamedTuple):
    """A part in which the keys of two calls differ, with its two values if they can be shown."""

    part: str
    then: str = ""
    now: str = ""

    def __str__(self) -> str:
        return f"{self.part} ({self.then} then, {self.now} now)" if self.then or self.now else self.part


@dataclass(frozen=True)
class Why:
    """The reason why a call of an activity ran or didn't run; `Handle.why` returns it.

    Parameters
    ----------
    task_id, name
        The call.
    reason
        A word for it: ``"from cache"`` if it didn't run.
    nearest
        The former call with the fewest differences, which is compared. For a call from the cache, the call
        whose result it got. None if there is none.
    differences
        The parts of the keys that differ.
    text
        A sentence for people.
    """

    task_id: int
    name: str
    reason: WhyReason
    nearest: CachedFrom | None
    differences: tuple[Difference, ...]
    text: str

    @property
    def has_run(self) -> bool:
        """False if the call got a remembered result."""
        return self.reason != "from cache"

    def __repr__(self) -> str:
        return self.text


def read_entries(connection: duckdb.DuckDBPyConnection) -> list[CacheEntry]:
    """Return the remembered results, oldest first."""
    if not connection.execute(_HAS_CALLS).fetchall():
        return []
    entries = map(CacheEntry._make, connection.execute(_RESULTS).fetchall())
    return [entry._replace(remembered=entry.remembered.replace(tzinfo=UTC)) for entry in entries]


def why(
    connection: duckdb.DuckDBPyConnection, instance_id: str, task_id: int, running: CacheKey | None = None
) -> Why:
    """Return why a call ran.

    Parameters
    ----------
    connection
        The journal.
    instance_id, task_id
        The call; in the last execution that has a call of that number.
    running
        The key of a call that runs now.

    Raises
    ------
    ValueError
        If there is no such call.
    """
    rows = connection.execute(_CALL, [instance_id, task_id]).fetchall()
    if not rows:
        raise ValueError(
            f"{instance_id} has no call #{task_id} of an activity. handle.history() shows which there are."
        )
    return _Question(connection, task_id, *rows[0]).answer(running)


class _Question(NamedTuple):
    """A call for which the reason of its run is requested."""

    connection: duckdb.DuckDBPyConnection
    task_id: int
    execution_id: str
    name: str
    outcome: str | None
    cached_from: str | None

    def answer(self, running: CacheKey | None) -> Why:
        if self.cached_from is not None:
            origin = cached_from(self.cached_from)
            text = f"didn't run: its result is that of #{origin.task_id} of {origin.instance_id}."
            return self._why("from cache", text, origin)
        if self.outcome == "TaskCanceled":
            return self._why("canceled", "was cancelled by the orchestrator, so it has no result.")
        own, parts = self._own(running)
        if own is None and self.outcome is None:
            return self._why(
                "unknown", "hasn't begun. It may wait for a place, or for an equal call that runs."
            )
        if own is None:
            return self._why(
                "unknown",
                "ran, and its key isn't known. Its activity isn't cached, its key couldn't be computed (the "
                "log has a warning then), or the cache was cleared.",
            )
        former = self._nearest(own, parts)
        if former is None:
            return self._why("first", f"ran: the cache knows no former call of {self.name}.")
        return self._compared(own, *former)

    def _compared(self, own: CachedCall, other: CachedCall, differences: Sequence[Difference]) -> Why:
        origin = CachedFrom(other.instance_id, other.execution_id, other.task_id)
        which = f"#{other.task_id} of {other.instance_id}, at {other.timestamp:%Y-%m-%d %H:%M:%S} UTC"
        if differences:
            text = f"ran: the nearest former call ({which}) differs in {'; '.join(map(str, differences))}."
            return self._why("differs", text, origin, differences)
        if own.reason == "expired":
            return self._why("expired", f"ran: the result of an equal call ({which}) had expired.", origin)
        if own.reason == "refreshed":
            text = f"ran: the policy's refresh wanted another result than that of an equal call ({which})."
            return self._why("refreshed", text, origin)
        if not other.is_completed:
            text = f"ran: an equal call ({which}) failed, and failures aren't remembered."
            return self._why("failed before", text, origin)
        text = f"ran at the same time as an equal call ({which}), or that one's result couldn't be read."
        return self._why("same time", text, origin)

    def _why(
        self,
        reason: WhyReason,
        text: str,
        nearest: CachedFrom | None = None,
        differences: Sequence[Difference] = (),
    ) -> Why:
        whole = f"#{self.task_id} {self.name} {text}"
        return Why(self.task_id, self.name, reason, nearest, tuple(differences), whole)

    def _own(self, running: CacheKey | None) -> tuple[CachedCall | None, Mapping[str, str]]:
        rows = self._ask(_OWN, [self.execution_id, self.task_id]) if self._ask(_HAS_CALLS, []) else []
        if rows:
            own = CachedCall(*rows[0])
            return own, self._parts([own.code]).get(own.code, {})
        if running is None or self.outcome is not None:
            return None, {}
        now = datetime.now(UTC)
        own = CachedCall(
            _NOWHERE, running.digest, self.name, "", self.execution_id, self.task_id, now, running.input,
            running.code, is_completed=False,
        )  # fmt: skip
        return own, running.parts

    def _nearest(
        self, own: CachedCall, parts: Mapping[str, str]
    ) -> tuple[CachedCall, Sequence[Difference]] | None:
        """Return the former call with the fewest differences, the last one of several."""
        rows = self._ask(_FORMER, {"name": self.name, "seq": own.seq, "input": own.input})
        calls = [CachedCall(*row) for row in rows]
        if not calls:
            return None
        known = self._parts([call.code for call in calls])
        differing = [
            (call, _differing(known.get(call.code, {}), parts, call.code != own.code)) for call in calls
        ]
        call, differences = min(differing, key=lambda pair: len(pair[1]) + (pair[0].input != own.input))
        if call.input != own.input:
            differences = [self._input_difference(call), *differences]
        return call, differences

    def _input_difference(self, other: CachedCall) -> Difference:
        then, now = (
            self._ask(_INPUT, [execution_id, task_id])
            for execution_id, task_id in (
                (other.execution_id, other.task_id),
                (self.execution_id, self.task_id),
            )
        )
        if not then or not now:  # it was purged
            return Difference("the input")
        return Difference("the input", shortened(then[0][0], _SHOWN), shortened(now[0][0], _SHOWN))

    def _parts(self, codes: Sequence[str]) -> dict[str, dict[str, str]]:
        known: dict[str, dict[str, str]] = {}
        for code, part, digest in self._ask(_PARTS, [list(codes)]):
            known.setdefault(code, {})[part] = digest
        return known

    def _ask(self, sql: str, parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, parameters).fetchall()


def _differing(then: Mapping[str, str], now: Mapping[str, str], is_other: bool) -> list[Difference]:
    names = [*now, *(part for part in then if part not in now)]
    found = [
        Difference(part, *(_shown(parts, part) for parts in (then, now)))
        for part in names
        if then.get(part) != now.get(part)
    ]
    both = [one if one.then and one.now else one._replace(then="", now="") for one in found]
    return both or ([Difference("the code")] if is_other else [])


def _shown(parts: Mapping[str, str], part: str) -> str:
    """Return what a part was, if that can be shown."""
    text = parts.get(part)
    if text is None:
        return "absent"
    if text.startswith("="):
        return text[1:]
    return text if part in ("version", "Python") else ""
