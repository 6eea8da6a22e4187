"""Pictures saved as files: what the end of the name says, and complete in themselves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from PIL import Image

import durablenb as df
from durablenb.analysis.snapshot import InstanceSnapshot as InstancePicture
from tests.notebook.reading import SVG, Page, Picture, bundle_of, page_of_scene, scene
from tests.notebook.scenes import SCENES, stage


@pytest.mark.parametrize("name", SCENES)
def test_an_svg_has_the_graph_and_the_timeline(name: str, tmp_path: Path) -> None:
    handle = scene(name)
    handle.save(tmp_path / "picture.svg")
    saved = Picture("", (tmp_path / "picture.svg").read_text("utf-8"))
    parts = [set(picture.texts) for picture in page_of_scene(name).pictures if picture.width > 400]
    assert set(saved.texts) >= set().union(*parts)
    inner = list(saved.root.findall(f"{SVG}svg"))
    assert len(inner) == 1 + len(parts)
    last = inner[-1]
    assert float(last.attrib["y"]) + float(last.attrib["height"]) == pytest.approx(
        float(saved.root.attrib["height"]), abs=0.2
    )


@pytest.mark.parametrize(
    "name", ["completed", "failed", "continued", "transferred", "waiting", "pending", "fanned_wide"]
)
def test_a_page_has_what_a_card_shows_and_loads_nothing(name: str, tmp_path: Path) -> None:
    handle = scene(name)
    handle.save(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    assert handle.card()._repr_html_().removesuffix("</div>").partition("<details><summary>Log")[0] in text
    assert text.startswith("<!DOCTYPE html>")
    assert "color-scheme: light dark" in text
    for outside in ("<script src", "<link", "http://", "https://", "url(", "@import"):
        assert outside not in text
    with df.open_history(tmp_path / "page.html") as file:
        assert list(file.history(handle.id)) == list(handle.history())


def test_what_comes_from_data_is_escaped_in_a_page(tmp_path: Path) -> None:
    made = stage()
    made.hub.add_orchestrator(lambda context: context.get_input(), "</title><b>\u202e")
    made.hub.start("</title><b>\u202e", "\ud800", instance_id="<i>").wait()
    handle = made.hub.handle("<i>")
    for name in ("page.html", "page.svg"):
        handle.save(tmp_path / name)
        text = (tmp_path / name).read_text("utf-8")
        assert "<i>" not in text
        assert "</title><b>" not in text


def test_a_png_is_a_figure_of_neither_pyplot_nor_the_notebook(tmp_path: Path) -> None:
    others = plt.get_fignums()
    scene("fanned").save(tmp_path / "picture.PNG")
    with Image.open(tmp_path / "picture.PNG") as image:
        assert image.format == "PNG"
        assert image.width == 1_720
        assert len(image.convert("RGB").getcolors(1_000_000) or ()) > 10
    assert plt.get_fignums() == others


def test_a_hub_is_a_page(tmp_path: Path) -> None:
    made = stage()
    SCENES["failed"](made)
    made.hub.save(tmp_path / "hub.html")
    text = (tmp_path / "hub.html").read_text("utf-8")
    assert "family" in Page(text.partition("<body>")[2].partition("</body>")[0].strip()).text


def test_what_a_file_holds_can_be_saved(tmp_path: Path) -> None:
    made = stage(tmp_path / "flows.duckdb")
    SCENES["completed"](made)
    made.hub.close()
    with df.open_history(tmp_path / "flows.duckdb") as file:
        file.save(tmp_path / "hub.html")
        file.handle("chain").save(str(tmp_path / "chain.svg"))
    assert (tmp_path / "hub.html").stat().st_size > 1_000
    assert "reserve" in (tmp_path / "chain.svg").read_text("utf-8")


@pytest.mark.parametrize("name", ["chain", "chain.txt", "chain.svg.gz", "chain.pdf"])
def test_another_end_is_refused_and_for_a_pdf_matplotlib_is_named(name: str, tmp_path: Path) -> None:
    says = rf"'{name}' ends with none of \.svg, \.png, \.html\."
    if name.endswith("pdf"):
        says = r"plot_timeline\(\)\.figure\.savefig\('chain\.pdf'\)"
    with pytest.raises(ValueError, match=says):
        scene("completed").save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "show"),
    [
        ("sequence", lambda handle: handle.sequence()),
        ("history", lambda handle: handle.history()),
        ("replay", lambda handle: handle.replay()),
        ("compare", lambda handle: df.compare(handle, scene("retried"))),
        ("hub", lambda handle: handle.hub),
    ],
)
def test_what_is_shown_with_a_picture_is_saved_in_three_formats(
    name: str, show: Callable[[df.Handle], Any], tmp_path: Path
) -> None:
    shown = show(scene("failed"))
    for suffix in ("svg", "png", "html"):
        shown.save(tmp_path / f"{name}.{suffix}")
    saved = Picture("", (tmp_path / f"{name}.svg").read_text("utf-8"))
    assert saved.width > 400
    assert not saved.svg.count("<style>")
    with Image.open(tmp_path / f"{name}.png") as image:
        assert image.format == "PNG"
        assert len(image.convert("RGB").getcolors(1_000_000) or ()) > 10
    assert bundle_of(shown)["text/html"] in (tmp_path / f"{name}.html").read_text("utf-8")
    with pytest.raises(ValueError, match=rf"'{name}\.gif' ends with none of"):
        shown.save(tmp_path / f"{name}.gif")


def test_what_is_shown_without_a_picture_is_a_page_only(tmp_path: Path) -> None:
    log = scene("failed").logs()
    log.save(tmp_path / "log.html")
    with pytest.raises(ValueError, match=r"no picture of Log of family: 0 lines: give 'log'"):
        log.save(tmp_path / "log.svg")


def test_a_png_without_matplotlib_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = scene("completed")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(df.DurableError, match="pip install matplotlib"):
        handle.save(tmp_path / "chain.png")
    handle.save(tmp_path / "chain.svg")
    assert isinstance(handle._shown(), InstancePicture)
