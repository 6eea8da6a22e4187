"""Imported histories can be displayed like any other, and are never run, recovered or changed."""

import logging
from datetime import UTC, datetime

import pytest

import durablenb as df
from durablenb.store import log_lines
from durablenb.store.duckdb_store import DuckStore
from tests.journal.orders import COUNTER, Counter, fill, order, register, waiting
from tests.notebook.reading import Page


@pytest.fixture
def file(shop, tmp_path):
    """Return an export of the shop."""
    fill(shop)
    path = tmp_path / "shop.json"
    shop.export(None, path)
    return path


@pytest.fixture
def hub(other, file):
    """A hub with the shop's functions, into which the export was imported."""
    register(other)
    other.import_history(file)
    return other


def events(hub):
    return hub.sql("select instance_id, count(*) from history group by all order by all").fetchall()


def settle(hub):
    while hub.step():
        pass


REFUSAL = r"open was imported from .*shop.json: it can be looked at and replayed, not changed"


def test_it_does_not_run_though_its_code_is_registered_and_nothing_can_be_done_to_it(hub):
    before, handle = events(hub), hub.handle("open")
    settle(hub)
    assert repr(hub) == "<TaskHub in memory: 0 open instances, mode 'kernel'>"
    for ask, *arguments in (
        (handle.raise_event, "Go", 1),
        (handle.terminate, "enough"),
        (handle.suspend,),
        (handle.resume,),
        (handle.rewind,),
        (handle.result,),
        (handle.wait,),
    ):
        with pytest.raises(df.InstanceStateError, match=REFUSAL):
            ask(*arguments)
    with pytest.raises(df.InstanceStateError, match="It was Running there, and doesn't run here"):
        handle.result()
    assert events(hub) == before


def test_it_is_not_recovered_when_the_hub_is_opened_again(tmp_path, file):
    path = tmp_path / "hub.duckdb"
    for _ in range(2):
        with df.TaskHub(path, mode="kernel", clock=df.VirtualClock()) as hub:
            register(hub)
            hub.import_history(file)
            before = events(hub)
            settle(hub)
            assert events(hub) == before
            with pytest.raises(df.InstanceStateError, match=REFUSAL):
                hub.handle("open").raise_event("Go")


def test_an_open_instance_of_another_file_is_not_gone_on_with(tmp_path, other):
    path = tmp_path / "flows.duckdb"
    with df.TaskHub(path, mode="kernel") as hub:
        register(hub)
        hub.start(waiting, instance_id="open")  # and has not even begun
        hub.client.signal_entity(COUNTER, "add", 1)
    register(other)
    other.import_history(path)
    settle(other)
    assert other.handle("open").status().runtime_status == "Pending"
    assert other.entity_state(COUNTER) is None


def test_its_ids_can_t_be_used_again(hub):
    with pytest.raises(df.InstanceExistsError, match=f"{REFUSAL}. Give another instance_id, or purge it"):
        hub.start(waiting, instance_id="open")
    with pytest.raises(df.InstanceExistsError, match="done was imported"):
        hub.handle("done").restart(restart_with_new_instance_id=False)
    own = hub.start(waiting, instance_id="own")
    with pytest.raises(df.InstanceExistsError, match="open was imported"):
        own.fork(instance_id="open")

    @hub.orchestrator
    def careless(context):
        return (yield context.call_sub_orchestrator("ship", 1, instance_id="done"))

    with pytest.raises(df.TaskFailedError, match="done was imported"):
        hub.run(careless)


def test_it_can_be_started_anew_under_another_id(hub):
    again = hub.handle("done").restart()
    again.raise_event("Go")
    hub.add_entity(Counter)
    settle(hub)
    assert again.status().input_ == 3


def test_its_past_can_be_shared_by_a_fork(hub):
    fork = hub.handle("open").fork(instance_id="what-if")
    fork.raise_event("Go", "now")
    assert fork.result() == "now"


# -- entities ---------------------------------------------------------------------------------------


def test_an_imported_entity_takes_no_operations(hub, caplog):
    with pytest.raises(df.InstanceStateError, match="@counter@a was imported"):
        hub.client.signal_entity(COUNTER, "add", 5)

    @hub.orchestrator
    def counting(context):
        context.signal_entity(COUNTER, "add", 1)
        return (yield context.call_entity(COUNTER, "get"))

    with caplog.at_level(logging.WARNING), pytest.raises(df.TaskFailedError, match="@counter@a was imported"):
        hub.run(counting)
    assert "A signal was dropped: @counter@a was imported" in caplog.text
    assert hub.entity_state(COUNTER) == {"value": 1}


def test_an_imported_entity_can_t_be_locked(hub):
    @hub.orchestrator
    def locking(context):
        with (yield context.lock([df.EntityId("Counter", "free"), COUNTER])):
            return "locked"

    with pytest.raises(df.TaskFailedError, match="@counter@a was imported"):
        hub.run(locking)


def test_cleaning_leaves_an_imported_entity(shop, other, tmp_path):
    @shop.entity
    def brief(context):
        context.set_state(1)
        context.destruct_on_exit()

    shop.client.signal_entity(df.EntityId("brief", "a"), "come")
    settle(shop)
    shop.export(df.EntityId("brief", "a"), tmp_path / "one.json")
    other.import_history(tmp_path / "one.json")
    assert other.client.clean_entity_storage().empty_entities_removed == 0


# -- coming and going -------------------------------------------------------------------------------


def test_importing_the_same_again_changes_nothing(hub, file):
    before = hub.sql("select * from imports").fetchall(), events(hub)
    assert hub.import_history(file)[0].id == "done"
    assert (hub.sql("select * from imports").fetchall(), events(hub)) == before


def test_what_came_later_of_the_same_is_another_history(hub, shop, tmp_path):
    shop.handle("open").raise_event("Go")
    settle(shop)
    shop.export("open", tmp_path / "later.json")
    with pytest.raises(df.InstanceExistsError, match=r"already, with another history. Nothing was imported"):
        hub.import_history(tmp_path / "later.json")
    hub.handle("open").purge()
    (later,) = hub.import_history(tmp_path / "later.json")
    assert later.status().runtime_status == "Completed"


def test_own_instances_are_never_overwritten(shop, file):
    before = events(shop)
    with pytest.raises(df.InstanceExistsError, match=r"of its own. Nothing was imported.*prefix='...'"):
        shop.import_history(file)
    assert events(shop) == before
    assert shop.sql("select * from imports").fetchall() == []


def test_a_prefix_lets_it_stand_beside_what_is_there(shop, file):
    handles = shop.import_history(file, prefix="theirs-")
    assert {handle.id for handle in handles} >= {"theirs-done", "theirs-open", "theirs-again"}
    assert shop.handle("theirs-done").replay(order).fits  # with the ids, and UUIDs of them, that it had
    assert shop.replay(handles).fits
    assert shop.entity_state(df.EntityId("Counter", "theirs-a")) == {"value": 1}
    tree = shop.sql("select depth, instance_id from tree('theirs-done')").fetchall()
    own = shop.sql("select depth, 'theirs-' || instance_id from tree('done')").fetchall()
    assert tree == own
    assert len(shop.import_history(file, prefix="theirs-")) == len(handles)


def test_what_has_a_prefix_is_exported_and_imported_with_it(shop, other, file, tmp_path):
    shop.import_history(file, prefix="theirs-")
    shop.export("theirs-done", tmp_path / "theirs.json")
    handle, *_ = other.import_history(tmp_path / "theirs.json", prefix="again-")
    assert handle.id == "again-theirs-done"
    assert handle.replay(order).fits


def test_a_prefix_is_part_of_an_id(other, file):
    for prefix in ("a/b", "@", "x" * 300):
        with pytest.raises(ValueError, match=r"The prefix .* doesn't do"):
            other.import_history(file, prefix=prefix)
    with pytest.raises(TypeError, match="A prefix is text"):
        other.import_history(file, prefix=7)


def test_purging_removes_the_copy_and_what_came_with_it(hub):
    assert hub.handle("done").purge() == 2
    assert hub.handle("open").purge() == 1  # though it had not ended
    assert hub.client.purge_instance_history("@counter@a").instances_deleted == 1
    hub.handle("again").purge()
    for table in ("journal", "log_lines", "blobs", "blob_uses", "imported"):
        assert hub.sql(f"select count(*) from {table}").fetchall() == [(0,)], table
    hub.start(waiting, instance_id="open")


def test_purging_an_own_parent_leaves_what_was_imported_as_its_child(shop, other, tmp_path):
    fill(shop)
    child = shop.sql("select instance_id from instances where parent_instance_id = 'done'").fetchall()[0][0]
    shop.export(child, tmp_path / "child.json")
    register(other)
    own = other.start(waiting, instance_id="done")
    other.import_history(tmp_path / "child.json")
    own.terminate()
    assert own.purge() == 1
    assert other.handle(child).status()


def test_the_origin_stands_beside_each_instance(hub, file):
    own = hub.start(waiting)
    rows = dict(hub.sql("select instance_id, origin from instances").fetchall())
    assert rows["done"] == str(file)
    assert rows[own.id] is None
    (at,) = hub.sql("select distinct imported from imports").fetchall()[0]
    assert at.replace(tzinfo=UTC) <= datetime.now(UTC)


def test_what_is_shown_of_it_says_where_it_came_from(hub, file):
    handle = hub.handle("open")
    assert handle.status().imported_from == str(file)
    assert repr(handle) == f"<waiting open: Running, imported from {file}>"
    for shown in handle._repr_mimebundle_().values():
        assert f"imported from {file}" in Page(shown).text
    assert hub.client.get_status_by(instance_id_prefix="open")[0].imported_from == str(file)


def test_a_live_view_of_it_offers_nothing_but_to_purge_it_and_is_the_still_picture_at_once(hub, file):
    view = hub.handle("open").watch(freeze=False)
    head, waits = Page(view.head.decode()), Page(view.waits.decode())
    assert f"imported from {file}" in head.text
    assert "Purge" in head.text
    for offer in ("Terminate", "Suspend", "Raise", "Advance"):
        assert offer not in head.text + waits.text
    assert view.is_over()
    hub.clock.advance(hours=1)
    assert view.still()["text/html"] == hub.handle("open")._repr_mimebundle_()["text/html"]


def test_a_file_says_where_it_came_from_too(tmp_path, file):
    with df.TaskHub(tmp_path / "there.duckdb") as hub:
        hub.import_history(file)
        hub.add_orchestrator(lambda context: 1, "own")
        hub.start("own", instance_id="own").wait(20)
    with df.open_history(tmp_path / "there.duckdb") as there:
        assert there.handle("open").status().imported_from == str(file)
        assert there.handle("own").status().imported_from is None


def test_a_picture_of_one_that_was_open_ends_where_its_history_does(hub):
    handle = hub.handle("open")
    first = handle._repr_mimebundle_()["text/html"]
    hub.clock.advance(hours=1)
    assert handle._repr_mimebundle_()["text/html"] == first


def test_registering_its_orchestrator_anew_says_nothing_of_it(hub, caplog):
    with caplog.at_level(logging.WARNING, "durablenb"):
        hub.add_orchestrator(lambda context: None, "waiting")
    assert "open instance" not in caplog.text
    assert len(hub.upgrade("waiting")) == 0


# -- when it can't be written -----------------------------------------------------------------------


def test_where_the_disk_takes_nothing_nothing_is_half_imported(other, file, monkeypatch):
    import_histories = DuckStore.import_histories

    def full(store, bundle, imports, after):
        monkeypatch.setattr(DuckStore, "import_histories", import_histories)
        raise df.StoreError("No room.")

    monkeypatch.setattr(DuckStore, "import_histories", full)
    with pytest.raises(df.StoreError, match="No room"):
        other.import_history(file)
    assert events(other) == []
    register(other)
    other.start(waiting, instance_id="mine")  # the hub goes on
    settle(other)
    assert other.import_history(file)


def test_a_store_that_fails_in_the_middle_of_it_has_nothing_of_it(other, file, monkeypatch):
    def broken(*_):
        raise df.StoreError("The disk is gone.")

    monkeypatch.setattr(log_lines, "append", broken)
    with pytest.raises(df.StoreError, match="The disk is gone"):
        other.import_history(file)
    assert events(other) == []
    assert other.sql("select count(*) from imported").fetchall() == [(0,)]
