"""Answers of every store about past generations, and the rest after their purge."""

from durablenb.core.ports.store import InstanceQuery, PastGeneration
from durablenb.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    OrchestratorStarted,
    Origin,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
)
from durablenb.model.logs import LogLine
from tests.store.scribe import BEGINNING
from tests.store.test_blobs import hash_of, is_kept, text_of


def generations(store, scribe, instance_id, count, *kinds):
    """An instance that has continued as new so often; what its executions are called, oldest first."""
    ids = []
    scribe.start(instance_id, input='"first"')
    for number in range(count + 1):
        ids.append(scribe._executions[instance_id])
        scribe.run(instance_id, OrchestratorStarted, *kinds)
        if number < count:
            scribe.continue_as_new(instance_id, f'"{number}"')
    store.append(scribe.take())
    return ids


def past(store, instance_ids, keep=0, limit=1_000):
    return [found.execution_id for found in store.past_generations(instance_ids, keep, limit)]


def purge(store, instance_ids, keep=0):
    """Deletes past generations as a hub does that has no sub-orchestrations."""
    found = store.past_generations(instance_ids, keep, 1_000)
    store.purge([], [one.execution_id for one in found], [seq for one in found for seq in one.needed])
    return len(found)


def test_past_generations_are_those_before_the_last_ones_oldest_first(store, scribe):
    a = generations(store, scribe, "a", 3, TaskScheduled)
    b = generations(store, scribe, "b", 1)
    scribe.start_in(store, "c")
    assert past(store, ["a", "b", "c", "unknown"]) == [*a[:3], b[0]]
    assert past(store, ["a"], keep=1) == a[:2]
    assert past(store, ["a", "b"], keep=2) == a[:1]
    assert past(store, ["a", "b"], keep=3) == past(store, ["c"]) == past(store, []) == []
    assert past(store, ["a"], limit=2) == a[:2]
    first, second = store.past_generations(["a"], 1, 1_000)
    assert first == PastGeneration("a", a[0], (1,))
    assert second == PastGeneration("a", a[1])


def test_of_a_purged_past_the_first_event_stays_and_the_state_is_the_same(store, scribe):
    ids = generations(store, scribe, "a", 3, TaskScheduled)
    generations(store, scribe, "b", 2)
    others, before = store.records("b"), store.states(InstanceQuery())
    current = store.load(["a"])
    assert purge(store, ["a"]) == 3
    assert store.states(InstanceQuery()) == before
    assert [state.generation for state in before] == [3, 2]
    assert store.load(["a"]) == current
    assert [record.execution_id for record in store.records("a")] == [ids[0], ids[3], ids[3], ids[3]]
    assert [event.input for event in store.starts("a")] == ['"first"', '"2"']
    assert store.records("b") == others
    assert [found.instance_id for found in store.open_instances()] == ["a", "b"]
    assert purge(store, ["a"]) == 0
    narrow = InstanceQuery(created_from=before[0].created_time, created_to=before[0].created_time)
    assert store.ids(narrow) == ["a"]
    scribe.continue_as_new("a")
    store.append(scribe.take())
    assert past(store, ["a"]) == [ids[3]]


def test_generations_of_an_earlier_instance_of_the_id_are_left(store, scribe):
    generations(store, scribe, "a", 1)
    scribe.add("a", ExecutionCompleted)
    store.append(scribe.take())
    earlier = store.records("a")
    ids = generations(store, scribe, "a", 2)
    assert past(store, ["a"]) == ids[:2]
    purge(store, ["a"])
    assert store.records("a")[: len(earlier)] == earlier
    assert store.states(InstanceQuery())[0].generation == 2


def test_a_generation_that_was_rewound_is_one_generation(store, scribe):
    scribe.start("a")
    scribe.run("a", OrchestratorStarted, TaskScheduled, ExecutionFailed)
    scribe.rewind("a")
    first = scribe._executions["a"]
    scribe.continue_as_new("a")
    store.append(scribe.take())
    before = store.states(InstanceQuery())
    assert past(store, ["a"]) == [first]
    purge(store, ["a"])
    kinds = [type(record.event) for record in store.records("a")]
    assert kinds == [ExecutionStarted, ExecutionStarted]
    assert [(state.created_time, state.generation) for state in store.states(InstanceQuery())] == [
        (state.created_time, state.generation) for state in before
    ]


def test_a_generation_with_a_fork_stays_as_long_as_the_fork(store, scribe):
    ids = generations(store, scribe, "a", 3)
    scribe.start_in(
        store, "fork", forked_from=(Origin("a", ids[1], 2, 0), Origin("older", "elsewhere", 2, 0))
    )
    assert past(store, ["a"]) == [ids[0], ids[2]]
    store.purge(["fork"])
    assert past(store, ["a"]) == ids[:3]


def test_sub_orchestrations_below_executions_are_found_with_what_has_become_of_them(store, scribe):
    ids = generations(store, scribe, "a", 0, SubOrchestrationInstanceCreated)
    scribe.start_child("a", "child")
    child = scribe._executions["child"]
    scribe.start_child("child", "grandchild")
    grandchild = scribe._executions["grandchild"]
    scribe.add("child", ExecutionCompleted)
    scribe.continue_as_new("a")
    scribe.start_child("a", "child")
    again = scribe._executions["child"]
    scribe.start("fork", forked_from=(Origin("grandchild", grandchild, 1, 0),))
    scribe.start_child("fork", "another")
    store.append(scribe.take())
    assert store.begun_by(ids) == [
        ("child", child, ids[0], False, False),
        ("grandchild", grandchild, child, True, True),
    ]
    assert [one.execution_id for one in store.begun_by([scribe._executions["a"]])] == [again]
    assert store.begun_by([grandchild]) == store.begun_by([]) == []
    assert [one.has_children for one in store.past_generations(["a"], 0, 10)] == [True]


def test_lines_and_blobs_of_a_purged_past_are_gone_unless_others_refer_to_them(store, scribe):
    scribe.start("a", input=text_of(b"first"))
    scribe.add("a", EventRaised, name="x", input=text_of(b"gone"))
    scribe.add("a", EventRaised, name="x", input=text_of(b"shared"))
    old = scribe._executions["a"]
    scribe.continue_as_new("a", text_of(b"next"))
    new = scribe._executions["a"]
    scribe.start_in(store, "b", input=text_of(b"shared"))
    lines = [LogLine("a", one, None, "Work", 1, BEGINNING, "stdout", None, None, one) for one in (old, new)]
    store.append_lines(lines)
    assert purge(store, ["a"]) == 1
    assert store.lines("a") == lines[1:]
    kept = [is_kept(store, content) for content in (b"first", b"gone", b"shared", b"next")]
    assert kept == [True, False, True, True]
    store.purge(["a"])
    assert [is_kept(store, content) for content in (b"first", b"shared", b"next")] == [False, True, False]
    assert store.blob(hash_of(b"shared")) == b"shared"


def test_of_an_entitys_past_the_first_operation_and_the_one_that_made_the_state_stay(store, noted):
    for part, states in enumerate((("1", "2"), ("3", None), (None, None), (None,))):
        noted.open("@account@a")
        for state in states:
            noted.do("@account@a", noted.ask("@account@a"), state)
        if part == 0:
            noted.open("@account@b")
            noted.do("@account@b", noted.ask("@account@b"), "7")
    store.append(noted._scribe.take())
    before = store.entity_states(None)
    assert before == {"@account@a": "3", "@account@b": "7"}
    whole = store.records("@account@a")
    found = store.past_generations(["@account@a", "@account@b"], 1, 1_000)
    assert [len(one.needed) for one in found] == [2, 3]
    assert purge(store, ["@account@a", "@account@b"], keep=1) == 2
    left = store.records("@account@a")
    assert left == [*whole[:2], *whole[6:9], *whole[11:]]
    assert store.entity_states(None) == before
    assert purge(store, ["@account@a"], keep=1) == 0
    assert purge(store, ["@account@a"]) == 1
    assert store.records("@account@a") == [*whole[:2], *whole[6:9], *whole[15:]]
    assert store.entity_states(None) == before
    assert store.open_entities() == []
