"""A hub and lists of instances as pictures, tables and text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple
from functools import partial

from durablenb.analysis.fleet import PACE_SECONDS, EntityCounts, Fleet, HubPace
from durablenb.analysis.instances import InstanceList
from durablenb.analysis.text import table_text
from durablenb.model.display import HubView
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.html import (
    Markup,
    card,
    code,
    fold,
    heading,
    line,
    markup,
    responsive_picture,
    table,
)
from durablenb.notebook.palette import BLUE, RED, SOLIDS, draw_glyph, status_look
from durablenb.notebook.still.queues import queues_svg, queues_table, queues_text
from durablenb.notebook.svg import HAIR, MUTED, NARROWER, RIM, WIDTH, Drawing, number, text_width
from durablenb.notebook.words import plural, time_text

_INSTANCES = 20
_ROWS = 40

_TEXT_ROWS = 30


def hub_card(shown: HubView) -> str:
    """Return a hub: counts by status, entities, and the most recently updated instances."""
    fleet = shown.fleet
    assert isinstance(fleet, Fleet)
    header = ("orchestrator", "instance", "status", "created (UTC)", "last event (UTC)")
    rows = [
        (
            seen.name,
            code(seen.instance_id, 256),
            seen.status,
            time_text(seen.created),
            time_text(seen.updated),
        )
        for seen in fleet.latest
    ]
    names = sorted(fleet.counts.items(), key=lambda row: (-sum(row[1].values()), row[0]))
    counts = [
        (name, f"{sum(by.values()):,}", ", ".join(f"{count:,} {status}" for status, count in by.items()))
        for name, by in names[:_ROWS]
    ]
    latest = f"Latest events: {plural(len(rows), 'instance')}"
    about = plural(fleet.total, "instance")
    if fleet.entities:
        about += f", {plural(sum(entity.existing for entity in fleet.entities), 'entity', 'entities')}"
    return card(
        heading(markup("<b>", line(hub_words(shown.text)), "</b>"), "·", about),
        heading(markup("<b>", line(missing_words(shown.missing), 400), "</b>")) if shown.missing else "",
        responsive_picture(partial(fleet_svg, fleet)),
        fold("Counts", table(("orchestrator", "instances", "by status"), counts)) if counts else "",
        markup(responsive_picture(partial(queues_svg, shown.queues)), queues_table(shown.queues))
        if shown.queues
        else "",
        _entities_table(fleet) if fleet.entities else "",
        fold(latest, table(header, rows), is_open=True) if rows else "",
        "" if rows or fleet.entities else table((), [_EMPTY]),
    )


_NAMED = 12


def missing_words(missing: Sequence[tuple[str, int]]) -> str:
    """Return which cells are to be run so that unfinished instances resume; empty if none waits for code."""
    if not missing:
        return ""
    names = ", ".join(name for name, _ in missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
    count = sum(count for _, count in missing)
    return f"{plural(count, 'unfinished instance')} will resume: run the cells that define {names}."


def _entities_table(fleet: Fleet) -> Markup:
    """Return the entities by name, those with most failures and longest queues first."""
    ordered = sorted(fleet.entities, key=lambda entity: (-entity.failed, -entity.waiting, entity.name))
    rows: list[Sequence[object]] = [
        (
            entity.name,
            f"{entity.existing:,}",
            f"{entity.completed + entity.failed:,}",
            f"{entity.failed:,}",
            f"{entity.waiting:,}",
            f"{entity.locked:,}",
        )
        for entity in ordered[:_ROWS]
    ]
    if len(ordered) > _ROWS:
        rows.append((f"{len(ordered) - _ROWS:,} more", "", "", "", "", ""))
    header = ("entity", "existing", "operations", "failed", "in queues", "locked")
    return fold(f"Entities: {plural(len(ordered), 'name')}", table(header, rows), is_open=True)


_EMPTY = ("No instances yet. Start one:", Markup("<code>hub.start(orchestrator, input)</code>"))


def instances_card(shown: InstanceList) -> str:
    """Return a list of instances: a picture of the counts, and a table of the first and last ones."""
    rows: list[Sequence[object]] = [_instance_row(status) for status in shown[:_INSTANCES]]
    if len(shown) > 2 * _INSTANCES:
        rows.append((f"… {len(shown) - 2 * _INSTANCES:,} more", "", "", "", ""))
        rows += [_instance_row(status) for status in shown[-_INSTANCES:]]
    else:
        rows += [_instance_row(status) for status in shown[_INSTANCES:]]
    header = ("orchestrator", "instance", "status", "created (UTC)", "last event (UTC)")
    counts = Fleet({plural(len(shown), "instance"): shown.counts()} if shown else {}, ())
    return card(
        responsive_picture(partial(fleet_svg, counts)),
        table(header, rows or [("none", "", "", "", "")]),
    )


def _instance_row(status: DurableOrchestrationStatus) -> Sequence[object]:
    return (
        status.name or "",
        code(status.instance_id or "", 256),
        str(status.runtime_status),
        time_text(status.created_time),
        time_text(status.last_updated_time),
    )


def hub_text(shown: HubView) -> str:
    """Return a hub as text: its line, its instances by status, and its entities."""
    assert isinstance(shown.fleet, Fleet)
    counts = shown.fleet.counts
    rows = [(name, status, count) for name in sorted(counts) for status, count in counts[name].items()]
    parts = [shown.text]
    if rows:
        parts.append(table_text(("orchestrator", "status", "instances"), rows[:_TEXT_ROWS]))
    if len(rows) > _TEXT_ROWS:
        parts.append(f"… {len(rows) - _TEXT_ROWS:,} rows more")
    if shown.queues:
        parts.append(queues_text(shown.queues))
    entities = shown.fleet.entities
    if entities:
        header = ("entity", "existing", "operations", "failed", "in queues")
        cells = [
            (entity.name, entity.existing, entity.completed + entity.failed, entity.failed, entity.waiting)
            for entity in entities[:_TEXT_ROWS]
        ]
        parts.append(table_text(header, cells))
    if len(entities) > _TEXT_ROWS:
        parts.append(f"… {len(entities) - _TEXT_ROWS:,} names more")
    return "\n".join(parts)


def instances_text(shown: InstanceList) -> str:
    """Return a list of instances as text."""
    rows = [(status.name, status.instance_id, str(status.runtime_status)) for status in shown[:_TEXT_ROWS]]
    if not rows:
        return repr(shown)
    more = f"\n… {len(shown) - _TEXT_ROWS:,} more" if len(shown) > _TEXT_ROWS else ""
    return f"{shown!r}\n{table_text(('orchestrator', 'instance', 'status'), rows)}{more}"


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
_MOST_ORCHESTRATORS = 14
_MOST_ENTITIES = 8
_ROW = 28


def _columns(width: float) -> tuple[float, float]:
    """Return where the bars begin in a picture of this width, and how long the longest one is."""
    return (190.0, 300.0) if width >= NARROWER else (120.0, 0.22 * width)


def fleet_svg(fleet: Fleet, width: float = WIDTH) -> tuple[str, str]:
    """Return the picture of a hub's instances, and its description."""
    totals = sum((Counter(by_status) for by_status in fleet.counts.values()), Counter())
    counts = ", ".join(f"{totals[status]:,} {status}" for status in _ORDER if totals[status])
    sentence = f"{plural(fleet.total, 'instance')}{': ' if counts else ''}{counts}"
    if fleet.entities:
        existing = sum(entity.existing for entity in fleet.entities)
        sentence += f"; {plural(existing, 'entity', 'entities')}"
    drawing = Drawing(width, sentence)
    rows = _orchestrator_rows(fleet)
    entities = _entity_rows(fleet)
    longest = max((sum(by_status.values()) for _, by_status in rows), default=1)
    y = 12.0
    for name, by_status in rows:
        if y > 12:
            drawing.path(f"M20 {number(y)}H{number(width - 20)}", fill="none", stroke=HAIR)
        _draw_row(drawing, name, by_status, longest, y)
        y += _ROW
    if not rows and not entities:
        drawing.text(20, y + 18, "No instances yet.", size=12, fill=MUTED)
        y += _ROW
    if entities:
        y = _draw_entities(drawing, entities, y + (8 if rows else 0))
    return drawing.finished(y + 10), sentence


def _orchestrator_rows(fleet: Fleet) -> list[tuple[str, dict[str, int]]]:
    """Return the orchestrators, those with most instances first; the surplus shares one row."""
    rows = sorted(fleet.counts.items(), key=lambda row: (-sum(row[1].values()), row[0]))
    if len(rows) <= _MOST_ORCHESTRATORS:
        return rows
    rest: Counter[str] = Counter()
    for _, by_status in rows[_MOST_ORCHESTRATORS - 1 :]:
        rest.update(by_status)
    return [
        *rows[: _MOST_ORCHESTRATORS - 1],
        (plural(len(rows) - _MOST_ORCHESTRATORS + 1, "more orchestrator"), dict(rest)),
    ]


def _entity_rows(fleet: Fleet) -> list[EntityCounts]:
    """Return the entities by name, the busiest first; the surplus shares one row."""
    rows = sorted(fleet.entities, key=lambda row: (-(row.completed + row.failed + row.waiting), row.name))
    if len(rows) <= _MOST_ENTITIES:
        return rows
    rest = rows[_MOST_ENTITIES - 1 :]
    name = plural(len(rest), "more name")
    sums = [sum(counts) for counts in zip(*(one[1:] for one in map(astuple, rest)), strict=True)]
    return [*rows[: _MOST_ENTITIES - 1], EntityCounts(name, *sums)]


def _draw_entities(drawing: Drawing, entities: Sequence[EntityCounts], y: float) -> float:
    """Draw a bar of operations for each name, by their outcomes."""
    names, _ = _columns(drawing.width)
    drawing.path(f"M20 {number(y)}H{number(drawing.width - 20)}", fill="none", stroke=RIM)
    drawing.text(20, y + 16, "entities", size=10, fill=MUTED)
    drawing.text(names, y + 16, "operations", size=10, fill=MUTED)
    y += 18
    operations = [
        {"Failed": entity.failed, "Pending": entity.waiting, "Completed": entity.completed}
        for entity in entities
    ]
    longest = max(max(sum(by_status.values()) for by_status in operations), 1)
    for entity, by_status in zip(entities, operations, strict=True):
        count = f"\N{MULTIPLICATION SIGN} {entity.existing:,}"
        drawing.text(names - 12, y + 18.5, count, size=10.5, fill=MUTED, anchor="end")
        right = drawing.width - 20.0
        if entity.locked:
            words = f"{entity.locked:,} locked"
            right -= text_width(words, 11) + 24
            draw_glyph(drawing, status_look("Locked"), right + 8, y + 8, 12)
            drawing.text(right + 24, y + 18, words, size=11, fill=status_look("Locked").colour)
        name_room = names - 40 - text_width(count, 10.5)
        _draw_row(drawing, entity.name, by_status, longest, y, name_room, right)
        y += _ROW
    return y


def _draw_row(
    drawing: Drawing,
    name: str,
    by_status: dict[str, int],
    longest: int,
    y: float,
    name_room: float | None = None,
    right: float | None = None,
) -> None:
    names, longest_bar = _columns(drawing.width)
    name_room = names - 30 if name_room is None else name_room
    right = drawing.width - 16 if right is None else right
    by_status = {status: count for status, count in by_status.items() if count}
    total = sum(by_status.values())
    drawing.text(20, y + 18.5, name, size=12, is_bold=True, width=name_room)
    statuses = [status for status in (*_ORDER, *by_status) if by_status.get(status)]
    least = 4.0
    free = max(longest_bar * total / longest - least * len(by_status), 0)
    x = names
    for status in dict.fromkeys(statuses):
        width = least + free * by_status[status] / total
        title = f"{by_status[status]:,} {status}"
        drawing.box(x, y + 9, width - 1, 10, title, rx=1.5, fill=status_look(status).solid)
        x += width
    x = names + longest_bar + 16.0
    for status in dict.fromkeys(statuses):
        look, words = status_look(status), f"{by_status[status]:,} {status}"
        if x + 16 + text_width(words, 11) > right:
            drawing.text(x, y + 18, "…", size=11, fill=MUTED)
            break
        draw_glyph(drawing, look, x, y + 8, 12)
        drawing.text(x + 16, y + 18, words, size=11, fill=look.colour)
        x += 16 + text_width(words, 11) + 12


_PACE_RIGHT = 20.0
_PACE_TOP, _PACE_HEIGHT = 10.0, 34.0


def hub_words(text: str) -> str:
    """Return the text of a hub as the heading of a view: without its mode.

    Examples
    --------
    >>> hub_words("<TaskHub in memory: 0 open instances, mode 'threads'>")
    'TaskHub in memory: 0 open instances'
    """
    return re.sub(r", mode '\w+'$", "", text.strip("<>"))


def pace_svg(pace: HubPace, width: float = WIDTH) -> tuple[str, str]:
    """Return the picture of the calls that ended in each of the last seconds, and its description."""
    most, total, failed = max(pace.ended), sum(pace.ended), sum(pace.failed)
    when = time_text(pace.until, with_date=False)[:8]
    sentence = f"{plural(total, 'call')} finished in the {PACE_SECONDS} s before {when}, peak {most:,}/s"
    if failed:
        sentence += f", {failed:,} failed"
    drawing = Drawing(width, sentence)
    left, _ = _columns(width)
    drawing.text(20, _PACE_TOP + 15, "calls finished", size=12, is_bold=True)
    drawing.text(20, _PACE_TOP + 31, f"peak {most:,}/s", size=10.5, fill=MUTED, width=left - 30)
    pitch = (width - left - _PACE_RIGHT) / PACE_SECONDS
    for counts, colour in ((pace.ended, BLUE), (pace.failed, RED)):
        d = "".join(
            f"M{number(left + index * pitch)} {number(_PACE_TOP + _PACE_HEIGHT)}h{number(pitch - 1)}"
            f"v{number(-max(_PACE_HEIGHT * count / most, 2.0))}h{number(1 - pitch)}z"
            for index, count in enumerate(counts)
            if count
        )
        if d:
            drawing.path(d, fill=SOLIDS[colour])
    base = _PACE_TOP + _PACE_HEIGHT
    drawing.path(f"M{number(left)} {number(base)}H{number(width - _PACE_RIGHT)}", stroke=HAIR, fill="none")
    drawing.text(left, base + 13, f"\N{MINUS SIGN}{PACE_SECONDS} s", size=10, fill=MUTED)
    drawing.text(width - _PACE_RIGHT, base + 13, when, size=10, fill=MUTED, anchor="end")
    return drawing.finished(_PACE_TOP + _PACE_HEIGHT + 22), sentence
