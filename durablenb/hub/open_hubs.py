"""Registry of the hubs that are open in this process, and the process-wide settings that they share."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from durablenb.engine.capture import streams
from durablenb.model.errors import StoreError

if TYPE_CHECKING:
    from durablenb.hub.task_hub import TaskHub

log = logging.getLogger("durablenb")

SWITCH_SECONDS = 0.0005
"""`sys.setswitchinterval` while a hub is open, so that an activity in pure Python doesn't delay commits."""


_hubs: list[TaskHub] = []
_usual_seconds = 0.0


def all_open() -> list[TaskHub]:
    """Return the open hubs, the one that was opened or touched last at the end."""
    return list(_hubs)


def find(path: Path | None) -> TaskHub | None:
    """Return the hub that has this file open; None for a hub in memory."""
    return next((hub for hub in all_open() if path is not None and hub.path == path), None)


def add(hub: TaskHub) -> None:
    """Add an open hub. The first one changes the settings of the process."""
    global _usual_seconds
    if not _hubs:
        _usual_seconds = sys.getswitchinterval()
        sys.setswitchinterval(min(SWITCH_SECONDS, _usual_seconds))
        streams.install()
    _hubs.append(hub)


def touch(hub: TaskHub) -> None:
    """Move an open hub to the end."""
    _hubs.remove(hub)
    _hubs.append(hub)


def remove(hub: TaskHub) -> None:
    """Remove a closed hub, and restore the settings after the last one; doing it twice changes nothing."""
    if hub in _hubs:
        _hubs.remove(hub)
        if not _hubs:
            sys.setswitchinterval(_usual_seconds)
            streams.remove()


def _close_all() -> None:
    """Close all hubs at the end of the process, without waiting for running activities: they run again."""
    for hub in all_open():
        try:
            hub._close(wait=False)
        except StoreError as error:
            log.warning("%s", error)


def _forget_all() -> None:
    """Forget all hubs in a forked child, since they are the parent's."""
    if _hubs:
        sys.setswitchinterval(_usual_seconds)
        streams.forget()
    _hubs.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
