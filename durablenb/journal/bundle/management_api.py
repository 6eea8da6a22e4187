"""A client that reads histories from a management API: Azure's, or a served hub's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from urllib.request import Request

from durablenb.engine.transport import HttpTransport, ResponseTooLargeError
from durablenb.model.address import MANAGEMENT
from durablenb.model.errors import DurableError

TIMEOUT_SECONDS = 60.0
"""The longest time of a request, in seconds."""

PAGE_LIMIT = 10_000
"""The largest number of pages of a list."""

RESPONSE_LIMIT = 64 << 20
"""The limit of one response, in bytes."""

TOTAL_LIMIT = 512 << 20
"""The limit of all responses together, in bytes."""

CONTINUATION = "x-ms-continuation-token"

_SHOW_ALL = {"showHistory": "true", "showHistoryOutput": "true", "showInput": "true"}
_REPLACED = {name.lower() for name in _SHOW_ALL} | {"returninternalservererroronfailure"}
_KEY = "x-functions-key"


class ManagementApi:
    """A management API and a choice of its instances.

    Parameters
    ----------
    url
        The URL of one instance, ``…/instances/ID``, of a list, ``…/instances?runtimeStatus=Failed``, or of
        the server.
    key
        The key of the server; without it, the ``code`` in the URL.

    Notes
    -----
    The key is sent in a header, and is never part of an error message.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("The URL can't be read.") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("Expected a URL such as https://app.azurewebsites.net/….")
        url_host = f"[{host}]" if ":" in host else host
        query = parse_qsl(parts.query, keep_blank_values=True)
        self._key = key or next((value for name, value in query if name.lower() == "code"), None)
        path = parts.path.rstrip("/") or f"{MANAGEMENT}/instances"
        before, separator, instance_id = path.rpartition("/instances/")
        self._base = before + "/instances" if separator else path
        self._quoted_id = instance_id if separator else ""
        if not self._base.endswith("/instances"):
            raise ValueError(
                f"The path {path!r} at {url_host} has no instances. Expected the URL of an instance, "
                "…/instances/ID, or of a list, …/instances?runtimeStatus=Failed."
            )
        self._query = [(name, value) for name, value in query if name.lower() not in _REPLACED | {"code"}]
        self._left = TOTAL_LIMIT
        self._transport = HttpTransport()
        self._server = f"{parts.scheme}://{url_host if port is None else f'{url_host}:{port}'}"

    @property
    def origin(self) -> str:
        """The URL without key and query."""
        return self._server + self._base + (f"/{self._quoted_id}" if self._quoted_id else "")

    def statuses(self) -> Iterator[Any]:
        """Yield the status of each chosen instance, with its history.

        Raises
        ------
        DurableError
            If the server can't be reached, or refuses.
        """
        if self._quoted_id:
            yield self._status(self._quoted_id)
            return
        for instance_id in self._list_ids():
            yield self._status(quote(instance_id, safe=""))

    def _status(self, quoted_id: str) -> Any:
        common = [(name, value) for name, value in self._query if name.lower() in ("taskhub", "connection")]
        status, _ = self._get(f"{self._base}/{quoted_id}", [*common, *_SHOW_ALL.items()], {})
        return status

    def _list_ids(self) -> Iterator[str]:
        seen: set[str] = set()
        token = ""
        for _ in range(PAGE_LIMIT):
            headers = {CONTINUATION: token} if token else {}
            page, token = self._get(self._base, [*self._query, ("showInput", "false")], headers)
            if not isinstance(page, list):
                raise DurableError(f"{self.origin} answered with something that is no list of instances.")
            for status in page:
                instance_id = status.get("instanceId") if isinstance(status, dict) else None
                if not isinstance(instance_id, str) or instance_id.startswith("@"):
                    continue
                if instance_id not in seen:
                    seen.add(instance_id)
                    yield instance_id
            if not token:
                return
        raise DurableError(f"{self.origin} has more than {PAGE_LIMIT:,} pages. Ask for fewer instances.")

    def _get(self, path: str, query: list[tuple[str, str]], headers: dict[str, str]) -> tuple[Any, str]:
        """Return the JSON value of a response, and its continuation token."""
        url = f"{self._server}{path}?{urlencode(query)}"
        request = Request(url, headers={"Accept": "application/json", **headers})
        if self._key is not None:
            request.add_unredirected_header(_KEY, self._key)
        limit = min(RESPONSE_LIMIT, self._left)
        try:
            response = self._transport.send(request, seconds=TIMEOUT_SECONDS, limit=limit)
        except ResponseTooLargeError:
            raise self._too_large(path, limit) from None
        except (OSError, ValueError, HTTPException) as error:
            reason = getattr(error, "reason", None)
            kind = type(reason if isinstance(reason, Exception) else error).__name__
            raise DurableError(f"{self._server} can't be reached: {kind}.") from None
        if not 200 <= response.status < 300:
            raise DurableError(f"{self._server}{path} answered {response.status}. {_hint(response.status)}")
        self._left -= len(response.body)
        try:
            return json.loads(response.body), response.headers.get(CONTINUATION) or ""
        except (ValueError, RecursionError):
            raise DurableError(f"{self._server}{path} answered with something that isn't JSON.") from None

    def _too_large(self, path: str, limit: int) -> DurableError:
        if limit < RESPONSE_LIMIT:
            return DurableError(
                f"{self._server} sent more than {TOTAL_LIMIT:,} bytes in all. Import fewer instances at "
                "a time."
            )
        return DurableError(
            f"{self._server}{path} answered with more than {RESPONSE_LIMIT:,} bytes. If the history is that "
            "large, save the answer as a file and import the file."
        )


def _hint(code: int) -> str:
    if code in (401, 403):
        return "Is the key right? key='…', or code=… in the URL."
    if code == 404:
        return "There is no such instance, or no such server."
    if 300 <= code < 400:
        return "It wants to lead elsewhere. Give the URL to which it leads."
    return "Try again later."
