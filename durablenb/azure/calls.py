"""Calls of an app's functions: what they are given, and what they answer over HTTP."""

from __future__ import annotations

import functools
import inspect
import threading
import uuid
from collections.abc import Callable
from typing import Any

from durablenb.azure.functions import CLIENTS, Hosted, is_out
from durablenb.model.errors import DurableError

Header = tuple[str, str]

Answer = tuple[int, list[Header], bytes]
"""Status, headers and body."""

CONTEXT = "context"
"""The parameter of a function that gets the `Context` of its call."""

Made = Callable[[], Any]
"""Makes what a function is given."""


class Out:
    """What a function gives besides its result: ``azure.functions.Out``."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        """Give a value."""
        self._value = val

    def get(self) -> Any:
        """Return it."""
        return self._value


class Context:
    """The call that is under way: ``azure.functions.Context``."""

    def __init__(self, function: Hosted) -> None:
        self.function_name = function.name
        self.function_directory = str(function.folder or "")
        self.invocation_id = str(uuid.uuid4())
        self.thread_local_storage = threading.local()
        self.trace_context = None
        self.retry_context = None


def arguments(function: Hosted, given: Any, client: Made) -> dict[str, Any]:
    """Return what a function is called with.

    Parameters
    ----------
    function
        The function.
    given
        What its trigger gives.
    client
        Makes the durable client.

    Raises
    ------
    DurableError
        If it needs what durablenb doesn't have.
    """
    found = {function.trigger["name"]: given}
    for binding in function.bindings:
        name, kind = binding["name"], binding["type"]
        if name in found or name == "$return":
            continue
        if kind.lower() in CLIENTS:
            found[name] = client()
        elif is_out(binding):
            found[name] = Out()
        else:
            raise DurableError(
                f"The function {function.name!r} is to be given {name!r} by a binding of the type {kind}, "
                "which durablenb doesn't have."
            )
    if CONTEXT not in found and CONTEXT in inspect.signature(function.function).parameters:
        found[CONTEXT] = Context(function)
    return found


def as_activity(function: Hosted, client: Made) -> Callable[..., Any]:
    """Return what a hub takes for an activity: a function of its one input."""
    plain, own = function.function, function.trigger["name"]
    try:
        parameters = inspect.signature(plain).parameters
    except (TypeError, ValueError):
        return plain
    wants_context = own != CONTEXT and CONTEXT in parameters
    if list(parameters)[:1] in ([], [own]) and not (wants_context or function.others):
        return plain
    as_given = inspect.Signature([parameters[own]]) if own in parameters else None
    if inspect.iscoroutinefunction(plain):

        @functools.wraps(plain)
        async def awaited(given: Any) -> Any:
            return await plain(**arguments(function, given, client))

        awaited.__signature__ = as_given  # type: ignore[attr-defined]
        return awaited

    @functools.wraps(plain)
    def called(given: Any) -> Any:
        return plain(**arguments(function, given, client))

    called.__signature__ = as_given  # type: ignore[attr-defined]
    return called


def request_of(
    method: str, url: str, headers: list[Header], query: list[Header], route: dict[str, str], body: bytes
) -> Any:
    """Return an ``azure.functions.HttpRequest``; what comes twice is joined by a comma, as in Azure."""
    from azure.functions.http import HttpRequest

    return HttpRequest(
        method=method,
        url=url,
        headers=_joined(headers),
        params=_joined(query),
        route_params=route,
        body_type="bytes",
        body=body,
    )


def timer_of(is_late: bool, status: dict[str, str]) -> Any:
    """Return an ``azure.functions.TimerRequest``."""
    from azure.functions.timer import TimerRequest

    return TimerRequest(past_due=is_late, schedule_status=status, schedule={"AdjustForDST": True})


def answer_of(returned: Any) -> Answer:
    """Return what a function's result is as an HTTP answer.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    from azure.functions import HttpResponse

    if returned is None:
        return 204, [], b""
    if isinstance(returned, str):
        return 200, [("content-type", "text/plain; charset=utf-8")], returned.encode("utf-8")
    if not isinstance(returned, HttpResponse):
        raise TypeError(f"It returned a {type(returned).__name__}; expected an HttpResponse or text.")
    headers = [(str(name), str(value)) for name, value in returned.headers.items()]
    if not any(name.lower() == "content-type" for name, _ in headers):
        kind = returned.mimetype
        headers.append(
            ("content-type", f"{kind}; charset={returned.charset}" if kind.startswith("text/") else kind)
        )
    for pair in headers:
        if not all(part.isprintable() and _is_latin(part) for part in pair):
            raise ValueError(f"Its header {pair[0]!r} has characters that no header may have.")
    status = int(returned.status_code)
    if not 200 <= status <= 599:
        raise ValueError(f"Its status is {status}; expected 200 to 599.")
    return status, headers, returned.get_body()


def result_of(function: Hosted, given: dict[str, Any], returned: Any) -> Any:
    """Return what it answers: what it returned, else what it put into its output of the type ``http``."""
    outs = [given[one["name"]] for one in function.bindings if one["type"] == "http" and one["name"] in given]
    return outs[0].get() if outs and returned is None else returned


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _joined(pairs: list[Header]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found
