"""Values travel as in a hub: through the hub's codec, with all their types."""

import enum
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from durabletask.client import TaskHubGrpcClient
from durabletask.entities import EntityInstanceId
from durabletask.worker import TaskHubGrpcWorker

import durablenb as df
from durablenb.azure.durabletask.payloads import HubConverter, Packer, is_envelope, unpack
from durablenb.values.codec import ValueCodec


@dataclass
class Order:
    number: int
    items: list[str]


@dataclass
class Registered:
    when: datetime


class Color(enum.Enum):
    RED = "red"


FRAME = pd.DataFrame({"when": pd.date_range("2024-05-01", periods=3, tz="UTC"), "what": ["a", None, "c"]})

PLAIN = [None, True, 0, -1.5, "text \ud800", [], {"a": [1, {"@type": "x", "@value": 1}]}, {"@durablenb": 1}]

TYPED = [(1, (2,)), {3, 4}, b"bytes", float("nan"), {1: "one"}, datetime(2024, 5, 1, tzinfo=UTC), 10**40]


def test_values_of_all_kinds_come_back(bridge):
    @bridge.hub.activity
    def same(value):
        return value

    @bridge.hub.orchestrator
    def echo(context):
        return (yield context.call_activity(same, context.get_input()))

    bridge.hub.register_type(Registered)
    bridge.serve()
    values = [*PLAIN, *TYPED, Registered(datetime(2024, 5, 1, tzinfo=UTC))]
    assert repr(bridge.run("echo", values)) == repr(values)


def test_a_data_frame_and_an_array_through_everything(bridge):
    """An input, an activity, a child, an event, an entity's state, a new execution, a custom status."""

    @bridge.hub.activity
    def doubled(frame: pd.DataFrame):
        return pd.concat([frame, frame], ignore_index=True)

    @bridge.hub.orchestrator
    def child(context):
        return [context.get_input(), np.arange(3)]
        yield

    @bridge.hub.entity
    def keeps(context):
        context.set_state({"frame": context.get_input(), "before": context.get_state()})

    @bridge.hub.orchestrator
    def relay(context):
        given = context.get_input()
        if isinstance(given, pd.DataFrame):
            raw = yield context.call_activity(doubled, given, df.RawValue)
            context.set_custom_status(given.head(1))
            context.continue_as_new([raw])
            return
        frame, array = yield context.call_sub_orchestrator(child, given[0])
        yield context.call_entity(df.EntityId("keeps", "k"), "keep", frame)
        event = yield context.wait_for_external_event("Frame")
        return [frame, array, event, context.custom_status]

    bridge.serve()
    instance_id = bridge.start("relay", FRAME)
    bridge.raise_event(instance_id, "Frame", FRAME)
    frame, array, event, status = bridge.result(instance_id)
    twice = pd.concat([FRAME, FRAME], ignore_index=True)
    pd.testing.assert_frame_equal(frame, twice)
    np.testing.assert_array_equal(array, np.arange(3))
    pd.testing.assert_frame_equal(event, FRAME)
    pd.testing.assert_frame_equal(status, FRAME.head(1))
    kept = bridge.client.get_entity(EntityInstanceId("keeps", "k")).get_typed_state()
    pd.testing.assert_frame_equal(kept["frame"], twice)


def test_annotations_rebuild_the_json_of_any_client(bridge):
    @bridge.hub.activity
    def size(order: Order) -> int:
        assert isinstance(order, Order)
        return len(order.items)

    @bridge.hub.orchestrator
    def count(context):
        order = context.get_input(Order)
        return [(yield context.call_activity(size, order)), order.number]

    bridge.serve()
    plain = TaskHubGrpcClient(host_address=bridge.address, logger=bridge.logger)
    instance_id = plain.schedule_new_orchestration("count", input={"number": 7, "items": ["a", "b"]})
    state = plain.wait_for_orchestration_completion(instance_id, timeout=20)
    assert state.serialized_output == "[2, 7]"
    plain.close()


def test_what_cannot_be_kept_fails_the_activity(bridge):
    @bridge.hub.activity
    def opens(_):
        return object()

    @bridge.hub.orchestrator
    def asks(context):
        try:
            yield context.call_activity(opens)
        except df.NotSerializableError as error:
            return error.details.message

    bridge.serve()
    assert "object" in bridge.run("asks")


def test_too_large_values_fail_with_their_size(bridge):
    """Without the limit, gRPC would refuse the message, and the orchestration would wait for ever."""

    @bridge.hub.activity
    def content(size):
        return bytes(size)

    @bridge.hub.orchestrator
    def asks(context):
        sizes = [len((yield context.call_activity(content, 700_000)))]
        for size in (800_000, 6_000_000):
            try:
                yield context.call_activity(content, size)
            except df.NotSerializableError as error:
                sizes.append(int(error.details.message.split()[3].replace(",", "")))
        return sizes

    @bridge.hub.orchestrator
    def passes_on(context):
        half = yield context.call_activity(content, 400_000)
        yield context.call_activity(content, [half, half])

    bridge.serve()
    assert bridge.run("asks") == [700_000, 1_066_700, 8_000_032]
    assert bridge.failure("passes_on").message.startswith("The value takes 1,066,")
    with pytest.raises(df.NotSerializableError, match=r"takes 6,66\d,\d+ bytes.*payload_limit is 1,000,000"):
        bridge.start("asks", np.zeros(625_000))


def test_redacted_values_and_failures_stay_redacted(bridge):
    def redact(kind, tree):
        if kind == "failure":
            return {**tree, "ErrorMessage": "***", "StackTrace": ""}
        return "***" if tree == "secret" else tree

    with df.TaskHub(":memory:", mode="kernel", redact=redact) as hub:

        @hub.activity
        def echo(value):
            if value == "fail":
                raise ValueError("secret")
            return "secret"

        @hub.orchestrator
        def asks(context):
            shown = yield context.call_activity(echo, "say")
            try:
                yield context.call_activity(echo, "fail")
            except ValueError as error:
                return [shown, error.details.message]

        bridge.serve(hub)
        assert bridge.run("asks") == ["***", "***"]


@pytest.mark.parametrize("value", [*PLAIN, *TYPED], ids=repr)
def test_the_converter_gives_back_what_it_got(value):
    converter = HubConverter(ValueCodec(), Packer(None))
    text = converter.serialize(value)
    assert repr(converter.deserialize(text)) == repr(value)
    assert repr(converter.coerce(value)) == repr(value)
    assert (text is None) == (value is None)


def test_the_converter_rebuilds_types():
    converter = HubConverter(ValueCodec(), Packer(None))
    order = Order(1, ["a"])
    assert converter.deserialize(converter.serialize(order), Order) == order
    assert converter.coerce({"number": 1, "items": ["a"]}, Order) == order
    assert converter.deserialize(converter.serialize([Color.RED]), list[Color]) == [Color.RED]
    assert converter.deserialize(None) is None


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_json_needs_no_envelope(value):
    codec = ValueCodec()
    tree = Packer(None)(codec.encode(value))
    assert is_envelope(tree) == (value == {"@durablenb": 1})
    assert codec.decode(unpack(tree)) == value


def test_a_worker_with_a_converter_of_its_own_is_reported(bridge):
    @bridge.hub.orchestrator
    def echo(context):
        return context.get_input()
        yield

    converter = bridge.serve().converter
    worker = TaskHubGrpcWorker(host_address=bridge.address, data_converter=converter, logger=bridge.logger)
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_orchestrator(echo, "other")
        df.to_durabletask(worker, hub)
    with pytest.raises(df.DurableError, match="The worker's data_converter made a DataFrame"):
        worker._registry.get_orchestrator("other")(Context(), FRAME)


class Context:
    """As much of durabletask's context as a run needs before it begins."""

    instance_id, version, parent_instance_id = "i", None, None
    current_utc_datetime = datetime(2024, 5, 1)
