"""Connections to the server, with limits for their number and for the time of a request's head."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from durablenb.server.guard import PROTECTION
from durablenb.server.responses import error_response

HEAD_SECONDS = 10.0
"""The time within which a request's head has to arrive, from the connection or from its first byte."""

CONNECTIONS = 1_000
"""The number of connections with a request after which a further request is answered with 503."""

WAITING = 200
"""The number of connections without a whole head after which the oldest of them is closed."""


class Connection(H11Protocol):
    """A connection that is closed if the head of a request takes too long.

    Notes
    -----
    Uvicorn closes a connection without any data, but not a connection with a byte now and then, and it counts
    that as any other. Here connections without a whole head are counted apart, so that they cannot keep
    others out.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limit_concurrency = CONNECTIONS + WAITING
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time for the head."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Pass on the data; stop the time once the head is whole."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._timer is None and not self.transport.is_closing():
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time."""
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._on_timeout)
        waiting = {
            connection._timer.when(): connection
            for connection in self.connections
            if isinstance(connection, Connection) and connection._timer is not None
        }
        if len(waiting) > WAITING:
            waiting[min(waiting)]._close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._stop_timer()
        self.transport.close()

    def _on_timeout(self) -> None:
        response = error_response(
            408,
            "The head did not arrive",
            f"The head of a request has to be there within {HEAD_SECONDS:g} seconds.",
        )
        headers = [*response.raw_headers, *PROTECTION, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=408, headers=headers, reason=b"Request Timeout"),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self._close()
