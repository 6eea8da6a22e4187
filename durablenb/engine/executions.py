"""Live executions: made from registered code, kept in memory within a limit, dropped."""

from __future__ import annotations

from collections import OrderedDict

from durablenb.core.execution import Execution
from durablenb.core.registry import target_name
from durablenb.engine.blocked_instances import BlockedInstances
from durablenb.engine.capture.output import MUTED, capturing_for
from durablenb.engine.instance import Instance
from durablenb.engine.services import EngineServices


class Executions:
    """The executions in memory; the least recently used ones go when their histories get too long.

    Parameters
    ----------
    services
        The services of the engine.
    blocked
        Records which instances lack code.
    """

    def __init__(self, services: EngineServices, blocked: BlockedInstances) -> None:
        self._registry = services.registry
        self._codec = services.options.codec
        self._options = services.options.episodes
        self._blocked = blocked
        self._event_counts: OrderedDict[Instance, int] = OrderedDict()
        self._cached_events = 0

    def new(self, instance: Instance) -> Execution | None:
        """Return a new execution of the registered code, or None if that isn't registered."""
        version = instance.started.version
        code = self._registry.code(instance.name, version)
        if code is None:
            self._blocked.add_missing(instance, self._registry.lacking(instance.name, version))
            return None
        at_first_run = self._registry.at_first_run.pop(instance.name, None)
        if at_first_run is not None:
            at_first_run()
        return Execution(
            code.function,
            instance.id,
            instance.execution_id,
            self._codec,
            target_name,
            source=code.source,
            interrupts=self._options.interrupts,
            max_actions=self._options.max_orchestration_actions,
        )

    def runs_registered_code(self, instance: Instance, execution: Execution | None) -> bool:
        """Return True if the execution runs the code that is registered for the instance now."""
        code = self._registry.code(instance.name, instance.started.version)
        return execution is not None and code is not None and code.function is execution.function

    def remember(self, instance: Instance) -> None:
        """Count the instance as used just now, and drop others if too many events are in memory."""
        self._forget(instance)
        if instance.execution is None:
            return
        event_count = len(instance.execution.history)
        self._event_counts[instance] = event_count
        self._cached_events += event_count
        while self._cached_events > self._options.max_cached_events and len(self._event_counts) > 1:
            self.drop(next(iter(self._event_counts)))

    def drop(self, instance: Instance) -> None:
        """Take the instance out of memory; ``finally`` blocks of its code have no effect any more."""
        execution, instance.execution = instance.execution, None
        self._forget(instance)
        if execution is not None and not execution.is_finished:
            with capturing_for(MUTED):
                execution.unload()

    def _forget(self, instance: Instance) -> None:
        self._cached_events -= self._event_counts.pop(instance, 0)
