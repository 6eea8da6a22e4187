"""Loads function apps from folders with the layout of Azure's tools: models v2 and v1."""

from __future__ import annotations

import importlib
import sys
import threading
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from durablenb.azure.functions import AppFunction, app_function, app_functions, is_app
from durablenb.azure.imports import DURABLE, ROOT, AppImports, own_modules
from durablenb.azure.settings import Settings, local_settings, read_json
from durablenb.core.app_model import is_trigger
from durablenb.model.errors import DurableError

SCRIPT = "function_app.py"

_loading = threading.RLock()
"""Held while an app is loaded, since its imports are then those of the process."""


@dataclass(frozen=True)
class Project:
    """A function app.

    Parameters
    ----------
    functions
        The functions.
    prefix
        The first part of the paths of HTTP triggers.
    version
        The version of orchestrations that are started without one.
    types
        Classes with ``to_json`` and ``from_json``, whose values need no annotation, as in Azure.
    settings
        The values of ``%NAME%``, and the disabled functions.
    replaces_open
        Replace an open instance if another one is started with its id.
    imports_azure
        True if the code imports ``azure.durable_functions``, and not durablenb by its own name.
    """

    functions: list[AppFunction]
    prefix: str = "api"
    version: str | None = None
    types: list[type[Any]] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    replaces_open: bool = False
    imports_azure: bool = False


def is_project(folder: Path) -> bool:
    """Tell whether a folder contains a function app."""
    return (folder / SCRIPT).is_file() or any(folder.glob("*/function.json"))


def read_project(folder: Path) -> Project:
    """Load the app in a folder, and restore the process's modules and paths.

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
    """Load the app in a folder, inside of its `AppImports`.

    Parameters
    ----------
    folder
        A folder with ``function_app.py``; or, in model v1, with a folder for each function.

    Raises
    ------
    DurableError
        If there is no app, or it can't be imported; the message names the line.
    """
    if not is_project(folder):
        raise DurableError(
            f"There is no function app in {folder}: neither {SCRIPT} nor folders with function.json."
        )
    host, settings = read_json(folder / "host.json"), Settings(local_settings(folder))
    listed = host.get("functions")
    labels = None if listed is None else {str(label).lower() for label in listed}
    is_v2 = (folder / SCRIPT).is_file()
    functions = _v2_functions(folder, labels) if is_v2 else _v1_functions(folder, settings, labels)
    extensions = host.get("extensions", {})
    durable = extensions.get("durableTask", {})
    return Project(
        functions,
        str(extensions.get("http", host.get("http", {})).get("routePrefix", "api")),
        durable.get("defaultVersion"),
        [kind for module in own_modules(folder) for kind in _json_classes(module)],
        settings,
        str(durable.get("overridableExistingInstanceStates", "")).lower() == "anystate",
        DURABLE in sys.modules,
    )


def _v2_functions(folder: Path, labels: Collection[str] | None) -> list[AppFunction]:
    """Return the functions of ``function_app.py``, all or those with these labels, in lower case."""
    module = _run(folder, lambda: importlib.import_module("function_app"))
    apps = {id(value): value for value in vars(module).values() if is_app(value)}
    if len(apps) != 1:
        number = "no" if not apps else "more than one"
        raise DurableError(f"{folder / SCRIPT} has {number} function app at its top level; expected one.")
    (app,) = apps.values()
    functions: list[AppFunction] = _run(folder, lambda: app_functions(app, folder))
    return [function for function in functions if labels is None or function.label.lower() in labels]


def _v1_functions(folder: Path, settings: Settings, labels: Collection[str] | None) -> list[AppFunction]:
    """Return the functions of model v1, all or those with these labels, in lower case."""
    functions = []
    for file in sorted(folder.glob("*/function.json")):
        if labels is not None and file.parent.name.lower() not in labels:
            continue
        definition = read_json(file)
        disabled = definition.get("disabled")
        if disabled is True or (isinstance(disabled, str) and settings.is_on(disabled)):
            continue
        bindings = definition.get("bindings", [])
        if sum(map(is_trigger, bindings)) != 1:
            raise DurableError(f"{file} has no trigger, or more than one; a function has one.")
        script = file.parent / definition.get("scriptFile", "__init__.py")
        entry = definition.get("entryPoint", "main")
        function = _run(folder, partial(_entry_point, folder, script, entry))
        functions.append(app_function(file.parent.name, function, bindings, file.parent))
    return functions


def _entry_point(folder: Path, script: Path, entry: str) -> Any:
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


def _json_classes(module: Any) -> list[type[Any]]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and hasattr(value, "to_json")
        and hasattr(value, "from_json")
    ]


def _run(folder: Path, load: Callable[[], Any]) -> Any:
    """Run code of the app; an error's message gets the line of the app that raised it."""
    try:
        return load()
    except DurableError:
        raise
    except Exception as error:
        raise DurableError(_load_error(folder, error)) from error


def _load_error(folder: Path, error: Exception) -> str:
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
        hint = (
            " Install it: pip install 'durablenb[azure]'."
            if error.name in ("azure", "azure.functions")
            else " Install what the app needs, perhaps with its requirements.txt."
        )
    return (
        f"The function app in {folder} can't be loaded. {where}{type(error).__name__}: "
        f"{getattr(error, 'msg', None) or error}.{hint}"
    )
