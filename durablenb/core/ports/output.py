"""The output port: receives the output of the user's code."""

from __future__ import annotations

from logging import LogRecord
from typing import Protocol

from durablenb.model.logs import OutputLine


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

    def take(self, line: OutputLine) -> None:
        """Receive a line from another process."""
        ...
