"""Rules that hold after every commit, checked as the records come in.

The letters are those of the simulator's invariants:

I2  event ids count 1, 2, 3, ... in an execution, and `seq` in the journal
I3  a task that was asked for completes at most once, and no other does
I4  an execution ends once, and nothing follows but a rewind
I6  what belongs together is in one transaction: an episode, a child and its parent, two generations
I8  no timer fires before it is due, by the stored clock
I9  nothing is canceled unless that was requested

Those of entities are in `entity_audit`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from durablenb.core.ports.store import Record
from durablenb.model import events as ev
from tests.simulation.entity_audit import EntityAudit

Key = tuple[str, str]
"""Of an execution: its instance's id and its own."""

_CHILD_ENDED = (ev.SubOrchestrationInstanceCompleted, ev.SubOrchestrationInstanceFailed)
_OPERATION_ENDED = (ev.EntityOperationCompleted, ev.EntityOperationFailed)
_COMPLETIONS = (
    ev.TaskCompleted,
    ev.TaskFailed,
    ev.TimerFired,
    ev.EntityLockGranted,
    *_OPERATION_ENDED,
    *_CHILD_ENDED,
)
_WHAT_COMPLETES: dict[type[ev.Event], type[ev.Event]] = {
    ev.TaskCompleted: ev.TaskScheduled,
    ev.TaskFailed: ev.TaskScheduled,
    ev.TaskCanceled: ev.TaskScheduled,
    ev.TimerFired: ev.TimerCreated,
    ev.TimerCanceled: ev.TimerCreated,
    ev.SubOrchestrationInstanceCompleted: ev.SubOrchestrationInstanceCreated,
    ev.SubOrchestrationInstanceFailed: ev.SubOrchestrationInstanceCreated,
    ev.EntityOperationCompleted: ev.EntityOperationCalled,
    ev.EntityOperationFailed: ev.EntityOperationCalled,
    ev.EntityLockGranted: ev.EntityLockRequested,
    ev.EntityLockCanceled: ev.EntityLockRequested,
}
_SUCCESSES = (ev.TaskCompleted, ev.SubOrchestrationInstanceCompleted, ev.EntityOperationCompleted)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Life:
    """An execution as its records tell it."""

    instance_id: str
    execution_id: str
    started: ev.ExecutionStarted
    last_id: int = 0
    status: str = "Pending"
    output: ev.Event | None = None
    custom_status: str | None = None
    created: datetime = _NEVER
    first_input: str = ""
    is_begun: bool = False
    is_suspended: bool = False
    episode_in: int = -1
    seen_until: datetime = _NEVER
    pending: dict[int, ev.Event] = field(default_factory=dict)
    raised: set[str] = field(default_factory=set)
    is_canceled: bool = False
    succeeded: dict[int, ev.Event] = field(default_factory=dict)
    before: dict[int, ev.Event] = field(default_factory=dict)
    locks: dict[int, tuple[str, ...]] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    rewound_in: int = -1

    @property
    def key(self) -> Key:
        return self.instance_id, self.execution_id

    @property
    def is_open(self) -> bool:
        return self.output is None


class Audit:
    """Takes every record that is written, and says what is wrong with it in `violations`."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.entities = EntityAudit(self)
        self.lives: dict[Key, Life] = {}
        self.current: dict[str, Life] = {}
        self.last_seq = 0
        self.has_lost_the_past = False
        """Whether generations were purged: what they had seen can't be looked up."""
        self.transactions = 0
        self.scheduled: set[tuple[str, str, int]] = set()
        self.completed: set[tuple[str, str, int]] = set()
        self.begun: dict[tuple[str, str, int], object] = {}
        """Who began an activity last, since it was asked for."""
        self._take: dict[type[ev.Event], Callable[[Life, Any], None]] = {
            ev.ExecutionStarted: self._started,
            ev.OrchestratorStarted: self._episode,
            ev.ExecutionRewound: self._rewound,
            ev.ExecutionSuspended: self._suspended,
            ev.ExecutionResumed: self._resumed,
            ev.EventRaised: self._raised,
            ev.ExecutionCancelRequested: self._cancel_requested,
            ev.CustomStatusSet: self._custom,
            ev.TaskCanceled: self._completion,
            ev.TimerCanceled: self._completion,
            ev.EntityLockCanceled: self._lock_canceled,
            **dict.fromkeys(_COMPLETIONS, self._completion),
            **dict.fromkeys((kind for kind in ev.ALL_EVENTS if issubclass(kind, ev.Ending)), self._end),
            ev.EntityUnlockSent: self._left,
            **dict.fromkeys(set(_WHAT_COMPLETES.values()), self._asked),
        }

    def fail(self, rule: str, text: str) -> None:
        """Notes a violation."""
        self.violations.append(f"{rule}: {text}")

    def check(self, holds: object, rule: str, text: str, *about: object) -> None:
        """Notes a violation unless it holds."""
        if not holds:
            self.fail(rule, f"{text}: {', '.join(map(repr, about))}")

    # -- a transaction ---------------------------------------------------------------------------

    def appended(self, records: Sequence[Record]) -> None:
        """One transaction's records, now on disk."""
        self.transactions += 1
        touched: dict[Key, Life] = {}
        for record in records:
            self.check(record.seq == self.last_seq + 1, "I2", "seq has a gap", self.last_seq, record)
            self.last_seq = record.seq
            if record.instance_id.startswith("@"):
                self.entities.take(record)
                continue
            life = self._life(record)
            if life is not None:
                touched[life.key] = life
        for life in touched.values():
            self._check_family(life)
            if type(life.output) is ev.ContinueAsNew:
                now = self.current[life.instance_id]
                self.check(now is not life, "I6", "the next execution isn't in this transaction", life.key)
        self._check_children_ended(records)
        self.entities.appended(records)

    def purged(self, instance_ids: Sequence[str], execution_ids: Sequence[str]) -> None:
        """These instances and executions are gone from the disk."""
        self.entities.purged(instance_ids)
        for life in self.current.values():
            is_there = life.execution_id not in execution_ids
            self.check(is_there, "I4", "a generation was purged that isn't past", life.key)
        for instance_id in instance_ids:
            life = self.current.pop(instance_id, None)
            if life is not None:
                self.check(not life.is_open, "I4", "an open instance was purged", life.key)
        self.has_lost_the_past |= bool(execution_ids)
        self.lives = {
            key: life
            for key, life in self.lives.items()
            if key[0] in self.current and key[1] not in execution_ids
        }

    def reopened(self, last_seq: int) -> None:
        """A new process goes on after this place, which a purge may have moved back."""
        self.last_seq = last_seq

    # -- a record --------------------------------------------------------------------------------

    def _life(self, record: Record) -> Life | None:
        _, instance_id, execution_id, event = record
        life = self.lives.get((instance_id, execution_id))
        if life is None:
            if not isinstance(event, ev.ExecutionStarted):
                self.fail("I2", f"an execution begins without a beginning: {record}")
                return None
            life = self._new_life(instance_id, execution_id, event)
        self.check(event.event_id == life.last_id + 1, "I2", "event_id has a gap", life.last_id, record)
        life.last_id = event.event_id
        if not life.is_open:
            self.check(
                isinstance(event, ev.ExecutionRewound) and life.status == "Failed",
                "I4", "something follows the end", record,
            )  # fmt: skip
        if isinstance(event, ev.Request):
            is_parted = isinstance(event, ev.ExecutionFailed) and "NonDeterminism" in event.failure.error_type
            is_parted |= isinstance(event, ev.ExecutionCanceled) and not life.is_begun
            self.check(
                life.episode_in == self.transactions or is_parted, "I6", "an episode is torn apart", record
            )
        elif type(event) is not ev.OrchestratorStarted:
            life.episode_in = -1
        take = self._take.get(type(event))
        if take is not None:
            take(life, event)
        return life

    def _new_life(self, instance_id: str, execution_id: str, event: ev.ExecutionStarted) -> Life:
        before = self.current.get(instance_id)
        life = Life(instance_id, execution_id, event)
        self.check(before is None or not before.is_open, "I4", "two executions of one instance", instance_id)
        goes_on = before is not None and type(before.output) is ev.ContinueAsNew
        self.check(goes_on == bool(event.generation), "I6", "a generation without the one before", event)
        if before is not None and goes_on:
            self.check(event.generation == before.started.generation + 1, "I4", "a generation", event)
            self.check(event.parent == before.started.parent, "I6", "a generation lost its parent", event)
            self.check(event.tags == before.started.tags, "I6", "a generation lost its tags", event)
            life.created, life.first_input = before.created, before.first_input
        else:
            self._check_new(before, event)
            life.created, life.first_input = event.timestamp, event.input
        self.lives[life.key] = self.current[instance_id] = life
        return life

    def _check_new(self, before: Life | None, event: ev.ExecutionStarted) -> None:
        has_completed = before is not None and before.status == "Completed" and event.parent is not None
        is_again = has_completed and before is not None and before.started.parent == event.parent
        self.check(not is_again, "I3", "a child that completed runs again", event)

    def _started(self, life: Life, event: ev.ExecutionStarted) -> None:
        life.started = event
        life.status, life.output, life.custom_status = "Pending", None, None

    def _episode(self, life: Life, event: ev.OrchestratorStarted) -> None:
        self.check(not life.is_suspended, "I7", "a suspended orchestration runs", life.key, event)
        self.check(event.timestamp >= life.seen_until, "I8", "an orchestrator's clock goes back", event)
        start_at = life.started.scheduled_start_time
        is_time = start_at is None or event.timestamp >= start_at or start_at <= life.started.timestamp
        self.check(is_time, "I8", "a scheduled orchestration starts early", start_at, event)
        life.seen_until = event.timestamp
        life.is_begun, life.status, life.episode_in = True, "Running", self.transactions

    def _rewound(self, life: Life, event: ev.ExecutionRewound) -> None:
        self.current[life.instance_id] = life
        life.output, life.is_suspended, life.is_begun, life.seen_until = None, False, False, _NEVER
        life.rewound_in = self.transactions
        life.pending.clear()
        life.raised.clear()
        life.locks.clear()
        life.left.clear()
        life.before, life.succeeded = life.succeeded, {}
        self.begun = {key: who for key, who in self.begun.items() if key[:2] != life.key}

    def _suspended(self, life: Life, event: ev.ExecutionSuspended) -> None:
        life.is_suspended, life.status = True, "Suspended"

    def _resumed(self, life: Life, event: ev.ExecutionResumed) -> None:
        life.is_suspended, life.status = False, "Running" if life.is_begun else "Pending"

    def _raised(self, life: Life, event: ev.EventRaised) -> None:
        self.check(event.input not in life.raised, "I6", "an event arrived twice", life.key, event)
        life.raised.add(event.input)

    def _cancel_requested(self, life: Life, event: ev.ExecutionCancelRequested) -> None:
        life.is_canceled = True

    def _custom(self, life: Life, event: ev.CustomStatusSet) -> None:
        life.custom_status = event.status

    def _asked(self, life: Life, event: ev.Event) -> None:
        task_id: int = event.task_id  # type: ignore[attr-defined]
        self.check(task_id not in life.pending, "I3", "a task was asked for twice", life.key, event)
        life.pending[task_id] = event
        if isinstance(event, ev.EntityLockRequested):
            life.locks[task_id] = event.entity_ids
        if isinstance(event, ev.TaskScheduled):
            key = (*life.key, task_id)
            self.scheduled.add(key)
            self.completed.discard(key)
            self.begun.pop(key, None)

    def _lock_canceled(self, life: Life, event: ev.EntityLockCanceled) -> None:
        self._completion(life, event)
        life.left.add(event.task_id)

    def _left(self, life: Life, event: ev.EntityUnlockSent) -> None:
        self.check(event.task_id in life.locks, "E5", "an unlock of no lock", life.key, event)
        life.left.add(event.task_id)

    def _completion(self, life: Life, event: ev.Event) -> None:
        task_id: int = event.task_id  # type: ignore[attr-defined]
        asked = life.pending.pop(task_id, None)
        kind = _WHAT_COMPLETES[type(event)]
        self.check(isinstance(asked, kind), "I3", "a completion of no pending task", life.key, event)
        if isinstance(event, ev.TimerFired) and isinstance(asked, ev.TimerCreated):
            self.check(event.timestamp >= asked.fire_at, "I8", "a timer fires early", asked, event)
        if isinstance(event, _SUCCESSES) and asked:
            life.succeeded[task_id] = asked
        if isinstance(asked, ev.TaskScheduled):
            self.completed.add((*life.key, task_id))

    def _end(self, life: Life, event: ev.Event) -> None:
        is_requested = life.is_canceled or not isinstance(event, ev.ExecutionCanceled)
        self.check(is_requested, "I9", "canceled, and nobody requested it", life.key, event)
        life.output = event
        if type(event) is not ev.ContinueAsNew:
            life.status = type(event).__name__.removeprefix("Execution")

    # -- families --------------------------------------------------------------------------------

    def _check_family(self, life: Life) -> None:
        """Each pending child is open and knows its parent; no parent waits for a child that has ended."""
        for task_id, asked in life.before.items():  # it was rewound in this transaction
            again = life.pending.get(task_id)
            is_same = again is not None and replace(again, event_id=asked.event_id) == asked
            self.check(not is_same, "I3", "a rewind does a success again", life.key, again)
        life.before = {}
        if life.is_open:
            for event in life.pending.values():
                if isinstance(event, ev.SubOrchestrationInstanceCreated):
                    self._check_child(life, event)
        link = life.started.parent
        parent = None if link is None else self.lives.get((link.instance_id, link.execution_id))
        if link is None or parent is None or not parent.is_open:
            return
        awaited = parent.pending.get(link.task_id)
        if (
            isinstance(awaited, ev.SubOrchestrationInstanceCreated)
            and awaited.instance_id == life.instance_id
        ):
            self._check_child(parent, awaited)

    def _check_child(self, parent: Life, event: ev.SubOrchestrationInstanceCreated) -> None:
        child = self.current.get(event.instance_id)
        link = None if child is None else child.started.parent
        expected = ev.ParentInstance(*parent.key, event.task_id, parent.started.name)
        self.check(
            child is not None and child.is_open and link == expected and child.started.name == event.name,
            "I6", "a parent waits for a child that doesn't belong to it", event, child,
        )  # fmt: skip

    def _check_children_ended(self, records: Sequence[Record]) -> None:
        """Check that a child's outcome in the parent's history is the child's own."""
        rewound = {r.instance_id for r in records if isinstance(r.event, ev.ExecutionRewound)}
        for record in records:
            event = record.event
            if isinstance(event, ev.SubOrchestrationInstanceCompleted) and record.instance_id not in rewound:
                ends = [r.event for r in records if isinstance(r.event, ev.ExecutionCompleted)]
                self.check(any(end.result == event.result for end in ends), "I6", "no child ended so", record)
