"""A handle: one instance, as a user holds it."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from durablenb.client import SyncDurableOrchestrationClient
from durablenb.model.display import Displayed
from durablenb.model.errors import DurableError, WaitTimeoutError
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.queries.history import History
from durablenb.queries.logs import Log

if TYPE_CHECKING:
    import networkx

    from durablenb.queries.picture import Picture
    from durablenb.queries.waits import Obstacle


class Handle(Displayed):
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
        return Log(self.id, self._client.logs(self.id)).only(level=level, task_id=task_id, name=name)

    def graph(self) -> networkx.DiGraph[Any]:
        """Return the last execution as a graph of its steps, a `networkx.DiGraph`.

        Calls of one name that were made at one place are one node; see `durablenb.queries.graph.graph_of`
        for what nodes and edges tell.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        """
        from durablenb.queries.flow import flow_of
        from durablenb.queries.graph import graph_of

        return graph_of(flow_of(self._client.history(self.id)))

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

    def purge(self) -> int:
        """Delete all that is kept of the ended instance and its children; return how many went.

        Raises
        ------
        InstanceStateError
            If it is open.
        """
        return self._client.purge_instance_history(self.id).instances_deleted

    def _shown(self) -> Picture:
        from durablenb.queries.picture import picture_of  # what only pictures need

        status, now = self.status(), self._client.engine.clock.now()
        return picture_of(status, self._client.history(self.id), self._obstacle(), now)

    def _obstacle(self) -> Obstacle:
        """Return what stands in the way of the instance, as plain data."""
        from durablenb.queries.waits import Obstacle

        lifecycle = self._client.engine.machine.lifecycle
        instance = lifecycle.open.get(self.id)
        found = lifecycle.obstacles.reason(self.id)
        if instance is None or found is None or isinstance(instance.held, WaitTimeoutError):
            return Obstacle()  # that it waits for more code is in its history
        held, missing = instance.held, tuple(sorted(instance.missing))
        below = None if held or missing else str(found)
        return Obstacle(missing, None if held is None else str(held), below)

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
