"""The guard of the server: it checks each request's host, origin and key, and protects the response.

Every request passes the guard first, whatever its method and path, including those that end in a 404.
Without the key, only the files of the page are served, which contain no data, each by its exact path; no
other path is an exception. The checks are in the order of the attacks: a host name that DNS rebinding points
to this server, a page of another site in the user's browser, another user of this machine.
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from durablenb.model.address import LOOPBACK, MANAGEMENT, Address
from durablenb.server.responses import JsonResponse, error_response

TARGET_LIMIT = 8_192
"""The limit of a path with its query, in bytes."""

HEAD_LIMIT = 16_384
"""The limit of a request's head, in bytes."""

PROTECTION = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""The headers of every response."""


@dataclass(frozen=True)
class AccessPolicy:
    """The rules by which requests are let in.

    Parameters
    ----------
    port
        The port it listens on.
    names
        The names under which the server may be addressed, without the port.
    takes_addresses
        Whether the server may also be addressed by any IP address: DNS rebinding needs a name.
    public
        The URL under which clients outside reach the server, if that isn't host and port.
    key
        The key that a request must bring; empty if none is required.
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
        """Return the address to which a request was sent; None if it isn't this server's."""
        if self.public is not None and host == urlsplit(self.public).netloc.lower():
            return Address(self.public, self.hub, self.key)
        name, port = _split_host(host)
        if port != self.port or not (name in self.names or (self.takes_addresses and _is_address(name))):
            return None
        return Address(f"http://{host}", self.hub, self.key)

    def is_key(self, key: bytes) -> bool:
        """Return whether this is the key, in a time that doesn't depend on where the two differ."""
        return secrets.compare_digest(key, self.key.encode())


class Guard:
    """Passes on the requests that the policy lets in, and refuses the others.

    Parameters
    ----------
    app
        The application behind the guard.
    policy
        The rules by which requests are let in.
    files
        The paths of the files that need no key.
    """

    def __init__(self, app: ASGIApp, policy: AccessPolicy, files: frozenset[str]) -> None:
        self._app = app
        self._policy = policy
        self._files = frozenset(path.encode() for path in files)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            raise RuntimeError(f"durablenb answers no {scope['type']} requests.")
        result = self._check(scope)
        if isinstance(result, JsonResponse):
            await result(scope, receive, _protected(send, is_last=True))
        else:
            await self._app(result, receive, _protected(send, is_last=not result["durablenb.has_key"]))

    def _check(self, scope: Scope) -> Scope | JsonResponse:
        """Return the request as it is passed on, or the response that refuses it."""
        headers = _headers(scope)
        if b"content-length" in headers and b"transfer-encoding" in headers:
            return error_response(
                400,
                "Ambiguous length",
                "The request has both Content-Length and Transfer-Encoding. Send one of them.",
            )
        hosts = headers.get(b"host", [])
        address = self._policy.address(hosts[0].decode("latin-1").lower()) if len(hosts) == 1 else None
        if address is None:
            return error_response(
                421,
                "Misdirected request",
                "The Host header names another server. Use the URL that the server shows.",
            )
        if not _is_same_site(scope, headers, address):
            return error_response(
                403,
                "Cross-site request",
                "A page of another site sent the request. Use a program, or open the URL yourself.",
            )
        too_large = _refuse_size(scope)
        if too_large is not None:
            return too_large
        allowed = self._check_key(scope, headers)
        if allowed is None:
            return error_response(
                401,
                "The key is missing or wrong",
                "Send the server's key, server.key, as the header x-functions-key, or in the query, ?code=",
                headers={"WWW-Authenticate": "x-functions-key"},
            )
        try:  # a slash at the end doesn't matter
            allowed["path"] = unquote_to_bytes(allowed["raw_path"].removesuffix(b"/") or b"/").decode()
        except UnicodeDecodeError as error:
            return error_response(400, "Invalid path", f"The path isn't text in UTF-8: {error.reason}.")
        allowed["durablenb.address"] = address
        allowed["durablenb.path"] = scope["raw_path"]
        return allowed

    def _check_key(self, scope: Scope, headers: dict[bytes, list[bytes]]) -> Scope | None:
        """Return the request as it is passed on; None if it needs a key and its key is wrong."""
        path, key = scope["raw_path"], self._policy.key
        if path in self._files and scope["method"] in ("GET", "HEAD"):
            return {**scope, "durablenb.is_loopback": False, "durablenb.has_key": not key}
        is_loopback = path.startswith(f"{LOOPBACK}/".encode())
        if is_loopback:
            rest = path[len(LOOPBACK) + 1 :]
            if key:
                sent_key, _, rest = rest.partition(b"/")
                if not self._policy.is_key(unquote_to_bytes(sent_key)):
                    return None
            path = MANAGEMENT.encode() + b"/" + rest
        elif key and not any(map(self._policy.is_key, _keys(scope, headers))):
            return None
        return {**scope, "raw_path": path, "durablenb.is_loopback": is_loopback, "durablenb.has_key": True}


def _refuse_size(scope: Scope) -> JsonResponse | None:
    """Return the response to a request whose headers or URL are too large, or None."""
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEAD_LIMIT:
        return error_response(
            431, "The headers are too large", f"All headers together may have up to {HEAD_LIMIT:,} bytes."
        )
    if len(scope["raw_path"]) + len(scope["query_string"]) > TARGET_LIMIT:
        return error_response(
            414, "The URL is too long", f"Path and query together may have up to {TARGET_LIMIT:,} bytes."
        )
    return None


def _is_same_site(scope: Scope, headers: dict[bytes, list[bytes]], address: Address) -> bool:
    """Return whether no page of another site sent this; opening a link there is fine if it only reads."""
    parts = urlsplit(address.origin)
    own = f"{parts.scheme}://{parts.netloc}".lower().encode()
    if any(origin.lower() != own for origin in headers.get(b"origin", [])):
        return False
    sites = headers.get(b"sec-fetch-site", [])
    if all(site in (b"same-origin", b"none") for site in sites):
        return True
    is_link = headers.get(b"sec-fetch-mode") == [b"navigate"] and headers.get(b"sec-fetch-dest") == [
        b"document"
    ]
    return is_link and scope["method"] in ("GET", "HEAD")


def _keys(scope: Scope, headers: dict[bytes, list[bytes]]) -> list[bytes]:
    query = parse_qsl(scope["query_string"].decode("latin-1"), errors="surrogateescape")
    codes = [value.encode("utf-8", "surrogateescape") for name, value in query if name == "code"]
    return [*headers.get(b"x-functions-key", []), *codes]


def _headers(scope: Scope) -> dict[bytes, list[bytes]]:
    headers: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.lower(), []).append(value)
    return headers


def _split_host(host: str) -> tuple[str, int | None]:
    """Return a host without its port, and the port."""
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
    """Return a sender that adds the protective headers, and ``Connection: close`` if there was no key."""

    async def protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message["headers"]}
            added = [pair for pair in PROTECTION if pair[0] not in names]
            if is_last and b"connection" not in names:
                added.append((b"connection", b"close"))
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return protected
