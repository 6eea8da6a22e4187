"""Pictures saved as files: SVG, PNG, or a self-contained HTML page."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

from durablenb.analysis.instance_card import InstanceCard
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.model.display import HubView
from durablenb.notebook.palette import PILL, pill, status_look
from durablenb.notebook.still.graph import graph_svg, instance_sentence
from durablenb.notebook.still.hub import hub_card
from durablenb.notebook.still.instance import picture_card
from durablenb.notebook.still.instance_card import instance_card
from durablenb.notebook.still.timeline import timeline_svg
from durablenb.notebook.svg import MUTED, WIDTH, Drawing, clean, number, text_width

_DOTS = 200
"""Dots per inch."""

_MARGIN = 20.0

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="durablenb">{head}
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #d5dae1; --band: #f6f7f9; }}
@media (prefers-color-scheme: dark) {{ :root {{ --line: #3a4048; --band: #20242a; }} }}
body {{ font: 14px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2rem auto; padding: 0 1rem; }}
p {{ overflow-x: auto; }}
img {{ max-width: 100%; vertical-align: middle; }}
table {{ border-collapse: collapse; margin: .5rem 0; }}
td, th {{ padding: .2rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }}
pre, code {{ font-family: ui-monospace, monospace; font-size: 13px; }}
pre {{ margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }}
details {{ margin: .6rem 0; overflow-x: auto; }}
summary {{ cursor: pointer; padding: .2rem .5rem; background: var(--band); }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_NOTHING_LOADED = f'\n<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
"""Keeps a browser from running or loading anything that an output contains."""


def save(shown: object, path: str | os.PathLike[str]) -> None:
    """Save a picture to a file whose suffix selects the format.

    Parameters
    ----------
    shown
        The `InstanceSnapshot` or the `InstanceCard` of an instance, or the `HubView` of a hub.
    path
        A path that ends with ``.html``; for an instance also with ``.svg`` or ``.png``.

    Raises
    ------
    ValueError
        If the path has another suffix.
    DurableError
        If a PNG is requested and Matplotlib isn't installed.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if isinstance(shown, HubView) and suffix == ".html":
        file.write_text(_page(shown.text.strip("<>"), hub_card(shown)), "utf-8", "replace")
    elif isinstance(shown, InstanceCard) and suffix == ".html":
        page = _page(instance_sentence(shown.snapshot), instance_card(shown), _NOTHING_LOADED)
        file.write_text(page, "utf-8", "replace")
    elif isinstance(shown, InstanceSnapshot) and suffix == ".html":
        file.write_text(_page(instance_sentence(shown), picture_card(shown)), "utf-8", "replace")
    elif isinstance(shown, InstanceSnapshot) and suffix == ".svg":
        file.write_text(still_svg(shown), "utf-8", "replace")
    elif isinstance(shown, InstanceSnapshot) and suffix == ".png":
        from durablenb.notebook.figures import need_matplotlib

        need_matplotlib()
        from durablenb.notebook.figures.sheet import instance_sheet

        instance_sheet(shown).savefig(file, dpi=_DOTS)
    else:
        raise ValueError(_refusal(file, shown))


def _refusal(file: Path, shown: object) -> str:
    if isinstance(shown, HubView | InstanceCard):
        what = "a hub" if isinstance(shown, HubView) else "a card"
        return f"{file.name!r} doesn't end with .html, and {what} is saved as a page only."
    more = (
        f" For a {file.suffix[1:].upper()} let Matplotlib save a figure: "
        f"handle.plot_timeline().figure.savefig({file.name!r})."
        if file.suffix.lower() in (".pdf", ".eps", ".ps", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
        else ""
    )
    return f"{file.name!r} ends with none of .svg, .png, .html.{more}"


def _page(title: str, body: str, head: str = "") -> str:
    return _PAGE.format(title=escape(clean(title)[:200]), body=body, head=head)


def still_svg(picture: InstanceSnapshot) -> str:
    """Return an instance as one SVG document: its status, its graph, and its timeline."""
    sentence = instance_sentence(picture)
    drawing = Drawing(WIDTH, sentence)
    look, status = status_look(picture.word), picture.status
    badge = pill(look)
    name = status.name or ""
    drawing.text(_MARGIN + badge.width + 12, 28, name, size=14, is_bold=True, width=300)
    left = _MARGIN + badge.width + 24 + min(text_width(name, 14, is_bold=True), 300)
    drawing.text(left, 28, status.instance_id or "", size=12, fill=MUTED, width=WIDTH - _MARGIN - left)
    parts = [_placed(badge.finished(PILL, has_plate=False), _MARGIN, 11)]
    height = PILL + 16.0
    for drawn in (graph_svg(picture), timeline_svg(picture)):
        if drawn is not None:
            parts.append(_placed(drawn[0], 0, height))
            height += float(drawn[0].partition('height="')[2].partition('"')[0])
    return drawing.finished(height).removesuffix("</svg>") + "".join(parts) + "</svg>"


def _placed(svg: str, x: float, y: float) -> str:
    """Return an SVG document positioned inside of another one."""
    return svg.replace("<svg ", f'<svg x="{number(x)}" y="{number(y)}" ', 1)
