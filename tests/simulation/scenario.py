"""A scenario: which of the simulator's troubles a seed has. Each has some; few have all."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.simulation.corpus import PIECES

_WEIGHTS = {
    "client": 8,
    "turn": 16,
    "commit": 8,
    "begin": 8,
    "end": 10,
    "jump": 4,
    "tick": 2,
    "repeat": 2,
    "back": 1,
    "crash": 1,
    "fault": 1,
    "read fault": 1,
    "look": 1,
    "room": 1,
    "register": 1,
    "interrupt": 10,
    "break": 1,
}
_TROUBLES = tuple(_WEIGHTS)[7:]
_REWINDS = ("detour", "detour", "detour", "faulty")
_LIMITS = ("narrow_fan_out",)
_FAMILIES = ("parent", "strict_parent", "launcher", "retrying_child", "faulty")
_EVENTS = ("approval", "waiters", "counter", "ticker")
_ENTITIES = ("counting", "reminding", "alone", "moving", "losing", "hasty")
_CANCELLATIONS = ("undoing", "undoing", "unlocking", "stubborn", "parent", "retrying_child", "counter")
_THEMES = (
    _ENTITIES,
    _CANCELLATIONS,
    _REWINDS,
    _LIMITS,
    _FAMILIES,
    _EVENTS,
    tuple(PIECES),
    ("fan_out", "narrow_fan_out", "race", "deadline", "retrying", "saga", "faulty", "detour", "impatient"),
)
_WANTED = {
    _CANCELLATIONS: {"cancel": 8, "raise": 4},
    _REWINDS: {"rewind": 2},
    _LIMITS: {"terminate": 3},
    _FAMILIES: {"terminate": 2, "rewind": 4},
    _EVENTS: {"raise": 20},
    _ENTITIES: {"signal": 6, "raise": 8, "start": 8, "terminate": 2},
}
"""How often some requests are made in a theme, where a usual one weighs 1."""
_REQUESTS = (
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


@dataclass(frozen=True)
class Scenario:
    """The options of the engine, and what may happen."""

    is_threaded: bool
    is_strict: bool
    is_inline: bool
    is_prompt: bool
    has_waiter: bool
    verify_replay: bool
    fails_on_nondeterminism: bool
    loses_code: bool
    is_broken: bool
    is_cramped: bool
    max_concurrency: int | None
    max_cached_events: int
    max_actions: int
    deaths: int
    moves: int
    pieces: tuple[str, ...]
    troubles: frozenset[str]
    refusals: frozenset[str]
    wanted: dict[str, int]
    keep_generations: int | None

    @staticmethod
    def of(random: Random) -> Scenario:
        """The scenario that comes first in this series."""
        chance = random.random
        is_threaded = chance() < 0.6
        theme = random.choice(_THEMES)
        pieces = tuple(random.sample(theme, min(random.randint(1, 5), len(theme))))
        troubles = {trouble for trouble in _TROUBLES if chance() < 0.4}
        refusals = {request for request in _REQUESTS if chance() < 0.4}
        if not is_threaded and chance() < 0.5:
            troubles.add("interrupt")
        if theme is _REWINDS:
            troubles = {"break"}
        return Scenario(
            is_threaded=is_threaded,
            is_strict=chance() < 0.6,
            is_inline=not is_threaded and chance() < 0.3,
            is_prompt=chance() < 0.3,
            has_waiter=chance() < 0.5,
            verify_replay=chance() < 0.1,
            fails_on_nondeterminism=chance() < 0.3,
            loses_code=chance() < 0.3,
            is_broken=theme is _REWINDS or chance() < 0.5,
            is_cramped=chance() < 0.4,
            max_concurrency=random.choice((None, None, None, 1, 2)),
            max_cached_events=random.choice((1, 10, 30, 200_000)),
            max_actions=random.choice((100_000, 100_000, 100_000, 6)),
            deaths=random.choice((0, 1, 3, 7)),
            moves=160 if theme is _REWINDS else random.choice((30, 80, 160)),
            pieces=pieces,
            troubles=frozenset(troubles),
            refusals=frozenset(refusals - _WANTED.get(theme, {}).keys()),
            wanted=_WANTED.get(theme, {}),
            keep_generations=random.choice((None, None, None, 0, 1)),
        )

    @property
    def room(self) -> dict[str, int]:
        """How much the engine may hold of entities, or do at a time."""
        kept, long, operations, states = (1, 12, 2, 1) if self.is_cramped else (10_000, 10_000, 1_000, 1_000)
        return {
            "KEPT_ENTITIES": kept,
            "LONG_HISTORY": long,
            "OPERATIONS_AT_ONCE": operations,
            "STATES_TOGETHER": states,
        }

    @property
    def weighted_moves(self) -> tuple[list[str], list[int]]:
        """The moves of this scenario, and how often each is made."""
        names = [name for name in _WEIGHTS if name not in _TROUBLES or name in self.troubles]
        return names, [_WEIGHTS[name] for name in names]
