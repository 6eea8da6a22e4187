"""An entity as it is drawn, from the journal: in a hub, and in a file that is only read."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pytest

import durablenb as df
from durablenb.analysis.entities import EntityOperation, entity_snapshot, queue_text
from durablenb.analysis.number_series import number_series
from durablenb.journal.related import read_queues
from tests.notebook.reading import bundle_of, page_of, text_of

BEGIN = datetime(2026, 1, 1)
A, B, NEVER = df.EntityId("Counter", "a"), df.EntityId("Counter", "b"), df.EntityId("Counter", "never")
RULE = "A" * 5_000


def counter(context):
    if context.operation_name == "fail":
        raise ValueError("as told")
    if context.operation_name == "forget":
        context.destruct_on_exit()
        return None
    elif context.operation_name == "grow":
        context.set_state(RULE)
    else:
        context.set_state(context.get_state(lambda: 0) + context.get_input())
    return context.get_state()


def settle(hub):
    while hub.step():
        pass


def fill(hub):
    """A day of an entity, an hour for each operation, and one that others have locked."""
    hub.add_entity(counter, "Counter")
    clock = hub._engine.clock
    for operation, value in (("add", 1), ("add", 2), ("fail", None), ("forget", None), ("add", 5)):
        hub.client.signal_entity(A, operation, value)
        settle(hub)
        clock.advance(hours=1)

    @hub.orchestrator
    def holding(context):
        with (yield context.lock([B])):
            yield context.call_entity(B, "add", 7)
            yield context.wait_for_external_event("Done")

    for name in ("first", "second"):
        hub.start(holding, instance_id=name)
        settle(hub)
    hub.client.signal_entity(B, "add", 100)
    settle(hub)


@pytest.fixture
def hub():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        fill(hub)
        yield hub


@pytest.fixture
def drawn(hub):
    def drawn(entity):
        connection, clock = hub.connection(), hub._engine.clock
        return entity_snapshot(connection, entity, lambda text: text, now=clock.now())

    return drawn


# -- what is drawn -----------------------------------------------------------------------------------


def test_each_operation_has_the_state_that_it_left(drawn):
    picture = drawn(A)
    assert [(one.name, one.status, one.state) for one in picture.done] == [
        ("add", "Completed", "1"),
        ("add", "Completed", "3"),
        ("fail", "Failed", "3"),
        ("forget", "Completed", "null"),
        ("add", "Completed", "5"),
    ]
    assert (picture.exists, picture.state, picture.operations, picture.failures) == (True, "5", 5, 1)
    assert picture.word == "Idle"


def test_a_failure_is_told_with_its_reason(drawn):
    (failed,) = drawn(A).failed
    assert (failed.name, failed.sent_by, failed.is_signal, failed.result) == ("fail", None, True, None)
    assert (failed.failure.error_type, failed.failure.message) == ("builtins.ValueError", "as told")


def test_who_has_locked_it_comes_before_who_waits_for_that(drawn):
    picture = drawn(B)
    assert [(lock.owner, lock.is_held) for lock in picture.locks] == [("first", True), ("second", False)]
    assert [(one.name, one.status, one.input) for one in picture.waiting] == [("add", "Pending", "100")]
    assert picture.word == "Locked"
    assert picture.line == "<counter b: Locked, 1 operation, 1 in its queue>"


def test_what_is_drawn_is_what_the_tables_say(hub, drawn):
    for entity in (A, B):
        picture = drawn(entity)
        row = (
            "select operations, failures, queue_length, state::varchar from entities where instance_id = $id"
        )
        assert hub.sql(row, {"id": str(entity)}).fetchall() == [
            (picture.operations, picture.failures, picture.queue_length, picture.state)
        ]
        rows = """
        select operation, status, sent_by, is_signal, coalesce(state_after::varchar, 'null')
        from entity_operations where instance_id = $id and ended is not null order by ended_seq
        """
        told = [(one.name, one.status, one.sent_by, one.is_signal, one.state) for one in picture.done]
        assert hub.sql(rows, {"id": str(entity)}).fetchall() == told


def test_only_the_last_operations_are_read_and_of_the_very_last_ones_all_is_told(hub, drawn):
    for number in range(300):
        hub.client.signal_entity(NEVER, "add", number)
    settle(hub)
    picture = drawn(NEVER)
    assert picture.operations == 300
    assert len(picture.done) == 200
    assert picture.done[0].state == str(sum(range(101)))
    assert [one.input for one in picture.detailed] == [str(number) for number in range(290, 300)]
    assert {one.input for one in picture.done[:-10]} == {None}


def test_a_long_state_is_read_once_and_not_for_each_operation(hub, drawn):
    for operation, value in (("add", 1), ("grow", None), ("grow", None), ("forget", None), ("add", 4)):
        hub.client.signal_entity(NEVER, operation, value)
    settle(hub)
    assert [one.state for one in drawn(NEVER).done] == ["1", None, None, "null", "4"]


def test_a_long_state_before_the_first_operation_is_not_taken_for_an_older_one(hub, drawn):
    for operation, value, times in (("add", 1, 1), ("grow", None, 1), ("fail", None, 210)):
        for _ in range(times):
            hub.client.signal_entity(NEVER, operation, value)
    settle(hub)
    assert {one.state for one in drawn(NEVER).done} == {None}


def test_what_is_asked_for_later_is_scheduled_until_then(hub, drawn):
    clock = hub._engine.clock
    hub.client.signal_entity(NEVER, "add", 1, at=clock.now() + timedelta(hours=1))
    picture = drawn(NEVER)
    assert ([one.status for one in picture.waiting], picture.word) == (["Scheduled"], "No state")
    clock.advance(hours=2)
    picture = drawn(NEVER)
    assert ([one.status for one in picture.waiting], picture.word) == (["Pending"], "Busy")


def test_an_entity_of_which_nothing_was_asked_is_empty(drawn):
    picture = drawn(NEVER)
    assert (picture.exists, picture.operations, picture.done, picture.locks) == (False, 0, (), ())
    assert picture.line == "<counter never: No state, 0 operations>"


# -- numbers -----------------------------------------------------------------------------------------


def operations(*states):
    return [EntityOperation("add", "Completed", None, True, BEGIN, state=state) for state in states]


@pytest.mark.parametrize(
    ("states", "name", "values"),
    [
        (["1", "2.5", "-3"], "", (1.0, 2.5, -3.0)),
        (['{"n": 1, "who": "Ada"}', '{"n": 2, "who": "Bob"}'], "n", (1.0, 2.0)),
        (['{"n": 1}', "null", None, '{"n": 4}'], "n", (1.0, None, None, 4.0)),
        (['{"n": 1}', "null"], "n", (1.0, None)),
        (['"text"', "7"], "", (None, 7.0)),
        (['{"@type": "decimal", "@value": "1.50"}'], "", (1.5,)),
        (['{"sum": {"@type": "decimal", "@value": "2"}, "of": "x"}'], "sum", (2.0,)),
        (['{"n": 1, "m": 2}'], None, ()),
        (['{"is": true}'], None, ()),
        (["true"], None, ()),
        (["[1, 2]"], None, ()),
        (["1" + "0" * 400], None, ()),
        (['{"@type": "decimal", "@value": "none"}'], None, ()),
        ([], None, ()),
    ],
)
def test_the_number_of_a_state_is_found(states, name, values):
    course = number_series(operations(*states))
    if name is None:
        assert course is None
    else:
        assert (course.name, course.values) == (name, values)


# -- queues ------------------------------------------------------------------------------------------


def test_queues_say_who_has_the_lock_and_how_much_is_to_be_done(hub):
    queues = read_queues(hub.connection(), ["@counter@a", "@counter@b", "@counter@never"])
    assert {one: (queue.length, queue.locked_by) for one, queue in queues.items()} == {
        "@counter@a": (0, None),
        "@counter@b": (1, "first"),
    }
    assert queue_text(queues.values(), "second") == "@counter@b is locked by first."
    assert queue_text(queues.values(), "first") == ""
    assert read_queues(hub.connection(), []) == {}


# -- files -------------------------------------------------------------------------------------------


def test_the_entities_of_a_file_are_those_of_the_hub(file, path, tmp_path):
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(path.read_bytes())
    with df.TaskHub(copy, mode="kernel", clock=df.VirtualClock()) as hub:
        listed = hub.client.list_entities()
        assert file.entities() == listed
        assert [(str(one.entity_id), one.state, one.locked_by) for one in listed] == [
            ("@counter@a", 5, None),
            ("@counter@b", 7, "first"),
        ]
    assert file.entities("COUNTER") == listed
    assert file.entities("other") == []
    assert file.entities(since=BEGIN + timedelta(days=9)) == []


def test_a_file_tells_the_state_of_now_and_of_then(file):
    assert file.entity_state(A) == file.entity(A).state() == 5
    hours = [file.entity_state(A, as_of=BEGIN + timedelta(hours=hour, minutes=30)) for hour in range(5)]
    assert hours == [1, 3, 3, None, 5]
    assert file.entity(A).state(as_of=BEGIN - timedelta(hours=1)) is None
    assert file.entity_state(A, float) == 5.0
    assert file.entity_state(NEVER) is None


def test_an_entity_of_a_file_is_shown_as_in_a_hub(file, path, tmp_path):
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(path.read_bytes())
    with df.TaskHub(copy, mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_entity(counter, "Counter")
        handle = hub.entity("Counter", "a")
        assert repr(file.entity(A)) == repr(handle) == "<counter a: Idle, 5 operations, 1 failed>"
        assert text_of(file.entity(A)) == text_of(handle)
    page = page_of(file.entity(B))
    assert page.pictures[0].alt == "Locked"
    assert "locked by first" in page.picture().texts
    assert file.entity(A) == file.entity(df.EntityId("counter", "a")) != file.entity(B)


def test_an_instance_of_a_file_says_who_has_the_lock(file):
    assert "@counter@b is locked by first." in page_of(file.handle("second")).text


def test_an_entity_that_is_not_there_is_named_in_the_error(file):
    with pytest.raises(df.InstanceNotFoundError, match=r"no entity @counter@never\. entities\(\) lists"):
        file.entity(NEVER)
    with pytest.raises(TypeError, match="or give its EntityId"):
        file.entity("@counter@a")


def test_a_file_counts_instances_and_entities_apart(file):
    assert repr(file) == "<HubFile flows.duckdb: 2 instances, 2 entities, read-only>"
    assert "2 entities" in page_of(file).text
    assert [one.instance_id for one in file.instances()] == ["first", "second"]


def test_a_file_from_before_there_were_entities_has_none(tmp_path):
    path = tmp_path / "old.duckdb"
    with df.TaskHub(path, mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_orchestrator(lambda context: 7, "seven")
        hub.run("seven", instance_id="a")
    with duckdb.connect(str(path)) as connection:
        for view in ("spans", "entities", "entity_operations", "entity_locks", "entity_calls"):
            connection.execute(f"drop view {view}")
    with df.open_history(path) as file:
        assert file.entities() == []
        assert file.entity_state(A) is None
        assert "text/html" in bundle_of(file)
        assert "text/html" in bundle_of(file.handle("a"))
        with pytest.raises(df.InstanceNotFoundError):
            file.entity(A)


def test_an_entity_of_a_closed_file_is_a_line_of_text(path):
    with df.open_history(path) as file:
        entity = file.entity(A)
    assert bundle_of(entity) == {"text/plain": "<entity @counter@a of a closed file>"}
    with pytest.raises(df.StoreError, match="was closed"):
        entity.state()
