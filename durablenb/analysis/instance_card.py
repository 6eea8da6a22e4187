"""The page of an instance, with all that is known about it at one moment."""

from __future__ import annotations

import os

from durablenb.analysis.logs import Log
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.model.display import Displayed, views


class InstanceCard(Displayed):
    """The page of an instance, as it was when the card was made; `handle.card()` returns it.

    Parameters
    ----------
    snapshot
        The instance, with its outputs.
    log
        What it printed and logged.
    """

    def __init__(self, snapshot: InstanceSnapshot, log: Log) -> None:
        self.snapshot = snapshot
        self.log = log

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page as one HTML file, which needs no network, no kernel and no notebook.

        It follows the light or dark theme of its reader. Nothing in it runs.

        Parameters
        ----------
        path
            A path that ends with ``.html``; an existing file is replaced.

        Raises
        ------
        ValueError
            If the path has another suffix.
        OSError
            If the file can't be written.
        """
        views().save(self, path)

    def _repr_html_(self) -> str:
        return views().html_of(self) or ""

    def __repr__(self) -> str:
        status = self.snapshot.status
        return f"<card of {status.instance_id}: {self.snapshot.word}>"
