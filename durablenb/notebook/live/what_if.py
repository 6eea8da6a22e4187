"""The what-if panel of the explorer: copies of the history with changes."""

from __future__ import annotations

import json
from typing import Any

from durablenb.analysis.replays.replay import Replay
from durablenb.core.requests import describe_event
from durablenb.model.events import Arrival, Event
from durablenb.notebook.html import Markup, line, markup
from durablenb.notebook.live.interactive import button, field, row
from durablenb.notebook.words import plural


class WhatIf:
    """The recorded replays of an instance, and a stack of changed copies."""

    def __init__(self, original: Replay) -> None:
        self._copies: list[Replay] = []
        self._handle: Any = None
        self.original = original

    def refresh(self, original: Replay) -> None:
        """Take the replays of a longer history."""
        self.original = original

    @property
    def shown(self) -> Replay:
        """The newest copy, or the original."""
        return self._copies[-1] if self._copies else self.original

    @property
    def is_copy(self) -> bool:
        """True if a copy is shown."""
        return bool(self._copies)

    def try_(self, what: str, event_id: int, text: str) -> None:
        """Make a changed copy: ``without``, ``twice``, ``later``, ``edited`` or ``until`` an event."""
        shown = self.shown
        if what == "edited":
            event = shown.event(event_id)
            self._copies.append(shown.edited(event_id, **{_edited_field(event): _value(text)}))
        elif what == "later":
            self._copies.append(shown.swapped(event_id, event_id + 1))
        elif what in ("without", "twice", "until"):
            self._copies.append(getattr(shown, what)(event_id))

    def go_on(self) -> str:
        """Resume the copy in a hub of its own; return its status as a sentence."""
        handle = self.shown.resumed()
        try:
            handle.wait(timeout=10)
        finally:
            again = handle.replay()
            again.changes = (*self.shown.changes, "resumed in a hub of its own")
            self._handle = handle
            self._copies.append(again)
        return f"The copy was resumed: {handle.status().runtime_status}."

    def undo(self) -> None:
        """Undo the last change."""
        if self._copies:
            self._copies.pop()

    def reset(self) -> None:
        """Return to the original."""
        self._copies.clear()

    def html(self, chosen: int | None) -> Markup:
        """Return the controls that change an event; empty if none is chosen.

        Parameters
        ----------
        chosen
            The id of the clicked event.
        """
        event = None if chosen is None else self.shown.event(chosen)
        if event is None:
            return Markup("")
        actions = [
            button("Drop", "try", id="without"),
            button("Duplicate", "try", id="twice"),
            button("Swap with next", "try", id="later"),
            button("Crash here", "try", id="until"),
            button("Breakpoint", "stop", place=f"event {event.event_id}"),
        ]
        what = _edited_field(event)
        value = field("value", f"another {what}, JSON or text")
        edit = markup("<form>", value, button(f"Another {what}", "try", id="edited"), "</form>")
        named = markup(
            "What if, in a copy: <b>event ",
            line(f"{event.event_id:,}"),
            "</b> ",
            line(describe_event(event), 80),
        )
        return markup(row(named), row(*actions), row(edit) if _has_value(event) else "")

    def bar(self) -> Markup:
        """Return the changes of the copy, with undo and reset; empty if the original is shown."""
        if not self.is_copy:
            return Markup("")
        changes = self.shown.changes
        return markup(
            '<div class="dnb-copy">',
            row(
                markup(
                    "<b>This is a copy with ",
                    line(plural(len(changes), "change")),
                    "; the journal is as it was.</b>",
                ),
                button("Undo", "undo"),
                button("Reset", "reset"),
                button("Resume the copy", "run", sure="Really run what is missing"),
            ),
            "<p>",
            line("; ".join(changes), 600),
            ".</p></div>",
        )


def _has_value(event: Event) -> bool:
    return isinstance(event, Arrival) or hasattr(event, "input")


def _edited_field(event: Event | None) -> str:
    return "input" if event is not None and hasattr(event, "input") else "result"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
