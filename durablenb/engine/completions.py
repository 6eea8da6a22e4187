"""Where the outcomes of open instances will be: one promise for each instance that somebody waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from durablenb.engine import locks
from durablenb.engine.instance import Code, Outcome
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
        self._open: dict[str, Code] = {}
        self._recovered: set[str] = set()
        """Those that were open already, as long as nobody has asked the engine for them."""
        self._promises: dict[str, Promise] = {}
        self._owed: dict[Promise, str] = {}
        """Those of instances that have ended, until that is on disk."""

    def __len__(self) -> int:
        """How many instances are open."""
        return len(self._open)

    def __contains__(self, instance_id: str) -> bool:
        """Whether the instance is open."""
        return instance_id in self._open

    def codes(self) -> Counter[Code]:
        """How many open instances there are of each code."""
        return Counter(list(self._open.values()))

    def watch(self, instance_id: str, *, is_engine: bool = False) -> Promise | None:
        """Where the instance's outcome will be once it is on disk; None if the instance isn't open.

        None, too, if it was open already when the hub was opened, and the engine was never asked for it. The
        engine (`is_engine`) replays it then, to see what may be in its way.
        """
        with self._lock:
            if instance_id not in self._open:
                return None
            if instance_id in self._recovered:
                if not is_engine:
                    return None
                self._recovered.discard(instance_id)
            promise = self._promises.get(instance_id)
            if promise is None:
                promise = self._promises[instance_id] = Promise()
            return promise

    def opened(self, instance_id: str, code: Code) -> None:
        """The instance is open from now on."""
        with self._lock:
            self._open[instance_id] = code

    def closed(self, instance_id: str, outcome: Outcome) -> Callable[[], None] | None:
        """The instance has ended: give what is to be done once that is on disk, if somebody waits."""
        with self._lock:
            self._open.pop(instance_id, None)
            self._recovered.discard(instance_id)
            promise = self._promises.pop(instance_id, None)
            if promise is None:
                return None
            self._owed[promise] = instance_id

        def settle() -> None:
            with self._lock:
                self._owed.pop(promise, None)
            answer(promise, outcome)

        return settle

    def reset(self, opened: Mapping[str, Code], why: Callable[[], Exception]) -> None:
        """Just these instances are open, as before: who waits for one waits on, others are refused."""
        with self._lock:
            self._open = dict(opened)
            self._recovered = set(opened)
            waiting = [*self._owed.items(), *((promise, one) for one, promise in self._promises.items())]
            self._owed.clear()
            self._promises = {one: promise for promise, one in waiting if one in self._open}
            kept = set(self._promises.values())
        for promise, _ in waiting:
            if promise not in kept:
                refuse(promise, why())
