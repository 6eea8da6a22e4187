"""Retention: the generations that instances leave behind are deleted, in portions.

An orchestration that continues as new for ever leaves a generation behind each time; an entity, a part of its
history. With `keep_generations`, those before the last ones are deleted once more have gathered. A portion
takes a few milliseconds, however many generations it has, so the next one begins only after twenty times as
long: an orchestration that continues as new at once has some hundred generations in a portion, and one that
waits for a day has one.

What a portion deletes is decided and written in one turn of the engine, so that nothing begins in between.
Two things stay. The first event of generation 0 says when and with which input the instance was started:
`created_time`, lists by time, and a start that attaches need it. An execution that was forked stays with its
sub-orchestrations as long as the fork is there, since the two are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from itertools import islice

from durablenb.core.ports.store import BegunExecution
from durablenb.engine import locks
from durablenb.engine.instances import Instances
from durablenb.engine.services import EngineServices
from durablenb.engine.write_buffer import WriteBuffer

GENERATIONS_AT_ONCE = 5_000
"""The most generations of a portion."""

INSTANCES_AT_ONCE = 1_000
"""The most instances whose past is looked at for a portion."""

SPACING = 20
"""The pause between two portions, as a multiple of the time that the first one took.

A full portion has no pause behind it."""

LONGEST_PAUSE = 10.0
"""The longest time between two portions, in seconds."""

LOOK_SECONDS = 0.05
"""Seconds after which the engine looks again whether a portion is on disk."""


class Retention:
    """Deletes past generations.

    Parameters
    ----------
    services
        The services of the engine.
    buffer
        Takes the purges.
    instances
        The open instances, and those that ended lately.
    """

    def __init__(self, services: EngineServices, buffer: WriteBuffer, instances: Instances) -> None:
        self._store = services.store
        self._keep = services.options.keep_generations
        self._buffer = buffer
        self._instances = instances
        self._aged: dict[str, None] = {}
        """The instances that may have generations to delete, in the order in which they got them."""
        self._began = self._next = 0.0
        """When the last portion began, and when the next one may, by `locks.monotonic`."""
        self._written: Future[float] | None = None
        """Resolved with the time when the last portion is on disk; None if the next one has its time."""

    def note(self, instance_id: str, generation: int | None = None) -> None:
        """Note that an instance has begun this generation, or an entity another part of its history."""
        if self._keep is not None and (generation is None or generation > self._keep):
            self._aged[instance_id] = None

    @property
    def pause(self) -> float | None:
        """The seconds after which `purge_due` is to be called; None if nothing is noted."""
        if not self._aged:
            return None
        return LOOK_SECONDS if self._written else max(self._next - locks.monotonic(), 0.0)

    def purge_due(self) -> None:
        """Delete a portion of what was noted, if it is time.

        Raises
        ------
        StoreError
            If the journal can't be written or read now.
        """
        if not self._aged:
            return
        if self._written is not None and self._written.done():
            written_at = self._written.result()
            self._written = None
            self._next = written_at + min(SPACING * (written_at - self._began), LONGEST_PAUSE)
        if self._written is None and locks.monotonic() >= self._next:
            self.purge_rest()

    def purge_rest(self) -> None:
        """Delete a portion of what was noted, at once.

        Raises
        ------
        StoreError
            If the journal can't be written or read now.
        """
        if not self._aged or self._keep is None:
            return
        self._began = locks.monotonic()
        taken = list(islice(self._aged, INSTANCES_AT_ONCE))
        own = [instance_id for instance_id in taken if instance_id not in self._instances.imported]
        if self.purge(own, self._keep) < GENERATIONS_AT_ONCE:
            for instance_id in taken:
                del self._aged[instance_id]
            self._written = written = locks.Promise()
            self._buffer.after_commit(lambda: written.set_result(locks.monotonic()))
        else:
            self._written, self._next = None, self._began

    def purge(self, instance_ids: Sequence[str], keep: int) -> int:
        """Delete a portion of the past generations of these instances; return how many it had.

        Parameters
        ----------
        instance_ids
            Instances and entities that were not imported.
        keep
            The number of past generations that stay, beside the current one.
        """
        self._buffer.drain()
        past = self._store.past_generations(instance_ids, keep, GENERATIONS_AT_ONCE)
        execution_ids = [generation.execution_id for generation in past]
        needed = [seq for generation in past for seq in generation.needed]
        callers = [generation.execution_id for generation in past if generation.has_children]
        children = self._children(callers) if callers else []
        whole = list(dict.fromkeys(child.instance_id for child in children if child.is_last))
        gone = set(whole)
        execution_ids += [child.execution_id for child in children if child.instance_id not in gone]
        if past:
            self._instances.forget(whole)
            self._buffer.purge(whole, execution_ids, needed)
        return len(past)

    def _children(self, callers: Sequence[str]) -> list[BegunExecution]:
        """Return the executions below these that nothing else needs.

        An open sub-orchestration, one that was forked, and all below them stay. If the id of a
        sub-orchestration was used again since, only what these executions called is deleted.
        """
        begun = self._store.begun_by(callers)
        opened, imported = self._instances.open, self._instances.imported
        kept = {
            one.instance_id
            for one in begun
            if one.is_forked
            or one.instance_id in imported
            or (one.instance_id in opened and opened[one.instance_id].execution_id == one.execution_id)
        }
        by_parent: dict[str, list[BegunExecution]] = {}
        for one in begun:
            if one.instance_id not in kept:
                by_parent.setdefault(one.parent_execution_id, []).append(one)
        found: dict[str, BegunExecution] = {}
        stack = list(callers)
        while stack:
            for child in by_parent.get(stack.pop(), ()):
                if child.execution_id not in found:
                    found[child.execution_id] = child
                    stack.append(child.execution_id)
        return list(found.values())
