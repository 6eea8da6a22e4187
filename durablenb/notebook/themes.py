"""Dark colours of pictures, for pages with a dark theme."""

from __future__ import annotations

import re

DARK = {
    # backgrounds and lines
    "#fcfcfd": "#171a1f",
    "#ffffff": "#1e2329",
    "#fff": "#171a1f",
    "#f0f2f5": "#242a31",
    "#d5dae1": "#414a55",
    "#e4e8ed": "#2d343c",
    "#ccd4dd": "#4b5663",
    # text
    "#1f2328": "#e7eaee",
    "#57606a": "#a9b3be",
    "#166b30": "#82d99e",
    "#b42318": "#ffa195",
    "#0b5cad": "#8cc1f8",
    "#8a5300": "#f1be63",
    "#6b3fa0": "#cab3f1",
    # backgrounds of text
    "#ddf3e2": "#16331f",
    "#fde3df": "#451c18",
    "#dcebfb": "#14304d",
    "#fbecc8": "#3a2b0d",
    "#eceff2": "#282e35",
    "#ece5f8": "#2e2445",
    # areas without text
    "#3f9f5f": "#4caf70",
    "#8ccaa0": "#2f7a49",
    "#d6402f": "#ee5f4e",
    "#4a8fd6": "#5ba3ea",
    "#c07f10": "#d2962c",
    "#86909b": "#8a95a1",
    "#9576c8": "#a68bd8",
}
"""The dark counterpart of each colour."""

_COLOUR = re.compile(r'="(#[0-9a-f]{3,6})"')
_USE = re.compile(r' (fill|stroke)="(#[0-9a-f]{3,6})"')


def apply_theme(svg: str) -> str:
    """Return an SVG document whose colours follow the theme of the page."""
    return _COLOUR.sub(lambda match: f'="var({_token(match[1])})"' if match[1] in DARK else match[0], svg)


def follow_theme(svg: str) -> str:
    """Return an SVG document that is dark where the page that embeds it is dark.

    Notes
    -----
    A browser gives an ``<img>`` the colour scheme of the element around it. JupyterLab, Notebook 7 and the
    documentation set that scheme with their themes. A page that sets none shows the picture in light colours.
    """
    rules = "".join(
        f'[{attribute}="{colour}"]{{{attribute}:{DARK[colour]}}}'
        for attribute, colour in sorted(set(_USE.findall(svg)))
        if colour in DARK
    )
    head, mark, rest = svg.partition(">")
    return f"{head}{mark}<style>@media screen and (prefers-color-scheme:dark){{{rules}}}</style>{rest}"


def theme_css() -> str:
    """Return the style sheet that defines every colour for both themes."""
    light, dark = _declarations()
    return f".dnb-live{{{light}}}\n.dnb-live.dnb-dark,.dnb-dark .dnb-live{{{dark}}}\n"


def system_theme_css() -> str:
    """Return the same for a page in the theme of its reader's system; it is printed in light colours."""
    light, dark = _declarations()
    return f".dnb-live{{{light}}}\n@media screen and (prefers-color-scheme:dark){{.dnb-live{{{dark}}}}}\n"


def _declarations() -> tuple[str, str]:
    light = "".join(f"{_token(colour)}:{colour};" for colour in DARK)
    dark = "".join(f"{_token(colour)}:{there};" for colour, there in DARK.items())
    return f"color-scheme:light;{light}", f"color-scheme:dark;{dark}"


def _token(colour: str) -> str:
    return f"--{colour[1:]}"
