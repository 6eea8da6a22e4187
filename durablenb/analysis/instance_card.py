"""The card of an instance, with all that is known about it at one moment."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property

from durablenb.analysis.logs import Log
from durablenb.analysis.replays.frames import Frames
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.core.ports.store import HistoryBundle
from durablenb.model.display import Displayed, views


class InstanceCard(Displayed):
    """Everything about an instance, as it was when the card was made; `handle.card()` returns it.

    A cell shows its pictures, outputs and log. `save` writes the whole page, with history and replays.

    Parameters
    ----------
    snapshot
        The instance, with its outputs.
    log
        What it printed and logged.
    history
        Its history and those of its sub-orchestrations.
    replay
        Replays the code, and returns the frames of all steps.
    has_values
        Whether values are included.
    """

    def __init__(
        self,
        snapshot: InstanceSnapshot,
        log: Log,
        history: HistoryBundle,
        replay: Callable[[], Frames],
        *,
        has_values: bool = True,
    ) -> None:
        self.snapshot = snapshot
        self.log = log
        self.history = history
        self.has_values = has_values
        self._replay = replay

    @cached_property
    def frames(self) -> Frames:
        """The steps of the replays."""
        return self._replay()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page as one HTML file, which needs no network, no kernel and no notebook.

        It has the graph, the timeline, the outputs, the history and the log, which can be filtered, and the
        replays of the code, step by step. It follows the light or dark theme of its reader. Nothing that came
        from a value can run in it. `durablenb.open_history` reads the history in it.

        Parameters
        ----------
        path
            A path that ends with ``.html``; an existing file is replaced.

        Raises
        ------
        ValueError
            If the path has another suffix, or if large values have more than 48 MB.
        OSError
            If the file can't be written.
        """
        views().save(self, path)

    def _repr_html_(self) -> str:
        return views().render_html(self) or ""

    def __repr__(self) -> str:
        status = self.snapshot.status
        return f"<card of {status.instance_id}: {self.snapshot.word}>"
