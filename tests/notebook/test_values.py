"""Values and failures as people know them, wherever a view shows one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

import durablenb as df
from durablenb.analysis.value_text import blob_tree, value_text
from durablenb.core.matching import is_same
from durablenb.core.short_repr import short_repr
from durablenb.model.events import TaskScheduled
from durablenb.values.codec import ValueCodec
from tests.notebook.reading import SHARED, page_of, sent_by, tell, text_of
from tests.notebook.scenes import stage


def frames(context: Any) -> Any:
    loaded = yield context.task_all([context.call_activity("load", n) for n in ("a.csv", "b.csv")])
    return (yield context.call_activity("scale", loaded[0]))


def load(name: str) -> pd.DataFrame:
    return pd.DataFrame({"t": range(20), "value": 2.5 * np.arange(20)})


def scale(frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    raise ValueError("window 7 is empty")


@pytest.fixture(scope="module")
def handle() -> Any:
    made = stage()
    SHARED.append(made.hub)
    made.hub.add_activity(load, "load")
    made.hub.add_activity(scale, "scale")
    made.orchestrator(frames)
    return made.done("frames")


def test_a_history_has_frames_by_their_shape_and_failures_by_their_message(handle: df.Handle) -> None:
    for text in (page_of(handle.history()).text, str(handle.history())):
        assert "DataFrame 20 \N{MULTIPLICATION SIGN} 2: t, value" in text
        assert "ValueError: window 7 is empty" in text
        assert "@payload" not in text


def test_a_live_view_has_them_in_its_history_and_its_tables_of_calls(handle: df.Handle) -> None:
    view = handle.watch(freeze=False)
    tell(view, "select", key="step 1")
    assert '#0 "a.csv" completed DataFrame 20 \N{MULTIPLICATION SIGN} 2: t, value' in text_of(view, "detail")
    view.tab = "history"
    for text in (text_of(view, "history"), text_of(view, "detail")):
        assert "@payload" not in text
        assert "StackTrace" not in text
    assert "ValueError: window 7 is empty" in text_of(view, "history")


def test_a_graph_is_laid_out_for_the_width_at_which_the_page_shows_it(handle: df.Handle) -> None:
    view = handle.watch(freeze=False)
    for pixels, width in ((640, 640), (1_240, 1_240), (10**6, 1_300), (1, 320)):
        tell(view, "width", pixels=pixels)
        assert f'width="{width}"' in view.graph.decode()


def test_the_first_rows_of_a_frame_are_shown_when_somebody_asks(handle: df.Handle) -> None:
    view = handle.watch(freeze=False)
    tell(view, "select", key="call 1 1")
    assert "47.5" not in text_of(view, "detail")
    assert "show head" in text_of(view, "detail")
    tell(view, "peek", name="result")
    assert "t value 0 0 0.0 1 1 2.5" in text_of(view, "detail")
    tell(view, "select", key="call 1 0")  # another frame, closed
    assert "0 0 0.0" not in text_of(view, "detail")


def test_a_tooltip_tells_what_is_under_the_pointer(handle: df.Handle) -> None:
    view = handle.watch(freeze=False)
    told = sent_by(view)
    for key in ("step 1", "cell 1 1", "step 2", "cell 1 99", "nobody"):
        view._on_message(None, {"do": "tip", "key": key}, None)
    told = [message for message in told if "tip" in message]
    assert [message["tip"] for message in told] == ["step 1", "cell 1 1", "step 2", "cell 1 99", "nobody"]
    step, cell, failed, *none = (message["words"] for message in told)
    assert step.splitlines()[0] == "load, activity: 2 completed"
    assert cell.splitlines()[0] == "load #1: completed"
    assert cell.splitlines()[2:] == ['input "b.csv"', "DataFrame 20 \N{MULTIPLICATION SIGN} 2: t, value"]
    assert failed.splitlines()[-1] == "ValueError: window 7 is empty"
    assert none == ["", ""]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((100, 3)), "array 100 \N{MULTIPLICATION SIGN} 3 float64"),
        (pd.Series([1, 2]), "Series 2"),
        ((1, "a"), '(1, "a")'),
        ({1: {2}}, "{1: {2}}"),
        (b"abcd", "4 bytes"),
        (float("nan"), "nan"),
        (pd.Timestamp("2026-01-02"), "2026-01-02T00:00:00"),
        ({"é": [None, 1.5]}, '{"é": [null, 1.5]}'),
    ],
)
def test_a_value_is_told_in_a_line_without_its_bytes(value: object, words: str) -> None:
    assert value_text(ValueCodec().encode(value)) == words


def test_variables_of_a_replay_have_frames_by_their_columns_and_arrays_by_their_type() -> None:
    frame = pd.DataFrame({"t": range(20), "value": 0.5})
    assert short_repr(frame) == "<DataFrame 20 \N{MULTIPLICATION SIGN} 2: t, value>"
    assert short_repr([np.zeros(3)]) == "[<array 3 float64>]"


def test_a_frame_that_was_written_without_its_columns_is_still_the_same_input() -> None:
    text = str(ValueCodec().encode([pd.DataFrame({"a": [1]})]))
    before = text.replace('"columns": ["a"], ', "")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    recorded, requested = (TaskScheduled(2, now, task_id=0, name="f", input=one) for one in (before, text))
    assert before != text
    assert is_same(recorded, requested)


@pytest.mark.parametrize(
    "text",
    [
        '{"@type": "complex", "@value": [1]}',
        '{"@type": "timedelta", "@value": 1e30}',
        '{"@type": "dict", "@value": {}}',
        '{"@type": "pandas.DataFrame", "@payload": "5f", "shape": [1, null], "columns": ["a"]}',
        '{"@type"',
    ],
)
def test_a_value_that_nobody_wrote_is_shown_as_it_stands(text: str) -> None:
    assert isinstance(value_text(text), str)
    assert blob_tree(text) is None or "shape" in text
