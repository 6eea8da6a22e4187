"""The explorer without a browser: what it draws at each step, and what it makes of messages from the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

import durablenb as df
from durablenb.analysis.replays.questions import question_about
from durablenb.notebook.live.explorer import LiveExplorer
from durablenb.notebook.live.position import SPEEDS
from tests.notebook.hostile import ODD, PAYLOADS, hostile
from tests.notebook.reading import Page, scene, tell, text_of
from tests.notebook.scenes import SCENES, STUCK, Stage, chain, furnish, stage
from tests.notebook.test_live import Ticks
from tests.replay.test_experiments import fingerprint, shop


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_unseen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [one.getMessage() for one in caplog.records if "live view" in one.getMessage()] == []


def explored(name: str) -> tuple[Stage, LiveExplorer]:
    made = stage()
    return made, SCENES[name](made).explore()


def at(view: LiveExplorer) -> tuple[int, int]:
    """At which step of which replay it stands."""
    return view.step.replay, view.step.number


def rows(view: LiveExplorer, mark: str) -> list[str]:
    """The rows of the tables that are marked so, as text."""
    found = re.findall(rf'<tr class="[^"]*{mark}[^"]*".*?</tr>', view.body.decode(), re.DOTALL)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", one)).strip() for one in found]


# -- where it opens ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENES)
def test_every_state_can_be_explored(name: str) -> None:
    view = scene(name).explore()
    for region in view.REGIONS:
        Page(getattr(view, region).decode())
    assert view.note == ""
    if name in ("pending", "scheduled"):
        assert "has not run yet" in text_of(view, "head")
    else:
        assert at(view) == (len(view.replay), view.replay.count(len(view.replay)))
        assert 'aria-current="step"' in view.body.decode()
    view.close()


def test_a_failed_one_opens_where_it_raised() -> None:
    _, view = explored("refused")
    assert view.step.verdict == "raised"
    assert "300 is more than 100" in text_of(view, "says")
    assert "context.call_entity(A" in rows(view, "dnb-here")[0]


def test_a_held_one_opens_on_what_does_not_fit_both_sides_shown_with_the_remedy(tmp_path: Path) -> None:
    _, handle = STUCK["held"](tmp_path / "held.duckdb")
    view = handle.explore()
    assert view.step.verdict == "mismatch"
    assert re.search(
        r"field\s+recorded in the history\s+requested by the code\s+name\s+reserve\s+ship",
        text_of(view, "says"),
    )
    assert "Change the code back" in text_of(view, "says")
    assert rows(view, "dnb-hit")[0].startswith("3 TaskScheduled reserve #0")
    assert re.search(r"The code has changed .* does not fit", text_of(view, "head"))
    assert '+    yield context.call_activity("ship"' in text_of(view, "head")


def test_what_is_missing_is_said_and_the_explorer_goes_on_once_it_is_there(tmp_path: Path) -> None:
    made, handle = STUCK["without_code"](tmp_path / "missing.duckdb")
    view = handle.explore()
    assert "Run the cell that defines it" in text_of(view, "head")
    assert 'for name in ("reserve", "charge", "ship")' in text_of(view, "head")
    assert view.step is None
    tell(view, "go", id="first")
    tell(view, "play")
    assert view.note == ""
    furnish(made)
    view.refresh()
    assert text_of(view, "head").count("Run the cell") == 0


# -- going ---------------------------------------------------------------------------------------


def test_every_step_can_be_gone_to_and_back() -> None:
    _, view = explored("approved")
    replay = view.replay
    every = [(one, number) for one in range(1, len(replay) + 1) for number in range(1, replay.count(one) + 1)]
    tell(view, "go", id="first")
    there = [at(view)]
    for _ in every[1:]:
        tell(view, "go", id="next")
        there.append(at(view))
    assert there == every
    tell(view, "go", id="next")
    assert at(view) == every[-1]
    back = [at(view)]
    for _ in every[1:]:
        tell(view, "go", id="previous")
        back.append(at(view))
    assert back == every[::-1]
    tell(view, "go", id="previous")
    assert at(view) == every[0]


def test_replays_are_gone_through_by_their_ends() -> None:
    _, view = explored("approved")
    tell(view, "go", id="first")
    there = []
    for way in ("on", "on", "on", "back", "back", "back"):
        tell(view, "go", id=way)
        there.append(at(view))
    assert there == [(2, 2), (3, 3), (3, 3), (2, 2), (1, 1), (1, 1)]
    tell(view, "replay", id="2")
    assert at(view) == (2, 2)  # what was new in it
    tell(view, "set", name="step", value="1")
    assert at(view) == (2, 1)


def test_a_line_is_run_to_and_an_event_leads_to_the_step_that_it_answered() -> None:
    _, view = explored("looped")
    replay = view.replay
    tell(view, "set", name="step", value="1")
    timer = next(one.line for one in replay.trace.awaits if one.number == 2)
    tell(view, "line", id=str(timer))
    assert at(view) == (29, 2)
    tell(view, "line", id=str(timer))
    assert at(view) == (29, 4)
    tell(view, "line", id="1")
    assert at(view) == (29, 4)  # no await stands there
    for event in replay.trace.events:
        tell(view, "event", id=str(event.event_id))
        step = view.step
        assert view.note == ""
        kind = type(event).__name__
        if kind not in ("ExecutionStarted", "OrchestratorStarted"):
            assert event.event_id in (*step.requests, *step.answers)
        if kind == "OrchestratorStarted":
            assert replay.trace.episodes[step.replay - 1] is event


def test_what_a_step_is_about_stands_out_in_the_history() -> None:
    _, view = explored("completed")
    tell(view, "set", name="step", value="2")
    assert [row.split()[:2] for row in rows(view, "dnb-hit")] == [
        ["6", "TaskScheduled"],
        ["7", "TaskCompleted"],
    ]
    assert view.marked == ["call 1 1"]
    assert "charge is not run again" in text_of(view, "says")
    tell(view, "replay", id="2")
    assert [row.split()[0] for row in rows(view, "dnb-later")] == ["7", "8", "9", "10", "11", "12"]


def test_the_marks_say_what_came_of_each_line() -> None:
    _, view = explored("approved")
    tell(view, "replay", id="2")
    titles = re.findall(r'aria-label="(line \d+[^"]*)"', view.body.decode())
    assert [one.partition(", ")[2] for one in titles] == ["answered from the history", "waits"]


def test_what_changed_of_the_variables_is_marked() -> None:
    _, view = explored("completed")
    tell(view, "set", name="step", value="2")
    assert rows(view, "dnb-changed") == ["name &#x27;charge&#x27; new"]


def test_prints_are_struck_through_where_they_are_muted() -> None:
    made = stage()

    def talking(context):
        print("before <b>")
        yield context.call_activity("reserve", 1)
        print("after")
        yield context.call_activity("charge", 1)

    made.orchestrator(talking)
    view = made.done("talking").explore()
    tell(view, "replay", id="2")
    html = view.body.decode()
    assert "<s>before &lt;b&gt;</s> <small>muted</small>" in html
    assert "<li>after</li>" in html
    assert "is_replaying = False" in text_of(view, "body")
    tell(view, "go", id="previous")
    assert "is_replaying = True" in text_of(view, "body")
    assert "after" not in text_of(view, "body").partition("Printed")[2]


def test_the_ledger_counts_up_to_the_step() -> None:
    _, view = explored("completed")
    tell(view, "go", id="first")
    assert re.search(
        r"activities scheduled:\s+1\s*, once\s*awaits reached:\s+1\s+in 1 replay", text_of(view, "body")
    )
    tell(view, "go", id="last")
    assert re.search(
        r"activities scheduled:\s+3\s*, once each\s*awaits reached:\s+9\s+in 4 replays", text_of(view, "body")
    )


def test_a_cancelled_call_fails_at_the_await_and_its_event_is_named() -> None:
    def impatient(context):
        call = context.call_activity("reserve", 1)
        yield context.create_timer(context.current_utc_datetime)
        call.cancel()
        try:
            yield call
        except df.TaskCanceledError:
            return "cancelled"

    made = stage()
    made.hub.add_queue(df.Queue("shut", rate=(1, timedelta(days=1))))
    made.hub.add_activity(lambda n: n, "reserve", queue="shut")
    made.orchestrator(lambda context: (yield context.call_activity("reserve", 0)), "first")
    made.done("first")
    made.orchestrator(impatient)
    view = made.done("impatient").explore()
    tell(view, "go", id="last")
    tell(view, "go", id="previous")
    assert "It fails at once: the code has cancelled what it waits for." in text_of(view, "says")
    assert re.search(r"TaskCanceled\s+#0", text_of(view, "body"))


@pytest.mark.parametrize("name", ["approved", "looped", "retried", "immediate"])
def test_every_event_can_be_slid_to_and_shows_the_history_up_to_it(name: str) -> None:
    _, view = explored(name)
    replay = view.replay
    there = []
    for event in replay.trace.events:
        tell(view, "set", name="event", value=str(event.event_id))
        step = view.step
        known = replay.events_at(step)
        assert known >= event.event_id or step.number == replay.count(step.replay)
        assert f'value="{known}"' in view.controls.decode()
        there.append(at(view))
    assert there == sorted(there)
    assert there[-1] == (len(replay), replay.count(len(replay)))


# -- playing, stopping, guessing -----------------------------------------------------------------


def playing(name: str) -> tuple[LiveExplorer, Ticks]:
    """An explorer that plays by a clock of its own, from the start."""
    _, view = explored(name)
    ticks = Ticks()
    view._player.ticks = ticks
    tell(view, "go", id="first")
    return view, ticks


def test_it_plays_a_step_at_a_time_and_stops_at_the_end() -> None:
    view, ticks = playing("approved")
    tell(view, "set", name="speed", value="fast")
    tell(view, "play")
    there = [at(view)]
    for _ in range(20):
        ticks.now += SPEEDS["fast"]
        view.refresh()
        there.append(at(view))
    assert list(dict.fromkeys(there)) == [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]
    assert 'aria-pressed="true"' not in view.controls.decode().partition("Breakpoint")[0]
    tell(view, "play")  # once more, from the start of the replay
    assert at(view) == (3, 1)


def test_nothing_moves_before_its_time_and_every_key_stops_it() -> None:
    view, ticks = playing("approved")
    tell(view, "play")
    ticks.now += SPEEDS["1\N{MULTIPLICATION SIGN}"] - 0.01
    view.refresh()
    assert at(view) == (1, 1)
    tell(view, "go", id="next")
    ticks.now += 100
    view.refresh()
    assert at(view) == (2, 1)


@pytest.mark.parametrize(
    ("stop", "where"), [("line {line}", (2, 2)), ("event 9", (3, 2)), ("event 7", (2, 2))]
)
def test_it_stops_at_breakpoints_on_lines_and_on_events(stop: str, where: tuple[int, int]) -> None:
    view, ticks = playing("approved")
    tell(view, "stop", place=stop.format(line=view.replay.trace.awaits[1].line))
    assert "Clear 1 stop" in text_of(view, "controls")
    assert view.body.decode().count("dnb-stop") >= 1
    tell(view, "play")
    for _ in range(20):
        ticks.now += 1
        view.refresh()
    assert at(view) == where
    tell(view, "clear")
    tell(view, "play")
    for _ in range(20):
        ticks.now += 1
        view.refresh()
    assert at(view) == (3, 3)


def test_in_predict_mode_nothing_is_told_before_it_was_guessed() -> None:
    _, view = explored("approved")
    tell(view, "predict")
    tell(view, "replay", id="3")
    tell(view, "set", name="step", value="2")
    replay, step = view.replay, view.step
    question = question_about(replay, step)
    assert question.words in text_of(view, "says")
    for tell_tale in ("not run again", "in the history", "No answer yet"):
        assert tell_tale not in text_of(view, "says") + view.label
    assert rows(view, "dnb-hit") == rows(view, "dnb-later") == []
    assert view.marked == []
    assert "is_replaying = ?" in text_of(view, "body")
    assert "Up to here" not in text_of(view, "body")
    assert not re.search(r"then it|dnb-front|dnb-dot|of \d|disabled", view.controls.decode())
    assert "dnb-past" not in view.body.decode().partition("dnb-here")[2].partition("</tr>")[0]
    tell(view, "guess", id=str(question.right))
    assert re.search(
        rf"Right: {re.escape(question.options[question.right])}\..*1 right", text_of(view, "says")
    )
    assert "is_replaying = True" in text_of(view, "body")
    tell(view, "guess", id=str(1 - question.right))  # only the first guess counts
    assert "1 right, 0 wrong" in text_of(view, "says")
    tell(view, "replay", id="2")
    question = question_about(replay, view.step)
    tell(view, "guess", id=str((question.right + 1) % len(question.options)))
    assert re.search(r"Not quite: .*1 right, 1 wrong", text_of(view, "says"), re.DOTALL)
    tell(view, "predict")
    tell(view, "go", id="previous")
    assert "right" not in text_of(view, "says")


def test_the_history_ends_where_the_code_looks_while_a_guess_is_open() -> None:
    _, view = explored("completed")
    tell(view, "predict")
    for number in (1, 2, 3):
        tell(view, "replay", id=str(number))
        listed = re.findall(r"event ([\d,]+), (\w+)", view.body.decode())
        assert listed[-1][1] == "OrchestratorStarted"
        assert sum(kind == "OrchestratorStarted" for _, kind in listed) == number


# -- what happens meanwhile ----------------------------------------------------------------------


def test_it_follows_a_running_one_and_says_what_is_newer_to_who_stepped_back() -> None:
    made = stage()
    handle = made.begin("chain", 1, steps=1)
    view = handle.explore()
    assert at(view) == (1, 1)
    made.hub.step()
    made.hub.step()
    view.refresh()
    assert at(view) == (2, 2)
    tell(view, "go", id="first")
    made.settle()
    view.refresh()
    assert at(view) == (1, 1)
    assert "2 newer" in text_of(view, "controls")
    tell(view, "go", id="last")
    assert at(view) == (4, 4)
    assert "newer" not in text_of(view, "controls")


def test_a_held_one_whose_code_is_fixed_is_said_to_fit_and_nothing_else(tmp_path: Path) -> None:
    made, handle = STUCK["held"](tmp_path / "held.duckdb")
    view = handle.explore()
    assert "no longer fits" in text_of(view, "head")
    made.orchestrator(chain)
    view.refresh()
    assert "now fits the history: the instance resumes when the hub next runs" in text_of(view, "head")
    assert "no longer fits" not in text_of(view, "head")
    made.settle()
    view.refresh()
    assert "Held" not in text_of(view, "head")


def test_it_notices_that_the_code_was_changed() -> None:
    made, view = explored("completed")
    tell(view, "go", id="first")

    def chain(context):
        yield context.call_activity("reserve", context.get_input())
        yield context.call_activity("ship", context.get_input())

    made.orchestrator(chain)
    view.refresh()
    assert view.step.verdict == "mismatch"
    assert "The code has changed since this execution began" in text_of(view, "head")


def test_a_call_that_is_selected_in_another_view_is_gone_to_and_the_other_way_round() -> None:
    made, view = explored("completed")
    other = made.hub.handle("chain").watch(freeze=False)
    other.selected = "call 1 1"
    view.refresh()
    assert at(view) == (4, 2)
    tell(view, "event", id="4")
    assert other.selected == "call 1 0"
    assert at(view) == (4, 1)


# -- trying --------------------------------------------------------------------------------------


def test_a_change_is_tried_on_a_copy_and_taken_back() -> None:
    hub, handle, calls = shop()
    calls.clear()
    before = fingerprint(hub)
    view = handle.explore()
    tell(view, "try", id="without")
    assert view.banner == b""  # no event was chosen
    tell(view, "event", id="4")
    assert re.search(r"What if, in a copy:\s+event 4\s+TaskCompleted #0", text_of(view, "body"))
    tell(view, "try", id="edited", fields={"value": '{"paid": 1}'})
    assert re.search(r"This is a copy with\s+1 change\s*; the journal is as it was", text_of(view, "banner"))
    assert view.step.verdict == "mismatch"
    tell(view, "event", id="4")
    tell(view, "try", id="until")
    assert view.step.verdict == "answered" or view.step.verdict == "waits"
    tell(view, "undo")
    assert "1 change" in text_of(view, "banner")
    tell(view, "reset")
    assert view.banner == b""
    assert view.replay.fits
    assert calls == []
    assert fingerprint(hub) == before


def test_a_copy_goes_on_in_a_hub_of_its_own() -> None:
    hub, handle, calls = shop()
    calls.clear()
    before = fingerprint(hub)
    view = handle.explore()
    tell(view, "event", id="4")
    tell(view, "try", id="until")
    tell(view, "run")
    assert view.note == "The copy was resumed: Completed."
    assert calls == [("ship", "order-1")]
    assert "resumed in a hub of its own" in text_of(view, "banner")
    assert view.step.verdict == "returned"
    assert fingerprint(hub) == before


def test_what_cannot_be_tried_is_said() -> None:
    _, handle, _ = shop()
    view = handle.explore()
    tell(view, "event", id="1")
    tell(view, "try", id="without")
    assert "it has to stay there" in view.note
    tell(view, "try", id="until")
    assert "the code has not run yet" in view.note
    assert view.banner == b""
    tell(view, "event", id="99")
    assert view.note == "There is no event 99."


# -- the still form ------------------------------------------------------------------------------


def test_it_freezes_into_the_storyboard_without_anybodys_variables() -> None:
    made = stage()

    def secretive(context):
        password = "hunter2"
        yield context.call_activity("reserve", len(password))

    made.orchestrator(secretive)
    view = made.done("secretive").explore()
    tell(view, "set", name="step", value="1")
    assert "hunter2" in text_of(view, "body")
    still = view.still()
    shown = still["text/html"] + "".join(one.svg for one in Page(still["text/html"]).pictures)
    assert shown.count("hunter2") == shown.count(
        "password = &quot;hunter2&quot;"
    )  # the code has it, the values don't
    assert still["text/plain"] == "<Replay of secretive: 2 replays, 1 await>"
    view.freeze()
    assert view.is_frozen


# -- odd messages --------------------------------------------------------------------------------

NAMES = ("id", "name", "value", "place", "first", "fields", "key", "extra")


DOES = (
    *("go", "play", "replay", "line", "event", "turn", "set", "stop", "clear", "predict", "guess", "try"),
    *("undo", "reset", "select", "look"),
)


def test_odd_messages_do_no_harm() -> None:
    made, view = explored("approved")
    before = fingerprint(made.hub)
    for do in DOES:
        for value in ODD:
            tell(view, do, id=value)
            tell(view, do, **dict.fromkeys(NAMES, value))
        tell(view, "go", id="first")
        assert at(view) == (1, 1)
        harmless(view)
    assert fingerprint(made.hub) == before


def test_names_and_values_are_shown_and_obeyed_by_nobody() -> None:
    made = stage()
    for text in PAYLOADS[::2]:
        view = hostile(text, made).explore()
        for way in ("first", "on", "on", "last"):
            tell(view, "go", id=way)
            harmless(view)
        tell(view, "event", id="4")
        tell(view, "try", id="edited", fields={"value": text})
        harmless(view)
        view.close()


def harmless(view: LiveExplorer) -> None:
    for region in view.REGIONS:
        page = Page(getattr(view, region).decode())
        assert page.open == []
        for tag, attributes in page.tags:
            assert tag not in ("script", "style", "a", "img", "iframe", "object", "embed")
            assert all(not name.startswith("on") and name not in ("href", "src") for name in attributes)


def test_a_long_orchestration_is_a_window() -> None:
    hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock(), durability="pipelined")
    hub.add_activity(lambda n: n + 1, name="count")

    @hub.orchestrator
    def long(context):
        total = 0
        for _ in range(500):
            total = yield context.call_activity("count", total)
        return total

    handle = hub.start(long, instance_id="long")
    handle.result()
    view = handle.explore()
    for way in ("last", "previous", "back", "first", "next"):
        tell(view, "go", id=way)
        assert sum(len(getattr(view, region)) for region in view.REGIONS) < 60_000
    assert len(view.still()["text/html"]) < 150_000
    assert at(view) == (2, 1)


def test_it_follows_a_hub_that_works_in_threads_of_its_own() -> None:
    with df.TaskHub(":memory:") as hub:
        hub.add_activity(lambda n: n + 1, name="count")

        @hub.orchestrator
        def waiting(context):
            first = yield context.wait_for_external_event("Go")
            return (yield context.call_activity("count", first))

        handle = hub.start(waiting, instance_id="w")
        view = handle.explore()
        handle.raise_event("Go", 1)
        assert handle.result() == 2
        view.refresh()
        assert view.step.verdict == "returned"
        view.close()


def test_a_type_that_is_missing_is_said_and_the_explorer_goes_on_once_it_is_there(tmp_path: Path) -> None:
    @dataclass
    class Order:
        number: int

    def take(context):
        order = yield context.call_activity("make", 7)
        return order.number

    def opened() -> df.TaskHub:
        hub = df.TaskHub(tmp_path / "orders.duckdb", mode="kernel", clock=df.VirtualClock())
        hub.add_orchestrator(take)
        return hub

    with opened() as hub:
        hub.register_type(Order, name="Order")
        hub.add_activity(Order, name="make")
        assert hub.run("take", instance_id="take") == 7
    with opened() as hub:
        view = hub.handle("take").explore()
        assert "Order" in text_of(view, "head")
        assert view.step is None
        hub.register_type(Order, name="Order")
        view.refresh()
        assert view.step.verdict == "returned"
        view.close()
