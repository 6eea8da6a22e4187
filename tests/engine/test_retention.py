"""Past generations are deleted, by a policy or by hand; what is needed stays, what is shown is true."""

from __future__ import annotations

import pytest

import durablenb as df
from durablenb.engine import committer, entities, retention
from durablenb.engine.retention import Retention
from durablenb.hub.control import ForkInstance
from durablenb.model.errors import StoreError
from tests.engine import past_worker
from tests.engine.fanned import finish
from tests.faults.lives import Life
from tests.waiting import until


def rounds(context):
    """Continue as new until the number is reached; then wait."""
    number, last = context.get_input()
    if number < last:
        context.continue_as_new([number + 1, last])
    else:
        last = yield context.wait_for_external_event("more")
        context.continue_as_new([number + 1, last])


def leaf(context):
    yield context.call_activity("say", context.instance_id)


def branch(context):
    yield context.call_sub_orchestrator("leaf", None, f"{context.instance_id}-leaf")


def waiting(context):
    yield context.wait_for_external_event("go")


def parent(context):
    """Call a sub-orchestration in each generation, and wait in the last one."""
    number, last, child, child_id = context.get_input()
    name = context.instance_id
    call = context.call_sub_orchestrator(child, None, child_id or f"{name}-{number}")
    yield call if child != "waiting" else context.create_timer(context.current_utc_datetime)
    if number < last:
        context.continue_as_new([number + 1, last, child, child_id])
    else:
        yield context.wait_for_external_event("more")


class Counter:
    def __init__(self):
        self.value = 0

    def add(self, amount: int):
        self.value += amount

    def read(self):
        return self.value


def opened(path, **options):
    hub = df.TaskHub(path, mode="kernel", **options)
    for orchestrator in (rounds, leaf, branch, waiting, parent):
        hub.add_orchestrator(orchestrator)
    hub.add_activity(print, name="say")
    hub.add_entity(Counter)
    return hub


@pytest.fixture
def path(tmp_path):
    return tmp_path / "flows.duckdb"


@pytest.fixture
def hub():
    with opened(":memory:") as hub:
        yield hub


@pytest.fixture
def at_once(monkeypatch):
    """Each portion is deleted as soon as there is one."""
    monkeypatch.setattr(retention, "SPACING", 0)


def generations(hub, instance_id):
    rows = hub.sql(f"select generation from executions where instance_id = '{instance_id}' order by seq")
    return [number for (number,) in rows.fetchall()]


def ids(hub):
    return {one.instance_id for one in hub.instances()}


def shown(hub, instance_id):
    """The answers that must not change when the past is purged."""
    status = hub.handle(instance_id).status()
    row = hub.sql(f"from instances where instance_id = '{instance_id}'").fetchall()
    return status.to_json(), row, hub.client.get_status(instance_id, show_history=True).to_json()


# -- the policy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_with_a_policy_the_last_generations_are_kept_of_each_instance(path, at_once, keep):
    with opened(path, keep_generations=keep) as hub:
        for name, last in (("a", 7), ("b", 2)):
            hub.start(rounds, [0, last], instance_id=name)
        finish(hub)
        assert generations(hub, "a") == list(range(7 - keep, 8))
        assert generations(hub, "b") == list(range(max(2 - keep, 0), 3))
        assert hub.handle("a").status().input_ == [7, 7]
    with opened(path) as hub:
        assert generations(hub, "a") == list(range(7 - keep, 8))
        hub.handle("a").raise_event("more", 9)
        finish(hub)
        assert generations(hub, "a") == list(range(7 - keep, 10))


def test_without_a_policy_and_in_another_hub_all_generations_are_kept(tmp_path, at_once):
    with opened(tmp_path / "one.duckdb", keep_generations=0) as one, opened(tmp_path / "two.duckdb") as two:
        for hub in (one, two):
            hub.start(rounds, [0, 4], instance_id="a")
            finish(hub)
        assert generations(one, "a") == [4]
        assert generations(two, "a") == [0, 1, 2, 3, 4]


def test_generations_from_before_the_policy_are_deleted_when_the_hub_is_opened_with_it(path, at_once):
    with opened(path) as hub:
        hub.start(rounds, [0, 5], instance_id="a")
        hub.start(rounds, [0, 1], instance_id="short")
        finish(hub)
        before = shown(hub, "a")
    with opened(path, keep_generations=2) as hub:
        finish(hub)
        assert generations(hub, "a") == [3, 4, 5]
        assert generations(hub, "short") == [0, 1]
        assert shown(hub, "a") == before


def test_portions_are_spaced_and_what_is_left_is_deleted_at_the_end(path, monkeypatch):
    monkeypatch.setattr(retention, "SPACING", 1e9)
    portions = []
    purge = Retention.purge
    monkeypatch.setattr(Retention, "purge", lambda self, *a: portions.append(purge(self, *a)) or portions[-1])
    with opened(path, keep_generations=1) as hub:
        hub.start(rounds, [0, 30], instance_id="a")
        finish(hub)
        assert len(portions) == 1
        assert len(generations(hub, "a")) > 20
    assert len(portions) == 2
    with opened(path) as hub:
        assert generations(hub, "a") == [29, 30]


def test_a_portion_that_is_full_is_followed_by_another_at_once(path, monkeypatch):
    monkeypatch.setattr(retention, "SPACING", 1e9)
    monkeypatch.setattr(retention, "GENERATIONS_AT_ONCE", 3)
    with opened(path) as hub:
        for name in ("a", "b"):
            hub.start(rounds, [0, 10], instance_id=name)
        finish(hub)
    with opened(path, keep_generations=0) as hub:
        finish(hub)
        for name in ("a", "b"):
            hub.handle(name).suspend()
            finish(hub)
        hub.start(rounds, [0, 0])
        finish(hub)
        assert generations(hub, "a") == generations(hub, "b") == [10]


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_a_hub_that_works_in_the_background_deletes_although_nothing_else_happens(path, executor):
    def busy(context):
        number = context.get_input()
        yield context.call_activity("double", number)
        if number < 50:
            context.continue_as_new(number + 1)
        else:
            yield context.wait_for_external_event("more")

    with df.TaskHub(path, keep_generations=0, executor=executor) as hub:
        hub.add_activity(lambda number: 2 * number, name="double")
        hub.add_orchestrator(busy)
        for name in ("a", "b"):
            hub.start(busy, 0, instance_id=name)
        for _ in range(5_000):
            if generations(hub, "a") == generations(hub, "b") == [50]:
                return
        raise AssertionError(f"there are still generations {generations(hub, 'a')}")


def test_a_disk_that_is_full_delays_a_portion(path, at_once, monkeypatch):
    monkeypatch.setattr(committer, "RETRY_SECONDS", 0.001)
    with opened(path, keep_generations=0) as hub:
        purge, is_full = hub._store.purge, True

        def purged(*args):
            if is_full:
                raise StoreError("no room")
            purge(*args)

        monkeypatch.setattr(hub._store, "purge", purged)
        hub.start(rounds, [0, 3], instance_id="a")
        with pytest.raises(StoreError, match="no room"):
            finish(hub)
        is_full = False
        until(lambda: hub.health().is_well)
        finish(hub)
        hub.handle("a").raise_event("more", 4)
        finish(hub)
        assert generations(hub, "a") == [4]


@pytest.mark.parametrize(
    ("keep", "error"), [(-1, ValueError), (1.5, TypeError), ("2", TypeError), (True, TypeError)]
)
def test_a_number_that_makes_no_sense_is_refused(hub, tmp_path, keep, error):
    with pytest.raises(error, match=r"keep_generations is .*; expected"):
        df.TaskHub(tmp_path / "other.duckdb", keep_generations=keep)
    hub.start(rounds, [0, 0], instance_id="a")
    with pytest.raises(error, match=r"keep is .*; expected"):
        hub.handle("a").purge_past_generations(keep=keep)


# -- by hand -----------------------------------------------------------------------------------------


def test_the_past_of_an_open_instance_is_deleted_and_what_is_shown_stays(hub):
    for name in ("a", "b"):
        hub.start(rounds, [0, 5], instance_id=name)
    finish(hub)
    before, other = shown(hub, "a"), hub.handle("b").history()
    handle = hub.handle("a")
    assert handle.purge_past_generations(keep=2) == 3
    assert generations(hub, "a") == [3, 4, 5]
    assert handle.purge_past_generations(keep=2) == 0
    assert hub.client.purge_past_generations("a") == 2
    assert generations(hub, "a") == [5]
    assert shown(hub, "a") == before
    assert hub.handle("b").history() == other
    handle.raise_event("more", 6)
    finish(hub)
    assert handle.status().created_time == df.Handle(hub, "a").status().created_time
    assert hub.sql("select generation from instances where instance_id = 'a'").fetchall() == [(6,)]
    assert generations(hub, "a") == [5, 6]


def test_an_instance_that_never_continued_has_no_past_and_an_unknown_one_is_told(hub):
    hub.start(rounds, [0, 0], instance_id="a")
    finish(hub)
    history = hub.handle("a").history()
    assert hub.handle("a").purge_past_generations() == 0
    assert hub.handle("a").history() == history
    for unknown in ("nobody", "@counter@nobody", df.EntityId("Counter", "nobody")):
        with pytest.raises(df.InstanceNotFoundError, match="nobody"):
            hub.client.purge_past_generations(unknown)
    with pytest.raises(TypeError):
        hub.client.purge_past_generations(5)


def test_the_past_of_an_ended_instance_is_deleted_too(hub):
    handle = hub.start(rounds, [0, 3], instance_id="a")
    finish(hub)
    handle.terminate("enough")
    assert handle.purge_past_generations() == 3
    assert handle.status().output == "enough"
    assert handle.purge() == 1


def test_an_imported_instance_is_refused(hub, tmp_path):
    hub.start(rounds, [0, 3], instance_id="a")
    finish(hub)
    hub.export("a", tmp_path / "a.parquet")
    with opened(tmp_path / "other.duckdb", keep_generations=0) as other:
        other.import_history(tmp_path / "a.parquet")
        with pytest.raises(df.InstanceStateError, match="imported"):
            other.handle("a").purge_past_generations()
        finish(other)
        assert generations(other, "a") == [0, 1, 2, 3]
        assert other.handle("a").purge() == 1


def test_a_history_without_its_past_is_exported_and_imported(hub, tmp_path):
    handle = hub.start(rounds, [0, 3], instance_id="a")
    finish(hub)
    handle.purge_past_generations()
    hub.export("a", tmp_path / "a.parquet")
    with opened(tmp_path / "other.duckdb") as other:
        other.import_history(tmp_path / "a.parquet")
        assert str(other.handle("a").history()) == str(handle.history())
        assert generations(other, "a") == [3]
        assert other.handle("a").status().created_time == handle.status().created_time


def test_a_start_that_attaches_still_knows_the_first_input(hub):
    hub.start(rounds, [0, 3], instance_id="a")
    finish(hub)
    hub.handle("a").purge_past_generations()
    assert hub.start(rounds, [0, 3], instance_id="a", if_exists="attach").status().input_ == [3, 3]
    with pytest.raises(df.InstanceExistsError, match="another input"):
        hub.start(rounds, [0, 4], instance_id="a", if_exists="attach")


# -- sub-orchestrations and forks ---------------------------------------------------------------------


def test_ended_sub_orchestrations_of_the_past_are_deleted_with_those_below_them(hub):
    hub.start(parent, [0, 3, "branch", None], instance_id="p")
    hub.start(parent, [0, 1, "leaf", None], instance_id="q")
    finish(hub)
    assert hub.handle("p").purge_past_generations(keep=1) == 2
    kept = {"p", "p-2", "p-2-leaf", "p-3", "p-3-leaf", "q", "q-0", "q-1"}
    assert ids(hub) == kept
    assert {line.instance_id for line in hub.handle("p").logs()} == {"p-2-leaf", "p-3-leaf"}
    assert hub.sql("select distinct instance_id from journal order by 1").fetchall() == [
        (one,) for one in sorted(kept)
    ]
    with pytest.raises(df.InstanceNotFoundError):
        df.Handle(hub, "p-0").result()


def test_sub_orchestrations_that_are_open_stay_with_all_below_them(hub):
    hub.start(parent, [0, 2, "waiting", None], instance_id="p")
    finish(hub)
    assert hub.handle("p").purge_past_generations() == 2
    assert ids(hub) == {"p", "p-0", "p-1", "p-2"}
    assert generations(hub, "p") == [2]
    for number in range(3):
        hub.handle(f"p-{number}").raise_event("go")
    finish(hub)
    assert str(hub.handle("p-0").status().runtime_status) == "Completed"


def test_of_an_id_that_each_generation_uses_again_only_the_old_runs_are_deleted(hub):
    hub.start(parent, [0, 3, "branch", "child"], instance_id="p")
    finish(hub)
    assert len(generations(hub, "child")) == len(generations(hub, "child-leaf")) == 4
    result = hub.handle("child").history()[-5:]
    assert hub.handle("p").purge_past_generations(keep=1) == 2
    assert len(generations(hub, "child")) == len(generations(hub, "child-leaf")) == 2
    assert hub.handle("child").history()[-5:] == result
    assert hub.handle("p").purge_past_generations() == 1
    assert ids(hub) == {"p", "child", "child-leaf"}


def test_a_generation_with_a_fork_stays_until_the_fork_is_purged(hub):
    handle = hub.start(rounds, [0, 1], instance_id="a")
    finish(hub)
    fork = handle.fork(instance_id="fork")
    finish(hub)
    handle.raise_event("more", 4)
    finish(hub)
    assert handle.purge_past_generations() == 3
    assert generations(hub, "a") == [1, 4]
    assert str(handle.history()).count("purged") == 2
    assert df.compare(handle, fork)
    fork.terminate()
    fork.purge()
    assert handle.purge_past_generations() == 1
    assert generations(hub, "a") == [4]


@pytest.mark.parametrize("is_open", [True, False])
def test_a_fork_whose_past_is_purged_before_it_begins_is_refused(hub, is_open):
    """The past is read in the caller's thread, before the engine gets the command."""
    handle = hub.start(rounds, [0, 2], instance_id="a")
    finish(hub)
    first, second = (
        hub._control._fork(ForkInstance("a", None, {}, None, name)) for name in ("early", "late")
    )
    handle.raise_event("more", 4)
    finish(hub)
    assert hub._engine.request(first) == "early"
    hub.handle("early").terminate()
    hub.handle("early").purge()
    if is_open:
        assert handle.purge_past_generations() == 4
    else:
        handle.terminate()
        handle.purge()
    with pytest.raises(df.InstanceStateError, match="was purged in the meantime"):
        hub._engine.request(second)
    assert "late" not in ids(hub)


def test_a_sub_orchestration_with_a_fork_stays(hub):
    hub.start(parent, [0, 1, "leaf", None], instance_id="p")
    finish(hub)
    hub.handle("p-0").fork(input=None, instance_id="fork")
    finish(hub)
    assert hub.handle("p").purge_past_generations() == 1
    assert ids(hub) == {"p", "p-0", "p-1", "fork"}


# -- entities ----------------------------------------------------------------------------------------


def parts(hub, entity_id):
    sql = f"select count(distinct execution_id) from journal where instance_id = '{entity_id}'"
    return hub.sql(sql).fetchall()[0][0]


def test_parts_of_an_entitys_history_are_deleted_and_its_state_stays(path, at_once, monkeypatch):
    monkeypatch.setattr(entities, "LONG_HISTORY", 9)
    with opened(path, keep_generations=1) as hub:
        a, b = hub.entity(Counter, "a"), hub.entity(Counter, "b")
        b.add(5)
        finish(hub)
        created = hub.sql("select created from entities where key = 'a'").fetchall()
        for number in range(20):
            a.add(1) if number < 10 else a.read()
            finish(hub)
            created = created or hub.sql("select created from entities where key = 'a'").fetchall()
        assert a.state() == {"value": 10}
        assert b.state() == {"value": 5}
        assert parts(hub, "@counter@a") <= 4
        states = hub.sql(
            "select state_before ->> 'value', state_after ->> 'value', status from entity_operations "
            "where key = 'a' order by ended_seq"
        ).fetchall()
        assert states[:2] == [(None, None, "Completed"), (None, "10", "Completed")]
        assert set(states[2:]) == {("10", "10", "Completed")}
        assert hub.sql("select created from entities where key = 'a'").fetchall() == created
        assert hub.sql("select queue_length from entities order by key").fetchall() == [(0,), (0,)]
    with opened(path) as hub:
        assert hub.entity(Counter, "a").state() == {"value": 10}
        hub.entity(Counter, "a").add(1)
        finish(hub)
        assert hub.entity(Counter, "a").state() == {"value": 11}
        assert hub.client.purge_past_generations(df.EntityId("Counter", "a")) >= 1
        assert hub.entity(Counter, "a").state() == {"value": 11}
        assert hub.client.purge_past_generations("@counter@a") == 0
        assert hub.entity(Counter, "b").state() == {"value": 5}


# -- what is shown -----------------------------------------------------------------------------------


def test_everything_that_shows_a_history_says_how_much_of_it_was_purged(hub):
    handle = hub.start(parent, [0, 4, "leaf", None], instance_id="p")
    finish(hub)
    whole = handle.history()
    assert "purged" not in f"{whole}{whole.timeline()}{handle.sequence()}"
    handle.purge_past_generations(keep=1)
    assert "       3 generations were purged: 0 to 2\n" in str(handle.history())
    assert handle.history().timeline().endswith("\n3 earlier generations purged")
    assert "parent: 3 generations were purged: 0 to 2" in str(handle.sequence()).splitlines()
    shown = handle._shown()
    assert shown.counts == ["2 executions", "3 earlier generations purged"]
    assert [call.name for call in shown.calls] == ["leaf", "leaf", "more"]
    view = handle.watch()
    view.refresh()
    assert "2 executions, 3 earlier generations purged" in bytes(view.head).decode()
    assert view._following.snapshot(handle._status(), None, shown.now, lambda ids: {}).counts == shown.counts
    view.close()
    assert {"start", "leaf", "more", "p-4: say"} <= set(handle.graph(depth=1))
    assert "p-3" not in handle.graph(depth=1)
    assert len(handle.replay(execution=1)) == 2
    assert handle.replay().fits
    with pytest.raises(ValueError, match="numbered from 1 to 2"):
        handle.replay(execution=3)
    tree = hub.sql("select instance_id, created_time from tree('p')").fetchall()
    assert [row[0] for row in tree] == ["p", "p-3", "p-4"]
    assert tree[0][1] == handle.status().created_time.replace(tzinfo=None)
    assert len(handle.timeline()) == 3


def test_views_say_how_much_was_purged_also_those_that_were_open_before(hub):
    handle = hub.start(rounds, [0, 2], instance_id="a")
    finish(hub)
    view = handle.watch()
    view.refresh()
    handle.purge_past_generations(keep=1)
    explorer = handle.explore()
    explorer.refresh()
    page = "".join(bytes(getattr(explorer, name)).decode() for name in explorer.regions)
    assert "1 earlier generation purged" in page
    assert "execution 2 of 2" in page
    explorer.close()
    handle.raise_event("more", 3)
    finish(hub)
    view.refresh()
    assert "generation 3" in bytes(view.head).decode() or "4 executions" in bytes(view.head).decode()
    view.close()


# -- crashes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("is_before", "purges"), [(True, 3), (False, 0), (False, 3)])
def test_a_process_that_dies_around_a_purge_leaves_the_last_generations(path, is_before, purges, at_once):
    assert Life(past_worker.main, path, is_before, purges).ended() == past_worker.DEATH
    with df.TaskHub(path, mode="kernel", keep_generations=1) as hub:
        past_worker.register(hub)
        reached = generations(hub, "a")[-1]
        assert generations(hub, "a")[-2:] == [reached - 1, reached]
        while generations(hub, "a")[-1] < reached + 5:
            hub.step()
        reached = generations(hub, "a")[-1]
        assert generations(hub, "a")[-2:] == [reached - 1, reached]
    with opened(path) as hub:
        assert len(generations(hub, "a")) == 2
        assert len(ids(hub)) <= 3
