"""The progress of an orchestration: what is counted, how it is told, and that looking on changes nothing."""

from __future__ import annotations

import asyncio
import io
import re
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient

import durablenb as df
from durablenb.analysis.calls import read_calls
from durablenb.analysis.progress import RECENT, EndedCounter, ProgressCounter, ProgressSnapshot, StepCounter
from durablenb.analysis.sql import journal_connection
from durablenb.notebook.still import progress
from durablenb.notebook.still.progress import Pipe, ProgressDisplay, Terminal, progress_line, screen
from tests.notebook.hostile import harmless, hostile
from tests.notebook.reading import Page, bundle_of, page_of, scene, text_of
from tests.notebook.scenes import SCENES, Stage, stage
from tests.properties.drivers import ByHand
from tests.properties.programs import programs


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    yield
    assert [one.name for one in threading.enumerate() if one.name == "durablenb-progress"] == []


def steps(shown: ProgressSnapshot) -> list[tuple[str, int, int, int, int]]:
    return [(step.name, step.over, step.total, step.failed, step.canceled) for step in shown.steps]


def standing(handle: df.Handle) -> ProgressSnapshot:
    return handle.progress()._shown()


# -- what is counted -------------------------------------------------------------------------------


def test_calls_of_a_name_are_counted_together() -> None:
    made = stage()
    handle = made.begin("fan_out", 20, steps=20)  # an episode, and 18 parts of which the end is known
    assert steps(standing(handle)) == [("crunch", 18, 20, 1, 0)]
    handle.wait()
    assert steps(standing(handle)) == [("crunch", 20, 20, 1, 0), ("merge", 1, 1, 0, 0)]


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("pending", []),
        ("retried", [("flaky", 1, 1, 0, 0)]),
        ("between_attempts", [("flaky", 1, 1, 1, 0)]),
        ("approved", [("Approval", 1, 1, 0, 0), ("timer", 1, 1, 0, 1), ("charge", 1, 1, 0, 0)]),
        ("too_late", [("Approval", 0, 1, 0, 0), ("timer", 1, 1, 0, 0)]),
        ("failed", [("chain", 3, 3, 0, 0), ("doomed", 1, 1, 1, 0)]),
        ("rewound", [("broken", 1, 1, 0, 0)]),
        ("continued", [("poll", 1, 1, 0, 0), ("timer", 1, 1, 0, 0)]),
    ],
)
def test_a_call_is_counted_once_however_often_it_was_tried(name: str, counted: list[Any]) -> None:
    assert steps(standing(scene(name))) == counted


@settings(max_examples=60)
@given(
    program=programs, seed=st.integers(0, 2**32), stop=st.floats(0, 1), cancels=st.sampled_from((0, 0, 30))
)
def test_the_calls_of_any_history_are_counted(program: Any, seed: int, stop: float, cancels: int) -> None:
    events = ByHand(program, Random(seed), cancels=cancels).run().history
    events = events[: 1 + int(stop * len(events))]
    counter = StepCounter("one")
    for event in events:
        counter.read(event)
    counted: dict[str, list[int]] = {}
    for call in read_calls(events):
        has_failed, is_canceled = call.state in ("failed", "retrying"), call.state == "canceled"
        is_over = call.state == "completed" or has_failed or is_canceled
        numbers = counted.setdefault(call.name, [0, 0, 0, 0])
        numbers[:] = map(sum, zip(numbers, (is_over, 1, has_failed, is_canceled), strict=True))
    shown = counter.snapshot(events[-1].timestamp)
    assert steps(shown) == [(name, *numbers) for name, numbers in counted.items()]


def test_entities_are_counted_by_their_operations() -> None:
    assert [step.name for step in standing(scene("transferred")).steps] == [
        *("lock", "account.withdraw", "charge", "account.deposit", "account.get")
    ]


@pytest.mark.parametrize("name", SCENES)
def test_the_head_of_a_live_view_counts_what_progress_counts(name: str) -> None:
    view = scene(name).watch(freeze=False)
    view.refresh()
    assert view._progress() == standing(scene(name))
    view.close()


def test_a_live_view_says_in_its_head_how_far_it_is_and_how_long_yet() -> None:
    made = stage()
    made.activity("slow", 0.5, fails=lambda part, _: part == 3)

    def slowly(context):
        context.set_custom_status({"stage": "slow"})
        yield context.task_all([context.call_activity("slow", part) for part in range(10)])

    made.orchestrator(slowly)
    view = made.begin("slowly", steps=7).watch(freeze=False)
    head = Page(view.head.decode()).text
    assert re.search(r"slow .* 5 of 10 · 50% · 1\.67/s · about 3 s left · 5 queued · 1 failed", head)
    assert "5 ended in the last 120 s, peak 2/s" in view.head.decode()
    assert '{"stage": "slow"}' in head
    view._handle.terminate("not needed")
    view.refresh()
    assert "reason: not needed" in Page(view.head.decode()).text
    assert "reason: not needed" in page_of(view._handle).text


def test_a_rate_and_the_time_that_is_left_are_told_where_they_can_be_known() -> None:
    made = stage()
    made.activity("slow", 0.5)

    def slowly(context):
        yield context.task_all([context.call_activity("slow", part) for part in range(10)])
        yield context.call_activity("ship", 1)

    made.orchestrator(slowly)
    handle = made.begin("slowly", steps=1)
    (step,) = standing(handle).steps
    assert (step.rate, step.seconds_left) == (None, None)
    for _ in range(5):
        made.hub.step()
    (step,) = standing(handle).steps
    assert (step.over, step.rate, step.seconds_left) == (
        4,
        1.6,
        3.75,
    )  # the fifth one has taken its time, too
    made.clock.advance(seconds=58)  # the machine slept
    (step,) = standing(handle).steps
    assert step.rate == pytest.approx(4 / 60)
    handle.wait()
    slow, ship = standing(handle).steps
    assert (slow.is_over, slow.took, slow.seconds_left) == (True, timedelta(seconds=63), None)
    assert (ship.rate, ship.seconds_left) == (None, None)


def test_calls_one_after_another_have_no_share_and_no_rate() -> None:
    made = stage()
    made.activity("ask", 0.5)
    made.activity("think", 20)

    def loop(context):
        for part in range(4):
            yield context.call_activity("ask", part)
            yield context.call_activity("think", part)

    made.orchestrator(loop)
    handle = made.begin("loop", steps=9)
    ask = standing(handle).steps[0]
    assert (ask.total, ask.over, ask.is_fan_out, ask.rate) == (3, 2, False, None)
    assert "ask" not in Page(handle.watch(freeze=False).head.decode()).text.partition("the activity")[0]
    handle.wait()
    assert [step.rate for step in standing(handle).steps] == [None, None]


def test_a_look_reads_only_what_is_new() -> None:
    made = stage()
    handle = made.begin("fan_out", 20, steps=10)
    seen: list[int] = []

    class Reader:
        def execute(self, sql: str, parameters: list[Any]) -> Any:
            seen.append(parameters[1])
            return journal_connection(made.hub._engine.store).execute(sql, parameters)

    counts = ProgressCounter(lambda: nullcontext(Reader()), handle.id)  # type: ignore[arg-type,return-value]
    counts.look(made.clock.now())
    handle.wait()
    counts.look(made.clock.now())
    last = made.hub.sql("select max(seq) from journal").fetchall()[0][0]
    assert steps(counts.look(made.clock.now())) == steps(standing(handle))
    assert seen[0] == 0
    assert 0 < seen[1] < seen[2] == last


# -- how it is told --------------------------------------------------------------------------------


def test_a_line_tells_what_is_open_and_how_much_is_done() -> None:
    made = stage()
    made.activity("slow", 0.5)

    def slowly(context):
        yield context.call_activity("ship", 1)
        yield context.task_all([context.call_activity("slow", part) for part in range(10)])

    made.orchestrator(slowly)
    handle = made.begin("slowly", steps=8)
    line = progress_line(standing(handle), 200)
    assert line == "slowly slowly: 1 step done; slow 4/10, 6 queued, 1.6/s, 3.8 s left; Running"
    made.clock.advance(seconds=30)
    assert "slow 4/10, 6 queued, 8.12 s each, 48.8 s left" in progress_line(standing(handle), 200)
    assert progress_line(standing(handle), 20) == line[:19] + "…"
    handle.wait()
    assert progress_line(standing(handle), 200) == "slowly slowly: ship 1/1; slow 10/10; Completed in 37.1 s"


def test_as_the_last_line_of_a_cell_it_shows_how_far_it_is() -> None:
    made = stage()
    progress = made.begin("fan_out", 20, steps=20).progress()
    assert repr(progress) == "<fan_out fan_out: Running, crunch 18/20>"
    page = page_of(progress)
    assert {"crunch", "18 of 20", "2 queued, 1 failed"} <= set(page.texts)
    assert [picture.alt for picture in page.pictures] == ["Running", "18 of 20"]
    assert text_of(progress) == (
        "<fan_out fan_out: Running>\nstep    done\n──────  ─────  ──────────────────\n"
        "crunch  18/20  2 queued, 1 failed"
    )
    made.hub.close()
    assert repr(progress) == "<progress of fan_out of a closed hub>"


def test_many_steps_show_the_open_ones_and_the_last() -> None:
    made = stage()

    def many(context):
        for number in range(30):
            yield context.call_activity(f"act {number}", number)
        yield context.wait_for_external_event("Go")

    made.orchestrator(many)
    for number in range(30):
        made.activity(f"act {number}")
    handle = made.begin("many")
    while made.hub.step():
        pass
    texts = page_of(handle.progress()).texts
    assert "19 steps done before" in texts
    assert "act 18" not in texts
    assert {"act 19", "act 29", "Go"} <= set(texts)


def test_names_stay_names() -> None:
    progress = hostile("<script>alert(1)</script>\x1b[31m", Stage()).progress()
    harmless(bundle_of(progress)["text/html"])
    assert "\x1b" not in text_of(progress)
    assert "\x1b" not in progress_line(progress._shown(), 500)


# -- waiting with it -------------------------------------------------------------------------------


class Pty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=["threads", "kernel"])
def hub(request: pytest.FixtureRequest) -> Iterator[df.TaskHub]:
    with df.TaskHub(":memory:", mode=request.param) as hub:

        @hub.activity
        def half(n):
            if n == 13:
                raise ValueError("13 is odd")
            return n // 2

        @hub.orchestrator
        def halves(context):
            return sum(
                (yield context.task_all([context.call_activity(half, n) for n in context.get_input()]))
            )

        yield hub


def test_it_returns_and_raises_what_the_orchestration_does(hub: df.TaskHub, capsys) -> None:
    assert hub.start("halves", [2, 4], instance_id="a").progress().result() == 3
    assert capsys.readouterr().err.startswith("halves a: half 2/2; Completed in ")
    with pytest.raises(ValueError, match="13 is odd"):
        hub.start("halves", [2, 13], instance_id="b").progress().result()
    assert capsys.readouterr().err.startswith("halves b: half 2/2, 1 failed; Failed in ")
    assert hub.handle("a").progress().result() == 3  # it had ended
    with pytest.raises(df.InstanceNotFoundError):
        df.Handle(hub, "nobody").progress().result()


def test_it_can_be_awaited(hub: df.TaskHub, capsys) -> None:
    async def wait() -> Any:
        return await hub.start("halves", [2, 4], instance_id="a").progress()

    assert asyncio.run(wait()) == 3
    assert capsys.readouterr().err.startswith("halves a: half 2/2; Completed in ")


def test_while_it_is_awaited_the_event_loop_goes_on() -> None:
    with df.TaskHub(":memory:") as hub:

        @hub.orchestrator
        def waiting(context):
            return (yield context.wait_for_external_event("Go"))

        async def wait() -> Any:
            handle = hub.start(waiting)
            asyncio.get_running_loop().call_soon(handle.raise_event, "Go", 7)
            return await handle.progress()

        assert asyncio.run(wait()) == 7


def test_a_wait_that_is_given_up_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Pty()
    monkeypatch.setattr("sys.stderr", stream)
    with df.TaskHub(":memory:") as hub:

        @hub.orchestrator
        def waiting(context):
            return (yield context.wait_for_external_event("Go"))

        handle = hub.start(waiting, instance_id="a")

        async def wait() -> None:
            await asyncio.wait_for(handle.progress(), 0.05)

        with pytest.raises(TimeoutError):
            asyncio.run(wait())
        with pytest.raises(df.WaitTimeoutError):
            handle.progress().result(0.05)
        handle.raise_event("Go", 7)
        assert handle.result() == 7
    assert stream.getvalue().endswith("Go 0/1; Running\n")


def test_an_interrupt_ends_the_look_and_the_orchestration_goes_on(capsys) -> None:
    with df.TaskHub(":memory:", mode="kernel") as hub:
        pressed = iter([True])

        @hub.activity
        def work(n):
            if next(pressed, False):
                raise KeyboardInterrupt
            return n

        @hub.orchestrator
        def working(context):
            return (yield context.call_activity(work, 5))

        handle = hub.start(working, instance_id="a")
        with pytest.raises(KeyboardInterrupt):
            handle.progress().result()
        assert capsys.readouterr().err == "working a: work 0/1; Running\n"
        assert handle.progress().result() == 5


class Notes:
    """A screen that notes what it is shown, and fails from some time on."""

    def __init__(self, fails_after: int = 1_000_000) -> None:
        self.shown: list[ProgressSnapshot] = []
        self.is_closed = False
        self.has_a_step = threading.Event()
        self._left = fails_after

    def open(self, shown: ProgressSnapshot) -> None:
        self.show(shown)

    def show(self, shown: ProgressSnapshot) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError("no room")
        self.shown.append(shown)
        if shown.steps:
            self.has_a_step.set()

    def close(self, shown: ProgressSnapshot) -> None:
        self.show(shown)
        self.is_closed = True


def test_it_is_drawn_while_the_same_thread_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Notes()
    monkeypatch.setattr(progress, "screen", lambda: notes)
    monkeypatch.setattr(progress, "SECONDS", 0.001)
    with df.TaskHub(":memory:", mode="kernel") as hub:

        @hub.activity
        def look(n):
            assert notes.has_a_step.wait(30)  # another thread draws meanwhile
            return n

        hub.add_orchestrator(lambda context: (yield context.call_activity(look, 5)), "looking")
        assert hub.start("looking").progress().result() == 5
    assert notes.is_closed
    assert notes.shown[0].status == "Pending"
    assert [("look", 0, 1, 0, 0)] in [steps(shown) for shown in notes.shown]
    assert steps(notes.shown[-1]) == [("look", 1, 1, 0, 0)]
    assert notes.shown[-1].status == "Completed"


@pytest.mark.parametrize("fails_after", [0, 1])
def test_what_can_not_be_drawn_keeps_nobody_from_the_result(
    fails_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes(fails_after)
    monkeypatch.setattr(progress, "screen", lambda: notes)
    with df.TaskHub(":memory:") as hub:
        hub.add_orchestrator(lambda context: 7, "seven")
        assert hub.start("seven").progress().result() == 7
    assert not notes.is_closed


# -- where it is drawn -----------------------------------------------------------------------------


def of(name: str) -> ProgressSnapshot:
    return standing(scene(name))


def test_in_a_terminal_a_line_is_written_over() -> None:
    stream = Pty()
    with ProgressDisplay(lambda: of("completed"), Terminal(stream)):
        pass
    line = "chain chain: reserve 1/1; charge 1/1; ship 1/1; Completed in 3.8 s"
    assert stream.getvalue().rstrip("\n").split("\r")[1:] == [line, line]
    assert stream.getvalue().endswith("\n")


def test_a_shorter_line_leaves_nothing_of_a_longer_one() -> None:
    stream = Pty()
    terminal = Terminal(stream)
    terminal.open(of("completed"))
    terminal.close(of("pending"))
    _, long, short = stream.getvalue().rstrip("\n").split("\r")
    assert len(short) == len(long)
    assert short.rstrip() == "chain chain: Pending"


def test_where_nobody_looks_on_there_is_one_line_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    assert isinstance(screen(), Pipe)
    with ProgressDisplay(lambda: of("pending"), screen()):
        assert stream.getvalue() == ""
    assert stream.getvalue() == "chain chain: Pending\n"
    monkeypatch.setattr("sys.stderr", None)
    with ProgressDisplay(lambda: of("pending"), screen()):
        pass


CELLS = [
    """import time
import durablenb as df

hub = df.TaskHub(":memory:", mode="threads", executor=6)

@hub.activity
def half(n):
    time.sleep(0.08)
    return n // 2

@hub.orchestrator
def halves(context):
    return sum((yield context.task_all([context.call_activity(half, n) for n in range(60)])))

handle = hub.start(halves, instance_id="a")""",
    "await handle.progress()",
    "handle.progress().result()",
    "hub.close()",
]


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::RuntimeWarning")
def test_in_a_cell_it_is_one_output_that_stays(tmp_path: Path) -> None:
    codes = [cell.replace('"threads"', f'"{mode}"') for mode in ("threads", "kernel") for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    resources = {"metadata": {"path": str(tmp_path)}}
    seen: dict[Any, list[int]] = {}

    class Client(NotebookClient):
        def process_message(self, message: Any, cell: Any, cell_index: int) -> Any:
            if message["msg_type"] in ("display_data", "update_display_data"):
                text = message["content"]["data"]["text/plain"]
                if found := re.search(r"half +(\d+)/60", text):
                    seen.setdefault(cell_index, []).append(int(found[1]))
            return super().process_message(message, cell, cell_index)

    Client(notebook, timeout=60, resources=resources).execute()
    for first in (0, len(CELLS)):  # of the cells with a hub of either mode
        assert notebook.cells[first].outputs == []
        for cell in notebook.cells[first + 1 : first + 3]:
            shown, result = cell.outputs
            assert shown.output_type == "display_data"
            assert "60 of 60" in shown.data["text/html"]
            assert "half  60/60" in shown.data["text/plain"]
            assert result.data["text/plain"] == "870"
        assert any(0 < count < 60 for count in seen[first + 1])


def test_only_recent_ends_of_many_instances_are_kept() -> None:
    made = stage()
    ids = [f"idle-{n}" for n in range(2 * RECENT + 5)]
    counter = EndedCounter(made.hub._journal.connection, ids)
    made.hub.client.start_many("idle", [None] * len(ids), instance_ids=ids)
    while made.hub.step():
        made.clock.advance(seconds=1)
    (step,) = counter.look(made.clock.now()).steps
    assert (step.over, step.total) == (len(ids), len(ids))
    assert counter._tally is not None
    assert len(counter._tally.ends) <= 2 * RECENT
