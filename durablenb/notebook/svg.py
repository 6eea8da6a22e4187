"""SVG as text: escaped, with its own background, and with a description for screen readers."""

from __future__ import annotations

import base64
from html import escape

from durablenb.notebook.themes import follow_theme

WIDTH = 860
"""Width of all pictures in pixels, which fits a notebook's output."""

NARROWER = 760
"""Width in pixels below which pictures that have columns of their own draw narrower ones."""

FONT = "DejaVu Sans, Verdana, Segoe UI, Helvetica Neue, Arial, sans-serif"
PLATE = "#fcfcfd"
RIM = "#d5dae1"
INK = "#1f2328"
MUTED = "#57606a"
HAIR = "#e4e8ed"

_ADVANCES = (
    *(32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64),
    *(64, 64, 34, 34, 84, 84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79),
    *(60, 79, 69, 63, 61, 73, 68, 99, 69, 61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63),
    *(63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84),
)
"""Advance widths of DejaVu Sans, a wide font, from blank to tilde, in hundredths of the font size."""
_BOLD = 1.13
_OTHER = 66
_WIDE = 104


def clean(text: object) -> str:
    """Return data as one line that is safe in XML: no control and no bidirectional characters."""
    line = " ".join(str(text).split())
    if line.isascii() and line.isprintable():
        return line
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line
    )


def text_width(text: str, size: float, *, is_bold: bool = False) -> float:
    """Return the maximum width of a text in the fonts that may show it."""
    hundredths = 0
    for character in text:
        code = ord(character)
        if 32 <= code < 127:
            hundredths += _ADVANCES[code - 32]
        else:
            hundredths += _WIDE if code >= 0x1100 else _OTHER
    return hundredths * size / 100 * (_BOLD if is_bold else 1)


def truncate(text: str, width: float, size: float, *, is_bold: bool = False) -> str:
    """Return the text, truncated with an ellipsis if it doesn't fit."""
    text = text[:400]
    if text_width(text, size, is_bold=is_bold) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle] + "…", size, is_bold=is_bold) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…"


def number(value: float) -> str:
    """Return a coordinate with at most one decimal."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


class Drawing:
    """A picture to which shapes and texts are added.

    Parameters
    ----------
    width
        Width in pixels.
    sentence
        Description of the picture, for screen readers.
    """

    control_room: float = 0
    """Room for a control in a box; still pictures have no controls."""

    chosen: object = None
    """The selected call, which is highlighted."""

    def __init__(self, width: float, sentence: str) -> None:
        self.width = width
        self.sentence = clean(sentence)
        self._marks: list[str] = []

    def mark(self, tag: str, title: str = "", /, **attributes: str | float) -> None:
        """Draw a shape; `_` in names of attributes becomes `-`."""
        words = "".join(
            f' {name.replace("_", "-")}="{escape(value) if isinstance(value, str) else number(value)}"'
            for name, value in attributes.items()
        )
        inside = f"><title>{escape(clean(title)[:300])}</title></{tag}>" if title else "/>"
        self._marks.append(f"<{tag}{words}{inside}")

    def box(
        self, x: float, y: float, width: float, height: float, title: str = "", /, **more: str | float
    ) -> None:
        """Draw a rectangle."""
        self.mark("rect", title, x=x, y=y, width=width, height=height, **more)

    def path(self, d: str, title: str = "", /, **more: str | float) -> None:
        """Draw a path."""
        self.mark("path", title, d=d, **more)

    def text(
        self,
        x: float,
        y: float,
        words: object,
        *,
        width: float | None = None,
        size: float = 12,
        fill: str = INK,
        is_bold: bool = False,
        anchor: str = "start",
    ) -> None:
        """Write a line, truncated to `width`; its title then has the whole text."""
        full = clean(words)
        line = full if width is None else truncate(full, width, size, is_bold=is_bold)
        title = f"<title>{escape(full[:300])}</title>" if line != full else ""
        weight = ' font-weight="bold"' if is_bold else ""
        alignment = "" if anchor == "start" else f' text-anchor="{anchor}"'
        colour = "" if fill == INK else f' fill="{fill}"'
        self._marks.append(
            f'<text x="{number(x)}" y="{number(y)}" font-size="{number(size)}"{weight}{alignment}{colour}>'
            f"{title}{escape(line)}</text>"
        )

    def control(self, x: float, y: float, sign: str, words: str, **data: str) -> None:
        """Draw a button, a square of 16 pixels with a sign; a still picture has none."""

    def add(self, other: Drawing) -> None:
        """Draw another picture on top."""
        self._marks += other._marks

    def begin(self, **attributes: str | float) -> None:
        """Begin a group whose shapes share attributes."""
        self.mark("g", **attributes)
        self._marks[-1] = self._marks[-1].removesuffix("/>") + ">"

    def end(self) -> None:
        """End the group."""
        self._marks.append("</g>")

    def finished(self, height: float, *, has_plate: bool = True) -> str:
        """Return the picture as an SVG document."""
        wide, high = number(self.width), number(height)
        plate = (
            f'<rect x=".5" y=".5" width="{number(self.width - 1)}" height="{number(height - 1)}" rx="8" '
            f'fill="{PLATE}" stroke="{RIM}"/>'
            if has_plate
            else ""
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" '
            f'viewBox="0 0 {wide} {high}" role="img" aria-label="{escape(self.sentence)}" '
            f'font-family="{FONT}" fill="{INK}">'
            f"{plate}{''.join(self._marks)}</svg>"
        )


def image(svg: str, sentence: str, *, width: float | None = None) -> str:
    """Return an SVG document as an ``<img>``, which any notebook shows, trusted or not, in the page's theme.

    With a `width`, it is inline in a line of text.
    """
    size = (
        ""
        if width is None
        else f' width="{number(width)}" align="middle" style="vertical-align:middle;max-width:none"'
    )
    return f'<img alt="{escape(clean(sentence))}"{size} src="{image_data(svg)}">'


def image_data(svg: str) -> str:
    """Return an SVG document as a data URL, in the page's theme."""
    data = base64.b64encode(follow_theme(svg).encode("utf-8", "replace")).decode("ascii")
    return f"data:image/svg+xml;base64,{data}"
