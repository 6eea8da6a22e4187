"""Replays as a still picture: a frame for each replay, at the step at which the code stopped.

Variables aren't shown, because notebooks are passed around and variables may be confidential. Printing
the replay shows them, as does the explorer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from durablenb.analysis.replays import sentences
from durablenb.analysis.replays.explorer import ExecutedLines, LineMark
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step
from durablenb.notebook.html import Markup, badge, card, code, fold, heading, line, markup, picture, table
from durablenb.notebook.palette import BLUE, LOOKS, Look, draw_glyph, status_look
from durablenb.notebook.svg import INK, MUTED, RIM, WIDTH, Drawing, text_width, truncate
from durablenb.notebook.themes import apply_theme
from durablenb.notebook.words import plural

FRAMES = 12
"""Maximum frames of a picture."""

_COLUMNS, _GAP = 2, 12
_WIDE = (WIDTH - (_COLUMNS + 1) * _GAP) / _COLUMNS
_LINES, _LINE, _HEAD, _SAYS = 7, 16, 26, 15
_SENTENCE = 3
_MONO = "DejaVu Sans Mono, Consolas, Menlo, monospace"
_LETTER = 6.4
_ROWS = 50

Frame = Step | int
"""A step, or a number of omitted replays."""


def storyboard_card(replay: Replay) -> str:
    """Return the storyboard, and the steps of the last replay as a table."""
    name = markup("<b>", line(replay.name), "</b>")
    words = [plural(len(replay), "episode"), plural(len(replay.trace.awaits), "await")]
    head = [name, code(replay.instance_id, 256), "·", ", ".join(words)]
    if not replay.fits:
        head.insert(0, badge(step_look("mismatch")))
    parts = [heading(*head)]
    if replay.changes:
        parts.append(heading(f"A copy; the journal is as it was: {'; '.join(replay.changes)}."))
    if replay.began_with is not None:
        parts.append(heading("The code has changed since this execution began; this is how it is now."))
    if not len(replay):
        return card(*parts, heading("The code has not run yet."))
    drawn = picture(storyboard_svg(replay))
    return card(*parts, drawn, heading(replay.account), _mismatch(replay), _steps(replay))


def storyboard_text(replay: Replay) -> str:
    """Return the replays as a line of text."""
    return repr(replay)


def storyboard_frames(replay: Replay) -> list[Frame]:
    """Return the first step and the last one of each replay, with some omitted if there are too many."""
    ends = [(number, replay.count(number)) for number in range(1, len(replay) + 1)]
    stops = [stop for stop in dict.fromkeys([(1, 1), *ends]) if 1 <= stop[1] <= replay.count(stop[0])]
    if len(stops) <= FRAMES:
        return [replay.step(*stop) for stop in stops]
    half = FRAMES // 2
    first, last = stops[:half], stops[-(FRAMES - half - 1) :]
    left_out = last[0][0] - first[-1][0] - 1
    return [*(replay.step(*stop) for stop in first), left_out, *(replay.step(*stop) for stop in last)]


def storyboard_svg(replay: Replay) -> tuple[str, str] | None:
    """Return the picture, and its description; None if there is no step."""
    frames = storyboard_frames(replay)
    if not frames:
        return None
    sentence = f"{replay.name} {replay.instance_id}: {_sentence(replay, frames)}"
    drawing = Drawing(WIDTH, sentence)
    lines = ExecutedLines(replay)
    height = _HEAD + _LINES * _LINE + _SENTENCE * _SAYS + 14
    for index, frame in enumerate(frames):
        x = _GAP + index % _COLUMNS * (_WIDE + _GAP)
        y = _GAP + index // _COLUMNS * (height + _GAP)
        if isinstance(frame, int):
            words = f"… {plural(frame, 'replay')} more"
            drawing.text(x + _WIDE / 2, y + height / 2, words, fill=MUTED, anchor="middle")
        else:
            _draw_frame(drawing, replay, lines, frame, x, y, height)
    rows = -(-len(frames) // _COLUMNS)
    return drawing.finished(_GAP + rows * (height + _GAP)), sentence


def _sentence(replay: Replay, frames: Sequence[Frame]) -> str:
    last = frames[-1]
    end = last.sentence if isinstance(last, Step) else ""
    return f"{plural(len(replay), 'replay')}, each with the line at which the code stopped. {end}"


def _draw_frame(
    drawing: Drawing, replay: Replay, lines: ExecutedLines, step: Step, x: float, y: float, height: float
) -> None:
    look = step_look(step.verdict)
    drawing.box(x, y, _WIDE, height, rx=6, fill="#ffffff", stroke=RIM)
    place = "the end" if step.reached is None else f"await {step.number:,}"
    title = f"replay {step.replay:,}, {place}"
    drawing.text(x + 12, y + 17, title, size=11, is_bold=True)
    draw_glyph(drawing, look, x + _WIDE - 26, y + 6)
    drawing.text(x + _WIDE - 32, y + 17, look.word, size=10.5, fill=look.colour, is_bold=True, anchor="end")
    hits = lines.hits_at(step)
    for row, (number, text) in enumerate(_excerpt(replay, step)):
        base = y + _HEAD + row * _LINE
        is_here = number == step.line
        if is_here:
            drawing.box(x + 1, base, _WIDE - 2, _LINE, fill="#dcebfb")
            drawing.box(x + 1, base, 4, _LINE, fill="#0b5cad")
        drawing.text(x + 34, base + 12, number, size=10, fill=MUTED, anchor="end")
        if number in hits:
            draw_glyph(drawing, step_look(hits[number].mark), x + 39, base + 3, 10)
        drawing.begin(font_family=_MONO)
        ink = INK if is_here or number not in hits else MUTED
        room = int((_WIDE - 64) / _LETTER)
        shown = text if len(text) <= room else text[: room - 1] + "…"
        indent = len(shown) - len(shown.lstrip())
        drawing.text(
            x + 54 + indent * _LETTER, base + 12, shown.strip(), size=10.5, fill=ink, is_bold=is_here
        )
        drawing.end()
    top = y + _HEAD + _LINES * _LINE + 8
    drawing.path(f"M{x + 10} {top - 3}H{x + _WIDE - 10}", fill="none", stroke=RIM)
    for row, words in enumerate(_wrapped(step.sentence, _WIDE - 24)):
        drawing.text(x + 12, top + 11 + row * _SAYS, words, size=10.5)


def _excerpt(replay: Replay, step: Step) -> list[tuple[int, str]]:
    """Return the lines around the current one."""
    if replay.source is None:
        return [] if step.line is None else [(step.line, "(the source isn't at hand)")]
    source = sorted(replay.source.lines.items())
    index = next((index for index, numbered in enumerate(source) if numbered[0] == step.line), 0)
    first = max(min(index - _LINES // 2, len(source) - _LINES), 0)
    return [(number, text.rstrip().expandtabs(4)) for number, text in source[first : first + _LINES]]


def _wrapped(text: str, width: float) -> list[str]:
    """Return a sentence wrapped to lines of a width; the last line is truncated."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(lines) < _SENTENCE and text_width(longer, 10.5) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [truncate(line_, width, 10.5) for line_ in lines]


def _mismatch(replay: Replay) -> Markup:
    error = replay.trace.mismatch
    if error is None:
        return Markup("")
    rows = [(code(name), code(was, 160), code(now, 160)) for name, was, now in error.differences]
    return table(("field", "recorded in the history", "requested by the code"), rows)


def _steps(replay: Replay) -> Markup:
    last = len(replay)
    count = replay.count(last)
    numbers = [number for number in range(1, count + 1) if number <= _ROWS or number > count - _ROWS]
    source = {} if replay.source is None else replay.source.lines
    rows: list[Sequence[object]] = []
    for number in numbers:
        step = replay.step(last, number)
        waits = "" if step.reached is None else sentences.awaited_text(step.reached, replay.requests)
        where = "" if step.line is None else code(f"{step.line}: {source.get(step.line, '').strip()}", 90)
        place = "end" if step.reached is None else f"{number:,}"
        rows.append((place, where, line(waits, 120), line(step.sentence, 240)))
        if number == _ROWS and count > 2 * _ROWS:
            rows.append(
                ("…", f"{count - 2 * _ROWS:,} awaits more; print(handle.replay()) walks through them", "", "")
            )
    return fold(
        f"The {plural(len(replay.trace.awaits), 'await')} of the last replay",
        table(("await", "line", "waits for", "outcome"), rows),
    )


_PLUS = (("s", "M8 2.5V13.5M2.5 8H13.5"),)
_CHECK = (("s", "M2.8 8.6L6.4 12.2L13.2 4.2"),)

_LOOKS: dict[LineMark, Look] = {
    "answered": Look("answered from the history", status_look("Completed").colour, _CHECK),
    "written": Look("written for the first time", BLUE, _PLUS),
    "waits": Look("waits", LOOKS["Waiting"].colour, LOOKS["Waiting"].shape),
    "returned": Look("returned", LOOKS["Completed"].colour, LOOKS["Completed"].shape),
    "raised": Look("raised", LOOKS["Failed"].colour, LOOKS["Failed"].shape),
    "canceled": Look("canceled", LOOKS["Canceled"].colour, LOOKS["Canceled"].shape),
    "terminated": Look("terminated", LOOKS["Terminated"].colour, LOOKS["Terminated"].shape),
    "mismatch": Look("does not fit", LOOKS["Held"].colour, LOOKS["Held"].shape),
}


def step_look(mark: LineMark) -> Look:
    """Return the look of an await's outcome."""
    return _LOOKS[mark]


@cache
def step_glyph(mark: LineMark) -> Markup:
    """Return the shape of an await's outcome in the page's colours, with its word as description."""
    look = step_look(mark)
    drawing = Drawing(14, look.word)
    draw_glyph(drawing, look, 0, 0)
    return Markup(apply_theme(drawing.finished(14, has_plate=False)))
