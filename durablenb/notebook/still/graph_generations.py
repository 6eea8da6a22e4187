"""The generations before the one that a graph shows: a strip of bars, one for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from durablenb.analysis.generations import read_generations
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.model.events import ExecutionStarted
from durablenb.notebook.palette import BLUE, SOLIDS
from durablenb.notebook.still.graph_boxes import MARGIN, SMALL
from durablenb.notebook.svg import HAIR, MUTED, Drawing, number, text_width
from durablenb.notebook.words import lasting, plural

HEIGHT = 40
"""Height of the strip."""

_MOST = 60
_PITCH, _BAR = 9, 7
_LEAST, _HIGH = 3, 20


@dataclass(frozen=True, slots=True)
class PastGeneration:
    """A generation that ended with continue-as-new, numbered from 0."""

    number: int
    duration: timedelta
    calls: int

    @property
    def words(self) -> str:
        """The generation in words."""
        return f"generation {self.number:,}: {lasting(self.duration)}, {plural(self.calls, 'call')}"


def earlier_generations(picture: InstanceSnapshot) -> Sequence[PastGeneration]:
    """Return the last generations before the current one, the oldest first; purged ones are left out."""
    if not picture.flow.generation:
        return ()
    started = [event for event in picture.events if type(event) is ExecutionStarted]
    calls = Counter(started[call.execution - 1].generation for call in picture.calls)
    began = {one.number: one.began for one in read_generations(picture.events)}
    shown = range(max(0, picture.flow.generation - _MOST), picture.flow.generation)
    return [
        PastGeneration(number, began[number + 1] - began[number], calls[number])
        for number in shown
        if number in began and number + 1 in began
    ]


def draw_generations(drawing: Drawing, count: int, generations: Sequence[PastGeneration]) -> None:
    """Draw how many generations there were before, and a bar for each of the last ones.

    Parameters
    ----------
    drawing
        The drawing, at whose top they are drawn.
    count
        The number of all earlier generations.
    generations
        Those to draw, the oldest first; a bar's height is its duration.
    """
    words = f"{plural(count, 'generation')} before this one"
    bottom = MARGIN - 6.0 + _HIGH
    drawing.text(MARGIN, bottom, words, size=SMALL, fill=MUTED)
    left = MARGIN + text_width(words, SMALL) + 12
    room = drawing.width - MARGIN - left - text_width("99.9 min at most", SMALL) - 6
    generations = generations[-max(int(room // _PITCH), 1) :]
    longest = max((one.duration for one in generations), default=timedelta()) or timedelta(microseconds=1)
    for index, one in enumerate(generations):
        high = _LEAST + (_HIGH - _LEAST) * (one.duration / longest)
        x = left + index * _PITCH
        drawing.box(x, bottom - high, _BAR, high, one.words, rx=1.5, fill=SOLIDS[BLUE])
    if generations:
        after = left + len(generations) * _PITCH + 6
        took = lasting(max(one.duration for one in generations))
        drawing.text(after, bottom, f"{took} at most", size=SMALL, fill=MUTED)
    drawing.path(f"M{MARGIN} {number(bottom + 9)}H{number(drawing.width - MARGIN)}", fill="none", stroke=HAIR)
