"""Clients: they ask for things at random, and hold the engine to its answers."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from random import Random
from typing import Any

from durablenb.core.ports.store import Record
from durablenb.engine import messages
from durablenb.engine.clocks import VirtualClock
from durablenb.engine.instance import InstanceOutcome
from durablenb.engine.purging import PurgePlan
from durablenb.model import events as ev
from durablenb.model.errors import DurableError
from durablenb.model.ids import IfExists
from durablenb.model.status import OrchestrationRuntimeStatus as Status
from tests.simulation.audit import Audit, Key, Life
from tests.simulation.corpus import EVENT_NAMES, PIECES, codec
from tests.simulation.disk import Disk
from tests.simulation.entities import KEYS, OPERATIONS, entity_of

FIXED_IDS = ("a", "b", "c")

IF_EXISTS: tuple[IfExists, ...] = ("error", "attach", "error", "error", "restart", "error", "error")
"""What starts say, one after another."""

_encode = codec.encode
_ALL = (
    "start",
    "raise",
    "cancel",
    "terminate",
    "suspend",
    "resume",
    "rewind",
    "purge",
    "restart",
    "watch",
    "signal",
    "clean",
)
_WEIGHTS = {"start": 4, "raise": 6, "rewind": 2}


class Clients:
    """Requests of clients, and the promises to them.

    Parameters
    ----------
    random, clock, disk, audit
        The world.
    pieces
        The orchestrators that they start.
    refusals
        Kinds of requests that they don't make.
    wanted
        How often they make some others.
    """

    def __init__(
        self,
        random: Random,
        clock: VirtualClock,
        disk: Disk,
        audit: Audit,
        pieces: tuple[str, ...],
        refusals: frozenset[str],
        wanted: dict[str, int],
    ) -> None:
        self._random = random
        self._clock = clock
        self._disk = disk
        self._audit = audit
        self._pieces = pieces
        self._kinds = [kind for kind in _ALL if kind not in refusals]
        self._weights = [{**_WEIGHTS, **wanted}.get(kind, 1) for kind in self._kinds]
        self._count = 0
        self.ids: list[str] = []
        self.inputs: dict[str, Any] = {}
        self.promised: dict[tuple[str, str], Record] = {}
        """What was acknowledged, by instance and what was said of it."""
        self.signaled: Counter[tuple[str, str, str]] = Counter()
        """How often a signal was acknowledged."""

    def request(self) -> messages.ClientMessage:
        """Something to ask."""
        kind = self._random.choices(self._kinds, self._weights)[0] if self.ids else "start"
        if kind == "start" and len(self.ids) > 8:
            kind = "raise"
        if "rewind" in self._kinds and self._failed() and self._random.random() < 0.1:
            kind = "rewind"
        make: Callable[[], messages.ClientMessage] = getattr(self, f"_{kind}")
        message = make()
        message.reply.add_done_callback(lambda reply: self._answered(message, reply))
        return message

    def starts(self, instance_id: str | None = None) -> messages.ClientMessage:
        """A start, whatever else is asked for."""
        message = self._start(instance_id)
        message.reply.add_done_callback(lambda reply: self._answered(message, reply))
        return message

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _known_id(self) -> str:
        if self._random.random() < 0.7:
            return self._random.choice(self.ids)
        return self._random.choice(list(self._audit.current) or self.ids)

    # -- requests --------------------------------------------------------------------------------

    def _new_id(self, name: str) -> str:
        chance = self._random.random()
        if chance < 0.3:
            return self._random.choice(FIXED_IDS)
        if chance < 0.4 and self._audit.current:
            return self._random.choice(list(self._audit.current))  # a child's, too
        return f"{name}-{self._next()}"

    def _start(self, instance_id: str | None = None) -> messages.ClientMessage:
        name = self._random.choice(self._pieces)
        instance_id = instance_id or self._new_id(name)
        self.ids.append(instance_id)
        start_at = None
        if self._random.random() < 0.15:
            start_at = self._clock.now() + timedelta(seconds=self._random.choice((-5, 5, 3_600)))
        dedupe = (Status.Failed, Status.Canceled, Status.Terminated) if self._random.random() < 0.1 else ()
        tags = {"n": str(self._next())}
        text = _encode(PIECES[name].inputs(self._random))
        if_exists = "error" if dedupe else IF_EXISTS[self._count % len(IF_EXISTS)]
        if if_exists == "restart" and "terminate" not in self._kinds:  # it terminates what is open
            if_exists = "attach"
        return messages.Start(instance_id, name, text, None, tags, start_at, dedupe, if_exists)

    def _restart(self) -> messages.ClientMessage:
        life = self._audit.current.get(self._known_id())
        if life is None:
            return self._start()
        started = life.started
        chosen = life.instance_id if self._random.random() < 0.5 else f"again-{self._next()}"
        self.ids.append(chosen)
        return messages.Start(chosen, started.name, started.input, started.version, {"n": str(self._next())})

    def _raise(self) -> messages.ClientMessage:
        return messages.Raise(self._known_id(), self._random.choice(EVENT_NAMES), _encode(self._next()))

    def _cancel(self) -> messages.ClientMessage:
        return messages.Cancel(self._known_id(), str(self._next()))

    def _terminate(self) -> messages.ClientMessage:
        elders = [one for one in self.ids if self._has_grandchildren(one)]
        chosen = self._random.choice(elders) if elders else self._known_id()
        message = messages.Terminate(chosen, str(self._next()), self._random.random() < 0.5)
        if message.is_recursive:
            before = {life.key for life in self._family(message.instance_id) if life.is_open}
            message.reply.add_done_callback(lambda reply: self._check_family(message, before, reply))
        return message

    def _family(self, instance_id: str) -> list[Life]:
        """An instance's descendants, as they are on disk."""
        found: list[Life] = []
        parents = {instance_id}
        lives = list(self._audit.current.values())
        while parents:
            children = [
                life
                for life in lives
                if life.started.parent and life.started.parent.instance_id in parents and life not in found
            ]
            found += children
            parents = {life.instance_id for life in children}
        return found

    def _has_grandchildren(self, instance_id: str) -> bool:
        parents = [life.started.parent for life in self._family(instance_id) if life.is_open]
        return any(parent is not None and parent.instance_id != instance_id for parent in parents)

    def _check_family(self, message: messages.Terminate, before: set[Key], reply: Future[Any]) -> None:
        """A recursive termination leaves none of the family as it was."""
        if reply.exception() is None:
            left = [life for life in self._family(message.instance_id) if life.is_open and life.key in before]
            self._audit.check(not left, "I1", "not terminated with its ancestor", message, left)

    def _suspend(self) -> messages.ClientMessage:
        return messages.Suspend(self._known_id(), str(self._next()))

    def _resume(self) -> messages.ClientMessage:
        return messages.Resume(self._known_id(), str(self._next()))

    def _rewind(self) -> messages.ClientMessage:
        failed = self._failed()
        chosen = self._random.choice(failed) if failed else self._known_id()
        return messages.Rewind(chosen, str(self._next()))

    def _failed(self) -> list[str]:
        return [life.instance_id for life in self._audit.current.values() if life.status == "Failed"]

    def _purge(self) -> messages.ClientMessage:
        ended = [life.instance_id for life in self._audit.current.values() if not life.is_open]
        chosen = self._random.choice(ended) if ended and self._random.random() < 0.7 else self._known_id()
        plan = PurgePlan(self._disk.store, [chosen], is_recursive=self._random.random() < 0.5)
        message = plan.take(1_000)
        assert message is not None
        return message

    def _signal(self) -> messages.ClientMessage:
        given = self._random.choice((0, 1, 2))
        operation = self._random.choice(OPERATIONS)
        due = None
        if self._random.random() < 0.2:
            due = self._clock.now() + timedelta(seconds=self._random.choice((-5, 0, 3, 60)))
        return messages.Signal(str(entity_of(self._random.choice(KEYS))), operation, _encode(given), due)

    def _clean(self) -> messages.ClientMessage:
        return messages.CleanEntities()

    def _watch(self) -> messages.ClientMessage:
        return messages.Watch(self._known_id())

    # -- answers (I1) ----------------------------------------------------------------------------

    def _answered(self, message: messages.ClientMessage, reply: Future[Any]) -> None:
        """Check that an answer's content is on disk when it comes."""
        error = reply.exception()
        if error is not None:
            self._audit.check(isinstance(error, DurableError), "I1", "an odd answer", message, error)
            return
        answer = reply.result()
        if isinstance(message, messages.Watch):
            if answer is not None:
                answer.add_done_callback(lambda done: self._ended(message.instance_id, done))
        elif isinstance(message, messages.Purge):
            is_there = message.only in self._audit.current
            self._audit.check(answer == 0 or not is_there, "I1", "purged, and still there", message)
        elif isinstance(message, messages.Signal):
            self._check_enqueued(message)
        elif isinstance(message, messages.CleanEntities):
            self._audit.check(not answer.orphaned_locks_released, "E6", "there was an orphan", answer)
        elif answer is not False:
            self._check_kept(message)

    def _check_kept(self, message: Any) -> None:
        kind, field_name, text = _FACT_OF[type(message)](message)
        kept = [
            record
            for record in self._disk.store.records(message.instance_id)
            if isinstance(record.event, kind) and getattr(record.event, field_name) == text
        ]
        if kept:
            self.promised[message.instance_id, str(text)] = kept[0]
        elif isinstance(message, messages.Start) and message.if_exists == "attach":
            names = [one.name for one in self._disk.store.starts(message.instance_id)]
            self._audit.check(message.name in names, "I1", "attached to nothing", message, names)
        elif isinstance(message, (messages.Start, messages.Raise, messages.Cancel, messages.Rewind)):
            self._audit.fail("I1", f"answered, and not on disk: {message}")
        else:  # it need not change anything: it was that way, or has ended since
            self._check_needless(message)

    def _check_enqueued(self, message: messages.Signal) -> None:
        """Of that signal as many came to the disk as were answered."""
        signal = message.entity_id, message.name, message.input
        self.signaled[signal] += 1
        written = self._audit.entities.signaled[signal]
        self._audit.check(written >= self.signaled[signal], "I1", "answered, and not on disk", message)

    def _check_needless(self, message: Any) -> None:
        life = self._audit.current.get(message.instance_id)
        if isinstance(message, messages.Terminate):
            ended = life is None or any(
                isinstance(record.event, ev.Ending) or record.event.event_id == 1
                for record in self._disk.store.records(message.instance_id)
            )
            self._audit.check(ended, "I1", "terminated, and still open", message, life)

    def _ended(self, instance_id: str, done: Future[InstanceOutcome]) -> None:
        if done.exception() is not None:
            return
        outcome = done.result()
        found = any(
            type(record.event).__name__ == f"Execution{outcome.status}"
            for record in self._disk.store.records(instance_id)
        )
        self._audit.check(found, "I1", "an outcome that isn't on disk", instance_id, outcome)

    def check_promises(self) -> None:
        """At the end all that was acknowledged is there, unless it was purged."""
        for (instance_id, text), record in self.promised.items():
            if (instance_id, record.execution_id) in self._audit.lives:
                is_there = record in self._disk.store.records(instance_id)
                self._audit.check(is_there, "I1", "acknowledged, and lost", instance_id, text)


_FACT_OF: dict[type, Callable[[Any], tuple[type[ev.Event], str, object]]] = {
    messages.Start: lambda message: (ev.ExecutionStarted, "tags", message.tags),
    messages.Raise: lambda message: (ev.EventRaised, "input", message.input),
    messages.Cancel: lambda message: (ev.ExecutionCancelRequested, "reason", message.reason),
    messages.Terminate: lambda message: (ev.ExecutionTerminated, "reason", message.reason),
    messages.Suspend: lambda message: (ev.ExecutionSuspended, "reason", message.reason),
    messages.Resume: lambda message: (ev.ExecutionResumed, "reason", message.reason),
    messages.Rewind: lambda message: (ev.ExecutionRewound, "reason", message.reason),
}
