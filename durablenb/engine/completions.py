"""Where the outcomes of open instances will be: one promise for each instance that somebody waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from durablenb.engine import locks
from durablenb.engine.instance import Outcome
from durablenb.engine.locks import Promise
from durablenb.engine.messages import answer, refuse


class Completions:
    """The ids of the open instances, and the promises of those who wait for them; for any thread.

    Notes
    -----
    A promise belongs to an instance's id and not to one of its executions: an instance that continues as new
    stays open under the same promise. The lock is held for a few steps only, and nothing else is taken
    while it is held.
    """

    def __init__(self) -> None:
        self._lock = locks.Lock()
        self._open: set[str] = set()
        self._promises: dict[str, Promise] = {}
        self._owed: dict[Promise, str] = {}
        """Those of instances that have ended, until that is on disk."""

    def __len__(self) -> int:
        """How many instances are open."""
        return len(self._open)

    def __contains__(self, instance_id: str) -> bool:
        """Whether the instance is open."""
        return instance_id in self._open

    def watch(self, instance_id: str) -> Promise | None:
        """Where the instance's outcome will be once it is on disk; None if the instance isn't open."""
        with self._lock:
            if instance_id not in self._open:
                return None
            promise = self._promises.get(instance_id)
            if promise is None:
                promise = self._promises[instance_id] = Promise()
            return promise

    def opened(self, instance_id: str) -> None:
        """The instance is open from now on."""
        with self._lock:
            self._open.add(instance_id)

    def closed(self, instance_id: str, outcome: Outcome) -> Callable[[], None] | None:
        """The instance has ended: give what is to be done once that is on disk, if somebody waits."""
        with self._lock:
            self._open.discard(instance_id)
            promise = self._promises.pop(instance_id, None)
            if promise is None:
                return None
            self._owed[promise] = instance_id

        def settle() -> None:
            with self._lock:
                self._owed.pop(promise, None)
            answer(promise, outcome)

        return settle

    def reset(self, instance_ids: Iterable[str], why: Callable[[], Exception]) -> None:
        """Just these instances are open: whoever waits for one of them waits on, all others are refused."""
        with self._lock:
            self._open = set(instance_ids)
            waiting = [*self._owed.items(), *((promise, one) for one, promise in self._promises.items())]
            self._owed.clear()
            self._promises = {one: promise for promise, one in waiting if one in self._open}
            kept = set(self._promises.values())
        for promise, _ in waiting:
            if promise not in kept:
                refuse(promise, why())
