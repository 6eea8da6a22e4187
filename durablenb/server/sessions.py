"""Open views of the page: each has a session and an event stream, and is closed when the stream ends."""

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

from durablenb.server.responses import http_error

SESSIONS = 20
"""The largest number of open views: each takes time of the process that draws it."""

IDLE_SECONDS = 180.0
"""The seconds without a message after which a view is closed. An open page sends a message each minute."""

HEARTBEAT_SECONDS = 15.0
"""The seconds without news after which a stream sends a comment, so that proxies keep it open."""

_HEADERS = {"X-Accel-Buffering": "no"}  # proxies must not hold events back


class View(Protocol):
    """A live view."""

    def state(self) -> dict[str, Any]:
        """Return everything that the page needs to show the view."""
        ...

    def news(self) -> dict[str, Any]:
        """Return the changes since the last call."""
        ...

    def hear(self, data: Any) -> None:
        """Receive a message of the page."""
        ...

    def close(self) -> None:
        """Stop drawing the view."""
        ...


class Session:
    """An open view and the time of its last message."""

    def __init__(self) -> None:
        self.view: View | None = None
        self.id = secrets.token_urlsafe(16)
        self.heard_at = time.monotonic()
        self.woken = asyncio.Event()

    def wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Report, on any thread, that there is news."""
        with contextlib.suppress(RuntimeError):  # the server has ended
            loop.call_soon_threadsafe(self.woken.set)

    async def until_idle(self) -> None:
        """Wait until no message has come for too long."""
        while (left := self.heard_at + IDLE_SECONDS - time.monotonic()) > 0:
            await asyncio.sleep(left)


class Sessions:
    """The open views of a server."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def begin(self) -> Session:
        """Return a new session, whose view is still to be set."""
        if len(self._open) >= SESSIONS:
            raise http_error(
                503,
                "Too many views are open",
                f"A server shows up to {SESSIONS} views at a time. Close another page of it.",
                headers={"Retry-After": "10"},
            )
        session = Session()
        self._open[session.id] = session
        return session

    def find(self, session_id: str) -> Session:
        """Return the session with this id, and note that a message came for it."""
        session = self._open.get(session_id)
        if session is None:
            raise http_error(404, "The view is closed", "Open it again.")
        session.heard_at = time.monotonic()
        return session

    async def drop(self, session: Session) -> None:
        """Remove a session, and stop drawing its view."""
        self._open.pop(session.id, None)
        if session.view is not None:
            await run_in_threadpool(session.view.close)


class ViewStream(Response):
    """The state and the changes of a view as server-sent events, for as long as the page listens.

    Parameters
    ----------
    sessions
        The open views.
    session
        The session of the view.
    view
        The view.
    hub
        The hub's name.
    closing
        Set when the server is about to close.
    """

    def __init__(
        self, sessions: Sessions, session: Session, view: View, hub: str, closing: asyncio.Event
    ) -> None:
        super().__init__(headers=_HEADERS, media_type="text/event-stream")
        del self.headers["content-length"]
        self._sessions, self._session, self._view = sessions, session, view
        self._hub, self._closing = hub, closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the page leaves or falls silent, or the server closes."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _run_until_first(
                self._send_events(send),
                _wait_for_disconnect(receive),
                self._session.until_idle(),
                self._closing.wait(),
            )
            with contextlib.suppress(TimeoutError):  # the client may not read what is sent
                async with asyncio.timeout(1):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await self._sessions.drop(self._session)

    async def _send_events(self, send: Send) -> None:
        state = await run_in_threadpool(self._view.state)
        data = {"session": self._session.id, "hub": self._hub} | state
        while True:
            await send({"type": "http.response.body", "body": _event(data), "more_body": True})
            data = await self._news()

    async def _news(self) -> dict[str, Any]:
        """Return the next changes; an empty dictionary if there are none for a while."""
        woken = self._session.woken
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await woken.wait()
        except TimeoutError:
            return {}
        woken.clear()
        return await run_in_threadpool(self._view.news)


def _event(data: dict[str, Any]) -> bytes:
    """Return a server-sent event; a comment if there is no data."""
    line = b"data: " + json.dumps(data, separators=(",", ":")).encode("ascii") if data else b":"
    return line + b"\n\n"


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _run_until_first(*works: Coroutine[Any, Any, Any]) -> None:
    """Run all coroutines until the first ends, and raise what it raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
