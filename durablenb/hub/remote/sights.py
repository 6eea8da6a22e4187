"""What live views see of a remote hub: mirrors that are followed, so that no drawing waits for the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from durablenb.analysis.entities import EntityQueue, read_last_seq
from durablenb.analysis.fleet import HubPace, read_pace
from durablenb.analysis.logs import Log
from durablenb.analysis.replays.explorer import ExplorerSource
from durablenb.analysis.sql import Relation, query
from durablenb.hub.remote.client import RemoteClient
from durablenb.hub.remote.entity import RemoteEntity
from durablenb.hub.remote.handle import RemoteHandle
from durablenb.hub.remote.parts import Part
from durablenb.model.entities import EntityId
from durablenb.model.errors import DurableError, HubUnreachableError
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.live.entity import EntitySight
from durablenb.notebook.live.hub import HubSight
from durablenb.notebook.live.sight import Sight

if TYPE_CHECKING:
    from durablenb.hub.remote.hub import RelatedHistories, RemoteHub

FRESH = 2.0
"""Seconds for which what other histories say is taken for true."""


class FollowedHandle(RemoteHandle):
    """A handle whose status is what the follower read last, with all that was asked here."""

    def __init__(self, hub: RemoteHub, instance_id: str, part: Part) -> None:
        super().__init__(hub, instance_id)
        self._followed = part
        self._said = Log(instance_id, ())

    @property
    def _part(self) -> Part:
        return self._followed

    @property
    def _client(self) -> Any:
        return _Heeded(super()._client, self._followed)

    def status(self, *, show_history: bool = False) -> DurableOrchestrationStatus:
        """Return where the instance stood when something was last heard."""
        return self._last_status()

    def logs(
        self, *, level: int | str | None = None, task_id: int | None = None, name: str | None = None
    ) -> Log:
        """Return what was printed; while the server doesn't answer, what it said last."""
        with suppress(HubUnreachableError):
            self._said = self._hub._log(self.id)
        return self._said.only(level=level, task_id=task_id, name=name)


class _Heeded:
    """A client after whose calls a part is up to date."""

    def __init__(self, client: RemoteClient, part: Part) -> None:
        self._client = client
        self._part = part

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def heeded(*args: Any, **options: Any) -> Any:
            done = method(*args, **options)
            self._part.look()
            return done

        return heeded


class RemoteClock:
    """The clock of a remote hub, which is moved where the hub is.

    Parameters
    ----------
    part
        Knows the time there.
    """

    can_be_moved = False

    def __init__(self, part: Part) -> None:
        self._part = part

    def now(self) -> datetime:
        """Return the time there."""
        return self._part.now()

    def next_due(self) -> datetime | None:
        """Return None: it isn't known here."""
        return None

    def advance(self, duration: timedelta | None = None, /, **parts: float) -> None:
        """Raise `DurableError`."""
        self._refuse()

    def jump(self) -> datetime | None:
        """Raise `DurableError`."""
        self._refuse()

    def run_until_idle(self) -> timedelta:
        """Raise `DurableError`."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise DurableError("The clock of a remote hub is moved where the hub is.")


class _Neighbours:
    """What other histories say, asked for now and then."""

    def __init__(self, ask: Callable[[Sequence[str]], RelatedHistories]) -> None:
        self._ask = ask
        self._entity_ids: Sequence[str] = ()
        self._found: RelatedHistories | None = None
        self._asked_at = 0.0

    def queues(self, entity_ids: Sequence[str]) -> Mapping[str, EntityQueue]:
        """Return what these entities have to do."""
        if list(entity_ids) != list(self._entity_ids):
            self._entity_ids, self._asked_at = entity_ids, 0.0
        found = self._look()
        return found.queues if found else {}

    def forks(self) -> tuple[str, ...]:
        """Return the instances that were forked from this one."""
        found = self._look()
        return found.forks if found else ()

    def _look(self) -> RelatedHistories | None:
        if time.monotonic() - self._asked_at > FRESH:
            self._asked_at = time.monotonic()
            with suppress(HubUnreachableError):
                self._found = self._ask(self._entity_ids)
        return self._found


def sight_of(hub: RemoteHub, instance_id: str) -> Sight:
    """Return an instance of a remote hub, as a live view has it."""
    part = hub._part(instance_id)
    part.look()
    neighbours = _Neighbours(lambda entity_ids: hub._related(instance_id, entity_ids))
    return Sight(
        FollowedHandle(hub, instance_id, part),
        records=lambda after: part.follow().records(instance_id, after),
        obstacle=lambda: part.standing.obstacle,
        forks=neighbours.forks,
        clock=RemoteClock(part),
        queues=neighbours.queues,
        ask=_asks(part),
        other=lambda other_id: sight_of(hub, other_id),
        trouble=part.trouble,
    )


def explorer_sight_of(hub: RemoteHub, instance_id: str, orchestrator: Callable[..., Any]) -> ExplorerSource:
    """Return an instance of a remote hub, as the explorer has it."""
    part = hub._part(instance_id)
    part.look()
    handle = FollowedHandle(hub, instance_id, part)
    return ExplorerSource(
        handle,
        records=lambda after: part.follow().records(instance_id, after),
        replay=lambda execution_id, events: hub._replay(
            instance_id, execution_id, handle._existing().name, events, orchestrator
        ),
        code=lambda: orchestrator,
        source=hub._source,
        now=part.now,
        obstacle=lambda: part.standing.obstacle,
    )


def entity_sight_of(hub: RemoteHub, entity_id: EntityId) -> EntitySight:
    """Return an entity of a remote hub, as a live view has it."""
    instance_id = str(entity_id)
    part = hub._part(instance_id)
    part.look()
    entity = RemoteEntity(hub, entity_id)

    def last_seq() -> int:
        with part.follow().cursor() as connection:
            return read_last_seq(connection, instance_id)

    return EntitySight(
        entity,
        instance_id,
        last_seq=last_seq,
        shown=lambda: entity._picture_of(part),
        ask=_asks(part),
        trouble=part.trouble,
    )


def hub_sight_of(hub: RemoteHub) -> HubSight:
    """Return a remote hub, as a live view has it."""
    part = hub._part(None)
    part.look()

    def written() -> tuple[int, int]:
        mirror = part.follow()
        return mirror.last_seq, mirror.count

    def pace() -> HubPace:
        with part.mirror.cursor() as connection:
            return read_pace(connection)

    return HubSight(
        written=written,
        shown=lambda: hub._view_of(part),
        pace=pace,
        ask=_asks(part),
        instance=lambda instance_id: sight_of(hub, instance_id),
        entity=lambda entity_id: entity_sight_of(hub, EntityId.get_entity_id(entity_id)),
        trouble=part.trouble,
    )


def _asks(part: Part) -> Callable[[str], Relation]:
    return lambda sql: query(part.mirror.cursor(), sql, None, {})
