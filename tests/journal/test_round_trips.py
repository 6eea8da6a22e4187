"""Exported histories are the same after an import, to the last digit, and export to the same bytes."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import durablenb as df
from durablenb.core.ports.store import HistoryBundle, Record
from durablenb.journal.bundle import json_export
from durablenb.journal.bundle.validation import check_bundle
from durablenb.model.events import ALL_EVENTS, EntityEvent, ExecutionStarted, ParentInstance
from durablenb.model.imports import Import
from durablenb.model.logs import LogLine
from durablenb.store import bundles, parquet
from durablenb.store.duckdb_store import DuckStore
from tests import strategies
from tests.journal.orders import COUNTER, fill, order, register
from tests.journal.views import rows_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUFFIXES = ["json", "parquet"]


def views(hub):
    with hub.connection() as connection:
        return rows_of(connection)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_whole_hub_goes_into_a_file_and_comes_back_as_it_was(shop, other, tmp_path, suffix):
    fill(shop)
    first, second = tmp_path / f"first.{suffix}", tmp_path / f"second.{suffix}"
    assert shop.export(None, first) == 5  # three, a child and an entity
    handles = other.import_history(first)
    assert handles[0].id == "done"
    assert views(other) == views(shop)
    other.export(None, second)
    assert second.read_bytes() == first.read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_values_logs_states_and_pictures_come_back(shop, other, tmp_path, suffix):
    done = fill(shop)
    shop.export(None, tmp_path / f"all.{suffix}")
    other.import_history(tmp_path / f"all.{suffix}")
    handle = other.handle("done")
    assert handle.result() == done.result()
    assert [line.message for line in handle.logs()] == [line.message for line in done.logs()]
    assert str(handle.history()) == str(done.history())
    assert handle.history().timeline() == done.history().timeline()
    assert other.entity_state(COUNTER) == shop.entity_state(COUNTER) == {"value": 1}
    assert handle.replay(order).fits
    assert handle.replay(order).began_with is None  # the source is there, and is the same


def test_a_hub_s_file_is_imported_as_it_is(tmp_path, other):
    path = tmp_path / "flows.duckdb"
    with df.TaskHub(path, mode="kernel", clock=df.VirtualClock()) as hub:
        register(hub)
        fill(hub)
        there = views(hub)
        open_here = df.TaskHub(":memory:", mode="kernel")
        open_here.import_history(path)  # through the hub that has it open
        assert views(open_here) == there
        open_here.close()
    other.import_history(path)
    assert views(other) == there
    assert other.sql("select distinct origin, made_by from imports").fetchall() == [(str(path), "durablenb")]


def test_an_export_says_which_durablenb_made_it(shop, other, tmp_path):
    fill(shop)
    path = tmp_path / "all.json"
    shop.export("open", path)
    assert json.loads(path.read_text())["durablenb"] == {"format": 1, "version": df.__version__}
    other.import_history(path)
    (row,) = other.sql("select instance_id, origin, made_by from imports").fetchall()
    assert row == ("open", str(path), f"durablenb {df.__version__}")


# -- any history ------------------------------------------------------------------------------------

_of_entities = [kind for kind in ALL_EVENTS if issubclass(kind, EntityEvent)]
_of_instances = [kind for kind in ALL_EVENTS if kind not in (ExecutionStarted, *_of_entities)]
_parents = st.none() | st.builds(
    ParentInstance, st.just("elsewhere"), st.just("f" * 16), st.integers(0, 9), strategies.texts
)


@st.composite
def _histories(draw):
    """Records of a few instances and entities, mixed, and lines of their logs."""
    ids = draw(st.lists(strategies.instance_ids, min_size=1, max_size=3, unique=True))
    ids += draw(st.lists(st.sampled_from(["@counter@a", "@counter@ß"]), max_size=2, unique=True))
    waiting = []
    for number, instance_id in enumerate(ids):
        is_entity = instance_id.startswith("@")
        kinds = _of_entities if is_entity else _of_instances
        some = [strategies.events_of(kind) for kind in kinds]
        events = draw(st.lists(st.one_of(some), min_size=1, max_size=4))
        if not is_entity:
            started = replace(
                draw(strategies.events_of(ExecutionStarted)), generation=0, parent=draw(_parents)
            )
            events.insert(0, started)
        execution_id = f"{number:016x}"
        waiting.append(
            [(instance_id, execution_id, replace(event, event_id=n)) for n, event in enumerate(events, 1)]
        )
    records = []
    while any(waiting):
        chosen = draw(st.sampled_from([one for one in waiting if one]))
        records.append(Record(len(records) + 1, *chosen.pop(0)))
    lines = draw(
        st.lists(st.builds(_line, st.sampled_from(ids), strategies.moments, strategies.texts), max_size=3)
    )
    return HistoryBundle(records, lines=lines)


def _line(instance_id, at, text):
    return LogLine(instance_id, "0" * 16, None, "order", 1, at, "stdout", None, None, text)


@pytest.fixture(scope="module")
def journal():
    store = DuckStore(None)
    yield store
    store.close()


@contextmanager
def taken_in(journal, bundle):
    """Yield the journal's rows while the bundle is in it."""
    ids = sorted({record.instance_id for record in bundle.records})
    journal.import_histories(bundle, [Import(one, "there", "durablenb", NOW) for one in ids], 0)
    try:
        yield rows_of(journal.cursor()), bundles.read(journal.query, ids)
    finally:
        journal.purge(ids)


def text_of(bundle):
    return "".join(json_export.to_json(bundle, "0"))


@settings(max_examples=12)
@given(bundle=_histories())
def test_any_history_comes_back_as_it_was(tmp_path_factory, journal, bundle):
    with taken_in(journal, bundle) as (rows, read):
        text = text_of(read)
    with taken_in(journal, check_bundle(json_export.from_json(json.loads(text)))) as (rows_again, read_again):
        assert rows_again == rows
        assert text_of(read_again) == text


@settings(max_examples=15)
@given(bundle=_histories())
def test_parquet_keeps_of_any_history_what_json_keeps(tmp_path_factory, bundle):
    path = tmp_path_factory.mktemp("any") / "any.parquet"
    parquet.write(bundle, path, json_export.header("0"))
    header, found = parquet.read(path)
    assert header == json_export.header("0")
    assert check_bundle(found) == json_export.from_json(json.loads(text_of(bundle)))
