"""The lines of a graph: from box to box, through joins, below boxes, and from row to row."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_lowercase

from durablenb.analysis.graph import Join, NodeKey
from durablenb.analysis.networkx_graphs import GraphLink
from durablenb.notebook.layout import MARGIN, Layout
from durablenb.notebook.nodes import Box
from durablenb.notebook.svg import MUTED, PLATE, Drawing, number
from durablenb.notebook.words import compact

LINE = "#86909b"
_BEFORE = 23
"""How far a join stands before what it leads to."""

_HEAD = 6


def draw_links(drawing: Drawing, layout: Layout) -> Callable[[], None]:
    """Draw all lines of a layout; boxes come on top of them, and then what is returned is to be called."""
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
        """Draw the line from a box to another, or to a join."""
        source = self._layout.boxes[source_key]
        targets = self._targets.get(target, []) if isinstance(target, Join) else [self._layout.boxes[target]]
        if not targets:
            return
        first, last = self._place(source), self._place(targets[0])
        here, there = self._layout.columns[first], self._layout.columns[last]
        is_next = last == first + 1 and here.row == there.row
        if isinstance(target, Join):
            x, y = there.x - _BEFORE, source.middle if is_next else _middle_of(targets)
            is_wide, head = source.is_fan, 0
        else:
            x, y = targets[0].x - 1, targets[0].middle
            is_wide, head = source.is_fan or targets[0].is_fan, _HEAD
        if here.row == there.row:
            path = self._straight(source, x - head, y) if is_next else self._below(source, x - head, y)
        elif there.row == here.row + 1 and there.x == self._layout.columns[1].x:
            path = self._around(source, x - head, y)
        else:
            self._note_tags(source, targets[0])
            return
        self._stroke(path, is_wide=is_wide)
        if head:
            self._draw_head(x, y)

    def _place(self, box: Box) -> int:
        return self._layout.column_of[box.key]

    def _straight(self, source: Box, x: float, y: float) -> str:
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
        if source is column.boxes[-1]:  # nothing stands below it
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
        """Mark both ends of a line that would have to cross others."""
        is_new = target.key not in self._letters
        letter = self._letters.setdefault(target.key, ascii_lowercase[len(self._letters) % 26])
        count = self._tagged[source.key] = self._tagged.get(source.key, -1) + 1
        self._tags.append((source.x + source.width - 13 - 16 * count, source.y + source.height + 9, letter))
        if is_new:
            self._tags.append((target.x + 13, target.y - 9, letter))

    def draw_tags(self) -> None:
        """Draw the marks, which come on top of all."""
        for x, y, letter in self._tags:
            self._draw_tag(x, y, letter)

    def _draw_tag(self, x: float, y: float, letter: str) -> None:
        self._drawing.mark("circle", cx=x, cy=y, r=7, fill=PLATE, stroke=LINE)
        self._drawing.text(x, y + 3.5, letter, size=10, fill=MUTED, anchor="middle")

    def _stroke(self, d: str, *, is_wide: bool) -> None:
        self._drawing.path(d, fill="none", stroke=LINE, stroke_width=4.4 if is_wide else 1.5)
        if is_wide:
            self._drawing.path(d, fill="none", stroke=PLATE, stroke_width=1.8)

    def _draw_head(self, x: float, y: float) -> None:
        self._drawing.path(f"M{number(x)} {number(y)}l-8 -4.5v9z", fill=LINE)

    # -- joins -----------------------------------------------------------------------------------

    def draw_join(self, join: Join) -> None:
        """Draw the bar at which several calls come together, and what leads on from there."""
        targets, sources = self._targets[join], self._sources.get(join, [])
        column = self._layout.columns[self._place(targets[0])]
        x = column.x - _BEFORE
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


def _middle_of(boxes: list[Box]) -> float:
    return (min(box.middle for box in boxes) + max(box.middle for box in boxes)) / 2
