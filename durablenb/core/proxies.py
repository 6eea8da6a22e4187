"""Entities as objects, with a method for each operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durablenb.model.entities import EntityId


class EntityProxy:
    """An entity as an object, whose methods send operations.

    Parameters
    ----------
    entity_id
        The entity's id.
    ask
        Sends an operation; its arguments are the entity's id, the operation's name and its input.
    """

    __slots__ = ("_ask", "entity_id")

    def __init__(self, entity_id: EntityId, ask: Callable[..., Any]) -> None:
        self.entity_id = entity_id
        self._ask = ask

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_"):
            raise AttributeError(operation)

        def call(operation_input: Any = None, /) -> Any:
            return self._ask(self.entity_id, operation, operation_input)

        call.__name__ = call.__qualname__ = operation
        return call

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.entity_id}>"
