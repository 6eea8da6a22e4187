"""Statuses in the form of Azure's endpoint, each with its orchestrator.

They are written after the rules of the host: what was asked for is folded into its end, inputs are texts of
JSON (with Python a text inside of the list of arguments), times have seven digits, episodes aren't told.
"""

import json
from copy import deepcopy
from datetime import timedelta

import durablenb as df


def at(seconds):
    """Return a time as Azure's host prints it."""
    return f"2026-03-01T08:{int(seconds) // 60:02}:{int(seconds) % 60:02}.{round(seconds % 1 * 10**7):07}Z"


def given(*arguments):
    """Return arguments in the form in which Azure's library for Python keeps them."""
    return json.dumps([json.dumps(one) for one in arguments])


def began(seconds=0.1234567):
    return {
        "EventType": "ExecutionStarted",
        "FunctionName": "order",
        "Timestamp": at(seconds),
        "Input": '"7"',
    }


def ended(result, seconds):
    return {
        "EventType": "ExecutionCompleted",
        "OrchestrationStatus": "Completed",
        "Result": result,
        "Timestamp": at(seconds),
    }


def did(name, argument, result, asked, done):
    return {
        "EventType": "TaskCompleted",
        "FunctionName": name,
        "Input": given(argument),
        "Result": result,
        "ScheduledTime": at(asked),
        "Timestamp": at(done),
    }


def failed(name, argument, text, asked, done):
    return {
        "EventType": "TaskFailed",
        "FunctionName": name,
        "Input": given(argument),
        "Reason": f"Activity function '{name}' failed: ValueError: {text}",
        "Details": "somewhere",
        "ScheduledTime": at(asked),
        "Timestamp": at(done),
    }


def answer(history, output, status="Completed", instance_id="azure-1", custom=None):
    return {
        "name": "order",
        "instanceId": instance_id,
        "runtimeStatus": status,
        "input": 7,
        "customStatus": custom,
        "output": output,
        "createdTime": "2026-03-01T08:00:00Z",
        "lastUpdatedTime": "2026-03-01T08:09:00Z",
        "historyEvents": history,
    }


# -- a chain -------------------------------------------------------------------------------------


def chain(context):
    reserved = yield context.call_activity("reserve", context.get_input())
    paid = yield context.call_activity("pay", reserved)
    return [reserved, paid]


CHAIN = answer(
    [
        began(),
        did("reserve", 7, {"seat": 7}, 1.0000001, 2.1),
        did("pay", {"seat": 7}, "paid", 2.2, 3.3),
        ended([{"seat": 7}, "paid"], 3.4),
    ],
    [{"seat": 7}, "paid"],
)


# -- a fan-out whose calls end in another order -----------------------------------------------------


def fan_out(context):
    calls = [context.call_activity("count", n) for n in range(context.get_input())]
    return sum((yield context.task_all(calls)))


FAN_OUT = answer(
    [
        began(),
        *(did("count", n, 10 * n, 1 + n / 10_000, 9 - n) for n in reversed(range(7))),
        ended(210, 9.5),
    ],
    210,
)


# -- a timer ----------------------------------------------------------------------------------------


def timer(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(minutes=2))
    return (yield context.call_activity("wake", "up"))


TIMER = answer(
    [
        began(),
        {"EventType": "TimerCreated", "FireAt": at(120.4), "Timestamp": at(0.5)},
        {"EventType": "TimerFired", "FireAt": at(120.4), "Timestamp": at(120.9)},
        did("wake", "up", "awake", 121, 122),
        ended("awake", 122.5),
    ],
    "awake",
)


# -- an external event that comes before a timer ----------------------------------------------------


def approval(context):
    context.set_custom_status("asked")
    expiry = context.create_timer(context.current_utc_datetime + timedelta(hours=72))
    event = context.wait_for_external_event("ApprovalEvent")
    winner = yield context.task_any([event, expiry])
    if winner == event:
        expiry.cancel()
        return {"approved": event.result}
    return (yield context.call_activity("escalate", context.get_input()))


APPROVAL = answer(
    [
        began(),
        {"EventType": "TimerCreated", "FireAt": "2026-03-04T08:00:00.3000000Z", "Timestamp": at(0.4)},
        {"EventType": "EventRaised", "Name": "approvalevent", "Input": "true", "Timestamp": at(300)},
        ended({"approved": True}, 300.1),
    ],
    {"approved": True},
    custom="asked",
)


# -- a sub-orchestration ----------------------------------------------------------------------------


def parent(context):
    first = yield context.call_sub_orchestrator("ship", {"to": "Tokyo"})
    return [first, (yield context.call_activity("note", first))]


PARENT = answer(
    [
        began(),
        {
            "EventType": "SubOrchestrationInstanceCompleted",
            "FunctionName": "ship",
            "Input": '{"to": "Tokyo"}',
            "Result": "shipped",
            "ScheduledTime": at(1),
            "Timestamp": at(4),
        },
        did("note", "shipped", None, 4.1, 5),
        ended(["shipped", None], 5.1),
    ],
    ["shipped", None],
)


# -- an activity that is retried, and fails for good ------------------------------------------------


def retried(context):
    return (yield context.call_activity_with_retry("pay", df.RetryOptions(5_000, 2), 7))


_NO_MONEY = "Orchestrator function 'order' failed: Activity function 'pay' failed: ValueError: still no money"

RETRIED = answer(
    [
        began(),
        failed("pay", 7, "no money", 1, 2),
        {"EventType": "TimerCreated", "FireAt": at(7.1), "Timestamp": at(2.1)},
        {"EventType": "TimerFired", "FireAt": at(7.1), "Timestamp": at(7.2)},
        failed("pay", 7, "still no money", 7.3, 8),
        {"EventType": "TimerCreated", "FireAt": at(8.1), "Timestamp": at(8.1)},  # the host's own
        {"EventType": "TimerFired", "FireAt": at(8.1), "Timestamp": at(8.2)},
        {
            "EventType": "ExecutionCompleted",
            "OrchestrationStatus": "Failed",
            "Result": _NO_MONEY,
            "Timestamp": at(8.3),
        },
    ],
    _NO_MONEY,
    status="Failed",
)


# -- an orchestration that went on as new -----------------------------------------------------------


def eternal(context):
    count = context.get_input()
    yield context.call_activity("tick", count)
    if count < 9:
        context.continue_as_new(count + 1)
        return None
    return count


ETERNAL = {
    **answer([began(), did("tick", 9, None, 1, 2), ended(9, 2.5)], 9),
    "input": 9,
}
ETERNAL["historyEvents"][0]["Generation"] = 9


# -- a call of an entity ----------------------------------------------------------------------------

_CALL = "0f0e0d0c-0000-4000-8000-000000000001"


def counting(context):
    counter = df.EntityId("Counter", "a")
    context.signal_entity(counter, "add", 1)
    return (yield context.call_entity(counter, "get"))


def _sent(seconds, number, op, is_signal, value=None):
    message = {"op": op, "signal": is_signal, "input": value, "id": number, "parent": "azure-1"}
    return {
        "EventType": "EventSent",
        "InstanceId": "@counter@a",
        "Name": "op",
        "Input": json.dumps(message),
        "Timestamp": at(seconds),
    }


COUNTING = answer(
    [
        began(),
        _sent(1, "0f0e0d0c-0000-4000-8000-000000000000", "add", True, "1"),
        _sent(1.1, _CALL, "get", False),
        {"EventType": "EventRaised", "Name": _CALL, "Input": '{"result": "41"}', "Timestamp": at(2)},
        ended(41, 2.5),
    ],
    41,
)

ANSWERS = {
    "a chain": (CHAIN, chain),
    "a fan-out": (FAN_OUT, fan_out),
    "a timer": (TIMER, timer),
    "an external event": (APPROVAL, approval),
    "a sub-orchestration": (PARENT, parent),
    "a failure with a retry": (RETRIED, retried),
    "continue-as-new": (ETERNAL, eternal),
    "a call of an entity": (COUNTING, counting),
}


def changed(told, **fields):
    """Return a copy of a status with other fields."""
    return {**deepcopy(told), **fields}
