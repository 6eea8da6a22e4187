"""A fan-out cell by cell: one for each call, in the order of the calls, failures larger than the rest."""

from __future__ import annotations

from itertools import groupby

from durablenb.queries.instance.steps import CALL_STATES, CallState, Step
from durablenb.views.palette import STATE_LOOKS, draw_glyph
from durablenb.views.svg import HAIR, MUTED, Drawing, number, width_of
from durablenb.views.words import plural, states_text

MANY = 13
"""Calls from which on a step is drawn cell by cell."""

MOST_CELLS = 20_000
_SQUARES = 300
_COARSE = 3_000
_NAMED = 12
_SIZE, _PITCH = 8, 11

_CALM = {"completed": "#8ccaa0"}


def draw_cells(drawing: Drawing, step: Step, x: float, y: float, width: float) -> float:
    """Draw a step's calls beginning at a place, and return where the next thing may begin."""
    states = [call.state for call in step.calls]
    bins = -(-len(states) // MOST_CELLS)
    if bins > 1:
        rank = CALL_STATES.index
        states = [min(states[at : at + bins], key=rank) for at in range(0, len(states), bins)]
    drawing.path(f"M{number(x)} {number(y)}h{number(width)}", stroke=HAIR, fill="none")
    _draw_heading(drawing, step, x, y + 20, width, bins)
    y += 30
    failed = [number_ for number_, call in enumerate(step.calls, 1) if call.state == "failed"]
    if failed:
        named = ", ".join(f"{one:,}" for one in failed[:_NAMED])
        more = f" and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
        drawing.text(
            x, y + 9, f"failed: no. {named}{more}", size=10.5, fill=STATE_LOOKS["failed"].colour, width=width
        )
        y += 18
    if len(states) <= _SQUARES:
        end = _draw_squares(drawing, states, x, y + 2, width)
        pitch, columns = _PITCH, _squares_in(width)
    else:
        pitch = 5 if len(states) <= _COARSE else 3
        end = _draw_strip(drawing, states, x, y + 2, width, pitch)
        columns = int(width // pitch)
    if bins == 1:
        _cover(drawing, step, x, y + 2, pitch, columns)
    return end


def _cover(drawing: Drawing, step: Step, x: float, y: float, pitch: int, columns: int) -> None:
    """Draw an area over the cells that tells which one is pointed at."""
    count = len(step.calls)
    grid = {"data_x": x, "data_y": y, "data_size": pitch, "data_columns": columns, "data_count": count}
    high = -(-count // columns) * pitch
    wide = min(count, columns) * pitch
    drawing.box(x, y, wide, high, data_cells=f"cell {step.number}", **grid, fill="none", pointer_events="all")


def _draw_heading(drawing: Drawing, step: Step, x: float, y: float, width: float, bins: int) -> None:
    drawing.text(x, y, step.name, width=width / 3, size=12, is_bold=True)
    x += min(width / 3, width_of(step.name, 12, is_bold=True)) + 8
    words = plural(len(step.calls), "call") + (f", {bins} in a cell" if bins > 1 else "")
    drawing.text(x, y, words, size=11, fill=MUTED)
    x += width_of(words, 11) + 16
    for state, count in step.states.items():
        look = STATE_LOOKS[state]
        text = states_text({state: count}, step.kind)
        draw_glyph(drawing, look, x, y - 10, 12)
        drawing.text(x + 16, y, text, size=11, fill=look.colour)
        x += 32 + width_of(text, 11)


def _draw_squares(drawing: Drawing, states: list[CallState], x: float, y: float, width: float) -> float:
    size, pitch, per_row = _SIZE, _PITCH, _squares_in(width)
    for state in reversed(CALL_STATES):
        d = "".join(
            _square(x + place % per_row * pitch, y + place // per_row * pitch, size, state)
            for place, one in enumerate(states)
            if one == state
        )
        if d:
            colour = _CALM.get(state, STATE_LOOKS[state].solid)
            drawing.path(d, f"{states.count(state):,} {state}", fill=colour)
    return y + -(-len(states) // per_row) * pitch + 10


def _squares_in(width: float) -> int:
    return int((width + _PITCH - _SIZE) // _PITCH)


def _square(x: float, y: float, size: float, state: CallState) -> str:
    if state == "failed":  # larger
        return f"M{number(x - 1)} {number(y - 1)}h{number(size + 2)}v{number(size + 2)}h{number(-size - 2)}z"
    if state == "completed":
        return f"M{number(x)} {number(y)}h{number(size)}v{number(size)}h{number(-size)}z"
    return f"M{number(x)} {number(y + size / 2 - 1.5)}h{number(size)}v3h{number(-size)}z"  # flat


def _draw_strip(
    drawing: Drawing, states: list[CallState], x: float, y: float, width: float, pitch: int
) -> float:
    per_row = int(width // pitch)
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
    return y + -(-len(states) // per_row) * pitch + 12


def _draw_runs(drawing: Drawing, state: CallState, runs: list[str], count: int, pitch: int) -> None:
    if not runs:
        return
    title, colour = f"{count:,} {state}", _CALM.get(state, STATE_LOOKS[state].solid)
    if state == "failed":
        drawing.path("".join(runs), title, fill=colour)
    else:
        high = pitch + 0.2 if state == "completed" else 0.4 * pitch
        drawing.path("".join(runs), title, fill="none", stroke=colour, stroke_width=high)
