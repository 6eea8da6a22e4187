"""What some code calls, heard where it runs: the calls in it, and in functions that it calls itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import NamedTuple, Self
from weakref import WeakKeyDictionary

from durablenb.checks.live import LIBRARIES, is_activity, user_function

FOREIGN = (*LIBRARIES, str(Path(__file__).parents[1]))
"""Code of these files is none of the user's."""


class Call(NamedTuple):
    """A call that was heard.

    Parameters
    ----------
    called
        What is called.
    first
        Its first argument.
    has_arguments
        Whether it gets any; taken to be so where that isn't known.
    places
        Where: the frame of the code that is listened to and the place in it; and behind that those of a
        function that it called, if it is there.
    """

    called: object
    first: object
    has_arguments: bool
    places: tuple[tuple[FrameType, int], ...]


Hear = Callable[[Call], None]


class Codes:
    """The code of a function, with that of the functions inside it."""

    __slots__ = ("activities", "all", "episodes", "heard", "ids")

    def __init__(self, function: FunctionType) -> None:
        self.all = [function.__code__]
        for one in self.all:
            self.all += [inner for inner in one.co_consts if isinstance(inner, CodeType)]
        self.ids = frozenset(map(id, self.all))
        self.episodes = 0
        """How often it was listened to."""
        self.heard: set[tuple[int, int]] = set()
        """Places whose calls were heard: the code's identity, and where in it."""
        self.activities: set[CodeType] = set()
        """Activities that were called here: that they are is told of, and what they do is their affair."""


_codes: WeakKeyDictionary[FunctionType, Codes] = WeakKeyDictionary()


class Listener:
    """While it is entered, the calls of a function's code are heard in this thread.

    Parameters
    ----------
    function
        The function.
    hear
        Takes the calls.
    """

    __slots__ = ("_hear", "codes")

    def __init__(self, function: FunctionType, hear: Hear) -> None:
        codes = _codes.get(function)
        if codes is None:
            codes = _codes[function] = Codes(function)
        self.codes = codes
        self._hear = hear

    def hear(self, call: Call) -> None:
        """Hand on a call."""
        if is_activity(call.called):
            plain = user_function(call.called)
            if plain is not None:
                self.codes.activities.add(plain.__code__)
        self._hear(call)

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def places_of(self, frame: FrameType | None, offset: int) -> tuple[tuple[FrameType, int], ...]:
        """The places of a call, as `Call` has them; none if it is somebody else's."""
        if frame is None:
            return ()
        if id(frame.f_code) in self.codes.ids:
            return ((frame, offset),)
        outer = frame.f_back
        if outer is None or id(outer.f_code) not in self.codes.ids:
            return ()
        if frame.f_code in self.codes.activities:
            return ()
        if frame.f_code.co_filename.startswith(FOREIGN):
            return ()
        return ((outer, outer.f_lasti), (frame, offset))
