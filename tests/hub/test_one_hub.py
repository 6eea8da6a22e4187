"""An open hub, a file and a served hub have the same instances, entities and clients, with all methods."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from matplotlib import pyplot

import durablenb as df
from durablenb.hub.client import SyncDurableOrchestrationClient
from durablenb.hub.hub import Hub
from tests.notebook.reading import page_of
from tests.waiting import until

KINDS = ("open", "file", "served")
ORDER, SHOP = "order-7", "sale-1"
COUNTER = df.EntityId("Counter", "a")


def fill(hub: df.TaskHub) -> None:
    """One orchestration that is over, with a child, a log and an entity; one that waits; one that failed."""

    @hub.activity
    def price(item: str) -> float:
        from IPython.display import display

        print("looking up", item)
        display({"text/html": f"<b>{item}</b>", "image/png": b"\x89PNG" + bytes(20_000)}, raw=True)
        return {"tea": 4.5}[item]

    @hub.entity
    class Counter:
        def __init__(self) -> None:
            self.value = 0

        def add(self, amount: int) -> None:
            self.value += amount

    @hub.orchestrator
    def pack(context: Any) -> Any:
        return (yield context.call_activity("price", "tea"))

    @hub.orchestrator
    def shop(context: Any) -> Any:
        cost = yield context.call_activity("price", context.get_input())
        yield context.call_entity(COUNTER, "add", 2)
        packed = yield context.call_sub_orchestrator("pack", None, "pack-1")
        return {"cost": cost, "packed": packed}

    @hub.orchestrator
    def approval(context: Any) -> Any:
        context.set_custom_status("asked")
        return (yield context.wait_for_external_event("Approval"))

    hub.start("shop", "tea", instance_id=SHOP, tags={"team": "a"}).wait()
    hub.start("shop", "gold", instance_id="broken").wait()
    hub.start("approval", instance_id=ORDER)
    until(lambda: hub.handle(ORDER).status().custom_status)


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Hub]]:
    """The same instances in a hub of this process, in its file, and behind a server."""
    path = tmp_path_factory.mktemp("one") / "flows.duckdb"
    with df.TaskHub(path) as hub, hub.serve(port=0) as server:
        fill(hub)
        remote = df.TaskHub.connect(server.url, key=server.key)
        yield {"open": hub, "file": df.open_history(path), "served": remote}
        remote.close()


@pytest.fixture
def fresh() -> Iterator[dict[str, Hub]]:
    """A hub and its served twin, to be changed."""
    with df.TaskHub(":memory:") as hub, hub.serve(port=0) as server:
        fill(hub)
        remote = df.TaskHub.connect(server.url, key=server.key)
        yield {"open": hub, "served": remote}
        remote.close()


@pytest.fixture(autouse=True)
def no_figures() -> Iterator[None]:
    """Matplotlib keeps its figures until they are closed."""
    yield
    pyplot.close("all")


def public(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")}


# -- looking is the same on all three ---------------------------------------------------------------

HANDLE_LOOKS: dict[str, Callable[[df.Handle], Any]] = {
    "status": lambda handle: handle.status(show_history=True).to_json(),
    "history": lambda handle: handle.history(),
    "logs": lambda handle: list(handle.logs()),
    "approvals": lambda handle: repr(handle.approvals()),
    "outputs": lambda handle: [(output.author, output.timestamp, output.data) for output in handle.outputs()],
    "card": lambda handle: repr(handle.card()),
    "graph": lambda handle: sorted(handle.graph(depth=1).nodes(data="status")),
    "timeline": lambda handle: handle.timeline()[["name", "status", "attempt"]].to_dict("list"),
    "sequence": lambda handle: handle.sequence().to_mermaid(),
    "progress": lambda handle: repr(handle.progress()),
    "plot_graph": lambda handle: len(handle.plot_graph().texts),
    "plot_timeline": lambda handle: len(handle.plot_timeline().get_children()),
}
ENDED_LOOKS: dict[str, Callable[[df.Handle], Any]] = {
    "result": lambda handle: handle.result(20),
    "wait": lambda handle: handle.wait(20),
}
HANDLE_WITH_CODE = {"replay", "explore"}
HANDLE_WITH_ENGINE = {"why"}
"""Needs the index of remembered results: `tests/caching/test_why.py` asks all three kinds."""

HANDLE_WITH_THREADS = {"stream"}
"""`tests/activities/test_streams.py` reads an open hub and a file, and a test here a served hub."""

HANDLE_VIEWS = {"watch", "save"}
HANDLE_CHANGES = {
    "raise_event",
    "cancel",
    "terminate",
    "suspend",
    "resume",
    "rewind",
    "restart",
    "fork",
    "fork_many",
    "purge",
    "purge_past_generations",
}


def test_each_method_of_a_handle_is_tried_here() -> None:
    tried = {*HANDLE_LOOKS, *ENDED_LOOKS} | HANDLE_WITH_CODE | HANDLE_WITH_ENGINE | HANDLE_VIEWS
    tried |= HANDLE_WITH_THREADS
    tried |= HANDLE_CHANGES
    assert public(df.Handle) == tried


@pytest.mark.parametrize("instance_id", [SHOP, ORDER, "broken"])
@pytest.mark.parametrize("look", HANDLE_LOOKS)
def test_what_a_handle_shows_is_the_same_everywhere(
    hubs: dict[str, Hub], look: str, instance_id: str
) -> None:
    shown = {kind: HANDLE_LOOKS[look](hubs[kind].handle(instance_id)) for kind in KINDS}
    assert shown["file"] == shown["open"]
    assert shown["served"] == shown["open"]
    assert shown["open"] or (look in ("logs", "outputs") and instance_id == ORDER)


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_is_the_same_everywhere(hubs: dict[str, Hub], kind: str) -> None:
    hub = hubs[kind]
    for look in ENDED_LOOKS.values():
        assert look(hub.handle(SHOP)) == look(hubs["open"].handle(SHOP))

    async def awaited() -> Any:
        return await hub.handle(SHOP)

    assert asyncio.run(awaited()) == {"cost": 4.5, "packed": 4.5}
    with pytest.raises(df.TaskFailedError, match="gold") as error:
        hub.handle("broken").result(20)
    assert isinstance(error.value, KeyError)
    assert hub.handle(SHOP) == hub.handle(SHOP) != hub.handle(ORDER)
    assert hub.handle(SHOP) != hubs["served" if kind != "served" else "open"].handle(SHOP)
    assert hub.handle(SHOP).hub is hub


def test_streams_are_not_served(hubs: dict[str, Hub]) -> None:
    with pytest.raises(df.DurableError, match=r"process that serves the hub: hub\.handle\('order-7'\)"):
        hubs["served"].handle(ORDER).stream()
    assert list(hubs["file"].handle(SHOP).stream()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_pictures_are_the_same_everywhere(hubs: dict[str, Hub], kind: str, tmp_path: Path) -> None:
    def about(hub: Hub) -> list[Any]:
        handle, entity = hub.handle(SHOP), hub.entity(COUNTER)
        return [page_of(handle).texts, page_of(entity).texts, page_of(hub).picture().alt]

    assert about(hubs[kind]) == about(hubs["open"])
    hubs[kind].handle(SHOP).save(tmp_path / "shop.svg")
    assert (tmp_path / "shop.svg").read_text("utf-8").startswith("<svg")
    hubs[kind].save(tmp_path / "hub.html")
    assert ORDER in (tmp_path / "hub.html").read_text("utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_live_views_show_the_same_everywhere(hubs: dict[str, Hub], kind: str) -> None:
    hub = hubs[kind]
    view = hub.handle(ORDER).watch()
    view.refresh()
    assert "Approval" in bytes(view.waits).decode()
    can_change = kind != "file"
    assert ("Terminate" in bytes(view.head).decode()) == can_change
    assert ("<form>" in bytes(view.waits).decode()) == can_change
    entity = hub.entity(COUNTER).watch()
    entity.refresh()
    assert "counter" in bytes(entity.head).decode()
    assert ("<form>" in bytes(entity.head).decode()) == can_change
    whole = hub.watch()
    whole.list.refresh()
    assert ORDER in bytes(whole.list.instances).decode()
    whole.list.selected = f"instance {SHOP}"
    assert whole.instance is not None
    whole.instance.refresh()
    assert "price" in bytes(whole.instance.graph).decode()
    for one in (view, entity, whole):
        one.close()


def renamed(context: Any) -> Any:
    cost = yield context.call_activity("cost", context.get_input())
    return cost


def as_it_was(context: Any) -> Any:
    cost = yield context.call_activity("price", context.get_input())
    yield context.call_entity(COUNTER, "add", 2)
    packed = yield context.call_sub_orchestrator("pack", None, "pack-1")
    return {"cost": cost, "packed": packed}


@pytest.mark.parametrize("kind", KINDS)
def test_code_is_replayed_everywhere(hubs: dict[str, Hub], kind: str) -> None:
    hub = hubs[kind]
    handle = hub.handle(SHOP)
    assert handle.replay(as_it_was).fits
    assert not handle.replay(renamed).fits
    assert hub.replay(SHOP, as_it_was).fits
    assert len(hub.replay("shop", as_it_was, status=["Completed", "Failed"])) == 2
    view = handle.explore(as_it_was)
    view.refresh()
    assert "price" in bytes(view.body).decode()
    view.close()
    if kind == "open":
        assert handle.replay().fits
        return
    with pytest.raises(df.FunctionNotFoundError, match=r"Define .*, and give it\."):
        handle.replay()
    with pytest.raises(df.DurableError, match="activities of a hub of this process"):
        handle.replay(as_it_was).resumed()


# -- entities and hubs -------------------------------------------------------------------------------

ENTITY_LOOKS = {"state", "watch", "plot_state", "save"}


def test_each_method_of_an_entity_is_tried_here() -> None:
    assert public(df.EntityHandle) == ENTITY_LOOKS | {"signal"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_entity_shows_is_the_same_everywhere(hubs: dict[str, Hub], kind: str) -> None:
    entity = hubs[kind].entity("Counter", "a")
    assert entity.state() == {"value": 2}
    assert entity.state(as_of=datetime.now(UTC)) == {"value": 2}
    assert entity.state(as_of=datetime(2000, 1, 1)) is None
    assert hubs[kind].entity_state(COUNTER) == {"value": 2}
    assert len(entity.plot_state().lines) == 1
    assert entity == hubs[kind].entity(df.EntityId("counter", "a"))
    (found,) = hubs[kind].entities("COUNTER")
    assert (found.entity_id, found.state) == (df.EntityId("counter", "a"), {"value": 2})
    assert hubs[kind].entities("nothing") == []
    assert repr(entity) == repr(hubs["open"].entity("Counter", "a"))


HUB_LOOKS = {"instances", "handle", "entities", "entity", "entity_state", "graph", "replay", "watch", "save"}
HUB_TABLES = {"sql", "connection", "export", "plot_throughput", "table"}


def test_each_method_of_a_hub_is_tried_here() -> None:
    assert public(Hub) == HUB_LOOKS | HUB_TABLES | {"start", "run", "map", "cancel", "close"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_hub_lists_and_queries_the_same_everywhere(hubs: dict[str, Hub], kind: str, tmp_path: Path) -> None:
    hub = hubs[kind]
    ids = [status.instance_id for status in hub.instances()]
    assert ids == [status.instance_id for status in hubs["open"].instances()]
    assert [status.instance_id for status in hub.instances("Failed")] == ["broken"]
    assert [status.instance_id for status in hub.instances(name="shop", top=1)] == [SHOP]
    assert sorted(hub.graph().nodes) == sorted(hubs["open"].graph().nodes)
    assert hub.plot_throughput() is not None
    with pytest.raises(ValueError, match="data frame"):
        hub.table(SHOP)
    with hub.connection() as connection:
        assert connection.execute("select count(*) from instances").fetchall() == [(4,)]
    if kind == "served":
        with pytest.raises(df.DurableError, match="answers no SQL"):
            hub.sql("select 1")
        with pytest.raises(df.DurableError, match="exported where it is"):
            hub.export(None, tmp_path / "all.json")
        return
    assert hub.sql("select count(*) from instances").fetchall() == [(4,)]
    assert hub.export(SHOP, tmp_path / "shop.json") == 2


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_is_named_everywhere(hubs: dict[str, Hub], kind: str) -> None:
    with pytest.raises(df.InstanceNotFoundError, match=r"nobody'.*instances\(\) lists the existing"):
        hubs[kind].handle("nobody")
    gone = df.Handle(hubs[kind], "nobody")
    assert not gone.status()
    assert repr(gone) == "<instance nobody: purged>"
    for look in (gone.history, gone.logs, gone.replay, gone.graph, gone.watch, gone.explore):
        with pytest.raises(df.InstanceNotFoundError):
            look()


# -- the client ------------------------------------------------------------------------------------------

CLIENT_LOOKS = {
    "get_status",
    "get_statuses",
    "get_status_all",
    "get_status_by",
    "status",
    "existing_id",
    "history",
    "logs",
    "outputs",
    "outcomes",
    "result",
    "outcome_value",
    "status_of",
    "result_of",
    "wait_for_completion",
    "read_entity_state",
    "entity_state",
    "entity_texts",
    "list_entities",
}
CLIENT_CHANGES = {
    "start_new",
    "start_many",
    "raise_event",
    "cancel",
    "terminate",
    "suspend",
    "resume",
    "rewind",
    "restart",
    "fork",
    "purge_instance_history",
    "purge_instance_history_by",
    "purge_past_generations",
    "signal_entity",
    "clean_entity_storage",
}
CLIENT_PLAIN = {
    "start_message",
    "start_many_message",
    "signal_message",
    "create_http_management_payload",
    "served_at",
    "publish_address",
}


def test_each_method_of_a_client_is_tried_here() -> None:
    assert public(SyncDurableOrchestrationClient) == CLIENT_LOOKS | CLIENT_CHANGES | CLIENT_PLAIN


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_shows_the_same_everywhere(hubs: dict[str, Hub], kind: str) -> None:
    client, there = hubs[kind].client, hubs["open"].client
    assert client.status("broken") == there.get_status("broken")
    assert client.get_status(SHOP) == there.get_status(SHOP) == client.status(SHOP)
    assert [one.instance_id for one in client.get_status_all()] == [
        one.instance_id for one in there.get_status_all()
    ]
    assert [one.instance_id for one in client.get_status_by(instance_id_prefix="or")] == [ORDER]
    assert [one.instance_id for one in client.get_status_by(top=1, skip=1)] == [
        one.instance_id for one in there.get_status_by(top=1, skip=1)
    ]
    assert client.existing_id(SHOP) == there.existing_id(SHOP) == SHOP
    assert client.outcomes([SHOP, "broken"]) == there.outcomes([SHOP, "broken"])
    assert client.history(SHOP) == there.history(SHOP)
    assert client.logs(SHOP) == there.logs(SHOP)
    assert client.result(SHOP, 20) == client.outcome_value(SHOP, None) == there.result(SHOP)
    assert client.wait_for_completion(SHOP, 20) == there.get_status(SHOP)
    assert client.read_entity_state(COUNTER).entity_state == {"value": 2}
    assert client.entity_state(COUNTER) == {"value": 2}
    assert client.list_entities("counter", fetch_state=False)[0].state is None

    async def asked() -> Any:
        return await df.DurableOrchestrationClient(hubs[kind]).get_status(SHOP)

    assert asyncio.run(asked()) == there.get_status(SHOP)


# -- changing: on a hub and on its served twin, refused by a file ----------------------------------------


@pytest.mark.parametrize("kind", ["open", "served"])
def test_an_instance_is_steered_the_same_way(fresh: dict[str, Hub], kind: str) -> None:
    hub, there = fresh[kind], fresh["open"]
    handle = hub.handle(ORDER)
    handle.suspend("rest")
    assert str(there.handle(ORDER).status().runtime_status) == "Suspended"
    handle.resume()
    handle.raise_event("Approval", ["yes"])
    assert handle.result(20) == ["yes"]
    again = handle.restart()
    again.terminate("enough")
    with pytest.raises(df.OrchestrationTerminatedError, match="enough"):
        again.result(20)
    for cancel in (type(handle).cancel, lambda it, why: hub.cancel(it.id, why)):
        last = handle.restart()
        assert cancel(last, "no time")
        with pytest.raises(df.OrchestrationCanceledError, match="no time"):
            last.result(20)
        assert not cancel(last, "no time")
    assert (handle.purge(), again.purge()) == (1, 1)
    broken = hub.handle("broken")
    broken.rewind("once more")
    assert str(broken.wait(20).runtime_status) == "Failed"
    assert [type(event).__name__ for event in broken.history()].count("ExecutionRewound") == 1


@pytest.mark.parametrize("kind", ["open", "served"])
def test_past_generations_are_purged_the_same_way(fresh: dict[str, Hub], kind: str, tmp_path: Path) -> None:
    hub, there = fresh[kind], fresh["open"]
    assert isinstance(there, df.TaskHub)

    @there.orchestrator
    def rounds(context: Any) -> Any:
        number = context.get_input()
        if number < 5:
            context.continue_as_new(number + 1)
        else:
            yield context.wait_for_external_event("more")

    for name in ("one", "two"):
        hub.start("rounds", 0, instance_id=name)
        until(lambda name=name: there.handle(name).status().input_ == 5)
    handle = hub.handle("one")
    assert str(handle.history()).count("ContinueAsNew") == 5
    assert handle.purge_past_generations(keep=2) == 3
    assert "3 generations were purged: 0 to 2" in str(handle.history())
    assert hub.client.purge_past_generations("one") == 2
    assert "5 generations were purged: 0 to 4" in str(there.handle("one").history())
    assert handle.history() == there.handle("one").history()
    assert handle.status() == there.handle("one").status()
    assert str(hub.handle("two").history()).count("ContinueAsNew") == 5
    assert hub.client.purge_past_generations(COUNTER) == 0
    for unknown in ("nobody", "@counter@nobody"):
        with pytest.raises(df.InstanceNotFoundError, match="nobody"):
            hub.client.purge_past_generations(unknown)
    with pytest.raises(ValueError, match="keep is -1; expected at least 0"):
        handle.purge_past_generations(-1)

    there.export("two", tmp_path / "two.parquet")
    there.import_history(tmp_path / "two.parquet", prefix="old-")
    with pytest.raises(df.InstanceStateError, match="imported"):
        hub.client.purge_past_generations("old-two")

    async def asked() -> Any:
        return await df.DurableOrchestrationClient(hub).purge_past_generations("two", 1)

    assert asyncio.run(asked()) == 4


@pytest.mark.parametrize("kind", ["open", "served"])
def test_an_instance_is_forked_the_same_way(fresh: dict[str, Hub], kind: str) -> None:
    hub = fresh[kind]
    handle = hub.handle(SHOP)
    (cheap,) = [event.event_id for event in handle.history() if getattr(event, "result", None) == "4.5"][:1]
    fork = handle.fork(at=cheap, results={cheap: 1.0}, instance_id="what-if")
    assert fork.result(20)["cost"] == 1.0
    assert repr(fork) == "<shop what-if: Completed, forked from sale-1>"
    failing = handle.fork(at=cheap, results={cheap: ValueError("sold out")})
    with pytest.raises(ValueError, match="sold out"):
        failing.result(20)
    assert handle.fork_many({"cheap": {"results": {cheap: 2.0}}}).results(20)[0]["cost"] == 2.0
    other = handle.fork(input="gold")
    with pytest.raises(df.TaskFailedError, match="gold"):
        other.result(20)
    with pytest.raises(ValueError, match="event 999"):
        handle.fork(at=999)
    with pytest.raises(df.InstanceNotFoundError):
        df.Handle(hub, "nobody").fork()


@pytest.mark.parametrize("kind", ["open", "served"])
def test_a_start_has_the_same_options(fresh: dict[str, Hub], kind: str) -> None:
    hub, there = fresh[kind], fresh["open"]
    later = datetime.now(UTC) + timedelta(days=1)
    handle = hub.start("approval", {"a": [1]}, instance_id="later", start_at=later, tags={"team": "ä b"})
    status = there.handle("later").status()
    assert (status.tags, status.scheduled_start_time) == ({"team": "ä b"}, later)
    assert status.input_ == {"a": [1]}
    assert handle.status() == status
    handle.terminate()
    with pytest.raises(df.InstanceExistsError):
        hub.client.start_new("approval", "later", dedupe_statuses=["Terminated"])
    assert hub.client.start_new("approval", "later") == "later"
    named = hub.start("approval")
    assert len(named.id) == 32
    assert hub.run("shop", "tea")["cost"] == 4.5


@pytest.mark.parametrize("kind", ["open", "served"])
def test_children_are_left_or_taken_along_as_is_said(fresh: dict[str, Hub], kind: str) -> None:
    hub, there = fresh[kind], fresh["open"]
    assert isinstance(there, df.TaskHub)

    @there.orchestrator
    def parent(context: Any) -> Any:
        return (yield context.call_sub_orchestrator("approval", None, f"{context.instance_id}-child"))

    for name in ("one", "two"):
        hub.start("parent", instance_id=name)
        child = df.Handle(hub, f"{name}-child")
        until(lambda child=child: child.status().custom_status)
    hub.handle("one").terminate("alone", recursive=False)
    hub.handle("two").terminate("together")
    assert str(there.handle("one").wait(20).runtime_status) == "Terminated"
    assert str(there.handle("two-child").wait(20).runtime_status) == "Terminated"
    assert str(there.handle("one-child").status().runtime_status) == "Running"
    assert hub.client.purge_instance_history("two", recursive=False).instances_deleted == 1
    assert there.handle("two-child")
    done = hub.client.purge_instance_history_by(runtime_status=["Completed", "Failed"])
    assert done.instances_deleted == 3
    done = hub.client.purge_instance_history_by(datetime(2000, 1, 1), datetime(2001, 1, 1))
    assert done.instances_deleted == 0
    with pytest.raises(ValueError, match="needs a condition"):
        hub.client.purge_instance_history_by()


@pytest.mark.parametrize("kind", ["open", "served"])
def test_entities_are_signalled_the_same_way(fresh: dict[str, Hub], kind: str) -> None:
    hub = fresh[kind]
    counter = hub.entity("Counter", "b")
    counter.add(3)
    counter.signal("add", 4)
    counter.signal("add", 100, at=datetime.now(UTC) + timedelta(days=1))
    until(lambda: counter.state() == {"value": 7})
    assert "To do: 1 operation" in page_of(counter).text
    with pytest.raises(df.FunctionNotFoundError):
        hub.entity("nothing", "a").add(1)
    done = hub.client.clean_entity_storage()
    assert (done.empty_entities_removed, done.orphaned_locks_released) == (0, 0)


def test_a_file_refuses_what_would_change_it_and_says_what_to_do(hubs: dict[str, Hub]) -> None:
    file = hubs["file"]
    handle, entity, client = file.handle(ORDER), file.entity(COUNTER), file.client
    changes: list[Callable[[], Any]] = [
        lambda: file.start("shop"),
        lambda: file.run("shop"),
        lambda: handle.raise_event("Approval"),
        handle.cancel,
        lambda: file.cancel(ORDER),
        handle.terminate,
        handle.suspend,
        handle.resume,
        handle.rewind,
        handle.restart,
        handle.fork,
        handle.purge,
        handle.purge_past_generations,
        lambda: client.purge_past_generations(COUNTER),
        lambda: entity.signal("add", 1),
        lambda: entity.add(1),
        lambda: client.purge_instance_history_by(runtime_status="Completed"),
        client.clean_entity_storage,
        lambda: client.start_new("shop"),
        lambda: client.start_many("shop", [1]),
        lambda: file.map("shop", [1]),
    ]
    for change in changes:
        with pytest.raises(df.DurableError, match=r"is only read: .*durablenb\.TaskHub\(path\)"):
            change()
    with pytest.raises(df.DurableError, match="order-7 is Running, and nothing happens in"):
        handle.result(1)
    with pytest.raises(df.DurableError, match="order-7 is Running"):
        handle.progress().result()
