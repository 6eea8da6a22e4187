"""The settings of a function app: variables of the environment, and those in local.settings.json."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from durablenb.model.errors import DurableError


@dataclass(frozen=True)
class Settings:
    """Settings by their names; a variable of the environment comes before a value of the file.

    Parameters
    ----------
    values
        Those of the file.
    """

    values: Mapping[str, str] = field(default_factory=dict)

    def resolved(self, text: str) -> str:
        """Return a text with the settings that it names, as ``%NAME%``.

        Raises
        ------
        DurableError
            If there is no such setting.
        """
        return re.sub(r"%([^%\s]+)%", self._named, text)

    def is_on(self, name: str) -> bool:
        """Whether a setting is true; it need not be there, and the case of its name doesn't matter."""
        value = next((value for one, value in self._all() if one.lower() == name.lower()), "")
        return value.strip().lower() in ("true", "1")

    def disables(self, function: str) -> bool:
        """Whether a function is disabled, as Azure's app settings do it."""
        return self.is_on(f"AzureWebJobs.{function}.Disabled")

    def _all(self) -> Iterator[tuple[str, str]]:
        yield from os.environ.items()
        yield from self.values.items()

    def _named(self, found: re.Match[str]) -> str:
        value = os.environ.get(found[1], self.values.get(found[1]))
        if value is None:
            raise DurableError(
                f"The app's setting {found[1]!r} is missing. Set it as a variable of the environment, or "
                'under "Values" in local.settings.json.'
            )
        return value
