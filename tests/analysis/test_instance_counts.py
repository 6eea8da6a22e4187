"""The counts of a hub's card are those of all its instances, whatever has happened since the last look."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

import durablenb as df
from durablenb.analysis import instances
from durablenb.analysis.fleet import read_fleet
from durablenb.journal import instance_counts
from durablenb.journal.instance_counts import InstanceCounter
from durablenb.model.events import (
    CustomStatusSet,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorStarted,
    TaskScheduled,
)
from durablenb.model.runtime import RuntimeInfo
from durablenb.notebook.live.instances_table import InstancesTable
from durablenb.store.duckdb_store import DuckStore
from tests.store.scribe import ENDS, Scribe

OPEN = (OrchestratorStarted, TaskScheduled, ExecutionSuspended, ExecutionResumed, *ENDS)


class Noted:
    """A connection that notes what it is asked."""

    def __init__(self, connection):
        self._connection = connection
        self.asked = []

    def execute(self, sql, parameters=()):
        self.asked.append((sql, parameters))
        return self._connection.execute(sql, parameters)

    @property
    def whole_counts(self):
        """How often all instances were folded."""
        return sum("from instance_states" in sql for sql, _ in self.asked)


def counted(store):
    """The view's figures of all instances, computed anew."""
    found = {}
    sql = "select name, status, count(*) from instances group by all order by all"
    for name, status, count in store.query(sql):
        found.setdefault(name, {})[status] = count
    return found


@pytest.fixture
def store():
    store = DuckStore(None)
    yield store
    store.close()


def happen(scribe, chance, names):
    """Something that may happen to an instance, or its start."""
    name = chance.choice(names)
    history = scribe.history.get(name)
    if not history or isinstance(history[-1], ENDS):
        if history and isinstance(history[-1], ExecutionFailed) and chance.random() < 0.3:
            scribe.add(name, ExecutionRewound)
        else:
            scribe.start(name, name=chance.choice(["a", "b", "C"]))
    elif chance.random() < 0.1:
        scribe.continue_as_new(name)
    else:
        scribe.add(name, chance.choice(OPEN))
    return name


@pytest.mark.parametrize("seed", range(5))
def test_the_counts_are_those_of_all_instances_after_every_change(store, seed):
    scribe, chance, counter = Scribe(), random.Random(seed), InstanceCounter(lambda: store.removals)
    names = [f"{number:02}" for number in range(20)]
    connection = Noted(store.cursor())
    for _ in range(25):
        for _ in range(chance.randrange(8)):
            happen(scribe, chance, names)
        store.append(scribe.take())
        assert counter.counts(connection) == counted(store)
    assert connection.whole_counts == 1


@pytest.mark.parametrize("is_last", [True, False])
def test_what_is_purged_is_counted_no_more_even_if_as_much_comes_in_its_place(store, is_last):
    scribe, counter = Scribe(), InstanceCounter(lambda: store.removals)
    for name in ("one", "two", "three"):
        scribe.start(name)
        scribe.add(name, ExecutionCompleted)
    store.append(scribe.take())
    assert counter.counts(store.cursor()) == {"Work": {"Completed": 3}}
    gone = "three" if is_last else "one"
    store.purge([gone])
    if is_last:
        scribe._seq -= 2  # a process that opens the hub after that gives these places anew
    scribe.start("four", name="Other")
    scribe.add("four", ExecutionFailed)
    store.append(scribe.take())
    assert (
        counter.counts(store.cursor()) == {"Other": {"Failed": 1}, "Work": {"Completed": 2}} == counted(store)
    )
    store.purge(["one", "two", "three", "four"])
    assert counter.counts(store.cursor()) == {}


def test_more_changes_than_are_counted_one_by_one_are_counted_as_a_whole(store, monkeypatch):
    monkeypatch.setattr(instance_counts, "CHANGED_LIMIT", 3)
    scribe, counter = Scribe(), InstanceCounter(lambda: store.removals)
    connection = Noted(store.cursor())
    for count, wholes in ((3, 1), (3, 1), (4, 2)):
        for _ in range(count):
            name = f"i-{len(scribe.history)}"
            scribe.start(name)
            scribe.add(name, OrchestratorStarted)
        store.append(scribe.take())
        assert counter.counts(connection) == {"Work": {"Running": len(scribe.history)}}
        assert connection.whole_counts == wholes


def test_a_look_that_fails_does_not_make_the_next_one_wrong(store):
    scribe, counter = Scribe(), InstanceCounter(lambda: store.removals)
    scribe.start("one")
    store.append(scribe.take())
    counter.counts(store.cursor())
    scribe.add("one", ExecutionTerminated)
    store.append(scribe.take())

    class Broken(Noted):
        def execute(self, sql, parameters=()):
            if "states_until" in sql and any("states_until" in one for one, _ in self.asked):
                raise RuntimeError("interrupted")
            return super().execute(sql, parameters)

    with pytest.raises(RuntimeError):
        counter.counts(Broken(store.cursor()))
    assert counter.counts(store.cursor()) == {"Work": {"Terminated": 1}}


def test_a_second_card_folds_only_what_has_changed(tmp_path, monkeypatch):
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_orchestrator(lambda context: context.get_input(), name="same")
        hub.add_orchestrator(lambda context: (yield context.wait_for_external_event("go")), name="patient")
        for number in range(12):
            hub.run("same", number)
        waiting = hub.start("patient", instance_id="waits")
        while hub.step():
            pass
        hub._shown()
        cursor = hub._store.cursor
        notes = Noted(cursor())
        monkeypatch.setattr(hub._store, "cursor", lambda: cursor() and notes)
        waiting.raise_event("go", 1)
        waiting.result()
        fleet = hub._shown().fleet
        assert fleet.counts == {"patient": {"Completed": 1}, "same": {"Completed": 12}}
        assert notes.whole_counts == 0


@pytest.mark.parametrize("status", ["", "Completed"])
@pytest.mark.parametrize("words", ["", "LAST one"])
def test_a_look_at_a_watched_hub_folds_only_the_page(status, words):
    """The counts come from the counter, and the page from the newest events, whatever it is asked to show."""
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_orchestrator(lambda context: context.get_input(), name="same")
        for number in range(12):
            hub.run("same", number)
        view = hub.watch().list
        view.pane.choose(status)
        view.pane.set_filter(words)
        notes, ask = [], view.pane._ask
        view.pane._ask = lambda sql: notes.append(sql) or ask(sql)
        hub.run("same", 12, instance_id="the-last-one")
        view.refresh()
        page = view.instances.decode()
        assert ("1 instance" if words else "13 instances") in page
        assert "the-last-one" in page
        folds = [sql for sql in notes if "from instances" in sql]
        assert folds
        assert all("list_contains(['" in sql for sql in folds)
        view.close()


@pytest.fixture(scope="module")
def fifteen():
    """Fifteen instances of two orchestrators."""
    store, scribe, chance = DuckStore(None), Scribe(), random.Random(3)
    for number in range(15):
        name = f"i-{number}"
        scribe.start(name, name=chance.choice(["Work", "O'Brien"]))
        for kind in chance.choice(([], [OrchestratorStarted], [OrchestratorStarted, CustomStatusSet])):
            scribe.add(name, kind)
        if chance.random() < 0.5:
            scribe.add(name, ExecutionFailed)
    store.append(scribe.take())
    yield store
    store.close()


@pytest.mark.parametrize("most", [instances.MANY_EVENTS, 3])
@pytest.mark.parametrize("status", ["", "Failed", "Running"])
@pytest.mark.parametrize("words", ["half", "1 WORK", "i-1", "'", "nothing of it"])
def test_a_filtered_page_is_a_part_of_what_its_query_finds(fifteen, monkeypatch, most, status, words):
    monkeypatch.setattr(instances, "MANY_EVENTS", most)
    journal = SimpleNamespace(
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC), of=lambda: fifteen, noted_info=lambda _: RuntimeInfo()
    )
    pane = InstancesTable(fifteen.cursor().sql, journal)
    pane.choose(status)
    pane.set_filter(words)
    fleet = read_fleet(fifteen.cursor())
    pane.instances(fleet)
    found = fifteen.query(pane.sql)
    assert pane._total() == len(found)
    assert pane._rows() == found


def test_an_instance_whose_start_was_lost_is_counted_beside_the_others(store):
    scribe = Scribe()
    for name in ("one", "two"):
        scribe.start(name)
        scribe.add(name, OrchestratorStarted)
    records = [record for record in scribe.take() if record.seq != 1]  # a repaired file may lack it
    store.append(records)
    assert (
        InstanceCounter().counts(store.cursor())
        == {None: {"Running": 1}, "Work": {"Running": 1}}
        == counted(store)
    )
