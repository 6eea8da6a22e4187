"""The server does what the OpenAPI document says: schemathesis tries every operation."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import durablenb as df
from durablenb.model.address import MANAGEMENT
from durablenb.server import orchestrations
from durablenb.server.openapi import document
from durablenb.server.operations import OPERATIONS


@pytest.fixture(scope="module")
def small():
    """A served hub whose only orchestrator never fails, so that no response is a requested 500.

    Whoever asks to wait for one that waits itself gets an answer before schemathesis gives up.
    """
    with pytest.MonkeyPatch.context() as patch, df.TaskHub(":memory:") as hub:
        patch.setattr(orchestrations, "LONGEST_WAIT", 0.5)

        @hub.orchestrator
        def echo(context):
            return context.get_input()

        @hub.orchestrator
        def waits(context):
            return (yield context.wait_for_external_event("E"))

        @hub.entity
        def cell(context):
            context.set_state(context.get_input())

        for number in range(3):
            hub.run(echo, number, instance_id=str(number))
            hub.start(waits, number, instance_id=f"open-{number}")
            hub.client.signal_entity(df.EntityId("cell", str(number)), "set", number)
        yield hub.serve(port=0)


@pytest.mark.timeout(300)  # it takes 15 seconds of a processor, of which there may be few
def test_every_operation_does_what_the_document_says_whatever_it_is_asked(small, tmp_path):
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "run", f"{small.url}/openapi.json"),
            *("-H", f"x-functions-key: {small.key}", "--no-color", "--generation-deterministic"),
            *("--max-examples", "2", "--phases", "coverage,fuzzing,stateful"),
            # What can't be read is ignored, and what there is not is refused, as in Azure.
            *("--exclude-checks", "negative_data_rejection,positive_data_acceptance"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Tested: {len(OPERATIONS)}" in done.stdout


def test_the_document_has_every_operation_once_and_says_each_code():
    paths = document(OPERATIONS, "http://localhost")["paths"]
    listed = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    assert sorted(listed) == sorted(
        (operation.method, MANAGEMENT + operation.path.replace(":path", "")) for operation in OPERATIONS
    )
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)
    for path, methods in paths.items():
        for described in methods.values():
            parts = [one["name"] for one in described["parameters"] if one["in"] == "path"]
            assert parts == re.findall(r"\{(\w+)\}", path)
            assert {"401", "403", "421"} <= set(described["responses"])


def test_the_document_says_what_has_to_be_given():
    paths = document(OPERATIONS, "http://localhost")["paths"]
    required = {
        (method, one["name"])
        for methods in paths.values()
        for method, described in methods.items()
        for one in described["parameters"]
        if one["required"] and one["in"] != "path"
    }
    assert required == {("delete", "createdTimeFrom"), ("post", "op")}


def test_a_page_has_up_to_a_thousand_items_whatever_the_document_lets_ask_for(small):
    paths = document(OPERATIONS, small.url)["paths"]
    listed = paths[f"{MANAGEMENT}/instances"]["get"]["parameters"]
    schema = next(one["schema"] for one in listed if one["name"] == "top")
    assert "maximum" not in schema
    query = {"code": small.key, "top": "1001"}
    for path in ("instances", "entities", "entities/cell"):
        answer = httpx.get(f"{small.url}{MANAGEMENT}/{path}", params=query)
        assert answer.status_code == 200
        assert answer.json()


@pytest.mark.parametrize("path", ["journal", "journal/0"])
@pytest.mark.parametrize("name", ["after", "held"])
@pytest.mark.parametrize("value", ["null", "", "-1", "1.5", "x", "9223372036854775808", "1" * 99, "²"])
def test_a_place_in_the_journal_that_is_no_number_is_refused(small, path, name, value):
    answer = httpx.get(f"{small.url}{MANAGEMENT}/{path}", params={"code": small.key, name: value})
    assert answer.status_code == 400
    assert f"{name} is " in answer.json()["ExceptionMessage"]
    for number in ("0", str(2**63 - 1)):
        query = {"code": small.key, name: number}
        assert httpx.get(f"{small.url}{MANAGEMENT}/{path}", params=query).status_code == 200


def test_the_document_is_behind_the_key_and_leads_to_the_server(small):
    assert httpx.get(f"{small.url}/openapi.json").status_code == 401
    shown = httpx.get(f"{small.url}/openapi.json?code={small.key}").json()
    assert shown["servers"] == [{"url": small.url}]
    assert small.key not in str(shown)
