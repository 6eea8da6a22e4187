"""What the engine is told: by clients, by activities that ended, by the committer."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from durablenb.core.fork import Past
from durablenb.core.ports.executor import Outcome
from durablenb.core.ports.store import Parcel
from durablenb.engine.locks import Promise
from durablenb.model.ids import IfExists
from durablenb.model.status import OrchestrationRuntimeStatus

if TYPE_CHECKING:
    from durablenb.engine.work import Work

Reply = Future[Any]
"""Where the answer to a client's message goes, once what it says is on disk."""


def answer(reply: Reply, value: object) -> None:
    """Answers a client, unless it gave up waiting."""
    with contextlib.suppress(InvalidStateError):
        reply.set_result(value)


def refuse(reply: Reply, error: Exception) -> None:
    """Answers a client with an error, unless it gave up waiting."""
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
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Raise:
    """Raise an external event; answered with whether somebody open got it."""

    instance_id: str
    name: str
    input: str
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Terminate:
    """Terminate an orchestration; answered with whether it was open."""

    instance_id: str
    reason: str
    is_recursive: bool
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Suspend:
    """Suspend an orchestration; answered with whether it was open."""

    instance_id: str
    reason: str
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Resume:
    """Resume an orchestration; answered with whether it was open."""

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
    """Begin an instance with another one's past; answered with its id."""

    instance_id: str
    past: Past
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Upgrade:
    """Let instances go on with the code that is registered now; answered with what became of each.

    `holds`: those that it doesn't fit are held, in place of going on with the code that they have.
    """

    instance_ids: Sequence[str]
    holds: bool
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Purge:
    """Delete these instances, but for those that are open, or have begun anew since; answered with how many.

    `only`: the one that was asked for, if it was one alone: it must not be open. `as_of`: the last place in
    the journal before they were looked up.
    """

    instance_ids: Sequence[str]
    only: str | None
    as_of: int
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class TakeIn:
    """Take in whole histories from elsewhere; answered with the ids of all of them.

    Those that were taken in before, and are the same, are left as they are. `origin` and `made_by` are as of
    `Import`.
    """

    parcel: Parcel
    origin: str
    made_by: str
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Watch:
    """Answered with the future of an instance's outcome, or None if it ended long ago or never was."""

    instance_id: str
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class Registered:
    """A function was registered, or the hub got another executor: what waits for it can go on."""

    kind: str
    name: str


@dataclass(slots=True, eq=False, repr=False)
class Finished:
    """An activity ended; without an outcome, it was not run: `declined` says why, if it couldn't be."""

    work: Work
    outcome: Outcome | None
    started_at: datetime | None
    ended_at: datetime
    worker: str | None = None
    declined: str | None = None


@dataclass(slots=True, eq=False, repr=False)
class Durable:
    """These calls are on disk: they may start."""

    works: Sequence[Work]


@dataclass(slots=True, eq=False, repr=False)
class Wake:
    """Look around: the time may have changed."""


@dataclass(slots=True, eq=False, repr=False)
class Signal:
    """Ask an entity for an operation; answered when that is on disk."""

    entity_id: str
    name: str
    input: str
    deliver_at: datetime | None = None
    reply: Reply = field(default_factory=Promise)


@dataclass(slots=True, eq=False, repr=False)
class CleanEntities:
    """Delete what is left of entities that don't exist any more; answered with how many there were."""

    removes_empty: bool = True
    releases_locks: bool = True
    reply: Reply = field(default_factory=Promise)


ClientMessage = (
    Start
    | Raise
    | Terminate
    | Suspend
    | Resume
    | Rewind
    | Fork
    | Upgrade
    | Purge
    | TakeIn
    | Watch
    | Signal
    | CleanEntities
)
Message = ClientMessage | Registered | Finished | Durable | Wake
