"""The picture of how fast a hub works: a bar for each of the last seconds."""

from __future__ import annotations

from durablenb.analysis.fleet import PACE_SECONDS, HubPace
from durablenb.notebook.palette import BLUE, RED, SOLIDS
from durablenb.notebook.svg import HAIR, MUTED, WIDTH, Drawing, number
from durablenb.notebook.words import moment, plural

_LEFT, _RIGHT = 190.0, 20.0
_TOP, _HIGH = 10.0, 34.0


def pace_svg(pace: HubPace) -> tuple[str, str]:
    """Return the picture of the last seconds, and the sentence that says the same."""
    most, total, failed = max(pace.ended), sum(pace.ended), sum(pace.failed)
    until = "" if pace.until is None else f", until {moment(pace.until, with_date=False)[:8]}"
    sentence = (
        f"{plural(total, 'call')} ended in the last {PACE_SECONDS} seconds{until}, at most {most:,} a second"
    )
    if failed:
        sentence += f", {failed:,} failed"
    drawing = Drawing(WIDTH, sentence)
    drawing.text(20, _TOP + 15, "calls ended", size=12, is_bold=True)
    drawing.text(20, _TOP + 31, f"at most {most:,} a second", size=10.5, fill=MUTED, width=_LEFT - 30)
    pitch = (WIDTH - _LEFT - _RIGHT) / PACE_SECONDS
    for counts, colour in ((pace.ended, BLUE), (pace.failed, RED)):
        d = "".join(
            f"M{number(_LEFT + place * pitch)} {number(_TOP + _HIGH)}h{number(pitch - 1)}"
            f"v{number(-max(_HIGH * count / most, 2.0))}h{number(1 - pitch)}z"
            for place, count in enumerate(counts)
            if count
        )
        if d:
            drawing.path(d, fill=SOLIDS[colour])
    drawing.path(
        f"M{number(_LEFT)} {number(_TOP + _HIGH)}H{number(WIDTH - _RIGHT)}", stroke=HAIR, fill="none"
    )
    when = moment(pace.until, with_date=False)[:8] if pace.until else "nothing yet"
    drawing.text(_LEFT, _TOP + _HIGH + 13, f"{PACE_SECONDS} s before", size=9.5, fill=MUTED)
    drawing.text(WIDTH - _RIGHT, _TOP + _HIGH + 13, when, size=9.5, fill=MUTED, anchor="end")
    return drawing.finished(_TOP + _HIGH + 22), sentence
