"""The dialogue of the Durable Functions page through a function app, with curl as it is printed there."""

import json
import re

import pytest

import durablenb as df
from tests.azure.conftest import PATIENCE
from tests.server.test_dialogue import said, taken_apart

STARTER = """
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="orchestrators/{functionName}")
@app.durable_client_input(client_name="client")
async def http_start(req: func.HttpRequest, client):
    instance_id = await client.start_new(req.route_params["functionName"])
    return client.create_check_status_response(req, instance_id)


@app.orchestration_trigger(context_name="context")
def DoWork(context: df.DurableOrchestrationContext):
    return (yield context.wait_for_external_event("ApprovalEvent"))
"""


@pytest.fixture
def open_to_all(tmp_path):
    (tmp_path / "function_app.py").write_text(STARTER)
    with df.TaskHub(":memory:") as hub:
        hub.add_app(tmp_path)
        hub.serve(port=0, key="")
        yield hub


def test_start_poll_approve_and_done(open_to_all):
    hub = open_to_all
    start = "curl -X POST https://myfunc.azurewebsites.net/api/orchestrators/DoWork"
    first, headers, body = taken_apart(said(hub._server, f'{start} -H "Content-Length: 0" -i'))
    assert first.startswith("HTTP/1.1 202")
    assert headers["content-type"] == "application/json"
    instances = "/runtime/webhooks/durabletask/instances"
    assert re.search(rf"{instances}/{body['id']}(\?|$)", headers["location"])

    poll = f"curl https://myfunc.azurewebsites.net{instances}/{body['id']} -i"
    first, headers, shown = taken_apart(said(hub._server, poll))
    assert first.startswith("HTTP/1.1 202")
    assert headers["location"].endswith(f"{instances}/{body['id']}")
    assert shown["runtimeStatus"] in ("Pending", "Running")

    approve = (
        f'curl -d "true" http://localhost:7071{instances}/{body["id"]}/raiseEvent/ApprovalEvent '
        '-H "Content-Type: application/json"'
    )
    assert said(hub._server, approve) == ""
    hub.handle(body["id"]).wait(PATIENCE)
    first, _, shown = taken_apart(said(hub._server, poll))
    assert first.startswith("HTTP/1.1 200 OK")
    assert (shown["runtimeStatus"], shown["output"]) == ("Completed", True)
    assert json.loads(said(hub._server, poll.removesuffix(" -i"))) == shown
