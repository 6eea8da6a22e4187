"""The answers of `hub.health()`: in order, with a disturbance, and after the end."""

import html
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import durablenb as df
from durablenb.engine import health, locks
from durablenb.engine.state import EngineState


@pytest.fixture
def hub():
    with df.TaskHub(":memory:") as hub:
        hub.add_orchestrator(lambda context: (yield context.wait_for_external_event("go")), name="waits")
        yield hub


def test_all_is_well(hub):
    hub.start("waits")
    hub.start("waits")
    found = hub.health()
    assert (found.is_well, found.problems) == (True, ())
    assert (found.engine, found.committer) == ("running", "running")
    assert found.open_instances == 2
    assert found.oldest_request is None
    assert found.last_commit is not None
    assert repr(found) == "<health of a hub: well>"
    assert "Health" in found._repr_mimebundle_()["text/html"]


def test_in_the_callers_thread_there_is_no_engines_thread():
    with df.TaskHub(":memory:", mode="kernel") as hub:
        assert (hub.health().engine, hub.health().committer) == ("none", "running")
        assert hub.health().is_well


def test_a_request_that_waits_for_an_orchestrators_code_is_a_problem(hub, monkeypatch):
    is_begun, may_end, later = threading.Event(), threading.Event(), [0.0]
    monotonic = locks.monotonic

    def slow(context):
        is_begun.set()
        may_end.wait(60)

    hub.add_orchestrator(slow)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(hub.start, slow)]
        assert is_begun.wait(60)
        asked.append(pool.submit(hub.start, "waits"))
        assert hub.health().is_well
        assert hub.health().oldest_request is not None
        monkeypatch.setattr(locks, "monotonic", lambda: monotonic() + later[0])
        later[0] = 2 * health.LONG_WAIT_SECONDS
        (problem,) = hub.health().problems
        assert problem.startswith("A request has waited for 2")
        may_end.set()
        for one in asked:
            one.result(60)
    assert hub.health().oldest_request is None


def test_a_mistake_is_counted_and_a_second_one_is_a_problem(hub, monkeypatch):
    run, mistakes = EngineState.run_episodes, [1]

    def broken(state):
        if state.buffer.has_records and mistakes:
            mistakes.pop()
            raise LookupError("planted")
        run(state)

    monkeypatch.setattr(EngineState, "run_episodes", broken)
    with pytest.raises(df.DurableError):
        hub.start("waits")
    hub.start("waits")
    assert hub.health().is_well
    assert hub.health().mistakes == 1
    mistakes.append(2)
    with pytest.raises(df.DurableError):
        hub.start("waits")
    assert not hub.health().is_well
    assert "mistake in durablenb itself: LookupError: planted" in hub.health().problems[0]


def test_a_hub_that_is_closed_says_so(hub):
    other = df.TaskHub(":memory:")
    other.close()
    assert other.health().problems == ("The hub is closed. Open it again: durablenb.TaskHub(path).",)
    assert other.health().engine == other.health().committer == "ended"
    assert hub.health().is_well


def test_a_file_that_was_taken_away_is_a_problem(tmp_path):
    path = tmp_path / "hub.duckdb"
    with df.TaskHub(path) as hub:
        assert hub.health().is_well
        path.rename(tmp_path / "elsewhere.duckdb")
        (problem,) = hub.health().problems
        assert "Put the old file back" in problem
        shown = hub.health()._repr_mimebundle_()["text/html"]
        assert html.escape(problem) in shown  # in full: what to do comes last
        (tmp_path / "elsewhere.duckdb").rename(path)
        assert hub.health().is_well
