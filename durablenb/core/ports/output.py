"""The output port: receives the output of the user's code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from logging import LogRecord
from typing import Any, Protocol

from durablenb.model.logs import OutputLine
from durablenb.model.outputs import Shown


class Output(Protocol):
    """Receives the output of one call."""

    @property
    def is_shown(self) -> bool:
        """True if the output is printed as usual as well."""
        ...

    def write(self, stream: str, text: str | bytes, encoding: str = "utf-8") -> None:
        """Receive text that was written to a stream, whole lines or not."""
        ...

    def log(self, record: LogRecord) -> None:
        """Receive a record of `logging`, with its traceback if it has one."""
        ...

    def tell(self, level: str, logger: str, message: str) -> None:
        """Receive a whole message."""
        ...

    def show(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        display_id: str | None = None,
        redraw: Callable[[], Mapping[str, Any] | None] | None = None,
    ) -> None:
        """Receive a rich output by MIME type, or a new state of the one with this display id."""
        ...

    def clear(self) -> None:
        """Drop the rich outputs so far."""
        ...

    def at_end(self, callback: Callable[[], None]) -> None:
        """Have something called when the call has ended, as long as it may still display something."""
        ...

    def take(self, report: OutputLine | Shown) -> None:
        """Receive a line or an output from another process."""
        ...


class OutputOwner(Protocol):
    """A call whose code runs, and that owns what this code prints."""

    @property
    def output(self) -> Output | None:
        """Takes what the code prints; None discards it."""
        ...


current_owner: ContextVar[OutputOwner | None] = ContextVar("current_owner", default=None)
"""The call of an activity or the orchestrator whose code runs here; None for all other code.

An interrupt can come between the statement that sets it and the block that resets it. Therefore the methods
with which a caller's thread enters the engine reset it as well: otherwise later output would be lost.
"""
