"""`%durable check`: what a replay of an orchestrator will stumble over."""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError

from durablenb.checks.findings import Findings
from durablenb.hub.check import check
from durablenb.hub.recorded.hub import HubFile
from durablenb.hub.task_hub import TaskHub
from durablenb.model.errors import FunctionNotFoundError


def checked(hub: TaskHub | HubFile, name: str, variables: dict[str, Any]) -> Findings:
    """Return what is found in the orchestrator of that name, or in the function in that variable.

    Raises
    ------
    UsageError
        If there is neither, or its source isn't at hand.
    """
    if isinstance(hub, HubFile):
        raise UsageError(
            f"{hub.path} is only read and has no functions. Check them with durablenb.check(function)."
        )
    try:
        return check(name if name in hub._registry.orchestrator_names else variables.get(name, name), hub)
    except (FunctionNotFoundError, TypeError, ValueError) as error:
        raise UsageError(str(error)) from None
