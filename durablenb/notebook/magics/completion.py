"""Completion of lines of `%durable`."""

from __future__ import annotations

from durablenb.hub.hub_file import HubFile
from durablenb.hub.task_hub import TaskHub
from durablenb.notebook.magics.parsing import COMMANDS, CONTROL_COMMANDS, SHOW_COMMANDS
from durablenb.notebook.magics.show import STATUSES

_MOST = 50
_IDS = """
select instance_id from instances where starts_with(instance_id, $symbol)
order by created_time desc limit $most
"""
_NAMES = "select distinct name from instances where starts_with(name, $symbol) order by name limit $most"
_ENTITY_IDS = """
select instance_id from entities where starts_with(instance_id, $symbol)
order by last_modified desc limit $most
"""
_ENTITY_NAMES = (
    "select distinct name from entities where starts_with(name, $symbol) order by name limit $most"
)
_WAITED_FOR = """
select distinct name from external_events
where instance_id = $instance and status = 'Pending' and starts_with(lower(name), lower($symbol))
order by name limit $most
"""
_LOGGED = """
select distinct name from log_lines where instance_id = $instance and starts_with(name, $symbol)
order by name limit $most
"""
_ANSWERS = """
select cast(event_id as varchar) as event from history
where instance_id = $instance
    and execution_id = (select arg_max(execution_id, seq) from history where instance_id = $instance)
    and regexp_matches(event_type, '^(Task|SubOrchestrationInstance|EntityOperation)(Completed|Failed)$')
    and starts_with(event, $symbol)
order by event_id desc limit $most
"""
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_OPTIONS = {
    "ls": ("--status", "--name", "--since", "--top"),
    "logs": ("--level", "--task", "--name"),
    "restart": ("--same-id",),
    "fork": ("--id", "--input"),
    "replay": ("--execution", "--code"),
    "explore": ("--execution", "--code"),
    "crash": ("--yes",),
}


def completions(
    words: list[str], symbol: str, hub: TaskHub | HubFile | None, holders: list[str]
) -> list[str]:
    """Return completions of the last word of a line.

    Parameters
    ----------
    words
        The words before it.
    symbol
        The beginning of the word.
    hub
        The hub that the line is about; None if none is open.
    holders
        Names of variables that hold a hub or a file.
    """
    if words and words[-1] == "--hub":
        return _beginning(symbol, holders)
    words = _without_hub(words)
    if not words:
        return _beginning(symbol, [*COMMANDS, "--hub"])
    command, before = words[0], words[-1]
    if command == "ls" and before == "--status":
        return [status for name, status in STATUSES.items() if name.startswith(symbol.casefold())]
    if command == "logs" and before == "--level":
        return _beginning(symbol.upper(), _LEVELS)
    if symbol.startswith("-"):
        return _beginning(symbol, (*_OPTIONS.get(command, ()), "--hub"))
    sql, instance = _question(command, words[1:])
    if hub is None or sql is None:
        return []
    values = {"symbol": symbol, "most": _MOST, "instance": instance}
    return _ask(hub, sql, {name: value for name, value in values.items() if f"${name}" in sql})


def _question(command: str, given: list[str]) -> tuple[str | None, str]:
    """Return the query for the completions, and the instance that it is about."""
    instance = given[0] if given else ""
    if command == "ls":
        return (_NAMES if given[-1:] == ["--name"] else None), instance
    if command == "logs" and given[-1:] == ["--name"]:
        return _LOGGED, instance
    if command == "raise" and len(given) == 1:
        return _WAITED_FOR, instance
    if command == "fork" and len(given) == 1:
        return _ANSWERS, instance
    first: dict[str, str] = dict.fromkeys((*SHOW_COMMANDS, *CONTROL_COMMANDS), _IDS)
    first |= {"entity": _ENTITY_IDS, "entities": _ENTITY_NAMES}
    return (None if given else first.get(command)), instance


def _ask(hub: TaskHub | HubFile, sql: str, values: dict[str, object]) -> list[str]:
    with hub.connection() as connection:
        return [str(row[0]) for row in connection.execute(sql, values).fetchall()]


def _without_hub(words: list[str]) -> list[str]:
    kept: list[str] = []
    is_name = False
    for word in words:
        if not is_name and not word.startswith("--hub"):
            kept.append(word)
        is_name = word == "--hub"
    return kept


def _beginning(symbol: str, words: list[str] | tuple[str, ...]) -> list[str]:
    return [word for word in words if word.startswith(symbol)]
