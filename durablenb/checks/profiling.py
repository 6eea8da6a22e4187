"""Calls heard by a profile function, which Python has before 3.12, too.

It slows all that runs meanwhile. So a code is listened to in its first episodes, if nobody else profiles, and
each call is heard the first time that it is made.
"""

from __future__ import annotations

import logging
import sys
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, Self

from durablenb.checks.listening import FOREIGN, Call, Hear, Listener

log = logging.getLogger("durablenb")

EPISODES = 100
"""So many of a code are listened to."""

CALLS = 100_000
"""So many of an episode, whoever makes them: some hundredths of a second."""

DEPTH = 100
"""How deep calls may be in one another: close to Python's own limit it would be this one that meets it."""


class Profile(Listener):
    """Listens by a profile function."""

    __slots__ = ("_depth", "_is_on", "_left")

    def __init__(self, function: FunctionType, hear: Hear) -> None:
        super().__init__(function, hear)
        self._is_on = False
        self._left = CALLS
        self._depth = 0

    def __enter__(self) -> Self:
        self._is_on = self.codes.episodes < EPISODES and sys.getprofile() is None
        if self._is_on:
            self.codes.episodes += 1
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
        if place in self.codes.heard:
            return
        try:
            self._heard(frame, caller, called)
        except Exception:  # the orchestrator goes on, whatever goes wrong here
            log.debug("A call could not be looked at", exc_info=True)

    def _heard(self, frame: FrameType, caller: FrameType, called: Any) -> None:
        places = self.places_of(caller, caller.f_lasti)
        if not places:
            return
        self.codes.heard.add((id(caller.f_code), caller.f_lasti))
        if frame is not caller:
            called = _function_in(frame)
        if called is not None:
            self.hear(Call(called, None, True, places))


def _function_in(frame: FrameType) -> object:
    """The function, or method, that a frame is of, if a module has it."""
    code = frame.f_code
    if code.co_filename.startswith(FOREIGN[-1]):
        return None
    found: Any = sys.modules.get(str(frame.f_globals.get("__name__")))
    for name in code.co_qualname.split("."):
        found = vars(found).get(name) if hasattr(found, "__dict__") else None
    if getattr(found, "__code__", None) is not code:
        return _seen_from(frame.f_back, code)
    is_method = "." in code.co_qualname and code.co_argcount > 0
    return MethodType(found, frame.f_locals[code.co_varnames[0]]) if is_method else found


def _seen_from(caller: FrameType | None, code: CodeType) -> object:
    """The function that a frame is of, if its caller has a name for it."""
    if caller is None:
        return None
    names = (*caller.f_locals.values(), *caller.f_globals.values())
    return next((one for one in names if type(one) is FunctionType and one.__code__ is code), None)
