"""Events become rows of a real DuckDB table, and the same events again."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durablenb.core.ports.store import InstanceQuery, Record
from durablenb.model.events import ALL_EVENTS, EventRaised, ExecutionTerminated
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.row_codec import COLUMNS, EVENT_COLUMNS, EVENT_TYPES, from_row, to_row
from tests.store.scribe import BEGINNING
from tests.strategies import events, events_of, instance_ids


@pytest.fixture(scope="module")
def journal():
    journal = DuckStore(None)
    yield journal
    journal.close()


def through(journal, *written):
    """Write these events to a table in DuckDB, and read them again."""
    last = journal.last_seq()
    records = [Record(last + number, "a", f"{number:016x}", event) for number, event in enumerate(written, 1)]
    journal.append(records)
    read = [record for record in journal.records("a") if record.seq > last]
    assert read == records
    return [record.event for record in read]


FILES = """
    ExecutionStarted name payload=input +version +parent +tags +scheduled_start_time +generation
      +source +forked_from +is_partial +prefix +rules +priority
    OrchestratorStarted
    TaskScheduled name task_id payload=input +attempt +retry_of +timeout +priority +heartbeat_timeout
    TaskCanceled task_id
    TaskCompleted task_id started_at payload=result +worker +cached_from
    TaskFailed task_id started_at payload=failure +worker
    SubOrchestrationInstanceCreated name task_id payload=input +instance_id +version +attempt +retry_of
    SubOrchestrationInstanceCompleted task_id payload=result
    SubOrchestrationInstanceFailed task_id payload=failure
    SubOrchestrationCancelRequested task_id payload=reason +instance_id
    TimerCreated task_id +fire_at +retry_of
    TimerFired task_id
    TimerCanceled task_id
    EventSubscribed name task_id
    EventUnsubscribed task_id +is_left
    CodeAwaited +line +rest
    EventRaised name payload=input
    EntityOperationCalled name task_id payload=input +entity_id
    EntityOperationSignaled name task_id payload=input +entity_id +deliver_at
    EntityOperationCompleted task_id payload=result
    EntityOperationFailed task_id payload=failure
    EntityLockRequested task_id +entity_ids
    EntityLockGranted task_id
    EntityLockCanceled task_id
    EntityUnlockSent task_id
    OperationEnqueued name payload=input +caller +is_signal +deliver_at
    OperationCompleted task_id started_at payload=result +worker
    OperationFailed task_id started_at payload=failure +worker
    StateChanged task_id payload=state
    SignalSent name task_id payload=input +entity_id +deliver_at
    OrchestrationStarted name task_id +instance_id
    LockEnqueued +caller +entity_ids +position
    LockTaken task_id
    LockReleased task_id
    CustomStatusSet payload=status
    ExecutionSuspended payload=reason
    ExecutionResumed payload=reason
    ExecutionCancelRequested payload=reason
    ExecutionRewound payload=reason
    ExecutionCompleted payload=result
    ExecutionFailed payload=failure
    ExecutionCanceled payload=reason
    ExecutionTerminated payload=reason
    ContinueAsNew payload=input
"""
"""Where the files of users keep the fields of each kind of event; `+` is an attribute."""


def test_the_fields_of_every_kind_are_where_files_have_them():
    lines = FILES.replace("\n      ", " ").splitlines()
    expected = {kind: set(columns) for kind, *columns in map(str.split, filter(None, lines))}
    assert expected == {
        name: {
            *(["name"] if columns.has_name else []),
            *(["task_id"] if columns.has_task else []),
            *(["started_at"] if columns.is_timed else []),
            *([f"payload={columns.payload}"] if columns.payload else []),
            *(f"+{field}" for field in columns.extra),
        }
        for name, columns in ((name, EVENT_COLUMNS[kind]) for name, kind in EVENT_TYPES.items())
    }


@pytest.mark.parametrize("kind", ALL_EVENTS, ids=lambda kind: kind.__name__)
def test_events_of_every_kind_come_back_equal_from_their_row(kind):
    @settings(max_examples=15)
    @given(events_of(kind), instance_ids)
    def check(event, instance_id):
        record = Record(1, instance_id, "0" * 16, event)
        row = to_row(record)
        assert len(row) == len(COLUMNS)
        assert from_row(row) == record

    check()


@settings(max_examples=25)
@given(st.lists(events, min_size=1, max_size=20))
def test_events_come_back_equal_from_a_table(journal, written):
    assert through(journal, *written) == written


ODD = [
    "",
    "\0",
    "a\0b",
    "\ud800 alone",
    "\udfff\ud800",
    "😀",
    "\u202eright to left",
    "\x7f\x1b[31m",
    2**70,
    [],
    0,
]


def test_odd_payloads_names_and_reasons_come_back_as_they_were(journal):
    events = through(journal, *[EventRaised(1, BEGINNING, "e", json.dumps(value)) for value in ODD])
    assert [json.loads(event.input) for event in events] == ODD
    names = ["", "\0", "it's", '"', "😀", "e" * 10_000]
    through(journal, *[EventRaised(1, BEGINNING, name, "null") for name in names])
    through(journal, *[ExecutionTerminated(1, BEGINNING, text) for text in ("", "\ud800", "null", "\0", '"')])


def test_five_megabytes_come_back_as_they_were(journal):
    text = json.dumps("é😀\0\ud800" * 180_000)
    assert len(text) > 5_000_000
    through(journal, EventRaised(1, BEGINNING, "big", text))


def test_payloads_are_plain_text_to_whoever_looks_into_the_table(journal):
    journal.append(
        [Record(journal.last_seq() + 1, "look", "0" * 16, EventRaised(3, BEGINNING, "go", '{"a": [1]}'))]
    )
    rows = journal.query(
        "select event_id, event_type, name, payload->'a' from history where instance_id = 'look'"
    )
    assert rows == [(3, "EventRaised", "go", "[1]")]


def test_one_instance_with_a_text_that_is_no_unicode_hides_no_other(store, scribe):
    scribe.start("healthy")
    for text in ("\ud800", '{"tags": "\udc00"}'):
        scribe.start("odd", version=text, tags={text: text})
        scribe.start_child("odd", "child", version=text)
        store.append(scribe.take())
        states = {state.instance_id: state for state in store.states(InstanceQuery())}
        assert set(states) == {"healthy", "odd", "child"}
        assert states["odd"].tags == {text: text}
        assert states["child"].version == text
        store.purge(["odd", "child"])
