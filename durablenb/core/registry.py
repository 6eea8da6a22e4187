"""The registry: functions by name. Registering again replaces, quietly, so that a cell can be run again."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from durablenb.core.names import is_defined, undefined_name
from durablenb.model.entities import checked_entity_name
from durablenb.model.errors import FunctionNotFoundError
from durablenb.model.ids import checked_text
from durablenb.model.source import Source

NAME_ATTRIBUTE = "__durable_name__"
"""Where a registered function carries its name, so that it can be called by function."""


@dataclass(frozen=True)
class Activity:
    """A registered activity.

    Parameters
    ----------
    name
        By which it is called.
    function
        What is run.
    max_concurrency
        How many of its calls may run at a time; None for no limit of its own.
    executor
        Where it runs; None for the hub's executor.
    """

    name: str
    function: Callable[..., Any]
    max_concurrency: int | None = None
    executor: Any = None

    @cached_property
    def is_async(self) -> bool:
        """Whether it is an ``async def``."""
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
        """Whether it has a parameter for its input."""
        try:
            parameters = inspect.signature(self.function).parameters.values()
        except (TypeError, ValueError):
            return True
        return any(
            parameter.kind not in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD) for parameter in parameters
        )


class Registry:
    """Activities and orchestrators by name."""

    def __init__(self) -> None:
        self.activities: dict[str, Activity] = {}
        self.orchestrators: dict[str, Callable[..., Any]] = {}
        self.sources: dict[str, Source | None] = {}
        """The orchestrators' source texts, as far as they are known."""
        self._undefined: dict[object, str | None] = {}

    def add_activity(self, activity: Activity) -> None:
        """Registers an activity, in place of one of the same name."""
        check_limit(activity.max_concurrency)
        if activity.name.startswith("@"):
            raise ValueError(f"An activity's name must not start with @: {activity.name!r}.")
        self.activities[activity.name] = activity
        self._undefined.pop(("activity", activity.name), None)
        mark(activity.function, activity.name)

    def add_entity(self, function: Callable[..., Any], name: str, executor: Any = None) -> str:
        """Registers an entity, in place of one of the same name; gives the name of its activity.

        Its operations are done as activities are, under a name that no activity can have.
        """
        checked_entity_name(name)
        activity = Activity(entity_activity(name), function, None, executor)
        self.activities[activity.name] = activity
        self._undefined.pop(("activity", activity.name), None)
        return activity.name

    @property
    def entities(self) -> list[str]:
        """The names of the entities, in lower case."""
        return [name[1:] for name in self.activities if name.startswith("@")]

    def add_orchestrator(self, function: Callable[..., Any], name: str, source: Source | None = None) -> None:
        """Registers an orchestrator, in place of one of the same name."""
        if name.startswith("@"):
            raise ValueError(f"An orchestrator's name must not start with @: {name!r}.")
        self.sources[name] = source
        self.orchestrators[name] = function
        self._undefined.pop(("orchestrator", name), None)
        mark(function, name)

    def undefined_name(self, kind: str, name: str) -> str | None:
        """A name that this registered function needs and that no cell has defined yet, or None."""
        key = (kind, name)
        known = self._undefined.get(key, "")
        if known is None or (known and not is_defined(known)):
            return known
        function = self.activities[name].function if kind == "activity" else self.orchestrators[name]
        found = self._undefined[key] = undefined_name(function)
        return found


def entity_activity(name: str) -> str:
    """The name under which an entity's function is found among the activities."""
    return f"@{name.lower()}"


def check_limit(max_concurrency: object) -> None:
    """Raises for what is no number of calls.

    Raises
    ------
    TypeError
        If it is neither a whole number nor None.
    ValueError
        If it is less than 1.
    """
    if max_concurrency is None:
        return
    if type(max_concurrency) is not int:
        raise TypeError(f"max_concurrency is {max_concurrency!r}; expected a whole number, or None.")
    if max_concurrency < 1:
        raise ValueError(f"max_concurrency is {max_concurrency}; expected at least 1, or None.")


def mark(function: object, name: str) -> None:
    """Notes the name on the function, where it lets itself be noted."""
    with contextlib.suppress(AttributeError, TypeError):
        setattr(function, NAME_ATTRIBUTE, name)


def name_of(target: object) -> str:
    """The name of a function, or the name itself.

    Raises
    ------
    ValueError
        If it is empty.
    TypeError
        If it is neither text nor a function.
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
    """The error for a name that isn't registered, with what may have been meant."""
    import difflib

    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(repr(one) for one in names[:10]) or "none"
    return FunctionNotFoundError(
        f"The {kind} {name!r} isn't registered.{meant} Registered are: {listed}. "
        f"Run the cell that defines it, with @hub.{kind}."
    )
