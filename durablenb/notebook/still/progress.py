"""The progress of an orchestration as text and as HTML, redrawn while a call waits for the result."""

from __future__ import annotations

import contextvars
import logging
import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self, TextIO

from durablenb.analysis.progress import ProgressSnapshot, StepCount
from durablenb.analysis.text import shortened, table_text
from durablenb.engine.locks import Event
from durablenb.model.display import options
from durablenb.notebook.html import Markup, badge, card, code, heading, line, markup, table
from durablenb.notebook.palette import BLUE, GREEN, RED, SOLIDS, status_look
from durablenb.notebook.still.running import bar, counted, inline, reporting, running_rows, running_words
from durablenb.notebook.svg import HAIR, Drawing, number
from durablenb.notebook.words import lasting, plural

_MOST = 12
_SPARK_WIDE, _SPARK_HIGH = 180.0, 12.0


def progress_line(shown: ProgressSnapshot, width: int) -> str:
    """Return the progress in one line of text, for a terminal of a given width."""
    steps = shown.steps if shown.is_over else [step for step in shown.steps if not step.is_over]
    done = "" if shown.is_over else _finished(len(shown.steps) - len(steps))
    parts = [part for part in (done, *map(_words, steps)) if part]
    parts += map(running_words, reporting(shown.running))
    end = f"{shown.status} in {lasting(shown.took)}" if shown.is_over else shown.status
    return shortened(f"{shown.name} {shown.instance_id}: {'; '.join([*parts, end])}", width)


def step_line(step: StepCount) -> str:
    """Return a step's progress in one line: how many calls have ended, which share, how fast, until when."""
    share = int(100 * step.over / step.total)  # 100% is said at the end only
    parts = [f"{step.over:,} of {step.total:,}", f"{share}%"]
    left = _left(step)
    parts += [part for part in (_rate(step), f"about {left}" if left else "", *_counts(step)) if part]
    return " · ".join(parts)


def sparkline(counts: Sequence[int]) -> Drawing:
    """Draw the number of calls that ended in each of the last seconds, the latest at the right."""
    total, most = sum(counts), max(counts)
    drawing = Drawing(_SPARK_WIDE, f"{total:,} ended in the last {len(counts)} s, peak {most:,}/s")
    pitch = _SPARK_WIDE / len(counts)
    bars = "".join(
        f"M{number(at * pitch)} {number(_SPARK_HIGH)}h{number(pitch)}"
        f"v{number(-max((_SPARK_HIGH - 1) * count / most, 1.5))}h{number(-pitch)}z"
        for at, count in enumerate(counts)
        if count
    )
    drawing.path(f"M0 {number(_SPARK_HIGH - 0.5)}H{number(_SPARK_WIDE)}", fill="none", stroke=HAIR)
    if bars:
        drawing.path(bars, drawing.sentence, fill=SOLIDS[BLUE])
    return drawing


def _finished(count: int) -> str:
    return f"{plural(count, 'step')} done" if count else ""


def _words(step: StepCount) -> str:
    parts = [f"{step.name} {step.over:,}/{step.total:,}", *_counts(step)]
    if not step.is_over:
        parts += [part for part in (_rate(step), _left(step)) if part]
    return ", ".join(parts)


def _counts(step: StepCount) -> list[str]:
    """Return how many calls run, are queued, failed and were canceled, in words."""
    counts = [(step.failed, "failed"), (step.canceled, "canceled")]
    if step.total > 1 and not step.is_over and step.running is not None:
        counts = [(step.running, "running"), (step.queued or 0, "queued"), *counts]
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
    """Return the progress as a table of text, without times."""
    head = shortened(f"<{shown.name} {shown.instance_id}: {shown.status}>", 200)
    _, steps = _shown_steps(shown)
    rows = [(step.name, f"{step.over:,}/{step.total:,}", ", ".join(_counts(step))) for step in steps]
    rows += [
        (f"{call.name} #{call.task_id}", counted(call), call.note or "")
        for call in reporting(shown.running)[:_MOST]
    ]
    if not rows:
        return head
    return f"{head}\n{table_text(('step', 'done', ''), rows)}"


def progress_card(shown: ProgressSnapshot) -> str:
    """Return the progress as HTML, with a bar for each step."""
    before, steps = _shown_steps(shown)
    rows: list[Sequence[object]] = [
        (
            markup("<b>", line(step.name, 60), "</b>"),
            _bar(step),
            f"{step.over:,} of {step.total:,}",
            ", ".join(_counts(step)),
            _rate(step),
            f"in {lasting(step.took)}" if step.is_over else _left(step),
        )
        for step in steps
    ]
    if before:
        rows.insert(0, (f"{_finished(before)} before", "", "", "", "", ""))
    rows += running_rows(shown.running, shown.now)
    took = f"in {lasting(shown.took)}" if shown.is_over else f"for {lasting(shown.took)}"
    name = markup("<b>", line(shown.name), "</b>")
    head = heading(badge(status_look(shown.status)), name, code(shown.instance_id, 256), "·", took)
    return card(head, table((), rows) if rows else "")


def _shown_steps(shown: ProgressSnapshot) -> tuple[int, tuple[StepCount, ...]]:
    """Return the number of omitted finished steps, and the steps to show."""
    if len(shown.steps) <= _MOST:
        return 0, shown.steps
    ended = [step for step in shown.steps if step.is_over]
    open_ = [step for step in shown.steps if not step.is_over][:_MOST]
    kept = [*ended[len(ended) - (_MOST - len(open_)) :], *open_] if len(open_) < _MOST else open_
    return len(shown.steps) - len(kept), tuple(step for step in shown.steps if step in kept)


def _bar(step: StepCount) -> Markup:
    shares = {RED: step.failed / step.total, GREEN: (step.over - step.failed) / step.total}
    return inline(bar(shares, f"{step.over:,} of {step.total:,}"))


log = logging.getLogger("durablenb")

SECONDS = 0.1
"""Seconds between two drawings."""

_SHARE = 10
"""Drawing takes at most this fraction of the time, as a divisor."""


class Screen(Protocol):
    """An output that progress is drawn on."""

    def open(self, shown: ProgressSnapshot) -> None:
        """Draw the progress for the first time."""
        ...

    def show(self, shown: ProgressSnapshot) -> None:
        """Redraw the progress."""
        ...

    def close(self, shown: ProgressSnapshot) -> None:
        """Draw the final progress."""
        ...


class Cell:
    """An output of a notebook cell that is replaced at each redraw.

    Parameters
    ----------
    display
        `IPython.display.display`.
    """

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None

    def open(self, shown: ProgressSnapshot) -> None:
        """Create the output."""
        self._handle = self._display(_bundle(shown), raw=True, display_id=True)

    def show(self, shown: ProgressSnapshot) -> None:
        """Replace the output."""
        self._handle.update(_bundle(shown), raw=True)

    close = show


class Terminal:
    """A line of a terminal that is overwritten at each redraw."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = 0

    def open(self, shown: ProgressSnapshot) -> None:
        """Write the line."""
        self.show(shown)

    def show(self, shown: ProgressSnapshot) -> None:
        """Overwrite the line."""
        text = progress_line(shown, shutil.get_terminal_size().columns - 1)
        self._stream.write(f"\r{text}{' ' * max(0, self._last - len(text))}")
        self._stream.flush()
        self._last = len(text)

    def close(self, shown: ProgressSnapshot) -> None:
        """Overwrite the line, and end it."""
        self.show(shown)
        self._stream.write("\n")
        self._stream.flush()


class Pipe:
    """A stream that isn't a terminal: it gets one line, at the end."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def open(self, shown: ProgressSnapshot) -> None:
        """Do nothing."""

    show = open

    def close(self, shown: ProgressSnapshot) -> None:
        """Write the line."""
        if self._stream is not None:
            self._stream.write(progress_line(shown, 1_000) + "\n")
            self._stream.flush()


def screen() -> Screen:
    """Return the output for the current environment: a notebook cell, a terminal or a plain stream."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is not None:
        from IPython.display import display

        return Cell(display)
    stream = sys.stderr
    is_terminal = stream is not None and stream.isatty()
    return Terminal(stream) if is_terminal else Pipe(stream)


def _bundle(shown: ProgressSnapshot) -> dict[str, str]:
    bundle = {"text/plain": progress_text(shown)}
    return bundle if options.display == "text" else {**bundle, "text/html": progress_card(shown)}


class ProgressDisplay:
    """A context in which a thread redraws the progress. Errors in drawing don't affect the caller.

    Parameters
    ----------
    look
        Returns the current progress.
    where
        The output to draw on.
    """

    def __init__(self, look: Callable[[], ProgressSnapshot], where: Screen) -> None:
        self._look = look
        self._where = where
        self._is_over = Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._draw(self._where.open):
            context = contextvars.copy_context()  # the output belongs to the current cell
            self._thread = threading.Thread(
                target=context.run, args=(self._run,), name="durablenb-progress", daemon=True
            )
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()
            self._draw(self._where.close)

    def _run(self) -> None:
        pause = SECONDS
        while not self._is_over.wait(pause):
            began = time.monotonic()
            if not self._draw(self._where.show):
                return
            pause = max(SECONDS, (_SHARE - 1) * (time.monotonic() - began))

    def _draw(self, how: Callable[[ProgressSnapshot], None]) -> bool:
        try:
            how(self._look())
        except Exception:
            log.debug("The progress could not be drawn.", exc_info=True)
            return False
        return True
