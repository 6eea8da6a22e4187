"""HTTP responses of Azure Functions, as Azure's client creates them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from durablenb.model.errors import DurableError


def http_response(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Any:
    """Return an ``azure.functions.HttpResponse`` with a value as JSON; text is sent as it is.

    Raises
    ------
    DurableError
        If ``azure.functions`` isn't installed.
    """
    try:
        from azure.functions import HttpResponse
    except ModuleNotFoundError:
        raise DurableError("An HttpResponse needs azure-functions: pip install azure-functions.") from None
    return HttpResponse(
        value if isinstance(value, str) else json.dumps(value),
        status_code=status,
        mimetype="application/json",
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def check_status_response(urls: dict[str, str]) -> Any:
    """Return the response with the URLs by which an instance is managed."""
    return http_response(202, urls, {"Location": urls["statusQueryGetUri"], "Retry-After": "10"})


def moved(urls: dict[str, str], request: Any) -> dict[str, str]:
    """Return the URLs with the host of a request, by which its sender reaches the server."""
    url = getattr(request, "url", None)
    if not url:
        return urls
    asked, own = urlsplit(url), urlsplit(urls["statusQueryGetUri"])
    before, after = f"{own.scheme}://{own.netloc}/", f"{asked.scheme}://{asked.netloc}/"
    return {
        name: after + text.removeprefix(before) if text.startswith(before) else text
        for name, text in urls.items()
    }
