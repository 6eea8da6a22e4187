"""A log as a table: the last lines, and those before them in a fold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from durablenb.analysis.logs import Log, line_text
from durablenb.analysis.text import table_text
from durablenb.model.logs import LogLine
from durablenb.notebook.html import Markup, block, card, code, fold, heading, line, markup, table
from durablenb.notebook.words import moment, plural

_LAST = 40
_FOLDED = 200


def log_card(shown: Log) -> str:
    """Return a log."""
    before, last = shown[:-_LAST], shown[-_LAST:]
    title = heading(markup("<b>Log</b>"), "of", code(shown.instance_id, 256), "·", plural(len(shown), "line"))
    if not shown:
        return card(title, table((), [("Nothing was printed or logged.",)]))
    hidden = len(before) - _FOLDED
    more = f"; print(handle.logs()) shows the {hidden:,} before them" if hidden > 0 else ""
    summary = f"{plural(min(len(before), _FOLDED), 'line')} before{more}"
    return card(
        title,
        fold(summary, _table(shown, before[-_FOLDED:])) if before else "",
        _table(shown, last),
    )


def _table(shown: Log, lines: Iterable[LogLine]) -> Markup:
    rows: list[Sequence[object]] = [
        (
            moment(one.timestamp),
            code(shown.author_of(one), 100),
            one.level or ("stderr" if one.stream == "stderr" else ""),
            block(one.message, 1_000) if "\n" in one.message else line(one.message, 300),
        )
        for one in lines
    ]
    return table(("time (UTC)", "printed by", "level", "message"), rows)


def log_text(shown: Log) -> str:
    """Return a log without times: the last lines."""
    if not shown:
        return repr(shown)
    last = shown[-_LAST:]
    rows = [(shown.author_of(one), line_text(one)) for one in last]
    more = f"… {len(shown) - len(last):,} lines before\n" if len(shown) > len(last) else ""
    return f"{shown!r}\n{more}{table_text(('printed by', 'message'), rows, 100)}"
