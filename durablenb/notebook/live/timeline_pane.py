"""The timeline of an instance in a live view: filters, a place for the browser's drawing, and a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from durablenb.analysis.calls import CALL_STATES, Call
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.model.runtime import RunningCall
from durablenb.notebook.html import Markup, markup, table
from durablenb.notebook.keys import call_key
from durablenb.notebook.live.interactive import attributes, button, choice, field, mark, row
from durablenb.notebook.live.timeline_feed import TimelineFeed
from durablenb.notebook.words import lasting, time_text

_MOST = 100


class TimelinePane:
    """The timeline with the filters of its calls. The browser zooms and draws it, from the rows of a feed."""

    def __init__(self) -> None:
        self.name = ""
        self.state = ""
        self.shows_path = False
        self.path: frozenset[tuple[int, int]] = frozenset()
        self._feed = TimelineFeed()
        self._is_wanted = False

    def set(self, name: str, value: str) -> None:
        """Filter calls by name or by state."""
        if name == "name":
            self.name = value.lower()
        elif name == "state":
            self.state = value

    def mark_path(self, path: frozenset[tuple[int, int]] | None) -> None:
        """Mark the calls of the critical path; None for no mark."""
        self.shows_path, self.path = path is not None, path or frozenset()

    def want(self, feed: object) -> None:
        """Send all rows with the next news: a page has none, or has missed some."""
        if feed == self._feed.id:
            self._feed.restart()
            self._is_wanted = True

    def news(self, shown: InstanceSnapshot, running: Iterable[tuple[int, RunningCall]]) -> dict[str, Any]:
        """Return the rows that a page hasn't got yet; empty if there are none or no page wants them."""
        return self._feed.news(shown, running, self.path) if self._is_wanted else {}

    def html(self, shown: InstanceSnapshot) -> Markup:
        """Return the controls, the place of the drawing, and the same as a table."""
        is_filtered = bool(self.name or self.state)
        chosen = [call for call in shown.calls if self._passes(call)] if is_filtered else shown.calls
        states = [("", "all states"), *((state, state) for state in CALL_STATES if state != "interrupted")]
        controls = row(
            field("name", "filter: part of a name", self.name, sets=True, is_filter=True),
            choice("state", "state", states, self.state),
            button("Hide critical path" if self.shows_path else "Critical path", "path"),
        )
        if not shown.calls:
            return markup(controls, "<p>No calls yet.</p>")
        place = attributes(data_timeline=self._feed.id, data_name=self.name, data_state=self.state)
        return markup(controls, f"<div{place}></div>", self._table(chosen))

    def _passes(self, call: Call) -> bool:
        return self.name in call.name.lower() and self.state in ("", call.state)

    def _table(self, calls: Sequence[Call]) -> Markup:
        rows = [
            (
                mark(call.name, call_key(call)),
                call.kind,
                call.state,
                time_text(call.scheduled),
                lasting(call.ended - call.scheduled),
                f"{len(call.attempts):,}",
            )
            for call in calls[:_MOST]
        ]
        more = f", the first {_MOST} of {len(calls):,}" if len(calls) > _MOST else ""
        header = ("what", "kind", "state", "scheduled (UTC)", "in all", "tries")
        return markup(
            f"<details><summary>View as table{more}</summary>",
            markup('<div class="dnb-scroll" data-scroll>', table(header, rows), "</div>"),
            "</details>",
        )
