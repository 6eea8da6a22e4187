"""The built-in activity of `call_http`."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from durablenb.core.calls import headers_for
from durablenb.engine.transport import HttpTransport, ResponseTooLargeError
from durablenb.model.payloads import SIZE_LIMIT

REQUEST_SECONDS = 100.0
"""The longest time that one request may take, as .NET's ``HttpClient`` has it."""


def send_request(request: dict[str, Any]) -> dict[str, Any]:
    """Return the response to an HTTP request, whatever its status.

    Parameters
    ----------
    request
        ``method``, ``uri``, ``headers`` and ``content``, text or None.

    Raises
    ------
    ValueError
        If the address is neither ``http`` nor ``https``, or the response is larger than a value may be.
    OSError
        If there is no response.
    """
    uri = request["uri"]
    if urlsplit(uri).scheme.lower() not in ("http", "https"):
        raise ValueError(f"call_http takes http and https addresses, not {uri!r}.")
    content = request["content"]
    headers = dict(request["headers"])
    if content is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    data = None if content is None else content.encode()
    to_send = urllib.request.Request(uri, data=data, headers=headers, method=request["method"])
    transport = HttpTransport(_CarefulRedirects)
    try:
        response = transport.send(to_send, seconds=REQUEST_SECONDS, limit=SIZE_LIMIT)
    except ResponseTooLargeError:
        raise ValueError(
            f"The answer has more than {SIZE_LIMIT:,} bytes, which a value may have, and was not read on."
        ) from None
    charset = response.headers.get_content_charset() or "utf-8"
    try:
        content = response.body.decode(charset, "replace")
    except LookupError:  # there is no such charset
        content = response.body.decode("utf-8", "replace")
    return {
        "statusCode": response.status,
        "headers": _grouped(response.headers.items()),
        "content": content,
    }


class _CarefulRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only, without credentials for another host."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme.lower() not in ("http", "https"):
            return None
        followed = super().redirect_request(req, fp, code, msg, headers, newurl)
        if followed is not None:
            followed.headers = headers_for(newurl, req.full_url, dict(followed.headers))
        return followed


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Return headers by name, spelled as first received; repeated ones as lists."""
    by_name: dict[str, tuple[str, list[str]]] = {}
    for name, value in pairs:
        by_name.setdefault(name.lower(), (name, []))[1].append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in by_name.values()}
