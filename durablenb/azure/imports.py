"""Imports of a function app: its folder comes first, and ``azure.durable_functions`` is durablenb."""

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

from durablenb.azure import azure_names
from durablenb.core import tasks

DURABLE = "azure.durable_functions"

ROOT = "__app__"
"""The parent package of the functions' folders, so that they can import each other by ``..``."""

_PACKAGES = ".python_packages/lib/site-packages"
"""The folder into which Azure's tools install an app's dependencies."""

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
"""Azure's modules that durablenb replaces."""

_TASKS = ("TaskBase", "AtomicTask", "CompoundTask", "TimerTask", "WhenAllTask", "WhenAnyTask")

_NEWER = ("DurableFunctionsClient", "SyncDurableFunctionsClient", "RetryPolicy")
"""Names of Azure's version 2 only."""

_KEPT = sys.stdlib_module_names | {"azure", "durablenb"}


class AppImports:
    """A context in which imports are those of a function app.

    Afterwards the process has the modules that it had before; the app keeps its own.

    Parameters
    ----------
    folder
        The app's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._finder = _Finder()
        self._path = [str(folder), str(folder / _PACKAGES)]
        self._before: dict[str, ModuleType] = {}
        self._kept: set[str] = set()

    def __enter__(self) -> Self:
        names = {DURABLE, ROOT, *self._names()}
        self._before = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_within(name, names)}
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
            if is_new or _is_within(name, {DURABLE, ROOT}):
                del sys.modules[name]
        sys.modules.update(self._before)
        _set_durable(self._before.get(DURABLE))
        sys.meta_path.remove(self._finder)
        for path in self._path:
            with contextlib.suppress(ValueError):  # the app removed it itself
                sys.path.remove(path)

    def _names(self) -> Iterator[str]:
        """Yield the names of the folder's top-level modules."""
        for path in self._folder.iterdir():
            is_module = path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
            if is_module and path.stem not in _KEPT:
                yield path.stem


def own_modules(folder: Path) -> list[ModuleType]:
    """Return the modules that were imported from a folder."""
    return [module for module in list(sys.modules.values()) if _is_source(module, folder)]


def _is_source(module: ModuleType, folder: Path) -> bool:
    """Tell whether a module is from a folder, and not from a package that is installed there."""
    try:
        names = [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
        paths = [Path(name) for name in names if name]
    except Exception:  # a module whose attributes fail
        return False
    return any(
        folder in path.parents and "site-packages" not in path.relative_to(folder).parts for path in paths
    )


class _Finder(MetaPathFinder, Loader):
    """Finds durablenb where ``azure.durable_functions`` is imported, or a module of it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a replaced module, or None for other modules."""
        return ModuleSpec(fullname, self, is_package=True) if fullname in MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return a module with durablenb's names."""
        return _Durable(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module looks its names up."""


class _Durable(ModuleType):
    """A module with durablenb's names, and Azure's decorators."""

    def __getattr__(self, name: str) -> Any:
        if name in ("DFApp", "Blueprint"):
            from durablenb.azure import decorators

            return getattr(decorators, name)
        if name == "DurableOrchestrationClient":
            from durablenb.azure.client import AzureClient

            return AzureClient
        if name in azure_names.__all__:
            return getattr(azure_names, name)
        durablenb = sys.modules["durablenb"]
        if name == "__all__" or name in durablenb.__all__:
            return getattr(durablenb, name)
        if name in _TASKS:
            return getattr(tasks, name)
        newer = ", a name of version 2; durablenb's are those of 1.x" if name in _NEWER else ""
        raise AttributeError(f"module {self.__name__!r} is durablenb here, which has no {name!r}{newer}")

    def __setattr__(self, name: str, value: Any) -> None:
        names = {*sys.modules["durablenb"].__all__, *azure_names.__all__}
        if name not in names:  # some of Azure's modules have the names of the classes in them
            super().__setattr__(name, value)


def _set_durable(module: ModuleType | None) -> None:
    """Make ``from azure import durable_functions`` return a module, or search for it if there is none."""
    azure = sys.modules.get("azure")
    if azure is not None:
        vars(azure).pop("durable_functions", None)
        if module is not None:
            vars(azure)["durable_functions"] = module


def _is_within(name: str, packages: set[str]) -> bool:
    """Tell whether a module is one of these packages, or in one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)
