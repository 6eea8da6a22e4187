"""Runtime information: facts on an instance or an entity that only a running engine has."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Obstacle:
    """The reasons why an instance is blocked until somebody acts, as the engine knows them.

    Parameters
    ----------
    missing
        Functions that aren't registered yet.
    held
        The reason why the instance is held, if it is.
    below
        The reason why one of its sub-orchestrations, or an entity that it waits for, is blocked.
    without_executor
        Activities whose executor has stopped, each with the executor's message.
    """

    missing: tuple[str, ...] = ()
    held: str | None = None
    below: str | None = None
    without_executor: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RuntimeInfo:
    """State of an instance or an entity that an engine has in memory, and the journal doesn't have.

    Parameters
    ----------
    obstacle
        The reasons why it is blocked.
    reason
        The same as an error: the name of its type, and its message. None if it isn't blocked.
    is_missing
        True if the function of an entity isn't registered.
    imported_from
        The source of an imported one.
    """

    obstacle: Obstacle = field(default_factory=Obstacle)
    reason: tuple[str, str] | None = None
    is_missing: bool = False
    imported_from: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(fields: dict[str, Any]) -> RuntimeInfo:
        """Return the information for JSON from `as_json`."""
        obstacle, reason = fields["obstacle"], fields["reason"]
        without_executor = tuple((name, why) for name, why in obstacle.get("without_executor", ()))
        return RuntimeInfo(
            Obstacle(tuple(obstacle["missing"]), obstacle["held"], obstacle["below"], without_executor),
            reason and (reason[0], reason[1]),
            bool(fields["is_missing"]),
            fields.get("imported_from"),
        )
