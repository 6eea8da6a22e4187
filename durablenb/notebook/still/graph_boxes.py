"""The boxes of a graph, with their texts and sizes, and the layout that contains them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from durablenb.analysis.calls import CALL_STATES, CallState
from durablenb.analysis.graph import GraphStep, Loop, NodeKey
from durablenb.analysis.networkx_graphs import GraphLink
from durablenb.model.events import TaskKind
from durablenb.notebook.still.graph_cells import cells_height
from durablenb.notebook.svg import clean, text_width
from durablenb.notebook.words import lasting, operation_and_entity, plural, states_text, step_text

NAME, SMALL = 12.5, 10.5
"""Font sizes."""

DOT = 14
"""Width of the start."""

INSET = ("timer", "external event", "signal")
"""Kinds whose outlines need a wider padding."""

_CONTROL = 24
"""Room for the control that opens a sub-orchestration."""

_LEAST, _MOST, _WIDEST = 96, 196, 420
_HIGH, _HIGHER, _LOW = 42, 52, 28


@dataclass
class Box:
    """A step, or several folded into one, with its position."""

    key: NodeKey
    name: str
    kind: TaskKind | str
    details: tuple[str, ...]
    count: int
    states: dict[CallState, int]
    title: str
    is_fan: bool = False
    """True if its calls were requested at once, not in the rounds of a loop."""

    is_stack: bool = False
    """True if calls of it were under way at the same time."""

    width: float = 0
    wanted: float = 0
    """The width that it gets if there is room: nothing is cut then, unless it is very long."""

    x: float = 0
    y: float = 0
    can_open: bool = False
    """True if it is a sub-orchestration that can be opened."""

    inside: Layout | None = None
    """The layout of an opened sub-orchestration."""

    @property
    def height(self) -> float:
        """Height of the head and of the layout inside."""
        return self.head + (0 if self.inside is None else self.inside.bottom)

    @property
    def head(self) -> float:
        """Height of two lines, of a bar too if there are several calls; of one line for a signal."""
        if self.kind == "signal":
            return _LOW
        return _HIGHER if self.count > 1 else _HIGH

    @property
    def middle(self) -> float:
        """Height at which arrows arrive and leave."""
        return self.y + self.height / 2


MARGIN = 20

BEFORE = 23
"""Distance of a join before its target."""


@dataclass
class Column:
    """The boxes in one column of one row."""

    boxes: list[Box]
    row: int = 0
    x: float = 0
    width: float = 0


@dataclass
class Layout:
    """All boxes with their positions; each row has a `bottom`, and a `gutter` below it."""

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
    """The steps drawn cell by cell below the boxes."""

    home: dict[NodeKey, NodeKey]
    """The key of each step's box; several steps may share one."""

    left: float = 0
    top: float = 0
    of: str = ""
    """The id of the opened sub-orchestration; empty for the instance itself."""

    @property
    def bottom(self) -> float:
        """Total height."""
        return self.height + sum(6 + cells_height(step, self.room) for step in self.panels)

    @property
    def room(self) -> float:
        """Maximum width of cells."""
        return self.width - 2 * MARGIN

    def shift(self, x: float, y: float) -> None:
        """Move the layout with everything inside its boxes."""
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


def stage_boxes(
    steps: Sequence[GraphStep], home: dict[NodeKey, NodeKey], most: int, rounds: int
) -> list[Box]:
    """Return at most `most` boxes for one stage, and add the box of each step to `home`.

    `rounds` is the number of rounds of the loop that the stage is in; 0 outside of loops.
    """
    shown = list(steps)
    if len(steps) > most:
        by_worry = sorted(steps, key=lambda step: CALL_STATES.index(next(iter(step.states))))
        shown = sorted(by_worry[: most - 1], key=lambda step: step.number)
    boxes = [_box(step, rounds) for step in shown]
    home.update({step.number: step.number for step in shown})
    rest = [step for step in steps if step.number not in home]
    if rest:
        boxes.append(folded_box(rest, home))
    return boxes


def folded_box(steps: Sequence[GraphStep], home: dict[NodeKey, NodeKey]) -> Box:
    """Return one box for several steps, and add it to `home`."""
    states: Counter[CallState] = Counter()
    for step in steps:
        states.update(step.states)
        home[step.number] = steps[0].number
    ordered = {state: states[state] for state in CALL_STATES if states[state]}
    name = f"{plural(len(steps), 'more step')}"
    text = states_text(ordered)
    return _sized(
        Box(steps[0].number, name, "folded", (text,), sum(states.values()), ordered, f"{name}: {text}")
    )


def _box(step: GraphStep, rounds: int) -> Box:
    name, entity = operation_and_entity(step.name, step.calls[0])
    details = [step_text(step)]
    if step.kind == "entity call":
        details = [entity, *details]
    elif step.kind == "lock":
        details = [f"{details[0]}, {entity}"]
    if len(step.calls) == 1:
        call = step.calls[0]
        seconds = (call.ended - call.scheduled).total_seconds()
        if call.state in ("completed", "failed") and seconds >= 0.001 and not call.is_cached:
            details.append(lasting(seconds))
        if step.kind == "sub-orchestration":
            details[0] = f"child {details[0]}"
    title = f"{step.kind} {step.name}: {states_text(step.states, step.kind)}"
    if step.kind == "signal":
        name, details = f"{name} \N{RIGHTWARDS ARROW} {entity}", []
    count = len(step.calls)
    is_fan, is_stack = count > 1 and not rounds, count > max(rounds, 1)
    text = (name, step.kind, tuple(details), count, step.states, title)
    return _sized(Box(step.number, *text, is_fan=is_fan, is_stack=is_stack))


def _sized(box: Box) -> Box:
    count = f"\N{MULTIPLICATION SIGN} {box.count:,}" if box.is_stack else ""
    name = text_width(clean(box.name), NAME, is_bold=True)
    name += text_width(count, NAME, is_bold=True) + 8 if count else 0
    padding = 49 if box.kind in INSET else 39 + (_CONTROL if box.kind == "sub-orchestration" else 0)
    wanted = max(name, text_width(", ".join(box.details), SMALL)) + padding
    box.wanted = min(_WIDEST, max(_LEAST, wanted))
    box.width = min(_MOST, box.wanted)
    return box


def start_box() -> Box:
    """Return the start of an execution."""
    return Box("start", "start", "start", (), 1, {}, "start", width=DOT)


def end_box(end: str) -> Box:
    """Return the end of an execution, with its status."""
    width = text_width(end, SMALL + 1, is_bold=True) + 36
    return Box("end", end, "end", (), 1, {}, f"ended: {end}", width=width)
