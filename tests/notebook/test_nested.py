"""Sub-orchestrations within the graph of what started them: read when opened, the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import durablenb as df
from durablenb.analysis.graph import execution_graph
from durablenb.analysis.nesting import read_nested_graphs
from durablenb.analysis.networkx_graphs import networkx_graph
from durablenb.core.ports.store import Record
from durablenb.hub.instance import Handle
from durablenb.notebook.live.instance import LiveInstance
from durablenb.notebook.still.graph_boxes import Layout
from durablenb.notebook.still.graph_cells import cells_height, draw_cells
from durablenb.notebook.still.graph_layout import DEEPEST, lay_out_graph
from durablenb.notebook.svg import WIDTH, Drawing
from tests.notebook.hostile import harmless_view
from tests.notebook.reading import Page, page_of, tell, text_of
from tests.notebook.scenes import SCENES, Stage, stage, wide_history
from tests.notebook.test_layout import boxes_stand_apart


def deep(context: Any) -> Any:
    left = context.get_input()
    yield context.call_activity("reserve", left)
    if left:
        yield context.call_sub_orchestrator("deep", left - 1, f"deep-{left - 1}")
    return (yield context.call_activity("ship", left))


def many(context: Any) -> Any:
    children = [context.call_sub_orchestrator("part", n, f"part-{n}") for n in range(context.get_input())]
    try:
        yield context.task_all(children)
    except Exception:
        context.set_custom_status("one was lost")
    return (yield context.call_activity("ship", 1))


def part(context: Any) -> Any:
    if context.get_input() == 3:
        return (yield context.call_activity("broken", 3))
    return (yield context.call_activity("reserve", context.get_input()))


def wide_child(context: Any) -> Any:
    yield context.task_all(
        [context.call_activity("poll", 1), context.call_sub_orchestrator("fan_out", 40, "fan of 40")]
    )
    return (yield context.call_sub_orchestrator("loop", 14, "loop"))


def waits_below(context: Any) -> Any:
    return (yield context.call_sub_orchestrator("waits", None, "below"))


def waits(context: Any) -> Any:
    return (yield context.wait_for_external_event("Approval"))


def made_stage() -> Stage:
    made = stage()
    for function in (deep, many, part, wide_child, waits_below, waits):
        made.orchestrator(function)
    return made


def watched(name: str, input_: Any = None) -> tuple[Stage, LiveInstance]:
    made = made_stage()
    handle = made.begin(name, input_)
    made.settle()
    return made, handle.watch(freeze=False)


def graph_text(view: LiveInstance) -> str:
    return text_of(view, "graph")


# -- what is opened in a live view ---------------------------------------------------------------


def test_a_sub_orchestration_is_opened_inside_the_graph_and_folded_again() -> None:
    _, view = watched("deep", 1)
    assert "deep-0" not in graph_text(view)
    tell(view, "fold", id="step 2")
    assert "deep-0, child completed, 2.5 s" in graph_text(view)
    assert 'data-key="step 1 of deep-0"' in view.graph.decode()
    tell(view, "select", key="step 1 of deep-0")
    tell(view, "fold", id="step 2")
    assert "deep-0" not in graph_text(view)
    assert (view.selected, view.marked, view.detail) == ("", [], b"")  # what was inside is let go of
    assert view.note == ""


def test_nothing_is_read_of_what_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = watched("many", 30)
    read: list[str] = []
    records = Handle._records

    def noted(handle: Handle, after: int = 0) -> list[Record]:
        read.append(handle.id)
        return records(handle, after)

    monkeypatch.setattr(Handle, "_records", noted)
    view = LiveInstance(made.hub.handle("many"), freeze=False)
    assert set(read) == {"many"}
    tell(view, "fold", id="step 1")
    assert set(read) == {"many", "part-3"}


def test_of_many_the_most_worrying_one_is_opened_and_then_one_after_the_other() -> None:
    _, view = watched("many", 30)
    tell(view, "fold", id="step 1")
    assert "4 of 30, #3: part-3" in graph_text(view)
    tell(view, "member", id="step 1", name="next")
    assert "#4: part-4" in graph_text(view)
    assert "part-3" not in graph_text(view)
    for _ in range(5):
        tell(view, "member", id="step 1", name="before")
    assert "30 of 30, #29: part-29" in graph_text(view)


def test_of_many_the_one_that_is_selected_is_opened() -> None:
    _, view = watched("many", 120)
    tell(view, "select", key="cell 1 100")
    tell(view, "fold", id="step 1")
    assert "#100: part-100" in graph_text(view)
    tell(view, "select", key="cell 1 7")
    assert "#7: part-7" in graph_text(view)
    assert len(view.graph) < 20_000


def test_a_step_inside_leads_to_its_call_and_to_what_it_printed() -> None:
    made, view = watched("deep", 2)
    made.hub.add_activity(lambda value: print("reserving", value), name="reserve")
    tell(view, "fold", id="step 2")
    tell(view, "fold", id="step 2 of deep-1")
    tell(view, "select", key="step 1 of deep-0")
    assert view.marked[-1] == "step 1 of deep-0"
    assert all(key.startswith("call ") and key.endswith(" of deep-0") for key in view.marked[:-1])
    assert "reserve" in text_of(view, "detail")
    tell(view, "select", key="call 1 1 of deep-1")
    assert view.marked == ["call 1 1 of deep-1", "step 2 of deep-1"]
    assert "open deep-0" in text_of(view, "detail")


def test_a_cell_inside_stands_for_its_call() -> None:
    _, view = watched("wide_child")
    tell(view, "fold", id="step 2")
    assert 'data-cells="cell 1 of fan of 40"' in view.graph.decode()
    tell(view, "select", key="cell 1 of fan of 40 17")
    assert view.marked == ["call 1 17 of fan of 40", "step 1 of fan of 40"]
    assert "crunch can't do 17" in text_of(view, "detail")


def test_a_call_leads_to_its_place_in_the_graph() -> None:
    _, view = watched("deep", 1)
    view.tab = "history"
    tell(view, "select", key="call 1 1")
    tell(view, "show")
    assert view.tab == "graph"
    assert "deep-0" in graph_text(view)


def test_what_is_opened_goes_on_as_it_does() -> None:
    made, view = watched("waits_below")
    tell(view, "fold", id="step 1")
    assert "Approval waiting" in " ".join(graph_text(view).split())
    made.hub.handle("below").raise_event("Approval", 1)
    made.settle()
    view.refresh()
    assert "Approval arrived" in " ".join(graph_text(view).split())


def test_only_so_many_levels_are_drawn_within_each_other() -> None:
    _, view = watched("deep", DEEPEST + 2)
    tell(view, "fold", id="step 2")
    for level in range(1, DEEPEST):
        tell(view, "fold", id=f"step 2 of deep-{DEEPEST + 2 - level}")
    last = f"step 2 of deep-{DEEPEST + 2 - DEEPEST}"
    assert f'data-key="{last}"' in view.graph.decode()
    assert f'data-id="{last}"' not in view.graph.decode()
    tell(view, "select", key=last)
    tell(view, "show")
    assert view.note == "The graph can't show it at this depth: open it by itself."
    assert len(view._picture.nest) == DEEPEST


def test_what_was_purged_is_not_opened_and_the_view_says_so() -> None:
    made, view = watched("deep", 1)
    made.hub.handle("deep-0").purge()
    tell(view, "fold", id="step 2")
    assert view.note == "'deep-0' was purged, so there is nothing to show."


def test_odd_keys_open_nothing() -> None:
    _, view = watched("deep", 1)
    for key in ("", "step", "step 9", "step 1 of nobody", "call 1 0", "cell 1 0", "²", "x" * 999):
        for do in ("fold", "member", "select", "show"):
            tell(view, do, id=key, key=key, name="next")
        assert not view._picture.nest, key
        assert (view.note, view.is_frozen) == ("", False), key
    tell(view, "fold", id=None)
    tell(view, "select", key=None)
    assert not view._picture.nest
    harmless_view(view)


def test_a_still_picture_shows_them_folded_and_a_frozen_one_as_they_were_left() -> None:
    made, view = watched("deep", 1)
    still = page_of(made.hub.handle("deep")).picture(0)
    assert still.texts.count("reserve") == 1
    tell(view, "fold", id="step 2")
    frozen = Page(view.still()["text/html"]).picture(0)
    assert frozen.texts.count("reserve") == 2
    assert "data-do" not in frozen.svg  # nothing in it can be pressed


# -- how it is drawn -----------------------------------------------------------------------------

OPENED: dict[str, Callable[[Stage], df.Handle]] = {
    "deep": lambda made: made.done("deep", 6),
    "many": lambda made: made.done("many", 50),
    "wide_child": lambda made: made.done("wide_child"),
    "failed": SCENES["failed"],
}


def opened(name: str) -> Layout:
    made = made_stage()
    handle = OPENED[name](made)
    flow = execution_graph(list(handle.history()))
    return lay_out_graph(flow, read_nested_graphs(handle._load, flow, 9))


def layouts_in(layout: Layout) -> list[Layout]:
    below = [box.inside for box in layout.boxes.values() if box.inside is not None]
    return [layout, *(one for inside in below for one in layouts_in(inside))]


@pytest.mark.parametrize("name", OPENED)
def test_what_is_opened_stands_within_its_box_and_apart_from_the_others(name: str) -> None:
    top = opened(name)
    assert len(layouts_in(top)) > 1
    for layout in layouts_in(top):
        boxes_stand_apart(layout)
        for box in layout.boxes.values():
            if box.inside is not None:
                for inner in box.inside.boxes.values():
                    assert box.x < inner.x
                    assert inner.x + inner.width < box.x + box.width
                    assert box.y + box.head < inner.y
                    assert inner.y + inner.height < box.y + box.height


@pytest.mark.parametrize("count", [13, 20, 299, 301, 1_000, 3_001, 20_001])
def test_cells_are_as_high_as_was_reckoned(count: int) -> None:
    (step,) = execution_graph(wide_history(count)).steps
    for width in (820, 500):
        assert draw_cells(Drawing(WIDTH, ""), step, 20, 0, width) == cells_height(step, width)


# -- as a graph ----------------------------------------------------------------------------------


def test_a_graph_has_the_steps_of_sub_orchestrations_down_to_a_depth() -> None:
    made = made_stage()
    handle = made.done("deep", 3)
    assert not [node for node in handle.graph() if ": " in node]
    graph = handle.graph(depth=2)
    assert graph.nodes["deep-2: reserve"]["instance_id"] == "deep-2"
    assert list(graph.successors("deep-2")) == ["deep-2: reserve"]
    assert graph.edges["deep-2: deep", "deep-1"]["relation"] == "starts"
    assert "deep-1: ship" in graph
    assert "deep-0" not in graph
    assert graph.nodes["deep-2: end"]["status"] == "Completed"


def test_a_graph_has_the_steps_that_a_live_view_shows() -> None:
    made, view = watched("many", 5)
    for place in range(5):
        tell(view, "select", key=f"call 1 {place}")
        tell(view, "show")
        ((child, flow),) = view._picture.nest.items()
        assert child == f"part-{place}"
        found = networkx_graph(view._picture.flow, "many", view._picture.nest, 1)
        whole = made.hub.handle("many").graph(depth=1)
        for step in flow.steps:
            key = f"{child}: {step.name}"
            assert whole.nodes[key] == found.nodes[key] | {"pos": whole.nodes[key]["pos"]}


def test_a_file_that_is_only_read_gives_the_same_graph(tmp_path: Path) -> None:
    path = tmp_path / "nested.duckdb"
    made = Stage(path)
    made.activity("reserve")
    made.activity("ship")
    made.orchestrator(deep)
    graph = made.done("deep", 2).graph(depth=5)
    made.hub.close()
    with df.open_history(path) as file:
        found = file.handle("deep").graph(depth=5)
    assert dict(found.nodes) == dict(graph.nodes)
    assert dict(found.edges) == dict(graph.edges)
