"""`durablenb.compare`: two histories side by side, and where they part."""

from datetime import timedelta

import pytest

import durablenb as df
from durablenb.model.events import TaskCompleted
from tests.changing.conftest import journal_of
from tests.notebook.reading import page_of, text_of


@pytest.fixture
def clock():
    return df.VirtualClock()


@pytest.fixture
def hub(clock):
    """Activities that take their time: judging 20 s, improving 30 s, publishing 5 s."""
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as made:

        def slow(name, seconds, function):
            def activity(value):
                clock.advance(seconds=seconds)
                return function(value)

            made.add_activity(activity, name)

        slow("judge", 20, lambda text: len(text))
        slow("improve", 30, lambda text: f"{text}!")
        slow("publish", 5, lambda text: f"{text} is out")

        @made.orchestrator
        def review(context):
            text = context.get_input()
            while (yield context.call_activity("judge", text)) < 7:
                text = yield context.call_activity("improve", text)
                yield context.create_timer(context.current_utc_datetime + timedelta(minutes=len(text)))
            return (yield context.call_activity("publish", text))

        yield made


def run(hub, given, instance_id):
    handle = hub.start("review", given, instance_id=instance_id)
    handle.result()
    return handle


def names(comparison):
    return [
        (pair.a and pair.a.name, pair.b and pair.b.name, [one.what for one in pair.differences])
        for pair in comparison
    ]


def test_an_instance_does_not_differ_from_itself_or_from_one_that_did_the_same(hub):
    one, other = run(hub, "draft", "a"), run(hub, "draft", "b")
    for comparison in (df.compare(one, one), df.compare(one, other)):
        assert comparison.first_difference is None
        assert comparison.first_decision is None
        assert comparison.differences == ()
        assert comparison.summary == "8 steps, no difference"
        assert names(comparison)[:3] == [
            ("judge", "judge", []),
            ("improve", "improve", []),
            ("timer", "timer", []),
        ]


def test_of_two_inputs_the_first_difference_is_the_input(hub):
    comparison = df.compare(run(hub, "draft", "a"), run(hub, "excellent", "b"))
    assert comparison.first_difference[:5] == ("input", None, "review", '"draft"', '"excellent"')
    assert comparison.first_difference[5:] == (1, 1)


def test_decisions_results_and_ends_that_differ_are_told_with_their_events(hub):
    origin = run(hub, "draft", "origin")
    fork = origin.fork(results={"#0": 9}, instance_id="fork")
    fork.result()
    comparison = df.compare(origin, fork)
    judged, *_ = [event for event in origin.history() if isinstance(event, TaskCompleted)]
    assert comparison.first_difference == ("result", 1, "judge", "5", "9", judged.event_id, judged.event_id)
    decision = comparison.first_decision
    assert decision[:5] == ("request", 2, "improve", "activity improve", "nothing")
    assert decision.a_event == judged.event_id + 2
    assert decision.b_event is None
    assert comparison.differences[-1][:5] == (
        "end",
        None,
        "review",
        'Completed: "draft!! is out"',
        'Completed: "draft is out"',
    )


def test_steps_after_a_detour_stand_side_by_side_again(hub):
    comparison = df.compare(run(hub, "draft", "a"), run(hub, "draft!", "b"))
    assert names(comparison) == [
        ("judge", "judge", ["input", "result"]),
        ("improve", "improve", ["input", "result"]),
        ("timer", "timer", ["input"]),
        ("judge", "judge", ["input", "result"]),
        ("improve", None, ["request"]),
        ("timer", None, ["request"]),
        ("judge", None, ["request"]),
        ("publish", "publish", []),
    ]
    swapped = df.compare(hub.handle("b"), hub.handle("a"))
    assert names(swapped)[4] == (None, "improve", ["request"])


def test_durations_are_side_by_side(hub, clock):
    one = run(hub, "draft", "a")
    hub.add_activity(lambda text: clock.advance(seconds=50) or len(text), name="judge")
    other = run(hub, "draft", "b")
    comparison = df.compare(one, other)
    assert comparison[0].durations == (timedelta(seconds=20), timedelta(seconds=50))
    assert comparison.first_difference is None
    assert comparison.b.duration - comparison.a.duration == timedelta(seconds=90)
    assert "judge    20 s" in str(comparison)


def test_how_long_a_timer_was_set_for_is_compared_and_not_for_when(hub):
    @hub.orchestrator
    def patient(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=context.get_input()))

    handles = []
    for hours in (1, 1, 2):
        handles.append(hub.start(patient, hours))
        handles[-1].result()
    assert df.compare(*handles[:2]).first_difference is None
    (_, timer) = df.compare(handles[0], handles[2]).differences
    assert timer[:5] == ("input", 1, "timer", "60 min", "2 h")


def test_children_without_ids_of_their_own_do_not_differ_by_them(hub):
    hub.add_orchestrator(lambda context: context.get_input(), name="child")

    @hub.orchestrator
    def parent(context):
        return (yield context.call_sub_orchestrator("child", 1))

    handles = [hub.start(parent) for _ in range(2)]
    assert [handle.result() for handle in handles] == [1, 1]
    assert df.compare(*handles).first_difference is None


def test_attempts_and_failures_are_compared(hub):
    broken = []

    def fragile(n):
        if broken:
            raise ValueError(broken.pop())

    hub.add_activity(fragile)

    @hub.orchestrator
    def trying(context):
        yield context.call_activity_with_retry("fragile", df.RetryOptions(1_000, context.get_input()), 1)

    one = hub.start(trying, 2)
    one.result()
    broken.append("once")
    other = hub.start(trying, 2)
    other.result()
    assert df.compare(one, other).first_difference[:5] == ("attempts", 1, "fragile", "1", "2")
    broken += ["twice", "once"]
    failed = hub.start(trying, 2)
    failed.wait()
    comparison = df.compare(one, failed)
    assert [one.what for one in comparison.differences] == ["attempts", "result", "end"]
    assert comparison.differences[1].b == "ValueError: twice"
    assert comparison.differences[2].b == ("Failed: ValueError: twice")


def test_external_events_are_compared_by_what_they_said(hub):
    @hub.orchestrator
    def asking(context):
        return (yield context.wait_for_external_event("Answer"))

    handles = [hub.start(asking) for _ in range(3)]
    hub.clock.advance()
    for handle, answer in zip(handles, ("yes", "no"), strict=False):
        handle.raise_event("Answer", answer)
        handle.result()
    assert df.compare(handles[0], handles[1]).first_difference[:5] == ("result", 1, "Answer", '"yes"', '"no"')
    still_open = df.compare(handles[0], handles[2])
    assert still_open.first_difference[:5] == ("result", 1, "Answer", '"yes"', "open")
    assert still_open.differences[-1].b == "open"


def test_orchestrators_and_versions_that_differ_come_first(hub):
    hub.add_orchestrator(lambda context: 1, name="one", version="1")
    hub.add_orchestrator(lambda context: 1, name="two", version="2")
    handles = [hub.start(name) for name in ("one", "two")]
    assert [handle.result() for handle in handles] == [1, 1]
    comparison = df.compare(*handles)
    assert [(one.what, one.a, one.b) for one in comparison.differences] == [
        ("orchestrator", "one", "two"),
        ("version", "1", "2"),
    ]
    assert comparison.summary == "0 steps, the first difference at orchestrator: one | two"


def test_a_past_that_is_shared_is_marked_between_a_fork_and_its_origin_and_between_two_forks(hub):
    origin = run(hub, "draft", "origin")
    place = [event.event_id for event in origin.history() if isinstance(event, TaskCompleted)][1]
    forks = [origin.fork(at=place, instance_id=name) for name in ("one", "two")]
    for fork in forks:
        fork.result()
    grand = forks[0].fork()
    for pair in (
        (origin, forks[0]),
        (forks[0], origin),
        (forks[0], forks[1]),
        (grand, origin),
        (grand, forks[1]),
    ):
        assert [one.is_shared for one in df.compare(*pair)] == [True] * 2 + [False] * 6
    assert all(one.is_shared for one in df.compare(grand, forks[0]))
    assert not any(one.is_shared for one in df.compare(origin, run(hub, "draft", "apart")))


def test_histories_and_recorded_instances_are_compared_too(tmp_path, hub):
    history = run(hub, "draft", "a").history()
    other = run(hub, "draft!", "b").history()
    assert df.compare(history, other).first_difference.what == "input"
    path = tmp_path / "kept.duckdb"
    with df.TaskHub(path, mode="kernel", clock=df.VirtualClock()) as kept:
        kept.add_orchestrator(lambda context: context.get_input(), name="review")
        kept.start("review", "draft", instance_id="c").result()
    with df.open_history(path) as file:
        comparison = df.compare(history, file.handle("c"))
        assert comparison.first_decision[:4] == ("request", 1, "judge", "activity judge")
    with pytest.raises(TypeError, match="not a str"):
        df.compare("a", history)
    with pytest.raises(ValueError, match="has no beginning"):
        df.compare(history[3:], history)


def test_of_several_executions_the_last_ones_are_compared(hub):
    @hub.orchestrator
    def counting(context):
        n = context.get_input()
        if n < 3:
            context.continue_as_new(n + 1)
            return None
        return (yield context.call_activity("publish", n))

    handles = [hub.start(counting, n) for n in (0, 2)]
    assert [handle.result() for handle in handles] == ["3 is out"] * 2
    comparison = df.compare(*handles)
    assert comparison.first_difference is None
    assert len(comparison) == 1


def test_long_histories_are_compared_in_no_time_to_speak_of(hub, monkeypatch):
    monkeypatch.setattr("durablenb.analysis.compare._MOST_ALIGNED", 100_000)
    hub.add_activity(lambda n: n, name="even")
    hub.add_activity(lambda n: n, name="odd")

    @hub.orchestrator
    def long(context):
        tasks = [context.call_activity("even" if n % context.get_input() else "odd", n) for n in range(400)]
        yield context.task_all(tasks)

    handles = [hub.start(long, n) for n in (2, 3)]
    for handle in handles:
        handle.result()
    comparison = df.compare(*handles)
    assert comparison.first_decision.step == 3
    both = sum(pair.a is not None for pair in comparison), sum(pair.b is not None for pair in comparison)
    assert both == (400, 400)
    assert len(str(comparison).splitlines()) < 300
    assert len(comparison._repr_mimebundle_()["text/html"]) < 200_000


def test_comparing_writes_nothing(hub):
    one, other = run(hub, "draft", "a"), run(hub, "draft!", "b")
    before = journal_of(hub)
    comparison = df.compare(one, other)
    page_of(comparison)
    str(comparison)
    assert journal_of(hub) == before


# -- how it shows --------------------------------------------------------------------------------


def test_a_fan_out_is_one_row_and_so_are_its_differences():
    clock = df.VirtualClock()
    with df.TaskHub(":memory:", mode="kernel", clock=clock) as hub:
        broken = set(range(0, 24, 4))

        @hub.activity
        def one_file(n):
            clock.advance(milliseconds=50)
            if n in broken:
                raise ValueError(f"window {n} is empty")

        @hub.orchestrator
        def study(context):
            yield context.task_all(
                [context.call_activity(one_file, n) for n in range(24)], return_exceptions=True
            )

        monday = hub.start(study)
        monday.result()
        broken.clear()
        tuesday = hub.start(study)
        tuesday.result()
        comparison = df.compare(monday, tuesday)
    assert "18 equal, 6 failed in a" in text_of(comparison)
    page = page_of(comparison)
    assert "one_file \N{MULTIPLICATION SIGN} 24" in page.picture().texts
    assert {"0", "500 ms", "1.2 s | 1.2 s"} <= set(page.picture().texts)
    assert "6 \N{MULTIPLICATION SIGN} result ValueError: window 0 is empty" in page.text
    assert len(page.picture().texts) < 12


def test_text_without_times_and_printed_with_them(hub):
    origin = run(hub, "draft", "origin")
    fork = origin.fork(results={"#0": 9}, instance_id="fork")
    fork.result()
    comparison = df.compare(origin, fork)
    assert (
        repr(comparison) == "<origin | fork: 8 steps, the first difference at step 1, judge: result: 5 | 9>"
    )
    first, _, _, judged, *_, published = text_of(comparison).splitlines()
    assert first == repr(comparison)
    assert judged == "1     judge    result: 5 | 9"
    assert published.startswith('8     publish  input: "draft!!" | "draft", result: ')
    assert " s" not in text_of(comparison).replace(" step", "")
    printed = str(comparison).splitlines()
    assert printed[0].startswith("a: origin, ")
    assert printed[2] == "8 steps, the first difference at step 1, judge: result: 5 | 9."
    assert ["2", "improve", "30", "s", "only", "in", "a"] in [line.split() for line in printed]


def test_a_notebook_shows_bars_and_what_differs(hub):
    origin = run(hub, "draft", "origin")
    fork = origin.fork(at=7, results={"#1": "excellent"}, instance_id="fork")
    fork.result()
    comparison = df.compare(origin, fork)
    page = page_of(comparison)
    assert page.picture().alt == f"origin and fork: {comparison.summary}"
    assert "shared history" in page.picture().texts
    assert "improve" in page.picture().texts
    assert "only in a" in page.text
    assert "What differs" in page.text
    assert 'Completed: "excellent is out"' in page.text
    empty = df.compare(origin.history()[:1], origin.history()[:1])
    assert page_of(empty).pictures == []
