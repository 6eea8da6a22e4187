"""Imported histories, which can be inspected and replayed, but never changed."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

AZURE = "azure"
"""The value of `made_by` for histories from Azure's status endpoint."""


class Import(NamedTuple):
    """An imported instance or entity.

    Parameters
    ----------
    instance_id
        Its id in this hub.
    origin
        The source: a path, a URL without its query, or ``dict``.
    made_by
        The maker of the history: ``azure``, or ``durablenb`` with its version.
    imported
        The time of the import, aware, UTC.
    """

    instance_id: str
    origin: str
    made_by: str
    imported: datetime

    @property
    def refusal(self) -> str:
        """The reason why commands for it are refused."""
        what = "it can be looked at and replayed, not changed"
        return f"{self.instance_id} was imported from {self.origin}: {what}."


class KeptBlob(NamedTuple):
    """A blob as a journal keeps it; `created` is aware, UTC."""

    hash: str
    kind: str
    content: bytes
    created: datetime
