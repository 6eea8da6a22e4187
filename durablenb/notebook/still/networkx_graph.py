"""A graph of networkx as a picture: a box for each node at its position, a line for each edge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from durablenb.analysis.graph import GraphView
from durablenb.notebook.html import card, heading, line, markup, picture
from durablenb.notebook.palette import LOOKS, STATE_LOOKS, Look, draw_glyph, status_look
from durablenb.notebook.still.graph import LINE
from durablenb.notebook.svg import MUTED, WIDTH, Drawing, clean, number, text_width
from durablenb.notebook.words import plural

MOST = 300
"""Nodes that are drawn."""

_EDGE, _HIGH = 24.0, 24.0
_WIDEST = 150.0
_SIZE = 11.0
_STATUSES = {"exists": "Idle", "deleted": "No state", "purged": "No state"}


def graph_card(view: GraphView) -> str:
    """Return a graph as a picture."""
    title = heading(markup("<b>", line(view.text.strip("<>"), 256), "</b>"))
    return card(title, picture(_picture(view)), _more(view))


def _more(view: GraphView) -> str:
    shown = list(_placed(view.nodes))
    homeless = len(view.nodes) - len(shown)
    words = [f"{plural(len(shown) - MOST, 'more node')}"] if len(shown) > MOST else []
    words += [f"{plural(homeless, 'node')} without a position, pos"] if homeless else []
    return heading("Not drawn: " + ", ".join(words) + ".") if words else ""


def _placed(nodes: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, float, float]]:
    """Yield the nodes that have a position, with it."""
    for name, node in nodes.items():
        try:
            x, y = node["pos"]
            yield name, float(x), float(y)
        except (KeyError, TypeError, ValueError):  # added by the user
            continue


def _picture(view: GraphView) -> tuple[str, str] | None:
    placed = list(_placed(view.nodes))[:MOST]
    if not placed:
        return None
    left = min(x for _, x, _ in placed) - _WIDEST / 2 - _EDGE
    top = max(y for *_, y in placed) + _HIGH / 2 + _EDGE
    right = max(x for _, x, _ in placed) + _WIDEST / 2 + _EDGE
    bottom = min(y for *_, y in placed) - _HIGH / 2 - _EDGE
    drawing = Drawing(max(WIDTH, right - left), view.text.strip("<>"))
    boxes = {name: _Node(name, view.nodes[name], x - left, top - y) for name, x, y in placed}
    for source, target, edge in view.edges:
        if source in boxes and target in boxes and source != target:
            _draw_edge(drawing, boxes[source], boxes[target], edge)
    for box in boxes.values():
        box.draw(drawing)
    return drawing.finished(top - bottom), drawing.sentence


class _Node:
    """A node with its place in the picture; a start is a dot, a join a bar, any other a box."""

    def __init__(self, name: str, node: Mapping[str, Any], x: float, y: float) -> None:
        self.kind = str(node.get("kind", ""))
        self.x, self.y = x, y
        count = node.get("count", 1)
        has_count = isinstance(count, int) and count > 1 and self.kind != "entity"
        self.words = clean(name) + (f" \N{MULTIPLICATION SIGN} {count:,}" if has_count else "")
        self.status = str(node.get("status", ""))
        wide = text_width(self.words, _SIZE) + 34
        self.half = {"start": 7.0, "join": 3.0}.get(self.kind, min(wide, _WIDEST) / 2)

    @property
    def look(self) -> Look:
        """The look of its status."""
        look = STATE_LOOKS.get(self.status)  # type: ignore[call-overload]
        return look or LOOKS.get(_STATUSES.get(self.status, ""), status_look(self.status))

    def draw(self, drawing: Drawing) -> None:
        """Draw the node."""
        title = f"{self.kind} {self.words}: {self.status}"
        if self.kind == "start":
            drawing.mark("circle", title, cx=self.x, cy=self.y, r=6, fill=MUTED)
        elif self.kind == "join":
            drawing.box(self.x - 2.5, self.y - 14, 5, 28, title, rx=2.5, fill=MUTED)
        else:
            look = self.look
            left, top, wide = self.x - self.half, self.y - _HIGH / 2, 2 * self.half
            rounding = 12 if self.kind in ("end", "timer", "entity") else 5
            drawing.box(left, top, wide, _HIGH, title, rx=rounding, fill=look.tint, stroke=look.solid)
            draw_glyph(drawing, look, left + 8, top + 6, 12)
            drawing.text(left + 25, top + 16, self.words, size=_SIZE, width=wide - 32)


def _draw_edge(drawing: Drawing, source: _Node, target: _Node, edge: Mapping[str, Any]) -> None:
    relation = str(edge.get("relation") or ", ".join(key for key in edge if key != "count"))
    x, right = source.x + source.half, target.x - target.half - 8
    dashes = {}
    if edge.get("is_back"):  # below the boxes
        low = max(source.y, target.y) + _HIGH + 14
        ends = (source.x, source.y + _HIGH / 2), (target.x, target.y + _HIGH / 2)
        d = _curve(ends[0], (source.x, low), (target.x, low), ends[1])
        dashes = {"stroke_dasharray": "4 3"}
    elif right > x:
        middle = (x + right) / 2
        d = _curve((x, source.y), (middle, source.y), (middle, target.y), (right, target.y))
        drawing.path(f"M{number(right + 7)} {number(target.y)}l-8 -4.5v9z", fill=LINE)
    else:  # from above or from below
        way = 1 if target.y > source.y else -1
        begin, end = source.y + way * _HIGH / 2, target.y - way * (_HIGH / 2 + 8)
        middle = (begin + end) / 2
        d = _curve((source.x, begin), (source.x, middle), (target.x, middle), (target.x, end))
        drawing.path(f"M{number(target.x)} {number(end + 7 * way)}l-4.5 {-8 * way}h9z", fill=LINE)
    drawing.path(d, relation, fill="none", stroke=LINE, stroke_width=1.4, **dashes)


def _curve(*points: tuple[float, float]) -> str:
    """Return a path of a Bezier curve with these four points."""
    (first, *rest) = (f"{number(x)} {number(y)}" for x, y in points)
    return f"M{first}C{' '.join(rest)}"
