"""Graphs and timelines have a variant for narrow pages, in which all words have room."""

from __future__ import annotations

import pytest

from durablenb.notebook.html import NARROW
from durablenb.notebook.svg import text_width
from tests.notebook.reading import SVG, Picture, decoded, page_of, scene


@pytest.mark.parametrize("name", ["retried", "looped", "continued", "transferred", "waiting"])
def test_words_are_within_the_narrow_variants_of_graph_and_timeline(name: str) -> None:
    sources = [str(attributes["srcset"]) for tag, attributes in page_of(scene(name)).tags if tag == "source"]
    pictures = [Picture("", decoded(source)) for source in sources]
    assert [picture.width for picture in pictures] == [NARROW, NARROW]
    for picture in pictures:
        for element in picture.root.iter(f"{SVG}text"):
            size, x = float(element.attrib["font-size"]), float(element.attrib["x"])
            anchor, wide = element.get("text-anchor", "start"), text_width(element.text or "", size)
            left = x - wide * {"start": 0, "middle": 0.5, "end": 1}[anchor]
            assert size >= 10
            assert left >= 0
            assert left + wide <= NARROW
