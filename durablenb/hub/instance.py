"""A handle: one instance, as a user holds it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from durablenb.analysis.figures import InstanceFigures
from durablenb.hub.client import NOTHING_GIVEN, SyncDurableOrchestrationClient
from durablenb.model.errors import DurableError, WaitTimeoutError
from durablenb.model.status import DurableOrchestrationStatus

if TYPE_CHECKING:
    from durablenb.analysis.history import History
    from durablenb.analysis.logs import Log
    from durablenb.analysis.replays.replay import Replay
    from durablenb.analysis.snapshot import InstanceSnapshot
    from durablenb.analysis.waits import Obstacle
    from durablenb.hub.journal_source import Standing
    from durablenb.hub.progress import Progress
    from durablenb.notebook.live.explorer import LiveExplorer
    from durablenb.notebook.live.instance import LiveInstance
    from durablenb.notebook.live.sight import Sight


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

    def __init__(self, client: SyncDurableOrchestrationClient, instance_id: str) -> None:
        self._client = client
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
        return self._client.result_of(self.id, timeout)

    def wait(self, timeout: float | None = None) -> DurableOrchestrationStatus:
        """Wait in the same way, and return the status, whichever it is."""
        return self._client.wait_for_completion(self.id, timeout)

    def __await__(self) -> Generator[Any, Any, Any]:
        from durablenb.engine.awaiting import await_outcome  # asyncio takes its time to import

        outcome = yield from await_outcome(self._client.engine, self.id, None).__await__()
        return self._client.value_of(self.id, outcome)

    def progress(self) -> Progress:
        """Return the wait for the orchestration's end, with a look at how far it has come.

        ``await handle.progress()`` in a notebook, ``handle.progress().result()`` in a script. It waits,
        returns and raises as `result` does.
        """
        from durablenb.hub.progress import Progress  # what only those need who look on

        return Progress(self._client, self.id)

    def status(self, *, show_history: bool = False) -> DurableOrchestrationStatus:
        """Return where the instance stands; with `show_history` its events in Azure's form, too."""
        return self._client.get_status(self.id, show_history, show_history)

    def history(self) -> History:
        """Return the events of the instance, of all its executions, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        """
        from durablenb.analysis.history import History  # not before one is looked at

        return History(self.id, self._client.history(self.id))

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

        return Log(self.id, self._client.logs(self.id)).only(level=level, task_id=task_id, name=name)

    def raise_event(self, event_name: str, event_data: Any = None) -> None:
        """Send an external event; it is kept until the orchestration waits for it.

        Raises
        ------
        InstanceStateError
            If the orchestration has ended.
        """
        self._client.raise_event(self.id, event_name, event_data)

    def terminate(self, reason: str = "", *, recursive: bool = True) -> None:
        """End the orchestration; with `recursive` its sub-orchestrations too, and theirs."""
        self._client.terminate(self.id, reason, recursive=recursive)

    def suspend(self, reason: str = "") -> None:
        """Let the orchestration rest until `resume`; what arrives is kept."""
        self._client.suspend(self.id, reason)

    def resume(self, reason: str = "") -> None:
        """Let the suspended orchestration go on."""
        self._client.resume(self.id, reason)

    def rewind(self, reason: str = "") -> None:
        """Do the failed tasks and children of the failed orchestration again; successes stay.

        Raises
        ------
        InstanceStateError
            If it did not fail.
        """
        self._client.rewind(self.id, reason)

    def restart(self, *, restart_with_new_instance_id: bool = True) -> Handle:
        """Start the orchestration again with its input; return the new instance's handle."""
        return Handle(self._client, self._client.restart(self.id, restart_with_new_instance_id))

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
        chosen = self._client.fork(self.id, at, results=results, input_=input, fork_id=instance_id)
        return Handle(self._client, chosen)

    def purge(self) -> int:
        """Delete all that is kept of the ended instance and its children; return how many went.

        Raises
        ------
        InstanceStateError
            If it is open.
        """
        return self._client.purge_instance_history(self.id).instances_deleted

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
        from durablenb.hub.replay import replay_of

        return replay_of(self._client, self.id, orchestrator, execution, Handle)

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
        from durablenb.analysis.replays.explorer import ExplorerSource
        from durablenb.hub.replay import replay_over
        from durablenb.notebook.live.explorer import LiveExplorer

        client, store = self._client, self._client.engine.store
        registry, state = client.engine.registry, client.existing(self.id)
        name = state.name

        def code() -> object:
            found = registry.code(name, state.version)
            return orchestrator or (None if found is None else found.function)

        sight = ExplorerSource(
            self,
            records=partial(store.records, self.id),
            replay=lambda execution_id, events: replay_over(
                client, (self.id, execution_id), name, events, orchestrator, Handle
            ),
            code=code,
            source=store.source,
            now=client.engine.clock.now,
            obstacle=self._obstacle,
        )
        return LiveExplorer(sight, execution)

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

        self._client.history(self.id)
        return LiveInstance(self._sight(), freeze=freeze)

    def _sight(self) -> Sight:
        from durablenb.analysis.entities import read_queues
        from durablenb.analysis.instances import read_forks
        from durablenb.analysis.sql import query, reader_of
        from durablenb.engine.timekeeping import HubClock
        from durablenb.notebook.live.sight import Sight

        store = self._client.engine.store
        return Sight(
            self,
            records=partial(store.records, self.id),
            obstacle=self._obstacle,
            forks=lambda: read_forks(reader_of(store), self.id),
            clock=HubClock(self._client.engine),
            queues=lambda entity_ids: read_queues(reader_of(store), entity_ids),
            ask=lambda sql: query(reader_of(store), sql, None, {}),
            other=lambda instance_id: Handle(self._client, instance_id)._sight(),
        )

    def _reader(self) -> AbstractContextManager[Any]:
        from durablenb.analysis.sql import reader_of

        return nullcontext(reader_of(self._client.engine.store))

    def _shown(self) -> InstanceSnapshot:
        from durablenb.analysis.entities import read_queues
        from durablenb.analysis.instances import read_forks  # what only pictures need
        from durablenb.analysis.snapshot import instance_snapshot
        from durablenb.analysis.sql import reader_of

        engine, status, history = self._client.engine, self.status(), self._client.history(self.id)
        ask_queues = partial(read_queues, reader_of(self._client.engine.store))
        forks = read_forks(reader_of(self._client.engine.store), self.id)
        return instance_snapshot(status, history, self._obstacle(), engine.clock.now(), ask_queues, forks)

    def _standing(self) -> Standing:
        """Return what the engine knows of the instance, or entity, and the journal doesn't."""
        from durablenb.hub.journal_source import Standing  # what only a server needs

        engine = self._client.engine
        state = engine.runtime_state(self.id)
        reason, known = state.obstacle, state.imported
        is_missing = self.id.startswith("@") and not engine.registry.has_entity(self.id.split("@")[1])
        told = None if reason is None else (type(reason).__name__, str(reason))
        return Standing(self._obstacle(), told, is_missing, None if known is None else known.origin)

    def _obstacle(self) -> Obstacle:
        """Return what stands in the way of the instance, as plain data."""
        from durablenb.analysis.waits import Obstacle

        state = self._client.engine.runtime_state(self.id)
        held, missing, found = state.held, state.missing, state.obstacle
        if not state.is_open or found is None or isinstance(held, WaitTimeoutError):
            return Obstacle()  # that it waits for more code is in its history
        below = None if held or missing or state.without_executor else str(found)
        return Obstacle(missing, None if held is None else str(held), below, state.without_executor)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handle):
            return NotImplemented
        return (self._client, self.id) == (other._client, other.id)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        try:
            status = self.status()
        except DurableError:
            return f"<instance {self.id} of a closed hub>"
        return repr(status) if status else f"<instance {self.id}: purged>"
