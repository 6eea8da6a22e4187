"""An instance that kills the process whenever its orchestrator runs is held; the others go on."""

import shutil

import pytest

import durablenb as df
from durablenb.engine.state import POISON_LIMIT
from tests.faults import poison_worker
from tests.faults.lives import Life


def live(path, where, limit=POISON_LIMIT):
    """Return the report of one process, or None if it died."""
    life = Life(poison_worker.main, path, where, limit)
    seen = life.heard()
    if life.ended() == poison_worker.DEATH:
        return None
    assert life.ended() == 0, seen
    return seen


@pytest.mark.parametrize(("where", "limit"), [("at once", 2), ("in replay", POISON_LIMIT), ("beyond", 2)])
def test_it_is_held_after_some_deaths_while_the_others_run(tmp_path, where, limit):
    path = tmp_path / "hub.duckdb"
    live(path, where, limit)  # here it begins
    assert [live(path, where, limit) for _ in range(limit)] == [None] * limit
    for _ in range(3 if limit == 2 else 1):
        seen, bystander = live(path, where, limit)
        assert f"poison is held: {limit} times in a row the process died" in seen
        assert "Mend 'poison'" in seen
    assert bystander == "Completed"


def mended(context):
    first = yield context.call_activity("work", 1)
    yield context.wait_for_external_event("go on")
    return [first, (yield context.call_activity("work", 2))]


def raised(call):
    with pytest.raises(df.DurableError) as error:
        call()
    return str(error.value)


@pytest.fixture(scope="module")
def deadly(tmp_path_factory):
    """The files of a hub whose process died twice of one of its instances."""
    folder = tmp_path_factory.mktemp("deadly")
    live(folder / "hub.duckdb", "in replay")
    assert [live(folder / "hub.duckdb", "in replay") for _ in range(2)] == [None, None]
    return folder


@pytest.fixture
def held(deadly, tmp_path, monkeypatch):
    """A hub that holds this instance."""
    monkeypatch.setattr("durablenb.engine.state.POISON_LIMIT", 2)
    shutil.copytree(deadly, tmp_path / "copy")
    with df.TaskHub(tmp_path / "copy" / "hub.duckdb", mode="kernel") as hub:
        hub.add_activity(lambda n: n, "work")
        yield hub


def test_running_all_cells_after_a_restart_does_not_let_it_go_on_but_running_its_cell_again_does(held):
    handle = held.handle("poison")
    assert "is held" in raised(handle.result)
    held.add_orchestrator(mended, "poison")
    assert "is held" in raised(handle.result)
    held.add_orchestrator(mended, "poison")
    assert handle.result() == [1, 2]


def test_resuming_it_lets_it_go_on(held):
    held.add_orchestrator(mended, "poison")
    handle = held.handle("poison")
    assert "is held" in raised(handle.result)
    handle.resume("mended")
    assert handle.result() == [1, 2]


def test_it_can_be_terminated_and_purged_and_is_forgotten(held, tmp_path):
    handle = held.handle("poison")
    handle.terminate("enough")
    with pytest.raises(df.OrchestrationTerminatedError, match="enough"):
        handle.result()
    assert handle.purge() == 1
    held.close()
    assert not list((tmp_path / "copy").glob("*.replaying"))


def test_deaths_that_are_not_in_a_row_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr("durablenb.engine.state.POISON_LIMIT", 2)
    path = tmp_path / "hub.duckdb"
    live(path, "in replay", 2)
    for _ in range(3):
        assert live(path, "in replay", 2) is None
        with df.TaskHub(path, mode="kernel") as hub:  # a process that it came through

            @hub.orchestrator
            def poison(context):
                yield context.call_activity("work", 1)
                while True:
                    yield context.wait_for_external_event("go on")

            hub.client.raise_event("poison", "go on")
            assert "nothing is left to happen" in raised(hub.handle("poison").result)
