"""I5: what the code asks for over a recorded history, or over the rest of one, is what is recorded.

The same at the end of a simulation: the store's states are those that the audit has folded for itself.
"""

from collections.abc import Iterable
from random import Random
from typing import Any

from durablenb.core.execution import Execution
from durablenb.core.ports.store import InstanceQuery, Record, Store
from durablenb.core.registry import target_name
from durablenb.core.requests import same
from durablenb.model.errors import NonDeterminismError
from durablenb.model.events import (
    Event,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionTerminated,
    OrchestratorStarted,
    Request,
)
from tests.simulation.audit import Audit, Life
from tests.simulation.corpus import PIECES, codec
from tests.simulation.orchestrators import Crash


def histories_of(records: Iterable[Record]) -> dict[str, list[Event]]:
    """Each execution's events since its last rewind, by its id."""
    found: dict[str, list[Event]] = {}
    for record in records:
        if isinstance(record.event, ExecutionStarted):
            found[record.execution_id] = []
        if record.execution_id in found:
            found[record.execution_id].append(record.event)
    return found


def fresh(function: Any, instance_id: str, execution_id: str, max_actions: int) -> Execution:
    """An execution at its beginning."""
    return Execution(
        function,
        instance_id,
        execution_id,
        codec,
        target_name,
        interrupts=(Crash,),
        max_actions=max_actions,
    )


def go_over(execution: Execution, history: list[Event], begin: int) -> str:
    """Replay `begin` events and repeat the others; return the difference, "" if there is none."""
    try:
        execution.replay(history[:begin])
        return _go_on(execution, history, begin)
    except NonDeterminismError as error:
        return str(error)
    finally:
        execution.unload()


def _has_begun(history: list[Event]) -> bool:
    return any(isinstance(event, OrchestratorStarted) for event in history)


def _go_on(execution: Execution, history: list[Event], position: int) -> str:
    while position < len(history):
        event = history[position]
        if isinstance(event, Request):
            is_parted = isinstance(event, ExecutionFailed) and "NonDeterminism" in event.failure.error_type
            is_parted |= isinstance(event, ExecutionCanceled) and not _has_begun(history)
            return "" if is_parted else f"nobody asked for {event}"
        if type(event) is not OrchestratorStarted:
            execution.deliver(event)
            position += 1
            continue
        if not execution.is_ready:
            return f"an episode for nothing: {event}"
        facts = execution.resume(event.timestamp, event.event_id)
        recorded = history[position : position + len(facts)]
        if len(recorded) != len(facts) or not all(map(_is_same, recorded, facts)):
            return f"recorded {recorded}, asked for {facts}"
        position += len(facts)
    return ""


def _is_same(one: Event, other: Event) -> bool:
    if isinstance(one, ExecutionFailed) and isinstance(other, ExecutionFailed):
        return one.event_id == other.event_id and same(one.failure, other.failure)
    return one == other


def check_replays(store: Store, audit: Audit, random: Random, max_actions: int) -> None:
    """Replays every execution in the journal, each from a place of its own."""
    for instance_id in audit.current:
        records = store.records(instance_id)
        for execution_id, history in histories_of(records).items():
            started = history[0]
            assert isinstance(started, ExecutionStarted)
            piece = PIECES[started.name]
            begins = [i for i, event in enumerate(history) if not isinstance(event, Request)]
            begin = random.choice(begins)
            wrong = [
                go_over(fresh(function, instance_id, execution_id, max_actions), history, begin)
                for function in piece.versions or (piece.function,)
            ]
            audit.check(not all(wrong), "I5", "a replay differs", instance_id, begin, wrong)


def check_states(store: Store, audit: Audit) -> None:
    """The store's states are those that the audit has folded."""
    states = {state.instance_id: state for state in store.states(InstanceQuery())}
    audit.check(states.keys() == audit.current.keys(), "fold", "other instances", states, audit.current)
    for instance_id, state in states.items():
        life = audit.current.get(instance_id)
        if life is not None:
            found = (
                state.status.value, state.execution_id, state.name, state.input, state.custom_status,
                state.created_time, state.generation, state.tags, _shown(state.output),
            )  # fmt: skip
            expected = (
                life.status, life.execution_id, life.started.name, life.started.input, life.custom_status,
                life.created, life.started.generation, life.started.tags, _output(life),
            )  # fmt: skip
            audit.check(found == expected, "fold", "another state", instance_id, found, expected)


def _shown(output: str | None) -> object:
    return output


def _output(life: Life) -> object:
    if isinstance(life.output, ExecutionCompleted):
        return life.output.result
    if isinstance(life.output, (ExecutionCanceled, ExecutionTerminated)):
        return life.output.reason
    if isinstance(life.output, ExecutionFailed):
        return life.output.failure.as_text()
    return None


def check_results(store: Store, audit: Audit) -> None:
    """Check that completed instances have possible results, and events in their order of arrival."""
    for life in audit.current.values():
        if isinstance(life.output, ExecutionCompleted):
            piece = PIECES[life.started.name]
            given, result = codec.decode(life.first_input), codec.decode(life.output.result)
            audit.check(piece.fits(given, result), "result", "a result that can't be", life, result)
            if audit.has_lost_the_past:
                continue
            if life.started.name in ("counter", "ticker"):
                _check_order(store, audit, life, result[len(given[0]) :])  # a restart has seen some
            elif life.started.name in ("waiters", "approval"):
                _check_order(store, audit, life, result)


def _check_order(store: Store, audit: Audit, life: Life, result: list[int]) -> None:
    """I6: events are consumed once, in the order in which they were raised."""
    raised: list[int] = []
    for record in store.records(life.instance_id):
        event = record.event
        if isinstance(event, ExecutionStarted) and not event.generation:
            raised = []
        elif type(event).__name__ == "EventRaised":
            value = codec.decode(event.input)  # type: ignore[attr-defined]
            if value not in raised and _is_meant(life.started.name, event.name):  # type: ignore[attr-defined]
                raised.append(value)
    expected = [value for value in raised if value in result]
    audit.check(result == expected, "I6", "events out of order", life, result, raised)
    if life.started.name in ("counter", "waiters"):
        audit.check(result == raised[: len(result)], "I6", "an event was lost", life, result, raised)


def _is_meant(orchestrator: str, event_name: str) -> bool:
    return event_name.casefold() == ("go" if orchestrator == "approval" else "tick")
