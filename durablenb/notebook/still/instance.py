"""An instance as pictures, tables and text; its status alone; its graph or its timeline alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from durablenb.analysis.conversation import read_conversation
from durablenb.analysis.outputs import Outputs
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.analysis.text import shortened, table_text
from durablenb.analysis.timeline import timeline_text
from durablenb.model.display import Displayed
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.html import (
    Markup,
    badge,
    block,
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
from durablenb.notebook.palette import LOOKS, status_look
from durablenb.notebook.still.conversation import conversation_html
from durablenb.notebook.still.failure import failure_table, traceback_fold
from durablenb.notebook.still.graph import graph_svg
from durablenb.notebook.still.history import history_table
from durablenb.notebook.still.outputs import outputs_html
from durablenb.notebook.still.timeline import timeline_svg
from durablenb.notebook.still.waits import wait_text, waits_table
from durablenb.notebook.words import lasting, plural, step_text, time_text

MOST_FORKS = 3
"""Maximum forks that are named."""
_STEPS = 40
_OUTPUTS_ROOM = 200_000


def picture_card(shown: InstanceSnapshot) -> str:
    """Return an instance: status, waits, graph, timeline, steps, values, and history."""
    status = shown.status
    about = [plural(len(shown.flow.steps), "step"), plural(len(shown.events), "event")]
    about += shown.counts
    if status.parent_instance_id:
        about.append(f"child of {status.parent_instance_id}")
    about += origin_words(shown)
    word = str(status.runtime_status)
    also = () if shown.word == word else (badge(status_look(shown.word)),)
    name = markup("<b>", line(status.name or ""), "</b>")
    return card(
        heading(
            badge(status_look(word)), *also, name, code(status.instance_id or "", 256), "·", ", ".join(about)
        ),
        *(heading(f"{label}:", words) for label, words in state_rows(shown)),
        failure_table(status.failure_details) if status.failure_details else "",
        waits_table(shown.waits, shown.now) if shown.waits else "",
        responsive_picture(partial(graph_svg, shown)),
        wide_picture(partial(timeline_svg, shown)),
        _conversation(shown),
        _outputs(shown.outputs),
        _steps(shown),
        fold("Input and output", table((), value_rows(status))),
        fold(f"History: {plural(len(shown.events), 'event')}", history_table(shown.events)),
        traceback_fold(status.failure_details),
    )


def state_rows(shown: InstanceSnapshot) -> list[tuple[str, Markup]]:
    """Return the custom status, and why it was ended or suspended, each with its label."""
    status, rows = shown.status, []
    if status.custom_status is not None:
        rows.append(("custom status", line(_one_line(status.custom_status))))
    if str(status.runtime_status) in ("Terminated", "Canceled") and status.output:
        rows.append(("reason", line(status.output)))
    rows += [("reason", line(wait.detail)) for wait in shown.waits if wait.kind == "resuming" and wait.detail]
    return rows


def _one_line(value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)


def origin_words(shown: InstanceSnapshot) -> list[str]:
    """Return the origin of an instance, and its forks, in words."""
    words = []
    if shown.status.imported_from:
        words.append(f"imported from {shown.status.imported_from}")
    if shown.status.forked_from:
        words.append(f"forked from {shown.status.forked_from} at event {shown.status.forked_at}")
    if shown.forks:
        more = f" and {len(shown.forks) - MOST_FORKS:,} more" if len(shown.forks) > MOST_FORKS else ""
        words.append(f"forked as {', '.join(shown.forks[:MOST_FORKS])}{more}")
    return words


def _outputs(outputs: Outputs | None) -> str:
    if not outputs:
        return ""
    return fold(f"Outputs: {len(outputs):,}", outputs_html(outputs, _OUTPUTS_ROOM), is_open=True)


def _conversation(shown: InstanceSnapshot) -> str:
    turns = read_conversation(shown.events)
    if not turns:
        return ""
    return fold(f"Conversation: {plural(len(turns), 'turn')}", conversation_html(turns), is_open=True)


def _steps(shown: InstanceSnapshot) -> str:
    return fold(f"Steps: {len(shown.flow.steps):,}", steps_table(shown)) if shown.flow.steps else ""


def steps_table(shown: InstanceSnapshot) -> Markup:
    """Return the steps of the last execution as a table."""
    rows: list[Sequence[object]] = [
        (
            step.name,
            step.kind,
            f"{len(step.calls):,}",
            step_text(step),
            time_text(min(call.scheduled for call in step.calls)),
            lasting(max(call.ended for call in step.calls) - min(call.scheduled for call in step.calls)),
        )
        for step in shown.flow.steps[:_STEPS]
    ]
    if len(shown.flow.steps) > _STEPS:
        rows.append((f"{len(shown.flow.steps) - _STEPS:,} more", "", "", "", "", ""))
    header = ("step", "kind", "calls", "state", "scheduled (UTC)", "within")
    return table(header, rows)


def value_rows(status: DurableOrchestrationStatus, output: str = "output") -> list[Sequence[object]]:
    """Return the input, the output under this name, the custom status and the tags as rows."""
    rows: list[Sequence[object]] = [("input", _value(status.input_))]
    if status.output is not None and status.failure_details is None:
        rows.append((output, _value(status.output)))
    if status.custom_status is not None:
        rows.append(("custom status", _value(status.custom_status)))
    if status.tags:
        rows.append(("tags", _value(status.tags)))
    return rows


def _value(value: Any) -> Markup:
    if isinstance(value, str):
        return block(value)
    try:
        return block(json.dumps(value, ensure_ascii=False, indent=1))
    except (TypeError, ValueError):
        return block(repr(value))


def status_card(status: DurableOrchestrationStatus) -> str:
    """Return the status of an instance as a table."""
    if not status:
        return card(
            heading(badge(replace(LOOKS["Canceled"], word="Not found")), "no such instance"),
            table((), [("instance", "none")]),
        )
    rows: list[Sequence[object]] = [
        ("created (UTC)", time_text(status.created_time)),
        ("last event (UTC)", time_text(status.last_updated_time)),
    ]
    for label, value in (
        ("starts at (UTC)", time_text(status.scheduled_start_time)),
        ("version", status.version),
        ("child of", status.parent_instance_id),
        ("imported from", status.imported_from),
        ("forked from", status.forked_from and f"{status.forked_from}, at event {status.forked_at}"),
    ):
        if value:
            rows.append((label, value))
    name = markup("<b>", line(status.name or ""), "</b>")
    return card(
        heading(badge(status_look(status.runtime_status)), name, code(status.instance_id or "", 256)),
        failure_table(status.failure_details) if status.failure_details else "",
        table((), [*rows, *value_rows(status)]),
        traceback_fold(status.failure_details),
    )


_TEXT_ROWS = 30


def picture_text(shown: InstanceSnapshot) -> str:
    """Return an instance as text: status, waits, and steps."""
    status = shown.status
    word = str(status.runtime_status)
    also = "" if shown.word == word else f", {shown.word.lower()}"
    lines = [shortened(f"<{status.name} {status.instance_id}: {word}{also}>", 200)]
    lines += [shortened(words, 200) for words in origin_words(shown)]
    if status.custom_status is not None:
        lines.append(shortened(f"custom status: {_one_line(status.custom_status)}", 200))
    lines += [f"waits for {shortened(wait_text(wait), 100)}" for wait in shown.waits[:_TEXT_ROWS]]
    steps = shown.flow.steps
    if steps:
        rows = [(step.name, step.kind, len(step.calls), step_text(step)) for step in steps[:_TEXT_ROWS]]
        lines.append(table_text(("step", "kind", "calls", "state"), rows))
    if len(steps) > _TEXT_ROWS:
        lines.append(f"… {len(steps) - _TEXT_ROWS:,} steps more")
    return "\n".join(lines)


Which = Literal["graph", "timeline"]


class SinglePicture(Displayed):
    """The graph of an instance, or its timeline, for display alone.

    Parameters
    ----------
    shown
        The instance.
    which
        Which picture to show.
    """

    def __init__(self, shown: InstanceSnapshot, which: Which) -> None:
        self.shown = shown
        self.which: Which = which

    def __repr__(self) -> str:
        return f"<{self.which} of {self.shown.status.instance_id}>"


def single_picture_card(single: SinglePicture) -> str:
    """Return the picture under the name of the instance."""
    shown = single.shown
    is_graph = single.which == "graph"
    name = markup("<b>", line(shown.status.name or ""), "</b>")
    head = heading(badge(status_look(shown.word)), name, code(shown.status.instance_id or "", 256))
    if is_graph:
        return card(head, responsive_picture(partial(graph_svg, shown)))
    return card(
        head,
        wide_picture(partial(timeline_svg, shown)) or heading("No time has passed yet."),
    )


def single_picture_text(single: SinglePicture) -> str:
    """Return a graph's steps as text, or a timeline's bars, which vary from run to run."""
    if single.which == "graph":
        return picture_text(single.shown)
    return f"{single!r}\n{timeline_text(single.shown.events)}"
