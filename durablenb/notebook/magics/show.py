"""The commands of `%durable` that show something."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from IPython.core.error import UsageError

import durablenb
from durablenb.analysis.instances import InstanceList
from durablenb.checks.findings import Findings
from durablenb.hub import open_hubs
from durablenb.hub.check import check
from durablenb.hub.hub_file import HubFile
from durablenb.hub.instance import Handle
from durablenb.hub.task_hub import TaskHub
from durablenb.model.entities import EntityId
from durablenb.model.errors import FunctionNotFoundError
from durablenb.model.status import OrchestrationRuntimeStatus
from durablenb.notebook.magics.parsing import REPLAY_COMMANDS
from durablenb.notebook.still.instance import SinglePicture

STATUSES = {status.casefold(): status for status in OrchestrationRuntimeStatus}
"""The statuses by their names in lower case."""

_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_ENTITIES = """
select instance_id as entity, state, operations, failures, queue_length, locked_by, last_modified
from entities where name = coalesce(?, name) order by instance_id
"""


def where(hub: TaskHub | HubFile) -> None:
    """Print the file of the hub, and the other open hubs."""
    print(f"durablenb {durablenb.__version__}, {hub.path or 'in memory'}")
    others = [other for other in open_hubs.all_open() if other is not hub]
    if others:
        print("also open:", ", ".join(str(other.path or "in memory") for other in others))


def instances(hub: TaskHub | HubFile, options: Namespace) -> InstanceList:
    """Return the instances that match the options."""
    given = options.status
    statuses = None if given is None else [STATUSES.get(status.casefold(), status) for status in given]
    since = None if options.since is None else _moment(options.since, hub)
    try:
        return hub.instances(statuses, name=options.name, since=since, top=options.top)
    except ValueError as error:
        raise UsageError(str(error)) from None


def entities(hub: TaskHub | HubFile, name: str | None) -> object:
    """Return the entities of one name, or all, as rows."""
    return hub.sql(_ENTITIES, [None if name is None else name.lower()])


def entity(hub: TaskHub | HubFile, text: str) -> object:
    """Return an entity by its id, ``@name@key`` or ``name@key``."""
    try:
        entity_id = EntityId.get_entity_id(text if text.startswith("@") else f"@{text}")
    except ValueError:
        raise UsageError(
            f"{text!r} isn't the id of an entity. Expected @name@key, such as @counter@a."
        ) from None
    return hub.entity(entity_id)


def instance(hub: TaskHub | HubFile, options: Namespace, variables: dict[str, Any]) -> object:
    """Return an instance, or one part of it, for display."""
    handle = hub.handle(options.instance)
    if options.command in REPLAY_COMMANDS:
        return _replays(handle, options, variables)
    return _VIEWS[options.command](handle, options)


def _replays(handle: Handle, options: Namespace, variables: dict[str, Any]) -> object:
    code = None if options.code is None else variables.get(options.code)
    if options.code is not None and not callable(code):
        raise UsageError(f"{options.code} isn't a function. --code takes a variable that holds one.")
    look = handle.explore if options.command == "explore" else handle.replay
    try:
        return look(code, execution=options.execution)
    except FunctionNotFoundError as error:
        more = " Name it: --code NAME." if isinstance(handle.hub, HubFile) else ""
        raise UsageError(f"{error}{more}") from None
    except ValueError as error:
        raise UsageError(str(error)) from None


def _logs(handle: Handle, options: Namespace) -> object:
    try:
        return handle.logs(level=options.level, task_id=options.task, name=options.name)
    except ValueError as error:
        raise UsageError(str(error)) from None


_VIEWS: dict[str, Callable[[Handle, Namespace], Any]] = {
    "show": lambda handle, _: handle,
    "history": lambda handle, _: handle.history(),
    "graph": lambda handle, _: SinglePicture(handle._shown(), "graph"),
    "timeline": lambda handle, _: SinglePicture(handle._shown(), "timeline"),
    "sequence": lambda handle, _: handle.sequence(),
    "watch": lambda handle, _: handle.watch(),
    "logs": _logs,
    "outputs": lambda handle, _: handle.outputs(),
    "card": lambda handle, _: handle.card(),
}
"""The display of an instance for each command."""


def _moment(text: str, hub: TaskHub | HubFile) -> datetime:
    length = _LENGTH.fullmatch(text)
    if length is not None:
        now = hub.clock.now() if isinstance(hub, TaskHub) else datetime.now(UTC)
        return now - timedelta(**{_UNITS[length[2]]: float(length[1])})
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since is {text!r}; expected a length such as 30s, 10m, 1h, 2d or 1w, or a time such as "
            "2026-01-31T12:00."
        ) from None


def findings(hub: TaskHub | HubFile, name: str, variables: dict[str, Any]) -> Findings:
    """Return the findings in the orchestrator of a name, or in the function in a variable.

    Raises
    ------
    UsageError
        If there is neither, or its source isn't available.
    """
    if isinstance(hub, HubFile):
        raise UsageError(
            f"{hub.path} is only read and has no functions. Check them with durablenb.check(function)."
        )
    try:
        return check(name if name in hub._registry.orchestrator_names else variables.get(name, name), hub)
    except (FunctionNotFoundError, TypeError, ValueError) as error:
        raise UsageError(str(error)) from None
