"""What is taken from elsewhere into a hub: to be looked at and replayed, never to be changed."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

AZURE = "azure"
"""Who made a history that Azure's status endpoint told."""


class Import(NamedTuple):
    """An instance, or an entity, that came from elsewhere.

    Parameters
    ----------
    instance_id
        Its id here.
    origin
        Where it was taken from: a path, a URL without its query, or ``dict``.
    made_by
        Who told its history: ``azure``, or ``durablenb`` and its version.
    imported
        When it was taken in, aware, UTC.
    """

    instance_id: str
    origin: str
    made_by: str
    imported: datetime

    @property
    def refusal(self) -> str:
        """Why nothing is done to it."""
        what = "it can be looked at and replayed, not changed"
        return f"{self.instance_id} was imported from {self.origin}: {what}."


class KeptBlob(NamedTuple):
    """A large part of a value as a journal keeps it; `created` is aware, UTC."""

    hash: str
    kind: str
    content: bytes
    created: datetime
