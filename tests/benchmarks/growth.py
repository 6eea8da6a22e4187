"""How cost grows with the number of instances: opening, a start and an event beside them, purging, listing.

Each workload ends with a row that has the exponent of its growth: 1 is linear, 0 is no growth.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import durablenb as df
from durablenb.model.source import read_source
from durablenb.store.duckdb_store import DuckStore
from tests.benchmarks.opening import python

QUICK = (100, 1_000, 10_000)
FULL = (100, 1_000, 10_000, 100_000)

sizes: Sequence[int] = QUICK
"""How many instances; ``--full`` takes the others."""

FAMILY = 10_000
"""Children of a parent."""

_OPEN = """
import json, os, re, statistics, sys, time
from pathlib import Path
import durablenb as df
from tests.benchmarks.growth import patient
begin = time.perf_counter()
hub = df.TaskHub(sys.argv[1])
opened = time.perf_counter() - begin
hub.add_orchestrator(patient)
peak = int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) / 1024
starts, events = [], []
for number in range(30):
    begin = time.perf_counter()
    handle = hub.start("patient")
    starts.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    hub.client.raise_event(f"i-{number}", "go")
    events.append(time.perf_counter() - begin)
os.write(1, json.dumps([opened, peak, statistics.median(starts), statistics.median(events)]).encode())
os._exit(0)  # the hub is not needed any more
"""

_FILL = """
insert into journal
select 3 * i + e + 1, 'i-' || i, printf('%016x', i), e + 1,
    ['ExecutionStarted', 'OrchestratorStarted', '{last}'][e + 1], timestamp '2026-01-01' + to_milliseconds(i),
    case e when 0 then 'patient' when 2 then {name} end, case when e = 2 then {task} end,
    case when e in (0, 2) then '1' end, null,
    case when e = 0 then {attributes} end
from (select range as i from range({n})), (select unnest(range(3)) as e)
order by i, e
"""


def patient(context: df.DurableOrchestrationContext) -> Iterator[Any]:
    return (yield context.wait_for_external_event("go"))


def beside_open_ones(folder: Path) -> Iterator[dict[str, Any]]:
    """Opening a hub of n open instances; a start and an event right afterwards."""
    source = read_source(patient)
    assert source is not None
    opened, starts, events = [], [], []
    for n in sizes:
        path = folder / f"open-{n}.duckdb"
        begun = f"'{json.dumps({'source': source.hash})}'"
        _fill(path, n, last="EventSubscribed", name="'go'", task="0", attributes=begun)
        seconds, peak, start, event = json.loads(python(folder, "-c", _OPEN, str(path)).stdout)
        opened.append(seconds)
        starts.append(start)
        events.append(event)
        yield {"n": n, "seconds": seconds, "peak_mb": peak, "start_seconds": start, "event_seconds": event}
    yield {
        "n": sizes[-1],
        "exponent": _exponent(sizes[1:], opened[1:]),
        "start_ratio": starts[-1] / starts[0],
        "event_ratio": events[-1] / events[0],
    }


def purging(folder: Path) -> Iterator[dict[str, Any]]:
    """Purging n ended instances, without parents and with; the longest that others wait for a result."""
    for kind, parent in (("plain", "null"), ("families", _parent())):
        taken = []
        for n in sizes[1:]:
            path = folder / f"{kind}-{n}.duckdb"
            _fill(path, n, attributes=parent)
            seconds, longest = _purged(path)
            taken.append(seconds)
            yield {"n": n, "kind": kind, "seconds": seconds, "longest_seconds_of_others": longest}
        yield {"n": sizes[-1], "kind": kind, "exponent": _exponent(sizes[1:], taken)}


def listing(folder: Path) -> Iterator[dict[str, Any]]:
    """Lists of 50 instances, and what else shows a hub, out of ten times n ended ones.

    Of each the seconds on the clock, and those of the processor, which others on the machine change less.
    """
    questions: dict[str, Callable[[df.TaskHub, int], object]] = {
        "the oldest": lambda hub, n: hub.instances(top=50),
        "after half of all": lambda hub, n: hub.client.get_status_by(top=50, skip=n // 2),
        "that failed": lambda hub, n: hub.instances("Failed", top=50),
        "that run": lambda hub, n: hub.instances("Running", top=50),
        "since": lambda hub, n: hub.instances(since=hub.instances(top=1)[0].created_time, top=50),
        "the card": lambda hub, n: hub._shown(),
        "watched": _looked_at,
    }
    taken: dict[str, list[float]] = {}

    def row(question: str, n: int, seconds: float, cpu_seconds: float) -> dict[str, Any]:
        taken.setdefault(question, []).append(cpu_seconds)
        return {"n": n, "question": question, "seconds": seconds, "cpu_seconds": cpu_seconds}

    for n in (10 * size for size in sizes[1:]):
        path = folder / f"list-{n}.duckdb"
        _fill(path, n)
        begin, before = time.perf_counter(), os.times()
        python(folder, "-m", "durablenb", "ls", str(path))
        after = os.times()
        cpu_seconds = sum(after[2:4]) - sum(before[2:4])
        yield row("ls", n, time.perf_counter() - begin, cpu_seconds)
        with df.TaskHub(path) as hub:
            hub.add_orchestrator(lambda context: None, name="quick")
            yield row("the first card", n, *_both_seconds(questions["the card"], hub, n))
            for question, ask in questions.items():
                found = []
                for _ in range(3):
                    hub.run("quick")
                    found.append(_both_seconds(ask, hub, n))
                yield row(question, n, min(one for one, _ in found), min(one for _, one in found))
    for question, seconds in taken.items():
        yield {"n": 10 * sizes[-1], "question": question, "exponent": _exponent(sizes[1:], seconds)}


def _looked_at(hub: df.TaskHub, n: int) -> None:
    """A live view that is drawn once."""
    hub.watch().close()


def _both_seconds(ask: Callable[[df.TaskHub, int], object], hub: df.TaskHub, n: int) -> tuple[float, float]:
    """Seconds on the clock, and those of this process's processors."""
    begin, begun = time.perf_counter(), time.process_time()
    ask(hub, n)
    return time.perf_counter() - begin, time.process_time() - begun


def _seconds(ask: Callable[[df.TaskHub], object], hub: df.TaskHub) -> float:
    begin = time.perf_counter()
    ask(hub)
    return time.perf_counter() - begin


def _purged(path: Path) -> tuple[float, float]:
    """Seconds of a purge of all, and the longest from start to result of others beside it."""
    with df.TaskHub(path) as hub, ThreadPoolExecutor(1) as pool:
        hub.add_orchestrator(lambda context: None, name="quick")
        hub.run("quick")
        waits = [0.0]
        begin = time.perf_counter()
        purge = pool.submit(hub.client.purge_instance_history_by, runtime_status="Completed")
        while not purge.done():
            waits.append(_seconds(lambda hub: hub.run("quick"), hub))
        assert purge.result().instances_deleted > 0
        return time.perf_counter() - begin, max(waits)


def _fill(
    path: Path,
    n: int,
    last: str = "ExecutionCompleted",
    name: str = "null",
    task: str = "null",
    attributes: str = "null",
) -> None:
    """A journal of n instances of three events: the last one's kind, and parts of events as SQL."""
    store = DuckStore(path)
    parts = {"n": str(n), "last": last, "name": name, "task": task, "attributes": attributes}
    store.cursor().execute(_FILL.format(**parts))
    store.close()


def _parent() -> str:
    """The attributes of every child of a parent, as SQL: one in so many is a parent."""
    link = {"instance_id": "i-PARENT", "execution_id": "e", "task_id": 0, "name": "patient"}
    text = json.dumps({"parent": link}).replace("PARENT", f"' || i // {FAMILY} * {FAMILY} || '")
    return f"case when i % {FAMILY} > 0 then '{text}' end"


def _exponent(numbers: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of a line through the logarithms."""
    return statistics.linear_regression(
        [math.log(number) for number in numbers], [math.log(one) for one in seconds]
    ).slope
