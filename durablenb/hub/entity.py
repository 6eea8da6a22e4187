"""The handle of an entity, by which users signal it and look at it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from durablenb.analysis.figures import EntityFigures
from durablenb.core.proxies import EntityProxy
from durablenb.model.display import SavedEntity, views
from durablenb.model.entities import EntityId
from durablenb.model.errors import DurableError

if TYPE_CHECKING:
    import duckdb

    from durablenb.analysis.entities import EntitySnapshot
    from durablenb.hub.hub import Hub
    from durablenb.notebook.live.entity import LiveEntity


class EntityHandle(EntityProxy, EntityFigures):
    """An entity. Each method that isn't listed here signals the operation of its name.

    A call returns when the signal is on disk; the operation runs after that. Use `signal` for an operation
    whose name is a method here. A notebook shows the entity with its state, its last operations, and those
    that failed.

    Parameters
    ----------
    hub
        The hub, the file or the remote hub that has the entity.
    entity_id
        The entity's id.

    Examples
    --------
    >>> import durablenb as df
    >>> with df.TaskHub(":memory:", mode="kernel") as hub:
    ...     @hub.entity
    ...     class Counter:
    ...         def __init__(self):
    ...             self.value = 0
    ...         def add(self, amount: int):
    ...             self.value += amount
    ...     counter = hub.entity(Counter, "a")
    ...     counter.add(5)
    ...     while hub.step():
    ...         pass
    ...     counter.state()
    {'value': 5}
    """

    __slots__ = ("_hub",)

    def __init__(self, hub: Hub, entity_id: EntityId) -> None:
        super().__init__(entity_id, hub.client.signal_entity)
        self._hub = hub

    def signal(self, operation_name: str, operation_input: Any = None, *, at: datetime | None = None) -> None:
        """Request an operation by its name; with `at`, not before that time.

        Examples
        --------
        >>> counter = hub.entity("Counter", "a")
        >>> counter.signal("add", 5)
        >>> while hub.step():
        ...     pass
        >>> counter.state()
        {'value': 5}
        """
        self._hub.client.signal_entity(self.entity_id, operation_name, operation_input, at=at)

    def state(self, expected_type: Any = None, *, as_of: datetime | None = None) -> Any:
        """Return the state; None if the entity doesn't exist; see `TaskHub.entity_state`.

        Examples
        --------
        >>> counter = hub.entity("Counter", "a")
        >>> counter.state() is None
        True
        >>> counter.add(5)
        >>> while hub.step():
        ...     pass
        >>> counter.state()
        {'value': 5}
        """
        return self._hub.client.entity_state(self.entity_id, expected_type, as_of=as_of)

    def watch(self) -> LiveEntity:
        """Return a live view of the state, of the operations that led to it, and of the queue.

        `watch().sql` is the query for the operations shown, and `watch().df()` returns them as a data frame.

        Examples
        --------
        >>> view = hub.entity("Counter", "a").watch()  # the last line of a cell shows it
        >>> view.freeze()
        """
        from durablenb.notebook.live.entity import LiveEntity

        return LiveEntity(self)

    @property
    def _instance_id(self) -> str:
        return str(self.entity_id)

    @contextmanager
    def _reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self._hub._journal.refresh(self._instance_id)
        with self._hub._journal.connection(self._instance_id) as connection:
            yield connection

    def _shown(self) -> EntitySnapshot:
        self._hub._journal.refresh(self._instance_id)
        return self._view()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the entity to a file, and replace the file if it exists.

        Parameters
        ----------
        path
            The suffix chooses the format. ``.html``: a page that needs no other file and no network, with the
            state, the operations and the history; `durablenb.open_history` reads the history in it.
            ``.svg``: the picture. ``.png``: the same, drawn by Matplotlib.

        Raises
        ------
        ValueError
            If it has another suffix.
        InstanceNotFoundError
            If no operation of the entity was ever requested.
        DurableError
            If Matplotlib isn't installed, which a PNG needs.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> counter = hub.entity("Counter", "a")
        >>> counter.add(5)
        >>> with TemporaryDirectory() as folder:
        ...     counter.save(Path(folder, "counter.html"))
        """
        views().save(SavedEntity(self._shown(), self._hub._journal.bundle(self._instance_id)), path)

    def _view(self) -> EntitySnapshot:
        """Return what there was to draw when the journal was last read."""
        from durablenb.analysis.entities import entity_snapshot  # only needed for pictures

        journal, instance_id = self._hub._journal, self._instance_id
        with journal.connection(instance_id) as connection:
            return entity_snapshot(
                connection,
                self.entity_id,
                journal.codec.shown,
                is_missing=journal.runtime_info(instance_id).is_missing,
                now=journal.now(instance_id),
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EntityHandle):
            return NotImplemented
        return (self._hub, self.entity_id) == (other._hub, other.entity_id)

    def __hash__(self) -> int:
        return hash(self.entity_id)

    def __repr__(self) -> str:
        from durablenb.analysis.entities import entity_summary

        journal, instance_id = self._hub._journal, self._instance_id
        try:
            with self._reader() as connection:
                is_missing = journal.runtime_info(instance_id).is_missing
                now = journal.now(instance_id)
                return entity_summary(connection, self.entity_id, is_missing=is_missing, now=now).line
        except DurableError:
            return f"<entity {self.entity_id} of {journal.description}>"
