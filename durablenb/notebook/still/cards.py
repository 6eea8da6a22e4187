"""Retry options and other small objects: a few named values, and the attempts as a picture."""

from __future__ import annotations

from dataclasses import fields

from durablenb.model.display import Card
from durablenb.model.retries import RetryOptions
from durablenb.notebook.html import (
    badge,
    card,
    heading,
    line,
    markup,
    picture,
    table,
)
from durablenb.notebook.palette import AMBER, BLUE, SOLIDS, TINTS, VIOLET, Look
from durablenb.notebook.svg import MUTED, WIDTH, Drawing, number
from durablenb.notebook.words import lasting, plural

_WHOLE = 2_000  # characters: room for an error message with a long path


def plain_card(shown: Card) -> str:
    """Return named values under a word, in full since advice often comes last."""
    look = Look(shown.word, VIOLET, _CLOCK)
    rows = [(name, line(value, _WHOLE)) for name, value in shown.rows]
    return card(heading(badge(look)), table((), rows))


_CLOCK = (("s", "M14 8A6 6 0 1 1 2 8A6 6 0 1 1 14 8Z"), ("s", "M8 4.4V8L10.4 9.6"))


def card_text(shown: Card) -> str:
    """Return a simple object's line of text."""
    return shown.text


def retries_card(options: RetryOptions) -> str:
    """Return retry options as a picture and a table."""
    rows = [
        (field.name, "None" if (value := getattr(options, field.name)) is None else _named(value))
        for field in fields(options)
    ]
    return card(heading(markup("<b>RetryOptions</b>")), picture(retries_svg(options)), table((), rows))


def _named(value: object) -> str:
    return str(getattr(value, "__qualname__", value))


def retries_text(options: RetryOptions) -> str:
    """Return retry options as text, with the values given."""
    given = [
        f"{field.name}={getattr(value, '__qualname__', value)}"
        for field in fields(options)
        if (value := getattr(options, field.name)) is not None
    ]
    return f"RetryOptions({', '.join(given)})"


_SHOWN_ATTEMPTS = 8
_ATTEMPT_WIDTH = 96


def retries_svg(options: RetryOptions) -> tuple[str, str]:
    """Return the picture of the attempts, and its description."""
    attempts = options.max_number_of_attempts
    shown = min(attempts, _SHOWN_ATTEMPTS)
    waits = [options.delay(attempt) for attempt in range(1, shown)]
    sentence = f"at most {plural(attempts, 'attempt')}"
    if waits:
        sentence += f", after waits of {', '.join(map(lasting, waits))}"
    drawing = Drawing(WIDTH, sentence)
    x, y = 36.0, 38.0
    for number_ in range(1, shown + 1):
        drawing.mark("circle", f"attempt {number_}", cx=x, cy=y, r=13, fill=TINTS[BLUE], stroke=SOLIDS[BLUE])
        drawing.text(x, y + 4.3, number_, size=12, is_bold=True, fill=BLUE, anchor="middle")
        if number_ < attempts:
            words = lasting(options.delay(number_))
            d = f"M{number(x + 17)} {number(y)}h{_ATTEMPT_WIDTH - 34}"
            drawing.path(
                d, words, fill="none", stroke=SOLIDS[AMBER], stroke_width=1.8, stroke_dasharray="2 3"
            )
            drawing.text(x + _ATTEMPT_WIDTH / 2, y - 8, words, size=11, fill=MUTED, anchor="middle")
        x += _ATTEMPT_WIDTH
    if attempts > shown:
        drawing.text(x - 14, y + 4, f"… {attempts:,}", size=12, fill=MUTED)
    return drawing.finished(66), sentence
