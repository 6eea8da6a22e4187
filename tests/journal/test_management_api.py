"""Histories from a server: one of ours, and one that behaves as Azure's."""

import json
import logging
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

import durablenb as df
from durablenb.journal.bundle import management_api
from durablenb.journal.bundle.management_api import ManagementApi
from tests.journal import azure_statuses
from tests.journal.azure_statuses import ANSWERS, CHAIN, changed
from tests.journal.orders import ORCHESTRATORS, order, register
from tests.waiting import until

KEY = "s3cret/+=key"
LIST = "/runtime/webhooks/durabletask/instances"


class Azure(BaseHTTPRequestHandler):
    """Lists instances two at a time, and returns the status of each."""

    told: dict[str, dict]
    asked: list[str]

    def do_GET(self):
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        self.asked.append(self.path)
        if self.headers.get("x-functions-key") != KEY:
            self._answer(401, None)
        elif parts.path == LIST:
            ids = sorted(self.told)
            start = int(self.headers.get("x-ms-continuation-token") or 0)
            found = [{"instanceId": one, "runtimeStatus": "Completed"} for one in ids[start : start + 2]]
            token = str(start + 2) if start + 2 < len(ids) else None
            self._answer(200, found, token)
        else:
            one = self.told.get(unquote(parts.path.removeprefix(f"{LIST}/")))
            shown = {k: v for k, v in (one or {}).items() if k != "historyEvents" or "showHistory" in query}
            self._answer(404 if one is None else 200, shown)

    def _answer(self, code, value, token=None):
        self.send_response(code)
        if token is not None:
            self.send_header("x-ms-continuation-token", token)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, *_):
        """Log nothing."""


@contextmanager
def serving(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def azure():
    """The URL of a server that has all statuses."""
    told = {
        f"azure {n}": changed(one, instanceId=f"azure {n}") for n, (one, _) in enumerate(ANSWERS.values())
    }
    handler = type("Handler", (Azure,), {"told": told, "asked": []})
    with serving(handler) as url:
        yield url, handler


def test_a_list_is_asked_for_page_by_page_and_then_one_by_one(azure, hub):
    url, handler = azure
    handles = hub.import_history(f"{url}{LIST}?runtimeStatus=Completed&taskHub=shop", key=KEY)
    assert [handle.id for handle in handles] == [f"azure {n}" for n in range(len(ANSWERS))]
    assert all(handle.replay(code).fits for handle, (_, code) in zip(handles, ANSWERS.values(), strict=True))
    lists = [one for one in handler.asked if urlsplit(one).path == LIST]
    assert len(lists) == len(ANSWERS) / 2
    assert all("runtimeStatus=Completed" in one for one in lists)
    singles = [parse_qs(urlsplit(one).query) for one in handler.asked if urlsplit(one).path != LIST]
    assert all(
        one["showHistory"] == one["showHistoryOutput"] == one["showInput"] == ["true"] for one in singles
    )
    assert all(one["taskHub"] == ["shop"] for one in singles)


def test_one_instance_is_asked_for_by_its_own_url(azure, hub):
    url, _ = azure
    (handle,) = hub.import_history(f"{url}{LIST}/azure%200?showHistory=false", key=KEY)
    assert handle.id == "azure 0"
    assert handle.replay(azure_statuses.chain).fits


def test_the_key_of_the_url_is_the_key_and_is_kept_nowhere(azure, hub, caplog):
    url, handler = azure
    with caplog.at_level(logging.DEBUG):
        hub.import_history(f"{url}{LIST}?code={KEY.replace('/', '%2F').replace('+', '%2B')}")
    assert hub.sql("select distinct origin from imports").fetchall() == [(url + LIST,)]
    assert not any("code" in one or "s3cret" in one for one in handler.asked)
    assert "s3cret" not in caplog.text
    for table in ("journal", "imported", "log_lines"):
        assert not any("s3cret" in str(row) for row in hub.sql(f"select * from {table}").fetchall())


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (f"{LIST}?code=wrong-s3cret", "answered 401. Is the key right"),
        (f"{LIST}/nobody", "answered 404. There is no such instance"),
    ],
)
def test_a_refusal_says_what_to_do_and_not_the_key(azure, hub, path, said):
    url, _ = azure
    with pytest.raises(df.DurableError, match=said) as refused:
        hub.import_history(url + path, key=None if "code" in path else KEY)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert hub.sql("select count(*) from journal").fetchall() == [(0,)]


def test_a_server_that_isn_t_there_is_said_without_the_key(hub):
    with pytest.raises(df.DurableError, match=r"http://127.0.0.1:9 can't be reached") as refused:
        hub.import_history(f"http://127.0.0.1:9{LIST}?code={KEY}")
    assert "s3cret" not in str(refused.value)


def test_what_is_no_url_is_said_without_it(hub):
    for url in ("http://", "http://[", "http://host:port/", "https:///instances"):
        with pytest.raises(ValueError, match="URL") as refused:
            hub.import_history(f"{url}?code={KEY}")
        assert "s3cret" not in str(refused.value)


def test_a_url_of_something_else_says_what_is_expected(hub):
    with pytest.raises(ValueError, match=r"Expected the URL of an instance, …/instances/ID"):
        hub.import_history("https://example.org/api/orders?code=s3cret")


def test_a_key_goes_with_a_url(hub):
    with pytest.raises(ValueError, match="A key goes with a URL"):
        hub.import_history(CHAIN, key=KEY)


def answering(pieces, code=200, location=None):
    """A server that answers all with these pieces, which may have no end."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(code)
            if location is not None:
                self.send_header("Location", location)
            self.end_headers()
            with suppress(OSError):  # nobody reads on
                for piece in pieces:
                    self.wfile.write(piece)

        def log_message(self, *_):
            """Log nothing."""

    return serving(Answering)


ODD = [
    (LIST, b"5", "something that is no list of instances"),
    (f"{LIST}/a", b"<html>", "something that isn't JSON"),
    (LIST, b"[" * 200_000, "something that isn't JSON"),
]


@pytest.mark.parametrize(("path", "text", "said"), ODD, ids=["no list", "no JSON", "too deep"])
def test_what_is_no_json_and_no_list_is_said(hub, path, text, said):
    with answering([text]) as url, pytest.raises(df.DurableError, match=said):
        hub.import_history(url + path)


def test_it_is_not_led_elsewhere(hub):
    elsewhere = answering([], code=302, location="http://127.0.0.1:9/elsewhere")
    with elsewhere as url, pytest.raises(df.DurableError, match="wants to lead elsewhere"):
        hub.import_history(url + LIST, key=KEY)


@pytest.mark.parametrize("path", [LIST, f"{LIST}/a"])
def test_an_answer_without_an_end_is_not_read_on(hub, monkeypatch, path):
    monkeypatch.setattr(management_api, "RESPONSE_LIMIT", 1_000_000)
    sent = count()
    with (
        answering(b" " * 65_536 for _ in sent) as url,
        pytest.raises(df.DurableError, match=r"more than 1,000,000 bytes.*import the file"),
    ):
        hub.import_history(url + path)
    assert next(sent) * 65_536 < 50_000_000  # some of it was on its way
    assert hub.sql("select count(*) from journal").fetchall() == [(0,)]


def test_answers_that_are_too_much_together_are_not_read_on(azure, hub, monkeypatch):
    monkeypatch.setattr(management_api, "TOTAL_LIMIT", 5_000)
    url, _ = azure
    with pytest.raises(df.DurableError, match=r"more than 5,000 bytes in all\. Import fewer instances"):
        hub.import_history(f"{url}{LIST}", key=KEY)
    assert hub.sql("select count(*) from journal").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://user:s3cret@host:7071/x/instances/a?code=k#frag", "http://host:7071/x/instances/a"),
        ("https://APP.example.org/", f"https://app.example.org{LIST}"),
        ("http://[::1]:7071", f"http://[::1]:7071{LIST}"),
        (f"http://host{LIST}/", f"http://host{LIST}"),
    ],
)
def test_an_origin_is_the_url_without_what_is_nobody_s_business(url, origin):
    assert ManagementApi(url).origin == origin


# -- our own server ---------------------------------------------------------------------------------


@pytest.fixture
def served():
    """A hub with a completed order and a waiting one, and its server."""
    with df.TaskHub(":memory:") as hub:
        register(hub)
        done = hub.start(order, 2, instance_id="done")
        done.raise_event("Go", {"by": "Zoë"})
        done.wait(20)
        hub.run("eternal", 0, instance_id="again")
        hub.start("waiting", instance_id="open")
        until(lambda: type(hub.handle("open").history()[-1]).__name__ == "EventSubscribed")
        with hub.serve(port=0) as server:
            yield hub, server


def test_a_hub_s_instances_come_over_http_and_their_code_goes_through_them(served, other):
    hub, server = served
    handles = other.import_history(server.url, key=server.key)
    assert {handle.id for handle in handles} == {one.instance_id for one in hub.instances()}
    codes = {code.__name__: code for code in ORCHESTRATORS}
    for handle in handles:
        replay = handle.replay(codes[handle.status().name])
        assert replay.fits, replay.trace.mismatch
        assert handle.status().runtime_status == hub.handle(handle.id).status().runtime_status


def test_the_pictures_show_the_same_steps(served, other):
    hub, server = served
    other.import_history(server.url, key=server.key)
    query = """
        select kind, name, status, scheduled, ended from spans
        where instance_id = 'done' and not (kind = 'external event' or kind like 'timer%') order by all
    """
    assert other.sql(query).fetchall() == hub.sql(query).fetchall()
    waits = "select kind, name, status from spans where instance_id = 'done' and kind = 'external event'"
    assert other.sql(waits).fetchall() == hub.sql(waits).fetchall()
