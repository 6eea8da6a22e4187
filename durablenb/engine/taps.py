"""Taps on `sys.stdout`, `sys.stderr` and `logging`: what the user's code prints goes to its own log.

The streams stay the objects that they are. Only what writes is tapped, on each of them, and it asks whose
code it is that writes: what is neither an activity nor an orchestrator goes where it always went. So what a
handler of `logging` writes to a stream that it was given long ago is met, too, and nothing stands in `sys`
that somebody else could replace.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import weakref
from collections.abc import Callable
from contextvars import Token
from typing import Any

from durablenb.engine.streams import flusher, tapped_kind, writer
from durablenb.engine.transcript import SILENCE, Speaker, current, speaking

_ABSENT = object()

_turn = threading.RLock()
_users = 0
_placed: list[tuple[weakref.ref[Any], str, Any, Any]] = []
"""Of what a part was replaced, its name, what stood there before, and what was put there."""
_streams: tuple[Any, Any] = (None, None)
"""What `sys.stdout` and `sys.stderr` were when they were last tapped."""


def install() -> None:
    """Taps the streams and `logging`, until `remove` was called as often."""
    global _users
    with _turn:
        _users += 1
        if _users == 1:
            _place(logging.Logger, "callHandlers", _calling(logging.Logger.callHandlers))
            _follow()


def remove() -> None:
    """Takes the taps away, if nobody needs them any more."""
    global _users
    with _turn:
        _users -= 1
        if _users == 0:
            _clear()


def forget() -> None:
    """Takes all taps away: those of a forked child are its parent's."""
    global _users, _turn
    _users, _turn = 0, threading.RLock()
    _clear()


def enter(speaker: Speaker) -> Token[Speaker | None]:
    """From here on it is this one's code that runs, until `current` is reset; new streams are tapped."""
    if _users and (sys.stdout is not _streams[0] or sys.stderr is not _streams[1]):
        _follow()
    return current.set(speaker)


def _follow() -> None:
    global _streams
    with _turn:
        _placed[:] = [placed for placed in _placed if placed[0]() is not None]
        streams = sys.stdout, sys.stderr
        are_firm = True
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            with contextlib.suppress(Exception):  # a stream of another make, which can't be tapped
                are_firm = _tap(name, stream) and are_firm
        _streams = streams if are_firm else (None, None)


def _tap(name: str, stream: Any) -> bool:
    """Taps a stream, if it isn't; answers whether it will stay so."""
    is_firm = True
    if not _is_in_place(stream, "__class__"):
        try:
            kind: Any = type(stream)
            _place(stream, "__class__", tapped_kind(kind, name))
        except TypeError:  # a class of C's, which a stream can't leave
            is_firm = "IPython" not in sys.modules  # at a cell's end it puts back what it found
            if not _is_in_place(stream, "write"):
                _place(stream, "write", writer(name, stream.write))
                _place(stream, "flush", flusher(stream.flush))
    buffer = getattr(stream, "buffer", None)
    if buffer is not None and not _is_in_place(buffer, "write"):
        _place(buffer, "write", writer(name, buffer.write, getattr(stream, "encoding", None) or "utf-8"))
    return is_firm


def _place(owner: Any, name: str, put: Any) -> None:
    placed = weakref.ref(owner), name, _part(owner, name), put
    setattr(owner, name, put)
    _placed.append(placed)


def _is_in_place(owner: Any, name: str) -> bool:
    part = _part(owner, name)
    return any(part is put and where() is owner for where, _, _, put in _placed)


def _part(owner: Any, name: str) -> Any:
    return type(owner) if name == "__class__" else vars(owner).get(name, _ABSENT)


def _clear() -> None:
    """Puts back what was there; where somebody else has put something since, that stays."""
    global _streams
    _streams = None, None
    while _placed:
        where, name, before, put = _placed.pop()
        owner = where()
        if owner is None or _part(owner, name) is not put:
            continue
        if before is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def _calling(original: Callable[..., Any]) -> Callable[..., Any]:
    def callHandlers(logger: logging.Logger, record: logging.LogRecord) -> Any:
        speaker = current.get()
        if speaker is None:
            return original(logger, record)
        output = speaker.output
        if output is None:
            return None
        output.log(record)
        # The handlers get it, too; those that write to a stream would only say the same once more.
        with speaking(None if output.is_shown else SILENCE):
            return original(logger, record)

    return callHandlers
