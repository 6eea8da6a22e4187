"""A value that is passed often is written and read once; a change meanwhile is noticed."""

import gc
import threading

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durablenb.model.payloads import Blob, Payload, carried_blobs, references
from durablenb.values import numpy_arrays, pandas_frames
from durablenb.values.blob_cache import BlobCache
from durablenb.values.codec import ValueCodec
from durablenb.values.converters import library_converter


class Counter:
    def __init__(self, function):
        self._function = function
        self.count = 0

    def __call__(self, *arguments):
        self.count += 1
        return self._function(*arguments)


@pytest.fixture
def written(monkeypatch):
    """How often a pandas frame was written."""
    writes = Counter(pandas_frames.FRAME.write)
    monkeypatch.setattr(pandas_frames, "FRAME", pandas_frames.FRAME._replace(write=writes))
    return writes


@pytest.fixture
def read(monkeypatch):
    """How often a pandas frame was read from its bytes."""
    reads = Counter(pandas_frames.FRAME.read)
    kind = pandas_frames.FRAME._replace(read=reads)
    monkeypatch.setitem(pandas_frames.READERS, kind.name, kind)
    return reads


def test_a_frame_that_is_handed_on_often_is_written_once(codec, written):
    frame = pd.DataFrame({"a": [1.0, 2.0], "s": ["x", None], "c": pd.Categorical(["u", "v"])})
    texts = {codec.encode({"frame": frame, "number": number}) for number in range(10)}
    assert written.count == 1
    assert len({carried_blobs(text)[0].hash for text in texts}) == 1


def test_a_frame_that_was_received_is_handed_on_without_being_written(codec, written):
    text = codec.encode(pd.DataFrame({"a": [1, 2]}))
    received = codec.decode(text)
    assert [codec.encode(received) for _ in range(3)] == [text] * 3
    assert written.count == 1


def test_a_frame_that_is_received_often_is_read_once(codec, read):
    text = codec.encode(pd.DataFrame({"a": [1, 2]}))
    frames = [codec.decode(text) for _ in range(10)]
    assert read.count == 1
    assert len(set(map(id, frames))) == 10


def test_threads_that_receive_the_same_frame_at_once_read_it_once(read):
    codec = ValueCodec()
    text = codec.encode(pd.DataFrame({"a": range(10_000)}))
    gate = threading.Barrier(8)
    sums = []

    def receive():
        gate.wait()
        sums.append(codec.decode(text)["a"].sum())

    threads = [threading.Thread(target=receive) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [49_995_000] * 8
    assert read.count == 1


def changes_of_pandas():
    def values(frame):
        frame.loc[0, "a"] = 9

    def side_door(frame):
        frame["b"].array[0] = 9.5

    def signs(frame):
        frame["b"] = -frame["b"]

    def categories(frame):
        frame["c"].array[0] = "v"

    def dtype(frame):
        frame["a"] = frame["a"].astype("int32")

    def columns(frame):
        frame.columns = list("wxyz")

    def index(frame):
        frame.index = [5, 6]

    def same_index_of_another_type(frame):
        frame.index = pd.Index([0, 1])

    def name(frame):
        frame.index.name = "n"

    def attributes(frame):
        frame.attrs["x"] = 1

    def order(frame):
        frame[:] = frame[::-1].values

    def more(frame):
        frame["new"] = 1

    def fewer(frame):
        del frame["a"]

    def text(frame):
        frame.loc[1, "s"] = "z"

    return [change for change in locals().values() if callable(change)]


@pytest.mark.parametrize("change", changes_of_pandas(), ids=lambda change: change.__name__)
@pytest.mark.parametrize("is_received", [False, True], ids=["made", "received"])
def test_a_frame_that_was_changed_meanwhile_goes_as_it_is_now(codec, change, is_received):
    frame = pd.DataFrame({"a": [1, 2], "b": [0.0, 1.0], "s": ["x", "y"], "c": pd.Categorical(["u", "v"])})
    text = codec.encode(frame)
    if is_received:
        frame = codec.decode(text)
    change(frame)
    now = codec.encode(frame)
    assert now == ValueCodec().encode(frame)
    assert now != text
    pd.testing.assert_frame_equal(codec.decode(now), frame)


def test_arrays_and_other_frames_that_were_changed_meanwhile_go_as_they_are_now(codec):
    array = np.zeros(3)
    first = codec.encode(array)
    array[0] = -0.0
    assert codec.encode(array) != first
    assert codec.encode(array.reshape(3, 1)) != first
    frame = pl.DataFrame({"a": [1, 2]})
    first = codec.encode(frame)
    frame[0, "a"] = 5
    assert codec.decode(codec.encode(frame)).equals(frame)
    series = pd.Series([1, 2], name="a")
    first = codec.encode(series)
    series.name = "b"
    assert codec.decode(codec.encode(series)).name == "b"
    memory = np.arange(3)
    table = pa.table({"a": pa.array(memory)})
    first = codec.encode(table)
    memory[0] = 99
    assert codec.decode(codec.encode(table)).equals(table)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
@settings(max_examples=20)
def test_whatever_is_changed_between_two_calls_each_gets_what_was_given(steps):
    codec = ValueCodec()
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    for number, step in enumerate(steps):
        if step == 1:
            frame.loc[number % 2, "a"] = float(number)
        elif step == 2:
            frame = codec.decode(codec.encode(frame))
        elif step == 3:
            frame["b"] = frame["b"] + "!"
        pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)


def test_an_array_that_was_not_changed_has_the_same_blob(codec, monkeypatch):
    writes = Counter(numpy_arrays.ARRAY.write)
    monkeypatch.setattr(numpy_arrays, "ARRAY", numpy_arrays.ARRAY._replace(write=writes))
    array = np.array([np.nan, 1.0])
    assert codec.encode(array) == codec.encode(array)
    assert writes.count == 1


def test_what_is_forgotten_is_written_again_and_the_same(written):
    codec = ValueCodec()
    codec.blob_cache._limit = 1
    frames = [pd.DataFrame({"a": [number]}) for number in range(3)]
    texts = [codec.encode(frame) for frame in frames]
    assert [codec.encode(frame) for frame in frames] == texts
    assert written.count == 6


def test_what_is_forgotten_is_fetched_again():
    frames = [pd.DataFrame({"a": [number]}) for number in range(3)]
    writer = ValueCodec()
    texts = [writer.encode(frame) for frame in frames]
    kept = {blob.hash: blob.content for text in texts for blob in carried_blobs(text)}
    fetch = Counter(kept.__getitem__)
    codec = ValueCodec(fetch)
    codec.blob_cache._limit = 1
    for _ in range(2):
        assert [codec.decode(str(text))["a"][0] for text in texts] == [0, 1, 2]
    assert fetch.count == 6
    assert [codec.decode(text)["a"][0] for text in texts] == [0, 1, 2]
    assert fetch.count == 6


def test_a_cache_holds_no_more_than_its_limit_but_always_the_newest():
    kind = library_converter("numpy.ndarray")
    blob_cache = BlobCache(limit=10_000)
    values = [np.full(500, number) for number in range(20)]
    for value in values:
        blob_cache.blob_for(kind, value, None)
    assert blob_cache._size <= 10_000
    blob = blob_cache.blob_for(kind, np.zeros(100_000), None)
    assert list(blob_cache._blobs) == [blob.hash]


def test_what_is_empty_when_compressed_counts_as_what_it_takes_in_memory(codec):
    codec.blob_cache._limit = 10_000_000
    texts = [codec.encode(pd.DataFrame({"a": np.full(500_000, float(number))})) for number in range(4)]
    for text in texts:
        codec.decode(text)
    assert len(codec.blob_cache._blobs) <= 3
    assert codec.blob_cache._size <= 10_000_000


def test_a_cache_keeps_no_value_of_the_user_alive(codec):
    frame = pd.DataFrame({"a": [1]})
    codec.encode(frame)
    assert len(codec.blob_cache._hashes) == 1
    del frame
    gc.collect()
    assert len(codec.blob_cache._hashes) == 0


# -- texts and their blobs -------------------------------------------------------------------------


def test_the_same_frame_in_several_places_of_a_value_is_one_blob(codec):
    frame = pd.DataFrame({"a": [1]})
    text = codec.encode([frame, {"again": (frame, frame.copy())}])
    assert len(carried_blobs(text)) == 1
    assert references(text) == [carried_blobs(text)[0].hash]
    assert [len(one) for one in codec.decode(text)[1]["again"]] == [1, 1]


def test_references_are_those_of_the_text_and_no_lookalikes(codec):
    one, two = pd.DataFrame({"a": [1]}), np.zeros(2)
    text = codec.encode([one, two, {"@payload": "0" * 64}, '"@payload": "' + "0" * 64 + '"'])
    assert references(text) == [blob.hash for blob in carried_blobs(text)]
    assert len(references(text)) == 2
    assert references('{"a": 1}') == []


def test_a_text_with_blobs_is_equal_to_the_text_and_travels_with_them(codec):
    import pickle

    text = codec.encode(np.arange(3))
    assert text == str(text)
    assert hash(text) == hash(str(text))
    moved = pickle.loads(pickle.dumps(text))
    assert type(moved) is Payload
    assert moved.blobs == text.blobs
    assert ValueCodec().decode(moved).tolist() == [0, 1, 2]


def test_a_text_is_gathered_for_another_process_with_all_that_it_refers_to(codec):
    text = codec.encode([np.arange(3), np.zeros(2)])
    kept = {blob.hash: blob.content for blob in carried_blobs(text)}
    here = ValueCodec(kept.__getitem__)
    assert ValueCodec().decode(here.with_blobs(str(text)))[0].tolist() == [0, 1, 2]
    partly = Payload(text, text.blobs[:1])
    assert {blob.hash for blob in carried_blobs(here.with_blobs(partly))} == set(kept)
    assert here.with_blobs('{"a": 1}') == '{"a": 1}'


def test_a_blob_is_found_by_what_is_in_it():
    import hashlib

    (blob,) = carried_blobs(ValueCodec().encode(np.arange(3)))
    assert isinstance(blob, Blob)
    assert blob.hash == hashlib.sha256(blob.content).hexdigest()
