"""The stop button, pressed while the main thread is within a call: never before it, never behind it."""

from __future__ import annotations

import _thread
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any


def interrupt_within(
    function: Callable[..., Any], press: Callable[[], object] = _thread.interrupt_main
) -> threading.Thread:
    """Begins to watch the main thread, and presses the button once it has been in the function for a moment.

    The function must not come to its end by itself.
    """
    code = function.__code__  # type: ignore[attr-defined]  # it is written in Python
    main = threading.main_thread().ident
    assert main is not None

    def is_within() -> bool:
        frame: FrameType | None = sys._current_frames()[main]
        while frame is not None and frame.f_code is not code:
            frame = frame.f_back
        return frame is not None

    def watch() -> None:
        while not is_within():
            time.sleep(0.005)
        time.sleep(0.05)  # it waits by now, most of the time; anywhere else in the function will do, too
        press()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread
