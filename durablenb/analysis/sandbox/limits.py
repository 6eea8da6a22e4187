"""What a process may take of the machine, set by the process itself."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

TOO_MUCH = 86
"""The exit code of a process that took too much memory."""

_MAPPED = Path("/proc/self/statm")
"""Where Linux tells how much a process has of its address space."""

LOOK_SECONDS = 0.02
"""Between two looks at what it has taken."""


def limit_memory(size: int) -> None:
    """Let this process take so many bytes more than now; what asks for more gets an error, or it ends.

    On Linux the system refuses more. On macOS, which enforces no such limit, the process is looked at, and
    ends with `TOO_MUCH`. On Windows neither is so.
    """
    try:
        import resource
    except ModuleNotFoundError:
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would be the journal in the open
    if _MAPPED.exists():
        pages = int(_MAPPED.read_text("ascii").split()[0])
        most = pages * resource.getpagesize() + size
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        return
    unit = 1 if sys.platform == "darwin" else 1024
    watch_memory(lambda: unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, size)


def watch_memory(taken: Callable[[], int], size: int) -> None:
    """End this process once what it has taken has grown by so many bytes."""
    most = taken() + size

    def watch() -> None:
        while taken() <= most:
            time.sleep(LOOK_SECONDS)
        os._exit(TOO_MUCH)

    threading.Thread(target=watch, name="durablenb-memory", daemon=True).start()
