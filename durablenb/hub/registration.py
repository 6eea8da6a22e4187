"""Registration of activities, orchestrators, entities and types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from durablenb.core.app_model import Entity
from durablenb.core.entity_class import EntityClass
from durablenb.core.ports.executor import ExecutorSource
from durablenb.core.registry import Activity, Registry, mark, target_name
from durablenb.engine.engine import Engine
from durablenb.engine.executors import check_executor
from durablenb.engine.messages import Registered
from durablenb.hub.entity import EntityHandle
from durablenb.hub.hub import Hub, parse_entity_id
from durablenb.model.caching import CachePolicy, cache_policy
from durablenb.model.entities import EntityId
from durablenb.model.ids import checked_version
from durablenb.model.queues import Queue, QueueList
from durablenb.model.source import read_source
from durablenb.model.times import checked_timeout
from durablenb.values.codec import ValueCodec

if TYPE_CHECKING:
    from pydantic_ai.agent.abstract import AbstractAgent
    from pydantic_ai.models import Model

    from durablenb.agents.durable_agent import DurableAgent
    from durablenb.agents.options import ActivityOptions

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type[Any])


class Registering(Hub):
    """The part of a `TaskHub` that registers functions and types."""

    _codec: ValueCodec
    _engine: Engine
    _registry: Registry

    @overload
    def activity(self, function: F) -> F: ...
    @overload
    def activity(
        self,
        *,
        name: str | None = None,
        max_concurrency: int | None = None,
        executor: Executor | ExecutorSource | str | int | None = None,
        timeout: float | timedelta | None = None,
        heartbeat_timeout: float | timedelta | None = None,
        cache: bool | CachePolicy = False,
        queue: Queue | str | None = None,
    ) -> Callable[[F], F]: ...
    def activity(self, function: Callable[..., Any] | None = None, **options: Any) -> Any:
        """Register an activity, ``def`` or ``async def``, as a decorator; see `add_activity`.

        Examples
        --------
        >>> @hub.activity
        ... def triple(number):
        ...     return 3 * number
        >>> @hub.activity(name="measure", timeout=60)
        ... def length(text):
        ...     return len(text)
        >>> @hub.orchestrator
        ... def main(context):
        ...     yield context.call_activity("measure", "text")
        ...     return (yield context.call_activity(triple, 14))
        >>> hub.run(main)
        42
        """

        def decorate(decorated: F) -> F:
            self.add_activity(decorated, **options)
            return decorated

        return decorate if function is None else decorate(function)

    @overload
    def orchestrator(self, function: F) -> F: ...
    @overload
    def orchestrator(self, *, name: str | None = None, version: str | None = None) -> Callable[[F], F]: ...
    def orchestrator(
        self,
        function: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        version: str | None = None,
    ) -> Any:
        """Register an orchestrator, a generator or ``async def``, as a decorator; see `add_orchestrator`.

        Examples
        --------
        >>> @hub.orchestrator
        ... def greet(context):
        ...     return f"Hello {context.get_input()}!"
        >>> hub.run(greet, "Ada")
        'Hello Ada!'
        """

        def decorate(decorated: F) -> F:
            self.add_orchestrator(decorated, name, version=version)
            return decorated

        return decorate if function is None else decorate(function)

    def add_activity(
        self,
        function: Callable[..., Any],
        name: str | None = None,
        *,
        max_concurrency: int | None = None,
        executor: Executor | ExecutorSource | str | int | None = None,
        timeout: float | timedelta | None = None,
        heartbeat_timeout: float | timedelta | None = None,
        cache: bool | CachePolicy = False,
        queue: Queue | str | None = None,
    ) -> None:
        """Register an activity, and replace one of the same name.

        Parameters
        ----------
        function
            A function, called with the arguments of `call_activity`.
        name
            Its name, compared without case; by default the function's own.
        max_concurrency
            The number of its calls that may run at a time.
        executor
            Its executor, as for the hub.
        timeout
            The longest time that a call may run, in seconds or as a `timedelta`. A call that takes longer
            is stopped as far as its executor can, and fails with a `TimeoutError`. A call may have a limit
            of its own: ``context.call_activity(..., timeout=)``.
        heartbeat_timeout
            The longest time that a running call may report nothing: no progress, no checkpoint, no
            `heartbeat`. A call that is silent for longer counts as lost, is stopped as far as its executor
            can, and fails with a `TimeoutError`. A call may have a limit of its own. Reports are sent a few
            times a second, so some seconds are a sensible minimum.
        cache
            True, or a `CachePolicy`: a call whose input and code are those of a former call gets its result
            and doesn't run. See *Remember results*.
        queue
            The `Queue` in which its calls wait for a place, or the name of one that the hub has. Several
            activities may share one. A queue with other limits replaces that of an earlier registration.

        Raises
        ------
        ValueError, TypeError
            If one of these is wrong.

        Examples
        --------
        >>> hub.add_activity(len, name="measure", max_concurrency=2, timeout=60)
        >>> @hub.orchestrator
        ... def main(context):
        ...     return (yield context.call_activity("measure", "text"))
        >>> hub.run(main)
        4
        """
        self._engine.check_open()
        if executor is not None:
            check_executor(executor)
        chosen, policy = _chosen_name(function, name), cache_policy(cache)
        limit, silence = checked_timeout(timeout), checked_timeout(heartbeat_timeout, "heartbeat_timeout")
        queue_name = None if queue is None else self._registry.queue_for(chosen, queue)
        activity = Activity(chosen, function, max_concurrency, executor, limit, policy, queue_name, silence)
        self._registry.add_activity(activity)
        self._engine.post(Registered("activity", activity.name))

    def add_queue(self, queue: Queue) -> None:
        """Add a queue, and replace one of the same name, so that activities can be registered with its name.

        Parameters
        ----------
        queue
            The queue. Its limits apply at once, also to calls that already wait.

        Raises
        ------
        TypeError
            If it isn't a `Queue`.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:")
        >>> hub.add_queue(df.Queue("gpu", concurrency=1))
        >>> hub.add_activity(len, "measure", queue="gpu")
        >>> hub.queues
        [<queue gpu: 0 waiting, 0 of 1 running>]
        >>> hub.close()
        """
        self._engine.check_open()
        self._registry.add_queue(queue)
        self._engine.post(Registered("queue", queue.name))

    def add_orchestrator(
        self, function: Callable[..., Any], name: str | None = None, *, version: str | None = None
    ) -> None:
        """Register an orchestrator, and replace one of the same name and version.

        The findings of `check` are logged as a warning, once for each source text: at once, or on its first
        run if it uses names that no cell has defined yet. Nondeterministic calls that its source doesn't show
        are reported when they are made, once for each line, in the log and in that of the instance. If
        instances run other code that was registered before, another warning says whether the new code fits
        them; see `upgrade`.

        Parameters
        ----------
        function
            A generator function, an ``async def`` or a plain function of the context; or the result of
            `Orchestrator.create`.
        name
            Its name, compared without case; by default the function's own.
        version
            Its version, if several versions are registered under the name: an instance runs the code of the
            version that it was started with. Code without a version runs all other instances.

        Examples
        --------
        >>> hub.add_orchestrator(lambda context: f"Hello {context.get_input()}!", name="greet")
        >>> hub.run("greet", "Ada")
        'Hello Ada!'
        """
        from durablenb.checks.checker import check_registered  # slow to import

        self._engine.check_open()
        chosen = _chosen_name(function, name)
        source = read_source(function)
        before = self._registry.registered(chosen, checked_version(version))
        self._registry.add_orchestrator(function, chosen, source, version)
        if before is not None and before.is_other(function, source):
            self._warn_of_change(chosen, version)
        self._registry.at_first_run.pop(chosen, None)
        if check_registered(function, chosen, source) == "later":
            self._registry.at_first_run[chosen] = partial(check_registered, function, chosen, source)
        self._engine.post(Registered("orchestrator", chosen))

    def _warn_of_change(self, name: str, version: str | None) -> None:
        if self._engine.has_open(name):
            from durablenb.hub.upgrade import warn_of_change  # few cells need it

            warn_of_change(self, self._engine, name, version)

    @overload
    def entity(self, function: EntityId) -> EntityHandle: ...
    @overload
    def entity(self, function: str | Callable[..., Any], key: str) -> EntityHandle: ...
    @overload
    def entity(self, function: F) -> F: ...
    @overload
    def entity(
        self, *, name: str | None = None, executor: Executor | ExecutorSource | str | int | None = None
    ) -> Callable[[F], F]: ...
    def entity(
        self,
        function: Any = None,
        key: str | None = None,
        *,
        name: str | None = None,
        executor: Executor | ExecutorSource | str | int | None = None,
    ) -> Any:
        """Register an entity, as a decorator, see `add_entity`; or return the handle of an entity.

        ``@hub.entity`` above a function or a class registers it. ``hub.entity(Counter, "a")`` and
        ``hub.entity(EntityId("Counter", "a"))`` return an `EntityHandle`, which signals the operation ``add``
        by ``.add(5)``.

        Examples
        --------
        >>> @hub.entity
        ... class Till:
        ...     def __init__(self):
        ...         self.euros = 0
        ...     def put(self, euros: int):
        ...         self.euros += euros
        >>> till = hub.entity(Till, "left")
        >>> till.put(5)
        >>> while hub.step():
        ...     pass
        >>> till.state()
        {'euros': 5}
        """
        if key is not None or isinstance(function, EntityId):
            return EntityHandle(self, parse_entity_id(function, key))

        def decorate(decorated: F) -> F:
            self.add_entity(decorated, name, executor=executor)
            return decorated

        return decorate if function is None else decorate(function)

    def add_entity(
        self,
        function: Callable[..., Any],
        name: str | None = None,
        *,
        executor: Executor | ExecutorSource | str | int | None = None,
    ) -> None:
        """Register an entity, and replace one of the same name.

        Parameters
        ----------
        function
            A function of the `DurableEntityContext`, ``def`` or ``async def``; or a class whose public
            methods are the operations and whose attributes are the state.
        name
            Its name, compared without case; by default the function's own.
        executor
            The executor of its operations, as for the hub.

        Raises
        ------
        ValueError, TypeError
            If one of these is wrong.

        Examples
        --------
        >>> def light(context):
        ...     context.set_state(context.operation_name)
        >>> hub.add_entity(light)
        >>> hub.entity(light, "hall").on()
        >>> while hub.step():
        ...     pass
        >>> hub.entity(light, "hall").state()
        'on'
        """
        self._engine.check_open()
        if executor is not None:
            check_executor(executor)
        chosen = _chosen_name(function, name)
        plain = function.entity_function if isinstance(function, Entity) else function
        does = EntityClass(plain) if isinstance(plain, type) else plain
        added = self._registry.add_entity(does, chosen, executor)
        mark(plain, chosen)
        self._engine.post(Registered("entity", added))

    def agent(
        self,
        agent: AbstractAgent[Any, Any],
        *,
        name: str | None = None,
        deps: Callable[[], Any] | None = None,
        models: Mapping[str, Model] | None = None,
        model: ActivityOptions | None = None,
        tools: ActivityOptions | None = None,
        stream: bool = False,
    ) -> DurableAgent:
        """Make an agent of pydantic-ai durable: its model requests and tool calls are activities.

        After a crash, an answer that has come isn't requested again, and a tool that has returned doesn't
        run again. The activities are ``<name>.model`` and ``<name>.<tool>``. See *Run an agent*.

        Parameters
        ----------
        agent
            The agent, with all of its tools.
        name
            Its name in the journal; by default, the agent's own.
        deps
            Returns the agent's dependencies. It is called in each process, for each run and each activity, so
            it may open connections, but not as part of an orchestration's result.
        models
            Further models by an id, which ``run(model=id)`` selects.
        model, tools
            The options of model requests, and those of tool calls: ``retry_options``, ``timeout``,
            ``heartbeat_timeout``, ``priority``, ``queue``, ``max_concurrency``. A tool may have its own in
            its metadata: ``@agent.tool(metadata={"durablenb": {"timeout": 60}})``.
        stream
            Stream the models' answers: their text reaches ``handle.stream()`` and live views while it
            comes.

        Raises
        ------
        ImportError
            If pydantic-ai isn't installed.
        ValueError
            If the agent has no name.
        pydantic_ai.exceptions.UserError
            If a tool set has no id, which its activities need.

        Examples
        --------
        >>> import durablenb as df
        >>> from pydantic_ai import Agent
        >>> from pydantic_ai.models.test import TestModel
        >>> agent = Agent(TestModel(), name="weather")
        >>> @agent.tool_plain
        ... def temperature(city: str) -> int:
        ...     return 21
        >>> with df.TaskHub(":memory:") as hub:
        ...     durable = hub.agent(agent)
        ...     handle = hub.start(durable, "How warm is it in Delft?")
        ...     handle.result()
        '{"temperature":21}'
        """
        try:
            from durablenb.agents.durable_agent import DurableAgent  # pydantic-ai takes its time to import
            from durablenb.agents.options import of_registration
        except ModuleNotFoundError as error:
            raise ImportError(
                f"hub.agent needs pydantic-ai ({error}). Install it: pip install 'durablenb[agents]'."
            ) from error
        self._engine.check_open()
        durable = DurableAgent(
            agent,
            self._codec,
            name=name,
            deps=deps,
            models=models,
            model=cast(Any, model),
            tools=cast(Any, tools),
            stream=stream,
        )
        for activity in durable.activities:
            self.add_activity(activity.function, activity.name, **of_registration(activity.options))
        self.add_orchestrator(durable.orchestrator, durable.name)
        return durable

    @overload
    def register_type(self, kind: C, name: str | None = None) -> C: ...
    @overload
    def register_type(self, *, name: str | None = None) -> Callable[[C], C]: ...
    def register_type(self, kind: Any = None, name: str | None = None) -> Any:
        """Register a class, and replace one of the same name, so that its values are rebuilt by themselves.

        Values of other classes are stored as plain JSON, and rebuilt only if an annotation has their type.
        The method is a decorator, too.

        Parameters
        ----------
        kind
            A dataclass, an enum, a named tuple, a pydantic model, or a class with Azure's ``to_json`` and
            ``from_json``.
        name
            Its name in the journal; by default the class's own.

        Raises
        ------
        TypeError
            If it is another kind of class.
        ValueError
            If the name belongs to a type that needs no registration.

        Examples
        --------
        >>> import durablenb as df
        >>> from dataclasses import dataclass
        >>> with df.TaskHub(":memory:", mode="kernel") as hub:
        ...     @hub.register_type
        ...     @dataclass
        ...     class Order:
        ...         number: int
        ...     @hub.orchestrator
        ...     def echo(context):
        ...         return [context.get_input()]
        ...     hub.run(echo, Order(7))  # doctest: +ELLIPSIS
        [...Order(number=7)]
        """

        def decorate(decorated: C) -> C:
            self._engine.check_open()
            self._engine.post(Registered("type", self._codec.register(decorated, name)))
            return decorated

        return decorate if kind is None else decorate(kind)

    @property
    def queues(self) -> QueueList:
        """The queues of the hub by name, each with the number of calls that wait and that run.

        Raises
        ------
        StoreError
            If the hub is closed.

        Examples
        --------
        >>> hub.add_queue(df.Queue("gpu", concurrency=1))
        >>> hub.queues
        [<queue gpu: 0 waiting, 0 of 1 running>]
        """
        self._engine.check_open()
        return super().queues


def _chosen_name(function: object, name: str | None) -> str:
    if not callable(function):
        raise TypeError(f"Expected a function, not a {type(function).__name__}.")
    if name is not None:
        return target_name(name)
    chosen = getattr(function, "__name__", None)
    if not isinstance(chosen, str):
        raise TypeError(f"{function!r} has no name of its own; give it one: name='...'.")
    if chosen == "<lambda>":
        raise ValueError("A lambda has no name of its own; give it one: name='...'.")
    return chosen
