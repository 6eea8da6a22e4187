"""What an orchestrator is seen to call while it runs, and should not, also where its source hides it."""

from __future__ import annotations

import linecache
import logging
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from inspect import CO_COROUTINE, iscoroutine
from types import BuiltinFunctionType, CellType, CodeType, FrameType, FunctionType, MethodType
from typing import NamedTuple
from weakref import WeakKeyDictionary

from durablenb.checks.calls import directly, instead_of, shown
from durablenb.checks.catalogue import DATA, code_of
from durablenb.checks.checking import Ends, advice, place_of, read
from durablenb.checks.listening import Call
from durablenb.checks.live import body_of, function_of, is_activity, path_of, user_function
from durablenb.checks.silence import silences

if sys.version_info >= (3, 12):
    from durablenb.checks.monitoring import Monitor as Ear
else:
    from durablenb.checks.profiling import Profile as Ear

log = logging.getLogger("durablenb")

Warn = Callable[[str, str], None]
"""Takes a warning for the log of the instance, and one to be shown; that is empty if a check has shown it."""

_NAMED = (type, BuiltinFunctionType, FunctionType, MethodType)
_MANY = 99
"""Arguments, where it isn't known how many there are."""


def monitor_calls(function: Callable[..., object], warn: Warn) -> AbstractContextManager[object]:
    """Return a context in which an orchestrator's calls are checked while it runs.

    Each line is reported once for each rule that it breaks.

    Parameters
    ----------
    function
        The orchestrator.
    warn
        Takes the warnings, where the orchestrator runs.
    """
    plain = user_function(function)
    return nullcontext() if plain is None else Ear(plain, partial(_hear, plain, warn))


def _hear(function: FunctionType, warn: Warn, call: Call) -> None:
    try:
        broken = _broken(call)
        if broken is not None:
            _tell(function, warn, [_spot(*place) for place in call.places], *broken)
    except Exception:  # the orchestrator goes on, whatever goes wrong here
        log.debug("A call of %s could not be looked at", function.__name__, exc_info=True)


def _broken(call: Call) -> tuple[str, str, str | None] | None:
    """The rule that a call breaks, what it does, and what to write instead if the rule doesn't say it."""
    called = call.called
    if is_activity(called):
        return "DNB208", *directly(getattr(called, "__name__", "it"))
    if os.environ is call.first or os.environ is getattr(called, "__self__", None):
        return DATA["os.environ"], "os.environ is read.", None
    path = path_of(called) if isinstance(called, _NAMED) else None
    code = None if path is None else code_of(path, _MANY if call.has_arguments else 0, call.first)
    if path is None or code is None:
        return None
    return code, f"{shown(path)} is called.", instead_of(code, path, has_coroutines=iscoroutine(call.first))


class _Spot(NamedTuple):
    """Where in the code a call stands: its first line, and its last one with the column where it ends."""

    code: CodeType
    names: dict[str, object]
    line: int
    end: tuple[int, int]


def _spot(frame: FrameType, offset: int) -> _Spot:
    line, last, _, column = list(frame.f_code.co_positions())[offset // 2]
    line = line or frame.f_lineno
    return _Spot(frame.f_code, frame.f_globals, line, (last or line, column or 0))


class _Reading(NamedTuple):
    """What the source of a function says: the rules that are broken, by line, and where that does no harm."""

    found: set[tuple[str, int]]
    spared: Ends


_readings: WeakKeyDictionary[FunctionType, _Reading] = WeakKeyDictionary()
_seen: set[tuple[CodeType, int, str]] = set()
"""The lines that were told of, or need not be, with the rules that they break."""


def _tell(
    function: FunctionType, warn: Warn, spots: list[_Spot], code: str, text: str, instead: str | None
) -> None:
    spot, *inner = spots
    key = function.__code__, spot.line, code
    if key in _seen:
        return
    _seen.add(key)
    if _is_harmless(function, spot, code) or any(_is_harmless(_made(one), one, code) for one in inner):
        return
    for one in inner:
        text = f"In {one.code.co_name}(), line {one.line}: {text}"
    chosen = advice(code, instead, is_async=bool(function.__code__.co_flags & CO_COROUTINE))
    words = f"line {spot.line}: {code} {text} {chosen}"
    is_known = (code, spot.line) in _read(function).found
    warn(words, "" if is_known else f"A run found 1 thing in {_named(function)}.\n  {words}")


def _is_harmless(function: FunctionType, spot: _Spot, code: str) -> bool:
    """Whether a comment says so, or the value is only printed."""
    lines = range(spot.line, spot.end[0] + 1)
    if any(silences(linecache.getline(spot.code.co_filename, one), code) for one in lines):
        return True
    return code[3] == "1" and spot.end in _read(function).spared


def _made(spot: _Spot) -> FunctionType:
    """A function with the code of a place, to look up its source."""
    return FunctionType(spot.code, spot.names, closure=tuple(CellType() for _ in spot.code.co_freevars))


def _read(function: FunctionType) -> _Reading:
    reading = _readings.get(function)
    if reading is None:
        body = body_of(function)
        found, spared = ([], set()) if body is None else read(body, "")
        reading = _readings[function] = _Reading({(one.code, one.line) for one in found}, spared)
    return reading


def _named(function: FunctionType) -> str:
    """The orchestrator's name, and its file if it is in one."""
    found = function_of(function)
    assert found is not None
    body = found.load()
    place = found.called if body is None else place_of(found, body)
    return found.called if place == found.called else f"{found.called} ({place})"
