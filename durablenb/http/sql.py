"""A query is answered, if the server was told to; never one that a browser sends."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.responses import Response

from durablenb.http.answers import Answer, error_answer, refusal
from durablenb.http.asked import NOTHING, Asked, json_only

_TURN = ThreadPoolExecutor(1, "durablenb-sql")
"""Queries are answered one after another, and whoever asks for something else doesn't wait for them."""

_FORM = "The body is an object: the query under sql, and its values, if there are any, under params."


async def answer(asked: Asked) -> Response:
    """Answer a query."""
    if not asked.journal.takes_sql:
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
        loop = asyncio.get_running_loop()
        return Answer(await loop.run_in_executor(_TURN, asked.journal.answer, sql, parameters))
    except ValueError as error:
        return error_answer(400, "The query can't be answered", str(error), type(error).__name__)
    except asked.journal.query_errors as error:
        return error_answer(400, "The query is wrong", str(error), type(error).__name__)


def _given(body: Any) -> tuple[str, Any]:
    if body is NOTHING or not isinstance(body, dict) or not isinstance(body.get("sql"), str):
        raise refusal(400, "Invalid query", _FORM)
    parameters = body.get("params")
    if not (parameters is None or isinstance(parameters, (list, dict))) or body.keys() - {"sql", "params"}:
        raise refusal(400, "Invalid query", _FORM)
    return body["sql"], parameters
