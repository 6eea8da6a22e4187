"""Three workloads on durablenb and on its peers, side by side: `python -m tests.benchmarks.peers`.

The workloads are a chain of 1,000 steps, each on disk before the next begins; one step, from its start to its
result on disk; and 1,000 runs of five steps from a plain loop. No step does anything. Each system has a
process and a fresh folder of its own in each round, and is used in the way that its documentation shows, with
the most durable setting that it offers.

The peers keep their state in SQLite. All use it with `journal_mode=WAL` and `synchronous=FULL`: each commit
is on disk when it returns. SQLite's default, the rollback journal, is no more durable and takes longer.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypedDict

from tests.benchmarks.running import new_hub

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Sizes:
    """How much there is to do."""

    chain: int = 1_000
    repetitions: int = 100
    runs: int = 1_000
    steps: int = 5


@dataclass(frozen=True)
class Runner:
    """The calls of an opened system. Each returns when all results are on disk.

    Attributes
    ----------
    chain
        One run of so many steps in a row.
    one
        One run of one step.
    many
        So many runs of so many steps each.
    """

    chain: Callable[[int], object] | None = None
    one: Callable[[], object] | None = None
    many: Callable[[int, int], object] | None = None


@dataclass(frozen=True)
class System:
    """A system to measure: its name in the table, the distributions it needs, and how it is opened."""

    name: str
    distributions: Sequence[str]
    open: Callable[[Path], AbstractContextManager[Runner]]

    def version(self) -> str | None:
        """Return the version of the first distribution, or None if one of them isn't installed."""
        try:
            versions = [version(name) for name in self.distributions]
        except PackageNotFoundError:
            return None
        return versions[0]


# --- the systems ----------------------------------------------------------------------------------


@contextmanager
def durablenb(folder: Path) -> Iterator[Runner]:
    """A hub with its default, `durability="strict"`: an activity begins when what led to it is on disk."""
    with new_hub(folder, "hub") as hub:

        def many(runs: int, steps: int) -> None:
            for handle in [hub.start("chain", steps) for _ in range(runs)]:
                handle.result()

        yield Runner(chain=lambda steps: hub.run("chain", steps), one=lambda: hub.run("chain", 1), many=many)


@contextmanager
def durablenb_map(folder: Path) -> Iterator[Runner]:
    """The same hub, with `hub.map` in place of the loop; the other two workloads are those of `durablenb`."""
    with new_hub(folder, "hub") as hub:
        yield Runner(many=lambda runs, steps: hub.map("chain", [steps] * runs).results())


class _Left(TypedDict):
    """The state of a graph: how many steps are left."""

    left: int


@contextmanager
def langgraph(folder: Path) -> Iterator[Runner]:
    """A graph whose node leads back to itself, with `durability="sync"`.

    With "sync" the checkpoint of a step is written before the next step starts. The tasks of LangGraph's
    functional API are saved in the background, so a chain of them isn't strict. `SqliteSaver` sets
    `journal_mode=WAL` itself.
    """
    from langgraph.checkpoint.sqlite import SqliteSaver
    from langgraph.graph import END, START, StateGraph

    builder = StateGraph(_Left)
    builder.add_node("nothing", lambda state: {"left": state["left"] - 1})
    builder.add_edge(START, "nothing")
    builder.add_conditional_edges(
        "nothing", lambda state: "nothing" if state["left"] else END, ["nothing", END]
    )
    with closing(sqlite3.connect(folder / "checkpoints.sqlite", check_same_thread=False)) as connection:
        connection.execute("pragma synchronous=full")
        graph = builder.compile(checkpointer=SqliteSaver(connection))
        threads = itertools.count()

        def chain(steps: int) -> None:
            config = {"configurable": {"thread_id": str(next(threads))}, "recursion_limit": steps + 1}
            graph.invoke({"left": steps}, config, durability="sync")

        yield _one_by_one(chain)


@contextmanager
def burr(folder: Path) -> Iterator[Runner]:
    """An application whose action leads back to itself; the persister saves the state after each action."""
    from burr.core import ApplicationBuilder, GraphBuilder, State, action, default, when
    from burr.core.persistence import SQLitePersister

    @action(reads=["left"], writes=["left"])
    def nothing(state: State) -> State:
        return state.update(left=state["left"] - 1)

    @action(reads=[], writes=[])
    def end(state: State) -> State:
        return state

    graph = (
        GraphBuilder()
        .with_actions(nothing=nothing, end=end)
        .with_transitions(("nothing", "end", when(left=0)), ("nothing", "nothing", default))
        .build()
    )
    with closing(_in_wal_mode(folder / "burr.sqlite")) as connection:
        persister = SQLitePersister(str(folder / "burr.sqlite"), connection=connection)
        persister.initialize()
        ids = itertools.count()

        def chain(steps: int) -> None:
            application = (
                ApplicationBuilder()
                .with_graph(graph)
                .with_identifiers(app_id=str(next(ids)))
                .with_state(left=steps)
                .with_entrypoint("nothing")
                .with_state_persister(persister)
                .build()
            )
            application.run(halt_before=["end"])

        yield _one_by_one(chain)


@contextmanager
def huey(folder: Path) -> Iterator[Runner]:
    """A queue with `fsync=True` (`synchronous=FULL`; WAL is its default) and one worker on a thread.

    A run is a pipeline: tasks that are put into the queue one after another, each with the result of the one
    before. There is no chain of 1,000: a pipeline is one message with all tasks that are to come, nested in
    one another, and one of 1,000 exceeds Python's limit of recursion. A task is taken off the queue before it
    runs, so a crash loses the pipelines whose task was under way; the other systems resume such runs.

    Worker and caller poll. They do so every millisecond here, for which the result's and the consumer's
    delays are set; with the defaults of 50 and 100 ms a step would take about that long.
    """
    from huey import SqliteHuey

    queue = SqliteHuey(filename=str(folder / "huey.sqlite"), fsync=True)

    @queue.task()
    def nothing(value: int) -> int:
        return value

    def start(steps: int) -> Any:
        pipeline = nothing.s(0)
        for _ in range(steps - 1):
            pipeline.then(nothing)
        return queue.enqueue(pipeline)

    def finish(result: Any) -> None:
        result.get(blocking=True, max_delay=0.001, preserve=True)  # results stay on disk, as the others' do

    def many(runs: int, steps: int) -> None:
        for result in [start(steps) for _ in range(runs)]:
            finish(result)

    consumer = queue.create_consumer(workers=1, initial_delay=0.001, max_delay=0.001, periodic=False)
    consumer.start()
    try:
        yield Runner(one=lambda: finish(start(1)), many=many)
    finally:
        consumer.stop(graceful=True)


@contextmanager
def dbos(folder: Path) -> Iterator[Runner]:
    """A workflow with SQLite as the system database: a step's result is committed before the next step.

    DBOS leaves SQLite's `synchronous` at its default, FULL. The journal mode is a property of the file; it is
    set before DBOS opens it. `DBOS.start_workflow` for all runs and then waiting takes longer than calling
    the workflow in the loop, since SQLite has one writer at a time.
    """
    from dbos import DBOS

    path = folder / "dbos.sqlite"
    _in_wal_mode(path).close()
    DBOS(config={"name": "peers", "system_database_url": f"sqlite:///{path}", "log_level": "ERROR"})

    @DBOS.step()
    def nothing(value: int) -> int:
        return value

    @DBOS.workflow()
    def chain(steps: int) -> None:
        for number in range(steps):
            nothing(number)

    DBOS.launch()
    try:
        yield _one_by_one(chain)
    finally:
        DBOS.destroy()


def _one_by_one(chain: Callable[[int], object]) -> Runner:
    """Return the runner of a system whose runs are calls that return when the run is over."""

    def many(runs: int, steps: int) -> None:
        for _ in range(runs):
            chain(steps)

    return Runner(chain=chain, one=lambda: chain(1), many=many)


def _in_wal_mode(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    return connection


SYSTEMS = {
    "durablenb": System("durablenb", ["durablenb"], durablenb),
    "durablenb-map": System("`hub.map` of durablenb", ["durablenb"], durablenb_map),
    "langgraph": System("LangGraph", ["langgraph", "langgraph-checkpoint-sqlite"], langgraph),
    "burr": System("Burr", ["apache-burr"], burr),
    "huey": System("huey", ["huey"], huey),
    "dbos": System("DBOS", ["dbos"], dbos),
}

# --- measuring ------------------------------------------------------------------------------------


def measured(system: System, folder: Path, sizes: Sizes) -> dict[str, float]:
    """Return the seconds of each workload that the system has, by name."""
    seconds: dict[str, float] = {}
    with system.open(folder) as runner:
        if chain := runner.chain:
            chain(20)
            seconds["chain"] = _seconds(lambda: chain(sizes.chain))
        if one := runner.one:
            one()
            seconds["one"] = statistics.median(_seconds(one) for _ in range(sizes.repetitions))
        if many := runner.many:
            many(5, sizes.steps)
            seconds["many"] = _seconds(lambda: many(sizes.runs, sizes.steps))
    return seconds


def bare_appends(folder: Path, count: int = 100) -> list[float]:
    """Return the seconds of each of `count` appends of 300 bytes to a file, each with an `fdatasync`."""
    synced = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync
    with (folder / "bare").open("ab", buffering=0) as file:
        return [_seconds(lambda: (file.write(bytes(300)), synced(file.fileno()))) for _ in range(count)]


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _measured_in_its_process(name: str) -> dict[str, float]:
    """Return what `measured` gives in a new process and a fresh folder."""
    command = [sys.executable, "-m", "tests.benchmarks.peers", "--alone", name]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "LANGSMITH_TRACING_V2": "false",  # a run isn't reported to a service
    }
    with tempfile.TemporaryDirectory() as folder:
        said = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    return dict(json.loads(said.splitlines()[-1]))


# --- the table ------------------------------------------------------------------------------------


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return for each workload the median of the rounds."""
    return {workload: statistics.median(figures[workload] for figures in rounds) for workload in rounds[0]}


def table(figures: Mapping[str, Mapping[str, float]], sizes: Sizes) -> str:
    """Return a Markdown table: a row for each system, its times with their ratios to the first row's."""
    headings = {
        "chain": f"a chain of {sizes.chain:,} steps",
        "one": "one step",
        "many": f"{sizes.runs:,} runs of {sizes.steps} steps",
    }
    base = next(iter(figures.values()))
    rows = [["", *headings.values()], ["---", *["---:"] * len(headings)]]
    for name, seconds in figures.items():
        rows.append([name, *(_cell(seconds.get(workload), base[workload]) for workload in headings)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _cell(seconds: float | None, base: float) -> str:
    return "—" if seconds is None else f"{_shown(seconds)} ({seconds / base:.2f})"


def _shown(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1_000 * seconds:.2f} ms"


def machine(appends: Sequence[float]) -> str:
    """Return a line on the machine and its disk."""
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} on "
        f"{platform.machine()}, {os.cpu_count()} processors, SQLite {sqlite3.sqlite_version}; "
        f"an append of 300 bytes with fdatasync takes {_shown(statistics.median(appends))}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.peers",
        description="Runs three workloads on durablenb and its peers, side by side, and prints a table.",
    )
    parser.add_argument(
        "systems", nargs="*", help=f"which of: {', '.join(SYSTEMS)}; durablenb is always among them"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how many; the table has their medians")
    parser.add_argument("--alone", choices=SYSTEMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(measured(SYSTEMS[options.alone], Path.cwd(), Sizes())))
        return
    for name in options.systems:
        if name not in SYSTEMS:
            sys.exit(f"There is no system {name!r}; there are: {', '.join(SYSTEMS)}.")
    asked = {"durablenb", *(options.systems or SYSTEMS)}
    systems = {name: system for name, system in SYSTEMS.items() if name in asked}
    installed = [name for name, system in systems.items() if system.version()]
    missing = [system.name for name, system in systems.items() if name not in installed]
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in installed}
    appends: list[float] = []
    for _ in range(options.rounds):
        for name in installed:
            with tempfile.TemporaryDirectory() as folder:
                appends += bare_appends(Path(folder))
            rounds[name].append(_measured_in_its_process(name))
    rows = {f"{SYSTEMS[name].name} {SYSTEMS[name].version()}": medians(rounds[name]) for name in installed}
    print(table(rows, Sizes()))
    if missing:
        print(f"\nNot installed: {', '.join(missing)}.")
    print(f"\n{machine(appends)}")


if __name__ == "__main__":
    main()
