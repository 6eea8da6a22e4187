"""Live views without a browser: what they draw, what they make of messages from the page."""

from __future__ import annotations

import itertools
import json
import logging
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

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
from tests.notebook.hostile import ODD, PAYLOADS, harmless_view, hostile, hostile_entity
from tests.notebook.reading import Page, scene, sent_by, tell, text_of, turn_to, watched
from tests.notebook.scenes import SCENES, Stage, stage

ACTIONS = (
    *("raise", "cancel", "terminate", "suspend", "resume", "rewind", "restart", "purge", "signal"),
    *("jump", "advance", "approve", "deny"),
)


LOOKS = ("select", "page", "set", "turn", "rows", "generation", "path", "open")
LOOKS_WITHOUT_VALUES = ("back", "look", "nothing of the kind", "")
NAMES = ("key", "first", "left", "right", "name", "value", "id", "fields", "sure", "extra")


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_unseen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []


class Ticks:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def timed() -> tuple[df.Handle, LiveInstance, Ticks]:
    """An instance that waits for an event, with a view that has a clock of its own."""
    handle, ticks = SCENES["waiting"](stage()), Ticks()
    return handle, LiveInstance(handle, ticks=ticks), ticks


def approve(handle: df.Handle) -> None:
    handle.raise_event("Approval", 1)
    handle.wait()


def last_seq(made: Stage) -> int:
    return made.hub._store.last_seq()


def every_view(made: Stage) -> list[LiveView]:
    """A view of the hub, and of an entity and an instance of it."""
    SCENES["transferred"](made)
    SCENES["fanned"](made)
    waiting = SCENES["waiting"](made)
    return [made.hub.watch().list, made.hub.entity("Account", "a").watch(), waiting.watch(freeze=False)]


# -- what is drawn -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENES)
def test_every_state_is_drawn_in_every_tab_for_light_and_dark_pages(name: str) -> None:
    handle = scene(name)
    view = handle.watch(freeze=False)
    assert f'aria-label="{handle.status().runtime_status}"' in view.head.decode()
    for tab in view.TABS:
        turn_to(view, tab)
        assert getattr(view, tab), tab
    harmless_view(view)
    assert view.note == ""
    for region in view.REGIONS:  # a colour that isn't a token is the same on a dark page
        assert re.findall(r'="(#[0-9a-fA-F]{3,6})"', getattr(view, region).decode()) == [], region


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
    sent = sent_by(view)
    turn_to(view, "timeline")
    tell(view, "rows", id=re.search(r'data-timeline="(\w+)"', view.timeline.decode())[1])
    return next(message["timeline"] for message in reversed(sent) if "timeline" in message)


def on_path(view: LiveInstance) -> list[Any]:
    """The attempts and pauses that the page is told are on the critical path, in the order of time."""
    calls = view._picture.calls
    spans = [(*calls[call].attempts, *calls[call].pauses)[place] for call, place in rows_sent(view)["path"]]
    return sorted(spans, key=lambda span: (span.scheduled, span.ended))


@pytest.mark.parametrize("count", [3, 60])
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
    assert '<div class="dnb-wide dnb-stacked"><table' in view.detail.decode()  # it scrolls within the card


def test_the_numbers_in_a_history_are_those_that_fork_takes() -> None:
    made = stage()
    made.done("chain")
    handle = made.done("fan_out", 5)
    view = handle.watch(freeze=False)
    turn_to(view, "history")
    numbers = [row[0] for row in view._ask(view.sql).fetchall()]
    assert numbers == [*range(1, len(numbers) + 1)] == [event.event_id for event in view._following.events]
    assert re.search(r"event\s+time", text_of(view, "history"))
    assert "generation" not in text_of(view, "history").partition("SQL")[0]
    assert handle.fork(at=numbers[-3]).status().forked_at == numbers[-3]


def test_the_history_of_a_continued_instance_names_the_generation_of_each_event() -> None:
    view = scene("continued").watch(freeze=False)
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
    view = scene("failed").watch(freeze=False)
    turn_to(view, "timeline")
    tags = Page(view.timeline.decode()).tags
    keys = [attributes.get("data-key") for tag, attributes in tags if tag == "button"]
    (first, *rows), number, sent = *rows_sent(view)["runs"], 0, []
    for row in rows:
        number += row[3]
        sent.append(f"call {row[2]} {number}")
    assert first == 0
    assert (
        sorted(filter(None, keys))
        == sorted(sent)
        == sorted(f"call 1 {call.number}" for call in view._picture.calls)
    )


def test_a_page_is_sent_only_the_calls_that_have_changed() -> None:
    made = stage()
    made.activity("slow", 10)

    def steps(context: Any) -> Any:
        yield context.task_all([context.call_activity("slow", part) for part in range(200)])

    made.orchestrator(steps)
    view = made.begin("steps", steps=1).watch(freeze=False)
    whole = rows_sent(view)
    assert (whole["base"], [len(run) - 1 for run in whole["runs"]]) == (0, [200])
    seen = sent_by(view)
    ended = made.hub.sql("select count(*) from activities where status = 'Completed'")
    while ended.fetchall()[0][0] < 3:
        made.hub.step()
        view.refresh()
    news = [message["timeline"] for message in seen if "timeline" in message]
    assert [one["base"] for one in news] == list(range(1, len(news) + 1))
    runs = [run for one in news for run in one["runs"]]  # a call may be sent while it runs, and at its end
    assert len({position for first, *rows in runs for position in range(first, first + len(rows))}) == 3
    assert len(str(news)) < 2_000
    tell(view, "rows", id="another")  # what is asked of a view that this one isn't any more
    assert "timeline" not in seen[-1]


def test_ten_thousand_calls_are_a_few_bytes_each() -> None:
    at = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=n) for n in range(30_050)]
    calls = tuple(
        Call(1, part, "crunch", "activity", "completed", (span,))
        for part in range(10_000)
        for span in [Span("crunch", "activity", "completed", at[0], at[3 * part], at[3 * part + 50])]
    )
    news = TimelineFeed().news(replace(scene("completed")._shown(), calls=calls))
    assert len(json.dumps(news, separators=(",", ":"))) < 30 * len(calls)


def test_the_generations_of_a_continued_instance_are_opened_one_by_one() -> None:
    view = scene("continued").watch(freeze=False)
    generations = rows_sent(view)["generations"]
    assert len(generations) == view._picture.executions > 2
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
    handle = scene("fanned_wide")
    view = handle.watch(freeze=False)
    ((failures,),) = handle.hub.sql("select count(*) from activities where status = 'Failed'").fetchall()
    path = re.search(r'<path d="([^"]*)"[^>]*><title>(\d+) failed</title>', view.graph.decode())
    assert path[1].count("M") == int(path[2]) == failures == 4


def test_a_filter_is_sql_that_can_be_had() -> None:
    view = scene("fanned").watch(freeze=False)
    turn_to(view, "history")
    tell(view, "set", name="filter", value="TASKFAILED 17")
    assert text_of(view, "history").split("event", 1)[0].split()[-1] == "1"
    assert len(view.df()) == 1
    assert view.sql in Page(view.history.decode()).texts


def test_what_answers_is_found_by_the_name_of_what_was_asked_for_in_each_execution() -> None:
    view = scene("completed").watch(freeze=False)
    turn_to(view, "history")
    tell(view, "set", name="filter", value="charge")
    found = [(kind, name) for _, _, kind, name, *_ in view._ask(view.sql).fetchall()]
    assert found == [("TaskScheduled", "charge"), ("TaskCompleted", "charge")]
    assert "asked_name" in text_of(view, "history")  # as the query that is shown says
    view = scene("rewound").watch(freeze=False)
    turn_to(view, "history")
    tell(view, "set", name="filter", value="broken")
    kinds = {row[2] for row in view._ask(view.sql).fetchall()}
    assert {"TaskScheduled", "TaskFailed", "TaskCompleted"} <= kinds
    ((whole,),) = view._ask("select count(*) from history where instance_id = 'doomed'").fetchall()
    tell(view, "set", name="filter", value="")
    assert len(view.df()) == whole  # nothing is doubled


@pytest.mark.parametrize(("name", "width"), [("fanned", 8 + 5), ("fanned_wide", 5 + 5)])
def test_the_cell_of_the_call_that_is_selected_has_a_ring(name: str, width: int) -> None:
    view = scene(name).watch(freeze=False)
    assert "<title>selected</title>" not in view.graph.decode()
    tell(view, "select", key="cell 1 17")
    place, svg = r'<rect x="([\d.]+)" y="([\d.]+)"', view.graph.decode()
    left, top, wide = map(float, re.search(rf'{place} width="(\d+)"[^>]*><title>selected<', svg).groups())
    x, y, pitch = map(float, re.search(rf'{place}[^>]* data-size="(\d+)"', svg).groups())
    assert (left + 2.5, top + 2.5, wide) == (x + 17 * pitch, y, width)
    tell(view, "select", key="")


def test_a_call_that_is_selected_in_the_graph_is_marked_in_the_history() -> None:
    view = scene("fanned_wide").watch(freeze=False)
    tell(view, "select", key="cell 1 900")
    turn_to(view, "history")
    tags = Page(view.history.decode()).tags
    assert "call 1 900" in [attributes["data-key"] for _, attributes in tags if "data-key" in attributes]
    assert [tag for tag, attributes in tags if "data-here" in attributes] == ["span"]
    view.refresh()
    tell(view, "look")
    assert "data-here" not in view.history.decode()  # the user may scroll away
    tell(view, "select", key="")


def test_a_child_is_opened_and_left_again_and_what_is_not_there_is_not_opened() -> None:
    handle = scene("failed")
    view = handle.watch(freeze=False)
    ((child,),) = handle.hub.sql("select instance_id from instances where name = 'doomed'").fetchall()
    tell(view, "open", id="nobody")
    assert view.note == "There is no instance 'nobody'."
    assert "family" in text_of(view, "head")
    tell(view, "open", id=child)
    assert text_of(view, "head").split()[:3] == ["Back", "Failed", "doomed"]
    tell(view, "back")
    assert "Back" not in text_of(view, "head")


def test_a_view_becomes_the_still_picture_some_time_after_the_orchestration_has_ended() -> None:
    handle, view, ticks = timed()
    assert view.refresh()
    ticks.now += 100
    approve(handle)
    assert view.refresh()
    for do in ("look", "nothing"):
        ticks.now += QUIET_SECONDS - 1
        assert view.refresh()
        tell(view, do)
    ticks.now += QUIET_SECONDS - 1
    assert view.refresh()
    ticks.now += 1
    assert not view.refresh()
    assert view.is_frozen


def test_a_view_is_kept_as_a_picture_when_that_is_clicked(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[Mock] = []
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: outputs.append(Mock()) or outputs[-1])
    made = stage()
    views = [SCENES["waiting"](made).watch(), made.hub.watch()]
    assert b"Keep as picture" not in views[0].head + views[1].list.head
    for view, drawn in ((views[0], views[0]), (views[1], views[1].list)):
        view._ipython_display_()
        drawn.refresh()
        assert b"Keep as picture" in drawn.head
        tell(drawn, "keep")
        assert view.is_frozen
        still = outputs[-1].update.call_args.args[0]["text/html"]
        assert 'title="still"' not in still
        assert "race" in still


def test_a_view_in_which_something_is_selected_stays_live() -> None:
    handle, view, ticks = timed()
    tell(view, "select", key="step 1")
    approve(handle)
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


def test_what_was_purged_leaves_the_hubs_list_by_itself_and_its_own_view_says_so() -> None:
    made = stage()
    for name in ("completed", "retried"):
        SCENES[name](made)
    hub, view = made.hub.watch().list, made.hub.handle("chain").watch(freeze=False)
    assert "chain" in text_of(hub, "instances")
    made.hub.handle("chain").purge()
    hub.refresh()
    assert "chain" not in text_of(hub, "instances") + text_of(hub, "fleet")
    assert "retrying" in text_of(hub, "instances")
    tell(view, "look")
    assert re.search("purged.* This is how it stood at", view.note)


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


def test_a_page_may_be_reported_gone_before_it_is_reported_here() -> None:
    made = stage()
    view = SCENES["waiting"](made).watch()
    tell(view, "here", page="a")
    tell(view, "gone", page="b")  # in a subshell, while a cell keeps the report that came before it waiting
    assert view in refresh_loop
    tell(view, "here", page="b")
    tell(view, "gone", page="a")
    assert view not in refresh_loop


def test_a_page_may_go_and_come_back() -> None:
    made = stage()
    view = SCENES["waiting"](made).watch()
    for what in ("here", "here", "gone"):  # the browser showed it again; the reports were swapped
        tell(view, what, page="a")
    assert view in refresh_loop
    tell(view, "gone", page="a")
    assert view not in refresh_loop


def test_a_view_that_comes_back_when_all_is_over_becomes_the_still_picture() -> None:
    handle, view, ticks = timed()
    tell(view, "here", page="a")
    tell(view, "gone", page="a")
    approve(handle)
    tell(view, "here", page="b")
    ticks.now += QUIET_SECONDS
    view.refresh()
    assert view.is_frozen
    assert view not in refresh_loop


def test_what_is_clicked_in_the_hubs_list_is_shown_below_it_until_it_is_clicked_again() -> None:
    made = stage()
    SCENES["transferred"](made)
    hub = made.hub.watch()
    turn_to(hub.list, "entities")
    assert "@account@a" in text_of(hub.list, "entities")
    tell(hub.list, "set", name="filter", value="@account@b")
    assert "@account@a" not in text_of(hub.list, "entities")
    tell(hub.list, "select", key="entity @account@b")
    entity = hub.entity
    assert hub.children == (hub.list, entity)
    assert "account" in text_of(entity, "head")
    tell(hub.list, "select", key="instance transfer")
    assert hub.entity is None
    assert entity not in refresh_loop
    instance = hub.instance
    assert instance in refresh_loop
    tell(hub.list, "select", key="instance transfer")
    assert hub.instance is None
    assert instance not in refresh_loop
    hub.close()
    assert hub.list not in refresh_loop


@pytest.mark.usefixtures("drawing_thread")
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


# -- messages ------------------------------------------------------------------------------------


def test_no_message_but_an_action_changes_the_journal_and_none_breaks_a_view() -> None:
    made = stage()
    views = every_view(made)
    before = last_seq(made)
    for view, do in itertools.product(views, LOOKS + LOOKS_WITHOUT_VALUES):
        tabs = view.TABS or ("",)
        odd = ODD if do in LOOKS else ODD[::5]
        for first, tab in enumerate(tabs):
            if tab:
                turn_to(view, tab)
            for place in range(first, len(odd), len(tabs)):
                view._on_message(view, {"do": do, **dict.fromkeys(NAMES, odd[place])}, [odd[place]])
                if do == "set":
                    for name in ("status", "state") if place % 4 < 2 else ("filter", "name"):
                        tell(view, do, name=name, value=odd[place])
        assert not view.is_frozen, (view.note, view)
        tell(view, "select", key="")
        assert view.refresh()
        harmless_view(view)
        assert last_seq(made) == before, do


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
        harmless_view(view)


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
    inputs = [one.input for one in made.hub.handle("race").history() if isinstance(one, EventRaised)]
    assert inputs == [raised]


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


@pytest.mark.usefixtures("drawing_thread")
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
    view = scene("fanned_wide").watch(freeze=False)
    answers = sent_by(view)
    tell(view, "select", key="step 1")
    view._on_message(None, "not even a message", None)
    assert answers == [{"heard": True}] * 2
    tell(view, "select", key="")


# -- data is data --------------------------------------------------------------------------------


@pytest.mark.parametrize("start", range(3))
def test_hostile_data_is_shown_and_obeyed_by_nobody(start: int) -> None:
    made = Stage()
    for text in PAYLOADS[start::9]:
        handle = hostile(text, made)
        view = handle.watch(freeze=False)
        for key in ("step 1", "call 1 17"):
            tell(view, "select", key=key)
            for tab in view.TABS:
                turn_to(view, tab)
            harmless_view(view)  # what was drawn in a tab stays
        tell(view, "set", name="name", value=text)
        tell(view, "set", name="filter", value=text)
        harmless_view(view)
        hub = made.hub.watch()
        tell(hub.list, "set", name="filter", value=text[:40])
        harmless_view(hub.list)
        entity, caller = hostile_entity(text, made)
        entity_view = entity.watch()
        query = "select seq from entity_operations where instance_id = $id"
        for (seq,) in made.hub.sql(query, {"id": str(entity.entity_id)}).fetchall():
            tell(entity_view, "select", key=f"operation {seq}")
            harmless_view(entity_view)
        harmless_view(caller.watch(freeze=False))
        for open_view in (view, hub, entity_view):
            open_view.close()


# -- what is sent to the page --------------------------------------------------------------------


def test_the_module_and_the_style_sheet_are_small() -> None:
    assert len(LiveView._css) < 30_000
    assert len(LiveView._esm) < 120_000


def test_a_virtual_clock_is_moved_from_the_view_to_a_deadline_by_hours_or_until_nothing_is_due() -> None:
    with df.TaskHub(":memory:", clock=df.VirtualClock(autojump=False)) as hub:

        @hub.orchestrator
        def patient(context: Any) -> Any:
            for hours in (1, 71, 24, 24):
                yield context.create_timer(context.current_utc_datetime + timedelta(hours=hours))
            yield context.wait_for_external_event("Answer")

        handle = hub.start(patient)
        hub.clock.advance()
        view = handle.watch(freeze=False)
        assert "virtual clock: 2026-01-01 00:00:00, next deadline in 60 min" in view.head.decode()
        tell(view, "jump")
        assert "virtual clock: 2026-01-01 01:00:00, next deadline in 71 h" in view.head.decode()
        tell(view, "advance", fields={"hours": "soon"})
        assert view.note == "Give a number of hours, such as 72 or 0.5, not 'soon'."
        tell(view, "advance", fields={"hours": "71"})
        assert "virtual clock: 2026-01-04 00:00:00, next deadline in 24 h" in view.head.decode()
        assert "Run until idle" in text_of(view, "head")
        tell(view, "idle")
        assert view.note == ""
        assert "virtual clock: 2026-01-06 00:00:00, nothing is due" in text_of(view, "head")
        assert "Run until idle" not in text_of(view, "head")
        handle.raise_event("Answer")
        handle.wait()
        view.refresh()
        assert "virtual clock" not in view.head.decode()


def test_the_forks_of_an_instance_are_links_in_its_head_and_lead_back_to_it() -> None:
    made, view = watched("fanned")
    forks = [made.hub.handle("fan_out").fork(instance_id=f"fork-{number}") for number in range(5)]
    view._forks_at = 0.0  # they are asked for once in a second
    view.refresh()
    assert re.findall(r'data-id="(fork-\d)"', view.head.decode()) == ["fork-0", "fork-1", "fork-2"]
    assert "forked as fork-0 , fork-1 , fork-2 and 2 more" in " ".join(text_of(view, "head").split())
    assert "forked as fork-0, fork-1, fork-2 and 2 more" in view.still()["text/html"]
    tell(view, "open", id=forks[1].id)
    assert "forked from" in view.head.decode()
    assert 'data-id="fan_out"' in view.head.decode()
    tell(view, "open", id="fan_out")
    assert view._handle.id == "fan_out"


def test_a_hub_in_memory_says_so() -> None:
    made = stage()
    assert text_of(made.hub.watch().list, "head") == "TaskHub in memory: 0 open instances"


@pytest.mark.parametrize(
    ("text", "lines"), [("", 2), ("{\n}", 2), (f"a\n{'b' * 60}\nc", 4), ("a\n" * 50, 12)]
)
def test_a_field_is_as_high_as_its_text(text: str, lines: int) -> None:
    assert f'rows="{lines}"' in text_area("args", "arguments", text)
