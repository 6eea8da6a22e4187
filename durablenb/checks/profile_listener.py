"""Observes calls with a profile function, for Python before 3.12.

A profile function slows all code that runs meanwhile. So only the first episodes are observed, and only if no
other profiler is active; and each call is observed once.
"""

from __future__ import annotations

import logging
import sys
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, Self

from durablenb.checks.call_listener import FOREIGN_PATHS, CallListener, ObservedCall, OnCall

log = logging.getLogger("durablenb")

EPISODES = 100
"""The number of episodes of a function that are observed."""

CALLS = 100_000
"""The number of calls of an episode, made by any code, after which observing ends: hundredths of a second."""

DEPTH = 100
"""The depth of calls at which observing ends, lest the profile function meet Python's recursion limit."""


class ProfileListener(CallListener):
    """Observes calls with a profile function."""

    __slots__ = ("_depth", "_is_on", "_left")

    def __init__(self, function: FunctionType, on_call: OnCall) -> None:
        super().__init__(function, on_call)
        self._is_on = False
        self._left = CALLS
        self._depth = 0

    def __enter__(self) -> Self:
        self._is_on = self.codes.episodes < EPISODES and sys.getprofile() is None
        if self._is_on:
            self.codes.count_episode()
            sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_on:
            sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, called: Any) -> None:
        if event == "return":
            self._depth -= 1
        caller = frame if event == "c_call" else frame.f_back if event == "call" else None
        if caller is None:
            return
        self._left -= 1
        self._depth += event == "call"
        if not self._left or self._depth > DEPTH:
            sys.setprofile(None)
            return
        place = id(caller.f_code), caller.f_lasti
        if place in self.codes.observed:
            return
        try:
            self._on_event(frame, caller, called)
        except Exception:  # an error here must not stop the orchestrator
            log.debug("A call could not be checked", exc_info=True)

    def _on_event(self, frame: FrameType, caller: FrameType, called: Any) -> None:
        places = self.call_places(caller, caller.f_lasti)
        if not places:
            return
        self.codes.observed.add((id(caller.f_code), caller.f_lasti))
        if frame is not caller:
            called = _frame_function(frame)
        if called is not None:
            self.pass_on(ObservedCall(called, None, True, places))


def _frame_function(frame: FrameType) -> object:
    """Return the function or method that a frame runs, if a module or the caller has a name for it."""
    code = frame.f_code
    if code.co_filename.startswith(FOREIGN_PATHS[-1]):
        return None
    function: Any = sys.modules.get(str(frame.f_globals.get("__name__")))
    for name in code.co_qualname.split("."):
        function = vars(function).get(name) if hasattr(function, "__dict__") else None
    if getattr(function, "__code__", None) is not code:
        return _callers_function(frame.f_back, code)
    is_method = "." in code.co_qualname and code.co_argcount > 0
    return MethodType(function, frame.f_locals[code.co_varnames[0]]) if is_method else function


def _callers_function(caller: FrameType | None, code: CodeType) -> object:
    """Return the function with a code, if its caller has a name for it."""
    if caller is None:
        return None
    values = (*caller.f_locals.values(), *caller.f_globals.values())
    return next((value for value in values if type(value) is FunctionType and value.__code__ is code), None)
