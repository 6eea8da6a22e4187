"""Azure's programming models: `Orchestrator.create`, `Entity.create`, `DFApp` and `Blueprint`.

The module is long because most of it is the reference of the decorators.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal

Kind = Literal["orchestrator", "activity", "entity"]

KINDS: dict[str, Kind] = {
    "orchestrationTrigger": "orchestrator",
    "activityTrigger": "activity",
    "entityTrigger": "entity",
}
"""The kind of function that each trigger of Durable Functions makes."""

Binding = dict[str, Any]
"""A function's trigger, input or output, as in ``function.json``."""

NO_OPENAI_AGENTS = (
    "Azure's integration of OpenAI Agents relies on running the orchestrator from its beginning after each "
    "event, which durablenb doesn't do. Use an agent of pydantic-ai instead: hub.agent(agent)."
)
"""Why Azure's decorator for OpenAI Agents isn't there, and what to use instead."""


class Orchestrator:
    """An orchestrator of Azure's first programming model.

    Examples
    --------
    >>> import durablenb as df
    >>> def orchestrator_function(context):
    ...     return (yield context.call_activity("F1", None))
    >>> main = df.Orchestrator.create(orchestrator_function)
    >>> with df.TaskHub(":memory:", mode="kernel") as hub:
    ...     hub.add_orchestrator(main, name="Chaining")
    ...     hub.add_activity(lambda: "done", name="F1")
    ...     hub.run("Chaining")
    'done'
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.orchestrator_function = function
        """The orchestrator's function, for tests."""

    @classmethod
    def create(cls, function: Callable[..., Any]) -> Orchestrator:
        """Return an orchestrator that can be registered with a hub.

        Parameters
        ----------
        function
            A generator function, an ``async def`` or a plain function of the context.
        """
        if not callable(function):
            raise TypeError(f"Expected a function, not a {type(function).__name__}.")
        return cls(function)

    def __call__(self, context: Any) -> Any:
        """Call the function itself."""
        return self.orchestrator_function(context)

    def __repr__(self) -> str:
        return f"<Orchestrator {self.orchestrator_function.__qualname__}>"


class Entity:
    """An entity of Azure's first programming model.

    Examples
    --------
    >>> import durablenb as df
    >>> def entity_function(context):
    ...     context.set_state(context.get_state(lambda: 0) + context.get_input())
    >>> main = df.Entity.create(entity_function)
    >>> with df.TaskHub(":memory:", mode="kernel") as hub:
    ...     hub.add_entity(main, name="Counter")
    ...     hub.client.signal_entity(df.EntityId("Counter", "a"), "add", 5)
    ...     while hub.step():
    ...         pass
    ...     hub.entity_state(df.EntityId("Counter", "a"))
    5
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.entity_function = function
        """The entity's function, for tests."""

    @classmethod
    def create(cls, function: Callable[..., Any]) -> Entity:
        """Return an entity that can be registered with a hub.

        Parameters
        ----------
        function
            A function of the context, or a class whose methods are the operations.
        """
        if not callable(function):
            raise TypeError(f"Expected a function or a class, not a {type(function).__name__}.")
        return cls(function)

    def __call__(self, context: Any) -> Any:
        """Call the function itself."""
        return self.entity_function(context)

    def __repr__(self) -> str:
        return f"<Entity {self.entity_function.__qualname__}>"


class FunctionBuilder:
    """A function with an app's decorators; `call_activity` and other methods accept it as a name."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.given_name: str | None = None
        self.bindings: list[Binding] = []
        """The trigger, inputs and outputs."""

    @property
    def trigger(self) -> Binding | None:
        """The function's trigger, or None."""
        return next((binding for binding in self.bindings if is_trigger(binding)), None)

    @property
    def kind(self) -> Kind | None:
        """The kind for a hub: orchestrator, activity or entity; None for other functions."""
        return KINDS.get((self.trigger or {}).get("type", ""))

    @property
    def name(self) -> str:
        """The name from the trigger, else from ``@app.function_name``, else the function's."""
        return own_name(self.trigger or {}) or self.own_name

    @property
    def own_name(self) -> str:
        """The name from ``@app.function_name``, else the function's."""
        return self.given_name or self.function.__name__

    def add(self, binding: Binding) -> None:
        """Add a trigger or another binding.

        Raises
        ------
        ValueError
            If there are two triggers.
        """
        if is_trigger(binding) and self.trigger is not None:
            raise ValueError(
                f"The function {self.name!r} has two triggers, {self.trigger['type']} and {binding['type']}. "
                "A function has one."
            )
        self.bindings.append(binding)

    @property
    def __durable_name__(self) -> str:
        return self.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self.kind or (self.trigger or {}).get('type', 'function without a trigger')} {self.name}>"


def is_trigger(binding: Binding) -> bool:
    """Tell whether a binding is a trigger."""
    return str(binding["type"]).lower().endswith("trigger")


def own_name(trigger: Binding) -> str | None:
    """Return the name that a trigger of Durable Functions gives its function, or None."""
    return trigger.get("orchestration") or trigger.get("activity") or trigger.get("entityName") or None


Decorator = Callable[[Any], FunctionBuilder]


class Blueprint:
    """Functions that are registered together, with the decorators of Azure's second programming model.

    Examples
    --------
    >>> import durablenb as df
    >>> bp = df.Blueprint()
    >>> @bp.activity_trigger(input_name="city")
    ... def hello(city):
    ...     return f"Hello {city}!"
    >>> @bp.orchestration_trigger(context_name="context")
    ... def greet(context):
    ...     return (yield context.call_activity(hello, "Tokyo"))
    >>> with df.TaskHub(":memory:", mode="kernel") as hub:
    ...     hub.add_app(bp)
    ...     hub.run("greet")
    'Hello Tokyo!'
    """

    def __init__(self, http_auth_level: Any = None) -> None:
        self._builders: list[FunctionBuilder] = []

    def function_name(self, name: str) -> Decorator:
        """Give a function another name."""

        def decorate(function: Any) -> FunctionBuilder:
            builder = self._builder(function)
            builder.given_name = name
            return builder

        return decorate

    def orchestration_trigger(
        self, context_name: str, orchestration: str | None = None, input_type: type[Any] | None = None
    ) -> Decorator:
        """Make a function an orchestrator.

        Parameters
        ----------
        context_name
            Its parameter for the context.
        orchestration
            Its name, if it isn't the function's.
        input_type
            Accepted for compatibility with Azure; pass the type to ``context.get_input`` instead.

        Raises
        ------
        ValueError
            If the function has no such parameter.
        """
        return self._trigger(
            {"type": "orchestrationTrigger", "name": context_name, "orchestration": orchestration}
        )

    def activity_trigger(self, input_name: str, activity: str | None = None) -> Decorator:
        """Make a function an activity.

        Parameters
        ----------
        input_name
            Its parameter for the input.
        activity
            Its name, if it isn't the function's.

        Raises
        ------
        ValueError
            If the function has no such parameter.
        """
        return self._trigger({"type": "activityTrigger", "name": input_name, "activity": activity})

    def entity_trigger(self, context_name: str, entity_name: str | None = None) -> Decorator:
        """Make a function an entity.

        Parameters
        ----------
        context_name
            Its parameter for the context.
        entity_name
            Its name, if it isn't the function's.

        Raises
        ------
        ValueError
            If the function has no such parameter.
        """
        return self._trigger({"type": "entityTrigger", "name": context_name, "entityName": entity_name})

    def route(
        self,
        route: str | None = None,
        trigger_arg_name: str = "req",
        binding_arg_name: str = "$return",
        methods: Iterable[Any] | None = None,
        auth_level: Any = None,
    ) -> Decorator:
        """Make a function answer HTTP requests, if the hub is served.

        Parameters
        ----------
        route
            Its path below ``/api``, such as ``"orders/{id}"``; defaults to the function's name.
        trigger_arg_name
            Its parameter for the ``azure.functions.HttpRequest``.
        binding_arg_name
            Its parameter for the response, if it doesn't return it.
        methods
            The methods that it answers; defaults to all.
        auth_level
            Accepted for compatibility with Azure; the server's key gives access to everything.

        Raises
        ------
        ValueError
            If the function has no such parameter.
        """
        named = None if methods is None else [str(getattr(method, "value", method)) for method in methods]
        trigger = {"type": "httpTrigger", "name": trigger_arg_name, "route": route, "methods": named}
        returned = {"type": "http", "name": binding_arg_name, "direction": "OUT"}
        return self._trigger(trigger, returned)

    def timer_trigger(
        self,
        arg_name: str,
        schedule: str,
        run_on_startup: bool | None = None,
        use_monitor: bool | None = None,
    ) -> Decorator:
        """Make a function run on a schedule, as long as the hub is open.

        Parameters
        ----------
        arg_name
            Its parameter for the ``azure.functions.TimerRequest``.
        schedule
            Second, minute, hour, day, month and day of the week, such as ``"0 */5 * * * *"``; UTC.
        run_on_startup
            Also run it when it is registered.
        use_monitor
            Accepted for compatibility with Azure; runs that were due while the hub was closed are skipped.

        Raises
        ------
        ValueError
            If the function has no such parameter.
        """
        return self._trigger(
            {
                "type": "timerTrigger",
                "name": arg_name,
                "schedule": schedule,
                "runOnStartup": run_on_startup,
            }
        )

    schedule = timer_trigger

    def durable_client_input(
        self, client_name: str, task_hub: str | None = None, connection_name: str | None = None
    ) -> Decorator:
        """Give a function a `DurableOrchestrationClient`.

        Parameters
        ----------
        client_name
            Its parameter for the client.
        task_hub, connection_name
            Accepted for compatibility with Azure; there is one hub.

        Raises
        ------
        ValueError
            If the function has no such parameter.
        """
        return self._trigger({"type": "durableClient", "name": client_name, "direction": "IN"})

    def __getattr__(self, name: str) -> Callable[..., Decorator]:
        """Accept one of Azure's other triggers and bindings, of which `hub.add_app` then warns."""
        kind = re.fullmatch(r"([a-z]\w*)_(trigger|input|output)", name)
        if kind is None:
            instead = f" {NO_OPENAI_AGENTS}" if name == "durable_openai_agent_orchestrator" else ""
            raise AttributeError(f"{type(self).__name__} has no decorator {name!r}.{instead}")
        words = kind[1].replace("warm_up", "warmup").split("_") + (
            ["trigger"] if kind[2] == "trigger" else []
        )
        what = words[0] + "".join(map(str.capitalize, words[1:]))
        direction = "OUT" if kind[2] == "output" else "IN"

        def foreign(arg_name: str, *_: Any, **fields: Any) -> Decorator:
            return self._trigger({"type": what, "name": arg_name, "direction": direction, **fields})

        return foreign

    def register_functions(self, other: Blueprint) -> None:
        """Add the functions of another blueprint.

        Raises
        ------
        TypeError
            If `other` is a blueprint of ``azure.functions``; pass that to ``hub.add_app`` instead.
        """
        if not isinstance(other, Blueprint):
            raise TypeError(
                f"Expected a durablenb.Blueprint, not a {type(other).__name__}. Give it to hub.add_app, too."
            )
        self._builders.extend(other._builders)

    register_blueprint = register_functions

    def get_functions(self) -> list[FunctionBuilder]:
        """Return the decorated functions, in order.

        Raises
        ------
        ValueError
            If a function has a name but no trigger.
        """
        for builder in self._builders:
            if builder.trigger is None:
                raise ValueError(
                    f"The function {builder.name!r} has no trigger. Put @app.orchestration_trigger, "
                    "@app.activity_trigger, @app.entity_trigger or @app.route under its @app.function_name."
                )
        return list(self._builders)

    def _trigger(self, *bindings: Binding) -> Decorator:
        def decorate(function: Any) -> FunctionBuilder:
            builder = self._builder(function)
            parameter, known = bindings[0]["name"], list(inspect.signature(builder.function).parameters)
            if parameter not in known and parameter != "$return":
                raise ValueError(
                    f"{builder.function.__name__} has no parameter {parameter!r}; it has {known}. "
                    "The trigger names the function's own parameter."
                )
            for binding in bindings:
                builder.add(binding)
            return builder

        return decorate

    def _builder(self, function: Any) -> FunctionBuilder:
        if isinstance(function, FunctionBuilder):
            return function
        builder = FunctionBuilder(function)
        self._builders.append(builder)
        return builder


class DFApp(Blueprint):
    """A function app: a `Blueprint`; register it with ``hub.add_app``."""
