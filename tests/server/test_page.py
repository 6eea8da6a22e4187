"""The page without a browser: what anybody may have of it, its views, and what may be asked in them."""

import asyncio
import contextlib
import json
import re
import threading
from types import SimpleNamespace

import comm
import httpx
import pytest
from ipywidgets.widgets import widget

import durablenb as df
from durablenb.notebook.live.page_view import PageChannel
from durablenb.notebook.live.refresh_loop import refresh_loop
from durablenb.notebook.live.what_if import WhatIf
from durablenb.notebook.page import HubPage
from durablenb.server import sessions
from tests.notebook.test_live import ODD
from tests.server.conftest import PATIENCE, register
from tests.waiting import until


class Looking:
    """A view, as the page has it."""

    def __init__(self, served, answer):
        self._served, self._lines = served, answer.iter_lines()
        self.state, self.html, self.messages = {}, {}, []
        self.session = self.take()["session"]

    def take(self):
        """The next news."""
        line = next(line for line in self._lines if line.startswith("data: "))
        news = json.loads(line.removeprefix("data: "))
        self.state |= news["state"]
        self.html |= news["html"]
        self.messages += news.get("messages", [])
        return news

    def until(self, is_so):
        """Take news until this is so."""
        while not is_so(self):
            self.take()

    def post(self, body):
        url = f"{self._served.server.url}/page/views/{self.session}"
        return self._served.http.post(url, content=json.dumps(body))

    def say(self, do, **more):
        """Say to the view what a click says."""
        assert self.post([{"method": "custom", "content": {"do": do, **more}}]).status_code == 204

    def set(self, **state):
        assert self.post([{"method": "update", "state": state}]).status_code == 204

    def rest(self):
        """Read on until the server ends the stream."""
        return list(self._lines)


def asked_for(served, place):
    return served.http.post(
        f"{served.server.url}/page/views", content=json.dumps({"place": place, "said": []})
    )


@contextlib.contextmanager
def looking(served, place="", said=()):
    url = f"{served.server.url}/page/views"
    with served.http.stream("POST", url, json={"place": place, "said": said}) as answer:
        assert answer.status_code == 200
        yield Looking(served, answer)


# -- its files -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(served):
    """The files of the page, as somebody without the key gets them."""
    served.start("approval", instance_id="order-17")
    with httpx.Client(base_url=served.server.url) as client:
        return {path: client.get(path) for path in HubPage.paths}


def test_its_files_are_had_without_the_key_and_hold_nothing_of_the_hub(served, files):
    for answer in files.values():
        assert answer.status_code == 200
        for secret in (served.server.key, "order-17", "approval", str(served.server.port)):
            assert secret not in answer.text


def test_it_may_run_its_own_module_only_and_talk_to_its_own_server_only(files):
    policy = files["/"].headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == rules["style-src"] == "'self'"
    assert rules["img-src"] == "'self' data:"  # pictures that activities displayed


def test_it_asks_nobody_else_and_has_no_script_in_its_markup(files):
    for path, answer in files.items():
        assert set(re.findall(r"https?://[\w./]+|url\(", answer.text)) <= {"http://www.w3.org/2000/svg"}, path
    page = files["/"].text
    assert re.findall(r"<script.*", page) == ['<script type="module" src="page/page.js"></script>']
    assert not re.search(r"\son\w+=|<style|style=|javascript:", page)


def test_its_files_are_protected_like_every_answer(files):
    for answer in files.values():
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "set-cookie" not in answer.headers


def test_its_module_is_that_of_the_notebook(served, files):
    shown = served.hub.watch()
    assert files["/page/live.js"].text == shown.list._esm
    assert files["/page/page.css"].text.startswith(shown.list._css)
    shown.close()


def test_the_url_that_is_shown_keeps_the_key_from_the_server(served):
    url, _, fragment = served.server.page_url.partition("#")
    assert (url, fragment) == (f"{served.server.url}/", f"code={served.server.key}")
    with df.TaskHub(":memory:") as hub, hub.serve(port=0, key="") as server:
        assert server.page_url == f"{server.url}/"
        assert (
            httpx.post(f"{server.url}/page/views", json={"place": "instances/x", "said": []}).status_code
            == 404
        )
    with df.TaskHub(":memory:") as hub, hub.serve(port=0, key="a+b&c#d") as server:
        assert server.page_url.endswith("/#code=a%2Bb%26c%23d")


# -- views ---------------------------------------------------------------------------------------


def test_without_the_key_there_is_no_view(served):
    served.start("approval", instance_id="hidden")
    for place in ("instances/hidden", "instances/hidden/replay"):
        for headers in ({}, {"x-functions-key": "wrong"}):
            body = {"place": place, "said": []}
            answer = httpx.post(f"{served.server.url}/page/views", json=body, headers=headers)
            assert answer.status_code == 401
            assert "hidden" not in answer.text
    with looking(served) as view:
        assert httpx.post(f"{served.server.url}/page/views/{view.session}", json=[]).status_code == 401


def test_an_instance_is_drawn_as_in_the_notebook(served):
    instance_id = served.run("mends", 1)
    in_notebook = served.hub.handle(instance_id).watch(freeze=False)
    with looking(served, f"instances/{instance_id}") as view:
        assert view.html["head"] == in_notebook.head.decode()
        assert view.html["graph"] == in_notebook.graph.decode()
        assert view.state["tabs"] == ["graph", "timeline", "history", "code", "conversation", "outputs"]
        assert view.state["absent"] == ["conversation"]
        assert view.state["place"] == f"instances/{instance_id}"
    in_notebook.close()


def test_a_tab_that_is_chosen_is_drawn(served):
    with looking(served, f"instances/{served.run('mends', 2)}") as view:
        view.set(tab="history")
        view.say("look")
        view.until(lambda view: "TaskScheduled" in view.html["history"])
        view.until(lambda view: {"heard": True} in view.messages)
        assert view.state["tab"] == "history"


def test_the_hub_lists_its_instances_and_entities_filtered(fresh):
    for number in range(3):
        fresh.start("echo", number, f"echo-{number}")
    fresh.hub.client.signal_entity(df.EntityId("Counter", "clicks"), "add", 5)
    fresh.hub.client.signal_entity(df.EntityId("Counter", "keys"), "add", 7)
    with looking(fresh) as view:
        view.say("set", name="filter", value="echo-1")
        view.until(lambda view: "echo-1" in view.html["instances"] and "echo-2" not in view.html["instances"])
        view.set(tab="entities")
        view.until(lambda view: 'data-key="entity @counter@clicks"' in view.html["entities"])
        view.say("set", name="filter", value="keys")
        view.until(lambda view: "@counter@clicks" not in view.html["entities"])
        assert "7" in view.html["entities"]
        view.set(tab="instances")
        view.say("look")
        view.until(lambda view: view.state["tab"] == "instances")
        assert "echo-2" not in view.html["instances"]


def test_what_was_chosen_before_is_there_from_the_start(served):
    served.run("echo")
    said = [
        {"method": "update", "state": {"tab": "entities"}},
        {"method": "custom", "content": {"do": "set", "name": "filter", "value": "counter"}},
    ]
    with looking(served, said=said) as view:
        assert view.state["tab"] == "entities"
        assert 'value="counter"' in view.html["entities"]


def test_a_long_list_has_pages(fresh):
    for number in range(101):
        fresh.hub.start("echo", number, instance_id=f"echo-{number:03}")
    until(lambda: "Running" not in {str(one.runtime_status) for one in fresh.hub.instances()})
    with looking(fresh) as view:
        view.until(lambda view: "1 to 100 of 101" in view.html["instances"])
        view.say("turn", first=100)
        view.until(lambda view: "101 to 101 of 101" in view.html["instances"])


def test_an_entity_has_its_state_and_may_be_signalled(served):
    served.hub.client.signal_entity(df.EntityId("Counter", "b@c d%2F"), "add", 5)
    with looking(served, "entities/counter/b@c d%2F") as view:
        view.until(lambda view: "1 operation" in view.html["head"])
        view.say("signal", fields={"operation": "add", "input": "37"})
        view.until(lambda view: "42" in view.html["operations"])
        assert view.state["place"] == "entities/counter/b@c d%2F"


def test_what_happens_is_shown_while_it_happens(served):
    instance_id = served.start("approval")
    with looking(served, f"instances/{instance_id}") as view:
        view.until(lambda view: "ApprovalEvent" in view.html["waits"])
        served.hub.client.raise_event(instance_id, "ApprovalEvent", True)
        view.until(lambda view: "Completed" in view.state["label"] and view.html["waits"] == "")


def test_what_is_done_in_it_is_in_the_journal(served):
    instance_id = served.start("approval")
    with looking(served, f"instances/{instance_id}") as view:
        view.say("raise", name="ApprovalEvent", fields={"data": '{"by": "page"}'})
        assert served.hub.handle(instance_id).result(PATIENCE) == {"approved": {"by": "page"}}


def test_what_a_restart_made_is_shown_at_its_own_place(served):
    instance_id = served.run("echo", "again")
    with looking(served, f"instances/{instance_id}") as view:
        view.say("restart")
        view.until(lambda view: view.state["place"] != f"instances/{instance_id}")
        other = view.state["place"].removeprefix("instances/")
        assert served.hub.handle(other).result(PATIENCE) == "again"


def test_what_is_selected_in_it_is_selected_nowhere_else(served):
    instance_id = served.run("mends", 1)
    in_notebook = served.hub.handle(instance_id).watch(freeze=False)
    with (
        looking(served, f"instances/{instance_id}") as view,
        looking(served, f"instances/{instance_id}") as other,
    ):
        view.say("select", key="step 1")
        view.until(lambda view: "step 1" in view.state["marked"])
        other.say("look")
        other.until(lambda other: other.messages)
        assert other.state["marked"] == in_notebook.marked == []
    in_notebook.close()


def test_a_notebook_hears_nothing_of_it(fresh, monkeypatch):
    def refuse(**_):
        raise AssertionError("a comm was opened")

    monkeypatch.setattr(comm, "create_comm", refuse)
    with looking(fresh) as view, looking(fresh, f"instances/{fresh.run('echo')}") as other:
        assert view.state["note"] == other.state["note"] == ""


def test_an_instance_that_is_purged_meanwhile_is_said_to_be(served):
    instance_id = served.run("echo")
    with looking(served, f"instances/{instance_id}") as view:
        view.say("purge")
        view.until(lambda view: "was purged" in view.state["note"])


@pytest.mark.parametrize(
    ("place", "status", "told"),
    [
        ("instances/nobody", 404, "No instance with ID 'nobody' found"),
        ("instances/", 404, "No instance"),
        ("instances/<script>", 404, "<script>"),
        ("instances/nobody/replay", 404, "No instance with ID 'nobody' found"),
        ("instances/nobody/replay/1/1/1", 404, "No instance with ID 'nobody' found"),
        ("instances/nobody/replay/1/1", 400, "There is no page"),
        ("instances/nobody/replay/1/1/²", 400, "There is no page"),
        ("instances/nobody/replay/1/-1/1", 400, "There is no page"),
        ("instances/nobody/replay/1/1/1/1", 400, "There is no page"),
        ("instances/nobody/history", 400, "There is no page"),
        ("entities/counter", 400, "key"),
        ("entities//a", 400, "name"),
        ("nowhere", 400, "There is no page 'nowhere'."),
        ("history", 400, "There is no page"),
        (7, 400, "Invalid view"),
        (None, 400, "Invalid view"),
        (["instances/x"], 400, "Invalid view"),
        ("\ud800", 400, "There is no page"),
    ],
)
def test_a_place_that_is_none_is_answered_with_a_sentence(served, place, status, told):
    answer = asked_for(served, place)
    assert answer.status_code == status
    assert told in answer.text
    assert answer.headers["content-type"] == "application/json"


# -- the explorer --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def walked(served):
    """The hub with an instance whose code ran three times: with one step, two steps, and three."""

    @served.hub.activity
    def double(number):
        return 2 * number

    @served.hub.orchestrator
    def doubles(context):
        once = yield context.call_activity(double, context.get_input())
        return (yield context.call_activity(double, once))

    served.start("doubles", 4, "order-7")
    assert served.hub.handle("order-7").result(PATIENCE) == 16
    return served


REPLAY = "instances/order-7/replay"


def is_at(view, replay, step):
    """Return True if the explorer is at a step of a replay; each replay has one step more than the last."""
    controls = view.html["controls"]
    place = "the end" if step == 3 else f"await {step} of {min(replay, 2)}"
    return f"<b>{place}<" in controls and f'aria-current="true">#{replay} ' in controls


def test_a_replay_is_drawn_as_in_the_notebook(walked):
    in_notebook = walked.hub.handle("order-7").explore()
    with looking(walked, REPLAY) as view:
        for name in ("head", "controls", "says"):
            assert view.html[name] == getattr(in_notebook, name).decode()
        assert "call_activity" in view.html["body"]
        assert view.state["label"] == in_notebook.label
        assert view.state["place"] == REPLAY
    in_notebook.close()


def test_each_step_has_an_address_and_is_shown_at_it(walked):
    with looking(walked, REPLAY) as view:
        assert is_at(view, 3, 3)
        for way, replay, step in (("first", 1, 1), ("next", 2, 1), ("on", 3, 3), ("previous", 3, 2)):
            view.say("go", id=way)
            view.until(lambda view, at=(replay, step): is_at(view, *at))
            is_last = (replay, step) == (3, 3)
            assert view.state["place"] == REPLAY + ("" if is_last else f"/1/{replay}/{step}")
    for replay, step in ((1, 1), (2, 1), (3, 2)):
        with looking(walked, f"{REPLAY}/1/{replay}/{step}") as view:
            assert is_at(view, replay, step)
            assert view.state["place"] == f"{REPLAY}/1/{replay}/{step}"


def test_a_step_that_is_none_leads_to_the_nearest_an_execution_that_is_none_to_an_error(walked):
    before = set(widget._instances)
    with looking(walked, f"{REPLAY}/1/2/999999999") as view:
        assert is_at(view, 2, 2)
        assert view.state["place"] == f"{REPLAY}/1/2/2"
    answer = asked_for(walked, f"{REPLAY}/2/1/1")
    assert answer.status_code == 400
    assert "There is no execution 2: they are numbered from 1 to 1." in answer.text
    until(lambda: set(widget._instances) <= before)  # nothing of either stays


def test_an_orchestration_that_runs_is_followed(served):
    served.start("approval", instance_id="order-8")
    with looking(served, "instances/order-8/replay") as view:
        view.until(lambda view: "ApprovalEvent" in view.html["says"])
        served.hub.client.raise_event("order-8", "ApprovalEvent", True)
        view.until(lambda view: "<b>the end<" in view.html["controls"])
        assert view.state["place"] == "instances/order-8/replay"


def test_an_earlier_execution_has_an_address(served):
    @served.hub.orchestrator
    def countdown(context):
        yield context.create_timer(context.current_utc_datetime)
        if context.get_input():
            context.continue_as_new(context.get_input() - 1)

    served.start("countdown", 1, "again")
    served.hub.handle("again").wait(PATIENCE)
    with looking(served, "instances/again/replay") as view:
        view.say("set", name="execution", value="1")
        view.until(lambda view: "ContinuedAsNew" in view.html["head"])
        place = view.state["place"]
        assert re.fullmatch(r"instances/again/replay/1/\d/\d", place)
    with looking(served, place) as view:
        assert "ContinuedAsNew" in view.html["head"]
        assert view.state["place"] == place


def test_without_the_code_the_error_says_what_to_do_as_in_a_notebook(tmp_path):
    path = tmp_path / "hub.duckdb"
    with df.TaskHub(path) as hub:
        register(hub)
        hub.start("approval", instance_id="order-9")
        until(lambda: "EventSubscribed" in str(hub.handle("order-9").history()))
    with df.TaskHub(path) as hub:
        in_notebook = hub.handle("order-9").explore()
        place = "instances/order-9/replay/1/1/1"
        server = hub.serve(port=0)
        served = SimpleNamespace(server=server, http=httpx.Client(headers={"x-functions-key": server.key}))
        with served.http, looking(served, place) as view:
            assert view.html["head"] == in_notebook.head.decode()
            assert "The orchestrator &#x27;approval&#x27; isn&#x27;t registered." in view.html["head"]
            assert "Run the cell that defines it, with @hub.orchestrator." in view.html["head"]
            assert "context.wait_for_external_event" in view.html["head"]  # the code as it began
            assert view.html["controls"] == view.html["body"] == ""
            assert view.state["place"] == place
            register(hub)
            view.until(lambda view: is_at(view, 1, 1))
        in_notebook.close()


def test_a_prediction_is_asked_for_and_counted(walked):
    with looking(walked, f"{REPLAY}/1/1/1") as view:
        view.say("predict")
        view.until(lambda view: "Will double be run now?" in view.html["says"])
        assert "New in the history" not in view.html["says"] + view.state["label"]
        view.say("guess", id="0")
        view.until(lambda view: "1 right, 0 wrong" in view.html["says"])


def test_a_copy_is_changed_and_resumed_and_the_journal_stays_as_it_was(walked):
    before = walked.hub._store.last_seq()
    with looking(walked, REPLAY) as view:
        view.say("event", id=4)
        view.until(lambda view: "<b>event 4</b> TaskCompleted" in view.html["body"])
        place = view.state["place"]
        view.say("try", id="edited", fields={"value": "50"})
        view.until(lambda view: "This is a copy with 1 change" in view.html["banner"])
        view.say("event", id=4)
        view.say("try", id="until")
        view.until(lambda view: "This is a copy with 2 changes" in view.html["banner"])
        view.say("run")
        view.until(lambda view: "<code>100</code>" in view.html["body"])
        assert view.state["note"] == "The copy was resumed: Completed."
        assert view.state["place"] == place  # a copy has no address
    assert walked.hub._store.last_seq() == before


def test_an_explorer_at_work_keeps_no_other_view_waiting(walked, monkeypatch):
    is_at_work, may_end = threading.Event(), threading.Event()

    def go_on(self):
        is_at_work.set()
        may_end.wait(PATIENCE)
        return "It has ended."

    monkeypatch.setattr(WhatIf, "go_on", go_on)
    other_one = walked.hub.start("approval")
    with looking(walked, REPLAY) as view, looking(walked, f"instances/{other_one.id}") as other:
        works = threading.Thread(target=view.say, args=("run",))
        works.start()
        assert is_at_work.wait(PATIENCE)
        for act, word in ((other_one.suspend, "Suspended"), (other_one.resume, "Running")) * 2:
            act("for a while")
            other.until(lambda other, word=word: word in other.html["head"])
        assert works.is_alive()
        may_end.set()
        works.join(PATIENCE)
        view.until(lambda view: view.state["note"] == "It has ended.")


def test_what_is_selected_in_an_explorer_is_selected_nowhere_else(walked):
    in_notebook = walked.hub.handle("order-7").explore()
    with looking(walked, REPLAY) as view, looking(walked, "instances/order-7") as other:
        view.say("event", id=3)
        view.until(lambda view: "<b>event 3</b>" in view.html["body"])
        other.say("look")
        other.until(lambda other: other.messages)
        assert other.state["marked"] == []
        assert in_notebook.selected == ""
    in_notebook.close()


def test_what_is_hostile_in_code_and_values_is_text(served):
    @served.hub.orchestrator
    def hostile(context):
        here = context.get_input()  # <script>alert(1)
        print(here)
        return (yield context.wait_for_external_event(here))

    served.hub.start("hostile", "<script>alert(1)", instance_id="<script>alert(2)")
    with looking(served, "instances/<script>alert(2)/replay") as view:
        view.until(lambda view: "waits" in view.html["says"])
        drawn = "".join(view.html.values())
        assert drawn.count("&lt;script&gt;alert(1)") > 4  # code, variable, output, command, history
        assert "&lt;script&gt;alert(2)" in view.html["head"]
        assert "<script" not in drawn


# -- what may be said ----------------------------------------------------------------------------


def test_the_page_sets_nothing_but_the_tab_and_that_to_one_that_there_is(served):
    with looking(served, f"instances/{served.run('echo')}") as view:
        before = dict(view.state)
        view.set(label="x", note="x", place="x", _esm="x", graph="x", regions=[], is_frozen=True, comm=None)
        for tab in ("detail", "", "nowhere", None, 7, ["graph"], {}):
            view.set(tab=tab)
        view.say("look")
        view.until(lambda view: view.messages)
        assert view.state == before


@pytest.mark.parametrize("place", ["", "instances/odd", "instances/odd/replay", "entities/counter/a"])
def test_nothing_that_is_said_breaks_a_view(fresh, place):
    fresh.start("approval", instance_id="odd")
    until(lambda: fresh.hub.handle("odd").status().custom_status == "asked")  # else it writes that later
    before = fresh.hub._store.last_seq
    with looking(fresh, place) as view:
        view.until(lambda view: view.state["label"])
        seen = before()
        said = [one for one in ODD if not isinstance(one, float)]
        body = [
            *said,
            *({"method": one} for one in said),
            *({"method": "custom", "content": one} for one in said),
            *({"method": "update", "state": one} for one in said),
            *({"method": "update", "state": {"tab": one}} for one in said),
            *({"method": "custom", "content": {"do": one}} for one in said),
            *({"method": "custom", "content": {"do": "select", "key": one}} for one in said),
            {"method": "request_state"},
        ]
        assert view.post(body).status_code == 204
        for odd in (None, 7, {}, "x"):
            assert view.post(odd).status_code == 400
        view.say("select", key="")
        view.until(lambda view: view.messages)
        assert before() == seen


def test_a_session_that_is_none_hears_nothing(served):
    answer = served.http.post(f"{served.server.url}/page/views/nobody", json=[])
    assert answer.status_code == 404


# -- how many, and how long ----------------------------------------------------------------------


def test_so_many_views_are_open_at_a_time(served, monkeypatch):
    monkeypatch.setattr(sessions, "SESSIONS", 2)
    with looking(served) as first:
        with looking(served) as second:
            assert first.session != second.session
            answer = asked_for(served, "")
            assert (answer.status_code, answer.json()["Message"]) == (503, "Too many views are open")
            assert answer.headers["retry-after"] == "10"
        until(lambda: asked_for(served, "instances/nobody").status_code == 404)
        for _ in range(3):  # what could not be shown takes no room
            assert asked_for(served, "instances/nobody").status_code == 404
        with looking(served) as view:
            assert view.session


def test_a_view_is_drawn_no_more_when_its_page_is_gone(fresh):
    others = set(refresh_loop._due)  # of earlier tests: their servers hear of the pages' ends at any time
    with looking(fresh) as view:
        (drawn,) = set(refresh_loop._due) - others
        assert drawn in refresh_loop
    until(lambda: view.post([]).status_code == 404)
    until(lambda: drawn not in refresh_loop)


def test_a_view_of_which_nothing_is_heard_is_dropped(fresh, monkeypatch, capfd):
    is_seen, until_idle = threading.Event(), sessions.Session.until_idle

    async def until_idle_once_seen(session):
        await asyncio.to_thread(is_seen.wait, PATIENCE)
        await until_idle(session)

    monkeypatch.setattr(sessions, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(sessions.Session, "until_idle", until_idle_once_seen)
    with looking(fresh) as view:
        is_seen.set()
        view.rest()
        assert view.post([]).status_code == 404
    out, err = capfd.readouterr()
    assert out + err == ""


def test_a_stream_without_news_says_that_it_lives(fresh, monkeypatch):
    monkeypatch.setattr(sessions, "HEARTBEAT_SECONDS", 0.05)
    with looking(fresh) as view:
        assert next(line for line in view._lines if line) == ":"


def test_a_server_that_is_closed_ends_them_at_once_and_quietly(fresh, capfd):
    with looking(fresh) as view, looking(fresh, "entities/counter/a") as other:
        fresh.server._uvicorn.config.timeout_graceful_shutdown = None  # nobody ends them by force
        fresh.server.close()
        view.rest()
        other.rest()
    fresh.server._thread.join(PATIENCE)
    assert not fresh.server._thread.is_alive()
    out, err = capfd.readouterr()
    assert out + err == ""


def test_of_what_a_slow_page_did_not_take_the_last_state_is_kept():
    told = []
    wire = PageChannel(lambda: told.append(1))
    for number in range(1_000):
        wire.send(
            {"method": "update", "state": {"label": number}, "buffer_paths": [["head"]]}, [b"%d" % number]
        )
        wire.send({"method": "custom", "content": number})
    state, messages = wire.collect()
    assert state == {"label": 999, "head": b"999"}
    assert messages == list(range(900, 1_000))
    assert wire.collect() == ({}, [])
    assert len(told) == 2_000
