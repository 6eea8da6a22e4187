"""The head of an instance's live view with its commands, and its waits with remedies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from durablenb.analysis.conversation import ToolCall
from durablenb.analysis.progress import ProgressSnapshot
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.analysis.waits import Wait
from durablenb.hub.control import Control, MovableClock
from durablenb.model.conversations import APPROVAL
from durablenb.notebook.html import Markup, code, line, markup, table, unbroken
from durablenb.notebook.live.decisions import Decisions
from durablenb.notebook.live.interactive import badge, button, field, keep_button, row
from durablenb.notebook.palette import status_look
from durablenb.notebook.still.conversation import tool_call_line
from durablenb.notebook.still.failure import failure_table
from durablenb.notebook.still.instance import MOST_FORKS, state_rows
from durablenb.notebook.still.progress import sparkline, step_line
from durablenb.notebook.still.running import themed
from durablenb.notebook.still.waits import wait_look, wait_remedy, wait_text
from durablenb.notebook.words import lasting, plural, time_text

_MOST = 20


def head(
    shown: InstanceSnapshot,
    progress: ProgressSnapshot,
    control: Control,
    *,
    can_go_back: bool,
    is_displayed: bool = False,
) -> Markup:
    """Return the status, progress, relatives and commands of an instance, and a virtual clock's controls."""
    status = shown.status
    word = str(status.runtime_status)
    also = () if shown.word == word else (badge(status_look(shown.word)),)
    about = [plural(len(shown.flow.steps), "step"), plural(len(shown.events), "event")]
    about += shown.counts
    parent = status.parent_instance_id
    parts: list[object] = [
        button("Back", "back") if can_go_back else Markup(""),
        badge(status_look(word)),
        *also,
        markup("<b>", line(status.name or ""), "</b>"),
        code(status.instance_id or "", 256),
        ", ".join(about),
    ]
    if parent:
        parts.append(markup("child of ", button(parent, "open", is_link=True, id=parent)))
    if status.imported_from:
        parts.append(line(f"imported from {status.imported_from}", 256))
    if status.forked_from:
        origin = button(status.forked_from, "open", is_link=True, id=status.forked_from)
        parts.append(markup("forked from ", origin, line(f" at event {status.forked_at}")))
    if shown.forks:
        parts.append(_forks(shown.forks))
    failure, clock = status.failure_details, control.clock
    keep = keep_button(is_displayed=is_displayed)
    actions = _actions(word) if status.imported_from is None else [_PURGE]
    return markup(
        row(*(part for part in parts if part)),
        *(row(f"{label}:", words) for label, words in state_rows(shown)),
        _progress(progress),
        row(*(actions if not control.is_read_only else ["from a file that is only read"]), keep),
        clock_row(clock) if shown.waits and clock.can_be_moved and status.imported_from is None else "",
        failure_table(failure) if failure is not None else "",
    )


_MOST_STEPS = 4


def _progress(shown: ProgressSnapshot) -> Markup:
    """Return a line for each open fan-out: its progress, and how many calls ended of late."""
    if shown.is_over:
        return Markup("")
    steps = [step for step in shown.steps if step.is_fan_out and not step.is_over]
    rows = [
        (
            markup("<b>", line(step.name, 60), "</b>"),
            themed(sparkline(step.recent)),
            line(step_line(step)),
        )
        for step in steps[:_MOST_STEPS]
    ]
    if len(steps) > _MOST_STEPS:
        rows.append((line(f"{len(steps) - _MOST_STEPS:,} more"), Markup(""), Markup("")))
    return markup('<div class="dnb-loose">', table((), rows), "</div>") if rows else Markup("")


def _forks(forks: Sequence[str]) -> Markup:
    """Return links to the first few forks of an instance."""
    links = ", ".join(button(fork, "open", is_link=True, id=fork) for fork in forks[:MOST_FORKS])
    more = f" and {len(forks) - MOST_FORKS:,} more" if len(forks) > MOST_FORKS else ""
    return markup("forked as ", links, more)


def clock_row(clock: MovableClock) -> Markup:
    """Return the time of a virtual clock, and its controls."""
    now, due = clock.now(), clock.next_due()
    then = "nothing is due" if due is None else f"next deadline in {lasting(max(due - now, timedelta(0)))}"
    return row(
        f"virtual clock: {time_text(now)[:19]}, {then}",
        button("Next deadline", "jump") if due is not None else "",
        button("Run until idle", "idle") if due is not None else "",
        markup("<form>", field("hours", "advance by hours"), " ", button("Advance", "advance"), "</form>"),
    )


_CANCEL = button("Cancel", "cancel", sure="Really cancel")
_PURGE = button("Purge", "purge", sure="Really purge")


def _actions(word: str) -> list[Markup]:
    if word in ("Running", "Pending"):
        return [
            button("Suspend", "suspend", sure="Really suspend"),
            _CANCEL,
            button("Terminate", "terminate", sure="Really terminate"),
        ]
    if word == "Suspended":
        return [
            button("Resume", "resume", sure="Really resume"),
            _CANCEL,
            button("Terminate", "terminate", sure="Really terminate"),
        ]
    actions = [
        button("Restart", "restart", sure="Really restart"),
        _PURGE,
    ]
    return [button("Rewind", "rewind", sure="Really rewind"), *actions] if word == "Failed" else actions


def waits(
    shown: InstanceSnapshot, calls: Mapping[str, ToolCall], decisions: Decisions, *, is_read_only: bool
) -> str:
    """Return the waits of an instance, most urgent first; unless it is read-only, with what ends each.

    Parameters
    ----------
    shown
        The instance.
    calls
        The calls of tools that wait for an approval or for a result, by the name of the external event.
    decisions
        The forms of those calls.
    is_read_only
        Whether nothing can be done.
    """
    if not shown.waits:
        return ""
    rows = []
    for wait in shown.waits[:_MOST]:
        since = "" if wait.since is None else f"since {wait.since:%H:%M:%S}"
        if wait.since is not None and shown.now is not None:
            since += f", {lasting(max((shown.now - wait.since).total_seconds(), 0.0))}"
        due = "" if wait.due is None else f"until {wait.due:%Y-%m-%d %H:%M:%S}"
        rows.append(
            (
                badge(wait_look(wait)),
                _waited_for(wait, calls),
                markup(unbroken(since), " " if since and due else "", unbroken(due)),
                _remedy(wait, calls, decisions)
                if shown.status.imported_from is None and not is_read_only
                else "",
            )
        )
    more = row(f"{len(shown.waits) - _MOST:,} more") if len(shown.waits) > _MOST else ""
    return markup('<div class="dnb-loose">', table((), rows), "</div>", more)


def _waited_for(wait: Wait, calls: Mapping[str, ToolCall]) -> Markup:
    if wait.name in calls and not wait.is_left:
        what = "approval of" if wait.name.startswith(APPROVAL) else "result of"
        return markup(f"<b>{what}</b> ", code(tool_call_line(calls[wait.name]), 100))
    return markup("<b>", line(wait_text(wait)), "</b>")


def _remedy(wait: Wait, calls: Mapping[str, ToolCall], decisions: Decisions) -> Markup:
    if wait.name in calls and not wait.is_left:
        return decisions.form(wait.name, calls[wait.name])
    if wait.kind == "external event" and not wait.is_left:
        return markup(
            "<form>",
            field("data", f"data for {wait.name}, JSON or text"),
            " ",
            button("Raise", "raise", name=wait.name),
            "</form>",
        )
    if wait.kind == "sub-orchestration" and wait.detail:
        return button(f"open {wait.detail}", "open", is_link=True, id=wait.detail)
    if wait.kind == "resuming":
        return Markup("")  # the reason is in the head
    return markup(wait_remedy(wait), " ", line(wait.detail.partition("\n")[0], 600))
