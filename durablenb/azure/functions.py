"""The functions of an app in one form, read from the decorators of durablenb or of Azure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from durablenb.core.app_model import (
    KINDS,
    NO_OPENAI_AGENTS,
    Binding,
    Blueprint,
    DFApp,
    FunctionBuilder,
    Kind,
    is_trigger,
    own_name,
)
from durablenb.core.registry import mark
from durablenb.model.errors import DurableError

CLIENTS = ("durableclient", "orchestrationclient")
"""The types of client bindings, in lower case."""


@dataclass(frozen=True)
class AppFunction:
    """A function of an app.

    Parameters
    ----------
    name
        The name by which it is called.
    function
        The user's function.
    bindings
        Its trigger, inputs and outputs, as in ``function.json``.
    folder
        The app's folder; None for an app in a notebook.
    label
        The function's own name, ignoring the trigger's, for settings and tools.
    """

    name: str
    function: Callable[..., Any]
    bindings: Sequence[Binding]
    folder: Path | None = None
    label: str = ""

    @property
    def trigger(self) -> Binding:
        """The function's trigger."""
        return next(binding for binding in self.bindings if is_trigger(binding))

    @property
    def kind(self) -> Kind | None:
        """The kind for a hub: orchestrator, activity or entity; None for other functions."""
        return KINDS.get(self.trigger["type"])

    @property
    def others(self) -> list[Binding]:
        """The inputs and outputs besides the trigger and the HTTP response."""
        return [binding for binding in self.bindings if not is_trigger(binding) and binding["type"] != "http"]

    @property
    def foreign(self) -> list[Binding]:
        """The inputs and outputs that durablenb doesn't support."""
        return [binding for binding in self.others if binding["type"].lower() not in CLIENTS]


def is_output(binding: Binding) -> bool:
    """Tell whether a binding is an output."""
    return str(binding.get("direction", "in")).rpartition(".")[2].lower() == "out"


def is_app(value: object) -> bool:
    """Tell whether a value is a function app of durablenb or of Azure's packages."""
    return isinstance(value, DFApp) or (
        not isinstance(value, Blueprint) and hasattr(type(value), "get_functions")
    )


def app_functions(app: Any, folder: Path | None = None) -> list[AppFunction]:
    """Return the functions of a `DFApp`, a `Blueprint`, or an app of Azure's own packages.

    Raises
    ------
    TypeError
        If `app` is none of these.
    ValueError
        If a function has no trigger, or two functions have the same name.
    """
    builders = getattr(app, "_function_builders", None)  # Azure's
    if not isinstance(builders, list) and hasattr(type(app), "get_functions"):
        return _distinct([_from_builder(builder, folder) for builder in app.get_functions()])
    if not isinstance(builders, list):
        raise TypeError(
            f"Expected a function app (a DFApp, a Blueprint, an azure.functions.FunctionApp) or the folder "
            f"of one, not a {type(app).__name__}."
        )
    level = getattr(app, "auth_level", None)
    return _distinct([_from_azure(builder, level, folder) for builder in builders])


def app_function(name: str, function: Any, bindings: Sequence[Binding], folder: Path | None) -> AppFunction:
    """Return a function without the wrappers of Azure's decorators, under the name from its trigger."""
    for inner in ("orchestrator_function", "entity_function", "client_function"):
        function = getattr(function, inner, function)
    code = getattr(function, "__code__", None)
    if code is not None and code.co_name == "generator_wrapper" and "durable_functions" in code.co_filename:
        raise DurableError(f"The orchestrator {name!r} can't run here. {NO_OPENAI_AGENTS}")
    trigger = next(binding for binding in bindings if is_trigger(binding))
    return AppFunction(own_name(trigger) or name, function, bindings, folder, name)


def _from_builder(builder: FunctionBuilder, folder: Path | None) -> AppFunction:
    return app_function(builder.own_name, builder.function, builder.bindings, folder)


def _from_azure(builder: Any, level: Any, folder: Path | None) -> AppFunction:
    built = builder.build(level)
    bindings = [dict(binding) for binding in built.get_bindings_dict()["bindings"]]
    for binding in bindings:
        methods = binding.get("methods")
        if methods is not None:
            methods = [str(getattr(method, "value", method)) for method in methods]
        binding["methods"] = methods
    function = app_function(built.get_function_name(), built.get_user_function(), bindings, folder)
    mark(builder, function.name)  # so that an orchestrator can call the decorated object
    return function


def _distinct(functions: list[AppFunction]) -> list[AppFunction]:
    names: set[tuple[Kind | None, str]] = set()
    for function in functions:
        if (function.kind, function.name) in names:
            raise ValueError(f"Two functions of the app are called {function.name!r}. Give one another name.")
        names.add((function.kind, function.name))
    return functions
