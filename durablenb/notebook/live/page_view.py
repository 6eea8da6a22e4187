"""The live views of a hub's web page: a channel to the page replaces a notebook's comm."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from ipywidgets import Layout

from durablenb.hub.hub import Hub
from durablenb.model.entities import EntityId
from durablenb.notebook.live.entity import LiveEntity
from durablenb.notebook.live.explorer import LiveExplorer
from durablenb.notebook.live.hub import HubList
from durablenb.notebook.live.instance import LiveInstance
from durablenb.notebook.live.widget import LiveView, Selection

SETTABLE = frozenset({"tab"})
"""Traits that a page may set directly; everything else takes a message."""

_SHARED = ("regions", "tabs", "absent", "tab", "help", "label", "note", "marked", "place", "shares")
_MESSAGES = 100
_STEP = re.compile(r"[0-9]{1,9}/[0-9]{1,9}/[0-9]{1,9}")

Tell = Callable[[], None]


class PageChannel:
    """A comm for ipywidgets that buffers what it is sent until the server collects it.

    Only the latest value of each trait is kept, so a slow reader skips steps and nothing piles up.

    Parameters
    ----------
    tell
        Called on any thread when there is something to collect.
    """

    def __init__(self, tell: Tell) -> None:
        self.comm_id = uuid4().hex
        self._tell = tell
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {}
        self._messages: deque[Any] = deque(maxlen=_MESSAGES)
        self._hears: Callable[[Any], None] | None = None

    def on_msg(self, hears: Callable[[Any], None]) -> None:
        """Set the callback for messages from the page."""
        self._hears = hears

    def send(self, data: Mapping[str, Any], buffers: Sequence[Any] = (), **_: Any) -> None:
        """Buffer changed state, or a message."""
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
        """Stop listening to the page."""
        self._hears = None

    def hear(self, data: Mapping[str, Any]) -> None:
        """Pass a message from the page to the view."""
        if self._hears is not None:
            self._hears({"content": {"data": data}, "buffers": []})

    def collect(self) -> tuple[dict[str, Any], list[Any]]:
        """Return the state changed and the messages sent since the last call."""
        with self._lock:
            changes = self._state, list(self._messages)
            self._state = {}
            self._messages.clear()
        return changes


class PageView:
    """A live view in a web page.

    Parameters
    ----------
    make
        Creates the view, given keyword arguments of a widget.
    tell
        Called on any thread when there is something new.
    """

    def __init__(self, make: Callable[..., LiveView], tell: Tell) -> None:
        self._channel = PageChannel(tell)
        self._layout = Layout(
            comm=PageChannel(lambda: None)
        )  # each widget has one; nothing of it is to be seen
        try:
            self.view = make(comm=self._channel, layout=self._layout)
        except BaseException:
            self._layout.close()
            raise

    def state(self) -> dict[str, Any]:
        """Return the complete state of the view."""
        self._channel.collect()
        return _as_json({name: getattr(self.view, name) for name in (*_SHARED, *self.view.REGIONS)})

    def news(self) -> dict[str, Any]:
        """Return the changes since the last call; empty if there are none."""
        state, messages = self._channel.collect()
        return _as_json(state) | {"messages": messages} if state or messages else {}

    def hear(self, data: Any) -> None:
        """Accept a message of the page in the comm protocol; ignore what a page may not send."""
        if not isinstance(data, dict):
            return
        if data.get("method") == "custom":
            self._channel.hear({"method": "custom", "content": data.get("content")})
        elif data.get("method") == "update" and isinstance(data.get("state"), dict):
            state = {name: value for name, value in data["state"].items() if name in SETTABLE}
            if all(value in self.view.TABS for value in state.values()):
                self._channel.hear({"method": "update", "state": state})

    def close(self) -> None:
        """Stop drawing the view."""
        self.view.close()
        self._layout.close()


def _as_json(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state as JSON, with regions as text."""
    html = {name: value for name, value in state.items() if isinstance(value, (bytes, bytearray, memoryview))}
    return {
        "state": {name: value for name, value in state.items() if name not in html},
        "html": {name: bytes(value).decode() for name, value in html.items()},
    }


class _Unshared(LiveView):
    """A view that shares its selection with no other page and no notebook."""

    def _selection_for(self, instance: Any) -> Selection:
        return Selection()


class PageInstance(_Unshared, LiveInstance):
    """The view of an instance on the page."""


class PageExplorer(_Unshared, LiveExplorer):
    """The explorer of an instance on the page: its address has the current step.

    At the end of the newest execution the address has no step, so that whoever opens it sees the end as well.
    A copy has no address: it is gone with its page.
    """

    def draw(self, is_stale: bool) -> Mapping[str, str]:
        """Return the HTML of the regions that have changed."""
        drawn = super().draw(is_stale)
        model = self._model
        if model.position is not None and model.what_if is not None and not model.what_if.is_copy:
            where = [model.number, model.position.chosen, model.position.number]
            is_end = model.is_newest and model.position.is_last
            self.place = "/".join([f"instances/{self._handle.id}/replay", *map(str, () if is_end else where)])
        return drawn


def view_at(hub: Hub, address: str, tell: Tell) -> PageView:
    """Return the live view at an address, as `durablenb.notebook.page.HubPage.view` describes."""
    match address.split("/"):
        case [""]:
            return PageView(partial(HubList, hub), tell)
        case ["instances", instance_id]:
            return PageView(partial(PageInstance, hub.handle(instance_id), freeze=False), tell)
        case ["instances", instance_id, "replay"]:
            return PageView(partial(PageExplorer, hub.handle(instance_id), place=address), tell)
        case ["instances", instance_id, "replay", *numbers] if _STEP.fullmatch("/".join(numbers)):
            execution, replay, step = map(int, numbers)
            make = partial(PageExplorer, hub.handle(instance_id), execution=execution, place=address)
            view = PageView(make, tell)
            for content in ({"do": "replay", "id": replay}, {"do": "set", "name": "step", "value": step}):
                view.hear({"method": "custom", "content": content})
            return view
        case ["entities", name, *key]:
            entity = hub.entity(EntityId.get_entity_id(f"@{name}@{'/'.join(key)}"))
            return PageView(partial(LiveEntity, entity), tell)
    raise ValueError(f"There is no page {address!r}.")
