"""The conversation that a history has: what is said, which tools are called, and what came of them."""

import contextlib
import json

import pytest

import durablenb as df
from durablenb.analysis.conversation import (
    ConversationReader,
    read_conversation,
    spent_text,
    with_streams,
)
from durablenb.model.conversations import Decision
from durablenb.model.events import EventRaised
from durablenb.notebook.still.conversation import conversation_html
from tests.notebook.reading import page_of

PRICES = {"m": {"input": 1, "output": 2}}


def part(kind, content=None, **more):
    return {"part_kind": kind, **({} if content is None else {"content": content}), **more}


IMAGE = {"data": "iVBO", "media_type": "image/png", "kind": "binary"}


def call(call_id, name="add", args=None):
    return part("tool-call", tool_name=name, args={"a": 1} if args is None else args, tool_call_id=call_id)


def request(*parts, **more):
    return {"kind": "request", "parts": list(parts), **more}


def answer(*parts):
    usage = {"input_tokens": 1_000, "output_tokens": 500, "cache_read_tokens": 100}
    return {"kind": "response", "parts": list(parts), "usage": usage, "model_name": "m"}


def ask(context, words):
    """A request to the model."""
    return context.call_activity("bot.model", {"messages": [request(part("user-prompt", words))]})


def asks_and_waits(context):
    """Asks the model, then waits for two decisions."""
    yield ask(context, "go")
    return (yield context.task_all([context.wait_for_external_event(f"approval.{name}") for name in "xy"]))


def settle(hub):
    """Does all that can be done."""
    while hub.step():
        pass


@pytest.fixture
def hub():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        yield hub


def run(hub, answers, orchestrator, tool=lambda given: {"result": 3, "kind": "tool_return"}, **options):
    """Runs an orchestrator whose model gives these answers, one after the other."""
    left = list(answers)

    def model(_):
        said = left.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    hub.add_activity(model, "bot.model")
    hub.add_activity(tool, "bot.add")
    handle = hub.start(hub.orchestrator(orchestrator), **options)
    settle(hub)
    return handle


def said(turn):
    return [(one.role, one.text) for one in turn.said], [(one.role, one.text) for one in turn.answer]


def test_turns_have_what_is_new_and_calls_their_results(hub):
    def main(context):
        first = request(part("system-prompt", "Be brief"), part("user-prompt", ["Add", IMAGE]))
        yield context.call_activity("bot.model", {"messages": [first]})
        yield context.call_activity("bot.add", {"args": {"a": 1}, "call_id": "x"})
        back = request(part("tool-return", 3, tool_name="add", tool_call_id="x"), instructions="Go on")
        yield context.call_activity("bot.model", {"after": 0, "messages": [back]})

    answers = [
        answer(part("thinking", "hm"), part("text", "I add"), call("x", args='{"a": 2}')),
        answer(part("text", "3")),
    ]
    handle = run(hub, answers, main, budget=df.Budget(prices=PRICES))
    first, second = read_conversation(handle.history())
    assert said(first) == (
        [("system", "Be brief"), ("user", "Add\n(image/png)")],
        [("thinking", "hm"), ("answer", "I add")],
    )
    (tool,) = first.calls
    assert (tool.name, tool.args, tool.state, tool.result, tool.task_id) == (
        "add",
        {"a": 1},
        "completed",
        3,
        1,
    )
    assert said(second) == ([("system", "Go on")], [("answer", "3")])
    assert (first.agent, first.number, second.number, second.state) == ("bot", 1, 2, "completed")
    assert first.cost == pytest.approx(0.002)
    text = page_of(handle).text
    for words in ("Conversation: 2 turns", "add(a=1)", "1,000 tokens in (100 cached), 500 out", "$0.004"):
        assert words in text


def test_a_request_with_all_messages_shows_each_once(hub):
    def main(context):
        messages = [request(part("user-prompt", "one"))]
        for word in ("two", "three"):
            messages.append((yield context.call_activity("bot.model", {"messages": messages})))
            messages.append(request(part("user-prompt", word)))
        yield context.call_activity("bot.model", {"messages": messages[2:3]})  # another conversation

    handle = run(hub, [answer(part("text", n)) for n in "abc"], main)
    turns = read_conversation(handle.history())
    assert [said(turn)[0] for turn in turns] == [[("user", word)] for word in ("one", "two", "two")]


def test_instructions_are_shown_once_until_they_change(hub):
    def main(context):
        for text in ("Be brief", "Be brief", "Be long"):
            yield context.call_activity("bot.model", {"messages": [request(instructions=text)]})

    handle = run(hub, [answer()] * 3, main)
    shown = [said(turn)[0] for turn in read_conversation(handle.history())]
    assert shown == [[("system", "Be brief")], [], [("system", "Be long")]]


def test_approvals_denials_and_edited_arguments(hub):
    def main(context):
        yield ask(context, "go")
        waits = [context.wait_for_external_event(f"approval.{name}") for name in "xyz"]
        decisions = yield context.task_all(waits[:2])
        yield context.call_activity("bot.add", {"args": decisions[0]["args"], "call_id": "x"})
        yield waits[2]

    handle = run(hub, [answer(call("x"), call("y"), call("z"))], main)
    handle.raise_event("approval.x", {"approve": True, "args": {"a": 7}})
    handle.raise_event("approval.y", {"approve": False, "message": "too dear"})
    settle(hub)
    (turn,) = read_conversation(handle.history())
    assert [(one.state, one.args, one.result) for one in turn.calls] == [
        ("completed", {"a": 7}, 3),
        ("denied", {"a": 1}, "too dear"),
        ("waiting", {"a": 1}, None),
    ]
    text = " ".join(page_of(handle).text.split())
    assert "1 waiting" in text
    assert text.count("the model asked for") == 1
    assert "the model asked for add(a=1)" in text


def test_decisions_that_come_early_twice_or_undecided(hub):
    def main(context):
        yield ask(context, "go")
        waits = [context.wait_for_external_event(f"approval.{name}") for name in "xyz"]
        yield waits[0]
        yield context.call_activity("bot.add", {"args": {"a": 1}, "call_id": "x"})
        yield waits[1]
        while (yield waits[2]) not in (True, False):
            waits[2] = context.wait_for_external_event("approval.z")

    handle = run(hub, [answer(call("x"), call("y"), call("z"))], main)

    def states_after(name, decision):
        handle.raise_event(f"approval.{name}", decision)
        settle(hub)
        (turn,) = read_conversation(handle.history())
        return [one.state for one in turn.calls]

    assert states_after("x", True) == ["completed", "waiting", "waiting"]
    assert states_after("x", False) == ["completed", "waiting", "waiting"]
    assert states_after("y", False) == ["completed", "denied", "waiting"]
    assert states_after("z", "yes") == ["completed", "denied", "waiting"]
    assert [one.call_id for one in handle.approvals()] == ["z"]
    assert states_after("z", True) == ["completed", "denied", "approved"]


def test_of_two_events_the_one_that_decides_counts(hub):
    def main(context):
        yield ask(context, "go")
        while Decision.of((yield context.wait_for_external_event("approval.x"))) is None:
            pass
        yield context.wait_for_external_event("Go")

    handle = run(hub, [answer(call("x"))], main)
    for payload in ("yes", {"approve": "true"}, {"approve": True, "args": {}}):
        handle.raise_event("approval.x", payload)
    settle(hub)
    ((one,),) = [turn.calls for turn in read_conversation(handle.history())]
    assert (one.state, one.args, one.original.args) == ("approved", {}, {"a": 1})


@pytest.mark.parametrize("end", ["cancel", "terminate"])
def test_a_call_waits_no_longer_once_its_instance_has_ended(hub, end):
    handle = run(hub, [answer(call("x"), call("y"))], asks_and_waits)
    assert [one.call_id for one in handle.approvals()] == ["x", "y"]
    getattr(handle, end)("enough")
    settle(hub)
    assert handle.approvals() == []
    (turn,) = read_conversation(handle.history())
    assert [one.state for one in turn.calls] == ["open", "open"]


def test_a_rewind_shows_and_counts_each_turn_once(hub):
    def main(context):
        for number in range(3):
            messages = [request(part("user-prompt", str(number)))]
            yield context.call_activity("bot.model", {"messages": messages})

    answers = [answer(part("text", "a")), RuntimeError("down"), answer(part("text", "b")), answer()]
    handle = run(hub, answers, main)
    assert [turn.state for turn in read_conversation(handle.history())] == ["completed", "failed"]
    handle.rewind()
    settle(hub)
    turns = read_conversation(handle.history())
    assert [(turn.said[0].text, turn.state) for turn in turns] == [(n, "completed") for n in "012"]
    assert spent_text(turns).startswith("3,000 tokens in")


def test_a_decision_before_the_request_counts(hub):
    def main(context):
        yield context.wait_for_external_event("Go")
        yield ask(context, "go")
        waits = [context.wait_for_external_event(f"approval.{name}") for name in "xy"]
        yield context.task_all(waits)

    handle = run(hub, [answer(call("x"), call("y"))], main)
    handle.raise_event("approval.x", False)
    handle.raise_event("Go")
    settle(hub)
    (turn,) = read_conversation(handle.history())
    assert [one.state for one in turn.calls] == ["denied", "waiting"]


@pytest.mark.parametrize(
    ("returned", "state", "result"),
    [
        ({"kind": "cat", "name": "Tom"}, "completed", {"kind": "cat", "name": "Tom"}),
        ({"kind": ["cat"]}, "completed", {"kind": ["cat"]}),
        ({"kind": "tool_return", "result": {"kind": "tool_failed"}}, "completed", {"kind": "tool_failed"}),
        ({"kind": "tool_failed", "message": "closed"}, "failed", "closed"),
        ({"kind": "approval_required"}, "open", None),
    ],
)
def test_a_tools_outcome_is_one_of_the_known_kinds_or_its_result(hub, returned, state, result):
    def main(context):
        yield ask(context, "go")
        yield context.call_activity("bot.add", {"args": {}, "call_id": "x"})

    handle = run(hub, [answer(call("x"))], main, lambda given: returned)
    ((one,),) = [turn.calls for turn in read_conversation(handle.history())]
    assert (one.state, one.result) == (state, result)


def test_attempts_failures_and_refusals(hub):
    def main(context):
        given = {"messages": [request(part("user-prompt", "go"))]}
        yield context.call_activity_with_retry("bot.model", df.RetryOptions(1, 2), given)
        with contextlib.suppress(ValueError):
            yield context.call_activity("bot.add", {"args": {}, "call_id": "x"})
        yield context.call_activity("bot.model", given)

    def tool(_):
        raise ValueError("no such number")

    answers = [RuntimeError("overloaded"), answer(call("x"))]
    handle = run(hub, answers, main, tool, budget=df.Budget(requests=2))
    first, refused = read_conversation(handle.history())
    assert (first.attempt, first.state, first.failure) == (2, "completed", None)
    assert (first.calls[0].state, first.calls[0].result) == ("failed", "no such number")
    assert refused.state == "failed"
    assert "made 2 of 2 requests" in refused.failure


def test_what_a_running_request_streams_is_its_last_text(hub):
    def main(context):
        yield context.call_activity("other.model", {"messages": [request(part("user-prompt", "<b>"))]})

    reader = ConversationReader()
    handle = run(hub, [], main)
    reader.read(handle.history()[:3])  # up to the request
    (turn,) = with_streams(reader.turns, {(1, 0): "Hel<lo"})
    html = conversation_html([turn])
    assert turn.state == "running"
    assert "Hel&lt;lo" in html
    assert "&lt;b&gt;" in html
    assert "running …" in conversation_html(reader.turns)


def test_live_views_have_the_tab_once_a_model_is_asked(hub):
    def main(context):
        yield context.wait_for_external_event("Go")
        yield ask(context, "hi")

    handle = run(hub, [answer(part("text", "ho"))], main)
    view = handle.watch()
    assert view.absent == ["conversation"]
    handle.raise_event("Go")
    settle(hub)
    view.refresh()
    assert view.absent == []
    view.tab = "conversation"
    view.refresh()  # the view's own thread may be drawing the tab before
    assert b"ho" in view.conversation
    assert "ho" in json.dumps(view.still())


def decided(context):
    yield ask(context, "go")
    waits = [context.wait_for_external_event(name) for name in ("approval.x", "result.y")]
    return (yield context.task_all(waits))


def click(view, do, name, **fields):
    view._on_message(view, {"do": do, "name": name, "fields": fields}, [])
    return view.waits.decode()


@pytest.mark.parametrize(
    ("do", "fields", "decision"),
    [
        ("approve", {"args": '{ "a": "<b>" }'}, {"approve": True}),
        ("approve", {"args": '{"a": 7}'}, {"approve": True, "args": {"a": 7}}),
        ("approve", {}, {"approve": True}),
        ("deny", {"message": " "}, {"approve": False}),
        ("deny", {"message": "too dear"}, {"approve": False, "message": "too dear"}),
    ],
)
def test_live_views_decide_a_call_and_send_the_result_of_another(hub, do, fields, decision):
    handle = run(hub, [answer(call("x", args={"a": "<b>"}), call("y", "ask"))], decided)
    view = handle.watch()
    waits = view.waits.decode()
    for words in ("approval of", "add(a=&quot;&lt;b&gt;&quot;)", "result of", "Approve", "Deny", "Send"):
        assert words in waits
    click(view, do, "approval.x", **fields)
    click(view, "answer", "result.y", result='"rain"')
    settle(hub)
    assert handle.result() == [decision, "rain"]


def test_what_is_typed_badly_is_said_at_its_field_and_nothing_is_sent(hub):
    handle = run(hub, [answer(call("x"), call("y"))], decided)
    view = handle.watch()
    assert "line 1, column 1" in click(view, "approve", "approval.x", args="no idea")
    assert "a JSON object such as" in click(view, "approve", "approval.x", args="[1]")
    assert view.waits.decode().count("Nothing was sent") == 1
    assert "A text has quotes" in click(view, "answer", "result.y", result="rain")
    assert view.waits.decode().count("Nothing was sent") == 2
    assert view.waits.decode().count('aria-invalid="true"') == 2
    assert not any(isinstance(event, EventRaised) for event in handle.history())
    assert "Nothing was sent" not in click(view, "approve", "approval.x", args="{}").partition("result of")[0]


def test_a_call_is_decided_once_in_two_views(hub):
    handle = run(hub, [answer(call("x"), call("y"))], decided)
    first, second = handle.watch(), handle.watch()
    click(first, "approve", "approval.x")
    click(second, "deny", "approval.x")
    assert "decided already" in second.note
    raised = [event for event in handle.history() if isinstance(event, EventRaised)]
    assert [json.loads(event.input) for event in raised] == [{"approve": True}]


def test_a_decision_is_off_until_its_event_has_arrived(hub):
    handle = run(hub, [answer(call("x"), call("y"))], decided)
    sent = []
    view = handle.watch()
    view._decisions._raise_event = lambda *event: sent.append(event)
    waits = click(view, "approve", "approval.x")
    assert waits.count("<fieldset") == 2
    assert waits.count(" disabled") == 1
    assert "approved</span>" in waits
    click(view, "deny", "approval.x")
    assert sent == [("approval.x", {"approve": True})]
    assert "decided already" in view.note


def test_calls_of_two_generations_may_have_the_same_id(hub):
    def main(context):
        yield ask(context, "go")
        if (yield context.wait_for_external_event("approval.x"))["approve"]:
            context.continue_as_new(None)

    handle = run(hub, [answer(call("x"))] * 2, main)
    view = handle.watch()
    click(view, "approve", "approval.x")
    settle(hub)
    click(view, "deny", "approval.x")
    settle(hub)
    assert view.note == ""
    assert handle.status().runtime_status.name == "Completed"


def test_an_event_that_decides_nothing_leaves_the_form(hub):
    def main(context):
        yield ask(context, "go")
        while (yield context.wait_for_external_event("approval.x")) == "hm":
            pass

    handle = run(hub, [answer(call("x"))], main)
    handle.raise_event("approval.x", "hm")
    settle(hub)
    assert "Approve" in handle.watch().waits.decode()


def test_arguments_that_could_deceive_are_escaped_and_long_ones_are_not_edited(hub):
    given = [call("x", args={"a": "\u202e\n\ud83d\ude00"}), call("y", args={"a": "long" * 2_000})]

    waits = run(hub, [answer(*given)], asks_and_waits).watch().waits.decode()
    assert "\\u202e\\n\U0001f600" in waits
    assert waits.count("<textarea") == 1
    assert "Long arguments" in waits


def test_a_live_view_names_its_forms_where_it_has_them(hub):
    handle = run(hub, [answer(call("x"), call("y"))], decided)
    view = handle.watch()
    view.tab = "conversation"
    view.refresh()  # the view's own thread may be drawing the tab before
    drawn = view.conversation.decode()
    assert "decide in its form above the tabs" in drawn
    assert "send its result in its form above the tabs" in drawn
    assert "handle." not in drawn
    assert view.waits.decode().count("<fieldset") == 2


def test_still_pictures_say_how_to_decide(hub, tmp_path):
    handle = run(hub, [answer(call("x"), call("y"))], decided)
    handle.save(tmp_path / "run.html")
    page = (tmp_path / "run.html").read_text("utf-8")
    assert "handle.approvals()" in page
    assert "waits for its result" in page
    assert "<textarea name" not in page


def test_pages_without_values_have_no_conversation(hub, tmp_path):
    def main(context):
        yield ask(context, "hi")

    handle = run(hub, [answer(part("text", "secret words"))], main)
    for values in (True, False):
        handle.save(tmp_path / "run.html", values=values)
        assert ("secret words" in (tmp_path / "run.html").read_text("utf-8")) is values


@pytest.mark.parametrize(
    "given", [{"messages": 1}, {"messages": [1, {"parts": [2]}]}, ["messages"], "messages"]
)
def test_other_activities_of_such_a_name_do_no_harm(hub, given):
    def main(context):
        yield context.call_activity("bot.model", given)

    handle = run(hub, [[1]], main)
    assert handle.status().runtime_status.name == "Completed"
    conversation_html(read_conversation(handle.history()))
