"""Cancelling orchestrations: the error at the await, what it stops, and who hears of it."""

import threading
from datetime import timedelta

import pytest

import durablenb as df
from durablenb.model.events import ExecutionCancelRequested, SubOrchestrationCancelRequested
from tests.histories.replaying import replay
from tests.traps.lab import PATIENCE, Lab, counted, kinds

ACCOUNT = df.EntityId("Account", "a")


def saga(context):
    """Books, waits, and cancels the booking if it is canceled itself."""
    yield context.call_activity("book", "hotel")
    try:
        return (yield context.wait_for_external_event("paid"))
    except df.OrchestrationCanceledError as error:
        yield context.call_activity("unbook", str(error))
        raise


async def saga_as_coroutine(context):
    await context.call_activity("book", "hotel")
    try:
        return await context.wait_for_external_event("paid")
    except df.OrchestrationCanceledError as error:
        await context.call_activity("unbook", str(error))
        raise


def ignores(context):
    """Goes on with the same wait."""
    wait = context.wait_for_external_event("paid")
    heard = []
    while True:
        try:
            return [*heard, (yield wait)]
        except df.OrchestrationCanceledError as error:
            heard.append(str(error))


def furnish(lab):
    for orchestrator in (saga, saga_as_coroutine, ignores):
        lab.orchestrator(orchestrator)
    booked = []
    lab.activity(booked.append, "book")
    lab.activity(booked.append, "unbook")
    return booked


@pytest.fixture
def booked(lab):
    return furnish(lab)


@pytest.fixture
def disk(tmp_path):
    """A hub in a file, which can be closed and opened again."""
    made = Lab("kernel", tmp_path / "hub.duckdb")
    yield made
    made.close()


def status(handle):
    found = handle.status()
    return str(found.runtime_status), found.output


def kept(handle):
    return [kind for kind in kinds(handle.history()) if kind != "OrchestratorStarted"]


def started(lab, *args, **options):
    handle = lab.start(*args, **options)
    lab.settle()
    return handle


def canceled(lab, function, reason="enough", **options):
    """Start an orchestration, let it wait, and cancel it."""
    handle = started(lab, function, **options)
    handle.cancel(reason)
    lab.settle()
    return handle


# -- the error, and the end ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["saga", "saga_as_coroutine"])
def test_the_code_undoes_its_work_and_the_instance_is_canceled(lab, booked, name):
    handle, other = started(lab, name), started(lab, name)
    assert handle.cancel("too late") is True
    lab.settle()
    assert status(handle) == ("Canceled", "too late")
    assert booked == ["hotel", "hotel", "The orchestration was canceled: too late."]
    with pytest.raises(df.OrchestrationCanceledError, match="too late"):
        handle.result(PATIENCE)
    assert kept(handle)[4:] == [
        "ExecutionCancelRequested",
        "EventUnsubscribed",
        "TaskScheduled",
        "TaskCompleted",
        "ExecutionCanceled",
    ]
    assert status(other) == ("Running", None)
    other.raise_event("paid", 5)
    assert other.result(PATIENCE) == 5


def test_code_that_catches_it_ends_as_it_likes_and_may_wait_again(lab, booked):
    handle = canceled(lab, ignores, "once")
    handle.cancel()
    lab.settle()
    handle.raise_event("paid", 7)
    assert handle.result(PATIENCE) == [
        "The orchestration was canceled: once.",
        "The orchestration was canceled: no reason was given.",
        7,
    ]
    assert status(handle)[0] == "Completed"


def test_it_has_no_effect_after_the_end_and_says_so(lab, booked):
    done = started(lab, saga)
    done.raise_event("paid", 1)
    done.result(PATIENCE)
    for handle in (done, canceled(lab, saga)):
        before = handle.history()
        assert handle.cancel("second") is False
        assert lab.hub.cancel(handle.id) is False
        assert handle.history() == before
    with pytest.raises(df.InstanceNotFoundError, match="nobody"):
        lab.hub.cancel("nobody")


def test_what_has_arrived_is_never_lost(lab):
    """The result and the request come together: the code gets the result, and is canceled where it waits."""
    seen = []

    @lab.orchestrator
    def collects(context):
        for _ in range(2):
            seen.append((yield context.wait_for_external_event("n")))

    handle = started(lab, collects)
    handle.suspend()
    handle.cancel("enough")
    handle.raise_event("n", 1)
    handle.resume()
    lab.settle()
    assert set(seen) == {1}
    assert status(handle) == ("Canceled", "enough")


def test_one_that_ends_without_another_wait_completes(lab, booked):
    handle = started(lab, saga)
    handle.suspend()
    handle.raise_event("paid", 3)
    assert handle.cancel("too late") is True
    handle.resume()
    assert handle.result(PATIENCE) == 3
    assert handle.cancel() is False


def test_a_suspended_one_is_canceled_when_it_resumes_by_the_first_request(lab, booked):
    handle = started(lab, ignores)
    handle.suspend()
    handle.cancel("first")
    handle.cancel("second")
    lab.settle()
    assert status(handle)[0] == "Suspended"
    handle.resume()
    lab.settle()
    handle.raise_event("paid", 1)
    assert handle.result(PATIENCE) == ["The orchestration was canceled: first.", 1]


def test_an_error_of_its_own_fails_it(lab):
    @lab.orchestrator
    def fails(context):
        try:
            yield context.wait_for_external_event("never")
        except df.OrchestrationCanceledError:
            raise ValueError("can't be undone") from None

    handle = started(lab, fails)
    handle.cancel()
    with pytest.raises(ValueError, match="can't be undone"):
        handle.result(PATIENCE)
    assert status(handle)[0] == "Failed"


def test_an_error_of_that_type_that_nobody_requested_fails_it(lab):
    @lab.orchestrator
    def pretends(context):
        yield context.call_activity("book", 1)
        raise df.OrchestrationCanceledError("of my own")

    lab.activity(lambda _: None, "book")
    handle = started(lab, pretends)
    with pytest.raises(df.OrchestrationCanceledError, match="of my own"):
        handle.result(PATIENCE)
    assert status(handle)[0] == "Failed"


# -- when it comes ---------------------------------------------------------------------------------


def test_code_that_has_not_run_never_runs(lab, booked):
    handle = lab.start(saga, start_at=lab.clock.now() + timedelta(hours=1))
    assert handle.cancel("changed plans") is True
    assert status(handle) == ("Canceled", "changed plans")
    lab.advance(hours=2)
    assert kinds(handle.history()) == ["ExecutionStarted", "ExecutionCancelRequested", "ExecutionCanceled"]
    assert booked == []


def test_a_held_one_is_canceled_when_its_code_is_mended(disk):
    furnish(disk)
    handles = [started(disk, saga, instance_id=name) for name in "ab"]

    def changed(context):
        yield context.call_activity("unbook", "another")

    disk.restart(saga=changed)
    disk.settle()
    handles = [disk.hub.handle(name) for name in "ab"]
    assert [handle.cancel(handle.id) for handle in handles] == [True, True]
    disk.settle()
    assert [status(handle)[0] for handle in handles] == ["Running", "Running"]
    disk.orchestrator(saga)
    disk.settle()
    assert [status(handle) for handle in handles] == [("Canceled", "a"), ("Canceled", "b")]


def test_one_that_waits_for_more_code_is_canceled_at_its_next_await(lab):
    @lab.orchestrator
    def grows(context):
        yield ...

    handle = started(lab, grows)
    handle.cancel("enough")

    @lab.orchestrator
    def grows(context):
        yield ...
        yield context.wait_for_external_event("never")

    lab.settle()
    assert status(handle) == ("Canceled", "enough")


@pytest.mark.parametrize("last", ["ExecutionCancelRequested", "TaskScheduled"])
def test_a_crash_before_or_in_the_middle_of_the_compensation_loses_nothing(disk, last):
    booked = furnish(disk)
    handles = [started(disk, saga, instance_id=name) for name in "ab"]
    handles[0].cancel("too late")
    disk.until(lambda: kept(handles[0])[-1] == last)
    disk.restart()
    disk.settle()
    assert status(disk.hub.handle("a")) == ("Canceled", "too late")
    assert status(disk.hub.handle("b"))[0] == "Running"
    assert booked == ["hotel", "hotel", "The orchestration was canceled: too late."]


def test_continue_as_new_takes_a_pending_request_along(lab):
    @lab.orchestrator
    def ticks(context):
        rounds = context.get_input()
        if rounds:
            yield context.wait_for_external_event("never")
        yield context.wait_for_external_event("tick")
        context.continue_as_new(rounds + 1)

    handle = started(lab, ticks, 0)
    handle.suspend()
    handle.raise_event("tick")
    handle.cancel("enough")
    handle.resume()
    lab.settle()
    assert status(handle) == ("Canceled", "enough")


# -- what is awaited -------------------------------------------------------------------------------


def test_running_calls_that_are_awaited_or_left_behind_are_canceled():
    begun, ended = threading.Semaphore(0), threading.Semaphore(0)

    with df.TaskHub(":memory:", verify_replay=True) as hub:

        @hub.activity
        def slow(n, activity: df.ActivityContext):
            begun.release()
            while not activity.is_cancelled:
                threading.Event().wait(0.005)
            ended.release()

        @hub.orchestrator
        def waits(context):
            retry = df.RetryOptions(1_000, 3)
            calls = [context.call_activity(slow, 1), context.call_activity_with_retry(slow, retry, 2)]
            context.call_activity(slow, 3)
            yield context.task_all([*calls, context.wait_for_external_event("never")])

        handles = [hub.start(waits) for _ in range(2)]
        for _ in range(6):
            assert begun.acquire(timeout=PATIENCE)
        handles[0].cancel("enough")
        assert handles[0].wait(PATIENCE).runtime_status == "Canceled"
        for _ in range(3):
            assert ended.acquire(timeout=PATIENCE)
        assert counted(handles[0].history(), "TaskCanceled") == 2
        assert "TaskCanceled" not in kinds(handles[1].history())
        query = "select distinct instance_id, status from activities where task_id < 2 order by status"
        assert hub.sql(query).fetchall() == [(handles[0].id, "Canceled"), (handles[1].id, "Pending")]
        handles[1].terminate()


def test_sub_orchestrations_that_are_awaited_are_canceled_first(lab, booked):
    @lab.orchestrator
    def parent(context):
        try:
            yield context.call_sub_orchestrator(saga, instance_id=f"{context.instance_id}-child")
        finally:
            yield context.call_activity("unbook", "the parent's")

    handle, other = started(lab, parent, instance_id="p"), started(lab, parent, instance_id="q")
    handle.cancel("too late")
    lab.settle()
    assert status(handle) == status(lab.hub.handle("p-child")) == ("Canceled", "too late")
    assert booked[2:] == ["The orchestration was canceled: too late.", "the parent's"]
    assert [status(one)[0] for one in (other, lab.hub.handle("q-child"))] == ["Running", "Running"]
    assert counted(handle.history(), "SubOrchestrationCancelRequested") == 1
    other.terminate()


def test_a_child_that_completes_nevertheless_keeps_its_result(lab, booked):
    @lab.orchestrator
    def parent(context):
        child = context.call_sub_orchestrator(ignores, instance_id=f"{context.instance_id}-child")
        try:
            yield child
        except df.OrchestrationCanceledError:
            return (yield child)

    handle = canceled(lab, parent, "soon", instance_id="p")
    assert status(handle)[0] == "Running"
    lab.hub.handle("p-child").raise_event("paid", 1)
    assert handle.result(PATIENCE) == ["The orchestration was canceled: soon.", 1]


def test_the_parent_of_a_canceled_child_fails_with_its_error_and_does_not_retry_it(lab, booked):
    @lab.orchestrator
    def parent(context):
        retry = df.RetryOptions(1_000, 3)
        try:
            yield context.call_sub_orchestrator_with_retry(saga, retry, instance_id="c")
        except df.OrchestrationCanceledError as error:
            return [isinstance(error, df.TaskFailedError), "c was canceled: alone" in str(error)]

    handle = started(lab, parent)
    lab.hub.cancel("c", "alone")
    assert handle.result(PATIENCE) == [True, True]
    assert counted(handle.history(), "SubOrchestrationInstanceCreated") == 1


def test_a_child_that_has_not_run_is_canceled_with_its_parent(disk):
    furnish(disk)
    ran = []

    def parent(context):
        yield context.call_sub_orchestrator("later", instance_id="c")

    disk.orchestrator(parent)
    disk.orchestrator(lambda context: ran.append(1), "later")
    handle = disk.start(parent, instance_id="p")
    disk.until(lambda: "SubOrchestrationInstanceCreated" in kinds(handle.history()))
    disk.restart(without=("later",))
    handle = disk.hub.handle("p")
    handle.cancel("enough")
    disk.settle()
    assert status(handle) == status(disk.hub.handle("c")) == ("Canceled", "enough")
    assert ran == []


def account(context):
    count = context.get_state(lambda: 0) + 1
    context.set_state(count)
    context.set_result(count)


@pytest.mark.parametrize("is_suspended", [False, True])
def test_a_canceled_critical_section_lets_the_next_one_in(lab, booked, is_suspended):
    lab.entity(account, "Account")

    @lab.orchestrator
    def holds(context):
        with (yield context.lock([ACCOUNT])):
            context.set_custom_status("inside")
            yield context.wait_for_external_event("go")

    owner, waiting = started(lab, holds), started(lab, holds)
    if is_suspended:
        owner.suspend()
    owner.cancel("enough")
    if is_suspended:
        owner.resume()
    lab.settle()
    assert status(owner) == ("Canceled", "enough")
    assert waiting.status().custom_status == "inside"
    waiting.raise_event("go")
    waiting.result(PATIENCE)


def test_the_request_of_a_critical_section_is_withdrawn(lab, booked):
    lab.entity(account, "Account")

    @lab.orchestrator
    def holds(context):
        try:
            with (yield context.lock([ACCOUNT])):
                yield context.wait_for_external_event("go")
        except df.OrchestrationCanceledError:
            yield context.wait_for_external_event("later")
            with (yield context.lock([ACCOUNT])):
                return (yield context.call_entity(ACCOUNT, "count"))

    owner, waiting = started(lab, holds), started(lab, holds)
    waiting.cancel("enough")
    lab.settle()
    assert counted(waiting.history(), "EntityLockCanceled") == 1
    owner.raise_event("go")
    owner.result(PATIENCE)
    assert "EntityLockGranted" not in kinds(waiting.history())
    rows = lab.hub.sql("select status from spans where kind = 'lock' order by seq").fetchall()
    assert rows == [("Completed",), ("Canceled",)]
    waiting.raise_event("later")
    assert waiting.result(PATIENCE) == 1


def test_entities_can_not_be_canceled(lab, booked):
    lab.entity(account, "Account")
    lab.signal(ACCOUNT, "count")
    lab.settle()
    with pytest.raises((ValueError, df.InstanceNotFoundError)):
        lab.hub.cancel(str(ACCOUNT))


# -- pasts -----------------------------------------------------------------------------------------


def test_a_canceled_instance_can_not_be_rewound_and_can_be_restarted(lab, booked):
    handle = canceled(lab, saga)
    with pytest.raises(df.InstanceStateError, match="is Canceled; only a failed one"):
        handle.rewind()
    again = handle.restart()
    lab.settle()
    again.raise_event("paid", 1)
    assert again.result(PATIENCE) == 1


def test_a_rewind_cancels_again_and_retries_the_compensation(lab):
    broken = [True]

    def unbook(text):
        if broken[0]:
            raise RuntimeError("broken")
        return text

    furnish(lab)
    lab.activity(unbook)
    handle = canceled(lab, saga)
    assert status(handle)[0] == "Failed"
    broken[0] = False
    handle.rewind("again")
    lab.settle()
    assert status(handle) == ("Canceled", "enough")
    assert len(handle.replay())


def test_a_fork_after_the_request_is_canceled_and_one_before_it_is_not(lab, booked):
    handle = canceled(lab, saga)
    at = next(event.event_id for event in handle.history() if isinstance(event, ExecutionCancelRequested))
    after, before = handle.fork(at=at), handle.fork(at=at - 1)
    lab.settle()
    assert status(after) == ("Canceled", "enough")
    assert status(before)[0] == "Running"
    before.raise_event("paid", 2)
    assert before.result(PATIENCE) == 2


def test_a_fork_cancels_its_own_child(lab, booked):
    @lab.orchestrator
    def parent(context):
        yield context.call_sub_orchestrator(ignores)

    handle = canceled(lab, parent)
    fork = handle.fork()
    lab.settle()
    [request] = [e for e in fork.history() if isinstance(e, SubOrchestrationCancelRequested)]
    child = lab.hub.handle(request.instance_id)
    assert child.id != handle.history()[2].instance_id
    assert status(fork) == status(child) == ("Canceled", "enough")
    assert status(handle)[0] == "Running"
    handle.terminate()


def test_code_that_handles_it_in_another_way_does_not_fit(lab, booked):
    def catches(context):
        yield context.call_activity("book", "hotel")
        try:
            return (yield context.wait_for_external_event("paid"))
        except df.OrchestrationCanceledError:
            return "caught"

    handle = canceled(lab, saga)
    with pytest.raises(df.NonDeterminismError, match="recorded is TaskScheduled 'unbook'"):
        replay(catches, (handle.id, "any"), list(handle.history()))


# -- seen from outside -----------------------------------------------------------------------------


def test_tables_counts_and_filters_know_it(lab, booked):
    handle, other, hub = canceled(lab, saga), started(lab, saga), lab.hub
    assert [one.instance_id for one in hub.instances(status="Canceled")] == [handle.id]
    for view in ("instances", "executions"):
        found = hub.sql(f"select status, output from {view} where instance_id = '{handle.id}'").fetchall()
        assert found == [("Canceled", '"enough"')]
    found = hub.sql(f"select status, ended is null from tree('{handle.id}')").fetchall()
    assert found == [("Canceled", False)]
    assert "Canceled" in hub._repr_mimebundle_()["text/html"]
    assert handle.progress()._shown().status == "Canceled"
    purged = hub.client.purge_instance_history_by(runtime_status=["Canceled"])
    assert purged.instances_deleted == 1
    other.terminate()


def test_replays_pictures_and_texts_tell_of_it(lab, booked):
    handle = canceled(lab, saga)
    told = str(handle.replay())
    assert "The cancellation of the orchestration is raised here" in told
    assert "the orchestration is canceled" in told
    drawn = str(handle.sequence())
    assert "cancel" in drawn
    assert "Canceled" in drawn
    for picture in (handle, handle.sequence(), handle.replay(), handle.progress()):
        assert picture._repr_mimebundle_()


def test_the_history_is_as_in_azure(lab, booked):
    shown = lab.client.get_status(canceled(lab, saga).id, True, True).history
    assert {key: value for key, value in shown[-1].items() if key != "Timestamp"} == {
        "EventType": "ExecutionCompleted",
        "OrchestrationStatus": "Canceled",
        "Result": "enough",
    }
    assert "ExecutionCancelRequested" not in [event["EventType"] for event in shown]


def test_requests_that_race_with_the_end_leave_one_outcome_and_one_replay(tmp_path):
    with df.TaskHub(tmp_path / "hub.duckdb", durability="pipelined", verify_replay=True) as hub:
        hub.add_activity(lambda n: n, "quick")

        @hub.orchestrator
        def races(context):
            try:
                for n in range(3):
                    yield context.call_activity("quick", n)
            except df.OrchestrationCanceledError:
                yield context.call_activity("quick", -1)
                raise
            return "done"

        handles = hub.map(races, range(80))
        accepted = [handle.cancel("race") for handle in handles]
        ends = [str(handle.wait(60).runtime_status) for handle in handles]
        assert set(ends) <= {"Completed", "Canceled"}
        for handle, end, was_open in zip(handles, ends, accepted, strict=True):
            assert was_open or end == "Completed"
            found = kinds(handle.history())
            assert found.count("ExecutionCanceled") == (end == "Canceled")
            assert found.count("ExecutionCompleted") == (end == "Completed")
            assert len(handle.replay()) == found.count("OrchestratorStarted")
