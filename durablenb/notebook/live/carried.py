"""A live view that a web page carries: a wire takes the place of the comm that a notebook has."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from ipywidgets import Layout

from durablenb.notebook.live.widget import LiveView

SETTABLE = frozenset({"tab"})
"""What a page may set by itself; all else it asks for by a message."""

_SHARED = ("regions", "tabs", "tab", "label", "note", "marked", "place")
_MESSAGES = 100

Tell = Callable[[], None]


class Wire:
    """A comm, as ipywidgets has it, that keeps what it is sent until somebody takes it.

    Of a state only the last one is kept: who takes seldom misses steps, and nothing piles up.

    Parameters
    ----------
    tell
        Called on any thread when there is something to take.
    """

    def __init__(self, tell: Tell) -> None:
        self.comm_id = uuid4().hex
        self._tell = tell
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {}
        self._messages: deque[Any] = deque(maxlen=_MESSAGES)
        self._hears: Callable[[Any], None] | None = None

    def on_msg(self, hears: Callable[[Any], None]) -> None:
        """Let this hear what the page says."""
        self._hears = hears

    def send(self, data: Mapping[str, Any], buffers: Sequence[Any] = (), **_: Any) -> None:
        """Keep a part of the state, or a message."""
        with self._lock:
            if data["method"] == "custom":
                self._messages.append(data["content"])
            else:
                self._state.update(data["state"])
                self._state.update(
                    (path[0], part) for path, part in zip(data["buffer_paths"], buffers or (), strict=True)
                )
        self._tell()

    def close(self, **_: Any) -> None:
        """Hear nothing more."""
        self._hears = None

    def hear(self, data: Mapping[str, Any]) -> None:
        """Say to the view what the page said."""
        if self._hears is not None:
            self._hears({"content": {"data": data}, "buffers": []})

    def taken(self) -> tuple[dict[str, Any], list[Any]]:
        """Return the state that has changed, and the messages, since the last time."""
        with self._lock:
            found = self._state, list(self._messages)
            self._state = {}
            self._messages.clear()
        return found


class Carried:
    """A live view in a page.

    Parameters
    ----------
    make
        Makes the view; it takes what a widget takes.
    tell
        Called on any thread when there is news.
    """

    def __init__(self, make: Callable[..., LiveView], tell: Tell) -> None:
        self._wire = Wire(tell)
        self._layout = Layout(comm=Wire(lambda: None))  # each widget has one; nothing of it is to be seen
        self.view = make(comm=self._wire, layout=self._layout)

    def state(self) -> dict[str, Any]:
        """Return all that a page has to know of the view."""
        self._wire.taken()
        return _told({name: getattr(self.view, name) for name in (*_SHARED, *self.view.REGIONS)})

    def news(self) -> dict[str, Any]:
        """Return what is new since the last time; empty if nothing is."""
        state, messages = self._wire.taken()
        return _told(state) | {"messages": messages} if state or messages else {}

    def hear(self, data: Any) -> None:
        """Take what the page says, in the words of a comm; what it may not say is not heard."""
        if not isinstance(data, dict):
            return
        if data.get("method") == "custom":
            self._wire.hear({"method": "custom", "content": data.get("content")})
        elif data.get("method") == "update" and isinstance(data.get("state"), dict):
            state = {name: value for name, value in data["state"].items() if name in SETTABLE}
            if all(value in self.view.TABS for value in state.values()):
                self._wire.hear({"method": "update", "state": state})

    def close(self) -> None:
        """Draw it no more."""
        self.view.close()
        self._layout.close()


def _told(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state as JSON has it; regions are text."""
    html = {name: value for name, value in state.items() if isinstance(value, (bytes, bytearray, memoryview))}
    return {
        "state": {name: value for name, value in state.items() if name not in html},
        "html": {name: bytes(value).decode() for name, value in html.items()},
    }
