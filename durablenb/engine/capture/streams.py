"""Patches of `sys` and `logging` that capture what user code prints, and displays.

The streams stay the objects that they are. Only their methods that write are patched, and these look whose
code writes: output of other code than activities and orchestrators goes where it always went. So capture also
reaches a `logging` handler that was given its stream long ago, and `sys` holds nothing that other libraries
could replace.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import weakref
from collections.abc import Callable
from contextvars import Token
from functools import cache
from types import new_class
from typing import Any

from durablenb.core.ports.output import OutputOwner, current_owner
from durablenb.engine.capture import displays, figures
from durablenb.engine.capture.output import MUTED, capturing_for
from durablenb.engine.capture.patches import ModulePatches

Method = Callable[..., Any]

_ABSENT = object()

_lock = threading.RLock()
_users = 0
_patches: list[tuple[weakref.ref[Any], str, Any, Any]] = []
"""The patched object, the attribute's name, its value before, and the one put there."""
_streams: tuple[Any, Any] = (None, None)
"""`sys.stdout` and `sys.stderr` as they were when last patched."""
_modules = ModulePatches(
    {
        "IPython.core.displaypub": displays.patch_publishers,
        "ipykernel.zmqshell": displays.patch_publishers,
        "IPython.core.display_functions": displays.patch_functions,
        "matplotlib._pylab_helpers": figures.patch_list,
        "matplotlib.pyplot": figures.patch_show,
    }
)


def install() -> None:
    """Patch the streams and `logging`, until `remove` is called as often."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _patch(logging.Logger, "callHandlers", _capturing_call_handlers(logging.Logger.callHandlers))
            _patch(sys, "unraisablehook", _showing_interrupts(sys.unraisablehook))
            _follow_streams()
            _modules.install()


def remove() -> None:
    """Undo the patches, unless another hub needs them."""
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            _modules.remove()
            _undo_patches()


def forget() -> None:
    """Undo all patches: those of a forked child are its parent's."""
    global _users, _lock
    _users, _lock = 0, threading.RLock()
    _modules.remove()
    _undo_patches()


def enter(owner: OutputOwner) -> Token[OutputOwner | None]:
    """Capture for this owner until `current_owner` is reset; patch the streams if they were replaced."""
    if _users and (sys.stdout is not _streams[0] or sys.stderr is not _streams[1]):
        _follow_streams()
    return current_owner.set(owner)


# -- patches ------------------------------------------------------------------------------------------


def _follow_streams() -> None:
    global _streams
    with _lock:
        _patches[:] = [patch for patch in _patches if patch[0]() is not None]
        streams = sys.stdout, sys.stderr
        are_lasting = True
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            with contextlib.suppress(Exception):  # a stream of another make, which can't be patched
                are_lasting = _patch_stream(name, stream) and are_lasting
        _streams = streams if are_lasting else (None, None)


def _patch_stream(name: str, stream: Any) -> bool:
    """Patch a stream unless it is patched; return True if the patch won't be undone."""
    is_lasting = True
    if not _is_patched(stream, "__class__"):
        try:
            kind: Any = type(stream)
            _patch(stream, "__class__", _capturing_class(kind, name))
        except TypeError:  # a class written in C, which a stream can't change
            is_lasting = "IPython" not in sys.modules  # at the end of a cell it restores what it found
            if not _is_patched(stream, "write"):
                _patch(stream, "write", _capturing_write(name, stream.write))
                _patch(stream, "flush", _capturing_flush(stream.flush))
    buffer = getattr(stream, "buffer", None)
    if buffer is not None and not _is_patched(buffer, "write"):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        _patch(buffer, "write", _capturing_write(name, buffer.write, encoding))
    return is_lasting


def _patch(owner: Any, name: str, value: Any) -> None:
    patch = weakref.ref(owner), name, _attribute(owner, name), value
    setattr(owner, name, value)
    _patches.append(patch)


def _is_patched(owner: Any, name: str) -> bool:
    value = _attribute(owner, name)
    return any(value is put and reference() is owner for reference, _, _, put in _patches)


def _attribute(owner: Any, name: str) -> Any:
    return type(owner) if name == "__class__" else vars(owner).get(name, _ABSENT)


def _undo_patches() -> None:
    """Restore the attributes that still have the value put there."""
    global _streams
    _streams = None, None
    while _patches:
        reference, name, before, put = _patches.pop()
        owner = reference()
        if owner is None or _attribute(owner, name) is not put:
            continue
        if before is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


# -- what is put there --------------------------------------------------------------------------------


def _capturing_write(name: str, original: Method, encoding: str | None = None) -> Method:
    """Return a stream's `write`, or that of its buffer, which takes bytes of this encoding."""

    def write(data: Any, /) -> Any:
        owner = current_owner.get()
        if owner is None or isinstance(data, str) is not (encoding is None):
            return original(data)
        text: Any = data if encoding is None else bytes(data)
        output = owner.output
        if output is None:
            return len(text)
        if sys._getframe(1).f_code.co_name == "_showwarnmsg_impl":  # of the module `warnings`
            output.tell("WARNING", "py.warnings", text.rstrip("\n"))
        else:
            output.write(name, text, encoding or "utf-8")
        if output.is_shown:
            with capturing_for(None):
                return original(data)
        return len(text)

    return write


def _capturing_flush(original: Method) -> Method:
    """Return a stream's `flush`, which does nothing for captured output: that isn't in the stream."""

    def flush() -> Any:
        owner = current_owner.get()
        if owner is None:
            return original()
        output = owner.output
        if output is None or not output.is_shown:
            return None
        with capturing_for(None):
            return original()

    return flush


def _capturing_call_handlers(original: Method) -> Method:
    def callHandlers(logger: logging.Logger, record: logging.LogRecord) -> Any:
        owner = current_owner.get()
        if owner is None:
            return original(logger, record)
        output = owner.output
        if output is None:
            return None
        output.log(record)
        # The handlers get it as well; those that write to a stream would only repeat it.
        with capturing_for(None if output.is_shown else MUTED):
            return original(logger, record)

    return callHandlers


def _showing_interrupts(original: Method) -> Method:
    """Return a `sys.unraisablehook` that shows, and never captures, the message about a lost interrupt.

    Python can't raise an interrupt that comes in a finalizer or in the callback of a weak reference. The
    cell goes on, and only this message tells the user to press the stop button again.
    """

    def unraisablehook(unraisable: Any, /) -> Any:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            with capturing_for(None):
                return original(unraisable)
        return original(unraisable)

    return unraisablehook


class _CapturingMethod:
    """A stream's method that captures while user code runs.

    Other libraries replace methods of a stream as well: IPython does so for each cell. Code that isn't
    captured gets what they put there.
    """

    def __init__(self, kind: type[Any], name: str, capturing: Callable[[Method], Method]) -> None:
        self._kind = kind
        self._name = name
        self._capturing = capturing

    def __get__(self, stream: Any, kind: type[Any] | None = None) -> Any:
        if stream is None:
            return getattr(self._kind, self._name)
        original = vars(stream).get(self._name)
        if original is None:
            original = getattr(self._kind, self._name).__get__(stream)
        return original if current_owner.get() is None else self._capturing(original)

    def __set__(self, stream: Any, method: Method) -> None:
        vars(stream)[self._name] = method

    def __delete__(self, stream: Any) -> None:
        del vars(stream)[self._name]


@cache
def _capturing_class(kind: type[Any], name: str) -> type[Any]:
    """Return a subclass of `kind` whose streams capture; `name` is the stream's.

    Raises
    ------
    TypeError
        If there can be no such class.
    """
    methods = {
        "__doc__": kind.__doc__,
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "write": _CapturingMethod(kind, "write", lambda original: _capturing_write(name, original)),
        "flush": _CapturingMethod(kind, "flush", _capturing_flush),
    }
    return new_class(kind.__name__, (kind,), exec_body=lambda body: body.update(methods))
