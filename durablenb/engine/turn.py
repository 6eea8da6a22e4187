"""One turn of an orchestrator: an episode that is no replay."""

from __future__ import annotations

from contextvars import Token

from durablenb.engine.instance import Instance
from durablenb.engine.logbook import Author, LogBook
from durablenb.engine.taps import enter
from durablenb.engine.transcript import Speaker, Transcript, current


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

    def __enter__(self) -> None:
        self._token = enter(self)

    def __exit__(self, *_: object) -> None:
        current.reset(self._token)
        if self._transcript is not None:
            self._book.close(self._author)
