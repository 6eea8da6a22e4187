"""The replays of an execution: the state of the code at each await, and the answer of the history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from durablenb.analysis.replays import experiments
from durablenb.analysis.replays.steps import ReplaySteps, Step
from durablenb.analysis.text import plural, printable, shortened
from durablenb.core.registry import target_name
from durablenb.core.trace import Trace, trace_execution
from durablenb.engine.capture.output import CapturedOutput, replaying_for
from durablenb.model.display import Saved
from durablenb.model.errors import DurableError
from durablenb.model.events import Event
from durablenb.model.logs import OutputLine
from durablenb.model.outputs import Shown
from durablenb.model.payloads import Codec
from durablenb.model.source import Source, read_source


class FileReplayer:
    """A `Replayer` without a hub.

    Parameters
    ----------
    function
        The orchestrator.
    ids
        The ids of the instance and of the execution.
    codec
        The codec of the values.
    """

    def __init__(self, function: Callable[..., Any], ids: tuple[str, str], codec: Codec) -> None:
        self._function = function
        self._ids = ids
        self.codec: Any = codec
        self.source: Source | None = read_source(function)

    def trace(self, events: Sequence[Event]) -> Trace:
        """Replay the code against these events, and note what it prints and displays."""
        printed: list[str] = []

        def heard() -> list[str]:
            new = [*printed]
            printed.clear()
            return new

        with replaying_for(CapturedOutput(lambda report: printed.extend(_as_lines(report)))):
            return trace_execution(
                self._function, *self._ids, events, self.codec, target_name, source=self.source, hear=heard
            )

    def resume(self, events: Sequence[Event]) -> Any:
        """Raise `DurableError`: there are no activities here."""
        raise DurableError(
            "A copy is resumed with the activities of a hub of this process, and neither a file that is only "
            "read nor a hub of another process has any here. Open the file as a hub, "
            "durablenb.TaskHub(path), or import the history into one."
        )


def _as_lines(report: OutputLine | Shown) -> list[str]:
    """Return what was printed; of what was displayed, the first line as plain text."""
    if isinstance(report, OutputLine):
        return [report.message]
    texts = [content for mime_type, content, _ in report.contents if mime_type == "text/plain"]
    return [f"display: {text.partition(chr(10))[0]}" for text in texts if isinstance(text, str)]


class Replayer(Protocol):
    """Replays an orchestrator's code against changed histories."""

    codec: Codec
    source: Source | None

    def trace(self, events: Sequence[Event]) -> Trace:
        """Replay the orchestrator's code against these events."""
        ...

    def resume(self, events: Sequence[Event]) -> Any:
        """Resume an instance with this history in a hub of its own; return its handle."""
        ...


class Replay(Saved, ReplaySteps):
    """All replays of an execution; `handle.replay()` gives it. Printing it walks through the last one.

    Parameters
    ----------
    instance_id, name
        The instance's id, and its orchestrator's name.
    trace
        The notes taken while the code ran.
    source
        The orchestrator's source text, as it was when it was traced.
    replayer
        Replays the code against changed copies.
    began_with
        The source text with which the execution began, if it differs.
    changes
        The changes of a copy as text; empty for the recorded history.

    Notes
    -----
    No activity is run: its result is in the history, and the orchestrator's code is deterministic. Nothing is
    written to the journal. `resumed` is the exception: it runs what is missing, in another hub.
    """

    def __init__(
        self,
        instance_id: str,
        name: str,
        trace: Trace,
        source: Source | None,
        replayer: Replayer,
        *,
        began_with: str | None = None,
        changes: tuple[str, ...] = (),
    ) -> None:
        self.instance_id = instance_id
        self.name = name
        super().__init__(trace, source)
        self.began_with = began_with
        self.changes = changes
        self._replayer = replayer

    # -- experiments -----------------------------------------------------------------------------

    def without(self, event_id: int) -> Replay:
        """Return what the code does with a copy of the history without an event.

        Copies are renumbered, and can be changed further. The journal isn't touched.

        Raises
        ------
        LookupError
            If there is no such event.
        ValueError
            If it can't be left out because the execution begins with it.

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
        """Return what the code does if an event occurs twice, as after a repeated delivery."""
        return self._tried(experiments.twice(self.trace.events, event_id))

    def swapped(self, event_id: int, other_id: int) -> Replay:
        """Return what the code does if two events had arrived in the other order."""
        return self._tried(experiments.swapped(self.trace.events, event_id, other_id))

    def edited(self, event_id: int, **value: Any) -> Replay:
        """Return what the code does if an event had another value.

        Parameters
        ----------
        event_id
            Which event.
        **value
            ``result=`` or ``error=`` for an event that ended a task; either turns a failure into a result, or
            a result into a failure. ``input=`` for a start, a request or an external event. ``name=``.
        """
        return self._tried(experiments.edited(self.trace.events, event_id, self._replayer.codec, value))

    def until(self, event_id: int) -> Replay:
        """Return what the code does with the history that a crash right after an event would leave.

        All requests of an episode are written together, so all of them are kept.
        """
        return self._tried(experiments.until(self.trace.events, event_id))

    def resumed(self) -> Any:
        """Resume the copy in a hub of its own, as after a crash; return the handle of its instance.

        Its hub is in memory and has the functions of this one. **What the history does not answer is run**:
        activities that had not ended, sub-orchestrations from their beginning. Entities begin without a
        state. Its clock is virtual: it starts at the last event, and skips waits.

        Raises
        ------
        NonDeterminismError
            If the code doesn't fit the copy, so that it can't resume.
        """
        if self.trace.mismatch is not None:
            raise self.trace.mismatch
        return self._replayer.resume(self.trace.events)

    # -- inside ----------------------------------------------------------------------------------

    def _tried(self, change: experiments.Change) -> Replay:
        events, words = change
        return Replay(
            self.instance_id,
            self.name,
            self._replayer.trace(events),
            self.source,
            self._replayer,
            began_with=self.began_with,
            changes=(*self.changes, words),
        )

    # -- as text ---------------------------------------------------------------------------------

    def __str__(self) -> str:
        return printable(_walkthrough(self))

    def __repr__(self) -> str:
        parts = [plural(len(self), "replay"), plural(len(self.trace.awaits), "await")]
        parts += ["the code doesn't fit"] * (not self.fits)
        parts += [f"a copy with {plural(len(self.changes), 'change')}"] * bool(self.changes)
        return f"<Replay of {self.instance_id}: {', '.join(parts)}>"


_ENDS = 50
_WIDTH = 110


def _walkthrough(replay: Replay) -> str:
    """Return the last replay as text: for each await the line, the changed variables and the answer."""
    count = len(replay)
    head = f"{replay.name} {replay.instance_id}:"
    if not count:
        return f"{head} its code has not run yet."
    lines = [f"{head} {plural(count, 'episode')}."]
    if count > 1:
        lines[0] += " What follows replays them from the first line, as after a restart."
    lines += [f"This is a copy: {change} The journal is as it was." for change in _sentences(replay.changes)]
    total = replay.count(count)
    source = {} if replay.source is None else replay.source.lines
    for number in range(1, total + 1):
        if _ENDS < number <= total - _ENDS:
            if number == _ENDS + 1:
                lines += ["", f"   …  {total - 2 * _ENDS:,} steps more; replay.steps() has them all"]
            continue
        lines += ["", *_step_lines(replay.step(count, number), source)]
    lines += ["", replay.account]
    return "\n".join(lines)


def _step_lines(step: Step, source: dict[int, str]) -> list[str]:
    code = source.get(step.line or 0, "").strip()
    where = "" if step.line is None else f"line {step.line}: "
    is_first = "" if step.is_replaying or step.verdict == "terminated" else "  (for the first time)"
    lines = [shortened(f"{where}{code}", _WIDTH) + is_first]
    lines += [f"{name} = {step.names[name]}" for name in step.changed]
    lines += [f"{'muted' if step.is_replaying else 'printed'}: {line}" for line in step.printed]
    lines += [step.sentence, *step.places]
    return [f"{step.number:>4}  {lines[0]}", *(f"      {line}" for line in lines[1:])]


def _sentences(changes: tuple[str, ...]) -> list[str]:
    return [f"{'; '.join(changes)}."] if changes else []
