"""Options of an engine, set when a hub is opened."""

from __future__ import annotations

from dataclasses import field

from durablenb.model.payloads import Codec
from durablenb.model.plain import Plain, plain
from durablenb.values.codec import ValueCodec


@plain
class EpisodeOptions(Plain):
    """How orchestrators are run."""

    verify_replay: bool = False
    fails_on_nondeterminism: bool = False
    max_cached_events: int = 200_000
    max_orchestration_actions: int = 100_000
    interrupts: tuple[type[BaseException], ...] = ()


@plain
class EngineOptions(Plain):
    """How an engine runs. With `is_strict`, an activity begins once its `TaskScheduled` is on disk."""

    is_strict: bool = True
    max_concurrency: int | None = None
    episodes: EpisodeOptions = field(default_factory=EpisodeOptions)
    codec: Codec = field(default_factory=ValueCodec)
