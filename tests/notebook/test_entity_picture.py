"""An instance shows what it is, in every state that it can be in."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

import durablenb as df
from tests.notebook.reading import SVG, Page, again, bundle_of, page_of, page_of_scene, scene, text_of
from tests.notebook.scenes import SCENES, STUCK, stage

WORDS = {name: ["Completed"] for name in SCENES} | {
    "pending": ["Pending"],
    "running": ["Running"],
    "waiting": ["Running", "Waiting"],
    "between_attempts": ["Running", "Retrying"],
    "failed": ["Failed"],
    "terminated": ["Terminated"],
    "suspended": ["Suspended"],
    "scheduled": ["Pending"],
    "locked_out": ["Running", "Waiting"],
    "in_a_section": ["Running"],
    "queued": ["Running"],
    "refused": ["Failed"],
}
"""The badges in front of the name."""
STUCK_WORDS = {
    "held": "Held",
    "without_code": "Not loaded",
    "without_activity": "Not loaded",
    "with_held_child": "Blocked",
}
TEXTS = {
    "transferred": (
        "<transfer transfer: Completed>\n"
        "step                    kind         calls  state\n"
        "──────────────────────  ───────────  ─────  ─────────\n"
        "@account@a, @account@b  lock             1  granted\n"
        "@account@a.withdraw     entity call      1  completed\n"
        "charge                  activity         1  completed\n"
        "@account@b.deposit      entity call      1  completed\n"
        "@audit@all.note         signal           1  sent\n"
        "@account@a.get          entity call      1  completed"
    ),
    "pending": "<chain chain: Pending>\nwaits for its turn",
    "waiting": (
        "<race race: Running, waiting>\n"
        "waits for the external event 'Approval'\n"
        "waits for a timer\n"
        "step      kind            calls  state\n"
        "────────  ──────────────  ─────  ───────\n"
        "Approval  external event      1  waiting\n"
        "timer     timer               1  waiting"
    ),
    "fanned": (
        "<fan_out fan_out: Completed>\n"
        "custom status: some parts were lost\n"
        "step    kind      calls  state\n"
        "──────  ────────  ─────  ──────────────────────\n"
        "crunch  activity     20  1 failed, 19 completed\n"
        "merge   activity      1  completed"
    ),
}


def heading_of(page: Page) -> list[str]:
    """The words of the badges in front of the name."""
    first = page.text.split("·")[0]
    assert first.strip()
    badges = [picture.alt for picture in page.pictures if picture.width < 200]
    return badges[: 2 if len(badges) > 1 and badges[0] == "Running" else 1]


@pytest.mark.parametrize("name", SCENES)
def test_the_first_word_is_the_status_and_each_picture_has_its_sentence_and_titles(name: str) -> None:
    handle, page = scene(name), page_of_scene(name)
    assert heading_of(page)[: len(WORDS[name])] == WORDS[name]
    for picture in page.pictures:
        assert picture.root.attrib["role"] == "img"
        assert picture.root.attrib["aria-label"] == picture.alt
        assert picture.root.find(f"{SVG}title") is None  # it would pop up everywhere
        assert picture.titles or picture.width <= 400
    assert page.picture(0).alt.startswith(f"{handle.status().name} {handle.id}: {WORDS[name][-1]}, ")


@pytest.mark.parametrize("name", SCENES)
def test_picture_and_text_are_the_same_in_every_run_and_the_text_has_no_times_in_it(name: str) -> None:
    bundle = bundle_of(scene(name))
    assert bundle == bundle_of(again(name))
    text = bundle["text/plain"]
    assert not any(varying in text for varying in ("2026", " ms", "0x"))
    assert text == TEXTS.get(name, text)


@pytest.mark.parametrize("name", SCENES)
def test_an_open_instance_says_what_it_waits_for_and_since_when(name: str) -> None:
    texts = page_of_scene(name).texts
    is_open = WORDS[name][0] in ("Pending", "Running", "Suspended")
    assert ("waits for" in texts) == is_open
    assert not is_open or any("2026-01-01 00:00:00" in text for text in texts)


def test_a_wait_says_how_long_it_lasts_and_until_when() -> None:
    page = page_of_scene("waiting")
    assert "2026-01-01 00:00:00, 2 h by 02:00:00" in page.texts
    assert "2026-01-04 00:00:00" in page.texts
    assert "handle.raise_event('Approval', ...)" in page.texts


def test_a_failure_shows_the_line_that_raised_before_those_that_waited() -> None:
    page = page_of_scene("failed")
    place = page.texts.index("ValueError")
    assert page.texts[place + 1] == "broken can't do 1"
    assert "run, line" in page.texts[place + 2]
    assert page.texts[place + 3].startswith("raise ValueError")
    assert page.texts.index("awaited at") > place


@pytest.mark.parametrize("name", STUCK)
def test_what_can_not_go_on_says_so_and_why(name: str, tmp_path: Path) -> None:
    _, handle = STUCK[name](tmp_path / "hub.duckdb")
    page = page_of(handle)
    assert heading_of(page) == ["Running", STUCK_WORDS[name]]
    assert STUCK_WORDS[name].lower() in text_of(handle).partition("\n")[0]
    if name == "held":
        assert "recorded is TaskScheduled 'reserve' #" in page.text
        assert "requested is TaskScheduled 'ship' #" in page.text
    if name == "without_activity":
        assert "not loaded" in page.picture(0).texts
        assert "running" not in page.picture(0).texts
    view = handle.watch()
    asks = r"Fix the orchestrator's cell|Run it\.|run the cell that defines it"
    assert re.search(asks, text_of(view, "waits"))
    assert f'aria-label="{STUCK_WORDS[name]}"' in view.head.decode()
    assert not view.is_frozen


def test_fan_outs_are_one_box_with_their_failures_first_and_one_row_of_each_table() -> None:
    page = page_of_scene("fanned_wide")
    graph = page.picture(0)
    assert graph.texts.count("crunch") == 2  # the box, and the calls one by one below it
    words = {f"{chr(215)} 1,000", "4 failed, 996 completed", "failed: #17, #307, #597, #887"}
    assert words <= set(graph.texts)
    place = page.texts.index("crunch")
    assert page.texts[place : place + 4] == ["crunch", "activity", "1,000", "4 failed, 996 completed"]
    assert {f"TaskScheduled crunch {chr(215)} 1,000", "ExecutionCompleted"} <= set(page.texts)


def test_loops_are_folded_and_joins_say_how_many_came() -> None:
    graph = page_of_scene("looped").picture(0)
    assert "\N{CLOCKWISE OPEN CIRCLE ARROW} 14 rounds" in graph.texts
    assert graph.texts.count("poll") == 1
    assert "1 of 2" in page_of_scene("approved").picture(0).texts
    assert "all" in page_of_scene("fanned").picture(0).texts


def test_idle_time_is_folded_and_named() -> None:
    made = stage()

    def night(context):
        yield context.call_activity("reserve", 1)
        yield context.wait_for_external_event("Morning")
        yield context.call_activity("ship", 1)

    made.orchestrator(night)
    handle = made.begin("night", steps=3)
    made.clock.advance(hours=8)
    handle.raise_event("Morning")
    handle.wait()
    timeline = page_of(handle).picture(1)
    assert "idle 8 h" in timeline.texts
    assert "8 h" in timeline.texts  # the axis goes on after the fold
    assert "+1 s" in timeline.texts


def test_attempts_are_drawn_one_by_one() -> None:
    outcomes = ("failed", "failed", "completed")
    bars = {f"flaky, attempt {n}: {outcome}, 200 ms" for n, outcome in enumerate(outcomes, 1)}
    assert {*bars, "2 s until the next attempt"} <= set(page_of_scene("retried").picture(1).titles)


def test_all_executions_are_in_the_timeline_and_the_last_one_in_the_graph() -> None:
    page = page_of_scene("continued")
    assert "5 executions" in page.text
    assert page.picture(0).alt.endswith("2 steps, 2 calls: 2 completed")
    timeline = page.picture(1)
    assert timeline.alt.startswith("eternal eternal: 10 calls within ")
    bars = [title.partition(": ") for title in timeline.titles if title.startswith("generation ")]
    assert [name for name, _, _ in bars] == [f"generation {number}" for number in range(5)]
    assert [words.partition(",")[0] for _, _, words in bars] == ["ContinuedAsNew"] * 4 + ["Completed"]
    page = page_of_scene("rewound")
    assert page.picture(0).alt.endswith("1 step, 1 call: 1 completed")
    assert page.picture(1).alt.startswith("doomed doomed: 2 calls within ")


def test_input_and_output_are_there() -> None:
    texts = page_of_scene("immediate").texts
    assert texts.count('{\n "a": [\n  1,\n  null\n ]\n}') == 2


def test_of_what_was_purged_or_closed_there_is_a_line_of_text_and_nothing_to_draw_or_save(
    tmp_path: Path,
) -> None:
    made = stage()
    handle = SCENES["completed"](made)
    handle.purge()
    assert bundle_of(handle) == {"text/plain": "<instance chain: purged>"}
    saves = [partial(handle.save, tmp_path / f"chain.{suffix}") for suffix in ("svg", "html")]
    figures = (handle.plot_graph, handle.plot_timeline)
    for ask in (handle.timeline, handle.graph, handle.sequence, *figures, *saves):
        with pytest.raises(df.InstanceNotFoundError):
            ask()
    made.hub.close()
    assert bundle_of(handle) == {"text/plain": "<instance chain of a closed hub>"}
    assert bundle_of(made.hub) == {"text/plain": "<TaskHub in memory: closed>"}


def test_an_instance_that_runs_in_threads_can_be_shown_at_any_time() -> None:
    with df.TaskHub(":memory:") as hub:

        @hub.activity
        def half(n):
            return n // 2

        @hub.orchestrator
        def halves(context):
            return (yield context.task_all([context.call_activity(half, n) for n in range(500)]))

        handle = hub.start(halves)
        shown = [bundle_of(handle) for _ in range(5)]
        handle.result()
        assert all("text/html" in bundle for bundle in [*shown, bundle_of(handle), bundle_of(hub)])
        assert "half  activity    500  500 completed" in text_of(handle)
