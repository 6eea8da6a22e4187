"""Pictures have a variant for narrow windows, in which all words have room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import durablenb as df
from durablenb.notebook.html import NARROW
from durablenb.notebook.svg import text_width
from tests.notebook.reading import SVG, Page, Picture, decoded, page_of, scene
from tests.notebook.scenes import A


@pytest.mark.parametrize("name", ["retried", "looped", "continued", "transferred", "waiting"])
def test_words_are_within_the_narrow_variants_of_graph_and_timeline(name: str) -> None:
    check_narrow(page_of(scene(name)))


def test_words_are_within_the_narrow_variants_of_a_hub() -> None:
    with df.TaskHub(":memory:", mode="kernel") as hub:
        for name, places in (("gpu", 8), ("disk", 2)):
            hub.add_queue(df.Queue(name, concurrency=places))
        hub.add_activity(str, "a_name_that_is_longer_than_there_is_room_for", queue="disk")
        hub.add_orchestrator(both, name="an_orchestrator_with_a_name_that_is_longer_than_there_is_room_for")
        hub.start("an_orchestrator_with_a_name_that_is_longer_than_there_is_room_for")
        hub.step()
        check_narrow(page_of(hub))


@pytest.mark.parametrize("name", ["transferred", "queued", "immediate"])
def test_words_are_within_the_narrow_variant_of_an_entity(name: str) -> None:
    check_narrow(page_of(scene(name).hub.entity(A)), 1)


def test_words_are_within_the_narrow_variants_of_a_comparison() -> None:
    page = page_of(df.compare(scene("waiting"), scene("transferred")))
    check_narrow(page, widths=[440, NARROW])


def both(context: Any) -> Any:
    calls = [context.call_activity("a_name_that_is_longer_than_there_is_room_for", part) for part in range(2)]
    yield context.task_all(calls)


def check_narrow(page: Page, count: int = 2, widths: Sequence[int] = ()) -> None:
    """The pictures of a page have narrow variants, and their words are within these."""
    sources = [str(attributes["srcset"]) for tag, attributes in page.tags if tag == "source"]
    pictures = [Picture("", decoded(source)) for source in sources]
    assert [picture.width for picture in pictures] == (list(widths) or [NARROW] * count)
    for picture in pictures:
        for element in picture.root.iter(f"{SVG}text"):
            size, x = float(element.attrib["font-size"]), float(element.attrib["x"])
            anchor, wide = element.get("text-anchor", "start"), text_width(element.text or "", size)
            left = x - wide * {"start": 0, "middle": 0.5, "end": 1}[anchor]
            assert size >= 10
            assert left >= 0
            assert left + wide <= picture.width
