"""Short plays of several clients with one hub, each with what must be true at its end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

from durablenb.core.ports.output import current_owner
from durablenb.engine import messages
from durablenb.engine.clocks import VirtualClock
from durablenb.engine.state import EngineState
from durablenb.engine.waiting import ended_instances
from durablenb.model.entities import EntityId
from durablenb.model.errors import DurableError, InstanceExistsError, StoreError
from tests.schedules.bench import BEGINNING, Bench, opened


def _add_chain(bench: Bench, length: int, pause: float = 0) -> None:
    """Add an orchestrator of so many calls in a row, with a timer of these seconds before the last one."""

    @bench.activity
    def work(value: Any) -> Any:
        return value

    @bench.orchestrator
    def chain(context: Any) -> Any:
        for number in range(length - 1):
            yield context.call_activity("work", number)
        if pause:
            yield context.create_timer(context.current_utc_datetime + timedelta(seconds=pause))
        return (yield context.call_activity("work", "chained"))


def waits_over_generations(bench: Bench) -> None:
    """Whoever waits for an instance that continues as new gets its result."""

    @bench.orchestrator
    def can(context: Any) -> Any:
        left = context.get_input()
        return context.continue_as_new(left - 1) if left else "done"

    with opened(bench):
        for number in range(2):
            bench.client(lambda number=number: _is(bench.run("can", 3, f"can-{number}"), "done"))  # type: ignore[misc]


def races_against_timers(bench: Bench) -> None:
    """Timers that lost a race are cancelled while others fire: each wait ends, none is late."""
    _add_chain(bench, 3)

    @bench.orchestrator
    def approval(context: Any) -> Any:
        begun = context.current_utc_datetime
        last = context.create_timer(begun + timedelta(seconds=0.5))
        for _ in range(3):
            limit = context.create_timer(begun + timedelta(seconds=0.1))
            winner = yield context.task_any([context.wait_for_external_event("go"), limit])
            if winner is not limit:
                limit.cancel()
        yield last
        return (context.current_utc_datetime - begun).total_seconds() < 5

    with opened(bench):
        instance_id = bench.start("approval")
        bench.client(lambda: _is(bench.result(instance_id), True))
        for _ in range(3):
            chained = bench.start("chain")
            bench.raise_event(instance_id, "go")
            _is(bench.result(chained), "chained")


def lines_of_a_long_activity(bench: Bench) -> None:
    """Prints of an activity are on disk soon, though nothing else is written."""

    @bench.activity
    def talk() -> str:
        owner = current_owner.get()
        assert owner is not None
        assert owner.output is not None
        for number in range(4):
            owner.output.write("stdout", f"line {number}\n")
            if number > 1:
                bench.scheduler.sleep(0.1)
        bench.scheduler.sleep(3.0)
        kept = [line.message for line in bench.store.lines("speaker")]
        assert kept == [f"line {number}" for number in range(4)], f"only {kept} are on disk"
        return "said"

    @bench.orchestrator
    def speak(context: Any) -> Any:
        return (yield context.call_activity("talk"))

    with opened(bench):
        bench.client(lambda: _is(bench.run("speak", None, "speaker"), "said"))


def asks_beside_a_defect(bench: Bench) -> None:
    """A mistake of the engine's own leaves nobody waiting for an answer."""

    @bench.orchestrator
    def echo(context: Any) -> Any:
        return context.get_input()

    with opened(bench):
        load, is_planted = bench.engine._state.run_episodes, [True]

        def broken() -> None:
            if is_planted.pop() if is_planted else False:
                raise IndexError("planted")
            load()

        bench.engine._state.run_episodes = broken  # type: ignore[method-assign]
        for number in range(3):
            bench.client(lambda number=number: _is(bench.run("echo", number), number), DurableError)  # type: ignore[misc]


def events_over_generations(bench: Bench) -> None:
    """Each event that was acknowledged counts once, whatever generation it comes to."""

    @bench.orchestrator
    def counter(context: Any) -> Any:
        seen = (context.get_input() or 0) + (yield context.wait_for_external_event("add"))
        return seen if seen >= 4 else context.continue_as_new(seen)

    with opened(bench):
        instance_id = bench.start("counter")
        bench.client(lambda: _is(bench.result(instance_id), 4))
        for _ in range(2):
            bench.client(lambda: [bench.raise_event(instance_id, "add", 1) for _ in range(2)] and None)


def two_starts_of_one_id(bench: Bench) -> None:
    """Of two clients that start one id one is refused while the instance is open; both get its result."""

    @bench.orchestrator
    def waits(context: Any) -> Any:
        return (yield context.wait_for_external_event("go"))

    started: list[str] = []

    def start() -> None:
        with contextlib.suppress(InstanceExistsError):
            started.append(bench.start("waits", None, "same"))
        if not started:  # the other one was first, and has not been told yet
            bench.scheduler.sleep(0.01)
        _is(bench.result("same"), 7)

    with opened(bench):
        for _ in range(2):
            bench.client(start)
        bench.scheduler.sleep(0.1)
        assert started == ["same"], started
        assert bench.raise_event("same", "go", 7)


def steering_beside_waits(bench: Bench) -> None:
    """Suspending, resuming and terminating leave no wait without its end."""
    _add_chain(bench, 4, pause=1)

    def steer() -> None:
        for message in (messages.Suspend, messages.Resume):
            bench.engine.ask(message("a", "")).result()
        bench.engine.ask(messages.Terminate("b", "enough", is_recursive=True)).result()

    def wait_for_the_terminated() -> None:
        outcome = bench.outcome("b")
        assert outcome is None or str(outcome.status) in ("Terminated", "Completed"), outcome

    with opened(bench):
        for instance_id in ("a", "b"):
            bench.start("chain", None, instance_id)
        bench.client(lambda: _is(bench.result("a"), "chained"))
        bench.client(wait_for_the_terminated)
        bench.client(steer)


def transfers_under_locks(bench: Bench) -> None:
    """Orchestrations that lock two entities each, in both orders, all end, and the sum is right."""

    def account(context: Any) -> None:
        context.set_state((context.get_state() or 0) + context.get_input())

    bench.registry.add_entity(account, "account")

    @bench.orchestrator
    def transfer(context: Any) -> Any:
        source, target = (EntityId("account", key) for key in context.get_input())
        with (yield context.lock([source, target])):
            yield context.call_entity(source, "add", -1)
            yield context.call_entity(target, "add", 1)
        return "moved"

    with opened(bench):
        for number, keys in enumerate(("ab", "ba", "ab")):
            bench.client(
                lambda number=number, keys=keys: _is(bench.run("transfer", keys, f"t{number}"), "moved")  # type: ignore[misc]
            )
    states = {str(key): state for key, state in bench.store.entity_states(None).items()}
    assert sorted(states.values()) == ["-1", "1"], states


def closing_beside_clients(bench: Bench) -> None:
    """A hub that is closed answers or refuses everybody; what it acknowledged is in the journal."""
    _add_chain(bench, 2)
    acknowledged: list[str] = []

    def use() -> None:
        for _ in range(2):
            acknowledged.append(bench.start("chain"))
            bench.result(acknowledged[-1])

    bench.open()
    for _ in range(2):
        bench.client(use, DurableError)
    bench.close()
    bench.join()
    known = {record.instance_id for record in bench.store.journal}
    assert known.issuperset(acknowledged), (acknowledged, known)


class Disk:
    """Stands between the committer and the store: each commit takes time, and may be made to fail.

    It notes two commits at the same time, and one after `is_closed` was set.
    """

    def __init__(self, bench: Bench) -> None:
        self.failures: list[BaseException] = []
        self.is_closed = False
        self.mistakes: list[str] = []
        self._bench, self._is_busy = bench, False
        self._append, self._purge = bench.store.append, bench.store.purge
        bench.store.append = self.append  # type: ignore[method-assign]
        bench.store.purge = self.purge  # type: ignore[method-assign]

    def append(self, records: Any, *rest: Any) -> None:
        self._commit(partial(self._append, records, *rest))

    def purge(self, *what: Any) -> None:
        self._commit(partial(self._purge, *what))

    def _commit(self, commit: Callable[[], None]) -> None:
        if self._is_busy or self.is_closed:
            self.mistakes.append("two commits at once" if self._is_busy else "a commit after the end")
        self._is_busy = True
        try:
            self._bench.scheduler.sleep(0.01)
            if self.failures:
                raise self.failures.pop()
            commit()
        finally:
            self._is_busy = False
        self.check()

    def check(self) -> None:
        """Check that the journal is in order, and that nothing was noted."""
        seqs = [record.seq for record in self._bench.store.journal]
        assert seqs == sorted(set(seqs)), seqs
        assert not self.mistakes, self.mistakes


def commits_that_take_time(bench: Bench) -> None:
    """Whichever thread commits, it is the only one; and all that is submitted meanwhile gets to the disk."""
    disk = Disk(bench)
    _add_chain(bench, 3, pause=0.02)
    with opened(bench):
        for _ in range(3):
            bench.client(lambda: _is(bench.run("chain"), "chained"))
    disk.check()


def purges_beside_commits(bench: Bench) -> None:
    """Purged instances are gone, later ones are there, and no purge meets another commit."""
    disk = Disk(bench)
    _add_chain(bench, 2)

    def use() -> None:
        instance_id = bench.start("chain")
        _is(bench.result(instance_id), "chained")
        purge = messages.Purge([instance_id], instance_id, bench.store.last_seq())
        assert bench.engine.ask(purge).result() == 1

    with opened(bench):
        bench.client(use)
        bench.client(lambda: _is(bench.run("chain", None, "kept"), "chained"))
    disk.check()
    assert {record.instance_id for record in bench.store.journal} == {"kept"}


def a_mistake_while_a_thread_leads(bench: Bench) -> None:
    """The state is rebuilt from a journal that has all that the leading thread commits."""
    disk = Disk(bench)
    _add_chain(bench, 2)
    start_jobs, is_planted = EngineState.start_jobs, [True]

    def broken(state: EngineState) -> None:
        start_jobs(state)
        if len(bench.store.journal) > 3 and is_planted:
            is_planted.clear()
            raise IndexError("planted")

    def use() -> None:
        started: list[str] = []
        while not started:
            with contextlib.suppress(DurableError):
                started.append(bench.start("chain"))
        _is(bench.result(started[0]), "chained")

    with patch.object(EngineState, "start_jobs", broken), opened(bench):
        bench.client(use)
        bench.client(use)
    assert not is_planted
    disk.check()


def a_disk_that_is_full_for_a_while(bench: Bench) -> None:
    """After commits have failed, whatever was acknowledged is on disk, and all ends."""
    disk = Disk(bench)
    _add_chain(bench, 3, pause=0.02)
    started: list[str] = []

    def use() -> None:
        while True:
            try:
                started.append(bench.start("chain"))
                disk.failures.append(StoreError("No space left on device"))
                break
            except StoreError:
                bench.scheduler.sleep(0.1)
        while True:
            try:
                return _is(bench.result(started[-1]), "chained")
            except StoreError:
                bench.scheduler.sleep(0.1)

    with opened(bench):
        for _ in range(2):
            bench.client(use)
    disk.check()


def a_commit_that_dies(bench: Bench) -> None:
    """After a mistake in a commit nobody waits, and nothing is written that was refused."""
    disk = Disk(bench)
    _add_chain(bench, 3, pause=0.02)
    bench.open()
    committer = bench.engine.committer
    die = committer._die

    def dies(mistake: BaseException) -> None:
        disk.is_closed = True
        die(mistake)

    committer._die = dies  # type: ignore[method-assign]

    def use() -> None:
        instance_id = bench.start("chain")
        disk.failures.append(SystemExit("planted"))
        bench.result(instance_id)

    for _ in range(2):
        bench.client(use, DurableError)
    bench.join()
    with contextlib.suppress(DurableError):
        bench.close()
    disk.check()
    assert committer.failure is not None


def leaving_beside_clients(bench: Bench) -> None:
    """After a hub was closed without waiting, as at the end of the process, nothing is written any more."""
    disk = Disk(bench)
    _add_chain(bench, 3, pause=0.02)
    bench.open()

    for _ in range(2):
        bench.client(lambda: _is(bench.run("chain"), "chained"), DurableError)
    bench.scheduler.sleep(0.03)
    bench.engine.stop(wait=False)
    disk.is_closed = True
    bench.join()
    bench.scheduler.sleep(1)
    disk.check()
    assert not bench.failures, bench.failures


def results_on_a_virtual_clock(bench: Bench, mode: str = "threads") -> None:
    """The clock moves to a timer while its instance is awaited, and for no other wait; each wait ends."""
    clock = bench.clock = VirtualClock()

    @bench.orchestrator
    def sleep(context: Any) -> Any:
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=context.get_input()))

    @bench.orchestrator
    def echo(context: Any) -> Any:
        return context.get_input()

    def use(first: int) -> None:
        _is(bench.run("echo", first), first)
        ids = [bench.start("echo", number) for number in range(2)]
        assert set(ended_instances(bench.engine, ids, None)) == set(ids)

    with opened(bench, mode):
        sleepers = [bench.start("sleep", hours) for hours in (1, 72)]
        for number in range(2):
            bench.client(lambda number=number: use(number))  # type: ignore[misc]
        bench.join()
        assert clock.now() == BEGINNING, clock
        for sleeper in sleepers:
            bench.client(lambda sleeper=sleeper: _is(bench.result(sleeper), None))  # type: ignore[misc]
        bench.join()
        assert clock.now() == BEGINNING + timedelta(hours=72), clock


def clients_that_do_the_work(bench: Bench) -> None:
    """The same without a thread of the engine's own: no client says that nothing is left to happen."""
    results_on_a_virtual_clock(bench, "kernel")


def _is(found: object, expected: object) -> None:
    assert found in (expected, "ended"), f"{found!r} in the place of {expected!r}"


SCENARIOS = {
    one.__name__: one
    for one in (
        waits_over_generations,
        races_against_timers,
        lines_of_a_long_activity,
        asks_beside_a_defect,
        events_over_generations,
        two_starts_of_one_id,
        steering_beside_waits,
        transfers_under_locks,
        closing_beside_clients,
        commits_that_take_time,
        purges_beside_commits,
        a_mistake_while_a_thread_leads,
        a_disk_that_is_full_for_a_while,
        a_commit_that_dies,
        leaving_beside_clients,
        results_on_a_virtual_clock,
        clients_that_do_the_work,
    )
}
