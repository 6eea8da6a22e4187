"""A crash before every commit of an orchestration, and the comparison of what comes of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import replace
from datetime import timedelta
from typing import Any

from durablenb.core.registry import not_found, target_name
from durablenb.core.short_repr import short_repr
from durablenb.hub.instance import Handle
from durablenb.hub.task_hub import TaskHub
from durablenb.lab.crash_report import CURES, Crash, CrashReport, Fault, FaultKind
from durablenb.lab.runs import Outcome, Plan, SentEvent, run
from durablenb.lab.world import World, as_world
from durablenb.model.events import EventRaised
from durablenb.model.failures import FailureDetails
from durablenb.model.status import InstanceState, OrchestrationRuntimeStatus

MOST_CRASHES = 1_000
"""The most crashes of one call."""


def crash_everywhere(
    orchestration: Handle | Callable[..., Any] | str,
    input_: Any = None,
    *,
    hub: TaskHub | None = None,
    world: Any = None,
    events: Sequence[tuple[str, Any] | tuple[str, Any, timedelta]] = (),
    instance_id: str = "crashed",
) -> CrashReport:
    """Run an orchestration once for each of its steps, kill it before the step is on disk, and resume it.

    Each run has a journal in memory and a virtual clock, and uses the functions of the hub; the hub itself
    and its file aren't touched. After a crash, activities whose result was lost run again, as they do after
    the death of a kernel. Then the outcome, the states of entities and the world are compared with those of
    a run without a crash.

    Parameters
    ----------
    orchestration
        The orchestrator or its name; or the handle of an instance, whose input and external events are used.
    input_
        The input.
    hub
        The hub with the functions. A handle knows its own.
    world
        What activities change: a list, a dictionary or a set, or a `World`. It is set back to its
        present state before each run and at the end. Without a world, only outcomes are compared.
    events
        External events, as ``(name, value)`` or ``(name, value, time after the start)``. An event without a
        time is raised as soon as all else waits.
    instance_id
        The id of the instance in the runs.

    Returns
    -------
    CrashReport
        True if nothing differs; ``report.check()`` raises otherwise, for tests.

    Raises
    ------
    FunctionNotFoundError
        If the hub has no such orchestrator.
    ValueError
        If two runs without a crash differ, so that a crash can't be blamed for anything; or if the
        orchestration goes on for more than 5,000 units of work, or takes more than 1,000 commits.
    TypeError
        If the hub or the world isn't one.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> payments = []
    >>> @hub.activity
    ... def charge(amount):
    ...     payments.append(amount)
    >>> @hub.orchestrator
    ... def order(context):
    ...     yield context.call_activity(charge, 40)
    >>> report = df.lab.crash_everywhere(order, hub=hub, world=payments)
    >>> [(fault.kind, fault.where) for fault in report.faults]
    [('not idempotent', 'charge')]

    With a key, the second run of an activity does no harm:

    >>> payments = {}
    >>> @hub.activity
    ... def charge(amount):
    ...     payments[df.current_activity().key] = amount
    >>> df.lab.crash_everywhere(order, hub=hub, world=payments)
    <order: 2 crashes, and nothing differs.>
    >>> hub.close()
    """
    plan = plan_runs(orchestration, input_, hub, events, instance_id)
    return crashed(plan, as_world(world))


def plan_runs(
    orchestration: Handle | Callable[..., Any] | str,
    input_: Any,
    hub: TaskHub | None,
    events: Sequence[tuple[Any, ...]],
    instance_id: str,
) -> Plan:
    """Return the plan of the runs."""
    if isinstance(orchestration, Handle):
        return _plan_of_handle(orchestration, instance_id)
    if not isinstance(hub, TaskHub):
        raise TypeError(
            f"hub is {hub!r}; expected the durablenb.TaskHub in which the orchestrator and its activities "
            "are registered."
        )
    registry = hub._registry
    name = target_name(orchestration)
    version = registry.default_version(orchestration)
    if registry.code(name, version) is None:
        raise not_found("orchestrator", name, registry.orchestrator_names)
    sent = tuple(SentEvent(*event) for event in events)
    return Plan(registry, _options(hub), name, version, input_, instance_id, sent)


def _plan_of_handle(handle: Handle, instance_id: str) -> Plan:
    hub = handle.hub
    if not isinstance(hub, TaskHub):
        raise TypeError(
            f"The hub of {handle.id} has no code here, so it can't be run again. Expected a handle of a "
            "durablenb.TaskHub that is open in this process."
        )
    status = handle.status()
    assert status.name is not None
    assert status.created_time is not None
    sent = [
        SentEvent(event.name, hub._codec.decode(event.input), event.timestamp - status.created_time)
        for event in handle.history()
        if isinstance(event, EventRaised)
    ]
    return Plan(
        hub._registry,
        _options(hub),
        status.name,
        status.version,
        status.input_,
        instance_id,
        tuple(sent),
    )


def _options(hub: TaskHub) -> Any:
    options = hub._engine.options
    return replace(options, episodes=replace(options.episodes, fails_on_nondeterminism=True, interrupts=()))


def crashed(plan: Plan, world: World) -> CrashReport:
    """Crash runs of a plan before each commit but the first, which starts the instance; return the report."""
    try:
        whole, seen = _observed(plan, world)
        again, seen_again = _observed(plan, world)
        differing = list(_differences(whole, again, seen, seen_again))
        if differing:
            raise ValueError(
                f"Two runs of {plan.name} differ without any crash: {'; '.join(differing)}. Let the "
                "activities do the same in each run: seed what is random, and give the lab the whole world."
            )
        if whole.commits > MOST_CRASHES:
            raise ValueError(
                f"{plan.name} takes {whole.commits:,} commits; the lab crashes at most {MOST_CRASHES:,}. "
                "Give it a smaller input."
            )
        crashes, faults = [], _Faults(plan.name)
        for number in range(2, whole.commits + 1):
            outcome, seen_now = _observed(plan, world, crash_before=number)
            lost = outcome.lost
            assert lost is not None
            differences = tuple(_differences(whole, outcome, seen, seen_now))
            crash = Crash(number, lost.event, lost.functions, differences)
            crashes.append(crash)
            if not differences:
                continue
            losing_nothing, seen_then = _observed(plan, world, crash_after=number - 1)
            faults.add(crash, outcome, any(_differences(whole, losing_nothing, seen, seen_then)))
        notes = list(_notes(plan, world, whole))
    finally:
        world.reset()
    return CrashReport(plan.name, crashes, faults.found(), notes)


def _observed(plan: Plan, world: World, **how: Any) -> tuple[Outcome, Any]:
    """Reset the world, run, and return the outcome and the world after it."""
    world.reset()
    outcome = run(plan, **how)
    return outcome, world.observe()


def _differences(whole: Outcome, other: Outcome, seen: Any, seen_now: Any) -> Iterator[str]:
    """Yield what differs between two runs and the worlds after them, a line each."""
    if seen != seen_now:
        yield _differing_worlds(seen, seen_now)
    yield from _differing_outcomes(whole, other)


def _differing_worlds(seen: Any, seen_now: Any) -> str:
    found, expected = short_repr(seen_now), short_repr(seen)
    if found != expected:
        return f"the world is {found}, not {expected}"
    if isinstance(seen, Sized) and isinstance(seen_now, Sized) and len(seen) != len(seen_now):
        return f"the world has {len(seen_now):,} entries, not {len(seen):,}"
    return "the world differs"


def _differing_outcomes(whole: Outcome, other: Outcome) -> Iterator[str]:
    for instance_id in dict.fromkeys((*whole.states, *other.states)):
        first, second = whole.states.get(instance_id), other.states.get(instance_id)
        if (end := _end(second)) != (expected := _end(first)):
            yield f"{instance_id} {end}; undisturbed, it {expected}"
    for entity_id in dict.fromkeys((*whole.entities, *other.entities)):
        states = other.entities.get(entity_id), whole.entities.get(entity_id)
        if states[0] != states[1]:
            yield f"the state of {entity_id} is {states[0]}, not {states[1]}"


def _end(state: InstanceState | None) -> str:
    if state is None:
        return "wasn't started"
    failed_with = failure_text(state)
    if failed_with is not None:
        return f"failed with {failed_with}"
    ends = "" if state.output is None else f" with {short_repr(state.output)}"
    custom = "" if state.custom_status is None else f", custom status {short_repr(state.custom_status)}"
    return f"is {state.status.name}{ends}{custom}"


def failure_text(state: InstanceState) -> str | None:
    """Return the type and the first line of the message if an instance has failed."""
    if state.status is not OrchestrationRuntimeStatus.Failed or state.output is None:
        return None
    failure = FailureDetails.from_json(json.loads(state.output))
    message = failure.message.splitlines()
    return f"{failure.error_type.rpartition('.')[2]}: {message[0].rstrip('.') if message else ''}"


class _Faults:
    """The faults that explain what crashes have changed, one for each function or cause."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._crashes: dict[tuple[FaultKind, str], list[Crash]] = defaultdict(list)

    def add(self, crash: Crash, outcome: Outcome, differs_anyway: bool) -> None:
        """Add a crash that changed something; `differs_anyway`: also if it lost no work of an activity."""
        if any("NonDeterminismError" in _end(state) for state in outcome.states.values()):
            self._crashes["not deterministic", self._name].append(crash)
        elif crash.ran_again and not differs_anyway:
            self._crashes["not idempotent", ", ".join(crash.ran_again)].append(crash)
        elif crash.differences[0].startswith("the world"):
            self._crashes["effect outside an activity", self._name].append(crash)
        else:
            self._crashes["different outcome", self._name].append(crash)

    def found(self) -> list[Fault]:
        """Return the faults, the worst first."""
        order = list(CURES)
        return [
            Fault(kind, where, _fault_text(kind, self._crashes[kind, where]))
            for kind, where in sorted(self._crashes, key=lambda one: order.index(one[0]))
        ]


def _fault_text(kind: FaultKind, crashes: Sequence[Crash]) -> str:
    numbers = ", ".join(str(crash.number) for crash in crashes)
    difference = crashes[0].differences[-1 if kind == "not deterministic" else 0]
    return f"After {'crash' if len(crashes) == 1 else 'crashes'} {numbers}, {difference}."


def _notes(plan: Plan, world: World, whole: Outcome) -> Iterator[str]:
    """Yield what is good to know: what waits at the end, and what the order of activities decides."""
    waiting = [state.instance_id for state in whole.states.values() if not state.status.is_terminal]
    if waiting:
        yield (
            f"{', '.join(waiting)} still waits at the end of a run. If it waits for an external event, give "
            "the lab that event: events=[(name, value)]."
        )
    reordered, _ = _observed(plan, world, newest_first=True)
    differing = next(_differing_outcomes(whole, reordered), None)
    if differing is not None:
        yield f"The order in which activities run decides: the newest first, {differing}."
