"""Options of codecs: pickles, and a hook that sees each value before it is kept; and codecs that travel."""

import pickle
import threading

import cloudpickle
import numpy as np
import pandas as pd
import pytest

import durablenb as df
from durablenb.model.errors import DurableError, NotSerializableError
from durablenb.model.payloads import carried_blobs
from durablenb.values.codec import ValueCodec
from durablenb.values.pickles import Pickled


class Model:
    def __init__(self, weights):
        self.weights = weights


@pytest.fixture
def trusting():
    return ValueCodec(allow_pickle=True)


def test_a_pickled_value_comes_back_pickled_and_opens_when_it_is_looked_at(trusting):
    sent = Pickled(Model([1, 2]))
    assert repr(sent) == "<Pickled Model>"
    found = trusting.decode(trusting.encode({"model": sent}))["model"]
    assert type(found) is Pickled
    assert "bytes" in repr(found)
    assert found.value.weights == [1, 2]
    assert found.value is found.value


def test_a_pickle_that_is_handed_on_is_not_opened_and_stays_the_same(trusting):
    text = trusting.encode(Pickled(Model([1])))
    found = trusting.decode(text)
    assert trusting.encode(found) == text
    assert not found._has_value


def test_a_pickle_that_was_opened_and_changed_goes_as_it_is_now(trusting):
    found = trusting.decode(trusting.encode(Pickled(Model([1]))))
    found.value.weights.append(2)
    assert trusting.decode(trusting.encode(found)).value.weights == [1, 2]


def test_each_receiver_of_a_pickle_opens_its_own(trusting):
    text = trusting.encode(Pickled([1]))
    trusting.decode(text).value.append(2)
    assert trusting.decode(text).value == [1]


def test_what_can_not_even_be_pickled_is_refused_with_its_place(trusting):
    with pytest.raises(
        NotSerializableError, match=r"value\['a'\] is a _thread.lock that can't be pickled"
    ) as info:
        trusting.encode({"a": Pickled(threading.Lock())})
    assert isinstance(info.value.__cause__, TypeError)


# -- redaction -------------------------------------------------------------------------------------


def without_secrets(kind, value):
    if isinstance(value, dict):
        return {
            key: "***" if key == "password" else without_secrets(kind, item) for key, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(kind, item) for item in value]
    return value.replace("hunter2", "***") if isinstance(value, str) else value


def test_what_is_kept_is_what_redact_returns():
    codec = ValueCodec(redact=without_secrets)
    sent = {"user": "a", "password": "hunter2", "all": [("hunter2", 1.5)]}
    text = codec.encode(sent)
    assert "hunter2" not in text
    assert codec.decode(text) == {"user": "a", "password": "***", "all": [("***", 1.5)]}
    assert sent["password"] == "hunter2"


def test_redact_may_change_what_it_is_given_and_the_sender_keeps_his_own():
    def blank(kind, value):
        value["all"].clear()
        value["password"] = None
        return value

    sent = {"password": "hunter2", "all": [1, 2]}
    codec = ValueCodec(redact=blank)
    assert codec.decode(codec.encode(sent)) == {"password": None, "all": []}
    assert sent == {"password": "hunter2", "all": [1, 2]}


def test_redact_is_told_what_the_value_is_and_gets_what_json_has():
    seen = []

    def look(kind, value):
        seen.append((kind, value))
        return value

    codec = ValueCodec(redact=look)
    frame = pd.DataFrame({"a": [1]})
    for value, kind in ((5, "input"), ((1, None), "result"), (frame, "event"), (float("nan"), "status")):
        codec.encode(value, kind)
    assert seen[0] == ("input", 5)
    assert seen[1] == ("result", {"@type": "tuple", "@value": [1, None]})
    assert seen[2][0] == "event"
    assert seen[2][1]["shape"] == [1, 1]
    assert seen[-1] == ("status", {"@type": "float", "@value": "nan"})


def test_a_frame_that_redact_takes_out_is_not_kept():
    codec = ValueCodec(redact=lambda kind, value: "gone" if "@payload" in value else value)
    text = codec.encode(pd.DataFrame({"a": [1]}))
    assert text == '"gone"'
    assert carried_blobs(text) == ()
    both = ValueCodec(redact=lambda kind, value: value[:1])
    text = both.encode([np.zeros(2), np.ones(2)])
    assert len(carried_blobs(text)) == 1
    assert both.decode(text)[0].tolist() == [0, 0]


def test_failures_are_redacted_with_their_traces_and_their_causes():
    codec = ValueCodec(redact=without_secrets)
    try:
        try:
            raise KeyError("hunter2")
        except KeyError as inner:
            raise ValueError("bad hunter2") from inner
    except ValueError as error:
        failure = codec.failure(error)
    assert failure.message == "bad ***"
    assert "***" in failure.stack_trace
    assert failure.error_type == "builtins.ValueError"
    assert "hunter2" not in str(failure.as_json())


def test_where_redact_fails_nothing_is_kept_of_the_value():
    def broken(kind, value):
        raise RuntimeError("out of order")

    codec = ValueCodec(redact=broken)
    with pytest.raises(
        NotSerializableError, match=r"redact failed on a value \(input\): RuntimeError: out of order"
    ):
        codec.encode({"password": "hunter2"}, "input")
    failure = codec.failure(ValueError("hunter2"))
    assert failure.message == "redact failed on a failure: out of order"
    assert "hunter2" not in str(failure.as_json())


@pytest.mark.parametrize("returned", [object(), [object()], float("nan"), {1: {2}}])
def test_what_redact_returns_has_to_be_json(returned):
    with pytest.raises(NotSerializableError, match="can't become text"):
        ValueCodec(redact=lambda kind, value: returned).encode(1)


# -- other processes -------------------------------------------------------------------------------


def moved(codec):
    return pickle.loads(pickle.dumps(codec))


def test_a_codec_travels_with_its_types_and_rules():
    secret = "hunter2"
    codec = ValueCodec(
        dict.__getitem__, redact=lambda kind, value: str(value).replace(secret, "***"), allow_pickle=True
    )
    there = moved(codec)
    assert there.encode("hunter2") == '"***"'
    assert there.allows_pickle
    with pytest.raises(DurableError, match="isn't at hand in this process"):
        there.fetch_blob("0" * 64)


def test_classes_of_the_notebook_travel_by_value(codec):
    namespace = {"__name__": "__main__"}
    exec(
        "from dataclasses import dataclass\n@dataclass\nclass Order:\n    number: int\n",
        namespace,
    )
    order = namespace["Order"]
    assert cloudpickle.dumps(order)
    codec.register(order)
    text = codec.encode(order(7))
    assert moved(codec).decode(text).number == 7
    assert moved(codec).encode(moved(codec).decode(text)) == text


def test_a_codec_that_arrives_again_unchanged_is_the_same_and_one_that_changed_another(codec):
    from tests.values.test_user_types import Item

    first = moved(codec)
    assert moved(codec) is first
    codec.register(Item)
    assert moved(codec) is not first
    assert moved(codec).decode(codec.encode(Item("tea"))) == Item("tea")


def test_a_value_for_a_status_is_shown_even_if_it_can_not_be_rebuilt(codec):
    from tests.values.test_user_types import Item

    codec.register(Item)
    text = codec.encode((Item("tea"), 1))
    assert codec.shown(text) == (Item("tea"), 1)
    assert ValueCodec().shown(text) == {
        "@type": "tuple",
        "@value": [{"@type": "Item", "@value": {"name": "tea", "price": 1.0}}, 1],
    }
    assert ValueCodec().shown(str(codec.encode(np.zeros(2))))["shape"] == [2]


def test_for_a_model_the_error_names_pickled_and_what_register_type_refuses_is_not_advised():
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_activity(lambda: Model([1]), name="train")
        hub.add_orchestrator(lambda context: (yield context.call_activity("train")), name="study")
        with pytest.raises(TypeError, match="Model") as refused:
            hub.run("study")
        assert "durablenb.Pickled(value) in a hub opened with allow_pickle=True" in str(refused.value)
        assert "register_type" not in str(refused.value)
