"""What a check found, as a table: the line itself, what it is, and what to write instead."""

from __future__ import annotations

from durablenb.analysis.text import table_text
from durablenb.checks.findings import Findings
from durablenb.notebook.html import card, code, fold, heading, line, markup, table
from durablenb.notebook.words import plural

_MOST = 100


def findings_card(shown: Findings) -> str:
    """Return what was found in an orchestrator."""
    count = plural(len(shown), "finding") if shown else "nothing found"
    title = heading(markup("<b>Check</b>"), "of", code(shown.name), "·", count)
    if not shown:
        return card(title)
    rows = [
        (one.line, one.code, code(one.source.strip(), 80), line(one.text, 400), line(one.instead, 400))
        for one in shown[:_MOST]
    ]
    reasons = {one.code: (one.code, line(one.why, 400), code(one.page)) for one in shown}
    parts = [title, table(("line", "code", "", "what it is", "what to write instead"), rows)]
    if len(shown) > _MOST:
        parts.append(markup("<p>", f"… {len(shown) - _MOST:,} more", "</p>"))
    why = table(("code", "why it matters", "page"), [reasons[one] for one in sorted(reasons)])
    return card(*parts, fold("Why it matters", why))


def findings_text(shown: Findings) -> str:
    """Return what was found in an orchestrator, a line for each."""
    if not shown:
        return repr(shown)
    rows = [(one.line, one.code, f"{one.text} {one.instead}") for one in shown[:_MOST]]
    more = f"\n… {len(shown) - _MOST:,} more" if len(shown) > _MOST else ""
    return (
        f"{shown!r}\n{table_text(('line', 'code', 'what it is, and what to write instead'), rows, 160)}{more}"
    )
