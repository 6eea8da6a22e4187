"""Displays of activities are kept with their instance, wherever they run, and appear nowhere else."""

import asyncio
import concurrent.futures
import threading

import pytest
from IPython.display import HTML, JSON, Image, Markdown, clear_output, display, update_display

import durablenb as df
from durablenb.engine.capture import shown
from tests.engine.fanned import add_fan, fan, fanned, run_script, spawned
from tests.waiting import until

# The patches are undone when the last hub is closed.
pytestmark = pytest.mark.usefixtures("alone", "by_value")


@pytest.fixture(autouse=True)
def _agg():
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.use("agg")
        yield


def outputs_of(function, inputs=("a",), **options):
    """Run calls of an activity with these inputs; return their displayed outputs, and the log."""
    with fanned(function, inputs, **options) as handle:
        handle.result()
        return [(output.task_id, output.data) for output in handle.outputs()], list(handle.logs())


def texts(outputs, task_id=0):
    return [data["text/plain"] for one, data in outputs if one == task_id]


# -- wherever they run --------------------------------------------------------------------------------


def show(word):
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    display(HTML(f"<b>{word}</b>"))
    plt.plot([1, 2])
    plt.show()
    assert plt.get_fignums() == []
    plt.figure()
    print("open:", plt.get_fignums())


async def show_slowly(word):
    await asyncio.sleep(0)
    show(word)


def test_what_is_displayed_is_kept_and_not_shown_wherever_it_runs(capfd):
    with (
        concurrent.futures.ThreadPoolExecutor(2) as pool,
        spawned(1) as processes,
        df.TaskHub(":memory:") as hub,
    ):
        executors = ["threads", "threads", "inline", "asyncio", "processes", pool, processes]
        for number, executor in enumerate(executors):
            function = show_slowly if executor == "asyncio" else show
            hub.add_activity(function, f"work{number}", executor=executor)

        @hub.orchestrator
        def everywhere(context):
            yield context.task_all([context.call_activity(f"work{n}", n) for n in range(len(executors))])

        handle = hub.start(everywhere)
        handle.result()
        for number, executor in enumerate(executors):
            html, figure = (output.data for output in handle.outputs(task_id=number))
            assert html["text/html"] == f"<b>{number}</b>", executor
            assert figure["image/png"].startswith(b"\x89PNG"), executor
            assert [line.message for line in handle.logs(task_id=number)] == ["open: [1]"], executor
    assert capfd.readouterr() == ("", "")


def test_in_mode_kernel_it_appears_where_it_always_did_too(capsys):
    def work(word):
        display(word)

    outputs, lines = outputs_of(work, mode="kernel")
    assert texts(outputs) == ["'a'"]
    assert lines == []
    assert capsys.readouterr().out == "a\n"


def test_what_an_orchestrator_displays_is_kept_once_however_often_it_is_replayed(tmp_path):
    def ask(context):
        display({"text/plain": "begun"}, raw=True)
        handle = display({"text/plain": "0"}, raw=True, display_id="count")
        answer = yield context.wait_for_external_event("Answer")
        handle.update({"text/plain": answer}, raw=True)
        return answer

    for count in range(3):
        with df.TaskHub(tmp_path / "hub.duckdb") as hub:
            hub.add_orchestrator(ask)
            handle = hub.start(ask, instance_id="a") if count == 0 else hub.handle("a")
            until(lambda handle=handle: type(handle.history()[-1]).__name__ == "EventSubscribed")
            if count == 2:
                handle.raise_event("Answer", "42")
                assert handle.result() == "42"
                handle.replay().steps()
                shown_ = [(one.task_id, one.author, one.data["text/plain"]) for one in handle.outputs()]
                assert shown_ == [(None, "ask", "begun"), (None, "ask", "42")]


# -- many at once -------------------------------------------------------------------------------------


def test_threads_that_carry_the_context_display_into_the_outputs_of_their_call(capsys):
    async def splits(word):
        await asyncio.gather(*(asyncio.to_thread(display, f"{word} {n}") for n in range(5)))
        stranger = threading.Thread(target=display, args=("without the context",))
        stranger.start()
        stranger.join()

    outputs, _ = outputs_of(splits)
    assert sorted(texts(outputs)) == [f"'a {n}'" for n in range(5)]
    assert capsys.readouterr().out == "without the context\n"


def test_the_figures_of_calls_at_the_same_time_do_not_mix():
    begun = threading.Barrier(4)

    def draw(width):
        import matplotlib.pyplot as plt

        plt.figure(figsize=(width, 1), dpi=50)
        begun.wait(10)
        plt.plot([width, width])
        assert len(plt.get_fignums()) == 1
        begun.wait(10)
        plt.gca().set_axis_off()
        plt.show()

    outputs, _ = outputs_of(draw, [2, 4, 6, 8])
    widths = {task_id: df.Picture(data["image/png"]).size[0] for task_id, data in outputs}
    assert sorted(widths) == [0, 1, 2, 3]
    assert sorted(widths.values()) == [widths[n] for n in range(4)]
    assert len(set(widths.values())) == 4


def test_two_instances_and_two_hubs_do_not_mix():
    def work(word):
        handle = display({"text/plain": "first"}, raw=True, display_id="same")
        for _ in range(50):
            handle.update({"text/plain": word}, raw=True)

    with df.TaskHub(":memory:") as one, df.TaskHub(":memory:") as other:
        handles = []
        for hub in (one, other):
            add_fan(hub, work)
            handles += [hub.start(fan, [f"{hub is one} {n} a", f"{hub is one} {n} b"]) for n in range(2)]
        for handle in handles:
            handle.result()
        for number, handle in enumerate(handles):
            word = f"{number < 2} {number % 2}"
            texts = [output.data["text/plain"] for output in handle.outputs()]
            assert sorted(texts) == [f"{word} a", f"{word} b"]
            assert [output.data["text/plain"] for output in handle.outputs(task_id=1)] == [f"{word} b"]
            assert [output.task_id for output in handle.outputs(task_id="#1")] == [1]
        for task, message in [("first", "Expected a task"), (2, "has no task #2")]:
            for read in (handle.outputs, handle.logs):
                with pytest.raises(ValueError, match=message):
                    read(task_id=task)


def test_the_figures_of_the_notebook_stay_its_own():
    import matplotlib.pyplot as plt

    before = plt.figure()
    known = plt.get_fignums()  # other tests may have left some
    try:
        outputs_of(show, ["a", "b"])
        assert plt.get_fignums() == known
        assert plt.gcf() is before
    finally:
        plt.close("all")


# -- the last state counts ----------------------------------------------------------------------------


def test_an_output_has_its_last_state():
    def work(word):
        handle = display({"text/plain": "0"}, raw=True, display_id=True)
        display({"text/plain": "between"}, raw=True)
        for number in range(300):
            handle.update({"text/plain": str(number)}, raw=True)
        update_display({"text/plain": "new"}, display_id="unknown", raw=True)

    outputs, _ = outputs_of(work)
    assert texts(outputs) == ["299", "between", "new"]


def test_states_between_are_not_all_sent():
    sent = []
    kept = shown.ShownOutputs(sent.append, sent.append)
    for number in range(1_000):
        kept.show({"text/plain": str(number)}, display_id="a")
    assert len(sent) < 10
    kept.flush()
    assert sent[-1].contents == (("text/plain", "999", None),)
    count = len(sent)
    kept.close()
    assert len(sent) == count


def test_a_held_state_is_sent_soon_although_the_call_displays_nothing_more():
    came = threading.Event()

    def receive(output):
        if output.contents[0][1] == "2":
            came.set()

    kept = shown.ShownOutputs(receive, print)
    for number in range(3):
        kept.show({"text/plain": str(number)}, display_id="a")
    assert came.wait(20)


def test_clear_output_drops_what_was_displayed_and_what_follows_takes_its_place():
    def work(word):
        for number in range(5):
            clear_output(wait=True)
            display({"text/plain": f"frame {number}"}, raw=True)
            if number < 3:
                display({"text/plain": "more"}, raw=True)

    outputs, lines = outputs_of(work)
    assert texts(outputs) == ["frame 4"]
    assert lines == []


def test_a_progress_bar_of_tqdm_notebook_is_kept_as_text():
    def work(word):
        from tqdm.notebook import tqdm

        for _ in tqdm(range(7), desc=word):
            pass
        for _ in tqdm(range(3), leave=False):
            pass
        for number in tqdm(range(10), desc="half"):
            if number == 5:
                break

    outputs, _ = outputs_of(work, ["all"])
    full, half = texts(outputs)
    assert "all: 100%" in full
    assert "7/7" in full
    assert "half" in half
    assert {tuple(data) for _, data in outputs} == {("text/plain",)}


def test_an_output_is_there_while_the_call_runs():
    shown_, may_end = threading.Event(), threading.Event()

    def work(word):
        from tqdm.notebook import tqdm

        bar = tqdm(total=10)
        bar.update(4)
        bar.refresh()
        shown_.set()
        may_end.wait(20)

    with fanned(work) as handle:
        assert shown_.wait(20)
        (output,) = handle.outputs()
        assert "4/10" in output.data["text/plain"]
        may_end.set()
        handle.result()


# -- limits -------------------------------------------------------------------------------------------


def test_a_call_keeps_a_limited_number_of_outputs_and_says_so():
    def work(word):
        for number in range(shown.OUTPUTS + 5):
            display({"text/plain": str(number)}, raw=True)

    outputs, lines = outputs_of(work)
    assert texts(outputs) == [str(number) for number in range(shown.OUTPUTS)]
    assert [(line.level, line.message) for line in lines] == [
        ("WARNING", "5 outputs were not kept: a call keeps up to 100 outputs or 32,000,000 bytes.")
    ]


def test_a_representation_that_is_too_large_is_left_out_and_the_log_says_so(monkeypatch):
    monkeypatch.setattr(shown, "OUTPUT_BYTES", 1_000)

    def work(word):
        display({"text/html": "x" * 2_000, "text/plain": "short"}, raw=True)
        display({"image/png": b"y" * 2_000}, raw=True)

    outputs, lines = outputs_of(work)
    note = "Not kept: image/png of 2,000 bytes. An output has up to 1,000 bytes."
    assert texts(outputs) == ["short", note]
    assert [line.message for line in lines] == [
        "Not kept: text/html of 2,000 bytes. An output has up to 1,000 bytes.",
        note,
    ]


def test_all_outputs_of_a_call_have_a_limit_and_a_later_state_makes_room(monkeypatch):
    monkeypatch.setattr(shown, "CALL_BYTES", 1_000)

    def work(word):
        handle = display({"text/plain": "x" * 900}, raw=True, display_id=True)
        display({"text/plain": "y" * 200}, raw=True)
        handle.update({"text/plain": "x"}, raw=True)
        display({"text/plain": "z" * 200}, raw=True)

    outputs, lines = outputs_of(work)
    assert texts(outputs) == ["x", "z" * 200]
    assert lines[0].message.startswith("1 output was not kept")


# -- what is displayed --------------------------------------------------------------------------------


def test_metadata_json_and_oddities_survive():
    def work(word):
        display({"application/json": {"a": [1, None]}, "text/plain": "half a pair \ud800"}, raw=True)
        display(JSON({"b": 2}), metadata={"application/json": {"expanded": True}})
        display(Markdown("**bold**"))
        display(Image(data=b"\x89PNG\r\n\x1a\n" + b"0" * 30, format="png", width=10))
        display({"application/x-odd": object(), "text/plain": "odd"}, raw=True)

    with fanned(work) as handle:
        handle.result()
        first, second, third, fourth, fifth = handle.outputs()
        assert first.data == {"application/json": {"a": [1, None]}, "text/plain": "half a pair \\ud800"}
        assert second.data["application/json"] == {"b": 2}
        assert second.metadata["application/json"]["expanded"] is True
        assert third.data["text/markdown"] == "**bold**"
        assert fourth.data["image/png"].startswith(b"\x89PNG")
        assert fifth.data["text/plain"] == "odd"
        assert list(handle.outputs().df()["bytes"])[2] > 0


def test_redact_sees_each_text():
    def work(word):
        display(HTML(f"<b>{word}</b>"))

    def redact(kind, value):
        return value.replace("secret", "***") if kind == "log" else value

    with df.TaskHub(":memory:", redact=redact) as hub:
        add_fan(hub, work)
        handle = hub.start(fan, ["secret"])
        handle.wait()
        (output,) = handle.outputs()
        assert output.data["text/html"] == "<b>***</b>"


def test_an_activity_that_captures_its_outputs_has_them():
    def work(word):
        from IPython.core.displaypub import CapturingDisplayPublisher

        mine = CapturingDisplayPublisher()
        mine.publish({"text/plain": word})
        return mine.outputs[0]["data"]["text/plain"]

    outputs, _ = outputs_of(work)
    assert outputs == []


def test_after_the_last_hub_is_closed_nothing_is_patched():
    import IPython.display
    import matplotlib.pyplot as plt
    from IPython.core.displaypub import CapturingDisplayPublisher, DisplayPublisher
    from matplotlib._pylab_helpers import Gcf

    def state():
        functions = (IPython.display.display, IPython.display.clear_output, plt.show)
        kinds = (CapturingDisplayPublisher, DisplayPublisher)
        return (
            [(one.__code__, one.__defaults__) for one in functions],
            [(kind.publish, kind.clear_output, kind.__init__) for kind in kinds],
            type(Gcf.figs),
        )

    before = state()
    with df.TaskHub(":memory:"):
        assert state() != before
    assert state() == before


def test_an_interrupt_while_the_last_figures_are_drawn_loses_no_result(monkeypatch):
    def work(word):
        import matplotlib.pyplot as plt

        plt.figure()
        return word

    with df.TaskHub(":memory:", mode="kernel") as hub:
        add_fan(hub, work)

        def interrupted(*_):
            monkeypatch.undo()
            raise KeyboardInterrupt

        import matplotlib.pyplot as plt

        handle = hub.start(fan, ["a"])
        monkeypatch.setattr(plt, "close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            handle.result()
        assert handle.result() == ["a"]


def test_a_failed_call_keeps_its_outputs_and_so_does_each_try():
    def work(word):
        display({"text/plain": "trying"}, raw=True)
        raise ValueError("no")

    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_activity(work, "work")

        @hub.orchestrator
        def stubborn(context):
            yield context.call_activity_with_retry("work", df.RetryOptions(60_000, 2), "a")

        handle = hub.start(stubborn)
        handle.wait()
        assert [(output.attempt, output.data["text/plain"]) for output in handle.outputs()] == [
            (1, "trying"),
            (2, "trying"),
        ]
        handle.purge()
        assert hub.sql("select count(*) from outputs").fetchall() == [(0,)]
        assert hub.sql("select count(*) from payloads").fetchall() == [(0,)]


def test_hubs_and_workers_import_neither_ipython_nor_matplotlib():
    program = """
import sys, durablenb as df
hub = df.TaskHub(":memory:")
def loaded(_):
    import sys
    return [name for name in ("IPython", "matplotlib") if name in sys.modules]
hub.add_activity(loaded, "loaded", executor="processes")
@hub.orchestrator
def main(context):
    return (yield context.call_activity("loaded", 1))
assert hub.run(main) == [], hub.run(main)
assert loaded(1) == []
"""
    assert run_script(program) == ("", "")
