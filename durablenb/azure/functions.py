"""The functions of an app: read from decorators, of durablenb or of Azure, in one form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from durablenb.core.app_model import (
    KINDS,
    Binding,
    Blueprint,
    DFApp,
    FunctionBuilder,
    Kind,
    is_trigger,
    own_name,
)
from durablenb.core.registry import mark

CLIENTS = ("durableclient", "orchestrationclient")
"""The types of a binding, in lower case, that gives a function the client."""


@dataclass(frozen=True)
class Hosted:
    """A function of an app.

    Parameters
    ----------
    name
        By which it is called, and known to people.
    function
        The user's own.
    bindings
        What it is called by and what else it is given or gives, as ``function.json`` has it.
    folder
        Where its app is; None for one that was made in a notebook.
    label
        Its own name, without the one that its trigger may give it; settings and tools know it by this.
    """

    name: str
    function: Callable[..., Any]
    bindings: Sequence[Binding]
    folder: Path | None = None
    label: str = ""

    @property
    def trigger(self) -> Binding:
        """What it is called by."""
        return next(one for one in self.bindings if is_trigger(one))

    @property
    def kind(self) -> Kind | None:
        """What it is to a hub; None for one that no orchestration calls."""
        return KINDS.get(self.trigger["type"])

    @property
    def others(self) -> list[Binding]:
        """What it is given or gives besides its trigger, but not what it answers over HTTP."""
        return [one for one in self.bindings if not is_trigger(one) and one["type"] != "http"]

    @property
    def foreign(self) -> list[Binding]:
        """Those of the others that durablenb doesn't have."""
        return [one for one in self.others if one["type"].lower() not in CLIENTS]


def is_out(binding: Binding) -> bool:
    """Whether it is something that the function gives."""
    return str(binding.get("direction", "in")).rpartition(".")[2].lower() == "out"


def is_app(value: object) -> bool:
    """Whether it is a function app: durablenb's, or one of Azure's packages."""
    return isinstance(value, DFApp) or (
        not isinstance(value, Blueprint) and hasattr(type(value), "get_functions")
    )


def functions_of(app: Any, folder: Path | None = None) -> list[Hosted]:
    """Return the functions of a `DFApp`, a `Blueprint`, or an app of Azure's own packages.

    Raises
    ------
    TypeError
        If it is none of them.
    ValueError
        If one of the functions has no trigger, or two have one name.
    """
    builders = getattr(app, "_function_builders", None)  # Azure's
    if not isinstance(builders, list) and hasattr(type(app), "get_functions"):
        return _unlike([_of_builder(builder, folder) for builder in app.get_functions()])
    if not isinstance(builders, list):
        raise TypeError(
            f"Expected a function app (a DFApp, a Blueprint, an azure.functions.FunctionApp) or the folder "
            f"of one, not a {type(app).__name__}."
        )
    level = getattr(app, "auth_level", None)
    return _unlike([_of_azure(builder, level, folder) for builder in builders])


def hosted(name: str, function: Any, bindings: Sequence[Binding], folder: Path | None) -> Hosted:
    """A function under its name, without what Azure's decorators wrapped it into."""
    for inner in ("orchestrator_function", "entity_function", "client_function"):
        function = getattr(function, inner, function)
    trigger = next(one for one in bindings if is_trigger(one))
    return Hosted(own_name(trigger) or name, function, bindings, folder, name)


def _of_builder(builder: FunctionBuilder, folder: Path | None) -> Hosted:
    return hosted(builder.own_name, builder.function, builder.bindings, folder)


def _of_azure(builder: Any, level: Any, folder: Path | None) -> Hosted:
    built = builder.build(level)
    bindings = [dict(one) for one in built.get_bindings_dict()["bindings"]]
    for one in bindings:
        methods = one.get("methods")
        one["methods"] = None if methods is None else [str(getattr(each, "value", each)) for each in methods]
    found = hosted(built.get_function_name(), built.get_user_function(), bindings, folder)
    mark(builder, found.name)  # so that it can be called by what the decorator gave
    return found


def _unlike(functions: list[Hosted]) -> list[Hosted]:
    names: set[tuple[Kind | None, str]] = set()
    for one in functions:
        if (one.kind, one.name) in names:
            raise ValueError(f"Two functions of the app are called {one.name!r}. Give one another name.")
        names.add((one.kind, one.name))
    return functions
