"""A hub on Dask beside plain Dask, in one run: `python -m tests.benchmarks.on_dask`.

Each round does the same with both, one after the other, on the same cluster of two worker processes: calls
that do nothing, and calls of 10 ms on one thread for each worker.
Prints a JSON line for each workload: n, the seconds of both, and how fast the hub is in units of plain Dask.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
from distributed import Client, LocalCluster

import durablenb as df


def nothing(n: int) -> int:
    """Does nothing."""
    return n


def short(n: int) -> int:
    """Takes 10 ms."""
    time.sleep(0.01)
    return n


def fan_out(context: df.DurableOrchestrationContext) -> Any:
    """Calls an activity with each of the numbers."""
    name, count = context.get_input()
    return (yield context.task_all([context.call_activity(name, n) for n in range(count)]))


def settle(client: Client) -> None:
    """Waits until the scheduler has forgotten all tasks: that work isn't part of the next workload."""
    while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
        time.sleep(0.05)


def plain_seconds(client: Client, function: Callable[[int], int], count: int) -> float:
    """Returns how long Dask takes by itself."""
    settle(client)
    begun = time.perf_counter()
    futures = client.map(function, range(count), pure=False)
    assert client.gather(futures) == list(range(count))
    return time.perf_counter() - begun


def hub_seconds(client: Client, folder: Path, function: Callable[[int], int], count: int) -> float:
    """Returns how long a hub takes, with everything on disk."""
    with df.TaskHub(folder / f"{time.time_ns()}.duckdb", executor=df.DaskExecutor(client)) as hub:
        hub.add_activity(function)
        hub.add_orchestrator(fan_out)
        hub.run(fan_out, [function.__name__, 10])
        settle(client)
        begun = time.perf_counter()
        assert hub.run(fan_out, [function.__name__, count]) == list(range(count))
        return time.perf_counter() - begun


def compared(client: Client, folder: Path, function: Callable[[int], int], count: int, rounds: int) -> Any:
    """Returns the figures of one workload: medians of the rounds."""
    plain, hub = [], []
    for _ in range(rounds):
        plain.append(plain_seconds(client, function, count))
        hub.append(hub_seconds(client, folder, function, count))
    return {
        "workload": function.__name__,
        "n": count,
        "plain_s": round(statistics.median(plain), 3),
        "hub_s": round(statistics.median(hub), 3),
        "ratio": round(statistics.median(plain) / statistics.median(hub), 3),
    }


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.on_dask", description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000, help="calls that do nothing")
    parser.add_argument("--short", type=int, default=1_000, help="calls of 10 ms")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        tempfile.TemporaryDirectory() as folder,
    ):
        client.wait_for_workers(2)
        plain_seconds(client, nothing, 500)
        for function, count in ((nothing, options.calls), (short, options.short)):
            print(json.dumps(compared(client, Path(folder), function, count, options.rounds)), flush=True)


if __name__ == "__main__":
    main()
