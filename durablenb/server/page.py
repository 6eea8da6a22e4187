"""The web page of a hub: its files, which anybody may have, and its live views, which want the key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from durablenb.server.answers import refusal
from durablenb.server.asked import Asked, Handler
from durablenb.server.sessions import Session, Sessions, Stream, View

VIEWS = "/page/views"
"""Where a view is asked for, and spoken with."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "style-src-attr 'unsafe-inline'",  # how a cell is aligned; all text in it is escaped
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What the page may do: nothing but with this server."""


class Page(Protocol):
    """The page of a hub."""

    paths: frozenset[str]

    def file(self, path: str) -> tuple[str, str]:
        """The media type and the text of a file."""
        ...

    def view(self, place: str, tell: Callable[[], None]) -> View:
        """The live view at a place; `tell` is called on any thread when there is news."""
        ...


def page_handlers(page: Page, hub: str) -> list[tuple[str, dict[str, Handler]]]:
    """Return what answers for the page, by path and method.

    Parameters
    ----------
    page
        The page.
    hub
        The hub's name.
    """
    sessions = Sessions()

    def file_at(path: str) -> Handler:
        async def give(asked: Asked) -> Response:
            media, text = page.file(path)
            return Response(text, media_type=media, headers={"Content-Security-Policy": POLICY})

        return give

    async def hear_all(session: Session, said: list[Any]) -> None:
        if session.view is not None:
            for one in said:
                await run_in_threadpool(session.view.hear, one)

    async def show(asked: Asked) -> Response:
        match await asked.value():
            case {"place": str(place), "said": list(said)}:
                pass
            case _:
                raise refusal(400, "Which view?", 'The body is {"place": "instances/ID", "said": []}.')
        session = sessions.begin()
        loop = asyncio.get_running_loop()
        try:
            view = session.view = await run_in_threadpool(page.view, place, lambda: session.wake(loop))
            await hear_all(session, said)
        except BaseException:
            await sessions.drop(session)
            raise
        return Stream(sessions, session, view, hub, asked.closing)

    async def hear(asked: Asked) -> Response:
        said: Any = await asked.value()
        session = sessions.find(asked.part("session"))
        if not isinstance(said, list):
            raise refusal(400, "What was said?", "The body is a list in JSON.")
        await hear_all(session, said)
        return Response(status_code=204)

    files = [(path, {"GET": file_at(path)}) for path in sorted(page.paths)]
    return [*files, (VIEWS, {"POST": show}), (VIEWS + "/{session}", {"POST": hear})]
