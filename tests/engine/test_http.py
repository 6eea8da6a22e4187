"""`call_http` against a real server: polling on the orchestration's clock, time-outs, retries, redirects."""

import gzip
import json
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.client import IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import durablenb as df
from durablenb.engine import http
from durablenb.engine.http import send_request
from tests.engine.fanned import finish


class Server(ThreadingHTTPServer):
    """Answers by functions of the path; notes what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.answers = {}
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        asked = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(length).decode("utf-8", "surrogateescape"),
        }
        self.server.asked.append(asked)
        status, headers, body = self.server.answers[self.path.partition("?")[0]](asked)
        self.send_response(status)
        for name, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                self.send_header(name, one)
        body = body if isinstance(body, bytes) else body.encode()
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def log_message(self, *args):
        pass


@contextmanager
def serving():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server


@pytest.fixture
def other():
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def hub():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.orchestrator
        def asks(context):
            began = context.current_utc_datetime
            options = context.get_input()
            retry = options.pop("retry", None)
            if retry:
                options["retry_options"] = df.RetryOptions(*retry)
            try:
                response = yield context.call_http(**options)
            except df.TaskFailedError as error:
                response = {"failed": error.details.error_type, "message": str(error)}
            seconds = (context.current_utc_datetime - began) / timedelta(seconds=1)
            return {**response, "seconds": seconds}

        yield hub


def ask(hub, method, uri, **options):
    return hub.run("asks", {"method": method, "uri": uri, **options})


def test_any_status_is_an_answer(server, hub):
    for status in (200, 201, 204, 400, 401, 404, 409, 418, 500, 503):
        body = "" if status == 204 else f"status {status}"
        server.answers["/"] = lambda asked, status=status, body=body: (status, {"X-Odd": "1"}, body)
        response = ask(hub, "GET", f"{server.url}/")
        assert (response["statusCode"], response["content"]) == (status, body)
        assert response["headers"]["X-Odd"] == "1"


def test_an_answer_that_is_larger_than_a_value_may_be_is_not_read_on(server, hub, monkeypatch):
    monkeypatch.setattr(http, "SIZE_LIMIT", 1_000)
    for status in (200, 500):
        server.answers["/"] = lambda asked, status=status: (status, {}, b"x" * 1_000)
        assert len(ask(hub, "GET", f"{server.url}/")["content"]) == 1_000
        server.answers["/"] = lambda asked, status=status: (status, {}, b"x" * 1_001)
        failed = ask(hub, "GET", f"{server.url}/")
        assert failed["failed"] == "builtins.ValueError"
        assert "more than 1,000 bytes" in failed["message"]


def test_a_compressed_response_is_decompressed_up_to_the_size_of_a_value(server, hub, monkeypatch):
    server.answers["/"] = lambda asked: (200, {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 1_000))
    assert ask(hub, "GET", f"{server.url}/")["content"] == "x" * 1_000
    monkeypatch.setattr(http, "SIZE_LIMIT", 999)
    assert "more than 999 bytes" in ask(hub, "GET", f"{server.url}/")["message"]


def test_a_response_without_a_body_may_say_that_it_is_compressed(server, hub):
    server.answers["/"] = lambda asked: (204, {"Content-Encoding": "gzip"}, "")
    response = ask(hub, "GET", f"{server.url}/")
    assert (response["statusCode"], response["content"]) == (204, "")


@pytest.mark.parametrize(
    ("headers", "body", "error", "message"),
    [
        ({"Content-Length": "100", "Connection": "close"}, "", IncompleteRead, "0 bytes read"),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"x" * 1_000)[:-4], ValueError, "can't be decompressed"),
    ],
    ids=["it breaks off", "broken compression"],
)
def test_a_response_that_did_not_come_in_full_is_an_error(server, headers, body, error, message):
    server.answers["/"] = lambda asked: (200, headers, body)
    with pytest.raises(error, match=message):
        send_request({"method": "GET", "uri": f"{server.url}/", "headers": {}, "content": None})


def test_the_response_has_the_names_of_both_of_azures_libraries(server, hub):
    server.answers["/"] = lambda asked: (200, {"A": "b"}, "hello")

    @hub.orchestrator
    def both(context):
        response = yield context.call_http("get", f"{server.url}/")
        return [response["statusCode"], response.status_code, response.content, response.headers["a"]]

    assert hub.run(both) == [200, 200, "hello", "b"]


def test_headers_have_their_names_as_they_came_and_are_found_without_case(server, hub):
    server.answers["/"] = lambda asked: (200, {"X-Job-Id": "42", "Set-Cookie": ["a=1", "b=2"]}, "")

    @hub.orchestrator
    def reads(context):
        headers = (yield context.call_http("GET", f"{server.url}/"))["headers"]
        found = [headers["X-Job-Id"], headers["x-job-id"], headers.get("X-JOB-ID"), "x-job-ID" in headers]
        assert headers.get("Location") is None
        assert "Location" not in headers
        with pytest.raises(KeyError, match="Location"):
            headers["Location"]
        return [found, headers["Set-Cookie"], [name for name in headers if name[0] in "XS"], headers]

    found, cookies, names, headers = hub.run(reads)
    assert found == ["42", "42", "42", True]
    assert cookies == ["a=1", "b=2"]
    assert names == ["Server", "X-Job-Id", "Set-Cookie"]
    assert type(headers) is dict
    assert headers["X-Job-Id"] == "42"
    (handle,) = (hub.handle(one.instance_id) for one in hub.instances(name="reads"))
    assert hub.replay(handle, reads).fits


def test_a_repeated_location_or_pause_counts_as_it_came_last(server, hub):
    server.answers["/"] = lambda asked: (
        202,
        {"LOCATION": ["/wrong", "/done"], "retry-after": ["1", "7"]},
        "",
    )
    server.answers["/done"] = lambda asked: (200, {}, "done")
    response = ask(hub, "GET", f"{server.url}/")
    assert (response["content"], response["seconds"]) == ("done", 7)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "post"])
def test_methods_headers_and_bodies_arrive(server, hub, method):
    server.answers["/a"] = lambda asked: (200, {}, json.dumps(asked))
    response = ask(
        hub,
        method,
        f"{server.url}/a?b=%20c",
        content={"n": [1, "ü"]},
        headers={"X-Key": "secret", "Accept": "*/*"},
    )
    asked = json.loads(response["content"])
    assert asked["method"] == method.upper()
    assert asked["path"] == "/a?b=%20c"
    assert asked["headers"]["x-key"] == "secret"
    assert asked["headers"]["content-type"] == "application/json"
    assert json.loads(asked["body"]) == {"n": [1, "ü"]}


def test_text_is_sent_as_json_or_as_it_is(server, hub):
    server.answers["/"] = lambda asked: (200, {}, json.dumps(asked))

    def sent(**options):
        return json.loads(ask(hub, "POST", f"{server.url}/", **options)["content"])

    assert sent(content="text")["body"] == '"text"'
    assert sent(content="text", is_raw_str=True)["body"] == "text"
    plain = sent(content="a=1", is_raw_str=True, headers={"content-type": "text/plain"})
    assert (plain["body"], plain["headers"]["content-type"]) == ("a=1", "text/plain")
    assert sent()["body"] == ""
    assert "content-type" not in sent()["headers"]


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=latin-1", b"\xfc", "\xfc"),
        ("text/plain; charset=utf-8", "ü€".encode(), "ü€"),
        ("text/plain", b"a\xff", "a\ufffd"),
        ("text/plain; charset=no-such-thing", "ü".encode(), "ü"),
        ("application/octet-stream", b"\0\1", "\0\1"),
    ],
)
def test_bodies_are_read_by_their_charset(server, hub, content_type, body, text):
    server.answers["/"] = lambda asked: (200, {"Content-Type": content_type}, body)
    assert ask(hub, "GET", f"{server.url}/")["content"] == text


# -- polling ------------------------------------------------------------------------------------------


def answers_202(server, times, location="/status", retry_after="7"):
    """The first path answers 202; the location does so this many times."""
    headers = {"Location": location} | ({"Retry-After": retry_after} if retry_after else {})
    answers = iter([(202, headers, "working")] * times)
    server.answers["/start"] = lambda asked: (202, headers, "accepted")
    server.answers["/status"] = lambda asked: next(answers, (200, {}, "done"))


def test_an_answer_202_is_polled_after_the_seconds_that_it_says(server, hub):
    answers_202(server, 3)
    response = ask(hub, "POST", f"{server.url}/start", content={"job": 1}, headers={"X-Key": "k"})
    assert (response["statusCode"], response["content"], response["seconds"]) == (200, "done", 28)
    assert [asked["method"] for asked in server.asked] == ["POST", "GET", "GET", "GET", "GET"]
    assert all(asked["headers"]["x-key"] == "k" for asked in server.asked)
    assert all(asked["body"] == "" for asked in server.asked[1:])


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [(None, 30), ("0", 0), ("nonsense", 30), ("-5", 30), ("1e99", 30)]
)
def test_without_a_sensible_retry_after_it_is_half_a_minute(server, hub, retry_after, seconds):
    answers_202(server, 0, retry_after=retry_after)
    assert ask(hub, "GET", f"{server.url}/start")["seconds"] == seconds


def test_a_location_may_be_relative_or_absolute(server, hub):
    for location in ("/status", "status", f"{server.url}/status"):
        answers_202(server, 1, location=location)
        assert ask(hub, "GET", f"{server.url}/start")["content"] == "done"


def test_a_202_is_the_answer_where_polling_is_not_wanted_or_not_possible(server, hub):
    answers_202(server, 3)
    response = ask(hub, "GET", f"{server.url}/start", asynchronous_pattern_enabled=False)
    assert (response["statusCode"], len(server.asked)) == (202, 1)
    server.answers["/bare"] = lambda asked: (202, {}, "no location")
    assert ask(hub, "GET", f"{server.url}/bare")["statusCode"] == 202


def test_a_location_that_is_no_web_address_fails_the_call(server, hub):
    answers_202(server, 0, location="file:///etc/passwd")
    response = ask(hub, "GET", f"{server.url}/start")
    assert response["failed"] == "builtins.ValueError"
    assert "takes http and https addresses" in response["message"]


def test_credentials_do_not_follow_a_location_to_another_host(server, other, hub):
    answers_202(server, 0, location=f"{other.url}/status")
    other.answers["/status"] = lambda asked: (200, {}, "done")
    headers = {"Authorization": "Bearer t", "Cookie": "c=1", "X-Functions-Key": "k", "X-Plain": "p"}
    assert ask(hub, "GET", f"{server.url}/start", headers=headers)["content"] == "done"
    assert {"authorization", "cookie", "x-functions-key"} <= server.asked[0]["headers"].keys()
    assert not {"authorization", "cookie", "x-functions-key"} & other.asked[0]["headers"].keys()
    assert other.asked[0]["headers"]["x-plain"] == "p"


def test_an_orchestration_that_polls_survives_a_restart(server, tmp_path):
    answers_202(server, 4, retry_after="3600")

    def asks(context):
        return (yield context.call_http("POST", f"{server.url}/start"))["content"]

    clock = df.VirtualClock(autojump=False)
    for _ in range(6):
        with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel", clock=clock) as hub:
            hub.add_orchestrator(asks)
            hub.start("asks", instance_id="one", if_exists="attach")
            finish(hub)
            clock.advance(hours=1)
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel", clock=clock) as hub:
        hub.add_orchestrator(asks)
        assert hub.handle("one").result() == "done"
    assert [asked["method"] for asked in server.asked].count("POST") == 1
    assert len(server.asked) == 6


# -- time-outs and retries ----------------------------------------------------------------------------


def test_a_time_out_ends_the_polling(server, hub):
    answers_202(server, 1000, retry_after="10")
    response = ask(hub, "GET", f"{server.url}/start", timeout=35)
    assert response["failed"] == "builtins.TimeoutError"
    assert "longer than 35" in response["message"]
    assert response["seconds"] == 35
    assert len(server.asked) == 4


def test_a_time_out_that_is_not_needed_leaves_no_timer_behind(server, hub):
    answers_202(server, 1)
    assert ask(hub, "GET", f"{server.url}/start", timeout=3600)["seconds"] == 14
    clock = hub._engine.clock.now()
    hub.add_orchestrator(lambda context: (yield context.wait_for_external_event("never")), "waits")
    with pytest.raises(df.WaitTimeoutError):
        hub.run("waits")
    assert hub._engine.clock.now() == clock


def test_a_slow_server_is_given_up_in_time(server):
    go_on = threading.Event()

    def slow(asked):
        go_on.wait(20)
        return 200, {}, "late"

    server.answers["/slow"] = slow
    with df.TaskHub(":memory:") as hub:

        @hub.orchestrator
        def asks(context):
            yield context.call_http("GET", f"{server.url}/slow", timeout=0.1)

        with pytest.raises(TimeoutError, match=r"longer than 0\.1"):
            hub.run(asks)
        go_on.set()


def test_a_request_without_an_answer_is_tried_again_as_the_options_say(server, hub):
    def sometimes(asked):
        if len(server.asked) < 4:
            raise ConnectionResetError
        return 200, {}, "at last"

    server.handle_error = lambda *args: None
    server.answers["/"] = sometimes
    response = ask(hub, "GET", f"{server.url}/", retry=[1000, 5])
    assert (response["content"], response["seconds"], len(server.asked)) == ("at last", 3, 4)


def test_an_answer_of_500_is_not_tried_again(server, hub):
    server.answers["/"] = lambda asked: (500, {}, "broken")
    assert ask(hub, "GET", f"{server.url}/", retry=[1000, 5])["statusCode"] == 500
    assert len(server.asked) == 1


def test_nobody_there_is_a_failure_of_its_kind(server, hub):
    port = server.server_port
    response = ask(hub, "GET", f"http://127.0.0.1:{port}1/")
    assert response["failed"]
    server.shutdown()
    server.server_close()
    response = ask(hub, "GET", f"http://127.0.0.1:{port}/", retry=[60_000, 3])
    assert response["failed"] == "urllib.error.URLError"
    assert "refused" in response["message"]
    assert response["seconds"] == 120


# -- addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri", ["file:///etc/passwd", "ftp://localhost/x", "data:,x", "/etc/passwd", "", "gopher://x"]
)
def test_only_web_addresses_are_asked(hub, uri):
    response = ask(hub, "GET", uri)
    assert response["failed"] == "builtins.ValueError"
    assert "takes http and https addresses" in response["message"]


def test_a_header_cannot_smuggle_in_another_one(server, hub):
    server.answers["/"] = lambda asked: (200, {}, "ok")
    response = ask(hub, "GET", f"{server.url}/", headers={"X": "a\r\nInjected: 1"})
    assert response["failed"] == "builtins.ValueError"
    assert not server.asked


def test_redirects_are_followed(server, hub):
    server.answers["/old"] = lambda asked: (302, {"Location": "/new"}, "")
    server.answers["/new"] = lambda asked: (200, {}, asked["method"])
    assert ask(hub, "GET", f"{server.url}/old")["content"] == "GET"


def test_a_redirect_to_something_else_is_the_answer(server, hub):
    server.answers["/old"] = lambda asked: (302, {"Location": "file:///etc/passwd"}, "moved")
    response = ask(hub, "GET", f"{server.url}/old")
    assert (response["statusCode"], response["content"]) == (302, "moved")


def test_credentials_do_not_follow_a_redirect_to_another_host(server, other):
    server.answers["/old"] = lambda asked: (302, {"Location": f"{other.url}/new"}, "")
    server.answers["/here"] = lambda asked: (302, {"Location": "/new"}, "")
    server.answers["/new"] = other.answers["/new"] = lambda asked: (200, {}, "ok")
    headers = {"Authorization": "Bearer t", "cookie": "c=1", "X-Functions-Key": "k", "X-Plain": "p"}
    for path in ("/old", "/here"):
        request = {"method": "GET", "uri": server.url + path, "headers": headers, "content": None}
        assert send_request(request)["content"] == "ok"
    secret = {"authorization", "cookie", "x-functions-key"}
    assert not secret & other.asked[0]["headers"].keys()
    assert other.asked[0]["headers"]["x-plain"] == "p"
    assert secret <= server.asked[-1]["headers"].keys()


def test_a_circle_of_redirects_ends(server, hub):
    server.answers["/a"] = lambda asked: (302, {"Location": "/b"}, "")
    server.answers["/b"] = lambda asked: (302, {"Location": "/a"}, "")
    assert ask(hub, "GET", f"{server.url}/a")["statusCode"] == 302
    assert len(server.asked) < 30


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        pytest.param({"token_source": object()}, NotImplementedError, "Authorization", id="token source"),
        ({"content": 1, "is_raw_str": True}, TypeError, "must be text"),
        ({"retry_options": 3}, TypeError, "RetryOptions"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_said_at_the_call(hub, options, error, message):
    @hub.orchestrator
    def asks_badly(context):
        yield context.call_http("GET", "http://127.0.0.1/", **options)

    with pytest.raises(error, match=message):
        hub.run(asks_badly)
