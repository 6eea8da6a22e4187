"""Arguments that the executors for clusters have in common, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from durablenb.values.payload_files import allow


def checked_folder(folder: str | os.PathLike[str] | None) -> str | None:
    """Return the absolute path of a folder, or a URL, which this process may then read."""
    if folder is None:
        return None
    if not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"payloads is {folder!r}; expected the path of a folder, or a URL.")
    text = os.fspath(folder)
    if "://" not in text:
        return str(Path(text).expanduser().absolute())
    allow(text)
    return text


def checked_resources(resources: Mapping[str, float] | None) -> dict[str, float] | None:
    """Return names and positive amounts."""
    if resources is None:
        return None
    if not isinstance(resources, Mapping) or not all(isinstance(name, str) for name in resources):
        raise TypeError(f"resources is {resources!r}; expected names and amounts, such as {{'GPU': 1}}.")
    for name, amount in resources.items():
        if isinstance(amount, bool) or not isinstance(amount, (int, float)):
            raise TypeError(f"The resource {name!r} is {amount!r}; expected a number.")
        if amount <= 0:
            raise ValueError(f"The resource {name!r} is {amount}; expected more than 0.")
    return dict(resources)


def checked_losses(allowed_losses: int) -> int:
    """Return a number of workers."""
    if isinstance(allowed_losses, bool) or not isinstance(allowed_losses, int):
        raise TypeError(f"allowed_losses is {allowed_losses!r}; expected a whole number of workers.")
    if allowed_losses < 0:
        raise ValueError(f"allowed_losses is {allowed_losses}; expected at least 0.")
    return allowed_losses
