"""The Python listings of Microsoft's overview run as they stand there, with only the import line changed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

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

FAN_OUT = """
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

APPROVAL = """
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

CLIENT = """
import durablenb as df


async def main(client: str):
    durable_client = df.DurableOrchestrationClient(client)
    is_approved = True
    await durable_client.raise_event(instance_id, "ApprovalEvent", is_approved)
"""


def _main_of(listing: str, **names: Any) -> Any:
    """What a listing calls `main`, after it was run as a module is."""
    module = {"__name__": "listing", **names}
    exec(compile(listing, "listing", "exec"), module)
    return module["main"]


@pytest.fixture(params=["kernel", "threads"])
def hub(request: pytest.FixtureRequest):
    with df.TaskHub(":memory:", mode=request.param, clock=df.VirtualClock(), verify_replay=True) as hub:
        yield hub


def test_pattern_1_function_chaining(hub):
    hub.add_orchestrator(_main_of(CHAINING), name="Chaining")
    hub.add_activity(lambda none: [none], name="F1")
    for name in ("F2", "F3", "F4"):
        hub.add_activity(lambda so_far, name=name: [*so_far, name], name=name)
    assert hub.run("Chaining") == [None, "F2", "F3", "F4"]


def test_pattern_2_fan_out_fan_in(hub):
    totals = []
    hub.add_orchestrator(_main_of(FAN_OUT), name="FanOut")
    hub.add_activity(lambda none: list(range(10)), name="F1")
    hub.add_activity(lambda item: item * item, name="F2")
    hub.add_activity(totals.append, name="F3")
    assert hub.run("FanOut") is None
    assert totals == [sum(number * number for number in range(10))]


@pytest.mark.parametrize(("completed_at", "asked", "alerts"), [(3, 3, ["job-7"]), (1_000, 12, [])])
def test_pattern_4_monitor(hub, completed_at, asked, alerts):
    seen: list[str] = []
    sent: list[str] = []

    def get_job_status(job_id: str) -> str:
        seen.append(job_id)
        return "Completed" if len(seen) == completed_at else "Running"

    hub.add_orchestrator(_main_of(MONITOR), name="Monitor")
    hub.add_activity(get_job_status, name="GetJobStatus")
    hub.add_activity(sent.append, name="SendAlert")
    job = {"jobId": "job-7", "pollingInterval": 300, "expiryTime": "2026-01-01T01:00:00Z"}
    hub.run("Monitor", json.dumps(job))
    assert (len(seen), sent) == (asked, alerts)


def _approval(hub: df.TaskHub) -> tuple[df.Handle, list[Any]]:
    did: list[Any] = []
    hub.add_orchestrator(_main_of(APPROVAL), name="Approval")
    hub.add_activity(lambda _: did.append("requested"), name="RequestApproval")
    hub.add_activity(lambda approved: did.append(("processed", approved)), name="ProcessApproval")
    hub.add_activity(lambda _: did.append("escalated"), name="Escalate")
    return hub.start("Approval"), did


def test_pattern_5_human_interaction_approved_by_the_client_listing(hub):
    handle, did = _approval(hub)
    main = _main_of(CLIENT, instance_id=handle.id)
    asyncio.run(main(hub))
    handle.result()
    assert did == ["requested", ("processed", True)]
    assert hub.client.engine.clock.now().day == 1


def test_pattern_5_human_interaction_escalates_after_three_days(hub):
    handle, did = _approval(hub)
    handle.result()
    assert did == ["requested", "escalated"]
    assert hub.client.engine.clock.now().day == 4
