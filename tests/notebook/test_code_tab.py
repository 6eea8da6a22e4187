"""The code as a tab of the live view: counts at the lines, and the selection shared with the other tabs."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import durablenb as df
from durablenb.model.source import Source
from durablenb.notebook import code_colours
from durablenb.notebook import html as html_module
from durablenb.notebook.code_colours import coloured_lines
from durablenb.notebook.live.instance import LiveInstance
from tests.notebook.reading import tell, turn_to
from tests.notebook.scenes import STUCK, furnish


@pytest.fixture
def hub() -> Any:
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as opened:
        opened.add_activity(lambda n: n, "work")
        opened.add_activity(lambda n: 1 // n, "divide")

        @opened.orchestrator
        def visit(context):
            first = yield context.call_activity("work", 1)
            yield context.task_all([context.call_activity("work", n) for n in range(3)])
            for _ in range(2):
                yield context.create_timer(context.current_utc_datetime + timedelta(hours=first))
            try:
                yield context.call_activity("divide", 0)
            except ZeroDivisionError:
                yield context.wait_for_external_event("Go")

        yield opened


def opened_code(handle: df.Handle) -> LiveInstance:
    view = handle.watch(freeze=False)
    turn_to(view, "code")
    return view


def counted(view: LiveInstance) -> dict[str, str]:
    """The text of each line with an await, by its code."""
    rows = re.findall(r'aria-label="(line [^"]*)".*?<pre>(.*?)</pre>', view.code.decode())
    return {html.unescape(re.sub("<[^>]*>", "", text)).strip(): words for words, text in rows}


def line_with(view: LiveInstance, code: str) -> str:
    return next(
        re.match(r"line \d+", words).group()  # type: ignore[union-attr]
        for text, words in counted(view).items()
        if code in text
    )


def test_each_await_has_its_count_its_time_and_its_status(hub: Any) -> None:
    handle, other = (hub.start("visit", instance_id=name) for name in ("one", "two"))
    while hub.step():
        pass
    hub.clock.advance(hours=3)
    while hub.step():
        pass
    for shown in (handle, other):
        told = [words.partition(", ")[2] for words in counted(opened_code(shown)).values()]
        assert told == [
            "1 await, waited 0 s",
            "1 await, waited 0 s",
            "2 awaits, waited 2 h",
            "1 await, waited 0 s, 1 failed",
            "1 await, waited 3 h, waits now",
        ]
    other.raise_event("Go")
    while hub.step():
        pass
    assert "waits now" not in " ".join(counted(opened_code(other)).values())
    assert "waits now" in " ".join(counted(opened_code(handle)).values())


def test_a_line_and_its_calls_are_selected_together(hub: Any) -> None:
    hub.start("visit", instance_id="other")
    handle = hub.start("visit", instance_id="one")
    while hub.step():
        pass
    view = opened_code(handle)
    line = line_with(view, "task_all")
    tell(view, "select", key=line)
    assert view.marked == ["call 1 1", "call 1 2", "call 1 3", "step 2", line]
    tell(view, "select", key=line)
    assert view.marked == []
    tell(view, "select", key="call 1 0")
    assert line_with(view, "first = yield") in view.marked
    tell(view, "select", key="line 1")
    assert view.selected == ""


def test_code_that_is_not_registered_is_shown_as_it_began(tmp_path: Path) -> None:
    made, handle = STUCK["without_code"](tmp_path / "code.duckdb")
    view = opened_code(handle)
    assert "Run the cell that defines it" in view.code.decode()
    assert "yield context.call_activity(name" in view.code.decode()
    furnish(made)
    view._code._due = 0.0  # it need not rest now
    tell(view, "look")
    assert counted(view)
    view.close()


@pytest.mark.parametrize("module", [code_colours, html_module])
def test_colours_leave_the_text_as_it_is(module: Any) -> None:
    text = Path(module.__file__).read_text("utf-8")
    shown = [html.unescape(re.sub("<[^>]*>", "", line)).replace("\xa0", " ") for line in coloured_lines(text)]
    assert shown == [line.rstrip() or " " for line in text.splitlines()]


ODD = 'def odd(context):\n    words = "a\u2028b"\n\x0c\n    yield context.call_x(words)\r\n    return 1\n'
"""Code with characters at which text has line ends, and code hasn't."""


def test_colours_and_lines_are_counted_as_python_does() -> None:
    lines = coloured_lines(ODD)
    assert len(lines) == 5
    assert 'class="dnb-keyword">yield' in lines[3]
    assert 'class="dnb-keyword">return' in lines[4]
    source = Source("", ODD, 10)
    assert source.lines[14] == "    return 1"
    assert source.returns == [14]
    assert source.after(13) == "    return 1"


def test_what_is_no_python_has_no_colours_behind_the_error() -> None:
    assert coloured_lines("x = (1\n<b>") == ('x = (<span class="dnb-number">1</span>', "&lt;b&gt;")


def test_the_last_replay_shows_the_end_however_long_the_one_before_took(hub: Any) -> None:
    handle = hub.start("visit")
    hub.step()
    view = opened_code(handle)
    assert any("waits now" in words for words in counted(view).values())
    view._code._due = float("inf")
    handle.terminate("enough")
    handle.wait()
    view.refresh()
    assert not any("waits now" in words for words in counted(view).values())
