"""An engine with its threads, on a store in memory, for scenarios."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from durablenb.core.registry import Activity, Registry
from durablenb.engine import messages
from durablenb.engine.clocks import SystemClock, VirtualClock
from durablenb.engine.engine import Engine
from durablenb.engine.executors import Executors
from durablenb.engine.instance import InstanceOutcome
from durablenb.engine.options import EngineOptions
from durablenb.engine.waiting import wait_for_outcome
from durablenb.lab.memory_store import MemoryStore
from tests.schedules.primitives import controlled
from tests.schedules.scheduler import Plan, Profile, Scheduler

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class ScheduledClock(SystemClock):
    """A system clock that goes by the scheduler's time."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._ids = 0

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self._scheduler.seconds)

    def new_id(self) -> str:
        self._ids += 1
        return f"instance-{self._ids}"


class Bench:
    """A threaded engine, its clients, and what went wrong in them."""

    def __init__(self, scheduler: Scheduler, *, is_strict: bool = True) -> None:
        self.scheduler = scheduler
        self.store = MemoryStore()
        self.registry = Registry()
        self.failures: list[str] = []
        self._clients: list[Any] = []
        self._is_strict = is_strict
        self.clock: SystemClock | VirtualClock = ScheduledClock(scheduler)

    def open(self, mode: str = "threads") -> None:
        """Start the engine's threads; in the mode "kernel", the clients do its work."""
        options = EngineOptions(is_strict=self._is_strict)
        executors = Executors("threads" if mode == "threads" else "inline")
        self.engine = Engine(self.store, self.clock, self.registry, executors, options)
        self.engine.committer.start()
        if mode == "threads":
            self.engine.start()

    def orchestrator(self, function: Callable[..., Any]) -> None:
        self.registry.add_orchestrator(function, function.__name__)

    def activity(self, function: Callable[..., Any]) -> None:
        self.registry.add_activity(Activity(function.__name__, function))

    # -- what clients do -------------------------------------------------------------------------

    def start(self, name: str, value: object = None, instance_id: str | None = None) -> str:
        instance_id = instance_id or self.clock.new_id()
        return str(self.engine.ask(messages.Start(instance_id, name, json.dumps(value))).result())

    def raise_event(self, instance_id: str, name: str, value: object = None) -> bool:
        return bool(self.engine.ask(messages.Raise(instance_id, name, json.dumps(value))).result())

    def outcome(self, instance_id: str, timeout: float | None = None) -> InstanceOutcome | None:
        return wait_for_outcome(self.engine, instance_id, timeout)

    def run(self, name: str, value: object = None, instance_id: str | None = None) -> Any:
        """Start one, wait, and give its result."""
        instance_id = self.start(name, value, instance_id)
        return self.result(instance_id)

    def result(self, instance_id: str) -> Any:
        outcome = self.outcome(instance_id)
        if outcome is None:  # it ended before anybody asked, and that is in the journal
            return "ended"
        assert str(outcome.status) == "Completed", outcome
        return json.loads(outcome.text)

    def client(self, do: Callable[[], None], *allowed: type[Exception]) -> None:
        """Begin to do this in a thread of its own; what it raises is a failure, unless it is allowed."""
        from durablenb.engine import locks

        def run() -> None:
            try:
                do()
            except allowed:
                pass
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")

        thread = locks.Thread(target=run, name=f"client-{len(self._clients)}", daemon=True)
        self._clients.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait for the clients."""
        for thread in self._clients:
            thread.join()

    def close(self) -> None:
        """Stop the engine, as a hub does."""
        self.engine.stop(wait=True)


Scenario = Callable[[Bench], None]


def play(scenario: Scenario, plan: Plan) -> Scheduler:
    """Run a scenario under a plan.

    Raises
    ------
    AssertionError
        If somebody waits for ever, or something in it is not as it must be.
    """
    scheduler = Scheduler(plan)
    bench = Bench(scheduler)

    def main() -> None:
        scenario(bench)
        bench.join()

    with controlled(scheduler):
        scheduler.run(main)
    assert not bench.failures, f"{bench.failures}; preempted: {scheduler.preempted}"
    return scheduler


def profile_of(scenario: Scenario) -> Profile:
    """Run the scenario without preemptions, and return its profile."""
    return play(scenario, Plan(0)).profile


def failing(scenario: Scenario, seeds: range, most: int = 1) -> Iterator[tuple[int, AssertionError]]:
    """The seeds among these under which the scenario breaks, `most` of them."""
    try:
        profile = profile_of(scenario)
    except AssertionError as error:
        yield -1, error
        return
    for seed in seeds:
        try:
            play(scenario, Plan.of(seed, profile))
        except AssertionError as error:
            yield seed, error
            most -= 1
            if not most:
                return


@contextlib.contextmanager
def opened(bench: Bench, mode: str = "threads") -> Iterator[Bench]:
    """The bench, while it is open."""
    bench.open(mode)
    yield bench
    bench.join()
    bench.close()
    assert not bench.failures, bench.failures
