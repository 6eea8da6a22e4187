"""The card of an instance: pictures, outputs, input and result, timings, log."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape

from durablenb.analysis.conversation import read_conversation
from durablenb.analysis.instance_card import InstanceCard
from durablenb.analysis.outputs import Outputs
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.html import (
    Markup,
    badge,
    card,
    code,
    fold,
    heading,
    line,
    markup,
    responsive_picture,
    table,
    wide_picture,
)
from durablenb.notebook.palette import status_look
from durablenb.notebook.still.conversation import conversation_html
from durablenb.notebook.still.failure import failure_table, traceback_fold
from durablenb.notebook.still.graph import graph_svg
from durablenb.notebook.still.history import log_table
from durablenb.notebook.still.instance import origin_words, picture_text, steps_table, value_rows
from durablenb.notebook.still.outputs import outputs_html
from durablenb.notebook.still.timeline import timeline_svg
from durablenb.notebook.still.waits import waits_table
from durablenb.notebook.words import plural, time_text

_LINES = 200


def instance_card(shown: InstanceCard) -> str:
    """Return the card of an instance."""
    log = shown.log[-_LINES:]
    title = f"Log: {plural(len(shown.log), 'line')}"
    return card(*instance_sections(shown), fold(title, log_table(shown.log, log)) if log else "")


def instance_card_text(shown: InstanceCard) -> str:
    """Return the card as text."""
    return picture_text(shown.snapshot)


def instance_sections(shown: InstanceCard) -> list[Markup]:
    """Return the parts of the card without the log."""
    snapshot, status = shown.snapshot, shown.snapshot.status
    about = [plural(len(snapshot.flow.steps), "step"), plural(len(snapshot.events), "event")]
    about += snapshot.counts + origin_words(snapshot)
    name = markup("<b>", line(status.name or ""), "</b>")
    turns = read_conversation(snapshot.events)
    outputs = snapshot.outputs or Outputs(status.instance_id or "", ())
    return [
        heading(
            badge(status_look(snapshot.word)),
            name,
            code(status.instance_id or "", 256),
            "·",
            ", ".join(about),
        ),
        Markup(failure_table(status.failure_details) if status.failure_details else ""),
        Markup(traceback_fold(status.failure_details)),
        waits_table(snapshot.waits, snapshot.now) if snapshot.waits else Markup(""),
        responsive_picture(partial(graph_svg, snapshot)),
        _section("Conversation", conversation_html(turns)) if turns else Markup(""),
        _section("Outputs", outputs_html(outputs)) if outputs else Markup(""),
        _section("Input and result", _values(shown)),
        _section(
            "Timings",
            markup(
                _times(snapshot),
                wide_picture(partial(timeline_svg, snapshot)),
                steps_table(snapshot),
            ),
        ),
    ]


def _section(title: str, inside: Markup) -> Markup:
    return markup(f"<h3>{escape(title)}</h3>", inside)


def _values(shown: InstanceCard) -> Markup:
    if not shown.has_values:
        return heading("Left out, as are variables, messages, the log and outputs.")
    return table((), value_rows(shown.snapshot.status, "result"))


def _times(snapshot: InstanceSnapshot) -> Markup:
    status = snapshot.status
    rows: list[Sequence[object]] = [("created (UTC)", time_text(status.created_time))]
    if status.created_time is not None and status.last_updated_time is not None:
        is_open = snapshot.now is not None
        rows.append(("last event (UTC)" if is_open else "ended (UTC)", time_text(status.last_updated_time)))
        rows.append(("open for" if is_open else "took", str(snapshot.run_time)))
    if status.scheduled_start_time is not None:
        rows.append(("starts at (UTC)", time_text(status.scheduled_start_time)))
    return table((), rows)
