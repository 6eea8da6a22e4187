"""The dispatcher: gives calls of activities to executors, within the limits that were set."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Collection

from durablenb.core.ports.clock import Clock
from durablenb.core.registry import Activity, Registry
from durablenb.engine.executors import Executors
from durablenb.engine.logbook import LogBook
from durablenb.engine.messages import Finished
from durablenb.engine.obstacles import Obstacles
from durablenb.engine.work import Work
from durablenb.model.names import folded

log = logging.getLogger("durablenb")


class Dispatcher:
    """Calls that may start, calls that wait for a place, for their code, or for another executor.

    Parameters
    ----------
    registry
        The activities by name.
    executors
        Where they run.
    obstacles
        Is told which instances lack an activity, or an executor for one.
    bring
        Tells the engine that one ended.
    clock
        What time it is.
    book
        Takes what they print.
    max_concurrency
        How many may run at a time in the whole hub; None for no limit.
    """

    def __init__(
        self,
        registry: Registry,
        executors: Executors,
        obstacles: Obstacles,
        bring: Callable[[Finished], None],
        clock: Clock,
        book: LogBook,
        max_concurrency: int | None,
    ) -> None:
        self._registry = registry
        self._executors = executors
        self._obstacles = obstacles
        self.bring = bring
        self.now = clock.now
        self.stopwatch = clock.stopwatch
        self.book = book
        self._max_concurrency = max_concurrency
        self._ready: deque[Work] = deque()
        self._full: dict[str, deque[Work]] = {}
        self._missing: dict[str, list[Work]] = {}
        self._undefined: dict[str, str] = {}
        self._declined: dict[str, list[Work]] = {}
        self._running_by_name: Counter[str] = Counter()
        self._running: set[Work] = set()
        self.is_closing = False

    def offer(self, work: Work) -> None:
        """Takes a call; it starts at the next `pump` that has a place for it, once all it needs is there."""
        work.dispatcher = self
        if work.name not in self._registry.activities:
            self._missing.setdefault(folded(work.name), []).append(work)
            self._obstacles.lack(work.instance, work.name)
            return
        undefined = self._undefined_name(work)
        if undefined is None:
            self._ready.append(work)
        else:
            self._missing.setdefault(folded(work.name), []).append(work)
            self._undefined[folded(work.name)] = undefined
            self._obstacles.lack_name(work.instance, undefined)

    def registered(self, name: str) -> None:
        """An activity was registered: calls that waited for it may start."""
        undefined = self._undefined.pop(folded(name), None)
        for work in self._missing.pop(folded(name), ()):
            self._obstacles.found(work.instance, undefined or work.name)
            self.offer(work)
        for work in self._full.pop(folded(name), ()):
            self._ready.append(work)
        self._offer_again(name)

    def executor_given(self) -> None:
        """The hub has another executor: calls that could not be run may be tried there."""
        for name in list(self._declined):
            self._offer_again(name)

    def names_found(self, names: Collection[str]) -> None:
        """Cells have defined these names: calls of activities that need them may start."""
        for activity in [one for one, lacked in self._undefined.items() if lacked in names]:
            self.registered(activity)

    def activity(self, name: str) -> Activity:
        """The activity as it is registered now."""
        return self._registry.activities[name]

    def finished(self, work: Work, declined: str | None = None) -> None:
        """A call ended: its place is free. One that could not be run waits for another executor."""
        if work not in self._running:  # it began before a recovery
            return
        self._running.discard(work)
        key = folded(work.name)
        self._running_by_name[key] -= 1
        self._next_of(key)
        if declined is not None and work.is_wanted:
            self._keep(work, declined)

    def _keep(self, work: Work, why: str) -> None:
        name = folded(work.name)
        if name not in self._declined:
            self._declined[name] = []
            log.warning("%s", _without_executor(work.name, why))
        self._declined[name].append(work)
        self._obstacles.lack_executor(work.instance, work.name, why)

    def _offer_again(self, name: str) -> None:
        for work in self._declined.pop(folded(name), ()):
            self._obstacles.executor_given(work.instance, work.name)
            self.offer(work)

    def pump(self) -> None:
        """Starts what may start."""
        limit = self._max_concurrency
        while self._ready and not self.is_closing and (limit is None or len(self._running) < limit):
            work = self._ready.popleft()
            key = folded(work.name)
            activity = self.activity(work.name)
            cap = activity.max_concurrency
            if cap is not None and self._running_by_name[key] >= cap:
                self._full.setdefault(key, deque()).append(work)
                continue
            if not work.is_wanted:
                self._next_of(key)
                continue
            self._start(work, activity, key)

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing could start."""
        return not self._running and not self._ready

    @property
    def is_last(self) -> bool:
        """Whether there is no call but one that runs."""
        return len(self._running) == 1 and not self._ready

    @property
    def is_running(self) -> bool:
        """Whether a call was given to an executor and has not ended."""
        return bool(self._running)

    def _undefined_name(self, work: Work) -> str | None:
        """After a restart: a name that the activity needs and whose cell has not run yet."""
        return self._registry.undefined_name("activity", work.name) if work.instance.is_recovered else None

    def _next_of(self, key: str) -> None:
        """There may be a place for a call that waits for one of this activity's."""
        waiting = self._full.get(key)
        if waiting:
            self._ready.appendleft(waiting.popleft())

    def _start(self, work: Work, activity: Activity, key: str) -> None:
        work.activity = activity
        self._running.add(work)
        self._running_by_name[key] += 1
        try:
            self._executors.of(activity).submit(work)
        except Exception as error:  # no more threads or processes
            work.decline(f"{type(error).__name__}: {error}")


def _without_executor(name: str, why: str) -> str:
    return (
        f"Calls of {name.removeprefix('@')!r} wait for another executor: {why}. Nothing is lost: register it "
        "with one that works, @hub.activity(executor=...), give the hub one, durablenb.TaskHub(path, "
        "executor=...), or close the hub and open it again."
    )
