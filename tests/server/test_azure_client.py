"""Azure's own Python client, as it comes from PyPI, works with a served hub."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from azure import durable_functions as azure
from azure import functions as func
from azure.durable_functions.models.utils import http_utils

import durablenb as df
from tests.server.conftest import PATIENCE

ODD = [None, 0, False, "", [], {}, "Tokyo", "5", "null", '{"a": 1}', 5, 1.5, [1, {"a": "b"}], "größer"]


@pytest.fixture(scope="module")
def run():
    """Runs coroutines in one event loop, because the client keeps its connections."""
    with asyncio.Runner() as runner:
        yield runner.run
        runner.run(http_utils._close_session())


@pytest.fixture
def client(served):
    return azure.DurableOrchestrationClient(served.hub.client_binding())


def ended(served, instance_id):
    return served.hub.handle(instance_id).wait(PATIENCE)


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_start_new_gives_the_orchestrator_the_value(served, client, run, value):
    instance_id = run(client.start_new("echo", None, value))
    status = ended(served, instance_id)
    assert (status.input_, status.output) == (value, value)


def test_start_new_takes_an_id_and_a_version(served, client, run):
    assert run(client.start_new("versioned", "azure-1", version="1.0 beta")) == "azure-1"
    assert ended(served, "azure-1").output == "1.0 beta"


def test_start_new_raises_what_the_server_says(served, client, run):
    with pytest.raises(Exception, match=r"The function 'ecko' doesn't exist.*'echo'"):
        run(client.start_new("ecko"))
    run(client.start_new("approval", "azure-taken"))
    with pytest.raises(Exception, match="is open"):
        run(client.start_new("approval", "azure-taken"))


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_raise_event_gives_the_orchestrator_the_value(served, client, run, value):
    instance_id = run(client.start_new("approval"))
    run(client.raise_event(instance_id, "ApprovalEvent", value))
    assert ended(served, instance_id).output == {"approved": value}


def test_raise_event_raises_for_nobody_and_for_what_has_ended(served, client, run):
    with pytest.raises(Exception, match="No instance with ID nobody found"):
        run(client.raise_event("nobody", "E", 1))
    instance_id = served.run("echo")
    with pytest.raises(Exception, match="is gone: either completed or failed"):
        run(client.raise_event(instance_id, "E", 1))


def test_get_status_has_everything(served, client, run):
    open_id, done_id = run(client.start_new("approval", None, {"a": 1})), served.run("echo", 5)
    status = run(client.get_status(open_id, show_history=True, show_history_output=True, show_input=True))
    assert status
    assert (status.name, status.instance_id, status.input_) == ("approval", open_id, {"a": 1})
    assert abs(status.created_time - datetime.now(UTC)) < timedelta(seconds=PATIENCE)
    assert status.historyEvents[0]["EventType"] == "ExecutionStarted"
    done = run(client.get_status(done_id))
    assert (done.output, done.runtime_status) == (5, azure.OrchestrationRuntimeStatus.Completed)
    assert not run(client.get_status("nobody"))
    failed = run(client.get_status(served.run("fails")))
    assert failed.runtime_status is azure.OrchestrationRuntimeStatus.Failed


def test_get_status_all_and_by_list_them(fresh, run):
    client = azure.DurableOrchestrationClient(fresh.hub.client_binding())
    fresh.run("echo", 1)
    open_id = run(client.start_new("approval", "open-1"))
    ended(fresh, run(client.start_new("fails", "bad-1")))
    assert [one.name for one in run(client.get_status_all())] == ["echo", "approval", "fails"]
    found = run(
        client.get_status_by(
            datetime.now(UTC) - timedelta(hours=1),
            datetime.now(UTC) + timedelta(hours=1),
            [azure.OrchestrationRuntimeStatus.Running, azure.OrchestrationRuntimeStatus.Failed],
        )
    )
    assert [one.instance_id for one in found] == [open_id, "bad-1"]
    assert [one.instance_id for one in run(client.get_status_by(instance_id_prefix="bad-"))] == ["bad-1"]


def test_purge_instance_history_one_and_many(fresh, run):
    client = azure.DurableOrchestrationClient(fresh.hub.client_binding())
    first = fresh.run("echo")
    fresh.run("fails")
    assert run(client.purge_instance_history(first)).instances_deleted == 1
    assert run(client.purge_instance_history(first)).instances_deleted == 0
    since = datetime.now(UTC) - timedelta(hours=1)
    only = run(client.purge_instance_history_by(since, None, [azure.OrchestrationRuntimeStatus.Completed]))
    assert only.instances_deleted == 0
    assert run(client.purge_instance_history_by(since)).instances_deleted == 1
    open_id = run(client.start_new("approval"))
    with pytest.raises(Exception, match="412"):
        run(client.purge_instance_history(open_id))


@pytest.mark.parametrize("word", ["terminate", "suspend", "resume"])
def test_commands_are_silent_where_they_can_be_and_raise_for_nobody(served, client, run, word):
    command = getattr(client, word)
    run(command(run(client.start_new("approval")), "a reason, größer & more?"))
    run(command(served.run("echo"), "too late"))
    with pytest.raises(Exception, match="No instance with ID 'nobody' found"):
        run(command("nobody", "why"))


def test_suspend_resume_and_terminate_do_what_they_say(served, client, run):
    instance_id = run(client.start_new("approval"))
    run(client.suspend(instance_id, "a rest"))
    assert run(client.get_status(instance_id)).runtime_status.value == "Suspended"
    run(client.resume(instance_id, "on"))
    assert run(client.get_status(instance_id)).runtime_status.value == "Running"
    run(client.terminate(instance_id, "enough & more"))
    status = run(client.get_status(instance_id))
    assert (status.runtime_status.value, status.output) == ("Terminated", "enough & more")


def test_rewind_works_on_a_failed_one_and_says_why_not_otherwise(served, client, run):
    instance_id = served.run("mends", "azure's")
    run(client.rewind(instance_id, "mended"))
    assert ended(served, instance_id).output == "azure's is whole"
    with pytest.raises(Exception, match="No instance with ID nobody found"):
        run(client.rewind("nobody", "why"))
    with pytest.raises(Exception, match="is Completed; only a failed one can be rewound"):
        run(client.rewind(instance_id, "why"))
    with pytest.raises(Exception, match="is Running; only a failed one can be rewound"):
        run(client.rewind(run(client.start_new("approval")), "why"))


def test_restart_gives_the_urls_of_the_new_one(served, client, run):
    first = run(client.start_new("echo", None, {"a": 1}))
    ended(served, first)
    again = run(client.restart(first))
    assert again["id"] != first
    assert ended(served, again["id"]).output == {"a": 1}
    assert run(client.restart(first, restart_with_new_instance_id=False))["id"] == first


@pytest.mark.parametrize("value", [1, "text", "5", {"a": [1]}, [0], True], ids=repr)
def test_signal_entity_and_read_entity_state(served, client, run, value):
    entity_id = azure.EntityId("Counter", "azure")
    run(client.signal_entity(entity_id, "keep", value))

    @served.hub.orchestrator
    def visits(context):
        with (yield context.lock([df.EntityId("Counter", "azure")])):
            return True

    assert served.hub.run(visits)
    response = run(client.read_entity_state(entity_id))
    assert (response.entity_exists, response.entity_state) == (True, {"value": value})
    assert not run(client.read_entity_state(azure.EntityId("Counter", "nobody"))).entity_exists


def test_its_responses_lead_to_the_server(served, client, run):
    request = func.HttpRequest("GET", f"http://localhost:{served.server.port}/api/start", body=b"")
    instance_id = run(client.start_new("approval"))
    payload = client.create_http_management_payload(instance_id)
    assert payload == served.server.management_urls(instance_id)
    response = client.create_check_status_response(request, instance_id)
    answer = served.http.get(response.headers["Location"], headers={"x-functions-key": ""})
    assert answer.status_code == 202
    waited = run(client.wait_for_completion_or_create_check_status_response(request, instance_id, 50, 10))
    assert waited.status_code == 202
    run(client.raise_event(instance_id, "ApprovalEvent", True))
    ended(served, instance_id)
    done = run(client.wait_for_completion_or_create_check_status_response(request, instance_id))
    assert (done.status_code, json.loads(done.get_body())) == (200, {"approved": True})


def test_text_in_text_is_understood_from_this_client_alone(served):
    wait = {"timeout": "20", "pollingInterval": "1"}
    loopback = f"{served.server.url}/durabletask/{served.server.key}/orchestrators/echo"
    agent = {"User-Agent": "Python/3.11 aiohttp/3.14.5"}
    posted = '{"a": 1}'
    assert served.http.post(loopback, json=posted, headers=agent, params=wait).json() == {"a": 1}
    assert served.http.post(loopback, json=posted, params=wait).json() == posted
    assert served.http.post("/orchestrators/echo", json=posted, headers=agent, params=wait).json() == posted


class Order:
    def __init__(self, number):
        self.number = number

    @staticmethod
    def to_json(order):
        return {"number": order.number}

    @staticmethod
    def from_json(fields):
        return Order(fields["number"])


def test_objects_that_azures_client_sends_arrive_as_objects(served, client, run):
    served.hub.register_type(Order)

    @served.hub.orchestrator
    def numbers(context):
        order = context.get_input()
        assert type(order) is Order
        return [order.number, context.get_input(expected_type=Order).number]

    assert ended(served, run(client.start_new("numbers", None, Order(7)))).output == [7, 7]
