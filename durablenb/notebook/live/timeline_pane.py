"""The timeline of an instance in a live view, with zoom and filters."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from durablenb.analysis.calls import CALL_STATES, Call
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.html import Markup, line, markup, table
from durablenb.notebook.keys import Target, call_key
from durablenb.notebook.live.interactive import button, choice, field, figure, mark, row
from durablenb.notebook.still.timeline import AREA, timeline_scale, timeline_svg
from durablenb.notebook.words import lasting, time_text

_MOST = 100


class TimelinePane:
    """The timeline with the selected period and the filters of its calls."""

    def __init__(self) -> None:
        self.within: tuple[datetime, datetime] | None = None
        self.name = ""
        self.state = ""
        self.shows_path = False
        self.path: frozenset[tuple[int, int]] = frozenset()

    def set(self, name: str, value: str) -> None:
        """Filter calls by name or by state."""
        if name == "name":
            self.name = value.lower()
        elif name == "state":
            self.state = value

    def zoom(self, shown: InstanceSnapshot, left: Any, right: Any) -> None:
        """Zoom to the time between two positions in the current picture; without them show all."""
        scale = timeline_scale(self._chosen(shown), self.within)
        if left is None or right is None or scale is None:
            self.within = None
            return
        begin, end = scale.moment(float(left)), scale.moment(float(right))
        self.within = (begin, end) if end > begin else None

    def html(self, shown: InstanceSnapshot, selected: Target | None) -> Markup:
        """Return the controls, the picture, and the same as a table."""
        chosen = self._chosen(shown)
        stretch = Markup("")
        if self.within is not None:
            length = lasting(self.within[1] - self.within[0])
            stretch = markup(
                line(f"{length} from {time_text(self.within[0])}"), " ", button("Show all", "zoom")
            )
        states = [("", "all states"), *((state, state) for state in CALL_STATES)]
        controls = row(
            field("name", "filter: part of a name", self.name, sets=True, is_filter=True),
            choice("state", "state", states, self.state),
            button("Hide critical path" if self.shows_path else "Critical path", "path"),
            stretch or "drag in the picture to see a part of it",
        )
        call = None if selected is None else selected.only_call
        drawn = timeline_svg(chosen, self.within, self.path, call)
        if drawn is None:
            words = "No time passed: there is nothing to draw." if chosen.calls else "No calls to show."
            return markup(controls, "<p>", words, "</p>", self._table(chosen) if chosen.calls else "")
        return markup(controls, figure(drawn, AREA), self._table(chosen))

    def _chosen(self, shown: InstanceSnapshot) -> InstanceSnapshot:
        if not (self.name or self.state):
            return shown
        return replace(shown, calls=tuple(call for call in shown.calls if self._passes(call)))

    def _passes(self, call: Call) -> bool:
        return self.name in call.name.lower() and self.state in ("", call.state)

    def _table(self, shown: InstanceSnapshot) -> Markup:
        rows = [
            (
                mark(call.name, call_key(call)),
                call.kind,
                call.state,
                time_text(call.scheduled),
                lasting(call.ended - call.scheduled),
                f"{len(call.attempts):,}",
            )
            for call in shown.calls[:_MOST]
        ]
        more = f", the first {_MOST} of {len(shown.calls):,}" if len(shown.calls) > _MOST else ""
        header = ("what", "kind", "state", "scheduled (UTC)", "in all", "tries")
        return markup(
            f"<details><summary>View as table{more}</summary>",
            markup('<div class="dnb-scroll" data-scroll>', table(header, rows), "</div>"),
            "</details>",
        )
