"""The Python listings of the overview of Durable Functions run as they stand, but for their import line.

Each listing is text here, so that nothing is mended in passing; a listing's file in Azure is a module of
its own, and so is it here.
"""

import asyncio
import json
import sys
from datetime import timedelta
from types import ModuleType

import pytest

import durablenb as df

CHAINING = """
import durablenb as df


def orchestrator_function(context: df.DurableOrchestrationContext):
    x = yield context.call_activity("F1", None)
    y = yield context.call_activity("F2", x)
    z = yield context.call_activity("F3", y)
    result = yield context.call_activity("F4", z)
    return result


main = df.Orchestrator.create(orchestrator_function)
"""

FAN_OUT_FAN_IN = """
import durablenb as df


def orchestrator_function(context: df.DurableOrchestrationContext):
    # Get a list of N work items to process in parallel.
    work_batch = yield context.call_activity("F1", None)

    parallel_tasks = [ context.call_activity("F2", b) for b in work_batch ]
    
    outputs = yield context.task_all(parallel_tasks)

    # Aggregate all N outputs and send the result to F3.
    total = sum(outputs)
    yield context.call_activity("F3", total)


main = df.Orchestrator.create(orchestrator_function)
"""

MONITOR = """
import durablenb as df
import json
from datetime import timedelta 


def orchestrator_function(context: df.DurableOrchestrationContext):
    job = json.loads(context.get_input())
    job_id = job["jobId"]
    polling_interval = job["pollingInterval"]
    expiry_time = job["expiryTime"]

    while context.current_utc_datetime < expiry_time:
        job_status = yield context.call_activity("GetJobStatus", job_id)
        if job_status == "Completed":
            # Perform an action when a condition is met.
            yield context.call_activity("SendAlert", job_id)
            break

        # Orchestration sleeps until this time.
        next_check = context.current_utc_datetime + timedelta(seconds=polling_interval)
        yield context.create_timer(next_check)

    # Perform more work here, or let the orchestration end.


main = df.Orchestrator.create(orchestrator_function)
"""

HUMAN_INTERACTION = """
import durablenb as df
import json
from datetime import timedelta 


def orchestrator_function(context: df.DurableOrchestrationContext):
    yield context.call_activity("RequestApproval", None)

    due_time = context.current_utc_datetime + timedelta(hours=72)
    durable_timeout_task = context.create_timer(due_time)
    approval_event_task = context.wait_for_external_event("ApprovalEvent")

    winning_task = yield context.task_any([approval_event_task, durable_timeout_task])

    if approval_event_task == winning_task:
        durable_timeout_task.cancel()
        yield context.call_activity("ProcessApproval", approval_event_task.result)
    else:
        yield context.call_activity("Escalate", None)


main = df.Orchestrator.create(orchestrator_function)
"""

RAISE_EVENT = """
import durablenb as df


async def main(client: str):
    durable_client = df.DurableOrchestrationClient(client)
    is_approved = True
    await durable_client.raise_event(instance_id, "ApprovalEvent", is_approved)
"""

AGGREGATOR = """
import logging
import json

import azure.functions as func
import durablenb as df


def entity_function(context: df.DurableOrchestrationContext):

    current_value = context.get_state(lambda: 0)
    operation = context.operation_name
    if operation == "add":
        amount = context.get_input()
        current_value += amount
        context.set_result(current_value)
    elif operation == "reset":
        current_value = 0
    elif operation == "get":
        context.set_result(current_value)
    
    context.set_state(current_value)

main = df.Entity.create(entity_function)
"""

SIGNAL_ENTITY = """
import azure.functions as func
import durablenb as df


async def main(req: func.HttpRequest, starter: str) -> func.HttpResponse:
    client = df.DurableOrchestrationClient(starter)
    entity_id = df.EntityId("Counter", "myCounter")
    instance_id = await client.signal_entity(entity_id, "add", 1)
    return func.HttpResponse("Entity signaled")
"""


@pytest.fixture(params=["kernel", "threads"])
def hub(request):
    with df.TaskHub(":memory:", mode=request.param, clock=df.VirtualClock(), verify_replay=True) as hub:
        yield hub


def main_of(listing, **more):
    """The `main` that the listing's file defines."""
    namespace = {"__name__": "listing", **more}
    exec(compile(listing, "listing.py", "exec"), namespace)
    return namespace["main"]


# -- pattern 1 -----------------------------------------------------------------------------------


def test_function_chaining(hub):
    calls = []

    def activity(name):
        def called(value):
            calls.append((name, value))
            return f"{value or ''}{name}"

        return called

    for name in ("F1", "F2", "F3", "F4"):
        hub.add_activity(activity(name), name=name)
    hub.add_orchestrator(main_of(CHAINING), name="Chaining")
    assert hub.run("Chaining") == "F1F2F3F4"
    assert calls == [("F1", None), ("F2", "F1"), ("F3", "F1F2"), ("F4", "F1F2F3")]


def test_function_chaining_stops_at_the_link_that_breaks(hub):
    hub.add_activity(lambda _: 1, name="F1")
    hub.add_activity(lambda _: 1 / 0, name="F2")
    hub.add_orchestrator(main_of(CHAINING), name="Chaining")
    with pytest.raises(ZeroDivisionError, match="Activity function 'F2' failed: division by zero"):
        hub.run("Chaining")


def test_function_chaining_goes_on_in_the_next_kernel(tmp_path):
    """The seed's promise: killed in the middle, it is resumed from the last checkpoint."""
    calls = []

    def opened():
        hub = df.TaskHub(tmp_path / "hub.duckdb", mode="kernel", clock=df.VirtualClock())
        for name in ("F1", "F2", "F3", "F4"):
            hub.add_activity(lambda value, name=name: calls.append(name) or f"{value}{name}", name=name)
        hub.add_orchestrator(main_of(CHAINING), name="Chaining")
        return hub

    hub = opened()
    hub.start("Chaining", instance_id="chain")
    while len(calls) < 2:
        hub.step()
    hub.close()
    hub = opened()
    assert hub.handle("chain").result() == "NoneF1F2F3F4"
    assert calls == ["F1", "F2", "F3", "F4"]
    hub.close()


# -- pattern 2 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [[1, 2, 3, 4], [7], []], ids=len)
def test_fan_out_fan_in(hub, batch):
    totals = []
    hub.add_activity(lambda _: batch, name="F1")
    hub.add_activity(lambda item: item * 10, name="F2")
    hub.add_activity(totals.append, name="F3")
    hub.add_orchestrator(main_of(FAN_OUT_FAN_IN), name="FanOutFanIn")
    assert hub.run("FanOutFanIn") is None
    assert totals == [sum(batch) * 10]


# -- pattern 4 -----------------------------------------------------------------------------------


def job(hub, expires):
    """The input as the listing wants it: JSON in a text, its time as text."""
    moment = hub.client._control.engine.clock.now() + expires
    return json.dumps({"jobId": "J-1", "pollingInterval": 30, "expiryTime": moment.isoformat()})


def test_monitor_alerts_once_the_job_is_done(hub):
    polls, alerts = [], []
    clock = hub.client._control.engine.clock

    def get_job_status(job_id):
        polls.append(clock.now())
        return "Completed" if len(polls) == 4 else "Running"

    hub.add_activity(get_job_status, name="GetJobStatus")
    hub.add_activity(alerts.append, name="SendAlert")
    hub.add_orchestrator(main_of(MONITOR), name="Monitor")
    hub.run("Monitor", job(hub, timedelta(hours=1)))
    assert alerts == ["J-1"]
    assert [later - polls[0] for later in polls] == [timedelta(seconds=30 * n) for n in range(4)]


def test_monitor_gives_up_at_its_expiry(hub):
    polls, alerts = [], []
    hub.add_activity(lambda job_id: polls.append(job_id) or "Running", name="GetJobStatus")
    hub.add_activity(alerts.append, name="SendAlert")
    hub.add_orchestrator(main_of(MONITOR), name="Monitor")
    hub.run("Monitor", job(hub, timedelta(minutes=2)))
    assert (polls, alerts) == (["J-1"] * 4, [])


def test_monitor_that_is_expired_from_the_start_does_nothing(hub):
    hub.add_orchestrator(main_of(MONITOR), name="Monitor")
    handle = hub.start("Monitor", job(hub, timedelta(0)))
    assert handle.result() is None
    assert len(handle.history()) == 3


@pytest.mark.parametrize("zone", ["Z", "+00:00", ""])
def test_monitor_reads_an_expiry_of_any_kind_of_text(hub, zone):
    """JavaScript writes Z, Python writes an offset, and some write neither and mean UTC."""
    polls = []
    hub.add_activity(lambda job_id: polls.append(job_id) or "Running", name="GetJobStatus")
    hub.add_orchestrator(main_of(MONITOR), name="Monitor")
    text = f"2026-01-01T00:01:00{zone}"
    hub.run("Monitor", json.dumps({"jobId": "J", "pollingInterval": 30, "expiryTime": text}))
    assert len(polls) == 2


# -- pattern 5 -----------------------------------------------------------------------------------


@pytest.fixture
def approval(hub):
    done = []
    for name in ("RequestApproval", "ProcessApproval", "Escalate"):
        hub.add_activity(lambda value, name=name: done.append((name, value)), name=name)
    hub.add_orchestrator(main_of(HUMAN_INTERACTION), name="ApprovalWorkflow")
    return done


def test_human_interaction_escalates_after_72_hours(hub, approval):
    handle = hub.start("ApprovalWorkflow")
    began = hub.client._control.engine.clock.now()
    assert handle.result() is None
    assert approval == [("RequestApproval", None), ("Escalate", None)]
    assert hub.client._control.engine.clock.now() - began == timedelta(hours=72)


def test_human_interaction_takes_the_approval_that_the_clients_listing_raises(hub, approval):
    handle = hub.start("ApprovalWorkflow")
    began = hub.client._control.engine.clock.now()
    raise_event = main_of(RAISE_EVENT, instance_id=handle.id)  # the listing leaves it to its surroundings
    asyncio.run(raise_event(hub))
    assert handle.result() is None
    assert approval == [("RequestApproval", None), ("ProcessApproval", True)]
    assert hub.client._control.engine.clock.now() == began


def test_human_interaction_with_the_approval_and_the_time_out_in_one_batch(hub, approval):
    """The approval came first; that the timer has fired as well by the time it is cancelled is no error."""
    handle = hub.start("ApprovalWorkflow")
    while not any(type(event).__name__ == "EventSubscribed" for event in handle.history()):
        if hub.client._control.engine.is_threaded:
            continue
        hub.step()
    handle.suspend()
    asyncio.run(main_of(RAISE_EVENT, instance_id=handle.id)(hub))
    hub.client._control.engine.clock.advance(hours=80)
    handle.resume()
    handle.result()
    assert approval == [("RequestApproval", None), ("ProcessApproval", True)]


def test_the_clients_listing_says_so_where_nobody_waits(hub):
    with pytest.raises(df.InstanceNotFoundError, match="No instance with ID 'gone' found"):
        asyncio.run(main_of(RAISE_EVENT, instance_id="gone")(hub))


# -- pattern 6 -----------------------------------------------------------------------------------


class HttpRequest:
    """As much of the class of this name in `azure.functions` as the listing needs."""


class HttpResponse:
    """As much of the class of this name in `azure.functions` as the listing needs."""

    def __init__(self, body):
        self.body = body


@pytest.fixture
def azure_functions(monkeypatch):
    """The package that the listings import beside durablenb: it is Azure's, and stays as it is."""
    functions = ModuleType("azure.functions")
    functions.HttpRequest, functions.HttpResponse = HttpRequest, HttpResponse
    azure = ModuleType("azure")
    azure.functions = functions
    monkeypatch.setitem(sys.modules, "azure", azure)
    monkeypatch.setitem(sys.modules, "azure.functions", functions)


MY_COUNTER = df.EntityId("Counter", "myCounter")


@pytest.fixture
def counter(hub, azure_functions):
    """A hub with the listing's entity, and an orchestrator that asks it for operations in turn."""

    def ask(context):
        results = []
        for operation, given in context.get_input():
            results.append((yield context.call_entity(MY_COUNTER, operation, given)))
        return results

    hub.add_entity(main_of(AGGREGATOR), name="Counter")
    hub.add_orchestrator(ask)
    return hub


def test_aggregator_adds_resets_and_gets(counter):
    asked = [("get", None), ("add", 5), ("add", -2), ("get", None), ("reset", None), ("get", None)]
    assert counter.run("ask", asked) == [0, 5, 3, 3, None, 0]
    assert counter.entity_state(MY_COUNTER) == 0


def test_aggregator_takes_what_the_clients_listing_signals(counter):
    signal = main_of(SIGNAL_ENTITY)
    for _ in range(3):
        assert asyncio.run(signal(HttpRequest(), counter)).body == "Entity signaled"
    assert counter.run("ask", [("get", None)]) == [3]  # what one asks for comes after what was asked before


def test_aggregator_takes_operations_of_many_sources_one_at_a_time(counter):
    """The seed's promise: no state is lost between senders that write at the same time."""
    signal = main_of(SIGNAL_ENTITY)

    async def all_at_once():
        await asyncio.gather(*(signal(HttpRequest(), counter) for _ in range(50)))

    several = [counter.start("ask", [("add", 100)] * 5) for _ in range(4)]
    asyncio.run(all_at_once())
    seen = [value for handle in several for value in handle.result()]
    assert len(set(seen)) == 20  # no two of them added to the same state
    assert counter.run("ask", [("get", None)]) == [2050]


def test_aggregator_goes_on_with_its_state_in_the_next_kernel(tmp_path, azure_functions):
    def opened():
        hub = df.TaskHub(tmp_path / "hub.duckdb", mode="kernel", clock=df.VirtualClock())
        hub.add_entity(main_of(AGGREGATOR), name="Counter")
        return hub

    for expected in (1, 2, 3):
        with opened() as hub:
            asyncio.run(main_of(SIGNAL_ENTITY)(HttpRequest(), hub))
            while hub.step():
                pass
            state = asyncio.run(df.DurableOrchestrationClient(hub).read_entity_state(MY_COUNTER))
            assert state == df.EntityStateResponse(True, expected)
