"""The code of an instance as a tab of its live view: for each await its count, its time and its status."""

from __future__ import annotations

import time
from collections.abc import Iterable
from textwrap import dedent

from durablenb.analysis.calls import Call
from durablenb.analysis.graph import GraphStep
from durablenb.analysis.replays.code_lines import CodeLine, CodeLines
from durablenb.analysis.replays.explorer import LineMark
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.hub.instance import Handle
from durablenb.model.errors import DurableError
from durablenb.model.source import Source
from durablenb.notebook.code_colours import coloured_lines
from durablenb.notebook.html import Markup, block, code, line, markup
from durablenb.notebook.keys import Target, call_key, step_key
from durablenb.notebook.live.explorer_model import ExplorerModel
from durablenb.notebook.live.interactive import attributes, row
from durablenb.notebook.still.storyboard import step_glyph
from durablenb.notebook.words import lasting, plural

_REST = 10
"""How many times as long as a replay the pause after it is. So replays take at most a tenth of the time."""


class CodeTab:
    """The code of the newest execution, with what happened at its awaits.

    Parameters
    ----------
    handle
        The instance.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._model: ExplorerModel | None = None
        self._lines: CodeLines | None = None
        self._due = 0.0

    def html(self, shown: InstanceSnapshot) -> Markup:
        """Return the code with its counts; if it isn't registered, the text that the execution began with."""
        try:
            model = self._read(is_over=not shown.waits)
        except DurableError as error:  # the other tabs may still be drawn
            return markup("<p>", line(str(error).partition("\n")[0], 600), "</p>")
        replay = None if model.what_if is None else model.what_if.original
        if replay is None:
            why = str(model.missing or "The code has not run yet.")
            return markup("<p>", line(why, 600), "</p>", block(model.began_with or "", 20_000))
        now = shown.now or self._handle.hub._journal.now(self._handle.id)
        self._lines = CodeLines(replay.trace, now)
        head = [f"{plural(len(replay), 'episode')}, {plural(len(replay.trace.awaits), 'await')}"]
        if len(model.executions) > 1:
            head.append(f"execution {model.number:,} of {len(model.executions):,}")
        walk = markup("walk through it: ", code("handle.explore()"))
        return markup(row(", ".join(head), walk), _misfit(replay), self._table(replay.source))

    def key_at(self, number: int, shown: InstanceSnapshot) -> str:
        """Return the key of the newest step whose calls a line made or awaited; empty if there is none."""
        if self._lines is None or number not in self._lines.lines:
            return ""
        tasks = set(self._lines.lines[number].tasks)
        for step in reversed(shown.flow.steps):
            calls = [call for call in step.calls if self._is_shown(call) and call.number in tasks]
            if calls:
                return call_key(calls[0]) if len(calls) == 1 else step_key(step)
        return ""

    def marks(self, target: Target | None) -> list[str]:
        """Return the keys of the lines that made or awaited the calls of a selection."""
        if target is None or target.of or self._lines is None:
            return []
        calls = _step_calls(target.step) if target.call is None else [target.call]
        lines = {
            number for call in calls if self._is_shown(call) for number in self._lines.of_task(call.number)
        }
        return [f"line {number}" for number in sorted(lines)]

    # -- inside ----------------------------------------------------------------------------------

    def _read(self, *, is_over: bool) -> ExplorerModel:
        """Replay what is new, except during the pause after a replay; at the end there is none."""
        if self._model is None:
            self._model = ExplorerModel(self._handle)
        began = time.monotonic()
        if is_over or began >= self._due:
            self._model.read()
            self._due = time.monotonic() + _REST * (time.monotonic() - began)
        return self._model

    def _is_shown(self, call: Call) -> bool:
        return self._model is not None and call.execution == self._model.number

    def _table(self, source: Source | None) -> Markup:
        if source is None:
            return Markup("<p>The source isn't at hand: no file and no cell has it.</p>")
        assert self._lines is not None
        texts = enumerate(coloured_lines(dedent(source.text)), source.first_line)
        return markup(
            '<div class="dnb-scroll dnb-code dnb-counts" data-scroll><table><thead><tr><th>line</th>',
            '<th><span class="dnb-said">status</span></th><th>awaits</th><th>waited</th><th>code</th></tr>',
            "</thead><tbody>",
            *(_row(number, text, self._lines.lines.get(number)) for number, text in texts),
            "</tbody></table></div>",
        )


def _step_calls(step: GraphStep | None) -> Iterable[Call]:
    return () if step is None else step.calls


def _misfit(replay: Replay) -> Markup:
    if replay.trace.mismatch is None:
        return Markup("")
    words = str(replay.trace.mismatch).partition("\n")[0]
    return markup('<div class="dnb-copy"><p>', line(words, 600), "</p></div>")


def _row(number: int, text: Markup, hits: CodeLine | None) -> Markup:
    if hits is None:
        return markup(f"<tr><td>{number}</td><td></td><td></td><td></td><td><pre>", text, "</pre></td></tr>")
    mark: LineMark = "waits" if hits.is_waiting else "raised" if hits.failed == hits.times else "answered"
    words = [f"line {number}", plural(hits.times, "await"), f"waited {lasting(hits.seconds)}"]
    words += [f"{hits.failed:,} failed"] * bool(hits.failed) + ["waits now"] * hits.is_waiting
    named = attributes(data_key=f"line {number}", aria_label=", ".join(words))
    return markup(
        f'<tr class="dnb-past"><td><button type="button" class="dnb-link"{named}>{number}</button></td><td>',
        step_glyph(mark),
        f"</td><td>\N{MULTIPLICATION SIGN}{hits.times:,}",
        f" <span>{hits.failed:,} failed</span>" if hits.failed else "",
        "</td><td>",
        line(lasting(hits.seconds)),
        "</td><td><pre>",
        text,
        "</pre></td></tr>",
    )
