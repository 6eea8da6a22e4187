"""The tool calls of agents that wait for approval, read from the history."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from durablenb.model.conversations import APPROVAL, REQUEST, Decision, tool_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

_QUERY = f"""
with family as (select instance_id from tree($id)),
called as (
    select instance_id, execution_id, name, seq, unnest(cast(result -> '$.parts' as json[])) as part
    from activities
    where instance_id in (from family) and status = 'Completed' and name like '%{REQUEST}'
)
select wait.instance_id, wait.name, wait.subscribed, called.name, part ->> 'tool_name', part -> 'args'
from external_events as wait
join instances as open
    on open.execution_id = wait.execution_id and open.status in ('Running', 'Pending', 'Suspended')
left join called
    on called.instance_id = wait.instance_id and called.execution_id = wait.execution_id
    and called.part ->> 'tool_call_id' = wait.name[{len(APPROVAL) + 1}:]
where wait.instance_id in (from family) and wait.status = 'Pending'
    and starts_with(wait.name, '{APPROVAL}')
qualify row_number() over (partition by wait.instance_id, wait.task_id order by called.seq desc) = 1
order by wait.seq
"""


@dataclass(frozen=True)
class Approval:
    """A tool call of an agent that waits for approval; `handle.approvals()` returns them.

    Parameters
    ----------
    tool
        The tool's name.
    args
        The arguments that the model chose.
    agent
        The agent's name.
    call_id
        The id of the call, as the model's answer has it.
    instance_id
        The instance that waits: the agent's own, or the orchestration that runs it.
    since
        When the wait began, aware, UTC.
    """

    tool: str
    args: dict[str, Any]
    agent: str
    call_id: str
    instance_id: str
    since: datetime
    _raise_event: Callable[[str, str, Any], None] = field(repr=False, compare=False)

    def approve(self, args: dict[str, Any] | None = None) -> None:
        """Let the tool run: with the model's arguments, or with others.

        Parameters
        ----------
        args
            All arguments of the tool, in place of the model's.

        Raises
        ------
        StoreError
            If the hub is only read, or closed.
        """
        self._decide(Decision(True, args=args))

    def deny(self, message: str | None = None) -> None:
        """Don't let the tool run.

        Parameters
        ----------
        message
            The reason, which the model reads in place of the tool's result.

        Raises
        ------
        StoreError
            If the hub is only read, or closed.
        """
        self._decide(Decision(False, message=message))

    def _decide(self, decision: Decision) -> None:
        self._raise_event(self.instance_id, APPROVAL + self.call_id, decision.payload)


def find_approvals(
    connection: duckdb.DuckDBPyConnection, instance_id: str, raise_event: Callable[[str, str, Any], None]
) -> list[Approval]:
    """Return the calls that wait for approval in an instance and in its sub-orchestrations.

    Parameters
    ----------
    connection
        The journal.
    instance_id
        The instance.
    raise_event
        Raises an external event: takes the instance's id, the event's name and its data.
    """
    rows = connection.execute(_QUERY, {"id": instance_id}).fetchall()
    return [
        Approval(
            tool or "",
            _arguments(args),
            (model or "").removesuffix(REQUEST),
            event.removeprefix(APPROVAL),
            instance,
            since.replace(tzinfo=UTC),
            raise_event,
        )
        for instance, event, since, model, tool, args in rows
    ]


def _arguments(args: str | None) -> dict[str, Any]:
    given = tool_arguments(json.loads(args or "{}"))
    return given if isinstance(given, dict) else {}
