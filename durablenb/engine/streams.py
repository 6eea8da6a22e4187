"""What stands in the place of a stream's methods while it is tapped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from types import new_class
from typing import Any

from durablenb.engine.transcript import current, speaking

Method = Callable[..., Any]


def writer(name: str, original: Method, encoding: str | None = None) -> Method:
    """A stream's `write`, or that of its buffer, which takes bytes of this encoding."""

    def write(data: Any, /) -> Any:
        speaker = current.get()
        if speaker is None or isinstance(data, str) is not (encoding is None):
            return original(data)
        said: Any = data if encoding is None else bytes(data)
        output = speaker.output
        if output is None:
            return len(said)
        if sys._getframe(1).f_code.co_name == "_showwarnmsg_impl":  # of the module warnings
            output.tell("WARNING", "py.warnings", said.rstrip("\n"))
        else:
            output.write(name, said, encoding or "utf-8")
        if output.is_shown:
            with speaking(None):
                return original(data)
        return len(said)

    return write


def flusher(original: Method) -> Method:
    """A stream's `flush`: what goes to a log doesn't wait in the stream."""

    def flush() -> Any:
        speaker = current.get()
        if speaker is None:
            return original()
        output = speaker.output
        if output is None or not output.is_shown:
            return None
        with speaking(None):
            return original()

    return flush


class _Method:
    """A stream's method, which is another one for those who speak.

    Others replace methods of a stream for a while, too: IPython does, for each cell. What they put there and
    take away again is what those get who don't speak.
    """

    def __init__(self, kind: type[Any], name: str, replaced: Callable[[Method], Method]) -> None:
        self._kind = kind
        self._name = name
        self._replaced = replaced

    def __get__(self, stream: Any, kind: type[Any] | None = None) -> Any:
        if stream is None:
            return getattr(self._kind, self._name)
        original = vars(stream).get(self._name)
        if original is None:
            original = getattr(self._kind, self._name).__get__(stream)
        return original if current.get() is None else self._replaced(original)

    def __set__(self, stream: Any, method: Method) -> None:
        vars(stream)[self._name] = method

    def __delete__(self, stream: Any) -> None:
        del vars(stream)[self._name]


@cache
def tapped_kind(kind: type[Any], name: str) -> type[Any]:
    """A class whose streams are those of `kind`, tapped; `name` is that of the stream.

    Raises
    ------
    TypeError
        If there can be no such class.
    """
    methods = {
        "__doc__": kind.__doc__,
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "write": _Method(kind, "write", lambda original: writer(name, original)),
        "flush": _Method(kind, "flush", flusher),
    }
    return new_class(kind.__name__, (kind,), exec_body=lambda body: body.update(methods))
