"""SVG path syntax as Matplotlib paths."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from matplotlib.path import Path

Point = tuple[float, float]

_TOKEN = re.compile(r"[A-Za-z]|-?(?:\d+\.?\d*|\.\d+)")
_TAKES = {"M": 2, "L": 2, "H": 1, "V": 1, "Q": 4, "C": 6, "A": 7, "Z": 0}
_ROUND = 0.5522847498
"""Distance of the control points of a quarter circle, in radii."""


def parse_path(d: str) -> Path:
    """Return the ``d`` of an SVG path as a path: lines, curves, and arcs without rotation.

    Examples
    --------
    >>> parse_path("M1 2h3v-1z").vertices.tolist()
    [[1.0, 2.0], [4.0, 2.0], [4.0, 1.0], [1.0, 2.0]]
    """
    pen = _Pen()
    tokens = _TOKEN.findall(d)
    index, command = 0, "M"
    while index < len(tokens):
        if tokens[index].isalpha():
            command, index = tokens[index], index + 1
        count = _TAKES[command.upper()]
        pen.draw(command, [float(token) for token in tokens[index : index + count]])
        index += count
        command = {"M": "L", "m": "l"}.get(command, command)  # more points after a move are lines
    return Path(pen.vertices, pen.codes)


def rounded_box(x: float, y: float, width: float, height: float, rx: float = 0) -> Path:
    """Return a rectangle with corners of radius `rx`."""
    rx = min(rx, width / 2, height / 2)
    if rx <= 0:
        return Path([(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)], closed=True)
    k = rx * (1 - _ROUND)
    right, bottom = x + width, y + height
    vertices = [
        *((x + rx, y), (right - rx, y), (right - k, y), (right, y + k), (right, y + rx)),
        *((right, bottom - rx), (right, bottom - k), (right - k, bottom), (right - rx, bottom)),
        *((x + rx, bottom), (x + k, bottom), (x, bottom - k), (x, bottom - rx)),
        *((x, y + rx), (x, y + k), (x + k, y), (x + rx, y), (x + rx, y)),
    ]
    curve = [Path.CURVE4] * 3
    return Path(vertices, [Path.MOVETO, *([Path.LINETO, *curve] * 4), Path.CLOSEPOLY])


class _Pen:
    """A pen that follows path commands and records vertices and codes."""

    def __init__(self) -> None:
        self.vertices: list[Point] = []
        self.codes: list[int] = []
        self._at: Point = (0.0, 0.0)
        self._begin: Point = (0.0, 0.0)

    def draw(self, command: str, numbers: Sequence[float]) -> None:
        """Apply one command; a lower-case one is relative to the pen."""
        kind = command.upper()
        dx, dy = self._at if command.islower() else (0.0, 0.0)
        if kind == "Z":
            self._go([self._begin], int(Path.CLOSEPOLY))
        elif kind == "H":
            self._go([(numbers[0] + dx, self._at[1])], int(Path.LINETO))
        elif kind == "V":
            self._go([(self._at[0], numbers[0] + dy)], int(Path.LINETO))
        elif kind == "A":
            end = (numbers[5] + dx, numbers[6] + dy)
            self._arc(numbers[0], numbers[1], bool(numbers[3]), bool(numbers[4]), end)
        else:
            code = {"M": Path.MOVETO, "L": Path.LINETO, "Q": Path.CURVE3, "C": Path.CURVE4}[kind]
            self._go([(x + dx, y + dy) for x, y in zip(numbers[::2], numbers[1::2], strict=True)], int(code))
            self._begin = self._at if kind == "M" else self._begin

    def _go(self, points: Sequence[Point], code: int) -> None:
        self.vertices += points
        self.codes += [int(code)] * len(points)
        self._at = points[-1]

    def _arc(self, radius: float, high: float, is_large: bool, is_clockwise: bool, end: Point) -> None:
        """Draw an arc of an ellipse to a point: radii `radius` and `high`, the long or the short way."""
        flat = high / radius  # scaling y turns the ellipse into a circle
        (x0, y0), (x1, y1) = (self._at[0], self._at[1] / flat), (end[0], end[1] / flat)
        half = math.hypot(x1 - x0, y1 - y0) / 2
        away = math.sqrt(max(radius**2 - half**2, 0.0)) * (1 if is_large == is_clockwise else -1)
        x = (x0 + x1) / 2 + (away * (y1 - y0) / (2 * half) if half else 0.0)
        y = (y0 + y1) / 2 - (away * (x1 - x0) / (2 * half) if half else 0.0)
        first, last = math.atan2(y0 - y, x0 - x), math.atan2(y1 - y, x1 - x)
        turn = (last - first) % math.tau
        if not is_clockwise:
            turn -= math.tau
        pieces = max(1, math.ceil(abs(turn) / (math.pi / 2) - 1e-9))
        step = turn / pieces
        k = radius * 4 / 3 * math.tan(step / 4)
        for number in range(pieces):
            a, b = first + number * step, first + (number + 1) * step
            start = (x + radius * math.cos(a), y + radius * math.sin(a))
            stop = (x + radius * math.cos(b), y + radius * math.sin(b))
            handles = [
                (start[0] - k * math.sin(a), start[1] + k * math.cos(a)),
                (stop[0] + k * math.sin(b), stop[1] - k * math.cos(b)),
            ]
            points = [(x_, y_ * flat) for x_, y_ in (*handles, stop)]
            self._go([*points[:2], points[2] if number < pieces - 1 else end], int(Path.CURVE4))
