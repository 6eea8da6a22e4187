"""The picture of an execution: its steps from left to right, fan-outs as one box, what is open in colour."""

from __future__ import annotations

from durablenb.analysis.calls import CallState
from durablenb.analysis.graph import ExecutionGraph
from durablenb.analysis.nesting import NOTHING_OPENED, NestedGraphs
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.boxes import draw_box
from durablenb.notebook.cells import draw_cells
from durablenb.notebook.layout import MARGIN, Layout, layout_of
from durablenb.notebook.links import LINE, draw_links
from durablenb.notebook.nodes import SMALL
from durablenb.notebook.palette import GREY, TINTS
from durablenb.notebook.svg import MUTED, WIDTH, Drawing
from durablenb.notebook.words import plural, states_text


def graph_svg(picture: InstanceSnapshot) -> tuple[str, str]:
    """Return the picture of the last execution, and the sentence that says the same."""
    return graph_on(Drawing(WIDTH, sentence_of(picture)), picture)


def graph_on(drawing: Drawing, picture: InstanceSnapshot) -> tuple[str, str]:
    """Return the same, drawn on a drawing of some kind."""
    return drawing.finished(draw_graph(drawing, picture.flow, picture.nest)), drawing.sentence


def draw_graph(drawing: Drawing, flow: ExecutionGraph, nest: NestedGraphs = NOTHING_OPENED) -> float:
    """Draw an execution, with the sub-orchestrations that are opened, and return how high that is."""
    layout = layout_of(flow, nest)
    _draw_layout(drawing, layout)
    return layout.bottom


def _draw_layout(drawing: Drawing, layout: Layout) -> None:
    _draw_loops(drawing, layout)
    draw_tags = draw_links(drawing, layout)
    for box in layout.boxes.values():
        draw_box(drawing, box, layout.of)
        if box.inside is not None:
            _draw_layout(drawing, box.inside)
    draw_tags()
    if layout.boxes.keys() <= {"start", "end"}:
        words = "nothing was asked for" + ("" if "end" in layout.boxes else " yet")
        right = max(box.x + box.width for box in layout.boxes.values())
        drawing.text(right + 16, layout.boxes["start"].middle + 4, words, size=11.5, fill=MUTED)
    x, y = layout.left + MARGIN, layout.top + layout.height
    for step in layout.panels:
        y = draw_cells(drawing, step, x, y + 6, layout.room, layout.of)


def sentence_of(picture: InstanceSnapshot) -> str:
    """Return what there is to see of an instance, as a sentence."""
    steps = picture.flow.steps
    calls = sum(len(step.calls) for step in steps)
    states: dict[CallState, int] = {}
    for step in steps:
        for state, count in step.states.items():
            states[state] = states.get(state, 0) + count
    counts = f": {states_text(states)}" if states else ""
    status = picture.status
    what = f"{plural(len(steps), 'step')}, {plural(calls, 'call')}{counts}"
    return f"{status.name} {status.instance_id}: {picture.word}, {what}"


def _draw_loops(drawing: Drawing, layout: Layout) -> None:
    for loop in layout.loops:
        for row in {layout.columns[place].row for place in range(loop.first, loop.last + 1)}:
            columns = [column for column in layout.columns[loop.first : loop.last + 1] if column.row == row]
            left = columns[0].x - 13
            right = columns[-1].x + columns[-1].width + 13
            top = min(box.y for column in columns for box in column.boxes) - 12
            bottom = max(box.y + box.height for column in columns for box in column.boxes) + 11
            words = f"{loop.times:,} rounds" + (", in any order" if loop.is_mixed else "")
            dashes = {"stroke_dasharray": "4 3", "fill_opacity": "0.55"}
            fill = TINTS[GREY]
            drawing.box(left, top, right - left, bottom - top, words, rx=10, fill=fill, stroke=LINE, **dashes)
            drawing.text(left + 10, top - 5, words, size=SMALL, fill=MUTED, width=max(right - left - 10, 150))
