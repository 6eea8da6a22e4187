"""One HTTP request over urllib, and its response: read up to a limit, and decompressed."""

from __future__ import annotations

import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from email.message import Message
from http.client import IncompleteRead
from typing import Any

_GZIP = 16 + zlib.MAX_WBITS
_CHUNK = 1 << 16


class ResponseTooLargeError(Exception):
    """A response is larger than the limit, and was not read to its end."""


class UndecodableResponseError(ValueError):
    """A response can't be decompressed."""


@dataclass(frozen=True)
class HttpResponse:
    """A response with any status.

    Parameters
    ----------
    status
        The status code.
    headers
        The headers.
    body
        The body, decompressed.
    """

    status: int
    headers: Message
    body: bytes


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a redirect could send the key, or the request's data, to another server."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect."""


class HttpTransport:
    """Sends requests.

    Parameters
    ----------
    redirects
        The handler of redirects. Without one, a redirect is a response like any other.
    """

    def __init__(self, redirects: type[urllib.request.HTTPRedirectHandler] = NoRedirects) -> None:
        self._opener = urllib.request.build_opener(redirects)

    def send(self, request: urllib.request.Request, *, seconds: float, limit: int) -> HttpResponse:
        """Send a request once, and return its response, whatever the status.

        Parameters
        ----------
        request
            The request.
        seconds
            The longest time without any data.
        limit
            The limit of the body, in bytes, after it was decompressed.

        Raises
        ------
        ResponseTooLargeError
            If the body is larger than the limit.
        UndecodableResponseError
            If the body can't be decompressed.
        OSError, http.client.HTTPException
            If there is no response, or a part of it is missing.
        """
        try:
            with self._opener.open(request, timeout=seconds) as response:
                return _read(response, limit)
        except urllib.error.HTTPError as response:
            with response:
                return _read(response, limit)


def _read(response: Any, limit: int) -> HttpResponse:
    is_gzip = (response.headers.get("Content-Encoding") or "").strip().lower() == "gzip"
    decompressor = zlib.decompressobj(_GZIP) if is_gzip else None
    body, is_complete = bytearray(), True
    try:
        while chunk := response.read(_CHUNK):
            body += chunk if decompressor is None else decompressor.decompress(chunk, limit + 1 - len(body))
            if len(body) > limit:
                raise ResponseTooLargeError
            is_complete = decompressor is None or decompressor.eof
    except zlib.error:
        is_complete = False
    if getattr(response, "length", None):  # the connection broke
        raise IncompleteRead(bytes(body), response.length)
    if not is_complete:
        raise UndecodableResponseError("The response can't be decompressed.")
    return HttpResponse(response.status, response.headers, bytes(body))
