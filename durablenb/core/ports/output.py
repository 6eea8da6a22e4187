"""The output port: where what the user's code prints goes."""

from __future__ import annotations

from logging import LogRecord
from typing import Protocol

from durablenb.model.logs import Said


class Output(Protocol):
    """Takes what one call prints."""

    @property
    def is_shown(self) -> bool:
        """Whether it is printed as usual, too."""
        ...

    def write(self, stream: str, text: str | bytes, encoding: str = "utf-8") -> None:
        """Takes what is written to a stream, whole lines or not."""
        ...

    def log(self, record: LogRecord) -> None:
        """Takes a record of `logging`, with its traceback if it has one."""
        ...

    def tell(self, level: str, logger: str, message: str) -> None:
        """Takes a message as a whole."""
        ...

    def take(self, said: Said) -> None:
        """Takes a line that came from another process."""
        ...
