"""Calls made of several tasks: a call that is retried, an HTTP request that is polled."""

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
"""Between two polls where the answer has no ``Retry-After``; Azure's host setting."""

CREDENTIALS = ("authorization", "cookie", "proxy-authorization", "x-functions-key")
"""Headers that are meant for one host."""

LONGEST_POLL_SECONDS = 86_400
"""A ``Retry-After`` of more is taken for nonsense."""


class HttpHeaders(dict[str, "str | list[str]"]):
    """Headers with their names as they came; they are found without case, and a repeated one has a list.

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
        """The value of a header, or the default."""
        return super().get(self._spelt(name), default)

    def last(self, name: str) -> str | None:
        """The value of a header, of a repeated one the last; None if it isn't there."""
        found: str | list[str] | None = self.get(name)
        return found[-1] if isinstance(found, list) else found

    def _spelt(self, name: str) -> str:
        if super().__contains__(name):
            return name
        return next((one for one in self if one.lower() == name.lower()), name)


class DurableHttpResponse(dict[str, Any]):
    """What `call_http` gives: a dict as in Azure's 1.x library, with the attributes of the 2.x one.

    Examples
    --------
    >>> response = DurableHttpResponse(statusCode=200, headers={}, content="ok")
    >>> response["statusCode"], response.status_code
    (200, 200)
    """

    @staticmethod
    def from_json(fields: dict[str, Any]) -> DurableHttpResponse:
        """The response that was kept in the journal."""
        return DurableHttpResponse({**fields, "headers": HttpHeaders(fields["headers"])})

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        return int(self["statusCode"])

    @property
    def headers(self) -> HttpHeaders:
        """Names as they came, which are found without case, and values; of a repeated header a list."""
        found: HttpHeaders = self["headers"]
        return found

    @property
    def content(self) -> str:
        """The body as text."""
        return str(self["content"])


def retried(context: DurableOrchestrationContext, attempt_at: Attempt, options: RetryOptions) -> Routine:
    """Attempts with a timer between two, until one succeeds or the options say no.

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


def polled(
    context: DurableOrchestrationContext,
    request: dict[str, Any],
    timeout: float | None,
    options: RetryOptions | None,
    *,
    is_polling: bool,
) -> Routine:
    """The request, and then its ``Location`` for as long as the answer is 202."""
    from durablenb.core.context import HTTP_ACTIVITY

    deadline = (
        None
        if timeout is None
        else context._timer(context.current_utc_datetime + timedelta(seconds=timeout), None)
    )
    while True:
        args = (HTTP_ACTIVITY, request, DurableHttpResponse)
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
    """The headers of a request that follows another one: no credentials for another host."""
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
