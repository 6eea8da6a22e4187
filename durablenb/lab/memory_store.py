"""A journal in memory: a list of records, and answers that fold it, slowly and plainly.

The lab's runs write it. It is also the reference against which the store in DuckDB is tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from durablenb.core.fold import fold_history
from durablenb.core.ports.store import (
    BegunExecution,
    HistoryBundle,
    InstanceQuery,
    OpenEntity,
    OpenInstance,
    PastGeneration,
    Record,
    blob_is_gone,
)
from durablenb.lab.past_generations import begun_by, past_generations
from durablenb.model.activities import ActivityAttempt, latest
from durablenb.model.caching import CachedCall, CachedResult, CodePart
from durablenb.model.entities import EntityId, EntityMetadata
from durablenb.model.events import (
    VALUES,
    Arrival,
    CodeAwaited,
    Event,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    InstanceEnding,
    LockEnqueued,
    LockTaken,
    OperationEnqueued,
    OrchestratorStarted,
    PendingRequest,
    StateChanged,
    TaskCompleted,
)
from durablenb.model.imports import Import
from durablenb.model.logs import LogLine
from durablenb.model.names import folded
from durablenb.model.outputs import OutputState
from durablenb.model.payloads import Blob, Payload, carried_blobs, references
from durablenb.model.queues import QueueMembers, QueueStart
from durablenb.model.source import Source
from durablenb.model.status import InstanceState


class MemoryStore:
    """A journal that lasts as long as the object."""

    hub_id = "hub"

    def __init__(self) -> None:
        self.journal: list[Record] = []
        self.blobs: dict[str, Blob] = {}
        self._sources: dict[str, str] = {}
        self._lines: list[LogLine] = []
        self._attempts: list[ActivityAttempt] = []
        self._outputs: dict[tuple[str, str], OutputState] = {}
        self._calls: list[CachedCall] = []
        self._results: dict[CachedCall, str] = {}
        self.queues: dict[str, QueueMembers] = {}
        self.queue_log: list[QueueStart] = []
        self._imports: dict[str, Import] = {}
        self._replaying: str | None = None
        self._crashes: dict[str, int] = {}

    def append(
        self, records: Sequence[Record], calls: Sequence[CachedCall] = (), code_parts: Sequence[CodePart] = ()
    ) -> None:
        """Write all of these, with their blobs."""
        self.journal.extend(records)
        self._calls.extend(calls)
        for text in _texts(records):
            self.blobs.update((blob.hash, blob) for blob in carried_blobs(text))
            if isinstance(text, Payload):
                text.blobs = ()

    def cached_results(self, longest: int) -> list[CachedResult]:
        """Return the remembered results, oldest first."""
        texts = [(call, self._text(call)) for call in self._calls]
        return [CachedResult.of(call, text, longest) for call, text in texts if text is not None]

    def cached_text(self, key: str) -> str | None:
        """Return the last remembered result of a key."""
        texts = [self._text(call) for call in self._calls if call.key == key]
        return next((text for text in reversed(texts) if text is not None), None)

    def _text(self, call: CachedCall) -> str | None:
        if call in self._results:
            return self._results[call]
        event = next((record.event for record in self.journal if record.seq == call.seq), None)
        return event.result if isinstance(event, TaskCompleted) and call.is_completed else None

    def forget_calls(self, name: str | None) -> None:
        """Forget the cached calls of an activity, or all."""
        self._calls = [call for call in self._calls if name is not None and folded(call.name) != name]
        self._drop_blobs()

    def keep(self, sources: Sequence[Source]) -> None:
        """Keep the source texts that aren't kept already."""
        self._sources.update((source.hash, source.text) for source in sources)

    def append_lines(self, said: Sequence[LogLine]) -> None:
        """Write all of these lines of logs."""
        self._lines.extend(said)

    def put_attempts(self, attempts: Sequence[ActivityAttempt]) -> None:
        """Write all of these tries of activities in place of the same ones."""
        self._attempts = latest([*self._attempts, *attempts])

    def attempts(self, instance_ids: Sequence[str]) -> list[ActivityAttempt]:
        """Return the tries of activities of these instances, oldest first."""
        found = [one for one in self._attempts if one.instance_id in set(instance_ids)]
        return sorted(found, key=lambda one: (one.started_at, one.attempt))

    def append_outputs(self, states: Sequence[OutputState], carried: Sequence[Blob]) -> None:
        """Set all of these states of outputs; a blob that none refers to any more is dropped."""
        self.blobs.update((blob.hash, blob) for blob in carried)
        for state in states:
            self._outputs[state.key] = state
            if not state.parts:
                del self._outputs[state.key]
        self._drop_blobs()

    def write_queues(self, queues: Sequence[QueueMembers], starts: Sequence[QueueStart]) -> None:
        """Write these queues and starts. A rate never reads starts that it doesn't count any more."""
        self.queues.update((members.queue.name.lower(), members) for members in queues)
        self.queue_log.extend(starts)

    def queue_starts(self, queue: str) -> list[QueueStart]:
        """Return the calls of a queue that have begun, or were about to."""
        starts: dict[QueueStart, QueueStart] = {}
        for start in self.queue_log:
            if start.queue == queue:
                place = start._replace(instance_id="", started_at=None)
                first = starts.get(place, start)
                starts[place] = first._replace(started_at=start.started_at or first.started_at)
        return list(starts.values())

    def import_histories(self, bundle: HistoryBundle, imports: Sequence[Import], after: int) -> None:
        """Write all of a bundle, its events after a place in the journal; twice does it once."""
        if any(one.instance_id in self._imports for one in imports):
            return
        self.blobs.update((one.hash, Blob(one.hash, one.kind, one.content)) for one in bundle.blobs)
        self._sources.update(bundle.sources)
        self.journal.extend(record._replace(seq=after + record.seq) for record in bundle.records)
        self._lines.extend(bundle.lines)
        self._outputs.update((state.key, state) for state in bundle.outputs)
        self._imports.update((one.instance_id, one) for one in imports)

    def imports(self) -> list[Import]:
        """Return the imports that were not purged since, by id."""
        return [self._imports[one] for one in sorted(self._imports)]

    def existing_ids(
        self, instance_ids: Iterable[str], execution_ids: Iterable[str]
    ) -> tuple[set[str], set[str]]:
        """Return those of these ids of instances and entities that exist, and those of executions."""
        known = {one.instance_id for one in self.journal}, {one.execution_id for one in self.journal}
        return known[0].intersection(instance_ids), known[1].intersection(execution_ids)

    def has_event(self, execution_id: str, event_id: int) -> bool:
        """Return True if the journal has an event of an execution."""
        return any((one.execution_id, one.event.event_id) == (execution_id, event_id) for one in self.journal)

    def purge(
        self, instance_ids: Sequence[str], execution_ids: Sequence[str] = (), needed: Sequence[int] = ()
    ) -> None:
        """Delete all events and lines of these instances, and the blobs that no other one refers to.

        Of these executions too, but for the events at the places `needed`.
        """
        gone, past, left = set(instance_ids), set(execution_ids), set(needed)
        texts = {call: self._text(call) for call in self._calls}
        self._results = {call: text for call, text in texts.items() if text is not None}
        self._imports = {i: one for i, one in self._imports.items() if i not in gone}
        self._lines = [
            line for line in self._lines if line.instance_id not in gone and line.execution_id not in past
        ]
        self._attempts = [
            one for one in self._attempts if one.instance_id not in gone and one.execution_id not in past
        ]
        self._outputs = {
            key: one
            for key, one in self._outputs.items()
            if one.instance_id not in gone and one.execution_id not in past
        }
        self.journal = [
            record
            for record in self.journal
            if record.instance_id not in gone and (record.execution_id not in past or record.seq in left)
        ]
        self.queue_log = [
            one._replace(instance_id="") if one.instance_id in gone else one for one in self.queue_log
        ]
        self._drop_blobs()
        self._crashes = {i: count for i, count in self._crashes.items() if i not in gone}

    def _drop_blobs(self) -> None:
        """Drop the blobs that nothing refers to."""
        self._results = {call: text for call, text in self._results.items() if call in self._calls}
        if self.blobs:
            texts = (*_texts(self.journal), *self._results.values())
            used = {one for text in texts for one in references(text)}
            used |= {part.hash for state in self._outputs.values() for part in state.parts if part.hash}
            self.blobs = {one: blob for one, blob in self.blobs.items() if one in used}

    def past_generations(self, instance_ids: Sequence[str], keep: int, limit: int) -> list[PastGeneration]:
        """Return the generations before the last ones, and all such parts of entities."""
        return past_generations(self.journal, instance_ids, keep, limit)

    def begun_by(self, execution_ids: Sequence[str]) -> list[BegunExecution]:
        """Return the executions of all sub-orchestrations below these executions."""
        return begun_by(self.journal, execution_ids)

    def last_seq(self) -> int:
        """Return the last used place in the journal, 0 if it is empty."""
        return max((record.seq for record in self.journal), default=0)

    def load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        """Return the current execution's history of each instance, since its last rewind."""
        histories = {i: _current([record.event for record in self.records(i)]) for i in instance_ids}
        return {instance_id: history for instance_id, history in histories.items() if history}

    def starts(self, instance_id: str) -> list[ExecutionStarted]:
        """Return the first events of all executions of an instance, oldest first."""
        events = [record.event for record in self.records(instance_id)]
        return [event for event in events if isinstance(event, ExecutionStarted)]

    def records(self, instance_id: str, after: int = 0) -> list[Record]:
        """Return an instance's events after a position of the journal, in all executions, oldest first."""
        return [one for one in self.journal if one.instance_id == instance_id and one.seq > after]

    def blob(self, blob_hash: str) -> bytes:
        """Return the bytes of a blob."""
        if blob_hash not in self.blobs:
            raise blob_is_gone(blob_hash)
        return self.blobs[blob_hash].content

    def lines(self, instance_id: str) -> list[LogLine]:
        """Return the lines of the logs of an instance and of its sub-orchestrations, oldest first."""
        family = {instance_id, *self.descendants([instance_id])}
        return [line for line in self._lines if line.instance_id in family]

    def outputs(self, instance_id: str) -> list[OutputState]:
        """Return the rich outputs of an instance and of its sub-orchestrations, oldest first."""
        family = {instance_id, *self.descendants([instance_id])}
        return [state for state in self._outputs.values() if state.instance_id in family]

    def source(self, source_hash: str) -> str | None:
        """Return the source text of that hash, or None."""
        return self._sources.get(source_hash)

    def open_instances(self) -> list[OpenInstance]:
        """Return the open instances, oldest first, without imported ones."""
        found = []
        for instance_id in self._ids():
            if instance_id in self._imports:
                continue
            records = self.records(instance_id)
            events = _current([record.event for record in records])
            if events and not any(isinstance(event, InstanceEnding) for event in events):
                began = records[len(records) - len(events)]
                found.append((began.seq, _open(instance_id, began.execution_id, events)))
        return [open_ for _, open_ in sorted(found, key=lambda pair: pair[0])]

    def open_entities(self) -> list[OpenEntity]:
        """Return the entities with requests left, by id, without imported ones."""
        return [one for one in self._busy_entities() if one.instance_id not in self._imports]

    def _busy_entities(self) -> list[OpenEntity]:
        found = []
        for execution_id in dict.fromkeys(r.execution_id for r in self.journal if r.instance_id[0] == "@"):
            records = [record for record in self.journal if record.execution_id == execution_id]
            events = [record.event for record in records]
            settled = {getattr(event, "task_id", -1) for event in events if event.settles is not None}
            taken = {event.task_id for event in events if isinstance(event, LockTaken)}
            pending = [
                event
                for event in events
                if isinstance(event, (OperationEnqueued, LockEnqueued)) and event.event_id not in settled
            ]
            if pending:
                numbers = {event.event_id for event in pending}
                last_id = events[-1].event_id
                found.append(
                    OpenEntity(records[0].instance_id, execution_id, last_id + 1, pending, taken & numbers)
                )
        return sorted(found, key=lambda entity: entity.instance_id)

    def entity_states(self, instance_ids: Sequence[str] | None) -> dict[str, str]:
        """Return the states as text of these entities, or of all; ``null`` for one that was deleted."""
        states: dict[str, str] = {}
        for record in self.journal:
            if record.instance_id[0] == "@" and (instance_ids is None or record.instance_id in instance_ids):
                if isinstance(record.event, StateChanged):
                    states[record.instance_id] = record.event.state
                elif instance_ids is None:
                    states.setdefault(record.instance_id, "null")
        return states

    def entity_state_at(self, instance_id: str, moment: datetime) -> str:
        """Return the state as text that the entity had then; ``null`` if it didn't exist."""
        changes = [r.event for r in self.records(instance_id) if isinstance(r.event, StateChanged)]
        return next((one.state for one in reversed(changes) if one.timestamp <= moment), "null")

    def entities(self, name: str | None, since: datetime | None) -> list[EntityMetadata]:
        """Return the entities that exist, without their states, by their ids."""
        states = self.entity_states(None)
        backlog = {one.instance_id: one for one in self._busy_entities()}
        found = []
        for instance_id in sorted(one for one, state in states.items() if state != "null"):
            entity_id = EntityId.get_entity_id(instance_id)
            at = max(record.event.timestamp for record in self.records(instance_id))
            if (name is None or entity_id.name == name) and (since is None or at >= since):
                open_ = backlog.get(instance_id)
                pending = [] if open_ is None else open_.pending
                operations = [one for one in pending if isinstance(one, OperationEnqueued)]
                locks = [one for one in pending if isinstance(one, LockEnqueued)]
                owner = next(
                    (one.caller.instance_id for one in locks if open_ and one.event_id in open_.granted), None
                )
                found.append(EntityMetadata(entity_id, at, len(operations), owner))
        return found

    def states(self, query: InstanceQuery) -> list[InstanceState]:
        """Return the states of a query's instances."""
        states = []
        for instance_id in self._ids():
            state = fold_history(instance_id, [(r.execution_id, r.event) for r in self.records(instance_id)])
            if state is not None and _meets(state, query):
                states.append(state)
        states.sort(key=lambda state: (state.created_time, state.instance_id))
        end = None if query.limit is None else query.offset + query.limit
        return states[query.offset : end]

    def ids(self, query: InstanceQuery) -> list[str]:
        """Return the ids of a query's instances."""
        return [state.instance_id for state in self.states(query)]

    def restarted(self, after: int) -> set[str]:
        """Return the instances of which an execution began after a place in the journal."""
        begun = (one for one in self.journal if one.seq > after and isinstance(one.event, ExecutionStarted))
        return {one.instance_id for one in begun}

    def links(self, instance_ids: Iterable[str]) -> list[tuple[str, str]]:
        """Return all sub-orchestrations of these instances, their own ones too, each with its parent."""
        parents: dict[str, str | None] = {}
        for record in self.journal:
            if isinstance(record.event, ExecutionStarted):
                link = record.event.parent
                parents[record.instance_id] = None if link is None else link.instance_id
        found: dict[str, str] = {}
        members = set(instance_ids)
        while members:
            below = {one: parent for one, parent in parents.items() if parent in members and one not in found}
            found.update(below)
            members = set(below)
        return sorted(found.items())

    def descendants(self, instance_ids: Iterable[str]) -> list[str]:
        """Return all sub-orchestrations of these instances, their own ones too, parents first."""
        found: list[str] = []
        parents = set(instance_ids)
        while parents:
            children = []
            for record in self.journal:
                event = record.event
                if (
                    isinstance(event, ExecutionStarted)
                    and event.parent is not None
                    and event.parent.instance_id in parents
                    and record.instance_id not in found
                    and record.instance_id not in children
                ):
                    children.append(record.instance_id)
            found.extend(sorted(children))
            parents = set(children)
        return found

    def mark_replay(self, instance_id: str | None) -> None:
        """Note which instance is about to be replayed."""
        if instance_id is None and self._replaying is not None:
            self._crashes.pop(self._replaying, None)
        self._replaying = instance_id

    def crashes(self) -> dict[str, int]:
        """Return how often in a row the process died while it replayed an instance."""
        if self._replaying is not None:
            self._crashes[self._replaying] = self._crashes.get(self._replaying, 0) + 1
            self._replaying = None
        return dict(self._crashes)

    def close(self) -> None:
        """Do nothing: what is in memory stays as long as the object."""

    def _ids(self) -> list[str]:
        return list(dict.fromkeys(record.instance_id for record in self.journal))


def _texts(records: Iterable[Record]) -> Iterator[str]:
    """Return the values among these records, as text."""
    for record in records:
        for name in VALUES:
            text = getattr(record.event, name, None)
            if isinstance(text, str):
                yield text


def _current(events: list[Event]) -> list[Event]:
    """Return the events from the last `ExecutionStarted` on."""
    for index in range(len(events) - 1, -1, -1):
        if isinstance(events[index], ExecutionStarted):
            return events[index:]
    return []


def _open(instance_id: str, execution_id: str, events: list[Event]) -> OpenInstance:
    started = events[0]
    assert isinstance(started, ExecutionStarted)
    pending: dict[int, PendingRequest] = {}
    is_suspended = has_begun = has_arrivals = False
    for event in events:
        if isinstance(event, PendingRequest):
            pending[event.task_id] = event
        elif event.settles is not None:
            pending.pop(getattr(event, "task_id", -1), None)
        elif isinstance(event, (ExecutionSuspended, ExecutionResumed)):
            is_suspended = isinstance(event, ExecutionSuspended)
        if isinstance(event, OrchestratorStarted):
            has_begun, has_arrivals = True, False
        elif isinstance(event, (Arrival, CodeAwaited)):
            has_arrivals = True
    return OpenInstance(
        instance_id,
        execution_id,
        started,
        events[-1].event_id + 1,
        has_begun,
        is_suspended,
        has_arrivals,
        list(pending.values()),
    )


def _meets(state: InstanceState, query: InstanceQuery) -> bool:
    return (
        (query.instance_ids is None or state.instance_id in query.instance_ids)
        and (query.prefix is None or state.instance_id.startswith(query.prefix))
        and (query.name is None or folded(state.name) == folded(query.name))
        and (query.statuses is None or state.status in query.statuses)
        and (query.created_from is None or state.created_time >= query.created_from)
        and (query.created_to is None or state.created_time <= query.created_to)
    )
