"""Open instances that can't run until the user registers code, provides an executor or fixes a mismatch."""

from __future__ import annotations

from collections.abc import Mapping

from durablenb.core.undefined_names import is_defined
from durablenb.engine.entity import Entity
from durablenb.engine.instance import Instance
from durablenb.model.errors import ExecutorUnavailableError, FunctionNotFoundError


class BlockedInstances:
    """The open instances and entities that are held, or that lack code or an executor.

    Parameters
    ----------
    open_instances
        All open instances, by id.
    """

    def __init__(self, open_instances: Mapping[str, Instance]) -> None:
        self._open = open_instances
        self._blocked: set[Instance | Entity] = set()
        self._undefined: dict[str, set[Instance | Entity]] = {}
        self._unavailable: dict[Instance | Entity, dict[str, str]] = {}

    def hold(self, instance: Instance, why: Exception) -> None:
        """Keep the instance from running until its code changes or a client resumes it."""
        instance.held = why
        self._blocked.add(instance)

    def release(self, instance: Instance) -> None:
        """Let a held instance try again."""
        instance.held = None
        self._unblock(instance)

    def forget(self, instance: Instance) -> None:
        """Remove an instance that has ended."""
        self._blocked.discard(instance)
        self._unavailable.pop(instance, None)
        for instances in self._undefined.values():
            instances.discard(instance)

    def reason(self, instance_id: str) -> Exception | None:
        """Return why an instance, or one below it, can't run; None if nothing blocks it. From any thread."""
        for instance in tuple(self._blocked):
            if self._descends(instance, instance_id):
                held = instance.held if isinstance(instance, Instance) else None
                return held or self._executor_error(instance) or _missing_code_error(instance)
        return None

    # -- missing code ----------------------------------------------------------------------------

    def add_missing(self, instance: Instance | Entity, name: str) -> None:
        """Block the instance until a function or type of this name is registered."""
        instance.missing.add(name)
        self._blocked.add(instance)

    def remove_missing(self, instance: Instance | Entity, name: str) -> None:
        """Record that what the instance lacked is registered now."""
        instance.missing.discard(name)
        self._unblock(instance)

    # -- executors -------------------------------------------------------------------------------

    def add_unavailable(self, instance: Instance | Entity, activity: str, why: str) -> None:
        """Block the instance until there is another executor for its calls of this activity."""
        self._unavailable.setdefault(instance, {})[activity] = why
        self._blocked.add(instance)

    def remove_unavailable(self, instance: Instance | Entity, activity: str) -> None:
        """Record that the instance's calls of this activity are tried again."""
        unavailable = self._unavailable.get(instance, {})
        unavailable.pop(activity, None)
        if not unavailable:
            self._unavailable.pop(instance, None)
            self._unblock(instance)

    def unavailable(self, instance: Instance | Entity) -> dict[str, str]:
        """Return the activities whose calls no executor runs, each with the reason."""
        return self._unavailable.get(instance, {})

    def _executor_error(self, instance: Instance | Entity) -> Exception | None:
        unavailable = self.unavailable(instance)
        if not unavailable:
            return None
        names = ", ".join(repr(name.removeprefix("@")) for name in sorted(unavailable))
        return ExecutorUnavailableError(
            f"{instance.id} ({instance.name}) waits for another executor for {names}: "
            f"{'; '.join(sorted(set(unavailable.values())))}. Register it with one that works, "
            "@hub.activity(executor=...), give the hub one, durablenb.TaskHub(path, executor=...), or close "
            "the hub and open it again. Nothing is lost meanwhile."
        )

    # -- names of the notebook -------------------------------------------------------------------

    @property
    def has_undefined(self) -> bool:
        """True if an instance waits for a name that a cell defines; nothing reports when a cell does."""
        return bool(self._undefined)

    def add_undefined(self, instance: Instance | Entity, name: str) -> None:
        """Block the instance until a cell defines this name."""
        self._undefined.setdefault(name, set()).add(instance)
        self.add_missing(instance, name)

    def clear_undefined(self, instance: Instance) -> None:
        """Forget the names that the instance waits for: its code was replaced, and may need others."""
        for name, instances in self._undefined.items():
            if instance in instances:
                instances.discard(instance)
                self.remove_missing(instance, name)

    def take_defined(self) -> dict[str, set[Instance | Entity]]:
        """Return the names that are defined by now, each with the instances that no longer wait for it."""
        names = [name for name in self._undefined if is_defined(name)]
        defined = {name: self._undefined.pop(name) for name in names}
        for name, instances in defined.items():
            for instance in instances:
                self.remove_missing(instance, name)
        return defined

    # -- inside ----------------------------------------------------------------------------------

    def _unblock(self, instance: Instance | Entity) -> None:
        is_held = isinstance(instance, Instance) and instance.held is not None
        if not (is_held or instance.missing or instance in self._unavailable):
            self._blocked.discard(instance)

    def _descends(self, instance: Instance | Entity, ancestor_id: str) -> bool:
        if isinstance(instance, Entity):
            callers = (self._open.get(caller.instance_id) for caller in instance.callers)
            return any(caller is not None and self._descends(caller, ancestor_id) for caller in callers)
        member: Instance | None = instance
        while member is not None:
            if member.id == ancestor_id:
                return True
            link = member.started.parent
            member = None if link is None else self._open.get(link.instance_id)
        return False


def _missing_code_error(instance: Instance | Entity) -> Exception:
    names = ", ".join(repr(name.removeprefix("@")) for name in sorted(instance.missing))
    return FunctionNotFoundError(
        f"{instance.id} ({instance.name}) waits for {names}: run the cell that defines it, then wait "
        "again. Nothing is lost meanwhile."
    )
