"""Tells the user's own modules, functions and classes from those of installed libraries."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from functools import lru_cache
from types import ModuleType
from typing import Any

_LIBRARY_FOLDERS = tuple(
    os.path.realpath(path) + os.sep
    for name, path in sysconfig.get_paths().items()
    if name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_SITE_FOLDERS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_OWN = __name__.partition(".")[0]


def is_users_module(name: object) -> bool:
    """Return False for the standard library, installed packages and durablenb; True for all other modules."""
    if not name or name == "__main__":
        return True
    if not isinstance(name, str):  # of a class that was made in C
        return False
    module = sys.modules.get(name)
    if module is None:
        return _is_users_place(name, _spec_place(name))
    return _is_users_place(name, _module_place(module))


def is_importable(value: Any) -> bool:
    """Return True if a function or class is the one that its module has under its name."""
    module, qualified = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not (isinstance(module, str) and isinstance(qualified, str)):
        return False
    found: Any = sys.modules.get(module)
    for name in qualified.split("."):
        found = getattr(found, name, None)
    return found is value


def _module_place(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return file
    folders = list(getattr(module, "__path__", ()))  # a package without __init__.py
    return str(folders[0]) if folders else None


def _spec_place(name: str) -> str | None:
    root = name.partition(".")[0]  # finding a submodule would import its package
    if root in sys.modules:
        return _module_place(sys.modules[root])
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError, AttributeError):
        return None
    return None if spec is None else spec.origin


@lru_cache(maxsize=4_096)
def _is_users_place(name: str, place: str | None) -> bool:
    root = name.partition(".")[0]
    if root == _OWN:
        return False
    if place in (None, "built-in", "frozen"):
        return root not in sys.stdlib_module_names and root not in sys.builtin_module_names
    path = os.path.realpath(str(place))
    return not (path.startswith(_LIBRARY_FOLDERS) or any(folder in path for folder in _SITE_FOLDERS))
