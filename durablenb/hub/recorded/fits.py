"""Whether code fits the instances of a file that is only read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from durablenb.analysis.replays.executions import FindText, text_at_start
from durablenb.analysis.replays.fit_checker import FitChecker, ReplayCase, ReplayTargets, last_execution
from durablenb.analysis.replays.replay import FileReplayer, Replay
from durablenb.core.ports.store import InstanceQuery
from durablenb.core.registry import Code
from durablenb.core.renaming import as_it_was
from durablenb.engine.transcript import SILENCE, speaking
from durablenb.hub.recorded.instance import RecordedInstance
from durablenb.model.events import Event
from durablenb.model.status import InstanceState
from durablenb.store.statements import LOAD_MANY
from durablenb.store.states import Ask, states_of
from durablenb.store.wire import from_row
from durablenb.values.codec import ValueCodec

if TYPE_CHECKING:
    from durablenb.hub.recorded.hub import HubFile


class FileHistories:
    """The instances of a file, and their histories.

    Parameters
    ----------
    ask
        Answers a statement.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def states(self, query: InstanceQuery) -> list[InstanceState]:
        """The states of the instances that the query is about."""
        return states_of(self._ask, query)

    def load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        """The current execution's history of each instance, since its last rewind."""
        rows = sorted(self._ask(LOAD_MANY, [list(instance_ids)]), key=itemgetter(0))
        found: dict[str, list[Event]] = {}
        for record in map(from_row, rows):
            found.setdefault(record.instance_id, []).append(record.event)
        return {instance_id: last_execution(events) for instance_id, events in found.items()}


def fitting_of(file: HubFile, orchestrator: Callable[..., Any]) -> FitChecker:
    """Return what is needed to see whether code fits instances of a file.

    Parameters
    ----------
    file
        Whose instances.
    orchestrator
        The code.
    """

    def own_id(target: object) -> str | None:
        return target.id if isinstance(target, RecordedInstance) and target._file is file else None

    def replay(case: ReplayCase, events: Sequence[Event], code: Code) -> Replay:
        ids = (case.instance_id, case.execution_id)
        return replay_of(ids, case.name, events, code.function, file._codec, file._source)

    return FitChecker(
        ReplayTargets(FileHistories(file._ask), (), own_id),
        file._codec,
        lambda name, version: Code(orchestrator, None),
        replay,
        lambda: speaking(SILENCE),
    )


def replay_of(
    ids: tuple[str, str],
    name: str,
    events: Sequence[Event],
    orchestrator: Callable[..., Any],
    codec: ValueCodec,
    text_of: FindText,
) -> Replay:
    """Return the replays of an execution that is only read, by code that is given.

    Parameters
    ----------
    ids
        The instance's id and the execution's.
    name
        The orchestrator's.
    events
        The execution's events.
    orchestrator
        The code.
    codec
        Reads the values.
    text_of
        Gives the source texts that were kept.
    """
    (instance_id, execution_id), history = as_it_was(ids, events)
    bench = FileReplayer(orchestrator, (instance_id, execution_id), codec)
    began_with = text_at_start(history, text_of, bench.source)
    return Replay(instance_id, name, bench.trace(history), bench.source, bench, began_with=began_with)
