"""The pictures of the gallery: what a notebook shows of a line of Python, as HTML."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from functools import cache
from html import escape
from typing import Any

import scenes
from matplotlib.axes import Axes

import durablenb as df
from durablenb.notebook.live.hub import LiveHub
from durablenb.notebook.live.widget import LiveView
from durablenb.notebook.static_files import STATIC
from durablenb.notebook.themes import theme_css

hub = cache(scenes.made)


def drawn(line: str, about: str = "") -> str:
    """Return as HTML what a line of Python shows.

    Parameters
    ----------
    line
        An expression with `hub`, and with `handle` or `entity`.
    about
        The id of the instance or the entity that these are.
    """
    names: dict[str, Any] = {"df": df, "hub": hub()}
    if about.startswith("@"):
        names["entity"] = hub().entity(*about[1:].split("@"))
    elif about:
        names["handle"] = hub().handle(about)
    said = io.StringIO()
    with redirect_stdout(said):
        shown = eval(line, names)
    return f"<pre>{escape(said.getvalue())}</pre>" if shown is None else html_of(shown)


def html_of(shown: Any) -> str:
    """Return what a notebook shows of an object; of a live view what it shows before it is clicked."""
    if isinstance(shown, LiveHub):
        return html_of(shown.list)
    if isinstance(shown, LiveView):
        html = live_html(shown)
        shown.freeze()
        return html
    if isinstance(shown, Axes):
        file = io.StringIO()
        shown.figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
        return file.getvalue().partition("?>")[2].partition('svg11.dtd">')[2]
    return str(shown._repr_mimebundle_()["text/html"])


def live_html(view: LiveView) -> str:
    """Return the regions of a live view, as the page puts them together; nothing in it can be clicked."""
    tabs = "".join(
        f'<button role="tab" aria-selected="{"true" if tab == view.tab else "false"}">{tab.title()}</button>'
        for tab in view.tabs
        if tab not in view.absent
    )
    parts = []
    for region in view.regions:
        if view.tabs[:1] == [region]:
            parts.append(f'<div class="dnb-tabs">{tabs}</div>')
        if region not in view.tabs or region == view.tab:
            parts.append(f"<section>{getattr(view, region).decode()}</section>")
    return f'<div class="dnb-live" inert>{"".join(parts)}</div>'


def style() -> str:
    """Return the style sheet of live views, for pages whose theme is that of the documentation."""
    sheet = theme_css() + (STATIC / "live.css").read_text("utf-8")
    return sheet.replace(".dnb-live.dnb-dark", 'html[data-theme="dark"] .dnb-live')
