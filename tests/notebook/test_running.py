"""Calls that run and calls that are queued: every view says the same, whatever runs them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import re
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import durablenb as df
from durablenb.notebook.still.progress import progress_text
from tests.notebook.reading import page_of, tell, text_of, turn_to
from tests.waiting import until

SAYS = "2 running, 28 queued"
TIMES = "\N{MULTIPLICATION SIGN}"


def wait_for_file(path: str) -> None:
    ends = time.monotonic() + 60
    while not Path(path).exists() and time.monotonic() < ends:
        time.sleep(0.005)


async def wait_for_file_in_turn(path: str) -> None:
    while not Path(path).exists():
        await asyncio.sleep(0.005)


class Ahead(concurrent.futures.Executor):
    """Says that it runs one call more than it has workers, as a `ProcessPoolExecutor` does."""

    _max_workers = 2

    def __init__(self) -> None:
        self._futures: list[concurrent.futures.Future[Any]] = []

    def submit(self, *_: Any, **__: Any) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        if len(self._futures) < self._max_workers + 1:
            future.set_running_or_notify_cancel()
        self._futures.append(future)
        return future

    def fail(self) -> None:
        for future in self._futures:
            if not future.cancel():
                future.set_exception(ValueError("the pool is gone"))


WAYS: dict[str, tuple[Any, dict[str, Any]]] = {
    "threads": (nullcontext, {"executor": 16, "max_concurrency": 2}),
    "two threads": (nullcontext, {"executor": 2}),
    "asyncio": (nullcontext, {"max_concurrency": 2}),
    "pool of threads": (lambda: concurrent.futures.ThreadPoolExecutor(2), {}),
    "pool of processes": (Ahead, {}),
}


@pytest.fixture(params=WAYS)
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[df.Handle]]:
    """Two instances of 30 calls each, of which two run and wait; the other instance has only queued ones."""
    make, options = WAYS[request.param]
    gate = tmp_path / "gate"
    with make() as pool, df.TaskHub(":memory:", **({"executor": pool} if pool else {}) | options) as hub:
        function = wait_for_file_in_turn if request.param == "asyncio" else wait_for_file
        hub.add_activity(function, "work")

        @hub.orchestrator
        def fan(context):
            yield context.task_all([context.call_activity("work", str(gate)) for _ in range(30)])

        try:
            first = hub.start(fan, instance_id="first")
            until(lambda: "2 running" in text_of(first))
            second = hub.start(fan, instance_id="second")
            until(lambda: "30 queued" in text_of(second))
            yield [first, second]
        finally:
            gate.touch()
            if isinstance(pool, Ahead):
                pool.fail()


def test_every_view_says_how_many_calls_run_and_how_many_are_queued(held: list[df.Handle]) -> None:
    first, second = held
    for handle, says, waits in (
        (first, SAYS, [f"'work' {TIMES} 2", f"a worker for the activity 'work' {TIMES} 28"]),
        (second, "30 queued", [f"a worker for the activity 'work' {TIMES} 30"]),
    ):
        assert says in text_of(handle)
        assert says in page_of(handle).text
        assert says in page_of(handle).picture(0).alt
        assert all(wait in page_of(handle).text for wait in waits)
        view = handle.watch(freeze=False)
        turn_to(view, "graph")
        assert says in text_of(view, "graph")
        assert all(wait in text_of(view, "waits") for wait in waits)
        tell(view, "select", key=re.findall('data-key="(step [^"]+)"', view.graph.decode())[0])
        assert says in text_of(view, "detail")
        assert says in progress_text(handle.progress()._shown())
        view.close()
