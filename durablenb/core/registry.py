"""The registry: functions by name. Registering again replaces silently, so that a cell can be rerun."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from durablenb.core.annotations import context_parameter
from durablenb.core.undefined_names import is_defined, undefined_name
from durablenb.core.versions import VersionMatch, matching_version, newest_version
from durablenb.model.caching import CachePolicy
from durablenb.model.entities import checked_entity_name
from durablenb.model.errors import FunctionNotFoundError
from durablenb.model.ids import checked_text
from durablenb.model.names import ByName, folded
from durablenb.model.plain import Plain, plain
from durablenb.model.queues import Queue
from durablenb.model.source import Source

NAME_ATTRIBUTE = "__durable_name__"
"""The attribute with a registered function's name, so that a function can be passed for the name."""

INTERNAL = ("@", "BuiltIn::")
"""The beginnings of the names of durablenb's own activities: the batches of entities, and HTTP requests."""

VERSION_ATTRIBUTE = "__durable_version__"
"""The attribute with a registered orchestrator's version, used by a start by function."""

KIND_ATTRIBUTE = "__durable_kind__"
"""The attribute that marks an activity's function, so that direct calls in orchestrators are reported."""

Monitor = Callable[[Callable[..., Any], Callable[[str, str], None]], AbstractContextManager[Any]]
"""Takes an orchestrator's function and a receiver of warnings; returns the context in which it runs."""


def _no_monitor(*_: object) -> AbstractContextManager[Any]:
    return contextlib.nullcontext()


@dataclass(frozen=True)
class Activity:
    """A registered activity.

    Parameters
    ----------
    name
        The name by which it is called.
    function
        The user's function.
    max_concurrency
        The number of calls that may run at a time; None for no limit of its own.
    executor
        Its executor; None for the hub's.
    timeout
        The seconds that a call may run, unless the call has a limit of its own; None for no limit.
    cache
        When its results are used again; None for never.
    queue
        The name of the queue in which its calls wait; None for none.
    heartbeat_timeout
        The seconds that a call may be silent, unless the call has a limit of its own; None for no limit.
    """

    name: str
    function: Callable[..., Any]
    max_concurrency: int | None = None
    executor: Any = None
    timeout: float | None = None
    cache: CachePolicy | None = None
    queue: str | None = None
    heartbeat_timeout: float | None = None

    @cached_property
    def is_limited(self) -> bool:
        """True if its calls may have to wait for a place."""
        return self.queue is not None or self.max_concurrency is not None

    @cached_property
    def is_async(self) -> bool:
        """True for an ``async def``."""
        function: Any = self.function
        if hasattr(function, "is_async"):
            return bool(function.is_async)
        while isinstance(function, partial):
            function = function.func
        return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            vars(type(function)).get("__call__")
        )

    @cached_property
    def takes_input(self) -> bool:
        """True if the function has a parameter for its input."""
        try:
            parameters = inspect.signature(self.function).parameters.values()
        except (TypeError, ValueError):
            return True
        context = context_parameter(self.function)
        return any(
            parameter.kind not in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)
            for parameter in parameters
            if context is None or parameter.name != context.name
        )


@plain
class Code(Plain):
    """The code of an orchestrator in one version.

    Parameters
    ----------
    function
        The orchestrator.
    source
        Its source text, if it is known.
    version
        The version of its registration; None for code that runs every version.
    """

    function: Callable[..., Any]
    source: Source | None
    version: str | None = None

    def is_other(self, function: Callable[..., Any], source: Source | None) -> bool:
        """Tell whether a function differs from this one, as far as that is known."""
        if self.source is None or source is None:
            return function is not self.function
        return source.hash != self.source.hash


class Registry:
    """Activities, entities and orchestrators by name, without case; orchestrators by version as well.

    Parameters
    ----------
    match
        The rule by which an instance's version selects its code.
    monitor
        Checks the calls of an orchestrator while it runs, but not while it is replayed.
    """

    def __init__(self, match: VersionMatch = "strict", monitor: Monitor = _no_monitor) -> None:
        self.match = match
        self.monitor = monitor
        self.activities: ByName[Activity] = ByName()
        self.orchestrators: ByName[Callable[..., Any]] = ByName()
        """Orchestrators without a version, which run all instances whose version has no code of its own."""
        self.sources: ByName[Source | None] = ByName()
        """The orchestrators' source texts, as far as they are known."""
        self.queues: ByName[Queue] = ByName()
        """The queues in which calls of activities wait."""
        self.versions: ByName[dict[str, Code]] = ByName()
        """Orchestrators with a version."""
        self.at_first_run: ByName[Callable[[], object]] = ByName()
        """Functions that are called once, when the orchestrator of a name first runs."""
        self._undefined: dict[object, str | None] = {}

    def add_activity(self, activity: Activity) -> None:
        """Register an activity, in place of one of the same name."""
        check_limit(activity.max_concurrency)
        if activity.name.startswith("@"):
            raise ValueError(f"An activity's name must not start with @: {activity.name!r}.")
        if activity.queue is not None and activity.max_concurrency is not None:
            raise ValueError(
                f"The activity {activity.name!r} has both max_concurrency={activity.max_concurrency} and the "
                f"queue {activity.queue!r}; expected one of them. Give the queue a concurrency instead: "
                f"Queue({activity.queue!r}, concurrency={activity.max_concurrency})."
            )
        self.activities[activity.name] = activity
        self._undefined.pop(("activity", folded(activity.name)), None)
        mark(activity.function, activity.name)
        mark(activity.function, "activity", KIND_ATTRIBUTE)

    def add_queue(self, queue: Queue) -> None:
        """Add a queue, in place of one of the same name.

        Raises
        ------
        TypeError
            If it isn't a queue.
        """
        if not isinstance(queue, Queue):
            raise TypeError(
                f"Expected a Queue, such as Queue('openai', concurrency=4), not a {type(queue).__name__}."
            )
        self.queues[queue.name] = queue

    def queue_for(self, activity: str, queue: object) -> str:
        """Return the name of the queue that an activity is registered with; add the queue if it is given.

        Raises
        ------
        ValueError
            If no queue has the name, or if other activities use another queue of the name.
        TypeError
            If it is neither a queue nor a name.
        """
        if isinstance(queue, str):
            if queue not in self.queues:
                raise _unknown_queue(queue, self.queues)
            return self.queues[queue].name
        if not isinstance(queue, Queue):
            raise TypeError(
                f"queue is a {type(queue).__name__}; expected a Queue, such as Queue('openai', "
                "concurrency=4), or the name of one that the hub has."
            )
        known, users = self.queues.get(queue.name), self.queue_activities(queue.name)
        is_shared = bool(users) and folded(activity) not in map(folded, users)
        if known is not None and is_shared and not known.has_same_limits(queue):
            raise ValueError(
                f"There are two different queues {queue.name!r}: that of {', '.join(map(repr, users))} has "
                f"the limits {known.limits_text}, and that of {activity!r} {queue.limits_text}. Give all of "
                "them the same Queue, or give one queue another name. hub.add_queue(queue) changes the "
                "limits for all activities."
            )
        self.add_queue(queue)
        return queue.name

    def queue_activities(self, queue: str) -> tuple[str, ...]:
        """Return the names of the activities that use a queue, sorted."""
        users = (
            one.name
            for one in self.activities.values()
            if one.queue is not None and folded(one.queue) == folded(queue)
        )
        return tuple(sorted(users))

    def add_entity(self, function: Callable[..., Any], name: str, executor: Any = None) -> str:
        """Register an entity, in place of one of the same name; return the name of its activity.

        Its operations run as activities, under a name that no activity can have.
        """
        checked_entity_name(name)
        activity = Activity(entity_activity(name), function, None, executor)
        self.activities[activity.name] = activity
        self._undefined.pop(("activity", folded(activity.name)), None)
        return activity.name

    def has_entity(self, name: str) -> bool:
        """Tell whether an entity of a name is registered."""
        return entity_activity(name) in self.activities

    @property
    def entities(self) -> list[str]:
        """The names of the entities, in lower case."""
        return [name[1:] for name in self.activities if name.startswith("@")]

    def add_orchestrator(
        self,
        function: Callable[..., Any],
        name: str,
        source: Source | None = None,
        version: str | None = None,
    ) -> None:
        """Register an orchestrator, in place of one of the same name and version."""
        if name.startswith("@"):
            raise ValueError(f"An orchestrator's name must not start with @: {name!r}.")
        if version is None:
            self.sources[name] = source
            self.orchestrators[name] = function
        else:
            self.versions[name] = {**self.versions.get(name, {}), version: Code(function, source, version)}
        self._undefined.pop(("orchestrator", folded(name), version), None)
        mark(function, name)
        mark(function, version, VERSION_ATTRIBUTE)
        mark(function, None, KIND_ATTRIBUTE)

    def registered(self, name: str, version: str | None) -> Code | None:
        """Return the code that was registered under exactly this name and version, or None."""
        if version is not None:
            return self.versions.get(name, {}).get(version)
        function = self.orchestrators.get(name)
        return None if function is None else Code(function, self.sources.get(name))

    def code(self, name: str, version: str | None) -> Code | None:
        """Return the code for an orchestrator's instances of a version, or None if it isn't registered."""
        several = self.versions.get(name, {})
        chosen = matching_version(several, version, self.match) if several else None
        if chosen is not None:
            return several[chosen]
        return self.registered(name, None)

    @property
    def orchestrator_names(self) -> Collection[str]:
        """The names of all orchestrators, whatever their versions."""
        return ByName((name, None) for name in (*self.orchestrators, *self.versions))

    def default_version(self, target: object) -> str | None:
        """Return the default version of a start: a function's own, or the newest one of a name."""
        if not isinstance(target, str) and hasattr(target, VERSION_ATTRIBUTE):
            version: str | None = getattr(target, VERSION_ATTRIBUTE)
            return version
        several = self.versions.get(target_name(target))
        return newest_version(several) if several else None

    def no_code(self, name: str, version: str | None) -> FunctionNotFoundError:
        """Return the error for an orchestrator that isn't registered, or not for that version."""
        several = self.versions.get(name)
        if not several:
            return not_found("orchestrator", name, self.orchestrator_names)
        return FunctionNotFoundError(
            f"The orchestrator {name!r} isn't registered for the version {version!r}. Registered are: "
            f"{', '.join(map(repr, several))}. Run the cell that defines it, with "
            "@hub.orchestrator(version=...)."
        )

    def lacking(self, name: str, version: str | None) -> str:
        """Return a description of the code that an instance waits for."""
        return f"{name}, version {version}" if name in self.versions else name

    def undefined_name(self, kind: str, name: str, version: str | None = None) -> str | None:
        """Return a name that a registered function needs and no cell has defined yet, or None."""
        code = self.code(name, version) if kind == "orchestrator" else None
        function = self.activities[name].function if code is None else code.function
        key = (kind, folded(name)) if code is None else (kind, folded(name), code.version)
        known = self._undefined.get(key, "")
        if known is None or (known and not is_defined(known)):
            return known
        missing = self._undefined[key] = undefined_name(function)
        return missing


def _unknown_queue(name: str, known: Collection[str]) -> ValueError:
    import difflib

    spelt = {folded(queue): queue for queue in known}
    close = difflib.get_close_matches(folded(name), spelt, n=1)
    meant = f" Did you mean {spelt[close[0]]!r}?" if close else ""
    listed = ", ".join(map(repr, sorted(known))) or "none"
    return ValueError(
        f"The hub has no queue {name!r}.{meant} It has: {listed}. Add the queue first, "
        f"hub.add_queue(durablenb.Queue({name!r}, concurrency=4)), or give the Queue itself."
    )


def entity_activity(name: str) -> str:
    """Return the name of the activity that runs an entity's operations."""
    return f"@{name.lower()}"


def check_limit(max_concurrency: object) -> None:
    """Raise for an invalid limit of concurrent calls.

    Raises
    ------
    TypeError
        If the limit is neither a whole number nor None.
    ValueError
        If the limit is less than 1.
    """
    if max_concurrency is None:
        return
    if type(max_concurrency) is not int:
        raise TypeError(f"max_concurrency is {max_concurrency!r}; expected a whole number, or None.")
    if max_concurrency < 1:
        raise ValueError(f"max_concurrency is {max_concurrency}; expected at least 1, or None.")


def mark(function: object, noted: str | None, attribute: str = NAME_ATTRIBUTE) -> None:
    """Set the name, or the version, as an attribute of a function, if the object allows that."""
    with contextlib.suppress(AttributeError, TypeError):
        setattr(function, attribute, noted)


def target_name(target: object) -> str:
    """Return the name of a function, or a name itself.

    Raises
    ------
    ValueError
        If the name is empty.
    TypeError
        If the argument is neither text nor a function.
    """
    if isinstance(target, str):
        if not target:
            raise ValueError("function_name cannot be empty")
        return checked_text(target)
    name = getattr(target, NAME_ATTRIBUTE, None) or getattr(target, "__name__", None)
    if isinstance(name, str) and name:
        return name
    raise TypeError(f"Expected a function or its name, not a {type(target).__name__}.")


def not_found(kind: str, name: str, known: Iterable[str]) -> FunctionNotFoundError:
    """Return the error for a name that isn't registered, with a suggestion."""
    import difflib

    names = sorted(one for one in known if not one.startswith(INTERNAL))
    close = difflib.get_close_matches(name, names, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(repr(name) for name in names[:10]) or "none"
    return FunctionNotFoundError(
        f"The {kind} {name!r} isn't registered.{meant} Registered are: {listed}. "
        f"Run the cell that defines it, with @hub.{kind}."
    )
