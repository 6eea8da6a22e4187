"""Where one execution's histories are gone through that nobody can go on with: those of a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from durablenb.core.registry import name_of
from durablenb.core.trace import Trace, trace_of
from durablenb.engine.transcript import Transcript, speaking
from durablenb.model.errors import DurableError
from durablenb.model.events import Event
from durablenb.model.payloads import Codec
from durablenb.model.source import Source, source_of


class ReadingBench:
    """A `queries.replay.Laboratory` without a hub.

    Parameters
    ----------
    function
        The orchestrator.
    ids
        Whose history it is: the instance's id and the execution's.
    codec
        How values become text.
    """

    def __init__(self, function: Callable[..., Any], ids: tuple[str, str], codec: Codec) -> None:
        self._function = function
        self._ids = ids
        self.codec: Any = codec
        self.source: Source | None = source_of(function)

    def trace(self, events: Sequence[Event]) -> Trace:
        """Let the code go through these events; what it prints is noted."""
        said: list[str] = []

        def heard() -> list[str]:
            new = [*said]
            said.clear()
            return new

        with speaking(Transcript(lambda one: said.append(one.message))):
            return trace_of(
                self._function, *self._ids, events, self.codec, name_of, source=self.source, hear=heard
            )

    def resume(self, events: Sequence[Event]) -> Any:
        """Raise `DurableError`: a file has no activities."""
        raise DurableError(
            "A file that is only read has no activities that a copy could go on with. Open it as a hub: "
            "durablenb.TaskHub(path)."
        )
