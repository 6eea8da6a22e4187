"""The status of instances, as clients see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from durablenb.model.display import Displayed
from durablenb.model.failures import FailureDetails
from durablenb.model.plain import Plain, plain


class OrchestrationRuntimeStatus(StrEnum):
    """The status of an instance; the members' names and values are Azure's."""

    Running = "Running"
    Completed = "Completed"
    ContinuedAsNew = "ContinuedAsNew"
    Failed = "Failed"
    Canceled = "Canceled"
    Terminated = "Terminated"
    Pending = "Pending"
    Suspended = "Suspended"

    @property
    def is_terminal(self) -> bool:
        """True if an instance of this status does nothing more by itself."""
        return self in _TERMINAL

    def __str__(self) -> str:
        return self.value


Statuses = Iterable[OrchestrationRuntimeStatus | str] | OrchestrationRuntimeStatus | str | None
"""One or several statuses, as users write them; None for any."""


def parse_statuses(statuses: Statuses) -> tuple[OrchestrationRuntimeStatus, ...] | None:
    """Return the statuses of a filter, or None for any."""
    if statuses is None:
        return None
    several = [statuses] if isinstance(statuses, str) else list(statuses)
    try:
        return tuple(OrchestrationRuntimeStatus(status) for status in several)
    except ValueError as error:
        known = ", ".join(OrchestrationRuntimeStatus)
        raise ValueError(f"{error}. The statuses are: {known}.") from None


_TERMINAL = frozenset(
    {
        OrchestrationRuntimeStatus.Completed,
        OrchestrationRuntimeStatus.Failed,
        OrchestrationRuntimeStatus.Canceled,
        OrchestrationRuntimeStatus.Terminated,
    }
)


REASONED = (OrchestrationRuntimeStatus.Canceled, OrchestrationRuntimeStatus.Terminated)
"""The statuses of instances that ended on request. Their output is the reason, as plain text."""


@plain
class InstanceState(Plain):
    """An instance's row of the journal, in which payloads are text."""

    instance_id: str
    execution_id: str
    name: str
    status: OrchestrationRuntimeStatus
    created_time: datetime
    last_updated_time: datetime
    input: str | None = None
    output: str | None = None
    custom_status: str | None = None
    version: str | None = None
    parent_instance_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    scheduled_start_time: datetime | None = None
    generation: int = 0
    forked_from: str | None = None
    forked_at: int | None = None
    priority: int = 0


class UndecodedValue:
    """A status's value as text of the journal, decoded when it is first read.

    Parameters
    ----------
    text
        The value as text.
    decode
        Decodes the text.
    """

    __slots__ = ("_decode", "_value", "text")

    def __init__(self, text: str, decode: Callable[[str], Any]) -> None:
        self.text = text
        self._decode: Callable[[str], Any] | None = decode
        self._value: Any = None

    @property
    def value(self) -> Any:
        """The value."""
        if self._decode is not None:
            self._value, self._decode = self._decode(self.text), None
        return self._value


class _Looked:
    """A field of a status that decodes an `UndecodedValue` when it is read."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = "_" + name.strip("_")

    def __get__(self, status: object, owner: type) -> Any:
        if status is None:
            return None
        kept = vars(status)[self._name]
        return kept.value if isinstance(kept, UndecodedValue) else kept

    def __set__(self, status: object, value: Any) -> None:
        vars(status)[self._name] = value


@dataclass
class DurableOrchestrationStatus(Displayed):
    """The result of `get_status`; false if the hub has no such instance.

    Notes
    -----
    The attributes are those of ``azure.durable_functions``, and in addition `version`, `parent_instance_id`,
    `tags`, `scheduled_start_time`, `failure_details`; for a fork `forked_from` and `forked_at`, the origin's
    id and the last shared event; and for an imported instance `imported_from`, its source. `history` is only
    present with `show_history`.
    """

    name: str | None = None
    instance_id: str | None = None
    created_time: datetime | None = None
    last_updated_time: datetime | None = None
    input_: Any = _Looked()
    output: Any = _Looked()
    runtime_status: OrchestrationRuntimeStatus | None = None
    custom_status: Any = _Looked()
    history: list[dict[str, Any]] | None = None
    version: str | None = None
    parent_instance_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    scheduled_start_time: datetime | None = None
    failure_details: FailureDetails | None = None
    forked_from: str | None = None
    forked_at: int | None = None
    imported_from: str | None = None

    def __bool__(self) -> bool:
        return self.created_time is not None

    def __repr__(self) -> str:
        if not self:
            return "<no such instance>"
        fork = f", forked from {self.forked_from}" if self.forked_from else ""
        taken = f", imported from {self.imported_from}" if self.imported_from else ""
        return f"<{self.name} {self.instance_id}: {self.runtime_status}{fork}{taken}>"

    def to_json(self) -> dict[str, Any]:
        """The status as the HTTP API shows it; times are ISO 8601, UTC."""
        shown: dict[str, Any] = {
            "name": self.name,
            "instanceId": self.instance_id,
            "createdTime": _iso(self.created_time),
            "lastUpdatedTime": _iso(self.last_updated_time),
            "input": _json_form(vars(self)["_input"]),
            "output": _json_form(vars(self)["_output"]),
            "runtimeStatus": str(self.runtime_status) if self.runtime_status else None,
            "customStatus": _json_form(vars(self)["_custom_status"]),
        }
        if self.history is not None:
            shown["historyEvents"] = self.history
        return shown


def client_status(
    state: InstanceState,
    decode: Callable[[str], Any],
    *,
    show_input: bool = True,
    imported_from: str | None = None,
) -> DurableOrchestrationStatus:
    """Return an instance's status, as clients see it.

    Parameters
    ----------
    state
        The instance's row of the journal.
    decode
        Decodes a value's text, when the value is first read.
    show_input
        Include the input.
    imported_from
        The source of an imported instance.
    """

    def shown(text: str | None) -> UndecodedValue | None:
        return None if text is None else UndecodedValue(text, decode)

    failure = None
    output: Any = None
    if state.status is OrchestrationRuntimeStatus.Failed:
        failure = FailureDetails.from_json(json.loads(state.output or "{}"))
        output = failed_text(state.name, failure)
    elif state.status in REASONED:
        output = state.output
    elif state.output is not None:
        output = shown(state.output)
    return DurableOrchestrationStatus(
        name=state.name,
        instance_id=state.instance_id,
        created_time=state.created_time,
        last_updated_time=state.last_updated_time,
        input_=shown(state.input) if show_input else None,
        output=output,
        runtime_status=state.status,
        custom_status=shown(state.custom_status),
        version=state.version,
        parent_instance_id=state.parent_instance_id,
        tags=state.tags,
        scheduled_start_time=state.scheduled_start_time,
        failure_details=failure,
        forked_from=state.forked_from,
        forked_at=state.forked_at,
        imported_from=imported_from,
    )


def failed_text(name: str, failure: FailureDetails) -> str:
    """Return a failed instance's text, which replaces a result."""
    return f"Orchestrator function '{name}' failed: {failure.message or failure.error_type}"


def _json_form(kept: Any) -> Any:
    return json.loads(kept.text) if isinstance(kept, UndecodedValue) else kept


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True)
class PurgeHistoryResult:
    """The number of instances that a purge deleted."""

    instances_deleted: int = 0
