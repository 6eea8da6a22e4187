"""The host: registers the functions of apps with a hub, and calls those that HTTP or a schedule asks for."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from durablenb.azure.calls import (
    Answer,
    Header,
    Made,
    answer_of,
    arguments,
    as_activity,
    request_of,
    result_of,
    timer_of,
)
from durablenb.azure.client import AzureClient
from durablenb.azure.functions import Hosted, functions_of, is_out
from durablenb.azure.projects import Project, read_project
from durablenb.azure.routes import Route, route_of
from durablenb.azure.schedules import Schedule, parsed
from durablenb.azure.threads import Threads
from durablenb.azure.timers import Due, Fire, Timers, log_failure
from durablenb.core.ports.clock import Clock
from durablenb.hub.async_client import DurableOrchestrationClient, HasClient
from durablenb.model.errors import FunctionNotFoundError

log = logging.getLogger("durablenb")

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""What a function answers that doesn't say."""


class Registers(HasClient, Protocol):
    """A hub, as far as it matters here."""

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


class Answering(NamedTuple):
    """A function that answers HTTP requests."""

    function: Hosted
    route: Route
    methods: frozenset[str]
    client: Made


class Known(NamedTuple):
    """A function of an app, also one that is disabled."""

    function: Hosted
    project: Project
    client: Made


class Host:
    """The apps of a hub.

    Parameters
    ----------
    hub
        Where their functions are registered.
    clock
        By which timers go.
    has_threads
        Whether the hub works by itself; in one that doesn't, no timer is fired.
    """

    def __init__(self, hub: Registers, clock: Clock, *, has_threads: bool) -> None:
        self._hub = hub
        self._has_threads = has_threads
        self._threads = Threads()
        self._answering: dict[str, Answering] = {}
        self._known: dict[str, Known] = {}
        self._clock = clock
        self._told: set[str] = set()
        self.timers = Timers(clock)

    # -- registering -----------------------------------------------------------------------------

    def add(self, app: Any) -> None:
        """Register an app: one of durablenb's or Azure's, a `Project`, or the folder of one.

        Raises
        ------
        TypeError
            If it is none of these.
        ValueError
            If something of it can't be understood; nothing is registered then.
        DurableError
            If it can't be loaded.
        """
        if isinstance(app, (str, os.PathLike)):
            app = read_project(Path(app))
        project = app if isinstance(app, Project) else Project(functions_of(app))
        functions = [one for one in project.functions if not project.settings.disables(one.label)]
        client = partial(self._client, project)
        answering = [_answering(one, project, client) for one in functions if _type(one) == "httptrigger"]
        timed = [(one, _schedule(one, project)) for one in functions if _type(one) == "timertrigger"]
        for kind in project.types:
            self._hub.register_type(kind)
        for function in functions:
            self._tell_of_foreign(function)
            self._register(function, project.version, client)
        known = self._answering | {one.function.name: one for one in answering}
        ranked = sorted(known.items(), key=lambda item: item[1].route.rank)
        self._answering = dict(ranked)  # the one that is meant first comes first
        self._known |= {one.label.lower(): Known(one, project, client) for one in project.functions}
        for function, schedule in timed:
            self._add_timer(function, schedule, client)

    def _register(self, function: Hosted, version: str | None, client: Made) -> None:
        plain, name = function.function, function.name
        if function.kind == "orchestrator":
            self._hub.add_orchestrator(plain, name)
            if version is not None:  # which is that of a start without one
                self._hub.add_orchestrator(plain, name, version=version)
        elif function.kind == "activity":
            self._hub.add_activity(as_activity(function, client), name)
        elif function.kind == "entity":
            self._hub.add_entity(plain, name)
        elif _type(function) not in ("httptrigger", "timertrigger"):
            self._tell(
                f"The function {name!r} has a {function.trigger['type']}, which durablenb doesn't have: "
                "nothing calls it."
            )

    def _tell_of_foreign(self, function: Hosted) -> None:
        for binding in function.foreign:
            name, kind = binding["name"], binding["type"]
            self._tell(
                f"The function {function.name!r} gives {name!r} to {kind}, which durablenb doesn't have: it "
                "goes nowhere."
                if is_out(binding)
                else f"The function {function.name!r} takes {name!r} from {kind}, which durablenb doesn't "
                "have: its calls fail."
            )

    def _add_timer(self, function: Hosted, schedule: Schedule, client: Made) -> None:
        if not self._has_threads:
            self._tell(
                f"The function {function.name!r} has a timerTrigger, which fires only in a hub of "
                'mode="threads".'
            )
            return
        at_once = function.trigger.get("runOnStartup") is True
        self.timers.add(function.name, schedule, self._fire(function, client), at_once=at_once)

    def _tell(self, text: str) -> None:
        """Says it once."""
        if text not in self._told:
            self._told.add(text)
            log.warning("%s", text)

    def _client(self, project: Project) -> DurableOrchestrationClient:
        """What a function of an app gets."""
        client = (AzureClient if project.is_azures else DurableOrchestrationClient)(self._hub)
        if project.replaces_open:
            client.if_exists = "restart"
        return client

    # -- calling ---------------------------------------------------------------------------------

    def _fire(self, function: Hosted, client: Made) -> Fire:
        def fire(due: Due) -> Future[Any]:
            status = {"Next": due.next.isoformat()} | ({"Last": due.last.isoformat()} if due.last else {})
            try:
                given = arguments(function, timer_of(due.is_late, status), client)
            except Exception as error:
                failed: Future[Any] = Future()
                failed.set_exception(error)
                return failed
            return self._threads.submit(function.function, given)

        return fire

    def invoke(self, name: str) -> None:
        """Call the function of a timer now, also if it is disabled; what it raises is logged.

        Raises
        ------
        FunctionNotFoundError
            If there is no such function.
        ValueError
            If it is no timer's.
        """
        known = self._known.get(name.lower())
        if known is None:
            names = ", ".join(sorted(one.function.label for one in self._known.values())) or "none"
            raise FunctionNotFoundError(f"No app has a function {name!r}. There are: {names}.")
        function, project, client = known
        if _type(function) != "timertrigger":
            raise ValueError(
                f"The function {function.label!r} has a {function.trigger['type']}; only functions with a "
                "timerTrigger can be called in this way."
            )
        upcoming = _schedule(function, project).next_after(self._clock.now())
        future = self._fire(function, client)(Due(None, upcoming, is_late=False))
        future.add_done_callback(partial(log_failure, function.name))

    def methods(self, path: str) -> frozenset[str]:
        """Return the methods that functions answer at a path; none if there is no such function."""
        return frozenset().union(*(one.methods for one, _ in self._at(path)))

    async def call(
        self, method: str, path: str, url: str, headers: list[Header], query: list[Header], body: bytes
    ) -> Answer | None:
        """Return what the function at a path answers; None if it fails, which is logged.

        Parameters
        ----------
        method
            One of those that are answered there.
        path
            Of the request, decoded.
        url, headers, query, body
            What else the function is given.
        """
        answering, route = next(pair for pair in self._at(path) if method in pair[0].methods)
        function = answering.function
        try:
            request = request_of(method, url, headers, query, route, body)
            given = arguments(function, request, answering.client)
            returned = await asyncio.wrap_future(self._threads.submit(function.function, given))
            return answer_of(result_of(function, given, returned))
        except Exception:
            log.exception("The function %s failed", function.name)
            return None

    def _at(self, path: str) -> Iterator[tuple[Answering, dict[str, str]]]:
        """The functions at a path and what they find in it, the one that is meant first."""
        for one in self._answering.values():
            found = one.route.match(path)
            if found is not None:
                yield one, found

    def described(self, url: str) -> list[str]:
        """Return a line for each function that answers HTTP requests: its name, methods and URL."""
        return [
            f"{name}: {', '.join(sorted(one.methods))} {url}/{one.route.template}"
            for name, one in sorted(self._answering.items())
        ]

    # -- the end ---------------------------------------------------------------------------------

    def close(self, *, wait: bool) -> None:
        """End timers and threads; with `wait`, once the functions that run have ended."""
        self.timers.close()
        self._threads.close(wait=wait)


def _type(function: Hosted) -> str:
    return str(function.trigger["type"]).lower()


def _answering(function: Hosted, project: Project, client: Made) -> Answering:
    trigger = function.trigger
    asked = trigger.get("route")
    path = project.settings.resolved(function.name if asked is None else str(asked))
    route = route_of("/".join(part for part in (project.prefix.strip("/"), path.strip("/")) if part))
    named = trigger.get("methods")
    return Answering(function, route, frozenset(one.upper() for one in named or METHODS), client)


def _schedule(function: Hosted, project: Project) -> Schedule:
    text = str(function.trigger.get("schedule", ""))
    try:
        return parsed(project.settings.resolved(text))
    except ValueError as error:
        raise ValueError(f"The function {function.name!r} can't be timed. {error}") from None
