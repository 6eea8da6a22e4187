"""Base of the listeners that observe a function's calls while it runs, one level deep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import NamedTuple, Self
from weakref import WeakKeyDictionary

from durablenb.checks.live_scope import LIBRARIES, is_activity, user_function

FOREIGN_PATHS = (*LIBRARIES, str(Path(__file__).parents[1]))
"""Prefixes of the paths of code that isn't the user's."""


class ObservedCall(NamedTuple):
    """A call that was observed.

    Parameters
    ----------
    called
        The called object.
    first
        The first argument.
    has_arguments
        True if there are arguments, or if that is unknown.
    places
        The frame of the observed function, and the offset of the instruction in it; if a helper of the
        function made the call, then the same for the helper.
    """

    called: object
    first: object
    has_arguments: bool
    places: tuple[tuple[FrameType, int], ...]


OnCall = Callable[[ObservedCall], None]


class FunctionCode:
    """The code of a function and of the functions inside it, with a record of what was observed."""

    __slots__ = ("activities", "all", "episodes", "ids", "observed")

    def __init__(self, function: FunctionType) -> None:
        self.all = [function.__code__]
        for code in self.all:  # grows while it is read
            self.all += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
        self.ids = frozenset(map(id, self.all))
        self.episodes = 0
        """The number of episodes that were observed."""
        self.observed: set[tuple[int, int]] = set()
        """Observed calls: the code's identity, and the offset in it."""
        self.activities: set[CodeType] = set()
        """Activities that the function calls directly; calls inside them are not reported."""

    def count_episode(self) -> None:
        """Count an episode that is observed."""
        self.episodes += 1


_codes: WeakKeyDictionary[FunctionType, FunctionCode] = WeakKeyDictionary()


class CallListener:
    """A context in which a function's calls in this thread are observed.

    Parameters
    ----------
    function
        The function.
    on_call
        Receives the calls.
    """

    __slots__ = ("_on_call", "codes")

    def __init__(self, function: FunctionType, on_call: OnCall) -> None:
        codes = _codes.get(function)
        if codes is None:
            codes = _codes[function] = FunctionCode(function)
        self.codes = codes
        self._on_call = on_call

    def pass_on(self, call: ObservedCall) -> None:
        """Pass a call to the receiver."""
        if is_activity(call.called):
            plain = user_function(call.called)
            if plain is not None:
                self.codes.activities.add(plain.__code__)
        self._on_call(call)

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def call_places(self, frame: FrameType | None, offset: int) -> tuple[tuple[FrameType, int], ...]:
        """Return the places of a call, as in `ObservedCall`, or none if the call isn't the function's."""
        if frame is None:
            return ()
        if id(frame.f_code) in self.codes.ids:
            return ((frame, offset),)
        outer = frame.f_back
        if outer is None or id(outer.f_code) not in self.codes.ids:
            return ()
        if frame.f_code in self.codes.activities:
            return ()
        if frame.f_code.co_filename.startswith(FOREIGN_PATHS):
            return ()
        return ((outer, outer.f_lasti), (frame, offset))
