"""A fan-out as cells, one for each call in the order of the calls, failures enlarged."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from durablenb.analysis.calls import CALL_STATES, CallState
from durablenb.analysis.graph import ExecutionGraph, GraphStep
from durablenb.notebook.keys import step_key
from durablenb.notebook.palette import STATE_LOOKS, draw_glyph
from durablenb.notebook.svg import HAIR, INK, MUTED, PLATE, Drawing, number, text_width
from durablenb.notebook.words import plural, states_text

MANY = 13
"""Minimum calls of a step that is drawn as cells."""

MOST_CELLS = 20_000
_PANELS = 3
_PLAIN = ("timer", "signal")
"""Kinds that aren't worth cells."""

_SQUARES = 300
_COARSE = 3_000
_NAMED = 12
_SIZE, _PITCH = 8, 11

_CALM = {"completed": "#8ccaa0"}
_FLAT = {"queued": 0.16}
"""How high the mark of a call is, as a share of its cell, if it isn't the usual one."""
_USUAL = 0.4


def steps_with_cells(flow: ExecutionGraph) -> list[GraphStep]:
    """Return the steps to draw as cells: a few with many parallel calls or failures, the largest first."""
    rounds = {stage for loop in flow.loops for stage in range(loop.first, loop.last + 1)}
    several = [step for step in flow.steps if len(step.calls) >= MANY and step.kind not in _PLAIN]
    suitable = [step for step in several if step.stage not in rounds or "failed" in step.states]
    return sorted(suitable, key=lambda step: -len(step.calls))[:_PANELS]


@dataclass(frozen=True, slots=True)
class _Grid:
    """The grid of cells: columns, rows and pitch; squares have gaps between them."""

    pitch: int
    columns: int
    rows: int
    is_squares: bool

    @property
    def height(self) -> float:
        """Height, with the margin below."""
        return self.rows * self.pitch + (10 if self.is_squares else 12)


def _cell_grid(count: int, width: float) -> _Grid:
    if count <= _SQUARES:
        columns = int((width + _PITCH - _SIZE) // _PITCH)
        return _Grid(_PITCH, columns, -(-count // columns), is_squares=True)
    pitch = 5 if count <= _COARSE else 3
    columns = int(width // pitch)
    return _Grid(pitch, columns, -(-count // columns), is_squares=False)


def cells_height(step: GraphStep, width: float) -> float:
    """Return the height of a step's cells, with the text above them."""
    bins = -(-len(step.calls) // MOST_CELLS)
    grid = _cell_grid(-(-len(step.calls) // bins), width)
    return (
        32 + 16 * (_rooms(step, width, bins) > width) + (18 if "failed" in step.states else 0) + grid.height
    )


def draw_cells(drawing: Drawing, step: GraphStep, x: float, y: float, width: float, of: str = "") -> float:
    """Draw a step's calls as cells, and return where they end.

    `of` is the id of the sub-orchestration that the step belongs to; empty for the instance itself.
    """
    states = [call.state for call in step.calls]
    bins = -(-len(states) // MOST_CELLS)
    if bins > 1:
        rank = CALL_STATES.index
        states = [min(states[at : at + bins], key=rank) for at in range(0, len(states), bins)]
    drawing.path(f"M{number(x)} {number(y)}h{number(width)}", stroke=HAIR, fill="none")
    y = _draw_heading(drawing, step, x, y + 20, width, bins) + 10
    failed = [call.number for call in step.calls if call.state == "failed"]
    if failed:
        named = ", ".join(f"#{task_id}" for task_id in failed[:_NAMED])
        more = f" and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
        drawing.text(
            x, y + 9, f"failed: {named}{more}", size=10.5, fill=STATE_LOOKS["failed"].colour, width=width
        )
        y += 18
    grid = _cell_grid(len(states), width)
    draw = _draw_squares if grid.is_squares else _draw_strip
    draw(drawing, states, x, y + 2, grid)
    if drawing.chosen is not None:
        _highlight(drawing, step, bins, x, y + 2, grid)
    if bins == 1:
        _cover(drawing, step, x, y + 2, grid, of)
    return y + 2 + grid.height


def _highlight(drawing: Drawing, step: GraphStep, bins: int, x: float, y: float, grid: _Grid) -> None:
    """Draw a ring around the cell of the selected call."""
    index = next((index for index, call in enumerate(step.calls) if call is drawing.chosen), None)
    if index is None:
        return
    row, column = divmod(index // bins, grid.columns)
    size = _SIZE if grid.is_squares else grid.pitch
    left, top, side = x + column * grid.pitch - 2.5, y + row * grid.pitch - 2.5, size + 5
    drawing.box(left, top, side, side, rx=2.5, fill="none", stroke=PLATE, stroke_width=4.5)
    drawing.box(left, top, side, side, "selected", rx=2.5, fill="none", stroke=INK, stroke_width=2)


def _cover(drawing: Drawing, step: GraphStep, x: float, y: float, grid: _Grid, of: str) -> None:
    """Draw an invisible area over the cells, by which the page finds the cell under the pointer."""
    pitch, columns, count = grid.pitch, grid.columns, len(step.calls)
    where = {"data_x": x, "data_y": y, "data_size": pitch, "data_columns": columns, "data_count": count}
    wide, high = min(count, columns) * pitch, grid.rows * pitch
    key = step_key(step, of).replace("step", "cell", 1)
    drawing.box(x, y, wide, high, data_cells=key, **where, fill="none", pointer_events="all")


def _calls_text(step: GraphStep, bins: int) -> str:
    return plural(len(step.calls), "call") + (f", {bins} in a cell" if bins > 1 else "")


def _rooms(step: GraphStep, width: float, bins: int) -> float:
    """Return how wide the heading of a step is on one line."""
    states = [states_text({state: count}, step.kind) for state, count in step.states.items()]
    name = min(width / 3, text_width(step.name, 12, is_bold=True)) + 8
    return name + text_width(_calls_text(step, bins), 11) + sum(32 + text_width(text, 11) for text in states)


def _draw_heading(drawing: Drawing, step: GraphStep, x: float, y: float, width: float, bins: int) -> float:
    """Draw the name, the calls and their states on one line, or on two; return the base of the last one."""
    left = x
    is_wide = _rooms(step, width, bins) <= width
    name_room = width / 3 if is_wide else width / 2
    drawing.text(x, y, step.name, width=name_room, size=12, is_bold=True)
    x += min(name_room, text_width(step.name, 12, is_bold=True)) + 8
    words = _calls_text(step, bins)
    drawing.text(x, y, words, size=11, fill=MUTED)
    x, y = (x + text_width(words, 11) + 16, y) if is_wide else (left, y + 16)
    for state, count in step.states.items():
        look = STATE_LOOKS[state]
        text = states_text({state: count}, step.kind)
        if x + 16 + text_width(text, 11) > left + width:
            drawing.text(x, y, "…", size=11, fill=MUTED)
            break
        draw_glyph(drawing, look, x, y - 10, 12)
        drawing.text(x + 16, y, text, size=11, fill=look.colour)
        x += 32 + text_width(text, 11)
    return y


def _draw_squares(drawing: Drawing, states: list[CallState], x: float, y: float, grid: _Grid) -> None:
    size, pitch, per_row = _SIZE, grid.pitch, grid.columns
    for state in reversed(CALL_STATES):
        d = "".join(
            _square(x + index % per_row * pitch, y + index // per_row * pitch, size, state)
            for index, other in enumerate(states)
            if other == state
        )
        if d:
            colour = _CALM.get(state, STATE_LOOKS[state].solid)
            drawing.path(d, f"{states.count(state):,} {state}", fill=colour)


def _square(x: float, y: float, size: float, state: CallState) -> str:
    if state == "failed":  # larger
        return f"M{number(x - 1)} {number(y - 1)}h{number(size + 2)}v{number(size + 2)}h{number(-size - 2)}z"
    if state == "completed":
        return f"M{number(x)} {number(y)}h{number(size)}v{number(size)}h{number(-size)}z"
    high = round(size * _FLAT.get(state, _USUAL))
    return f"M{number(x)} {number(y + (size - high) / 2)}h{number(size)}v{high}h{number(-size)}z"


def _draw_strip(drawing: Drawing, states: list[CallState], x: float, y: float, grid: _Grid) -> None:
    pitch, per_row = grid.pitch, grid.columns
    failed = f"h{pitch + 2}v{pitch + 2}h-{pitch + 2}z"  # larger than its cell
    paths: dict[CallState, list[str]] = {state: [] for state in CALL_STATES}
    for row, first in enumerate(range(0, len(states), per_row)):
        column = 0
        for state, run in groupby(states[first : first + per_row]):
            length = len(list(run))
            if state == "failed":
                paths[state] += [
                    f"M{number(x + (column + at) * pitch - 1)} {number(y + row * pitch - 1)}{failed}"
                    for at in range(length)
                ]
            else:
                middle = y + row * pitch + pitch / 2
                paths[state].append(f"M{number(x + column * pitch)} {number(middle)}h{length * pitch}")
            column += length
    for state in reversed(CALL_STATES):
        _draw_runs(drawing, state, paths[state], states.count(state) if paths[state] else 0, pitch)


def _draw_runs(drawing: Drawing, state: CallState, runs: list[str], count: int, pitch: int) -> None:
    if not runs:
        return
    title, colour = f"{count:,} {state}", _CALM.get(state, STATE_LOOKS[state].solid)
    if state == "failed":
        drawing.path("".join(runs), title, fill=colour)
    else:
        high = pitch + 0.2 if state == "completed" else _FLAT.get(state, _USUAL) * pitch
        drawing.path("".join(runs), title, fill="none", stroke=colour, stroke_width=high)
