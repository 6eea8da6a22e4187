"""The system clock, and a virtual clock that is moved by hand or jumps when nothing else can happen."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from durablenb.model.display import Card, Displayed


class SystemClock(Displayed):
    """The machine's clock, in UTC."""

    stopwatch = staticmethod(time.perf_counter)
    jumps = False

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)

    def seconds_until(self, moment: datetime) -> float | None:
        """Return how long to sleep before the next reading."""
        return max(0.0, (moment - self.now()).total_seconds())

    def jump_to(self, moment: datetime) -> bool:
        """Do nothing, and return False: this clock can't be moved."""
        return False

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Do nothing: this clock is never moved."""

    def new_id(self) -> str:
        """Return a random id of 32 hexadecimal digits, as Azure does."""
        return uuid.uuid4().hex

    def _shown(self) -> Card:
        return Card(repr(self), "System clock", (("time", "the machine's, UTC"),))

    def __repr__(self) -> str:
        return "SystemClock()"


class VirtualClock(Displayed):
    """A clock for tests and lessons: 72 hours pass in milliseconds, and every run is the same.

    Parameters
    ----------
    start
        The time at which it begins; aware, or naive for UTC.
    autojump
        Whether it moves to the next deadline by itself while a result is awaited and nothing else can happen.
    seed
        The seed of the series of instance ids.

    Examples
    --------
    >>> clock = VirtualClock()
    >>> clock.now().isoformat()
    '2026-01-01T00:00:00+00:00'
    >>> clock.advance(hours=72)
    >>> clock.now().isoformat()
    '2026-01-04T00:00:00+00:00'

    Notes
    -----
    The idea is that of trio's ``MockClock``.
    """

    def __init__(
        self,
        start: datetime = datetime(2026, 1, 1, tzinfo=UTC),
        *,
        autojump: bool = True,
        seed: int = 0,
    ) -> None:
        self._now = start if start.tzinfo else start.replace(tzinfo=UTC)
        self._autojump = autojump
        self._ids = Random(seed)
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """Return the time."""
        return self._now

    def advance(self, duration: timedelta | None = None, /, **parts: float) -> None:
        """Move the clock.

        Parameters
        ----------
        duration
            How far. A negative duration moves it back, as when a clock is set.
        **parts
            Or what `datetime.timedelta` takes: ``hours=72``, ``seconds=1.5``.

        Raises
        ------
        TypeError
            If it isn't a duration.
        """
        length = duration_from(duration, parts)
        with self._lock:
            self._now += length
        for listener in self._listeners:
            listener()

    def seconds_until(self, moment: datetime) -> float | None:
        """Return zero if it is that time, else None: sleeping doesn't move this clock."""
        return 0.0 if moment <= self._now else None

    @property
    def stopwatch(self) -> Callable[[], float]:
        """Returns this clock's seconds; in another process, the machine's."""
        return _Stopwatch(self)

    @property
    def jumps(self) -> bool:
        """True if it jumps by itself."""
        return self._autojump

    def jump_to(self, moment: datetime) -> bool:
        """Move to that time if it jumps by itself; return True if it does."""
        if not self._autojump:
            return False
        with self._lock:
            self._now = max(self._now, moment)
        return True

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call this whenever `advance` has moved the clock."""
        self._listeners.append(listener)

    def new_id(self) -> str:
        """Return the next id of a fixed series, 32 hexadecimal digits."""
        return f"{self._ids.getrandbits(128):032x}"

    def _shown(self) -> Card:
        jumps = "by itself, to the next deadline" if self._autojump else "by hand"
        return Card(repr(self), "Virtual clock", (("time", self._now.isoformat()), ("moved", jumps)))

    def __repr__(self) -> str:
        return f"VirtualClock({self._now.isoformat()})"


def duration_from(duration: timedelta | None, parts: Mapping[str, float]) -> timedelta:
    """Return a duration given as a `timedelta` or by its parts.

    Raises
    ------
    TypeError
        If it is given as neither, or as both.
    """
    if duration is None:
        return timedelta(**parts)
    if isinstance(duration, timedelta) and not parts:
        return duration
    given = "a timedelta and its parts" if parts else f"{duration!r}"
    raise TypeError(
        f"advance() got {given}. Expected a timedelta, advance(timedelta(days=3)), or its parts, "
        "advance(days=3)."
    )


class _Stopwatch:
    """The seconds of a virtual clock; pickled, it becomes the machine's stopwatch."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def __call__(self) -> float:
        return VirtualClock.now(self._clock).timestamp()

    def __reduce__(self) -> str | tuple[Any, ...]:
        return getattr, (time, "perf_counter")
