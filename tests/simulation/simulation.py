"""One simulation: a seed, a scenario, and moves until the world is left in peace and must come to rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from unittest.mock import patch

from durablenb.core.ports.store import Record, Store
from durablenb.engine import attempt_writer, entities, messages, retention
from durablenb.engine.committer import Committer, WriteBatch
from durablenb.engine.engine import Engine
from durablenb.engine.executors import Executors
from durablenb.engine.messages import Registered
from durablenb.engine.options import EngineOptions, EpisodeOptions
from durablenb.model.errors import StoreError
from tests.simulation import rest
from tests.simulation.audit import Audit
from tests.simulation.clients import Clients
from tests.simulation.clock import SimulatedClock
from tests.simulation.corpus import ACTIVITIES, PIECES, full_registry, register
from tests.simulation.disk import Disk, ModelStore
from tests.simulation.executor import AuditedInline, SeededExecutor
from tests.simulation.lines import described, record_line
from tests.simulation.moves import MOVES
from tests.simulation.orchestrators import Crash, fate
from tests.simulation.queues import Rationing
from tests.simulation.replays import check_replays, check_results, check_states
from tests.simulation.scenario import Scenario


@dataclass
class Report:
    """The result of a seed."""

    seed: int
    violations: list[str]
    trace: list[str] = field(default_factory=list)
    journal: list[Record] = field(default_factory=list)

    @property
    def trace_hash(self) -> str:
        """Of all that happened, and of the journal at the end."""
        text = "\n".join([*self.trace, *map(record_line, self.journal)])
        return blake2b(text.encode(), digest_size=16).hexdigest()


def simulate(seed: int, open_store: Callable[[], Store] | None = None, *, is_traced: bool = False) -> Report:
    """Runs one seed.

    Parameters
    ----------
    seed
        Everything that happens follows from it.
    open_store
        Opens the store that survives crashes; without one, a list in memory.
    is_traced
        Whether every move is written down.
    """
    if open_store is None:
        model = ModelStore()
        simulation = Simulation(seed, lambda: model, is_traced)
    else:
        simulation = Simulation(seed, open_store, is_traced)
    try:
        with (
            patch.multiple(entities, **simulation.scenario.room),
            patch.object(retention, "SPACING", 0),
            patch.multiple(attempt_writer, PAUSE_SECONDS=0.0, SHORT_SECONDS=0.0),  # no real time counts
        ):
            return simulation.run()
    finally:
        with simulation.engine._lock:
            simulation.engine._state.instances.unload()
        simulation.disk.close()


class Simulation:
    """The world of one seed."""

    def __init__(self, seed: int, open_store: Callable[[], Store], is_traced: bool) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.scenario = Scenario.of(self.random)
        self.trace: list[str] = []
        self._is_traced = is_traced
        self.audit = Audit()
        self.disk = Disk(open_store, self.audit, self.note)
        self.clock = SimulatedClock(seed=seed)
        self.audit.entities.latest = lambda: self.clock.latest
        self.rationing = Rationing(seed, self.scenario, self.audit)
        self.executor = SeededExecutor(self.random, self.audit, self.scenario.is_strict, self.rationing)
        self.clients = Clients(
            self.random,
            self.clock,
            self.disk,
            self.audit,
            self.scenario.pieces,
            self.scenario.refusals,
            self.scenario.wanted,
        )
        self.missing: list[tuple[str, str]] = []
        fate.random = self.random
        fate.is_broken = self.scenario.is_broken
        fate.deaths_left = self.scenario.deaths
        fate.interrupt_in = 0
        fate.seconds = 0.0
        fate.die = self.disk.die
        self.registry = full_registry()
        self.rationing.add_to(self.registry)
        self._open()

    def run(self) -> Report:
        """Plays the moves, then lets everything come to rest, and looks at what is left."""
        for _ in range(2):
            self.ask(self.clients.starts())
        names, weights = self.scenario.weighted_moves
        for move in self.random.choices(names, weights, k=self.scenario.moves):
            self.make(move)
            if self.audit.violations:
                break
        else:
            rest.come_to_rest(self)
        if not self.audit.violations:
            check_replays(self.disk.store, self.audit, self.random, self.scenario.max_actions)
            check_states(self.disk.store, self.audit)
            check_results(self.disk.store, self.audit)
            self.clients.check_promises()
        return Report(self.seed, self.audit.violations, self.trace, rest.journal_of(self.disk, self.audit))

    def note(self, text: str, records: Sequence[Record] = ()) -> None:
        """Adds a line to the trace, and one for each record."""
        if self._is_traced:
            self.trace.append(text)
            self.trace.extend(f"    {record_line(record)}" for record in records)

    def ask(self, message: messages.ClientMessage) -> str:
        """Asks the engine for something, as a client does; says what."""
        refusal = self.engine.refusal() if self.scenario.is_threaded else None
        if refusal is not None:
            message.reply.set_exception(refusal)
        elif self.scenario.is_threaded:
            self.engine.post(message)
        else:
            self.engine.ask(message)
        return described(message) if self._is_traced else ""

    def make(self, name: str) -> None:
        """Makes a move, and what follows if it kills the process, interrupts the kernel or finds no room."""
        try:
            done = MOVES[name](self)
            self.note(f"{name}: {done}" if done else name)
        except Crash:
            self.note(f"{name}: the process dies")
            self._crash()
        except StoreError as error:
            self.note(f"{name}: {error}")
        except KeyboardInterrupt:
            self.note(f"{name}: interrupted")
        except Exception as error:
            self.audit.fail("engine", f"{name}: {error!r}")
            if self._is_traced:
                raise
        self.clock.interrupt_in = fate.interrupt_in = 0

    # -- the process -----------------------------------------------------------------------------

    def _open(self) -> None:
        scenario = self.scenario
        interrupts = (Crash,) if scenario.is_threaded else (Crash, KeyboardInterrupt)
        episodes = EpisodeOptions(
            verify_replay=scenario.verify_replay,
            fails_on_nondeterminism=scenario.fails_on_nondeterminism,
            max_cached_events=scenario.max_cached_events,
            max_orchestration_actions=scenario.max_actions,
            interrupts=interrupts,
        )
        options = EngineOptions(
            scenario.is_strict,
            scenario.max_concurrency,
            episodes,
            keep_generations=scenario.keep_generations,
        )
        executors = Executors("inline" if scenario.is_inline else self.executor)
        executors.inline = AuditedInline(self.executor.check)
        self.audit.reopened(self.disk.store.last_seq())
        self.engine = Engine(self.disk, self.clock, self.registry, executors, options)
        if scenario.is_prompt:
            self._make_prompt(self.engine.committer)
        if scenario.has_waiter:
            self.engine.waiters.add(lambda: True)

    def _make_prompt(self, committer: Committer) -> None:
        """Lets the committer, a thread of its own in real life, write some batches as they come."""
        submit = committer.submit

        def submit_and_commit(batch: WriteBatch, *, is_awaited: bool = False) -> None:
            submit(batch, is_awaited=is_awaited)
            if self.random.random() < 0.3:
                committer.commit()

        committer.submit = submit_and_commit  # type: ignore[method-assign]

    def _crash(self) -> None:
        self.clock.interrupt_in = fate.interrupt_in = 0
        self.clock._listeners.clear()
        with self.engine._lock:
            self.engine._state.instances.unload()  # a dead process runs no finally blocks
        self.executor.forget()
        self.disk.reopen()
        self.registry = full_registry()
        self.rationing.add_to(self.registry)
        self.missing = []
        if self.scenario.loses_code:
            for kind, names in (("activity", ACTIVITIES), ("orchestrator", PIECES)):
                self.missing += [(kind, name) for name in names if self.random.random() < 0.3]
        for kind, name in self.missing:
            (self.registry.activities if kind == "activity" else self.registry.orchestrators).pop(name)
        self._open()

    def register(self, kind: str, name: str) -> None:
        """The cell that defines it is run, once more or at last."""
        if kind == "activity":
            self.registry.activities[name] = self.rationing.queued(ACTIVITIES[name])
        else:
            piece = PIECES[name]
            register(self.registry, name, self.random.choice(piece.versions or (piece.function,)))
        self.engine.post(Registered(kind, name))
