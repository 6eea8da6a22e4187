"""Routes that read the journal from elsewhere: its rows page by page, blobs, source texts, and SQL."""

from __future__ import annotations

import asyncio
import gzip
import re
from time import monotonic
from typing import Any

from starlette.responses import Response

from durablenb.analysis.sandbox.queries import QueriesUnavailableError
from durablenb.analysis.sql import QUERY_ERRORS
from durablenb.server.requests import NOTHING, ApiRequest, json_only
from durablenb.server.responses import JsonResponse, error_response, http_error, text_error

LONGEST_WAIT = 20.0
"""The longest time that a request may wait for news, in seconds."""

POLL_SECONDS = 0.1
"""The seconds between two queries for new rows."""

SMALL = 2_048
"""The largest body that isn't compressed, in bytes."""

# -- rows ----------------------------------------------------------------------------------------


async def all_instances(request: ApiRequest) -> Response:
    """Return the rows after a position in the journal, without long payloads."""
    return await _page(request, None)


async def one_instance(request: ApiRequest) -> Response:
    """Return the rows of an instance or an entity after a position in the journal."""
    return await _page(request, request.instance_id)


async def _page(request: ApiRequest, instance_id: str | None) -> Response:
    """Return a page at once if there is news, else as soon as there is, or when the time is over."""
    feed, deadline = request.services.feed, monotonic() + _wait_seconds(request)
    after, row_count = request.number("after") or 0, request.number("held")
    info = None if instance_id is None else feed.journal.runtime_info(instance_id)
    last_mark = None
    while True:
        mark = await asyncio.to_thread(feed.mark, instance_id)
        if mark != last_mark:  # equal if only other instances have new rows
            last_mark, page = mark, await asyncio.to_thread(feed.page, instance_id, after)
            if page.rows or (row_count is not None and page.held != row_count):
                break
        has_same_info = instance_id is None or feed.journal.runtime_info(instance_id) == info
        left = deadline - monotonic()
        if left <= 0 or not has_same_info or await _has_ended(request):
            break
        await _wait_for_closing(request, min(left, POLL_SECONDS))
    body = {**page.as_json(), "server": feed.token, "now": feed.journal.now().isoformat()}
    body["ticks"] = feed.ticks
    if instance_id is None:
        queues = await asyncio.to_thread(feed.journal.queues)
        body["queues"] = [state.as_json() for state in queues]
    else:
        body["standing"] = feed.journal.runtime_info(instance_id).as_json()
    return _compressed(request, JsonResponse(body))


async def _has_ended(request: ApiRequest) -> bool:
    """Return whether the server is closing or the client has disconnected."""
    return request.services.closing.is_set() or await request.http.is_disconnected()


async def _wait_for_closing(request: ApiRequest, seconds: float) -> None:
    """Wait until the time is over or the server closes."""
    try:
        await asyncio.wait_for(request.services.closing.wait(), seconds)
    except TimeoutError:
        return


def _wait_seconds(request: ApiRequest) -> float:
    """Return the seconds of the header ``Prefer: wait=`` of RFC 7240, which may have thousandths here."""
    match = re.search(r"\bwait=(\d{1,9}(?:\.\d{1,3})?)", request.http.headers.get("prefer", ""), re.ASCII)
    return min(float(match[1]), LONGEST_WAIT) if match else 0.0


def _compressed(request: ApiRequest, response: JsonResponse) -> Response:
    """Return the response, compressed if the client accepts it: a history shrinks to a tenth."""
    header = request.http.headers.get("accept-encoding", "")
    if len(response.body) <= SMALL or "gzip" not in [name.strip().lower() for name in header.split(",")]:
        return response
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(gzip.compress(bytes(response.body), 1), media_type="application/json", headers=headers)


# -- beside the rows -----------------------------------------------------------------------------


async def related(request: ApiRequest) -> Response:
    """Return what other histories say of an instance: its forks, and the queues of entities."""
    entity_ids = request.http.query_params.getlist("entity")
    feed = request.services.feed
    return JsonResponse(await asyncio.to_thread(feed.related, request.instance_id, entity_ids))


async def log(request: ApiRequest) -> Response:
    """Return the log of an instance and its sub-orchestrations."""
    lines = await asyncio.to_thread(request.services.feed.log, request.instance_id)
    return _compressed(request, JsonResponse(lines))


async def outputs(request: ApiRequest) -> Response:
    """Return the rich outputs of an instance and its sub-orchestrations."""
    found = await asyncio.to_thread(request.services.feed.outputs, request.instance_id)
    return _compressed(request, JsonResponse(found))


async def blob(request: ApiRequest) -> Response:
    """Return a blob, a large part of a value."""
    content = await asyncio.to_thread(request.services.feed.blob, request.path_parameter("hash"))
    if content is None:
        raise text_error(404, "The hub has no blob with this hash.")
    return Response(content, media_type="application/octet-stream")


async def source(request: ApiRequest) -> Response:
    """Return the source text of an orchestrator."""
    journal = request.services.feed.journal
    text = await asyncio.to_thread(journal.source, request.path_parameter("hash"))
    if text is None:
        raise text_error(404, "The hub has no source text with this hash.")
    return JsonResponse(text)


# -- SQL -----------------------------------------------------------------------------------------

_QUERY_FORM = "The body is an object: the query under sql, and its values, if there are any, under params."


async def sql(request: ApiRequest) -> Response:
    """Answer a query in SQL, in a process of its own, one query at a time."""
    queries = request.services.feed.queries
    if queries is None:
        raise http_error(
            403,
            "Queries are off",
            "This server answers no SQL. Serve the hub with hub.serve(sql=True), or durablenb serve --sql.",
        )
    if any(name in request.http.headers for name in ("origin", "sec-fetch-site", "sec-fetch-mode")):
        raise http_error(403, "A browser sent the query", "Only programs may send SQL.")
    if not request.is_json:
        raise json_only()
    query, parameters = _query(await request.value())
    try:
        body = await asyncio.wrap_future(queries.submit(query, parameters))
    except ValueError as error:
        return error_response(400, "The query can't be answered", str(error), type(error).__name__)
    except QUERY_ERRORS as error:
        return error_response(400, "The query is wrong", str(error), type(error).__name__)
    except QueriesUnavailableError as error:
        headers = {"Retry-After": "5"}
        return error_response(503, "No query can be answered now", str(error), "DurableError", headers)
    return Response(body, media_type="application/json")


def _query(body: Any) -> tuple[str, Any]:
    if body is NOTHING or not isinstance(body, dict) or not isinstance(body.get("sql"), str):
        raise http_error(400, "Invalid query", _QUERY_FORM)
    parameters = body.get("params")
    if not (parameters is None or isinstance(parameters, (list, dict))) or body.keys() - {"sql", "params"}:
        raise http_error(400, "Invalid query", _QUERY_FORM)
    return body["sql"], parameters
