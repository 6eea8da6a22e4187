"""Where the steps of an execution stand: left to right in rows, what is too much folded into one box."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from durablenb.queries.instance.folding import MOST_STAGES
from durablenb.queries.instance.graph import Link, links_of
from durablenb.queries.instance.steps import Flow, Join, Loop, Place, Step
from durablenb.views.nodes import DOT, Box, boxes_of, end_of, gathered, start
from durablenb.views.svg import WIDTH

MARGIN = 20
GAP = 38
TIGHT = 26
_SMALLER = 146
_SLOT = 160
_MOST_BOXES = 200
_MOST_IN_A_STAGE = 8
_APART = 16
_BELOW = 26


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
    boxes: dict[Place, Box]
    links: list[Link]
    column_of: dict[Place, int]
    bottoms: list[float]
    gutters: list[float]
    loops: list[Loop]
    height: float


def layout_of(flow: Flow) -> Layout:
    """Return where everything of an execution stands."""
    hidden = _hidden(flow.stages)
    stages, home = _folded(flow, hidden)
    columns = [Column([start()])]
    columns += [Column(boxes) for boxes in stages]
    if flow.end is not None:
        columns.append(Column([end_of(flow.end)]))
    boxes = {box.key: box for column in columns for box in column.boxes}
    column_of = {box.key: place for place, column in enumerate(columns) for box in column.boxes}
    kept = tuple(join for join in flow.joins if join.stage not in hidden)
    links = _moved(links_of(replace(flow, joins=kept)), home, column_of)
    bands = _Bands(columns, flow, links, column_of, home)
    bands.place()
    return Layout(columns, boxes, links, column_of, bands.bottoms, bands.gutters, bands.loops, bands.height)


def _hidden(stages: int) -> range:
    """Return the stages in the middle that are folded into one box."""
    half = MOST_STAGES // 2
    return range(half, stages - half + 1) if stages > MOST_STAGES else range(0)


def _folded(flow: Flow, hidden: range) -> tuple[list[list[Box]], dict[Place, Place]]:
    """Return the boxes of each column, and the box that each step is in."""
    stages: list[list[Step]] = [[] for _ in range(flow.stages)]
    for step in flow.steps:
        stages[step.stage].append(step)
    home: dict[Place, Place] = {"start": "start", "end": "end"}
    columns: list[list[Box]] = []
    most = min(_MOST_IN_A_STAGE, _MOST_BOXES // max(1, flow.stages - len(hidden)))
    rounds = {place for loop in flow.loops for place in range(loop.first, loop.last + 1)}
    for place, steps in enumerate(stages):
        if place not in hidden:
            columns.append(boxes_of(steps, home, most, in_turn=place in rounds))
        elif place == hidden.start:
            columns.append([gathered([step for stage in hidden for step in stages[stage]], home)])
    return columns, home


def _moved(links: Iterable[Link], home: dict[Place, Place], column_of: dict[Place, int]) -> list[Link]:
    """Return the links between boxes; those within one box, and back to an earlier one, are left out."""
    moved: dict[tuple[Place | Join, Place | Join], Link] = {}
    for link in links:
        source = link.source if isinstance(link.source, Join) else home[link.source]
        target = link.target if isinstance(link.target, Join) else home[link.target]
        if link.is_back or source == target:
            continue
        if not (isinstance(source, Join) or isinstance(target, Join)) and (
            column_of[source] >= column_of[target]
        ):
            continue
        moved.setdefault((source, target), Link(source, target, link.relation, link.count, False))
    return list(moved.values())


class _Bands:
    """Columns in rows."""

    def __init__(
        self,
        columns: list[Column],
        flow: Flow,
        links: list[Link],
        column_of: dict[Place, int],
        home: dict[Place, Place],
    ) -> None:
        self._columns = columns
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
                box.width = box.width if box.kind == "end" else min(box.width, _SMALLER)
            column.width = max(box.width for box in column.boxes)

    def _place_in_line(self, gap: float) -> bool:
        """Give the columns places in one row; answers whether they fit."""
        joined = {self._place(link.target) for link in self._links if isinstance(link.target, Join)}
        x = float(MARGIN)
        for place, column in enumerate(self._columns):
            x += 12 if place in joined else 0
            column.x = x
            x += column.width + gap
        return x - gap <= WIDTH - MARGIN

    def _place_in_slots(self) -> int:
        """Give the columns places in a grid, and return the last row's number."""
        first = MARGIN + DOT + GAP
        per_row = int((WIDTH - MARGIN - first + GAP) // (_SLOT + GAP))
        self._columns[0].x = MARGIN
        for place, column in enumerate(self._columns[1:]):
            column.row = place // per_row
            column.x = first + place % per_row * (_SLOT + GAP)
            for box in column.boxes:
                box.width = min(box.width, _SLOT) if box.kind == "end" else _SLOT
            column.width = max(box.width for box in column.boxes)
        return self._columns[-1].row

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

    def _long(self, row: int) -> list[Link]:
        """The links that pass below boxes of this row."""
        return [link for link in self._links if self._span(link) > 1 and self._row(link.source) == row]

    def _span(self, link: Link) -> int:
        return self._place(link.target) - self._place(link.source)

    def _row(self, end: Place | Join) -> int:
        return self._columns[max(0, self._place(end))].row

    def _place(self, end: Place | Join) -> int:
        if not isinstance(end, Join):
            return self._column_of[end]
        targets = [link.target for link in self._links if link.source == end]
        return min((self._place(target) for target in targets), default=1)
