"""Waits for other threads and processes."""

import time
from collections.abc import Callable
from typing import Any


def until(found: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Ask again until there is an answer, and return it."""
    ends, pause = time.monotonic() + seconds, 0.002
    while not (answer := found()):
        assert time.monotonic() < ends, "it did not come true"
        time.sleep(pause)
        pause = min(1.3 * pause, 0.05)  # each question costs others time as well
    return answer
