"""Objects saved as files: SVG and PNG pictures, and HTML pages that need nothing else."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

from durablenb.analysis.entities import EntitySnapshot
from durablenb.analysis.instance_card import InstanceCard
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.model.display import SavedEntity
from durablenb.notebook.palette import PILL, pill, status_look
from durablenb.notebook.rendering import render_html, render_text
from durablenb.notebook.still.entity import entity_card
from durablenb.notebook.still.graph import graph_svg, instance_sentence
from durablenb.notebook.still.saved_page import Data, instance_page, live_page, still_page
from durablenb.notebook.still.timeline import timeline_svg
from durablenb.notebook.svg import MUTED, WIDTH, Drawing, clean, number, text_width

_DOTS = 200
"""Dots per inch."""

_MARGIN = 20.0
_PICTURE = re.compile(r'<img(?: [a-z]+="[^"]*")*? src="data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)"')
_THEME = re.compile(r"<style>.*?</style>")
_SIZE = re.compile(r' (width|height)="([0-9.]+)"')


def save(shown: object, path: str | os.PathLike[str]) -> None:
    """Save an object to a file whose suffix selects the format.

    Parameters
    ----------
    shown
        An `InstanceCard`, an `InstanceSnapshot`, or any other object that a notebook shows.
    path
        A path that ends with ``.html``; with ``.svg`` or ``.png`` for objects that are shown with a picture.

    Raises
    ------
    ValueError
        If the path has another suffix, or if there is no picture of the object.
    DurableError
        If a PNG is requested and Matplotlib isn't installed.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix == ".html":
        file.write_text(render_page(shown), "utf-8", "replace", "\n")
    elif suffix == ".svg":
        file.write_text(render_svg(shown, file), "utf-8", "replace", "\n")
    elif suffix == ".png":
        _save_png(shown, file)
    else:
        raise ValueError(_refusal(file))


def render_page(shown: object) -> str:
    """Return the page of an object."""
    if isinstance(shown, InstanceCard):
        return instance_page(shown)
    if isinstance(shown, SavedEntity):
        assert isinstance(shown.snapshot, EntitySnapshot)
        title = str(shown.snapshot.entity_id)
        return live_page(title, entity_card(shown.snapshot), Data(title, shown.history), "")
    return still_page(_title(shown), _card(shown))


def render_svg(shown: object, file: Path) -> str:
    """Return the picture of an object as an SVG document in light colours.

    Raises
    ------
    ValueError
        If there is no picture of it.
    """
    if isinstance(shown, InstanceCard):
        return still_svg(shown.snapshot)
    if isinstance(shown, InstanceSnapshot):
        return still_svg(shown)
    pictures = [svg for svg in pictures_in(_card(shown)) if _size(svg)[0] > WIDTH / 2]
    if not pictures:
        raise ValueError(f"There is no picture of {_title(shown)}: give {file.stem!r} the suffix .html.")
    return pictures[0] if len(pictures) == 1 else _stacked(pictures, _title(shown))


def pictures_in(html: str) -> list[str]:
    """Return the SVG documents that are embedded in HTML, without the rules that adapt them to dark pages."""
    return [_THEME.sub("", base64.b64decode(data).decode()) for data in _PICTURE.findall(html)]


def _card(shown: object) -> str:
    return render_html(shown.snapshot if isinstance(shown, SavedEntity) else shown) or ""


def _title(shown: object) -> str:
    text = render_text(shown.snapshot if isinstance(shown, SavedEntity) else shown)
    return clean(text.partition("\n")[0]).strip("<>")


def _save_png(shown: object, file: Path) -> None:
    from durablenb.notebook.figures import need_matplotlib

    need_matplotlib()
    from durablenb.notebook.figures.sheet import instance_sheet, svg_sheet

    snapshot = shown.snapshot if isinstance(shown, InstanceCard) else shown
    figure = (
        instance_sheet(snapshot)
        if isinstance(snapshot, InstanceSnapshot)
        else svg_sheet(render_svg(shown, file))
    )
    figure.savefig(file, dpi=_DOTS)


def _refusal(file: Path) -> str:
    more = (
        f" For a {file.suffix[1:].upper()} let Matplotlib save a figure: "
        f"handle.plot_timeline().figure.savefig({file.name!r})."
        if file.suffix.lower() in (".pdf", ".eps", ".ps", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
        else ""
    )
    return f"{file.name!r} ends with none of .svg, .png, .html.{more}"


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
            height += _size(drawn[0])[1]
    return drawing.finished(height).removesuffix("</svg>") + "".join(parts) + "</svg>"


def _stacked(pictures: list[str], sentence: str) -> str:
    """Return pictures below each other as one."""
    height, parts = 0.0, []
    for svg in pictures:
        parts.append(_placed(svg, 0, height))
        height += _size(svg)[1]
    whole = Drawing(max(_size(svg)[0] for svg in pictures), sentence).finished(height, has_plate=False)
    return whole.removesuffix("</svg>") + "".join(parts) + "</svg>"


def _size(svg: str) -> tuple[float, float]:
    """Return the width and the height of an SVG document."""
    sizes = dict(_SIZE.findall(svg.partition(">")[0]))
    return float(sizes["width"]), float(sizes["height"])


def _placed(svg: str, x: float, y: float) -> str:
    """Return an SVG document positioned inside of another one."""
    return svg.replace("<svg ", f'<svg x="{number(x)}" y="{number(y)}" ', 1)
