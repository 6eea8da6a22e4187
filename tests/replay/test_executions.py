"""The explorer on one execution of several, on an instance of a file, and on one that is held."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import durablenb as df
from durablenb.notebook.live.explorer import LiveExplorer
from tests.notebook.reading import bundle_of, tell, text_of
from tests.notebook.scenes import SCENES, STUCK, chain, stage
from tests.replay.test_experiments import fingerprint
from tests.replay.test_explorer import at, explored, rows


def drain(hub: df.TaskHub) -> None:
    """Takes steps as long as there are any."""
    while hub.step():
        pass


def executions_in(view: LiveExplorer) -> list[tuple[str, bool]]:
    """The choices in the head, and the chosen one."""
    found = re.findall(r"<option value=\"\d+\"( selected)?>([^<]*)", view.head.decode())
    return [(words, bool(is_chosen)) for is_chosen, words in found]


def round_of(view: LiveExplorer) -> str:
    """The input of the execution that is shown."""
    return str(view.replay.trace.events[0].input)  # type: ignore[attr-defined]


# -- which execution -----------------------------------------------------------------------------


def test_it_opens_on_the_newest_execution_and_its_head_leads_to_each() -> None:
    _, view = explored("continued")
    assert round_of(view) == "4"
    assert executions_in(view) == [(f"execution {one} of 5", one == 5) for one in range(1, 6)]
    for one in range(1, 6):
        tell(view, "set", name="execution", value=str(one))
        assert view.note == ""
        assert round_of(view) == str(one - 1)
        assert (f"execution {one} of 5", True) in executions_in(view)
        assert at(view) == (3, 3)
        assert view.replay.fits
        assert ("ContinuedAsNew" in text_of(view, "head")) is (one < 5)
        tell(view, "event", id="3")
        assert view.selected == f"call {one} 0"
    assert executions_in(explored("completed")[1]) == []  # one is no choice


def test_it_can_be_opened_on_any_execution_and_so_can_a_replay() -> None:
    made = stage()
    handle = SCENES["continued"](made)
    assert round_of(handle.explore(execution=2)) == "1"
    assert [handle.replay(execution=one).trace.events[0].input for one in range(1, 6)] == list("01234")  # type: ignore[attr-defined]
    assert handle.replay().trace.events == handle.replay(execution=5).trace.events
    for wrong in (0, 6, -1):
        with pytest.raises(ValueError, match="numbered from 1 to 5"):
            handle.explore(execution=wrong)
        with pytest.raises(ValueError, match="numbered from 1 to 5"):
            handle.replay(execution=wrong)


def test_what_was_before_a_rewind_is_an_execution_of_its_own() -> None:
    _, view = explored("rewound")
    tell(view, "set", name="execution", value="1")
    assert view.step.verdict == "raised"
    assert "Failed" in text_of(view, "head")


def test_of_thousands_the_first_the_last_and_those_around_can_be_chosen() -> None:
    made = stage()

    @made.hub.orchestrator
    def many(context):
        if context.get_input() < 200:
            context.continue_as_new(context.get_input() + 1)

    view = made.done("many", 0).explore(execution=100)
    assert len(executions_in(view)) == 53
    tell(view, "set", name="execution", value="9000")
    assert "There is no execution 9,000" in view.note
    assert round_of(view) == "99"


def test_it_follows_into_the_next_execution_unless_one_has_stepped_back() -> None:
    made = stage()

    @made.hub.orchestrator
    def rounds(context):
        number = context.get_input()
        yield context.wait_for_external_event("Go")
        yield context.wait_for_external_event("Go")
        context.continue_as_new(number + 1)

    def go_on() -> None:
        for _ in range(2):
            handle.raise_event("Go")
            made.settle()

    handle = made.begin("rounds", 0)
    made.settle()
    follows, stays, tries = handle.explore(), handle.explore(), handle.explore()
    go_on()
    for view in (follows, stays, tries):
        view.refresh()
        assert round_of(view) == "1"
    handle.raise_event("Go")
    made.settle()
    stays.refresh()
    tries.refresh()
    tell(stays, "go", id="first")
    tell(tries, "event", id="4")
    tell(tries, "try", id="twice")
    assert "copy" in text_of(tries, "banner")
    handle.raise_event("Go")
    made.settle()
    for view in (follows, stays, tries):
        view.refresh()
    assert round_of(follows) == "2"
    assert round_of(stays) == "1"
    assert at(stays) == (1, 1)
    assert executions_in(stays)[1:] == [("execution 2 of 3", True), ("execution 3 of 3", False)]
    assert "copy" in text_of(tries, "banner")
    tell(tries, "reset")
    assert round_of(tries) == "1"


def test_a_call_of_an_older_execution_that_is_selected_elsewhere_is_gone_to() -> None:
    made, view = explored("continued")
    made.hub.handle("eternal").watch(freeze=False).selected = "call 2 1"
    view.refresh()
    assert round_of(view) == "1"
    assert view.step.reached.task_ids == (1,)


# -- an instance of a file -----------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with an order that was shipped, and a loop that went round five times."""
    made = stage(tmp_path / "shop.duckdb")
    SCENES["completed"](made)
    SCENES["continued"](made)
    made.hub.close()
    return tmp_path / "shop.duckdb"


def test_an_instance_of_a_file_is_explored_with_code_that_is_given(path: Path) -> None:
    content = path.read_bytes()
    with df.open_history(path) as file:
        view = file.handle("chain").explore(chain)
        assert at(view) == (4, 4)
        assert "Completed" in text_of(view, "head")
        assert "changed" not in text_of(view, "head")
        assert '( "reserve" , "charge" , "ship" )' in " ".join(text_of(view, "body").split())
        tell(view, "set", name="step", value="2")
        assert [row.split()[1] for row in rows(view, "dnb-hit")] == ["TaskScheduled", "TaskCompleted"]
        tell(view, "event", id="4")
        tell(view, "try", id="without")
        assert "1 change" in text_of(view, "banner")
        tell(view, "run")
        assert "no longer fits" in view.note
        tell(view, "undo")
        tell(view, "event", id="4")
        tell(view, "try", id="until")
        tell(view, "run")
        assert "only read" in view.note
        assert "chain" in view.still()["text/html"]
        view.close()
    assert path.read_bytes() == content


def test_without_code_it_shows_the_text_that_the_file_has_and_does_not_run_it(path: Path) -> None:
    with df.open_history(path) as file:
        view = file.handle("chain").explore()
        assert view.step is None
        assert "A file has no functions" in text_of(view, "head")
        assert "Define 'chain' as it was" in text_of(view, "head")
        assert 'for name in ("reserve", "charge", "ship")' in text_of(view, "head")
        view.close()
        with pytest.raises(df.FunctionNotFoundError, match="A file has no functions"):
            file.handle("chain").replay()


def test_of_other_code_it_shows_what_has_changed_since(path: Path) -> None:
    def shorter(context):
        return (yield context.call_activity("reserve", context.get_input()))

    with df.open_history(path) as file:
        view = file.handle("chain").explore(shorter)
        assert view.step.verdict == "mismatch"
        assert re.search(r"The code has changed .* does not fit", text_of(view, "head"))
        assert "+def shorter(context):" in text_of(view, "head")
        replay = file.handle("chain").replay(shorter)
        assert not replay.fits
        assert "for name in" in (replay.began_with or "")
        view.close()


def test_any_execution_of_a_file_can_be_shown(path: Path) -> None:
    def eternal(context):
        yield context.call_activity("poll", context.get_input())

    with df.open_history(path) as file:
        handle = file.handle("eternal")
        view = handle.explore(eternal, execution=2)
        assert round_of(view) == "1"
        assert len(executions_in(view)) == 5
        assert handle.replay(eternal, execution=3).trace.events[0].input == "2"  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match="numbered from 1 to 5"):
            handle.explore(eternal, execution=7)
        view.close()


def test_of_what_was_purged_nothing_can_be_shown(tmp_path: Path) -> None:
    made = stage(tmp_path / "shop.duckdb")
    handle = SCENES["completed"](made)
    with df.open_history(tmp_path / "shop.duckdb") as file:
        seen = file.handle("chain")
        handle.purge()
        made.hub._engine.committer.drain()
        with pytest.raises(df.InstanceNotFoundError):
            seen.explore(chain)
        with pytest.raises(df.InstanceNotFoundError):
            seen.replay(chain)
    made.hub.close()


# -- one that is held ----------------------------------------------------------------------------


def test_the_head_of_a_held_one_says_so_and_where_and_why(tmp_path: Path) -> None:
    made, handle = STUCK["held"](tmp_path / "held.duckdb")
    before = fingerprint(made.hub)
    view = handle.explore()
    head = text_of(view, "head")
    assert "Held" in head
    assert "Running" not in head
    assert f"The code at line {view.step.line} no longer fits its history" in head
    assert "recorded is TaskScheduled 'reserve' #0 (event 3), requested is TaskScheduled 'ship' #0" in head
    assert "It resumes when code that fits is registered." in head
    assert "1 episode" in head
    assert fingerprint(made.hub) == before


def test_a_held_one_whose_input_differs_says_how_in_every_view(tmp_path: Path) -> None:
    path = tmp_path / "input.duckdb"

    def ask(context, what: str = "sum"):
        yield context.call_activity("compute", f"{'a long way to say: ' * 20}{what} for leo{'.' * 200}")
        yield context.wait_for_external_event("Go")

    def opened(code: Any) -> df.TaskHub:
        hub = df.TaskHub(path, mode="kernel", clock=df.VirtualClock())
        hub.add_activity(lambda text: text, "compute")
        hub.add_orchestrator(code, "ask")
        return hub

    with opened(ask) as hub:
        hub.start("ask", instance_id="one")
        drain(hub)
    with opened(lambda context: ask(context, "product")) as hub:
        drain(hub)
        handle = hub.handle("one")
        shown = [bundle_of(handle)["text/html"], handle.watch().waits.decode(), str(handle.replay())]
        for text in shown:
            assert "sum for leo" in text
            assert "product for leo" in text


def test_one_that_is_held_while_it_is_looked_at_says_so_and_that_it_is_mended(tmp_path: Path) -> None:
    made, handle = STUCK["held"](tmp_path / "held.duckdb")
    fits = handle.explore(chain)
    assert "Held" in text_of(fits, "head")
    assert fits.replay.fits
    made.orchestrator(chain)
    made.settle()
    fits.refresh()
    assert "Held" not in text_of(fits, "head")
    assert "Completed" in text_of(fits, "head")


def test_what_lacks_or_is_blocked_below_is_not_said_to_run(tmp_path: Path) -> None:
    _, handle = STUCK["with_held_child"](tmp_path / "family.duckdb")
    head = text_of(handle.explore(), "head")
    assert "Running" not in head
    _, handle = STUCK["without_activity"](tmp_path / "activity.duckdb")
    assert "Running" not in text_of(handle.explore(), "head")
