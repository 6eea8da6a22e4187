"""The replays of an execution: where the code stood at each await, and what the history said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from durablenb.analysis.replays import experiments
from durablenb.analysis.replays.sentences import walkthrough
from durablenb.analysis.replays.steps import ReplayCounts
from durablenb.core.registry import name_of
from durablenb.core.trace import Trace, trace_of
from durablenb.engine.transcript import Transcript, speaking
from durablenb.model.display import Displayed
from durablenb.model.errors import DurableError
from durablenb.model.events import Event
from durablenb.model.payloads import Codec
from durablenb.model.source import Source, source_of


class FileReplayer:
    """A `Replayer` without a hub.

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


class Replayer(Protocol):
    """Where copies of a history are tried."""

    codec: Codec

    def trace(self, events: Sequence[Event]) -> Trace:
        """Let the orchestrator's code go through other events."""
        ...

    def resume(self, events: Sequence[Event]) -> Any:
        """Let an instance with this history go on in a hub of its own; return its handle."""
        ...


class Replay(Displayed, ReplayCounts):
    """All replays of an execution; `handle.replay()` gives it. Printed, it walks through the last one.

    Parameters
    ----------
    instance_id, name
        Whose.
    trace
        The notes that were taken.
    source
        The orchestrator's source text, as it was when it was traced.
    laboratory
        Where copies are tried.
    began_with
        The text with which the execution began, if it is another one.
    changes
        What was changed in the history, in words; it is a copy if there is something.

    Notes
    -----
    Nothing is run: what activities gave is in the history, and the orchestrator's code is deterministic. The
    journal isn't written. `resumed` is the exception: it runs what is missing, in another hub.
    """

    def __init__(
        self,
        instance_id: str,
        name: str,
        trace: Trace,
        source: Source | None,
        laboratory: Replayer,
        *,
        began_with: str | None = None,
        changes: tuple[str, ...] = (),
    ) -> None:
        self.instance_id = instance_id
        self.name = name
        super().__init__(trace, source)
        self.began_with = began_with
        self.changes = changes
        self._laboratory = laboratory

    # -- experiments -----------------------------------------------------------------------------

    def without(self, event_id: int) -> Replay:
        """Return what the code does with a copy of the history in which an event is missing.

        Copies are numbered anew, and can be changed further. The journal stays as it is.

        Raises
        ------
        LookupError
            If there is no such event.
        ValueError
            If it can't be left out: an execution has to begin.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
        >>> @hub.activity
        ... def double(value):
        ...     return 2 * value
        >>> @hub.orchestrator
        ... def work(context):
        ...     return (yield context.call_activity(double, 4))
        >>> handle = hub.start(work, instance_id="w")
        >>> handle.result()
        8
        >>> replay = handle.replay()
        >>> replay.edited(4, result=9).steps()[-1].verdict
        'mismatch'
        >>> replay.edited(4, result=9).until(4).resumed().result()
        9
        >>> hub.close()
        """
        return self._tried(experiments.without(self.trace.events, event_id))

    def twice(self, event_id: int) -> Replay:
        """Return what the code does if an event stands there twice, as after a delivery that was repeated."""
        return self._tried(experiments.twice(self.trace.events, event_id))

    def swapped(self, event_id: int, other_id: int) -> Replay:
        """Return what the code does if two events had come in the other order."""
        return self._tried(experiments.swapped(self.trace.events, event_id, other_id))

    def edited(self, event_id: int, **value: Any) -> Replay:
        """Return what the code does if an event had carried something else.

        Parameters
        ----------
        event_id
            Which event.
        **value
            One of ``result=`` and ``error=`` of what ended, a failure becoming a result and the other way
            round; ``input=`` of what began, was asked for or was raised; ``name=``.
        """
        return self._tried(experiments.edited(self.trace.events, event_id, self._laboratory.codec, value))

    def until(self, event_id: int) -> Replay:
        """Return what the code does with the history that a crash leaves after an event.

        What one episode asks for is written together, so all of it is there.
        """
        return self._tried(experiments.until(self.trace.events, event_id))

    def resumed(self) -> Any:
        """Let the copy go on in a hub of its own, as after a crash; return the handle of its instance.

        Its hub is in memory and has the functions of this one. **What the history does not answer is run**:
        activities that had not ended, sub-orchestrations from their beginning. Entities begin without a
        state. Its clock is a virtual one, which begins at the last event and jumps over waits.

        Raises
        ------
        NonDeterminismError
            If the code doesn't fit the copy: it could not go on.
        """
        if self.trace.mismatch is not None:
            raise self.trace.mismatch
        return self._laboratory.resume(self.trace.events)

    # -- inside ----------------------------------------------------------------------------------

    def _tried(self, change: experiments.Change) -> Replay:
        events, words = change
        return Replay(
            self.instance_id,
            self.name,
            self._laboratory.trace(events),
            self.source,
            self._laboratory,
            began_with=self.began_with,
            changes=(*self.changes, words),
        )

    # -- as text ---------------------------------------------------------------------------------

    def __str__(self) -> str:
        return walkthrough(self)

    def __repr__(self) -> str:
        parts = [_counted(len(self), "replay"), _counted(len(self.trace.awaits), "await")]
        parts += ["the code doesn't fit"] * (not self.fits)
        parts += [f"a copy with {_counted(len(self.changes), 'change')}"] * bool(self.changes)
        return f"<Replay of {self.instance_id}: {', '.join(parts)}>"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
