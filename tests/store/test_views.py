"""The views and macros of a hub's file have the same calls as the pictures."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, timedelta
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import durablenb as df
from durablenb.analysis.timeline import Span, read_spans
from durablenb.core.ports.store import Record
from durablenb.model.events import (
    Event,
    EventRaised,
    EventSubscribed,
    EventUnsubscribed,
    ExecutionRewound,
    ExecutionStarted,
)
from durablenb.store import schema
from durablenb.store.duckdb_store import DuckStore
from tests.notebook import scenes
from tests.properties.drivers import START, ByHand
from tests.properties.programs import programs

STATES = {"completed": "Completed", "failed": "Failed", "canceled": "Canceled", "open": "Pending"}


def seconds(moment):
    return (moment.replace(tzinfo=UTC) - START).total_seconds()


def standing(events: Iterable[Event]) -> list[Event]:
    """The events without what a rewind replaced."""
    kept: list[Event] = []
    begins = 0
    for event in events:
        if isinstance(event, ExecutionRewound):
            del kept[begins:]
        else:
            if isinstance(event, ExecutionStarted):
                begins = len(kept)
            kept.append(event)
    return kept


def unclear(events: Iterable[Event]) -> set[str]:
    """The names of external events of which a history doesn't tell which wait got which.

    That is so if several waits of the name were open, and one was cancelled after two events, or was left and
    then awaited again.
    """
    waits: dict[str, list[int]] = {}
    names: dict[int, str] = {}
    raised: Counter[str] = Counter()
    found = set()
    for event in events:
        if isinstance(event, EventSubscribed):
            names[event.task_id] = event.name
            waits.setdefault(event.name, []).append(event.task_id)
        elif isinstance(event, EventRaised):
            raised[event.name.upper()] += 1
        elif isinstance(event, EventUnsubscribed) and not event.is_left and raised[names[event.task_id]] > 1:
            found.add(names[event.task_id])
    found |= {name for name, ids in waits.items() if len(set(ids)) < len(ids)}
    return {name for name in found if len(set(waits[name])) > 1}


def drawn(spans: Iterable[Span]) -> list[tuple]:
    """The bars of a timeline of these calls; signals take no time."""
    return [
        (one.kind, one.name, one.attempt, STATES[one.state], one.scheduled, one.started, one.ended)
        for one in spans
        if one.kind != "signal"
    ]


def said(rows: Iterable[tuple]) -> list[tuple]:
    """The macro's rows of the same calls."""
    return [(*row[:4], *(moment.replace(tzinfo=UTC) for moment in row[4:])) for row in rows]


TIMELINE = "select kind, name, attempt, status, scheduled, started, ended from timeline(?)"


@pytest.fixture
def made():
    made = scenes.stage()
    yield made
    made.hub.close()


@pytest.fixture
def clock(made):
    return made.clock


@pytest.fixture
def hub(made):
    return made.hub


@pytest.fixture
def ask(hub):
    """The answer to a query, times as seconds since the beginning, durations as seconds."""

    def plain(value):
        if isinstance(value, timedelta):
            return value.total_seconds()
        return seconds(value) if hasattr(value, "tzinfo") else value

    def ask(sql, *parameters):
        rows = hub.sql(sql, parameters or None).fetchall()
        return [tuple(plain(value) for value in row) for row in rows]

    return ask


# -- spans ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", scenes.SCENES)
def test_the_timeline_in_sql_is_the_one_that_is_drawn_and_the_tree_has_the_status(name, made, hub, ask):
    handle = scenes.SCENES[name](made)
    rows = hub.sql(TIMELINE, [handle.id]).fetchall()
    assert said(rows) == drawn(read_spans(standing(handle.history())))
    (root, *_) = ask("select instance_id, status, created_time from tree(?)", handle.id)
    asked = "select instance_id, status, created_time from instances where instance_id = ?"
    assert [root] == ask(asked, handle.id)


@pytest.fixture(scope="module")
def journal():
    store = DuckStore(None)
    yield store
    store.close()


@settings(max_examples=25)
@example(steps=[["first", [["stop", 0], ["wait", "A"]]], ["timer", 5]], seed=0, stop=1.0)
@example(steps=[["all", [["timer", 0], ["first", [["stop", 0], ["wait", "A"]]]]]], seed=0, stop=1.0)
@example(steps=[["all", [["leave", "B"], ["call", 0], ["wait", "B"]]], ["leave", "A"]], seed=17, stop=1.0)
@given(steps=programs, seed=st.integers(0, 2**32), stop=st.floats(0, 1))
def test_the_timeline_in_sql_is_the_one_that_is_drawn_of_any_history(journal, steps, seed, stop):
    events = ByHand(steps, Random(seed)).run().history
    events = events[: 1 + int(stop * len(events))]
    last = journal.last_seq()
    instance = f"instance-{last}"
    journal.append([Record(last + 1 + n, instance, instance, event) for n, event in enumerate(events)])
    skipped = [("external event", name) for name in unclear(events)]
    rows = said(journal.cursor().execute(TIMELINE, [instance]).fetchall())
    bars = drawn(read_spans(events))
    assert [row for row in rows if row[:2] not in skipped] == [bar for bar in bars if bar[:2] not in skipped]


# -- executions ----------------------------------------------------------------------------------


def test_each_execution_has_its_status_its_duration_and_its_episodes(made, ask):
    made.done("eternal", 3)
    made.done("doomed", 1)
    made.begin("chain", 1)
    rows = ask("""
        select name, generation, status, duration, events, episodes, input::int, seq is not null,
               ended_seq is not null
        from executions order by seq
    """)
    assert rows == [
        ("eternal", 0, "ContinuedAsNew", 60.05, 9, 3, 3, True, True),
        ("eternal", 1, "Completed", 60.05, 9, 3, 4, True, True),
        ("doomed", 0, "Failed", 0.1, 6, 2, 1, True, True),
        ("chain", 0, "Pending", None, 1, 0, 1, True, False),
    ]


def test_an_execution_that_is_rewound_is_open_again_and_counts_what_stands(made, ask):
    handle = made.done("doomed", 3)
    made.activity("broken", 0.1)
    handle.rewind("mended")
    assert ask("select status, ended, events, episodes from executions") == [("Running", None, 3, 1)]
    handle.wait()
    assert ask("select status, events, episodes from executions") == [("Completed", 6, 2)]
    assert ask("select status, count(*) from activities group by 1") == [("Completed", 1)]


# -- calls ---------------------------------------------------------------------------------------


def test_attempts_belong_to_their_call_and_know_the_wait_before(made, ask):
    made.done("retrying")
    made.done("chain", 1)
    assert ask("""
        select kind, call_id, attempt, task_id, name, status, wait, failure ->> 'ErrorMessage'
        from attempts order by attempt
    """) == [
        ("activity", 0, 1, 0, "flaky", "Failed", None, "flaky can't do None"),
        ("activity", 0, 2, 2, "flaky", "Failed", 1, "flaky can't do None"),
        ("activity", 0, 3, 4, "flaky", "Completed", 2, None),
    ]


def test_a_call_that_waits_for_its_next_attempt_has_attempts(made, ask):
    scenes.between_attempts(made)
    assert ask("select attempt, status from attempts") == [(1, "Failed")]
    assert ask("select purpose, status, retry_of, due - created from timers") == [("retry", "Pending", 0, 1)]


def test_attempts_of_sub_orchestrations_are_attempts(hub, ask):
    @hub.orchestrator
    def parent(context):
        return (yield context.call_sub_orchestrator_with_retry("doomed", df.RetryOptions(5_000, 2), 7))

    hub.start(parent, instance_id="p").wait()
    rows = ask("select kind, call_id, attempt, name, status, wait from attempts order by attempt")
    assert rows == [
        ("sub-orchestration", 0, 1, "doomed", "Failed", None),
        ("sub-orchestration", 0, 2, "doomed", "Failed", 5),
    ]


def test_a_timer_that_fires_late_says_how_late_and_one_that_was_canceled_is_not_late(made, clock, ask):
    handle = made.begin("race", steps=1)
    clock.advance(hours=72, seconds=9)
    handle.wait()
    timers = "select purpose, status, created, due, ended, lateness from timers"
    assert ask(timers) == [("timer", "Fired", 0, 72 * 3600, 72 * 3600 + 9, 9)]
    handle.purge()
    scenes.approved(made)
    assert ask("select status, lateness from timers") == [("Canceled", None)]


def test_a_sub_orchestration_is_a_row_with_its_child_and_its_result_and_a_span_and_a_leaf(made, ask):
    handle = made.done("family")
    rows = ask("""
        select s.instance_id, s.name, i.name, s.status, s.duration, s.result ->> '$',
               s.failure ->> 'ErrorMessage' is not null
        from sub_orchestrations s join instances i on i.instance_id = s.child_instance_id order by s.seq
    """)
    assert rows == [
        *[(handle.id, "chain", "chain", "Completed", 11.4, "shipped", False)] * 3,
        (handle.id, "doomed", "doomed", "Failed", 0.1, None, True),
    ]
    assert ask("select max(running), min(running) from concurrency('family')") == [(3, 0)]
    assert ask("""
        select p.instance_id, p.kind, c.name, count(*)
        from spans c join spans p on p.span_id = c.parent_span_id group by all order by all
    """) == [
        ("family", "sub-orchestration", "broken", 1),
        ("family", "sub-orchestration", "charge", 3),
        ("family", "sub-orchestration", "reserve", 3),
        ("family", "sub-orchestration", "ship", 3),
    ]
    assert ask("select count(*), count(distinct span_id) from spans") == [(14, 14)]
    made.activity("broken", 0.1)
    handle.rewind("mended")
    handle.wait()
    assert ask("select depth, name, status from tree('family')") == [  # each child once
        (0, "family", "Completed"),
        *[(1, "chain", "Completed")] * 3,
        (1, "doomed", "Completed"),
    ]


def test_the_call_ids_of_two_executions_are_not_mixed_up(made, ask):
    made.done("eternal", 1)
    assert ask("select count(*), count(ended) from activities") == [(4, 4)]
    assert ask("select count(*), count(ended) from timers") == [(4, 4)]


# -- external events -----------------------------------------------------------------------------


def events_of(ask, instance_id):
    return ask(
        "select name, status, raised, subscribed, ended, input ->> '$', task_id from external_events "
        "where instance_id = ? order by coalesce(raised_seq, seq)",
        instance_id,
    )


def test_an_external_event_has_the_wait_that_took_it(hub, clock, ask):
    @hub.orchestrator
    def two(context):
        first = yield context.wait_for_external_event("Go")
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=10))
        return first, (yield context.wait_for_external_event("Go"))

    handle = hub.start(two, instance_id="t")
    hub.step()
    clock.advance(seconds=1)
    for word in ("a", "b", "c"):
        handle.raise_event("go", word)
    handle.raise_event("other", None)
    assert handle.result() == ("a", "b")
    assert events_of(ask, "t") == [
        ("Go", "Taken", 1, 0, 1, "a", 0),
        ("Go", "Taken", 1, 11, 11, "b", 2),
        ("go", "Buffered", 1, None, None, "c", None),
        ("other", "Buffered", 1, None, None, None, None),
    ]


def test_a_wait_without_an_event_is_pending_or_canceled(hub, clock, ask):
    @hub.orchestrator
    def patient(context):
        wait = context.wait_for_external_event("Go")
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=10))
        wait.cancel()
        return (yield context.wait_for_external_event("Go"))

    handle = hub.start(patient, instance_id="p")
    hub.step()
    clock.advance(seconds=10)
    while hub.step():
        pass
    canceled = ("Go", "Canceled", None, 0, 10, None, 0)
    assert events_of(ask, "p") == [canceled, ("Go", "Pending", None, 10, None, None, 2)]
    handle.raise_event("go", "late")
    handle.wait()
    assert events_of(ask, "p") == [canceled, ("Go", "Taken", 10, 10, 10, "late", 2)]


def test_an_event_that_goes_on_as_new_is_carried_and_taken_there(hub, clock, ask):
    @hub.orchestrator
    def rounds(context):
        word = yield context.wait_for_external_event("Go")
        if word != "stop":
            context.continue_as_new(None)

    handle = hub.start(rounds, instance_id="r")
    hub.step()
    clock.advance(seconds=1)
    for word in ("go", "go", "stop"):
        handle.raise_event("Go", word)
    handle.wait()
    rows = ask("""
        select e.generation, x.status, x.input ->> '$', x.raised
        from external_events x join executions e using (execution_id)
        order by e.generation, coalesce(x.raised_seq, x.seq)
    """)
    assert rows == [
        (0, "Taken", "go", 1),
        (0, "Carried", "go", 1),
        (0, "Carried", "stop", 1),
        (1, "Taken", "go", 1),
        (1, "Carried", "stop", 1),
        (2, "Taken", "stop", 1),
    ]


def test_the_same_event_to_an_instance_of_the_same_id_is_not_carried(hub, ask):
    @hub.orchestrator
    def once(context):
        return (yield context.wait_for_external_event("Go"))

    for _ in range(2):
        handle = hub.start(once, instance_id="o")
        hub.step()
        handle.raise_event("Go", 1)
        handle.wait()
    assert [row[1] for row in events_of(ask, "o")] == ["Taken", "Taken"]


# -- one instance --------------------------------------------------------------------------------


def path(ask, instance_id):
    sql = "select step, name, status, took from critical_path(?)"
    return [(*row[:3], round(row[3], 6)) for row in ask(sql, instance_id)]


def test_the_critical_path_is_what_the_end_waited_for(made, hub, clock, ask):
    @hub.activity
    def work(wanted):
        clock.advance(seconds=wanted)

    @hub.orchestrator
    def job(context):
        yield context.call_activity(work, 2)
        unused = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        slow = context.create_timer(context.current_utc_datetime + timedelta(seconds=30))
        yield context.task_all([slow, context.call_activity("charge", 1)])
        unused.cancel()
        yield context.call_activity(work, 5)

    handle = hub.start(job, instance_id="job")
    handle.wait()
    assert path(ask, "job") == [
        (1, "work", "Completed", 2),
        (2, "timer", "Completed", 30),
        (3, "work", "Completed", 5),
    ]
    assert ask("select duration from instances") == [(37,)]


def test_the_critical_path_goes_through_failures_and_the_waits_between_attempts(made, ask):
    made.done("retrying")
    assert path(ask, "retrying") == [
        (1, "flaky", "Failed", 0.2),
        (2, "timer (before a retry)", "Completed", 1),
        (3, "flaky", "Failed", 0.2),
        (4, "timer (before a retry)", "Completed", 2),
        (5, "flaky", "Completed", 0.2),
    ]


def test_the_critical_path_is_the_last_execution_s_alone(hub, ask):
    @hub.orchestrator
    def twice(context):
        yield context.call_activity(context.get_input(), 1)
        if context.get_input() == "charge":
            context.continue_as_new("ship")

    hub.start(twice, "charge", instance_id="t").wait()
    assert path(ask, "t") == [(1, "ship", "Completed", 2.1)]


def test_a_wait_for_an_event_that_was_there_is_no_step_of_the_critical_path(hub, ask):
    @hub.orchestrator
    def late(context):
        yield context.call_activity("charge", 1)
        yield context.wait_for_external_event("Go")
        yield context.call_activity("ship", 1)

    handle = hub.start(late, instance_id="late")
    for _ in range(2):  # the activity has ended, and the orchestrator has not looked yet
        hub.step()
    handle.raise_event("Go")
    handle.wait()
    assert path(ask, "late") == [(1, "charge", "Completed", 1.3), (2, "ship", "Completed", 2.1)]


def test_the_critical_path_of_what_is_open_ends_with_what_came_last_and_may_be_empty(made, ask):
    made.begin("chain", 1, steps=5)
    assert path(ask, "chain") == [(1, "reserve", "Completed", 0.4), (2, "charge", "Completed", 1.3)]
    made.done("idle")
    assert path(ask, "idle") == path(ask, "nobody") == []


def test_concurrency_counts_what_runs_and_what_waits_for_a_place(made, hub, clock, ask):
    @hub.orchestrator
    def three(context):
        yield context.task_all([context.call_activity("charge", n) for n in range(3)])

    hub.start(three, instance_id="t").wait()
    assert ask("select moment, running, queued from concurrency('t')") == [
        (0, 1, 2),
        (1.3, 1, 1),
        (2.6, 1, 0),
        (3.9, 0, 0),
    ]


def test_a_tree_has_children_and_their_children_below_their_parents(made, hub, ask):
    @hub.orchestrator
    def clan(context):
        for name in ("first", "second"):
            yield context.call_sub_orchestrator("branch", name, name)

    @hub.orchestrator
    def branch(context):
        yield context.call_sub_orchestrator("idle", 1, f"{context.instance_id}-leaf")

    hub.start(clan, instance_id="clan").wait()
    made.done("idle")
    assert ask("select depth, instance_id, parent_instance_id, name, status from tree('clan')") == [
        (0, "clan", None, "clan", "Completed"),
        (1, "first", "clan", "branch", "Completed"),
        (2, "first-leaf", "first", "idle", "Completed"),
        (1, "second", "clan", "branch", "Completed"),
        (2, "second-leaf", "second", "idle", "Completed"),
    ]
    assert ask("select depth, instance_id from tree('second')") == [(0, "second"), (1, "second-leaf")]
    assert ask("from tree('nobody')") == []


def test_a_tree_is_of_the_instance_that_has_the_id_now(hub, ask):
    @hub.orchestrator
    def parent(context):
        yield context.call_sub_orchestrator("idle", 1, context.get_input())

    for child in ("old", "new"):
        hub.start(parent, child, instance_id="p").wait()
    assert ask("select instance_id from tree('p')") == [("p",), ("new",)]


def test_a_tree_has_the_children_of_all_generations_in_their_order(hub, ask):
    @hub.orchestrator
    def parent(context):
        generation = context.get_input()
        yield context.call_sub_orchestrator("eternal", 3, f"child-{generation % 2}")
        if generation < 2:
            context.continue_as_new(generation + 1)

    hub.start(parent, 0, instance_id="p").wait()
    rows = ask("select depth, instance_id, created_time, ended from tree('p')")
    assert [row[:2] for row in rows] == [(0, "p"), (1, "child-0"), (1, "child-1"), (1, "child-0")]
    assert [round(ended - created, 2) for *_, created, ended in rows] == [360.3, 120.1, 120.1, 120.1]


def test_a_question_about_many_instances_has_the_answers_about_each(made, ask):
    for name in ("chain", "retrying", "family", "overlapping", "idle"):
        made.done(name, 1)
    ids = [instance_id for (instance_id,) in ask("select instance_id from instances")]
    for macro in ("timeline", "critical_path", "concurrency", "tree"):
        together = ask(f"select i.instance_id, m.* from instances i, lateral (from {macro}(i.instance_id)) m")
        apart = [(one, *row) for one in ids for row in ask(f"from {macro}(?)", one)]
        assert len(apart) >= 8
        assert sorted(together, key=repr) == sorted(apart, key=repr)


# -- what it costs -------------------------------------------------------------------------------

FILL = """
insert into journal
select i * 8 + e + 1, printf('%08x', i), printf('%08x', i), e + 1,
       ['ExecutionStarted', 'OrchestratorStarted', 'TaskScheduled', 'TimerCreated', 'EventSubscribed',
        'TaskCompleted', 'TimerFired', 'EventRaised'][e + 1],
       timestamp '2026-01-01' + to_milliseconds(i), 'work', [0, 0, 0, 1, 2, 0, 1, null][e + 1], '1', null,
       if(e = 3, '{"fire_at": "2026-01-01T00:00:01"}', null)
from range(125000) instances(i), range(8) events(e) order by 1
"""

ONE = "'00001000'"


VIEWS = ("instances", "history", "executions", "activities", "attempts", "timers")
VIEWS += ("external_events", "sub_orchestrations", "spans")
QUESTIONS = [f"from {view} where instance_id = {ONE}" for view in VIEWS]
QUESTIONS += [f"from {macro}({ONE})" for macro in ("timeline", "critical_path", "concurrency")]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_about_one_instance_reads_its_part_of_the_journal_alone(million, question):
    groups = row_groups(million, question)
    assert groups
    assert all(read <= 2 < of for read, of in groups), groups


def test_a_tree_reads_the_children_s_part_of_the_journal_for_their_status(million):
    groups = row_groups(million, f"from tree({ONE})")
    assert sum(read > 2 for read, _ in groups) <= 4  # who is a child of whom is looked for everywhere


@pytest.fixture(scope="module")
def million():
    store = DuckStore(None)
    writer = store._connections.writer()
    writer.execute(FILL)
    yield store
    store.close()


def row_groups(store, question):
    """How many groups of rows each scan of the journal read, and of how many."""
    ((_, text),) = store.cursor().execute(f"explain (analyze, format json) {question}").fetchall()
    found = []

    def visit(node):
        if "row_groups_scanned" in node:
            found.append((node["row_groups_scanned"], node["total_row_groups_to_scan"]))
        for child in node.get("children") or node.get("operator", ()):
            visit(child)

    visit(json.loads(text))
    return found


# -- when they are made ----------------------------------------------------------------------------


def test_a_journal_in_memory_gets_its_views_and_macros_when_they_are_first_needed():
    store = DuckStore(None)
    try:
        assert made_in(store) == set()
        assert store.query("select count(*) from instances") == [(0,)]
        assert made_in(store) == {"states_until"}  # which `instances` uses
        assert store.cursor().execute("from timeline('nobody')").fetchall() == []
        assert made_in(store) == schema.names()[1]
    finally:
        store.close()


def made_in(store):
    """Return the names of the macros that there are, without making any."""
    rows = store._ask("select function_name from duckdb_functions() where not internal")
    return {name for (name,) in rows}
