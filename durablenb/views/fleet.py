"""The picture of a hub: for each orchestrator a bar of its instances by status."""

from __future__ import annotations

from collections import Counter

from durablenb.queries.fleet import Fleet
from durablenb.views.palette import draw_glyph, look_of
from durablenb.views.svg import HAIR, MUTED, WIDTH, Drawing, number, width_of
from durablenb.views.words import plural

_ORDER = (
    "Failed",
    "Running",
    "Pending",
    "Suspended",
    "Terminated",
    "Canceled",
    "ContinuedAsNew",
    "Completed",
)
_MOST = 14
_NAMES = 190
_BAR = 300
_ROW = 28


def fleet_svg(fleet: Fleet) -> tuple[str, str]:
    """Return the picture of a hub's instances, and the sentence that says the same."""
    totals = sum((Counter(by_status) for by_status in fleet.counts.values()), Counter())
    counts = ", ".join(f"{totals[status]:,} {status}" for status in _ORDER if totals[status])
    sentence = f"{plural(fleet.total, 'instance')}{': ' if counts else ''}{counts}"
    drawing = Drawing(WIDTH, sentence)
    rows = _rows_of(fleet)
    longest = max((sum(by_status.values()) for _, by_status in rows), default=1)
    y = 12.0
    for name, by_status in rows:
        if y > 12:
            drawing.path(f"M20 {number(y)}H{WIDTH - 20}", fill="none", stroke=HAIR)
        _draw_row(drawing, name, by_status, longest, y)
        y += _ROW
    if not rows:
        drawing.text(20, y + 18, "No instances yet.", size=12, fill=MUTED)
        y += _ROW
    return drawing.finished(y + 10), sentence


def _rows_of(fleet: Fleet) -> list[tuple[str, dict[str, int]]]:
    """Return the orchestrators, those with most instances first; what is too much is one row."""
    rows = sorted(fleet.counts.items(), key=lambda row: (-sum(row[1].values()), row[0]))
    if len(rows) <= _MOST:
        return rows
    rest: Counter[str] = Counter()
    for _, by_status in rows[_MOST - 1 :]:
        rest.update(by_status)
    return [*rows[: _MOST - 1], (plural(len(rows) - _MOST + 1, "more orchestrator"), dict(rest))]


def _draw_row(drawing: Drawing, name: str, by_status: dict[str, int], longest: int, y: float) -> None:
    total = sum(by_status.values())
    drawing.text(20, y + 18.5, name, size=12, is_bold=True, width=_NAMES - 30)
    statuses = [status for status in (*_ORDER, *by_status) if by_status.get(status)]
    least = 4.0
    free = max(_BAR * total / longest - least * len(by_status), 0)
    x = float(_NAMES)
    for status in dict.fromkeys(statuses):
        width = least + free * by_status[status] / total
        title = f"{by_status[status]:,} {status}"
        drawing.box(x, y + 9, width - 1, 10, title, rx=1.5, fill=look_of(status).solid)
        x += width
    x = _NAMES + _BAR + 16.0
    for status in dict.fromkeys(statuses):
        look, words = look_of(status), f"{by_status[status]:,} {status}"
        if x + 16 + width_of(words, 11) > WIDTH - 16:
            drawing.text(x, y + 18, "…", size=11, fill=MUTED)
            break
        draw_glyph(drawing, look, x, y + 8, 12)
        drawing.text(x + 16, y + 18, words, size=11, fill=look.colour)
        x += 16 + width_of(words, 11) + 12
