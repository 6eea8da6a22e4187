"""Who is let in: the right host, no other site's page, the key; then the answer's own protection.

Every request passes here first, whatever its method and path, and also what is then answered with 404.
Without the key the files of the page are given, which hold nothing, each by its exact path; nothing else is
let in because of a path. The order is that of the attacks: a name that leads here by DNS
rebinding, a page of another site in the user's browser, another user of this machine.
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from durablenb.model.address import LOOPBACK, MANAGEMENT, Address
from durablenb.server.answers import Answer, error_answer

TARGET_LIMIT = 8_192
"""Bytes that a path with its query may have."""

HEAD_LIMIT = 16_384
"""Bytes that the head of a request may have."""

PROTECTION = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Headers of every answer."""


@dataclass(frozen=True)
class Entrance:
    """How the server may be asked.

    Parameters
    ----------
    port
        The port it listens on.
    names
        Hosts that it may be asked by, without the port.
    takes_addresses
        Whether it may be asked by any IP address, too: DNS rebinding needs a name.
    public
        The URL it is reached by from outside, if that isn't host and port.
    key
        What lets a request in; empty where everybody is let in.
    hub
        The hub's name.
    """

    port: int
    names: frozenset[str]
    takes_addresses: bool
    public: str | None
    hub: str
    key: str = field(repr=False)

    def address(self, host: str) -> Address | None:
        """The address that a request was sent to; None if it isn't this server's."""
        if self.public is not None and host == urlsplit(self.public).netloc.lower():
            return Address(self.public, self.hub, self.key)
        name, port = _split(host)
        if port != self.port or not (name in self.names or (self.takes_addresses and _is_address(name))):
            return None
        return Address(f"http://{host}", self.hub, self.key)

    def is_key(self, given: bytes) -> bool:
        """Whether this is the key; it takes as long for every other one."""
        return secrets.compare_digest(given, self.key.encode())


class Guard:
    """Lets in what may come in.

    Parameters
    ----------
    app
        What answers.
    entrance
        How it may be asked.
    files
        Paths of which anybody may have what is there.
    """

    def __init__(self, app: ASGIApp, entrance: Entrance, files: frozenset[str]) -> None:
        self._app = app
        self._entrance = entrance
        self._files = frozenset(path.encode() for path in files)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            raise RuntimeError(f"durablenb answers no {scope['type']} requests.")
        found = self._look(scope)
        if isinstance(found, Answer):
            await found(scope, receive, _protected(send, is_last=True))
        else:
            await self._app(found, receive, _protected(send, is_last=not found["durablenb.has_key"]))

    def _look(self, scope: Scope) -> Scope | Answer:
        headers = _headers(scope)
        if b"content-length" in headers and b"transfer-encoding" in headers:
            return error_answer(
                400,
                "Ambiguous length",
                "The request has both Content-Length and Transfer-Encoding. Send one of them.",
            )
        hosts = headers.get(b"host", [])
        address = self._entrance.address(hosts[0].decode("latin-1").lower()) if len(hosts) == 1 else None
        if address is None:
            return error_answer(
                421,
                "Misdirected request",
                "The Host header names another server. Ask by the URL that the server shows.",
            )
        if not _is_from_here(scope, headers, address):
            return error_answer(
                403,
                "Cross-site request",
                "A page of another site asked. Ask from a program, or open the URL itself.",
            )
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEAD_LIMIT:
            return error_answer(
                431, "The headers are too large", f"They have up to {HEAD_LIMIT:,} bytes together."
            )
        if len(scope["raw_path"]) + len(scope["query_string"]) > TARGET_LIMIT:
            return error_answer(
                414, "The URL is too long", f"Path and query have up to {TARGET_LIMIT:,} bytes together."
            )
        let_in = self._let_in(scope, headers)
        if let_in is None:
            return error_answer(
                401,
                "The key is missing or wrong",
                "Send the server's key, server.key, as the header x-functions-key, or in the query, ?code=",
                headers={"WWW-Authenticate": "x-functions-key"},
            )
        try:  # a slash at the end doesn't matter
            let_in["path"] = unquote_to_bytes(let_in["raw_path"].removesuffix(b"/") or b"/").decode()
        except UnicodeDecodeError as error:
            return error_answer(400, "Invalid path", f"The path isn't text in UTF-8: {error.reason}.")
        let_in["durablenb.address"] = address
        let_in["durablenb.path"] = scope["raw_path"]
        return let_in

    def _let_in(self, scope: Scope, headers: dict[bytes, list[bytes]]) -> Scope | None:
        """The request as it goes on, if its key is right."""
        path, key = scope["raw_path"], self._entrance.key
        if path in self._files and scope["method"] in ("GET", "HEAD"):
            return {**scope, "durablenb.is_loopback": False, "durablenb.has_key": not key}
        is_loopback = path.startswith(f"{LOOPBACK}/".encode())
        if is_loopback:
            rest = path[len(LOOPBACK) + 1 :]
            if key:
                given, _, rest = rest.partition(b"/")
                if not self._entrance.is_key(unquote_to_bytes(given)):
                    return None
            path = MANAGEMENT.encode() + b"/" + rest
        elif key and not any(map(self._entrance.is_key, _keys(scope, headers))):
            return None
        return {**scope, "raw_path": path, "durablenb.is_loopback": is_loopback, "durablenb.has_key": True}


def _is_from_here(scope: Scope, headers: dict[bytes, list[bytes]], address: Address) -> bool:
    """Whether no other site's page asks; that a user opens a link of one is fine, where it only looks."""
    parts = urlsplit(address.origin)
    own = f"{parts.scheme}://{parts.netloc}".lower().encode()
    if any(origin.lower() != own for origin in headers.get(b"origin", [])):
        return False
    sites = headers.get(b"sec-fetch-site", [])
    if all(site in (b"same-origin", b"none") for site in sites):
        return True
    opens = headers.get(b"sec-fetch-mode") == [b"navigate"] and headers.get(b"sec-fetch-dest") == [
        b"document"
    ]
    return opens and scope["method"] in ("GET", "HEAD")


def _keys(scope: Scope, headers: dict[bytes, list[bytes]]) -> list[bytes]:
    query = parse_qsl(scope["query_string"].decode("latin-1"), errors="surrogateescape")
    codes = [value.encode("utf-8", "surrogateescape") for name, value in query if name == "code"]
    return [*headers.get(b"x-functions-key", []), *codes]


def _headers(scope: Scope) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.lower(), []).append(value)
    return found


def _split(host: str) -> tuple[str, int | None]:
    """A host without its port, and the port."""
    try:
        parts = urlsplit(f"//{host}")
        is_plain = parts.netloc == host and "@" not in host
        return (parts.hostname or "", parts.port or 80) if is_plain else ("", None)
    except ValueError:
        return "", None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _protected(send: Send, *, is_last: bool) -> Send:
    """Sends an answer with its protection; the last one of its connection, if it is for who has no key."""

    async def protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            named = {name.lower() for name, _ in message["headers"]}
            added = [pair for pair in PROTECTION if pair[0] not in named]
            if is_last and b"connection" not in named:
                added.append((b"connection", b"close"))
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return protected
