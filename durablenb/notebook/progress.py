"""How far an orchestration has come, in a line for each step."""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.analysis.progress import ProgressSnapshot, StepCount
from durablenb.analysis.text import shortened, table_text
from durablenb.notebook.html import Markup, badge, card, code, heading, line, markup, table
from durablenb.notebook.palette import GREEN, RED, SOLIDS, look_of
from durablenb.notebook.svg import HAIR, RIM, Drawing, image
from durablenb.notebook.words import lasting, plural

_MOST = 12
_WIDE, _HIGH, _LEAST = 180.0, 12.0, 3.0


def progress_line(shown: ProgressSnapshot, width: int) -> str:
    """Return how far it has come in one line of text, for a terminal of this width."""
    steps = shown.steps if shown.is_over else [step for step in shown.steps if not step.is_over]
    done = "" if shown.is_over else _finished(len(shown.steps) - len(steps))
    parts = [part for part in (done, *map(_words, steps)) if part]
    end = f"{shown.status} in {lasting(shown.took)}" if shown.is_over else shown.status
    return shortened(f"{shown.name} {shown.instance_id}: {'; '.join([*parts, end])}", width)


def _finished(count: int) -> str:
    return f"{plural(count, 'step')} done" if count else ""


def _words(step: StepCount) -> str:
    parts = [f"{step.name} {step.over:,}/{step.total:,}", *_troubles(step)]
    if not step.is_over:
        parts += [part for part in (_rate(step), _left(step)) if part]
    return ", ".join(parts)


def _troubles(step: StepCount) -> list[str]:
    counts = ((step.failed, "failed"), (step.canceled, "canceled"))
    return [f"{count:,} {word}" for count, word in counts if count]


def _rate(step: StepCount) -> str:
    if step.rate is None:
        return ""
    if step.rate < 1:
        return f"{lasting(1 / step.rate)} each"
    return f"{step.rate:,.3g}/s" if step.rate < 1_000 else f"{step.rate:,.0f}/s"


def _left(step: StepCount) -> str:
    return "" if step.seconds_left is None else f"{lasting(round(step.seconds_left, 1))} left"


def progress_text(shown: ProgressSnapshot) -> str:
    """Return how far it has come as a table without times."""
    head = shortened(f"<{shown.name} {shown.instance_id}: {shown.status}>", 200)
    rows = [
        (step.name, f"{step.over:,}/{step.total:,}", ", ".join(_troubles(step))) for step in _told(shown)[1]
    ]
    if not rows:
        return head
    return f"{head}\n{table_text(('step', 'done', ''), rows)}"


def progress_card(shown: ProgressSnapshot) -> str:
    """Return how far it has come, with a bar for each step."""
    before, told = _told(shown)
    rows: list[Sequence[object]] = [
        (
            markup("<b>", line(step.name, 60), "</b>"),
            _bar(step),
            f"{step.over:,} of {step.total:,}",
            ", ".join(_troubles(step)),
            _rate(step),
            f"in {lasting(step.took)}" if step.is_over else _left(step),
        )
        for step in told
    ]
    if before:
        rows.insert(0, (f"{_finished(before)} before", "", "", "", "", ""))
    took = f"in {lasting(shown.took)}" if shown.is_over else f"for {lasting(shown.took)}"
    name = markup("<b>", line(shown.name), "</b>")
    head = heading(badge(look_of(shown.status)), name, code(shown.instance_id, 256), "·", took)
    return card(head, table((), rows) if rows else "")


def _told(shown: ProgressSnapshot) -> tuple[int, tuple[StepCount, ...]]:
    """How many steps that are over are not shown, and those that are."""
    if len(shown.steps) <= _MOST:
        return 0, shown.steps
    ended = [step for step in shown.steps if step.is_over]
    open_ = [step for step in shown.steps if not step.is_over][:_MOST]
    kept = [*ended[len(ended) - (_MOST - len(open_)) :], *open_] if len(open_) < _MOST else open_
    return len(shown.steps) - len(kept), tuple(step for step in shown.steps if step in kept)


def _bar(step: StepCount) -> Markup:
    drawing = Drawing(_WIDE, f"{step.over:,} of {step.total:,}")
    drawing.box(0.5, 0.5, _WIDE - 1, _HIGH - 1, rx=3, fill=HAIR, stroke=RIM)
    parts = {GREEN: step.over - step.failed, RED: step.failed}
    room = _WIDE - 2 - _LEAST * sum(map(bool, parts.values()))
    x = 1.0
    for colour, count in parts.items():
        if count:  # what is rare can be seen, too
            wide = _LEAST + room * count / step.total
            drawing.box(x, 1, wide, _HIGH - 2, rx=2, fill=SOLIDS[colour])
            x += wide
    return Markup(image(drawing.finished(_HIGH, has_plate=False), drawing.sentence, width=_WIDE))
