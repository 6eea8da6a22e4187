"""The hubs that are open in this process, and what is so as long as there is one."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from pathlib import Path
from typing import Protocol

from durablenb.engine import taps
from durablenb.model.errors import StoreError

log = logging.getLogger("durablenb")

SWITCH_SECONDS = 0.0005
"""`sys.setswitchinterval` while a hub is open: an activity busy in pure Python holds up no commit."""


class Hub(Protocol):
    """A hub, as far as it matters here."""

    @property
    def path(self) -> Path | None:
        """Its file; None in memory."""
        ...

    def _close(self, *, wait: bool) -> None: ...


_hubs: list[Hub] = []
_usual_seconds = 0.0


def hubs() -> list[Hub]:
    """Return the hubs that are open; the one that was asked for last is the last one."""
    return list(_hubs)


def hub_of(path: Path | None) -> Hub | None:
    """Return the hub that has this file open; a hub in memory is found by nobody."""
    return next((hub for hub in hubs() if path is not None and hub.path == path), None)


def opened(hub: Hub) -> None:
    """Note that a hub is open."""
    global _usual_seconds
    if not _hubs:
        _usual_seconds = sys.getswitchinterval()
        sys.setswitchinterval(min(SWITCH_SECONDS, _usual_seconds))
        taps.install()
    _hubs.append(hub)


def asked(hub: Hub) -> None:
    """Note that an open hub was asked for once more."""
    _hubs.remove(hub)
    _hubs.append(hub)


def closed(hub: Hub) -> None:
    """Note that a hub was closed; twice does nothing."""
    if hub in _hubs:
        _hubs.remove(hub)
        if not _hubs:
            sys.setswitchinterval(_usual_seconds)
            taps.remove()


def _close_all() -> None:
    """At the end of the process: what runs is not waited for, and goes on when the file is opened again."""
    for hub in hubs():
        try:
            hub._close(wait=False)
        except StoreError as error:
            log.warning("%s", error)


def _forget_all() -> None:
    """In a forked child: the hubs are the parent's."""
    if _hubs:
        sys.setswitchinterval(_usual_seconds)
        taps.forget()
    _hubs.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
