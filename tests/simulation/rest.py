"""I7: left in peace, everything ends; what waits, waits for something that can come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durablenb.core.ports.store import OpenInstance, Record
from durablenb.core.registry import Activity
from durablenb.engine import messages
from durablenb.model.events import (
    EntityLockRequested,
    EntityOperationCalled,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
)
from tests.simulation.audit import Audit
from tests.simulation.disk import Disk
from tests.simulation.orchestrators import fate, nobody
from tests.simulation.replays import fresh, histories_of

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

ROUNDS = 30
TURNS = 3_000


def come_to_rest(world: Simulation) -> None:
    """The troubles end; then whatever is waited for comes, until nothing is open."""
    world.disk.is_full = False
    world.disk.fault = world.disk.read_fault = None
    fate.deaths_left = 0
    world.note("-- the troubles end")
    for kind, name in world.missing:
        world.register(kind, name)
    is_rewound = False
    for _ in range(ROUNDS):
        settle(world)
        found = world.disk.store.open_instances()
        _check_agreement(world, found)
        _check_entities(world)
        for instance in found:
            _check_reason(world, instance)
        if world.audit.violations:
            return
        for instance in found:
            _help(world, instance)
        if not found:
            left = world.disk.store.open_entities()
            world.audit.check(not left, "I7", "entities that aren't done", left)
            if is_rewound:
                return
            is_rewound = True
            _rewind(world)
    world.audit.fail("I7", f"never ends: {[one.instance_id for one in found]}")


def settle(world: Simulation) -> None:
    """Goes on until only something from outside could change anything."""
    for _ in range(TURNS):
        done = False
        world.make("turn")
        world.make("commit")
        for move, works in (("begin", world.executor.waiting), ("end", world.executor.running)):
            if works:
                world.make(move)
                done = True
        if world.audit.violations:
            return
        if done or not world.engine.is_idle:
            continue
        due = world.engine.next_due()
        if due is None:
            return
        world.clock.jump_to(due)
        world.note(f"time passes until {world.clock.now()}")
    world.audit.fail("I7", "it goes on for ever")


def _rewind(world: Simulation) -> None:
    """Rewind failed instances, now that nothing is broken any more."""
    fate.is_broken = False
    for life in list(world.audit.current.values()):
        if life.status == "Failed":
            world.engine.post(messages.Rewind(life.instance_id, "at the end"))


def _help(world: Simulation, instance: OpenInstance) -> None:
    """Brings what an instance may be waiting for."""
    if instance.is_suspended:
        world.engine.post(messages.Resume(instance.instance_id, "at the end"))
    held = world.engine.runtime_state(instance.instance_id).held
    if held is not None:
        world.register("orchestrator", instance.started.name)
    if any(getattr(event, "name", None) == "nobody" for event in instance.pending):
        world.registry.activities["nobody"] = Activity("nobody", nobody)
        world.engine.post(messages.Registered("activity", "nobody"))
    for name in ("Go", "Tick"):
        number = world.clients._next()
        world.engine.post(messages.Raise(instance.instance_id, name, str(number)))


def _check_agreement(world: Simulation, found: list[OpenInstance]) -> None:
    """Check that the engine's memory agrees with the state that a new process would read."""
    with world.engine._lock:
        live = dict(world.engine._state.instances.open)
    ids = {instance.instance_id for instance in found}
    world.audit.check(live.keys() == ids, "I7", "other instances are open", sorted(live), sorted(ids))
    for instance in found:
        mine = live.get(instance.instance_id)
        if mine is None:
            continue
        pending = {event.task_id for event in instance.pending}
        world.audit.check(
            (mine.execution_id, mine.next_event_id, mine.is_suspended, mine.pending)
            == (instance.execution_id, instance.next_event_id, instance.is_suspended, pending),
            "I7", "the engine remembers it otherwise", mine.pending, instance,
        )  # fmt: skip


def _check_entities(world: Simulation) -> None:
    """The engine knows of them what a new process would find; what waits there, waits for a lock's owner."""
    entities = world.engine._state.entities
    found = world.disk.store.open_entities()
    ids = {entity.instance_id for entity in found}
    world.audit.check(entities._busy.keys() == ids, "I7", "other entities are busy", entities._busy, ids)
    for entity in found:
        mine = entities._busy.get(entity.instance_id)
        world.audit.check(
            mine is not None
            and (mine.execution_id, mine.next_event_id) == (entity.execution_id, entity.next_event_id),
            "I7", "the engine remembers an entity otherwise", entity,
        )  # fmt: skip
        world.audit.check(entity.granted, "I7", "an entity has something to do", entity)


def _check_reason(world: Simulation, instance: OpenInstance) -> None:
    """An open instance is suspended, or held, or waits for an event or a child."""
    with world.engine._lock:
        mine = world.engine._state.instances.open.get(instance.instance_id)
    if mine is None or instance.is_suspended or mine.held is not None:
        return
    children = 0
    for event in instance.pending:
        is_child = isinstance(
            event, (SubOrchestrationInstanceCreated, EntityOperationCalled, EntityLockRequested)
        )
        is_missing = isinstance(event, TaskScheduled) and event.name not in world.registry.activities
        world.audit.check(is_child or is_missing, "I7", "nobody works on it", instance.instance_id, event)
        children += 1
    history = histories_of(world.disk.store.records(instance.instance_id))[instance.execution_id]
    function = world.registry.orchestrators[instance.started.name]
    execution = fresh(function, instance.instance_id, instance.execution_id, world.scenario.max_actions)
    execution.replay(history)
    world.audit.check(not execution.is_ready, "I7", "it could go on, and nobody does it", instance)
    waits = any(execution.mailbox._waiters.values())
    world.audit.check(waits or children, "I7", "it waits for nothing", instance)
    execution.unload()


def journal_of(disk: Disk, audit: Audit) -> list[Record]:
    """All that is on the disk, in order."""
    ids = [*audit.current, *audit.entities.things]
    records = [record for instance_id in ids for record in disk.store.records(instance_id)]
    return sorted(records, key=lambda record: record.seq)
