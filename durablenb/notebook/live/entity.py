"""The live view of an entity: its state over its operations, its queue, and the operations as a table."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from difflib import unified_diff
from typing import TYPE_CHECKING, Any

import traitlets

from durablenb.analysis.entities import EntitySnapshot
from durablenb.analysis.text import quoted
from durablenb.analysis.value_text import failure_line, value_text
from durablenb.hub.entity import EntityHandle
from durablenb.model.failures import FailureDetails
from durablenb.notebook.html import Markup, block, code, line, markup, table, unbroken
from durablenb.notebook.live.interactive import badge, button, field, figure, mark, row, typed_value
from durablenb.notebook.live.query_table import Ask, QueryTable, Row
from durablenb.notebook.live.static_fallback import still_bundle
from durablenb.notebook.live.widget import LiveView
from durablenb.notebook.palette import status_look
from durablenb.notebook.still.entity import queue_fold
from durablenb.notebook.still.entity_picture import entity_svg
from durablenb.notebook.still.failure import failure_table
from durablenb.notebook.words import lasting, plural, time_text

if TYPE_CHECKING:
    import pandas

    from durablenb.analysis.sql import Relation

TICK = 1.0
"""Seconds after which the view is redrawn even if nothing was written."""

_OPERATIONS = """
select seq, operation, status, sent_by, is_signal, queued, due, started, ended, input, result, failure,
       state_before, state_after, place
from (  -- places are by the end, as in the picture; what is pending has none
    select *, if(ended is null, null, row_number() over (order by ended_seq nulls last)) as place
    from entity_operations
    where instance_id = {id}
)
where true
""".strip()
_SEARCHED = ("operation", "status", "sent_by", "input", "result", "failure")
_HEADER = (
    "no.",
    "operation",
    "input",
    "caller",
    "queued (UTC)",
    "status",
    "took",
    "result",
    "state after it",
)


class OperationsTable(QueryTable):
    """The operations of an entity as a table, newest first."""

    def __init__(self, instance_id: str, ask: Ask) -> None:
        query = _OPERATIONS.replace("{id}", quoted(instance_id))
        super().__init__(ask, query, "seq desc", _SEARCHED, "operation")

    def operations(self) -> Markup:
        """Return a page of operations."""
        return self.html(_HEADER, _row)

    def one(self, seq: int) -> Row | None:
        """Return the row of an operation."""
        rows = self._ask(f"select * from ({self._query}) where seq = {seq}").fetchall()
        return rows[0] if rows else None


def _row(values: Row) -> Sequence[object]:
    seq, name, status, sent_by, _, queued, _, started, ended, given, result, failure, _, after, place = values
    return (
        "" if place is None else f"{place:,}",
        mark(name, f"operation {seq}"),
        _value(given),
        unbroken("a client") if sent_by is None else line(sent_by, 60),
        unbroken(time_text(queued)),
        status,
        unbroken(lasting(ended - started)) if ended is not None and started is not None else "",
        line(_failure(failure), 80) if failure else _value(result),
        _value(after),
    )


def _value(text: str | None) -> Markup:
    return Markup("") if text in (None, "null") else code(value_text(text), 60)


def _failure(text: str) -> str:
    """Return the root cause of an operation's failure, in a line."""
    return failure_line(FailureDetails.from_json(json.loads(text)))


class LiveEntity(LiveView):
    """The live view of an entity, which `entity.watch()` returns.

    Parameters
    ----------
    entity
        The entity, of an open hub, a file or a remote hub.
    traits
        Keyword arguments of `ipywidgets.Widget`.
    """

    REGIONS = ("head", "picture", "queue", "operations", "detail")
    SHARES = ("svg", "png", "html", "markdown", "query")

    head = traitlets.Bytes().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)
    queue = traitlets.Bytes().tag(sync=True)
    operations = traitlets.Bytes().tag(sync=True)
    detail = traitlets.Bytes().tag(sync=True)

    def __init__(self, entity: EntityHandle, **traits: Any) -> None:
        self._entity = entity
        self._journal = entity._hub._journal
        self._id = str(entity.entity_id)
        self._seen = (-1, -1)
        self._shown: EntitySnapshot
        self._pane = OperationsTable(self._id, self._ask)
        super().__init__(afterwards=self._journal.after_kernel, **traits)

    @property
    def sql(self) -> str:
        """The query for the operations that are shown."""
        return self._pane.sql

    def df(self) -> pandas.DataFrame:
        """Return those operations as a data frame."""
        return self._ask(self.sql).df()

    def shared(self, form: str) -> EntityHandle:
        """Return the entity, which is saved or copied."""
        return self._entity

    def shared_name(self) -> str:
        """Return the entity's name and key, for the name of a file."""
        return self._id

    def _ask(self, sql: str) -> Relation:
        return self._entity._hub._relation(sql, self._id)

    def draw(self, is_stale: bool) -> Mapping[str, str]:
        """Return the HTML of the regions that have changed."""
        self._journal.follow(self._id)
        seen = self._journal.version(self._id)
        is_new, self._seen = seen != self._seen, seen
        self.has_news |= is_new
        is_due = time.monotonic() - self._drawn_at >= TICK
        regions = self._pictures() if is_new or is_due else {}
        if is_new or is_stale:
            head = _head(self._shown, is_read_only=self._entity._hub._control.is_read_only)
            regions |= {"head": head, "operations": self._pane.operations(), "detail": self._detail()}
        return regions

    def _pictures(self) -> dict[str, str]:
        self._drawn_at = time.monotonic()
        shown = self._shown = self._entity._view()
        drawn = entity_svg(shown, self._width)
        self.label = drawn[1]
        self.place = f"entities/{shown.entity_id.name.lower()}/{shown.entity_id.key}"
        return {
            "picture": figure(drawn),
            "queue": queue_fold(shown) if shown.locks or shown.waiting else "",
        }

    def trouble(self) -> str:
        """Return what keeps the view from being up to date, in a line; empty if nothing does."""
        return self._journal.trouble(self._id)

    def still(self) -> dict[str, str]:
        """Return the still picture of the entity, by MIME type."""
        return still_bundle(self._entity._view())

    def _detail(self) -> str:
        kind, _, seq = self.selected.partition(" ")
        values = self._pane.one(int(seq)) if kind == "operation" and seq.isdecimal() else None
        return "" if values is None else operation_detail(values)

    def do_set(self, name: str = "", value: str = "", **_: Any) -> None:
        """Apply the filter."""
        if name == "filter":
            self._pane.set_filter(str(value))

    def do_turn(self, first: Any = 0, **_: Any) -> None:
        """Show another page of operations."""
        self._pane.turn(first)

    def do_signal(self, fields: Any = None, **_: Any) -> None:
        """Signal the entity; the input is JSON, or else text."""
        given = fields or {}
        self._entity.signal(str(given.get("operation", "")), typed_value(given.get("input", "")))
        self._journal.refresh(self._id)


def _head(shown: EntitySnapshot, *, is_read_only: bool) -> Markup:
    about = [plural(shown.operations, "operation")]
    if shown.failures:
        about.append(f"{shown.failures:,} failed")
    form = markup(
        "<form>",
        field("operation", "operation"),
        field("input", "input: JSON or text"),
        button("Signal", "signal"),
        "</form>",
    )
    name = markup("<b>", line(shown.entity_id.name.lower()), "</b>")
    where = code(shown.entity_id.key, 256)
    signal = row("from a file that is only read") if is_read_only else row(form)
    return markup(row(badge(status_look(shown.word)), name, where, ", ".join(about)), signal)


def operation_detail(values: Row) -> Markup:
    """Return the details of an operation, with the changes that it made to the state."""
    _, name, status, sent_by, is_signal, queued, *times, given, result, failure, before, after, place = values
    rows: list[Sequence[object]] = [
        ("caller", "a client" if sent_by is None else code(sent_by, 256)),
        ("queued (UTC)", time_text(queued)),
    ]
    for label, when in zip(("not before (UTC)", "begun (UTC)", "done (UTC)"), times, strict=True):
        if when is not None:
            rows.append((label, time_text(when)))
    for label, value in (("input", given), ("result", result)):
        if value not in (None, "null"):
            rows.append((label, block(_indented(value))))
    failed_with = failure_table(FailureDetails.from_json(json.loads(failure))) if failure else ""
    changes = list(_changes(before, after))
    if changes:
        rows.append(("state", block("\n".join(changes))))
    elif place is not None:  # it has ended
        rows.append(("state", "as before"))
    kind = "signal" if is_signal else "call"
    heading = row(
        markup("<b>", line(name), "</b>"),
        kind,
        "" if place is None else f"no. {place:,}",
        markup("<b>", line(status), "</b>"),
    )
    return markup('<div class="dnb-detail">', heading, failed_with, table((), rows), "</div>")


def _changes(before: Any, after: Any) -> list[str]:
    """Return the changed lines of a state, as a diff with ``-`` and ``+``."""
    then, now = (_indented(state).splitlines() if state is not None else [] for state in (before, after))
    lines = list(unified_diff(then, now, n=2, lineterm=""))[2:]
    return [line for line in lines if not line.startswith("@@")]


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    except ValueError:
        return text
