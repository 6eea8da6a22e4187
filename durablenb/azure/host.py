"""The host: registers the functions of apps with a hub, and calls them for HTTP requests and timers."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from durablenb.azure.client import AzureClient
from durablenb.azure.functions import AppFunction, app_functions, is_output
from durablenb.azure.invocation import (
    Answer,
    ClientFactory,
    Header,
    activity_function,
    arguments,
    http_answer,
    http_request,
    http_result,
    timer_request,
)
from durablenb.azure.projects import Project, read_project
from durablenb.azure.routes import Route, parse_route
from durablenb.azure.schedules import Schedule, parse_schedule
from durablenb.azure.threads import FunctionThreads
from durablenb.azure.timers import Due, Fire, TimerFunctions, log_failure
from durablenb.core.ports.clock import Clock
from durablenb.hub.async_client import DurableOrchestrationClient, HasClient
from durablenb.model.errors import FunctionNotFoundError

log = logging.getLogger("durablenb")

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""The methods of a function that lists none."""


class FunctionRegistry(HasClient, Protocol):
    """The methods of a hub that the host uses."""

    def add_orchestrator(
        self, function: Callable[..., Any], name: str | None = None, *, version: str | None = None
    ) -> None:
        """Register an orchestrator."""
        ...

    def add_activity(self, function: Callable[..., Any], name: str | None = None) -> None:
        """Register an activity."""
        ...

    def add_entity(self, function: Callable[..., Any], name: str | None = None) -> None:
        """Register an entity."""
        ...

    def register_type(self, kind: Any) -> Any:
        """Register a class."""
        ...


class HttpFunction(NamedTuple):
    """A function that answers HTTP requests."""

    function: AppFunction
    route: Route
    methods: frozenset[str]
    create_client: ClientFactory


class LoadedFunction(NamedTuple):
    """A function of an app, also one that is disabled."""

    function: AppFunction
    project: Project
    create_client: ClientFactory


class Host:
    """The apps of a hub.

    Parameters
    ----------
    hub
        Receives the functions.
    clock
        The clock of timers.
    has_threads
        True if the hub works in background threads; without them no timer fires.
    """

    def __init__(self, hub: FunctionRegistry, clock: Clock, *, has_threads: bool) -> None:
        self._hub = hub
        self._has_threads = has_threads
        self._threads = FunctionThreads()
        self._http_functions: dict[str, HttpFunction] = {}
        self._functions: dict[str, LoadedFunction] = {}
        self._clock = clock
        self._warned: set[str] = set()
        self.timers = TimerFunctions(clock)

    # -- registering -----------------------------------------------------------------------------

    def add(self, app: Any) -> None:
        """Register an app: one of durablenb's or Azure's, a `Project`, or the folder of one.

        Raises
        ------
        TypeError
            If `app` is none of these.
        ValueError
            If a part of the app is invalid; nothing is registered then.
        DurableError
            If the app can't be loaded.
        """
        if isinstance(app, (str, os.PathLike)):
            app = read_project(Path(app))
        project = app if isinstance(app, Project) else Project(app_functions(app))
        functions = [
            function for function in project.functions if not project.settings.disables(function.label)
        ]
        create_client = partial(self._create_client, project)
        http_functions = {
            function.name: _http_function(function, project, create_client)
            for function in functions
            if _type(function) == "httptrigger"
        }
        timers = [
            (function, _schedule(function, project))
            for function in functions
            if _type(function) == "timertrigger"
        ]
        for kind in project.types:
            self._hub.register_type(kind)
        for function in functions:
            self._warn_of_foreign(function)
            self._register(function, project.version, create_client)
        by_rank = sorted((self._http_functions | http_functions).items(), key=lambda item: item[1].route.rank)
        self._http_functions = dict(by_rank)
        self._functions |= {
            function.label.lower(): LoadedFunction(function, project, create_client)
            for function in project.functions
        }
        for function, schedule in timers:
            self._add_timer(function, schedule, create_client)

    def _register(self, function: AppFunction, version: str | None, create_client: ClientFactory) -> None:
        plain, name = function.function, function.name
        if function.kind == "orchestrator":
            self._hub.add_orchestrator(plain, name)
            if version is not None:  # used by a start without one
                self._hub.add_orchestrator(plain, name, version=version)
        elif function.kind == "activity":
            self._hub.add_activity(activity_function(function, create_client), name)
        elif function.kind == "entity":
            self._hub.add_entity(plain, name)
        elif _type(function) not in ("httptrigger", "timertrigger"):
            self._warn(
                f"The function {name!r} has a {function.trigger['type']}, which durablenb doesn't have: "
                "nothing calls it."
            )

    def _warn_of_foreign(self, function: AppFunction) -> None:
        for binding in function.foreign:
            name, kind = binding["name"], binding["type"]
            self._warn(
                f"The function {function.name!r} gives {name!r} to {kind}, which durablenb doesn't have: it "
                "goes nowhere."
                if is_output(binding)
                else f"The function {function.name!r} takes {name!r} from {kind}, which durablenb doesn't "
                "have: its calls fail."
            )

    def _add_timer(self, function: AppFunction, schedule: Schedule, create_client: ClientFactory) -> None:
        if not self._has_threads:
            self._warn(
                f"The function {function.name!r} has a timerTrigger, which fires only in a hub of "
                'mode="threads".'
            )
            return
        at_once = function.trigger.get("runOnStartup") is True
        self.timers.add(function.name, schedule, self._fire(function, create_client), at_once=at_once)

    def _warn(self, text: str) -> None:
        """Log a warning, once."""
        if text not in self._warned:
            self._warned.add(text)
            log.warning("%s", text)

    def _create_client(self, project: Project) -> DurableOrchestrationClient:
        """Return a client for a function of an app."""
        client = (AzureClient if project.imports_azure else DurableOrchestrationClient)(self._hub)
        if project.replaces_open:
            client.if_exists = "restart"
        return client

    # -- calling ---------------------------------------------------------------------------------

    def _fire(self, function: AppFunction, create_client: ClientFactory) -> Fire:
        def fire(due: Due) -> Future[Any]:
            status = {"Next": due.next.isoformat()} | ({"Last": due.last.isoformat()} if due.last else {})
            try:
                values = arguments(function, timer_request(due.is_late, status), create_client)
            except Exception as error:
                failed: Future[Any] = Future()
                failed.set_exception(error)
                return failed
            return self._threads.submit(function.function, values)

        return fire

    def invoke(self, name: str) -> None:
        """Call the function of a timer now, even if it is disabled; its exception is logged.

        Raises
        ------
        FunctionNotFoundError
            If there is no such function.
        ValueError
            If the function has no timer.
        """
        loaded = self._functions.get(name.lower())
        if loaded is None:
            names = ", ".join(sorted(other.function.label for other in self._functions.values())) or "none"
            raise FunctionNotFoundError(f"No app has a function {name!r}. There are: {names}.")
        function, project, create_client = loaded
        if _type(function) != "timertrigger":
            raise ValueError(
                f"The function {function.label!r} has a {function.trigger['type']}; only functions with a "
                "timerTrigger can be called in this way."
            )
        upcoming = _schedule(function, project).next_after(self._clock.now())
        future = self._fire(function, create_client)(Due(None, upcoming, is_late=False))
        future.add_done_callback(partial(log_failure, function.name))

    def methods(self, path: str) -> frozenset[str]:
        """Return the methods of the functions at a path; none if there is no such function."""
        return frozenset().union(*(function.methods for function, _ in self._matches(path)))

    async def call(
        self, method: str, path: str, url: str, headers: list[Header], query: list[Header], body: bytes
    ) -> Answer | None:
        """Return the response of the function at a path; None if the function fails, which is logged.

        Parameters
        ----------
        method
            One of the methods at the path.
        path
            The request's path, decoded.
        url, headers, query, body
            The other parts of the request.
        """
        http_function, route = next(match for match in self._matches(path) if method in match[0].methods)
        function = http_function.function
        try:
            request = http_request(method, url, headers, query, route, body)
            values = arguments(function, request, http_function.create_client)
            returned = await asyncio.wrap_future(self._threads.submit(function.function, values))
            return http_answer(http_result(function, values, returned))
        except Exception:
            log.exception("The function %s failed", function.name)
            return None

    def _matches(self, path: str) -> Iterator[tuple[HttpFunction, dict[str, str]]]:
        """Yield the functions at a path with their route parameters, the most specific route first."""
        for function in self._http_functions.values():
            route_parameters = function.route.match(path)
            if route_parameters is not None:
                yield function, route_parameters

    def describe_routes(self, url: str) -> list[str]:
        """Return a line for each function that answers HTTP requests: its name, methods and URL."""
        return [
            f"{name}: {', '.join(sorted(function.methods))} {url}/{function.route.template}"
            for name, function in sorted(self._http_functions.items())
        ]

    # -- the end ---------------------------------------------------------------------------------

    def close(self, *, wait: bool) -> None:
        """End timers and threads; with `wait`, once the running functions have ended."""
        self.timers.close()
        self._threads.close(wait=wait)


def _type(function: AppFunction) -> str:
    return str(function.trigger["type"]).lower()


def _http_function(function: AppFunction, project: Project, create_client: ClientFactory) -> HttpFunction:
    trigger = function.trigger
    template = trigger.get("route")
    path = project.settings.resolve(function.name if template is None else str(template))
    route = parse_route("/".join(part for part in (project.prefix.strip("/"), path.strip("/")) if part))
    methods = frozenset(method.upper() for method in trigger.get("methods") or METHODS)
    return HttpFunction(function, route, methods, create_client)


def _schedule(function: AppFunction, project: Project) -> Schedule:
    text = str(function.trigger.get("schedule", ""))
    try:
        return parse_schedule(project.settings.resolve(text))
    except ValueError as error:
        raise ValueError(f"The function {function.name!r} can't be timed. {error}") from None
