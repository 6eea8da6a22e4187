"""Connections to the server: a request has a place, and the head of one has a time to arrive in."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from durablenb.server.answers import error_answer
from durablenb.server.guard import PROTECTION

HEAD_SECONDS = 10.0
"""Within which the head of a request has to be there, from the connection, or from its first byte."""

CONNECTIONS = 1_000
"""Connections with a request, after which a further request is answered with 503."""

WAITING = 200
"""Connections without a whole head; if there is another one, the oldest of them is closed."""


class Connection(H11Protocol):
    """A connection, which is closed if the head of a request takes too long.

    Notes
    -----
    Uvicorn ends a connection on which nothing comes, but not one on which a byte comes now and then, and it
    counts that like any other. Here those without a head have places of their own, and take no other ones.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limit_concurrency = CONNECTIONS + WAITING
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the head its time."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came; the time for a head goes on until it is whole."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._wait_no_more()
        elif self._limit is None and not self.transport.is_closing():
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._limit = self.loop.call_later(HEAD_SECONDS, self._too_slow)
        waiting = {one._limit.when(): one for one in self._others() if one._limit is not None}
        if len(waiting) > WAITING:
            waiting[min(waiting)]._close()

    def _others(self) -> list[Connection]:
        return [one for one in self.connections if isinstance(one, Connection)]

    def _wait_no_more(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _close(self) -> None:
        self._wait_no_more()
        self.transport.close()

    def _too_slow(self) -> None:
        answer = error_answer(
            408,
            "The head did not arrive",
            f"The head of a request has to be there within {HEAD_SECONDS:g} seconds.",
        )
        headers = [*answer.raw_headers, *PROTECTION, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=408, headers=headers, reason=b"Request Timeout"),
            h11.Data(data=bytes(answer.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self._close()
