"""Who looks at the page: an open stream for each view, so many at a time, dropped when nobody listens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Coroutine
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from durablenb.server.answers import refusal

SESSIONS = 20
"""Views that may be open at a time: each takes its share of the process that draws it."""

IDLE_SECONDS = 180.0
"""After which a view is dropped of which nothing was heard. A page says every minute that it is there."""

BEAT_SECONDS = 15.0
"""After which a stream without news says that it lives."""

_HEADERS = {"X-Accel-Buffering": "no"}  # a proxy passes on at once what it gets


class View(Protocol):
    """A live view."""

    def state(self) -> dict[str, Any]:
        """All that a page has to know of it."""
        ...

    def news(self) -> dict[str, Any]:
        """What is new since the last time."""
        ...

    def hear(self, data: Any) -> None:
        """Take what the page says."""
        ...

    def close(self) -> None:
        """Draw it no more."""
        ...


class Session:
    """A view that somebody looks at."""

    def __init__(self) -> None:
        self.view: View | None = None
        self.id = secrets.token_urlsafe(16)
        self.heard_at = time.monotonic()
        self.woken = asyncio.Event()

    def wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say on any thread that there is news."""
        with contextlib.suppress(RuntimeError):  # the server has ended
            loop.call_soon_threadsafe(self.woken.set)

    async def until_idle(self) -> None:
        """Wait until nothing was heard for too long."""
        while (left := self.heard_at + IDLE_SECONDS - time.monotonic()) > 0:
            await asyncio.sleep(left)


class Sessions:
    """All of them."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def begin(self) -> Session:
        """Return a new one; its view is still to come."""
        if len(self._open) >= SESSIONS:
            raise refusal(
                503,
                "Too many views are open",
                f"A server shows up to {SESSIONS} views at a time. Close another page of it.",
                {"Retry-After": "10"},
            )
        session = Session()
        self._open[session.id] = session
        return session

    def find(self, session_id: str) -> Session:
        """Return the one with this id: something is heard of it."""
        session = self._open.get(session_id)
        if session is None:
            raise refusal(404, "The view is not open any more", "Ask for it again.")
        session.heard_at = time.monotonic()
        return session

    async def drop(self, session: Session) -> None:
        """Forget one, and draw its view no more."""
        self._open.pop(session.id, None)
        if session.view is not None:
            await run_in_threadpool(session.view.close)


class Stream(Response):
    """What a view shows, as server-sent events, for as long as somebody listens.

    Parameters
    ----------
    sessions
        Where the session is to be found.
    session
        Whose.
    view
        What it shows.
    hub
        The hub's name.
    closing
        Set when the server is about to end.
    """

    def __init__(
        self, sessions: Sessions, session: Session, view: View, hub: str, closing: asyncio.Event
    ) -> None:
        super().__init__(headers=_HEADERS, media_type="text/event-stream")
        del self.headers["content-length"]
        self._sessions, self._session, self._view = sessions, session, view
        self._hub, self._closing = hub, closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what there is until one of both has enough."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _first(
                self._tell(send), _until_gone(receive), self._session.until_idle(), self._closing.wait()
            )
            with contextlib.suppress(TimeoutError):  # who doesn't take what it is sent
                async with asyncio.timeout(1):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await self._sessions.drop(self._session)

    async def _tell(self, send: Send) -> None:
        view = self._view
        told = {"session": self._session.id, "hub": self._hub} | await run_in_threadpool(view.state)
        while True:
            await send({"type": "http.response.body", "body": _event(told), "more_body": True})
            told = await self._news()

    async def _news(self) -> dict[str, Any]:
        """What is new; nothing, if that has been so for a while."""
        woken = self._session.woken
        try:
            async with asyncio.timeout(BEAT_SECONDS):
                await woken.wait()
        except TimeoutError:
            return {}
        woken.clear()
        return await run_in_threadpool(self._view.news)


def _event(told: dict[str, Any]) -> bytes:
    """A server-sent event; a comment, if there is nothing to tell."""
    line = b"data: " + json.dumps(told, separators=(",", ":")).encode("ascii") if told else b":"
    return line + b"\n\n"


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first(*works: Coroutine[Any, Any, Any]) -> None:
    """Do all of them until one has ended; what it raises is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
