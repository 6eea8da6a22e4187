"""Histories from a management API: Azure's, or that of a hub that is served."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, IncompleteRead
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from durablenb.model.address import MANAGEMENT
from durablenb.model.errors import DurableError

PATIENCE = 60.0
"""Seconds that an answer may take."""

MOST_PAGES = 10_000
"""Pages of a list that are asked for."""

ANSWER_LIMIT = 64 << 20
"""Bytes that one answer may have."""

TOTAL_LIMIT = 512 << 20
"""Bytes that all answers together may have."""

CONTINUATION = "x-ms-continuation-token"

_SHOWN = {"showHistory": "true", "showHistoryOutput": "true", "showInput": "true"}
_UNSHOWN = {name.lower() for name in _SHOWN} | {"returninternalservererroronfailure"}
_KEY = "x-functions-key"


class Api:
    """A management API, and which instances of it are meant.

    Parameters
    ----------
    url
        Of one instance, ``…/instances/ID``; of a list, ``…/instances?runtimeStatus=Failed``; or of the
        server.
    key
        What lets a request in; without one, the ``code`` of the URL.

    Notes
    -----
    The key is sent in a header, and stands in no error.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("The URL can't be read.") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("Expected a URL such as https://app.azurewebsites.net/….")
        place = f"[{host}]" if ":" in host else host
        query = parse_qsl(parts.query, keep_blank_values=True)
        self._key = key or next((value for name, value in query if name.lower() == "code"), None)
        kept = [(name, value) for name, value in query if name.lower() not in _UNSHOWN | {"code"}]
        path = parts.path.rstrip("/") or f"{MANAGEMENT}/instances"
        before, found, self._instance = path.rpartition("/instances/")
        self._base = before + "/instances" if found else path
        if not self._base.endswith("/instances"):
            raise ValueError(
                f"{place} would be asked for {path!r}. Expected the URL of an instance, …/instances/ID, or "
                "of a list, …/instances?runtimeStatus=Failed."
            )
        if not found:
            self._instance = ""
        self._query = kept
        self._left = TOTAL_LIMIT
        self._origin = f"{parts.scheme}://{place if port is None else f'{place}:{port}'}"

    @property
    def origin(self) -> str:
        """Where it is, without key and query."""
        return self._origin + self._base + (f"/{self._instance}" if self._instance else "")

    def answers(self) -> Iterator[Any]:
        """Give the status of each instance that is meant, with its history.

        Raises
        ------
        DurableError
            If the server can't be reached, or refuses.
        """
        if self._instance:
            yield self._one(self._instance)
            return
        for instance_id in self._listed():
            yield self._one(quote(instance_id, safe=""))

    def _one(self, quoted_id: str) -> Any:
        own = [(name, value) for name, value in self._query if name.lower() in ("taskhub", "connection")]
        answer, _ = self._get(f"{self._base}/{quoted_id}", [*own, *_SHOWN.items()], {})
        return answer

    def _listed(self) -> Iterator[str]:
        seen: set[str] = set()
        token = ""
        for _ in range(MOST_PAGES):
            given = {CONTINUATION: token} if token else {}
            page, token = self._get(self._base, [*self._query, ("showInput", "false")], given)
            if not isinstance(page, list):
                raise DurableError(f"{self.origin} answered with something that is no list of instances.")
            for one in page:
                found = one.get("instanceId") if isinstance(one, dict) else None
                if isinstance(found, str) and found not in seen and not found.startswith("@"):
                    seen.add(found)
                    yield found
            if not token:
                return
        raise DurableError(f"{self.origin} has more than {MOST_PAGES:,} pages. Ask for fewer instances.")

    def _get(self, path: str, query: list[tuple[str, str]], headers: dict[str, str]) -> tuple[Any, str]:
        url = f"{self._origin}{path}?{urlencode(query)}"
        request = urllib.request.Request(url, headers={"Accept": "application/json", **headers})
        if self._key is not None:
            request.add_unredirected_header(_KEY, self._key)
        try:
            with _opener.open(request, timeout=PATIENCE) as answer:
                most = min(ANSWER_LIMIT, self._left)
                body, token = answer.read(most + 1), answer.headers.get(CONTINUATION) or ""
                if len(body) <= most and answer.length:  # the connection broke
                    raise IncompleteRead(body, answer.length)
        except urllib.error.HTTPError as error:
            with error:
                raise DurableError(
                    f"{self._origin}{path} answered {error.code}. {_hint(error.code)}"
                ) from None
        except (OSError, ValueError, HTTPException) as error:
            reason = getattr(error, "reason", None)
            kind = type(reason if isinstance(reason, Exception) else error).__name__
            raise DurableError(f"{self._origin} can't be reached: {kind}.") from None
        if len(body) > most:
            raise self._too_much(path, most)
        self._left -= len(body)
        try:
            return json.loads(body), token
        except (ValueError, RecursionError):
            raise DurableError(f"{self._origin}{path} answered with something that isn't JSON.") from None

    def _too_much(self, path: str, most: int) -> DurableError:
        if most < ANSWER_LIMIT:
            return DurableError(
                f"{self._origin} tells more than {TOTAL_LIMIT:,} bytes in all. Import fewer instances at "
                "a time."
            )
        return DurableError(
            f"{self._origin}{path} answered with more than {ANSWER_LIMIT:,} bytes. If that is what it has to "
            "tell, save the answer as a file and import the file."
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirection isn't followed: it could lead the key, or what is told, elsewhere."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing."""


_opener = urllib.request.build_opener(_NoRedirect)


def _hint(code: int) -> str:
    if code in (401, 403):
        return "Is the key right? key='…', or code=… in the URL."
    if code == 404:
        return "There is no such instance, or no such server."
    if 300 <= code < 400:
        return "It wants to lead elsewhere. Give the URL to which it leads."
    return "Try again later."
