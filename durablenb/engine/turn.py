"""One turn of an orchestrator: an episode that is no replay."""

from __future__ import annotations

import logging
from contextvars import Token
from typing import Self

from durablenb.engine.instance import Instance
from durablenb.engine.logbook import Author, LogBook
from durablenb.engine.taps import enter
from durablenb.engine.transcript import Speaker, Transcript, current, speaking

log = logging.getLogger("durablenb")


class Turn:
    """While it lasts, what is printed goes to the log of the instance.

    Parameters
    ----------
    book
        Where lines go.
    instance
        Whose turn it is.
    """

    __slots__ = ("_book", "_instance", "_token", "_transcript")

    _token: Token[Speaker | None]

    def __init__(self, book: LogBook, instance: Instance) -> None:
        self._book = book
        self._instance = instance
        self._transcript: Transcript | None = None

    @property
    def output(self) -> Transcript:
        """Where what it prints goes."""
        if self._transcript is None:
            self._transcript = self._book.open(self._author)
        return self._transcript

    @property
    def _author(self) -> Author:
        return Author(self._instance.id, self._instance.execution_id, None, self._instance.name)

    def warn(self, words: str, shown: str) -> None:
        """Take a warning into the instance's log, and show one, if there is one to be shown."""
        self.output.tell("WARNING", log.name, words)
        if shown:
            with speaking(None):
                log.warning("%s", shown)

    def __enter__(self) -> Self:
        self._token = enter(self)
        return self

    def __exit__(self, *_: object) -> None:
        current.reset(self._token)
        if self._transcript is not None:
            self._book.close(self._author)
