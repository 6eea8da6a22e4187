"""Pictures can be read: nothing overlaps, nothing is cut off, every colour stands out from its ground."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

import durablenb as df
from durablenb.analysis.graph import execution_graph
from durablenb.notebook import palette, svg
from durablenb.notebook.still.graph_boxes import MARGIN, Layout
from durablenb.notebook.still.graph_cells import _CALM
from durablenb.notebook.still.graph_layout import lay_out_graph
from durablenb.notebook.still.time_scale import Scale
from durablenb.notebook.svg import WIDTH, text_width
from tests.notebook.reading import SHARED, SVG, page_of, page_of_scene, scene
from tests.notebook.scenes import SCENES, stage

LARGE = {"long": 33, "any_order": 200, "everything": 50}


def large(name: str) -> df.Handle:
    made = stage()
    SHARED.append(made.hub)

    def long(context):
        for place in range(context.get_input()):
            yield context.call_activity(("reserve", "charge", "ship")[place % 3] + "!" * (place % 11), place)

    def everything(context):
        for first in range(context.get_input()):
            kinds = ("reserve", "charge", "ship", "poll", "merge", "crunch")[: first % 6 + 1]
            tasks = [context.call_activity(kind, place) for place, kind in enumerate(kinds)]
            yield context.task_any(tasks) if first % 2 else context.task_all(tasks)

    for number in range(11):
        for kind in ("reserve", "charge", "ship"):
            made.activity(kind + "!" * number)
    made.orchestrator(long)
    made.orchestrator(everything)
    return made.done(name, LARGE[name])


@cache
def shown(name: str) -> df.Handle:
    return large(name) if name in LARGE else scene(name)


NAMES = [*SCENES, *LARGE]


@pytest.mark.parametrize("name", NAMES)
def test_boxes_stand_apart_and_within_the_plate(name: str) -> None:
    found = lay_out_graph(execution_graph(list(shown(name).history())))
    boxes_stand_apart(found)
    for box in found.boxes.values():
        assert box.y > 0
        assert box.y + box.height < found.height


def boxes_stand_apart(layout: Layout) -> None:
    """The boxes are on the plate, with room between them."""
    boxes = list(layout.boxes.values())
    for box in boxes:
        assert layout.left + MARGIN <= box.x
        assert box.x + box.width <= WIDTH - MARGIN + 0.1
    for one, other in itertools.combinations(boxes, 2):
        is_beside = one.x + one.width + 8 < other.x or other.x + other.width + 8 < one.x
        is_below = one.y + one.height + 8 < other.y or other.y + other.height + 8 < one.y
        assert is_beside or is_below, (one, other)


@pytest.mark.parametrize("name", NAMES)
def test_texts_stay_within_the_plate_and_do_not_overlap(name: str) -> None:
    for picture in page_of_scene(name).pictures if name in SCENES else page_of(shown(name)).pictures:
        boxes = [text_box(element) for element in picture.root.iter(f"{SVG}text")]
        height = float(picture.root.attrib["height"])
        assert all(x1 >= 2 and x2 <= picture.width - 2 for x1, _, x2, _ in boxes)
        assert all(y1 >= 2 and y2 <= height - 2 for _, y1, _, y2 in boxes)
        for one, other in itertools.combinations(boxes, 2):
            is_beside = one[2] <= other[0] or other[2] <= one[0]
            assert is_beside or one[3] <= other[1] or other[3] <= one[1], picture


def text_box(element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is written."""
    words = (element.text or "") + "".join(child.tail or "" for child in element)
    size = float(element.attrib["font-size"])
    width = text_width(words, size, is_bold="font-weight" in element.attrib)
    anchor = element.attrib.get("text-anchor", "start")
    left = float(element.attrib["x"]) - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
    baseline = float(element.attrib["y"])
    return left, baseline - 0.72 * size, left + width, baseline + 0.2 * size


def test_text_that_does_not_fit_ends_in_an_ellipsis_and_is_whole_in_its_title() -> None:
    made = stage()
    name = "an activity with a name that is far too long for any box of a picture"
    made.hub.add_activity(lambda value: value, name=name)

    def lengthy(context):
        yield context.call_activity(name, 1)

    made.orchestrator(lengthy)
    graph = page_of(made.done("lengthy")).picture(0)
    (cut,) = [text for text in graph.texts if text.startswith("an activity")]
    assert cut.endswith("…")
    assert name in graph.titles


@pytest.mark.parametrize(
    ("text", "size"), [("Completed", 12.0), ("iiii", 10.0), ("漢字", 12.0), ("ü" * 40, 9.5)]
)
def test_fitted_text_fits(text: str, size: float) -> None:
    for room in range(0, 300, 7):
        fitted = svg.truncate(text, room, size)
        assert fitted == text or fitted == "…" or text_width(fitted, size) <= room


# -- colours -------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_words_can_be_read_on_every_ground() -> None:
    grounds = [svg.PLATE, "#ffffff", "#f0f2f5"]
    for colour, tint in palette.TINTS.items():
        assert all(contrast(colour, ground) >= 4.5 for ground in [*grounds, tint]), colour
        assert contrast(svg.MUTED, tint) >= 4.5
        assert contrast(svg.INK, tint) >= 7
    assert all(contrast(svg.MUTED, ground) >= 4.5 for ground in grounds)


def test_bars_stand_out_from_the_plate() -> None:
    for colour in palette.SOLIDS.values():
        assert contrast(colour, svg.PLATE) >= 3
    for calm in _CALM.values():
        assert contrast(calm, palette.SOLIDS[palette.RED]) >= 2


def test_no_two_statuses_have_the_same_shape() -> None:
    shapes = [look.shape for look in palette.LOOKS.values()]
    assert len(set(shapes)) == len(shapes)


# -- time ----------------------------------------------------------------------------------------

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def scale(total: float, *busy: tuple[float, float]) -> Scale:
    def at(seconds: float) -> datetime:
        return BEGIN + timedelta(seconds=seconds)

    return Scale(BEGIN, at(total), [(at(begin), at(end)) for begin, end in busy], 100, 600)


def test_gaps_of_about_the_same_length_are_all_folded() -> None:
    rounds = [(at * 1.05, at * 1.05 + 0.05) for at in range(15)]
    made = scale(14 * 1.05 + 0.05, *rounds)
    widths = {
        round(
            made.position(BEGIN + timedelta(seconds=end + 1)) - made.position(BEGIN + timedelta(seconds=end))
        )
        for _, end in rounds[:-1]
    }
    assert sum(piece.is_fold for piece in made.pieces) == 14
    assert len(widths) == 1  # equal timers are equally wide


@pytest.mark.parametrize(
    ("made", "folds"),
    [
        (scale(10, (0, 10)), 0),
        (scale(10, (0, 5)), 0),
        (scale(0), 0),
        (scale(100), 0),
        (scale(100, (0, 1), (99, 100)), 1),
        (scale(259_200, (0, 0.004), (200, 200.01), (259_199, 259_200)), 2),
        (scale(50_000, *((at * 500, at * 500 + 1) for at in range(100))), 0),
    ],
)
def test_time_runs_from_left_to_right_and_idle_time_is_folded(made: Scale, folds: int) -> None:
    assert sum(piece.is_fold for piece in made.pieces) == folds
    places = [made.position(BEGIN + timedelta(seconds=made.total * part / 1_000)) for part in range(1_001)]
    assert places == sorted(places)
    assert places[0] == 100
    assert made.position(BEGIN - timedelta(hours=1)) == 100
    assert places[-1] == pytest.approx(700 if made.total else 100)
    assert all(100 <= x <= 700.01 for x, _ in made.ticks())
    assert made.ticks()[0][1] == "0" or made.pieces[0].is_fold
