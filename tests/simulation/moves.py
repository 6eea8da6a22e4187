"""The moves of a simulation: what may happen next, each of them made by the seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from durablenb.engine import messages
from durablenb.model.errors import StoreError
from tests.simulation.disk import FAULTS
from tests.simulation.orchestrators import Crash, fate
from tests.simulation.replays import check_states

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation


def client(world: Simulation) -> str:
    message = world.clients.request()
    asked = world.ask(message)
    if isinstance(message, messages.Purge) and world.random.random() < 0.5:
        asked += "; " + world.ask(world.clients.starts(message.only))
    return asked


def turn(world: Simulation) -> str | None:
    """The engine does what can be done now: all of it, or in the kernel's thread one thing."""
    if not world.scenario.is_threaded:
        return world.engine.step()
    if world.engine.committer.failure is None:
        world.engine.turn()
    return None


def commit(world: Simulation) -> None:
    world.engine.committer.commit()


def begin(world: Simulation) -> str:
    return world.executor.begin() if world.executor.waiting else ""


def end(world: Simulation) -> str:
    return world.executor.end() if world.executor.running else ""


def repeat(world: Simulation) -> str:
    return world.executor.repeat()


def tick(world: Simulation) -> str:
    seconds = world.random.choice((0.001, 1, 5, 60, 3_600, 31_536_000))
    world.clock.advance(seconds=seconds)
    return f"{seconds} s"


def back(world: Simulation) -> str:
    seconds = world.random.choice((0.001, 2, 60, 3_600, 31_536_000))
    world.clock.advance(seconds=-seconds)
    return f"{-seconds} s"


def jump(world: Simulation) -> str:
    due = world.engine.next_due()
    if due is not None:
        world.clock.jump_to(due)
    return f"to {due}"


def crash(world: Simulation) -> None:
    raise Crash


def fault(world: Simulation) -> str:
    world.disk.fault = world.random.choice(FAULTS)
    return world.disk.fault


def read_fault(world: Simulation) -> None:
    world.disk.read_fault = StoreError("The disk can't be read.")


def room(world: Simulation) -> str:
    world.disk.is_full = not world.disk.is_full
    return "none" if world.disk.is_full else "enough"


def look(world: Simulation) -> None:
    check_states(world.disk.store, world.audit)


def register(world: Simulation) -> str:
    if world.missing:
        kind, name = world.missing.pop(world.random.randrange(len(world.missing)))
    else:
        kind, name = "orchestrator", world.random.choice(("recoded", *world.scenario.pieces))
    world.register(kind, name)
    return f"{kind} {name}"


def interrupt(world: Simulation) -> str | None:
    """The stop button, where the kernel's own thread does the work."""
    if world.scenario.is_threaded:
        return None
    for _ in range(world.random.randrange(3)):
        turn(world)  # so that the disk has something to do when it comes
    chance = world.random.random()
    if chance < 0.1:
        world.disk.read_fault = KeyboardInterrupt()
    elif chance < 0.3:
        fate.interrupt_in = world.random.randint(1, 3)
    else:
        world.clock.interrupt_in = world.random.randint(1, 3)
    return client(world) if world.random.random() < 0.3 else turn(world)


def break_or_mend(world: Simulation) -> str:
    fate.is_broken = not fate.is_broken
    return f"{fate.is_broken}"


MOVES: dict[str, Callable[[Simulation], object]] = {
    "client": client,
    "turn": turn,
    "commit": commit,
    "begin": begin,
    "end": end,
    "jump": jump,
    "tick": tick,
    "repeat": repeat,
    "back": back,
    "crash": crash,
    "fault": fault,
    "read fault": read_fault,
    "look": look,
    "room": room,
    "register": register,
    "interrupt": interrupt,
    "break": break_or_mend,
}
"""By the names that `scenario` weighs."""
