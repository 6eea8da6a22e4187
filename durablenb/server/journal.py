"""The journal is told to those who look at the hub from elsewhere; they may wait for news of it."""

from __future__ import annotations

import asyncio
import gzip
import re
from time import monotonic
from typing import Any

from starlette.responses import Response

from durablenb.server.answers import Answer, Refused, refusal, told
from durablenb.server.asked import Asked

LONGEST_WAIT = 20.0
"""Seconds after which somebody who waits for news is answered that there are none."""

LOOK_SECONDS = 0.1
"""Between two looks for news."""

LARGEST = 2**63 - 1
"""The last place that a journal can have."""

SMALL = 2_048
"""Bytes up to which an answer isn't compressed."""


async def all_instances(asked: Asked) -> Response:
    """Tell what was written after a place in the journal, without long payloads."""
    return await _page(asked, None)


async def one_instance(asked: Asked) -> Response:
    """Tell what was written of an instance or an entity after a place in the journal."""
    return await _page(asked, asked.part("instance_id"))


async def beside(asked: Asked) -> Response:
    """Tell what a picture of an instance needs beside its own history."""
    entity_ids = asked.request.query_params.getlist("entity")
    return Answer(await asyncio.to_thread(asked.feed.related, asked.part("instance_id"), entity_ids))


async def log(asked: Asked) -> Response:
    """Tell what an instance and its sub-orchestrations printed."""
    return _compressed(asked, Answer(await asyncio.to_thread(asked.feed.log, asked.part("instance_id"))))


async def blob(asked: Asked) -> Response:
    """Give a large part of a value."""
    found = await asyncio.to_thread(asked.feed.blob, asked.part("hash"))
    if found is None:
        raise Refused(told(404, "The hub has no such part of a value."))
    return Response(found, media_type="application/octet-stream")


async def source(asked: Asked) -> Response:
    """Give the source text that an orchestrator had."""
    found = await asyncio.to_thread(asked.feed.journal.source, asked.part("hash"))
    if found is None:
        raise Refused(told(404, "The hub has no such source text."))
    return Answer(found)


async def _page(asked: Asked, instance_id: str | None) -> Response:
    """Answer at once if there is news, else as soon as there is, or when the time is over."""
    feed, until = asked.feed, monotonic() + _wait(asked)
    after, held = _number(asked, "after") or 0, _number(asked, "held")
    info = None if instance_id is None else feed.journal.runtime_info(instance_id)
    mark = None
    while True:
        now = await asyncio.to_thread(feed.mark, instance_id)
        if now != mark:  # not so if other instances were written about
            mark, page = now, await asyncio.to_thread(feed.page, instance_id, after)
            if page.rows or (held is not None and page.held != held):
                break
        is_known = instance_id is None or feed.journal.runtime_info(instance_id) == info
        left = until - monotonic()
        if left <= 0 or not is_known or asked.closing.is_set() or await asked.request.is_disconnected():
            break
        await _closed_within(asked, min(left, LOOK_SECONDS))
    answer = {**page.as_json(), "server": feed.token, "now": feed.journal.now().isoformat()}
    answer["ticks"] = feed.ticks
    if instance_id is not None:
        answer["standing"] = feed.journal.runtime_info(instance_id).as_json()
    return _compressed(asked, Answer(answer))


async def _closed_within(asked: Asked, seconds: float) -> None:
    """Wait, but no longer than the server goes on."""
    try:
        await asyncio.wait_for(asked.closing.wait(), seconds)
    except TimeoutError:
        return


def _wait(asked: Asked) -> float:
    """How long to wait: the header ``Prefer: wait=`` of RFC 7240, also with thousandths."""
    found = re.search(r"\bwait=(\d{1,9}(?:\.\d{1,3})?)", asked.request.headers.get("prefer", ""), re.ASCII)
    return min(float(found[1]), LONGEST_WAIT) if found else 0.0


def _number(asked: Asked, name: str) -> int | None:
    text = asked.text(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LARGEST):
        raise refusal(
            400, "That is no number", f"{name} is {text[:40]!r}; expected a whole number from 0 to {LARGEST}."
        )
    return int(text)


def _compressed(asked: Asked, answer: Answer) -> Response:
    """The answer, compressed if whoever asks can take it: a history becomes a tenth of its length."""
    accepted = [one.strip().lower() for one in asked.request.headers.get("accept-encoding", "").split(",")]
    if len(answer.body) <= SMALL or "gzip" not in accepted:
        return answer
    headers: dict[str, Any] = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(gzip.compress(bytes(answer.body), 1), media_type="application/json", headers=headers)
