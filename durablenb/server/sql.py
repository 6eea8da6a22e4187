"""A query is answered in a process of its own, if the server was told to; never one that a browser sends."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response

from durablenb.analysis.sandbox.queries import QueriesUnavailableError
from durablenb.analysis.sql import QUERY_ERRORS
from durablenb.server.answers import error_answer, refusal
from durablenb.server.asked import NOTHING, Asked, json_only

_FORM = "The body is an object: the query under sql, and its values, if there are any, under params."


async def answer(asked: Asked) -> Response:
    """Answer a query; queries are answered one after another, and nothing else waits for them."""
    queries = asked.feed.queries
    if queries is None:
        raise refusal(
            403,
            "Queries are off",
            "This server answers no SQL. Serve the hub with hub.serve(sql=True), or durablenb serve --sql.",
        )
    if any(name in asked.request.headers for name in ("origin", "sec-fetch-site", "sec-fetch-mode")):
        raise refusal(403, "A browser asked", "SQL is answered to programs only.")
    if not asked.is_json:
        raise json_only()
    sql, parameters = _given(await asked.value())
    try:
        found = await asyncio.wrap_future(queries.submit(sql, parameters))
    except ValueError as error:
        return error_answer(400, "The query can't be answered", str(error), type(error).__name__)
    except QUERY_ERRORS as error:
        return error_answer(400, "The query is wrong", str(error), type(error).__name__)
    except QueriesUnavailableError as error:
        again = {"Retry-After": "5"}
        return error_answer(503, "No query can be answered now", str(error), "DurableError", again)
    return Response(found, media_type="application/json")


def _given(body: Any) -> tuple[str, Any]:
    if body is NOTHING or not isinstance(body, dict) or not isinstance(body.get("sql"), str):
        raise refusal(400, "Invalid query", _FORM)
    parameters = body.get("params")
    if not (parameters is None or isinstance(parameters, (list, dict))) or body.keys() - {"sql", "params"}:
        raise refusal(400, "Invalid query", _FORM)
    return body["sql"], parameters
