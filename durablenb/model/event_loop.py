"""An event loop that can be closed while the interpreter exits."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

if sys.platform == "win32":
    _Usual = asyncio.ProactorEventLoop
else:
    _Usual = asyncio.SelectorEventLoop


class EventLoop(_Usual):
    """Asyncio's event loop, except that it joins its executor's threads in its own thread.

    Notes
    -----
    Asyncio starts a thread to join them. At the end of a process Python 3.12 starts no threads any more, and
    that is when a hub is closed that the user has left open.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pool = ThreadPoolExecutor(thread_name_prefix="durablenb-to-thread")
        self.set_default_executor(self._pool)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait until the executor's threads have ended; the loop is being closed and does nothing else."""
        self._pool.shutdown(wait=True)
