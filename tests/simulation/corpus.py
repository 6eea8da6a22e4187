"""The simulator's orchestrators by name: inputs for each, and what it may complete with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from durablenb.core.registry import Activity, Registry
from durablenb.engine.options import EngineOptions
from durablenb.model.source import read_source
from tests.simulation import entities
from tests.simulation import orchestrators as o

codec = EngineOptions().codec


@dataclass(frozen=True)
class Piece:
    """An orchestrator, inputs for it, and what it may complete with."""

    function: Callable[..., Any]
    inputs: Callable[[Random], Any] = lambda random: random.randrange(10)
    fits: Callable[[Any, Any], bool] = lambda given, result: True
    versions: tuple[Callable[..., Any], ...] = ()


_CHILDREN = (
    "chain",
    "failing",
    "approval",
    "counter",
    "faulty",
    "deadline",
    "sleeper",
    "one_flaky",
    "undoing",
)


def _children(random: Random) -> list[list[Any]]:
    return [_child(random, number, depth=1) for number in range(random.randint(1, 2))]


def _child(random: Random, number: int, depth: int) -> list[Any]:
    own = f"c{number}" if random.random() < 0.6 else None
    if depth and random.random() < 0.5:
        return [random.choice(("parent", "strict_parent")), [_child(random, 0, 0)], own]
    name = random.choice(_CHILDREN)
    return [name, PIECES[name].inputs(random), own]


PIECES: dict[str, Piece] = {
    "chain": Piece(o.chain, fits=lambda n, result: result == n + 3),
    "fan_out": Piece(
        o.fan_out,
        lambda random: [random.randrange(9) for _ in range(random.randrange(6))],
        lambda given, result: result == [2 * n for n in given],
    ),
    "narrow_fan_out": Piece(
        o.narrow_fan_out, lambda random: [1, 2, 3], lambda given, result: result == given
    ),
    "race": Piece(o.race, fits=lambda _, result: result == [2, 4, 6]),
    "deadline": Piece(o.deadline, fits=lambda n, result: result in (n + 1, "late")),
    "impatient": Piece(o.impatient, fits=lambda _, result: result in (1, 2, 3)),
    "sleeper": Piece(
        o.sleeper,
        lambda random: [random.choice((-5, 0, 1, 1, 60, 3_000)) for _ in range(2)],
        lambda given, result: result >= max(given),
    ),
    "approval": Piece(o.approval, fits=lambda _, result: len(result) in (0, 2)),
    "waiters": Piece(o.waiters, fits=lambda _, result: len(result) == 2),
    "counter": Piece(
        o.counter, lambda random: [[], random.randint(2, 3)], lambda given, seen: len(seen) == given[1]
    ),
    "ticker": Piece(o.ticker, lambda random: [[], 3]),
    "parent": Piece(o.parent, _children),
    "strict_parent": Piece(o.strict_parent, _children, lambda _, result: result[0] == 1),
    "launcher": Piece(o.launcher, lambda random: _child(random, 0, 0), lambda _, result: result == 3),
    "retrying": Piece(o.retrying, fits=lambda n, result: result in (n, "gave up")),
    "retrying_child": Piece(o.retrying_child, fits=lambda _, result: result in (5, "gave up")),
    "one_flaky": Piece(o.one_flaky, fits=lambda n, result: result == n),
    "reporting": Piece(o.reporting, fits=lambda _, result: result == "reported"),
    "saga": Piece(o.saga, fits=lambda _, result: result in ("done", "undone")),
    "undoing": Piece(o.undoing, fits=lambda _, result: result in ([1, 2, 3], "undone")),
    "stubborn": Piece(
        o.stubborn, fits=lambda _, result: result == "gave up" or result[1] in ([1, 2, 3], "undone")
    ),
    "faulty": Piece(
        o.faulty, lambda random: random.random() < 0.5, lambda _, result: result == [1, [1, 1, 4, 3]]
    ),
    "detour": Piece(o.detour, fits=lambda _, result: result == [11, 21, 31]),
    "failing": Piece(o.failing, fits=lambda _, result: False),
    "named": Piece(o.named, fits=lambda _, result: result == "named"),
    "unknown": Piece(o.unknown, fits=lambda _, result: result == "not found"),
    "misuse": Piece(o.misuse, fits=lambda _, result: False),
    "coroutine": Piece(o.coroutine, fits=lambda n, result: result == [2 * n, 2 * n + 2]),
    "poison": Piece(o.poison, fits=lambda _, result: result == 3),
    **{
        name: Piece(function, entities.some_keys, fits)
        for name, (function, fits) in entities.ORCHESTRATORS.items()
    },
    "moving": Piece(
        entities.moving,
        lambda random: [entities.some_keys(random), random.randrange(3)],
        lambda _, result: result == "moved",
    ),
    "recoded": Piece(o.recoded_1, fits=lambda _, result: result == 3, versions=(o.recoded_1, o.recoded_2)),
}

ACTIVITIES = {
    name: Activity(name, function, cap)
    for name, function, cap in (
        ("inc", o.inc, None),
        ("crawl", o.inc, None),
        ("double", o.double, 3),
        ("narrow", o.narrow, 1),
        ("flaky", o.flaky, None),
        ("broken", o.broken, None),
        ("echo", lambda value: value, None),
        ("@tally", entities.tally, None),
    )
}

EVENT_NAMES = ("Go", "gO", "Tick", "tick", "TICK")


def full_registry() -> Registry:
    """All of it, by name."""
    registry = Registry()
    registry.activities.update(ACTIVITIES)
    for name, piece in PIECES.items():
        register(registry, name, piece.function)
    return registry


def register(registry: Registry, name: str, function: Callable[..., Any]) -> None:
    """Puts an orchestrator there with its source text: what is the same as before needs no replay."""
    registry.sources[name] = _source(function)
    registry.orchestrators[name] = function


_source = cache(read_source)
