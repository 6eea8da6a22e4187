"""A progress display that waits for the end of an orchestration."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from durablenb.analysis.progress import EndedCounter, ProgressCounter, ProgressSnapshot
from durablenb.model.display import Saved
from durablenb.model.errors import DurableError

if TYPE_CHECKING:
    from durablenb.hub.handles import Handles
    from durablenb.hub.hub import Hub
    from durablenb.notebook.still.progress import ProgressDisplay


class Progress(Saved):
    """The progress of an orchestration, and the wait for its end; `handle.progress()` returns it.

    ``await handle.progress()`` in a notebook, ``handle.progress().result()`` in a script: both wait, return
    and raise as the handle does. Meanwhile they show for each step how many calls have ended and failed, and
    the rate and the time left, as far as they are known. A running activity that reports its progress has a
    bar of its own; see `ActivityContext.progress`. A cell shows one output that is redrawn up to ten times a
    second; a terminal shows a line on `sys.stderr` that is overwritten; any other output gets one line at the
    end. An interrupt ends the wait, and nothing else.

    As the last line of a cell it shows the current progress.

    Parameters
    ----------
    hub
        The hub that has the instance.
    instance_id
        The instance's id.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> @hub.activity
    ... def double(n):
    ...     return 2 * n
    >>> @hub.orchestrator
    ... def doubles(context):
    ...     return sum((yield context.task_all([context.call_activity(double, n) for n in range(20)])))
    >>> handle = hub.start(doubles, instance_id="twenty")
    >>> handle.progress().result()
    380
    >>> handle.progress()
    <doubles twenty: Completed, double 20/20>
    >>> hub.close()
    """

    def __init__(self, hub: Hub, instance_id: str) -> None:
        self._hub = hub
        self.id = instance_id
        """The instance's id."""
        self._counts = ProgressCounter(partial(hub._journal.connection, instance_id), instance_id)

    def result(self, timeout: float | None = None) -> Any:
        """Wait until the orchestration has ended, and return what it returned; see `Handle.result`."""
        with self._display():
            return self._hub.client.result(self.id, timeout)

    def __await__(self) -> Generator[Any, Any, Any]:
        with self._display():
            outcome = yield from self._hub._control.wait_async(self.id, None).__await__()
        return self._hub.client.outcome_value(self.id, outcome)

    def _display(self) -> ProgressDisplay:
        from durablenb.notebook.still.progress import ProgressDisplay, screen  # only needed for drawing

        return ProgressDisplay(self._shown, screen())

    def _shown(self) -> ProgressSnapshot:
        journal = self._hub._journal
        journal.follow(self.id)
        running_ids = journal.running_ids(self.id)  # first: what ends meanwhile has its event
        return self._counts.look(journal.now(self.id), journal.running(self.id), running_ids)

    @property
    def _about(self) -> str:
        return self.id

    def __repr__(self) -> str:
        try:
            shown = self._shown()
        except DurableError:
            return f"<progress of {self._about} of {self._hub._journal.description}>"
        steps = "".join(f", {step.name} {step.over:,}/{step.total:,}" for step in shown.steps)
        return f"<{shown.name} {shown.instance_id}: {shown.status}{steps}>"


class ManyProgress(Progress):
    """The progress of several instances, and the wait for their end; `handles.progress()` returns it.

    Parameters
    ----------
    handles
        The instances.
    """

    def __init__(self, handles: Handles) -> None:
        self._hub = handles.hub
        self._handles = handles
        self._ended = EndedCounter(handles.hub._journal.connection, handles.ids)

    def result(self, timeout: float | None = None) -> list[Any]:
        """Wait until all have ended, and return what they returned; see `Handles.results`."""
        with self._display():
            return self._handles.results(timeout)

    def __await__(self) -> Generator[Any, Any, Any]:
        with self._display():
            return (yield from self._handles.__await__())

    def _shown(self) -> ProgressSnapshot:
        journal = self._hub._journal
        journal.follow()
        return self._ended.look(journal.now())

    @property
    def _about(self) -> str:
        return f"{len(self._handles):,} instances"
