"""How soon a process is at work: importing, and going on after a kill."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import durablenb as df
from durablenb.core.ports.store import Record
from durablenb.model.events import (
    ExecutionCompleted,
    ExecutionStarted,
    OperationCompleted,
    OperationEnqueued,
    OrchestratorStarted,
    StateChanged,
    TaskCompleted,
    TaskScheduled,
)
from durablenb.store.duckdb_store import DuckStore

_WORKER = """
import os, sys, time
begin = time.perf_counter()
import durablenb as df
imported = time.perf_counter()
hub = df.TaskHub(sys.argv[1])
@hub.activity
def nothing(value):
    said = f"activity {value} {time.perf_counter() - begin} {imported - begin}"
    os.write(1, said.encode() + b"\\n")  # what is printed goes to the log
    return value
@hub.orchestrator
def chain(context):
    for number in range(context.get_input()):
        yield context.call_activity("nothing", number)
if len(sys.argv) > 2:
    hub.start("chain", 1_000, instance_id="killed")
hub.handle("killed").result()
"""


def imports(folder: Path) -> Iterator[dict[str, Any]]:
    """`import durablenb` against `import duckdb`, each in processes of its own, in turn."""
    taken: dict[str, list[float]] = {"duckdb": [], "durablenb": []}
    for _ in range(9):
        for name, seconds in taken.items():
            code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
            seconds.append(float(python(folder, "-c", code).stdout))
    ours, theirs = (statistics.median(taken[name]) for name in ("durablenb", "duckdb"))
    yield {"n": 9, "seconds": ours, "bare_seconds": theirs, "ratio": ours / theirs}


def going_on_after_a_kill(folder: Path) -> Iterator[dict[str, Any]]:
    """Killed in the middle of a chain of 1,000: from the new process's start to its first activity."""
    script = folder / "worker.py"
    script.write_text(_WORKER, encoding="utf-8")
    above = []
    for attempt in range(5):
        path = folder / f"killed-{attempt}.duckdb"
        _kill_at(script, path, 500)
        line = python(folder, str(script), str(path)).stdout.splitlines()[0].split()
        above.append(float(line[2]) - float(line[3]))
    yield {"n": 1_000, "seconds": statistics.median(above), "is": "above `import durablenb`"}


def a_large_hub(folder: Path) -> Iterator[dict[str, Any]]:
    """A hub of 1,000,000 events and 1,000 open instances: opened, to the first progress."""
    path = folder / "large.duckdb"
    _fill(path, ended=124_000, open_=1_000)
    begin = time.perf_counter()
    with df.TaskHub(path) as hub:
        first: list[float] = []

        @hub.activity
        def nothing(value: int) -> int:
            first.append(time.perf_counter() - begin)
            return value

        @hub.orchestrator
        def chain(context: df.DurableOrchestrationContext) -> Iterator[Any]:
            for number in range(3):
                yield context.call_activity("nothing", number)

        hub.handle("open-999").result()
        all_done = time.perf_counter() - begin
        events = hub.sql("select count(*) from journal").fetchall()[0][0]
    yield {"n": events, "open": 1_000, "seconds": first[0], "one_done_seconds": all_done}


def an_old_entity(folder: Path) -> Iterator[dict[str, Any]]:
    """A hub whose entity has done 1,000,000 operations, beside one of ten: opened, to the next one done."""
    taken: dict[int, list[float]] = {10: [], 1_000_000: []}
    for operations in taken:
        _fill_entity(folder / f"old-{operations}.duckdb", operations)
    for _ in range(3):
        for operations, seconds in taken.items():
            begin = time.perf_counter()
            with df.TaskHub(folder / f"old-{operations}.duckdb") as hub:
                hub.add_entity(_count, "Counter")
                hub.add_orchestrator(_ask)
                hub.run("_ask")
                seconds.append(time.perf_counter() - begin)
    new, old = (min(seconds) for seconds in taken.values())
    yield {"n": 1_000_000, "seconds": old, "bare_seconds": new, "ratio": old / new}


def _count(context: df.DurableEntityContext) -> int:
    context.set_state(context.get_state(lambda: 0) + 1)
    return int(context.get_state())


def _ask(context: df.DurableOrchestrationContext) -> Iterator[Any]:
    return (yield context.call_entity(df.EntityId("Counter", "a"), "add"))


def _fill_entity(path: Path, operations: int) -> None:
    """A journal of an entity's operations, in parts as the engine makes them."""
    store = DuckStore(path)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    records: list[Record] = []
    for number in range(operations):
        part, place = divmod(number, 3_333)
        first = 3 * place + 1
        for event in (
            OperationEnqueued(first, moment, "add", "null"),
            OperationCompleted(first + 1, moment, first, str(number + 1), moment),
            StateChanged(first + 2, moment, first, str(number + 1)),
        ):
            records.append(
                Record(3 * number + event.event_id - first + 1, "@counter@a", f"{part:016x}", event)
            )
        if len(records) > 50_000:
            store.append(records)
            records = []
    store.append(records)
    store.close()


def _fill(path: Path, *, ended: int, open_: int) -> None:
    """A journal of ended chains of two activities, and of open ones that wait for their second."""
    store = DuckStore(path)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    records: list[Record] = []
    seq = 0
    for number in range(ended + open_):
        is_open = number >= ended
        name = f"open-{number - ended}" if is_open else f"ended-{number}"
        events: list[Any] = [
            ExecutionStarted(1, moment, "chain", "3"),
            OrchestratorStarted(2, moment),
            TaskScheduled(3, moment, 0, "nothing", "0"),
            TaskCompleted(4, moment + timedelta(milliseconds=number % 50), 0, "0", moment),
            OrchestratorStarted(5, moment),
            TaskScheduled(6, moment, 1, "nothing", "1"),
        ]
        if not is_open:
            events += [TaskCompleted(7, moment, 1, "1", moment), ExecutionCompleted(8, moment, "null")]
        for event in events:
            seq += 1
            records.append(Record(seq, name, f"{number:016x}", event))
        if len(records) > 50_000:
            store.append(records)
            records = []
    store.append(records)
    store.close()


def _kill_at(script: Path, path: Path, activity: int) -> None:
    command = [sys.executable, str(script), str(path), "start"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as worker:
        assert worker.stdout is not None
        for line in worker.stdout:
            if line.startswith(f"activity {activity} "):
                break
        os.kill(worker.pid, signal.SIGKILL)


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    """As a user has it: compiled modules are kept."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(Path(df.__file__).parents[1])}
