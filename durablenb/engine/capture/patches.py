"""Patches of modules that are imported already, or as soon as they are; all can be undone."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import FunctionType, ModuleType
from typing import Any

Undo = Callable[[], None]
Patch = Callable[[ModuleType], "list[Undo]"]
"""Patches a module; returns what undoes that."""

_ABSENT = object()


class ModulePatches(MetaPathFinder):
    """Patches of modules, by the modules' names.

    A module that isn't imported yet is patched when it is: nothing is imported because of a patch.

    Parameters
    ----------
    patches
        The patches.
    """

    def __init__(self, patches: Mapping[str, Patch]) -> None:
        self._patches = patches
        self._undo: list[Undo] = []
        self._is_installed = False

    def install(self) -> None:
        """Patch the modules that are imported, and the others as soon as they are."""
        self._is_installed = True
        for name in self._patches:
            if name in sys.modules:
                self._patch(sys.modules[name])
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Undo all patches."""
        self._is_installed = False
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(self)
        while self._undo:
            self._undo.pop()()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Have a module patched after its import."""
        if fullname not in self._patches:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        loader: Any = spec.loader
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._patch(module)

        loader.exec_module = exec_module
        return spec

    def _patch(self, module: ModuleType) -> None:
        if self._is_installed:
            with contextlib.suppress(Exception):  # another version of the library, which has other names
                self._undo += self._patches[module.__name__](module)


def replace_attribute(owner: Any, name: str, value: Any) -> Undo:
    """Set an attribute of a class or a module; return what restores it, unless it was replaced again."""
    before = vars(owner).get(name, _ABSENT)
    setattr(owner, name, value)

    def undo() -> None:
        if vars(owner).get(name) is not value:
            return
        if before is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, before)

    return undo


def replace_code(function: FunctionType, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Undo:
    """Replace what a function does; it stays the object that other modules have imported by name.

    Parameters
    ----------
    function
        The function.
    make
        Returns what it does instead, given a function that does what it did.

    Raises
    ------
    ValueError
        If it is a closure.
    """
    code, defaults = function.__code__, function.__defaults__
    original = FunctionType(code, function.__globals__, function.__name__, defaults)
    original.__kwdefaults__ = function.__kwdefaults__
    hidden = f"_durablenb_{function.__name__}"
    scope: dict[str, Any] = {}
    exec(f"def f(*args, **kwargs): return {hidden}(*args, **kwargs)", scope)
    new = scope["f"].__code__.replace(co_name=function.__name__)
    function.__globals__[hidden] = make(original)
    function.__defaults__ = None  # before the code, which has no parameter for them
    function.__code__ = new

    def undo() -> None:
        if function.__code__ is new:
            function.__code__, function.__defaults__ = code, defaults

    return undo
