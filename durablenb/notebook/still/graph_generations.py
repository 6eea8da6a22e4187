"""The generations before the one that a graph shows: a strip of bars, one for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from durablenb.analysis.generations import Generation, read_generations
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.palette import BLUE, SOLIDS
from durablenb.notebook.still.graph_boxes import MARGIN, SMALL
from durablenb.notebook.svg import HAIR, MUTED, Drawing, number, text_width
from durablenb.notebook.words import lasting, plural

HEIGHT = 40
"""Height of the strip."""

_MOST = 60
_PITCH, _BAR = 9, 7
_LEAST, _HIGH = 3, 20


def earlier_generations(picture: InstanceSnapshot) -> Sequence[tuple[Generation, str]]:
    """Return the last generations before the current one in words, the oldest first, without purged ones."""
    if not picture.flow.generation:
        return ()
    known = {one.number: one for one in read_generations(picture.events)}
    calls = Counter(call.execution for call in picture.calls)
    shown = range(max(0, picture.flow.generation - _MOST), picture.flow.generation)
    return [(one, _words(one, calls[one.execution])) for number in shown if (one := known.get(number))]


def _words(one: Generation, calls: int) -> str:
    return f"generation {one.number:,}: {lasting(one.took)}, {plural(calls, 'call')}"


def draw_generations(drawing: Drawing, count: int, generations: Sequence[tuple[Generation, str]]) -> None:
    """Draw how many generations there were before, and a bar for each of the last ones.

    Parameters
    ----------
    drawing
        The drawing, at whose top they are drawn.
    count
        The number of all earlier generations.
    generations
        Those to draw, each with its words, the oldest first; a bar's height is the time that it took.
    """
    words = f"{plural(count, 'generation')} before this one"
    bottom = MARGIN - 6.0 + _HIGH
    drawing.text(MARGIN, bottom, words, size=SMALL, fill=MUTED)
    left = MARGIN + text_width(words, SMALL) + 12
    room = drawing.width - MARGIN - left - text_width("113 min 59 s at most", SMALL) - 6
    generations = generations[-max(int(room // _PITCH), 1) :]
    longest = max((one.took for one, _ in generations), default=timedelta())
    for index, (one, words) in enumerate(generations):
        high = _LEAST + (_HIGH - _LEAST) * (one.took / longest if longest else 0)
        x = left + index * _PITCH
        drawing.box(x, bottom - high, _BAR, high, words, rx=1.5, fill=SOLIDS[BLUE])
    if generations:
        after = left + len(generations) * _PITCH + 6
        drawing.text(after, bottom, f"{lasting(longest)} at most", size=SMALL, fill=MUTED)
    drawing.path(f"M{MARGIN} {number(bottom + 9)}H{number(drawing.width - MARGIN)}", fill="none", stroke=HAIR)
