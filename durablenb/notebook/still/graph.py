"""The graph of an execution: boxes for steps from left to right, lines between them, frames of loops."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_lowercase
from typing import cast

from durablenb.analysis.calls import CallState
from durablenb.analysis.graph import Join, NodeKey
from durablenb.analysis.networkx_graphs import GraphLink
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.model.events import TaskKind
from durablenb.notebook.keys import mark_attributes
from durablenb.notebook.palette import GREY, STATE_LOOKS, TINTS, Look, call_look, draw_glyph, status_look
from durablenb.notebook.still.graph_boxes import BEFORE, INSET, MARGIN, NAME, SMALL, Box, Layout
from durablenb.notebook.still.graph_cells import draw_cells
from durablenb.notebook.still.graph_generations import HEIGHT, draw_generations, earlier_generations
from durablenb.notebook.still.graph_layout import lay_out_graph
from durablenb.notebook.svg import MUTED, PLATE, WIDTH, Drawing, number, text_width
from durablenb.notebook.words import compact, plural, states_text


def graph_svg(picture: InstanceSnapshot, width: float = WIDTH) -> tuple[str, str]:
    """Return the graph of the last execution, laid out for this width, and its description."""
    return graph_on(Drawing(width, instance_sentence(picture)), picture)


def graph_on(drawing: Drawing, picture: InstanceSnapshot) -> tuple[str, str]:
    """Return the graph drawn on the given drawing, and its description."""
    return drawing.finished(draw_graph(drawing, picture)), drawing.sentence


def draw_graph(drawing: Drawing, picture: InstanceSnapshot) -> float:
    """Draw the last execution with its opened sub-orchestrations, and return the height."""
    layout = lay_out_graph(picture.flow, picture.nest, drawing.width)
    above = 0
    if picture.flow.generation:
        draw_generations(drawing, picture.flow.generation, earlier_generations(picture))
        above = HEIGHT
        layout.shift(0, above)
    _draw_layout(drawing, layout)
    return layout.bottom + above


def _draw_layout(drawing: Drawing, layout: Layout) -> None:
    _draw_loops(drawing, layout)
    draw_tags = draw_links(drawing, layout)
    for box in layout.boxes.values():
        draw_box(drawing, box, layout.of)
        if box.inside is not None:
            _draw_layout(drawing, box.inside)
    draw_tags()
    if layout.boxes.keys() <= {"start", "end"}:
        words = "nothing was scheduled" + ("" if "end" in layout.boxes else " yet")
        right = max(box.x + box.width for box in layout.boxes.values())
        drawing.text(right + 16, layout.boxes["start"].middle + 4, words, size=11.5, fill=MUTED)
    x, y = layout.left + MARGIN, layout.top + layout.height
    for step in layout.panels:
        y = draw_cells(drawing, step, x, y + 6, layout.room, layout.of)


def instance_sentence(picture: InstanceSnapshot) -> str:
    """Return a description of an instance in a sentence."""
    steps = picture.flow.steps
    calls = sum(len(step.calls) for step in steps)
    states: dict[CallState, int] = {}
    for step in steps:
        for state, count in step.states.items():
            states[state] = states.get(state, 0) + count
    counts = f": {states_text(states)}" if states else ""
    status = picture.status
    what = f"{plural(len(steps), 'step')}, {plural(calls, 'call')}{counts}"
    return ", ".join([f"{status.name} {status.instance_id}: {picture.word}", what, *picture.purged_words])


def _draw_loops(drawing: Drawing, layout: Layout) -> None:
    for loop in layout.loops:
        for row in {layout.columns[index].row for index in range(loop.first, loop.last + 1)}:
            columns = [column for column in layout.columns[loop.first : loop.last + 1] if column.row == row]
            left = columns[0].x - 13
            right = columns[-1].x + columns[-1].width + 13
            top = min(box.y for column in columns for box in column.boxes) - 12
            bottom = max(box.y + box.height for column in columns for box in column.boxes) + 11
            words = f"\N{CLOCKWISE OPEN CIRCLE ARROW} {loop.times:,} rounds"
            words += ", in any order" if loop.is_mixed else ""
            dashes = {"stroke_dasharray": "4 3", "fill_opacity": "0.55"}
            fill = TINTS[GREY]
            drawing.box(left, top, right - left, bottom - top, words, rx=10, fill=fill, stroke=LINE, **dashes)
            drawing.text(left + 10, top - 5, words, size=SMALL, fill=MUTED, width=max(right - left - 10, 150))


_CALM = ("completed", "canceled", "left open")
_STACK = 3
_LID = 3
_CORNER = 7


def draw_box(drawing: Drawing, box: Box, of: str = "") -> None:
    """Draw a box; `of` is the id of the opened sub-orchestration that it belongs to."""
    if box.kind == "start":
        drawing.mark("circle", box.title, cx=box.x + 7, cy=box.middle, r=6, fill=MUTED)
    elif box.kind == "end":
        _draw_end(drawing, box)
    else:
        key = f"step {box.key}{f' of {of}' if of else ''}"
        drawing.begin(**mark_attributes(key, box.title))
        _draw_step(drawing, box)
        drawing.end()
        if box.can_open:
            _draw_controls(drawing, box, key)


def _draw_controls(drawing: Drawing, box: Box, key: str) -> None:
    """Draw the controls that open and fold a sub-orchestration, and that page through many."""
    x, y = box.x + box.width - 27, box.y + (23 if box.inside is None or box.count > 1 else 10)
    if box.inside is None:
        drawing.control(x, y, "+", f"open {box.name} in the graph", data_do="fold", data_id=key)
        return
    drawing.control(x, y, "-", f"fold {box.name}", data_do="fold", data_id=key)
    if box.count > 1:
        do = {"data_do": "member", "data_id": key}
        drawing.control(x - 28, y, ">", f"the next {box.name}", data_name="next", **do)
        drawing.control(x - 54, y, "<", f"the {box.name} before", data_name="before", **do)


def _draw_end(drawing: Drawing, box: Box) -> None:
    look = status_look(box.name)
    y = box.middle - 13
    drawing.box(box.x, y, box.width, 26, box.title, rx=13, fill=look.tint, stroke=look.solid)
    draw_glyph(drawing, look, box.x + 8, y + 6)
    drawing.text(box.x + 27, y + 17.2, box.name, size=SMALL + 1, is_bold=True, fill=look.colour)


def _draw_step(drawing: Drawing, box: Box) -> None:
    state = next(iter(box.states))
    look = STATE_LOOKS[state] if box.kind == "folded" else call_look(state, cast(TaskKind, box.kind))
    if box.is_stack or box.kind == "folded":
        for shift in (2 * _STACK, _STACK):
            _draw_outline(drawing, box, shift, "", look, "#ffffff")
    is_plain = state in _CALM or box.inside is not None
    _draw_outline(drawing, box, 0, box.title, look, "#ffffff" if is_plain else look.tint)
    if box.kind == "sub-orchestration":
        inner = {"rx": 4, "stroke_width": 0.8}
        drawing.box(
            box.x + 3, box.y + 3, box.width - 6, box.height - 6, **inner, fill="none", stroke=look.solid
        )
    _write(drawing, box, look)


def _draw_outline(drawing: Drawing, box: Box, shift: float, title: str, look: Look, fill: str) -> None:
    """Draw a box's outline: timers round, external events pointed, entities as drums."""
    x, y, width, height = box.x + shift, box.y - shift, box.width, box.height
    path = _OUTLINES.get(box.kind)
    line: dict[str, str | float] = {"fill": fill, "stroke": look.solid, "stroke_width": 1.2}
    if path is not None:
        drawing.path(f"M{number(x)} {number(y)}{path(width, height)}", title, **line)
    else:
        drawing.box(x, y, width, height, title, rx=height / 2 if box.kind == "timer" else 6, **line)


def _event_outline(width: float, height: float) -> str:
    """Return a hexagon, pointed at both sides."""
    wide, half = number(width - 20), number(height / 2)
    return f"m10 0h{wide}l10 {half}l-10 {half}h-{wide}l-10 -{half}z"


def _signal_outline(width: float, height: float) -> str:
    """Return a flag that points to its target."""
    wide, half = number(width - 10), number(height / 2)
    return f"h{wide}l10 {half}l-10 {half}h-{wide}l7 -{half}z"


def _entity_outline(width: float, height: float) -> str:
    """Return a drum, the usual symbol of a database."""
    half, wide, side = number(width / 2), number(width), number(height - 2 * _LID)
    lid = f"q{half} {2 * _LID} {wide} 0"
    return f"m0 {_LID}{lid}v{side}q-{half} {2 * _LID} -{wide} 0v-{side}q{half} -{2 * _LID} {wide} 0"


def _lock_outline(width: float, height: float) -> str:
    """Return an octagon."""
    wide, high, cut = number(width - 2 * _CORNER), number(height - 2 * _CORNER), _CORNER
    return f"m{cut} 0h{wide}l{cut} {cut}v{high}l-{cut} {cut}h-{wide}l-{cut} -{cut}v-{high}z"


_OUTLINES = {
    "external event": _event_outline,
    "signal": _signal_outline,
    "entity call": _entity_outline,
    "lock": _lock_outline,
}


def _write(drawing: Drawing, box: Box, look: Look) -> None:
    inset = 14 if box.kind in INSET else 9
    if box.kind == "signal":
        _write_line(drawing, box, look, inset)
        return
    left, right = box.x + inset + 20, box.x + box.width - inset
    draw_glyph(drawing, look, box.x + inset, box.y + 8)
    room = right - left
    if box.is_stack:
        count = f"\N{MULTIPLICATION SIGN} {box.count:,}"
        drawing.text(right, box.y + 19, count, size=NAME - 0.5, is_bold=True, anchor="end")
        room -= text_width(count, NAME - 0.5, is_bold=True) + 6
    drawing.text(left, box.y + 19, box.name, width=room, size=NAME, is_bold=True)
    room = right - left - (_room_of_controls(drawing, box) if box.can_open else 0)
    details = list(box.details)
    while len(details) > 1 and text_width(", ".join(details), SMALL) > room + 2:
        details.pop()  # the duration matters least
    drawing.text(left, box.y + 33.5, ", ".join(details), width=room + 2, size=SMALL, fill=MUTED)
    if box.count > 1:
        _draw_shares(drawing, box, left, room)


def _room_of_controls(drawing: Drawing, box: Box) -> float:
    return drawing.control_room * (1 if box.inside is None or box.count == 1 else 3)


def _write_line(drawing: Drawing, box: Box, look: Look, inset: float) -> None:
    """Write the name without details."""
    left, right = box.x + inset + 18, box.x + box.width - inset + 2
    draw_glyph(drawing, look, box.x + inset, box.y + 8, 12)
    room = right - left
    if box.is_stack:
        count = f"\N{MULTIPLICATION SIGN} {box.count:,}"
        drawing.text(right, box.y + 18, count, size=SMALL, is_bold=True, anchor="end")
        room -= text_width(count, SMALL, is_bold=True) + 6
    drawing.text(left, box.y + 18, box.name, width=room, size=SMALL + 0.5)


def _draw_shares(drawing: Drawing, box: Box, x: float, width: float) -> None:
    """Draw a bar with a segment for each state; rare states have a minimum width."""
    least = 3.0
    free = width - least * len(box.states)
    for state, count in box.states.items():
        part = least + free * count / box.count
        drawing.box(x, box.y + 40, part, 4, f"{count:,} {state}", fill=STATE_LOOKS[state].solid)
        x += part


LINE = "#86909b"
_HEAD = 6


def draw_links(drawing: Drawing, layout: Layout) -> Callable[[], None]:
    """Draw the lines of a layout; call the result to draw their tags, after the boxes."""
    links = _Links(drawing, layout)
    for link in layout.links:
        if not isinstance(link.source, Join):
            links.draw(link.source, link.target)
    for join in dict.fromkeys(link.source for link in layout.links if isinstance(link.source, Join)):
        links.draw_join(join)
    return links.draw_tags


class _Links:
    def __init__(self, drawing: Drawing, layout: Layout) -> None:
        self._drawing = drawing
        self._layout = layout
        self._targets: dict[Join, list[Box]] = {}
        self._sources: dict[Join, list[Box]] = {}
        for link in layout.links:
            self._note(link)
        self._tags: list[tuple[float, float, str]] = []
        self._letters: dict[NodeKey, str] = {}
        self._tagged: dict[NodeKey, int] = {}
        self._lanes: dict[int, int] = {}

    def _note(self, link: GraphLink) -> None:
        if isinstance(link.source, Join) and not isinstance(link.target, Join):
            self._targets.setdefault(link.source, []).append(self._layout.boxes[link.target])
        elif isinstance(link.target, Join) and not isinstance(link.source, Join):
            self._sources.setdefault(link.target, []).append(self._layout.boxes[link.source])

    # -- one line --------------------------------------------------------------------------------

    def draw(self, source_key: NodeKey, target: NodeKey | Join) -> None:
        """Draw the line from a box to another one, or to a join."""
        source = self._layout.boxes[source_key]
        targets = self._targets.get(target, []) if isinstance(target, Join) else [self._layout.boxes[target]]
        if not targets:
            return
        first, last = self._place(source), self._place(targets[0])
        here, there = self._layout.columns[first], self._layout.columns[last]
        is_next = last == first + 1 and here.row == there.row
        if isinstance(target, Join):
            x, y = there.x - BEFORE, source.middle if is_next else _middle(targets)
            is_wide, head = source.is_fan, 0
        else:
            x, y = targets[0].x - 1, targets[0].middle
            is_wide, head = source.is_fan or targets[0].is_fan, _HEAD
        if here.row == there.row:
            path = self._interpolate(source, x - head, y) if is_next else self._below(source, x - head, y)
        elif there.row == here.row + 1 and there.x == self._layout.columns[1].x:
            path = self._around(source, x - head, y)
        else:
            self._note_tags(source, targets[0])
            return
        after = "the orchestration" if target == "end" else f"{targets[0].name} was scheduled"
        words = f"{source.name} ended, then {after}"
        self._stroke(path, "" if source_key == "start" else words, is_wide=is_wide)
        if head:
            self._draw_head(x, y)

    def _place(self, box: Box) -> int:
        return self._layout.column_of[box.key]

    def _interpolate(self, source: Box, x: float, y: float) -> str:
        left, top = source.x + source.width, source.middle
        if abs(top - y) < 1:
            return f"M{number(left)} {number(top)}H{number(x)}"
        bend = (x - left) / 2
        return (
            f"M{number(left)} {number(top)}C{number(left + bend)} {number(top)} "
            f"{number(x - bend)} {number(y)} {number(x)} {number(y)}"
        )

    def _below(self, source: Box, x: float, y: float) -> str:
        column = self._layout.columns[self._place(source)]
        lane = self._lanes[column.row] = self._lanes.get(column.row, -1) + 1
        level = self._layout.bottoms[column.row] + 8 + 9 * lane
        turn = f"V{number(y + 8)}q0 -8 8 -8H{number(x)}"
        if source is column.boxes[-1]:  # there is no box below it
            start = f"M{number(source.x + source.width - 18)} {number(source.y + source.height)}"
            return f"{start}V{number(level - 8)}q0 8 8 8H{number(x - 17)}q8 0 8 -8{turn}"
        left = source.x + source.width
        start = f"M{number(left)} {number(source.middle)}q8 0 8 8"
        return f"{start}V{number(level - 8)}q0 8 8 8H{number(x - 17)}q8 0 8 -8{turn}"

    def _around(self, source: Box, x: float, y: float) -> str:
        left, top = source.x + source.width, source.middle
        row = self._layout.columns[self._place(source)].row
        gutter, edge = self._layout.gutters[row], self._layout.left + MARGIN + 6
        return (
            f"M{number(left)} {number(top)}h5q6 0 6 6V{number(gutter - 6)}q0 6 -6 6H{number(edge + 6)}"
            f"q-6 0 -6 6V{number(y - 6)}q0 6 6 6H{number(x)}"
        )

    def _note_tags(self, source: Box, target: Box) -> None:
        """Tag both ends of a line that would cross others."""
        is_new = target.key not in self._letters
        letter = self._letters.setdefault(target.key, ascii_lowercase[len(self._letters) % 26])
        count = self._tagged[source.key] = self._tagged.get(source.key, -1) + 1
        self._tags.append((source.x + source.width - 13 - 16 * count, source.y + source.height + 9, letter))
        if is_new:
            self._tags.append((target.x + 13, target.y - 9, letter))

    def draw_tags(self) -> None:
        """Draw the tags, above everything else."""
        for x, y, letter in self._tags:
            self._draw_tag(x, y, letter)

    def _draw_tag(self, x: float, y: float, letter: str) -> None:
        self._drawing.mark("circle", cx=x, cy=y, r=7, fill=PLATE, stroke=LINE)
        self._drawing.text(x, y + 3.5, letter, size=10, fill=MUTED, anchor="middle")

    def _stroke(self, d: str, title: str = "", *, is_wide: bool) -> None:
        self._drawing.path(d, title, fill="none", stroke=LINE, stroke_width=4.4 if is_wide else 1.5)
        if is_wide:
            self._drawing.path(d, title, fill="none", stroke=PLATE, stroke_width=1.8)

    def _draw_head(self, x: float, y: float) -> None:
        self._drawing.path(f"M{number(x)} {number(y)}l-8 -4.5v9z", fill=LINE)

    # -- joins -----------------------------------------------------------------------------------

    def draw_join(self, join: Join) -> None:
        """Draw the bar at which several calls join, and the lines from there."""
        targets, sources = self._targets[join], self._sources.get(join, [])
        column = self._layout.columns[self._place(targets[0])]
        x = column.x - BEFORE
        near = [box for box in sources if self._place(box) == self._place(targets[0]) - 1]
        same_row = [box for box in near if self._layout.columns[self._place(box)].row == column.row]
        middles = [box.middle for box in [*targets, *same_row]]
        top, bottom = min(middles) - 11, max(middles) + 11
        if join.is_all:
            words, title = "all", f"when all {join.of:,} had come"
        else:
            words = f"{compact(join.came)} of {compact(join.of)}"
            title = f"when {join.came:,} of {join.of:,} had come"
        for box in targets:
            path = f"M{number(x)} {number(box.middle)}H{number(box.x - 1 - _HEAD)}"
            self._stroke(path, is_wide=box.is_fan)
            self._draw_head(box.x - 1, box.middle)
        self._drawing.box(x - 2.5, top, 5, bottom - top, title, rx=2.5, fill=MUTED)
        self._drawing.text(x, top - 5, words, size=10, fill=MUTED, anchor="middle")


def _middle(boxes: list[Box]) -> float:
    return (min(box.middle for box in boxes) + max(box.middle for box in boxes)) / 2
