"""Calls that take several tasks: with retries, and HTTP requests with polling."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from durablenb.core.tasks import AtomicTask, TaskBase, WhenAnyTask
from durablenb.model.failures import FailureDetails
from durablenb.model.retries import RetryOptions

if TYPE_CHECKING:
    from durablenb.core.context import DurableOrchestrationContext

Routine = Generator[TaskBase[Any], TaskBase[Any], "TaskBase[Any] | tuple[FailureDetails, str]"]
Attempt = Callable[[int, "int | None"], AtomicTask[Any]]

DEFAULT_POLL_SECONDS = 30
"""The interval of polls if a response has no ``Retry-After``, as in Azure's host."""

CREDENTIALS = ("authorization", "cookie", "proxy-authorization", "x-functions-key")
"""Headers with credentials, which are sent to one host only."""

LONGEST_POLL_SECONDS = 86_400
"""The longest ``Retry-After`` that is respected."""


class HttpHeaders(dict[str, "str | list[str]"]):
    """Response headers: names keep their case but are compared without it; a repeated header has a list.

    Examples
    --------
    >>> headers = HttpHeaders({"X-Job-Id": "42", "Set-Cookie": ["a=1", "b=2"]})
    >>> headers["x-job-id"], headers.get("SET-COOKIE"), "Location" in headers
    ('42', ['a=1', 'b=2'], False)
    """

    def __getitem__(self, name: str) -> str | list[str]:
        return super().__getitem__(self._spelt(name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(self._spelt(name))

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a header, or the default."""
        return super().get(self._spelt(name), default)

    def last(self, name: str) -> str | None:
        """Return the value of a header, the last one if it is repeated, or None."""
        value: str | list[str] | None = self.get(name)
        return value[-1] if isinstance(value, list) else value

    def _spelt(self, name: str) -> str:
        if super().__contains__(name):
            return name
        return next((header for header in self if header.lower() == name.lower()), name)


class DurableHttpResponse(dict[str, Any]):
    """The result of `call_http`: a dict as in Azure's 1.x library, with the attributes of the 2.x one.

    Examples
    --------
    >>> response = DurableHttpResponse(statusCode=200, headers={}, content="ok")
    >>> response["statusCode"], response.status_code
    (200, 200)
    """

    @staticmethod
    def from_json(fields: dict[str, Any]) -> DurableHttpResponse:
        """Return a response from its JSON in the journal."""
        return DurableHttpResponse({**fields, "headers": HttpHeaders(fields["headers"])})

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        return int(self["statusCode"])

    @property
    def headers(self) -> HttpHeaders:
        """The headers by name, compared without case; a repeated header has a list."""
        headers: HttpHeaders = self["headers"]
        return headers

    @property
    def content(self) -> str:
        """The body as text."""
        return str(self["content"])


def retry_routine(
    context: DurableOrchestrationContext, attempt_at: Attempt, options: RetryOptions
) -> Routine:
    """Yield attempts, with timers between them, until one succeeds or the options allow no more.

    No timer follows the last failure. Times are the orchestration's, never the wall clock's, so a late
    replay takes the same path.
    """
    began = context.current_utc_datetime
    number = 1
    task = attempt_at(1, None)
    first = task.id
    while True:
        yield task
        failure = task._failure
        if not task.is_failed or failure is None:
            return task
        if not options.may_retry(number, failure, began, context.current_utc_datetime):
            return task
        yield context._timer(context.current_utc_datetime + options.delay(number), first)
        number += 1
        task = attempt_at(number, first)


def poll_routine(
    context: DurableOrchestrationContext,
    request: dict[str, Any],
    timeout: float | None,
    options: RetryOptions | None,
    *,
    is_polling: bool,
) -> Routine:
    """Yield the request, then requests of its ``Location`` as long as the response is 202."""
    from durablenb.core.context import HTTP_ACTIVITY

    deadline = (
        None
        if timeout is None
        else context._timer(context.current_utc_datetime + timedelta(seconds=timeout), None)
    )
    while True:
        args = (HTTP_ACTIVITY, request, DurableHttpResponse)
        call: TaskBase[Any]
        if options is None:
            call = context.call_activity(*args)
        else:
            call = context.call_activity_with_retry(HTTP_ACTIVITY, options, request, DurableHttpResponse)
        if deadline is None:
            yield call
        else:
            yield WhenAnyTask([call, deadline])
            if not call.is_completed:
                return _too_late(request, timeout)
        location = None if call.is_failed or not is_polling else _location(call.get_result(), request)
        if location is None:
            if deadline is not None and not deadline.is_completed:
                deadline.cancel()
            return call
        wait = context._timer(
            context.current_utc_datetime + timedelta(seconds=_seconds(call.get_result())), None
        )
        if deadline is None:
            yield wait
        else:
            yield WhenAnyTask([wait, deadline])
            if deadline.is_completed:
                if not wait.is_completed:
                    wait.cancel()
                return _too_late(request, timeout)
        headers = headers_for(location, request["uri"], request["headers"])
        request = {"method": "GET", "uri": location, "headers": headers, "content": None}


def headers_for(address: str, before: str, headers: dict[str, str]) -> dict[str, str]:
    """Return the headers for a follow-up request, without credentials if it goes to another host."""
    from urllib.parse import urlsplit

    if urlsplit(address)[:2] == urlsplit(before)[:2]:
        return headers
    return {name: value for name, value in headers.items() if name.lower() not in CREDENTIALS}


def _location(response: DurableHttpResponse, request: dict[str, Any]) -> str | None:
    from urllib.parse import urljoin

    location = response.headers.last("Location")
    if response.status_code != 202 or location is None:
        return None
    return str(urljoin(request["uri"], location))


def _seconds(response: DurableHttpResponse) -> float:
    try:
        seconds = float(response.headers.last("Retry-After") or "")
    except ValueError:
        return DEFAULT_POLL_SECONDS
    return seconds if 0 <= seconds <= LONGEST_POLL_SECONDS else DEFAULT_POLL_SECONDS


def _too_late(request: dict[str, Any], timeout: float | None) -> tuple[FailureDetails, str]:
    text = f"The HTTP request {request['method']} {request['uri']} took longer than {timeout} s."
    return FailureDetails("builtins.TimeoutError", text), text
