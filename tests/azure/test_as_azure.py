"""An app that was written for Azure gets from its client what Azure's own code gives it."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime

import pytest

import durablenb as df
from durablenb.azure.client import AzureClient
from tests.azure import azures
from tests.azure.conftest import PATIENCE

VALUES = [None, True, 0, 2.5, "", "yes", '{"a": 1}', [1, "a"], {"approved": True}, "größer"]

APP = """
import json
{imported}
import azure.functions as func

app = df.DFApp()

@app.route(route="start")
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client):
    return client.create_check_status_response(req, await client.start_new("o"))

@app.route(route="raise/{{id}}")
@app.durable_client_input(client_name="client")
async def raises(req: func.HttpRequest, client):
    {made}
    await client.raise_event(req.route_params["id"], "Event", json.loads(req.get_body()))

@app.orchestration_trigger(context_name="context")
def o(context):
    return (yield context.wait_for_external_event("Event"))
"""


@pytest.fixture
def raise_by(served, written):
    """Adds an app and gives what its orchestrator gets when a function of it raises a value."""

    def add(imported, made="pass"):
        served.hub.add_app(written({"function_app.py": APP.format(imported=imported, made=made)}))

        def got(value):
            handle = served.started("/api/start")
            assert served.http.post(f"/api/raise/{handle.id}", **posted(value)).status_code == 204
            return handle.result(PATIENCE)

        return got

    return add


def posted(value):
    return {"content": json.dumps(value), "headers": {"content-type": "application/json"}}


def waits(context):
    return (yield context.wait_for_external_event("Event"))


@pytest.mark.parametrize("made", ["pass", "client = df.DurableOrchestrationClient(client)"])
def test_an_event_that_its_client_raises_arrives_as_in_azure(raise_by, made):
    got = raise_by("import azure.durable_functions as df", made)
    for value in VALUES:
        assert got(value) == azures.output(waits, azures.raised(value)) == json.dumps(value)


def test_an_event_that_is_posted_or_raised_by_the_hub_arrives_as_a_value(served, raise_by):
    raise_by("import azure.durable_functions as df")
    for value in VALUES:
        handle = served.started("/api/start")
        url = served.http.get(f"/runtime/webhooks/durabletask/instances/{handle.id}").url
        assert served.http.post(f"{url}/raiseEvent/Event", **posted(value)).status_code == 202
        other = served.started("/api/start")
        served.hub.client.raise_event(other.id, "Event", value)
        expected = azures.output(waits, json.dumps(value))
        assert handle.result(PATIENCE) == other.result(PATIENCE) == expected == value


def test_an_app_whose_import_line_was_changed_raises_values(raise_by):
    got = raise_by("import durablenb as df")
    for value in VALUES:
        assert got(value) == value


def test_an_app_of_a_notebook_raises_values(served):
    app = df.DFApp()

    @app.route(route="raise/{id}")
    @app.durable_client_input(client_name="client")
    async def raises(req, client):
        await client.raise_event(req.route_params["id"], "Event", req.get_json())

    app.orchestration_trigger(context_name="context")(waits)
    served.hub.add_app(app)
    handle = served.hub.start("waits")
    served.http.post(f"/api/raise/{handle.id}", json={"approved": True})
    assert handle.result(PATIENCE) == {"approved": True}


def test_purging_without_a_beginning_is_refused_as_in_azure(served):
    for made in (AzureClient(served.hub), azures.client()[0]):
        for conditions in ({}, {"runtime_status": [df.OrchestrationRuntimeStatus.Completed]}):
            with pytest.raises(
                ValueError, match="created_time_from is required when purging instance history"
            ):
                asyncio.run(made.purge_instance_history_by(**conditions))
    since = datetime(2999, 1, 1, tzinfo=UTC)
    purged = asyncio.run(AzureClient(served.hub).purge_instance_history_by(since))
    assert purged.instances_deleted == 0


def test_where_statuses_differ_is_as_the_table_says(served):
    """docs/how-to/from-azure-and-back.md, "Where the two differ"."""
    made, posted = azures.client(azures.status_of())
    its = [asyncio.run(made.get_status("an id", show_input=shown)) for shown in (True, False)]
    assert made.asked[0].endswith("?showInput=True")
    assert made.asked[1].endswith("/an id"), "it doesn't say that it wants no input"
    assert str(its[0].runtime_status) == "OrchestrationRuntimeStatus.Completed"
    with contextlib.suppress(Exception):  # there is no host that would answer
        asyncio.run(made.start_new("o", None, {"a": 1}))
    assert posted == ['{"a": 1}'], "the host keeps what is posted as JSON: a text"
    handle = served.hub.start(served.hub.orchestrator(waits), {"a": 1})
    served.hub.client.raise_event(handle.id, "Event")
    handle.wait(PATIENCE)
    own = AzureClient(served.hub)
    found = [asyncio.run(own.get_status(handle.id, show_input=shown)) for shown in (True, False)]
    assert [one.input_ for one in found] == [{"a": 1}, None]
    assert str(found[0].runtime_status) == "Completed"


@pytest.mark.parametrize("output", VALUES, ids=repr)
def test_an_output_that_is_waited_for_is_the_same_body_as_in_azure(served, output):
    @served.hub.orchestrator
    def echo(context):
        return context.get_input()

    client = df.DurableOrchestrationClient(served.hub)
    started = served.hub.start(echo, output)
    own = asyncio.run(client.wait_for_completion_or_create_check_status_response(None, started.id))
    azures_own = azures.told(output)
    assert own.get_body() == azures_own.get_body()
    assert (own.status_code, own.mimetype) == (azures_own.status_code, azures_own.mimetype)


def test_code_that_is_right_for_values_alone_is_reported(hub, written, caplog):
    text = APP.format(imported="import azure.durable_functions as df", made="pass")
    hub.add_app(written({"function_app.py": text.rstrip() + '["approved"]\n'}))
    (said,) = [one.getMessage() for one in caplog.records]
    assert "DNB407" in said


def test_code_that_looks_whether_it_is_text_is_right_with_both(served):
    def decides(context):
        r = yield context.wait_for_external_event("Event")
        return (json.loads(r) if isinstance(r, str) else r)["approved"]

    value = {"approved": True}
    assert azures.output(decides, azures.raised(value)) is azures.output(decides, json.dumps(value)) is True
    served.hub.add_orchestrator(decides)
    for data in (value, json.dumps(value)):
        handle = served.hub.start("decides")
        served.hub.client.raise_event(handle.id, "Event", data)
        assert handle.result(PATIENCE) is True
