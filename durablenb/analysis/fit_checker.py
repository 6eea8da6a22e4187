"""Replays code against the histories of instances, to see whether it fits them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from durablenb.analysis.figures import InstanceFigures
from durablenb.analysis.history import History
from durablenb.analysis.instances import InstanceList
from durablenb.analysis.replays.fit_report import Fit, FitReport
from durablenb.analysis.replays.replay import Replay
from durablenb.core.mismatch import find_mismatch
from durablenb.core.ports.store import InstanceQuery
from durablenb.core.registry import Code, target_name
from durablenb.model.errors import InstanceNotFoundError
from durablenb.model.events import Event, ExecutionStarted, SubOrchestrationInstanceCreated
from durablenb.model.payloads import Codec
from durablenb.model.source import read_source
from durablenb.model.status import (
    DurableOrchestrationStatus,
    InstanceState,
    OrchestrationRuntimeStatus,
    Statuses,
    parse_statuses,
)

OPEN_STATUSES = tuple(status for status in OrchestrationRuntimeStatus if not status.is_terminal)
"""The statuses of instances that may resume."""

BATCH_SIZE = 64
"""The number of histories that are read with one query."""


class HistorySource(Protocol):
    """A source of instances and their histories."""

    def states(self, query: InstanceQuery) -> list[InstanceState]:
        """Return the states of the instances that match the query."""
        ...

    def load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        """Return the history of each instance's current execution, since its last rewind."""
        ...


@dataclass(frozen=True)
class ReplayCase:
    """An execution. `history` is None as long as it hasn't been read."""

    instance_id: str
    execution_id: str
    name: str
    version: str | None
    history: Sequence[Event] | None = None


@dataclass(frozen=True)
class ReplayTargets:
    """Finds the executions that a user's target refers to.

    Parameters
    ----------
    histories
        The source of instances and histories.
    names
        The names of the known orchestrators.
    own_id
        Gives the id of a handle of this hub; None for any other object.
    """

    histories: HistorySource
    names: Iterable[str]
    own_id: Callable[[object], str | None] = lambda _: None

    def cases(self, target: Any, status: Statuses = None) -> tuple[str, list[ReplayCase]]:
        """Return a noun for the executions that a target refers to, and these executions, oldest first.

        Parameters
        ----------
        target
            A handle, an id, a `History`, or several of these; or an orchestrator, or its name, for all of its
            open instances.
        status
            The statuses of an orchestrator's instances.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        ValueError
            If a text is both an id and a name, or if `status` is given without an orchestrator.
        TypeError
            If the target is none of these.
        """
        name = self._name_in(target)
        if name is not None:
            statuses = OPEN_STATUSES if status is None else parse_statuses(status)
            states = self.histories.states(InstanceQuery(name=name, statuses=statuses))
            return "open instance" if status is None else "instance", [_case(state) for state in states]
        if status is not None:
            raise ValueError("status goes with an orchestrator: which of its instances? Leave it out.")
        targets = _as_list(target)
        known = self._states([target for target in map(self._id_in, targets) if target is not None])
        return "instance", [self._case(target, known) for target in targets]

    def read(self, cases: Sequence[ReplayCase]) -> Iterator[tuple[ReplayCase, Sequence[Event]]]:
        """Yield the executions with their histories, read in batches. Purged instances are left out."""
        for first in range(0, len(cases), BATCH_SIZE):
            some = cases[first : first + BATCH_SIZE]
            ids = [case.instance_id for case in some if case.history is None]
            histories = self.histories.load(ids) if ids else {}
            for case in some:
                history = histories.get(case.instance_id) if case.history is None else case.history
                if history:
                    yield case, history

    # -- inside ----------------------------------------------------------------------------------

    def _name_in(self, target: Any) -> str | None:
        if callable(target):
            return target_name(target)
        if not isinstance(target, str):
            return None
        is_id, is_name = bool(self._states([target])), target in self.names
        if not (is_id or is_name):
            is_name = bool(self.histories.states(InstanceQuery(name=target, limit=1)))
        if is_name and is_id:
            raise ValueError(
                f"{target!r} is an orchestrator and an instance. Give hub.handle({target!r}) for the "
                "instance, or the function for the orchestrator."
            )
        return target if is_name else None

    def _id_in(self, target: Any) -> str | None:
        if isinstance(target, str):
            return target
        if isinstance(target, DurableOrchestrationStatus):
            return target.instance_id
        return self.own_id(target)

    def _states(self, instance_ids: Sequence[str]) -> dict[str, InstanceState]:
        if not instance_ids:
            return {}
        query = InstanceQuery(instance_ids=tuple(dict.fromkeys(instance_ids)))
        return {state.instance_id: state for state in self.histories.states(query)}

    def _case(self, target: Any, known: dict[str, InstanceState]) -> ReplayCase:
        instance_id = self._id_in(target)
        if instance_id is not None:
            if instance_id not in known:
                raise _unknown(target, instance_id)
            return _case(known[instance_id])
        if isinstance(target, InstanceFigures):
            return _recorded(target.history())
        if isinstance(target, History):
            return _recorded(target)
        raise TypeError(
            f"Expected a handle, an id, a history, a list of these or an orchestrator, not a "
            f"{type(target).__name__}."
        )


def _as_list(target: Any) -> Sequence[Any]:
    if isinstance(target, InstanceList):
        return target.handles() or target
    is_one = isinstance(target, (str, History)) or not isinstance(target, Iterable)
    return [target] if is_one else [*target]


def _unknown(target: object, instance_id: str) -> InstanceNotFoundError:
    if isinstance(target, DurableOrchestrationStatus):
        return InstanceNotFoundError(
            f"There is no instance {instance_id!r} here, and a status doesn't know whose it is. Of another "
            f"hub or file give the handle: file.handle({instance_id!r}), or all of file.instances()."
        )
    return InstanceNotFoundError(
        f"There is no instance {instance_id!r}, and no orchestrator of that name. hub.instances() lists the "
        "instances that there are."
    )


def _case(state: InstanceState) -> ReplayCase:
    return ReplayCase(state.instance_id, state.execution_id, state.name, state.version)


def _recorded(history: History) -> ReplayCase:
    """Return the last execution of a history that may be from another hub."""
    events = last_execution(history)
    if not events:
        raise ValueError(f"The history of {history.instance_id} has no beginning. Give the whole of it.")
    started = events[0]
    assert isinstance(started, ExecutionStarted)
    return ReplayCase(history.instance_id, _execution_id_in(events), started.name, started.version, events)


def last_execution(events: Sequence[Event]) -> list[Event]:
    """Return the events of the last execution, since its last rewind."""
    for position in range(len(events) - 1, -1, -1):
        if isinstance(events[position], ExecutionStarted):
            return list(events[position:])
    return []


_OWN_CHILD = re.compile(r"([0-9a-f]{16}):(\d+)")


def _execution_id_in(events: Sequence[Event]) -> str:
    """Return the execution's id, which generated ids of children contain; empty if there is none."""
    parents: Counter[str] = Counter()
    started = events[0]
    assert isinstance(started, ExecutionStarted)
    others = {origin.execution_id for origin in started.forked_from}
    for event in events:
        if isinstance(event, SubOrchestrationInstanceCreated):
            match = _OWN_CHILD.fullmatch(event.instance_id)
            if match is not None and int(match[2]) == event.task_id and match[1] not in others:
                parents[match[1]] += 1
    return parents.most_common(1)[0][0] if parents else ""


MakeReplay = Callable[[ReplayCase, Sequence[Event], Code], Replay]
"""Gives the full replay of an execution."""


@dataclass(frozen=True)
class FitChecker:
    """Checks whether code fits executions.

    Parameters
    ----------
    targets
        Finds the executions.
    codec
        The codec of the values.
    code_of
        Gives the code for an orchestrator's name and version.
    make_replay
        Gives the full replay of an execution.
    quiet
        The context in which code runs. It discards prints, and refuses requests to the hub.
    """

    targets: ReplayTargets
    codec: Codec
    code_of: Callable[[str, str | None], Code]
    make_replay: MakeReplay
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext

    def report(self, target: Any, orchestrator: Callable[..., Any] | None, status: Statuses) -> FitReport:
        """Return a report on whether the code fits the executions that a target refers to."""
        about, cases = self.targets.cases(target, status)
        return FitReport(about, self.fits(cases, orchestrator))

    def fits(self, cases: Sequence[ReplayCase], orchestrator: Callable[..., Any] | None = None) -> list[Fit]:
        """Return for each execution whether its own code, or the given code, fits."""
        given = None if orchestrator is None else Code(orchestrator, read_source(orchestrator))
        codes = [self.code_of(case.name, case.version) if given is None else given for case in cases]
        by_case = {id(case): code for case, code in zip(cases, codes, strict=True)}
        return [self._fit(case, events, by_case[id(case)]) for case, events in self.targets.read(cases)]

    def _fit(self, case: ReplayCase, events: Sequence[Event], code: Code) -> Fit:
        ids = (case.instance_id, case.execution_id)
        with self.quiet():
            misfit = find_mismatch(code.function, ids, events, self.codec, target_name, code.source)
        replay = partial(self.replay, case, code)
        return Fit(case.instance_id, case.name, case.version, len(events), misfit, code.source, replay)

    def replay(self, case: ReplayCase, code: Code) -> Replay:
        """Return the full replay. It reads the history again, so that reports don't keep histories."""
        for _, events in self.targets.read([case]):
            return self.make_replay(case, events, code)
        raise LookupError(f"{case.instance_id} was purged since it was looked at.")
