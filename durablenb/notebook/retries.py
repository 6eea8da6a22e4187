"""The picture of retry options: the attempts, and the waits between them."""

from __future__ import annotations

from durablenb.model.retries import RetryOptions
from durablenb.notebook.palette import AMBER, BLUE, SOLIDS, TINTS
from durablenb.notebook.svg import MUTED, WIDTH, Drawing, number
from durablenb.notebook.words import lasting, plural

_SHOWN = 8
_STEP = 96


def retries_svg(options: RetryOptions) -> tuple[str, str]:
    """Return the picture of the attempts, and the sentence that says the same."""
    attempts = options.max_number_of_attempts
    shown = min(attempts, _SHOWN)
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
            d = f"M{number(x + 17)} {number(y)}h{_STEP - 34}"
            drawing.path(
                d, words, fill="none", stroke=SOLIDS[AMBER], stroke_width=1.8, stroke_dasharray="2 3"
            )
            drawing.text(x + _STEP / 2, y - 8, words, size=11, fill=MUTED, anchor="middle")
        x += _STEP
    if attempts > shown:
        drawing.text(x - 14, y + 4, f"… {attempts:,}", size=12, fill=MUTED)
    return drawing.finished(66), sentence
