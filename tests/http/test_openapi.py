"""The OpenAPI document is what the server does: schemathesis asks all of it, and finds nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import durablenb as df
from durablenb.http.openapi import document
from durablenb.http.operations import OPERATIONS
from durablenb.model.address import MANAGEMENT


@pytest.fixture(scope="module")
def small():
    """A served hub whose one orchestrator never fails, so that nothing is answered with 500 as asked."""
    with df.TaskHub(":memory:") as hub:

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


def test_every_operation_does_what_the_document_says_whatever_it_is_asked(small, tmp_path):
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "run", f"{small.url}/openapi.json"),
            *("-H", f"x-functions-key: {small.key}", "--no-color", "--generation-deterministic"),
            *("--max-examples", "5", "--phases", "coverage,fuzzing,stateful"),
            # What can't be read is ignored, and what there is not is refused, as in Azure.
            *("--exclude-checks", "negative_data_rejection,positive_data_acceptance"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
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


def test_the_document_is_behind_the_key_and_leads_to_the_server(small):
    assert httpx.get(f"{small.url}/openapi.json").status_code == 401
    shown = httpx.get(f"{small.url}/openapi.json?code={small.key}").json()
    assert shown["servers"] == [{"url": small.url}]
    assert small.key not in str(shown)
