"""A grade finds the fault of each broken orchestrator, and passes each sound one."""

import numpy as np
import pytest

import durablenb as df
from tests.lab import broken, sound
from tests.lab.shop import ledger


@pytest.fixture(autouse=True)
def empty_ledger():
    ledger.clear()


@pytest.mark.parametrize("name", sorted(broken.BROKEN))
def test_the_fault_is_found(name):
    part = broken.BROKEN[name]
    events = [("Approval", "yes")] if "approval" in name else []
    expected = "done" if part == "result" else ...
    grade = df.lab.grade(name, hub=broken.hub, world=ledger, events=events, expected=expected)
    failed = {one.name: one for one in grade.parts if not one.is_passed}
    assert part in failed, str(grade)
    assert failed[part].hints, str(grade)
    assert ledger == []
    with pytest.raises(AssertionError, match=f"FAIL  {part}"):
        grade.check()


@pytest.mark.parametrize("name", sorted(sound.SOUND))
def test_what_is_sound_passes(name):
    input_, events, expected = sound.SOUND[name]
    grade = df.lab.grade(name, input_, hub=sound.hub, world=ledger, events=events, expected=expected)
    assert grade, str(grade)
    assert [part.name for part in grade.parts] == ["source", "result", "replay", "crashes"]
    grade.check()
    assert ledger == []


def test_a_large_result_that_was_not_expected_is_named():
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_orchestrator(lambda context: np.arange(1_000.0), "large")
        grade = df.lab.grade("large", hub=hub, expected=np.arange(1_001.0))
        assert df.lab.grade("large", hub=hub, expected=np.arange(1_000.0))
    (part,) = [part for part in grade.parts if not part.is_passed]
    assert part.name == "result"
    assert part.text == "it returned <array 1000 float64>"
    assert part.hints == ("Expected <array 1001 float64>.",)


def test_an_activity_that_remembers_in_memory_what_it_did_fails():
    done = set()
    with df.TaskHub(":memory:", mode="kernel") as hub:

        @hub.activity
        def note(number):
            if number not in done:
                done.add(number)
                ledger.append(number)

        @hub.orchestrator
        def diary(context):
            yield context.call_activity(note, 1)
            return "done"

        grade = df.lab.grade(diary, hub=hub, world=ledger, expected="done")
    (part,) = [part for part in grade.parts if not part.is_passed]
    assert part.text.startswith("Two runs of diary differ without any crash")
