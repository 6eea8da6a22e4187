"""The server in the kernel's process: it starts, is reused, and closes, and harms no orchestration."""

import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

import durablenb as df
from durablenb.model.address import MANAGEMENT
from tests.interrupts import interrupt_within
from tests.server.conftest import PATIENCE, register


@pytest.fixture
def hub():
    with df.TaskHub(":memory:") as made:
        register(made)
        yield made


def test_it_listens_on_this_machine_only(hub):
    server = hub.serve(port=0)
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server._socket.getsockname()[0] == "127.0.0.1"


def test_it_shows_its_address_as_text_and_as_a_card(hub):
    with hub.serve(port=0) as server:
        assert repr(server) == f"<Server {server.url}: memory>"
        html = server._repr_mimebundle_()["text/html"]
        assert server.url in html
        assert "in server.key" in html
    assert repr(server) == f"<Server {server.url}: closed>"
    assert "in server.key" not in server._repr_mimebundle_()["text/html"]


def test_a_cell_that_is_run_again_gets_the_same_server(hub):
    first = hub.serve(port=0)
    assert hub.serve(port=0) is first
    other = hub.serve(port=0, key="another")
    assert not first.is_open
    assert other.key == "another"
    other.close()
    assert hub.serve(port=0, key="another") is not other


def test_closing_it_twice_does_nothing_and_leaves_the_hub_open(hub):
    with hub.serve(port=0) as server:
        answer = httpx.post(f"{server.url}{MANAGEMENT}/orchestrators/approval?code={server.key}")
    server.close()
    assert not server.is_open
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)
    hub.client.raise_event(answer.json()["id"], "ApprovalEvent", 1)
    assert hub.handle(answer.json()["id"]).result(PATIENCE) == {"approved": 1}


def test_closing_the_hub_closes_it():
    with df.TaskHub(":memory:") as hub:
        server = hub.serve(port=0)
    assert not server.is_open
    with pytest.raises(df.StoreError, match="closed"):
        hub.serve(port=0)


def test_an_interrupt_while_it_closes_still_closes_the_hub(tmp_path, monkeypatch):
    def interrupted(server):
        raise KeyboardInterrupt

    hub = df.TaskHub(tmp_path / "hub.duckdb")
    server = hub.serve(port=0)
    with monkeypatch.context() as patch:
        patch.setattr(type(server), "close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            hub.close()
    server.close()
    with df.TaskHub(tmp_path / "hub.duckdb") as again:
        assert again is not hub
        assert again.instances() == []


def test_its_port_is_free_again_after_closing(hub):
    port = hub.serve(port=0).port
    hub.serve(port=0).close()
    assert hub.serve(port=port).port == port


def test_a_port_that_is_taken_is_said_to_be(hub):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(df.DurableError, match=rf"Port {port} .* is in use.*port=0"):
            hub.serve(port=port)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"port": 70_000}, "expected 0 to 65535"),
        ({"key": "with blanks"}, "printable ASCII"),
        ({"key": "schlüssel"}, "printable ASCII"),
        ({"key": "line\n"}, "printable ASCII"),
        ({"key": "", "host": "0.0.0.0"}, "could run your code"),
        ({"public_url": "hub.example.org"}, "https://hub.example.org"),
        ({"host": "203.0.113.7"}, "can't be served at"),
    ],
)
def test_what_can_not_be_is_refused_with_what_to_do(hub, arguments, message):
    with pytest.raises((ValueError, df.DurableError), match=message):
        hub.serve(**{"port": 0, **arguments})
    assert hub.client.address is None


def test_a_hub_that_works_only_in_cells_is_not_served():
    with df.TaskHub(":memory:", mode="kernel") as hub, pytest.raises(df.DurableError, match="threads"):
        hub.serve(port=0)


def test_without_starlette_it_says_what_to_install(hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "durablenb.server.server", None)
    monkeypatch.delitem(sys.modules, "durablenb.server", raising=False)
    with pytest.raises(df.DurableError, match=r"pip install 'durablenb\[http\]'"):
        hub.serve(port=0)


def test_who_waits_for_an_orchestration_is_answered_when_it_is_closed(hub):
    server = hub.serve(port=0)
    url = f"{server.url}{MANAGEMENT}/orchestrators/approval/held"
    waiting = {"code": server.key, "timeout": "60", "pollingInterval": "1"}
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.post(url, params=waiting, timeout=PATIENCE).status_code)
    )
    asking.start()
    while not hub.client.get_status("held"):
        threading.Event().wait(0.01)
    server.close()
    asking.join(PATIENCE)
    assert answers == [202]


def press_stop():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_kernels_interrupt_does_not_end_it(hub):
    server = hub.serve(port=0)

    def works():
        threading.Event().wait(PATIENCE)

    interrupt_within(works, press_stop)
    with pytest.raises(KeyboardInterrupt):
        works()
    answer = httpx.get(f"{server.url}{MANAGEMENT}/instances?code={server.key}")
    assert answer.status_code == 200


def test_an_interrupted_wait_for_its_end_leaves_it_open(hub):
    server = hub.serve(port=0)
    interrupt_within(type(server).wait, press_stop)
    with pytest.raises(KeyboardInterrupt):
        server.wait()
    assert server.is_open
    assert httpx.get(f"{server.url}{MANAGEMENT}/instances?code={server.key}").status_code == 200


def test_a_hub_that_can_not_write_answers_503(hub):
    server = hub.serve(port=0)
    hub._engine.stop(wait=True)
    answer = httpx.post(f"{server.url}{MANAGEMENT}/orchestrators/echo?code={server.key}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_mistake_of_its_own_is_answered_without_a_traceback(hub, monkeypatch, caplog):
    def breaks(*_):
        raise ZeroDivisionError("a secret")

    server = hub.serve(port=0)
    monkeypatch.setattr(hub.client, "get_statuses", breaks)
    answer = httpx.get(f"{server.url}{MANAGEMENT}/instances/a?code={server.key}")
    assert answer.status_code == 500
    assert answer.json()["StackTrace"] == ""
    assert "secret" not in answer.text
    assert "a secret" in caplog.text


def test_the_urls_of_an_instance_are_given_without_asking_the_server(hub):
    with pytest.raises(df.DurableError, match=r"hub\.serve"):
        hub.client.create_http_management_payload("a b")
    server = hub.serve(port=0)
    urls = hub.client.create_http_management_payload("a b")
    assert urls == server.management_urls("a b")
    hub.add_activity(lambda: df.current_activity().management_urls(), "urls")
    hub.add_orchestrator(lambda context: (yield context.call_activity("urls")), "ask")
    assert hub.run("ask", instance_id="a b") == urls
    assert urls["statusQueryGetUri"].startswith(f"{server.url}{MANAGEMENT}/instances/a%20b?")
    assert urls["statusQueryGetUri"].endswith(f"code={server.key}")
    server.close()
    with pytest.raises(df.DurableError, match=r"hub\.serve"):
        hub.client_binding()


def test_beyond_this_machine_it_is_reached_by_address(hub):
    server = hub.serve(port=0, host="0.0.0.0")
    assert server.url == f"http://127.0.0.1:{server.port}"
    asked = {"Host": f"192.0.2.1:{server.port}"}
    assert httpx.get(f"{server.url}/openapi.json?code={server.key}", headers=asked).status_code == 200


FORGETFUL = """
import sys
from urllib.request import Request, urlopen
import durablenb as df

print({'starlette', 'uvicorn', 'durablenb.server'} & set(sys.modules))
hub = df.TaskHub(":memory:")
hub.add_orchestrator(lambda context: 1, name="one")
hub.run("one")
server = hub.serve(port=0)
key = {"x-functions-key": server.key}
asked = Request(f"{server.url}/runtime/webhooks/durabletask/instances", headers=key)
print(urlopen(asked).status)
"""


def test_a_script_imports_what_serves_when_it_serves_and_ends_quietly_without_closing():
    done = subprocess.run(
        [sys.executable, "-c", FORGETFUL], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("set()\n200\n", "")
