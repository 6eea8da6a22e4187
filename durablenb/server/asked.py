"""What a request asks for: parameters as Azure's host reads them, and the value that was posted."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from durablenb.hub.async_client import DurableOrchestrationClient
from durablenb.hub.journal_feed import JournalFeed
from durablenb.model.address import Address
from durablenb.model.status import OrchestrationRuntimeStatus
from durablenb.model.times import aware
from durablenb.server.answers import Refused, refusal, told
from durablenb.server.gathering import Statuses

BODY_LIMIT = 1 << 20
"""Bytes that a body may have, unless the server is told otherwise."""

FUNCTION_LIMIT = 100 << 20
"""The same of a request to a function, as in Azure."""

BODY_SECONDS = 10.0
"""Within which a body has to be there; each MiB that has arrived gives another second."""

_MIB = 1 << 20

PAGE = 100
"""Items that a list has without ``top``."""

PAGE_LIMIT = 1_000
"""Items that it has at the most."""

NOTHING = object()
"""No body."""

_STATUSES = {status.lower(): status for status in OrchestrationRuntimeStatus}


class Asked:
    """One request.

    Parameters
    ----------
    request
        As Starlette has it.
    client
        What does the work.
    address
        Under which the server was asked; what is answered leads there.
    standing
        Where instances stand.
    closing
        Set when the server is about to end: who waits for an orchestration waits no longer.
    feed
        The pages of the journal that are sent to copies of it.
    body_limit
        Bytes that the body may have.
    """

    def __init__(
        self,
        request: Request,
        client: DurableOrchestrationClient,
        address: Address,
        standing: Statuses,
        closing: asyncio.Event,
        feed: JournalFeed,
        body_limit: int,
    ) -> None:
        self.request = request
        self.client = client
        self.address = address
        self.standing = standing
        self.closing = closing
        self.feed = feed
        self._body_limit = body_limit

    def part(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    @property
    def url(self) -> str:
        """The request's own URL."""
        query = self.request.scope["query_string"].decode("ascii")
        path = self.request.scope["durablenb.path"].decode("ascii")
        return f"{self.address.origin}{path}{f'?{query}' if query else ''}"

    # -- the query -------------------------------------------------------------------------------

    def text(self, name: str) -> str | None:
        """A parameter; None if it isn't there."""
        found: str | None = self.request.query_params.get(name)
        return found

    def flag(self, name: str, otherwise: bool) -> bool:
        """A parameter that is true or false; what is neither is ignored, as in Azure."""
        return {"true": True, "false": False}.get((self.text(name) or "").strip().lower(), otherwise)

    def moment(self, name: str) -> datetime | None:
        """A parameter that is a time; what is none is ignored, as in Azure."""
        text = (self.text(name) or "").strip()
        if "T" in text:
            text = text.replace(" ", "+")  # a plus sign that wasn't encoded
        try:
            return aware(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            return None

    def seconds(self, name: str) -> float | None:
        """A parameter that is a span of time; what is none is ignored, as in Azure."""
        try:
            number = float(self.text(name) or "")
        except ValueError:
            return None
        return number if math.isfinite(number) and number > 0 else None

    @property
    def statuses(self) -> list[OrchestrationRuntimeStatus] | None:
        """The statuses of ``runtimeStatus``; None for any."""
        return self.statuses_in("runtimeStatus")

    def statuses_in(self, name: str) -> list[OrchestrationRuntimeStatus] | None:
        """The statuses of a parameter, several of them or one with commas; None if there are none."""
        words = ",".join(self.request.query_params.getlist(name)).split(",")
        found = [_STATUSES[word.strip().lower()] for word in words if word.strip().lower() in _STATUSES]
        return found or None

    @property
    def top(self) -> int:
        """How many items a page may have."""
        text = (self.text("top") or "").strip()
        asked = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        return min(asked, PAGE_LIMIT) if asked else PAGE

    @property
    def reason(self) -> str:
        """Why it is asked; empty if that isn't said."""
        return self.text("reason") or ""

    # -- the body --------------------------------------------------------------------------------

    @property
    def is_json(self) -> bool:
        """Whether the body is said to be JSON."""
        return self.request.headers.get("content-type", "").partition(";")[0].strip().lower() == (
            "application/json"
        )

    async def body(self) -> bytes:
        """The bytes of the body."""
        return await body_of(self.request, self._body_limit)

    async def value(self) -> Any:
        """The value that was posted; `NOTHING` for no body."""
        body = await self.body()
        if not body.strip():
            return NOTHING
        try:
            value = _parsed(body.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise refusal(
                400, "Invalid JSON content", f"The body isn't JSON in UTF-8: {error}. Text needs quotes."
            ) from None
        return _inner(value) if self._is_text_in_text and isinstance(value, str) else value

    @property
    def _is_text_in_text(self) -> bool:
        """Whether this is Azure's client for Python 1.x, which posts JSON as a text that is JSON once more.

        It is known by the address that only Azure's clients have, and by its HTTP library. Who posts to the
        management API posts values.
        """
        return (
            self.request.scope["durablenb.is_loopback"]
            and "aiohttp/" in self.request.headers.get("user-agent", "").lower()
        )


Handler = Callable[[Asked], Awaitable[Response]]
"""Answers a request."""


async def body_of(request: Request, limit: int) -> bytes:
    """The bytes of a request's body.

    Parameters
    ----------
    request
        As Starlette has it.
    limit
        Bytes that it may have.

    Raises
    ------
    Refused
        If it is too large, or doesn't arrive in time.
    """
    found = bytearray()
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(began + BODY_SECONDS) as until:
            async for part in request.stream():
                found += part
                if len(found) > limit:
                    raise _too_large(limit)
                until.reschedule(began + BODY_SECONDS + len(found) // _MIB)
    except TimeoutError:
        raise refusal(
            408,
            "The body did not arrive",
            f"The body has to be there within {BODY_SECONDS:g} seconds, and one more for each MiB.",
        ) from None
    except ClientDisconnect:
        raise refusal(400, "The body did not arrive", "The connection was closed.") from None
    return bytes(found)


def _too_large(limit: int) -> Refused:
    return refusal(
        413,
        "The body is too large",
        f"A body has up to {limit:,} bytes. Write the value to a file and post its path, or serve the hub "
        "with a larger body_limit.",
        {"Connection": "close"},
    )


def _parsed(text: str) -> Any:
    return json.loads(text, parse_constant=_no_number, parse_float=_number)


def _inner(text: str) -> Any:
    try:
        return _parsed(text)
    except (ValueError, RecursionError):
        return text


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON's")


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def json_only() -> Refused:
    """What to raise where Azure's host takes JSON alone."""
    return Refused(told(400, "Only application/json request content is supported"))
