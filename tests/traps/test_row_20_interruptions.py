"""Row 20: what interrupts an orchestration is no failure of it."""

import pytest

import durablenb as df
from durablenb.store.duckdb_store import DuckStore
from tests.traps.corpus import chain, child, prepare
from tests.traps.lab import kinds


@pytest.mark.parametrize("where", ["orchestrator", "activity"])
def test_row_20_what_was_interrupted_is_run_again_and_has_not_failed(kernel, where):
    tries = []

    def interrupted(here):
        if where == here:
            tries.append(1)
            if len(tries) == 1:
                raise KeyboardInterrupt

    def asks(context):
        interrupted("orchestrator")
        yield context.call_activity("activity", "activity")

    kernel.activity(interrupted, "activity")
    handle = kernel.start(asks)
    with pytest.raises(KeyboardInterrupt):
        handle.result()
    begun = ["OrchestratorStarted", "TaskScheduled"] if where == "activity" else []
    assert kinds(handle.history()) == ["ExecutionStarted", *begun]
    assert handle.result() is None
    assert handle.status().runtime_status == "Completed"


@pytest.fixture
def calls(disk):
    """The calls of the prepared activities."""
    made: list[str] = []
    prepare(disk, made)
    return made


def test_row_20_an_activity_that_a_closing_hub_did_not_start_is_not_a_failure(disk, calls):
    disk.start(child, "x", instance_id="c")
    disk.hub.step()  # the episode: the activity has been asked for
    handle = disk.restart("c")
    assert calls == []
    assert handle.result() == "xa"
    assert calls == ["a"]


def die_while_replaying(disk, instance_id, times):
    """Leave what so many processes leave that die in the middle of a replay, one after the other."""
    disk.close()
    for _ in range(times):
        store = DuckStore(disk.hub._path)
        store.mark_replay(instance_id)
        store.close()
    disk.open()  # and all cells are run again, which is no mending
    return disk.hub.handle(instance_id)


@pytest.mark.usefixtures("calls")
def test_row_20_a_death_during_replay_is_no_failure_and_it_is_tried_again(disk):
    disk.begin(chain, "", instance_id="c")
    assert die_while_replaying(disk, "c", 4).result() == "abca"


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize("mended", ["by its cell", "by resuming it"])
def test_row_20_after_five_deaths_it_is_held_says_why_and_goes_on_when_it_is_mended(disk, mended):
    """There is a cap, so that one instance cannot take the kernel down for ever; others go on."""
    disk.start(chain, "", instance_id="other")
    disk.begin(chain, "", instance_id="poison")
    handle = die_while_replaying(disk, "poison", 5)
    assert disk.hub.handle("other").result() == "abca"
    with pytest.raises(df.InstanceStateError, match="5 times in a row the process died"):
        handle.result()
    assert handle.status().runtime_status == "Running"
    if mended == "by its cell":
        disk.orchestrator(chain)
    else:
        handle.resume()
    assert handle.result() == "abca"
