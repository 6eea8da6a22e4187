"""Instances in memory that are to go on with the code that is registered now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from durablenb.core.execution import Execution
from durablenb.core.fitting import Misfit
from durablenb.core.ports.store import Store
from durablenb.engine.episodes import Episodes
from durablenb.engine.instance import Instance
from durablenb.engine.messages import Upgrade
from durablenb.model.errors import NonDeterminismError, TypeNotRegisteredError, WaitTimeoutError
from durablenb.model.events import Event

Outcome = Literal["moved", "current", "kept", "held"]
"""It goes on with the new code now, or did already; with the code that it has in memory; or not at all.

One that waits for more code at a ``yield ...`` takes up what is registered by itself.
"""


class Upgraded(NamedTuple):
    """What became of an instance. `misfit`: why it did not move. `events`: how long its history is."""

    instance_id: str
    outcome: Outcome
    misfit: Misfit | None
    events: int


class Upgrades:
    """Moves instances to the code that is registered.

    Parameters
    ----------
    store
        Where histories are that aren't in memory.
    episodes
        Where instances live.
    """

    def __init__(self, store: Store, episodes: Episodes) -> None:
        self._store = store
        self._episodes = episodes

    def carry_out(self, message: Upgrade) -> list[Upgraded]:
        """Moves those instances that are open and that the code fits; answers what became of each."""
        opened = self._episodes.lifecycle.open
        found = [opened[one] for one in message.instance_ids if one in opened]
        histories = self._histories([one for one in found if one.execution is None])
        return [self._upgrade(one, histories, holds=message.holds) for one in found]

    def _histories(self, instances: Sequence[Instance]) -> dict[str, list[Event]]:
        if not instances:
            return {}
        self._episodes.settle()
        return self._store.load([instance.id for instance in instances])

    def _upgrade(self, instance: Instance, histories: dict[str, list[Event]], *, holds: bool) -> Upgraded:
        old = instance.execution
        history = histories.get(instance.id, []) if old is None else list(old.history)
        if self._episodes.runs_registered_code(instance) or isinstance(instance.held, WaitTimeoutError):
            return Upgraded(instance.id, "current", None, len(history))
        new = self._episodes.new_execution(instance)
        if new is None:
            lacks = self._episodes.no_code(instance)
            return Upgraded(instance.id, "kept" if old else "held", lacks, len(history))
        misfit = self._misfit(instance, new, history)
        if misfit is None:
            self._episodes.put(instance, new)
            return Upgraded(instance.id, "moved", None, len(history))
        if old is not None and not holds:
            return Upgraded(instance.id, "kept", misfit, len(history))
        self._episodes.hold(instance, misfit)
        return Upgraded(instance.id, "held", misfit, len(history))

    def _misfit(self, instance: Instance, new: Execution, history: list[Event]) -> Misfit | None:
        self._store.mark_replay(instance.id)
        try:
            with self._episodes.running:
                new.replay(history)
        except (NonDeterminismError, TypeNotRegisteredError) as error:
            with self._episodes.running:
                new.unload()
            return error
        finally:
            self._store.mark_replay(None)
        return None
