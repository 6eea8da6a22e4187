"""Purging goes in portions: families are whole, others have their turn, and asking again finishes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import durablenb as df
from durablenb.engine import purging
from durablenb.engine.purging import PurgePlan, families, purge
from tests.engine.fanned import finish


def quick(context):
    return context.get_input()


def leaf(context):
    return 1


def middle(context):
    name = context.get_input()
    yield context.task_all([context.call_sub_orchestrator(leaf, None, f"{name}-{n}") for n in range(2)])


def top(context):
    name = context.instance_id
    calls = [context.call_sub_orchestrator(middle, f"{name}-{n}", f"{name}-{n}") for n in range(2)]
    yield context.task_all(calls)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "flows.duckdb"


@pytest.fixture
def hub():
    with opened(":memory:") as hub:
        yield hub


def opened(path, **options):
    hub = df.TaskHub(path, **options)
    for orchestrator in (quick, leaf, middle, top):
        hub.add_orchestrator(orchestrator)
    return hub


def ids(hub):
    return [one.instance_id for one in hub.instances()]


@pytest.fixture
def portions_of(monkeypatch):
    """Sets how many instances a portion has."""

    def set_(size):
        for name in ("AT_FIRST", "AT_LEAST", "AT_MOST"):
            monkeypatch.setattr(purging, name, size)

    return set_


def plan_of(hub, *instance_ids):
    return PurgePlan(hub._store, instance_ids, is_recursive=True)


def portions(plan, size):
    taken = iter(lambda: plan.take(size), None)
    return [list(message.instance_ids) for message in taken]


def test_a_portion_has_whole_families_and_one_that_is_larger_goes_from_below(hub):
    for one in ("a", "b", "c"):
        hub.run(top, instance_id=one)
    hub.run(quick, instance_id="d")
    families = [sorted(portion) for portion in portions(plan_of(hub, "a", "b", "d", "c"), 15)]
    assert [len(portion) for portion in families] == [15, 7]
    assert {one[0] for one in families[0]} == {"a", "b", "d"}
    cut = portions(plan_of(hub, "a"), 3)
    assert [len(portion) for portion in cut] == [3, 3, 1]
    assert set(cut[0]) | {cut[1][0]} == {f"a-{n}-{m}" for n in range(2) for m in range(2)}
    assert cut[2] == ["a"]


def test_who_is_asked_for_beside_its_parent_goes_with_it_once(hub):
    hub.run(top, instance_id="a")
    (family,) = portions(plan_of(hub, "a-0", "a", "a-0-1", "a"), 100)
    assert family[-1] == "a"
    assert sorted(family) == sorted(ids(hub))


def test_families_that_go_in_circles_are_gone_through_once():
    assert families(["a", "x"], [("b", "a"), ("a", "b")]) == [["x"], ["b", "a"]]


def test_each_portion_is_on_disk_before_the_next_one_and_others_go_in_between(hub, monkeypatch, portions_of):
    portions_of(1)
    for number in range(4):
        hub.run(quick, instance_id=f"old-{number}")
    take, left = PurgePlan.take, []

    def looked_on(plan, size):
        left.append(len(ids(hub)))
        hub.run(quick, instance_id=f"new-{len(left)}")
        return take(plan, size)

    monkeypatch.setattr(PurgePlan, "take", looked_on)
    assert hub.client.purge_instance_history_by(runtime_status="Completed").instances_deleted == 4
    assert left == [4, 4, 4, 4, 4]  # one goes, one comes
    assert ids(hub) == [f"new-{number}" for number in range(1, 6)]


def test_what_a_crash_leaves_of_a_purge_hangs_together_and_asking_again_deletes_it(path):
    with opened(path) as hub:
        hub.run(top, instance_id="a")
        hub.run(top, instance_id="b")
        plan = plan_of(hub, "a", "b")
        assert hub._engine.ask(plan.take(4)).result() == 4  # and the process ends here
    with opened(path) as hub:
        left = ids(hub)
        assert [one for one in left if one.startswith("b")] == ["b", *[i for i in left if i[:2] == "b-"]]
        assert len(left) == 10
        assert "a" in left
        assert hub.handle("a").status().runtime_status == "Completed"
        assert hub.handle("a").purge() == 3
        assert len(ids(hub)) == 7


def test_what_was_started_again_meanwhile_is_kept(hub):
    for one in ("a", "b", "c"):
        hub.run(quick, 1, instance_id=one)
    plan = plan_of(hub, "a", "b", "c")
    assert hub.run(quick, 2, instance_id="b") == 2  # and it has ended already
    assert hub._engine.ask(plan.take(10)).result() == 2
    assert plan.take(10) is None
    assert [(one.instance_id, one.output) for one in hub.instances()] == [("b", 2)]


def test_one_alone_that_is_open_is_refused_and_keeps_its_children():
    def busy(context):
        yield context.call_sub_orchestrator(leaf, None, "child")
        yield context.wait_for_external_event("go")

    with opened(":memory:", mode="kernel") as hub:
        hub.add_orchestrator(busy)
        handle = hub.start(busy, instance_id="busy")
        finish(hub)
        with pytest.raises(df.InstanceStateError, match="Terminate it before you purge it"):
            handle.purge()
        assert ids(hub) == ["busy", "child"]
        assert handle.terminate() is None
        assert handle.purge() == 2


def test_no_status_at_all_and_statuses_of_open_ones_purge_nothing(hub):
    hub.run(quick, instance_id="a")
    for none in ([], ["Running"], "Pending"):
        assert hub.client.purge_instance_history_by(runtime_status=none).instances_deleted == 0
    assert ids(hub) == ["a"]


def test_a_closed_hub_purges_nothing(hub):
    hub.run(quick, instance_id="a")
    hub.close()
    with pytest.raises(df.StoreError, match="closed"):
        hub.client.purge_instance_history("a")
    with pytest.raises(df.StoreError, match="closed"):
        hub.client.purge_instance_history_by(runtime_status="Completed")


def test_two_purges_of_the_same_at_a_time_leave_nothing(hub, portions_of):
    portions_of(2)
    for number in range(20):
        hub.run(quick, instance_id=f"old-{number}")
    counts = []

    def ask():
        wanted = [f"old-{number}" for number in range(20)]
        counts.append(purge(hub._engine.store, hub._engine.request, wanted, is_recursive=False))

    with ThreadPoolExecutor(2) as clients:
        for asked in [clients.submit(ask) for _ in range(2)]:
            asked.result()
    assert ids(hub) == []
    assert max(counts) <= 20 <= sum(counts)
