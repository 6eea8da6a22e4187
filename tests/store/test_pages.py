"""A short list is a part of the long one, whatever is asked for and however often things were restarted."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from durablenb.analysis import instances
from durablenb.analysis.fleet import read_fleet
from durablenb.analysis.instances import latest_page
from durablenb.core.ports.store import InstanceQuery
from durablenb.model.events import (
    CustomStatusSet,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorStarted,
)
from durablenb.model.status import OrchestrationRuntimeStatus as Status
from durablenb.store import states
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.states import read_states
from tests.store.scribe import BEGINNING, ENDS, Scribe

COUNT = 60


@pytest.fixture(autouse=True)
def _some_lists_are_made_from_all(monkeypatch):
    monkeypatch.setattr(states, "FEW", 4)
    monkeypatch.setattr(states, "MANY", 40)  # so that some lists are made from all
    monkeypatch.setattr(instances, "FEW_EVENTS", 4)
    monkeypatch.setattr(instances, "MANY_EVENTS", 80)


@pytest.fixture(scope="module")
def store():
    """Sixty instances of every status; several began at each moment, and some were started again later."""
    store, scribe, chance = DuckStore(None), Scribe(), random.Random(7)
    names = [f"{'even' if number % 2 == 0 else 'odd'}-{number:02}" for number in range(COUNT)]
    for place, name in enumerate([*names, *chance.sample(names, 25), *chance.sample(names, 25)]):
        if name in scribe.history and not isinstance(scribe.history[name][-1], ENDS):
            continue
        moment = BEGINNING + timedelta(seconds=place // 3)
        scribe.start(name, name=chance.choice(["a", "b"]), timestamp=moment)
        for kind in chance.choice(
            (
                (),
                (OrchestratorStarted,),
                (OrchestratorStarted, CustomStatusSet, ExecutionSuspended),
                (OrchestratorStarted, ExecutionCompleted),
                (OrchestratorStarted, CustomStatusSet, ExecutionFailed),
                (ExecutionTerminated,),
            )
        ):
            scribe.add(name, kind, timestamp=moment + timedelta(seconds=chance.randrange(3)))
        if chance.random() < 0.2 and not isinstance(scribe.history[name][-1], ENDS):
            scribe.continue_as_new(name)
    store.append(scribe.take())
    yield store
    store.close()


QUERIES = [
    InstanceQuery(),
    InstanceQuery(prefix="odd"),
    InstanceQuery(name="b"),
    InstanceQuery(name="B", prefix="odd"),
    InstanceQuery(created_from=BEGINNING + timedelta(seconds=8)),
    InstanceQuery(created_from=BEGINNING + timedelta(seconds=4), created_to=BEGINNING + timedelta(seconds=9)),
    InstanceQuery(prefix="nobody"),
    InstanceQuery(statuses=()),
    *(InstanceQuery(statuses=(status,)) for status in Status),
    InstanceQuery(statuses=(Status.Running, Status.Pending), name="a"),
    InstanceQuery(statuses=(Status.Failed, Status.Running), prefix="even"),
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_page_is_a_part_of_the_whole_list(store, query):
    whole = store.states(query)
    assert [state.instance_id for state in whole] == store.ids(query)
    for limit in (0, 3, 20, 100):
        for offset in (0, 5, 30):
            page = store.states(replace(query, limit=limit, offset=offset))
            assert page == whole[offset : offset + limit]


@pytest.mark.parametrize("query", QUERIES)
def test_a_page_folds_only_what_is_on_it(store, query):
    """However far behind the beginning it is: no statement that has payloads is about all instances."""
    asked = []

    def ask(sql, parameters=()):
        asked.append((sql, parameters))
        return store.query(sql, parameters)

    for limit, offset in ((3, 0), (3, 40), (20, 30)):
        read_states(ask, replace(query, limit=limit, offset=offset))
    folds = [parameters for sql, parameters in asked if "started_seq" in sql]
    assert all(isinstance(parameters[0], (list, str)) for parameters in folds)
    assert all(len(parameters[0]) <= 40 for parameters in folds if isinstance(parameters[0], list))


def test_every_status_is_there_and_some_were_started_again(store):
    never = {Status.Canceled, Status.ContinuedAsNew}
    assert {state.status for state in store.states(InstanceQuery())} == set(Status) - never
    assert (
        store.query("select count(*) from history where event_type = 'ExecutionStarted'")[0][0] > COUNT + 20
    )


@pytest.mark.parametrize("status", ["", "Failed", "Running", "Canceled"])
@pytest.mark.parametrize("condition", ["true", "name = 'a' or name = 'c'"])
def test_a_page_of_those_last_heard_of_is_a_part_of_all_of_them(store, status, condition):
    where = f"({condition}) and (status = '{status}' or '{status}' = '')"
    whole = store.query(f"select instance_id from instances where {where} order by {instances.LATEST_FIRST}")
    assert whole or status == "Canceled"
    for count in (0, 7, 100):
        for offset in (0, 5, 30):
            page = latest_page(store.query, "instance_id", status, condition, count=count, offset=offset)
            assert page == whole[offset : offset + count]


def test_those_last_heard_of_are_the_first_of_all(store):
    order = "order by last_updated_time desc, created_time desc, instance_id"
    whole = [one for (one,) in store.query(f"select instance_id from instances {order}")]
    for count in (0, 3, 50, 100):
        assert [seen.instance_id for seen in read_fleet(store.cursor(), count).latest] == whole[:count]
