"""Promises of the outcomes of open instances, one for each instance that a client waits for."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping

from durablenb.engine import locks
from durablenb.engine.instance import CodeKey, InstanceOutcome
from durablenb.engine.locks import Promise
from durablenb.engine.messages import answer, refuse
from durablenb.model.events import ExecutionStarted

KEPT_OUTCOMES = 4_096
"""How many outcomes of instances that ended lately stay in memory."""

KEPT_CHARACTERS = 4_096
"""A longer outcome is read from the journal instead."""


class Completions:
    """The ids of the open instances, and the promises of their outcomes; for any thread.

    Notes
    -----
    A promise belongs to the id of an instance and not to one of its executions: an instance that continues as
    new stays open under the same promise. The lock is held for a few statements only, in which no other lock
    is taken.
    """

    def __init__(self) -> None:
        self._lock = locks.Lock()
        self._open: dict[str, ExecutionStarted] = {}
        self._recovered: set[str] = set()
        """The instances that were open when the hub was opened, until a client requests their status."""
        self._promises: dict[str, Promise] = {}
        self._owed: dict[Promise, str] = {}
        """Promises of instances that have ended, until that is on disk."""
        self._ended: OrderedDict[str, InstanceOutcome | Promise] = OrderedDict()
        """Outcomes of instances that have ended, the last one last; promises until they are on disk."""

    def __len__(self) -> int:
        """The number of open instances."""
        return len(self._open)

    def __contains__(self, instance_id: str) -> bool:
        """Return True if the instance is open."""
        return instance_id in self._open

    def codes(self) -> Counter[CodeKey]:
        """Return the number of open instances for each orchestrator and version."""
        return Counter((started.name, started.version) for started in list(self._open.values()))

    def started(self, instance_id: str) -> ExecutionStarted | None:
        """Return the first event of an open instance's execution; None if it isn't open."""
        return self._open.get(instance_id)

    def parent_id(self, instance_id: str) -> str | None:
        """Return the id of the instance that called an open sub-orchestration; None for any other one."""
        started = self.started(instance_id)
        return None if started is None or started.parent is None else started.parent.instance_id

    def watch(self, instance_id: str, *, is_engine: bool = False) -> Promise | None:
        """Return the promise of an instance's outcome, kept once that is on disk.

        None if the instance isn't open and has not ended lately. Also None if it was open already when the
        hub was opened, and the engine was not asked about it yet: the engine (`is_engine`) then replays it,
        and sees whether anything blocks it.
        """
        with self._lock:
            if instance_id not in self._open:
                outcome = self._ended.get(instance_id)
                return outcome if outcome is None or isinstance(outcome, Promise) else _kept(outcome)
            if instance_id in self._recovered:
                if not is_engine:
                    return None
                self._recovered.discard(instance_id)
            promise = self._promises.get(instance_id)
            if promise is None:
                promise = self._promises[instance_id] = Promise()
            return promise

    def opened(self, instance_id: str, started: ExecutionStarted) -> None:
        """Record that the instance is open, with the first event of its execution."""
        with self._lock:
            self._open[instance_id] = started
            self._ended.pop(instance_id, None)

    def forget(self, instance_ids: Iterable[str]) -> None:
        """Forget the outcomes of instances that are deleted or replaced."""
        with self._lock:
            for instance_id in instance_ids:
                self._ended.pop(instance_id, None)

    def closed(self, instance_id: str, outcome: InstanceOutcome) -> Callable[[], None]:
        """Record that the instance has ended; return what to call once that is on disk."""
        with self._lock:
            self._open.pop(instance_id, None)
            self._recovered.discard(instance_id)
            promise = self._promises.pop(instance_id, None) or Promise()
            self._owed[promise] = instance_id
            if len(outcome.text) <= KEPT_CHARACTERS:
                self._ended[instance_id] = promise
                if len(self._ended) > KEPT_OUTCOMES:
                    self._ended.popitem(last=False)

        def settle() -> None:
            with self._lock:
                self._owed.pop(promise, None)
                if self._ended.get(instance_id) is promise:  # a promise is twenty times as large
                    self._ended[instance_id] = outcome
            answer(promise, outcome)

        return settle

    def reset(self, opened: Mapping[str, ExecutionStarted], why: Callable[[], Exception]) -> None:
        """Replace the open instances; the promises of all others are broken with an error."""
        with self._lock:
            self._open = dict(opened)
            self._recovered = set(opened)
            waiting = [
                *self._owed.items(),
                *((promise, instance_id) for instance_id, promise in self._promises.items()),
            ]
            self._owed.clear()
            self._ended.clear()
            self._promises = {
                instance_id: promise for promise, instance_id in waiting if instance_id in self._open
            }
            kept = set(self._promises.values())
        for promise, _ in waiting:
            if promise not in kept:
                refuse(promise, why())


def _kept(outcome: InstanceOutcome) -> Promise:
    promise = Promise()
    promise.set_result(outcome)
    return promise
