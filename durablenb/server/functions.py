"""HTTP functions of function apps, which answer requests that no other route answers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection
from typing import Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from durablenb.model.address import Address
from durablenb.server.requests import read_body
from durablenb.server.responses import HttpError, error_response

Pairs = list[tuple[str, str]]


class Functions(Protocol):
    """The functions of the hub's function apps."""

    def methods(self, path: str) -> Collection[str]:
        """Return the methods that functions answer at a path; none if there is no such function."""
        ...

    def invoke(self, name: str) -> None:
        """Call a timer's function; raise `LookupError` for no function, `ValueError` for another trigger."""
        ...

    async def call(
        self, method: str, path: str, url: str, headers: Pairs, query: Pairs, body: bytes
    ) -> tuple[int, Pairs, bytes] | None:
        """Return the status, headers and body of the function's response; None if the function fails."""
        ...


class FunctionRouter:
    """Answers a request by calling a function; passes it on if there is no such function.

    Parameters
    ----------
    functions
        The functions.
    fallback
        The application that answers other requests.
    body_limit
        The limit of a body, in bytes.
    """

    def __init__(self, functions: Functions, fallback: ASGIApp, body_limit: int) -> None:
        self._functions = functions
        self._fallback = fallback
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        methods = self._functions.methods(scope["path"])
        if not methods:
            await self._fallback(scope, receive, send)
            return
        try:
            response = await self._respond(Request(scope, receive), methods)
        except HttpError as error:
            response = error.response
        except asyncio.CancelledError:  # the server is closing, and doesn't wait any longer
            response = error_response(503, "The server is closed", "The function had not ended by then.")
        await response(scope, receive, send)

    async def _respond(self, request: Request, methods: Collection[str]) -> Response:
        method = "GET" if request.method == "HEAD" and "HEAD" not in methods else request.method
        if method not in methods:
            implied = {"HEAD"} if "GET" in methods else set()
            allowed = {"Allow": ", ".join(sorted({*methods, *implied, "OPTIONS"}))}
            if method == "OPTIONS":
                return Response(status_code=204, headers=allowed)
            return error_response(
                405,
                "Method Not Allowed",
                "The header Allow lists its methods.",
                headers=allowed,
            )
        address = request.scope["durablenb.address"]
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "code"]
        query += _codes(request, address)
        headers = [pair for pair in request.headers.items() if pair[0] != "x-functions-key"]
        url = address.origin + request.scope["durablenb.path"].decode("ascii")
        if query:
            url += f"?{urlencode(query)}"
        body = await read_body(request, self._body_limit)
        result = await self._functions.call(method, request.scope["path"], url, headers, query, body)
        if result is None:
            return error_response(
                500, "The function failed", "The server's log says how; it has the traceback."
            )
        return _response(*result)


def _codes(request: Request, address: Address) -> Pairs:
    """Return the parameters ``code`` without the server's key, which functions must not see."""
    key = address.key.encode()
    codes = request.query_params.getlist("code")
    return [("code", code) for code in codes if not secrets.compare_digest(code.encode(), key)]


def _response(status: int, headers: Pairs, body: bytes) -> Response:
    """Return a function's response; the server sets the headers about length and transfer itself."""
    own = ("connection", "content-length", "transfer-encoding")
    has_body = status not in (204, 304)
    response = Response(body if has_body else b"", status)
    response.raw_headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in headers
        if name.lower() not in own and (has_body or name.lower() != "content-type")
    ]
    if has_body:
        response.raw_headers.append((b"content-length", str(len(body)).encode()))
    return response
