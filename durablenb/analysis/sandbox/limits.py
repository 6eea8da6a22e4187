"""Memory limits that a process sets for itself."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

TOO_MUCH = 86
"""The exit code of a process that used too much memory."""

_MAPPED = Path("/proc/self/statm")
"""Linux shows the size of a process's address space here."""

LOOK_SECONDS = 0.02
"""The time between two checks of the used memory."""


def limit_memory(size: int) -> None:
    """Limit this process to so many bytes of memory more than it uses now.

    On Linux, the system refuses more memory. macOS enforces no such limit, so a thread checks the used
    memory, and ends the process with `TOO_MUCH`. On Windows, there is no limit.
    """
    try:
        import resource
    except ModuleNotFoundError:
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would expose the journal
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
    """End this process once its used memory has grown by so many bytes."""
    most = taken() + size

    def watch() -> None:
        while taken() <= most:
            time.sleep(LOOK_SECONDS)
        os._exit(TOO_MUCH)

    threading.Thread(target=watch, name="durablenb-memory", daemon=True).start()
