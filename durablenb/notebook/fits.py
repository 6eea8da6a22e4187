"""Whether code fits instances, as a bar, a table of where it doesn't, and a table of all."""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.analysis.replays.fit_report import Fit, FitReport, Parting, UpgradeReport
from durablenb.notebook.html import Markup, badge, card, code, fold, heading, line, markup, picture, table
from durablenb.notebook.palette import LOOKS, Look, draw_glyph
from durablenb.notebook.svg import MUTED, WIDTH, Drawing, width_of
from durablenb.notebook.words import plural

_MOST = 100
_SHOWN = 12
_BAR = 20

_FITS = Look("Fits", LOOKS["Completed"].colour, LOOKS["Completed"].shape)
_PARTS = Look("Does not fit", LOOKS["Held"].colour, LOOKS["Held"].shape)


def fits_card(shown: FitReport) -> str:
    """Return whether code fits instances."""
    names = ", ".join(dict.fromkeys(one.name for one in shown)) or "nothing"
    title = heading(
        badge(_FITS if shown.fits else _PARTS), markup("<b>", line(names), "</b>"), "·", line(shown.summary)
    )
    if not len(shown):
        return card(title)
    partings = shown.partings
    return card(title, picture(_bar(shown)), _places(partings), _fields(partings), _all(shown))


def fits_text(shown: FitReport) -> str:
    """Return whether code fits instances, and where it doesn't."""
    return str(shown)


def _bar(shown: FitReport) -> tuple[str, str]:
    """Draw how many fit, and for each place at which others part how many do."""
    partings = shown.partings
    count, misfits = len(shown), len(shown.misfits)
    sentence = f"{count - misfits:,} of {plural(count, shown.about)} fit"
    drawing = Drawing(WIDTH, sentence)
    rows = [(_FITS, "fit", count - misfits)] if count > misfits else []
    rows += [(_PARTS, parting.where, len(parting.fits)) for parting in partings[:_SHOWN]]
    rest = sum(len(parting.fits) for parting in partings[_SHOWN:])
    if rest:
        rows.append((_PARTS, f"{len(partings) - _SHOWN:,} more places", rest))
    y = 14.0
    for look, words, many in rows:
        draw_glyph(drawing, look, 20, y + 1)
        drawing.text(42, y + 12.5, words, size=12, width=120)
        width = max(3.0, (WIDTH - 280) * many / count)
        drawing.box(170, y + 2, width, 12, f"{words}: {many:,}", rx=2, fill=look.solid)
        label = f"{many:,}"
        drawing.text(178 + width, y + 12.5, label, size=11, fill=look.colour)
        left = 186 + width + width_of(label, 11)
        if look is _PARTS and many < count:
            drawing.text(left, y + 12.5, f"of {count:,}", size=11, fill=MUTED)
        y += _BAR
    return drawing.finished(y + 8), sentence


def _places(partings: Sequence[Parting]) -> Markup:
    rows = [
        (
            "" if parting.line is None else parting.line,
            code(parting.code, 90) if parting.code else "",
            line(parting.recorded),
            line(parting.requested),
            f"{len(parting.fits):,}",
            line(parting.named, 160),
        )
        for parting in partings[:_MOST]
    ]
    header = ("line", "", "recorded", "requested", "instances", "")
    return table(header, rows) if rows else Markup("")


def _fields(partings: Sequence[Parting]) -> Markup:
    rows = [
        (
            "" if parting.line is None else parting.line,
            code(parting.fits[0].instance_id, 256),
            name,
            code(was, 160),
            code(now, 160),
        )
        for parting in partings[:_SHOWN]
        for name, was, now in parting.fits[0].fields
        if name != "event_type"
    ]
    header = ("line", "for example", "field", "recorded", "requested")
    return fold("What differs", table(header, rows), is_open=True) if rows else Markup("")


def _all(shown: FitReport) -> Markup:
    """Return each instance; those that part come first."""
    ordered = [*shown.misfits, *(one for one in shown if one.fits)]
    outcomes = shown.outcomes if isinstance(shown, UpgradeReport) else {}
    rows: list[Sequence[object]] = [
        (one.name, code(one.instance_id, 256), one.version or "", f"{one.events:,}", _verdict(one))
        + ((outcomes.get(one.instance_id, ""),) if outcomes else ())
        for one in ordered[:_MOST]
    ]
    if len(ordered) > _MOST:
        rows.append((f"{len(ordered) - _MOST:,} more", "", "", "", ""))
    header = ("orchestrator", "instance", "version", "events", "") + (("now",) if outcomes else ())
    return fold(plural(len(shown), "instance"), table(header, rows))


def _verdict(one: Fit) -> str:
    if one.fits:
        return "fits"
    return "can't be told" if one.line is None else f"parts at line {one.line}"
