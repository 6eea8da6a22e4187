"""Forks of an agent with other answers of its model and its tools, one or many, and what they cost."""

import pytest

import durablenb as df
from tests.notebook.reading import page_of

PRICES = {"m": {"input": 1, "output": 1}}


LOOK = {"part_kind": "tool-call", "tool_name": "look", "args": {}, "tool_call_id": "c1"}


def model(given):
    said = given["messages"][-1]["content"]
    parts = [LOOK] if said == "go" else [{"part_kind": "text", "content": f"found {said}"}]
    return {"parts": parts, "usage": {"input_tokens": 1_000, "output_tokens": 500}, "model_name": "m"}


def bot(context):
    """Asks the model, calls its tool, and asks again; or returns the text that it answers."""
    said = context.get_input() or "go"
    for _ in range(3):
        (part,) = (
            yield context.call_activity("bot.model", {"messages": [{"kind": "request", "content": said}]})
        )["parts"]
        if part["part_kind"] == "text":
            return part["content"]
        try:
            said = (yield context.call_activity("look", {"args": {}, "call_id": "c1"}))["result"]
        except ValueError as error:
            said = error.details.message


@pytest.fixture
def handle():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_activity(model, "bot.model")
        hub.add_activity(lambda _: {"result": "gold", "kind": "tool_return"}, "look")
        handle = hub.start(hub.orchestrator(bot), instance_id="a", budget=df.Budget(prices=PRICES))
        assert handle.result() == "found gold"
        yield handle


@pytest.mark.parametrize(
    ("answers", "result"),
    [
        ({"#1": "silver"}, "found silver"),
        ({"#1": ValueError("closed")}, "found closed"),
        ({"#0": [{"part_kind": "text", "content": "parts"}]}, "parts"),
        ({"#0": {"parts": [{"part_kind": "text", "content": "whole"}]}}, "whole"),
    ],
)
def test_a_fork_has_other_answers(handle, answers, result):
    assert handle.fork(answers=answers).result() == result


def test_an_answer_is_named_by_its_event_as_well(handle):
    (event,) = [e for e in handle.history() if type(e).__name__ == "TaskCompleted" and e.task_id == 1]
    assert handle.fork(answers={event.event_id: "tin"}).result() == "found tin"


def test_other_tasks_and_values_are_refused(handle):
    with pytest.raises(ValueError, match="neither a request to a model nor a call of a tool"):
        handle.fork(answers={"#7": 1})
    with pytest.raises(ValueError, match="expected a text"):
        handle.fork(answers={"#0": 1})
    with pytest.raises(ValueError, match="a list of parts with 'part_kind'"):
        handle.fork(answers={"#0": ["text"]})


@pytest.mark.parametrize("given", [["silver"], "silver", []])
@pytest.mark.parametrize("what", ["answers", "results"])
def test_outcomes_that_name_no_task_are_refused(handle, what, given):
    with pytest.raises(TypeError, match=rf"^{what} is .*expected a dict by task"):
        handle.fork(**{what: given})


def test_a_task_has_one_outcome(handle):
    (event,) = [e for e in handle.history() if type(e).__name__ == "TaskCompleted" and e.task_id == 1]
    with pytest.raises(ValueError, match="'#1' is in results and in answers"):
        handle.fork(results={"#1": {"result": "tin"}}, answers={"#1": "silver"})
    for given in (
        {"results": {event.event_id: {"result": "tin"}}, "answers": {"#1": "silver"}},
        {"results": {event.event_id: {"result": "tin"}, "#1": {"result": "silver"}}},
    ):
        with pytest.raises(ValueError, match=rf"{event.event_id} and '#1' both name task #1"):
            handle.fork(**given)
    both = handle.fork(results={"#1": {"result": "tin"}}, answers={"#0": [LOOK]})
    assert both.result() == "found tin"


def test_many_forks_are_ranked_by_a_query(handle):
    forks = handle.fork_many(
        {"silver": {"answers": {"#1": "silver"}}, "early": {"answers": {"#0": "done"}}, "new": {"input": "x"}}
    )
    assert forks.ids == ("a-silver", "a-early", "a-new")
    assert forks.results() == ["found silver", "done", "found x"]
    ranked = handle.hub.sql("""
        select instance_id, output ->> '$', coalesce(sum(cost), 0) as usd
        from instances left join llm_calls using (instance_id)
        where forked_from = 'a' group by all order by usd, instance_id
    """)
    assert ranked.fetchall() == [
        ("a-early", "done", 0),
        ("a-new", "found x", 0.0015),
        ("a-silver", "found silver", 0.0015),
    ]
    assert len(handle.fork_many([{}, {}], at=4)) == 2


def test_a_comparison_has_what_both_used(handle):
    text = str(df.compare(handle, handle.fork(answers={"#0": "done"})))
    assert "2,000 tokens in, 1,000 out · $0.003" in text
    assert "0 tokens in, 0 out · $0" in text
    assert "models" in page_of(df.compare(handle, handle)).text
