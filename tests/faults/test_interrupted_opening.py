"""The stop button while a hub is opened or let go of: it is open or it is not, never in between."""

from __future__ import annotations

import _thread
from pathlib import Path
from typing import Any

import pytest

import durablenb as df
from durablenb.engine.interrupts import uninterrupted
from durablenb.hub import task_hub as hubs


def press_stop() -> None:
    _thread.interrupt_main()


def run_once(hub: df.TaskHub) -> object:
    hub.add_orchestrator(lambda context: "fine", "fine")
    return hub.run("fine")


def test_an_interrupt_waits_for_the_end_of_the_work() -> None:
    done = []

    def do_all() -> None:
        press_stop()
        press_stop()
        done.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        uninterrupted(do_all)
    assert done == ["all of it"]


def test_an_error_in_the_work_is_the_interrupts_cause() -> None:
    def fail() -> None:
        press_stop()
        raise OSError("the disk is full")

    with pytest.raises(KeyboardInterrupt) as interrupt:
        uninterrupted(fail)
    assert isinstance(interrupt.value.__cause__, OSError)


def test_without_an_interrupt_an_error_is_as_it_was() -> None:
    def fail() -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        uninterrupted(fail)


@pytest.mark.parametrize("mode", ["threads", "kernel"])
def test_the_cell_that_was_interrupted_while_it_opened_the_hub_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Any
) -> None:
    opened = hubs.DuckStore

    def slow(path: Path) -> object:
        press_stop()
        return opened(path)

    monkeypatch.setattr(hubs, "DuckStore", slow)
    with pytest.raises(KeyboardInterrupt):
        df.TaskHub(tmp_path / "hub.duckdb", mode=mode)
    with df.TaskHub(tmp_path / "hub.duckdb", mode=mode) as hub:
        assert run_once(hub) == "fine"


@pytest.mark.parametrize("mode", ["threads", "kernel"])
def test_a_close_that_was_interrupted_lets_go_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Any
) -> None:
    hub = df.TaskHub(tmp_path / "hub.duckdb", mode=mode)
    close = hub._store.close

    def slow() -> None:
        press_stop()
        close()

    monkeypatch.setattr(hub._store, "close", slow)
    with pytest.raises(KeyboardInterrupt):
        hub.close()
    assert "closed" in repr(hub)
    with df.TaskHub(tmp_path / "hub.duckdb", mode=mode) as again:
        assert again is not hub
        assert run_once(again) == "fine"
