"""Histories come out byte for byte as they are kept, and the code they were made with still fits them."""

import difflib

import pytest

from tests.histories.corpus import ORCHESTRATORS, SCENES
from tests.histories.golden import FOLDER, path_of, played, read
from tests.histories.replaying import executions, prefixes, replay

REMEDY = "If that is meant to be so: python -m tests.histories writes the histories anew."
FUNCTIONS = {function.__name__: function for function in ORCHESTRATORS}


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_leaves_the_history_that_is_kept(scene):
    kept, now = path_of(scene).read_bytes().decode("utf-8"), played(scene)
    if now != kept:
        lines = (text.splitlines(keepends=True) for text in (kept, now))
        diff = "".join(
            difflib.unified_diff(*lines, f"{scene}.jsonl, as kept", f"{scene}, as played now", n=1)
        )
        pytest.fail(f"The history of {scene!r} is another one.\n{diff}\n{REMEDY}", pytrace=False)


def test_a_scene_leaves_the_same_history_each_time():
    assert len({played("family") for _ in range(3)}) == 1


@pytest.mark.parametrize("scene", SCENES)
def test_unedited_code_fits_its_history_at_every_moment(scene):
    for key, history in executions(read(scene)).items():
        for prefix in prefixes(history):
            replay(FUNCTIONS[history[0].name], key, prefix)


def test_every_history_that_is_kept_is_played():
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == SCENES.keys()


def test_the_corpus_is_played_in_full():
    names = {record.event.name for scene in SCENES for record in read(scene) if record.event.event_id == 1}
    assert names == FUNCTIONS.keys()
