"""The functions of function apps: they answer what nothing else does, below ``/api`` as a rule."""

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
from durablenb.server.answers import Refused, error_answer
from durablenb.server.asked import body_of

Pairs = list[tuple[str, str]]


class Functions(Protocol):
    """Functions, as far as it matters here."""

    def methods(self, path: str) -> Collection[str]:
        """Return the methods that functions answer at a path; none if there is no such function."""
        ...

    def invoke(self, name: str) -> None:
        """Call the function of a timer; raise `LookupError` for none, `ValueError` for one of no timer."""
        ...

    async def call(
        self, method: str, path: str, url: str, headers: Pairs, query: Pairs, body: bytes
    ) -> tuple[int, Pairs, bytes] | None:
        """Return status, headers and body of what the function answers; None if it fails."""
        ...


class Called:
    """Answers a request by a function, if there is one.

    Parameters
    ----------
    functions
        Those that there are.
    otherwise
        Answers where there is none.
    body_limit
        Bytes that a body may have.
    """

    def __init__(self, functions: Functions, otherwise: ASGIApp, body_limit: int) -> None:
        self._functions = functions
        self._otherwise = otherwise
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        methods = self._functions.methods(scope["path"])
        if not methods:
            await self._otherwise(scope, receive, send)
            return
        try:
            answer = await self._answer(Request(scope, receive), methods)
        except Refused as refused:
            answer = refused.answer
        except asyncio.CancelledError:  # the server is closed, and waits no longer
            answer = error_answer(503, "The server is closed", "The function had not ended by then.")
        await answer(scope, receive, send)

    async def _answer(self, request: Request, methods: Collection[str]) -> Response:
        method = "GET" if request.method == "HEAD" and "HEAD" not in methods else request.method
        if method not in methods:
            also = {"HEAD"} if "GET" in methods else set()
            allowed = {"Allow": ", ".join(sorted({*methods, *also, "OPTIONS"}))}
            if method == "OPTIONS":
                return Response(status_code=204, headers=allowed)
            return error_answer(405, "Method Not Allowed", "The function takes others.", headers=allowed)
        address = request.scope["durablenb.address"]
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "code"]
        query += _codes(request, address)
        headers = [pair for pair in request.headers.items() if pair[0] != "x-functions-key"]
        url = address.origin + request.scope["durablenb.path"].decode("ascii")
        if query:
            url += f"?{urlencode(query)}"
        body = await body_of(request, self._body_limit)
        answer = await self._functions.call(method, request.scope["path"], url, headers, query, body)
        return _failed() if answer is None else _response(*answer)


def _codes(request: Request, address: Address) -> Pairs:
    """What is called as the key is, but isn't it: the key is for the server, not for functions."""
    key = address.key.encode()
    codes = request.query_params.getlist("code")
    return [("code", code) for code in codes if not secrets.compare_digest(code.encode(), key)]


def _response(status: int, headers: Pairs, body: bytes) -> Response:
    """As the function has it; how long it is and how it is sent is the server's matter."""
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


def _failed() -> Response:
    return error_answer(500, "The function failed", "The server's log says how; it has the traceback.")
