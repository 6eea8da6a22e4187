"""A soak test, mixed work in one process: `python -m tests.campaign.soak SECONDS SEED` prints its figures.

A third of the time is for warming up. What the process holds in the end, in memory, files and threads, must
be little more than what it held then.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from random import Random

import psutil

import durablenb as df
from tests.campaign.row import Figures

ROOT = Path(__file__).parents[2]
ROOM = 64 << 20
"""Bytes that memory may have grown by after the warming up: caches that aren't full yet."""


def soaked(seconds: int, seed: int) -> Figures:
    """So many seconds of it, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaign.soak", str(seconds), str(seed)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        return Figures(failures=[done.stderr.strip().splitlines()[-1]])
    found = json.loads(done.stdout)
    warm, end = found["warm"], found["end"]
    figures = Figures(found["instances"], found["errors"])
    if end["memory"] > warm["memory"] + ROOM:
        figures.failures.append(f"memory grew from {warm['memory']:,} to {end['memory']:,} bytes")
    for what in ("files", "threads"):
        if end[what] > warm[what] + 2:
            figures.failures.append(f"{what} grew from {warm[what]} to {end[what]}")
    megabytes = " to ".join(f"{one['memory'] >> 20}" for one in (found["begin"], warm, end))
    figures.note = f"memory {megabytes} MB, {end['files']} files, {end['threads']} threads"
    return figures


def register(hub: df.TaskHub, random: Random) -> None:
    """Register a chain, a fan-out, a family, a race against a timer, failures, an entity under a lock."""

    @hub.activity
    def work(size):
        return "x" * size

    @hub.activity
    def fails(size):
        raise ValueError("bad luck")

    @hub.entity
    def counter(context):
        context.set_state(context.get_state(lambda: 0) + context.get_input())

    @hub.orchestrator
    def mixed(context):
        size = context.get_input()
        for _ in range(3):
            yield context.call_activity("work", size)
        yield context.task_all([context.call_activity("work", number) for number in range(10)])
        soon = context.current_utc_datetime + timedelta(milliseconds=20)
        late = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        yield context.task_any([context.create_timer(soon), late])
        late.cancel()
        try:
            yield context.call_activity_with_retry("fails", df.RetryOptions(1, 2), size)
        except ValueError:
            yield context.call_sub_orchestrator("child", size)
        with (yield context.lock([df.EntityId("counter", str(size % 7))])):
            yield context.call_entity(df.EntityId("counter", str(size % 7)), "add", 1)
        return (yield context.wait_for_external_event("go"))

    @hub.orchestrator
    def child(context):
        return len((yield context.call_activity("work", context.get_input())))


def one(hub: df.TaskHub, random: Random) -> None:
    """An instance from its start to its end, looked at meanwhile, and now and then purged."""
    handle = hub.start("mixed", random.randrange(5_000))
    handle.raise_event("go", 1)
    repr(handle.status())
    assert handle.result(60) == 1
    assert len(handle.history()) > 20
    if random.random() < 0.5:
        handle.purge()


def held(process: psutil.Process) -> dict[str, int]:
    """Return the memory, the files and the threads that the process has now."""
    files = process.num_handles() if sys.platform == "win32" else process.num_fds()
    return {"memory": process.memory_info().rss, "files": files, "threads": threading.active_count()}


def main(seconds: float, seed: int) -> None:
    """Works, and prints what came of it."""
    process, random = psutil.Process(), Random(seed)
    begin, instances, errors = time.monotonic(), 0, []
    with tempfile.TemporaryDirectory() as name, df.TaskHub(Path(name) / "hub.duckdb", executor=4) as hub:
        register(hub, random)
        first, warm = held(process), None
        while (passed := time.monotonic() - begin) < seconds or not instances:
            if warm is None and passed > seconds / 3 and instances:
                warm = held(process)
            instances += 1
            try:
                one(hub, random)
            except Exception as error:
                errors.append(f"instance {instances}: {type(error).__name__}: {error}")
        end = held(process)
    print(
        json.dumps(
            {"instances": instances, "errors": errors, "begin": first, "warm": warm or end, "end": end}
        )
    )


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
