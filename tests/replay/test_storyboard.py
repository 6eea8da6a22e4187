"""The still form of a replay: frames that show where the code stood, and a table of the steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from durablenb.notebook.still.storyboard import FRAMES, storyboard_frames
from tests.notebook.hostile import PAYLOADS, harmless, hostile
from tests.notebook.reading import bundle_of, page_of, scene, text_of
from tests.notebook.scenes import SCENES, STUCK, stage
from tests.replay.test_experiments import shop


@pytest.mark.parametrize("name", SCENES)
def test_every_state_has_a_still_form(name: str) -> None:
    replay = scene(name).replay()
    page = harmless(bundle_of(replay)["text/html"])
    if len(replay):
        picture = page.picture()
        last = replay.steps()[-1]
        assert last.sentence[:60] in picture.alt
        place = "the end" if last.reached is None else f"await {last.number}"
        assert f"replay {last.replay:,}, {place}" in picture.texts
        assert f"The {len(replay.trace.awaits)} await" in page.text
        assert str(replay.reached) in page.text.partition("in all replays:")[2]
    else:
        assert "The code has not run yet." in page.text


def test_there_is_a_frame_for_each_replay_where_it_stopped_and_of_too_many_the_others_are_counted() -> None:
    frames = storyboard_frames(scene("completed").replay())
    assert [(one.replay, one.number, one.verdict) for one in frames] == [
        *((number, number, "waits") for number in (1, 2, 3)),
        (4, 4, "returned"),
    ]
    replay = scene("looped").replay()
    frames = storyboard_frames(replay)
    assert len(replay) == 29
    assert len(frames) == FRAMES
    shown = [frame if isinstance(frame, int) else f"#{frame.replay}" for frame in frames]
    assert shown == [*(f"#{n}" for n in range(1, 7)), 18, *(f"#{n}" for n in range(25, 30))]
    assert "… 18 replays more" in page_of(replay).picture().texts


def test_what_does_not_fit_is_shown_field_by_field(tmp_path: Path) -> None:
    _, handle = STUCK["held"](tmp_path / "held.duckdb")
    page = page_of(handle.replay())
    assert "name reserve ship" in " ".join(page.text.split())
    assert "The code has changed since this execution began" in page.text
    assert "does not fit" in page.picture().texts


def test_a_copy_says_that_it_is_one() -> None:
    _, handle, _ = shop()
    page = page_of(handle.replay().without(4))
    assert "A copy; the journal is as it was: event 4 (TaskCompleted #0) is left out." in page.text


def test_variables_are_in_no_still_form() -> None:
    made = stage()

    def secretive(context):
        password = "hun" + "ter2"
        yield context.call_activity("reserve", len(password))

    made.orchestrator(secretive)
    replay = made.done("secretive").replay()
    bundle = bundle_of(replay)
    pictures = "".join(one.svg for one in page_of(replay).pictures)
    assert "hunter2" not in bundle["text/html"] + bundle["text/plain"] + pictures
    assert "password = 'hunter2'" in str(replay)


def test_the_text_is_the_same_in_every_run() -> None:
    assert text_of(scene("approved").replay()) == "<Replay of race: 3 replays, 2 awaits>"


def test_a_walk_through_many_awaits_is_cut_in_the_middle() -> None:
    made = stage()
    lines = str(made.done("loop", 80).replay()).splitlines()
    assert "   …  61 steps more; replay.steps() has them all" in lines
    assert len([line for line in lines if line.lstrip().startswith("line ") or " line " in line[:12]]) == 100


def test_names_and_values_are_shown_and_obeyed_by_nobody() -> None:
    made = stage()
    for text in PAYLOADS:
        replay = hostile(text, made).replay()
        harmless(bundle_of(replay)["text/html"])
        harmless(bundle_of(replay.without(4))["text/html"])
        assert "\x1b" not in str(replay)
