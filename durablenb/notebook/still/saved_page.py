"""Saved pages: one HTML file with pictures, tables and data, which loads nothing and sends no requests.

The only script that can run is the page's own: the policy in its head names it by its hash.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any, get_args

from durablenb.analysis.instance_card import InstanceCard
from durablenb.analysis.replays.explorer import LineMark
from durablenb.analysis.replays.frames import Frames
from durablenb.core.ports.store import HistoryBundle
from durablenb.journal.bundle.html_page import GENERATOR, data_block, history_block
from durablenb.notebook.code_colours import coloured_lines
from durablenb.notebook.html import Markup, card, heading, markup
from durablenb.notebook.still.graph import instance_sentence
from durablenb.notebook.still.history import history_table, log_table
from durablenb.notebook.still.instance_card import instance_sections
from durablenb.notebook.still.storyboard import step_glyph, step_look
from durablenb.notebook.svg import clean
from durablenb.notebook.themes import system_theme_css
from durablenb.notebook.words import plural

_STATIC = Path(__file__).parent.parent / "static"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
{generator}
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: light-dark(#d5dae1, #3a4048);
  --band: light-dark(#f6f7f9, #20242a); background: light-dark(#ffffff, #121212); }}
body {{ font: 14px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2rem auto; padding: 0 1rem; }}
p {{ overflow-x: auto; }}
img {{ max-width: 100%; vertical-align: middle; }}
table {{ border-collapse: collapse; margin: .5rem 0; }}
td, th {{ padding: .2rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }}
pre, code {{ font-family: ui-monospace, monospace; font-size: 13px; }}
pre {{ margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }}
details {{ margin: .6rem 0; overflow-x: auto; }}
summary {{ cursor: pointer; padding: .2rem .5rem; background: var(--band); }}
{style}</style>
</head>
<body{attributes}>
{body}
</body>
</html>
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Data:
    """The data of a page that can be filtered and stepped through.

    Parameters
    ----------
    instance_id
        The instance, or the entity, that the page is about.
    history
        Its history, and those of its sub-orchestrations.
    frames
        The replays of its code; None for an entity.
    has_values
        Whether values are included.
    """

    instance_id: str
    history: HistoryBundle
    frames: Frames | None = None
    has_values: bool = True


def still_page(title: str, body: str) -> str:
    """Return a page in which nothing moves."""
    return _page(title, body, _POLICY)


def live_page(title: str, body: str, data: Data, without_script: str) -> str:
    """Return a page with tables to filter, and replays to step through.

    Parameters
    ----------
    title, body
        The title, and what stands above the tables.
    data
        The data.
    without_script
        The tables for a reader whose browser runs no scripts.
    """
    script = (_STATIC / "saved.js").read_text("utf-8")
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    frames = data.frames
    sections = [] if frames is None else [_section("replays", "Replays", _replays_note(frames))]
    sections.append(_section("history", "History"))
    if data.history.lines:
        sections.append(_section("log", "Log"))
    packed = [history_block(data.history)]
    if frames is not None and frames.executions:
        packed.append(data_block("durablenb-replays", [_replays_json(frames, has_values=data.has_values)]))
    whole = markup(
        _links(sections),
        body,
        "<noscript>",
        without_script,
        "</noscript>",
        *(html for _, _, html in sections),
        _templates(frames),
        "\n",
        "\n".join(packed),
        f"\n<script>{script}</script>",
    )
    style = system_theme_css() + "".join(
        (_STATIC / name).read_text("utf-8") for name in ("live.css", "saved.css")
    )
    attributes = f' class="dnb-saved" data-instance="{escape(data.instance_id)}"'
    return _page(title, whole, f"{_POLICY}; script-src 'sha256-{digest}'", style, attributes)


def instance_page(shown: InstanceCard) -> str:
    """Return the page of an instance."""
    snapshot = shown.snapshot
    data = Data(snapshot.status.instance_id or "", shown.history, shown.frames, shown.has_values)
    tables = markup(history_table(snapshot.events), log_table(shown.log, shown.log) if shown.log else "")
    body = card(*instance_sections(shown))
    return live_page(instance_sentence(snapshot), body, data, tables)


def _page(title: str, body: str, policy: str, style: str = "", attributes: str = "") -> str:
    return _PAGE.format(
        title=escape(clean(title)[:200]),
        body=body,
        policy=policy,
        style=style,
        attributes=attributes,
        generator=GENERATOR,
    )


_Section = tuple[str, str, Markup]


def _section(name: str, title: str, note: str = "") -> _Section:
    words = heading(note) if note else ""
    inside = markup(
        f'<section class="dnb-live" id="{name}" data-shows="{name}"><h3>{title}</h3>', words, "</section>"
    )
    return name, title, inside


def _links(sections: Sequence[_Section]) -> Markup:
    return markup("<nav>", *(f'<a href="#{name}">{title}</a>' for name, title, _ in sections), "</nav>")


def _replays_note(frames: Frames) -> str:
    if frames.missing:
        return f"There are no replays in this page. {frames.missing}"
    if not frames.executions:
        return "The code has not run yet."
    notes = ["The code as it is now; some of it has changed since."] * any(
        execution["is_changed"] for execution in frames.executions
    )
    if frames.left_out:
        notes.append(f"{plural(frames.left_out, 'older execution')} left out.")
    return " ".join(notes)


def _replays_json(frames: Frames, *, has_values: bool) -> str:
    texts = _codes(frames)
    executions: list[dict[str, Any]] = [
        {**execution, "code": texts.index(code) if (code := execution["code"]) is not None else None}
        for execution in frames.executions
    ]
    return json.dumps({"executions": executions, "has_values": has_values})


def _codes(frames: Frames) -> list[list[tuple[int, str]]]:
    """Return the different codes of the executions."""
    texts: list[list[tuple[int, str]]] = []
    for execution in frames.executions:
        if execution["code"] is not None and execution["code"] not in texts:
            texts.append(execution["code"])
    return texts


def _templates(frames: Frames | None) -> Markup:
    """Return the lines of the code, and the shapes of all outcomes, for the script to copy."""
    if frames is None or not frames.executions:
        return Markup("")
    codes = [
        markup(f'<template id="dnb-code-{index}"><table>', *_code_rows(code), "</table></template>")
        for index, code in enumerate(_codes(frames))
    ]
    return markup(*codes, _glyphs())


def _code_rows(code: Sequence[tuple[int, str]]) -> Iterator[Markup]:
    coloured = coloured_lines("\n".join(text for _, text in code))
    for (number, _), text in zip(code, coloured, strict=True):
        yield markup(
            f'<tr data-line="{number}"><td>{number}</td><td></td><td><pre>', text, "</pre></td></tr>"
        )


@cache
def _glyphs() -> Markup:
    marks: tuple[LineMark, ...] = get_args(LineMark)
    words = {mark: step_look(mark).word.capitalize() for mark in marks}
    shapes = (
        f'<template data-mark="{mark}" title="{word}">{step_glyph(mark)}</template>'
        for mark, word in words.items()
    )
    return markup('<div id="dnb-glyphs" hidden>', *shapes, "</div>")
