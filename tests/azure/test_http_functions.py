"""HTTP triggers: what a function is asked, what it answers, and where it runs."""

import asyncio
import contextlib
import json
import threading
import time

import azure.functions as func
import httpx
import pytest

import durablenb as df
from durablenb.server.requests import BODY_LIMIT, FUNCTION_LIMIT
from tests.azure.conftest import PATIENCE

# -- what it is asked ---------------------------------------------------------------------------------


def test_a_function_is_given_the_request(served, route):
    @route(route="orders/{id:int}/{part?}")
    def order(req: func.HttpRequest):
        assert isinstance(req, func.HttpRequest)
        return json.dumps(
            [req.method, dict(req.route_params), dict(req.params), req.headers["X-Own"], req.get_json()]
        )

    options = {"params": {"a": ["1", "2"], "b": "ü &"}, "headers": {"x-own": "mine"}, "json": {"c": [1]}}
    answer = served.http.post("/api/orders/7", **options)
    assert answer.json() == ["POST", {"id": "7"}, {"a": "1,2", "b": "ü &"}, "mine", {"c": [1]}]
    assert served.http.patch("/API/Orders/8/x/", **options).json()[1] == {"id": "8", "part": "x"}
    assert served.http.get("/api/orders/seven").status_code == 404


def test_its_url_is_that_by_which_it_was_asked_and_its_form_is_read(served, route):
    @route(route="form")
    def form(req):
        return f"{req.url} {req.form['name']}"

    here = served.server.url.replace("127.0.0.1", "localhost")
    answer = httpx.post(f"{here}/api/form?a=1&code={served.server.key}", data={"name": "Ada"})
    assert answer.text == f"{here}/api/form?a=1 Ada"


def test_the_key_is_not_handed_to_functions_but_a_code_of_their_own_is(served, route):
    @route(route="secret")
    def secret(req):
        return json.dumps([req.url, dict(req.params), dict(req.headers)])

    key = served.server.key
    in_header = served.http.get("/api/secret?code=mine")
    in_query = httpx.get(f"{served.server.url}/api/secret?code={key}&code=mine")
    for answer in (in_header, in_query):
        assert key not in answer.text
        assert answer.json()[1] == {"code": "mine"}


def test_the_key_is_asked_for_whatever_the_level(served):
    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.route(route="open", auth_level=func.AuthLevel.ANONYMOUS)
    def open_to_all(req):
        return "in"

    served.hub.add_app(app)
    url = f"{served.server.url}/api/open"
    assert httpx.get(url).status_code == 401
    assert served.http.get("/api/open", headers={"Origin": "http://evil.example"}).status_code == 403
    assert served.http.get("/api/open", headers={"Host": "evil.example"}).status_code == 421
    assert httpx.get(f"{url}?code={served.server.key}").text == "in"


def test_a_method_that_a_function_does_not_take_is_refused_and_the_others_are_named(served, route):
    @route(route="things", methods=["GET"])
    def look(req):
        return req.method

    @route(route="things", methods=["PUT", "POST"])
    def change(req):
        return "changed"

    assert served.http.get("/api/things").text == "GET"
    assert served.http.put("/api/things").text == "changed"
    refused = served.http.delete("/api/things")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST, PUT")
    assert served.http.options("/api/things").status_code == 204
    head = served.http.head("/api/things")
    assert (head.status_code, head.text, head.headers["content-length"]) == (200, "", "3")


def test_who_asks_for_the_head_of_what_is_only_posted_is_told_so(served, route):
    @route(methods=["POST"])
    def only_posted(req):
        return "changed"

    refused = served.http.head("/api/only_posted")
    assert (refused.status_code, refused.headers["allow"]) == (405, "OPTIONS, POST")


def test_of_two_routes_the_one_with_the_fixed_word_answers(served, route):
    @route(route="users/{name}")
    def anybody(req):
        return req.route_params["name"]

    @route(route="users/me")
    def me(req):
        return "myself"

    assert [served.http.get(f"/api/users/{one}").text for one in ("me", "you")] == ["myself", "you"]


STARTS = "/runtime/webhooks/durabletask/orchestrators/size"


def test_how_large_a_body_may_be_differs_by_default_as_in_azure_and_can_be_set(served, route, serve):
    app = df.DFApp()

    def size(req):
        return str(len(req.get_body()))

    @app.orchestration_trigger(context_name="context", orchestration="size")
    def length(context):
        return len(context.get_input())

    route()(size)
    assert FUNCTION_LIMIT == 104_857_600
    large = b" " * 3 * BODY_LIMIT
    assert served.http.post("/api/size", content=large).text == str(len(large))
    assert served.http.post(STARTS, content=large).status_code == 413

    app.route()(size)
    limited = serve(app, body_limit=2_000_000)
    for bytes_, is_taken in ((2_000_000, True), (2_000_001, False)):
        text = b'"' + b"x" * (bytes_ - 2) + b'"'
        assert limited.http.post("/api/size", content=text).status_code == (200 if is_taken else 413)
        answer = limited.http.post(STARTS, content=text)
        assert answer.status_code == (202 if is_taken else 413)
        assert is_taken or "body_limit" in answer.json()["ExceptionMessage"]


def test_a_limit_that_is_no_number_of_bytes_is_refused():
    with df.TaskHub(":memory:") as hub:
        for limit in (0, -1, 1.5, "1", True):
            with pytest.raises(ValueError, match="a number of bytes"):
                hub.serve(port=0, body_limit=limit)


def test_the_management_api_comes_before_functions(serve):
    app = func.FunctionApp()

    @app.route(route="{*all}")
    def everything(req):
        return "a function"

    served = serve(app)
    assert served.http.get("/api/runtime").text == "a function"
    assert served.http.get("/runtime/webhooks/durabletask/instances").json() == []


def test_a_function_may_ask_what_it_is_called_in(served, route):
    @route()
    def about(req, context: func.Context):
        return f"{context.function_name} {len(context.invocation_id)}"

    assert served.http.get("/api/about").text == "about 36"


def test_an_asgi_and_a_wsgi_app_are_served_whole(serve):
    async def asgi(scope, receive, send):
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    def wsgi(environ, start_response):
        start_response("201 Created", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode()]

    app = func.WsgiFunctionApp(wsgi)
    first = serve(app).http.get("/api/some/where")
    assert (first.status_code, first.text) == (201, "/api/some/where")
    app = func.AsgiFunctionApp(asgi)
    second = serve(app).http.get("/api/else/where")
    assert (second.text, second.headers["x-own"]) == ("/api/else/where", "1")
    app.startup_task_done = False  # else it starts an event loop when it is thrown away, whenever that is


# -- what it answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "status", "kind", "body"),
    [
        (lambda: "Grüße", 200, "text/plain; charset=utf-8", "Grüße".encode()),
        (lambda: None, 204, None, b""),
        (lambda: func.HttpResponse("a", status_code=201), 201, "text/plain; charset=utf-8", b"a"),
        (lambda: func.HttpResponse(b"\x00\xff", mimetype="image/png"), 200, "image/png", b"\x00\xff"),
        (lambda: func.HttpResponse(headers={"Content-Type": "a/b"}), 200, "a/b", b""),
        (lambda: func.HttpResponse(status_code=304), 304, None, b""),
        (lambda: func.HttpResponse("é", charset="latin-1"), 200, "text/plain; charset=latin-1", b"\xe9"),
    ],
)
def test_what_a_function_returns_is_the_answer(served, route, made, status, kind, body):
    @route()
    def answers(req):
        return made()

    answer = served.http.get("/api/answers")
    assert (answer.status_code, answer.headers.get("content-type"), answer.content) == (status, kind, body)


def test_headers_are_kept_and_how_it_is_sent_is_the_servers_matter(served, route):
    @route()
    def answers(req):
        response = func.HttpResponse(
            "abc", headers={"X-Own": "1", "Content-Length": "7", "Transfer-Encoding": "x"}
        )
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response

    answer = served.http.get("/api/answers")
    assert (answer.text, answer.headers["x-own"], answer.headers["content-length"]) == ("abc", "1", "3")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "made",
    [
        lambda: 1 / 0,
        lambda: {"a": "dictionary"},
        lambda: b"bytes",
        lambda: func.HttpResponse(status_code=99),
        lambda: func.HttpResponse(headers={"X-Own": "a\r\nSet-Cookie: b"}),
        lambda: func.HttpResponse(headers={"X-Own": "✓"}),
    ],
)
def test_a_failure_is_a_500_that_tells_nothing_and_is_logged(served, route, caplog, made):
    @route()
    def fails(req):
        password = "hunter2"
        assert password
        return made()

    answer = served.http.get("/api/fails")
    assert answer.status_code == 500
    assert answer.json() == {
        "Message": "The function failed",
        "ExceptionMessage": "The server's log says how; it has the traceback.",
        "ExceptionType": "",
        "StackTrace": "",
    }
    assert "The function fails failed" in caplog.text
    assert "Traceback" in caplog.text


def test_a_function_that_needs_another_service_fails_and_says_why(served, caplog):
    app = df.DFApp()

    @app.route()
    @app.cosmos_db_input(arg_name="orders", database_name="shop", container_name="orders")
    def needs(req, orders):
        return str(orders)

    served.hub.add_app(app)
    assert "takes 'orders' from cosmosDb, which durablenb doesn't have: its calls fail" in caplog.text
    assert served.http.get("/api/needs").status_code == 500
    assert "has the input binding 'orders' of the type cosmosDb" in caplog.text


# -- where it runs ------------------------------------------------------------------------------------


def test_functions_run_on_threads_and_never_on_the_servers_loop(served, route):
    @route()
    def plain(req):
        return threading.current_thread().name

    @route()
    async def asynchronous(req):
        asyncio.get_running_loop()
        return threading.current_thread().name

    names = [served.http.get(f"/api/{one}").text for one in ("plain", "asynchronous", "asynchronous")]
    assert all(name.startswith("durablenb-function-") for name in names)
    assert names[1] == names[2], "all of them share one event loop, as in Azure"


def test_functions_that_block_hold_up_neither_the_server_nor_each_other(served, route):
    go_on, blocking = threading.Event(), threading.Barrier(3, timeout=PATIENCE)

    @route()
    def blocks(req):
        blocking.wait()
        go_on.wait(PATIENCE)
        return "done"

    @route()
    async def blocks_its_loop(req):
        blocking.wait()
        go_on.wait(PATIENCE)
        return "done"

    answers = []

    def ask(name):
        answers.append(served.http.get(f"/api/{name}").text)

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("blocks", "blocks_its_loop")]
    for thread in threads:
        thread.start()
    blocking.wait()
    assert served.http.get("/runtime/webhooks/durabletask/instances").status_code == 200
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert answers == ["done", "done"]


def test_a_decorated_async_function_is_awaited(served, route):
    async def inner(req):
        await asyncio.sleep(0)
        return "awaited"

    @route()
    def wrapped(req):
        return inner(req)

    assert served.http.get("/api/wrapped").text == "awaited"


def test_closing_the_hub_waits_for_functions_and_starts_no_more(serve):
    app, ended, begun = df.DFApp(), [], threading.Event()

    @app.timer_trigger(schedule="0 0 0 1 1 *", arg_name="timer", run_on_startup=True)
    def slow(timer):
        begun.set()
        time.sleep(0.2)
        ended.append(True)

    before = set(threading.enumerate())
    served = serve(app)
    assert begun.wait(PATIENCE)
    served.hub.close()
    assert ended == [True]
    assert set(threading.enumerate()) <= before


def test_a_function_that_is_not_done_when_the_server_closes_is_no_failure(serve, caplog):
    app, begun, go_on = df.DFApp(), threading.Event(), threading.Event()

    @app.route()
    def slow(req):
        begun.set()
        go_on.wait(PATIENCE)

    served = serve(app)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(served.http.get("/api/slow").status_code))
    asking.start()
    assert begun.wait(PATIENCE)
    served.server.close()
    go_on.set()
    asking.join(PATIENCE)
    assert answers == [503]
    assert [one for one in caplog.records if one.exc_info] == []


def test_a_function_may_close_the_hub(serve):
    app, closed = df.DFApp(), threading.Event()

    @app.route()
    def ends(req):
        served.hub.close()
        closed.set()

    served = serve(app)
    with contextlib.suppress(httpx.HTTPError):  # the server may be gone before it has answered
        served.http.get("/api/ends")
    assert closed.wait(PATIENCE)
    with pytest.raises(df.StoreError, match="closed"):
        served.hub.start("anything")


def test_a_function_that_ends_the_process_ends_itself_alone(served, route, caplog):
    @route()
    def ends_a_thread(req):
        raise SystemExit(3)

    @route()
    async def ends_the_loop(req):
        raise SystemExit(4)

    @route()
    async def other(req):
        return "here"

    for name, code in (("ends_a_thread", 3), ("ends_the_loop", 4)):
        assert served.http.get(f"/api/{name}").status_code == 500
        assert f"ended by SystemExit({code})" in caplog.text
        assert served.http.get("/api/other").text == "here"
