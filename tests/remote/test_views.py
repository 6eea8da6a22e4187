"""A remote hub has the same views as the hub itself, still and live."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import durablenb as df
from durablenb.hub.remote_hub import RemoteHub
from durablenb.notebook.live.widget import LiveView
from tests.notebook.reading import Page
from tests.notebook.scenes import SCENES, STUCK, stage
from tests.remote.conftest import Served, Wire, serve_still
from tests.waiting import until


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_unseen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []


@contextmanager
def scene(name: str) -> Iterator[tuple[df.TaskHub, RemoteHub, str]]:
    """A hub with an instance in some state, the hub as it is seen from elsewhere, and the instance's id."""
    made = stage()
    instance_id = SCENES[name](made).id
    with serve_still(made.hub) as server, df.TaskHub.connect(server.url, "k") as remote:
        yield made.hub, remote, instance_id
    made.hub.close()


def drawn(view: LiveView) -> dict[str, bytes]:
    return {name: getattr(view, name) for name in view.REGIONS}


@pytest.mark.parametrize("name", SCENES)
def test_an_instance_is_drawn_as_where_it_is(name: str) -> None:
    with scene(name) as (hub, remote, instance_id):
        here, there = remote.handle(instance_id), hub.handle(instance_id)
        assert here._shown() == there._shown()
        assert here._repr_mimebundle_() == there._repr_mimebundle_()
        assert here.timeline().equals(there.timeline())
        assert list(here.graph().nodes(data=True)) == list(there.graph().nodes(data=True))
        assert str(here.sequence()) == str(there.sequence())


def test_the_page_of_a_remote_instance_has_the_same_history(tmp_path: Path) -> None:
    with scene("failed") as (hub, remote, instance_id):
        here, there = (one._journal.bundle(instance_id)._replace(blobs=()) for one in (remote, hub))
        assert here == there
        remote.handle(instance_id).save(tmp_path / "page.html")
        with df.open_history(tmp_path / "page.html") as file:
            assert list(file.history(instance_id)) == list(hub.handle(instance_id).history())


def _drawn(view: Any, tab: str) -> bytes:
    """A tab, without the id of the rows that the browser draws, which is each view's own."""
    return re.sub(rb'data-timeline="\w+"', b"", getattr(view, tab))


@pytest.mark.parametrize("name", ["running", "failed", "fanned", "queued"])
def test_a_live_view_is_drawn_as_where_it_is(name: str) -> None:
    with scene(name) as (hub, remote, instance_id):
        here, there = (one.handle(instance_id).watch(freeze=False) for one in (remote, hub))
        for tab in here.TABS:
            for view in (here, there):
                view.tab = tab
                view.refresh()
            if tab == "code":  # which is not replayed where it isn't
                assert "is where the hub is" in Page(here.code.decode()).text
                assert "def " in Page(here.code.decode()).text
            else:
                assert _drawn(here, tab) == _drawn(there, tab)
        assert (here.waits, here.label) == (there.waits, there.label)
        here.close()
        there.close()


def test_a_hub_and_an_entity_are_drawn_as_where_they_are() -> None:
    with scene("transferred") as (hub, remote, _):
        assert remote._shown().fleet == hub._shown().fleet
        assert list(remote.graph().nodes(data=True)) == list(hub.graph().nodes(data=True))
        assert list(remote.graph().edges(data=True)) == list(hub.graph().edges(data=True))
        entity, other = remote.entity("Account", "a"), hub.entity("Account", "a")
        assert entity._repr_mimebundle_() == other._repr_mimebundle_()
        live, lively = entity.watch(), other.watch()
        assert drawn(live) == drawn(lively)
        whole, wholly = remote.watch(), hub.watch()
        assert whole.list.instances == wholly.list.instances
        assert whole.df().equals(wholly.df())
        for view in (live, lively, whole, wholly):
            view.close()


@pytest.mark.parametrize("name", STUCK)
def test_what_is_stuck_says_so_elsewhere_too(name: str, tmp_path: Path) -> None:
    made, handle = STUCK[name](tmp_path / "stuck.duckdb")
    with serve_still(made.hub) as server, df.TaskHub.connect(server.url, "k") as remote:
        here = remote.handle(handle.id)
        assert here._shown() == handle._shown()
        with pytest.raises((df.NonDeterminismError, df.FunctionNotFoundError)) as error:
            here.result(20)
        assert str(error.value) == str(made.hub._engine.obstacle(handle.id, patience=10))
    made.hub.close()


def test_a_view_follows_to_the_end(fresh: Served) -> None:
    handle = fresh.remote.start("approval")
    view = handle.watch()
    until(lambda: view.refresh() and "Approval" in Page(view.waits.decode()).text)
    fresh.hub.client.raise_event(handle.id, "Approval", 1)
    until(lambda: view.refresh() and view.is_over())
    assert b"Completed" in view.head
    assert view.note == ""
    view.close()


def test_what_is_asked_for_in_a_view_is_done_at_the_server(fresh: Served) -> None:
    handle = fresh.remote.start("approval")
    view = handle.watch(freeze=False)
    view._on_message(view, {"do": "suspend", "fields": {}}, [])
    assert until(lambda: str(fresh.hub.handle(handle.id).status().runtime_status) == "Suspended")
    view._on_message(view, {"do": "resume", "fields": {}}, [])
    view._on_message(view, {"do": "open", "id": "nobody"}, [])
    assert view.note == "There is no instance 'nobody'."
    view.close()


def test_a_view_of_the_hub_hears_of_new_instances(fresh: Served) -> None:
    view = fresh.remote.watch()
    for number in range(3):
        fresh.hub.run("echo", number, instance_id=f"new-{number}")
    until(lambda: view.list.refresh() and view.list.label == "3 instances: 3 Completed")
    assert "new-2" in Page(view.list.instances.decode()).text
    view.close()


def test_a_view_says_that_nobody_answers_and_goes_on_when_somebody_does(
    fresh: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durablenb.journal.replica.history.PAUSE", 0.05)
    wire = Wire(fresh.server.port)
    fresh.server._uvicorn.config.loaded_app._policy = _also(fresh, wire.port)
    with df.TaskHub.connect(f"http://127.0.0.1:{wire.port}", key=fresh.server.key) as remote:
        view = remote.start("approval", instance_id="a").watch()
        whole = remote.watch()
        until(lambda: view.refresh() and "Approval" in Page(view.waits.decode()).text)
        wire.cut()
        until(lambda: view.refresh() and "hasn't answered since" in view.note)
        until(lambda: whole.list.refresh() and "hasn't answered since" in whole.list.note)
        fresh.hub.client.raise_event("a", "Approval", 1)
        wire.mend()
        until(lambda: view.refresh() and view.is_over())
        assert view.note == ""
        until(lambda: whole.list.refresh() and whole.list.note == "")
        assert remote.handle("a").history() == fresh.hub.handle("a").history()
        whole.close()
    wire.close()


def test_a_view_that_was_not_drawn_for_long_does_not_wait_for_a_server_that_is_gone(
    fresh: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durablenb.journal.replica.history.PAUSE", 0.05)
    monkeypatch.setattr("durablenb.journal.replica.history.LINGER", 0.05)
    monkeypatch.setattr("durablenb.journal.replica.history.WAIT", 0.05)
    view = fresh.remote.start("approval", instance_id="a").watch()
    until(lambda: view.refresh() and "Approval" in Page(view.waits.decode()).text)
    copy = fresh.remote._journal.history("a")  # type: ignore[attr-defined]
    until(lambda: not copy.is_followed)
    fresh.server.close()
    asking: list[threading.Thread] = []
    refresh = copy.refresh

    def noted(wait: float = 0.0) -> None:
        asking.append(threading.current_thread())
        refresh(wait)

    monkeypatch.setattr(copy, "refresh", noted)
    until(lambda: view.refresh() and "hasn't answered since" in view.note)
    assert threading.current_thread() not in asking
    assert "Approval" in Page(view.waits.decode()).text


def test_the_lines_of_a_selected_call_stay_while_nobody_answers(
    fresh: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durablenb.journal.replica.history.PAUSE", 0.05)
    handle = fresh.remote.start("doubles", [8])
    handle.wait(20)
    view = handle.watch(freeze=False)
    view._on_message(view, {"do": "select", "key": "call 1 0"}, [])
    assert until(lambda: "doubling 8" in Page(view.detail.decode()).text)
    fresh.server.close()
    monkeypatch.setattr(view, "_log", ("", view._log[1]))
    view._is_stale = True
    view.refresh()
    assert "doubling 8" in Page(view.detail.decode()).text
    view.close()


def _also(fresh: Served, port: int) -> object:
    """The server's entrance, which may be asked by the wire's port."""
    return replace(fresh.server._uvicorn.config.loaded_app._policy, port=port)


def test_a_view_whose_server_wants_another_key_stays_as_it_was_and_says_so(fresh: Served) -> None:
    view = fresh.remote.start("approval").watch()
    port = fresh.server.port
    fresh.server.close()
    fresh.server = fresh.hub.serve(port=port)
    until(lambda: not view.refresh())
    assert "doesn't know the key" in view.note
    assert "Approval" in Page(view.waits.decode()).text


def test_a_view_whose_instance_is_purged_stays_as_it_was(fresh: Served) -> None:
    handle = fresh.remote.start("approval")
    view = handle.watch(freeze=False)
    view._on_message(view, {"do": "terminate", "fields": {}}, [])
    view._on_message(view, {"do": "purge", "fields": {}}, [])
    assert "was purged" in view.note


def test_an_explorer_goes_through_the_replays_with_code_of_this_process(served: Served) -> None:
    def doubles(context):
        values = context.get_input()
        return (yield context.task_all([context.call_activity("double", value) for value in values]))

    handle = served.remote.start("doubles", [1, 2])
    handle.wait(20)
    view = handle.explore(doubles)
    assert "Completed" in Page(view.head.decode()).text
    assert str(handle.replay(doubles)) == str(served.hub.handle(handle.id).replay(doubles))
    view.close()


def test_each_execution_of_an_orchestration_that_began_anew_is_replayed(served: Served) -> None:
    def countdown(context):
        left = context.get_input()
        yield context.call_activity("double", left)
        if left > 1:
            context.continue_as_new(left - 1)

    served.hub.add_orchestrator(countdown)
    handle = served.remote.start("countdown", 3)
    handle.wait(20)
    own = served.hub.handle(handle.id)
    for number in (1, 2, 3):
        told = handle.replay(countdown, execution=number)
        assert str(told) == str(own.replay(countdown, execution=number))
    assert str(handle.replay(countdown)) == str(handle.replay(countdown, execution=3))
    view = handle.explore(countdown, execution=2)
    assert "Continued" in Page(view.head.decode()).text
    view.close()
    with pytest.raises(ValueError, match="numbered from 1 to 3"):
        handle.replay(countdown, execution=4)


def test_what_was_imported_says_so_elsewhere_too(tmp_path: Path) -> None:
    made = stage()
    SCENES["waiting"](made)
    made.hub.export(None, tmp_path / "all.json")
    with df.TaskHub(":memory:") as hub:
        (own,) = hub.import_history(tmp_path / "all.json")
        with serve_still(hub) as server, df.TaskHub.connect(server.url, "k") as remote:
            there = remote.handle(own.id)
            assert there.status().imported_from == str(tmp_path / "all.json")
            assert there._repr_mimebundle_() == own._repr_mimebundle_()
    made.hub.close()
