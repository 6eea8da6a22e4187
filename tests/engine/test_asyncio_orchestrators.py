"""Asyncio in ``async def`` orchestrators: what it does in a hub, what it leaves behind, what it refuses."""

import asyncio
import contextvars
import logging
import signal
from datetime import timedelta
from random import Random

import pytest

import durablenb as df
from durablenb.analysis.calls import read_calls
from durablenb.analysis.waits import find_waits
from durablenb.core.execution import Execution
from durablenb.core.registry import target_name
from durablenb.model import events as ev
from tests.engine.fanned import finish
from tests.properties.asyncio_programs import asyncio_program
from tests.properties.drivers import START, ByHand, codec


@pytest.fixture
def hub():
    made = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock(), verify_replay=True)
    made.add_activity(lambda number: number + 1, name="add")
    made.add_activity(_fail, name="fail")
    yield made
    made.close()


def _fail():
    raise ValueError("no")


def settled(hub, orchestrator, input_=None, events=()):
    hub.add_orchestrator(orchestrator)
    handle = hub.start(orchestrator, input_)
    finish(hub)
    for name in events:
        handle.raise_event(name)
        finish(hub)
    return handle


def kinds(handle, *wanted):
    return [type(event).__name__ for event in handle.history() if isinstance(event, wanted)]


# -- what asyncio waits for ------------------------------------------------------------------------


def test_a_wait_that_ends_in_time_leaves_no_timer(hub):
    async def main(context):
        return await asyncio.wait_for(context.call_activity("add", 1), timeout=3_600)

    handle = settled(hub, main)
    assert handle.result() == 2
    assert kinds(handle, ev.TimerCreated, ev.TimerCanceled, ev.TimerFired) == [
        "TimerCreated",
        "TimerCanceled",
    ]


def test_a_wait_that_takes_too_long_withdraws_what_it_waited_for(hub):
    async def main(context):
        answer = context.wait_for_external_event("answer")
        try:
            await asyncio.wait_for(answer, timeout=60)
        except TimeoutError:
            try:
                await answer
            except asyncio.CancelledError:
                return await context.wait_for_external_event("answer")

    assert settled(hub, main, events=["answer"]).status().runtime_status.name == "Completed"


def test_a_cancelled_task_cancels_its_activity_unless_others_await_that(hub):
    async def main(context):
        async def waits(task):
            return await task

        shared, alone = context.wait_for_external_event("shared"), context.wait_for_external_event("alone")
        tasks = [asyncio.create_task(waits(task)) for task in (shared, shared, alone)]
        await asyncio.sleep(1)
        tasks[0].cancel()
        tasks[2].cancel()
        return [type(one).__name__ for one in await asyncio.gather(*tasks, return_exceptions=True)]

    handle = settled(hub, main, events=["shared"])
    assert handle.result() == ["CancelledError", "NoneType", "CancelledError"]
    assert [event.task_id for event in handle.history() if isinstance(event, ev.EventUnsubscribed)] == [1]


def test_all_that_its_tasks_wait_for_are_its_waits(hub):
    async def main(context):
        waits = [context.wait_for_external_event(name) for name in ("go", "stop")]
        await asyncio.gather(*waits, asyncio.sleep(3_600))

    hub.add_orchestrator(main)
    handle = hub.start(main)
    while len(handle.history()) < 5:
        hub.step()
    waits = find_waits(handle.history(), read_calls(handle.history()))
    assert {(wait.kind, wait.name) for wait in waits} == {
        ("external event", "go"),
        ("external event", "stop"),
        ("timer", "timer"),
    }


def test_sets_of_tasks_have_the_order_of_their_creation(hub):
    async def main(context):
        tasks = [asyncio.create_task(asyncio.sleep(number, number)) for number in range(1, 6)]
        done, _ = await asyncio.wait(tasks)
        return [task.result() for task in done]

    assert settled(hub, main).result() == [1, 2, 3, 4, 5]


def test_what_waits_forever_fails_with_the_line(hub):
    async def main(context):
        await context.call_activity("add", 1)
        await asyncio.Event().wait()

    line = main.__code__.co_firstlineno + 2
    with pytest.raises(RuntimeError, match=f"Line {line}: the orchestrator would wait forever"):
        settled(hub, main).result()


def test_a_turn_that_never_ends_is_stopped():
    async def turns(context):
        while True:
            await asyncio.sleep(0)

    execution = Execution(turns, "instance", "execution", codec, target_name, max_actions=100)
    execution.deliver(ev.ExecutionStarted(1, START, "turns", "null"))
    *_, end = execution.resume(START, 2)
    assert end.failure.error_type.endswith("OrchestrationLimitError")


# -- cancellation, continuation, growth ------------------------------------------------------------


async def group_of_waits(context):
    async def child():
        try:
            await context.call_sub_orchestrator("child")
        finally:
            context.set_custom_status("cleaned up")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            group.create_task(asyncio.sleep(3_600))
    except df.OrchestrationCanceledError as error:
        await context.call_activity("add", 1)
        if context.get_input() == "handles it":
            return str(error)
        raise


def child(context):
    yield context.wait_for_external_event("never")


@pytest.mark.parametrize("input_", ["handles it", "lets it pass"])
def test_cancelling_an_orchestration_cancels_its_tasks_first(hub, input_):
    hub.add_orchestrator(child)
    hub.add_orchestrator(group_of_waits)
    handle = hub.start(group_of_waits, input_)
    while len(handle.history()) < 4:
        hub.step()
    handle.cancel("too dear")
    finish(hub)
    status = handle.status()
    assert status.custom_status == "cleaned up"
    if input_ == "handles it":
        assert status.output == "The orchestration was canceled: too dear."
    else:
        assert str(status.runtime_status) == "Canceled"
    assert kinds(handle, ev.TimerCanceled, ev.SubOrchestrationCancelRequested, ev.TaskScheduled) == [
        "SubOrchestrationCancelRequested",
        "TimerCanceled",
        "TaskScheduled",
    ]


def test_a_task_can_continue_as_new(hub):
    async def main(context):
        async def restarts():
            await asyncio.sleep(1)
            context.continue_as_new(context.get_input() + 1)

        if context.get_input() == 2:
            return "done"
        await asyncio.gather(restarts(), context.wait_for_external_event("never"))

    assert settled(hub, main, 0).result() == "done"


def test_a_growing_orchestrator_keeps_its_tasks(hub):
    async def growing(context):
        task = asyncio.create_task(_slept(context))
        await context.to_be_continued()
        return await task

    async def grown(context):
        task = asyncio.create_task(_slept(context))
        await context.call_activity("add", 1)
        return await task

    hub.add_orchestrator(growing, "growing")
    handle = hub.start("growing")
    finish(hub)
    hub.add_orchestrator(grown, "growing")
    finish(hub)
    assert handle.result() == "slept"


async def _slept(context):
    return await asyncio.sleep(5, "slept")


def test_a_task_cannot_await_more_code(hub):
    async def waits_for_code(context):
        await context.to_be_continued()

    async def main(context):
        await asyncio.gather(waits_for_code(context))

    with pytest.raises(TypeError, match="Only the orchestrator itself can await more code"):
        settled(hub, main).result()


def test_a_fork_takes_the_other_way(hub):
    async def main(context):
        first, second = await asyncio.gather(context.call_activity("add", 1), context.call_activity("add", 2))
        return first + second

    handle = settled(hub, main)
    fork = handle.fork(results={"#1": 40})
    finish(hub)
    assert (handle.result(), fork.result()) == (5, 42)


# -- what is seen of it ----------------------------------------------------------------------------


def test_a_replay_says_where_each_task_waits(hub):
    async def main(context):
        async def first():
            await asyncio.sleep(60)

        async with asyncio.TaskGroup() as group:
            group.create_task(first(), name="sleeper")
            group.create_task(_both(context), name="caller")

    handle = settled(hub, main)
    line = _both.__code__.co_firstlineno + 2
    waiting = handle.replay().steps(1)[-1]
    assert waiting.places == (
        f"sleeper in first(), line {main.__code__.co_firstlineno + 2}, awaits timer #0",
        f"caller in _both(), line {line}, awaits task_all of 2: activity add #1, activity add #2",
    )
    assert waiting.places[0] in repr(handle.replay().steps(1))


async def _both(context):
    calls = [context.call_activity("add", number) for number in range(2)]
    return await context.task_all(calls)


def test_prints_of_tasks_are_in_the_log_once_in_whichever_episode(hub):
    async def main(context):
        async def talks():
            await context.call_activity("add", 1)
            print("first")
            await asyncio.sleep(1)
            print("second")

        await asyncio.gather(talks())

    handle = settled(hub, main)
    assert [line.message for line in handle.logs()] == ["first", "second"]


def test_an_error_that_nothing_awaits_is_one_line_of_the_log(hub, caplog, capsys):
    async def main(context):
        failing = asyncio.create_task(_fails(context))
        await asyncio.sleep(1)
        return failing.done()

    with caplog.at_level(logging.ERROR):
        assert settled(hub, main).result() is True
    assert [record.getMessage() for record in caplog.records] == [
        "A task has failed, and nothing awaited it (Task-1)"
    ]
    assert not capsys.readouterr().err


async def _fails(context):
    await context.call_activity("fail")


def test_context_variables_are_a_tasks_own_and_last(hub):
    variable = contextvars.ContextVar("variable", default="outside")

    async def main(context):
        async def sets(value):
            variable.set(value)
            await asyncio.sleep(1)
            return variable.get()

        variable.set("main")
        given = await asyncio.gather(sets("a"), sets("b"))
        return [*given, variable.get()]

    assert settled(hub, main).result() == ["a", "b", "main"]
    assert variable.get() == "outside"


def test_names_of_tasks_are_the_same_in_a_replay(hub):
    async def main(context):
        async def name():
            await asyncio.sleep(1)
            return asyncio.current_task().get_name()

        return [asyncio.current_task().get_name(), *await asyncio.gather(name(), name())]

    assert settled(hub, main).result() == ["orchestrator", "Task-1", "Task-2"]


def test_an_interrupt_inside_a_task_harms_nothing(hub):
    errors = [KeyboardInterrupt]

    async def interrupted(context):
        async def child():
            await asyncio.sleep(1)
            if errors:
                raise errors.pop()
            return "unharmed"

        return await asyncio.gather(child())

    hub.add_orchestrator(interrupted)
    handle = hub.start(interrupted)
    with pytest.raises(KeyboardInterrupt):
        finish(hub)
    finish(hub)
    assert handle.result() == ["unharmed"]


def test_inside_of_another_event_loop_each_has_its_own():
    async def cell():
        task = asyncio.current_task()
        ByHand([["gather", False, [["sleep", 1], ["call", 1]]]], Random(1), function=asyncio_program).run()
        assert asyncio.current_task() is task
        assert asyncio.get_running_loop() is task.get_loop()
        await asyncio.sleep(0)

    asyncio.run(cell())


# -- what it refuses -------------------------------------------------------------------------------


async def _thread():
    await asyncio.to_thread(print)


async def _network():
    await asyncio.open_connection("localhost", 80)


async def _process():
    await asyncio.create_subprocess_exec("true")


async def _signal():
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, print)


async def _outside():
    asyncio.get_running_loop().call_soon_threadsafe(print)


async def _nested():
    asyncio.get_running_loop().run_until_complete(asyncio.sleep(1))


@pytest.mark.parametrize(
    ("does", "text"),
    [
        (_thread, r"can't run functions in threads .*run_in_executor.*: a replay .* in an activity: await"),
        (_network, r"can't use the network .*: a replay .* in an activity: .* context.call_http"),
        (_process, r"can't start processes.*: a replay would do it again. Do it in an activity"),
        (_signal, r"can't handle signals .* handle.cancel\(reason\)"),
        (_outside, r"can't be called from other threads .* handle.raise_event\(name\)"),
        (_nested, r"can't run an event loop .* Await the coroutine"),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_what_cannot_be_repeated_is_refused_with_what_to_do(hub, does, text):
    async def main(context):
        await does()

    with pytest.raises(NotImplementedError, match=text):
        settled(hub, main).result()


def test_as_completed_takes_tasks_only(hub):
    async def main(context):
        calls = [context.call_activity("add", number) for number in range(2)]
        tasks = [asyncio.ensure_future(call) for call in calls]
        results = [await task for task in asyncio.as_completed(tasks)]
        try:
            list(asyncio.as_completed([context.call_activity("add", 3)]))
        except TypeError as error:
            return [*results, str(error)]

    one, two, text = settled(hub, main).result()
    assert [one, two] == [1, 2]
    assert "Pass it tasks: asyncio.as_completed([asyncio.ensure_future(item)" in text


def test_a_future_of_another_loop_is_refused(hub):
    other = asyncio.new_event_loop()

    async def main(context):
        await other.create_future()

    with pytest.raises(RuntimeError, match="belongs to another event loop"):
        settled(hub, main).result()
    other.close()


def test_a_generator_has_no_event_loop(hub):
    def main(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
        asyncio.get_running_loop()

    with pytest.raises(RuntimeError, match="no running event loop"):
        settled(hub, main).result()


async def _waits_until_cancelled(calls, wait):
    own, log = asyncio.current_task(), []

    async def cancels():
        for call in calls:
            log.append(getattr(own, call)())

    canceller = asyncio.create_task(cancels())
    for number in range(2):
        try:
            await wait()
            log.append(f"{number} came")
        except asyncio.CancelledError:
            log.append(f"{number} cancelled")
    await canceller
    return [*log, own.cancelling()]


@pytest.mark.parametrize(
    "calls",
    [
        ["cancel", "uncancel"],
        ["cancel", "cancel", "uncancel"],
        ["cancel", "cancel", "uncancel", "uncancel"],
        ["cancel", "uncancel", "cancel"],
        ["uncancel"],
    ],
    ids="-".join,
)
def test_a_cancellation_that_has_come_to_the_wait_is_not_taken_back(hub, calls):
    async def timers(context):
        return await _waits_until_cancelled(
            calls, lambda: context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
        )

    async def sleeps(context):
        return await _waits_until_cancelled(calls, lambda: asyncio.sleep(1))

    expected = asyncio.run(_waits_until_cancelled(calls, lambda: asyncio.sleep(0.001)))
    assert settled(hub, timers).result() == expected
    assert settled(hub, sleeps).result() == expected


def test_a_shield_keeps_a_call_whose_await_is_cancelled(hub):
    async def main(context):
        call = asyncio.ensure_future(context.call_activity("add", 1))
        try:
            async with asyncio.timeout(0):
                await asyncio.shield(call)
        except TimeoutError:
            return ["too late", await call]

    handle = settled(hub, main)
    assert handle.result() == ["too late", 2]
    assert kinds(handle, ev.TaskScheduled, ev.TaskCompleted) == ["TaskScheduled", "TaskCompleted"]


def test_a_shield_does_not_hold_back_the_end_of_the_orchestration(hub):
    async def main(context):
        await asyncio.shield(context.wait_for_external_event("go"))

    handle = settled(hub, main)
    handle.cancel()
    finish(hub)
    assert handle.status().runtime_status.name == "Canceled"


def test_a_canceled_orchestration_may_end_with_asyncios_own_error(hub):
    async def main(context):
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:  # as libraries do that clean up with a scope of their own
            raise asyncio.CancelledError from None

    hub.add_orchestrator(main)
    handle = hub.start(main)
    hub.step()
    handle.cancel("enough")
    with pytest.raises(df.OrchestrationCanceledError, match="enough"):
        handle.result()
