"""The event loop of the thread that runs an orchestrator, such as a kernel's: replaced, and restored."""

from __future__ import annotations

import asyncio
import sys
from asyncio import _enter_task, _get_running_loop, _leave_task, _set_running_loop
from typing import Any, NamedTuple, Self


class RunningLoop(NamedTuple):
    """The event loop that runs in the calling thread, with what belongs to it; `loop` is None if none runs.

    Notes
    -----
    `restore` can be called after an interrupt at any moment, also in `replace` or in another `restore`. It
    is called where an orchestrator has run, and once more where the package returns to its caller: one
    interrupt can cut only one of them short.
    """

    loop: Any
    task: Any
    """The task of the loop that is executed."""
    hooks: Any
    """The hooks of asynchronous generators."""

    @classmethod
    def now(cls) -> Self:
        """Return the loop that runs."""
        loop = _get_running_loop()
        return cls(loop, loop and asyncio.current_task(loop), sys.get_asyncgen_hooks())

    def replace(self, loop: Any) -> None:
        """Let another loop run in the thread."""
        if self.task is not None:
            _leave_task(self.loop, self.task)
        _set_running_loop(loop)
        if self.loop is not None:
            sys.set_asyncgen_hooks(None, None)

    def restore(self) -> None:
        """Let the loop run again."""
        other: Any = _get_running_loop()
        if other is not None and other is not self.loop:
            left = asyncio.current_task(other)
            if left is not None:
                _leave_task(other, left)
        _set_running_loop(self.loop)
        sys.set_asyncgen_hooks(*self.hooks)
        if self.task is not None and asyncio.current_task(self.loop) is None:
            _enter_task(self.loop, self.task)
