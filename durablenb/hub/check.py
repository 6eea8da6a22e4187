"""The check of an orchestrator's source, against the functions that a hub has registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durablenb.checks.findings import Findings
from durablenb.core.registry import Registry, not_found

if TYPE_CHECKING:
    from durablenb.checks.registered_names import RegisteredNames
    from durablenb.hub.task_hub import TaskHub


def check(function: Any, hub: TaskHub | None = None) -> Findings:
    """Return the findings in an orchestrator: code that its first run, or a replay, will fail at.

    No code is run. The source is read, with the current values of its names, and so are the functions that it
    calls, three calls deep.

    Parameters
    ----------
    function
        The orchestrator; with a hub, it may be a name.
    hub
        The hub in which the names of activities, orchestrators and entities have to be registered. Without a
        hub, names aren't checked.

    Returns
    -------
    Findings
        True if there are any; a notebook shows them as a table.

    Raises
    ------
    FunctionNotFoundError
        If the hub has no orchestrator of that name.
    TypeError
        If it isn't a function.
    ValueError
        If its source isn't available: it was typed at a prompt, or compiled from text.

    Notes
    -----
    A comment silences a rule on its line: ``# durable: ignore[DNB101]``. The guide *Check an orchestrator*
    has examples.
    """
    from durablenb.checks.checker import check_body, display_path  # slow to import
    from durablenb.checks.live_scope import user_function_value

    registry = None if hub is None else hub._registry
    if isinstance(function, str):
        if registry is None:
            raise TypeError("A name needs a hub: durablenb.check(name, hub). Or give the function itself.")
        code = registry.code(function, registry.default_version(function))
        if code is None:
            raise not_found("orchestrator", function, registry.orchestrator_names)
        function = code.function
    found = user_function_value(function)
    if found is None and hasattr(function, "__code__"):
        raise TypeError(f"{function.__qualname__} is the code of a library, which isn't checked.")
    if found is None:
        raise TypeError(f"Expected an orchestrator's function, not {function!r}.")
    body = found.load()
    if body is None:
        raise ValueError(f"The source of {found.name} isn't at hand, so it can't be checked.")
    return Findings(found.called, check_body(body, display_path(found, body), _names(registry)))


def _names(registry: Registry | None) -> RegisteredNames | None:
    if registry is None:
        return None
    from durablenb.checks.abstract_values import Function
    from durablenb.checks.live_scope import abstract_value
    from durablenb.checks.registered_names import RegisteredNames
    from durablenb.model.names import ByName

    activities: ByName[Function | None] = ByName()
    for name, activity in registry.activities.items():
        if not name.startswith("@"):
            found = abstract_value(activity.function)
            activities[name] = found if isinstance(found, Function) else None
    return RegisteredNames(
        activities, set(registry.orchestrator_names), set(registry.entities), is_complete=True
    )
