"""The picture of a hub: for each orchestrator a bar of its instances by status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple

from durablenb.analysis.fleet import EntityCounts, Fleet
from durablenb.notebook.palette import draw_glyph, look_of
from durablenb.notebook.svg import HAIR, MUTED, RIM, WIDTH, Drawing, number, width_of
from durablenb.notebook.words import plural

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
_MOST_NAMES = 8
_NAMES = 190
_BAR = 300
_ROW = 28


def fleet_svg(fleet: Fleet) -> tuple[str, str]:
    """Return the picture of a hub's instances, and the sentence that says the same."""
    totals = sum((Counter(by_status) for by_status in fleet.counts.values()), Counter())
    counts = ", ".join(f"{totals[status]:,} {status}" for status in _ORDER if totals[status])
    sentence = f"{plural(fleet.total, 'instance')}{': ' if counts else ''}{counts}"
    if fleet.entities:
        existing = sum(one.existing for one in fleet.entities)
        sentence += f"; {plural(existing, 'entity', 'entities')}"
    drawing = Drawing(WIDTH, sentence)
    rows = _rows_of(fleet)
    entities = _entities_of(fleet)
    longest = max((sum(by_status.values()) for _, by_status in rows), default=1)
    y = 12.0
    for name, by_status in rows:
        if y > 12:
            drawing.path(f"M20 {number(y)}H{WIDTH - 20}", fill="none", stroke=HAIR)
        _draw_row(drawing, name, by_status, longest, y)
        y += _ROW
    if not rows and not entities:
        drawing.text(20, y + 18, "No instances yet.", size=12, fill=MUTED)
        y += _ROW
    if entities:
        y = _draw_entities(drawing, entities, y + (8 if rows else 0))
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


def _entities_of(fleet: Fleet) -> list[EntityCounts]:
    """Return the entities by name, those with most to tell first; what is too much is one row."""
    rows = sorted(fleet.entities, key=lambda row: (-(row.completed + row.failed + row.waiting), row.name))
    if len(rows) <= _MOST_NAMES:
        return rows
    rest = rows[_MOST_NAMES - 1 :]
    name = plural(len(rest), "more name")
    sums = [sum(counts) for counts in zip(*(one[1:] for one in map(astuple, rest)), strict=True)]
    return [*rows[: _MOST_NAMES - 1], EntityCounts(name, *sums)]


def _draw_entities(drawing: Drawing, entities: Sequence[EntityCounts], y: float) -> float:
    """Draw for each name a bar of the operations, by what became of them."""
    drawing.path(f"M20 {number(y)}H{WIDTH - 20}", fill="none", stroke=RIM)
    drawing.text(20, y + 16, "entities", size=10, fill=MUTED)
    drawing.text(_NAMES, y + 16, "operations", size=10, fill=MUTED)
    y += 18
    operations = [
        {"Failed": one.failed, "Pending": one.waiting, "Completed": one.completed} for one in entities
    ]
    longest = max(max(sum(by_status.values()) for by_status in operations), 1)
    for one, by_status in zip(entities, operations, strict=True):
        count = f"\N{MULTIPLICATION SIGN} {one.existing:,}"
        drawing.text(_NAMES - 12, y + 18.5, count, size=10.5, fill=MUTED, anchor="end")
        right = WIDTH - 20.0
        if one.locked:
            words = f"{one.locked:,} locked"
            right -= width_of(words, 11) + 24
            draw_glyph(drawing, look_of("Locked"), right + 8, y + 8, 12)
            drawing.text(right + 24, y + 18, words, size=11, fill=look_of("Locked").colour)
        name_room = _NAMES - 40 - width_of(count, 10.5)
        _draw_row(drawing, one.name, by_status, longest, y, name_room, right)
        y += _ROW
    return y


def _draw_row(
    drawing: Drawing,
    name: str,
    by_status: dict[str, int],
    longest: int,
    y: float,
    name_room: float = _NAMES - 30,
    right: float = WIDTH - 16,
) -> None:
    by_status = {status: count for status, count in by_status.items() if count}
    total = sum(by_status.values())
    drawing.text(20, y + 18.5, name, size=12, is_bold=True, width=name_room)
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
        if x + 16 + width_of(words, 11) > right:
            drawing.text(x, y + 18, "…", size=11, fill=MUTED)
            break
        draw_glyph(drawing, look, x, y + 8, 12)
        drawing.text(x + 16, y + 18, words, size=11, fill=look.colour)
        x += 16 + width_of(words, 11) + 12
