"""A handle: one instance, as a user holds it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from durablenb.analysis.figures import InstanceFigures
from durablenb.hub.client import NOTHING_GIVEN
from durablenb.model.errors import DurableError
from durablenb.model.status import DurableOrchestrationStatus

if TYPE_CHECKING:
    import duckdb

    from durablenb.analysis.history import History
    from durablenb.analysis.logs import Log
    from durablenb.analysis.replays.replay import Replay
    from durablenb.analysis.snapshot import InstanceSnapshot
    from durablenb.core.ports.store import Record
    from durablenb.hub.hub import Hub
    from durablenb.hub.progress import Progress
    from durablenb.model.events import Event
    from durablenb.notebook.live.explorer import LiveExplorer
    from durablenb.notebook.live.instance import LiveInstance


class Handle(InstanceFigures):
    """One instance of a hub; `hub.start` and `hub.handle` give it.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> @hub.orchestrator
    ... def approval(context):
    ...     return (yield context.wait_for_external_event("Approval"))
    >>> handle = hub.start(approval, instance_id="order-7")
    >>> handle
    <approval order-7: Pending>
    >>> handle.raise_event("Approval", "yes")
    >>> handle.result()
    'yes'
    >>> hub.close()
    """

    def __init__(self, hub: Hub, instance_id: str) -> None:
        self.hub = hub
        """The hub, the file or the remote hub that has the instance."""
        self.id = instance_id
        """The instance's id."""

    def result(self, timeout: float | None = None) -> Any:
        """Wait until the orchestration has ended, and return what it returned.

        Parameters
        ----------
        timeout
            Seconds; None for as long as it takes. Interrupting the wait harms nothing: wait again.

        Raises
        ------
        TaskFailedError
            If it failed; also of the original exception's type, where that is known.
        OrchestrationTerminatedError
            If it was terminated.
        WaitTimeoutError
            If it did not end in time, or nothing is left that could end it.
        NonDeterminismError
            If it is held because its code no longer fits its history.
        FunctionNotFoundError
            If it waits for code that isn't registered yet.
        StoreError
            If the journal can't be written now.
        """
        return self.hub.client.result_of(self.id, timeout)

    def wait(self, timeout: float | None = None) -> DurableOrchestrationStatus:
        """Wait in the same way, and return the status, whichever it is."""
        return self.hub.client.wait_for_completion(self.id, timeout)

    def __await__(self) -> Generator[Any, Any, Any]:
        outcome = yield from self.hub._control.wait_async(self.id, None).__await__()
        return self.hub.client.value_of(self.id, outcome)

    def progress(self) -> Progress:
        """Return the wait for the orchestration's end, with a look at how far it has come.

        ``await handle.progress()`` in a notebook, ``handle.progress().result()`` in a script. It waits,
        returns and raises as `result` does.
        """
        from durablenb.hub.progress import Progress  # what only those need who look on

        return Progress(self.hub, self.id)

    def status(self, *, show_history: bool = False) -> DurableOrchestrationStatus:
        """Return where the instance stands; with `show_history` its events in Azure's form, too."""
        return self.hub.client.get_status(self.id, show_history, show_history)

    def history(self) -> History:
        """Return the events of the instance, of all its executions, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        """
        from durablenb.analysis.history import History  # not before one is looked at

        return History(self.id, self.hub.client.history(self.id))

    def logs(
        self, *, level: int | str | None = None, task_id: int | None = None, name: str | None = None
    ) -> Log:
        """Return what the instance and its sub-orchestrations have printed and logged so far, oldest first.

        What was printed before this call is in it, unless the disk is full; of a line that isn't ended, as of
        a progress bar, the last state.

        Parameters
        ----------
        level
            Records of `logging` of this level or a higher one, such as ``"WARNING"``. What was printed has no
            level.
        task_id
            What one call printed. It is a task of this instance, as in its history.
        name
            What calls of this activity printed, or the orchestrator of this name.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        ValueError
            If there is no such level.
        """
        from durablenb.analysis.logs import Log

        return Log(self.id, self.hub.client.logs(self.id)).only(level=level, task_id=task_id, name=name)

    def raise_event(self, event_name: str, event_data: Any = None) -> None:
        """Send an external event; it is kept until the orchestration waits for it.

        Raises
        ------
        InstanceStateError
            If the orchestration has ended.
        """
        self.hub.client.raise_event(self.id, event_name, event_data)

    def terminate(self, reason: str = "", *, recursive: bool = True) -> None:
        """End the orchestration; with `recursive` its sub-orchestrations too, and theirs."""
        self.hub.client.terminate(self.id, reason, recursive=recursive)

    def suspend(self, reason: str = "") -> None:
        """Let the orchestration rest until `resume`; what arrives is kept."""
        self.hub.client.suspend(self.id, reason)

    def resume(self, reason: str = "") -> None:
        """Let the suspended orchestration go on."""
        self.hub.client.resume(self.id, reason)

    def rewind(self, reason: str = "") -> None:
        """Do the failed tasks and children of the failed orchestration again; successes stay.

        Raises
        ------
        InstanceStateError
            If it did not fail.
        """
        self.hub.client.rewind(self.id, reason)

    def restart(self, *, restart_with_new_instance_id: bool = True) -> Handle:
        """Start the orchestration again with its input; return the new instance's handle."""
        return Handle(self.hub, self.hub.client.restart(self.id, restart_with_new_instance_id))

    def fork(
        self,
        at: int | None = None,
        *,
        results: Mapping[int | str, Any] | None = None,
        input: Any = NOTHING_GIVEN,
        instance_id: str | None = None,
    ) -> Handle:
        """Start an instance that shares this one's past up to an event; return its handle.

        It goes on by itself from there: what was done by then isn't done again, what was open is asked for
        again, activities, timers, calls of entities and children alike. This instance doesn't notice.

        Parameters
        ----------
        at
            The id of the last event that is shared, as `history` has it; with it come those of its episode,
            which were written at one moment. Without it, with `results`: where the last of them came; with
            `input`: the start; else all that has happened, but for the episode in which it ended.
        results
            What is to have come of something, in place of what came: by the id of its event, or as ``"#3"``
            by its task. An exception stands for a failure. What is open there gets its result by that, and is
            not asked for.
        input
            Another input, which goes with a fork at the start.
        instance_id
            The new instance's id; without one, 32 hexadecimal digits.

        Raises
        ------
        ValueError
            If that can't be: there is no such event, it lies in a critical section or in the last episode, a
            child is at work there under an id of its own, the code has seen its input by then.
        NonDeterminismError
            If the code doesn't fit this past; the message says from where on it would decide anew.
        FunctionNotFoundError
            If the orchestrator's cell has not run yet.
        InstanceExistsError
            If an instance of that id is open.

        Notes
        -----
        In the part that is shared, ``context.instance_id`` and what `new_uuid` makes of it are the origin's,
        because they may have gone into what was asked for. From there on they are the fork's own. Entities
        are shared: both instances call the same ones.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
        >>> hub.add_activity(lambda text: 0.4, name="judge")
        >>> hub.add_activity(lambda text: f"{text} is out", name="publish")
        >>> @hub.orchestrator
        ... def review(context):
        ...     mark = yield context.call_activity("judge", "draft")
        ...     if mark > 0.5:
        ...         return (yield context.call_activity("publish", "draft"))
        ...     return "not good enough"
        >>> handle = hub.start(review, instance_id="r")
        >>> handle.result()
        'not good enough'
        >>> print(handle.history()[3])  # doctest: +ELLIPSIS
        TaskCompleted(event_id=4, ..., result='0.4', ...)
        >>> other = handle.fork(at=4, results={4: 0.9}, instance_id="what-if")
        >>> other.result()
        'draft is out'
        >>> other
        <review what-if: Completed, forked from r>
        >>> hub.close()
        """
        chosen = self.hub.client.fork(self.id, at, results=results, input_=input, fork_id=instance_id)
        return Handle(self.hub, chosen)

    def purge(self) -> int:
        """Delete all that is kept of the ended instance and its children; return how many went.

        Raises
        ------
        InstanceStateError
            If it is open.
        """
        return self.hub.client.purge_instance_history(self.id).instances_deleted

    def replay(
        self, orchestrator: Callable[..., Any] | None = None, *, execution: int | None = None
    ) -> Replay:
        """Let the orchestrator's code go through the history once more, and return what it did at each await.

        Nothing is run and nothing is written: what activities gave is in the history. Printed, the answer
        walks through the last replay; `steps(n)` gives the one that happened when the code ran for the n-th
        time.

        Parameters
        ----------
        orchestrator
            Other code than that which is registered: does it fit what has happened so far?
        execution
            Which execution, from 1, of one that continued as new or was rewound; without it, the newest one.

        Raises
        ------
        FunctionNotFoundError
            If the orchestrator's cell has not run yet.
        InstanceNotFoundError
            If it was purged.
        ValueError
            If there is no such execution.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
        >>> @hub.activity
        ... def double(value):
        ...     return 2 * value
        >>> @hub.orchestrator
        ... def work(context):
        ...     first = yield context.call_activity(double, 4)
        ...     return (yield context.call_activity(double, first))
        >>> handle = hub.start(work, instance_id="w")
        >>> handle.result()
        16
        >>> first, second, last = handle.replay().steps()
        >>> print(second.names, second.sentence)
        {'first': '8'} The history already holds the result (event 7); double is not run again.
        >>> hub.close()
        """
        from durablenb.analysis.replays.executions import Executions  # only needed for replays

        self.hub._journal.refresh(self.id)
        executions = Executions(self._records())
        if not len(executions):
            raise self.hub._journal.unknown(self.id)
        execution_id, history = executions[len(executions) if execution is None else execution]
        return self._replay(execution_id, history, orchestrator)

    def _replay(
        self, execution_id: str, history: Sequence[Event], orchestrator: Callable[..., Any] | None
    ) -> Replay:
        """Return the replays of one of the executions."""
        from durablenb.hub.replay import replay_execution

        name = self.hub._journal.existing(self.id).name
        return replay_execution(self.hub, (self.id, execution_id), name, history, orchestrator)

    def explore(
        self, orchestrator: Callable[..., Any] | None = None, *, execution: int | None = None
    ) -> LiveExplorer:
        """Return a live view that goes through the replays step by step: code, variables, history.

        Looking runs nothing and writes nothing. It follows an orchestration that runs, and opens at the last
        step: where a failed one raised, where the code of a held one doesn't fit its history. Keys: the
        arrows go a step, PageUp and PageDown a replay, Home and End to the ends, Space plays. A copy of the
        history can be changed in it, to see what the code would have done; only *Resume the copy* runs
        something, in a hub of its own.

        Parameters
        ----------
        orchestrator
            Other code than that which is registered.
        execution
            Which execution, from 1, to begin with; without it, the newest one. Another one can be chosen in
            the view.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        ValueError
            If there is no such execution.
        """
        from durablenb.notebook.live.explorer import LiveExplorer

        return LiveExplorer(self, orchestrator, execution)

    def watch(self, *, freeze: bool = True) -> LiveInstance:
        """Return a live view: it follows the orchestration, and lets its parts be looked into.

        It has the graph, the timeline and the history, what the orchestration waits for, with a form for each
        external event, and what else can be done with it. What is selected in one view of an instance is
        selected in all. Up to ten times a second it is drawn anew, from what is on disk.

        A cell that blocks, as `result` does, keeps the page from being answered: `await handle` instead.

        Parameters
        ----------
        freeze
            Whether it becomes the still picture when the orchestration has ended, so that a saved notebook
            shows it without a kernel. A view in which something is selected stays live.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        """
        from durablenb.notebook.live.instance import LiveInstance

        self.hub.client.existing(self.id)
        return LiveInstance(self, freeze=freeze)

    def _records(self, after: int = 0) -> list[Record]:
        """Return the events after a position in the journal, as it was last read."""
        return self.hub._journal.of(self.id).records(self.id, after)

    def _load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        return self.hub._journal.load(instance_ids)

    def _status(self) -> DurableOrchestrationStatus:
        """Return the status when the journal was last read."""
        return self.hub._journal.status(self.id)

    @contextmanager
    def _reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self.hub._journal.refresh(self.id)
        with self.hub._journal.connection(self.id) as connection:
            yield connection

    def _shown(self) -> InstanceSnapshot:
        from durablenb.analysis.snapshot import instance_snapshot  # only needed for pictures

        journal = self.hub._journal
        journal.refresh(self.id)
        records = self._records()
        if not records:
            raise journal.unknown(self.id)
        return instance_snapshot(
            self._status(),
            [record.event for record in records],
            journal.runtime_info(self.id).obstacle,
            journal.now(self.id),
            lambda entity_ids: journal.related(self.id, entity_ids).queues,
            journal.related(self.id).forks,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handle):
            return NotImplemented
        return (self.hub, self.id) == (other.hub, other.id)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        try:
            status = self.status()
        except DurableError:
            return f"<instance {self.id} of {self.hub._journal.description}>"
        return repr(status) if status else f"<instance {self.id}: purged>"
