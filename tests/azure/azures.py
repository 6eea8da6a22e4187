"""Microsoft's own code for Python, run beside durablenb: what it makes of the same functions."""

import asyncio
import json
import warnings

import azure.durable_functions as adf
import azure.functions as func

BINDING = json.dumps(
    {
        "taskHubName": "hub",
        "creationUrls": {"createNewInstancePostUri": "http://localhost/orchestrators/{functionName}"},
        "managementUrls": {"id": "INSTANCEID", "statusQueryGetUri": "http://localhost/instances/INSTANCEID"},
        "rpcBaseUrl": "http://localhost/durabletask/",
    }
)
"""What Azure's host gives to a function that asks for the client."""


def client(answer=None):
    """Azure's client, and what it posts; `answer` is what it is told when it asks for a status."""
    made, posted = adf.DurableOrchestrationClient(BINDING), []
    made.asked = []

    async def post(url, data=None, *_, **__):
        posted.append(data)
        return [202, None]

    async def get(url):
        made.asked.append(url)
        return [200, answer]

    made._post_async_request, made._get_async_request = post, get
    return made, posted


def raised(data):
    """The text that Azure's host keeps of an event that Azure's client has raised."""
    made, posted = client()
    asyncio.run(made.raise_event("an id", "Event", data))
    return json.dumps(posted[0])  # aiohttp's json=, which the host keeps as it is


def status_of(output=None):
    """The response of Azure's host for an orchestration that has ended with this output."""
    times = dict.fromkeys(("createdTime", "lastUpdatedTime"), "2026-01-01T00:00:00Z")
    return {"name": "o", "instanceId": "an id", "runtimeStatus": "Completed", "output": output, **times}


def told(output):
    """The response of Azure's client for an orchestration with that output."""
    made, _ = client(status_of(output))
    request = func.HttpRequest("GET", "http://localhost/api/start", body=b"")
    return asyncio.run(made.wait_for_completion_or_create_check_status_response(request, "an id"))


def output(orchestrator, event):
    """The output of an orchestrator of Azure's SDK that waits for ``Event``, which came with this text."""
    begun = {"EventId": -1, "IsPlayed": False, "Timestamp": "2026-01-01T00:00:00.000000Z"}
    history = [
        {**begun, "EventType": 12},
        {**begun, "EventType": 0, "Name": "o", "Input": None, "Version": None},
        {**begun, "EventType": 13},
        {**begun, "EventType": 12},
        {**begun, "EventType": 15, "Name": "Event", "Input": event},
    ]
    payload = {
        "history": history,
        "input": None,
        "instanceId": "an id",
        "isReplaying": False,
        "parentInstanceId": None,
        "upperSchemaVersion": 2,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it advertises its strict typing
        state = json.loads(adf.Orchestrator.create(orchestrator)(json.dumps(payload)))
    assert state["isDone"], state
    return state.get("output")
