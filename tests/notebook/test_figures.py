"""Figures of Matplotlib: what they show is what the tables have, on any ground and in any size."""

from __future__ import annotations

import io
import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import Collection, PathCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.transforms import Affine2D

import durablenb as df
from durablenb.analysis.snapshot import instance_snapshot
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.figures.graph import graph_axes
from durablenb.notebook.figures.svg_paths import parse_path, rounded_box
from durablenb.notebook.figures.timeline import timeline_axes
from durablenb.notebook.palette import LOOKS
from tests.notebook.reading import scene
from tests.notebook.scenes import SCENES, Stage, stage, wide_history

STYLES = ("default", "dark_background")
TIMES = "\N{MULTIPLICATION SIGN}"
STATUS_OF = {
    "completed": "Completed",
    "failed": "Failed",
    "canceled": "Canceled",
    "open": "Pending",
    "queued": "Pending",
    "left-open": "Pending",
    "retrying": "Failed",
}


@pytest.fixture(autouse=True)
def _plain_figures() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


def drawn(ax: Axes) -> bytes:
    """The figure as it is printed."""
    page = io.BytesIO()
    ax.figure.savefig(page, format="png", dpi=50)
    return page.getvalue()


def found(ax: Axes, gid: str) -> list[Collection]:
    return [one for one in ax.collections if one.get_gid() == gid]


def count(ax: Axes, gid: str) -> int:
    """How many marks of a kind there are."""
    return sum(
        len(one.get_offsets()) if isinstance(one, PathCollection) else len(one.get_paths())
        for one in found(ax, gid)
    )


def bars(ax: Axes) -> Counter[tuple[str, str]]:
    """How many bars of each kind and status there are."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in ax.collections:
        for kind in ("activity", "sub-orchestration", "timer", "entity-call"):
            if isinstance(one, PolyCollection) and str(one.get_gid()).startswith(f"{kind}-"):
                state = str(one.get_gid()).removeprefix(f"{kind}-")
                counts[kind.replace("-call", " call"), STATUS_OF[state]] += len(one.get_paths())
    return counts


def rows(hub: df.TaskHub, instance_id: str) -> Counter[tuple[str, str]]:
    """The same from the table, without the timers between attempts."""
    query = """
    select kind, status, count(*) from timeline($id)
    where kind in ('activity', 'sub-orchestration', 'timer', 'entity call')
        and name <> 'timer (before a retry)'
    group by all
    """
    found = hub.sql(query, {"id": instance_id}).fetchall()
    return Counter({(kind, status): number for kind, status, number in found})


def numbers(line: Line2D) -> list[float]:
    """The numbers behind a line."""
    return [float(value) for value in np.asarray(line.get_ydata())]


# -- the timeline --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SCENES if name != "rewound"])
def test_a_timeline_has_a_bar_for_each_row_of_the_table(name: str) -> None:
    handle = scene(name)
    ax = handle.plot_timeline()
    assert bars(ax) == rows(handle.hub, handle.id)
    ((failures, pauses),) = handle.hub.sql(
        "select count(*) filter (status = 'Failed'), count(*) filter (name = 'timer (before a retry)') "
        "from timeline($id)",
        {"id": handle.id},
    ).fetchall()
    assert count(ax, "failed") == failures
    assert count(ax, "wait-before-a-retry") == pauses
    if name == "completed":
        (collection,) = found(ax, "activity-completed")
        drawn_ = [tuple(path.get_extents().intervalx) for path in collection.get_paths()]
        query = "select epoch(since_start), epoch(since_start + duration) from timeline('chain')"
        assert drawn_ == [pytest.approx(row) for row in handle.hub.sql(query).fetchall()]


def test_what_a_rewind_did_again_is_drawn_beside_what_had_failed() -> None:
    handle = scene("rewound")
    assert bars(handle.plot_timeline()) == {("activity", "Completed"): 1, ("activity", "Failed"): 1}
    assert rows(handle.hub, "doomed") == {("activity", "Completed"): 1}


def test_signals_locks_and_external_events_have_marks_of_their_own() -> None:
    ax = scene("transferred").plot_timeline()
    assert (count(ax, "signal"), count(ax, "lock-completed"), count(ax, "awaiting")) == (1, 1, 1)
    assert count(scene("approved").plot_timeline(), "external-event") == 1


def test_a_timeline_by_worker_has_each_attempt_that_ended_in_the_lane_of_its_worker() -> None:
    with df.TaskHub(":memory:") as hub:
        hub.add_activity(lambda part: 1 / part, name="divide")

        def halves(context: Any) -> Any:
            calls = [context.call_activity("divide", part) for part in range(30)]
            yield context.task_any([context.task_all(calls)])
            yield context.call_activity("divide", 2)

        hub.add_orchestrator(halves)
        hub.start("halves", instance_id="other").wait(20)
        handle = hub.start("halves", instance_id="one")
        handle.wait(20)
        ran = "from activities where instance_id = 'one' and started is not null"
        workers = [name for (name,) in hub.sql(f"select distinct worker {ran}").fetchall()]
        ax = handle.plot_timeline(by="worker")
        labels = [label.get_text().partition("  ")[0] for label in ax.get_yticklabels()]
        assert labels == sorted(workers, key=lambda name: int(name.partition("-")[2]))
        assert (count(ax, "runs-of-divide"), count(ax, "failed")) == (30, 1)
        _, rates, lengths = ax.figure.axes
        assert sum(patch.get_height() * patch.get_width() for patch in rates.patches) == pytest.approx(31)
        assert sum(patch.get_height() for patch in lengths.patches[-48:]) <= 31
        assert [text.get_text().split()[0] for text in lengths.texts] == ["p50", "p95"]
        alone = plt.figure().subplots()
        assert handle.plot_timeline(alone, by="worker") is alone
        assert len(alone.figure.axes) == 1
        with pytest.raises(ValueError, match="'name' or by 'worker', not by 'thread'"):
            handle.plot_timeline(by="thread")  # type: ignore[arg-type]


def test_without_a_run_of_an_activity_the_timeline_by_worker_says_so() -> None:
    made = stage()
    made.orchestrator(lambda context: 1, "nothing")
    ax = made.done("nothing").plot_timeline(by="worker")
    assert [text.get_text() for text in ax.texts] == ["no activity has run yet"]


def test_ten_thousand_calls_are_ten_thousand_bars_in_a_handful_of_artists() -> None:
    picture = instance_snapshot(DurableOrchestrationStatus("wide", "w"), wide_history(10_000))
    ax = timeline_axes(picture, None)
    assert bars(ax) == {("activity", "Completed"): 9_965, ("activity", "Failed"): 35}
    assert len(ax.get_children()) < 40
    assert [label.get_text() for label in ax.get_yticklabels()] == ["episodes", f"crunch {TIMES} 10,000"]
    assert count(ax, "episodes") == len(picture.episodes)
    drawn(ax)
    ax = graph_axes(picture, None)
    assert len(ax.collections) == 1
    assert len(ax.texts) < 40


@pytest.mark.parametrize("at_a_time", [1, 25_000])
def test_of_very_many_bars_those_that_look_alike_are_one(at_a_time: int) -> None:
    picture = instance_snapshot(DurableOrchestrationStatus("wide", "w"), wide_history(25_000, at_a_time))
    ax = timeline_axes(picture, None)
    (completed,) = found(ax, "activity-completed")
    assert 0 < len(completed.get_paths()) < 5_000
    assert count(ax, "failed") == sum(call.state == "failed" for call in picture.calls) == 87
    boxes = [path.get_extents() for path in completed.get_paths()]
    ended = max(call.ended for call in picture.calls) - picture.events[0].timestamp
    assert max(box.x1 for box in boxes) == pytest.approx(ended.total_seconds(), rel=0.03)
    covered = sum(box.width * box.height for box in boxes)
    worked = sum((call.ended - call.attempts[0].started).total_seconds() for call in picture.calls)
    height = 0.62 * min(at_a_time, 8) / at_a_time  # of a row
    assert covered == pytest.approx(worked * height, rel=0.05)
    drawn(ax)


def test_calls_one_after_the_other_do_not_touch() -> None:
    made = stage()

    def work_off(context: Any) -> Any:
        for _ in range(60):
            yield context.call_activity("crunch", 1)

    made.orchestrator(work_off)
    ax = made.done("work_off").plot_timeline()
    (polygons,) = [one for one in ax.collections if one.get_gid() == "activity-completed"]
    boxes = sorted((path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in polygons.get_paths())
    pixel = (ax.get_xlim()[1] - ax.get_xlim()[0]) / 650
    assert len(boxes) == 60
    assert all(after[0] - before[1] >= 0.9 * pixel for before, after in itertools.pairwise(boxes))


def test_calls_at_the_same_time_stand_in_rows_of_their_own() -> None:
    def wide(context):
        yield context.task_all([context.call_sub_orchestrator("chain", place) for place in range(500)])

    made = stage()
    made.orchestrator(wide)
    (collection,) = found(made.done("wide").plot_timeline(), "sub-orchestration-completed")
    middles = {round(float(np.mean(path.get_extents().intervaly)), 6) for path in collection.get_paths()}
    assert len(middles) == 500


def test_idle_time_is_folded_and_said_to_be() -> None:
    ax = scene("continued").plot_timeline()
    assert ax.get_xscale() == "function"
    assert [text.get_text() for text in ax.texts].count("idle 60 s") == 5
    places = ax.transData.transform([(0, 0), (0.05, 0), (60.05, 0), (60.1, 0)])[:, 0]
    work, idle, again = np.diff(places)
    assert idle / work < 10
    assert again == pytest.approx(work)


def test_many_names_share_a_lane_and_small_axes_name_fewer() -> None:
    def steps(context):
        for number in range(50):
            yield context.call_activity(f"step {number}", number)

    made = stage()
    for number in range(50):
        made.activity(f"step {number}", 0.1)
    made.orchestrator(steps)
    handle = made.done("steps")
    ax = handle.plot_timeline()
    assert ax.get_yticklabels()[-1].get_text() == f"21 more {TIMES} 21"
    assert bars(ax)["activity", "Completed"] == 50
    small = plt.figure(figsize=(3, 1)).subplots()
    assert len(handle.plot_timeline(small).get_yticklabels()) < 20
    assert bars(small)["activity", "Completed"] == 50


def test_a_legend_says_what_marks_mean_where_it_has_room() -> None:
    handle = scene("retried")
    legend = handle.plot_timeline().get_legend()
    assert legend is not None
    words = [text.get_text() for text in legend.get_texts()]
    assert words == ["completed", "wait before a retry", "failed", "idle, folded"]
    assert handle.plot_timeline(plt.figure(figsize=(1.5, 1)).subplots()).get_legend() is None


# -- the graph -----------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["failed", "looped", "transferred", "waiting", "immediate", "pending"])
def test_states_can_be_drawn_on_any_ground(name: str, style: str) -> None:
    with plt.style.context(style):
        handle = scene(name)
        for ax in (handle.plot_graph(), handle.plot_timeline()):
            assert len(drawn(ax)) > 1_000
        assert (bars(ax) == {}) == (name in ("immediate", "pending"))


def test_a_graph_says_what_the_still_picture_says() -> None:
    handle = scene("fanned")
    texts = [text.get_text() for text in handle.plot_graph().texts]
    assert {"crunch", f"{TIMES} 20", "1 failed, 19 completed", "all", "merge", "Completed"} <= set(texts)
    assert "failed: #17" in texts


@pytest.mark.parametrize("style", STYLES)
def test_letters_can_be_read_on_their_ground(style: str) -> None:
    with plt.style.context(style):
        ax = scene("failed").plot_graph()
        ground = luminance(to_rgb(ax.get_facecolor()))
        for text in ax.texts:
            low, high = sorted((ground, luminance(to_rgb(text.get_color()))))
            assert (high + 0.05) / (low + 0.05) > 4.5, text.get_text()


def luminance(colour: tuple[float, float, float]) -> float:
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return float(np.dot(parts, (0.2126, 0.7152, 0.0722)))


def test_a_figure_grows_with_the_letters() -> None:
    handle = scene("completed")
    small = handle.plot_graph().figure.get_size_inches()
    with mpl.rc_context({"font.size": 20}):
        ax = handle.plot_graph()
    assert tuple(ax.figure.get_size_inches()) == pytest.approx(tuple(2 * small))
    drawn(ax)
    assert {round(text.get_fontsize()) for text in ax.texts if text.get_weight() == "bold"} == {17, 18}


def test_in_small_axes_letters_shrink_and_at_last_are_left_out() -> None:
    handle = scene("completed")
    ax = handle.plot_graph(plt.figure(figsize=(6, 2)).subplots())
    drawn(ax)
    shown = [text for text in ax.texts if text.get_visible()]
    assert shown
    assert all(4 <= text.get_fontsize() < 9 for text in shown)
    tiny = handle.plot_graph(plt.figure(figsize=(1, 1)).subplots())
    drawn(tiny)
    assert not any(text.get_visible() for text in tiny.texts)


def test_boxes_hold_what_is_written_in_them_whatever_the_size() -> None:
    handle = scene("completed")
    figure = plt.figure(figsize=(6, 2), layout="constrained")
    ax = handle.plot_graph(figure.subplots())
    figure.draw_without_rendering()
    boxes = [path.get_extents() for path in ax.collections[0].get_paths()]
    for text in ax.texts:
        extent = text.get_window_extent().transformed(ax.transData.inverted())
        assert any(
            box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y1 and extent.y0 <= box.y1
            for box in boxes
        ), text.get_text()


def test_names_are_no_formulas() -> None:
    def odd(context):
        yield context.call_activity("a$_{1}$ \\frac $", 1)

    made = stage()
    made.activity("a$_{1}$ \\frac $", 1)
    made.orchestrator(odd)
    handle = made.done("odd")
    for ax in (handle.plot_graph(), handle.plot_timeline()):
        drawn(ax)
        words = [text.get_text() for text in (*ax.texts, *ax.get_yticklabels())]
        assert "a$_{1}$ \\frac $" in words


# -- entities ------------------------------------------------------------------------------------


def account() -> Stage:
    made = stage()
    handle = made.hub.entity("Account", "a")
    for amount in (5, 7, 200, 1):
        handle.withdraw(amount)
    made.settle()
    return made


def test_a_state_is_drawn_as_the_table_of_operations_has_it() -> None:
    made = account()
    ax = made.hub.entity("Account", "a").plot_state()
    (line,) = ax.lines
    query = "select (state_after ->> 'balance')::double from entity_operations order by ended_seq"
    assert numbers(line) == [value for (value,) in made.hub.sql(query).fetchall()]
    assert ax.get_ylabel() == "balance of @account@a"
    assert [len(one.get_offsets()) for one in ax.collections] == [1]
    drawn(ax)


def test_several_numbers_are_several_lines_and_what_was_deleted_is_a_gap() -> None:
    def pair(context):
        if context.operation_name == "delete":
            context.destruct_on_exit()
        else:
            context.set_state({"x": context.get_input(), "y": -context.get_input(), "name": "n"})

    made = stage()
    made.hub.add_entity(pair, "Pair")
    handle = made.hub.entity("Pair", "p")
    handle.put(1)
    handle.signal("delete")
    handle.put(3)
    made.settle()
    ax = handle.plot_state()
    assert [line.get_label() for line in ax.lines] == ["x", "y"]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [-1, np.nan, -3])
    assert ax.get_xlabel() == "operation"
    assert np.asarray(ax.lines[0].get_xdata()).tolist() == [1, 2, 3]


def test_a_state_that_is_a_number_is_the_line() -> None:
    made = stage()
    handle = made.hub.entity("Shop", "s")
    for _ in range(3):
        handle.count(2)
    made.settle()
    ax = handle.plot_state()
    assert numbers(ax.lines[0]) == [2, 4, 6]
    assert ax.get_ylabel() == "state of @shop@s"
    assert all(tick == int(tick) for tick in ax.get_yticks())


def test_a_state_without_numbers_is_refused() -> None:
    made = stage()
    handle = made.hub.entity("Audit", "all")
    with pytest.raises(ValueError, match="The state of @audit@all has no numbers"):
        handle.plot_state()
    handle.note("x")
    made.settle()
    with pytest.raises(ValueError, match="has no numbers"):
        handle.plot_state()


# -- a hub ---------------------------------------------------------------------------------------


def test_a_throughput_has_the_area_of_the_calls_that_ended() -> None:
    made = stage()
    for name in ("fanned", "completed", "transferred", "retried"):
        SCENES[name](made)
    ax = made.hub.plot_throughput()
    layers = [one for one in ax.collections if isinstance(one, PolyCollection)]
    drawn_ = {str(one.get_label()): area_of(one) for one in layers}
    query = """
    select name, count(*) from activities where ended is not null group by name
    union all
    select '@' || name || '.' || operation, count(*) from entity_operations
    where ended is not null group by all
    """
    counts = dict(made.hub.sql(query).fetchall())
    named = {name: number for name, number in drawn_.items() if not name.endswith(" more")}
    assert named == {name: pytest.approx(counts[name], rel=1e-3) for name in named}
    assert sum(drawn_.values()) == pytest.approx(sum(counts.values()), rel=1e-3)
    assert len(layers) == 7
    assert "3 failed" in [str(one.get_label()) for one in ax.collections]
    drawn(ax)


def area_of(layer: PolyCollection) -> float:
    """The area of a layer in seconds times calls per second."""
    (path,) = layer.get_paths()
    x, y = np.asarray(path.vertices).T
    x = (x - x[0]) * 86_400
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def test_a_hub_in_which_nothing_ended_says_so() -> None:
    ax = stage().hub.plot_throughput()
    assert [text.get_text() for text in ax.texts] == ["no call has ended yet"]


# -- what was recorded ---------------------------------------------------------------------------


def test_a_file_gives_the_same_figures(tmp_path: Path) -> None:
    made = stage(tmp_path / "flows.duckdb")
    handle = SCENES["transferred"](made)
    running = [bars(handle.plot_timeline()), len(handle.plot_graph().texts)]
    entity = made.hub.entity("Account", "a")
    lines = [numbers(line) for line in entity.plot_state().lines]
    layers = len(made.hub.plot_throughput().collections)
    frame = handle.timeline()
    nodes, pairs = dict(handle.graph().nodes(data=True)), set(made.hub.graph().edges)
    made.hub.close()
    with df.open_history(tmp_path / "flows.duckdb") as file:
        recorded = file.handle("transfer")
        assert [bars(recorded.plot_timeline()), len(recorded.plot_graph().texts)] == running
        account = file.entity(df.EntityId("Account", "a"))
        assert [numbers(line) for line in account.plot_state().lines] == lines
        assert len(file.plot_throughput().collections) == layers
        assert recorded.timeline().equals(frame)
        assert dict(recorded.graph().nodes(data=True)) == nodes
        assert set(file.graph().edges) == pairs


# -- the frame -----------------------------------------------------------------------------------


def test_a_timeline_is_a_data_frame() -> None:
    handle = scene("retried")
    frame = handle.timeline()
    assert list(frame.columns) == handle.hub.sql("from timeline('retrying')").columns
    assert frame["name"].tolist() == ["flaky", "timer (before a retry)"] * 2 + ["flaky"]
    assert frame["duration"].dt.total_seconds().tolist() == [0.2, 1, 0.2, 2, 0.2]


@pytest.mark.parametrize(
    ("library", "method"),
    [("pandas", "timeline"), ("matplotlib", "plot_timeline"), ("matplotlib", "plot_graph")],
)
def test_a_missing_library_is_named(library: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = scene("completed")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(df.DurableError, match=f"pip install {library}"):
        getattr(handle, method)()


# -- shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", LOOKS)
def test_the_shape_of_every_status_stays_in_its_square(word: str) -> None:
    for _, d in LOOKS[word].shape:
        extent = parse_path(d).get_extents()
        assert extent.x0 >= 0
        assert extent.y0 >= 0
        assert extent.x1 <= 16
        assert extent.y1 <= 16


@pytest.mark.parametrize(
    ("d", "high"),
    [
        ("M14 8A6 6 0 1 1 2 8A6 6 0 1 1 14 8Z", 6),
        ("M14 8a6 3 0 0 1 -12 0A6 3 0 0 1 14 8", 3),
        ("M14 8A6 6 0 0 0 8 2", 6),
        ("M14 8A6 6 0 1 1 8 2", 6),
    ],
)
def test_an_arc_is_one_of_an_ellipse(d: str, high: float) -> None:
    (ring,) = parse_path(d).to_polygons(Affine2D().scale(100), closed_only=False)
    distances = np.hypot(ring[:, 0] / 100 - 8, (ring[:, 1] / 100 - 8) * 6 / high)
    assert distances.min() == pytest.approx(6, abs=0.01)
    assert distances.max() == pytest.approx(6, abs=0.01)


def test_an_arc_goes_the_long_or_the_short_way() -> None:
    short = parse_path("M14 8A6 6 0 0 0 8 2").get_extents()
    long = parse_path("M14 8A6 6 0 1 1 8 2").get_extents()
    assert (short.x0, short.y0, short.x1, short.y1) == pytest.approx((8, 2, 14, 8))
    assert (long.x0, long.y0, long.x1, long.y1) == pytest.approx((2, 2, 14, 14))


def test_round_corners_are_never_rounder_than_the_box() -> None:
    extent = rounded_box(1, 2, 10, 4, rx=50).get_extents()
    assert (extent.x0, extent.y0, extent.x1, extent.y1) == pytest.approx((1, 2, 11, 6))
