"""Checks an orchestrator's calls while it runs, which finds calls that its source hides."""

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

from durablenb.checks.call_listener import ObservedCall
from durablenb.checks.calls import call_text, direct_call_texts, special_advice
from durablenb.checks.checker import Ends, advice_for, display_path, read
from durablenb.checks.forbidden_calls import DATA, rule_for_call
from durablenb.checks.live_scope import (
    full_name,
    function_body,
    is_activity,
    user_function,
    user_function_value,
)
from durablenb.checks.rules import silences

if sys.version_info >= (3, 12):
    from durablenb.checks.monitoring_listener import MonitoringListener as Listener
else:
    from durablenb.checks.profile_listener import ProfileListener as Listener

log = logging.getLogger("durablenb")

Warn = Callable[[str, str], None]
"""Receives a warning for the instance's log, and one to display, empty if a check has displayed it."""

_NAMED = (type, BuiltinFunctionType, FunctionType, MethodType)
_SOME = 99
"""A number of arguments, where only their existence is known."""


def monitor_calls(function: Callable[..., object], warn: Warn) -> AbstractContextManager[object]:
    """Return a context in which an orchestrator's calls are checked while it runs.

    Each line is reported once for each rule that it breaks.

    Parameters
    ----------
    function
        The orchestrator.
    warn
        Receives the warnings, in the orchestrator's thread.
    """
    plain = user_function(function)
    return nullcontext() if plain is None else Listener(plain, partial(_check, plain, warn))


def _check(function: FunctionType, warn: Warn, call: ObservedCall) -> None:
    try:
        problem = _problem(call, has_loop=bool(function.__code__.co_flags & CO_COROUTINE))
        if problem is not None:
            _report(function, warn, [_call_site(*place) for place in call.places], *problem)
    except Exception:  # an error here must not stop the orchestrator
        log.debug("A call of %s could not be checked", function.__name__, exc_info=True)


def _problem(call: ObservedCall, *, has_loop: bool) -> tuple[str, str, str | None] | None:
    """Return the rule that a call breaks, the message, and advice if it isn't the rule's own; or None."""
    called = call.called
    if is_activity(called):
        return "DNB208", *direct_call_texts(getattr(called, "__name__", "it"))
    if os.environ is call.first or os.environ is getattr(called, "__self__", None):
        return DATA["os.environ"], "os.environ is read.", None
    path = full_name(called) if isinstance(called, _NAMED) else None
    count = _SOME if call.has_arguments else 0
    code = None if path is None else rule_for_call(path, count, call.first, has_loop=has_loop)
    if path is None or code is None:
        return None
    return (
        code,
        f"{call_text(path)} is called.",
        special_advice(code, path, has_coroutines=iscoroutine(call.first)),
    )


class _CallSite(NamedTuple):
    """The position of a call in a code: its first line, and its last line with the end column."""

    code: CodeType
    names: dict[str, object]
    line: int
    end: tuple[int, int]


def _call_site(frame: FrameType, offset: int) -> _CallSite:
    line, last, _, column = list(frame.f_code.co_positions())[offset // 2]
    line = line or frame.f_lineno
    return _CallSite(frame.f_code, frame.f_globals, line, (last or line, column or 0))


class _SourceCheck(NamedTuple):
    """The result of checking a function's source: codes and lines of findings, and harmless expressions."""

    findings: set[tuple[str, int]]
    spared: Ends


_source_checks: WeakKeyDictionary[FunctionType, _SourceCheck] = WeakKeyDictionary()
_reported: set[tuple[CodeType, int, str]] = set()
"""Lines that were reported or are harmless, with the rules that they break."""


def _report(
    function: FunctionType, warn: Warn, sites: list[_CallSite], code: str, text: str, instead: str | None
) -> None:
    site, *inner_sites = sites
    key = function.__code__, site.line, code
    if key in _reported:
        return
    _reported.add(key)
    if _is_harmless(function, site, code):
        return
    for inner in inner_sites:
        if _is_harmless(_function_at(inner), inner, code):
            return
        text = f"In {inner.code.co_name}(), line {inner.line}: {text}"
    advice = advice_for(code, instead, is_async=bool(function.__code__.co_flags & CO_COROUTINE))
    message = f"line {site.line}: {code} {text} {advice}"
    is_known = (code, site.line) in _source_check(function).findings
    warn(message, "" if is_known else f"A run found 1 problem in {_display_name(function)}.\n  {message}")


def _is_harmless(function: FunctionType, site: _CallSite, code: str) -> bool:
    """Tell whether a comment silences the code, or the call's value is only printed."""
    lines = range(site.line, site.end[0] + 1)
    if any(silences(linecache.getline(site.code.co_filename, line), code) for line in lines):
        return True
    return code[3] == "1" and site.end in _source_check(function).spared


def _function_at(site: _CallSite) -> FunctionType:
    """Return a function with the code of a call site, for finding its source."""
    return FunctionType(site.code, site.names, closure=tuple(CellType() for _ in site.code.co_freevars))


def _source_check(function: FunctionType) -> _SourceCheck:
    result = _source_checks.get(function)
    if result is None:
        body = function_body(function)
        findings, spared = ([], set()) if body is None else read(body, "")
        codes = {(finding.code, finding.line) for finding in findings}
        result = _source_checks[function] = _SourceCheck(codes, spared)
    return result


def _display_name(function: FunctionType) -> str:
    """Return the orchestrator's name, with its file if it is in one."""
    value = user_function_value(function)
    assert value is not None
    body = value.load()
    path = value.called if body is None else display_path(value, body)
    return value.called if path == value.called else f"{value.called} ({path})"
