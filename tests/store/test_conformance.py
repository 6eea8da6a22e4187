"""Answers of every store about its journal: histories, open instances, families, crashes."""

import threading

from durablenb.core.ports.store import InstanceQuery
from durablenb.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionRewound,
    ExecutionStarted,
    OrchestratorStarted,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
)
from durablenb.model.source import Source

ODD_IDS = [
    "it's",
    '"; drop table journal; --',
    "100%_sure",
    "a b",
    "雪😀",
    "null",
    "[1, 2]",
    "?",
    "$1",
    "x" * 256,
]


def test_an_empty_journal_has_nothing_to_tell(store):
    assert store.last_seq() == 0
    assert store.load(["a"]) == {}
    assert store.records("a") == []
    assert store.open_instances() == []
    assert store.states(InstanceQuery()) == []
    assert store.descendants(["a"]) == []
    assert store.crashes() == {}


def test_asking_for_no_instances_or_writing_nothing_is_fine(store, scribe):
    scribe.start_in(store, "a")
    store.append([])
    store.purge([])
    assert store.load([]) == {}
    assert store.descendants([]) == []
    assert store.last_seq() == 1


def test_what_was_appended_comes_back_equal_and_in_order(store, scribe):
    scribe.start("a", input='{"id": 7}', tags={"team": "blue"}, version="1.2")
    scribe.start("b")
    scribe.run("a", OrchestratorStarted, TaskScheduled, TaskCompleted, OrchestratorStarted)
    written = scribe.take()
    store.append(written[:3])
    store.append(written[3:])
    assert store.records("a") == [record for record in written if record.instance_id == "a"]
    assert store.load(["a", "b"]) == scribe.history
    assert store.last_seq() == len(written) == 6


def test_another_thread_reads_what_was_appended(store, scribe):
    read = []

    def look():
        read.append(store.last_seq())

    for _ in range(2):
        scribe.start_in(store, "a")
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert read == [1, 2]


def test_history_is_that_of_the_last_execution_and_records_are_those_of_all(store, scribe):
    first = scribe.start("a")
    scribe.run("a", OrchestratorStarted)
    second = scribe.continue_as_new("a", "2")
    scribe.add("a", EventRaised, name="go")
    store.append(scribe.take())
    assert store.load(["a"])["a"] == scribe.history["a"]
    assert store.load(["a"])["a"][0] == second
    assert second.generation == 1
    assert store.records("a")[0].event == first
    assert len({record.execution_id for record in store.records("a")}) == 2


def test_history_begins_after_the_last_rewind(store, scribe):
    scribe.start("a")
    scribe.run("a", OrchestratorStarted, TaskScheduled, TaskFailed, OrchestratorStarted, ExecutionFailed)
    scribe.rewind("a")
    store.append(scribe.take())
    history = store.load(["a"])["a"]
    assert [type(event) for event in history] == [
        ExecutionStarted,
        OrchestratorStarted,
        TaskScheduled,
        OrchestratorStarted,
    ]
    assert [event.event_id for event in history] == [8, 9, 10, 11]
    assert ExecutionRewound in {type(record.event) for record in store.records("a")}


def test_many_histories_are_loaded_at_once_and_unknown_ones_left_out(store, scribe):
    for number in range(1_000):
        scribe.start(f"instance {number}", input=str(number))
    store.append(scribe.take())
    for count in (2, 65, 1_000):
        some = dict(list(scribe.history.items())[:count])
        assert store.load([*some, "unknown"]) == some


def test_an_instance_may_have_any_id(store, scribe):
    scribe.start_in(store, "other")
    for odd in ODD_IDS:
        child = odd + "'s child"
        scribe.start(odd)
        scribe.start_child(odd, child)
        store.append(scribe.take())
        assert store.load([odd, "other"]) == {name: scribe.history[name] for name in (odd, "other")}
        assert [state.instance_id for state in store.states(InstanceQuery(instance_ids=(odd,)))] == [odd]
        assert [state.instance_id for state in store.states(InstanceQuery(prefix=odd + "'"))] == [child]
        assert store.descendants([odd]) == [child]
        store.purge([odd])
        assert store.records(odd) == []
        assert [found.instance_id for found in store.open_instances()] == ["other", child]
        store.purge([child])


def test_purged_instances_are_gone_and_others_untouched(store, scribe):
    for name in ("a", "b", "c"):
        scribe.start_in(store, name)
    store.purge(["a", "c", "unknown"])
    assert store.load(["a", "b", "c"]) == {"b": scribe.history["b"]}
    assert store.records("a") == []
    scribe.start_in(store, "a", input='"anew"')
    assert [event.input for event in store.load(["a"])["a"]] == ['"anew"']
    assert store.last_seq() == 4


def test_descendants_are_found_through_all_levels_parents_first(store, scribe):
    scribe.start("root")
    scribe.start_child("root", "b")
    scribe.start_child("b", "a grandchild")
    scribe.start_child("root", "c")
    scribe.start("stranger")
    scribe.start_child("stranger", "strange child")
    store.append(scribe.take())
    assert store.descendants(["root"]) == ["b", "c", "a grandchild"]
    assert store.descendants(iter(["b", "stranger"])) == ["a grandchild", "strange child"]
    assert store.descendants(["c"]) == []


def test_links_are_by_the_execution_that_was_begun_last(store, scribe):
    scribe.start("root")
    for child in ("b", "c"):
        scribe.start_child("root", child)
    scribe.start_child("b", "a grandchild")
    scribe.add("c", ExecutionCompleted)
    scribe.start_in(store, "c")
    assert store.links(["root"]) == [("a grandchild", "b"), ("b", "root")]
    assert store.links(iter(["b", "root"])) == store.links(["root"])
    assert store.links([]) == store.links(["c"]) == []
    scribe.add("root", ExecutionCompleted)
    scribe.start_child("a grandchild", "root")
    store.append(scribe.take())
    assert store.links(["b"]) == [("a grandchild", "b"), ("b", "root"), ("root", "a grandchild")]


def test_restarted_are_those_of_which_an_execution_began_after_a_place(store, scribe):
    scribe.start("a")
    scribe.start("b")
    scribe.add("a", ExecutionCompleted)
    store.append(scribe.take())
    assert store.restarted(0) == {"a", "b"}
    assert store.restarted(1) == {"b"}
    assert store.restarted(2) == set()
    scribe.start_in(store, "a")
    assert store.restarted(2) == {"a"}


def test_looking_for_descendants_ends_where_a_family_goes_in_circles(store, scribe):
    scribe.start("a")
    scribe.start_child("a", "b")
    scribe.add("b", ExecutionCompleted)
    scribe.start_child("b", "a")
    store.append(scribe.take())
    assert sorted(store.descendants(["a"])) == ["a", "b"]


def test_replays_that_came_through_are_no_crashes(store):
    for name in ("a", "b"):
        store.mark_replay(name)
        store.mark_replay(None)
    assert store.crashes() == {}


def test_closing_twice_does_nothing(store):
    store.close()
    store.close()


def test_a_source_is_kept_once_and_found_by_its_hash(store):
    first, second = Source("a" * 16, "def f(context): ...", 1), Source("b" * 16, "def g(): 'ü'", 7)
    store.keep([first])
    store.keep([first, second])
    assert [store.source(one.hash) for one in (first, second)] == [first.text, second.text]
    assert store.source("c" * 16) is None


def test_the_starts_of_an_instance_are_those_of_all_its_executions(store, scribe):
    scribe.start("a", input="1")
    scribe.start("b", input="2")
    scribe.run("a", OrchestratorStarted, ExecutionCompleted)
    scribe.start_in(store, "a", input="3")
    assert [one.input for one in store.starts("a")] == ["1", "3"]
    assert store.starts("nobody") == []
