"""A large data frame: through activities and a fan-out, over a restart, and freed."""

import time
from functools import cache

import numpy as np
import pandas as pd
import pytest

import durablenb as df
from durablenb.store.blobs import SEGMENT

ROWS = 400_000
SHARDS = 20


@cache
def load():
    chance = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": np.arange(ROWS),
            "x": chance.normal(size=ROWS),
            "y": chance.normal(size=ROWS),
            "z": chance.normal(size=ROWS),
            "day": pd.date_range("2026-01-01", periods=ROWS, freq="s"),
            "shop": pd.array(
                np.array(["north", "south", "east", "west"])[chance.integers(0, 4, ROWS)], "str"
            ),
            "size": pd.Categorical(chance.integers(0, 9, ROWS)),
        }
    )


def count(given):
    assert isinstance(given["frame"], pd.DataFrame)
    return len(given["frame"]) + given["shard"]


def assert_same(frame, expected):
    """The frames are equal. Pandas goes through a categorical column value by value, which takes seconds."""
    assert list(frame.columns) == list(expected.columns)
    pd.testing.assert_frame_equal(frame.drop(columns="size"), expected.drop(columns="size"))
    sizes, expected_sizes = frame["size"], expected["size"]
    assert sizes.dtype == expected_sizes.dtype  # the categories, and whether they are ordered
    assert sizes.name == expected_sizes.name
    pd.testing.assert_index_equal(sizes.cat.categories, expected_sizes.cat.categories)
    pd.testing.assert_series_equal(sizes.cat.codes, expected_sizes.cat.codes)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("expected_type", [None, df.RawValue], ids=["decoded", "raw"])
def test_a_frame_larger_than_a_table_of_blobs_goes_to_many_activities_for_the_price_of_one(
    tmp_path, expected_type
):
    path = tmp_path / "hub.duckdb"

    def fan_out(context):
        frame = yield context.call_activity("load", expected_type=expected_type)
        tasks = [context.call_activity("count", {"frame": frame, "shard": shard}) for shard in range(SHARDS)]
        counts = yield context.task_all(tasks)
        yield context.wait_for_external_event("go")
        return [sum(counts), frame]

    def opened():
        hub = df.TaskHub(path, executor=4)
        hub.add_activity(load)
        hub.add_activity(count)
        hub.add_orchestrator(fan_out)
        return hub

    began = time.monotonic()
    with opened() as hub:
        handle = hub.start(fan_out, instance_id="i")
        while "EventSubscribed" not in [type(event).__name__ for event in handle.history()]:
            time.sleep(0.05)
        ((size, uses),) = hub.sql("select bytes, uses from payloads").fetchall()
        assert size > SEGMENT
        assert uses == 1 + SHARDS
    ran = time.monotonic()
    assert path.stat().st_size < 1.5 * size
    with opened() as hub:
        handle = hub.handle("i")
        handle.raise_event("go")
        total, frame = handle.result(120)
        assert total == SHARDS * ROWS + sum(range(SHARDS))
        assert_same(frame, load())
        assert handle.purge() == 1
        assert hub.sql("select count(*) from blobs").fetchall() == [(0,)]
    print(f"ran {ran - began:.1f} s, replayed and fetched {time.monotonic() - ran:.1f} s")
