"""What keeps open instances from going on until somebody does something.

Code that lacks, or doesn't fit; an executor that runs nothing any more.
"""

from __future__ import annotations

from collections.abc import Mapping

from durablenb.core.names import is_defined
from durablenb.engine.entity import Entity
from durablenb.engine.instance import Instance
from durablenb.model.errors import ExecutorUnavailableError, FunctionNotFoundError


class Obstacles:
    """The open instances that are held, or that lack code, or an executor.

    Parameters
    ----------
    opened
        All open instances, by id.
    """

    def __init__(self, opened: Mapping[str, Instance]) -> None:
        self._open = opened
        self._blocked: set[Instance | Entity] = set()
        self._undefined: dict[str, set[Instance | Entity]] = {}
        self._without_executor: dict[Instance | Entity, dict[str, str]] = {}

    def hold(self, instance: Instance, why: Exception) -> None:
        """The instance doesn't go on until its code, or somebody's mind, has changed."""
        instance.held = why
        self._blocked.add(instance)

    def release(self, instance: Instance) -> None:
        """The instance may be tried once more."""
        instance.held = None
        self._unblock(instance)

    def lack(self, instance: Instance | Entity, name: str) -> None:
        """The instance can't go on before something of this name is registered."""
        instance.missing.add(name)
        self._blocked.add(instance)

    def found(self, instance: Instance | Entity, name: str) -> None:
        """What it lacked is registered now."""
        instance.missing.discard(name)
        self._unblock(instance)

    def drop(self, instance: Instance) -> None:
        """The instance has ended."""
        self._blocked.discard(instance)
        self._without_executor.pop(instance, None)
        for instances in self._undefined.values():
            instances.discard(instance)

    def reason(self, instance_id: str) -> Exception | None:
        """Why an instance, or one below it, can't go on; None if nothing is in its way. From any thread."""
        for instance in tuple(self._blocked):
            if self._descends(instance, instance_id):
                held = instance.held if isinstance(instance, Instance) else None
                return held or self._unavailable(instance) or _waiting_for_code(instance)
        return None

    # -- executors -------------------------------------------------------------------------------

    def lack_executor(self, instance: Instance | Entity, activity: str, why: str) -> None:
        """Calls of this activity could not be run, and wait until there is another executor."""
        self._without_executor.setdefault(instance, {})[activity] = why
        self._blocked.add(instance)

    def executor_given(self, instance: Instance | Entity, activity: str) -> None:
        """Its calls of this activity are tried again."""
        lacking = self._without_executor.get(instance, {})
        lacking.pop(activity, None)
        if not lacking:
            self._without_executor.pop(instance, None)
            self._unblock(instance)

    def without_executor(self, instance: Instance | Entity) -> dict[str, str]:
        """The activities whose calls could not be run, and why."""
        return self._without_executor.get(instance, {})

    def _unavailable(self, instance: Instance | Entity) -> Exception | None:
        lacking = self.without_executor(instance)
        if not lacking:
            return None
        names = ", ".join(repr(name.removeprefix("@")) for name in sorted(lacking))
        return ExecutorUnavailableError(
            f"{instance.id} ({instance.name}) waits for another executor for {names}: "
            f"{'; '.join(sorted(set(lacking.values())))}. Register it with one that works, "
            "@hub.activity(executor=...), give the hub one, durablenb.TaskHub(path, executor=...), or close "
            "the hub and open it again. Nothing is lost meanwhile."
        )

    # -- names of the notebook -------------------------------------------------------------------

    @property
    def are_names(self) -> bool:
        """Whether a name is waited for that cells define; nobody tells when they do."""
        return bool(self._undefined)

    def lack_name(self, instance: Instance | Entity, name: str) -> None:
        """The instance can't go on before a cell has defined this name."""
        self._undefined.setdefault(name, set()).add(instance)
        self.lack(instance, name)

    def drop_names(self, instance: Instance) -> None:
        """The instance has other code now, which may need other names."""
        for name, instances in self._undefined.items():
            if instance in instances:
                instances.discard(instance)
                self.found(instance, name)

    def found_names(self) -> dict[str, set[Instance | Entity]]:
        """The names that are defined by now, and the instances that lacked them."""
        names = [name for name in self._undefined if is_defined(name)]
        found = {name: self._undefined.pop(name) for name in names}
        for name, instances in found.items():
            for instance in instances:
                self.found(instance, name)
        return found

    # -- inside ----------------------------------------------------------------------------------

    def _unblock(self, instance: Instance | Entity) -> None:
        is_held = isinstance(instance, Instance) and instance.held is not None
        if not (is_held or instance.missing or instance in self._without_executor):
            self._blocked.discard(instance)

    def _descends(self, instance: Instance | Entity, ancestor: str) -> bool:
        if isinstance(instance, Entity):
            callers = (self._open.get(caller.instance_id) for caller in instance.callers)
            return any(caller is not None and self._descends(caller, ancestor) for caller in callers)
        seen: Instance | None = instance
        while seen is not None:
            if seen.id == ancestor:
                return True
            link = seen.started.parent
            seen = None if link is None else self._open.get(link.instance_id)
        return False


def _waiting_for_code(instance: Instance | Entity) -> Exception:
    names = ", ".join(repr(name.removeprefix("@")) for name in sorted(instance.missing))
    return FunctionNotFoundError(
        f"{instance.id} ({instance.name}) waits for {names}: run the cell that defines it, then wait "
        "again. Nothing is lost meanwhile."
    )
