"""Outputs in a notebook: what was displayed is seen, in the views too, and nothing in it can run."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import durablenb as df
from durablenb.notebook.untrusted_html import safe_html
from tests.notebook.hostile import PAYLOADS
from tests.notebook.reading import Page

ATTRIBUTES = {
    "media",
    "srcset",
    *("align", "alt", "colspan", "height", "href", "open", "rel", "rowspan", "scope", "src", "style"),
    *("target", "title", "valign", "width"),
}
CARD = {"class": "tex2jax_ignore mathjax_ignore"}
FORBIDDEN = {"script", "style", "iframe", "svg", "math", "object", "embed", "form", "input", "link", "meta"}


def png(width: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, 10), "red").save(buffer, format="png")
    return buffer.getvalue()


@pytest.fixture
def hub() -> Iterator[df.TaskHub]:
    with df.TaskHub(":memory:", mode="kernel") as hub:

        @hub.activity
        def show(bundles: list[Any]) -> None:
            from IPython.display import display

            for bundle in bundles:
                if "image/png" in bundle:
                    bundle["image/png"] = png(bundle["image/png"])
                display(bundle, raw=True)

        @hub.orchestrator
        def main(context: Any) -> Any:
            yield context.call_activity("show", context.get_input())
            return "result"

        yield hub


def shown(hub: df.TaskHub, *bundles: dict[str, Any]) -> Any:
    handle = hub.start("main", list(bundles), instance_id="a")
    handle.result()
    return handle


def checked(html: str) -> Page:
    """HTML as a page, in which nothing can run, load or leave its place."""
    page = Page(html)
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag not in FORBIDDEN
        assert set(attributes) <= ATTRIBUTES or attributes == CARD, attributes
        for source in ("src", "srcset"):
            assert (attributes.get(source) or "data:image/").startswith("data:image/")
        assert (attributes.get("href") or "https://").startswith(("http://", "https://", "mailto:"))
        assert "url" not in (attributes.get("style") or "")
        assert "position" not in (attributes.get("style") or "")
    return page


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_html_of_others_is_harmless(payload: str) -> None:
    checked(safe_html(payload).html)
    checked(safe_html(f"<table><tr><td>{payload}</td></tr></table><div title='{payload}'>x").html)


_PIECES = st.sampled_from(
    [
        *("<table>", "</table>", "<td>", "</td>", "<tr>", "</tr>", "<div>", "</div>", "<b>", "</b>", "<p>"),
        *("<script>", "</script>", "<svg>", "</svg>", "<style>", "</style>", "<li>", "</li>", "<br/>"),
        *("x", "<", "&lt;", "<!--", "-->"),
    ]
)


@given(st.lists(_PIECES, max_size=30))
def test_every_element_is_closed_in_its_place(pieces: list[str]) -> None:
    page = checked(safe_html("".join(pieces)).html)
    inside: list[str] = []
    for tag, _ in page.tags:
        inside.append(tag)
        if tag in ("td", "tr"):
            assert "table" in inside


def test_a_data_frame_stays_a_table() -> None:
    frame = pandas.DataFrame({"city": ["Oslo", "<b>Rome</b>"], "°C": [3.5, 18.0]})
    safe = safe_html(frame._repr_html_())
    page = checked(safe.html)
    assert (safe.has_content, safe.is_whole) == (True, True)
    assert "Oslo" in page.texts
    assert "<b>Rome</b>" in page.text
    assert [tag for tag, _ in page.tags].count("td") == 4


def test_looks_stay_and_places_don_t() -> None:
    html = '<p style="color: red; position: fixed; background: url(//x); width: 10px">x</p>'
    assert safe_html(html).html == '<p style="color: red; width: 10px">x</p>'
    link = '<a href="https://example.org/?a=1&amp;b" onclick="x()">y</a><a href="data:text/html,x">z</a>'
    assert checked(safe_html(link).html).text == "y z"


def test_outputs_are_shown_as_pictures_tables_and_texts(hub: df.TaskHub) -> None:
    handle = shown(
        hub,
        {"image/png": 20, "text/html": "<b>worse</b>", "text/plain": "<Figure>"},
        {"text/html": "<script>alert(1)</script><i>seen</i>", "text/plain": "plain"},
        {"text/html": "<script>alert(2)</script>", "text/plain": "\x1b[31minstead\x1b[0m"},
        {"text/markdown": "# A <b>title</b>"},
        {"application/vnd.plotly.v1+json": {"data": []}},
        {"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(3)</script></svg>"},
    )
    bundle = handle.outputs()._repr_mimebundle_()
    page = checked(bundle["text/html"])
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert str(images[0]["src"]) == f"data:image/png;base64,{base64.b64encode(png(20)).decode()}"
    assert str(images[1]["src"]).startswith("data:image/svg+xml;base64,")
    for text in ("seen", "instead", "# A <b>title</b>", "plotly.v1+json: can't be shown without scripts."):
        assert text in page.text
    assert page.text.count("Scripts and frames are left out") == 2
    for text in ("worse", "alert", "\x1b"):
        assert text not in page.text
    assert bundle["text/plain"].startswith("<Outputs of a: 6 outputs>\n<output of show #0: image/png")
    assert [output._repr_mimebundle_()["text/plain"] for output in handle.outputs()[3:4]] == [
        "<output of show #0: text/markdown>"
    ]
    assert list(handle.outputs().df()["mime_types"])[2] == ["text/html", "text/plain"]


def test_an_instance_shows_its_outputs_as_long_as_there_is_room(hub: df.TaskHub) -> None:
    handle = shown(hub, {"text/html": "<i>seen</i>"}, {"text/html": f"<p>{'x' * 300_000}</p>"})
    page = checked(handle._repr_mimebundle_()["text/html"])
    assert "Outputs: 2" in page.texts
    assert "seen" in page.texts
    assert "text/html, 300,007 bytes: handle.outputs()[1] shows it." in page.text


def test_without_outputs_none_are_mentioned(hub: df.TaskHub) -> None:
    handle = shown(hub)
    assert "Outputs" not in handle._repr_mimebundle_()["text/html"]
    assert "Nothing was displayed." in handle.outputs()._repr_mimebundle_()["text/html"]
    assert (len(handle.outputs()), list(handle.outputs().df()["text"])) == (0, [])


def test_a_live_view_has_a_tab_of_outputs(hub: df.TaskHub) -> None:
    handle = shown(hub, {"text/html": "<i data-do='purge'>seen</i>"})
    view = handle.watch()
    assert not view.outputs
    view.tab = "outputs"
    view.refresh()
    assert b"<i>seen</i>" in view.outputs
    assert "seen" in view.still()["text/html"]
    view.close()


def test_a_live_view_draws_outputs_again_only_if_they_have_changed(
    hub: df.TaskHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(
        "durablenb.notebook.live.instance.outputs_html", lambda outputs: drawn.append(repr(outputs)) or ""
    )
    first, second = shown(hub, {"text/plain": "seen"}), hub.start("main", [], instance_id="b")
    second.result()
    view = first.watch()
    view.tab = "outputs"
    for name, arguments in (("look", {}), ("open", {"id": "b"}), ("look", {}), ("back", {}), ("look", {})):
        view._on_message(None, {"do": name, **arguments}, None)
    assert drawn == ["<Outputs of a: 1 output>", "<Outputs of b: 0 outputs>", "<Outputs of a: 1 output>"]
    view.close()


def test_a_card_has_all_of_an_instance_and_is_saved_as_one_page(hub: df.TaskHub, tmp_path: Path) -> None:
    handle = shown(hub, {"image/png": 20}, {"text/html": "<script>alert(1)</script><i>seen</i>"})
    card = handle.card()
    assert repr(card) == "<card of a: Completed>"
    page = checked(card._repr_html_())
    for text in ("Outputs", "Input and result", "Timings", "seen", "took"):
        assert text in page.text
    assert card._repr_mimebundle_()["text/html"] == card._repr_html_()
    card.save(tmp_path / "card.html")
    text = (tmp_path / "card.html").read_text("utf-8")
    assert "color-scheme: light dark" in text
    assert "default-src 'none'" in text
    for outside in ("<script src", "<script>alert", "<link", "https://", "@import"):
        assert outside not in text
    with df.open_history(tmp_path / "card.html") as file:
        kinds = [output.mime_types for output in handle.outputs()]
        assert [output.mime_types for output in file.handle("a").outputs()] == kinds


def test_a_card_of_a_failed_and_of_an_open_instance(hub: df.TaskHub) -> None:
    @hub.orchestrator
    def broken(context: Any) -> Any:
        raise ValueError("no <b>")

    @hub.orchestrator
    def waits(context: Any) -> Any:
        print("printed")
        yield context.wait_for_external_event("Go")

    failed, waiting = hub.start(broken, instance_id="f"), hub.start(waits, instance_id="w")
    failed.wait()
    while hub.step():
        pass
    assert "no <b>" in checked(failed.card()._repr_html_()).text
    page = checked(waiting.card()._repr_html_())
    assert "open for" in page.text
    assert "printed" in page.text
    assert repr(waiting.card()) == "<card of w: Waiting>"


def test_display_shows_an_output_as_it_was(hub: df.TaskHub, capsys: pytest.CaptureFixture[str]) -> None:
    handle = shown(hub, {"text/plain": "as it was"})
    handle.outputs()[0].display()
    assert "as it was" in capsys.readouterr().out
