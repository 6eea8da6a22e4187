"""The dialogue of the Durable Functions page, with curl as it is printed there.

There the start goes to a function of the user's own, as in tests/azure; here to the management API, by the
same last words.
"""

import json
import re
import shlex
import shutil
import subprocess

import httpx
import pytest

from durablenb.model.address import MANAGEMENT
from tests.server.conftest import PATIENCE, Served


@pytest.fixture
def open_to_all():
    made = Served(key="")
    yield made
    made.close()


def said(server, command, api="/api"):
    """Return what the command prints, sent to this server, with `api` as the address of its functions.

    Where there is no curl, as on a slim Debian, the same request is sent without it.
    """
    there = f"http://localhost:{server.port}"
    command = command.replace("https://myfunc.azurewebsites.net/api", there + api)
    command = command.replace("https://myfunc.azurewebsites.net", there)
    words = shlex.split(command.replace("http://localhost:7071", there))
    if shutil.which("curl"):
        done = subprocess.run([*words, "-s"], capture_output=True, text=True, timeout=PATIENCE, check=True)
        return done.stdout
    return without_curl(words[1:])


def without_curl(words):
    method, url, content, headers, shows_head = None, "", None, {}, False
    rest = iter(words)
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-d":
            content = next(rest).encode()
        elif word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = value
        elif word == "-i":
            shows_head = True
        else:
            url = word
    answer = httpx.request(
        method or ("GET" if content is None else "POST"), url, content=content, headers=headers
    )
    head = f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    return (f"{head}\r\n" if shows_head else "") + answer.text


def taken_apart(text):
    """Return the status line, the headers in lower case, and the body of a printed response."""
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.split("\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return first, headers, json.loads(body)


def test_start_poll_and_done(open_to_all):
    served = open_to_all

    @served.hub.orchestrator
    def DoWork(context):
        return (yield context.wait_for_external_event("Done"))

    start = "curl -X POST https://myfunc.azurewebsites.net/api/orchestrators/DoWork"
    first, headers, body = taken_apart(said(served.server, f'{start} -H "Content-Length: 0" -i', MANAGEMENT))
    assert first.startswith("HTTP/1.1 202")
    assert headers["content-type"] == "application/json"
    instances = "https://myfunc.azurewebsites.net/runtime/webhooks/durabletask/instances"
    assert re.search(rf"/runtime/webhooks/durabletask/instances/{body['id']}\?", headers["location"])

    poll = f"curl {instances}/{body['id']} -i"
    first, headers, shown = taken_apart(said(served.server, poll))
    assert first.startswith("HTTP/1.1 202")
    assert headers["location"].endswith(f"/runtime/webhooks/durabletask/instances/{body['id']}")
    assert shown["runtimeStatus"] in ("Pending", "Running")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", shown["lastUpdatedTime"])

    served.hub.client.raise_event(body["id"], "Done", [1, 2])
    served.hub.handle(body["id"]).wait(PATIENCE)
    first, headers, shown = taken_apart(said(served.server, poll))
    assert first.startswith("HTTP/1.1 200 OK")
    assert "location" not in headers
    assert (shown["runtimeStatus"], shown["output"]) == ("Completed", [1, 2])


def test_the_approval_event(open_to_all):
    instance_id = open_to_all.start("approval")
    command = (
        f'curl -d "true" http://localhost:7071/runtime/webhooks/durabletask/instances/{instance_id}'
        '/raiseEvent/ApprovalEvent -H "Content-Type: application/json"'
    )
    assert said(open_to_all.server, command) == ""
    assert open_to_all.hub.handle(instance_id).result(PATIENCE) == {"approved": True}


def test_without_curl_the_same_is_said(open_to_all):
    url = f"{open_to_all.base}/orchestrators/echo?timeout=20&pollingInterval=1"
    text = without_curl(["-X", "POST", "-H", "Content-Type: application/json", url, "-d", '"a"', "-i"])
    first, headers, body = taken_apart(text)
    assert (first, headers["content-type"], body) == ("HTTP/1.1 200 OK", "application/json", "a")


def test_without_a_key_another_sites_page_is_refused_all_the_same(open_to_all):
    url = f"{open_to_all.base}/orchestrators/echo"
    assert httpx.post(url, headers={"Origin": "http://evil.example"}).status_code == 403
    assert httpx.post(url, headers={"Host": "evil.example"}).status_code == 421
    assert httpx.post(f"{open_to_all.server.url}/durabletask/orchestrators/echo").status_code == 202
    page = open_to_all.server._repr_mimebundle_()["text/html"]
    assert "none: requests from this machine need no key" in page
