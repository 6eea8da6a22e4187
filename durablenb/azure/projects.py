"""Function apps in a folder, as Azure's tools lay them out: models v2 and v1."""

from __future__ import annotations

import importlib
import json
import re
import sys
import threading
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from durablenb.azure.functions import Hosted, functions_of, hosted, is_app
from durablenb.azure.imports import DURABLE, ROOT, AppImports, own_modules
from durablenb.azure.settings import Settings
from durablenb.core.app_model import is_trigger
from durablenb.model.errors import DurableError

SCRIPT = "function_app.py"

_loading = threading.RLock()
"""Imports of an app are those of the process while it is loaded."""


@dataclass(frozen=True)
class Project:
    """A function app.

    Parameters
    ----------
    functions
        Its functions.
    prefix
        What the paths of its HTTP triggers begin with.
    version
        The version of orchestrations that are started without one.
    types
        Its classes with ``to_json`` and ``from_json``, whose values come back by themselves, as in Azure.
    settings
        What ``%NAME%`` stands for, and which functions are disabled.
    replaces_open
        Whether a start with the id of an open instance replaces that.
    is_azures
        Whether its code imports ``azure.durable_functions``, and not durablenb by its own name.
    """

    functions: list[Hosted]
    prefix: str = "api"
    version: str | None = None
    types: list[type[Any]] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    replaces_open: bool = False
    is_azures: bool = False


def is_project(folder: Path) -> bool:
    """Whether a folder has a function app in it."""
    return (folder / SCRIPT).is_file() or any(folder.glob("*/function.json"))


def read_project(folder: Path) -> Project:
    """Load the app in a folder, and leave the process's modules and paths as they were.

    Raises
    ------
    DurableError
        As `load_project`.
    """
    folder = folder.expanduser().resolve()
    if not folder.is_dir():
        raise DurableError(f"There is no folder {folder}.")
    with _loading, AppImports(folder):
        return load_project(folder)


def load_project(folder: Path) -> Project:
    """Load the app in a folder; its imports are in force.

    Parameters
    ----------
    folder
        With ``function_app.py`` in it; or, of model v1, with a folder for each function.

    Raises
    ------
    DurableError
        If there is no app, or it can't be imported; the message names the line.
    """
    if not is_project(folder):
        raise DurableError(
            f"There is no function app in {folder}: neither {SCRIPT} nor folders with function.json."
        )
    host, settings = _json(folder / "host.json"), Settings(settings_of(folder))
    named = host.get("functions")
    wanted = None if named is None else {str(one).lower() for one in named}
    is_v2 = (folder / SCRIPT).is_file()
    functions = _decorated(folder, wanted) if is_v2 else _in_folders(folder, settings, wanted)
    extensions = host.get("extensions", {})
    durable = extensions.get("durableTask", {})
    return Project(
        functions,
        str(extensions.get("http", host.get("http", {})).get("routePrefix", "api")),
        durable.get("defaultVersion"),
        [kind for module in own_modules(folder) for kind in _types(module)],
        settings,
        str(durable.get("overridableExistingInstanceStates", "")).lower() == "anystate",
        DURABLE in sys.modules,
    )


def settings_of(folder: Path) -> dict[str, str]:
    """Return the settings of an app that are kept beside it for Azure's local tools.

    As there, the file may have comments, and a comma after the last item.

    Raises
    ------
    DurableError
        If it is no JSON object otherwise.
    """
    values = _json(folder / "local.settings.json", is_lenient=True).get("Values") or {}
    return {name: str(value) for name, value in values.items()}


def _decorated(folder: Path, wanted: Collection[str] | None) -> list[Hosted]:
    """The functions of ``function_app.py``, or those of them whose names in lower case are wanted."""
    module = _loaded(folder, lambda: importlib.import_module("function_app"))
    apps = {id(one): one for one in vars(module).values() if is_app(one)}
    if len(apps) != 1:
        number = "no" if not apps else "more than one"
        raise DurableError(f"{folder / SCRIPT} has {number} function app at its top level; expected one.")
    (app,) = apps.values()
    found: list[Hosted] = _loaded(folder, lambda: functions_of(app, folder))
    return [one for one in found if wanted is None or one.label.lower() in wanted]


def _in_folders(folder: Path, settings: Settings, wanted: Collection[str] | None) -> list[Hosted]:
    """The functions of model v1, or those of them whose names in lower case are wanted."""
    found = []
    for place in sorted(folder.glob("*/function.json")):
        if wanted is not None and place.parent.name.lower() not in wanted:
            continue
        described = _json(place)
        disabled = described.get("disabled")
        if disabled is True or (isinstance(disabled, str) and settings.is_on(disabled)):
            continue
        bindings = described.get("bindings", [])
        if sum(map(is_trigger, bindings)) != 1:
            raise DurableError(f"{place} has no trigger, or more than one; a function has one.")
        script = place.parent / described.get("scriptFile", "__init__.py")
        entry = described.get("entryPoint", "main")
        function = _loaded(folder, partial(_entry, folder, script, entry))
        found.append(hosted(place.parent.name, function, bindings, place.parent))
    return found


def _entry(folder: Path, script: Path, entry: str) -> Any:
    if not script.is_file():
        raise DurableError(f"There is no file {script}.")
    parts = script.resolve().relative_to(folder).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    module = importlib.import_module(".".join((ROOT, *parts)))
    function = getattr(module, entry, None)
    if not callable(function):
        raise DurableError(f"{script} has no function {entry!r}.")
    return function


def _types(module: Any) -> list[type[Any]]:
    return [
        one
        for one in vars(module).values()
        if isinstance(one, type)
        and one.__module__ == module.__name__
        and hasattr(one, "to_json")
        and hasattr(one, "from_json")
    ]


def _json(file: Path, *, is_lenient: bool = False) -> dict[str, Any]:
    """What a file of the app says; nothing if there is none."""
    if not file.is_file():
        return {}
    try:
        text = file.read_text(encoding="utf-8-sig")
        found = json.loads(_strict(text) if is_lenient else text)
    except ValueError as error:
        raise DurableError(f"{file} isn't JSON: {error}.") from None
    if not isinstance(found, dict):
        raise DurableError(f"{file} is no JSON object.")
    return found


_TEXT = r'("(?:\\.|[^"\\])*")'

_COMMENT = re.compile(_TEXT + r"|//[^\n]*|/\*.*?\*/", re.DOTALL)

_LAST_COMMA = re.compile(_TEXT + r"|,(?=\s*[}\]])", re.DOTALL)


def _strict(text: str) -> str:
    """A text without what JSON doesn't have: comments, and commas after last items; its lines stay."""

    def kept(found: re.Match[str]) -> str:
        return found[1] or " " + "\n" * found[0].count("\n")

    return _LAST_COMMA.sub(kept, _COMMENT.sub(kept, text))


def _loaded(folder: Path, load: Callable[[], Any]) -> Any:
    """What the app's own code gives; what it raises is said with the line of the app that it came from."""
    try:
        return load()
    except DurableError:
        raise
    except Exception as error:
        raise DurableError(_told(folder, error)) from error


def _told(folder: Path, error: Exception) -> str:
    lines = [
        (Path(frame.filename), frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        if folder in Path(frame.filename).parents
    ]
    if isinstance(error, SyntaxError) and error.filename:
        lines.append((Path(error.filename), error.lineno))
    where = f"{lines[-1][0].relative_to(folder)}, line {lines[-1][1]}: " if lines else ""
    hint = ""
    if isinstance(error, ModuleNotFoundError):
        is_azures = error.name in ("azure", "azure.functions")
        hint = (
            " Install it: pip install 'durablenb[azure]'."
            if is_azures
            else " Install what the app needs, perhaps with its requirements.txt."
        )
    return (
        f"The function app in {folder} can't be loaded. {where}{type(error).__name__}: "
        f"{getattr(error, 'msg', None) or error}.{hint}"
    )
