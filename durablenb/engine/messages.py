"""Messages for the engine: the commands of clients, and news of registrations and of the clock."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from durablenb.core.fork import Past
from durablenb.core.ports.store import HistoryBundle
from durablenb.engine.locks import Promise
from durablenb.model.ids import IfExists
from durablenb.model.status import OrchestrationRuntimeStatus

Reply = Future[Any]
"""Promise of the answer to a command, kept once the answer is on disk."""


def answer(reply: Reply, value: object) -> None:
    """Answer a client, unless it has stopped waiting."""
    with contextlib.suppress(InvalidStateError):
        reply.set_result(value)


def refuse(reply: Reply, error: Exception) -> None:
    """Answer a client with an error, unless it has stopped waiting."""
    with contextlib.suppress(InvalidStateError):
        reply.set_exception(error)


@dataclass(slots=True, eq=False, repr=False)
class Start:
    """Start an orchestration; answered with its id."""

    instance_id: str
    name: str
    input: str
    version: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    start_at: datetime | None = None
    dedupe: tuple[OrchestrationRuntimeStatus, ...] = ()
    if_exists: IfExists = "error"
    priority: int = 0
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class StartMany:
    """Start several orchestrations, or none of them; answered with their ids."""

    starts: Sequence[Start]
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Raise:
    """Raise an external event; answered with True if the instance was open."""

    instance_id: str
    name: str
    input: str
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Cancel:
    """Request the cancellation of an orchestration; answered with True if it was open."""

    instance_id: str
    reason: str
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Terminate:
    """Terminate an orchestration; answered with True."""

    instance_id: str
    reason: str
    is_recursive: bool
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Suspend:
    """Suspend an orchestration; answered with True if it was open."""

    instance_id: str
    reason: str
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Resume:
    """Resume an orchestration; answered with True if it was open."""

    instance_id: str
    reason: str
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Rewind:
    """Rewind a failed orchestration; answered with None."""

    instance_id: str
    reason: str
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Fork:
    """Begin an instance with the past of another; answered with its id."""

    instance_id: str
    past: Past
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Upgrade:
    """Move instances to the code that is registered now; answered with an `Upgraded` for each.

    `holds`: instances that it doesn't fit are held, and don't continue with their old code.
    """

    instance_ids: Sequence[str]
    holds: bool
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Purge:
    """Delete those of these instances that are neither open nor restarted since; answered with the number.

    `only`: the id if a single instance was requested; it must not be open. `as_of`: the last place in the
    journal before the instances were looked up.
    """

    instance_ids: Sequence[str]
    only: str | None
    as_of: int
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class PurgePast:
    """Delete a portion of an instance's past generations, but for the last `keep`; answered with the number.

    If the number is 0, there are no more of them.
    """

    instance_id: str
    keep: int
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class ImportHistory:
    """Import whole histories; answered with the ids of all of them.

    Histories that were imported before, and are the same, stay as they are. `origin` and `made_by` are those
    of `Import`.
    """

    bundle: HistoryBundle
    origin: str
    made_by: str
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Watch:
    """Watch an instance; answered with a future of its outcome, None if the journal has it."""

    instance_id: str
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Registered:
    """A function or type was registered, or the hub has another executor: what waits for it may resume."""

    kind: str
    name: str


@dataclass(slots=True, eq=False, repr=False)
class Wake:
    """Check what can be done now: the time may have changed."""


@dataclass(slots=True, eq=False, repr=False)
class Signal:
    """Signal an entity; answered when that is on disk."""

    entity_id: str
    name: str
    input: str
    deliver_at: datetime | None = None
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class CleanEntities:
    """Delete entities without state, release orphaned locks; answered with the numbers."""

    removes_empty: bool = True
    releases_locks: bool = True
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class ClearCache:
    """Forget the remembered results of an activity, or of all; answered with the number."""

    name: str | None = None
    reply: Reply = field(default_factory=Promise)


ClientMessage = (
    Start
    | StartMany
    | Raise
    | Cancel
    | Terminate
    | Suspend
    | Resume
    | Rewind
    | Fork
    | Upgrade
    | Purge
    | PurgePast
    | ImportHistory
    | Watch
    | Signal
    | CleanEntities
    | ClearCache
)
