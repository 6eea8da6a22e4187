"""Faults on the way to a remote hub, and their messages."""

from __future__ import annotations

import gzip
import json
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import durablenb as df
from durablenb.journal.replica import pages
from durablenb.journal.replica.link import Link
from tests.remote.conftest import PATIENCE, Served, Wire

PASSAGE = {
    "rows": [],
    "held": 0,
    "is_whole": True,
    "format": 1,
    "server": "s",
    "now": "2026-01-01T00:00:00+00:00",
    "ticks": True,
}
OutputLine = tuple[int, dict[str, str], bytes]


class Stranger:
    """A server that answers as it is told, or hangs up, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[str], OutputLine | None] = lambda _: None
        self.asked: list[tuple[str, str, str | None]] = []
        stranger = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stranger.asked.append((self.command, self.path, self.headers["x-functions-key"]))
                found = stranger.answer(self.path)
                if found is None:
                    self.close_connection = True
                    return
                status, headers, body = found
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_DELETE = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def says(self, status: int, body: Any, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answer = lambda _: (status, headers, data)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    made = Stranger()
    yield made
    made.close()


def refusal(url: str, key: str | None = None) -> str:
    with pytest.raises(df.DurableError) as error:
        df.TaskHub.connect(url, key)
    return str(error.value)


@pytest.mark.parametrize(
    "url",
    ["", "flows.duckdb", "ftp://host", "http://", "http://h/?code=K", "http://u:p@h", "http://h/#code=K"],
)
def test_what_is_no_url_of_a_server_is_refused_without_its_key(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as error:
        df.TaskHub.connect(url)
    assert "code=K" not in str(error.value)


@pytest.mark.parametrize("key", ["é", "a\r\nX-Evil: 1", 5])
def test_a_key_that_can_be_none_is_refused(key: Any) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        df.TaskHub.connect("http://127.0.0.1:1", key)


def test_where_nobody_answers_that_is_said() -> None:
    with pytest.raises(df.HubUnreachableError, match=r"Serve the hub there, hub\.serve\(\)"):
        df.TaskHub.connect("http://127.0.0.1:1", "k")
    with pytest.raises(ConnectionError):
        df.TaskHub.connect("http://nowhere.invalid", "k")


@pytest.mark.parametrize("key", [None, "", "wrong", "wrong key"])
def test_a_wrong_key_is_said_to_be_wrong_and_not_shown(served: Served, key: str | None) -> None:
    told = refusal(served.server.url, key)
    assert "doesn't know the key" in told
    assert "server.key" in told
    assert "wrong" not in told


def test_the_key_is_in_no_text(served: Served) -> None:
    remote = served.remote
    handle = remote.start("echo")
    shown = repr(remote) + repr(handle) + str(remote._repr_mimebundle_()) + str(vars(remote.client))
    assert served.server.key not in shown


def test_without_a_key_a_server_without_one_lets_in() -> None:
    with df.TaskHub(":memory:") as hub, hub.serve(port=0, key="") as server:
        hub.add_orchestrator(lambda context: 1, name="one")
        with df.TaskHub.connect(server.url) as remote:
            assert remote.run("one") == 1


def test_the_whole_address_of_the_management_api_does_too(served: Served) -> None:
    with df.TaskHub.connect(served.server.address.base + "/", served.server.key) as remote:
        assert remote.url == served.server.url


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>Welcome</html>"),
        (200, b""),
        (200, []),
        (200, {"rows": []}),
        (404, b"<html>not here</html>"),
        (502, b"Bad Gateway"),
        (500, {"error": "x"}),
    ],
)
def test_what_is_no_hub_is_said_to_be_none(stranger: Stranger, status: int, body: Any) -> None:
    stranger.says(status, body)
    assert "hub" in refusal(stranger.url, "k")


def test_an_older_server_that_tells_no_journal_is_said_to_be_one(stranger: Stranger) -> None:
    stranger.says(
        404, {"Message": "Not Found", "ExceptionMessage": "…", "ExceptionType": "", "StackTrace": ""}
    )
    assert "Install a newer durablenb there" in refusal(stranger.url)


def test_a_newer_journal_is_said_to_be_one(stranger: Stranger) -> None:
    stranger.says(200, {**PASSAGE, "format": 99})
    assert "Install a newer one here" in refusal(stranger.url)


@pytest.mark.parametrize("rows", [[[1]], [["a"] * 11], [None], [[2**70, *["x"] * 10]], ["text"]])
def test_rows_that_are_none_are_refused(stranger: Stranger, rows: list[Any]) -> None:
    stranger.says(200, {**PASSAGE, "rows": rows})
    assert "is no journal" in refusal(stranger.url)


def test_an_event_of_a_newer_durablenb_is_said_to_be_one(stranger: Stranger) -> None:
    row = [1, "a", "x", 1, "SomethingNew", 0, None, None, None, None, None]
    standing = {"obstacle": {"missing": [], "held": None, "below": None}, "reason": None, "is_missing": False}
    started = [1, "a", "x", 1, "ExecutionStarted", 0, "f", None, "1", None, None]
    stranger.answer = lambda path: (
        200,
        {},
        json.dumps(
            {
                **PASSAGE,
                "standing": standing,
                "rows": [started, [2, *row[1:]]] if "after=0" in path and "%40" not in path else [],
                "held": 0 if "after=0" in path else 2,
            }
        ).encode(),
    )
    with df.TaskHub.connect(stranger.url) as remote, pytest.raises(df.DurableError, match="newer durablenb"):
        remote.handle("a").history()


# -- answers without an end ----------------------------------------------------------------------


def packed(size: int) -> bytes:
    """Many bytes of JSON, packed into few."""
    return gzip.compress(b'"' + b"x" * size + b'"')


@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_that_unpacks_to_too_much_is_not_read_on(stranger: Stranger, status: int) -> None:
    stranger.says(status, packed(10_000_000), **{"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        with pytest.raises(
            df.DurableError, match=r"more than 100,000 bytes .* TaskHub\.connect\(url, limit="
        ) as error:
            df.TaskHub.connect(stranger.url, "k", limit=100_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert not isinstance(error.value, df.HubUnreachableError)


def test_an_answer_that_has_no_end_is_not_read_on(stranger: Stranger) -> None:
    stranger.says(200, b'"' + b"x" * 1_000_000)
    with pytest.raises(df.DurableError, match="more than 100,000 bytes"):
        df.TaskHub.connect(stranger.url, "k", limit=100_000)


def test_an_answer_may_have_just_as_much_as_the_limit(stranger: Stranger) -> None:
    for body, headers in ((packed(98), {"Content-Encoding": "gzip"}), (b'"' + b"x" * 98 + b'"', {})):
        stranger.says(200, body, **headers)
        assert Link(stranger.url, "k", 100).get("instances").json() == "x" * 98
        with pytest.raises(df.DurableError, match="more than 99 bytes"):
            Link(stranger.url, "k", 99).get("instances")


def test_a_large_value_comes_with_a_higher_limit(fresh: Served) -> None:
    handle = fresh.hub.start("echo", "x" * 200_000)
    handle.wait(PATIENCE)
    with (
        df.TaskHub.connect(fresh.server.url, fresh.server.key, limit=100_000) as remote,
        pytest.raises(df.DurableError, match="more than 100,000 bytes"),
    ):
        remote.handle(handle.id).result(PATIENCE)
    assert fresh.remote.handle(handle.id).result(PATIENCE) == "x" * 200_000


@pytest.mark.parametrize("limit", [0, -1, "1 GB", None])
def test_a_limit_that_is_none_is_refused(limit: Any) -> None:
    with pytest.raises(ValueError, match="expected a number of bytes"):
        df.TaskHub.connect("http://127.0.0.1:1", "k", limit=limit)


@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(b"[]", mtime=0)[:-4], gzip.compress(b"x" * 99, mtime=0)[:12] + b"\xff" * 99],
    ids=["none", "cut", "spoilt"],
)
def test_an_answer_that_can_not_be_unpacked_is_said_to_be_so(stranger: Stranger, body: bytes) -> None:
    stranger.says(200, body, **{"Content-Encoding": "gzip"})
    with pytest.raises(df.DurableError, match="can't be unpacked"):
        df.TaskHub.connect(stranger.url, "k")


def test_an_answer_that_breaks_off_is_no_answer(stranger: Stranger) -> None:
    stranger.answer = lambda _: (200, {"Content-Length": "100"}, b"[]")
    with pytest.raises(df.HubUnreachableError, match="98 more expected"):
        Link(stranger.url, "k", pause=lambda _: None).get("instances")


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_an_answer_that_is_nested_too_deeply_is_no_hubs(stranger: Stranger, opening: bytes) -> None:
    stranger.says(200, opening * 200_000)
    assert "isn't a hub" in refusal(stranger.url)
    stranger.says(404, opening * 200_000)
    assert "is no hub" in refusal(stranger.url)


@pytest.mark.parametrize("place", [8, 10], ids=["payload", "attributes"])
def test_a_value_that_is_nested_too_deeply_is_refused(stranger: Stranger, place: int) -> None:
    row: list[Any] = [1, "a", "x", 1, "ExecutionStarted", 0, "f", None, "1", None, None]
    row[place] = "[" * 501 + "]" * 501
    stranger.says(200, {**PASSAGE, "rows": [row]})
    assert "a value is nested too deeply" in refusal(stranger.url)


def test_a_redirect_is_not_followed_and_the_key_stays_here(stranger: Stranger) -> None:
    other = Stranger()
    stranger.says(302, b"", Location=other.url + "/elsewhere")
    assert "Connect to the URL of the hub itself" in refusal(stranger.url, "secret")
    assert other.asked == []
    other.close()


def test_a_name_that_the_server_does_not_know_is_said_to_be_one(served: Served) -> None:
    wire = Wire(served.server.port)
    told = refusal(f"http://127.0.0.1:{wire.port}", served.server.key)
    assert "doesn't know itself by that name" in told
    wire.close()


# -- what is sent again --------------------------------------------------------------------------


def test_what_only_looks_is_asked_again(stranger: Stranger) -> None:
    answers: list[OutputLine | None] = [None, None, (200, {}, b"[]")]
    stranger.answer = lambda _: answers.pop(0)
    pauses: list[float] = []
    assert Link(stranger.url, "k", pause=pauses.append).get("instances").json() == []
    assert len(stranger.asked) == 3
    assert pauses == [0.2, 1.0]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_does_something_is_sent_once(stranger: Stranger, method: str) -> None:
    link = Link(stranger.url, "k", pause=lambda _: None)
    with pytest.raises(df.HubUnreachableError, match="Whether it was done isn't known"):
        link.send(method, "instances", "a")
    assert len(stranger.asked) == 1


def test_parts_of_a_path_are_quoted_and_the_key_is_a_header(stranger: Stranger) -> None:
    stranger.says(200, {})
    Link(stranger.url, "k").get("instances", "a/b?c#d é", query={"reason": "x&y=z", "none": None})
    ((_, path, key),) = stranger.asked
    assert path == "/runtime/webhooks/durabletask/instances/a%2Fb%3Fc%23d%20%C3%A9?reason=x%26y%3Dz"
    assert key == "k"


# -- a break -------------------------------------------------------------------------------------


def test_after_a_break_it_goes_on_with_the_same_key(fresh: Served) -> None:
    handle = fresh.remote.start("approval", instance_id="a")
    assert len(handle.history()) >= 1
    fresh.server.close()
    with pytest.raises(df.HubUnreachableError):
        handle.status()
    assert repr(handle) == f"<instance a of {fresh.remote.url}, which doesn't answer>"
    fresh.hub.client.raise_event("a", "Approval", 1)
    fresh.server = fresh.hub.serve(port=fresh.server.port, key=fresh.server.key)
    assert handle.result(PATIENCE) == {"approved": 1}
    assert handle.history() == fresh.hub.handle("a").history()


def test_a_wait_outlives_a_break(fresh: Served) -> None:
    handle = fresh.remote.start("approval")
    found: list[Any] = []

    def wait() -> None:
        try:
            found.append(handle.result(PATIENCE))
        except df.HubUnreachableError as error:
            found.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    fresh.restart()
    fresh.hub.client.raise_event(handle.id, "Approval", 1)
    waiter.join(PATIENCE)
    assert found == [{"approved": 1}]


def test_another_key_after_a_break_is_said_to_be_needed(fresh: Served) -> None:
    port = fresh.server.port
    fresh.server.close()
    fresh.server = fresh.hub.serve(port=port)
    with pytest.raises(df.DurableError, match="another one each time it is served"):
        fresh.remote.instances()


def test_what_was_purged_and_done_again_under_its_id_is_seen_anew(fresh: Served) -> None:
    handle = fresh.remote.start("echo", 1, instance_id="a")
    handle.result(PATIENCE)
    old = handle.history()
    view = fresh.remote._shown()
    fresh.hub.client.purge_instance_history("a")
    assert fresh.remote._shown().fleet.total == view.fleet.total - 1  # type: ignore[attr-defined]
    fresh.hub.run("echo", 2, instance_id="a")
    assert handle.result(PATIENCE) == 2
    assert handle.history() == fresh.hub.handle("a").history() != old


def test_a_long_history_comes_in_several_passages(fresh: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "BYTES", 100)
    handle = fresh.remote.start("doubles", [str(number) * 50 for number in range(20)])
    handle.wait(PATIENCE)
    assert handle.history() == fresh.hub.handle(handle.id).history()


def test_what_is_closed_says_so_and_the_hub_goes_on(fresh: Served) -> None:
    handle = fresh.remote.start("approval", instance_id="a")
    view = handle.watch(freeze=False)
    fresh.remote.close()
    fresh.remote.close()
    with pytest.raises(df.DurableError, match="Connect again"):
        handle.status()
    assert not view.refresh()
    assert "Connect again" in view.note
    assert fresh.hub.handle("a").status()
