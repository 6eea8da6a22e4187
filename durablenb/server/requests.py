"""A request to the management API: its parameters as Azure's host reads them, and the posted value."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from durablenb.hub.async_client import DurableOrchestrationClient
from durablenb.hub.journal_feed import JournalFeed
from durablenb.model.address import Address
from durablenb.model.status import OrchestrationRuntimeStatus
from durablenb.model.times import aware
from durablenb.server.responses import HttpError, http_error, text_error
from durablenb.server.status_batcher import StatusBatcher

LARGEST = 2**63 - 1
"""The largest whole number of a request, such as a position in a journal."""

BODY_LIMIT = 1 << 20
"""The default limit of a body, in bytes."""

FUNCTION_LIMIT = 100 << 20
"""The default limit of a request to a function, as in Azure."""

BODY_SECONDS = 10.0
"""The time within which a body has to arrive; each MiB that has arrived adds a second."""

_MIB = 1 << 20

PAGE = 100
"""The number of items of a list without ``top``."""

PAGE_LIMIT = 1_000
"""The largest number of items of a list."""

NOTHING = object()
"""The value of a request without a body."""

_STATUSES = {status.lower(): status for status in OrchestrationRuntimeStatus}


@dataclass(frozen=True)
class ApiServices:
    """The objects that handlers work with, the same for all requests of a server.

    Parameters
    ----------
    client
        The awaitable client of the hub.
    statuses
        Reads statuses for many requests at once.
    closing
        Set when the server is about to close; requests that wait for an orchestration stop waiting then.
    feed
        The pages of the journal that are sent to copies of it.
    body_limit
        The limit of a body, in bytes.
    """

    client: DurableOrchestrationClient
    statuses: StatusBatcher
    closing: asyncio.Event
    feed: JournalFeed
    body_limit: int


class ApiRequest:
    """One request.

    Parameters
    ----------
    http
        The request as Starlette has it.
    services
        The objects that handlers work with.

    Attributes
    ----------
    address
        The address under which the client reached the server; URLs in the response begin with it.
    """

    def __init__(self, http: Request, services: ApiServices) -> None:
        self.http = http
        self.services = services
        self.address: Address = http.scope["durablenb.address"]

    @property
    def client(self) -> DurableOrchestrationClient:
        """The awaitable client of the hub."""
        return self.services.client

    def path_parameter(self, name: str) -> str:
        """Return a parameter of the path."""
        return str(self.http.path_params[name])

    @property
    def instance_id(self) -> str:
        """The instance id in the path."""
        return self.path_parameter("instance_id")

    @property
    def url(self) -> str:
        """The request's own URL."""
        query = self.http.scope["query_string"].decode("ascii")
        path = self.http.scope["durablenb.path"].decode("ascii")
        return f"{self.address.origin}{path}{f'?{query}' if query else ''}"

    # -- the query -------------------------------------------------------------------------------

    def text(self, name: str) -> str | None:
        """Return a query parameter; None if it is missing."""
        text: str | None = self.http.query_params.get(name)
        return text

    def number(self, name: str, lowest: int = 0) -> int | None:
        """Return a whole number of the query, at least `lowest`; None if there is none."""
        text = self.text(name)
        if text is None:
            return None
        digits = text.removeprefix("-") if lowest < 0 else text
        is_number = digits.isascii() and digits.isdigit() and len(digits) < 20
        if not is_number or not lowest <= int(text) <= LARGEST:
            raise http_error(
                400,
                "Invalid number",
                f"{name} is {text[:40]!r}; expected a whole number from {lowest} to {LARGEST}.",
            )
        return int(text)

    def flag(self, name: str, default: bool) -> bool:
        """Return a boolean parameter; any other value is ignored, as in Azure."""
        return {"true": True, "false": False}.get((self.text(name) or "").strip().lower(), default)

    def time(self, name: str) -> datetime | None:
        """Return a parameter that is a time; any other value is ignored, as in Azure."""
        text = (self.text(name) or "").strip()
        if "T" in text:
            text = text.replace(" ", "+")  # a plus sign that wasn't encoded
        try:
            return aware(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            return None

    def seconds(self, name: str) -> float | None:
        """Return a parameter that is a positive number; any other value is ignored, as in Azure."""
        try:
            number = float(self.text(name) or "")
        except ValueError:
            return None
        return number if math.isfinite(number) and number > 0 else None

    def status_filter(self, name: str = "runtimeStatus") -> list[OrchestrationRuntimeStatus] | None:
        """Return the statuses of a parameter that is repeated or has commas; None if it names none."""
        words = ",".join(self.http.query_params.getlist(name)).split(",")
        keys = [word.strip().lower() for word in words]
        return [_STATUSES[key] for key in keys if key in _STATUSES] or None

    @property
    def page_size(self) -> int:
        """The number of items that a page may have, from the parameter ``top``."""
        text = (self.text("top") or "").strip()
        size = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        return min(size, PAGE_LIMIT) if size else PAGE

    @property
    def reason(self) -> str:
        """The parameter ``reason``; empty if it is missing."""
        return self.text("reason") or ""

    # -- the body --------------------------------------------------------------------------------

    @property
    def is_json(self) -> bool:
        """True if the content type of the body is JSON."""
        return self.http.headers.get("content-type", "").partition(";")[0].strip().lower() == (
            "application/json"
        )

    async def body(self) -> bytes:
        """Return the bytes of the body."""
        return await read_body(self.http, self.services.body_limit)

    async def value(self) -> Any:
        """Return the posted value; `NOTHING` for no body."""
        body = await self.body()
        if not body.strip():
            return NOTHING
        try:
            value = _parse(body.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise http_error(
                400, "Invalid JSON content", f"The body isn't JSON in UTF-8: {error}. Text needs quotes."
            ) from None
        return _parse_inner(value) if self._is_encoded_twice and isinstance(value, str) else value

    @property
    def _is_encoded_twice(self) -> bool:
        """True if the client is Azure's for Python 1.x, which posts JSON inside a JSON string.

        The address that only Azure's clients have and its HTTP library identify it. Other clients of the
        management API post values.
        """
        return (
            self.http.scope["durablenb.is_loopback"]
            and "aiohttp/" in self.http.headers.get("user-agent", "").lower()
        )


Handler = Callable[[ApiRequest], Awaitable[Response]]
"""Answers a request."""


async def read_body(request: Request, limit: int) -> bytes:
    """Return the bytes of a request's body.

    Parameters
    ----------
    request
        The request as Starlette has it.
    limit
        The limit of the body, in bytes.

    Raises
    ------
    HttpError
        If the body is too large, or doesn't arrive in time.
    """
    body = bytearray()
    start = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(start + BODY_SECONDS) as deadline:
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise _too_large(limit)
                deadline.reschedule(start + BODY_SECONDS + len(body) // _MIB)
    except TimeoutError:
        raise http_error(
            408,
            "The body did not arrive",
            f"The body has to be there within {BODY_SECONDS:g} seconds, and one more for each MiB.",
        ) from None
    except ClientDisconnect:
        raise http_error(400, "The body did not arrive", "The connection was closed.") from None
    return bytes(body)


def _too_large(limit: int) -> HttpError:
    return http_error(
        413,
        "The body is too large",
        f"A body has up to {limit:,} bytes. Write the value to a file and post its path, or serve the hub "
        "with a larger body_limit.",
        headers={"Connection": "close"},
    )


def _parse(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)


def _parse_inner(text: str) -> Any:
    try:
        return _parse(text)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_constant(text)


def json_only() -> HttpError:
    """Return the error for a body that isn't JSON where Azure's host accepts nothing else."""
    return text_error(400, "Only application/json request content is supported")
