"""Calls heard by `sys.monitoring`: it costs nothing but in the code that is listened to, and there little.

A call is heard the first time that an orchestration makes it, and then no more.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from types import CodeType, FunctionType, MethodType
from typing import Any, Self

from durablenb.checks.listening import Call, Listener
from durablenb.checks.live import is_activity, user_function

assert sys.version_info >= (3, 12)

log = logging.getLogger("durablenb")

_monitoring = sys.monitoring
_NAME = "durablenb"
_TOOLS = (3, 4)
"""Those that Python gives no meaning to."""


class Monitor(Listener):
    """Listens by `sys.monitoring`."""

    __slots__ = ("_before",)

    def __enter__(self) -> Self:
        if not self.codes.episodes:
            self.codes.episodes = 1
            for code in self.codes.all:
                _tap(code)
        self._before: Monitor | None = getattr(_here, "monitor", None)
        _here.monitor = self
        return self

    def __exit__(self, *_: object) -> None:
        _here.monitor = self._before

    def heard(self, offset: int, called: Any, first: object) -> object:
        """Take a call; the answer is what becomes of its place."""
        places = self.places_of(sys._getframe(2), offset)
        if not places:
            return None  # it is of a function that an orchestrator called, too
        has_arguments = first is not _monitoring.MISSING
        is_helper = len(places) == 1 and not is_activity(called)
        helper = user_function(called) if is_helper else None
        if helper is not None:
            _tap(helper.__code__)
            return _monitoring.DISABLE
        if type(called) is FunctionType and "." in called.__qualname__ and has_arguments:
            called = MethodType(called, first)  # a method is called so
        self.hear(Call(called, first, has_arguments, places))
        return _monitoring.DISABLE

    def read(self) -> None:
        """Take it that an item of `os.environ` is read, which is no call."""
        frame = sys._getframe(2).f_back
        places = () if frame is None else self.places_of(frame, frame.f_lasti)
        if places:
            self.hear(Call(os.environ.__getitem__, None, True, places))


_here = threading.local()
_tool: int | None = None


def _tap(code: CodeType) -> None:
    tool = _tool if _tool is not None else _taken()
    if tool is not None and _monitoring.get_tool(tool) == _NAME:
        _monitoring.set_local_events(tool, code, _monitoring.events.CALL)


def _taken() -> int | None:
    """A tool's number for this library, if there is one left."""
    global _tool
    for one in _TOOLS:
        if _monitoring.get_tool(one) is None:
            _monitoring.use_tool_id(one, _NAME)
            _monitoring.register_callback(one, _monitoring.events.CALL, _called)
            _monitoring.register_callback(one, _monitoring.events.PY_START, _read)
            item: Any = type(os.environ).__getitem__
            _monitoring.set_local_events(one, item.__code__, _monitoring.events.PY_START)
            _tool = one
            break
    return _tool


def _called(code: CodeType, offset: int, called: object, first: object) -> object:
    monitor: Monitor | None = getattr(_here, "monitor", None)
    if monitor is None:
        return None
    try:
        return monitor.heard(offset, called, first)
    except Exception:  # the orchestrator goes on, whatever goes wrong here
        log.debug("A call could not be looked at", exc_info=True)
        return _monitoring.DISABLE


def _read(code: CodeType, offset: int) -> None:
    monitor: Monitor | None = getattr(_here, "monitor", None)
    if monitor is not None:
        monitor.read()
