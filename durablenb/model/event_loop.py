"""An event loop that can be ended while the interpreter ends."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

if sys.platform == "win32":
    _Usual = asyncio.ProactorEventLoop
else:
    _Usual = asyncio.SelectorEventLoop


class EventLoop(_Usual):
    """Asyncio's own, whose threads are waited for in its own thread.

    Notes
    -----
    Asyncio starts a thread to wait for them. At the end of a process Python 3.12 starts none any more, and
    that is when a hub is closed that nobody has closed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pool = ThreadPoolExecutor(thread_name_prefix="durablenb-to-thread")
        self.set_default_executor(self._pool)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait until what runs in threads has ended; the loop, which is at its end, does nothing else."""
        self._pool.shutdown(wait=True)
