"""Two ways to run a program: one execution by hand, and a whole engine."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from durablenb.core.execution import Execution
from durablenb.core.ports.store import Record
from durablenb.core.registry import Registry, target_name
from durablenb.engine import messages
from durablenb.engine.clocks import VirtualClock
from durablenb.engine.engine import Engine
from durablenb.engine.executors import Executors
from durablenb.engine.options import EngineOptions, EpisodeOptions
from durablenb.lab.memory_store import MemoryStore
from durablenb.model import events as ev
from durablenb.model.errors import OrchestrationCanceledError, WaitTimeoutError
from durablenb.model.failures import FailureDetails, describe_failure
from tests.properties.programs import EVENTS, expected, program, registry

codec = EngineOptions().codec
START = datetime(2026, 1, 1, tzinfo=UTC)


def fresh(function: Callable[..., Any] = program) -> Execution:
    """An execution at its beginning."""
    return Execution(function, "instance", "execution", codec, target_name)


class ByHand:
    """Runs one execution; what it asks for is answered in an order, and in batches, of `random`'s choice.

    Parameters
    ----------
    steps
        The program.
    random
        Chooses what arrives next, and how much of it before the orchestrator looks.
    repeats
        How many of a hundred arrivals come a second time.
    function
        The orchestrator.
    cancels
        Before how many of a hundred arrivals the execution is canceled.
    rules
        Those by which the execution begins.
    """

    def __init__(
        self,
        steps: list[Any],
        random: Random,
        *,
        repeats: int = 0,
        function: Callable[..., Any] = program,
        rules: int = ev.RULES,
        cancels: int = 0,
    ) -> None:
        self.execution = fresh(function)
        self._cancels = cancels
        self._random = random
        self._repeats = repeats
        self._now = START
        self._open: list[Any] = []
        self._canceled: set[int] = set()
        self._deliver(partial(ev.ExecutionStarted, rules=rules), "program", codec.encode(steps))

    @property
    def history(self) -> list[ev.Event]:
        """All its events."""
        return self.execution.history

    @property
    def result(self) -> Any:
        """The returned value."""
        last = self.history[-1]
        assert isinstance(last, ev.ExecutionCompleted), last
        return codec.decode(last.result)

    def run(self) -> "ByHand":
        """Runs it to its end."""
        while not self.execution.is_finished:
            if self.execution.is_ready:
                self._look()
            else:
                assert self._open, "it waits for nothing"
                while self._random.randrange(100) < self._cancels:
                    self._deliver(ev.ExecutionCancelRequested, f"reason {len(self.history)}")
                for _ in range(self._random.randint(1, len(self._open))):
                    self._answer(self._open.pop(self._random.randrange(len(self._open))))
        return self

    def _look(self) -> None:
        for fact in self.execution.resume(self._now, len(self.history) + 1):
            if isinstance(fact, (ev.TaskCanceled, ev.TimerCanceled, ev.EventUnsubscribed)):
                self._open = [
                    asked for asked in self._open if getattr(asked, "task_id", None) != fact.task_id
                ]
            elif isinstance(fact, ev.SubOrchestrationCancelRequested):
                self._canceled.add(fact.task_id)
            elif getattr(fact, "task_id", None) is not None:
                self._open.append(fact)

    def _answer(self, asked: Any) -> None:
        kind, fields = self._arrival_of(asked)
        self._deliver(kind, *fields)
        if kind is not ev.EventRaised and self._random.randrange(100) < self._repeats:
            self._deliver(kind, *fields)
            self._deliver(kind, asked.task_id + 1_000, *fields[1:])  # of no task at all

    def _arrival_of(self, asked: Any) -> tuple[type[ev.Event], tuple[Any, ...]]:
        task_id = asked.task_id
        if isinstance(asked, ev.EventSubscribed):
            return ev.EventRaised, (asked.name.lower(), codec.encode(asked.name))
        if isinstance(asked, ev.TimerCreated):
            self._now = max(self._now, asked.fire_at)
            return ev.TimerFired, (task_id,)
        if task_id in self._canceled and self._random.random() < 0.5:
            canceled = OrchestrationCanceledError(f"{asked.instance_id} was canceled")
            return ev.SubOrchestrationInstanceFailed, (
                task_id,
                describe_failure(canceled, is_non_retriable=True),
            )
        if isinstance(asked, ev.SubOrchestrationInstanceCreated):
            result = codec.encode(expected(codec.decode(asked.input)))
            return ev.SubOrchestrationInstanceCompleted, (task_id, result)
        n = codec.decode(asked.input)
        if asked.name == "fail" or (asked.name == "retry" and n % 2):
            return ev.TaskFailed, (task_id, FailureDetails("builtins.ValueError", f"{n} is wrong"))
        return ev.TaskCompleted, (task_id, codec.encode(n + (asked.name == "call")))

    def _deliver(self, kind: Callable[..., ev.Event], *fields: Any) -> None:
        self._now += timedelta(milliseconds=1)
        self.execution.deliver(kind(len(self.history) + 1, self._now, *fields))


def answered(history: Sequence[ev.Event]) -> list[ev.Event]:
    """The events without places and times, which depend on the order of arrival."""
    asked = [event for event in history if isinstance(event, ev.Request)]
    return [replace(event, event_id=0, timestamp=START) for event in asked]


class ByEngine:
    """Runs programs with the engine, inline, on a virtual clock; whoever waits for an event gets one.

    Parameters
    ----------
    **options
        Of `EpisodeOptions`.
    """

    def __init__(self, code: Registry | None = None, *, is_strict: bool = True, **options: Any) -> None:
        self.store = MemoryStore()
        self.clock = VirtualClock()
        self._code = code or registry()
        self._options = EngineOptions(is_strict, None, EpisodeOptions(**options))
        self.engine = self._begin()

    def reopen(self) -> None:
        """Begins again with what is in the journal, as a new process does."""
        with self.engine._lock:
            for instance in self.engine._state.instances.open.values():
                if instance.execution is not None:
                    instance.execution.unload()  # its coroutines end as with their process
        self.engine = self._begin()

    def _begin(self) -> Engine:
        self.clock._listeners.clear()
        return Engine(self.store, self.clock, self._code, Executors("inline"), self._options)

    def start(self, programs: Sequence[list[Any]]) -> None:
        """Starts an instance for each, ``0``, ``1``, ..."""
        for number, steps in enumerate(programs):
            self.engine.ask(messages.Start(str(number), "program", codec.encode(steps)))

    def step(self) -> bool:
        """Does one thing; answers whether there was one."""
        return self._work() or self._raise()

    def _work(self) -> bool:
        if self.engine.step() is not None:
            return True
        self.engine.committer.commit()
        return not self.engine.is_idle or self.engine.jump()

    def run(self) -> list[Record]:
        """Goes on until all have ended; answers with the journal."""
        for _ in range(20_000):
            if not self.step():
                return self.store.journal
        raise AssertionError("it does not come to an end")

    def write(self, cut: int | None) -> None:
        """Registers the orchestrator as it is written up to that step; to the end with None."""
        self._code.add_orchestrator(partial(program, cut=cut), "program")
        self.engine.post(messages.Registered("orchestrator", "program"))

    def run_to_pauses(self) -> None:
        """Goes on until all that are open wait for more code, or for who does."""
        for _ in range(12):  # no program waits for more events
            while self._work():
                pass
            self._raise()
        with self.engine._lock:
            opened = self.engine._state.instances.open.values()
            held = [instance.held for instance in opened if instance.held]
        assert all(isinstance(why, WaitTimeoutError) for why in held), held

    def results(self) -> dict[str, Any]:
        """The outcomes of the instances that were started."""
        return {
            record.instance_id: codec.decode(record.event.result)
            for record in self.store.journal
            if isinstance(record.event, ev.ExecutionCompleted) and record.instance_id.isdecimal()
        }

    def _raise(self) -> bool:
        with self.engine._lock:
            waiting = sorted(self.engine._state.instances.open)
        for instance_id in waiting:
            for name in EVENTS:
                self.engine.ask(messages.Raise(instance_id, name, codec.encode(name)))
        return bool(waiting)
