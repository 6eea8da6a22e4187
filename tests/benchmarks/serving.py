"""A hub over HTTP: two hundred clients that start orchestrations and poll them until they have ended."""

from __future__ import annotations

import asyncio
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from durablenb.model.address import MANAGEMENT
from durablenb.server.instances import CONTINUATION

CLIENTS = 200
SECONDS = 30.0
PAUSE = 0.05
"""Seconds between two polls of one client."""

_APP = """
@hub.activity
def double(number):
    return 2 * number

@hub.orchestrator
def doubled(context):
    return (yield context.call_activity(double, context.get_input()))
"""


def two_hundred_clients(folder: Path) -> Iterator[dict[str, Any]]:
    """Starts and polls, each with a figure of its own; `lost` is what was acknowledged and isn't there."""
    (folder / "app.py").write_text(_APP)
    command = [sys.executable, "-m", "durablenb", "serve", "served.duckdb", "app.py", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(2))
        url, key = re.search(r"served at (\S+)", said)[1], re.search(r"The key is (\S+)", said)[1]
        taken, ids, lost = asyncio.run(_measured(url + MANAGEMENT, key))
        process.send_signal(signal.SIGINT)
        process.communicate()
    for what, seconds in taken.items():
        yield {
            "what": what,
            "n": len(seconds),
            "seconds": SECONDS,
            "median_ms": 1_000 * statistics.median(seconds),
            "p95_ms": 1_000 * statistics.quantiles(seconds, n=20)[-1],
            "orchestrations": len(ids),
            "lost": lost,
        }


async def _measured(base: str, key: str) -> tuple[dict[str, list[float]], set[str], int]:
    taken: dict[str, list[float]] = {"start": [], "poll": []}
    ids: set[str] = set()
    connector = aiohttp.TCPConnector(limit=CLIENTS)
    async with aiohttp.ClientSession(connector=connector, headers={"x-functions-key": key}) as session:
        end = time.monotonic() + SECONDS
        await asyncio.gather(*(_ask(session, base, number, end, taken, ids) for number in range(CLIENTS)))
        return taken, ids, len(ids - await _completed(session, base))


async def _ask(
    session: aiohttp.ClientSession,
    base: str,
    number: int,
    end: float,
    taken: dict[str, list[float]],
    ids: set[str],
) -> None:
    """One client: it starts an orchestration, polls it, and checks what it gave; again and again."""
    while time.monotonic() < end:
        begin = time.perf_counter()
        async with session.post(f"{base}/orchestrators/doubled", json=number) as answer:
            assert answer.status == 202, await answer.text()
            started = await answer.json()
        taken["start"].append(time.perf_counter() - begin)
        ids.add(started["id"])
        while True:
            begin = time.perf_counter()
            async with session.get(f"{base}/instances/{started['id']}") as answer:
                shown = await answer.json()
            taken["poll"].append(time.perf_counter() - begin)
            if answer.status == 200:
                break
            assert answer.status == 202, shown
            await asyncio.sleep(PAUSE)
        assert shown["output"] == 2 * number


async def _completed(session: aiohttp.ClientSession, base: str) -> set[str]:
    found: set[str] = set()
    token = ""
    while True:
        asked = {"top": "1000", "runtimeStatus": "Completed"}
        async with session.get(f"{base}/instances", params=asked, headers={CONTINUATION: token}) as answer:
            found |= {one["instanceId"] for one in await answer.json()}
            token = answer.headers[CONTINUATION]
        if not token:
            return found
