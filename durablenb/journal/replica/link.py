"""The way to a served hub: requests that carry the key, and errors that say what to do."""

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
"""Within which an answer has to begin, beside what was asked to be waited."""

PAUSES = (0.2, 1.0)
"""Seconds before a request that only looks is sent again."""

BODY_LIMIT = 1 << 20
"""Bytes that a body may have at any server."""

ANSWER_LIMIT = 64 << 20
"""Bytes that an answer may have, as it is once it was unpacked, unless another limit is given."""

Query = Mapping[str, Any] | Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class Reply:
    """What the server answered.

    Parameters
    ----------
    status
        The code.
    headers
        By their names in lower case.
    body
        As it is once it was unpacked.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON values; None if it is empty.

        Raises
        ------
        DurableError
            If it is something else.
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
        Where the hub is served.
    key
        What lets a request in.
    limit
        Bytes that an answer may have, once it was unpacked.
    pause
        Waits so many seconds.

    Raises
    ------
    ValueError
        If it is no URL of a server.
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

    def get(self, *parts: str, query: Query = (), headers: Mapping[str, str] | None = None) -> Reply:
        """Ask for something, again if nobody answers: it changes nothing."""
        return self._again(lambda: self.send("GET", *parts, query=query, headers=headers))

    def look(self, *parts: str, query: Query, wait: float) -> Any:
        """Ask in the same way, and let the server wait so many seconds for news; return JSON values."""
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
            What is raised of a refusal, by the name of the error there, beside durablenb's own.

        Raises
        ------
        HubUnreachableError
            If there is no answer. Whether something was done isn't known then.
        DurableError
            If the server refuses; the kind says why.
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
        asked = urlencode([(name, value) for name, value in pairs if value is not None])
        url = f"{self.url}{MANAGEMENT}/{path}" + (f"?{asked}" if asked else "")
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
        """Asks the server how much it takes: one that gets too much may hang up before it has said so."""
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
        told = str(getattr(reason, "strerror", None) or reason) or type(reason).__name__
        raise HubUnreachableError(f"The connection to {self.url} failed: {told}.{unknown}") from None

    def _refuse(self, status: int, reply: Reply, kinds: Mapping[str, type[Exception]]) -> NoReturn:
        text, kind = _told(reply)
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
    """What the server's refusal is here."""
    if kind in ("ValueError", "TypeError"):
        return ValueError(text)
    return (error_named(kind) or _BY_STATUS.get(status, DurableError))(text)


def error_named(name: str) -> type[DurableError] | None:
    """Return durablenb's own error of that name, if there is one that takes a text."""
    found = vars(errors).get(name)
    is_one = isinstance(found, type) and issubclass(found, DurableError)
    return found if is_one and found is not errors.TaskFailedError else None


def _told(reply: Reply) -> tuple[str | None, str]:
    """What a refusal says, and the error's type there; None if it isn't a hub's."""
    try:
        said = reply.json()
    except DurableError:
        return None, ""
    if isinstance(said, str):
        return said, ""
    if isinstance(said, dict) and "instancesDeleted" in said:
        return "There is no such instance.", "InstanceNotFoundError"
    if isinstance(said, dict) and isinstance(said.get("ExceptionMessage"), str):
        return said["ExceptionMessage"] or str(said.get("Message")), str(said.get("ExceptionType", ""))
    return None, ""


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no URL of a served hub. Expected one such as 'http://127.0.0.1:7071'.")
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
