"""durablenb's own client creates the same responses as Azure's, for functions to return."""

import asyncio
import json
import sys

import pytest
from azure import functions as func

import durablenb as df


@pytest.fixture
def client(served):
    return df.DurableOrchestrationClient(served.hub)


def request_to(url):
    return func.HttpRequest("POST", url, body=b"")


def test_the_payload_has_the_urls(served, client):
    assert client.create_http_management_payload("a") == served.server.management_urls("a")


def test_a_check_status_response_has_the_host_that_the_request_was_sent_to(served, client):
    response = client.create_check_status_response(request_to("https://hub.example.org:8443/api/start"), "a")
    assert response.status_code == 202
    assert response.headers["Retry-After"] == "10"
    assert response.mimetype == "application/json"
    urls = json.loads(response.get_body())
    assert response.headers["Location"] == urls["statusQueryGetUri"]
    assert urls["statusQueryGetUri"].startswith("https://hub.example.org:8443/runtime/webhooks/durabletask/")
    assert urls["id"] == "a"


def test_without_a_request_it_has_the_servers_own(served, client):
    response = client.create_check_status_response(None, "a")
    assert response.headers["Location"] == served.server.management_urls("a")["statusQueryGetUri"]


def wait_for(client, instance_id, timeout=20_000, interval=1_000):
    return asyncio.run(
        client.wait_for_completion_or_create_check_status_response(None, instance_id, timeout, interval)
    )


@pytest.mark.parametrize("value", [None, 0, {"a": 1}])
def test_waiting_gives_the_output_as_json(served, client, value):
    response = wait_for(client, served.start("echo", value))
    assert (response.status_code, json.loads(response.get_body())) == (200, value)


@pytest.mark.parametrize("text", ["Tokyo", "", '{"a": 1}'])
def test_waiting_gives_an_output_that_is_text_as_it_is(served, client, text):
    assert wait_for(client, served.start("echo", text)).get_body().decode() == text


def test_waiting_for_one_that_fails_or_is_terminated_gives_its_status(served, client):
    failed = wait_for(client, served.start("fails"))
    assert (failed.status_code, json.loads(failed.get_body())["runtimeStatus"]) == (500, "Failed")
    instance_id = served.start("approval")
    served.hub.client.terminate(instance_id, "enough")
    ended = wait_for(client, instance_id)
    assert (ended.status_code, json.loads(ended.get_body())["output"]) == (200, "enough")


def test_waiting_in_vain_gives_the_urls(served, client):
    assert wait_for(client, served.start("approval"), 20, 10).status_code == 202


def test_one_that_waits_for_code_gives_the_urls_at_once(fresh):
    instance_id = fresh.start("approval")
    fresh.hub._registry.orchestrators.pop("approval")
    client = df.DurableOrchestrationClient(fresh.hub)
    assert wait_for(client, instance_id, 100, 10).status_code == 202


def test_an_interval_longer_than_the_time_is_refused_in_azures_words(served, client):
    with pytest.raises(ValueError, match=r"Total timeout 10 .* should be bigger than retry timeout 20"):
        wait_for(client, "a", 10, 20)


def test_without_azure_functions_it_says_what_to_install(client, monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.functions", None)
    with pytest.raises(df.DurableError, match="pip install azure-functions"):
        client.create_check_status_response(None, "a")


def test_without_a_server_there_are_no_urls():
    with df.TaskHub(":memory:") as hub:
        client = df.DurableOrchestrationClient(hub)
        for make in (
            client.create_http_management_payload,
            lambda one: client.create_check_status_response(None, one),
        ):
            with pytest.raises(df.DurableError, match=r"hub\.serve\(\)"):
                make("a")
