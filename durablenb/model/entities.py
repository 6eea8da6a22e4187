"""Entities: their ids, names and metadata."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durablenb.model.azure_objects import is_azure_object
from durablenb.model.ids import INSTANCE_ID_LIMIT, checked_text

_FORBIDDEN = frozenset("/\\#?")


class EntityId:
    r"""The id of an entity: the name of its function, and a key.

    Parameters
    ----------
    name
        Compared without case.
    key
        Compared with case; any text but ``/ \ # ?`` and control characters.

    Raises
    ------
    TypeError
        If `name` or `key` isn't text.
    ValueError
        If one of them is empty, or breaks these rules.

    Notes
    -----
    Like Azure's class of this name; but there names are compared with case, and ids can't be keys of
    dictionaries.

    Examples
    --------
    >>> EntityId("Counter", "a") == EntityId("counter", "a")
    True
    >>> str(EntityId("Counter", "a"))
    '@counter@a'
    """

    __slots__ = ("key", "name")

    name: str
    key: str

    def __init__(self, name: str, key: str) -> None:
        object.__setattr__(self, "name", checked_entity_name(name))
        object.__setattr__(self, "key", _checked_key(key))
        if len(str(self)) > INSTANCE_ID_LIMIT:
            raise ValueError(
                f"An entity's name and key have up to {INSTANCE_ID_LIMIT - 2} characters; "
                f"these have {len(str(self)) - 2}."
            )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"An EntityId doesn't change: {name} can't be set. Make another one.")

    def __str__(self) -> str:
        return f"@{self.name.lower()}@{self.key}"

    def __repr__(self) -> str:
        return f"EntityId({self.name!r}, {self.key!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EntityId) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __lt__(self, other: EntityId) -> bool:
        return str(self) < str(other)

    def __reduce__(self) -> tuple[Any, ...]:
        return EntityId, (self.name, self.key)

    @staticmethod
    def get_scheduler_id(entity_id: EntityId) -> str:
        """Return the entity's instance id in the journal: ``@name@key``."""
        return str(entity_id)

    @staticmethod
    def get_entity_id(scheduler_id: str) -> EntityId:
        """Return the entity's id for a text from `get_scheduler_id`.

        Raises
        ------
        ValueError
            If the text is no such id.
        """
        start, _, rest = scheduler_id.partition("@")
        name, separator, key = rest.partition("@")
        if start or not separator:
            raise ValueError(f"Unexpected format in SchedulerId: {scheduler_id!r}; expected '@name@key'.")
        return EntityId(name, key)

    @staticmethod
    def get_entity_id_url_path(entity_id: EntityId) -> str:
        """Return the entity's path in Azure's management API."""
        return f"entities/{entity_id.name}/{entity_id.key}"


@dataclass(frozen=True)
class EntityStateResponse:
    """The result of `read_entity_state`: whether the entity exists, and its state."""

    entity_exists: bool
    entity_state: Any = None


@dataclass(frozen=True)
class EntityMetadata:
    """The metadata of an entity from `list_entities`.

    Attributes
    ----------
    entity_id
        The entity's id.
    last_modified_time
        The time of the last event in its history.
    backlog_queue_size
        The number of pending operations.
    locked_by
        The id of the orchestration that has locked it, or None.
    state
        Its state, if it was requested.
    """

    entity_id: EntityId
    last_modified_time: datetime
    backlog_queue_size: int = 0
    locked_by: str | None = None
    state: Any = None


@dataclass(frozen=True)
class CleanEntityStorageResult:
    """The result of `clean_entity_storage`."""

    empty_entities_removed: int = 0
    orphaned_locks_released: int = 0


def checked_entity_name(name: object) -> str:
    """Return a name if it is valid for an entity.

    Raises
    ------
    TypeError
        If the name isn't text.
    ValueError
        If the name is empty, or contains ``@`` or a character that ids must not contain.
    """
    if not isinstance(name, str):
        raise TypeError(f"An entity's name is text, not {type(name).__name__}.")
    if not name:
        raise ValueError("Entity name cannot be empty")
    if "@" in name or _is_forbidden(name):
        raise ValueError(f"Entity names must not contain @, /, \\, #, ?, or control characters: {name!r}.")
    return checked_text(name)


def checked_operation(name: object) -> str:
    """Return a name if it is valid for an operation.

    Raises
    ------
    TypeError
        If the name isn't text.
    ValueError
        If the name is empty.
    """
    if not isinstance(name, str):
        raise TypeError(f"An operation's name is text, not {type(name).__name__}.")
    if not name.strip():
        raise ValueError("operation_name cannot be empty")
    return checked_text(name)


def checked_entity_id(entity_id: Any) -> EntityId:
    """Return an entity's id, converted if it is one of Azure's.

    Raises
    ------
    TypeError
        If the value is no entity's id.
    """
    if isinstance(entity_id, EntityId):
        return entity_id
    if is_azure_object(entity_id, "EntityId"):
        return EntityId(entity_id.name, entity_id.key)
    raise TypeError(f"Expected an EntityId(name, key), not {entity_id!r}.")


def _checked_key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"An entity's key is text, not {type(key).__name__}: EntityId('Counter', '1').")
    if not key:
        raise ValueError("Entity key cannot be empty")
    if _is_forbidden(key):
        raise ValueError(f"Entity keys must not contain /, \\, #, ?, or control characters: {key!r}.")
    return checked_text(key)


def _is_forbidden(text: str) -> bool:
    return any(character in _FORBIDDEN or not character.isprintable() for character in text)
