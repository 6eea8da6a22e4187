"""Where the steps of an execution stand: left to right in rows, what is too much folded into one box."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from durablenb.analysis.graph import MOST_STAGES, ExecutionGraph, GraphStep, Join, Loop, NodeKey
from durablenb.analysis.nesting import NOTHING_OPENED, NestedGraphs, opened_call
from durablenb.analysis.networkx_graphs import GraphLink, graph_links
from durablenb.notebook.cells import height_of_cells, worth_cells
from durablenb.notebook.nodes import DOT, Box, boxes_of, end_of, gathered, start
from durablenb.notebook.svg import WIDTH

MARGIN = 20
GAP = 38
TIGHT = 26
_SMALLER = 146
_SLOT = 160
_MOST_BOXES = 200
_MOST_IN_A_STAGE = 8
_APART = 16
_BELOW = 26
_WORDS = 180
"""Room for the words that nothing was asked for."""

FIRST = MARGIN + DOT + GAP
"""Where the first column stands behind the beginning."""

DEEPEST = 4
"""Levels of sub-orchestrations that are drawn within each other; below that there is no room."""


@dataclass
class Column:
    """What stands in one column of one row."""

    boxes: list[Box]
    row: int = 0
    x: float = 0
    width: float = 0


@dataclass
class Layout:
    """All boxes with their places; each row has a `bottom`, and a `gutter` between it and the next."""

    columns: list[Column]
    boxes: dict[NodeKey, Box]
    links: list[GraphLink]
    column_of: dict[NodeKey, int]
    bottoms: list[float]
    gutters: list[float]
    loops: list[Loop]
    height: float
    width: float
    panels: list[GraphStep]
    """The steps that are drawn cell by cell below the boxes."""

    left: float = 0
    top: float = 0
    of: str = ""
    """The id of the sub-orchestration that is opened; nothing for the instance itself."""

    @property
    def bottom(self) -> float:
        """How high all of it is."""
        return self.height + sum(6 + height_of_cells(step, self.room) for step in self.panels)

    @property
    def room(self) -> float:
        """How wide cells may be."""
        return self.width - 2 * MARGIN

    def shift(self, x: float, y: float) -> None:
        """Move all of it, and what is in its boxes."""
        self.left += x
        self.top += y
        self.bottoms = [bottom + y for bottom in self.bottoms]
        self.gutters = [gutter + y for gutter in self.gutters]
        for column in self.columns:
            column.x += x
            for box in column.boxes:
                box.x += x
                box.y += y
                if box.inside is not None:
                    box.inside.shift(x, y)


def layout_of(
    flow: ExecutionGraph,
    nest: NestedGraphs = NOTHING_OPENED,
    width: float = WIDTH,
    of: str = "",
    depth: int = 0,
) -> Layout:
    """Return where everything of an execution stands.

    Parameters
    ----------
    flow
        The execution.
    nest
        The sub-orchestrations that are opened.
    width
        What there is room for.
    of
        The id of the sub-orchestration that it is, if it is one that is opened.
    depth
        How deep that is.
    """
    hidden = _hidden(flow.stages)
    stages, home = _folded(flow, hidden)
    columns = [Column([start()])]
    columns += [Column(boxes) for boxes in stages]
    if flow.end is not None:
        columns.append(Column([end_of(flow.end)]))
    boxes = {box.key: box for column in columns for box in column.boxes}
    if depth < DEEPEST:
        _open(flow, nest, boxes, width - MARGIN - FIRST, depth + 1)
    column_of = {box.key: place for place, column in enumerate(columns) for box in column.boxes}
    kept = tuple(join for join in flow.joins if join.stage not in hidden)
    links = _moved(graph_links(replace(flow, joins=kept)), home, column_of)
    bands = _Bands(columns, flow, links, column_of, home, width)
    bands.place()
    panels = worth_cells(flow)
    taken = width if panels else max(column.x + column.width for column in columns) + MARGIN
    taken += 0 if flow.steps else _WORDS
    rows = (bands.bottoms, bands.gutters, bands.loops, bands.height)
    for box in boxes.values():
        if box.inside is not None:
            box.inside.shift(box.x, box.y + box.head)
    return Layout(columns, boxes, links, column_of, *rows, taken, panels, of=of)


def _open(
    flow: ExecutionGraph, nest: NestedGraphs, boxes: dict[NodeKey, Box], width: float, depth: int
) -> None:
    """Put the steps of what is opened into its boxes."""
    for step in flow.steps:
        box = boxes.get(step.number)
        if box is None or box.kind != "sub-orchestration":
            continue
        box.can_open = True
        found = opened_call(step, nest)
        if found is None:
            continue
        place, child = found
        box.inside = layout_of(nest[child], nest, width, child, depth)
        box.width = max(box.width, box.inside.width)
        which = f"no. {place + 1:,}: {child}" if box.count > 1 else child
        box.details = (*box.details, which)


def _hidden(stages: int) -> range:
    """Return the stages in the middle that are folded into one box."""
    half = MOST_STAGES // 2
    return range(half, stages - half + 1) if stages > MOST_STAGES else range(0)


def _folded(flow: ExecutionGraph, hidden: range) -> tuple[list[list[Box]], dict[NodeKey, NodeKey]]:
    """Return the boxes of each column, and the box that each step is in."""
    stages: list[list[GraphStep]] = [[] for _ in range(flow.stages)]
    for step in flow.steps:
        stages[step.stage].append(step)
    home: dict[NodeKey, NodeKey] = {"start": "start", "end": "end"}
    columns: list[list[Box]] = []
    most = min(_MOST_IN_A_STAGE, _MOST_BOXES // max(1, flow.stages - len(hidden)))
    rounds = {place for loop in flow.loops for place in range(loop.first, loop.last + 1)}
    for place, steps in enumerate(stages):
        if place not in hidden:
            columns.append(boxes_of(steps, home, most, in_turn=place in rounds))
        elif place == hidden.start:
            columns.append([gathered([step for stage in hidden for step in stages[stage]], home)])
    return columns, home


def _moved(
    links: Iterable[GraphLink], home: dict[NodeKey, NodeKey], column_of: dict[NodeKey, int]
) -> list[GraphLink]:
    """Return the links between boxes; those within one box, and back to an earlier one, are left out."""
    moved: dict[tuple[NodeKey | Join, NodeKey | Join], GraphLink] = {}
    for link in links:
        source = link.source if isinstance(link.source, Join) else home[link.source]
        target = link.target if isinstance(link.target, Join) else home[link.target]
        if link.is_back or source == target:
            continue
        if not (isinstance(source, Join) or isinstance(target, Join)) and (
            column_of[source] >= column_of[target]
        ):
            continue
        moved.setdefault((source, target), GraphLink(source, target, link.relation, link.count, False))
    return list(moved.values())


class _Bands:
    """Columns in rows."""

    def __init__(
        self,
        columns: list[Column],
        flow: ExecutionGraph,
        links: list[GraphLink],
        column_of: dict[NodeKey, int],
        home: dict[NodeKey, NodeKey],
        width: float,
    ) -> None:
        self._columns = columns
        self._width = width
        self._links = links
        self._column_of = column_of
        stage_column = {step.stage: column_of[home[step.number]] for step in flow.steps}
        self.loops = [
            replace(loop, first=stage_column[loop.first], last=stage_column[loop.last])
            for loop in flow.loops
            if stage_column[loop.first] < stage_column[loop.last] or loop.is_mixed
        ]
        self.bottoms: list[float] = []
        self.gutters: list[float] = []
        self.height = 0.0

    def place(self) -> None:
        """Give every box its place."""
        for column in self._columns:
            column.width = max(box.width for box in column.boxes)
            for box in column.boxes:
                box.width = column.width
        fits = self._place_in_line(GAP) or self._place_in_line(TIGHT)
        if not fits:
            self._shrink()
            fits = self._place_in_line(TIGHT)
        row = 0 if fits else self._place_in_slots()
        y = float(MARGIN)
        for number in range(row + 1):
            columns = [column for column in self._columns if column.row == number]
            y = self._place_row(columns, y, number) + (_BELOW if number < row else 0)
        self.height = y + MARGIN - 4

    def _shrink(self) -> None:
        """Make wide boxes narrower."""
        for column in self._columns:
            for box in column.boxes:
                is_fixed = box.kind == "end" or any(one.inside is not None for one in column.boxes)
                box.width = box.width if is_fixed else min(box.width, _SMALLER)
            column.width = max(box.width for box in column.boxes)

    def _place_in_line(self, gap: float) -> bool:
        """Give the columns places in one row; answers whether they fit."""
        joined = {self._place(link.target) for link in self._links if isinstance(link.target, Join)}
        x = float(MARGIN)
        for place, column in enumerate(self._columns):
            x += 12 if place in joined else 0
            column.x = x
            x += column.width + gap
        return x - gap <= self._width - MARGIN

    def _place_in_slots(self) -> int:
        """Give the columns places in a grid, and return the last row's number."""
        self._columns[0].x = MARGIN
        row, x = 0, float(FIRST)
        for column in self._columns[1:]:
            is_open = any(box.inside is not None for box in column.boxes)
            for box in column.boxes:
                if not is_open:
                    box.width = min(box.width, _SLOT) if box.kind == "end" else _SLOT
            column.width = max(box.width for box in column.boxes)
            if x > FIRST and x + max(column.width, _SLOT) > self._width - MARGIN:
                row, x = row + 1, float(FIRST)
            column.row, column.x = row, x
            x += max(column.width, _SLOT) + GAP
        return row

    def _place_row(self, columns: list[Column], top: float, row: int) -> float:
        heights = [
            sum(box.height for box in column.boxes) + _APART * (len(column.boxes) - 1) for column in columns
        ]
        if any(self._columns[loop.first].row <= row <= self._columns[loop.last].row for loop in self.loops):
            top += 30
        elif any(box.count > 1 for column in columns for box in column.boxes):
            top += 6
        middle = top + max(heights) / 2
        for column, height in zip(columns, heights, strict=True):
            y = middle - height / 2
            for box in column.boxes:
                box.x, box.y = column.x, y
                y += box.height + _APART
        bottom = top + max(heights)
        if any(self._columns[loop.first].row <= row <= self._columns[loop.last].row for loop in self.loops):
            bottom += 10
        self.bottoms.append(bottom)
        bottom += 9 * len(self._long(row))
        self.gutters.append(bottom + _BELOW / 2 + 3)
        return bottom

    def _long(self, row: int) -> list[GraphLink]:
        """The links that pass below boxes of this row."""
        return [link for link in self._links if self._span(link) > 1 and self._row(link.source) == row]

    def _span(self, link: GraphLink) -> int:
        return self._place(link.target) - self._place(link.source)

    def _row(self, end: NodeKey | Join) -> int:
        return self._columns[max(0, self._place(end))].row

    def _place(self, end: NodeKey | Join) -> int:
        if not isinstance(end, Join):
            return self._column_of[end]
        targets = [link.target for link in self._links if link.source == end]
        return min((self._place(target) for target in targets), default=1)
