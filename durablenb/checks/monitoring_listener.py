"""Observes calls with `sys.monitoring`, which costs little in observed code and nothing elsewhere.

Each call in the code is observed once, when an orchestration first makes it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from types import CodeType, FunctionType, MethodType
from typing import Any, Self

from durablenb.checks.call_listener import CallListener, ObservedCall
from durablenb.checks.live_scope import is_activity, user_function

assert sys.version_info >= (3, 12)

log = logging.getLogger("durablenb")

_monitoring = sys.monitoring
_NAME = "durablenb"
_TOOLS = (3, 4)
"""The tool numbers that Python reserves for no purpose."""


class MonitoringListener(CallListener):
    """Observes calls with `sys.monitoring`."""

    __slots__ = ("_before",)

    def __enter__(self) -> Self:
        if not self.codes.episodes:
            self.codes.count_episode()
            for code in self.codes.all:
                _observe(code)
        self._before: MonitoringListener | None = getattr(_current, "listener", None)
        _current.listener = self
        return self

    def __exit__(self, *_: object) -> None:
        _current.listener = self._before

    def on_event(self, offset: int, called: Any, first: object) -> object:
        """Handle a call event; return DISABLE if the instruction needn't be observed again."""
        places = self.call_places(sys._getframe(2), offset)
        if not places:
            return None  # made by another caller of a helper
        has_arguments = first is not _monitoring.MISSING
        is_helper = len(places) == 1 and not is_activity(called)
        helper = user_function(called) if is_helper else None
        if helper is not None:
            _observe(helper.__code__)
            return _monitoring.DISABLE
        if type(called) is FunctionType and "." in called.__qualname__ and has_arguments:
            called = MethodType(called, first)  # the event has a method's function and its self
        self.pass_on(ObservedCall(called, first, has_arguments, places))
        return _monitoring.DISABLE

    def on_environ_read(self) -> None:
        """Handle the reading of an item of `os.environ`, which is no call in the user's code."""
        frame = sys._getframe(2).f_back
        places = () if frame is None else self.call_places(frame, frame.f_lasti)
        if places:
            self.pass_on(ObservedCall(os.environ.__getitem__, None, True, places))


_current = threading.local()
_tool: int | None = None


def _observe(code: CodeType) -> None:
    tool = _tool if _tool is not None else _acquire_tool()
    if tool is not None and _monitoring.get_tool(tool) == _NAME:
        _monitoring.set_local_events(tool, code, _monitoring.events.CALL)


def _acquire_tool() -> int | None:
    """Reserve a free tool number for durablenb and return it, or None if there is none."""
    global _tool
    for tool in _TOOLS:
        if _monitoring.get_tool(tool) is None:
            _monitoring.use_tool_id(tool, _NAME)
            _monitoring.register_callback(tool, _monitoring.events.CALL, _on_call)
            _monitoring.register_callback(tool, _monitoring.events.PY_START, _on_environ_read)
            item: Any = type(os.environ).__getitem__
            _monitoring.set_local_events(tool, item.__code__, _monitoring.events.PY_START)
            _tool = tool
            break
    return _tool


def _on_call(code: CodeType, offset: int, called: object, first: object) -> object:
    listener: MonitoringListener | None = getattr(_current, "listener", None)
    if listener is None:
        return None
    try:
        return listener.on_event(offset, called, first)
    except Exception:  # an error here must not stop the orchestrator
        log.debug("A call could not be checked", exc_info=True)
        return _monitoring.DISABLE


def _on_environ_read(code: CodeType, offset: int) -> None:
    listener: MonitoringListener | None = getattr(_current, "listener", None)
    if listener is not None:
        listener.on_environ_read()
