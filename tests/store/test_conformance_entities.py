"""Answers of every store about entities."""

from datetime import timedelta

from durablenb.core.ports.store import InstanceQuery
from tests.store.scribe import BEGINNING


def test_an_entity_that_has_done_all_has_nothing_to_do(store, noted):
    noted.open("@c@a")
    noted.do("@c@a", noted.ask("@c@a"), "1")
    noted.fail("@c@a", noted.ask("@c@a"))
    lock = noted.lock("@c@a")
    noted.grant("@c@a", lock)
    noted.release("@c@a", lock)
    noted.write()
    assert store.open_entities() == []


def test_what_was_asked_and_is_not_done_is_found_again(store, noted):
    noted.open("@c@b")
    noted.ask("@c@b", "first")
    noted.open("@c@a")
    noted.do("@c@a", noted.ask("@c@a"), "1")
    lock = noted.lock("@c@a")
    noted.grant("@c@a", lock)
    noted.ask("@c@a", "later", deliver_at=BEGINNING + timedelta(days=2))
    waiting = noted.lock("@c@a")
    noted.write()
    first, second = store.open_entities()
    assert (first.instance_id, second.instance_id) == ("@c@a", "@c@b")
    assert [event.event_id for event in first.pending] == [lock, waiting - 1, waiting]
    assert first.granted == {lock}
    assert (first.execution_id, first.next_event_id) == (f"{2:016x}", waiting + 1)
    assert [event.name for event in second.pending] == ["first"]


def test_only_the_part_of_a_history_that_is_open_counts(store, noted):
    for _ in range(3):
        noted.open("@c@a")
        noted.do("@c@a", noted.ask("@c@a"), "1")
    noted.ask("@c@a")
    noted.write()
    (found,) = store.open_entities()
    assert (found.execution_id, found.next_event_id) == (f"{3:016x}", 5)


def test_the_state_is_that_of_the_last_operation_that_changed_it(store, noted):
    noted.open("@c@a")
    noted.do("@c@a", noted.ask("@c@a"), "1")
    noted.do("@c@a", noted.ask("@c@a"), '{"a": 1}')
    noted.do("@c@a", noted.ask("@c@a"))
    noted.fail("@c@a", noted.ask("@c@a"))
    noted.open("@c@gone")
    noted.do("@c@gone", noted.ask("@c@gone"), "1")
    noted.do("@c@gone", noted.ask("@c@gone"), "null")
    noted.open("@c@new")
    noted.ask("@c@new")
    noted.write()
    assert store.entity_states(["@c@a", "@c@gone", "@c@new", "@c@unknown"]) == {
        "@c@a": '{"a": 1}',
        "@c@gone": "null",
    }
    assert store.entity_states(None) == {"@c@a": '{"a": 1}', "@c@gone": "null", "@c@new": "null"}


def test_the_state_of_a_moment_is_the_last_one_until_then(store, noted):
    noted.open("@c@a")
    for state in ("1", "2"):
        noted.do("@c@a", noted.ask("@c@a"), state)  # changed in the 3rd and in the 6th second
    noted.write()
    moments = [BEGINNING + timedelta(seconds=seconds) for seconds in (0, 2.9, 3, 5.9, 6, 999)]
    states = [store.entity_state_at("@c@a", moment) for moment in moments]
    assert states == ["null", "null", "1", "1", "2", "2"]
    assert store.entity_state_at("@c@unknown", moments[-1]) == "null"


def test_the_entities_that_exist_are_listed_by_their_ids(store, noted):
    for key, name in [("b", "d"), ("b", "c"), ("a", "c")]:
        entity = f"@{name}@{key}"
        noted.open(entity)
        noted.do(entity, noted.ask(entity), "1")  # until the 3rd, 6th and 9th second
    noted.open("@c@gone")
    noted.do("@c@gone", noted.ask("@c@gone"), "null")
    noted.grant("@c@a", noted.lock("@c@a"))
    noted.ask("@c@a")
    noted.ask("@c@a")
    noted.write()

    def listed(name=None, seconds=None):
        since = None if seconds is None else BEGINNING + timedelta(seconds=seconds)
        return [str(one.entity_id) for one in store.entities(name, since)]

    assert listed() == ["@c@a", "@c@b", "@d@b"]
    assert listed("c") == ["@c@a", "@c@b"]
    assert listed(None, 6) == ["@c@a", "@c@b"]
    assert listed("d", 6) == []
    first, second, _ = store.entities(None, None)
    assert (first.backlog_queue_size, first.locked_by) == (2, "transfer")
    assert first.last_modified_time == BEGINNING + timedelta(seconds=16)
    assert (second.backlog_queue_size, second.locked_by) == (0, None)
    assert second.last_modified_time == BEGINNING + timedelta(seconds=6)


def test_a_purged_entity_is_gone(store, noted):
    for entity in ("@c@a", "@c@b"):
        noted.open(entity)
        noted.do(entity, noted.ask(entity), "1")
    noted.write()
    store.purge(["@c@a"])
    assert store.entity_states(None) == {"@c@b": "1"}
    assert [str(one.entity_id) for one in store.entities(None, None)] == ["@c@b"]


def test_entities_are_no_instances(store, noted, scribe):
    scribe.start("a")
    noted.open("@c@a")
    noted.do("@c@a", noted.ask("@c@a"), "1")
    noted.write()
    assert [one.instance_id for one in store.states(InstanceQuery())] == ["a"]
    assert [one.instance_id for one in store.open_instances()] == ["a"]
