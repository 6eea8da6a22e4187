"""The command ``durablenb serve``: a hub with an app in a process of its own, served over HTTP."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import traceback
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TextIO

from durablenb.azure.functions import is_app
from durablenb.azure.imports import AppImports
from durablenb.azure.projects import load_project
from durablenb.azure.settings import local_settings
from durablenb.hub.task_hub import TaskHub
from durablenb.model.errors import DurableError

KEY = "DURABLENB_KEY"
"""The environment variable for a key; on a command line, other users could read it."""


def serve(
    file: Path,
    app: Path,
    *,
    host: str,
    port: int,
    public_url: str | None,
    is_keyless: bool,
    takes_sql: bool,
    body_limit: int | None,
    keep_generations: int | None,
    out: TextIO,
) -> int:
    """Open a hub, register an app, and serve it until the process is interrupted.

    Parameters
    ----------
    file
        The hub's file.
    app
        The folder of a function app; or a Python file, in which ``hub`` is the hub, and whose function apps
        are registered.
    host, port, public_url, body_limit
        As for `TaskHub.serve`.
    is_keyless
        Accept requests without a key; otherwise the key is that of the environment, or a random one.
    takes_sql
        Allow SQL queries, with the key.
    keep_generations
        As for `TaskHub`.
    out
        Receives the address and the key.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    DurableError
        If the hub can't be opened or served.
    """
    if not app.exists():
        raise DurableError(
            f"There is no file or folder {app}. It has to be Python, with your functions in it, or the "
            "folder of a function app."
        )
    key = "" if is_keyless else os.environ.get(KEY) or None
    signal.signal(signal.SIGTERM, _interrupt)
    with _imports(app), TaskHub(file, keep_generations=keep_generations) as hub:
        try:
            load(app, hub)
        except Exception:  # the file's code may raise anything
            if app.is_dir():  # whose errors name the line
                raise
            traceback.print_exc()
            return 1
        with hub.serve(
            port, key, host, public_url=public_url, sql=takes_sql, body_limit=body_limit
        ) as server:
            print(f"{file.name} is served at {server.url}", file=out)
            if server.key and key is None:
                print(f"The key is {server.key}", file=out)
                print(f"Its page, for a browser: {server.page_url}", file=out)
            for line in hub._hosting().describe_routes(server.url):
                print(line, file=out)
            stop = "Ctrl+C stops it; unfinished orchestrations resume when it is served again."
            print(stop, file=out, flush=True)
            try:
                server.wait()
            except KeyboardInterrupt:
                print("Waiting for running activities …", file=out, flush=True)
    return 0


def load(app: Path, hub: TaskHub) -> None:
    """Register the function app of a folder; or run a Python file in which ``hub`` is this hub."""
    if app.is_dir():
        _load_project(app, hub)
        return
    name = app.stem if app.stem not in sys.modules else f"served_{app.stem}"
    spec = importlib.util.spec_from_file_location(name, app)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    module.hub = hub
    sys.modules[name] = module  # so that its functions can be pickled
    sys.path.insert(0, str(app.resolve().parent))  # as Python does for a script
    spec.loader.exec_module(module)
    for value in list(vars(module).values()):
        if is_app(value):
            hub.add_app(value)


def _imports(app: Path) -> AbstractContextManager[object]:
    """Return a context for imports of a function app, as long as it is served."""
    return AppImports(app.resolve()) if app.is_dir() else nullcontext()


def _load_project(folder: Path, hub: TaskHub) -> None:
    for name, value in local_settings(folder).items():
        os.environ.setdefault(name, value)  # as Azure's local tools do
    hub.add_app(load_project(folder.resolve()))


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
