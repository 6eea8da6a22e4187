"""The layout of a graph: steps from left to right in rows, surplus steps folded into one box."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from durablenb.analysis.graph import MOST_STAGES, ExecutionGraph, GraphStep, Join, NodeKey
from durablenb.analysis.nesting import NOTHING_OPENED, NestedGraphs, opened_call
from durablenb.analysis.networkx_graphs import GraphLink, graph_links
from durablenb.notebook.still.graph_boxes import (
    BEFORE,
    DOT,
    MARGIN,
    Box,
    Column,
    Layout,
    end_box,
    folded_box,
    stage_boxes,
    start_box,
)
from durablenb.notebook.still.graph_cells import steps_with_cells
from durablenb.notebook.svg import WIDTH

GAP = 38
TIGHT = 26
_SMALLER = 146
_SLOT = 160
_MOST_BOXES = 200
_MOST_IN_A_STAGE = 8
_APART = 16
_BELOW = 26
_WORDS = 180
"""Room for the words that nothing was requested."""

FIRST = MARGIN + DOT + GAP
"""Left edge of the first column behind the start."""

DEEPEST = 4
"""Maximum depth of nested sub-orchestrations; deeper ones have no room."""


def lay_out_graph(
    flow: ExecutionGraph,
    nest: NestedGraphs = NOTHING_OPENED,
    width: float = WIDTH,
    of: str = "",
    depth: int = 0,
) -> Layout:
    """Return the layout of an execution.

    Parameters
    ----------
    flow
        The execution.
    nest
        The opened sub-orchestrations.
    width
        Available width.
    of
        The id of the opened sub-orchestration; empty for the instance itself.
    depth
        Its depth of nesting.
    """
    hidden = _hidden(flow.stages)
    stages, home = _folded(flow, hidden)
    columns = [Column([start_box()])]
    columns += [Column(boxes) for boxes in stages]
    if flow.end is not None:
        columns.append(Column([end_box(flow.end)]))
    boxes = {box.key: box for column in columns for box in column.boxes}
    if depth < DEEPEST:
        _open(flow, nest, boxes, width - MARGIN - FIRST, depth + 1)
    column_of = {box.key: index for index, column in enumerate(columns) for box in column.boxes}
    kept = tuple(join for join in flow.joins if join.stage not in hidden)
    links = _moved(graph_links(replace(flow, joins=kept)), home, column_of)
    placement = _Placement(columns, flow, links, column_of, home, width)
    placement.place()
    panels = steps_with_cells(flow)
    taken = width if panels else max(column.x + column.width for column in columns) + MARGIN
    taken += 0 if flow.steps else _WORDS
    rows = (placement.bottoms, placement.gutters, placement.loops, placement.height)
    for box in boxes.values():
        if box.inside is not None:
            box.inside.shift(box.x, box.y + box.head)
    return Layout(columns, boxes, links, column_of, *rows, taken, panels, home, of=of)


def positions(flow: ExecutionGraph) -> tuple[dict[NodeKey | Join, tuple[float, float]], float]:
    """Return the centre of each box and join of an execution, and the height of the picture.

    Steps that share a box are below each other, so that each has a place of its own.
    """
    layout = lay_out_graph(flow)
    found: dict[NodeKey | Join, tuple[float, float]] = {
        key: (box.x + box.width / 2, box.middle) for key, box in layout.boxes.items()
    }
    high = layout.height
    shared: dict[NodeKey, int] = {}
    for step in flow.steps:
        home = layout.home[step.number]
        if step.number not in layout.boxes or home != step.number:
            x, y = found[home]
            shared[home] = shared.get(home, 0) + 1
            found[step.number] = (x, y + shared[home] * _APART * 2)
            high = max(high, found[step.number][1] + MARGIN)
    for link in layout.links:
        if isinstance(link.source, Join) and not isinstance(link.target, Join):
            x, y = found[link.target]
            left = layout.boxes[link.target].width / 2
            found.setdefault(link.source, (x - left - BEFORE, y))
    hidden = (join for join in flow.joins if join not in found)
    for join in hidden:
        stage: NodeKey = next((step.number for step in flow.steps if step.stage == join.stage), "end")
        x, y = found[stage]
        found[join] = (x - BEFORE, y)
    return found, high


def _open(
    flow: ExecutionGraph, nest: NestedGraphs, boxes: dict[NodeKey, Box], width: float, depth: int
) -> None:
    """Put the layouts of opened sub-orchestrations into their boxes."""
    for step in flow.steps:
        box = boxes.get(step.number)
        if box is None or box.kind != "sub-orchestration":
            continue
        box.can_open = True
        opened = opened_call(step, nest)
        if opened is None:
            continue
        index, child = opened
        box.inside = lay_out_graph(nest[child], nest, width, child, depth)
        box.width = max(box.width, box.inside.width)
        which = f"{index + 1:,} of {box.count:,}, #{step.calls[index].number}: " if box.count > 1 else ""
        box.details = (which + child, *box.details)


def _hidden(stages: int) -> range:
    """Return the stages in the middle that share one box."""
    half = MOST_STAGES // 2
    return range(half, stages - half + 1) if stages > MOST_STAGES else range(0)


def _folded(flow: ExecutionGraph, hidden: range) -> tuple[list[list[Box]], dict[NodeKey, NodeKey]]:
    """Return the boxes of each column, and the box of each step."""
    stages: list[list[GraphStep]] = [[] for _ in range(flow.stages)]
    for step in flow.steps:
        stages[step.stage].append(step)
    home: dict[NodeKey, NodeKey] = {"start": "start", "end": "end"}
    columns: list[list[Box]] = []
    most = min(_MOST_IN_A_STAGE, _MOST_BOXES // max(1, flow.stages - len(hidden)))
    rounds = {stage: loop.times for loop in flow.loops for stage in range(loop.first, loop.last + 1)}
    for stage, steps in enumerate(stages):
        if stage not in hidden:
            columns.append(stage_boxes(steps, home, most, rounds.get(stage, 0)))
        elif stage == hidden.start:
            columns.append([folded_box([step for stage in hidden for step in stages[stage]], home)])
    return columns, home


def _moved(
    links: Iterable[GraphLink], home: dict[NodeKey, NodeKey], column_of: dict[NodeKey, int]
) -> list[GraphLink]:
    """Return the links between boxes, without those within a box or back to an earlier one."""
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


class _Placement:
    """Places columns in rows."""

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
            if stage_column[loop.first] < stage_column[loop.last]
            or columns[stage_column[loop.first]].boxes[0].kind != "folded"
        ]
        self.bottoms: list[float] = []
        self.gutters: list[float] = []
        self.height = 0.0

    def place(self) -> None:
        """Set the position of every box."""
        for column in self._columns:
            column.width = max(box.width for box in column.boxes)
            for box in column.boxes:
                box.width = column.width
        fits = self._place_in_line(GAP)
        if fits:
            self._widen()
        fits = fits or self._place_in_line(TIGHT)
        if not fits:
            self._shrink()
            fits = self._place_in_line(TIGHT)
        row = 0 if fits else self._place_in_slots()
        y = float(MARGIN)
        for number in range(row + 1):
            columns = [column for column in self._columns if column.row == number]
            y = self._place_row(columns, y, number) + (_BELOW if number < row else 0)
        self.height = y + MARGIN - 4

    def _widen(self) -> None:
        """Give the room beside a row of boxes to those whose words would be cut."""
        wanted = [max(column.width, *(box.wanted for box in column.boxes)) for column in self._columns]
        last = self._columns[-1]
        room = self._width - MARGIN - last.x - last.width
        missing = sum(wanted) - sum(column.width for column in self._columns)
        share = min(1.0, room / missing) if missing > 0 else 0.0
        for column, wide in zip(self._columns, wanted, strict=True):
            column.width += share * (wide - column.width)
            for box in column.boxes:
                box.width = column.width
        self._place_in_line(GAP)

    def _shrink(self) -> None:
        """Make wide boxes narrower."""
        for column in self._columns:
            for box in column.boxes:
                is_fixed = box.kind == "end" or any(inner.inside is not None for inner in column.boxes)
                box.width = box.width if is_fixed else min(box.width, _SMALLER)
            column.width = max(box.width for box in column.boxes)

    def _place_in_line(self, gap: float) -> bool:
        """Place the columns in one row; return whether they fit."""
        joined = {self._place(link.target) for link in self._links if isinstance(link.target, Join)}
        x = float(MARGIN)
        for index, column in enumerate(self._columns):
            x += 12 if index in joined else 0
            column.x = x
            x += column.width + gap
        return x - gap <= self._width - MARGIN

    def _place_in_slots(self) -> int:
        """Place the columns in a grid; return the number of the last row."""
        self._columns[0].x = MARGIN
        slot = self._slot()
        row, x = 0, float(FIRST)
        for column in self._columns[1:]:
            is_open = any(box.inside is not None for box in column.boxes)
            for box in column.boxes:
                if not is_open:
                    box.width = min(box.width, slot) if box.kind == "end" else slot
            column.width = max(box.width for box in column.boxes)
            if x > FIRST and x + max(column.width, slot) > self._width - MARGIN:
                row, x = row + 1, float(FIRST)
            column.row, column.x = row, x
            x += max(column.width, slot) + GAP
        return row

    def _slot(self) -> float:
        """Return the width of a slot; if many names would be cut, there is one slot less in a row."""
        room = self._width - MARGIN - FIRST + GAP
        in_row = int(room // (_SLOT + GAP))
        boxes = [box for column in self._columns for box in column.boxes]
        is_cut = sum(box.wanted > _SLOT for box in boxes) * 3 >= len(boxes)
        return room / (in_row - 1) - GAP if is_cut and in_row > 2 else _SLOT

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
        """Return the links that pass below boxes of a row."""
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
