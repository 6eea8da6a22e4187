"""Azure's ways to write functions down: `Orchestrator.create`, `DFApp` and `Blueprint`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Literal

Kind = Literal["orchestrator", "activity", "entity"]


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
        """The function itself, for tests of it."""

    @classmethod
    def create(cls, function: Callable[..., Any]) -> Orchestrator:
        """What a hub takes for an orchestrator.

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
        """The function itself, for tests of it."""

    @classmethod
    def create(cls, function: Callable[..., Any]) -> Entity:
        """What a hub takes for an entity.

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
    """A function under the decorators of an app; what `call_activity` and its like take for a name."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.kind: Kind | None = None
        self.given_name: str | None = None
        self.trigger_name: str | None = None

    @property
    def name(self) -> str:
        """The trigger's own name, else that of ``@app.function_name``, else the function's."""
        return self.trigger_name or self.given_name or self.function.__name__

    @property
    def __durable_name__(self) -> str:
        return self.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self.kind or 'function without a trigger'} {self.name}>"


Decorator = Callable[[Any], FunctionBuilder]


class Blueprint:
    """Functions to be registered together; Azure's decorators of the second programming model.

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
        """Gives the function another name."""

        def decorate(function: Any) -> FunctionBuilder:
            builder = self._builder(function)
            builder.given_name = name
            return builder

        return decorate

    def orchestration_trigger(
        self, context_name: str, orchestration: str | None = None, input_type: type[Any] | None = None
    ) -> Decorator:
        """Makes the function an orchestrator.

        Parameters
        ----------
        context_name
            Its parameter for the context.
        orchestration
            Its name, if it isn't the function's.
        input_type
            Taken for Azure's sake; name it at ``context.get_input`` instead.

        Raises
        ------
        ValueError
            If the function has no such parameter.
        """
        return self._trigger("orchestrator", context_name, orchestration)

    def activity_trigger(self, input_name: str, activity: str | None = None) -> Decorator:
        """Makes the function an activity.

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
        return self._trigger("activity", input_name, activity)

    def entity_trigger(self, context_name: str, entity_name: str | None = None) -> Decorator:
        """Makes the function an entity.

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
        return self._trigger("entity", context_name, entity_name)

    def register_functions(self, other: Blueprint) -> None:
        """Takes over the functions of another blueprint."""
        self._builders.extend(other._builders)

    register_blueprint = register_functions

    def get_functions(self) -> list[FunctionBuilder]:
        """The functions that were decorated, in that order.

        Raises
        ------
        ValueError
            If one has a name but no trigger.
        """
        for builder in self._builders:
            if builder.kind is None:
                raise ValueError(
                    f"The function {builder.name!r} has no trigger. Put @app.orchestration_trigger, "
                    "@app.activity_trigger or @app.entity_trigger under its @app.function_name."
                )
        return list(self._builders)

    def _trigger(self, kind: Kind, parameter: str, name: str | None) -> Decorator:
        def decorate(function: Any) -> FunctionBuilder:
            builder = self._builder(function)
            known = list(inspect.signature(builder.function).parameters)
            if parameter not in known:
                raise ValueError(
                    f"{builder.function.__name__} has no parameter {parameter!r}; it has {known}. "
                    "The trigger names the function's own parameter."
                )
            builder.kind, builder.trigger_name = kind, name
            return builder

        return decorate

    def _builder(self, function: Any) -> FunctionBuilder:
        if isinstance(function, FunctionBuilder):
            return function
        builder = FunctionBuilder(function)
        self._builders.append(builder)
        return builder


class DFApp(Blueprint):
    """A function app: a `Blueprint` that is registered with ``hub.add_app``."""
