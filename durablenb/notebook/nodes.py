"""The boxes of a graph: what stands in them, and how wide they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from durablenb.analysis.calls import CALL_STATES, CallState
from durablenb.analysis.graph import GraphStep, NodeKey
from durablenb.model.events import TaskKind
from durablenb.notebook.svg import cleaned, width_of
from durablenb.notebook.words import lasting, parted, plural, states_text, step_text

if TYPE_CHECKING:
    from durablenb.notebook.layout import Layout

NAME, SMALL = 12.5, 10.5
"""Sizes of letters."""

DOT = 14
"""How wide the beginning is."""

INSET = ("timer", "external event", "signal")
"""Kinds whose shapes leave less room at their sides."""

_CONTROL = 24
"""What is kept free for what opens a sub-orchestration."""

_LEAST, _MOST = 96, 196
_HIGH, _HIGHER, _LOW = 42, 52, 28


@dataclass
class Box:
    """A step, or several folded into one, and where it stands."""

    key: NodeKey
    name: str
    kind: TaskKind | str
    details: tuple[str, ...]
    count: int
    states: dict[CallState, int]
    title: str
    is_fan: bool = False
    width: float = 0
    x: float = 0
    y: float = 0
    can_open: bool = False
    """Whether it is a sub-orchestration whose steps can be shown in it."""

    inside: Layout | None = None
    """The steps of a sub-orchestration that is opened."""

    @property
    def height(self) -> float:
        """What is written, and what is in it."""
        return self.head + (0 if self.inside is None else self.inside.bottom)

    @property
    def head(self) -> float:
        """Room for two lines, and a bar where there are several calls; a signal has one line."""
        if self.kind == "signal":
            return _LOW
        return _HIGHER if self.count > 1 else _HIGH

    @property
    def middle(self) -> float:
        """Where arrows arrive and leave."""
        return self.y + self.height / 2


def boxes_of(
    steps: Sequence[GraphStep], home: dict[NodeKey, NodeKey], most: int, *, in_turn: bool
) -> list[Box]:
    """Return the boxes of one stage, at most so many, and note which step is in which.

    `in_turn`: its calls are those of the rounds of a loop.
    """
    shown = list(steps)
    if len(steps) > most:
        by_worry = sorted(steps, key=lambda step: CALL_STATES.index(next(iter(step.states))))
        shown = sorted(by_worry[: most - 1], key=lambda step: step.number)
    boxes = [_box(step, in_turn=in_turn) for step in shown]
    home.update({step.number: step.number for step in shown})
    rest = [step for step in steps if step.number not in home]
    if rest:
        boxes.append(gathered(rest, home))
    return boxes


def gathered(steps: Sequence[GraphStep], home: dict[NodeKey, NodeKey]) -> Box:
    """Return several steps as one box, and note that they are in it."""
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


def _box(step: GraphStep, *, in_turn: bool) -> Box:
    name, entity = parted(step.name, step.calls[0])
    details = [step_text(step)]
    if step.kind == "entity call":
        details = [entity, *details]
    elif step.kind == "lock":
        details = [f"{details[0]}, {entity}"]
    if len(step.calls) == 1:
        call = step.calls[0]
        seconds = (call.ended - call.asked).total_seconds()
        if call.state in ("completed", "failed") and seconds >= 0.001:
            details.append(lasting(seconds))
        if step.kind == "sub-orchestration":
            details[0] = f"child {details[0]}"
    title = f"{step.kind} {step.name}: {states_text(step.states, step.kind)}"
    if step.kind == "signal":
        name, details = f"{name} \N{RIGHTWARDS ARROW} {entity}", []
    is_fan = len(step.calls) > 1 and not in_turn
    count = len(step.calls)
    return _sized(Box(step.number, name, step.kind, tuple(details), count, step.states, title, is_fan))


def _sized(box: Box) -> Box:
    count = f"\N{MULTIPLICATION SIGN} {box.count:,}" if box.count > 1 and box.kind != "folded" else ""
    name = width_of(cleaned(box.name), NAME, is_bold=True)
    name += width_of(count, NAME, is_bold=True) + 8 if count else 0
    padding = 49 if box.kind in INSET else 39 + (_CONTROL if box.kind == "sub-orchestration" else 0)
    wanted = max(name, width_of(", ".join(box.details), SMALL)) + padding
    box.width = min(_MOST, max(_LEAST, wanted))
    return box


def start() -> Box:
    """Return where an execution begins."""
    return Box("start", "start", "start", (), 1, {}, "start", width=DOT)


def end_of(end: str) -> Box:
    """Return where an execution ended with this status."""
    width = width_of(end, SMALL + 1, is_bold=True) + 36
    return Box("end", end, "end", (), 1, {}, f"ended: {end}", width=width)
