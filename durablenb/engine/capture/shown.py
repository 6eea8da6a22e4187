"""Rich outputs of one call of user code: their last states, within limits."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from durablenb.engine import locks
from durablenb.model.outputs import WIDGET, Shown, bundle_contents, byte_count

OUTPUTS = 100
"""Outputs that are kept of one call."""

OUTPUT_BYTES = 8_000_000
"""Bytes that are kept of one output, in all its representations."""

CALL_BYTES = 32_000_000
"""Bytes that are kept of all outputs of one call."""

UPDATE_SECONDS = 0.5
"""Seconds between two states of one output that are sent; the last one is always sent."""

Redraw = Callable[[], "Mapping[str, Any] | None"]
"""Returns the MIME bundle of an output as it is now; None if it isn't shown any more."""


class ShownOutputs:
    """The rich outputs of one call.

    Parameters
    ----------
    send
        Takes each output and each new state.
    warn
        Takes a sentence on what wasn't kept.
    """

    def __init__(self, send: Callable[[Shown], None], warn: Callable[[str], None]) -> None:
        self._send = send
        self._warn = warn
        self._sizes: dict[str, int] = {}
        self._sent_at: dict[str, float] = {}
        self._held: dict[str, Shown] = {}
        self._cleared: deque[str] = deque()
        self._redraws: dict[str, Redraw] = {}
        self._drawn: dict[str, Shown] = {}
        self._at_end: list[Callable[[], None]] = []
        self._dropped = 0
        self._timer: threading.Timer | None = None
        self._lock = locks.RLock()

    def show(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        display_id: str | None = None,
        redraw: Redraw | None = None,
    ) -> None:
        """Accept an output, or a new state of the one with this display id.

        Parameters
        ----------
        data, metadata
            A MIME bundle, as `IPython.display.publish_display_data` takes it.
        display_id
            The display id; the last state counts.
        redraw
            Draws an output that changes by itself, such as a progress bar.
        """
        with self._lock:
            is_reused = display_id is None and bool(self._cleared)
            output_id = display_id or (self._cleared.popleft() if is_reused else os.urandom(6).hex())
            if not self._keeps(output_id, self._shown(output_id, data, metadata)):
                if is_reused:
                    self._cleared.append(output_id)
            elif redraw is not None:
                self._redraws[output_id] = redraw

    def clear(self) -> None:
        """Drop all outputs so far; what is displayed next takes their places."""
        with self._lock:
            self._cleared.extend(self._sizes)
            self._sizes.clear()
            self._redraws.clear()

    def at_end(self, callback: Callable[[], None]) -> None:
        """Have something called when the call has ended, as long as it may still display something."""
        self._at_end.append(callback)

    def flush(self) -> None:
        """Send the present states of all outputs."""
        with self._lock:
            self._redraw()
            self._send_held()

    def close(self) -> None:
        """Send what is left: the call has ended."""
        for callback in self._at_end:
            with contextlib.suppress(Exception):
                callback()
        with self._lock:
            self._at_end.clear()
            self.flush()
            self._redraws.clear()
            while self._cleared:
                self._send(Shown(self._cleared.popleft()))
            dropped, self._dropped = self._dropped, 0
        if dropped:
            what = "output was" if dropped == 1 else "outputs were"
            limits = f"{OUTPUTS:,} outputs or {CALL_BYTES:,} bytes"
            self._warn(f"{dropped:,} {what} not kept: a call keeps up to {limits}.")

    def _keeps(self, output_id: str, shown: Shown) -> bool:
        """Send a state now, or soon if one was sent just before; return False if there is no room for it."""
        is_new = output_id not in self._sizes
        others = sum(self._sizes.values()) - self._sizes.get(output_id, 0)
        if (is_new and len(self._sizes) >= OUTPUTS) or others + shown.size > CALL_BYTES:
            self._dropped += 1
            return False
        with contextlib.suppress(ValueError):
            self._cleared.remove(output_id)
        self._sizes[output_id] = shown.size
        if locks.monotonic() - self._sent_at.get(output_id, -UPDATE_SECONDS) >= UPDATE_SECONDS:
            self._held.pop(output_id, None)
            self._send_now(shown)
        else:
            self._held[output_id] = shown
            self._send_soon()
        return True

    def _send_now(self, shown: Shown) -> None:
        self._sent_at[shown.output_id] = locks.monotonic()
        self._send(shown)

    def _send_soon(self) -> None:
        if self._timer is None:
            timer = threading.Timer(UPDATE_SECONDS, self._send_held)
            timer.daemon = True
            with contextlib.suppress(RuntimeError):  # the system has no more threads: sent at the end
                timer.start()
                self._timer = timer

    def _send_held(self) -> None:
        with self._lock:
            self._timer = None
            while self._held:
                self._send_now(self._held.pop(next(iter(self._held))))

    def _redraw(self) -> None:
        """Hold the present states of the outputs that change by themselves."""
        for output_id, redraw in list(self._redraws.items()):
            try:
                data = redraw()
            except Exception:  # it keeps its last state
                del self._redraws[output_id]
                continue
            if data is None:
                del self._redraws[output_id], self._sizes[output_id]
                self._held.pop(output_id, None)
                self._cleared.append(output_id)
                continue
            shown = self._shown(output_id, data, None)
            if shown != self._drawn.get(output_id):
                self._drawn[output_id] = self._held[output_id] = shown

    def _shown(self, output_id: str, data: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> Shown:
        """Return an output within its limit: the largest representations are left out if need be."""
        contents = [one for one in bundle_contents(data, metadata) if one[0] != WIDGET]
        left_out = []
        while sum(byte_count(content) for _, content, _ in contents) > OUTPUT_BYTES:
            largest = max(contents, key=lambda one: byte_count(one[1]))
            contents.remove(largest)
            left_out.append(f"{largest[0]} of {byte_count(largest[1]):,} bytes")
        if left_out:
            note = f"Not kept: {', '.join(left_out)}. An output has up to {OUTPUT_BYTES:,} bytes."
            self._warn(note)
            contents = contents or [("text/plain", note, None)]
        return Shown(output_id, tuple(contents))
