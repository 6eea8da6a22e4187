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
from durablenb.server.answers import Answer, Refused, error_answer, refusal, told
from durablenb.server.asked import BODY_LIMIT, FUNCTION_LIMIT, Asked, Handler
from durablenb.server.functions import Called, Functions
from durablenb.server.gathering import Statuses
from durablenb.server.guard import Entrance, Guard
from durablenb.server.openapi import document
from durablenb.server.operations import OPERATIONS, Operation
from durablenb.server.page import Page, page_handlers

log = logging.getLogger("durablenb")

OPENAPI = "/openapi.json"
"""Where the OpenAPI document is."""

INVOKING = "/admin/functions/{name}"
"""Where the function of a timer is called by hand, as with Azure's tools."""

Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(
    client: DurableOrchestrationClient,
    functions: Functions,
    entrance: Entrance,
    closing: asyncio.Event,
    page: Page,
    feed: JournalFeed,
    body_limit: int | None,
) -> ASGIApp:
    """Return the application.

    Parameters
    ----------
    client
        What does the work.
    functions
        Those of function apps, which answer what nothing else does.
    entrance
        How it may be asked.
    closing
        Set when the server is about to end.
    page
        What browsers show.
    feed
        The pages of the journal that are sent to copies of it.
    body_limit
        Bytes that a body may have; None for what is usual.
    """
    standing = Statuses(client)
    own_limit = BODY_LIMIT if body_limit is None else body_limit
    options = {BODY_LIMIT_HEADER: str(own_limit)}

    def answered(path: str, handlers: dict[str, Handler]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            if request.method == "OPTIONS":
                return Response(status_code=204, headers={"Allow": _allowed(handlers), **options})
            address = request.scope["durablenb.address"]
            asked = Asked(request, client, address, standing, closing, feed, own_limit)
            method = "GET" if request.method == "HEAD" else request.method
            try:
                if method not in handlers:
                    raise HTTPException(405, headers={"Allow": _allowed(handlers)})
                return await handlers[method](asked)
            except (Refused, DurableError, ValueError) as error:
                return _refused(error)
            except HTTPException:
                raise
            except Exception as error:
                log.exception("%s %s failed", request.method, path)
                return _went_wrong(error)

        return endpoint

    async def describe(asked: Asked) -> Response:
        return Answer(document(OPERATIONS, asked.address.origin))

    async def invoke(asked: Asked) -> Response:
        try:
            functions.invoke(asked.part("name"))
        except LookupError as error:
            raise refusal(404, "There is no such function", str(error)) from None
        return Response(status_code=202)

    routes: list[BaseRoute] = [
        _AnyCaseRoute(MANAGEMENT + path, answered(path, handlers)) for path, handlers in _by_path(OPERATIONS)
    ]
    routes.append(_AnyCaseRoute(INVOKING, answered(INVOKING, {"POST": invoke})))
    routes.append(_AnyCaseRoute(OPENAPI, answered(OPENAPI, {"GET": describe})))
    routes += [
        _AnyCaseRoute(path, answered(path, there)) for path, there in page_handlers(page, entrance.hub)
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _not_answered})
    app.router.redirect_slashes = False
    limit = FUNCTION_LIMIT if body_limit is None else body_limit
    app.router.default = Called(functions, app.router.default, limit)
    return Guard(app, entrance, page.paths)


class _AnyCaseRoute(Route):
    """A path whose fixed words are understood in any case."""

    def __init__(self, path: str, endpoint: Endpoint) -> None:
        super().__init__(path, endpoint, methods=None)
        self.methods = None  # the endpoint answers the methods itself
        whole = self.path_regex.pattern.removesuffix("$") + r"\Z"
        self.path_regex = re.compile(whole, re.IGNORECASE | re.DOTALL)


def _by_path(operations: Iterable[Operation]) -> list[tuple[str, dict[str, Handler]]]:
    path = attrgetter("path")
    grouped = groupby(sorted(operations, key=path), path)
    return [(one, {operation.method: operation.handler for operation in group}) for one, group in grouped]


def _allowed(handlers: dict[str, Any]) -> str:
    return ", ".join(sorted({*handlers, "OPTIONS", *(["HEAD"] if "GET" in handlers else [])}))


def _refused(error: Exception) -> Response:
    """The answer to a request that can't be carried out."""
    if isinstance(error, Refused):
        return error.answer
    if isinstance(error, InstanceNotFoundError):
        return told(404, str(error))
    if isinstance(error, InstanceStateError):
        return told(410, str(error))
    if isinstance(error, StoreError):
        text = "The journal can't be written now"
        return error_answer(503, text, str(error), type(error).__name__, {"Retry-After": "5"})
    if not isinstance(error, (ValueError, TypeError, LookupError)):
        return error_answer(500, "The hub can't go on", str(error), type(error).__name__)
    status = 409 if isinstance(error, InstanceExistsError) else 400
    text = "One or more of the arguments submitted is incorrect"
    return error_answer(status, text, str(error), type(error).__name__)


async def _not_answered(request: Request, error: Exception) -> Response:
    """No such path, or not that method of it."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    detail = f"{OPENAPI} lists what there is."
    return error_answer(error.status_code, phrase, detail, headers=error.headers)


def _went_wrong(error: Exception) -> Response:
    """A mistake of durablenb's own; what happened is for whoever runs the server."""
    return error_answer(
        500,
        "Something went wrong while processing your request",
        "It is a mistake in durablenb. The server's log has the traceback; please report it.",
        type(error).__name__,
    )
