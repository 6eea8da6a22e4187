"""An orchestration is grown cell by cell: at `yield ...` it waits to be registered with more code."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import durablenb as df
from tests.traps.corpus import after
from tests.traps.lab import counted, kinds
from tests.waiting import until


@pytest.fixture
def ran(lab):
    return with_steps(lab)


def with_steps(lab):
    """Registers the activity that all of these call; the list has the arguments of the calls."""
    calls = []

    def step(value):
        calls.append(value)
        return value + 1

    lab.activity(step)
    return calls


def first(context):
    one = yield context.call_activity("step", 1)
    context.set_custom_status(f"one is {one}")
    yield ...


def first_commented(context):
    one = yield context.call_activity("step", 1)
    # the status says how far it has come
    context.set_custom_status(f"one is {one}")
    yield ...


def longer(context):
    one = yield context.call_activity("step", 1)
    context.set_custom_status(f"one is {one}")
    two = yield context.call_activity("step", one)
    context.set_custom_status(f"two is {two}")
    yield ...


def with_more_below(context):
    one = yield context.call_activity("step", 1)
    context.set_custom_status(f"one is {one}")
    yield ...
    two = yield context.call_activity("step", one)
    return [one, two]


def whole(context):
    one = yield context.call_activity("step", 1)
    context.set_custom_status(f"one is {one}")
    two = yield context.call_activity("step", one)
    context.set_custom_status(f"two is {two}")
    return [one, two]


def grown(lab, *stages, name="grow"):
    """Starts the first of these, and registers the others one after the other."""
    lab.orchestrator(stages[0], name)
    handle = lab.begin(name)
    for stage in stages[1:]:
        lab.orchestrator(stage, name)
        lab.settle()
    return handle


def test_it_waits_there_and_says_for_what(lab, ran):
    handle = grown(lab, first)
    assert kinds(handle.history())[-2:] == ["CustomStatusSet", "CodeAwaited"]
    assert (handle.status().runtime_status, ran) == ("Running", [1])
    with pytest.raises(df.WaitTimeoutError, match=r"waits for more code at line \d+, at its `yield \.\.\.`"):
        handle.result(10)


@pytest.mark.parametrize("stages", [(first, longer, whole), (first, with_more_below)])
def test_it_goes_on_with_what_was_written_in_place_of_the_dots_or_below_them(lab, ran, stages):
    handle = grown(lab, *stages)
    assert handle.result(10) == [2, 3]
    assert ran == [1, 2]
    assert handle.status().custom_status == ("two is 3" if whole in stages else "one is 2")


@pytest.mark.parametrize("again", [first, first_commented])
def test_it_does_not_go_on_for_a_cell_that_is_only_run_again(lab, ran, again):
    handle = grown(lab, first, again, again)
    with pytest.raises(df.WaitTimeoutError, match="more code"):
        handle.result(10)
    assert (ran, counted(handle.history(), "CodeAwaited")) == ([1], 1)


def test_code_below_the_dots_from_the_beginning_waits_for_a_change_of_it_whatever_arrives(lab, ran):
    handle = grown(lab, with_more_below)
    handle.raise_event("news", 1)
    lab.settle()
    lab.orchestrator(with_more_below, "grow")
    lab.settle()
    assert (ran, counted(handle.history(), "CodeAwaited")) == ([1], 1)
    lab.orchestrator(whole, "grow")
    assert handle.result(10) == [2, 3]


def test_it_ends_where_the_dots_are_taken_away_well_or_badly(lab, ran):
    def ends(context):
        one = yield context.call_activity("step", 1)
        context.set_custom_status(f"one is {one}")
        return one

    def mistaken(context):
        yield from ends(context)
        raise ValueError("a slip")

    assert grown(lab, first, ends).result(10) == 2
    with pytest.raises(ValueError, match="a slip"):
        grown(lab, first, mistaken).result(10)


def test_code_that_does_not_fit_what_was_done_is_held_until_it_is_mended(lab, ran):
    def other(context):
        one = yield context.call_activity("step", 100)
        yield context.call_activity("step", one)

    handle = grown(lab, first, other)
    with pytest.raises(df.NonDeterminismError, match="input: recorded '1', requested '100'"):
        handle.result(10)
    lab.orchestrator(whole, "grow")
    assert handle.result(10) == [2, 3]


def test_code_that_goes_back_behind_what_was_done_is_held(lab, ran):
    def waiting(context):
        one = yield context.call_activity("step", 1)
        context.set_custom_status(f"one is {one}")
        two = yield context.call_activity("step", one)
        yield context.wait_for_external_event(f"event {two}")

    handle = grown(lab, first, waiting, first)
    handle.raise_event("event 3")
    with pytest.raises(df.NonDeterminismError, match="requested is ExecutionCompleted"):
        handle.result(10)
    lab.orchestrator(waiting, "grow")
    assert handle.result(10) is None


def test_what_arrives_meanwhile_is_there_for_the_new_code(lab, ran):
    def asks(context):
        event = context.wait_for_external_event("go")
        timer = after(context, hours=1)
        call = context.call_activity("step", 1)
        yield ...
        return [event, timer, call]

    def looks(context):
        event = context.wait_for_external_event("go")
        timer = after(context, hours=1)
        call = context.call_activity("step", 1)
        values = yield context.task_all([event, timer, call])
        return values, context.current_utc_datetime

    handle = grown(lab, asks)
    handle.raise_event("go", "now")
    lab.advance(hours=3)
    assert ran == [1]
    lab.orchestrator(looks, "grow")
    values, when = handle.result(10)
    assert values == ["now", None, 2]
    assert when == lab.clock.now()


def test_an_attempt_that_fails_meanwhile_is_made_again_when_it_goes_on(lab):
    tries = []

    def shaky(_):
        tries.append(len(tries))
        if len(tries) < 3:
            raise OSError("not yet")
        return "at last"

    def asks(context):
        context.call_activity_with_retry("shaky", df.RetryOptions(1000, 5))
        yield ...

    def awaits(context):
        call = context.call_activity_with_retry("shaky", df.RetryOptions(1000, 5))
        return (yield call)

    lab.activity(shaky)
    handle = grown(lab, asks)
    lab.advance(hours=1)
    assert tries == [0]
    lab.orchestrator(awaits, "grow")
    lab.advance(hours=1)
    assert (handle.result(10), tries) == ("at last", [0, 1, 2])


def test_code_that_came_while_it_was_busy_is_taken_up_where_the_old_code_ends(lab, ran):
    def busy(context):
        yield context.wait_for_external_event("go")
        yield ...

    def more(context):
        yield context.wait_for_external_event("go")
        return (yield context.call_activity("step", 1))

    handle = grown(lab, busy, more)
    handle.raise_event("go")
    assert handle.result(10) == 2


def test_a_coroutine_waits_by_to_be_continued(lab, ran):
    async def begun(context):
        await context.call_activity("step", 1)
        await context.to_be_continued()

    async def ended(context):
        one = await context.call_activity("step", 1)
        return await context.call_activity("step", one)

    handle = grown(lab, begun)
    with pytest.raises(df.WaitTimeoutError, match="more code"):
        handle.result(10)
    lab.orchestrator(ended, "grow")
    assert handle.result(10) == 3


def test_who_waits_for_a_child_that_waits_for_code_is_told(lab, ran):
    def parent(context):
        return (yield context.call_sub_orchestrator("grow"))

    lab.orchestrator(first, "grow")
    lab.orchestrator(parent)
    handle = lab.begin("parent")
    with pytest.raises(df.WaitTimeoutError, match=r"\(grow\) waits for more code"):
        handle.result(10)
    lab.orchestrator(whole, "grow")
    assert handle.result(10) == [2, 3]


def test_it_can_be_terminated_and_suspended_while_it_waits(lab, ran):
    handle = grown(lab, first)
    handle.suspend()
    lab.orchestrator(whole, "grow")
    lab.settle()
    assert ran == [1]
    handle.resume()
    assert handle.result(10) == [2, 3]
    other = grown(lab, first, name="other")
    other.terminate("enough")
    with pytest.raises(df.OrchestrationTerminatedError):
        other.result(10)


def test_after_a_restart_it_waits_where_it_was_and_goes_on_with_what_came_meanwhile(disk):
    ran = with_steps(disk)

    def waiting(context):
        one = yield context.call_activity("step", 1)
        context.set_custom_status(f"one is {one}")
        two = yield context.call_activity("step", one)
        context.set_custom_status(f"two is {two}")
        return [(yield context.wait_for_external_event("name")), two]

    handle = grown(disk, first)
    handle.raise_event("name", "Ada")
    handle = disk.restart(handle.id)
    with pytest.raises(df.WaitTimeoutError, match="more code"):
        handle.result(10)
    disk.orchestrator(longer, "grow")
    disk.settle()
    assert disk.restart(handle.id, grow=waiting).result(10) == ["Ada", 3]
    assert ran == [1, 2]


def test_a_failed_orchestration_that_was_grown_can_be_rewound(lab):
    moods = ["bad", "good"]

    def moody(_):
        if moods.pop(0) == "bad":
            raise OSError("not today")
        return "done"

    def calls(context):
        one = yield context.call_activity("step", 1)
        context.set_custom_status(f"one is {one}")
        return (yield context.call_activity("moody"))

    ran = with_steps(lab)
    lab.activity(moody)
    handle = grown(lab, first, calls)
    with pytest.raises(OSError, match="not today"):
        handle.result(10)
    handle.rewind("once more")
    assert (handle.result(10), ran) == ("done", [1])


def test_the_code_that_an_execution_began_with_is_kept(disk):
    with_steps(disk)
    grown(disk, first, whole)
    disk.orchestrator(whole, "at once")
    disk.run("at once")
    texts = disk.hub.sql("select text from sources order by length(text)").fetchall()
    assert [text.splitlines()[0] for (text,) in texts] == ["def first(context):", "def whole(context):"]


async def awaited(handle):
    return await handle


@pytest.mark.parametrize("wait", [df.Handle.result, lambda handle: asyncio.run(awaited(handle))])
def test_a_wait_that_ends_since_code_is_missing_has_the_status_of_the_code_before_it(monkeypatch, wait):
    with df.TaskHub(":memory:") as hub:
        begin, write, asked = threading.Event(), threading.Event(), []
        hub.add_activity(lambda: begin.wait(20), "gate")

        @hub.orchestrator
        def grows(context):
            yield context.call_activity("gate")
            context.set_custom_status("loaded")
            yield ...

        handle = hub.start(grows)
        append, obstacle = hub._store.append, hub._engine.obstacle

        def append_late(*records):
            assert write.wait(20)
            append(*records)

        def noted(*arguments):
            asked.append(found := obstacle(*arguments))
            return found

        def status_after_the_wait():
            with pytest.raises(df.WaitTimeoutError, match="waits for more code"):
                wait(handle)
            return handle.status().custom_status

        monkeypatch.setattr(hub._store, "append", append_late)
        begin.set()
        until(lambda: obstacle(handle.id))
        monkeypatch.setattr(hub._engine, "obstacle", noted)
        with ThreadPoolExecutor(1) as pool:
            status = pool.submit(status_after_the_wait)
            until(lambda: any(asked))
            write.set()
            assert status.result(20) == "loaded"
