"""Invocations of an app's functions: their arguments, and their HTTP requests and responses."""

from __future__ import annotations

import functools
import inspect
import threading
import uuid
from collections.abc import Callable
from typing import Any

from durablenb.azure.functions import CLIENTS, AppFunction, is_output
from durablenb.model.errors import DurableError

Header = tuple[str, str]

Answer = tuple[int, list[Header], bytes]
"""Status, headers and body."""

CONTEXT = "context"
"""The parameter of a function that receives the `Context` of its invocation."""

ClientFactory = Callable[[], Any]
"""Creates the durable client for an invocation."""


class Out:
    """An output besides a function's result, like ``azure.functions.Out``."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        """Set the output's value."""
        self._value = val

    def get(self) -> Any:
        """Return the output's value."""
        return self._value


class Context:
    """An invocation's metadata, like ``azure.functions.Context``."""

    def __init__(self, function: AppFunction) -> None:
        self.function_name = function.name
        self.function_directory = str(function.folder or "")
        self.invocation_id = str(uuid.uuid4())
        self.thread_local_storage = threading.local()
        self.trace_context = None
        self.retry_context = None


def arguments(function: AppFunction, trigger_value: Any, create_client: ClientFactory) -> dict[str, Any]:
    """Return the arguments of an invocation.

    Parameters
    ----------
    function
        The function.
    trigger_value
        The value from its trigger.
    create_client
        Creates the durable client.

    Raises
    ------
    DurableError
        If the function has an input that durablenb doesn't support.
    """
    values = {function.trigger["name"]: trigger_value}
    for binding in function.bindings:
        name, kind = binding["name"], binding["type"]
        if name in values or name == "$return":
            continue
        if kind.lower() in CLIENTS:
            values[name] = create_client()
        elif is_output(binding):
            values[name] = Out()
        else:
            raise DurableError(
                f"The function {function.name!r} has the input binding {name!r} of the type {kind}, "
                "which durablenb doesn't support."
            )
    if CONTEXT not in values and CONTEXT in inspect.signature(function.function).parameters:
        values[CONTEXT] = Context(function)
    return values


def activity_function(function: AppFunction, create_client: ClientFactory) -> Callable[..., Any]:
    """Return an activity of an app as a function of its input alone, as a hub calls it."""
    plain, input_name = function.function, function.trigger["name"]
    try:
        parameters = inspect.signature(plain).parameters
    except (TypeError, ValueError):
        return plain
    wants_context = input_name != CONTEXT and CONTEXT in parameters
    if list(parameters)[:1] in ([], [input_name]) and not (wants_context or function.others):
        return plain
    signature = inspect.Signature([parameters[input_name]]) if input_name in parameters else None
    if inspect.iscoroutinefunction(plain):

        @functools.wraps(plain)
        async def async_activity(value: Any) -> Any:
            return await plain(**arguments(function, value, create_client))

        async_activity.__signature__ = signature  # type: ignore[attr-defined]
        return async_activity

    @functools.wraps(plain)
    def activity(value: Any) -> Any:
        return plain(**arguments(function, value, create_client))

    activity.__signature__ = signature  # type: ignore[attr-defined]
    return activity


def http_request(
    method: str, url: str, headers: list[Header], query: list[Header], route: dict[str, str], body: bytes
) -> Any:
    """Return an ``azure.functions.HttpRequest``; repeated headers are joined by a comma, as in Azure."""
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


def timer_request(is_late: bool, status: dict[str, str]) -> Any:
    """Return an ``azure.functions.TimerRequest``."""
    from azure.functions.timer import TimerRequest

    return TimerRequest(past_due=is_late, schedule_status=status, schedule={"AdjustForDST": True})


def http_answer(returned: Any) -> Answer:
    """Return a function's result as an HTTP response.

    Raises
    ------
    TypeError, ValueError
        If the result is no valid response.
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


def http_result(function: AppFunction, values: dict[str, Any], returned: Any) -> Any:
    """Return a function's result: its return value, else the value of its output of the type ``http``."""
    names = [binding["name"] for binding in function.bindings if binding["type"] == "http"]
    outputs = [values[name] for name in names if name in values]
    return outputs[0].get() if outputs and returned is None else returned


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _joined(pairs: list[Header]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined
