"""The settings of a function app, from environment variables and local.settings.json; its JSON files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from durablenb.model.errors import DurableError


@dataclass(frozen=True)
class Settings:
    """Settings by name; an environment variable overrides a value of the file.

    Parameters
    ----------
    values
        The values of the file.
    """

    values: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, text: str) -> str:
        """Return a text with each ``%NAME%`` replaced by the setting's value.

        Raises
        ------
        DurableError
            If there is no such setting.
        """
        return re.sub(r"%([^%\s]+)%", self._value, text)

    def is_on(self, name: str) -> bool:
        """Tell whether a setting is true; it may be missing, and the case of its name doesn't matter."""
        value = next((value for key, value in self._all() if key.lower() == name.lower()), "")
        return value.strip().lower() in ("true", "1")

    def disables(self, function: str) -> bool:
        """Tell whether a function is disabled, by the setting that Azure uses for that."""
        return self.is_on(f"AzureWebJobs.{function}.Disabled")

    def _all(self) -> Iterator[tuple[str, str]]:
        yield from os.environ.items()
        yield from self.values.items()

    def _value(self, match: re.Match[str]) -> str:
        name = match[1]
        value = os.environ.get(name, self.values.get(name))
        if value is None:
            raise DurableError(
                f"The app's setting {name!r} is missing. Set it as a variable of the environment, or "
                'under "Values" in local.settings.json.'
            )
        return value


def local_settings(folder: Path) -> dict[str, str]:
    """Return the settings in an app's local.settings.json, which Azure's local tools use.

    As with those tools, the file may have comments, and a comma after the last item.

    Raises
    ------
    DurableError
        If the file is no JSON object otherwise.
    """
    values = read_json(folder / "local.settings.json", is_lenient=True).get("Values") or {}
    return {name: str(value) for name, value in values.items()}


def read_json(file: Path, *, is_lenient: bool = False) -> dict[str, Any]:
    """Return the JSON object in a file of the app, or an empty one if there is no file."""
    if not file.is_file():
        return {}
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = json.loads(_strict(text) if is_lenient else text)
    except ValueError as error:
        raise DurableError(f"{file} isn't JSON: {error}.") from None
    if not isinstance(content, dict):
        raise DurableError(f"{file} isn't a JSON object.")
    return content


_TEXT = r'("(?:\\.|[^"\\])*")'

_COMMENT = re.compile(_TEXT + r"|//[^\n]*|/\*.*?\*/", re.DOTALL)

_LAST_COMMA = re.compile(_TEXT + r"|,(?=\s*[}\]])", re.DOTALL)


def _strict(text: str) -> str:
    """Return a text without comments and trailing commas, and with the same line numbers."""

    def replacement(match: re.Match[str]) -> str:
        return match[1] or " " + "\n" * match[0].count("\n")

    return _LAST_COMMA.sub(replacement, _COMMENT.sub(replacement, text))
