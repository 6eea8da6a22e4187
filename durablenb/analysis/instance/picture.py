"""All that a picture of one instance is drawn from, whether it stands still or moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from durablenb.analysis.entities.queues import Queue
from durablenb.analysis.instance.calls import calls_of
from durablenb.analysis.instance.flow import flow_of
from durablenb.analysis.instance.nesting import Nest
from durablenb.analysis.instance.steps import Call, Flow
from durablenb.analysis.instance.waits import Obstacle, Wait, entities_waited_for, waits_of
from durablenb.model.events import Event, ExecutionStarted, OrchestratorStarted
from durablenb.model.status import DurableOrchestrationStatus


@dataclass(frozen=True)
class Picture:
    """An instance as it stands: nothing in it has to be asked for any more.

    Parameters
    ----------
    status
        What a client sees.
    events
        Of all executions, oldest first.
    flow
        The last execution as a graph of steps.
    calls
        The tasks of all executions.
    waits
        What it waits for; the first one is the one to look at first.
    executions
        How many executions there were, counting those after continue-as-new and rewind.
    episodes
        When the orchestrator looked.
    now
        When this was so, of an instance that is open.
    forks
        The instances that were forked from it.
    nest
        The sub-orchestrations that are opened in its graph.
    """

    status: DurableOrchestrationStatus
    events: tuple[Event, ...]
    flow: Flow
    calls: tuple[Call, ...]
    waits: tuple[Wait, ...]
    executions: int
    episodes: tuple[datetime, ...]
    now: datetime | None = None
    forks: tuple[str, ...] = ()
    nest: Nest = field(default_factory=dict)

    @property
    def word(self) -> str:
        """The status, or what a notebook must say instead of "Running": "Held", "Waiting", ..."""
        kinds = {wait.kind for wait in self.waits}
        if "mending" in kinds:
            return "Held"
        if "code" in kinds or "child" in kinds:
            return "Not loaded" if "code" in kinds else "Blocked"
        is_running = str(self.status.runtime_status) == "Running"
        if is_running and kinds <= {"external event", "timer", "lock"}:
            return "Waiting"
        if is_running and kinds == {"retry"}:
            return "Retrying"
        return str(self.status.runtime_status)


def picture_of(
    status: DurableOrchestrationStatus,
    events: Sequence[Event],
    obstacle: Obstacle | None = None,
    now: datetime | None = None,
    ask_queues: Callable[[Sequence[str]], Mapping[str, Queue]] | None = None,
    forks: tuple[str, ...] = (),
) -> Picture:
    """Return all that there is to draw of an instance.

    Parameters
    ----------
    status
        Where it stands.
    events
        Its history, of all executions.
    obstacle
        What stands in its way, if the engine says that something does.
    now
        The time; what is open lasts until then.
    ask_queues
        Tells what entities have to do, which is asked for if the instance waits for some.
    forks
        The instances that were forked from it.
    """
    missing = obstacle.missing if obstacle else ()
    calls = [known(call, missing) for call in calls_of(events)]
    flow = flow_of(events, calls)
    current = [call for step in flow.steps for call in step.calls]
    entity_ids = entities_waited_for(current)
    queues = ask_queues(entity_ids) if ask_queues is not None and entity_ids else {}
    waits = waits_of(events, current, obstacle, queues, status.instance_id or "")
    executions = sum(type(event) is ExecutionStarted for event in events)
    episodes = tuple(event.timestamp for event in events if type(event) is OrchestratorStarted)
    moment = moment_of(status, events, now) if waits else None
    return Picture(status, tuple(events), flow, tuple(calls), waits, executions, episodes, moment, forks)


def moment_of(
    status: DurableOrchestrationStatus, events: Sequence[Event], now: datetime | None
) -> datetime | None:
    """Return until when what is open lasts: of an imported instance, until the last that is known of it."""
    return now if status.imported_from is None else events[-1].timestamp


def known(call: Call, missing: tuple[str, ...]) -> Call:
    """Return a call; one that is open and whose code is missing is not loaded."""
    is_missing = bool(missing) and call.state == "open" and call.kind == "activity" and call.name in missing
    return replace(call, state="not loaded") if is_missing else call
