"""The connection to a served hub: requests with the key, and errors that say what to do."""

from __future__ import annotations

import http.client
import json
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

from durablenb.engine.transport import HttpTransport, ResponseTooLargeError, UndecodableResponseError
from durablenb.model import errors
from durablenb.model.address import BODY_LIMIT_HEADER, MANAGEMENT
from durablenb.model.errors import DurableError, HubUnreachableError

SECONDS = 15.0
"""Seconds within which a response has to begin, in addition to the time for which the server may wait."""

PAUSES = (0.2, 1.0)
"""Seconds before a request that only reads is sent again."""

BODY_LIMIT = 1 << 20
"""The largest body, in bytes, that every server accepts."""

ANSWER_LIMIT = 64 << 20
"""The default limit of a response, in bytes after it is decompressed."""

Query = Mapping[str, Any] | Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class Reply:
    """A response of the server.

    Parameters
    ----------
    status
        The status code.
    headers
        The headers, by their names in lower case.
    body
        The body, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON values; None if it is empty.

        Raises
        ------
        DurableError
            If it isn't JSON.
        """
        try:
            return json.loads(self.body) if self.body else None
        except (ValueError, RecursionError):
            raise DurableError(
                "What answers there isn't a hub of durablenb. Take the URL that hub.serve() shows."
            ) from None


class Link:
    """Sends requests to one server.

    Parameters
    ----------
    url
        The server's URL.
    key
        The server's key.
    limit
        The largest response, in bytes after it is decompressed.
    pause
        Sleeps for a number of seconds.

    Raises
    ------
    ValueError
        If it isn't the URL of a server.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        limit: int = ANSWER_LIMIT,
        *,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self.url = _checked(url)
        self._limit = _checked_limit(limit)
        self._key = _checked_key(key)
        self._pause = pause
        self._transport = HttpTransport()
        self.is_closed = False

    def close(self) -> None:
        """Send no more requests."""
        self.is_closed = True

    def get(self, *parts: str, query: Query = (), headers: Mapping[str, str] | None = None) -> Reply:
        """Send a request that only reads, and send it again if the server doesn't answer."""
        return self._again(lambda: self.send("GET", *parts, query=query, headers=headers))

    def look(self, *parts: str, query: Query, wait: float) -> Any:
        """Do the same with a server that may wait for news for so many seconds; return JSON values."""
        headers = {"Prefer": f"wait={wait:.3f}"} if wait > 0 else {}
        seconds = SECONDS + wait
        return self._again(
            lambda: self.send("GET", *parts, query=query, headers=headers, seconds=seconds)
        ).json()

    def _again(self, ask: Callable[[], Reply]) -> Reply:
        for pause in PAUSES:
            try:
                return ask()
            except HubUnreachableError:
                self._pause(pause)
        return ask()

    def send(
        self,
        method: str,
        *parts: str,
        query: Query = (),
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = SECONDS,
        kinds: Mapping[str, type[Exception]] | None = None,
    ) -> Reply:
        """Send a request once.

        Parameters
        ----------
        method
            Of HTTP.
        *parts
            Of the path, after the one that all have in common; they are quoted.
        query
            What stands after the question mark; what is None is left out.
        body
            JSON values; None for no body.
        headers
            More of them.
        seconds
            How long to wait for the answer.
        kinds
            The types of errors that are raised for refusals, by their names, in addition to durablenb's own.

        Raises
        ------
        HubUnreachableError
            If there is no response. The request may have been carried out.
        DurableError
            If the server refuses; the type says why.
        """
        if self.is_closed:
            raise DurableError(f"The connection to {self.url} was closed. Connect again.")
        request = self._request(method, parts, query, body, headers or {})
        try:
            response = self._transport.send(request, seconds=seconds, limit=self._limit)
        except ResponseTooLargeError:
            raise DurableError(
                f"An answer of {self.url} has more than {self._limit:,} bytes and was not read on. If it may "
                "have more: TaskHub.connect(url, limit=...)."
            ) from None
        except UndecodableResponseError:
            raise DurableError(f"An answer of {self.url} can't be unpacked.") from None
        except (OSError, http.client.HTTPException) as error:
            self._unreachable(method, error)
        headers = {name.lower(): value for name, value in response.headers.items()}
        reply = Reply(response.status, headers, response.body)
        if not 200 <= reply.status < 300:
            self._refuse(reply.status, reply, kinds or {})
        return reply

    def _request(
        self, method: str, parts: Sequence[str], query: Query, body: Any, headers: Mapping[str, str]
    ) -> urllib.request.Request:
        path = "/".join(quote(part, safe="") for part in parts)
        pairs = query.items() if isinstance(query, Mapping) else query
        encoded = urlencode([(name, value) for name, value in pairs if value is not None])
        url = f"{self.url}{MANAGEMENT}/{path}" + (f"?{encoded}" if encoded else "")
        data = (
            None
            if method in ("GET", "DELETE", "OPTIONS")
            else b""
            if body is None
            else json.dumps(body).encode()
        )
        if data is not None and len(data) > BODY_LIMIT:
            self._check_size(len(data), parts)
        request = urllib.request.Request(url, data, {"Accept-Encoding": "gzip", **headers}, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if self._key:
            request.add_unredirected_header("x-functions-key", self._key)
        return request

    def _check_size(self, size: int, parts: Sequence[str]) -> None:
        """Ask the server for its limit: one that gets too much may hang up before it responds."""
        limit = int(self.send("OPTIONS", *parts).headers.get(BODY_LIMIT_HEADER, BODY_LIMIT))
        if size > limit:
            raise ValueError(
                f"The value has {size:,} bytes as JSON; the server takes {limit:,}. Write it to a file and "
                "send its path, or serve the hub with a larger body_limit."
            )

    def _unreachable(self, method: str, error: Exception) -> NoReturn:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ConnectionRefusedError):
            raise HubUnreachableError(
                f"Nobody answers at {self.url}. Serve the hub there, hub.serve(), and take the URL and the "
                "key that it has now."
            ) from None
        unknown = "" if method == "GET" else " Whether it was done isn't known: look before you ask again."
        why = str(getattr(reason, "strerror", None) or reason) or type(reason).__name__
        raise HubUnreachableError(f"The connection to {self.url} failed: {why}.{unknown}") from None

    def _refuse(self, status: int, reply: Reply, kinds: Mapping[str, type[Exception]]) -> NoReturn:
        text, kind = _refusal(reply)
        if status == 401:
            raise DurableError(
                f"{self.url} doesn't know the key. It is server.key where the hub is served, and another one "
                "each time it is served, unless one was given to hub.serve: TaskHub.connect(url, key=...)."
            )
        if status == 421:
            raise DurableError(
                f"The server at {self.url} doesn't know itself by that name. Take the URL that it shows, or "
                "give it this one: hub.serve(public_url=...)."
            )
        if 300 <= status < 400:
            place = reply.headers.get("location", "elsewhere")
            raise DurableError(f"{self.url} leads to {place}. Connect to the URL of the hub itself.")
        if text is None:
            raise DurableError(
                f"What answers at {self.url} is no hub of durablenb, or a proxy in front of one: it said "
                f"{status}. Take the URL that hub.serve() shows."
            )
        raise kinds[kind](text) if kind in kinds else _error(status, kind, text)


_BY_STATUS: dict[int, type[DurableError]] = {
    404: errors.InstanceNotFoundError,
    409: errors.InstanceExistsError,
    410: errors.InstanceStateError,
    412: errors.InstanceStateError,
    503: errors.StoreError,
}


def _error(status: int, kind: str, text: str) -> Exception:
    """Return the error that is raised here for a refusal."""
    if kind in ("ValueError", "TypeError"):
        return ValueError(text)
    return (error_named(kind) or _BY_STATUS.get(status, DurableError))(text)


def error_named(name: str) -> type[DurableError] | None:
    """Return the type of durablenb's errors with this name, if there is one that takes a text."""
    kind = vars(errors).get(name)
    is_error = isinstance(kind, type) and issubclass(kind, DurableError)
    return kind if is_error and kind is not errors.TaskFailedError else None


def _refusal(reply: Reply) -> tuple[str | None, str]:
    """Return the text of a refusal, and the name of the error's type; None if the server isn't a hub's."""
    try:
        body = reply.json()
    except DurableError:
        return None, ""
    if isinstance(body, str):
        return body, ""
    if isinstance(body, dict) and "instancesDeleted" in body:
        return "There is no such instance.", "InstanceNotFoundError"
    if isinstance(body, dict) and isinstance(body.get("ExceptionMessage"), str):
        return body["ExceptionMessage"] or str(body.get("Message")), str(body.get("ExceptionType", ""))
    return None, ""


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"{url!r} isn't the URL of a served hub. Expected one such as 'http://127.0.0.1:7071'."
        )
    if parts.query or parts.fragment or parts.username:
        raise ValueError("The URL is the server's alone, without a key: TaskHub.connect(url, key='...').")
    return url.rstrip("/").removesuffix(MANAGEMENT)


def _checked_limit(limit: int) -> int:
    if not isinstance(limit, int) or limit < 1:
        raise ValueError(f"limit is {limit!r}; expected a number of bytes.")
    return limit


def _checked_key(key: str | None) -> str:
    if key is None:
        return ""
    if not isinstance(key, str) or not key.isascii() or not key.isprintable():
        raise ValueError("A key is text of printable ASCII characters.")
    return key
