"""Orchestrators checked where they are at hand: in a notebook, against what a hub has registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durablenb.checks.findings import Findings
from durablenb.core.registry import Registry, not_found

if TYPE_CHECKING:
    from durablenb.checks.names import Names
    from durablenb.hub.task_hub import TaskHub


def check(function: Any, hub: TaskHub | None = None) -> Findings:
    """Return what a replay, or the first run, of an orchestrator will stumble over.

    Nothing of it is run: its source is read, with the names as they are now, and so are the functions that it
    calls itself, one level deep.

    Parameters
    ----------
    function
        The orchestrator; with a hub its name will do.
    hub
        Where the names of activities, orchestrators and entities have to be registered. Without one, names
        aren't checked.

    Returns
    -------
    Findings
        True if there is anything; in a notebook it shows as a table.

    Raises
    ------
    FunctionNotFoundError
        If the hub has no orchestrator of that name.
    TypeError
        If it is no function.
    ValueError
        If its source isn't at hand: it was typed at a prompt, or compiled from text.

    Notes
    -----
    A comment silences a rule on its line: ``# durable: ignore[DNB101]``. *Check an orchestrator*, a guide,
    has examples.
    """
    from durablenb.checks.checking import findings_in, place_of  # which takes its time to import
    from durablenb.checks.live import function_of

    registry = None if hub is None else hub._registry
    if isinstance(function, str):
        if registry is None:
            raise TypeError("A name needs a hub: durablenb.check(name, hub). Or give the function itself.")
        code = registry.code(function, registry.version_of(function))
        if code is None:
            raise not_found("orchestrator", function, registry.orchestrator_names)
        function = code.function
    found = function_of(function)
    if found is None:
        raise TypeError(f"Expected an orchestrator's function, not {function!r}.")
    body = found.load()
    if body is None:
        raise ValueError(f"The source of {found.name} isn't at hand, so it can't be checked.")
    return Findings(found.called, findings_in(body, place_of(found, body), _names(registry)))


def _names(registry: Registry | None) -> Names | None:
    if registry is None:
        return None
    from durablenb.checks.live import value_of
    from durablenb.checks.names import Names
    from durablenb.checks.values import Function
    from durablenb.model.names import ByName

    activities: ByName[Function | None] = ByName()
    for name, activity in registry.activities.items():
        if not name.startswith("@"):
            found = value_of(activity.function)
            activities[name] = found if isinstance(found, Function) else None
    return Names(activities, set(registry.orchestrator_names), set(registry.entities), is_complete=True)
