"""A stored text can't import, look up or call anything, and can't be mistaken for another value."""

import base64
import contextlib
import json
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durablenb.model.errors import DurableError, NotSerializableError, StoreError, TypeNotRegisteredError
from durablenb.model.payloads import SIZE_LIMIT, Blob, Payload
from durablenb.values import codec as codec_module
from durablenb.values.codec import ValueCodec
from durablenb.values.converter_kinds import BlobConverter
from durablenb.values.converters import LIBRARY_TAGS, library_converter
from durablenb.values.pickles import Pickled

HASH = "0" * 64

NAMES = [
    "os.system",
    "os",
    "builtins.eval",
    "eval",
    "subprocess.Popen",
    "__main__.Thing",
    "durablenb.hub.task_hub.TaskHub",
    "numpy.load",
    "numpy.ndarray.__class__",
    "numpy.void",
    "pandas.read_pickle",
    "pandas",
    "polars.read_csv",
    "matplotlib.figure.Figure",
    "PIL.Image.open",
    "picture.x",
    "pickle.loads",
    "antigravity",
    "../../etc/passwd",
    "",
    "ä\0",
]


def test_a_name_that_nobody_registered_is_only_ever_a_name():
    before = set(sys.modules)
    for name in NAMES:
        with pytest.raises(TypeNotRegisteredError, match="isn't registered"):
            ValueCodec().decode(json.dumps({"@type": name, "@value": ["true"]}))
        assert {one.partition(".")[0] for one in set(sys.modules) - before} <= {"durablenb"}, name


def test_azures_envelope_is_just_a_dict():
    envelope = {"__class__": "s", "__module__": "this", "__data__": "x"}
    before = set(sys.modules)
    assert ValueCodec().decode(json.dumps(envelope)) == envelope
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "fields",
    [
        {"@type": 5, "@value": 1},
        {"@type": None, "@value": 1},
        {"@type": ["datetime"], "@value": "2026-01-01"},
        {"@type": "datetime"},
        {"@type": "pandas.DataFrame"},
        {"@payload": HASH},
        {"@value": 1},
    ],
)
def test_what_only_resembles_a_tag_is_just_a_dict(fields):
    assert ValueCodec().decode(json.dumps(fields)) == fields


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("datetime", "no date"),
        ("datetime", 5),
        ("datetime", "2026-01-01[Nowhere/Land]"),
        ("datetime", "2026-01-01[../../../etc/passwd]"),
        ("time", "12:00[/etc/passwd]"),
        ("timedelta", 10**40),
        ("timedelta", "x"),
        ("uuid", "x"),
        ("decimal", "x"),
        ("bytes", "é"),
        ("bytes", 5),
        ("path", 5),
        ("float", "x"),
        ("complex", ["x"]),
        ("tuple", 5),
        ("set", [[1]]),
        ("dict", [[1]]),
        ("dict", [[[1], 1]]),
        ("dict", "x"),
        ("numpy.float32", "x"),
        ("numpy.complex64", {}),
        ("numpy.datetime64", 5),
        ("pandas.Timestamp", "2026"),
        ("pandas.Period", 5),
    ],
)
def test_a_tag_with_a_false_value_is_told_as_what_it_is(name, value):
    with pytest.raises(ValueError, match=f"A {name} in the journal can't be read"):
        ValueCodec().decode(json.dumps([{"@type": name, "@value": value}]))


LARGE = sorted(
    name for name in LIBRARY_TAGS if isinstance(library_converter(name), BlobConverter) and name != "pickle"
)


@pytest.mark.parametrize("name", LARGE)
def test_a_damaged_blob_is_told_as_what_it_is(name):
    for content in (b"", b"x", b"\x93NUMPY\x01\x00", b"ARROW1\0\0" * 10, b"\x89PNG\r\n\x1a\n"):
        text = Payload(json.dumps({"@type": name, "@payload": HASH}), (Blob(HASH, name, content),))
        with pytest.raises(ValueError, match=f"A {name} in the journal can't be read"):
            ValueCodec().decode(text)


class Trap:
    sprung = False

    def __reduce__(self):
        return spring, ()


def spring():
    Trap.sprung = True


def test_an_array_of_pickles_is_not_unpickled():
    import io

    import numpy as np

    content = io.BytesIO()
    np.save(content, np.array([Trap()], object), allow_pickle=True)
    text = Payload(
        json.dumps({"@type": "numpy.ndarray", "@payload": HASH}), (Blob(HASH, "", content.getvalue()),)
    )
    with pytest.raises(ValueError, match="can't be read"):
        ValueCodec().decode(text)
    assert not Trap.sprung


def test_a_pickle_in_a_text_is_not_unpickled_unless_the_hub_allows_it():
    content = pickle.dumps(Trap())
    text = Payload(json.dumps({"@type": "pickle", "@payload": HASH}), (Blob(HASH, "", content),))
    found = ValueCodec().decode(text)
    assert repr(found) == f"<Pickled, {len(content)} bytes>"
    with pytest.raises(DurableError, match=r"could run any code.*allow_pickle=True"):
        found.value
    assert not Trap.sprung
    found = ValueCodec(allow_pickle=True).decode(text)
    assert not Trap.sprung
    found.value
    assert Trap.sprung


def test_a_pickle_is_not_written_where_it_may_not_be_read():
    with pytest.raises(
        NotSerializableError, match=r"value\[0\] is a pickle, and this hub allows none.*allow_pickle"
    ):
        ValueCodec().encode([Pickled(1)])


def test_base64_that_is_no_base64_is_only_a_text():
    text = base64.b64encode(b"x").decode()
    assert ValueCodec().decode(json.dumps(text)) == text


def test_a_blob_that_is_nowhere_is_told():
    with pytest.raises(StoreError, match="The payload 000000000000 isn't at hand"):
        ValueCodec().decode(json.dumps({"@type": "picture", "@payload": HASH}))


@settings(max_examples=40)
@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["@type", "@value", "@payload", "unit", "a"]), inner | st.sampled_from(NAMES)
)))  # fmt: skip
def test_any_text_is_a_value_or_one_of_the_errors_that_are_told(tree):
    with contextlib.suppress(TypeNotRegisteredError, ValueError, StoreError):
        ValueCodec().decode(json.dumps(tree))


def test_what_a_user_sends_can_not_become_a_tag_on_the_way(codec):
    sent = {"@type": "bytes", "@value": "eA=="}
    for _ in range(3):
        sent = codec.decode(codec.encode(sent))
    assert sent == {"@type": "bytes", "@value": "eA=="}


def test_a_value_of_too_many_characters_is_refused(codec, monkeypatch):
    monkeypatch.setattr(codec_module, "SIZE_LIMIT", 1_000)
    assert SIZE_LIMIT > 1_000
    codec.encode("x" * 998)
    for value in ("x" * 999, ["x" * 998], [("x" * 998,)]):
        with pytest.raises(NotSerializableError, match=r"keeps up to 1,000\. Write it to a file"):
            codec.encode(value)


def test_numbers_of_too_many_digits_are_refused_with_their_place(codec):
    for value, place in ((10**5000, "value"), ({"a": [1, 10**5000]}, r"value\['a'\]\[1\]")):
        with pytest.raises(NotSerializableError, match=f"{place} is a number of too many digits"):
            codec.encode(value)


def test_deep_and_circular_values_are_refused_whatever_they_are_made_of(codec):
    deep = 1
    for _ in range(100_000):
        deep = [deep]
    circle = {"a": [1]}
    circle["a"].append({"b": circle})
    triple = ([],)
    triple[0].append(triple)
    for value, message in (
        (deep, "more than 500 levels"),
        (circle, r"value\['a'\]\[1\]\['b'\] is a reference to itself"),
        (triple, r"value\[0\]\[0\] is a reference to itself"),
    ):
        with pytest.raises(NotSerializableError, match=message):
            codec.encode(value)
    while isinstance(deep, list):  # Python would fall over it too
        deep = deep[0]


def test_the_same_thing_twice_is_no_circle(codec):
    shared = [1]
    assert codec.decode(codec.encode([shared, {"a": shared}, (shared, shared)])) == [
        [1],
        {"a": [1]},
        ([1], [1]),
    ]


def test_a_long_path_is_cut(codec):
    value = object()
    for _ in range(300):
        value = {"key": value}
    with pytest.raises(NotSerializableError) as info:
        codec.encode(value)
    assert len(str(info.value)) < 500


class Nameless:
    def __repr__(self):
        raise RuntimeError("no name")

    __str__ = __repr__


def test_an_object_that_can_not_say_what_it_is_is_refused_all_the_same(codec):
    with pytest.raises(NotSerializableError, match=r"value\['a'\] is a .*Nameless"):
        codec.encode({"a": Nameless()})
    with pytest.raises(NotSerializableError, match=r"value\[<Nameless>\] is a .*Nameless"):
        codec.encode({Nameless(): 1})


def test_importing_the_codec_imports_no_library():
    program = (
        "import sys, durablenb.values.codec as codec\n"
        "codec.ValueCodec().encode([1, (2,), {3: {4}}, b'x', 1.5, float('nan')])\n"
        "libraries = {'numpy', 'pandas', 'polars', 'pyarrow', 'matplotlib', 'PIL', 'pydantic'}\n"
        "print(sorted(libraries & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert answer.stdout.strip() == "[]"
