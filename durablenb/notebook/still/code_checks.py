"""Results of code checks: findings in an orchestrator, and its replay against recorded histories."""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.analysis.replays.fit_report import Fit, FitReport, Parting, UpgradeReport
from durablenb.analysis.text import table_text
from durablenb.checks.findings import Findings
from durablenb.notebook.html import Markup, badge, card, code, fold, heading, line, markup, picture, table
from durablenb.notebook.palette import LOOKS, Look, draw_glyph
from durablenb.notebook.svg import MUTED, WIDTH, Drawing, text_width
from durablenb.notebook.words import plural

_MOST_FINDINGS = 100


def findings_card(shown: Findings) -> str:
    """Return the findings in an orchestrator as a table."""
    count = plural(len(shown), "finding") if shown else "nothing found"
    title = heading(markup("<b>Check</b>"), "of", code(shown.name), "·", count)
    if not shown:
        return card(title)
    rows = [
        (
            finding.line,
            finding.code,
            code(finding.source.strip(), 80),
            line(finding.text, 400),
            line(finding.instead, 400),
        )
        for finding in shown[:_MOST_FINDINGS]
    ]
    reasons = {finding.code: (finding.code, line(finding.why, 400), code(finding.page)) for finding in shown}
    parts = [title, table(("line", "code", "", "what it is", "what to write instead"), rows)]
    if len(shown) > _MOST_FINDINGS:
        parts.append(markup("<p>", f"… {len(shown) - _MOST_FINDINGS:,} more", "</p>"))
    why = table(("code", "why it matters", "page"), [reasons[key] for key in sorted(reasons)])
    return card(*parts, fold("Why it matters", why))


def findings_text(shown: Findings) -> str:
    """Return the findings in an orchestrator as text, a line for each."""
    if not shown:
        return repr(shown)
    rows = [
        (finding.line, finding.code, f"{finding.text} {finding.instead}")
        for finding in shown[:_MOST_FINDINGS]
    ]
    more = f"\n… {len(shown) - _MOST_FINDINGS:,} more" if len(shown) > _MOST_FINDINGS else ""
    return (
        f"{shown!r}\n{table_text(('line', 'code', 'what it is, and what to write instead'), rows, 160)}{more}"
    )


_MOST = 100
_SHOWN = 12
_BAR = 20

_FITS = Look("Fits", LOOKS["Completed"].colour, LOOKS["Completed"].shape)
_PARTS = Look("Does not fit", LOOKS["Held"].colour, LOOKS["Held"].shape)


def fits_card(shown: FitReport) -> str:
    """Return a replay check: a bar for each place of divergence, and tables."""
    names = ", ".join(dict.fromkeys(fit.name for fit in shown)) or "nothing"
    title = heading(
        badge(_FITS if shown.fits else _PARTS), markup("<b>", line(names), "</b>"), "·", line(shown.summary)
    )
    if not len(shown):
        return card(title)
    partings = shown.partings
    return card(title, picture(_bar(shown)), _places(partings), _fields(partings), _all(shown))


def fits_text(shown: FitReport) -> str:
    """Return a replay check as text."""
    return str(shown)


def _bar(shown: FitReport) -> tuple[str, str]:
    """Draw a bar for the instances that fit, and one for each place at which others diverge."""
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
        left = 186 + width + text_width(label, 11)
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
    """Return a table of all instances, diverging ones first."""
    ordered = [*shown.misfits, *(fit for fit in shown if fit.fits)]
    outcomes = shown.outcomes if isinstance(shown, UpgradeReport) else {}
    rows: list[Sequence[object]] = [
        (fit.name, code(fit.instance_id, 256), fit.version or "", f"{fit.events:,}", _verdict(fit))
        + ((outcomes.get(fit.instance_id, ""),) if outcomes else ())
        for fit in ordered[:_MOST]
    ]
    if len(ordered) > _MOST:
        rows.append((f"{len(ordered) - _MOST:,} more", "", "", "", ""))
    header = ("orchestrator", "instance", "version", "events", "") + (("now",) if outcomes else ())
    return fold(plural(len(shown), "instance"), table(header, rows))


def _verdict(fit: Fit) -> str:
    if fit.fits:
        return "fits"
    return "can't be told" if fit.line is None else f"parts at line {fit.line}"
