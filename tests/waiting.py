"""Waits for other threads and processes."""

import time
from collections.abc import Callable
from typing import Any


def until(found: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Ask again until there is an answer, and return it."""
    ends = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < ends, "it did not come true"
        time.sleep(0.005)
    return answer
