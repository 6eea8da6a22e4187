"""The server: uvicorn in a thread of its own, which interrupts of the kernel don't reach."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import secrets
import socket
import threading
from collections.abc import Callable
from typing import Self
from urllib.parse import quote, urlsplit

import uvicorn
from starlette.types import ASGIApp

from durablenb.hub.async_client import DurableOrchestrationClient
from durablenb.hub.journal_feed import JournalFeed
from durablenb.model.address import Address
from durablenb.model.display import Card, Displayed
from durablenb.model.errors import DurableError
from durablenb.model.event_loop import EventLoop
from durablenb.server.app import make_app
from durablenb.server.connections import Connection
from durablenb.server.functions import Functions
from durablenb.server.guard import HEAD_LIMIT, AccessPolicy
from durablenb.server.page import Page

CLOSING_SECONDS = 3
"""The seconds that running requests may take when the server is closed."""

WILDCARDS = ("0.0.0.0", "::")


class Server(Displayed):
    """A hub that is served over HTTP; `TaskHub.serve` returns it.

    Closing or losing the server harms no orchestration: what a response acknowledged is on disk.

    Attributes
    ----------
    url
        The address of the server, and of its page for browsers.
    key
        The key that requests need, in the header ``x-functions-key`` or as ``code`` in the query. It is
        never displayed.
    """

    def __init__(
        self,
        client: DurableOrchestrationClient,
        functions: Functions,
        hub: str,
        page: Page,
        feed: JournalFeed,
        announce: Callable[[str | None], None],
        *,
        port: int,
        key: str | None,
        host: str,
        public_url: str | None,
        body_limit: int | None,
    ) -> None:
        self._arguments = (port, key, host, public_url, feed.queries is not None, body_limit)
        self._queries = feed.queries
        self._client = client
        self._announce = announce
        if body_limit is not None and (type(body_limit) is not int or body_limit < 1):
            raise ValueError(f"body_limit is {body_limit!r}; expected a number of bytes, such as 10_000_000.")
        self.key = _check_key(secrets.token_urlsafe(32) if key is None else key, host)
        public = None if public_url is None else _check_url(public_url)
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self.url = public or f"http://{_url_host(host)}:{self.port}"
        self.address = Address(self.url, hub, self.key)
        policy = AccessPolicy(self.port, _allowed_names(host), host in WILDCARDS, public, hub, self.key)
        self._closing = asyncio.Event()
        app = make_app(client, functions, policy, self._closing, page, feed, body_limit)
        self._uvicorn = _Uvicorn(_config(app))
        # `Thread.join` isn't enough: once it was interrupted, the thread counts as ended
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="durablenb-http", daemon=True)
        self._thread.start()
        self._uvicorn.is_up.wait()
        client.publish_address(self.address)
        announce(self.url)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=EventLoop) as runner:
                runner.run(self._uvicorn.serve(sockets=[self._socket]))
        finally:
            if self._queries is not None:
                self._queries.close()
            self._uvicorn.is_up.set()
            self._ended.set()

    @property
    def page_url(self) -> str:
        """The URL that opens the page without asking for the key, because it contains the key.

        The key follows the ``#``, which browsers don't send; the page removes it from the address bar.
        """
        return f"{self.url}/#code={quote(self.key, safe='')}" if self.key else f"{self.url}/"

    @property
    def is_open(self) -> bool:
        """True if the server answers requests."""
        return not (self._ended.is_set() or self._uvicorn.should_exit)

    def management_urls(self, instance_id: str) -> dict[str, str]:
        """Return the URLs that manage an instance, by Azure's names; each contains the key."""
        return self.address.management_urls(instance_id)

    def has_arguments(
        self,
        port: int,
        key: str | None,
        host: str,
        public_url: str | None,
        takes_sql: bool,
        body_limit: int | None,
    ) -> bool:
        """Return whether the server is open and was created with these arguments."""
        return self.is_open and self._arguments == (port, key, host, public_url, takes_sql, body_limit)

    def wait(self) -> None:
        """Wait until the server is closed."""
        while not self._ended.wait(0.5):  # so that an interrupt gets through
            pass

    def close(self) -> None:
        """Close the server after answering the running requests. A second call has no effect."""
        self._uvicorn.should_exit = True
        self._uvicorn.call(self._closing.set)
        if self._thread is not threading.current_thread():
            self._ended.wait(CLOSING_SECONDS + 2)
        if self._client.address is self.address:
            self._client.publish_address(None)
            self._announce(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _shown(self) -> Card:
        rows = [("address", self.url), ("hub", self.address.hub)]
        if self.is_open:
            rows.append(
                ("key", "in server.key" if self.key else "none: requests from this machine need no key")
            )
            rows.append(("page", "the address in a browser; server.page_url has the key in it"))
        return Card(repr(self), "Server", tuple(rows))

    def __repr__(self) -> str:
        return f"<Server {self.url}: {self.address.hub if self.is_open else 'closed'}>"


class _Uvicorn(uvicorn.Server):
    """Uvicorn that reports when it has started. Outside the main thread it sets no signal handlers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.is_up.set()

    def call(self, function: Callable[[], object]) -> None:
        """Call a function in the server's event loop, if the loop still runs."""
        if self._loop is not None and not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(function)
            except RuntimeError:  # the loop has just ended
                return


def _check_key(key: str, host: str) -> str:
    if not isinstance(key, str) or not key.isascii() or not (key.isprintable() or not key) or " " in key:
        raise ValueError("A key is text of printable ASCII characters without blanks.")
    if not key and not _is_loopback(host):
        raise ValueError(
            f"Without a key everybody who reaches {host} could run your code. Leave key out for a random one."
        )
    return key


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"public_url is {url!r}; expected one such as 'https://hub.example.org'.")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _url_host(host: str) -> str:
    shown = "127.0.0.1" if host in WILDCARDS else host
    return f"[{shown}]" if ":" in shown else shown


def _allowed_names(host: str) -> frozenset[str]:
    """Return the names under which the server may be addressed; for a wildcard, also the machine's."""
    own = {socket.gethostname().lower()} if host in WILDCARDS else {host.lower()}
    return frozenset({"localhost", "127.0.0.1", "::1", *own})


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="error",  # malformed requests of others are no news in a notebook
        access_log=False,  # a URL may contain the key
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=HEAD_LIMIT,
        timeout_graceful_shutdown=CLOSING_SECONDS,
    )


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at a host and port.

    Raises
    ------
    DurableError
        If the port is taken, or the host isn't this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only if the protocol is given
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2_048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise DurableError(
                f"Port {port} of {host} is in use, perhaps by the server of another kernel. "
                "hub.serve(port=0) uses a free one."
            ) from None
        raise DurableError(f"The hub can't be served at {host}, port {port}: {error.strerror}.") from None
    except OverflowError:
        listener.close()
        raise ValueError(f"port is {port}; expected 0 to 65535.") from None
    return listener
