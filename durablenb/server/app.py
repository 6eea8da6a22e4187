"""The application: the operations as routes, behind the guard."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from durablenb.hub.async_client import DurableOrchestrationClient
from durablenb.hub.journal_feed import JournalFeed
from durablenb.model.address import BODY_LIMIT_HEADER, MANAGEMENT
from durablenb.model.errors import (
    DurableError,
    InstanceExistsError,
    InstanceNotFoundError,
    InstanceStateError,
    StoreError,
)
from durablenb.server.functions import FunctionRouter, Functions
from durablenb.server.guard import AccessPolicy, Guard
from durablenb.server.openapi import document
from durablenb.server.operations import OPERATIONS, ApiOperation
from durablenb.server.page import Page, page_handlers
from durablenb.server.requests import BODY_LIMIT, FUNCTION_LIMIT, ApiRequest, ApiServices, Handler
from durablenb.server.responses import HttpError, JsonResponse, error_response, http_error, text_response
from durablenb.server.status_batcher import StatusBatcher

log = logging.getLogger("durablenb")

OPENAPI = "/openapi.json"
"""The path of the OpenAPI document."""

INVOKE_TIMER = "/admin/functions/{name}"
"""The path that calls a timer's function by hand, as with Azure's tools."""

Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(
    client: DurableOrchestrationClient,
    functions: Functions,
    policy: AccessPolicy,
    closing: asyncio.Event,
    page: Page,
    feed: JournalFeed,
    body_limit: int | None,
) -> ASGIApp:
    """Return the application.

    Parameters
    ----------
    client
        The awaitable client of the hub.
    functions
        The functions of function apps, which answer requests that no route answers.
    policy
        The rules by which requests are let in.
    closing
        Set when the server is about to close.
    page
        The web page.
    feed
        The pages of the journal that are sent to copies of it.
    body_limit
        The limit of a body, in bytes; None for the default.
    """
    limit = BODY_LIMIT if body_limit is None else body_limit
    services = ApiServices(client, StatusBatcher(client), closing, feed, limit)

    async def describe(request: ApiRequest) -> Response:
        return JsonResponse(document(OPERATIONS, request.address.origin))

    async def invoke(request: ApiRequest) -> Response:
        try:
            functions.invoke(request.path_parameter("name"))
        except LookupError as error:
            raise http_error(404, "There is no such function", str(error)) from None
        return Response(status_code=202)

    handlers_by_path: list[tuple[str, dict[str, Handler]]] = [
        *((MANAGEMENT + path, handlers) for path, handlers in _by_path(OPERATIONS)),
        (INVOKE_TIMER, {"POST": invoke}),
        (OPENAPI, {"GET": describe}),
        *page_handlers(page, policy.hub),
    ]
    routes: list[BaseRoute] = [
        _AnyCaseRoute(path, _endpoint(path, handlers, services)) for path, handlers in handlers_by_path
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_route})
    app.router.redirect_slashes = False
    function_limit = FUNCTION_LIMIT if body_limit is None else body_limit
    app.router.default = FunctionRouter(functions, app.router.default, function_limit)
    return Guard(app, policy, page.paths)


def _endpoint(path: str, handlers: dict[str, Handler], services: ApiServices) -> Endpoint:
    """Return the endpoint of a path, which calls the method's handler and translates errors."""

    async def endpoint(http: Request) -> Response:
        if http.method == "OPTIONS":
            headers = {"Allow": _allowed(handlers), BODY_LIMIT_HEADER: str(services.body_limit)}
            return Response(status_code=204, headers=headers)
        method = "GET" if http.method == "HEAD" else http.method
        if method not in handlers:
            raise HTTPException(405, headers={"Allow": _allowed(handlers)})
        try:
            return await handlers[method](ApiRequest(http, services))
        except (HttpError, DurableError, ValueError) as error:
            return _refusal(error)
        except HTTPException:
            raise
        except Exception as error:
            log.exception("%s %s failed", http.method, path)
            return _internal_error(error)

    return endpoint


class _AnyCaseRoute(Route):
    """A path whose fixed words match in any case."""

    def __init__(self, path: str, endpoint: Endpoint) -> None:
        super().__init__(path, endpoint, methods=None)
        self.methods = None  # the endpoint answers the methods itself
        pattern = self.path_regex.pattern.removesuffix("$") + r"\Z"
        self.path_regex = re.compile(pattern, re.IGNORECASE | re.DOTALL)


def _by_path(operations: Iterable[ApiOperation]) -> list[tuple[str, dict[str, Handler]]]:
    by_path = attrgetter("path")
    grouped = groupby(sorted(operations, key=by_path), by_path)
    return [(path, {operation.method: operation.handler for operation in group}) for path, group in grouped]


def _allowed(handlers: dict[str, Any]) -> str:
    return ", ".join(sorted({*handlers, "OPTIONS", *(["HEAD"] if "GET" in handlers else [])}))


def _refusal(error: Exception) -> Response:
    """Return the response to a request that can't be carried out."""
    if isinstance(error, HttpError):
        return error.response
    if isinstance(error, InstanceNotFoundError):
        return text_response(404, str(error))
    if isinstance(error, InstanceStateError):
        return text_response(410, str(error))
    if isinstance(error, StoreError):
        text = "The journal can't be written now"
        return error_response(503, text, str(error), type(error).__name__, {"Retry-After": "5"})
    if not isinstance(error, (ValueError, TypeError, LookupError)):
        return error_response(500, "The hub can't continue", str(error), type(error).__name__)
    status = 409 if isinstance(error, InstanceExistsError) else 400
    text = "One or more of the arguments submitted is incorrect"
    return error_response(status, text, str(error), type(error).__name__)


async def _no_route(request: Request, error: Exception) -> Response:
    """Return the response for an unknown path or method."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    detail = f"{OPENAPI} lists what there is."
    return error_response(error.status_code, phrase, detail, headers=error.headers)


def _internal_error(error: Exception) -> Response:
    """Return the response to an unexpected error; its traceback goes to the log only."""
    return error_response(
        500,
        "Something went wrong while processing your request",
        "This is a bug in durablenb. The server's log has the traceback; please report it.",
        type(error).__name__,
    )
