"""The stop button while the last reference to an object goes: the interrupt isn't lost.

Python gives an interrupt to the Python code that runs next. If that is the callback of a weak reference, the
interrupt is reported as "Exception ignored in ...", and the cell goes on.
"""

from __future__ import annotations

import _thread
import operator
import threading
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import durablenb as df


@pytest.fixture
def hub(tmp_path: Path) -> df.TaskHub:
    hub = df.TaskHub(tmp_path / "hub.duckdb")

    @hub.activity
    def make(kind: str) -> object:
        return np.zeros(100_000) if kind == "array" else pd.DataFrame({"number": range(100_000)})

    @hub.orchestrator
    def made(context: df.DurableOrchestrationContext) -> Any:
        return (yield context.call_activity(make, context.get_input()))

    return hub


def last_reference(*, to: object) -> list[object]:
    return [to]


def interrupt_and_call(function: Callable[[], object]) -> None:
    """Without Python code between the two, as when the button is pressed while C code runs."""
    deque(map(operator.call, (_thread.interrupt_main, function)), 0)
    pytest.fail("the interrupt is lost")


def read_only(hub: df.TaskHub) -> Any:
    hub.close()
    assert hub.path is not None
    return df.open_history(hub.path)


OBJECTS: dict[str, Callable[[df.TaskHub], object]] = {
    "a query": lambda hub: hub.sql("select 1"),
    "a connection": lambda hub: hub.connection(),
    "a query of a file": lambda hub: read_only(hub).sql("select 1"),
    "a file": read_only,
    "an array": lambda hub: hub.run("made", "array"),
    "a frame": lambda hub: hub.run("made", "frame"),
    "a handle": lambda hub: hub.start("made", "array"),
    "handles": lambda hub: hub.map("made", ["array", "frame"]),
}


@pytest.mark.parametrize("make", OBJECTS.values(), ids=OBJECTS.keys())
def test_an_interrupt_while_an_object_is_let_go_of_arrives(
    hub: df.TaskHub, make: Callable[[df.TaskHub], object]
) -> None:
    with hub:
        held = last_reference(to=make(hub))
        with pytest.raises(KeyboardInterrupt):
            interrupt_and_call(held.clear)
        assert not held


def test_the_main_thread_lets_go_of_no_thread_whose_connection_it_closes(hub: df.TaskHub) -> None:
    """Otherwise a callback of `threading` would run in it, and lose an interrupt."""
    connections = hub._store._connections
    with hub:
        thread = threading.Thread(target=hub._store.last_seq)
        thread.start()
        thread.join()
        ended = weakref.ref(thread)
        del thread
        connections._readers.pop(threading.current_thread(), None)
        connections.reader()
        assert ended() not in connections._readers
        assert ended() is not None
        hub.run("made", "array")  # the thread that writes lets go of it
        hub.connection().close()  # once the tables have what it wrote
        assert ended() is None
