"""Work that the stop button can't cut short."""

from __future__ import annotations

import threading
from collections.abc import Callable

from durablenb.engine.locks import Event


def uninterrupted(work: Callable[[], None]) -> None:
    """Do short work that an interrupt can't cut short; raise the interrupt when the work is done.

    For opening and closing a file, say. Some libraries also lose an interrupt that comes while they work.

    Notes
    -----
    Only the main thread gets interrupts. So another thread does the work, and this one waits for it.
    """
    if threading.current_thread() is not threading.main_thread():
        work()
        return
    claim, done = threading.Lock(), Event()
    failures: list[BaseException] = []

    def do() -> None:
        if claim.acquire(blocking=False):
            try:
                work()
            except BaseException as error:
                failures.append(error)
            done.set()

    interrupt: KeyboardInterrupt | None = None
    try:
        # A daemon: if an interrupt comes while `start` waits, the thread may never begin its work nor end.
        threading.Thread(target=do, name="durablenb-uninterrupted", daemon=True).start()
    except RuntimeError:  # the process ends, or can start no more threads
        do()
    except KeyboardInterrupt as error:
        if claim.acquire(blocking=False):  # the work has not begun, and now it won't
            raise
        interrupt = error
    while True:
        try:
            done.wait()
            break
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt from (failures[0] if failures else None)
    if failures:
        raise failures[0]
