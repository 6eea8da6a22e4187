"""The colours of live views, on a light page and on a dark one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from durablenb.notebook import palette, svg
from durablenb.notebook.static_files import STATIC
from durablenb.notebook.themes import DARK, apply_theme, theme_css
from tests.notebook.reading import page_of_scene, scene
from tests.notebook.scenes import SCENES
from tests.notebook.test_layout import contrast

LIGHT = {colour: colour for colour in DARK}
GROUNDS = ("#fcfcfd", "#ffffff", "#f0f2f5", "#dcebfb")
"""The plate, boxes and fields, values and rows that are pointed at, rows that are selected."""
THEMES = pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
STYLES = (STATIC / "live.css").read_text("utf-8")


@THEMES
def test_words_can_be_read_on_every_ground(colours: dict[str, str]) -> None:
    for ground in GROUNDS:
        for text in (svg.INK, svg.MUTED, palette.BLUE):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for colour, tint in palette.TINTS.items():
        for ground in (tint, "#fcfcfd", "#ffffff"):
            assert contrast(colours[colour], colours[ground]) >= 4.5, (colour, ground)
        assert contrast(colours[svg.INK], colours[tint]) >= 7
        assert contrast(colours[svg.MUTED], colours[tint]) >= 4.5


@THEMES
def test_the_style_sheet_sets_words_on_grounds_on_which_they_can_be_read(colours: dict[str, str]) -> None:
    rules = re.findall(r"\{([^{}]*)\}", STYLES)
    pairs = 0
    for rule in rules:
        text = re.search(r"(?<![-\w])color: var\(--(\w+)\)", rule)
        ground = re.search(r"background: var\(--(\w+)\)", rule)
        if text is not None:
            on = f"#{ground[1]}" if ground else "#fcfcfd"
            assert contrast(colours[f"#{text[1]}"], colours[on]) >= 4.5, rule
            pairs += 1
    assert pairs >= 8


@THEMES
def test_bars_and_edges_of_controls_stand_out(colours: dict[str, str]) -> None:
    for solid in palette.SOLIDS.values():
        assert contrast(colours[solid], colours["#fcfcfd"]) >= 3, solid
    assert contrast(colours["#86909b"], colours["#ffffff"]) >= 3  # the rim of buttons and fields


def test_every_colour_of_the_style_sheet_is_a_token() -> None:
    assert set(re.findall(r"var\(--([0-9a-f]+)\)", STYLES)) <= {colour[1:] for colour in DARK}
    assert re.findall(r"#[0-9a-f]{3,6}\b", STYLES) == []
    assert theme_css().count("--fcfcfd:") == 2


def test_a_text_that_looks_like_a_colour_stays_as_it_is() -> None:
    assert apply_theme('<text fill="#1f2328">#1f2328</text>') == '<text fill="var(--1f2328)">#1f2328</text>'


@pytest.mark.parametrize("name", SCENES)
def test_a_still_picture_has_a_dark_colour_for_each_of_its_colours(name: str) -> None:
    for picture in page_of_scene(name).pictures:
        used = set(re.findall(r' (fill|stroke)="(#[0-9a-f]{3,6})"', picture.svg))
        (style,) = re.findall(
            r"<style>@media screen and \(prefers-color-scheme:dark\)\{(.*?)\}</style>", picture.svg
        )
        rules = re.findall(r'\[(fill|stroke)="(#\w+)"\]\{(fill|stroke):(#\w+)\}', style)
        assert {(attribute, colour) for attribute, colour, _, _ in rules} == used
        assert all(attribute == named and DARK[colour] == dark for attribute, colour, named, dark in rules)


def test_a_saved_picture_is_light_wherever_it_is_put(tmp_path: Path) -> None:
    scene("completed").save(tmp_path / "picture.svg")
    assert "prefers-color-scheme" not in (tmp_path / "picture.svg").read_text("utf-8")
