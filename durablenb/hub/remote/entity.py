"""One entity of a hub that another process serves, as a user holds it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from durablenb.analysis.figures import EntityFigures
from durablenb.core.entity import is_none
from durablenb.core.proxies import EntityProxy
from durablenb.model.entities import EntityId
from durablenb.model.errors import DurableError

if TYPE_CHECKING:
    from durablenb.analysis.entities import EntitySnapshot
    from durablenb.hub.remote.hub import RemoteHub
    from durablenb.hub.remote.parts import Part
    from durablenb.notebook.live.entity import EntitySight, LiveEntity


class RemoteEntity(EntityProxy, EntityFigures):
    """An entity of a remote hub: each method signals the operation of its name; `RemoteHub.entity` gives it.

    All is called as in an `EntityHandle`.
    """

    __slots__ = ("_hub",)

    def __init__(self, hub: RemoteHub, entity_id: EntityId) -> None:
        super().__init__(entity_id, hub.client.signal_entity)
        self._hub = hub

    def signal(self, operation_name: str, operation_input: Any = None) -> None:
        """Ask for an operation, by its name."""
        self._hub.client.signal_entity(self.entity_id, operation_name, operation_input)

    def state(self, expected_type: Any = None) -> Any:
        """Return the state that is on the server's disk now, None if there is none."""
        text = self._hub._entity_text(self.entity_id)
        return self._hub._codec.decode(text, None if is_none(text) else expected_type)

    def watch(self) -> LiveEntity:
        """Return a live view: the state, how it came about operation by operation, and what is to be done."""
        from durablenb.notebook.live.entity import LiveEntity

        return LiveEntity(self._sight())

    def _sight(self) -> EntitySight:
        from durablenb.hub.remote.sights import entity_sight_of

        return entity_sight_of(self._hub, self.entity_id)

    def _reader(self) -> AbstractContextManager[Any]:
        part = self._hub._part(str(self.entity_id))
        part.look()
        return part.mirror.cursor()

    def _shown(self) -> EntitySnapshot:
        part = self._hub._part(str(self.entity_id))
        part.look()
        return self._picture_of(part)

    def _picture_of(self, part: Part) -> EntitySnapshot:
        """What there was to draw when the server was last asked."""
        from durablenb.analysis.entities import entity_snapshot  # what only pictures need

        with part.mirror.cursor() as connection:
            return entity_snapshot(
                connection,
                self.entity_id,
                self._hub._codec.shown,
                is_missing=part.standing.is_missing,
                now=part.now(),
            )

    def __repr__(self) -> str:
        try:
            return self._shown().line
        except DurableError:
            return f"<entity {self.entity_id} of {self._hub.url}, which doesn't answer>"
