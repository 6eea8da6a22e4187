"""The client, the handle and Azure's awaitable client: every method, what it takes, refuses and says."""

import asyncio
import contextlib
import inspect
import time
from datetime import UTC, datetime, timedelta

import pytest

import durablenb as df
from durablenb.model.failures import FailureDetails
from tests.traps.lab import PATIENCE, Lab, kinds


@pytest.fixture(scope="module", params=["kernel", "threads"])
def shared(request):
    lab = Lab(request.param)
    yield lab
    lab.close()


@pytest.fixture
def lab(shared):
    shared.orchestrator(quick)
    shared.orchestrator(waits)
    shared.orchestrator(fails)
    yield shared
    shared.renew()


@pytest.fixture
def client(lab):
    return lab.client


def quick(context):
    return context.get_input()


def waits(context):
    return (yield context.wait_for_external_event("go"))


def fails(context):
    raise ValueError("broken")


# -- start_new -----------------------------------------------------------------------------------


def test_start_new_takes_what_azures_takes_in_azures_order(client):
    assert client.start_new("quick", "my-id", {"a": 1}, "2.0") == "my-id"
    status = client.wait_for_completion("my-id", 10)
    assert (status.input_, status.version, status.output) == ({"a": 1}, "2.0", {"a": 1})


def test_start_new_makes_an_id_of_32_hexadecimal_digits(client):
    first, second = client.start_new("quick"), client.start_new(quick)
    assert first != second
    assert len(first) == 32
    assert int(first, 16)


def test_start_new_returns_once_the_start_is_on_disk(tmp_path):
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel") as hub:
        hub.add_orchestrator(waits)
        instance_id = hub.client.start_new("waits", None, 5)
        assert hub.sql("select instance_id, input from instances").fetchall() == [(instance_id, "5")]


def test_start_new_keeps_tags_and_the_scheduled_start(lab, client):
    start_at = lab.clock.now() + timedelta(hours=1)
    instance_id = client.start_new(waits, tags={"team": "blue"}, start_at=start_at)
    status = client.get_status(instance_id)
    assert (status.tags, status.scheduled_start_time) == ({"team": "blue"}, start_at)


@pytest.mark.parametrize("tags", [{"a": 1}, {1: "a"}, {"a": None}], ids=repr)
def test_start_new_refuses_tags_that_are_not_text_by_text(client, tags):
    with pytest.raises(TypeError, match="Tags are text by text"):
        client.start_new(quick, tags=tags)


def test_start_new_refuses_what_is_no_orchestrator(client):
    with pytest.raises(df.FunctionNotFoundError, match="Did you mean 'quick'"):
        client.start_new("quik")
    with pytest.raises(ValueError, match="function_name cannot be empty"):
        client.start_new("")
    with pytest.raises(TypeError, match="Expected a function or its name, not a int"):
        client.start_new(5)
    assert client.get_status_all() == []


def test_start_new_takes_a_registered_function_by_whatever_name_it_has(lab, client):
    def spelled_otherwise(context):
        return context.instance_id

    lab.orchestrator(spelled_otherwise, "Its Name")
    instance_id = client.start_new(spelled_otherwise)
    assert client.wait_for_completion(instance_id, 10).name == "Its Name"


def test_start_new_says_which_status_it_was_given_that_there_is_none_of(client):
    with pytest.raises(ValueError, match="'Finished' is not a valid"):
        client.start_new(quick, dedupe_statuses=["Finished"])


# -- raise_event ---------------------------------------------------------------------------------


def test_raise_event_brings_its_data(client):
    instance_id = client.start_new(waits)
    assert client.raise_event(instance_id, "go", {"a": [1, None]}) is None
    assert client.wait_for_completion(instance_id, 10).output == {"a": [1, None]}


def test_raise_event_refuses_nobody_the_ended_and_the_nameless(client):
    instance_id = client.start_new(quick)
    client.wait_for_completion(instance_id, 10)
    with pytest.raises(df.InstanceStateError, match=f"'{instance_id}' is Completed and takes no events"):
        client.raise_event(instance_id, "go")
    with pytest.raises(df.InstanceNotFoundError, match="No instance with ID 'nobody' found"):
        client.raise_event("nobody", "go")
    for name in ("", "  "):
        with pytest.raises(ValueError, match="external_event_name cannot be empty"):
            client.raise_event(instance_id, name)
    with pytest.raises(TypeError, match="An external event's name is text, not int"):
        client.raise_event(instance_id, 5)
    with pytest.raises(df.NotSerializableError, match=r"value is a builtins\.object"):
        client.raise_event(instance_id, "go", object())


# -- terminate, suspend, resume ------------------------------------------------------------------


def test_terminate_takes_a_reason_of_any_kind_as_text(client):
    for reason, text in (("why", "why"), (5, "5"), (None, "None")):
        instance_id = client.start_new(waits)
        client.terminate(instance_id, reason)
        assert client.get_status(instance_id).output == text


def test_terminate_reaches_the_grandchildren_of_a_completed_child(lab, client):
    @lab.orchestrator
    def child(context):
        context.call_sub_orchestrator(waits, None, "grandchild")

    @lab.orchestrator
    def parent(context):
        yield context.call_sub_orchestrator(child, None, "child")
        yield context.wait_for_external_event("go")

    client.start_new(parent, "parent")
    lab.settle()
    assert client.get_status("child").runtime_status == "Completed"
    client.terminate("parent", "all of you")
    assert client.get_status("grandchild").output == "all of you"
    assert client.get_status("child").runtime_status == "Completed"


def test_suspend_and_resume_keep_their_reasons(lab, client):
    instance_id = client.start_new(waits)
    lab.settle()
    client.suspend(instance_id, "holidays")
    assert client.get_status(instance_id).runtime_status == "Suspended"
    client.resume(instance_id, "back")
    assert client.get_status(instance_id).runtime_status == "Running"
    events = client.get_status(instance_id, True).history
    assert [(e["EventType"], e["Reason"]) for e in events if "Reason" in e] == [
        ("ExecutionSuspended", "holidays"),
        ("ExecutionResumed", "back"),
    ]


@pytest.mark.parametrize("method", ["terminate", "suspend", "resume", "rewind", "restart"])
def test_what_steers_an_instance_refuses_nobody(client, method):
    with pytest.raises(df.InstanceNotFoundError, match="nobody"):
        getattr(client, method)("nobody")


# -- get_status ----------------------------------------------------------------------------------


def test_get_status_of_a_completed_instance(lab, client):
    began = lab.clock.now()
    client.start_new(quick, "q", [1])
    client.wait_for_completion("q", 10)
    status = client.get_status("q")
    assert status
    assert status.name == "quick"
    assert status.instance_id == "q"
    assert status.created_time == status.last_updated_time == began
    assert status.created_time.tzinfo is UTC
    assert status.input_ == status.output == [1]
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Completed
    assert status.custom_status is None
    assert status.history is None
    assert status.version is None
    assert status.parent_instance_id is None
    assert status.tags == {}
    assert status.scheduled_start_time is None
    assert status.failure_details is None
    assert repr(status) == "<quick q: Completed>"


def test_get_status_of_a_failed_instance_has_azures_text_and_the_details(client):
    client.start_new(fails, "f")
    client.wait_for_completion("f", 10)
    status = client.get_status("f")
    assert status.runtime_status == "Failed"
    assert status.output == "Orchestrator function 'fails' failed: broken"
    assert isinstance(status.failure_details, FailureDetails)
    assert status.failure_details.error_type == "builtins.ValueError"
    assert status.failure_details.message == "broken"
    assert 'raise ValueError("broken")' in status.failure_details.stack_trace


def test_get_status_without_the_input_leaves_it_out_of_the_history_too(client):
    client.start_new(quick, "q", "secret")
    client.wait_for_completion("q", 10)
    assert client.get_status("q").input_ == "secret"
    status = client.get_status("q", True, False, False)
    assert status.input_ is None
    assert "secret" not in repr(status.history)


def test_get_status_as_the_http_api_shows_it(lab, client):
    client.start_new(quick, "q", {"a": 1})
    client.wait_for_completion("q", 10)
    moment = lab.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert client.get_status("q").to_json() == {
        "name": "quick",
        "instanceId": "q",
        "createdTime": moment,
        "lastUpdatedTime": moment,
        "input": {"a": 1},
        "output": {"a": 1},
        "runtimeStatus": "Completed",
        "customStatus": None,
    }
    assert [e["EventType"] for e in client.get_status("q", True).to_json()["historyEvents"]] == [
        "ExecutionStarted",
        "ExecutionCompleted",
    ]


def everything(context):
    """One of each kind that a history shows."""
    context.set_custom_status("not in a history of Azure's")
    yield context.call_activity("works", {"in": 1})
    with contextlib.suppress(ValueError):
        yield context.call_activity("breaks", 2)
    yield context.create_timer(context.current_utc_datetime + timedelta(minutes=1))
    yield context.call_sub_orchestrator("quick", 3, "kid")
    with contextlib.suppress(ValueError):
        yield context.call_sub_orchestrator("fails", 4, "bad kid")
    cancelled = context.create_timer(context.current_utc_datetime + timedelta(days=1))
    cancelled.cancel()
    event = yield context.wait_for_external_event("go")
    context.call_activity("works", {"in": 5})  # still asked for when it ends
    return event


@pytest.fixture
def told(lab, client):
    """The history of `everything`, with what is asked for; times are left out."""

    @lab.activity
    def works(value):
        return {"out": value}

    @lab.activity
    def breaks(value):
        raise ValueError(f"no {value}")

    lab.orchestrator(everything)
    client.start_new(everything, "e", "input")
    lab.settle()
    lab.advance(minutes=2)
    client.suspend("e", "wait")
    client.resume("e", "go on")
    client.raise_event("e", "go", {"event": 6})
    client.wait_for_completion("e", 10)

    def tell(*shown):
        return client.get_status("e", True, *shown).history

    return tell


def test_a_history_has_azures_shape(told):
    """What was asked for is folded into what became of it; results only if they are asked for."""
    history = told()
    for event in history:
        for key in ("Timestamp", "ScheduledTime", "FireAt"):
            if key in event:
                datetime.strptime(event[key], "%Y-%m-%dT%H:%M:%S.%fZ")
    left = [
        {k: v for k, v in event.items() if k not in ("Timestamp", "Details", "FailureDetails")}
        for event in history
    ]
    for event in left:
        event.pop("FireAt", None)
        event.pop("ScheduledTime", None)
    assert left == [
        {"EventType": "ExecutionStarted", "FunctionName": "everything", "Input": "input"},
        {"EventType": "TaskCompleted", "FunctionName": "works", "Input": {"in": 1}},
        {"EventType": "TaskFailed", "FunctionName": "breaks", "Input": 2, "Reason": "no 2"},
        {"EventType": "TimerCreated"},
        {"EventType": "TimerFired"},
        {"EventType": "SubOrchestrationInstanceCompleted", "FunctionName": "quick", "Input": 3},
        {
            "EventType": "SubOrchestrationInstanceFailed",
            "FunctionName": "fails",
            "Input": 4,
            "Reason": "broken",
        },
        {"EventType": "TimerCreated"},
        {"EventType": "ExecutionSuspended", "Reason": "wait"},
        {"EventType": "ExecutionResumed", "Reason": "go on"},
        {"EventType": "EventRaised", "Name": "go", "Input": {"event": 6}},
        {"EventType": "TaskScheduled", "Name": "works", "Input": {"in": 5}},
        {"EventType": "ExecutionCompleted", "OrchestrationStatus": "Completed"},
    ]
    folded = [event for event in history if event["EventType"] in ("TaskCompleted", "TaskFailed")]
    assert all("ScheduledTime" in event and "TaskScheduledId" not in event for event in folded)
    assert all("FireAt" in event for event in history if event["EventType"].startswith("Timer"))
    assert all("EventId" not in event and "IsPlayed" not in event for event in history)


def test_a_history_has_results_and_failures_if_they_are_asked_for(told):
    results = [event["Result"] for event in told(True) if "Result" in event]
    assert results == [{"out": {"in": 1}}, 3, {"event": 6}]
    failed = next(event for event in told(True) if event["EventType"] == "TaskFailed")
    assert failed["FailureDetails"]["ErrorType"] == "builtins.ValueError"
    assert "raise ValueError" in failed["Details"]


def test_a_history_has_no_input_if_it_is_not_asked_for(told):
    assert all("Input" not in event for event in told(True, False))


def test_a_history_is_that_of_the_current_execution(lab, client):
    @lab.orchestrator
    def again(context):
        if context.get_input() is None:
            yield context.create_timer(context.current_utc_datetime)
            context.continue_as_new(1)

    client.start_new(again, "a")
    client.wait_for_completion("a", 10)
    assert [e["EventType"] for e in client.get_status("a", True).history] == [
        "ExecutionStarted",
        "ExecutionCompleted",
    ]
    assert kinds(client.history("a")).count("ExecutionStarted") == 2


def test_history_is_of_all_executions_and_refuses_nobody(client):
    client.start_new(quick, "q")
    client.wait_for_completion("q", 10)
    assert kinds(client.history("q")) == ["ExecutionStarted", "OrchestratorStarted", "ExecutionCompleted"]
    with pytest.raises(df.InstanceNotFoundError):
        client.history("nobody")


# -- waiting -------------------------------------------------------------------------------------


def test_wait_for_completion_gives_the_status_whichever_it_is(client):
    client.start_new(quick, "q", 1)
    client.start_new(fails, "f")
    client.start_new(waits, "t")
    client.terminate("t", "why")
    statuses = [client.wait_for_completion(i, 10) for i in ("q", "f", "t")]
    assert [str(status.runtime_status) for status in statuses] == ["Completed", "Failed", "Terminated"]


def test_wait_for_completion_raises_at_the_end_of_its_time_and_again_and_then_waits_on(client, lab):
    client.start_new(waits, "w")
    lab.settle()
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(df.WaitTimeoutError, match=r"w (did not end within 0.02 s|waits, and nothing)"):
            client.wait_for_completion("w", 0.02)
        assert time.monotonic() - began < 2
    client.raise_event("w", "go")
    assert client.wait_for_completion("w", 10)


def test_result_of_gives_the_value_or_raises(client):
    client.start_new(quick, "q", {"a": 1})
    client.start_new(fails, "f")
    client.start_new(waits, "t")
    client.terminate("t")
    assert client.result_of("q", 10) == {"a": 1}
    with pytest.raises(ValueError, match="Orchestrator function 'fails' failed: broken") as caught:
        client.result_of("f", 10)
    assert isinstance(caught.value, df.TaskFailedError)
    assert caught.value.details.message == "broken"
    with pytest.raises(df.OrchestrationTerminatedError, match="no reason was given"):
        client.result_of("t", 10)


# -- rewind, restart, purge: what is common; the cases are in tests/traps -------------------------


def test_rewind_takes_a_reason_and_answers_none(lab, client):
    broken = [True]
    lab.activity(lambda: 1 / 0 if broken else "well", "fragile")

    @lab.orchestrator
    def asks(context):
        return (yield context.call_activity("fragile"))

    client.start_new(asks, "a")
    client.wait_for_completion("a", 10)
    broken.clear()
    assert client.rewind("a", "mended") is None
    assert client.wait_for_completion("a", 10).output == "well"


def test_restart_answers_with_the_id(client):
    client.start_new(quick, "q", 5)
    client.wait_for_completion("q", 10)
    again = client.restart("q")
    assert len(again) == 32
    assert client.wait_for_completion(again, 10).output == 5
    assert client.restart("q", restart_with_new_instance_id=False) == "q"
    assert client.wait_for_completion("q", 10).output == 5


def test_purges_answer_with_azures_result(client):
    client.start_new(quick, "q")
    client.wait_for_completion("q", 10)
    assert client.purge_instance_history("q") == df.PurgeHistoryResult(1)
    assert client.purge_instance_history_by() == df.PurgeHistoryResult(0)


def test_purging_by_time_refuses_what_is_no_time(client):
    with pytest.raises(TypeError, match="Expected a datetime, not '2026'"):
        client.purge_instance_history_by("2026")


# -- handles -------------------------------------------------------------------------------------


@pytest.fixture
def handle(lab):
    return lab.start(waits, 5, instance_id="w")


def test_a_handle_does_what_the_client_does(lab, handle):
    assert handle.id == "w"
    handle.suspend("rest")
    assert handle.status().runtime_status == "Suspended"
    handle.resume("go on")
    handle.raise_event("go", "well")
    assert handle.result(10) == "well"
    assert handle.wait(10).output == "well"
    assert handle.status(show_history=True).history[-1]["Result"] == "well"
    assert kinds(handle.history())[-1] == "ExecutionCompleted"
    again = handle.restart()
    assert isinstance(again, df.Handle)
    again.terminate("enough")
    assert again.status().output == "enough"
    assert handle.restart(restart_with_new_instance_id=False) == handle
    handle.raise_event("go", "again")
    assert handle.result(10) == "again"
    assert handle.purge() == 1
    assert not handle.status()


def test_a_handle_is_equal_to_another_of_the_same_instance(lab, handle):
    other = lab.hub.handle("w")
    assert other == handle
    assert hash(other) == hash(handle)
    assert other != lab.start(waits)
    assert handle != "w"
    assert len({handle, other}) == 1


def test_a_handle_says_what_it_is(lab, handle):
    lab.settle()
    assert repr(handle) == "<waits w: Running>"
    handle.terminate()
    assert repr(handle) == "<waits w: Terminated>"
    handle.purge()
    assert repr(handle) == "<instance w: purged>"


def test_a_handle_outlives_its_hub_and_says_that_it_is_closed():
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_orchestrator(waits)
        handle = hub.start(waits, instance_id="w")
    assert repr(handle) == "<instance w of a closed hub>"
    for method in (handle.result, handle.status, handle.terminate, handle.history, handle.suspend):
        with pytest.raises(df.StoreError, match=r"The hub is closed\. Open it again"):
            method()
    with pytest.raises(df.StoreError, match="The hub is closed"):
        handle.raise_event("go")


def test_handle_of_an_unknown_instance_is_refused(lab):
    with pytest.raises(df.InstanceNotFoundError, match=r"No instance with ID 'nobody' found. hub.instances"):
        lab.hub.handle("nobody")


def test_a_handle_can_be_awaited(lab, handle):
    handle.raise_event("go", "well")

    async def main():
        return await handle

    assert asyncio.run(main()) == "well"
    failed = lab.start(fails)

    async def fail():
        await failed

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(fail())


def test_a_handle_of_a_failed_instance_raises_the_same_each_time(lab):
    handle = lab.start(fails)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            handle.result(10)


def test_handles_of_instances_that_ended_long_ago_still_know_their_results(lab):
    handles = [lab.start(quick, number) for number in range(50)]
    assert [handle.result(10) for handle in handles] == list(range(50))
    lab.client.engine.lifecycle.ended.clear()  # as if thousands had ended since
    assert [handle.result(10) for handle in handles] == list(range(50))


# -- Azure's awaitable client --------------------------------------------------------------------

SAME = ["start_new", "get_status", "get_status_all", "get_status_by", "raise_event", "terminate", "suspend"]
SAME += ["resume", "rewind", "restart", "purge_instance_history", "purge_instance_history_by"]
SAME += ["wait_for_completion"]


@pytest.mark.parametrize("name", SAME)
def test_the_awaitable_client_has_each_method_with_the_same_arguments(name):
    awaitable = getattr(df.DurableOrchestrationClient, name)
    synchronous = getattr(df.SyncDurableOrchestrationClient, name)
    assert inspect.iscoroutinefunction(awaitable)

    def positional(method):
        return [
            (parameter.name, parameter.default)
            for parameter in inspect.signature(method).parameters.values()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ]

    taken = [p for p in positional(awaitable) if p[0] not in ("task_hub_name", "connection_name")]
    assert taken == positional(synchronous)


@pytest.mark.parametrize("name", [n for n in SAME if n not in ("start_new", "wait_for_completion")])
def test_the_awaitable_client_takes_what_is_durablenbs_own_too(name):
    own = {
        parameter.name
        for parameter in inspect.signature(
            getattr(df.SyncDurableOrchestrationClient, name)
        ).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert own <= set(inspect.signature(getattr(df.DurableOrchestrationClient, name)).parameters)


def test_the_awaitable_client_does_all_of_it(lab):
    broken = [True]
    lab.activity(lambda: 1 / 0 if broken else "well", "fragile")

    @lab.orchestrator
    def fragile(context):
        return (yield context.call_activity("fragile"))

    async def main():
        client = df.DurableOrchestrationClient(lab.hub)
        now = lab.clock.now()
        assert await client.start_new("waits", "w", {"a": 1}, "1", tags={"t": "x"}) == "w"
        status = await client.get_status("w", show_history=True)
        assert (status.input_, status.version, status.tags) == ({"a": 1}, "1", {"t": "x"})
        await client.suspend("w", "rest")
        assert (await client.get_status("w")).runtime_status == "Suspended"
        await client.resume("w", "go on")
        await client.raise_event("w", "go", 5, task_hub_name="any", connection_name="any")
        assert (await client.wait_for_completion("w", 10)).output == 5
        await client.start_new("fragile", "f")
        assert (await client.wait_for_completion("f", 10)).runtime_status == "Failed"
        broken.clear()
        await client.rewind("f", "mended", task_hub_name="any", connection_name="any")
        assert (await client.wait_for_completion("f", 10)).output == "well"
        again = await client.restart("f")
        assert (await client.wait_for_completion(again, 10)).output == "well"
        await client.start_new("waits", "t")
        await client.terminate("t", "why", recursive=False)
        found = await client.get_status_by(now, None, ["Completed", "Terminated"], "t")
        assert [one.instance_id for one in found] == ["t"]
        assert len(await client.get_status_all()) == 4
        assert (await client.purge_instance_history("t", recursive=False)).instances_deleted == 1
        assert (await client.purge_instance_history_by(now, None, "Completed")).instances_deleted == 3
        return await client.get_status_all()

    assert asyncio.run(main()) == []


def test_the_awaitable_client_raises_what_the_synchronous_one_raises(lab):
    async def main():
        client = df.DurableOrchestrationClient(lab.hub)
        with pytest.raises(df.InstanceNotFoundError):
            await client.raise_event("nobody", "go")
        with pytest.raises(df.FunctionNotFoundError):
            await client.start_new("nobody")
        with pytest.raises(df.InstanceNotFoundError):
            await client.wait_for_completion("nobody")
        await client.start_new("waits", "w")
        with pytest.raises(df.WaitTimeoutError):
            await client.wait_for_completion("w", 0.02)

    asyncio.run(main())


def test_the_awaitable_client_takes_a_hub_and_nothing_else():
    with pytest.raises(TypeError, match="takes a TaskHub, not a str"):
        df.DurableOrchestrationClient("starter")


def test_the_event_loop_goes_on_while_an_orchestration_is_waited_for():
    with df.TaskHub(":memory:") as hub:
        hub.add_orchestrator(waits)

        async def main():
            client = df.DurableOrchestrationClient(hub)
            await client.start_new("waits", "w")
            waiting = asyncio.create_task(client.wait_for_completion("w", PATIENCE))
            await asyncio.sleep(0)
            await client.raise_event("w", "go", 1)  # by the same loop
            return (await waiting).output

        assert asyncio.run(main()) == 1


def test_a_wait_that_is_cancelled_harms_nothing():
    with df.TaskHub(":memory:") as hub:
        hub.add_orchestrator(waits)

        async def main():
            client = df.DurableOrchestrationClient(hub)
            await client.start_new("waits", "w")
            waiting = asyncio.create_task(client.wait_for_completion("w", PATIENCE))
            await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await client.raise_event("w", "go", 1)
            return (await client.wait_for_completion("w", PATIENCE)).output

        assert asyncio.run(main()) == 1


def test_two_event_loops_may_wait_for_one_instance_one_after_another():
    with df.TaskHub(":memory:") as hub:
        hub.add_orchestrator(waits)
        handle = hub.start(waits)

        async def give_up():
            await df.DurableOrchestrationClient(hub).wait_for_completion(handle.id, 0.02)

        async def wait():
            return await handle

        with pytest.raises(df.WaitTimeoutError):
            asyncio.run(give_up())
        handle.raise_event("go", 1)
        assert asyncio.run(wait()) == 1
