"""Row 20: what interrupts an orchestration is no failure of it."""

import pytest

import durablenb as df
from durablenb.store.duckdb_store import DuckStore
from tests.traps.corpus import chain, child, prepare
from tests.traps.lab import Lab, counted, kinds


def test_row_20_an_interrupted_orchestrator_is_run_again_and_has_not_failed(kernel):
    tries = []

    def interrupted(context):
        tries.append(1)
        if len(tries) == 1:
            raise KeyboardInterrupt
        return (yield context.create_timer(context.current_utc_datetime))

    handle = kernel.start(interrupted)
    with pytest.raises(KeyboardInterrupt):
        handle.result()
    assert kinds(handle.history()) == ["ExecutionStarted"]
    assert handle.result() is None
    assert handle.status().runtime_status == "Completed"


def test_row_20_an_interrupted_activity_is_run_again_and_has_not_failed(kernel):
    tries = []

    @kernel.activity
    def interrupted():
        tries.append(1)
        if len(tries) == 1:
            raise KeyboardInterrupt
        return len(tries)

    def asks(context):
        return (yield context.call_activity(interrupted))

    handle = kernel.start(asks)
    with pytest.raises(KeyboardInterrupt):
        handle.result()
    assert counted(handle.history(), "TaskFailed") == 0
    assert handle.result() == 2


def test_row_20_an_activity_that_a_closing_hub_did_not_start_is_not_a_failure(disk):
    calls: list[str] = []
    prepare(disk, calls)
    disk.start(child, "x", instance_id="c")
    disk.hub.step()  # the episode: the activity has been asked for
    disk.restart()
    assert calls == []
    assert disk.hub.handle("c").result() == "xa"
    assert calls == ["a"]


def die_while_replaying(disk, instance_id):
    """What a process that dies in the middle of a replay leaves behind."""
    disk.hub._store.mark_replay(instance_id)
    disk.restart()


@pytest.mark.parametrize("deaths", [1, 4])
def test_row_20_a_death_during_replay_is_no_failure_and_it_is_tried_again(disk, deaths):
    calls: list[str] = []
    prepare(disk, calls)
    disk.begin(chain, "", instance_id="c")
    for _ in range(deaths):
        die_while_replaying(disk, "c")
    assert disk.hub.handle("c").result() == "abca"


def test_row_20_after_five_deaths_in_a_row_it_is_held_and_others_go_on(disk):
    """There is a cap, so that one instance cannot take the kernel down for ever."""
    calls: list[str] = []
    prepare(disk, calls)
    disk.start(chain, "", instance_id="poison")
    disk.begin(chain, "", instance_id="other")
    for _ in range(5):
        die_while_replaying(disk, "poison")
    assert disk.hub.handle("other").result() == "abca"


@pytest.mark.parametrize("mended", ["by its cell", "by resuming it"])
def test_row_20_a_held_instance_says_why_and_goes_on_when_it_is_mended(tmp_path, mended):
    lab = Lab("kernel", tmp_path / "hub.duckdb")
    calls: list[str] = []
    prepare(lab, calls)
    lab.begin(chain, "", instance_id="poison")
    lab.close()
    for _ in range(5):
        store = DuckStore(lab.hub._path)
        store.mark_replay("poison")
        store.close()
    lab.open()  # and all cells are run again, which is no mending
    handle = lab.hub.handle("poison")
    with pytest.raises(df.InstanceStateError, match="5 times in a row the process died"):
        handle.result()
    assert handle.status().runtime_status == "Running"
    if mended == "by its cell":
        lab.orchestrator(chain)
    else:
        handle.resume()
    assert handle.result() == "abca"
    lab.close()
