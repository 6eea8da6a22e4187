"""The one thread that draws all live views, up to ten times a second each, and no more often than it can."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from statistics import median
from typing import Protocol
from weakref import WeakKeyDictionary

log = logging.getLogger("durablenb")

INTERVAL = 0.1
"""Seconds between two drawings of a view, at the least."""

SHARE = 0.15
"""Of its time that a view may take for drawing: one that takes long is drawn less often."""

RECENT = 5
"""Drawings of a view whose median counts: one that took long, because much was new, delays nothing."""


class Drawn(Protocol):
    """A view that can be drawn again."""

    def refresh(self) -> bool:
        """Draw what is new; answers whether there is anything to come."""
        ...

    def look_again(self) -> None:
        """Draw what is new, for the last time."""
        ...


class Beat:
    """Draws views until they have nothing more to show; the thread ends with the last one.

    Notes
    -----
    The garbage collector closes a view that nobody holds, on whichever thread allocates something, even one
    that holds the lock. So `drop` takes no lock.
    """

    def __init__(self) -> None:
        self._due: dict[Drawn, float] = {}
        self._dropped: deque[Drawn] = deque()
        self._took: WeakKeyDictionary[Drawn, deque[float]] = WeakKeyDictionary()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, view: Drawn) -> None:
        """Draws this one, too."""
        made: threading.Thread | None = None
        with self._lock:
            self._let_go()
            self._due[view] = 0.0
            if self._thread is None:
                made = threading.Thread(target=self._run, name="durablenb-views", daemon=True)
                self._thread = made
        if made is not None:
            self._begin(made)

    def _begin(self, made: threading.Thread) -> None:
        try:
            made.start()  # without the lock: much happens until it has begun
        except BaseException:
            self._thread = None  # the next view tries again
            raise

    def drop(self, view: Drawn) -> None:
        """Leaves this one as it is; from any thread, and from a finalizer, too."""
        if view in self._due:
            self._dropped.append(view)

    def __contains__(self, view: object) -> bool:
        """Whether it draws this one."""
        with self._lock:
            self._let_go()
            return view in self._due

    def __len__(self) -> int:
        """How many it draws."""
        with self._lock:
            self._let_go()
            return len(self._due)

    def _let_go(self) -> None:
        while self._dropped:
            self._due.pop(self._dropped.popleft(), None)

    def look_again(self) -> None:
        """Draws all views now: a hub is about to be closed, and nothing will be seen of it after that."""
        with self._lock:
            self._let_go()
            views = list(self._due)
        for view in views:
            try:
                view.look_again()
            except Exception:  # a picture that can't be drawn is no reason to keep a hub open
                log.debug("a live view could not be drawn", exc_info=True)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._let_go()
                if not self._due:
                    self._thread = None
                    return
                view, due = min(self._due.items(), key=lambda item: item[1])
            begin = time.monotonic()
            if due > begin:
                time.sleep(min(due - begin, INTERVAL))
                continue
            worked = time.thread_time()
            try:
                goes_on = view.refresh()
            except Exception:  # a picture that can't be drawn is no reason to stop the others
                log.exception("a live view could not be drawn")
                goes_on = False
            took = self._took.setdefault(view, deque(maxlen=RECENT))
            took.append(time.thread_time() - worked)  # not the time in which others worked
            with self._lock:
                if not goes_on:
                    self._due.pop(view, None)
                elif view in self._due:
                    self._due[view] = begin + max(INTERVAL, median(took) / SHARE)


beat = Beat()
"""The thread of this process."""
