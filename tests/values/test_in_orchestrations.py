"""Values on their way: from clients to orchestrators, to activities and back, over restarts, to the purge."""

import datetime as dt
import json
import threading
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import matplotlib.figure
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import durablenb as df
from durablenb.values import numpy_arrays, pandas_frames
from tests.values.sameness import is_same


@pytest.fixture
def hub():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock(), verify_replay=True) as hub:
        yield hub


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hub.duckdb"


def kernel(path, **options):
    return df.TaskHub(path, mode="kernel", clock=df.VirtualClock(), **options)


@dataclass
class Item:
    name: str
    price: Decimal = Decimal("1.00")


@dataclass
class Order:
    number: int
    items: list[Item]


class Color(Enum):
    RED = "red"


FRAME = pd.DataFrame({"a": [1, 2], "c": pd.Categorical(["x", None])}, index=pd.Index(["k", "l"], name="i"))


def payloads(hub):
    return hub.sql("select kind, bytes, uses from payloads order by created, hash").fetchall()


# -- every way there is ----------------------------------------------------------------------------

VALUES = {
    "moments": [
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        dt.date(2026, 1, 1),
        dt.time(1),
        dt.timedelta(1, 2, 3),
    ],
    "numbers": (Decimal("1.50"), 1 + 2j, float("inf"), 10**30),
    "containers": {"t": (1, (2,)), "s": {1, 2}, "f": frozenset("ab"), 5: None, "b": b"\0"},
    "ids": UUID(int=5),
    "scalars": [np.float32(2.5), np.complex64(3), pd.Timestamp("2026-01-01")],
    "lookalikes": {"@type": "datetime", "@value": 1},
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_the_same_whichever_way_it_goes(hub, name):
    value = VALUES[name]
    seen = []

    @hub.activity
    def echo(given):
        seen.append(given)
        return given

    @hub.orchestrator
    def child(context):
        return context.get_input()

    @hub.orchestrator
    def parent(context):
        seen.append(context.get_input())
        seen.append((yield context.call_activity(echo, context.get_input())))
        seen.append((yield context.call_sub_orchestrator(child, context.get_input())))
        seen.append((yield context.wait_for_external_event("go")))
        context.set_custom_status(value)
        if context.get_input() is not None and not context.parent_instance_id:
            return value
        return None

    handle = hub.start(parent, value)
    handle.raise_event("go", value)
    result = handle.result()
    status = handle.status()
    for found in (*seen, result, status.input_, status.output, status.custom_status):
        assert is_same(found, value)
    json.dumps(status.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("value", "is_same"),
    [
        (FRAME, lambda found: found.equals(FRAME) and found.index.name == "i"),
        (FRAME["c"], lambda found: found.equals(FRAME["c"])),
        (pl.DataFrame({"a": [1]}), lambda found: found.equals(pl.DataFrame({"a": [1]}))),
        (pa.table({"a": [1]}), lambda found: found.equals(pa.table({"a": [1]}))),
        (np.arange(3.0), lambda found: found.tolist() == [0, 1, 2]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_frame_goes_every_way_too(hub, value, is_same):
    @hub.activity
    def echo(given):
        assert is_same(given["v"])
        return given

    @hub.orchestrator
    def relay(context):
        first = yield context.call_activity(echo, {"v": context.get_input()})
        second = yield context.wait_for_external_event("go")
        assert is_same(second)
        context.set_custom_status(first)
        return first["v"]

    handle = hub.start(relay, value)
    handle.raise_event("go", value)
    assert is_same(handle.result())
    assert is_same(handle.status().custom_status["v"])
    assert len(payloads(hub)) == 1


def test_a_figure_comes_back_as_its_picture(hub):
    @hub.activity
    def draw():
        figure = matplotlib.figure.Figure(figsize=(1, 1), dpi=50)
        figure.subplots()
        return figure

    @hub.orchestrator
    def show(context):
        return (yield context.call_activity(draw))

    picture = hub.run(show)
    assert isinstance(picture, df.Picture)
    assert picture.size == (50, 50)


# -- once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["kernel", "threads"])
def test_a_fan_out_of_one_frame_to_many_activities_keeps_it_once(mode):
    clock = df.VirtualClock() if mode == "kernel" else None
    with df.TaskHub(":memory:", mode=mode, clock=clock) as hub:

        @hub.activity
        def load(rows):
            return pd.DataFrame({"a": range(rows)})

        @hub.activity
        def total(given):
            return int(given["frame"]["a"].sum()) + given["shard"]

        @hub.orchestrator
        def fan_out(context):
            frame = yield context.call_activity(load, 1_000)
            tasks = [context.call_activity(total, {"frame": frame, "shard": shard}) for shard in range(200)]
            return sum((yield context.task_all(tasks)))

        assert hub.run(fan_out) == 200 * 499_500 + 19_900
        ((kind, _, uses),) = payloads(hub)
        assert (kind, uses) == ("pandas.DataFrame", 201)


def test_what_several_orchestrations_are_given_is_kept_once(hub):
    @hub.orchestrator
    def takes(context):
        return len(context.get_input()["frame"])

    for number in range(5):
        assert hub.run(takes, {"frame": FRAME, "number": number}) == 2
    ((_, _, uses),) = payloads(hub)
    assert uses == 5


def test_the_journal_stays_light_and_says_what_is_kept_where(hub):
    @hub.orchestrator
    def takes(context):
        return None

    handle = hub.start(takes, pd.DataFrame({"a": np.random.default_rng(0).random(100_000)}))
    handle.result()
    ((text, referred),) = hub.sql(
        "select h.payload, p.bytes from history h join payloads p on p.hash = h.payload->>'@payload' "
        "where event_type = 'ExecutionStarted'"
    ).fetchall()
    assert len(text) < 200
    assert referred > 700_000
    assert json.loads(text)["shape"] == [100_000, 1]
    assert "DataFrame 100,000 \N{MULTIPLICATION SIGN} 1: a" in str(handle.history())


def test_an_array_that_an_orchestrator_changes_between_two_calls_goes_as_it_is(hub):
    got = []

    @hub.activity
    def take(array):
        got.append(array.tolist())

    @hub.orchestrator
    def hand_out(context):
        array = context.get_input()
        tasks = []
        for number in range(3):
            array[0] = number
            tasks.append(context.call_activity(take, array))
        yield context.task_all(tasks)

    hub.run(hand_out, np.zeros(2))
    assert sorted(got) == [[0, 0], [1, 0], [2, 0]]


def test_activities_get_frames_of_their_own_to_work_on():
    with df.TaskHub(":memory:") as hub:
        gate = threading.Barrier(8)

        @hub.activity
        def work(given):
            gate.wait(20)
            given["frame"].loc[:, "a"] += given["number"]
            given["frame"]["new"] = given["number"]
            gate.wait(20)
            return int(given["frame"]["a"].sum() + given["frame"]["new"].sum())

        @hub.orchestrator
        def fan_out(context):
            frame = context.get_input()
            tasks = [context.call_activity(work, {"frame": frame, "number": n}) for n in range(8)]
            results = yield context.task_all(tasks)
            return [results, frame["a"].sum().item()]

        assert hub.run(fan_out, pd.DataFrame({"a": [1, 2]})) == [[3 + 4 * n for n in range(8)], 3]


# -- over a restart --------------------------------------------------------------------------------


def relay(context):
    frame = yield context.call_activity("load")
    yield context.wait_for_external_event("go")
    total = yield context.call_activity("total", {"frame": frame, "more": [frame]})
    return {"frame": frame, "total": total}


def load():
    return pd.DataFrame({"a": range(100)})


def total(given):
    return int(given["frame"]["a"].sum())


def test_payloads_are_there_again_after_a_restart(path):
    with kernel(path) as hub:
        for function in (load, total):
            hub.add_activity(function)
        hub.add_orchestrator(relay)
        handle = hub.start(relay, instance_id="i")
        while hub.step():
            pass
        before = payloads(hub)
    with kernel(path, verify_replay=True) as hub:
        for function in (load, total):
            hub.add_activity(function)
        hub.add_orchestrator(relay)
        handle = hub.handle("i")
        handle.raise_event("go")
        result = handle.result()
        assert result["total"] == 4950
        assert result["frame"].equals(load())
        assert [row[:2] for row in payloads(hub)] == [row[:2] for row in before]
    with kernel(path) as hub:
        hub.add_orchestrator(relay)
        assert hub.handle("i").result()["frame"].equals(load())


def test_a_call_that_was_asked_for_before_the_restart_gets_its_frame(path):
    hub = kernel(path)
    hub.add_activity(load)
    hub.add_orchestrator(relay)
    handle = hub.start(relay, instance_id="i")
    handle.raise_event("go")
    hub.add_activity(total, max_concurrency=1)
    while "TaskScheduled 'total'" not in str(handle.history()):
        hub.step()
    hub.close()
    with kernel(path) as hub:
        hub.add_activity(total)
        hub.add_orchestrator(relay)
        assert hub.handle("i").result()["total"] == 4950


def test_retries_and_executions_that_go_on_as_new_keep_their_frames(hub):
    attempts = []

    @hub.activity
    def flaky(frame):
        attempts.append(len(frame))
        if len(attempts) % 3:
            raise ValueError("not yet")
        return frame

    @hub.orchestrator
    def again(context):
        given = context.get_input()
        options = df.RetryOptions(1000, 5)
        frame = yield context.call_activity_with_retry(flaky, options, given["frame"])
        if given["round"] < 2:
            context.continue_as_new({"frame": frame, "round": given["round"] + 1})
        return frame

    assert hub.run(again, {"frame": FRAME, "round": 0}).equals(FRAME)
    assert attempts == [2] * 9
    assert len(payloads(hub)) == 1


def test_a_restarted_and_a_rewound_instance_have_their_frames(hub):
    broken = [True]

    @hub.activity
    def check(frame):
        if broken:
            raise ValueError("broken")
        return frame

    @hub.orchestrator
    def checked(context):
        return (yield context.call_activity(check, context.get_input()))

    handle = hub.start(checked, FRAME)
    with pytest.raises(ValueError, match="broken"):
        handle.result()
    broken.clear()
    handle.rewind()
    assert handle.result().equals(FRAME)
    assert handle.restart().result().equals(FRAME)
    ((_, _, uses),) = payloads(hub)
    assert (
        uses
        == hub.sql("select count(*) from history where payload->>'@payload' is not null").fetchall()[0][0]
    )


@pytest.mark.parametrize("is_small", [False, True], ids=["at hand", "forgotten"])
def test_a_replay_hands_a_frame_on_as_it_was_kept_whoever_would_write_it_now(path, monkeypatch, is_small):
    functions = (load, total)

    def opened():
        hub = kernel(path, verify_replay=True)
        if is_small:
            hub._codec.blob_cache._limit = 1
        for function in functions:
            hub.add_activity(function)
        hub.add_orchestrator(hands_on)
        return hub

    def hands_on(context):
        frame = yield context.call_activity("load")
        other = yield context.call_activity("load_other")
        yield context.call_activity("total", {"frame": frame, "other": other})
        yield context.wait_for_external_event("go")
        return frame

    def load_other():
        return np.arange(1_000)

    functions = (load, total, load_other)
    with opened() as hub:
        hub.start(hands_on, instance_id="i")
        while hub.step():
            pass

    def write(value, cells):
        raise AssertionError("it is not to be written again")

    monkeypatch.setattr(pandas_frames, "FRAME", pandas_frames.FRAME._replace(write=write))
    monkeypatch.setattr(numpy_arrays, "ARRAY", numpy_arrays.ARRAY._replace(write=write))
    with opened() as hub:
        hub.handle("i").raise_event("go")
        assert hub.handle("i").result().equals(load())


def test_a_pipelined_activity_gets_a_frame_that_is_not_on_disk_yet(path):
    with df.TaskHub(path, durability="pipelined") as hub:
        hub.add_activity(load)
        hub.add_activity(total)

        @hub.orchestrator
        def chain(context):
            for _ in range(20):
                frame = yield context.call_activity(load)
                yield context.call_activity(total, {"frame": frame})
            return len(frame)

        assert hub.run(chain) == 100


def test_a_hubs_file_of_before_there_were_payloads_gets_their_tables(path):
    with kernel(path) as hub:
        hub.add_orchestrator(lambda context: context.get_input(), name="echo")
        hub.run("echo", 5, instance_id="old")
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.execute("drop view payloads")
        connection.execute("drop table blobs")
        connection.execute("drop table blob_uses")
    with kernel(path) as hub:
        hub.add_orchestrator(lambda context: context.get_input(), name="echo")
        assert hub.handle("old").result() == 5
        assert hub.run("echo", FRAME).equals(FRAME)
        assert len(payloads(hub)) == 1


# -- purge -----------------------------------------------------------------------------------------


def test_a_purge_frees_what_nothing_else_refers_to(hub):
    @hub.orchestrator
    def echo(context):
        return context.get_input()

    @hub.orchestrator
    def parent(context):
        return len((yield context.call_sub_orchestrator(echo, context.get_input(), "child")))

    shared, own = FRAME, np.arange(5)
    hub.run(echo, {"shared": shared, "own": own}, instance_id="a")
    hub.run(echo, shared, instance_id="b")
    hub.run(parent, shared, instance_id="c")
    assert len(payloads(hub)) == 2
    hub.handle("a").purge()
    assert [kind for kind, _, _ in payloads(hub)] == ["pandas.DataFrame"]
    hub.client.purge_instance_history("child")
    hub.handle("b").purge()
    assert hub.handle("c").status().input_.equals(shared)
    hub.handle("c").purge()
    assert payloads(hub) == []
    assert hub.run(echo, shared).equals(shared)
    assert len(payloads(hub)) == 1


def test_what_was_purged_can_be_sent_again(hub):
    @hub.orchestrator
    def echo(context):
        return context.get_input()

    handle = hub.start(echo, FRAME)
    frame = handle.result()
    handle.purge()
    assert hub.run(echo, frame).equals(FRAME)
    assert hub.run(echo, FRAME).equals(FRAME)


# -- users' types ----------------------------------------------------------------------------------


def test_annotations_say_what_inputs_and_results_are(hub):
    @hub.activity
    def price(order: Order) -> Item:
        return Item("sum", sum((item.price for item in order.items), Decimal(0)))

    @hub.activity
    async def colors(names: "list[Color]") -> "dict[str, Color]":
        return {color.name: color for color in names}

    @hub.orchestrator
    def child(context) -> Order:
        return context.get_input(Order)

    @hub.orchestrator
    def parent(context) -> list[Item | Order]:
        order = context.get_input(Order)
        item = yield context.call_activity(price, order)
        assert isinstance(item, Item)
        named = yield context.call_activity("price", order, expected_type=Item)
        assert named == item
        assert (yield context.call_activity(colors, [Color.RED])) == {"RED": Color.RED}
        again = yield context.call_sub_orchestrator(child, order)
        retried = yield context.call_activity_with_retry(price, df.RetryOptions(1, 1), again)
        event = yield context.wait_for_external_event("go", expected_type=list[Item])
        assert again == order
        return [item, retried, event[0], order]

    order = Order(1, [Item("tea", Decimal("2.50")), Item("cup")])
    handle = hub.start(parent, order)
    handle.raise_event("go", [Item("x")])
    assert handle.result() == [Item("sum", Decimal("3.50"))] * 2 + [Item("x"), order]
    assert json.loads(hub.sql("select input from instances where name = 'parent'").fetchall()[0][0]) == {
        "number": 1,
        "items": [
            {"name": "tea", "price": {"@type": "decimal", "@value": "2.50"}},
            {"name": "cup", "price": {"@type": "decimal", "@value": "1.00"}},
        ],
    }


def test_json_from_elsewhere_is_rebuilt_too(hub):
    @hub.activity
    def count(order: Order) -> int:
        return len(order.items)

    @hub.orchestrator
    def takes(context):
        return (yield context.call_activity(count, context.get_input()))

    assert hub.run(takes, {"number": 1, "items": [{"name": "tea", "price": "2.50"}]}) == 1
    with pytest.raises(TypeError, match="can't be made a Order"):
        hub.run(takes, {"items": []})


def test_registered_types_need_no_annotations(hub):
    hub.register_type(Order)

    @hub.register_type(name="thing")
    @dataclass
    class Thing:
        order: Order

    @hub.activity
    def echo(thing):
        assert isinstance(thing.order, Order)
        return [thing]

    @hub.orchestrator
    def relay(context):
        return (yield context.call_activity(echo, context.get_input()))

    thing = Thing(Order(1, []))
    assert hub.run(relay, thing) == [thing]
    assert hub.instances()[0].input_ == thing
    assert hub.instances()[0].to_json()["input"]["@type"] == "thing"


def noted(context):
    order = yield context.call_activity("give")
    yield context.wait_for_external_event("go")
    context.set_custom_status(order)
    return order.number


def give():
    return Order(7, [])


@pytest.mark.parametrize("is_replayed", [False, True])
def test_an_instance_whose_types_are_not_registered_yet_waits_for_them(path, is_replayed):
    with kernel(path) as hub:
        hub.register_type(Order)
        hub.add_activity(give)
        hub.add_orchestrator(noted)
        handle = hub.start(noted, instance_id="i")
        while is_replayed and hub.step():
            pass
        while "TaskCompleted" not in str(handle.history()):
            hub.step()
    with kernel(path) as hub:
        hub.add_activity(give)
        hub.add_orchestrator(noted)
        handle = hub.handle("i")
        handle.raise_event("go")
        with pytest.raises(df.FunctionNotFoundError, match=r"i .noted. waits for 'Order': run the cell"):
            handle.result()
        assert handle.status().runtime_status == "Running"
        hub.register_type(Order)
        assert handle.result() == 7
        assert handle.status().custom_status == Order(7, [])


def test_a_client_is_told_which_type_it_lacks(path):
    with kernel(path) as hub:
        hub.register_type(Order)
        hub.add_orchestrator(lambda context: context.get_input(), name="echo")
        hub.run("echo", Order(1, []), instance_id="i")
    with kernel(path) as hub:
        with pytest.raises(df.TypeNotRegisteredError, match="of the type 'Order', which isn't registered"):
            hub.handle("i").result()
        assert hub.handle("i").status().output == {"@type": "Order", "@value": {"number": 1, "items": []}}
        assert hub.instances()[0].output["@type"] == "Order"
        hub.register_type(Order)
        assert hub.handle("i").result() == Order(1, [])


def test_what_can_not_be_kept_is_refused_before_anything_is_recorded(hub):
    @hub.orchestrator
    def asks(context):
        with pytest.raises(
            df.NotSerializableError, match=r"value\['frame'\]\['o'\]\[0\] is a builtins.object"
        ):
            context.call_activity("anything", {"frame": pd.DataFrame({"o": [object()]})})
        return "fine"

    assert hub.run(asks) == "fine"
    count = hub.sql("select count(*) from history").fetchall()
    with pytest.raises(df.NotSerializableError, match=r"value\[1\] is a builtins.object"):
        hub.start(asks, [FRAME, object()])
    assert hub.sql("select count(*) from history").fetchall() == count
    assert payloads(hub) == []


# -- statuses --------------------------------------------------------------------------------------


def test_listing_instances_loads_no_payloads(hub, monkeypatch):
    @hub.orchestrator
    def echo(context):
        return context.get_input()

    for _ in range(3):
        hub.run(echo, FRAME)
    shown = []
    monkeypatch.setattr(hub._codec, "shown", lambda text: shown.append(text) or "looked at")
    statuses = hub.instances()
    repr(statuses), [status.to_json() for status in statuses]
    assert shown == []
    assert statuses[0].output == "looked at"
    assert statuses[0].output == "looked at"
    assert len(shown) == 1
    assert statuses[0].to_json()["output"]["@type"] == "pandas.DataFrame"


# -- raw values ------------------------------------------------------------------------------------


def test_a_raw_value_is_passed_on_undecoded(hub, monkeypatch):
    hub.add_activity(load)
    hub.add_activity(total)
    opened = []

    @hub.orchestrator
    def relay(context):
        frame = yield context.call_activity(load, expected_type=df.RawValue)
        given = context.get_input(df.RawValue)
        opened.append(frame)
        tasks = [context.call_activity(total, {"frame": frame, "given": given}) for _ in range(10)]
        yield context.task_all(tasks)
        return frame

    assert hub.run(relay, {"a": (1, 2)}).equals(load())
    assert all(isinstance(one, df.RawValue) for one in opened)
    assert opened[0].value.equals(load())
    assert "RawValue" in repr(opened[0])
    ((_, _, uses),) = payloads(hub)
    assert uses == 12
    inputs = hub.sql("select distinct input->>'$.given' from activities where name = 'total'").fetchall()
    assert json.loads(inputs[0][0]) == {"a": {"@type": "tuple", "@value": [1, 2]}}


def test_sealed_is_a_deprecated_name_of_raw_value():
    with pytest.warns(DeprecationWarning, match=r"use durablenb\.RawValue"):
        assert df.Sealed is df.RawValue
    with pytest.raises(AttributeError, match="no attribute 'Seal'"):
        df.Seal
    assert "Sealed" not in df.__all__


def test_a_raw_value_can_be_passed_to_another_hub(hub):
    @hub.orchestrator
    def raw(context) -> df.RawValue:
        return context.get_input(df.RawValue)

    value = hub.run(raw, FRAME)
    assert isinstance(value, df.RawValue)
    with df.TaskHub(":memory:", mode="kernel") as other:
        other.add_orchestrator(lambda context: context.get_input(), name="echo")
        assert other.run("echo", [value])[0].equals(FRAME)


def test_a_raw_value_counts_as_deep_as_its_value(hub):
    value = [1]
    for _ in range(300):
        value = [value]

    @hub.orchestrator
    def deeper(context):
        raw = context.get_input(df.RawValue)
        value = '"[{' * 300  # brackets in a text count for nothing
        with pytest.raises(df.NotSerializableError, match="more than 500 levels"):
            context.call_activity("x", [[[raw] for _ in range(1)]] if not (deep := nest(raw)) else deep)
        return [raw, value]

    def nest(inner):
        for _ in range(250):
            inner = [inner]
        return inner

    assert hub.run(deeper, value)[0] == value


# -- pickles, processes, other services ------------------------------------------------------------


def test_a_pickled_model_is_kept_where_the_hub_allows_it():
    with df.TaskHub(":memory:", mode="kernel", allow_pickle=True) as hub:

        @hub.activity
        def train():
            return df.Pickled(lambda x: 2 * x)

        @hub.activity
        def apply(given):
            return given["model"].value(given["x"])

        @hub.orchestrator
        def use(context):
            model = yield context.call_activity(train)
            return (yield context.call_activity(apply, {"model": model, "x": 21}))

        assert hub.run(use) == 42
        ((kind, _, uses),) = payloads(hub)
        assert (kind, uses) == ("pickle", 2)


def test_a_pickled_value_is_refused_where_it_does_not(hub):
    @hub.activity
    def train():
        return df.Pickled({})

    @hub.orchestrator
    def use(context):
        return (yield context.call_activity(train))

    with pytest.raises(df.NotSerializableError, match=r"value is a pickle, and this hub allows none"):
        hub.run(use)


@pytest.mark.parametrize("executor", ["processes", "a pool"])
def test_frames_and_types_of_the_notebook_travel_to_other_processes(executor, path):
    import concurrent.futures
    import multiprocessing

    notebook: dict[str, Any] = {"__name__": "__main__"}
    exec(CELL, notebook)
    pool = None
    if executor == "a pool":
        pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    try:
        with df.TaskHub(path, executor=pool or "processes") as hub:
            shop = notebook["Shop"]
            hub.register_type(shop)
            hub.add_activity(notebook["stock"])

            @hub.orchestrator
            def relay(context):
                first = yield context.call_activity("stock", {"shop": context.get_input(), "frame": FRAME})
                return (yield context.call_activity("stock", first))

            result = hub.run(relay, shop("corner"))
            assert type(result["shop"]) is shop
            assert result["shop"].name == "corner!!"
            assert result["frame"]["a"].tolist() == [3, 4]
            assert len(payloads(hub)) == 3
    finally:
        if pool is not None:
            pool.shutdown()


CELL = """
from dataclasses import dataclass

@dataclass
class Shop:
    name: str

def stock(given):
    given["frame"]["a"] += 1
    return {"shop": Shop(given["shop"].name + "!"), "frame": given["frame"]}
"""


def test_what_goes_to_other_services_is_plain_json(hub):
    @hub.orchestrator
    def sends(context):
        with pytest.raises(df.NotSerializableError, match="can't be sent as JSON"):
            context.call_http("POST", "http://localhost:9/", {"at": dt.datetime(2026, 1, 1)})
        with pytest.raises(df.NotSerializableError, match="can't be sent as JSON"):
            context.call_http("POST", "http://localhost:9/", float("nan"))
        return "fine"

    assert hub.run(sends) == "fine"


# -- redaction -------------------------------------------------------------------------------------

SECRET = "hunter2"


def without_secret(kind, value):
    if isinstance(value, dict):
        return {key: without_secret(kind, item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secret(kind, item) for item in value]
    return value.replace(SECRET, "***") if isinstance(value, str) else value


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_what_redact_takes_out_is_nowhere_in_the_file_and_replays_agree(path, executor):
    with df.TaskHub(path, executor=executor, redact=without_secret, verify_replay=True) as hub:

        @hub.activity
        def login(given):
            if given["again"]:
                raise ValueError(f"wrong password: hun{'ter'}2")
            return {"token": "hun" + "ter2", "given": given}

        @hub.orchestrator
        def session(context):
            found = yield context.call_activity(login, {"password": SECRET, "again": False})
            assert found == {"token": "***", "given": {"password": "***", "again": False}}
            assert (yield context.wait_for_external_event("code")) == "***"
            context.set_custom_status(SECRET)
            try:
                yield context.call_activity(login, {"password": SECRET, "again": True})
            except ValueError as error:
                raise KeyError(SECRET, "wrong password: ***" in str(error)) from error

        handle = hub.start(session, [SECRET])
        handle.raise_event("code", SECRET)
        with pytest.raises(KeyError, match=r"\*\*\*', True"):
            handle.result()
        assert handle.status().input_ == ["***"]
        texts = hub.sql("select payload, attributes from journal").fetchall()
        assert len(texts) > 8
        assert SECRET not in str(texts)
    assert SECRET.encode() not in path.read_bytes()


def test_a_hubs_cell_that_is_run_again_replaces_redact(path):
    hub = df.TaskHub(path, mode="kernel", redact=lambda kind, value: value)
    assert df.TaskHub(path, mode="kernel", redact=lambda kind, value: "gone") is hub
    hub.add_orchestrator(lambda context: context.get_input(), name="echo")
    assert hub.run("echo", 5) == "gone"
    hub.close()
