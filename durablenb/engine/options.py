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
    """How an engine runs.

    Parameters
    ----------
    is_strict
        Whether an activity begins only once its `TaskScheduled` is on disk.
    max_concurrency
        The number of activities that may run at a time; None for no limit.
    episodes
        How orchestrators are run.
    codec
        How values become text.
    keep_generations
        The number of past generations of each instance that are kept; None for all.
    """

    is_strict: bool = True
    max_concurrency: int | None = None
    episodes: EpisodeOptions = field(default_factory=EpisodeOptions)
    codec: Codec = field(default_factory=ValueCodec)
    keep_generations: int | None = None


def checked_keep(keep: int, name: str = "keep") -> int:
    """Return a number of generations to keep, if it is one.

    Raises
    ------
    TypeError
        If it isn't a whole number.
    ValueError
        If it is negative.
    """
    if isinstance(keep, bool) or not isinstance(keep, int):
        raise TypeError(f"{name} is {keep!r}; expected a whole number of past generations.")
    if keep < 0:
        raise ValueError(f"{name} is {keep}; expected at least 0, which keeps the current generation only.")
    return keep
