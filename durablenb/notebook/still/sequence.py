"""The sequence diagram: a lifeline for each participant, an arrow for each message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from durablenb.analysis.messages import Form, Lifeline, Message, Role
from durablenb.analysis.sequence import Gap, Part, Round, SequenceDiagram, gap_text
from durablenb.notebook.html import block, card, code, fold, heading, markup, picture
from durablenb.notebook.palette import AMBER, BLUE, GREEN, GREY, LOOKS, RED, SOLIDS, TINTS, VIOLET, draw_glyph
from durablenb.notebook.svg import HAIR, INK, MUTED, PLATE, RIM, WIDTH, Drawing, number, text_width
from durablenb.notebook.words import lasting, plural

_LEFT, _RIGHT = 82, 20
_HEAD, _TOP = 40, 14
_WIDEST = 184
_ROW, _FRAME, _GAP = 26, 24, 30
_BAND = "#f0f2f5"

_COLOURS: dict[Role, str] = {
    "client": GREY,
    "parent": GREY,
    "orchestrator": BLUE,
    "activity": GREEN,
    "child": VIOLET,
    "entity": AMBER,
}


def sequence_card(shown: SequenceDiagram) -> str:
    """Return a sequence diagram as a picture, and its Mermaid source in a fold."""
    count = sum(message.count for message in shown.messages)
    name = markup("<b>Sequence</b>")
    return card(
        heading(name, "of", code(shown.instance_id, 256), "·", plural(count, "message")),
        picture(sequence_svg(shown)),
        fold("Mermaid", block(shown.to_mermaid(), 20_000)),
    )


def sequence_text(shown: SequenceDiagram) -> str:
    """Return a sequence diagram as lines of text."""
    return f"{shown!r}\n{shown}".rstrip()


def sequence_svg(shown: SequenceDiagram) -> tuple[str, str]:
    """Return the picture of a sequence diagram, and its description."""
    sentence = _sentence(shown)
    drawing = Drawing(WIDTH, sentence)
    page = _Page(shown)
    page.draw(drawing)
    return drawing.finished(page.bottom), sentence


def _sentence(shown: SequenceDiagram) -> str:
    count = sum(message.count for message in shown.messages)
    names = ", ".join(line.name for line in shown.lifelines)
    failed = sum(message.count for message in shown.messages if message.form == "failure")
    failures = f"; {plural(failed, 'failure')}" if failed else ""
    return f"{shown.name} {shown.instance_id}: {plural(count, 'message')} between {names}{failures}"


class _Page:
    """The positions of everything in a sequence diagram."""

    def __init__(self, shown: SequenceDiagram) -> None:
        self._shown = shown
        count = len(shown.lifelines)
        self._step = min(_WIDEST, (WIDTH - _LEFT - _RIGHT) / count)
        self._xs = [_LEFT + self._step * (index + 0.5) for index in range(count)]
        self._rows: list[tuple[float, Message]] = []
        self._frames: list[tuple[float, float, Round]] = []
        self._gaps: list[tuple[float, Gap]] = []
        self._y = _TOP + _HEAD + 22.0
        for part in shown.parts:
            self._place(part)
        self.bottom = self._y + (24 if shown.unanswered else 2)

    def _place(self, part: Part) -> None:
        if isinstance(part, Gap):
            self._gaps.append((self._y - 12, part))
            self._y += _GAP
        elif isinstance(part, Round):
            top = self._y - 14
            self._y += _FRAME
            for message in part.messages:
                self._put(message)
            self._frames.append((top, self._y - 14, part))
            self._y += 10
        else:
            self._put(part)

    def _put(self, message: Message) -> None:
        self._rows.append((self._y, message))
        self._y += _ROW

    def draw(self, drawing: Drawing) -> None:
        """Draw lifelines, then bars on them, then messages."""
        end = self._y - 8
        for x, line in zip(self._xs, self._shown.lifelines, strict=True):
            self._draw_lifeline(drawing, line, x, end)
        for top, bottom, part in self._frames:
            self._draw_frame(drawing, top, bottom, part)
        self._draw_bars(drawing, end)
        for y, message in self._rows:
            draw_message(drawing, message, self._xs, y)
        for y, gap in self._gaps:
            drawing.box(12, y - 2, WIDTH - 24, _GAP - 8, fill=_BAND)
            drawing.text(WIDTH / 2, y + 13, f"… {gap_text(gap)}", size=10.5, fill=MUTED, anchor="middle")
        self._draw_times(drawing)
        for index, count in self._shown.unanswered.items():
            draw_glyph(drawing, LOOKS["Running"], self._xs[index] - 7, end + 2)
            drawing.text(self._xs[index] + 12, end + 13, f"{count:,} open", size=10.5, fill=BLUE)

    def _draw_lifeline(self, drawing: Drawing, line: Lifeline, x: float, end: float) -> None:
        colour, wide = _COLOURS[line.role], self._step - 8
        d = f"M{number(x)} {number(_TOP + _HEAD)}V{number(end)}"
        drawing.path(d, fill="none", stroke=RIM, stroke_width=1.4, stroke_dasharray="3 3")
        title = f"{line.role} {line.name}"
        drawing.box(x - wide / 2, _TOP, wide, _HEAD, title, rx=6, fill=TINTS[colour], stroke=SOLIDS[colour])
        name, role = _name_and_role(line)
        has_role = not line.is_shared and name != role
        y = _TOP + (17 if has_role else 24)
        size = 11.5 if text_width(name, 11.5, is_bold=True) <= wide - 8 else 10
        drawing.text(x, y, name, width=wide - 8, size=size, is_bold=True, anchor="middle")
        if has_role:
            drawing.text(x, y + 14, role, width=wide - 8, size=10, fill=MUTED, anchor="middle")

    def _draw_frame(self, drawing: Drawing, top: float, bottom: float, part: Round) -> None:
        drawing.box(_LEFT - 2, top, WIDTH - _LEFT - 10, bottom - top, fill="none", stroke=RIM, rx=4)
        words = f"{part.times:,} rounds"
        drawing.box(_LEFT - 2, top, 76, 17, words, fill=_BAND, stroke=RIM, rx=4)
        drawing.text(_LEFT + 6, top + 12.5, words, size=10, fill=MUTED, is_bold=True)

    def _draw_bars(self, drawing: Drawing, end: float) -> None:
        """Draw the times in which participants handled calls, and in which entities were locked."""
        for index, line in enumerate(self._shown.lifelines):
            if line.role in ("client", "parent"):
                continue
            x = self._xs[index]
            if line.role == "orchestrator":
                self._bar(drawing, x, self._begin(), self._end(end), BLUE)
                continue
            for top, bottom in _locked(self._rows, index, end):
                look = {"fill": TINTS[VIOLET], "stroke": SOLIDS[VIOLET]}
                drawing.box(x - 8, top, 16, bottom - top, f"{line.name} is locked", **look)
            for top, bottom in _busy(self._rows, index, end):
                self._bar(drawing, x, top, bottom, _COLOURS[line.role])

    def _bar(self, drawing: Drawing, x: float, top: float, bottom: float, colour: str) -> None:
        drawing.box(x - 4, top, 8, bottom - top, fill=TINTS[colour], stroke=SOLIDS[colour])

    def _begin(self) -> float:
        return self._rows[0][0] if self._rows else self._y

    def _end(self, end: float) -> float:
        return end if self._shown.is_open or not self._rows else self._rows[-1][0]

    def _draw_times(self, drawing: Drawing) -> None:
        """Write the time of each message since the first one, on the left."""
        if not self._rows:
            return
        first = self._rows[0][1].at
        last: tuple[datetime, str] = (first, "")
        for y, message in self._rows:
            at = max(message.at, last[0])  # work repeated after a rewind was scheduled before it
            words = f"+{lasting(at - first)}"
            if words != last[1]:
                drawing.text(_LEFT - 12, y + 3.5, words, size=10, fill=MUTED, anchor="end")
            last = at, words
        drawing.path(f"M{_LEFT - 6} {_TOP}V{number(self._y - 8)}", fill="none", stroke=HAIR)


def _busy(rows: Sequence[tuple[float, Message]], lifeline: int, bottom: float) -> list[tuple[float, float]]:
    """Return the ranges in which a lifeline had calls to answer."""
    ranges: list[tuple[float, float]] = []
    since, under_way = 0.0, 0
    for y, message in rows:
        if message.target == lifeline and message.form == "call":
            since = since if under_way else y
            under_way += message.count
        elif message.source == lifeline and message.form in ("answer", "failure") and under_way:
            under_way = max(0, under_way - message.count)
            if not under_way:
                ranges.append((since, y))
    return [*ranges, (since, bottom)] if under_way else ranges


def _locked(rows: Sequence[tuple[float, Message]], lifeline: int, bottom: float) -> list[tuple[float, float]]:
    """Return the ranges in which an entity was locked; the last grant of a section completes all locks."""
    ranges: list[tuple[float, float]] = []
    is_asked, since = False, None
    for y, message in rows:
        if message.target == lifeline and message.form == "lock":
            is_asked = True
        elif message.form == "granted" and is_asked:
            is_asked, since = False, y
        elif message.target == lifeline and message.form == "unlock" and since is not None:
            ranges.append((since, y))
            since = None
    return ranges if since is None else [*ranges, (since, bottom)]


def _name_and_role(line: Lifeline) -> tuple[str, str]:
    """Return the two lines of a participant's head: of an entity, its key above its name."""
    if line.role == "entity" and line.name.startswith("@") and not line.is_shared:
        name, _, key = line.name[1:].partition("@")
        return key, f"entity {name}"
    return line.name, line.role


_TEXT_SIZE = 10.5
_HALF_BAR = 4
"""Half the width of a bar on a lifeline."""

_DASHES = "5 3"
_GLYPHS: dict[Form, str] = {"timer": "Scheduled", "wait": "Waiting", "again": "ContinuedAsNew"}


def draw_message(drawing: Drawing, message: Message, xs: Sequence[float], y: float) -> None:
    """Draw a message.

    Parameters
    ----------
    drawing
        The drawing, with its lifelines.
    message
        The message to draw.
    xs
        Positions of the lifelines.
    y
        Height of the message.
    """
    if message.source == message.target:
        _draw_note(drawing, message, xs[message.source], y)
    else:
        _draw_arrow(drawing, message, xs[message.source], xs[message.target], y)


def _draw_note(drawing: Drawing, message: Message, x: float, y: float) -> None:
    """Draw an orchestrator's own action: a glyph on its lifeline with words beside it."""
    look = LOOKS[_GLYPHS.get(message.form, "Waiting")]
    if message.text.startswith("retry in "):
        look = LOOKS["Retrying"]
    drawing.mark("circle", message.words, cx=x, cy=y, r=9, fill=PLATE, stroke=look.solid)
    draw_glyph(drawing, look, x - 6, y - 6, 12)
    room = WIDTH - 24 - x - 14
    _write(drawing, message.words, x + 14, y + 3.7, room, look.colour, anchor="start")


def _draw_arrow(drawing: Drawing, message: Message, source: float, target: float, y: float) -> None:
    way = 1 if target > source else -1
    begin, end = source + way * _HALF_BAR, target - way * _HALF_BAR
    colour = _colour(message.form)
    is_answer = message.form in ("granted", "answer", "failure")
    head = 7 if message.form in ("call", "lock") else 0
    d = f"M{number(begin)} {number(y)}H{number(end - way * head)}"
    dashes = {"stroke_dasharray": _DASHES} if is_answer else {}
    if message.is_par:
        drawing.path(d, fill="none", stroke=colour, stroke_width=4.4)
        drawing.path(d, fill="none", stroke=PLATE, stroke_width=1.8)
    else:
        drawing.path(d, message.words, fill="none", stroke=colour, stroke_width=1.4, **dashes)
    if message.form == "failure":
        d = f"M{number(end - way * 10 - 4)} {number(y - 4)}l8 8m0 -8l-8 8"
        drawing.path(d, fill="none", stroke=colour, stroke_width=1.8)
    elif head:
        drawing.path(f"M{number(end)} {number(y)}l{-8 * way} -4.5v9z", fill=colour)
    else:
        d = f"M{number(end - way * 7)} {number(y - 4)}L{number(end)} {number(y)}l{-7 * way} 4"
        drawing.path(d, fill="none", stroke=colour, stroke_width=1.4)
    if message.form == "event":
        d = f"M{number(begin + way * 6)} {number(y - 5)}l5 5l-5 5l-5 -5z"
        drawing.path(d, fill=SOLIDS[GREEN], stroke=GREEN)
    middle = (begin + end) / 2
    _write(drawing, message.words, middle, y - 5, abs(end - begin) - 14, _ink(message.form), anchor="middle")


def _write(
    drawing: Drawing, words: str, x: float, y: float, room: float, colour: str, *, anchor: str
) -> None:
    """Write on a plain background, so that no lifeline crosses the text."""
    wide = min(text_width(words, _TEXT_SIZE), room)
    left = x - wide / 2 if anchor == "middle" else x
    drawing.box(left - 2, y - 9, wide + 4, 11.5, fill=PLATE)
    drawing.text(x, y, words, width=room, size=_TEXT_SIZE, fill=colour, anchor=anchor)


def _colour(form: Form) -> str:
    if form == "failure":
        return SOLIDS[_ink(form)]
    return MUTED


def _ink(form: Form) -> str:
    if form == "failure":
        return RED
    if form == "event":
        return GREEN
    return MUTED if form in ("granted", "answer") else INK
