"""One instance of a hub that another process serves, as a user holds it.

It is long because it has all that a `Handle` has.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from durablenb.analysis.figures import InstanceFigures
from durablenb.analysis.history import History
from durablenb.analysis.logs import Log
from durablenb.analysis.replays.executions import Executions
from durablenb.core.status_history import history_events
from durablenb.hub.remote.client import RemoteClient, known
from durablenb.hub.remote.link import error_named
from durablenb.hub.remote.parts import WAIT, Part
from durablenb.model.errors import (
    DurableError,
    InstanceNotFoundError,
    OrchestrationTerminatedError,
    WaitTimeoutError,
)
from durablenb.model.failures import FailureDetails, exception_of
from durablenb.model.status import DurableOrchestrationStatus, InstanceState, failed_text
from durablenb.model.status import OrchestrationRuntimeStatus as Status

if TYPE_CHECKING:
    from durablenb.analysis.replays.replay import Replay
    from durablenb.analysis.snapshot import InstanceSnapshot
    from durablenb.hub.remote.hub import RemoteHub
    from durablenb.notebook.live.explorer import LiveExplorer
    from durablenb.notebook.live.instance import LiveInstance
    from durablenb.notebook.live.sight import Sight


class RemoteHandle(InstanceFigures):
    """One instance of a remote hub; `RemoteHub.handle` and `RemoteHub.start` give it.

    All is called as in a `Handle`. What is looked at is the instance's own history, of which a copy is kept
    here; each call asks the server for what is new.
    """

    def __init__(self, hub: RemoteHub, instance_id: str) -> None:
        self._hub = hub
        self.id = known(instance_id)
        """The instance's id."""

    # -- waiting ---------------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> Any:
        """Wait until the orchestration has ended, and return what it returned.

        Parameters
        ----------
        timeout
            Seconds; None for as long as it takes. Interrupting the wait harms nothing: wait again.

        Raises
        ------
        TaskFailedError
            If it failed; also of the original exception's type, where that is known here.
        OrchestrationTerminatedError
            If it was terminated.
        WaitTimeoutError
            If it did not end in time.
        NonDeterminismError, FunctionNotFoundError
            If it is held, or waits for code, at the server.
        HubUnreachableError
            If the server doesn't answer.
        """
        return self._value(self._wait(timeout))

    def wait(self, timeout: float | None = None) -> DurableOrchestrationStatus:
        """Wait in the same way, and return the status, whichever it is."""
        return self._hub._status(self._wait(timeout), self._part.standing)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._awaited().__await__()

    async def _awaited(self) -> Any:
        import asyncio  # it takes its time to import

        for wait in self._waits(None):
            await asyncio.to_thread(self._part.look, wait)
        return self._value(self._existing())

    def _wait(self, timeout: float | None) -> InstanceState:
        for wait in self._waits(timeout):
            self._part.look(wait)
        return self._existing()

    def _waits(self, timeout: float | None) -> Iterator[float]:
        """For how long the server is to be asked for news, again and again, until the instance has ended."""
        until = None if timeout is None else time.monotonic() + timeout
        before: tuple[str, str] | None = None
        yield 0.0
        while not self._existing().status.is_terminal:
            reason = self._part.standing.reason
            if reason is not None and reason == before:
                raise (error_named(reason[0]) or DurableError)(reason[1])
            before = reason
            left = WAIT if until is None else until - time.monotonic()
            if left <= 0:
                raise WaitTimeoutError(
                    f"{self.id} did not end within {timeout:g} seconds. It goes on; wait again."
                )
            yield min(left, WAIT if reason is None else 1.0)  # somebody may just have run that cell

    def _existing(self) -> InstanceState:
        found = self._part.mirror.state(self.id)
        if found is None:
            raise InstanceNotFoundError(
                f"{self._hub.url} has no instance {self.id!r}. remote.instances() lists those that there are."
            )
        return found

    def _value(self, state: InstanceState) -> Any:
        text = state.output or "null"
        if state.status is Status.Completed:
            return self._hub._codec.decode(text)
        if state.status is Status.Failed:
            failure = FailureDetails.from_json(json.loads(text))
            raise exception_of(failure, failed_text(state.name, failure))
        raise OrchestrationTerminatedError(
            f"{self.id} ({state.name}) was terminated: {state.output or 'no reason was given'}."
        )

    # -- looking ---------------------------------------------------------------------------------

    def status(self, *, show_history: bool = False) -> DurableOrchestrationStatus:
        """Return where the instance stands; with `show_history` its events in Azure's form, too."""
        self._part.look()
        status = self._last_status()
        if status and show_history:
            events = [one.event for one in self._part.mirror.records(self.id)]
            status.history = history_events(events, show_output=True, show_input=True)
        return status

    def history(self) -> History:
        """Return the events of the instance, of all its executions, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        self._part.look()
        self._existing()
        return History(self.id, [one.event for one in self._part.mirror.records(self.id)])

    def logs(
        self, *, level: int | str | None = None, task_id: int | None = None, name: str | None = None
    ) -> Log:
        """Return what the instance and its sub-orchestrations printed and logged; see `Handle.logs`."""
        return self._hub._log(self.id).only(level=level, task_id=task_id, name=name)

    def replay(self, orchestrator: Callable[..., Any], *, execution: int | None = None) -> Replay:
        """Let code of this process go through the history; see `Handle.replay`.

        Parameters
        ----------
        orchestrator
            The code: what is registered at the server stays there.
        execution
            Which execution, from 1; without it, the newest one.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        ValueError
            If there is no such execution.
        """
        self._part.look()
        name = self._existing().name
        executions = Executions(self._part.mirror.records(self.id))
        execution_id, events = executions[len(executions) if execution is None else execution]
        return self._hub._replay(self.id, execution_id, name, events, orchestrator)

    # -- steering --------------------------------------------------------------------------------

    def raise_event(self, event_name: str, event_data: Any = None) -> None:
        """Send an external event; it is kept until the orchestration waits for it."""
        self._client.raise_event(self.id, event_name, event_data)

    def terminate(self, reason: str = "") -> None:
        """End the orchestration and its sub-orchestrations."""
        self._client.terminate(self.id, reason)

    def suspend(self, reason: str = "") -> None:
        """Let the orchestration rest until `resume`; what arrives is kept."""
        self._client.suspend(self.id, reason)

    def resume(self, reason: str = "") -> None:
        """Let the suspended orchestration go on."""
        self._client.resume(self.id, reason)

    def rewind(self, reason: str = "") -> None:
        """Do the failed tasks and children of the failed orchestration again; successes stay."""
        self._client.rewind(self.id, reason)

    def restart(self, *, restart_with_new_instance_id: bool = True) -> RemoteHandle:
        """Start the orchestration again with its input; return the new instance's handle."""
        return RemoteHandle(self._hub, self._client.restart(self.id, restart_with_new_instance_id))

    def purge(self) -> int:
        """Delete all that is kept of the ended instance and its children; return how many went."""
        return self._client.purge_instance_history(self.id).instances_deleted

    # -- views -----------------------------------------------------------------------------------

    def watch(self, *, freeze: bool = True) -> LiveInstance:
        """Return a live view: it follows the orchestration, and lets its parts be looked into.

        As `Handle.watch`. Where the connection breaks, the view says so, and goes on when it is back.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        from durablenb.notebook.live.instance import LiveInstance

        sight = self._sight()
        self._existing()
        return LiveInstance(sight, freeze=freeze)

    def explore(self, orchestrator: Callable[..., Any], *, execution: int | None = None) -> LiveExplorer:
        """Return a live view that goes through the replays step by step; see `Handle.explore`.

        Parameters
        ----------
        orchestrator
            The code: what is registered at the server stays there.
        execution
            Which execution, from 1, to begin with; without it, the newest one.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        ValueError
            If there is no such execution.
        """
        from durablenb.hub.remote.sights import explorer_sight_of
        from durablenb.notebook.live.explorer import LiveExplorer

        self._part.look()
        self._existing()
        return LiveExplorer(explorer_sight_of(self._hub, self.id, orchestrator), execution)

    def _sight(self) -> Sight:
        from durablenb.hub.remote.sights import sight_of

        return sight_of(self._hub, self.id)

    def _reader(self) -> AbstractContextManager[Any]:
        self._part.look()
        return self._part.mirror.cursor()

    def _shown(self) -> InstanceSnapshot:
        from durablenb.analysis.snapshot import instance_snapshot  # what only pictures need

        self._part.look()
        state = self._existing()
        events = [one.event for one in self._part.mirror.records(self.id)]
        standing = self._part.standing
        status = self._hub._status(state, standing)
        beside = self._hub._related(self.id)
        return instance_snapshot(
            status,
            events,
            standing.obstacle,
            self._now(),
            lambda ids: self._hub._related(self.id, ids).queues,
            beside.forks,
        )

    @property
    def _client(self) -> RemoteClient:
        return self._hub.client

    @property
    def _part(self) -> Part:
        return self._hub._part(self.id)

    def _now(self) -> datetime:
        return self._part.now()

    def _last_status(self) -> DurableOrchestrationStatus:
        """Where it stood when the server was last asked."""
        state = self._part.mirror.state(self.id)
        return (
            DurableOrchestrationStatus() if state is None else self._hub._status(state, self._part.standing)
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RemoteHandle):
            return NotImplemented
        return (self._hub, self.id) == (other._hub, other.id)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        try:
            status = self.status()
        except DurableError:
            return f"<instance {self.id} of {self._hub.url}, which doesn't answer>"
        return repr(status) if status else f"<instance {self.id}: purged>"
