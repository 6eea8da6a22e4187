"""Access to the server: the attacks on servers of a user's own machine, each against every route."""

import asyncio
import logging
import select
import socket
from contextlib import ExitStack, suppress
from time import monotonic

import httpx
import pytest

import durablenb as df
from durablenb.model.address import MANAGEMENT
from durablenb.notebook.page import HubPage
from durablenb.server import connections, requests
from durablenb.server.guard import AccessPolicy, Guard
from durablenb.server.operations import OPERATIONS
from tests.server.conftest import PATIENCE

FILES = sorted(HubPage.paths)
INSTANCES = f"{MANAGEMENT}/instances"
PATHS = sorted(
    {
        MANAGEMENT + operation.path.replace(":path", "").replace("{", "").replace("}", "")
        for operation in OPERATIONS
    }
    | {
        *FILES,
        "/page/views",
        "/page/views/session",
        "/openapi.json",
        "/nowhere",
        "/health",
        f"{MANAGEMENT}/instances/health",
        "/durabletask/instances",
    }
)
REQUESTS = [
    *((method, path) for path in PATHS for method in ("GET", "POST", "DELETE")),
    *(
        (one, path)
        for path in (INSTANCES, "/")
        for one in ("HEAD", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW")
    ),
]
"""The methods of the routes on every path, and all others on one with the key and on one without."""


@pytest.fixture
def bare(served):
    """A client without the key."""
    with httpx.Client(base_url=served.server.url, verify=False) as client:
        yield client


def key(served):
    return {"x-functions-key": served.server.key}


def other_answers(client, status, headers):
    """The requests that are not answered with this status, and how they are."""
    answers = {one: client.request(*one, headers=headers).status_code for one in REQUESTS}
    return {one: found for one, found in answers.items() if found != status}


def test_without_the_key_nothing_but_the_files_of_the_page_is_let_in(bare):
    files = {("GET", path): 200 for path in FILES}
    assert other_answers(bare, 401, {}) == {**files, ("HEAD", "/"): 200}


@pytest.mark.parametrize(
    "path", ["/page/page.js/", "/PAGE/page.js", "/page/%70age.js", "/page", "/page/", "/page/live.js/x"]
)
def test_the_files_of_the_page_are_let_in_by_their_exact_paths_only(bare, path):
    assert bare.get(path).status_code == 401


def test_a_name_that_leads_here_by_dns_rebinding_is_refused_with_the_key_too(served, bare):
    assert other_answers(bare, 421, {"Host": f"evil.example:{served.server.port}", **key(served)}) == {}


def test_another_sites_page_is_refused_with_the_key_too(served, bare):
    assert other_answers(bare, 403, {"Origin": "http://evil.example", **key(served)}) == {}
    for origin in ("null", "http://localhost:8888", ""):
        assert bare.get(INSTANCES, headers={"Origin": origin, **key(served)}).status_code == 403


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost:1",
        "localhost",
        "localhost.evil.example:{port}",
        "evil.example#localhost:{port}",
        "localhost:{port}@evil.example",
        "user@localhost:{port}",
        "localhost:{port}/",
        "127.0.0.1.evil.example:{port}",
        "10.0.0.1:{port}",
        "[::1",
        "",
    ],
)
def test_the_host_is_compared_as_a_whole(served, bare, host):
    headers = {"Host": host.format(port=served.server.port), **key(served)}
    assert bare.get(INSTANCES, headers=headers).status_code == 421


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
def test_this_machines_own_names_are_let_in_and_stand_in_the_urls(served, bare, name):
    headers = {"Host": f"{name}:{served.server.port}", **key(served)}
    answer = bare.post(f"{MANAGEMENT}/orchestrators/echo", headers=headers)
    assert answer.status_code == 202
    assert answer.headers["location"].startswith(f"http://{name.lower()}:{served.server.port}{MANAGEMENT}/")


def raw(served, *lines):
    """Send these bytes, and return the first line of the response."""
    with socket.create_connection(("127.0.0.1", served.server.port), timeout=PATIENCE) as connection:
        connection.sendall("\r\n".join((*lines, "", "")).encode())
        return connection.recv(4_096).decode().partition("\r\n")[0]


def test_no_host_or_two_of_them_are_refused(served):
    target = f"GET {MANAGEMENT}/instances?code={served.server.key} HTTP/1"
    own = f"Host: localhost:{served.server.port}"
    assert raw(served, f"{target}.1", own).split()[1] == "200"
    assert raw(served, f"{target}.1", own, "Host: evil.example").split()[1] == "400"
    assert raw(served, f"{target}.1").split()[1] == "400"
    assert raw(served, f"{target}.0").split()[1] == "421"


def test_a_page_of_the_servers_own_is_let_in(served, bare):
    headers = {"Origin": served.server.url, "Sec-Fetch-Site": "same-origin", **key(served)}
    assert bare.get(INSTANCES, headers=headers).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_page_of_another_site_embeds_is_refused(served, bare, site):
    image = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image", **key(served)}
    frame = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe", **key(served)}
    for headers in (image, frame):
        assert bare.get(INSTANCES, headers=headers).status_code == 403


def test_a_link_that_the_user_opens_only_looks(served, bare):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    headers = {**link, **key(served)}
    assert bare.get(INSTANCES, headers=headers).status_code == 200
    assert bare.post(f"{MANAGEMENT}/orchestrators/echo", headers=headers).status_code == 403


@pytest.mark.parametrize("given", ["", "wrong", "é", "{key}x", "x{key}", "{key}{key}"])
def test_a_wrong_key_is_refused_wherever_it_stands(served, bare, given):
    given = given.format(key=served.server.key)
    answers = [
        bare.get(INSTANCES, headers={"x-functions-key": given.encode()}),
        bare.get(INSTANCES, params={"code": given}),
        bare.get(f"/durabletask/{given}/instances"),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert all(served.server.key not in answer.text for answer in answers)


def test_the_key_is_taken_from_the_header_the_query_or_the_loopback_path(served, bare):
    answers = [
        bare.get(INSTANCES, headers=key(served)),
        bare.get(INSTANCES, params={"code": served.server.key}),
        bare.get(f"/durabletask/{served.server.key}/instances"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]


def test_a_random_key_has_256_bits_and_is_new_for_each_server():
    with df.TaskHub(":memory:") as hub:
        keys = set()
        for _ in range(3):
            with hub.serve(port=0) as server:
                keys.add(server.key)
        assert len(keys) == 3
        assert all(len(one) == 43 for one in keys)


def test_the_key_is_shown_nowhere_and_never_logged(caplog, capfd):
    with df.TaskHub(":memory:") as hub, caplog.at_level(logging.DEBUG), hub.serve(port=0) as server:
        httpx.get(f"{server.url}{MANAGEMENT}/instances", params={"code": server.key})
        httpx.get(f"{server.url}/durabletask/{server.key}/nowhere")
        bundle = str(server._repr_mimebundle_())
        assert server.key not in bundle + repr(server) + repr(server.address) + repr(hub)
    own = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    assert not any(server.key in text for text in own)
    out, err = capfd.readouterr()
    assert server.key not in out + err


def test_every_answer_is_protected_and_none_has_cors(served, bare):
    for answer in (
        bare.get("/nowhere"),
        bare.get(INSTANCES, headers=key(served)),
        bare.get("/nowhere", headers={**key(served), "Origin": served.server.url}),
        bare.options(INSTANCES, headers=key(served)),
        bare.get("/", headers={"Host": "evil.example"}),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "server" not in answer.headers


def test_options_and_head_behave(served):
    asked = served.http.options("/instances/nobody")
    assert (asked.status_code, asked.headers["allow"], asked.content) == (
        204,
        "DELETE, GET, HEAD, OPTIONS",
        b"",
    )
    head, get = served.http.head("/instances"), served.http.get("/instances")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    put = served.http.put("/instances/nobody")
    assert (put.status_code, put.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS")
    assert served.http.head("/orchestrators/echo").status_code == 405


def test_the_body_the_url_and_the_head_have_limits(served):
    body = served.http.post("/orchestrators/echo", content=b'"' + b"x" * (1 << 20) + b'"')
    assert (body.status_code, body.json()["Message"]) == (413, "The body is too large")
    chunks = served.http.post("/orchestrators/echo", content=(b"1" * 65_536 for _ in range(20)))
    assert chunks.status_code == 413
    assert served.http.get("/instances", params={"instanceIdPrefix": "x" * 8_192}).status_code == 414
    assert served.http.get("/instances", headers={"x-much": "x" * 20_000}).status_code == 431
    assert served.http.get("/instances").status_code == 200


def test_a_web_socket_is_asked_for_the_key_like_everything_else(served):
    own = f"Host: localhost:{served.server.port}"
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    assert raw(served, "GET /page/views HTTP/1.1", own, *upgrade).split()[1] == "401"
    key = f"x-functions-key: {served.server.key}"
    assert raw(served, "GET /page/views HTTP/1.1", own, key, *upgrade).split()[1] == "405"


def test_a_body_that_does_not_arrive_is_not_waited_for(served, monkeypatch):
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.05)
    target = f"POST {MANAGEMENT}/orchestrators/echo?code={served.server.key} HTTP/1.1"
    own = f"Host: localhost:{served.server.port}"
    assert raw(served, target, own, "Content-Length: 5").split()[1] == "408"
    assert raw(served, target, own, "Transfer-Encoding: chunked").split()[1] == "408"


# -- slow heads --------------------------------------------------------------------------------------


def connected(served):
    return socket.create_connection(("127.0.0.1", served.server.port), timeout=PATIENCE)


def until_closed(connection):
    """Return all data that comes before the server closes the connection."""
    found = b""
    with suppress(ConnectionError):
        while part := connection.recv(4_096):
            found += part
    return found.decode()


@pytest.mark.parametrize("start", ["", "GET / HT", "GET / HTTP/1.1\r\nHost: localhost\r\nx-slow: "])
def test_a_head_that_does_not_arrive_is_not_waited_for(served, monkeypatch, start):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)
    with connected(served) as connection:
        connection.sendall(start.encode())
        answer = until_closed(connection)
    assert answer.startswith("HTTP/1.1 408 Request Timeout\r\n")
    assert "within 0.05 seconds" in answer
    assert "frame-ancestors 'none'" in answer


def test_a_byte_now_and_then_gives_a_head_no_more_time(served, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    deadline = monotonic() + PATIENCE
    with connected(served) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nx-slow: ")
        with suppress(ConnectionError):
            while not select.select([connection], [], [], 0.01)[0]:
                connection.sendall(b"x")
                assert monotonic() < deadline
        assert " 408 " in until_closed(connection).partition("\r\n")[0]


def test_a_connection_that_is_used_again_gives_each_head_its_time(served, monkeypatch):
    own = f"Host: localhost:{served.server.port}"
    request = f"HEAD {MANAGEMENT}/instances?code={served.server.key} HTTP/1.1\r\n{own}\r\n\r\n".encode()
    with connected(served) as connection:
        for _ in range(2):
            connection.sendall(request)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)
        connection.sendall(request[:10])
        assert until_closed(connection).startswith("HTTP/1.1 408 ")


def test_what_is_asked_takes_longer_than_a_head_may(served, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)
    answer = served.http.post(
        "/orchestrators/approval", params={"timeout": "0.3", "pollingInterval": "0.1"}, json=1
    )
    assert answer.status_code == 202


def test_connections_without_a_head_take_nobodys_place(served, monkeypatch):
    monkeypatch.setattr(connections, "WAITING", 3)
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(served)) for _ in range(10)]
        for one in slow[:7]:
            assert until_closed(one) == ""
        for one in slow[7:]:
            one.setblocking(False)
            with pytest.raises(BlockingIOError):
                one.recv(1)
        assert httpx.get(f"{served.base}/instances", headers=key(served)).status_code == 200


def test_who_has_no_key_keeps_no_connection(served, bare):
    for answer in (bare.get("/nowhere"), bare.get("/"), bare.get("/", headers={"Host": "evil.example"})):
        assert answer.headers["connection"] == "close"
    assert "connection" not in served.http.get("/instances").headers


def test_two_lengths_of_a_body_are_refused(served):
    target = f"POST {MANAGEMENT}/orchestrators/echo?code={served.server.key} HTTP/1.1"
    own = f"Host: localhost:{served.server.port}"
    with connected(served) as connection:
        lines = (target, own, "Content-Length: 5", "Transfer-Encoding: chunked", "", "0", "", "")
        connection.sendall("\r\n".join(lines).encode())
        answer = until_closed(connection)
    assert answer.startswith("HTTP/1.1 400 ")
    assert "Content-Length and Transfer-Encoding" in answer


def entrance(**changed):
    given = {"port": 7071, "names": frozenset({"localhost"}), "takes_addresses": False, "public": None}
    return AccessPolicy(**{**given, "hub": "h", "key": "k", **changed})


def test_beyond_this_machine_addresses_are_let_in_since_rebinding_needs_a_name():
    wide = entrance(takes_addresses=True)
    assert wide.address("192.168.1.5:7071").origin == "http://192.168.1.5:7071"
    assert wide.address("[fe80::1]:7071").origin == "http://[fe80::1]:7071"
    assert wide.address("192.168.1.5:80") is None
    assert wide.address("evil.example:7071") is None
    assert entrance().address("192.168.1.5:7071") is None


def test_a_public_url_is_let_in_and_stands_in_the_urls():
    proxied = entrance(public="https://hub.example.org/durable")
    assert proxied.address("hub.example.org").base == f"https://hub.example.org/durable{MANAGEMENT}"
    assert proxied.address("hub.example.org:7071") is None
    assert proxied.address("localhost:7071").origin == "http://localhost:7071"


def test_several_host_headers_are_no_host_even_where_the_server_below_lets_them_pass():
    """uvicorn refuses these requests; another ASGI server may not."""
    entrance = AccessPolicy(8_000, frozenset({"localhost"}), False, None, "hub", "secret")
    let_in, sent = [], []

    async def app(scope, receive, send):
        let_in.append(scope["path"])

    async def send(message):
        sent.append(message)

    def ask(*hosts):
        scope = {
            "type": "http",
            "method": "GET",
            "raw_path": b"/instances",
            "query_string": b"",
            "headers": [*((b"host", host) for host in hosts), (b"x-functions-key", b"secret")],
        }
        asyncio.run(Guard(app, entrance, frozenset())(scope, None, send))

    ask(b"localhost:8000", b"evil.example")
    ask(b"localhost:8000", b"localhost:8000")
    ask()
    assert [message["status"] for message in sent if "status" in message] == [421] * 3
    assert let_in == []
    ask(b"localhost:8000")
    assert let_in == ["/instances"]
