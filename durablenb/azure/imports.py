"""Imports of a function app: ``azure.durable_functions`` is durablenb, and its folder comes first."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from durablenb.azure import azures
from durablenb.core import tasks

DURABLE = "azure.durable_functions"

ROOT = "__app__"
"""The package that folders of functions are in, so that they can import each other by ``..``."""

_PACKAGES = ".python_packages/lib/site-packages"
"""Where Azure's tools install what an app needs."""

MODULES = {
    DURABLE,
    *(
        f"{DURABLE}.{name}"
        for name in (
            "constants",
            "decorators",
            "decorators.durable_app",
            "entity",
            "models",
            "models.utils",
            "orchestrator",
            "testing",
            "testing.OrchestratorGeneratorWrapper",
        )
    ),
    *(
        f"{DURABLE}.models.{name}"
        for name in (
            "DurableEntityContext",
            "DurableOrchestrationBindings",
            "DurableOrchestrationClient",
            "DurableOrchestrationContext",
            "DurableOrchestrationStatus",
            "EntityStateResponse",
            "OrchestrationRuntimeStatus",
            "PurgeHistoryResult",
            "RetryOptions",
            "Task",
            "TokenSource",
            "utils.entity_utils",
        )
    ),
}
"""Azure's modules that durablenb stands for."""

_TASKS = ("TaskBase", "AtomicTask", "CompoundTask", "TimerTask", "WhenAllTask", "WhenAnyTask")

_NEWER = ("DurableFunctionsClient", "SyncDurableFunctionsClient", "RetryPolicy")
"""What only Azure's version 2 has."""

_KEPT = sys.stdlib_module_names | {"azure", "durablenb"}


class AppImports:
    """While it is entered, imports are those of a function app.

    Afterwards the process has the modules that it had before: what the app imported is the app's alone.

    Parameters
    ----------
    folder
        Where the app is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._finder = _Finder()
        self._path = [str(folder), str(folder / _PACKAGES)]
        self._before: dict[str, ModuleType] = {}
        self._kept: set[str] = set()

    def __enter__(self) -> Self:
        names = {DURABLE, ROOT, *self._names()}
        self._before = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_in(name, names)}
        self._kept = set(sys.modules)
        _set_durable(None)
        sys.meta_path.insert(0, self._finder)
        sys.path[:0] = self._path
        root = ModuleType(ROOT)
        root.__path__ = [str(self._folder)]
        sys.modules[ROOT] = root
        importlib.invalidate_caches()
        return self

    def __exit__(self, *_: object) -> None:
        for name, module in list(sys.modules.items()):
            is_new = name not in self._kept and _is_source(module, self._folder)
            if is_new or _is_in(name, {DURABLE, ROOT}):
                del sys.modules[name]
        sys.modules.update(self._before)
        _set_durable(self._before.get(DURABLE))
        sys.meta_path.remove(self._finder)
        for path in self._path:
            with contextlib.suppress(ValueError):  # the app took it out itself
                sys.path.remove(path)

    def _names(self) -> Iterator[str]:
        """What can be imported from the folder by its own name."""
        for place in self._folder.iterdir():
            is_module = place.suffix == ".py" or (place.is_dir() and any(place.glob("*.py")))
            if is_module and place.stem not in _KEPT:
                yield place.stem


def own_modules(folder: Path) -> list[ModuleType]:
    """Return the modules that were imported from a folder."""
    return [module for module in list(sys.modules.values()) if _is_source(module, folder)]


def _is_source(module: ModuleType, folder: Path) -> bool:
    """Whether a module is from a folder, and not from a package that is installed there."""
    try:
        found = [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
        places = [Path(place) for place in found if place]
    except Exception:  # a module that fails when it is looked at
        return False
    return any(
        folder in one.parents and "site-packages" not in one.relative_to(folder).parts for one in places
    )


class _Finder(MetaPathFinder, Loader):
    """Finds durablenb where ``azure.durable_functions`` is imported, or a module of it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find it."""
        return ModuleSpec(fullname, self, is_package=True) if fullname in MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make it."""
        return _Durable(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave it as it is: its names are looked up."""


class _Durable(ModuleType):
    """A module that has durablenb's names, and Azure's decorators."""

    def __getattr__(self, name: str) -> Any:
        if name in ("DFApp", "Blueprint"):
            from durablenb.azure import decorators

            return getattr(decorators, name)
        if name == "DurableOrchestrationClient":
            from durablenb.azure.client import AzureClient

            return AzureClient
        if name in azures.__all__:
            return getattr(azures, name)
        durablenb = sys.modules["durablenb"]
        if name == "__all__" or name in durablenb.__all__:
            return getattr(durablenb, name)
        if name in _TASKS:
            return getattr(tasks, name)
        newer = ", a name of version 2; durablenb's are those of 1.x" if name in _NEWER else ""
        raise AttributeError(f"module {self.__name__!r} is durablenb here, which has no {name!r}{newer}")

    def __setattr__(self, name: str, value: Any) -> None:
        names = {*sys.modules["durablenb"].__all__, *azures.__all__}
        if name not in names:  # Azure's modules are called as the classes in them
            super().__setattr__(name, value)


def _set_durable(module: ModuleType | None) -> None:
    """Lets ``from azure import durable_functions`` give a module, or look for one."""
    azure = sys.modules.get("azure")
    if azure is not None:
        vars(azure).pop("durable_functions", None)
        if module is not None:
            vars(azure)["durable_functions"] = module


def _is_in(name: str, packages: set[str]) -> bool:
    """Whether a module is one of these packages or in one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)
