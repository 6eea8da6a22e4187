"""The card of an instance: everything about it, for a cell and for a page to send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from durablenb.analysis.instance_card import InstanceCard
from durablenb.analysis.logs import Log
from durablenb.analysis.replays.executions import RecordedExecutions
from durablenb.analysis.replays.frames import Frames, collect_frames
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.snapshot import InstanceSnapshot, instance_snapshot
from durablenb.journal.bundle.values import event_without_values, failure_without_values, without_values
from durablenb.model.errors import FunctionNotFoundError, TypeNotRegisteredError

if TYPE_CHECKING:
    from durablenb.hub.instance import Handle


def instance_card(handle: Handle, orchestrator: Callable[..., Any] | None, *, values: bool) -> InstanceCard:
    """Return the card of an instance, as it is now.

    Parameters
    ----------
    handle
        The instance.
    orchestrator
        The code that is replayed; None for the registered code.
    values
        Whether inputs, results, variables, messages, the log and outputs are included.

    Raises
    ------
    InstanceNotFoundError
        If it was purged.
    """
    snapshot, log = handle._shown(), handle.logs()
    history = handle.hub._journal.bundle(handle.id)
    executions = RecordedExecutions(record for record in history.records if record.instance_id == handle.id)
    if not values:
        snapshot, log, history = (
            _without_values(handle, snapshot),
            Log(handle.id, ()),
            without_values(history),
        )
    return InstanceCard(
        snapshot,
        log,
        history,
        lambda: _frames(handle, executions, orchestrator, values=values),
        has_values=values,
    )


def _without_values(handle: Handle, snapshot: InstanceSnapshot) -> InstanceSnapshot:
    status, journal = snapshot.status, handle.hub._journal
    failure = status.failure_details
    info = journal.runtime_info(handle.id)
    if info.obstacle.held is not None:
        held = replace(info.obstacle, held="The code does not fit the history.")
        info = replace(info, obstacle=held)
    return instance_snapshot(
        replace(
            status,
            input_=None,
            output=None,
            custom_status=None,
            failure_details=None if failure is None else failure_without_values(failure),
        ),
        [event_without_values(event) for event in snapshot.events],
        info,
        snapshot.now,
        lambda entity_ids: journal.related(handle.id, entity_ids).queues,
        snapshot.forks,
    )


def _frames(
    handle: Handle, executions: RecordedExecutions, orchestrator: Callable[..., Any] | None, *, values: bool
) -> Frames:
    """Return the frames of the executions, or the reason why there are none."""

    def replays() -> Iterator[tuple[int, str, Replay]]:
        for number in range(len(executions), 0, -1):
            execution_id, events = executions[number]
            yield number, execution_id, handle._replay(execution_id, events, orchestrator)

    def hide(text: str) -> str:
        try:
            return handle.hub._journal.codec.redact_log(text)
        except Exception as error:
            return f"redact failed: {type(error).__name__}"

    try:
        return collect_frames(replays(), hide, values=values)
    except (FunctionNotFoundError, TypeNotRegisteredError) as error:
        return Frames([], len(executions), str(error))
