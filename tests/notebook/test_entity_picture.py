"""An instance shows what it is, in every state that it can be in."""

from __future__ import annotations

from pathlib import Path

import pytest

import durablenb as df
from tests.notebook.reading import Page, anew, bundle_of, page_of, scene, text_of
from tests.notebook.scenes import SCENES, STUCK, stage

WORDS = {
    "pending": ["Pending"],
    "running": ["Running"],
    "waiting": ["Running", "Waiting"],
    "between_attempts": ["Running", "Retrying"],
    "completed": ["Completed"],
    "retried": ["Completed"],
    "failed": ["Failed"],
    "terminated": ["Terminated"],
    "suspended": ["Suspended"],
    "scheduled": ["Pending"],
    "too_late": ["Completed"],
    "approved": ["Completed"],
    "looped": ["Completed"],
    "continued": ["Completed"],
    "rewound": ["Completed"],
    "crossing": ["Completed"],
    "immediate": ["Completed"],
    "fanned": ["Completed"],
    "fanned_wide": ["Completed"],
    "transferred": ["Completed"],
    "locked_out": ["Running", "Waiting"],
    "in_a_section": ["Running"],
    "queued": ["Running"],
    "refused": ["Failed"],
    "tallied": ["Completed"],
}
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
def test_the_first_word_is_the_status(name: str) -> None:
    words = heading_of(page_of(scene(name)))
    assert words[: len(WORDS[name])] == WORDS[name]


@pytest.mark.parametrize("name", SCENES)
def test_the_picture_says_the_same_in_a_sentence(name: str) -> None:
    handle = scene(name)
    for picture in page_of(handle).pictures:
        assert picture.root.attrib["role"] == "img"
        assert picture.root.attrib["aria-label"] == picture.alt
        assert picture.root.find("{http://www.w3.org/2000/svg}title") is None  # it would pop up everywhere
    graph = page_of(handle).picture(0)
    assert graph.alt.startswith(f"{handle.status().name} {handle.id}: {WORDS[name][-1]}, ")


@pytest.mark.parametrize("name", SCENES)
def test_the_text_is_the_same_in_every_run_and_has_no_times_in_it(name: str) -> None:
    text = text_of(scene(name))
    assert text == text_of(anew(name))
    assert "2026" not in text
    assert " ms" not in text
    assert "0x" not in text
    assert text == TEXTS.get(name, text)


@pytest.mark.parametrize("name", SCENES)
def test_the_picture_is_the_same_byte_for_byte(name: str) -> None:
    assert bundle_of(scene(name)) == bundle_of(anew(name))


@pytest.mark.parametrize(
    "name", ["pending", "running", "waiting", "between_attempts", "suspended", "scheduled"]
)
def test_an_open_instance_says_what_it_waits_for_and_since_when(name: str) -> None:
    page = page_of(scene(name))
    assert "waits for" in page.texts
    assert any("2026-01-01 00:00:00" in text for text in page.texts)


@pytest.mark.parametrize("name", ["completed", "failed", "terminated"])
def test_an_ended_instance_waits_for_nothing(name: str) -> None:
    assert "waits for" not in page_of(scene(name)).texts


def test_a_wait_says_how_long_it_lasts_and_until_when() -> None:
    page = page_of(scene("waiting"))
    assert "2026-01-01 00:00:00, 2 h by 02:00:00" in page.texts
    assert "2026-01-04 00:00:00" in page.texts
    assert "handle.raise_event('Approval', ...)" in page.texts


def test_a_failure_shows_the_line_that_raised_before_those_that_waited() -> None:
    page = page_of(scene("failed"))
    place = page.texts.index("ValueError")
    assert page.texts[place + 1] == "broken can't do 1"
    assert "run, line" in page.texts[place + 2]
    assert page.texts[place + 3].startswith("raise ValueError")
    assert page.texts.index("awaited at") > place


@pytest.mark.parametrize("name", STUCK)
def test_what_can_not_go_on_says_so(name: str, tmp_path: Path) -> None:
    made, handle = STUCK[name](tmp_path / "hub.duckdb")
    page = page_of(handle)
    assert heading_of(page) == ["Running", STUCK_WORDS[name]]
    assert STUCK_WORDS[name].lower() in text_of(handle).partition("\n")[0]
    made.hub.close()


def test_a_held_instance_shows_recorded_against_requested(tmp_path: Path) -> None:
    _, handle = STUCK["held"](tmp_path / "hub.duckdb")
    page = page_of(handle)
    assert "recorded is TaskScheduled 'reserve' #" in page.text
    assert "requested is TaskScheduled 'ship' #" in page.text


def test_a_call_without_code_is_not_drawn_as_running(tmp_path: Path) -> None:
    _, handle = STUCK["without_activity"](tmp_path / "hub.duckdb")
    texts = page_of(handle).picture(0).texts
    assert "not loaded" in texts
    assert "running" not in texts


def test_fan_outs_are_one_box_with_their_failures_first() -> None:
    graph = page_of(scene("fanned_wide")).picture(0)
    assert graph.texts.count("crunch") == 2  # the box, and the calls one by one below it
    assert f"{chr(215)} 1,000" in graph.texts
    assert "4 failed, 996 completed" in graph.texts
    assert "failed: #17, #307, #597, #887" in graph.texts


def test_loops_are_folded_and_say_how_often() -> None:
    graph = page_of(scene("looped")).picture(0)
    assert "\N{CLOCKWISE OPEN CIRCLE ARROW} 14 rounds" in graph.texts
    assert graph.texts.count("poll") == 1


def test_what_was_waited_for_together_says_how_many_came() -> None:
    assert "1 of 2" in page_of(scene("approved")).picture(0).texts
    assert "all" in page_of(scene("fanned")).picture(0).texts


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
    titles = page_of(scene("retried")).picture(1).titles
    assert "flaky, attempt 1: failed, 200 ms" in titles
    assert "flaky, attempt 2: failed, 200 ms" in titles
    assert "flaky, attempt 3: completed, 200 ms" in titles
    assert "2 s until the next attempt" in titles


def test_all_executions_are_in_the_timeline_and_the_last_one_in_the_graph() -> None:
    page = page_of(scene("continued"))
    assert "5 executions" in page.text
    assert page.picture(0).alt.endswith("2 steps, 2 calls: 2 completed")
    timeline = page.picture(1)
    assert timeline.alt.startswith("eternal eternal: 10 calls within ")
    bars = [title.partition(": ") for title in timeline.titles if title.startswith("generation ")]
    assert [name for name, _, _ in bars] == [f"generation {number}" for number in range(5)]
    assert [words.partition(",")[0] for _, _, words in bars] == ["ContinuedAsNew"] * 4 + ["Completed"]


def test_what_was_done_before_a_rewind_is_in_the_timeline_alone() -> None:
    page = page_of(scene("rewound"))
    assert page.picture(0).alt.endswith("1 step, 1 call: 1 completed")
    assert page.picture(1).alt.startswith("doomed doomed: 2 calls within ")


def test_the_table_of_steps_has_the_data_of_the_picture() -> None:
    page = page_of(scene("fanned"))
    place = page.texts.index("crunch")
    assert page.texts[place : place + 4] == ["crunch", "activity", "20", "1 failed, 19 completed"]


def test_the_history_has_its_ends_and_its_runs_folded() -> None:
    texts = page_of(scene("fanned_wide")).texts
    assert f"TaskScheduled crunch {chr(215)} 1,000" in texts
    assert "ExecutionCompleted" in texts


def test_input_and_output_are_there() -> None:
    texts = page_of(scene("immediate")).texts
    assert texts.count('{\n "a": [\n  1,\n  null\n ]\n}') == 2


def test_a_purged_instance_and_a_closed_hub_show_as_a_line_of_text() -> None:
    made = stage()
    handle = SCENES["completed"](made)
    handle.purge()
    assert bundle_of(handle) == {"text/plain": "<instance chain: purged>"}
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
