"""Live views without a browser: what they draw, what they make of messages from the page."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import durablenb as df
from durablenb.analysis.calls import Call
from durablenb.analysis.timeline import Span
from durablenb.model.events import EventRaised
from durablenb.notebook.live.instance import LiveInstance
from durablenb.notebook.live.interactive import text_area
from durablenb.notebook.live.refresh_loop import RefreshLoop, refresh_loop
from durablenb.notebook.live.timeline_feed import TimelineFeed
from durablenb.notebook.live.widget import QUIET_SECONDS, LiveView
from tests.notebook.reading import Page
from tests.notebook.scenes import SCENES, STUCK, Stage, stage
from tests.notebook.test_hostile import MARKS, PAYLOADS, STYLES, TAGS, hostile, hostile_entity

ACTIONS = (
    *("raise", "cancel", "terminate", "suspend", "resume", "rewind", "restart", "purge", "signal"),
    *("jump", "advance", "approve", "deny"),
)
LOOKS = (
    "select",
    "page",
    "set",
    "turn",
    "rows",
    "generation",
    "path",
    "open",
    "back",
    "look",
    "nothing of the kind",
    "",
)
ODD: list[Any] = [
    *(None, True, -1, 1, 10**30, float("inf"), float("nan"), [1], {"data": 1}, {"a": {"b": []}}),
    *(
        "",
        "-1",
        "²",
        "step",
        "step 1",
        "step ²",
        "step 99",
        "call 1 0",
        "call 1 99999999999999999999",
        "call ² ²",
    ),
    *(
        "cell 1 0",
        "cell 1 -1",
        "cell x y",
        "operation ²",
        "operation 99999999999999999999",
        "instance nobody",
    ),
    *("'", "';drop table journal;--", "\x00", "\ud800", "<script>alert(1)</script>", "x" * 5_000),
]
NAMES = ("key", "first", "left", "right", "name", "value", "id", "fields", "sure", "extra")


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_unseen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []


class Output:
    """An output of a cell."""

    def update(self, shown: dict[str, str], **_: Any) -> None:
        self.shown = shown


class Ticks:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def tell(view: LiveView, do: Any, **more: Any) -> None:
    """Says to a view what its page would."""
    view._on_message(view, {"do": do, **more}, [])


def turn_to(view: LiveView, tab: str) -> None:
    """Shows another tab, and waits until it is drawn."""
    view.tab = tab
    view.refresh()


def html_of(view: LiveView) -> str:
    return "".join(getattr(view, name).decode() for name in view.REGIONS)


def text_of(view: LiveView, region: str) -> str:
    return Page(getattr(view, region).decode()).text


def last_seq(made: Stage) -> int:
    return made.hub._store.last_seq()


def watched(name: str) -> tuple[Stage, LiveInstance]:
    """A live view of an instance in some state."""
    made = stage()
    return made, SCENES[name](made).watch(freeze=False)


def every_view(made: Stage) -> list[LiveView]:
    """A view of the hub, and of an entity and an instance of it."""
    SCENES["transferred"](made)
    SCENES["fanned"](made)
    waiting = SCENES["waiting"](made)
    return [made.hub.watch().list, made.hub.entity("Account", "a").watch(), waiting.watch(freeze=False)]


# -- what is drawn -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENES)
def test_every_state_is_drawn_in_every_tab(name: str) -> None:
    made, view = watched(name)
    word = str(made.hub.handle(view._handle.id).status().runtime_status)
    assert f'aria-label="{word}"' in view.head.decode()
    for tab in view.TABS:
        turn_to(view, tab)
        assert getattr(view, tab), tab
    harmless(html_of(view))
    assert view.note == ""


@pytest.mark.parametrize("name", STUCK)
def test_what_is_stuck_says_what_it_waits_for(name: str, tmp_path: Path) -> None:
    _, handle = STUCK[name](tmp_path / "stuck.duckdb")
    view = handle.watch()
    assert re.search(
        r"Fix the orchestrator's cell|Run it\.|run the cell that defines it", text_of(view, "waits")
    )
    assert f'aria-label="{handle._shown().word}"' in view.head.decode()
    assert not view.is_frozen


def test_a_step_leads_to_its_calls_and_a_call_to_what_was_given_and_came_back() -> None:
    _, view = watched("fanned")
    tell(view, "select", key="step 1")
    assert re.search(r"#17\s+17\s+failed\s+ValueError: ", text_of(view, "detail"))  # the failed one first
    tell(view, "select", key="cell 1 17")
    assert view.marked == ["call 1 17", "step 1"]
    assert "crunch can't do 17" in text_of(view, "detail")
    tell(view, "select", key="call 1 17")
    assert (view.selected, view.marked, view.detail) == ("", [], b"")


def test_what_is_selected_in_one_view_of_an_instance_is_selected_in_all() -> None:
    made, view = watched("completed")
    other = made.hub.handle("chain").watch(freeze=False)
    stranger = made.done("loop", 2).watch(freeze=False)
    tell(view, "select", key="call 1 1")
    assert other.selected == "call 1 1"
    other.refresh()
    assert "charge" in text_of(other, "detail")
    assert stranger.selected == ""


def rows_sent(view: LiveInstance) -> dict[str, Any]:
    """Shows the timeline, and gives what a page that has none of it is sent."""
    sent: list[dict[str, Any]] = []
    view.send = lambda message, *_: sent.append(message)  # type: ignore[method-assign]
    turn_to(view, "timeline")
    feed = re.search(r'data-timeline="(\w+)"', view.timeline.decode())
    assert feed is not None
    tell(view, "rows", id=feed[1])
    return next(message["timeline"] for message in reversed(sent) if "timeline" in message)


def on_path(view: LiveInstance) -> list[Any]:
    """The attempts and pauses that the page is told are on the critical path, in the order of time."""
    assert view._picture is not None
    calls = view._picture.calls
    spans = [(*calls[call].attempts, *calls[call].pauses)[place] for call, place in rows_sent(view)["path"]]
    return sorted(spans, key=lambda span: (span.scheduled, span.ended))


@pytest.mark.parametrize("count", [3, 300])
def test_the_critical_path_goes_through_the_attempts_that_the_end_waited_for(count: int) -> None:
    made = stage()
    failing = count - 1
    made.activity("fetch", 0.1, fails=lambda value, _: value == failing)

    def fetch_all(context: Any) -> Any:
        retry = df.RetryOptions(60_000, 3)
        calls = [context.call_activity_with_retry("fetch", retry, part) for part in range(count)]
        yield context.task_all(calls)

    made.orchestrator(fetch_all)
    made.done("chain")
    view = made.done("fetch_all").watch(freeze=False)
    assert on_path(view) == []
    tell(view, "path")
    steps = made.hub.sql("select kind, status from critical_path('fetch_all') order by step").fetchall()
    attempt, wait = ("activity", "Failed"), ("timer", "Completed")
    assert steps == [attempt, wait, attempt, wait, attempt]
    assert [(span.kind, span.state.title()) for span in on_path(view)] == steps
    tell(view, "path")
    assert on_path(view) == []


def test_waits_of_calls_in_several_attempts_say_so_and_have_a_blank_before_their_end() -> None:
    made = stage()
    made.activity("load", 1, fails=lambda _, calls: calls == 1)

    def load_both(context: Any) -> Any:
        first = context.call_activity_with_retry("load", df.RetryOptions(60_000, 3), "a")
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=61))
        yield context.task_all([first, context.call_activity("load", "b")])

    made.orchestrator(load_both)
    view, seen = made.begin("load_both").watch(freeze=False), []
    while made.hub.step():
        view.refresh()
        seen.append("".join(Page(view.waits.decode()).texts))
    several = "'load' \N{MULTIPLICATION SIGN} 2"
    assert any(f"the activity {several}, attempts 1 to 2" in text for text in seen)
    assert any("attempt 2 of 'load'since" in text for text in seen)
    assert any(re.search(r" s until 2026-", text) for text in seen)


def test_tables_of_calls_say_how_long_a_call_waited_and_how_long_it_ran() -> None:
    made = stage()
    made.hub.add_queue(df.Queue("slow", rate=(1, timedelta(seconds=60))))
    made.hub.add_activity(lambda n: made.clock.advance(seconds=2), "work", queue="slow")

    def both(context: Any) -> Any:
        yield context.task_all([context.call_activity("work", n) for n in range(2)])

    made.orchestrator(both)
    view = made.done("both").watch(freeze=False)
    tell(view, "select", key="step 1")
    assert re.search(r"waited\s+ran\s+in all", text_of(view, "detail"))
    assert re.search(r"#1\s+1\s+completed\s+.*?\s60 s\s+2 s\s+62 s", text_of(view, "detail"))
    tell(view, "select", key="call 1 1")
    assert re.search(r"waited\s+ran\s+result", text_of(view, "detail"))
    assert re.search(r"\s60 s\s+2 s\s", text_of(view, "detail"))
    assert re.search(r'<div class="dnb-wide dnb-stacked"><table', view.detail.decode()), (
        "it scrolls within the card"
    )


def test_the_numbers_in_a_history_are_those_that_fork_takes() -> None:
    made = stage()
    made.done("chain")
    made.done("fan_out", 5)
    second = made.hub.handle("fan_out").watch(freeze=False)
    turn_to(second, "history")
    numbers = [row[0] for row in second._ask(second.sql).fetchall()]
    assert (
        numbers == list(range(1, len(numbers) + 1)) == [event.event_id for event in second._following.events]
    )
    assert re.search(r"event\s+time", text_of(second, "history"))
    assert "generation" not in text_of(second, "history").partition("SQL")[0]
    fork = made.hub.handle("fan_out").fork(at=numbers[-3])
    assert fork.status().forked_at == numbers[-3]


def test_the_history_of_a_continued_instance_names_the_generation_of_each_event() -> None:
    _, view = watched("continued")
    turn_to(view, "history")
    rows = view._ask(view.sql).fetchall()
    generations = [row[6] for row in rows]
    assert generations == sorted(generations)
    assert len(set(generations)) > 1
    for generation in set(generations):
        numbers = [row[0] for row in rows if row[6] == generation]
        assert numbers == list(range(1, len(numbers) + 1))
    assert re.search(r"generation\s+event\s+time", text_of(view, "history"))


def test_operations_are_numbered_by_their_ends_as_in_the_picture() -> None:
    made = stage()
    SCENES["transferred"](made)
    view = made.hub.entity("Account", "a").watch()
    rows = view._ask(view.sql).fetchall()
    ended = [row[-1] for row in rows if row[-1] is not None]
    assert sorted(ended) == list(range(1, len(ended) + 1))
    assert f"operations 1 to {len(ended)}" in "".join(Page(view.picture.decode()).texts)
    tell(view, "select", key=f"operation {rows[0][0]}")
    view.refresh()
    assert f"no. {rows[0][-1]}" in text_of(view, "detail")


def test_the_table_of_the_timeline_has_the_calls_of_its_picture() -> None:
    _, view = watched("failed")
    turn_to(view, "timeline")
    page = Page(view.timeline.decode())
    keys = [
        str(attributes["data-key"])
        for tag, attributes in page.tags
        if tag == "button" and "data-key" in attributes
    ]
    (first, *rows), number, sent = *rows_sent(view)["runs"], 0, []
    for row in rows:
        number += row[3]
        sent.append(f"call {row[2]} {number}")
    assert first == 0
    assert sorted(keys) == sorted(sent) == sorted(f"call 1 {call.number}" for call in view._picture.calls)  # type: ignore[union-attr]


def test_a_page_is_sent_only_the_calls_that_have_changed() -> None:
    made = stage()
    made.activity("slow", 10)

    def steps(context: Any) -> Any:
        yield context.task_all([context.call_activity("slow", part) for part in range(200)])

    made.orchestrator(steps)
    view = made.begin("steps", steps=1).watch(freeze=False)
    whole = rows_sent(view)
    assert (whole["base"], [len(run) - 1 for run in whole["runs"]]) == (0, [200])
    seen: list[dict[str, Any]] = []
    view.send = lambda message, *_: seen.append(message)  # type: ignore[method-assign]
    ended = made.hub.sql("select count(*) from activities where status = 'Completed'")
    while ended.fetchall()[0][0] < 3:
        made.hub.step()
        view.refresh()
    news = [message["timeline"] for message in seen if "timeline" in message]
    assert [one["base"] for one in news] == list(range(1, len(news) + 1))
    runs = [
        run for one in news for run in one["runs"]
    ]  # a call may be sent while it runs, and when it has ended
    assert len({position for first, *rows in runs for position in range(first, first + len(rows))}) == 3
    assert len(str(news)) < 2_000
    tell(view, "rows", id="another")  # what is asked of a view that this one isn't any more
    assert "timeline" not in seen[-1]


def test_ten_thousand_calls_are_a_few_bytes_each() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    spans = [
        Span("crunch", "activity", "completed", start, start + timedelta(milliseconds=3 * part),
             start + timedelta(milliseconds=3 * part + 50))
        for part in range(10_000)
    ]  # fmt: skip
    _, view = watched("completed")
    shown = view._look()
    calls = tuple(
        Call(1, part, "crunch", "activity", "completed", (span,)) for part, span in enumerate(spans)
    )
    news = TimelineFeed().news(replace(shown, calls=calls))
    assert len(json.dumps(news, separators=(",", ":"))) < 30 * len(calls)


def test_the_generations_of_a_continued_instance_are_opened_one_by_one() -> None:
    _, view = watched("continued")
    generations = rows_sent(view)["generations"]
    assert len(generations) == view._picture.executions > 2  # type: ignore[union-attr]
    assert [row[:2] for row in generations] == [(n + 1, n) for n in range(len(generations))]
    assert {row[-1] for row in generations[:-1]} == {"ContinuedAsNew"}
    tell(view, "select", key="generation 2")
    assert view.marked == ["generation 2"]
    text = text_of(view, "detail")
    assert "generation 1" in text
    assert "continued with" in text
    tell(view, "generation")
    assert view.tab == "history"
    here = [attributes for _, attributes in Page(view.history.decode()).tags if "data-here" in attributes]
    assert len(here) == 1
    tell(view, "select", key="generation 99")
    assert (view.marked, view.detail) == ([], b"")


def test_all_failures_of_a_wide_fan_out_are_drawn_and_counted_as_sql_counts_them() -> None:
    made, view = watched("fanned_wide")
    sql = "select count(*) from activities where status = 'Failed'"
    failures = made.hub.sql(sql).fetchall()[0][0]
    svg = view.graph.decode()
    title = re.search(r"<path[^>]*><title>(\d+) failed</title>", svg)
    path = re.search(r'<path d="([^"]*)"[^>]*><title>\d+ failed</title>', svg)
    assert title is not None
    assert path is not None
    assert int(title[1]) == path[1].count("M") == failures == 4


def test_a_filter_is_sql_that_can_be_had() -> None:
    _, view = watched("fanned")
    turn_to(view, "history")
    tell(view, "set", name="filter", value="TASKFAILED 17")
    assert text_of(view, "history").split("event", 1)[0].split()[-1] == "1"
    assert len(view.df()) == 1
    assert view.sql in Page(view.history.decode()).texts


def test_what_answers_is_found_by_the_name_of_what_was_asked_for() -> None:
    _, view = watched("completed")
    turn_to(view, "history")
    tell(view, "set", name="filter", value="charge")
    found = [(kind, name) for _, _, kind, name, *_ in view._ask(view.sql).fetchall()]
    assert found == [("TaskScheduled", "charge"), ("TaskCompleted", "charge")]
    assert "asked_name" in Page(view.history.decode()).text  # as the query that is shown says


def test_the_answers_of_other_executions_keep_their_own_names() -> None:
    _, view = watched("rewound")
    turn_to(view, "history")
    tell(view, "set", name="filter", value="broken")
    kinds = [row[2] for row in view._ask(view.sql).fetchall()]
    whole = view._ask("select count(*) from history where instance_id = 'doomed'").fetchall()[0][0]
    assert {"TaskScheduled", "TaskFailed", "TaskCompleted"} <= set(kinds)
    tell(view, "set", name="filter", value="")
    assert len(view.df()) == whole  # nothing is doubled


def test_the_cell_of_the_call_that_is_selected_has_a_ring() -> None:
    for scene, width in (("fanned", 8 + 5), ("fanned_wide", 5 + 5)):
        _, view = watched(scene)
        assert "<title>selected</title>" not in view.graph.decode()
        tell(view, "select", key="cell 1 17")
        ring = re.search(
            r'<rect x="([\d.]+)" y="([\d.]+)" width="(\d+)"[^>]*><title>selected<', view.graph.decode()
        )
        cells = re.search(r'<rect x="([\d.]+)" y="([\d.]+)"[^>]* data-size="(\d+)"', view.graph.decode())
        assert ring is not None
        assert cells is not None
        left, top, wide = map(float, ring.groups())
        x, y, pitch = map(float, cells.groups())
        assert (left + 2.5, top + 2.5, wide) == (x + 17 * pitch, y, width)


def test_a_call_that_is_selected_in_the_graph_is_marked_in_the_history() -> None:
    _, view = watched("fanned_wide")
    tell(view, "select", key="cell 1 900")
    turn_to(view, "history")
    tags = Page(view.history.decode()).tags
    assert "call 1 900" in [attributes["data-key"] for _, attributes in tags if "data-key" in attributes]
    assert [tag for tag, attributes in tags if "data-here" in attributes] == ["span"]
    view.refresh()
    tell(view, "look")
    assert "data-here" not in view.history.decode()  # the user may scroll away


def test_an_instance_that_is_not_there_is_not_opened() -> None:
    _, view = watched("completed")
    tell(view, "open", id="nobody")
    assert view.note == "There is no instance 'nobody'."
    assert "chain" in text_of(view, "head")


def test_a_child_is_opened_and_left_again() -> None:
    made, view = watched("failed")
    child = made.hub.sql("select instance_id from instances where name = 'doomed'").fetchall()[0][0]
    tell(view, "open", id=child)
    assert text_of(view, "head").split()[:3] == ["Back", "Failed", "doomed"]
    tell(view, "back")
    assert "Back" not in text_of(view, "head")


def test_a_view_becomes_the_still_picture_when_the_orchestration_has_ended() -> None:
    made = stage()
    handle = SCENES["waiting"](made)
    ticks = Ticks()
    view = LiveInstance(handle, ticks=ticks)
    assert view.refresh()
    ticks.now += 100
    handle.raise_event("Approval", 1)
    handle.wait()
    assert view.refresh()
    ticks.now += QUIET_SECONDS - 1
    assert view.refresh()
    tell(view, "look")
    ticks.now += QUIET_SECONDS - 1
    assert view.refresh()
    ticks.now += 1
    assert not view.refresh()
    assert view.is_frozen


def test_a_view_is_kept_as_a_picture_when_that_is_clicked(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[Output] = []
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: outputs.append(Output()) or outputs[-1])
    made = stage()
    views = [SCENES["waiting"](made).watch(), made.hub.watch()]
    assert b"Keep as picture" not in views[0].head + views[1].list.head
    for view, drawn in ((views[0], views[0]), (views[1], views[1].list)):
        view._ipython_display_()
        drawn.refresh()
        assert b"Keep as picture" in drawn.head
        tell(drawn, "keep")
        assert view.is_frozen
        assert 'title="still"' not in outputs[-1].shown["text/html"]
        assert "race" in outputs[-1].shown["text/html"]


def test_a_view_in_which_something_is_selected_stays_live() -> None:
    made = stage()
    handle = SCENES["waiting"](made)
    ticks = Ticks()
    view = LiveInstance(handle, ticks=ticks)
    tell(view, "select", key="step 1")
    handle.raise_event("Approval", 1)
    handle.wait()
    assert view.refresh()
    ticks.now += QUIET_SECONDS
    assert view.refresh()
    tell(view, "select", key="")
    ticks.now += QUIET_SECONDS
    assert not view.refresh()
    assert view.is_frozen


def test_a_view_of_a_closed_hub_says_that_it_is_closed() -> None:
    made = stage()
    views = every_view(made)
    made.hub.close()
    for view in views:
        tell(view, "look")
        assert not view.refresh()
        assert re.search(r"closed.* This is how it stood at \d\d:\d\d:\d\d\.$", view.note), view.note


def test_what_was_purged_leaves_the_hubs_list_by_itself() -> None:
    made = stage()
    for name in ("completed", "retried"):
        SCENES[name](made)
    view = made.hub.watch().list
    assert "chain" in text_of(view, "instances")
    made.hub.handle("chain").purge()
    view.refresh()
    assert "chain" not in text_of(view, "instances")
    assert "retrying" in text_of(view, "instances")
    assert "chain" not in text_of(view, "fleet")


def test_a_view_of_an_instance_that_was_purged_says_so() -> None:
    made, view = watched("completed")
    made.hub.handle("chain").purge()
    tell(view, "look")
    assert "purged" in view.note
    assert "This is how it stood at" in view.note


def test_a_view_that_is_on_no_page_any_more_is_drawn_no_more_until_it_is_on_one() -> None:
    made = stage()
    view = SCENES["waiting"](made).watch()
    assert view in refresh_loop
    tell(view, "here", page="a")
    tell(view, "here", page="b")
    tell(view, "gone", page="a")
    assert view in refresh_loop
    tell(view, "gone", page="b")
    assert view not in refresh_loop
    tell(view, "here", page="c")
    assert view in refresh_loop
    assert not view.is_frozen


def test_a_view_that_comes_back_when_all_is_over_becomes_the_still_picture() -> None:
    made = stage()
    handle = SCENES["waiting"](made)
    ticks = Ticks()
    view = LiveInstance(handle, ticks=ticks)
    tell(view, "here", page="a")
    tell(view, "gone", page="a")
    handle.raise_event("Approval", 1)
    handle.wait()
    tell(view, "here", page="b")
    ticks.now += QUIET_SECONDS
    view.refresh()
    assert view.is_frozen
    assert view not in refresh_loop


def test_a_view_that_is_closed_is_drawn_no_more() -> None:
    made = stage()
    SCENES["waiting"](made)
    hub = made.hub.watch()
    tell(hub.list, "select", key="instance race")
    first = hub.instance
    assert first is not None
    tell(hub.list, "select", key="instance race")
    assert hub.instance is None
    assert first not in refresh_loop
    hub.close()
    assert hub.list not in refresh_loop


def test_a_view_that_is_collected_while_another_one_begins_to_be_drawn_freezes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The collector runs finalizers on whichever thread allocates, so also on one that starts a thread."""
    made = stage()
    handle = SCENES["waiting"](made)
    old = handle.watch()
    old.close()
    thread = refresh_loop._thread
    if thread is not None:
        thread.join(20)  # it ends with the last view
    start = threading.Thread.start
    collected = threading.Event()

    def collecting(self: threading.Thread) -> None:
        if self.name == "durablenb-views":
            old.__del__()
            collected.set()
        start(self)

    monkeypatch.setattr(threading.Thread, "start", collecting)
    with ThreadPoolExecutor(1) as pool:
        view = pool.submit(handle.watch).result(20)
    assert collected.is_set()
    assert view in refresh_loop
    view.close()


class Still:
    """A view that has nothing to come; it can be collected at any moment."""

    def __init__(self) -> None:
        self.drawn = threading.Event()

    def refresh_if_free(self) -> bool:
        self.drawn.set()
        return False

    def refresh_finally(self) -> None:
        raise AssertionError("no hub is closed here")


def test_a_view_can_be_dropped_while_the_thread_that_does_it_holds_the_lock() -> None:
    other = RefreshLoop()
    views = [Still() for _ in range(3)]
    with other._lock:
        other._due = dict.fromkeys(views, 0.0)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(other.drop, views[0]).result(20)  # from another thread
        other.drop(views[1])  # from the same one, as a finalizer does
    other.drop(views[1])
    assert [view in other for view in views] == [False, False, True]
    assert len(other) == 1


def test_a_thread_that_could_not_start_is_started_for_the_next_view(monkeypatch: pytest.MonkeyPatch) -> None:
    other = RefreshLoop()

    def cannot(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", cannot)
        with pytest.raises(RuntimeError, match="start new thread"):
            other.add(Still())
    view = Still()
    other.add(view)
    assert view.drawn.wait(20)


def test_an_entity_that_is_clicked_in_the_hubs_list_is_shown_below_it() -> None:
    made = stage()
    SCENES["transferred"](made)
    hub = made.hub.watch()
    turn_to(hub.list, "entities")
    assert "@account@a" in text_of(hub.list, "entities")
    tell(hub.list, "set", name="filter", value="@account@b")
    assert "@account@a" not in text_of(hub.list, "entities")
    tell(hub.list, "select", key="entity @account@b")
    shown = hub.entity
    assert shown is not None
    assert hub.children == (hub.list, shown)
    assert "account" in text_of(shown, "head")
    tell(hub.list, "select", key="instance transfer")
    assert shown not in refresh_loop
    assert hub.entity is None
    hub.close()


# -- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("do", LOOKS)
def test_no_message_but_an_action_changes_the_journal_and_none_breaks_a_view(do: str) -> None:
    made = stage()
    views = every_view(made)
    before = last_seq(made)
    for view in views:
        tabs = view.TABS or ("",)
        for first, tab in enumerate(tabs):
            if tab:
                turn_to(view, tab)
            for place in range(first, len(ODD), len(tabs)):
                view._on_message(view, {"do": do, **dict.fromkeys(NAMES, ODD[place])}, [ODD[place]])
                if do == "set":
                    for name in ("status", "state") if place % 4 < 2 else ("filter", "name"):
                        tell(view, do, name=name, value=ODD[place])
        assert not view.is_frozen, (view.note, view)
        tell(view, "select", key="")
        assert view.refresh()
        harmless(html_of(view))
    assert last_seq(made) == before


def test_what_is_no_message_is_ignored() -> None:
    made, view = watched("waiting")
    before = last_seq(made)
    for message in (*ODD, {}, {"do": None}, {"do": []}, {1: 2, "do": "select"}, {"do": "_go_to"}):
        view._on_message(view, message, None)
        assert last_seq(made) == before, message
        assert view.refresh(), message


@pytest.mark.parametrize("action", ACTIONS)
def test_odd_actions_break_no_view(action: str) -> None:
    made = stage()
    SCENES["waiting"](made)
    views = (made.hub.handle("race").watch(freeze=False), made.hub.entity("Account", "a").watch())
    for view in views:
        for odd in ODD:
            view._on_message(view, {"do": action, **dict.fromkeys(NAMES, odd)}, None)
            tell(view, action, name=odd, fields={"data": odd, "operation": odd, "input": odd})
        harmless(html_of(view))


@pytest.mark.parametrize(
    ("scene", "action", "event"),
    [
        ("waiting", {"do": "raise", "name": "Approval", "fields": {"data": "[1, 2]"}}, "EventRaised"),
        ("waiting", {"do": "suspend"}, "ExecutionSuspended"),
        ("suspended", {"do": "resume"}, "ExecutionResumed"),
        ("waiting", {"do": "cancel"}, "ExecutionCancelRequested"),
        ("waiting", {"do": "terminate"}, "ExecutionTerminated"),
        ("failed", {"do": "rewind"}, "ExecutionRewound"),
    ],
)
def test_an_action_is_in_the_journal(scene: str, action: dict[str, Any], event: str) -> None:
    made, view = watched(scene)
    view._on_message(view, action, [])
    made.settle()
    kinds = {type(one).__name__ for one in made.hub.handle(view._handle.id).history()}
    assert event in kinds, (view.note, kinds)


@pytest.mark.parametrize(
    ("typed", "raised"),
    [('{"a": 1}', '{"a": 1}'), ("yes, please", '"yes, please"'), ("", "null"), ("17", "17")],
)
def test_what_is_typed_for_an_event_is_json_or_else_text(typed: str, raised: str) -> None:
    made, view = watched("waiting")
    tell(view, "raise", name="Approval", fields={"data": typed})
    made.settle()
    assert [one.input for one in made.hub.handle("race").history() if isinstance(one, EventRaised)] == [
        raised
    ]


def test_an_action_that_is_refused_says_why() -> None:
    made, view = watched("completed")
    before = last_seq(made)
    tell(view, "rewind")
    assert "did not fail" in view.note or "Completed" in view.note
    assert last_seq(made) == before


def test_a_signal_is_sent_to_the_entity() -> None:
    made = stage()
    view = made.hub.entity("Account", "a").watch()
    tell(view, "signal", fields={"operation": "deposit", "input": "5"})
    made.settle()
    assert made.hub.entity_state(df.EntityId("Account", "a"))["balance"] == 105


# -- threads -------------------------------------------------------------------------------------


def test_two_threads_click_while_the_engine_writes() -> None:
    with df.TaskHub(":memory:") as hub:
        hub.add_activity(lambda value: value, name="crunch")

        def wide(context):
            for _ in range(10):
                yield context.task_all([context.call_activity("crunch", part) for part in range(50)])

        hub.add_orchestrator(wide, "wide")
        handle = hub.start("wide", instance_id="wide")
        views: list[LiveView] = [handle.watch(freeze=False), handle.watch(freeze=False), hub.watch().list]
        clicks: list[dict[str, Any]] = [
            {"do": "page", "first": 100},
            {"do": "path"},
            {"do": "set", "name": "filter", "value": "crunch"},
            {"do": "turn", "first": 100},
        ]
        notes: set[str] = set()

        def click(number: int) -> None:
            while not done.is_set():
                for click in clicks:
                    for view in views[number:] + views[:number]:
                        if isinstance(view, LiveInstance):
                            turn_to(view, view.TABS[number])
                            tell(view, "select", key=f"call 1 {number}")
                        view._on_message(None, dict(click), None)
                        notes.add(view.note)

        done = threading.Event()
        with ThreadPoolExecutor(2) as pool:
            clicking = [pool.submit(click, number) for number in range(2)]
            try:
                handle.result(timeout=60)
            finally:
                done.set()
            for one in clicking:
                one.result(timeout=30)
        assert notes == {""}


def test_a_click_is_answered_at_once() -> None:
    _made, view = watched("fanned_wide")
    answers: list[Any] = []
    view.send = lambda content, buffers=None: answers.append(content)  # type: ignore[method-assign]
    tell(view, "select", key="step 1")
    view._on_message(None, "not even a message", None)
    assert answers == [{"heard": True}] * 2


# -- data is data --------------------------------------------------------------------------------

LIVE_TAGS = {*TAGS, *MARKS, "button", "form", "input", "select", "option"} - {"img"}
NAMED = {
    "class",
    "style",
    "align",
    "open",
    "title",
    "role",
    "type",
    "placeholder",
    "autocomplete",
    "value",
    "selected",
}


def harmless(html: str) -> Page:
    """The HTML as a page, of which nothing but the known tags is a tag, and nothing is obeyed."""
    page = Page(html)
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag in LIVE_TAGS, tag
        style = attributes.get("style") or ""
        assert STYLES.sub("", style) == "", style
        for name, value in attributes.items():
            assert not name.startswith("on"), name
            assert "href" not in name
            assert "src" not in name
            if name not in ("aria-label", "placeholder", "value", "title") and not name.startswith("data-"):
                assert "url(" not in str(value)
    return page


@pytest.mark.parametrize("start", range(0, 200, 40))
def test_hostile_data_is_shown_and_obeyed_by_nobody(start: int) -> None:
    for text in PAYLOADS[start : start + 40 : 16]:
        made = Stage()
        view = hostile(text, made).watch(freeze=False)
        for key in ("step 1", "call 1 17"):
            tell(view, "select", key=key)
            for tab in view.TABS:
                turn_to(view, tab)
            harmless(html_of(view))  # what was drawn in a tab stays
        tell(view, "set", name="name", value=text)
        tell(view, "set", name="filter", value=text)
        harmless(html_of(view))
        hub = made.hub.watch()
        tell(hub.list, "set", name="filter", value=text[:40])
        harmless(html_of(hub.list))
        entity, handle = hostile_entity(text, made)
        entity_view = entity.watch()
        for (seq,) in hub.list._hub._relation("select seq from entity_operations").fetchall():
            tell(entity_view, "select", key=f"operation {seq}")
            harmless(html_of(entity_view))
        harmless(html_of(handle.watch(freeze=False)))
        made.hub.close()


# -- what is sent to the page --------------------------------------------------------------------


def test_the_module_and_the_style_sheet_are_small() -> None:
    assert len(LiveView._css) < 30_000
    assert len(LiveView._esm) < 120_000


def test_a_virtual_clock_is_moved_from_the_view() -> None:
    clock = df.VirtualClock(autojump=False)
    with df.TaskHub(":memory:", clock=clock) as hub:

        @hub.orchestrator
        def patient(context: Any) -> Any:
            for hours in (1, 71):
                yield context.create_timer(context.current_utc_datetime + timedelta(hours=hours))
            return "at last"

        handle = hub.start(patient)
        hub.clock.advance()
        view = handle.watch(freeze=False)
        assert "virtual clock: 2026-01-01 00:00:00, next deadline in 60 min" in view.head.decode()
        view._on_message(None, {"do": "jump"}, None)
        assert "virtual clock: 2026-01-01 01:00:00, next deadline in 71 h" in view.head.decode()
        view._on_message(None, {"do": "advance", "fields": {"hours": "soon"}}, None)
        assert view.note == "Give a number of hours, such as 72 or 0.5, not 'soon'."
        view._on_message(None, {"do": "advance", "fields": {"hours": "71"}}, None)
        assert handle.result() == "at last"
        assert "virtual clock" not in view.head.decode()
        view.close()


def test_a_fork_leads_to_its_origin() -> None:
    made, view = watched("fanned_wide")
    origin = view._handle
    fork = origin.fork()
    of_fork = fork.watch(freeze=False)
    assert f'data-id="{origin.id}"' in of_fork.head.decode()
    assert "forked from" in of_fork.head.decode()
    of_fork._on_message(None, {"do": "open", "id": origin.id}, None)
    assert of_fork._handle.id == origin.id
    of_fork.close()
    view.close()
    made.hub.close()


def test_the_forks_of_an_instance_are_links_in_its_head() -> None:
    made, view = watched("fanned")
    forks = [view._handle.fork(instance_id=f"fork-{number}") for number in range(5)]  # type: ignore[attr-defined]
    view._forks_at = 0.0  # they are asked for once in a second
    view.refresh()
    head = view.head.decode()
    assert re.findall(r'data-id="(fork-\d)"', head) == ["fork-0", "fork-1", "fork-2"]
    assert "forked as fork-0 , fork-1 , fork-2 and 2 more" in " ".join(text_of(view, "head").split())
    assert "forked as fork-0, fork-1, fork-2 and 2 more" in view.still()["text/html"]
    tell(view, "open", id=forks[1].id)
    assert "forked from" in view.head.decode()
    made.hub.close()


def test_a_virtual_clock_is_run_until_nothing_is_due() -> None:
    with df.TaskHub(":memory:", clock=df.VirtualClock(autojump=False)) as hub:

        @hub.orchestrator
        def remind(context: Any) -> Any:
            for _ in range(3):
                yield context.create_timer(context.current_utc_datetime + timedelta(days=1))
            yield context.wait_for_external_event("Answer")

        handle = hub.start(remind)
        hub.clock.advance()
        view = handle.watch(freeze=False)
        assert "Run until idle" in text_of(view, "head")
        tell(view, "idle")
        assert view.note == ""
        assert "virtual clock: 2026-01-04 00:00:00, nothing is due" in text_of(view, "head")
        assert "Run until idle" not in text_of(view, "head")
        view.close()


def test_a_hub_in_memory_says_so() -> None:
    made = stage()
    assert text_of(made.hub.watch().list, "head") == "TaskHub in memory: 0 open instances"


@pytest.mark.parametrize(
    ("text", "lines"), [("", 2), ("{\n}", 2), (f"a\n{'b' * 60}\nc", 4), ("a\n" * 50, 12)]
)
def test_a_field_is_as_high_as_its_text(text: str, lines: int) -> None:
    assert f'rows="{lines}"' in text_area("args", "arguments", text)
