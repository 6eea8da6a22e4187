"""Throughput and latency of a hub on a file, with activities that do nothing."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import durablenb as df
from tests.benchmarks import bare


def new_hub(folder: Path, name: str, **options: Any) -> df.TaskHub:
    hub = df.TaskHub(folder / f"{name}.duckdb", **options)

    @hub.activity
    def nothing(value: int) -> int:
        return value

    @hub.orchestrator
    def chain(context: df.DurableOrchestrationContext) -> Iterator[Any]:
        for number in range(context.get_input()):
            yield context.call_activity("nothing", number)

    @hub.orchestrator
    def fan_out(context: df.DurableOrchestrationContext) -> Iterator[Any]:
        tasks = [context.call_activity("nothing", number) for number in range(context.get_input())]
        values = yield context.task_all(tasks)
        return len(values)

    hub.run("chain", 20)
    return hub


def _run(hub: df.TaskHub, name: str, count: int) -> float:
    begin = time.perf_counter()
    hub.run(name, count)
    return time.perf_counter() - begin


def chain_pipelined(folder: Path) -> Iterator[dict[str, Any]]:
    """A chain, its causally dependent steps sharing commits."""
    with new_hub(folder, "chain-pipelined", durability="pipelined") as hub:
        short = min(_run(hub, "chain", 1_000) for _ in range(3))
        long = min(_run(hub, "chain", 10_000) for _ in range(3))
    yield {"n": 1_000, "seconds": short, "per_second": 1_000 / short}
    yield {"n": 10_000, "seconds": long, "per_second": 10_000 / long, "times_1000": long / short}


def chain_strict(folder: Path) -> Iterator[dict[str, Any]]:
    """A chain in which each activity waits for its `TaskScheduled` to be on disk."""
    count = 1_000
    with new_hub(folder, "chain-strict") as hub:
        before = bare.sync_seconds(folder, count)
        taken = [_run(hub, "chain", count) for _ in range(3)]
        after = bare.sync_seconds(folder, count)
    syncs = (sum(before) + sum(after)) / 2
    yield {"n": count, "seconds": min(taken), "bare_seconds": syncs, "ratio": min(taken) / syncs}


def beside_a_reader(folder: Path) -> Iterator[dict[str, Any]]:
    """The strict chain while another thread queries the journal ten times a second."""
    count = 1_000
    with new_hub(folder, "reader") as hub:
        alone = min(_run(hub, "chain", count) for _ in range(3))
        is_over = threading.Event()

        def read() -> None:
            while not is_over.wait(0.1):
                hub.sql("select status, count(*) from activities group by 1").fetchall()

        reader = threading.Thread(target=read)
        reader.start()
        beside = min(_run(hub, "chain", count) for _ in range(3))
        is_over.set()
        reader.join()
    yield {"n": count, "seconds": beside, "alone_seconds": alone, "ratio": beside / alone}


def fan_out(folder: Path) -> Iterator[dict[str, Any]]:
    """One orchestration of 10,000 activities at once."""
    count = 10_000
    with new_hub(folder, "fan-out") as hub:
        handle = hub.start("fan_out", count)
        handle.result()
        rows = bare.rows_of(hub._store.records(handle.id))
        taken = [_run(hub, "fan_out", count) for _ in range(3)]
        appended = bare.append_seconds(folder, rows)
    yield {"n": count, "seconds": min(taken), "bare_seconds": appended, "ratio": min(taken) / appended}


def many_orchestrations(folder: Path) -> Iterator[dict[str, Any]]:
    """1,000 orchestrations of five activities in a row, started and awaited in one event loop."""

    async def run_all(hub: df.TaskHub) -> float:
        client = df.DurableOrchestrationClient(hub)
        begin = time.perf_counter()
        ids = await asyncio.gather(*(client.start_new("chain", None, 5) for _ in range(1_000)))
        await asyncio.gather(*(_result(hub, instance_id) for instance_id in ids))
        return time.perf_counter() - begin

    with new_hub(folder, "many") as hub:
        taken = [asyncio.run(run_all(hub)) for _ in range(3)]
    yield {"n": 1_000, "activities": 5, "seconds": min(taken)}


def mapped_orchestrations(folder: Path) -> Iterator[dict[str, Any]]:
    """1,000 orchestrations of five activities by `hub.map` and by a loop; 10,000 without activities."""
    with new_hub(folder, "mapped") as hub:
        taken: dict[str, list[float]] = {"map": [], "loop": []}
        for _ in range(3):
            begin = time.perf_counter()
            hub.map("chain", [5] * 1_000).results()
            taken["map"].append(time.perf_counter() - begin)
            begin = time.perf_counter()
            for handle in [hub.start("chain", 5) for _ in range(1_000)]:
                handle.result()
            taken["loop"].append(time.perf_counter() - begin)
        begin = time.perf_counter()
        hub.map("chain", [0] * 10_000).wait()
        alone = time.perf_counter() - begin
    seconds, loop = min(taken["map"]), min(taken["loop"])
    yield {"n": 1_000, "activities": 5, "seconds": seconds, "loop": loop, "ratio": loop / seconds}
    yield {"n": 10_000, "activities": 0, "seconds": alone}


async def _result(hub: df.TaskHub, instance_id: str) -> Any:
    return await df.Handle(hub, instance_id)


def one_activity(folder: Path) -> Iterator[dict[str, Any]]:
    """One activity, from the start of its orchestration to the durable result; the median of 200."""
    count = 200
    with new_hub(folder, "one") as hub:
        sync = statistics.median(bare.sync_seconds(folder, count))
        taken = sorted(_run(hub, "chain", 1) for _ in range(count))
    median = taken[count // 2]
    yield {"n": 1, "seconds": median, "bare_seconds": sync, "ratio": median / sync}


def beside_a_busy_activity(folder: Path) -> Iterator[dict[str, Any]]:
    """The strict chain while an activity on another thread is busy in pure Python."""
    count = 300
    with new_hub(folder, "busy") as hub:
        is_over = threading.Event()

        @hub.activity
        def spin() -> int:
            turns = 0
            while not is_over.is_set():
                turns += 1
            return turns

        @hub.orchestrator
        def busy(context: df.DurableOrchestrationContext) -> Iterator[Any]:
            return (yield context.call_activity(spin))

        alone = min(_run(hub, "chain", count) for _ in range(3))
        handle = hub.start(busy)
        beside = min(_run(hub, "chain", count) for _ in range(3))
        is_over.set()
        handle.result()
    yield {"n": count, "seconds": beside, "alone_seconds": alone, "ratio": beside / alone}


def signals(folder: Path) -> Iterator[dict[str, Any]]:
    """10,000 signals to one entity, and to a hundred, from the first call to the last operation on disk."""
    count = 10_000
    for keys in (1, 100):
        with new_hub(folder, f"signals-{keys}") as hub:
            taken = [asyncio.run(_signal_all(hub, f"run{number}", keys, count)) for number in range(3)]
            entity = str(df.EntityId("Counter", "run0-0"))
            rows = bare.rows_of(hub._store.records(entity)) * keys
        appended = bare.append_seconds(folder, rows)
        yield {
            "n": count,
            "entities": keys,
            "seconds": min(taken),
            "per_second": count / min(taken),
            "bare_seconds": appended,
            "ratio": min(taken) / appended,
        }


async def _signal_all(hub: df.TaskHub, prefix: str, keys: int, count: int) -> float:
    def counter(context: df.DurableEntityContext) -> None:
        context.set_state(context.get_state(lambda: 0) + context.get_input())

    hub.add_entity(counter, "Counter")
    client = df.DurableOrchestrationClient(hub)
    entities = [df.EntityId("Counter", f"{prefix}-{number}") for number in range(keys)]
    begin = time.perf_counter()
    await asyncio.gather(*(client.signal_entity(entities[n % keys], "add", 1) for n in range(count)))
    while _done(hub, prefix) < count:
        await asyncio.sleep(0.005)
    return time.perf_counter() - begin


def _done(hub: df.TaskHub, prefix: str) -> int:
    sql = (
        "select count(*) from journal where event_type = 'OperationCompleted' and starts_with(instance_id, ?)"
    )
    return int(hub._store.query(sql, [f"@counter@{prefix}"])[0][0])
