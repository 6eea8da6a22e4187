"""Every line of the gallery draws something, and together they show all that there is to see."""

import importlib
import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
VIEW = re.compile(r"^```\{view\} (.+)\n(?::about: \"?([^\"\n]+)\"?\n)?(.+)\n```$", re.MULTILINE)
PAGE = (DOCS / "gallery.md").read_text(encoding="utf-8")
VIEWS = VIEW.findall(PAGE)


@pytest.fixture(scope="module")
def gallery():
    """The module that draws the gallery."""
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        made = importlib.import_module("pictures")
        yield made
        made.hub().close()
    finally:
        sys.path.remove(str(DOCS / "_ext"))
        for name in ("pictures", "scenes"):
            sys.modules.pop(name, None)


def test_all_views_of_the_page_are_known_here():
    assert len(VIEWS) == PAGE.count("{view}") > 10


@pytest.mark.parametrize(("caption", "about", "line"), VIEWS, ids=[view[0] for view in VIEWS])
def test_the_line_makes_the_picture(gallery, caption, about, line):
    html = gallery.drawn(line, about)
    assert "<svg" in html or "data:image/svg+xml" in html or "<table" in html or line.startswith("print(")
    assert about.split("@")[-1] in html or "plot_" in line or line.startswith("print(")
    assert "<script" not in html


PICTURES = re.compile(r'(?:src|srcset)="([^"]+)"')


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/gallery.md"])
def test_pictures_of_pages_are_there_in_both_themes_and_small(page):
    file = DOCS.parent / page
    named = PICTURES.findall(file.read_text(encoding="utf-8"))
    assert len(named) >= 2
    for name in named:
        assert (file.parent / name).stat().st_size < 150_000
        other = name.replace("-dark.", "-light.") if "-dark." in name else name.replace("-light.", "-dark.")
        assert other in named
