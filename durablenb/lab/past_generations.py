"""The past generations of instances and entities in a list of records: what a purge of them may delete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from durablenb.core.ports.store import BegunExecution, PastGeneration, Record
from durablenb.model.events import ExecutionStarted, StateChanged, SubOrchestrationInstanceCreated


def past_generations(
    journal: Sequence[Record], instance_ids: Iterable[str], keep: int, limit: int
) -> list[PastGeneration]:
    """Return the generations before the last ones, and all such parts of entities."""
    forked = _forked(journal)
    past: list[tuple[int, PastGeneration]] = []
    parts: list[PastGeneration] = []
    for instance_id in dict.fromkeys(instance_ids):
        by_id: dict[str, list[Record]] = {}
        for record in journal:
            if record.instance_id == instance_id:
                by_id.setdefault(record.execution_id, []).append(record)
        if instance_id.startswith("@"):
            parts += _past_parts(list(by_id.values()), keep)
        else:
            past += _past_of_instance(list(by_id.values()), forked, keep)
    return [generation for _, generation in sorted(past, key=lambda pair: pair[0])][:limit] + parts


def begun_by(journal: Sequence[Record], execution_ids: Iterable[str]) -> list[BegunExecution]:
    """Return the executions of all sub-orchestrations below these executions."""
    forked = _forked(journal)
    starts = {record.execution_id: record for record in journal if isinstance(record.event, ExecutionStarted)}
    last = {record.instance_id: record.execution_id for record in starts.values()}
    above = set(execution_ids)
    begun: dict[str, BegunExecution] = {}
    while above:
        below = {}
        for execution_id, record in starts.items():
            assert isinstance(record.event, ExecutionStarted)
            parent = record.event.parent
            if parent is not None and parent.execution_id in above and execution_id not in begun:
                is_last = last[record.instance_id] == execution_id
                below[execution_id] = BegunExecution(
                    record.instance_id, execution_id, parent.execution_id, is_last, execution_id in forked
                )
        begun.update(below)
        above = set(below)
    return sorted(begun.values(), key=lambda execution: starts[execution.execution_id].seq)


def _forked(journal: Iterable[Record]) -> set[str]:
    """Return the executions that have forks."""
    started = [record.event for record in journal if isinstance(record.event, ExecutionStarted)]
    return {origin.execution_id for event in started for origin in event.forked_from}


def _past_of_instance(
    executions: Iterable[list[Record]], forked: set[str], keep: int
) -> Iterator[tuple[int, PastGeneration]]:
    """Yield the generations of an instance before the last ones, each with its place in the journal."""
    life: list[tuple[int, list[Record]]] = []
    for records in executions:
        started = [record.event for record in records if isinstance(record.event, ExecutionStarted)][-1]
        life = life if started.generation else []
        life.append((started.generation, records))
    for generation, records in life:
        instance_id, execution_id = records[0].instance_id, records[0].execution_id
        if generation < life[-1][0] - keep and len(records) > 1 and execution_id not in forked:
            starts = [record.seq for record in records if isinstance(record.event, ExecutionStarted)]
            has_children = any(
                isinstance(record.event, SubOrchestrationInstanceCreated) for record in records
            )
            needed = () if generation else (starts[-1],)
            yield records[0].seq, PastGeneration(instance_id, execution_id, needed, has_children)


def _past_parts(parts: list[list[Record]], keep: int) -> list[PastGeneration]:
    """Return the parts of an entity's history before the last ones, if something of them is left."""
    past = parts[: max(len(parts) - 1 - keep, 0)]
    changes = [one for part in past for one in part if isinstance(one.event, StateChanged)]
    first, last = ({_operation(one) for one in some} for some in ([p[0] for p in past[:1]], changes[-1:]))
    left = [
        tuple(
            one.seq
            for one in part
            if _operation(one) in last
            or (_operation(one) in first and not isinstance(one.event, StateChanged))
        )
        for part in past
    ]
    return [
        PastGeneration(*part[0][1:3], seqs)
        for part, seqs in zip(past, left, strict=True)
        if len(seqs) < len(part)
    ]


def _operation(record: Record) -> tuple[str, int]:
    """Return the operation or lock of an entity that the event is about."""
    return record.execution_id, getattr(record.event, "task_id", record.event.event_id)
