"""The thread that redraws all live views, up to ten times a second each, slow ones less often."""

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
"""Minimum seconds between two refreshes of a view."""

SHARE = 0.07
"""Share of a core to spend on one view: a slow view is refreshed less often."""

LONGEST = 1.0
"""Maximum seconds between two refreshes of a view, however slow it is."""

RECENT = 5
"""Recent refreshes whose median counts, so that a single slow one delays nothing."""


class Refreshable(Protocol):
    """A view that can be redrawn."""

    def refresh_if_free(self) -> bool:
        """Draw what is new, unless the view is at work; return whether there may be more to come."""
        ...

    def refresh_finally(self) -> None:
        """Draw what is new, for the last time."""
        ...


class RefreshLoop:
    """Refreshes views until they are final; its thread ends with the last one.

    Notes
    -----
    The garbage collector closes an unreferenced view on whichever thread allocates something, even a thread
    that holds the lock. So `drop` takes no lock.
    """

    def __init__(self) -> None:
        self._due: dict[Refreshable, float] = {}
        self._dropped: deque[Refreshable] = deque()
        self._took: WeakKeyDictionary[Refreshable, deque[float]] = WeakKeyDictionary()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, view: Refreshable) -> None:
        """Refresh this view too."""
        made: threading.Thread | None = None
        with self._lock:
            self._forget_dropped()
            self._due[view] = 0.0
            if self._thread is None:
                made = threading.Thread(target=self._run, name="durablenb-views", daemon=True)
                self._thread = made
        if made is not None:
            self._begin(made)

    def _begin(self, made: threading.Thread) -> None:
        try:
            made.start()  # without the lock, since starting a thread takes a while
        except BaseException:
            self._thread = None  # adding the next view tries again
            raise

    def drop(self, view: Refreshable) -> None:
        """Stop refreshing this view; safe on any thread and in finalizers."""
        if view in self._due:
            self._dropped.append(view)

    def __contains__(self, view: object) -> bool:
        """Return whether this view is refreshed."""
        with self._lock:
            self._forget_dropped()
            return view in self._due

    def __len__(self) -> int:
        """Return the number of views."""
        with self._lock:
            self._forget_dropped()
            return len(self._due)

    def _forget_dropped(self) -> None:
        while self._dropped:
            self._due.pop(self._dropped.popleft(), None)

    def refresh_finally(self) -> None:
        """Draw all views a last time, because a hub is about to be closed."""
        with self._lock:
            self._forget_dropped()
            views = list(self._due)
        for view in views:
            try:
                view.refresh_finally()
            except Exception:  # a failed drawing must not keep a hub open
                log.debug("a live view could not be drawn", exc_info=True)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._forget_dropped()
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
                goes_on = view.refresh_if_free()
            except Exception:  # a failed drawing must not stop the others
                log.exception("a live view could not be drawn")
                goes_on = False
            took = self._took.setdefault(view, deque(maxlen=RECENT))
            took.append(time.thread_time() - worked)  # CPU time of this thread only
            with self._lock:
                if not goes_on:
                    self._due.pop(view, None)
                elif view in self._due:
                    self._due[view] = begin + max(INTERVAL, min(median(took) / SHARE, LONGEST))


refresh_loop = RefreshLoop()
"""The loop of this process."""
