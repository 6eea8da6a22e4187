"""The web page of a hub: files that need no key, and live views that need it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from durablenb.server.requests import ApiRequest, Handler
from durablenb.server.responses import http_error
from durablenb.server.sessions import Session, Sessions, View, ViewStream

VIEWS = "/page/views"
"""The path at which a view is opened, and below which the page sends messages to it."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "style-src-attr 'unsafe-inline'",  # the alignment of a cell; all text in it is escaped
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""The content security policy: the page may use this server and nothing else."""


class Page(Protocol):
    """The page of a hub."""

    paths: frozenset[str]

    def file(self, path: str) -> tuple[str, str]:
        """Return the media type and the text of a file."""
        ...

    def view(self, address: str, tell: Callable[[], None]) -> View:
        """Return the live view at an address; it calls `tell` on any thread when there is news."""
        ...


def page_handlers(page: Page, hub: str) -> list[tuple[str, dict[str, Handler]]]:
    """Return the handlers of the page, by path and method.

    Parameters
    ----------
    page
        The page.
    hub
        The hub's name.
    """
    sessions = Sessions()

    def file_handler(path: str) -> Handler:
        async def give(request: ApiRequest) -> Response:
            media_type, text = page.file(path)
            return Response(text, media_type=media_type, headers={"Content-Security-Policy": POLICY})

        return give

    async def deliver(session: Session, messages: list[Any]) -> None:
        if session.view is not None:
            for message in messages:
                await run_in_threadpool(session.view.hear, message)

    async def open_view(request: ApiRequest) -> Response:
        match await request.value():
            case {"place": str(view_address), "said": list(messages)}:
                pass
            case _:
                raise http_error(400, "Invalid view", 'The body is {"place": "instances/ID", "said": []}.')
        session = sessions.begin()
        try:
            wake = partial(session.wake, asyncio.get_running_loop())
            view = session.view = await run_in_threadpool(page.view, view_address, wake)
            await deliver(session, messages)
        except BaseException:
            await sessions.drop(session)
            raise
        return ViewStream(sessions, session, view, hub, request.services.closing)

    async def hear(request: ApiRequest) -> Response:
        messages: Any = await request.value()
        session = sessions.find(request.path_parameter("session"))
        if not isinstance(messages, list):
            raise http_error(400, "Invalid messages", "The body is a list in JSON.")
        await deliver(session, messages)
        return Response(status_code=204)

    files = [(path, {"GET": file_handler(path)}) for path in sorted(page.paths)]
    return [*files, (VIEWS, {"POST": open_view}), (VIEWS + "/{session}", {"POST": hear})]
