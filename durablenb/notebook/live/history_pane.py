"""The history pane of the explorer: the events that a step scheduled or consumed are highlighted."""

from __future__ import annotations

from collections.abc import Callable, Collection

from durablenb.analysis.history import event_value
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step
from durablenb.core.requests import subject_name
from durablenb.model.events import Event, OrchestratorStarted
from durablenb.notebook.html import Markup, code, line, markup
from durablenb.notebook.live.interactive import attributes, button, row, scrolled

WINDOW = 60
"""Events per window."""

EventKey = Callable[[Event], str | None]


class HistoryPane:
    """A window of the history.

    Parameters
    ----------
    call_key_of
        Returns the key of an event's call.
    """

    def __init__(self, call_key_of: EventKey) -> None:
        self._call_key = call_key_of
        self._first: int | None = None
        self.chosen: int | None = None
        """The id of the clicked event."""

    def choose(self, event_id: int | None) -> None:
        """Choose the clicked event, or none."""
        self.chosen = event_id

    def turn(self, first: int) -> None:
        """Show the events from this index on, until the step changes."""
        self._first = max(first, 0)

    def follow(self) -> None:
        """Show the events of the current step."""
        self._first = None

    def html(
        self,
        replay: Replay,
        step: Step | None,
        stops: Collection[str],
        trial: Markup,
        *,
        is_hidden: bool,
    ) -> Markup:
        """Return the window as HTML.

        Parameters
        ----------
        replay
            The replays.
        step
            The current step.
        stops
            The breakpoints.
        trial
            What can be changed of the clicked event, shown below it.
        is_hidden
            Whether the outcome of the step is hidden, because the user is asked to predict it.
        """
        events = replay.trace.events
        if not events:
            return markup("<h4>History</h4><p>No events.</p>")
        base, hits = events[0].event_id, () if step is None or is_hidden else (*step.requests, *step.answers)
        known = len(events) if step is None else replay.events_at(step)
        if step is not None and is_hidden:  # what the code finds there, and nothing that it will write
            known = replay.events_before(step)
            events = events[:known]
        around = (step.answers or step.requests)[:1] if step is not None and not is_hidden else ()
        centre = around[0] - base if around else known - 1
        last_first = max(len(events) - WINDOW, 0)
        first = min(max(centre - WINDOW // 2, 0) if self._first is None else self._first, last_first)
        rows = [
            self._row(
                event,
                event.event_id in hits,
                index >= known,
                f"event {event.event_id}" in stops,
                index == centre,
            )
            + (_below(trial) if event.event_id == self.chosen else "")
            for index, event in enumerate(events[first : first + WINDOW], first)
        ]
        return markup(
            "<h4>History</h4>",
            scrolled("history", markup("<table>", *rows, "</table>"), kind="dnb-events"),
            _pages(first, len(events)),
        )

    def _row(self, event: Event, is_hit: bool, is_later: bool, is_stop: bool, is_here: bool) -> Markup:
        kind, number = type(event).__name__, event.event_id
        classes = ["dnb-hit"] * is_hit + ["dnb-later"] * is_later + ["dnb-chosen"] * (number == self.chosen)
        classes += ["dnb-begin"] * isinstance(event, OrchestratorStarted)
        named = attributes(
            data_do="event",
            data_id=number,
            data_key=self._call_key(event) or f"event {number}",
            data_stop=f"event {number}",
            aria_label=_label(event, is_hit, is_later, is_stop),
        )
        value = event_value(event)
        look = attributes(**{"class": " ".join(classes)}) if classes else ""
        return markup(
            f"<tr{look}{' data-here' if is_here else ''}><td>",
            "<i class='dnb-stop' title='breakpoint'></i>" if is_stop else "",
            f"{number:,}</td><td><button type='button' class='dnb-link'{named}>{kind}</button> ",
            line(_about(event), 40),
            "</td><td>",
            code(value, 40) if value else "",
            "</td></tr>",
        )


def _below(trial: Markup) -> str:
    return markup('<tr class="dnb-trial"><td colspan="3">', trial, "</td></tr>") if trial else ""


def _about(event: Event) -> str:
    task = getattr(event, "task_id", None)
    return " ".join(part for part in (subject_name(event), "" if task is None else f"#{task}") if part)


def _label(event: Event, is_hit: bool, is_later: bool, is_stop: bool) -> str:
    words = [f"event {event.event_id:,}, {type(event).__name__} {_about(event)}".strip()]
    words += ["this step's"] * is_hit + ["not there yet"] * is_later + ["breakpoint"] * is_stop
    return ", ".join(words)


def _pages(first: int, total: int) -> Markup:
    if total <= WINDOW:
        return Markup("")
    back = button("Earlier", "turn", first=max(first - WINDOW, 0)) if first else Markup("")
    on = button("Later", "turn", first=first + WINDOW) if first + WINDOW < total else Markup("")
    return row(back, f"{first + 1:,} to {min(first + WINDOW, total):,} of {total:,}", on)
