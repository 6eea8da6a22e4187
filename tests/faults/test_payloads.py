"""A value comes through as it was, or is refused with the place in it before anything is recorded."""

import decimal
import math
import threading
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import partial
from uuid import UUID

import pytest

import durablenb as df
from durablenb.model.payloads import DEPTH_LIMIT

MEGABYTE = 1_000_000


def nested(depth, inside=0):
    value = inside
    for _ in range(depth):
        value = [value]
    return value


def cyclic():
    value = {"a": [1, {}]}
    value["a"][1]["back"] = value
    return value


KEPT = {
    "nothing": None,
    "0 B": "",
    "false": False,
    "zero": 0,
    "empty list": [],
    "empty dict": {},
    "1 MB": "x" * MEGABYTE,
    "5 MB": "ü" * (5 * MEGABYTE // 2),
    "5 MB of items": list(range(700_000)),
    "5 MB of bytes": b"\x00\xff" * (5 * MEGABYTE // 2),
    "lone surrogate": "a\ud800b\udfffc",
    "NUL": "a\0b\0",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029\ufeff\ufffe\uffff",
    "quotes": "'; drop table journal; -- \" \\ \\u0041 ${x} $1 ?",
    "all planes": "\u00e9\u4e2d\U0001f600\U0010ffff",
    "big integer": 10**3000,
    "small float": 5e-324,
    "big float": 1.7976931348623157e308,
    "minus zero": -0.0,
    "0.1 + 0.2": 0.1 + 0.2,
    "NaN": {"a": [1, math.nan]},
    "infinities": [math.inf, -math.inf],
    "bytes": {"a": b"\0\xff", "b": bytearray(b"x")},
    "datetime": [datetime(2024, 1, 1, 1, 2, 3, 4, tzinfo=UTC), datetime.min, date.max],
    "Decimal": {"price": decimal.Decimal("1.10"), "none": decimal.Decimal("NaN")},
    "UUID": UUID(int=1),
    "complex": 1j,
    "set": {"a": {1}},
    "tuple": (1, (2, []), ()),
    "keys": {"": 1, "\0": 2, "\ud800": 3, "a.b": 4, "@type": 5, "@value": 6, "__class__": 7},
    "what looks like a tag": {"@type": "tuple", "@value": [1]},
    "keys of all types": {1: "a", "1": "b", None: 1, 1.5: 2, math.nan: 3, (1, 2): 4, b"k": 5, False: 6},
    "depth": nested(DEPTH_LIMIT - 1),
    "wide dict": {str(n): n for n in range(10_000)},
    "shared, not cyclic": [shared := [1, 2], shared, {"again": shared}],
}


class Opaque:
    def __repr__(self):
        raise ValueError("not even a text")


# The value, and a part of the message: where it is and what it is.
REFUSED = {
    "Fraction": ([Fraction(1, 3)], r"value\[0\] is a fractions.Fraction"),
    "generator": ((n for n in range(3)), r"value is a builtins.generator"),
    "function": ([len], r"value\[0\] is a builtins.builtin_function_or_method"),
    "lock": ({"a": threading.Lock()}, r"value\['a'\] is a _thread.lock"),
    "object": ([[Opaque()]], r"value\[0\]\[0\] is a .*Opaque"),
    "an object as a key": ([{Opaque(): 3}], r"value\[0\].* is a .*Opaque"),
    "cyclic": (cyclic(), r"value\['a'\]\[1\]\['back'\] is a reference to itself"),
    "too deep by one": (nested(DEPTH_LIMIT + 1), f"more than {DEPTH_LIMIT} levels"),
    "too deep, as dicts": ({"a": {"b": nested(DEPTH_LIMIT - 1)}}, f"more than {DEPTH_LIMIT} levels"),
    "depth 10^5": (nested(100_000), f"more than {DEPTH_LIMIT} levels"),
    "an object far inside": (nested(100, len), r"\[0\]\[0\].* is a builtins.builtin_function"),
    "too many digits": ([10**5000], r"value\[0\] is a number of too many digits"),
}


@pytest.fixture(scope="module")
def hub():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_activity(lambda value: value, "echo")

        @hub.orchestrator
        def through_an_activity(context):
            return (yield context.call_activity("echo", context.get_input()))

        @hub.orchestrator
        def through_a_child(context):
            return (yield context.call_sub_orchestrator("through_an_activity", context.get_input()))

        @hub.orchestrator
        def through_an_event(context):
            return (yield context.wait_for_external_event("data"))

        @hub.orchestrator
        def as_new(context):
            value = context.get_input()
            if isinstance(value, dict) and value.get("first"):
                context.continue_as_new(value["value"])
                return None
            return value

        yield hub


@pytest.fixture
def recorded(hub):
    def count():
        return hub.sql("select count(*) from history").fetchall()[0][0]

    return count


def same(value, other):
    # By repr: -0.0 is not 0.0, NaN is NaN, a tuple is no list; and no assert prints megabytes.
    return repr(value) == repr(other)


@pytest.mark.parametrize("case", KEPT)
def test_a_value_comes_through_unchanged_whichever_way_it_goes(hub, case):
    value = KEPT[case]
    assert same(hub.run("through_an_activity", value), value)
    if not case.startswith("5 MB"):
        assert same(hub.run("through_a_child", value), value)
        assert same(hub.run("as_new", {"first": True, "value": value}), value)
    handle = hub.start("through_an_event")
    handle.raise_event("data", value)
    assert same(handle.result(), value)
    assert same(handle.status().output, value)


@pytest.mark.parametrize("case", REFUSED)
def test_a_value_that_cannot_be_kept_is_refused_before_anything_is_recorded(hub, recorded, case):
    value, message = REFUSED[case]
    handle = hub.start("through_an_event")
    before = recorded()
    with pytest.raises(df.NotSerializableError, match=message):
        hub.start("through_an_activity", value)
    with pytest.raises(df.NotSerializableError, match=message):
        hub.run("through_an_activity", value)
    with pytest.raises(df.NotSerializableError, match=message):
        handle.raise_event("data", value)
    assert recorded() == before
    handle.raise_event("data", "fine")
    assert handle.result() == "fine"


@pytest.mark.parametrize("case", REFUSED)
def test_an_orchestrator_can_catch_the_refusal_of_what_it_hands_on(hub, case):
    value, message = REFUSED[case]

    @hub.orchestrator
    def careful(context):
        caught = []
        for hand_on in (
            lambda: context.call_activity("echo", value),
            lambda: context.call_activity_with_retry("echo", df.RetryOptions(1, 2), value),
            lambda: context.call_sub_orchestrator("through_an_activity", value),
            lambda: context.set_custom_status(value),
            lambda: context.continue_as_new(value),
        ):
            with pytest.raises(df.NotSerializableError, match=message) as error:
                hand_on()
            caught.append(type(error.value).__name__)
        return (yield context.call_activity("echo", len(caught)))

    handle = hub.start(careful)
    assert handle.result() == 5
    assert [type(event).__name__ for event in handle.history()] == [
        "ExecutionStarted",
        "OrchestratorStarted",
        "TaskScheduled",
        "TaskCompleted",
        "OrchestratorStarted",
        "ExecutionCompleted",
    ]


@pytest.mark.parametrize("case", REFUSED)
def test_a_result_that_cannot_be_kept_fails_who_gave_it(hub, case):
    value, message = REFUSED[case]
    hub.add_activity(lambda: value, "gives")
    hub.add_orchestrator(lambda context: (yield context.call_activity("gives")), "asks")
    hub.add_orchestrator(lambda context: value, "gives")
    for name in ("asks",) if case == "generator" else ("asks", "gives"):  # that would be its own
        handle = hub.start(name)
        with pytest.raises(df.NotSerializableError, match=message):
            handle.result()
        assert handle.status().runtime_status == "Failed"


@pytest.mark.parametrize("size", [0, 1, 8192 - 2])
def test_a_custom_status_of_up_to_16_kb_is_kept(hub, size):
    @hub.orchestrator
    def shows(context):
        context.set_custom_status("x" * size)

    handle = hub.start(shows)
    handle.result()
    assert handle.status().custom_status == "x" * size


@pytest.mark.parametrize("is_caught", [True, False])
def test_a_larger_custom_status_is_refused_and_the_last_one_stays(hub, is_caught):
    @hub.orchestrator
    def shows(context):
        context.set_custom_status("before")
        try:
            context.set_custom_status("x" * (8192 - 2 + 1))
        except df.OrchestrationLimitError as error:
            if is_caught:
                return str(error)
            raise

    handle = hub.start(shows)
    if is_caught:
        assert "16 KB" in handle.result()
    else:
        with pytest.raises(df.OrchestrationLimitError, match="16 KB"):
            handle.result()
    assert handle.status().custom_status == "before"


TEXTS = ["", "a\0b", "lone \ud800", "'; --", "\U0001f600", "x" * MEGABYTE]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:10]))
def test_reasons_come_through_unchanged(hub, text):
    handle = hub.start("through_an_event")
    handle.suspend(text)
    handle.resume(text)
    handle.terminate(text)
    status = handle.status(show_history=True)
    assert status.runtime_status == "Terminated"
    assert same(status.output, text)
    assert [event.reason for event in handle.history() if hasattr(event, "reason")] == [text] * 3
    assert hub.sql("select output from instances where instance_id = ?", [handle.id]).fetchall()


def test_a_reason_is_made_text(hub):
    handle = hub.start("through_an_event")
    handle.terminate(404)
    assert handle.status().output == "404"


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:10]))
def test_tags_and_version_come_through_unchanged(hub, text):
    hub.add_orchestrator(lambda context: context.version, "tagged")
    handle = hub.start("tagged", 1, tags={"tag": text, text: "tag"}, version=text)
    assert same(handle.result(), text)
    status = handle.status()
    assert status.tags == {"tag": text, text: "tag"}
    assert same(status.version, text)
    assert {one.instance_id: one.tags for one in hub.instances(name="tagged")}[handle.id] == status.tags
    assert hub.sql("select tags, version from instances where instance_id = ?", [handle.id]).fetchall()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("tags", tags, "Tags are text") for tags in ({1: "a"}, {"a": 1}, {"a": None}, {"a": ["b"]})]
    + [("version", version, "version") for version in (1, 1.5, ["1"], b"1")],
    ids=str,
)
def test_tags_and_versions_that_are_no_text_are_refused(hub, recorded, option, value, message):
    before = recorded()
    with pytest.raises(TypeError, match=message):
        hub.start("through_an_activity", 1, **{option: value})
    assert recorded() == before


@pytest.mark.parametrize("name", ["a\0b", "'; --", "\U0001f600", "x" * 10_000, " spaced "])
def test_odd_names_are_names(hub, name):
    hub.add_activity(lambda value: value, name)

    @hub.orchestrator(name=name)
    def odd(context):
        data = yield context.wait_for_external_event(name)
        return (yield context.call_activity(name, data))

    handle = hub.start(name)
    handle.raise_event(name, 5)
    assert handle.result() == 5
    assert [status.instance_id for status in hub.instances(name=name)] == [handle.id]


def test_names_that_no_store_can_keep_are_refused_before_anything_is_recorded(hub, recorded):
    handle = hub.start("through_an_event")
    before = recorded()
    bad = "half \ud800 a character"
    for attempt in (
        lambda: hub.add_activity(len, bad),
        lambda: hub.add_orchestrator(len, bad),
        lambda: hub.start(bad),
        lambda: hub.start("through_an_event", instance_id=bad),
        lambda: handle.raise_event(bad),
    ):
        with pytest.raises(ValueError, match="ud800"):
            attempt()
    assert recorded() == before
    handle.terminate()


def test_an_orchestrator_that_uses_such_a_name_fails_by_itself(hub):
    bad = "half \ud800 a character"

    def calls(context):
        yield context.call_activity(bad)

    def waits(context):
        yield context.wait_for_external_event(bad)

    def starts(context):
        yield context.call_sub_orchestrator(bad)

    def begets(context):
        yield context.call_sub_orchestrator("through_an_activity", None, bad)

    def sets_version(context):
        return (yield context.call_sub_orchestrator("through_an_activity", 1, None, bad))

    for careless in (calls, waits, starts, begets):
        hub.add_orchestrator(careless)
        with pytest.raises(ValueError, match="ud800"):
            hub.run(careless)
    hub.add_orchestrator(sets_version)
    assert hub.run(sets_version) == 1


def test_a_message_of_a_failure_may_hold_anything(hub):
    for text in TEXTS:

        def raises(text):
            raise ValueError(text)

        hub.add_activity(partial(raises, text), "raises")

        @hub.orchestrator
        def fails(context):
            yield context.call_activity("raises")

        handle = hub.start(fails)
        with pytest.raises(ValueError):  # noqa: PT011 - any text is right here
            handle.result()
        assert handle.status().failure_details.inner.message[:5] == text[:5]


def test_deep_values_can_be_read_wherever_they_were_allowed(hub):
    deep = nested(DEPTH_LIMIT)

    def far_down(levels, do):
        return far_down(levels - 1, do) if levels else do()

    handle = far_down(300, lambda: hub.start("through_an_activity", deep))
    assert far_down(300, handle.result) == deep
    assert far_down(300, handle.status).output == deep
    assert hub.sql("select json_array_length(input) from instances").fetchall()
    assert handle.history()[0].input


@pytest.mark.timeout(300)
def test_forty_megabytes_come_through_and_stay(tmp_path):
    big = "0123456789" * (4 * MEGABYTE)
    with df.TaskHub(tmp_path / "big.duckdb", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_activity(lambda value: value, "echo")

        @hub.orchestrator
        def through_an_activity(context):
            return (yield context.call_activity("echo", context.get_input()))

        handle = hub.start(through_an_activity, big, instance_id="big")
        result = handle.result()
        assert len(result) == len(big)
        assert result == big
    with df.TaskHub(tmp_path / "big.duckdb", mode="kernel", clock=df.VirtualClock()) as hub:
        assert hub.handle("big").result() == big
        assert hub.handle("big").purge() == 1
